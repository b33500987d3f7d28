// SPDX-License-Identifier: GPL-3.0-or-later
/* Signatures of this device, by the agent: netd has no signing key. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/sync.h"

enum
{
  PATIENCE_MS = 10000,
};

/**
 * agent_sign:
 * @suite: (out): of the key that signed
 *
 * Any thread but the main context's. Fails while the agent is locked or gone.
 */
GBytes *
agent_sign (Netd *netd,
            const char *domain,
            const guint8 *message,
            gsize length,
            guint *suite,
            GError **error)
{
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) signature = NULL;

  *suite = g_atomic_int_get ((gint *) &netd->hello.suite);
  reply = g_dbus_connection_call_sync (
      netd->bus, "org.moss.Agent1", "/org/moss/Agent", "org.moss.Agent1", "Sign",
      g_variant_new ("(s@ay)", domain,
                     g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, message, length, 1)),
      G_VARIANT_TYPE ("(ay)"), G_DBUS_CALL_FLAGS_NO_AUTO_START, PATIENCE_MS, NULL, error);
  if (reply == NULL)
    {
      if (error != NULL)
        g_dbus_error_strip_remote_error (*error);
      return NULL;
    }
  signature = g_variant_get_child_value (reply, 0);
  return g_variant_get_data_as_bytes (signature);
}
