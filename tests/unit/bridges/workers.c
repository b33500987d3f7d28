// SPDX-License-Identifier: GPL-3.0-or-later
#include "workers.h"

#include "ffi-broker/client/frame.h"
#include "ffi-broker/client/link.h"
#include "ffi-broker/types/capability.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void
read_announcement (Worker *worker)
{
  g_auto (MossFfiFrame) frame = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) about = NULL;

  moss_ffi_frame_receive (worker->broker, &frame, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (frame.kind, ==, MOSS_FFI_FRAME_ANNOUNCE);
  g_variant_get (frame.body, "(@a{sv}@aa{sv})", &about, &worker->offers);
  g_assert_true (g_variant_lookup (about, "id", "s", &worker->id));
  moss_ffi_frame_send (worker->broker, MOSS_FFI_FRAME_ANNOUNCED, frame.serial,
                       g_variant_new_parsed ("(@au [1],)"), NULL, 0, &error);
  g_assert_no_error (error);
}

static void
connect_caller (Worker *worker)
{
  g_autoptr (GError) error = NULL;
  int ends[2];

  moss_ffi_socket_pair (ends, &error);
  g_assert_no_error (error);
  moss_ffi_frame_send (worker->broker, MOSS_FFI_FRAME_CALLER, 1,
                       g_variant_new_parsed ("(@a{sv} {'trusted': <false>},)"), &ends[1], 1,
                       &error);
  g_assert_no_error (error);
  close (ends[1]);
  worker->caller = ends[0];
}

/* %NULL when it ended with the status of a bridge that has no library or program here. */
Worker *
worker_start (const char *bridge, const char *manifest)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (0);
  g_autoptr (GError) error = NULL;
  Worker *worker = g_new0 (Worker, 1);
  char byte;
  int ends[2];

  worker->caller = -1;
  worker->patience_us = 60 * G_TIME_SPAN_SECOND;
  moss_ffi_socket_pair (ends, &error);
  g_assert_no_error (error);
  worker->broker = ends[0];
  g_subprocess_launcher_take_fd (launcher, ends[1], 3);
  worker->process = g_subprocess_launcher_spawn (launcher, &error, g_getenv ("MOSS_FFI_WORKER"),
                                                 bridge, manifest, NULL);
  g_assert_no_error (error);
  g_subprocess_launcher_close (launcher);
  if (recv (worker->broker, &byte, 1, MSG_PEEK) <= 0)
    {
      g_assert_cmpint (worker_end (worker), ==, 2);
      worker_free (worker);
      return NULL;
    }
  read_announcement (worker);
  connect_caller (worker);
  return worker;
}

int
worker_end (Worker *worker)
{
  g_autoptr (GError) error = NULL;

  close (worker->broker);
  worker->broker = -1;
  g_subprocess_wait (worker->process, NULL, &error);
  g_assert_no_error (error);
  return g_subprocess_get_if_exited (worker->process)
           ? g_subprocess_get_exit_status (worker->process)
           : 128 + g_subprocess_get_term_sig (worker->process);
}

void
worker_free (Worker *worker)
{
  if (worker->broker >= 0)
    close (worker->broker);
  if (worker->caller >= 0)
    close (worker->caller);
  g_subprocess_force_exit (worker->process);
  g_subprocess_wait (worker->process, NULL, NULL);
  g_object_unref (worker->process);
  g_clear_pointer (&worker->offers, g_variant_unref);
  g_free (worker->id);
  g_free (worker);
}

/* Whether pictures with that many channels come out of it. */
static gboolean
gives (const MossFfiCapability *capability, guint channels)
{
  const char *format = moss_ffi_caps_get_string (capability->output, "format");

  return format == NULL || g_str_equal (format, channels == 4 ? "RGBA" : "RGB");
}

