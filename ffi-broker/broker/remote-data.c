/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Buffers on the way to another device: short ones in the message, others as objects that netd
 * sends ahead and keeps, so that the same picture isn't sent twice. */
#define G_LOG_DOMAIN "moss-ffi-broker"

#include "remote.h"

#include "ffi-broker/client/buffer-wire.h"

#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum
{
  INLINE_MAX = 256 * 1024,
  PIECE_BYTES = 1024 * 1024,
  PUT_TIMEOUT_MS = 120000,
};

#define TOTAL_MAX (G_GUINT64_CONSTANT (1) << 30)

typedef struct
{
  Broker *broker;
  char *device;
  GPtrArray *buffers;
  guint at;
  GVariantBuilder list;
  RemotePacked func;
  gpointer user_data;
} Packing;

static void pack_next (Packing *packing);

static void
packed (Packing *packing, const GError *error)
{
  GVariant *list = g_variant_builder_end (&packing->list);

  if (error != NULL)
    g_variant_unref (g_variant_ref_sink (list));
  packing->func (error == NULL ? list : NULL, error, packing->user_data);
  g_ptr_array_unref (packing->buffers);
  g_free (packing->device);
  g_free (packing);
}

static GVariant *
describe_dims (MossFfiBuffer *buffer)
{
  GVariantBuilder dims;
  guint64 extent;
  gint64 stride;

  g_variant_builder_init (&dims, G_VARIANT_TYPE ("a(tx)"));
  for (guint i = 0; moss_ffi_buffer_get_dim (buffer, i, &extent, &stride); i++)
    g_variant_builder_add (&dims, "(tx)", extent, stride);
  return g_variant_builder_end (&dims);
}

static void
add_packed (Packing *packing, GVariant *bytes, GVariant *refs)
{
  MossFfiBuffer *buffer = packing->buffers->pdata[packing->at++];

  g_variant_builder_add (&packing->list, "(s@ay@a(ayay)t@a(tx))",
                         moss_ffi_buffer_get_caps (buffer), bytes, refs,
                         (guint64) moss_ffi_buffer_get_length (buffer), describe_dims (buffer));
}

static GVariant *
no_bytes (void)
{
  return g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, NULL, 0, 1);
}

static void
on_put (GObject *object, GAsyncResult *result, gpointer user_data)
{
  Packing *packing = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_with_unix_fd_list_finish (
      G_DBUS_CONNECTION (object), NULL, result, &error);

  if (reply == NULL)
    {
      packed (packing, error);
      return;
    }
  {
    g_autoptr (GVariant) refs = g_variant_get_child_value (reply, 0);

    add_packed (packing, no_bytes (), refs);
  }
  pack_next (packing);
}

static void
put (Packing *packing, MossFfiBuffer *buffer)
{
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  guint64 at = moss_ffi_buffer_get_offset (buffer), length = moss_ffi_buffer_get_length (buffer);
  guint64 end = at + length;
  GVariantBuilder ranges;

  g_unix_fd_list_append (fds, moss_ffi_buffer_get_fd (buffer), NULL);
  g_variant_builder_init (&ranges, G_VARIANT_TYPE ("a(tu)"));
  for (; at < end; at += PIECE_BYTES)
    g_variant_builder_add (&ranges, "(tu)", at, (guint) MIN (PIECE_BYTES, end - at));
  g_dbus_connection_call_with_unix_fd_list (
      packing->broker->bus, NET_NAME, NET_PATH, NET_NAME, "Put",
      g_variant_new ("(h@a(tu)s)", 0, g_variant_builder_end (&ranges), packing->device),
      G_VARIANT_TYPE ("(a(ayay)t)"), G_DBUS_CALL_FLAGS_NO_AUTO_START, PUT_TIMEOUT_MS, fds, NULL,
      on_put, packing);
}

static void
pack_next (Packing *packing)
{
  while (packing->at < packing->buffers->len)
    {
      MossFfiBuffer *buffer = packing->buffers->pdata[packing->at];
      g_autoptr (GError) error = NULL;
      g_autoptr (GBytes) bytes = NULL;
      gsize size;
      gconstpointer data;

      if (moss_ffi_buffer_get_length (buffer) > INLINE_MAX)
        {
          if (moss_ffi_buffer_share (buffer, MOSS_FFI_TRUST_SEALED, &error))
            put (packing, buffer);
          else
            packed (packing, error);
          return;
        }
      bytes = moss_ffi_buffer_get_bytes (buffer, &error);
      if (bytes == NULL)
        {
          packed (packing, error);
          return;
        }
      data = g_bytes_get_data (bytes, &size);
      add_packed (packing, g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, data, size, 1),
                  g_variant_new ("a(ayay)", NULL));
    }
  packed (packing, NULL);
}

void
remote_pack (Broker *broker, GPtrArray *buffers, const char *device, RemotePacked func,
             gpointer user_data)
{
  Packing *packing = g_new0 (Packing, 1);

  packing->broker = broker;
  packing->device = g_strdup (device);
  packing->buffers = g_ptr_array_ref (buffers);
  packing->func = func;
  packing->user_data = user_data;
  g_variant_builder_init (&packing->list, G_VARIANT_TYPE (WIRE_BUFFERS));
  pack_next (packing);
}

