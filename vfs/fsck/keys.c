// SPDX-License-Identifier: GPL-3.0-or-later
/* The keys of the person's tree, and who may sign its roots: from the agent, or a file. */
#define G_LOG_DOMAIN "moss-fsck"

#include "vfs/fsck/fsck.h"

#include "core/identity/chain.h"

#include <gio/gio.h>

#define AGENT "org.moss.Agent1"
#define AGENT_PATH "/org/moss/Agent"

const guint8 *
keys_find (Check *check, guint32 generation)
{
  for (guint i = 0; i < check->keys->len; i++)
    if (g_array_index (check->keys, Key, i).generation == generation)
      return g_array_index (check->keys, Key, i).tree_key;
  return NULL;
}

/* --- a file --- */

static gboolean
from_hex (const char *text, guint8 *bytes, gsize length)
{
  if (text == NULL || strlen (text) != 2 * length)
    return FALSE;
  for (gsize i = 0; i < length; i++)
    {
      int high = g_ascii_xdigit_value (text[2 * i]);
      int low = g_ascii_xdigit_value (text[2 * i + 1]);

      if (high < 0 || low < 0)
        return FALSE;
      bytes[i] = high << 4 | low;
    }
  return TRUE;
}

static gboolean
read_device (Check *check, char **words)
{
  guint count = g_strv_length (words);
  gsize length = count == 5 ? strlen (words[4]) / 2 : 0;
  g_autofree guint8 *key = g_malloc (length + 1);
  Signer signer = { 0 };
  guint64 slot, suite;

  if (count < 4 || count > 5 ||
      !g_ascii_string_to_unsigned (words[1], 10, 1, G_MAXUINT16, &slot, NULL) ||
      !g_ascii_string_to_unsigned (words[2], 10, 1, 255, &suite, NULL) ||
      !from_hex (words[3], signer.device, sizeof signer.device) ||
      (count == 5 && !from_hex (words[4], key, length)))
    return FALSE;
  signer.slot = slot;
  signer.suite = suite;
  signer.public_key = count == 5 ? g_bytes_new (key, length) : NULL;
  g_array_append_val (check->signers, signer);
  return TRUE;
}

static gboolean
read_line (Check *check, const char *line)
{
  g_auto (GStrv) words = g_strsplit (line, " ", 6);
  guint count = g_strv_length (words);
  guint64 generation;
  Key key;

  if (count == 0 || line[0] == '#')
    return TRUE;
  if (g_str_equal (words[0], "device"))
    return read_device (check, words);
  if (g_str_equal (words[0], "tree") && count == 2)
    return from_hex (words[1], check->tree_id, 32);
  if (!g_str_equal (words[0], "key") || count != 3 ||
      !g_ascii_string_to_unsigned (words[1], 10, 1, G_MAXUINT32, &generation, NULL) ||
      !from_hex (words[2], key.tree_key, 32))
    return FALSE;
  key.generation = generation;
  g_array_append_val (check->keys, key);
  return TRUE;
}

/* Lines: "tree HEX", "key GENERATION HEX", "device SLOT SUITE FINGERPRINT [PUBLIC KEY]". */
gboolean
keys_from_file (Check *check, const char *path, GError **error)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents (path, &text, NULL, error))
    return FALSE;
  lines = g_strsplit (text, "\n", 1024);
  for (guint i = 0; lines[i] != NULL; i++)
    if (!read_line (check, lines[i]))
      {
        g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s: line %u makes no sense",
                     path, i + 1);
        return FALSE;
      }
  return TRUE;
}

/* --- the agent --- */

static GVariant *
ask (GDBusConnection *bus,
     const char *interface,
     const char *method,
     GVariant *arguments,
     const char *type,
     GError **error)
{
  return g_dbus_connection_call_sync (bus, AGENT, AGENT_PATH, interface, method, arguments,
                                      G_VARIANT_TYPE (type), G_DBUS_CALL_FLAGS_NONE, -1, NULL,
                                      error);
}

static gboolean
take_chain (Check *check, GVariant *value, GError **error)
{
  g_autoptr (GBytes) bytes = g_variant_get_data_as_bytes (value);
  g_autoptr (MossChain) chain = NULL;

  if (g_bytes_get_size (bytes) == 0)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "there is no identity yet");
      return FALSE;
    }
  chain = moss_chain_parse (bytes, error);
  if (chain == NULL)
    return FALSE;
  memcpy (check->tree_id, moss_chain_get_id (chain), 32);
  for (guint slot = 1; slot <= moss_chain_get_n_devices (chain); slot++)
    {
      MossChainDevice device;
      Signer signer = { .slot = slot };

      if (!moss_chain_get_device (chain, slot, &device))
        continue;
      signer.suite = device.record->suite;
      signer.public_key = g_bytes_ref (device.record->signing_key);
      memcpy (signer.device, device.record->fingerprint, 32);
      g_array_append_val (check->signers, signer);
    }
  return TRUE;
}

static void
take_keys (Check *check, GVariant *answer)
{
  g_autoptr (GVariant) list = g_variant_get_child_value (answer, 0);

  for (gsize i = 0; i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) one = g_variant_get_child_value (list, i);
      g_autoptr (GVariant) bytes = g_variant_get_child_value (one, 1);
      Key key;

      if (g_variant_get_size (bytes) != sizeof key.tree_key)
        continue;
      g_variant_get_child (one, 0, "u", &key.generation);
      memcpy (key.tree_key, g_variant_get_data (bytes), sizeof key.tree_key);
      g_array_append_val (check->keys, key);
    }
}

/* Blocks. */
gboolean
keys_from_agent (Check *check, GError **error)
{
  g_autoptr (GDBusConnection) bus = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, error);
  g_autoptr (GVariant) chain = NULL, inner = NULL, keys = NULL;

  if (bus == NULL)
    return FALSE;
  chain = ask (bus, "org.freedesktop.DBus.Properties", "Get",
               g_variant_new ("(ss)", AGENT, "Chain"), "(v)", error);
  if (chain == NULL)
    return FALSE;
  g_variant_get (chain, "(v)", &inner);
  if (!g_variant_is_of_type (inner, G_VARIANT_TYPE_BYTESTRING))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "the agent's chain is none");
      return FALSE;
    }
  if (!take_chain (check, inner, error))
    return FALSE;
  keys = ask (bus, AGENT, "TreeKeys", NULL, "(a(uayay))", error);
  if (keys == NULL)
    return FALSE;
  take_keys (check, keys);
  return TRUE;
}