/* The function with that key, or NULL. The text is the offers'. */
const char *
worker_find (Worker *worker, const char *key, guint channels)
{
  for (gsize i = 0; i < g_variant_n_children (worker->offers); i++)
    {
      g_autoptr (GVariant) offer = g_variant_get_child_value (worker->offers, i);
      g_autoptr (MossFfiCapability) capability = NULL;
      g_autofree char *has = NULL;
      const char *text, *function;

      g_assert_true (g_variant_lookup (offer, "capability", "&s", &text));
      capability = moss_ffi_capability_parse (text, NULL);
      g_assert_nonnull (capability);
      has = moss_ffi_capability_dup_key (capability);
      if (g_str_equal (has, key) && gives (capability, channels) &&
          g_variant_lookup (offer, "function", "&s", &function))
        return function;
    }
  return NULL;
}

gboolean
worker_get_flag (Worker *worker, const char *function, const char *attribute)
{
  gboolean value = FALSE;

  for (gsize i = 0; i < g_variant_n_children (worker->offers); i++)
    {
      g_autoptr (GVariant) offer = g_variant_get_child_value (worker->offers, i);
      const char *name;

      if (g_variant_lookup (offer, "function", "&s", &name) && g_str_equal (name, function))
        g_variant_lookup (offer, attribute, "b", &value);
    }
  return value;
}

MossFfiResult *
worker_call (Worker *worker, const char *function, const char *out_caps, MossFfiBuffer *input,
             const char *options, GError **error)
{
  g_autoptr (GVariant) given = g_variant_parse (G_VARIANT_TYPE_VARDICT,
                                                options != NULL ? options : "{}", NULL, NULL,
                                                NULL);
  MossFfiRequest request = {
    .function = function, .out_caps = out_caps, .options = given, .inputs = &input,
    .n_inputs = input != NULL ? 1 : 0, .deadline_us = worker->patience_us,
  };

  g_assert_nonnull (given);
  return moss_ffi_link_call (worker->caller, &request, NULL, error);
}

MossFfiBuffer *
buffer_of_picture (const Picture *picture)
{
  g_autofree char *caps = g_strdup_printf ("video/x-raw,format=%s,width=%u,height=%u",
                                           picture->channels == 4 ? "RGBA" : "RGB",
                                           picture->width, picture->height);
  gsize length = (gsize) picture->width * picture->height * picture->channels;
  MossFfiBuffer *buffer = moss_ffi_buffer_new_writable (caps, length, NULL);

  g_assert_nonnull (buffer);
  memcpy (moss_ffi_buffer_get_data (buffer, NULL), picture->pixels, length);
  return buffer;
}

MossFfiBuffer *
buffer_of_bytes (const char *caps, GBytes *bytes)
{
  return moss_ffi_buffer_new (caps, bytes);
}

/* Its rows, put end to end. */
Picture
picture_of_result (MossFfiResult *result)
{
  MossFfiBuffer *buffer;
  g_autoptr (MossFfiCaps) caps = NULL;
  g_autoptr (GBytes) bytes = NULL;
  gint64 width = 0, height = 0, stride = 0;
  Picture picture = { 0 };
  gsize row;

  g_assert_cmpuint (moss_ffi_result_get_n_buffers (result), ==, 1);
  buffer = moss_ffi_result_get_buffer (result, 0);
  caps = moss_ffi_caps_parse (moss_ffi_buffer_get_caps (buffer), NULL);
  g_assert_nonnull (caps);
  g_assert_true (moss_ffi_caps_get_int (caps, "width", &width));
  g_assert_true (moss_ffi_caps_get_int (caps, "height", &height));
  picture.width = width;
  picture.height = height;
  picture.channels = g_strcmp0 (moss_ffi_caps_get_string (caps, "format"), "RGBA") == 0 ? 4 : 3;
  row = (gsize) width * picture.channels;
  if (!moss_ffi_buffer_get_dim (buffer, 0, NULL, &stride))
    stride = row;
  bytes = moss_ffi_buffer_get_bytes (buffer, NULL);
  g_assert_cmpuint (g_bytes_get_size (bytes), >=, stride * (height - 1) + row);
  picture.pixels = g_malloc (row * height);
  for (gint64 y = 0; y < height; y++)
    memcpy (picture.pixels + y * row,
            (const guint8 *) g_bytes_get_data (bytes, NULL) + y * stride, row);
  return picture;
}
