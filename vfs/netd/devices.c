// SPDX-License-Identifier: GPL-3.0-or-later
/* The devices that are pinned or announce themselves. Pinned ones are kept in the file
 * "devices" of the state directory. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/netd.h"

#include <glib/gi18n.h>
#include <string.h>

enum
{
  ADDRESSES_MAX = 4,
  DEVICES_MAX = 1024,
};

void
device_free (gpointer data)
{
  Device *device = data;

  g_clear_handle_id (&device->retry, g_source_remove);
  g_clear_handle_id (&device->announce, g_source_remove);
  g_clear_pointer (&device->link, moss_link_unref);
  g_clear_pointer (&device->signing_key, g_bytes_unref);
  g_clear_pointer (&device->status, g_variant_unref);
  g_ptr_array_unref (device->addresses);
  g_free (device->discovered);
  g_free (device->reason);
  g_free (device->arch);
  g_free (device->kind);
  g_free (device->name);
  g_free (device->id);
  g_free (device);
}

/* Returns: (transfer none) (nullable) */
Device *
device_find (Netd *netd, const char *id)
{
  return g_hash_table_lookup (netd->devices, id);
}

/* Returns: (transfer none) (nullable): made if it wasn't known; %NULL if there are too many */
Device *
device_get (Netd *netd, const char *id)
{
  Device *device = device_find (netd, id);

  if (device != NULL || g_hash_table_size (netd->devices) >= DEVICES_MAX)
    return device;
  device = g_new0 (Device, 1);
  device->netd = netd;
  device->id = g_strdup (id);
  device->name = g_strndup (id, 8);
  device->addresses = g_ptr_array_new_with_free_func (g_free);
  device->reason = g_strdup (_ ("It was not seen yet."));
  g_hash_table_replace (netd->devices, device->id, device);
  return device;
}

static void
load_device (Netd *netd, GKeyFile *file, const char *id)
{
  g_auto (GStrv) addresses = g_key_file_get_string_list (file, id, "addresses", NULL, NULL);
  g_autofree char *name = g_key_file_get_string (file, id, "name", NULL);
  g_autofree char *key = g_key_file_get_string (file, id, "signing-key", NULL);
  g_autofree char *valid = moss_fingerprint_parse (id, NULL);
  Device *device = valid == NULL ? NULL : device_get (netd, valid);

  if (device == NULL)
    {
      g_warning ("the entry “%s” in the list of devices is skipped", id);
      return;
    }
  /* A device of the identity is pinned by the chain, and by nothing else. */
  device->paired = !g_key_file_get_boolean (file, id, "identity", NULL);
  for (guint i = 0; addresses != NULL && addresses[i] != NULL && i < ADDRESSES_MAX; i++)
    g_ptr_array_add (device->addresses, g_strdup (addresses[i]));
  if (name != NULL)
    {
      g_free (device->name);
      device->name = moss_clean_name (name);
    }
  if (key != NULL && *key != '\0')
    {
      gsize length;
      guchar *bytes = g_base64_decode (key, &length);

      device->suite = g_key_file_get_integer (file, id, "signing-suite", NULL);
      device->signing_key = g_bytes_new_take (bytes, length);
    }
}

