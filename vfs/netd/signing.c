// SPDX-License-Identifier: GPL-3.0-or-later
/* The public half of this device's signing key, and its signature over the fingerprint of this
 * device's certificate, for the greeting. Both come from the agent and are kept in the file
 * "signing": (uayay) suite, public key, proof; so a restart doesn't have to wait for it. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/netd.h"

#include <string.h>

#define SIGNING_FORMAT "(uayay)"

static GBytes *
child_bytes (GVariant *parent, gsize index)
{
  g_autoptr (GVariant) child = g_variant_get_child_value (parent, index);

  return g_variant_get_data_as_bytes (child);
}

static gboolean
is_good (Netd *netd, guint suite, GBytes *key, GBytes *proof)
{
  guint8 fingerprint[MOSS_HASH_BYTES];

  moss_fingerprint_to_bytes (netd->id, fingerprint);
  return moss_verify_domain (suite, key, "moss-link-1", fingerprint, sizeof fingerprint, proof,
                             NULL);
}

/* Returns whether it is another one than before. */
static gboolean
use (Netd *netd, guint suite, GBytes *key, GBytes *proof)
{
  gboolean changed = netd->hello.signing_key == NULL || netd->hello.suite != suite ||
                     !g_bytes_equal (netd->hello.signing_key, key);

  g_clear_pointer (&netd->hello.signing_key, g_bytes_unref);
  g_clear_pointer (&netd->hello.proof, g_bytes_unref);
  netd->hello.suite = suite;
  netd->hello.signing_key = g_bytes_ref (key);
  netd->hello.proof = g_bytes_ref (proof);
  return changed;
}

static char *
signing_path (Netd *netd)
{
  return g_build_filename (netd->state_dir, "signing", NULL);
}

static void
load (Netd *netd)
{
  g_autofree char *path = signing_path (netd);
  g_autofree char *text = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GVariant) file = NULL;
  g_autoptr (GBytes) key = NULL;
  g_autoptr (GBytes) proof = NULL;
  gsize length;
  guint32 suite;

  if (!g_file_get_contents (path, &text, &length, NULL))
    return;
  bytes = g_bytes_new_take (g_steal_pointer (&text), length);
  file = g_variant_ref_sink (
      g_variant_new_from_bytes (G_VARIANT_TYPE (SIGNING_FORMAT), bytes, FALSE));
  if (!g_variant_is_normal_form (file))
    return;
  g_variant_get_child (file, 0, "u", &suite);
  key = child_bytes (file, 1);
  proof = child_bytes (file, 2);
  if (is_good (netd, GUINT32_FROM_LE (suite), key, proof))
    use (netd, GUINT32_FROM_LE (suite), key, proof);
}

static void
save (Netd *netd)
{
  g_autofree char *path = signing_path (netd);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) file = g_variant_ref_sink (g_variant_new (
      "(u@ay@ay)", GUINT32_TO_LE (netd->hello.suite),
      g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, netd->hello.signing_key, TRUE),
      g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, netd->hello.proof, TRUE)));

  if (!g_file_set_contents_full (path, g_variant_get_data (file), g_variant_get_size (file),
                                 G_FILE_SET_CONTENTS_CONSISTENT, 0600, &error))
    g_warning ("%s", error->message);
}

typedef struct
{
  Netd *netd;
  guint32 suite;
  GBytes *key;
} Asked;

static void
on_signed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Asked *asked = user_data;
  g_autoptr (GBytes) key = asked->key;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autoptr (GBytes) proof = NULL;

  if (reply == NULL)
    {
      g_message ("the agent didn't sign: %s", error->message);
      return;
    }
  proof = child_bytes (reply, 0);
  if (!is_good (asked->netd, asked->suite, key, proof))
    {
      g_warning ("the agent's signature is not by the key it shows");
      return;
    }
  if (!use (asked->netd, asked->suite, key, proof))
    return;
  save (asked->netd);
  /* Whoever was greeted without it gets greeted again. */
  peers_drop_all (asked->netd, "this device's signing key is there now");
}

static void
on_properties (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Netd *netd = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autoptr (GVariant) dict = NULL;
  g_autoptr (GVariant) key = NULL;
  guint8 fingerprint[MOSS_HASH_BYTES];
  Asked *asked;
  guint32 suite;

  if (reply == NULL)
    {
      g_message ("the agent doesn't answer: %s", error->message);
      return;
    }
  dict = g_variant_get_child_value (reply, 0);
  key = g_variant_lookup_value (dict, "PublicKey", G_VARIANT_TYPE_BYTESTRING);
  if (key == NULL || !g_variant_lookup (dict, "Suite", "u", &suite))
    return;
  asked = g_new0 (Asked, 1);
  asked->netd = netd;
  asked->suite = suite;
  asked->key = g_variant_get_data_as_bytes (key);
  moss_fingerprint_to_bytes (netd->id, fingerprint);
  g_dbus_connection_call (netd->bus, "org.moss.Agent1", "/org/moss/Agent", "org.moss.Agent1",
                          "Sign",
                          g_variant_new ("(s@ay)", "moss-link-1",
                                         g_variant_new_fixed_array (
                                             G_VARIANT_TYPE_BYTE, fingerprint,
                                             sizeof fingerprint, 1)),
                          G_VARIANT_TYPE ("(ay)"), G_DBUS_CALL_FLAGS_NONE, -1, NULL,
                          on_signed, asked);
}

static void
ask (Netd *netd)
{
  g_dbus_connection_call (netd->bus, "org.moss.Agent1", "/org/moss/Agent",
                          "org.freedesktop.DBus.Properties", "GetAll",
                          g_variant_new ("(s)", "org.moss.Agent1"),
                          G_VARIANT_TYPE ("(a{sv})"), G_DBUS_CALL_FLAGS_NONE, -1, NULL,
                          on_properties, netd);
}

static void
on_agent_appeared (GDBusConnection *connection,
                   const char *name,
                   const char *owner,
                   gpointer user_data)
{
  ask (user_data);
}

/* Asks again if there was no answer yet: while it is locked the agent doesn't sign. */
void
signing_ask (Netd *netd)
{
  if (netd->hello.signing_key == NULL)
    ask (netd);
}

void
signing_start (Netd *netd)
{
  load (netd);
  g_bus_watch_name_on_connection (netd->bus, "org.moss.Agent1", G_BUS_NAME_WATCHER_FLAGS_NONE,
                                  on_agent_appeared, NULL, netd, NULL);
}
