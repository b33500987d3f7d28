// SPDX-License-Identifier: GPL-3.0-or-later
/* What a new device remembers between its agreement to join an identity and the chain that has
 * it in. The old device writes the chain first and gives it to the new one then; should either
 * stop in between, the new one still lets the old one in, which gives it the chain over the
 * link. Kept in the file "joining" for an hour. */
#define G_LOG_DOMAIN "moss-netd"

#include "core/clock.h"
#include "vfs/netd/netd.h"

#include <glib/gstdio.h>

enum
{
  KEEP_S = 3600,
};

static char *
joining_path (Netd *netd)
{
  return g_build_filename (netd->state_dir, "joining", NULL);
}

/**
 * joining_save:
 * @id: the old device, whose person has shown to know the code
 * @address: (nullable): where it listens
 *
 * Any thread.
 */
gboolean
joining_save (Netd *netd,
              const char *id,
              const char *name,
              const char *address,
              GError **error)
{
  g_autofree char *path = joining_path (netd);
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autofree char *text = NULL;
  gsize length;

  g_key_file_set_string (file, "joining", "device", id);
  g_key_file_set_string (file, "joining", "name", name);
  if (address != NULL)
    g_key_file_set_string (file, "joining", "address", address);
  g_key_file_set_int64 (file, "joining", "until",
                        moss_clock_now_us () / G_USEC_PER_SEC + KEEP_S);
  text = g_key_file_to_data (file, &length, NULL);
  return g_file_set_contents_full (path, text, length,
                                   G_FILE_SET_CONTENTS_CONSISTENT |
                                       G_FILE_SET_CONTENTS_DURABLE,
                                   0600, error);
}

/* Lets the old device in, and looks for it, until the chain is here. */
void
joining_load (Netd *netd)
{
  g_autofree char *path = joining_path (netd);
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autofree char *text = NULL;
  g_autofree char *name = NULL;
  g_autofree char *address = NULL;
  g_autofree char *id = NULL;
  gint64 now = moss_clock_now_us () / G_USEC_PER_SEC;
  gint64 until;
  Device *device;

  if (!g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, NULL))
    return;
  text = g_key_file_get_string (file, "joining", "device", NULL);
  name = g_key_file_get_string (file, "joining", "name", NULL);
  address = g_key_file_get_string (file, "joining", "address", NULL);
  until = g_key_file_get_int64 (file, "joining", "until", NULL);
  id = text == NULL ? NULL : moss_fingerprint_parse (text, NULL);
  if (id == NULL || now > until || until - now > KEEP_S)
    {
      g_unlink (path);
      return;
    }
  device = device_get (netd, id);
  if (device == NULL || device->slot > 0)
    return;
  device->paired = TRUE;
  device->joining = TRUE;
  if (name != NULL)
    {
      g_free (device->name);
      device->name = moss_clean_name (name);
    }
  if (address != NULL)
    device_remember_address (device, address);
  device_changed (device);
  dial_now (device);
}

/* The chain is here, or is not waited for any more. */
void
joining_forget (Netd *netd)
{
  g_autofree char *path = joining_path (netd);
  g_autoptr (GPtrArray) waiting = g_ptr_array_new ();
  GHashTableIter iter;
  Device *device;

  if (g_unlink (path) != 0)
    return;
  g_hash_table_iter_init (&iter, netd->devices);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &device))
    if (device->joining)
      g_ptr_array_add (waiting, device);
  for (guint i = 0; i < waiting->len; i++)
    device_unpin (g_ptr_array_index (waiting, i));
}