gboolean
devices_load (Netd *netd, GError **error)
{
  g_autofree char *path = g_build_filename (netd->state_dir, "devices", NULL);
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GError) local = NULL;
  g_auto (GStrv) groups = NULL;

  if (!g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, &local))
    {
      if (g_error_matches (local, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        return TRUE;
      g_propagate_prefixed_error (error, g_steal_pointer (&local), "%s: ", path);
      return FALSE;
    }
  groups = g_key_file_get_groups (file, NULL);
  for (guint i = 0; groups[i] != NULL; i++)
    load_device (netd, file, groups[i]);
  return TRUE;
}

static void
save_device (GKeyFile *file, Device *device)
{
  g_key_file_set_string (file, device->id, "name", device->name);
  if (device->slot > 0)
    g_key_file_set_boolean (file, device->id, "identity", TRUE);
  if (device->addresses->len > 0)
    g_key_file_set_string_list (file, device->id, "addresses",
                                (const char *const *) device->addresses->pdata,
                                device->addresses->len);
  if (device->signing_key != NULL)
    {
      g_autofree char *key = g_base64_encode (g_bytes_get_data (device->signing_key, NULL),
                                              g_bytes_get_size (device->signing_key));

      g_key_file_set_string (file, device->id, "signing-key", key);
      g_key_file_set_integer (file, device->id, "signing-suite", device->suite);
    }
}

void
devices_save (Netd *netd)
{
  g_autofree char *path = g_build_filename (netd->state_dir, "devices", NULL);
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  GHashTableIter iter;
  Device *device;
  gsize length;

  g_hash_table_iter_init (&iter, netd->devices);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &device))
    if (device->paired && !device->joining)
      save_device (file, device);
  text = g_key_file_to_data (file, &length, NULL);
  if (g_strcmp0 (text, netd->saved_devices) == 0)
    return; /* every greeting comes by here */
  g_free (netd->saved_devices);
  netd->saved_devices = g_strdup (text);
  if (!g_file_set_contents_full (path, text, length,
                                 G_FILE_SET_CONTENTS_CONSISTENT |
                                     G_FILE_SET_CONTENTS_DURABLE,
                                 0600, &error))
    g_warning ("the list of devices can't be saved: %s", error->message);
}

/* @address: "host:port"; becomes the first to be tried */
void
device_remember_address (Device *device, const char *address)
{
  for (guint i = 0; i < device->addresses->len; i++)
    {
      if (strcmp (g_ptr_array_index (device->addresses, i), address) != 0)
        continue;
      if (i == 0)
        return;
      g_ptr_array_remove_index (device->addresses, i);
      break;
    }
  g_ptr_array_insert (device->addresses, 0, g_strdup (address));
  if (device->addresses->len > ADDRESSES_MAX)
    g_ptr_array_set_size (device->addresses, ADDRESSES_MAX);
  if (device->paired)
    devices_save (device->netd);
}

/* As the last to be tried; says whether it was not known. */
gboolean
device_add_address (Device *device, const char *address)
{
  for (guint i = 0; i < device->addresses->len; i++)
    if (strcmp (g_ptr_array_index (device->addresses, i), address) == 0)
      return FALSE;
  if (device->addresses->len >= ADDRESSES_MAX)
    return FALSE;
  g_ptr_array_add (device->addresses, g_strdup (address));
  if (device->paired)
    devices_save (device->netd);
  return TRUE;
}

/* Returns: (transfer none) (nullable) */
Device *
device_pin (Netd *netd, const char *id, const char *address)
{
  Device *device = device_get (netd, id);

  if (device == NULL)
    return NULL;
  device->paired = TRUE;
  if (address != NULL)
    device_remember_address (device, address);
  else if (device->discovered != NULL)
    device_remember_address (device, device->discovered);
  devices_save (netd);
  device_set_state (device, device->state, _ ("It was not seen yet."));
  device_changed (device);
  return device;
}

/* It still announces itself, so it stays in the list as a stranger. */
static void
forget_pin (Device *device)
{
  device->paired = FALSE;
  device->joining = FALSE;
  device->suite = 0;
  g_ptr_array_set_size (device->addresses, 0);
  g_clear_pointer (&device->signing_key, g_bytes_unref);
  g_clear_pointer (&device->status, g_variant_unref);
  device_set_state (device, DEVICE_AWAY, _ ("It is not one of your devices yet."));
  device_changed (device);
}

void
device_unpin (Device *device)
{
  Netd *netd = device->netd;
  g_autofree char *id = g_strdup (device->id);

  dial_stop (device);
  peers_drop (device, "this device no longer knows the other");
  g_clear_pointer (&device->link, moss_link_unref);
  if (device->discovered == NULL)
    {
      g_hash_table_remove (netd->devices, id);
      if (netd->interface != NULL)
        moss_dbus_net1_emit_device_removed (netd->interface, id);
    }
  else
    forget_pin (device);
  devices_save (netd);
}

