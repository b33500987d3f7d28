// SPDX-License-Identifier: LGPL-2.1-or-later
/* The key that seals this device's keys, in the desktop's keyring (Secret Service). The keyring
 * holds 32 random bytes as hex digits under a random name; it never sees what they seal. It may
 * have to ask the person for its own password, so nothing here waits. */
#define G_LOG_DOMAIN "moss-agent"

#include "core/agent/keyring.h"

#include <glib/gi18n.h>
#include <libsecret/secret.h>
#include <sodium.h>

enum
{
  ITEM_BYTES = 16,
  KEY_CHARS = 2 * MOSS_KEY_BYTES,
};

static const SecretSchema schema = {
  "org.moss.Agent1",
  SECRET_SCHEMA_NONE,
  { { "item", SECRET_SCHEMA_ATTRIBUTE_STRING }, { NULL, 0 } },
};

typedef struct
{
  char *item;
  GBytes *key;
} Made;

static void
free_made (gpointer data)
{
  Made *made = data;

  g_free (made->item);
  g_bytes_unref (made->key);
  g_free (made);
}

static void
say_why (GTask *task, const GError *reason)
{
  g_task_return_new_error (task, MOSS_AGENT_ERROR, MOSS_AGENT_ERROR_INVALID,
                           _ ("The keyring of this desktop can't be used (%s). Choose a "
                              "passphrase instead."),
                           reason->message);
}

static void
on_stored (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;

  if (secret_password_store_finish (result, &error))
    g_task_return_boolean (task, TRUE);
  else
    say_why (task, error);
}

/* Makes a key and lets the keyring keep it. */
void
moss_keyring_make (GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (NULL, NULL, callback, user_data);
  Made *made = g_new0 (Made, 1);
  guint8 name[ITEM_BYTES];
  char text[KEY_CHARS + 1];
  guint8 *key;

  made->key = moss_secret_new (MOSS_KEY_BYTES, &key);
  moss_crypto_random (key, MOSS_KEY_BYTES);
  moss_crypto_random (name, sizeof name);
  made->item = g_malloc0 (2 * ITEM_BYTES + 1);
  sodium_bin2hex (made->item, 2 * ITEM_BYTES + 1, name, sizeof name);
  sodium_bin2hex (text, sizeof text, key, MOSS_KEY_BYTES);
  g_task_set_task_data (task, made, free_made);
  secret_password_store (&schema, SECRET_COLLECTION_DEFAULT, _ ("Moss: keys of this device"),
                         text, NULL, on_stored, task, "item", made->item, NULL);
  sodium_memzero (text, sizeof text);
}

/**
 * moss_keyring_make_finish:
 * @item: (out) (transfer full): under what name
 *
 * Returns: (transfer full): the key
 */
GBytes *
moss_keyring_make_finish (GAsyncResult *result, char **item, GError **error)
{
  const Made *made = g_task_get_task_data (G_TASK (result));

  if (!g_task_propagate_boolean (G_TASK (result), error))
    return NULL;
  *item = g_strdup (made->item);
  return g_bytes_ref (made->key);
}

static void
on_found (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  char *text = secret_password_lookup_finish (result, &error);
  g_autoptr (GBytes) key = NULL;
  guint8 *data;
  gsize length = 0;

  if (error != NULL)
    {
      say_why (task, error);
      return;
    }
  key = moss_secret_new (MOSS_KEY_BYTES, &data);
  if (text != NULL &&
      sodium_hex2bin (data, MOSS_KEY_BYTES, text, strlen (text), NULL, &length, NULL) == 0 &&
      length == MOSS_KEY_BYTES)
    g_task_return_pointer (task, g_steal_pointer (&key), (GDestroyNotify) g_bytes_unref);
  else
    g_task_return_new_error (task, MOSS_AGENT_ERROR, MOSS_AGENT_ERROR_WRONG,
                             _ ("The keyring doesn't hold the key of Moss any more."));
  secret_password_free (text);
}

void
moss_keyring_find (const char *item, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (NULL, NULL, callback, user_data);

  secret_password_lookup (&schema, NULL, on_found, task, "item", item, NULL);
}

/* Returns: (transfer full) */
GBytes *
moss_keyring_find_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