/* --- and back --- */

typedef struct
{
  Broker *broker;
  char *device;
  GVariant *wire;
  gsize at;
  guint64 total;
  GPtrArray *buffers;
  RemoteUnpacked func;
  gpointer user_data;
} Unpacking;

static void unpack_next (Unpacking *unpacking);

static void
unpacked (Unpacking *unpacking, const GError *error)
{
  unpacking->func (error == NULL ? unpacking->buffers : NULL, error, unpacking->user_data);
  g_ptr_array_unref (unpacking->buffers);
  g_variant_unref (unpacking->wire);
  g_free (unpacking->device);
  g_free (unpacking);
}

static void
unpack_failed (Unpacking *unpacking, const char *why)
{
  g_autoptr (GError) error =
      g_error_new (MOSS_FFI_ERROR, MOSS_FFI_ERROR_BAD_BUFFER, "what came from the other device %s",
                   why);

  unpacked (unpacking, error);
}

/* With the caps and dims that stand at the present place. */
static gboolean
add_unpacked (Unpacking *unpacking, MossFfiBuffer *buffer)
{
  g_autoptr (GVariant) one = g_variant_get_child_value (unpacking->wire, unpacking->at++);
  g_autoptr (GVariant) dims = g_variant_get_child_value (one, 4);
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < MIN (MOSS_FFI_BUFFER_DIMS, g_variant_n_children (dims)); i++)
    {
      guint64 extent;
      gint64 stride;

      g_variant_get_child (dims, i, "(tx)", &extent, &stride);
      moss_ffi_buffer_add_dim (buffer, extent, stride);
    }
  g_ptr_array_add (unpacking->buffers, buffer);
  return moss_ffi_buffer_check (buffer, &error);
}

static void
on_got (GObject *object, GAsyncResult *result, gpointer user_data)
{
  Unpacking *unpacking = user_data;
  g_autoptr (GVariant) one = g_variant_get_child_value (unpacking->wire, unpacking->at);
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_with_unix_fd_list_finish (
      G_DBUS_CONNECTION (object), &fds, result, &error);
  MossFfiBuffer *buffer;
  guint64 length;
  const char *caps;
  int handle, fd;

  if (reply == NULL)
    {
      unpacked (unpacking, error);
      return;
    }
  g_variant_get_child (reply, 0, "h", &handle);
  g_variant_get_child (one, 0, "&s", &caps);
  g_variant_get_child (one, 3, "t", &length);
  fd = fds != NULL ? g_unix_fd_list_get (fds, handle, &error) : -1;
  if (fd < 0)
    {
      unpack_failed (unpacking, "has no content");
      return;
    }
  buffer = moss_ffi_buffer_new_for_fd (caps, fd, 0, length, &error);
  close (fd);
  if (buffer == NULL)
    unpacked (unpacking, error);
  else if (!add_unpacked (unpacking, buffer))
    unpack_failed (unpacking, "is not what it says");
  else
    unpack_next (unpacking);
}

static void
get (Unpacking *unpacking, GVariant *refs)
{
  g_dbus_connection_call_with_unix_fd_list (
      unpacking->broker->bus, NET_NAME, NET_PATH, NET_NAME, "Get",
      g_variant_new ("(@a(ayay)s)", refs, unpacking->device), G_VARIANT_TYPE ("(haut)"),
      G_DBUS_CALL_FLAGS_NO_AUTO_START, PUT_TIMEOUT_MS, NULL, NULL, on_got, unpacking);
}

static void
unpack_next (Unpacking *unpacking)
{
  while (unpacking->at < g_variant_n_children (unpacking->wire))
    {
      g_autoptr (GVariant) one = g_variant_get_child_value (unpacking->wire, unpacking->at);
      g_autoptr (GVariant) bytes = g_variant_get_child_value (one, 1);
      g_autoptr (GVariant) refs = g_variant_get_child_value (one, 2);
      g_autoptr (GBytes) data = g_variant_get_data_as_bytes (bytes);
      guint64 length;
      const char *caps;

      g_variant_get_child (one, 0, "&s", &caps);
      g_variant_get_child (one, 3, "t", &length);
      unpacking->total += length;
      if (length > TOTAL_MAX || unpacking->total > TOTAL_MAX)
        {
          unpack_failed (unpacking, "is bigger than 1 GiB");
          return;
        }
      if (g_variant_n_children (refs) > 0)
        {
          get (unpacking, refs);
          return;
        }
      if (length != g_bytes_get_size (data) ||
          !add_unpacked (unpacking, moss_ffi_buffer_new (caps, data)))
        {
          unpack_failed (unpacking, "is not what it says");
          return;
        }
    }
  unpacked (unpacking, NULL);
}

void
remote_unpack (Broker *broker, GVariant *wire, const char *device, RemoteUnpacked func,
               gpointer user_data)
{
  Unpacking *unpacking = g_new0 (Unpacking, 1);

  unpacking->broker = broker;
  unpacking->device = g_strdup (device);
  unpacking->wire = g_variant_ref (wire);
  unpacking->buffers = g_ptr_array_new_with_free_func ((GDestroyNotify) moss_ffi_buffer_unref);
  unpacking->func = func;
  unpacking->user_data = user_data;
  unpack_next (unpacking);
}