static gboolean
on_announce (gpointer data)
{
  Device *device = data;

  device->announce = 0;
  moss_dbus_net1_emit_device_changed (device->netd->interface, device->id,
                                      device_to_variant (device));
  return G_SOURCE_REMOVE;
}

/* Several changes in one turn of the loop are told once. */
void
device_changed (Device *device)
{
  if (device->announce == 0 && device->netd->interface != NULL)
    device->announce = g_idle_add (on_announce, device);
}

void
device_set_state (Device *device, DeviceState state, const char *reason)
{
  if (device->state == state && g_strcmp0 (device->reason, reason) == 0)
    return;
  device->state = state;
  g_free (device->reason);
  device->reason = g_strdup (reason);
  device_changed (device);
}

static void
add_status (GVariantDict *dict, GVariant *status)
{
  static const struct
  {
    const char *key, *type;
  } known[] = { { "load", "d" }, { "idle", "b" }, { "battery", "d" }, { "on-battery", "b" } };

  for (guint i = 0; i < G_N_ELEMENTS (known); i++)
    {
      g_autoptr (GVariant) value =
          g_variant_lookup_value (status, known[i].key, G_VARIANT_TYPE (known[i].type));

      if (value == NULL)
        continue;
      if (*known[i].type == 'd')
        {
          double number = g_variant_get_double (value);

          if (!(number >= 0 && number <= 1))
            continue;
        }
      g_variant_dict_insert_value (dict, known[i].key, value);
    }
}

static void
add_link (GVariantDict *dict, Device *device)
{
  g_variant_dict_insert (dict, "arch", "s", device->arch != NULL ? device->arch : "");
  g_variant_dict_insert (dict, "cores", "u", device->cores);
  g_variant_dict_insert (dict, "kind", "s", device->kind != NULL ? device->kind : "desktop");
  if (device->link == NULL)
    return;
  g_variant_dict_insert (dict, "rtt-us", "t", moss_link_get_rtt_us (device->link));
  g_variant_dict_insert (dict, "bytes-per-s", "t", moss_link_get_bytes_per_s (device->link));
  if (device->status != NULL)
    add_status (dict, device->status);
}

/* Returns: (nullable): where it was reached last, or announces itself */
const char *
device_best_address (Device *device)
{
  return device->addresses->len > 0 ? g_ptr_array_index (device->addresses, 0)
                                    : device->discovered;
}

/* Returns: (transfer floating): a{sv} */
GVariant *
device_to_variant (Device *device)
{
  static const char *const states[] = { "away", "refused", "linked" };
  const char *address = device_best_address (device);
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "id", "s", device->id);
  g_variant_dict_insert (&dict, "name", "s", device->name);
  g_variant_dict_insert (&dict, "state", "s", states[device->state]);
  g_variant_dict_insert (&dict, "reason", "s",
                         device->state == DEVICE_LINKED ? "" : device->reason);
  g_variant_dict_insert (&dict, "address", "s", address != NULL ? address : "");
  g_variant_dict_insert (&dict, "paired", "b", device->paired);
  g_variant_dict_insert (&dict, "slot", "u", device->slot);
  g_variant_dict_insert (&dict, "signing-suite", "u", device->suite);
  g_variant_dict_insert_value (
      &dict, "signing-key",
      device->signing_key == NULL
          ? g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, NULL, 0, 1)
          : g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, device->signing_key, TRUE));
  add_link (&dict, device);
  return g_variant_dict_end (&dict);
}

/* Returns: (transfer floating): aa{sv} */
GVariant *
devices_to_variant (Netd *netd)
{
  GVariantBuilder builder;
  GHashTableIter iter;
  Device *device;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  g_hash_table_iter_init (&iter, netd->devices);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &device))
    g_variant_builder_add_value (&builder, device_to_variant (device));
  return g_variant_builder_end (&builder);
}
