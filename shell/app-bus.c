// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-app-bus"

#include "app-bus.h"

#include <gio/gunixfdlist.h>
#include <glib/gstdio.h>
#include <string.h>

/* The HELLO of role 3 and the WELCOME that answers it, as on the wire. */
static const guint8 hello[] = { 24, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 'S', 'M', 'O', 'V',
                                1, 0, 0, 0, 3, 0, 0, 0 };
static const guint8 welcome[] = { 16, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0 };

typedef struct
{
  GIOStream *stream;
  guint8 answer[sizeof welcome];
} Greeting;

static void
greeting_free (gpointer data)
{
  Greeting *greeting = data;

  g_clear_object (&greeting->stream);
  g_free (greeting);
}

static void
fail (GTask *task, GError *error)
{
  g_task_return_error (task, error);
  g_object_unref (task);
}

static void
on_bus_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  GTask *task = data;
  GError *error = NULL;
  GDBusConnection *bus = g_dbus_connection_new_finish (result, &error);

  if (bus == NULL)
    {
      fail (task, error);
      return;
    }
  g_task_return_pointer (task, bus, g_object_unref);
  g_object_unref (task);
}

static void
on_welcome_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  GTask *task = data;
  Greeting *greeting = g_task_get_task_data (task);
  GError *error = NULL;

  if (!g_input_stream_read_all_finish (G_INPUT_STREAM (source), result, NULL, &error))
    fail (task, error);
  else if (memcmp (greeting->answer, welcome, sizeof welcome) != 0)
    fail (task, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                                     "this display has no bus"));
  else
    /* moss-init has logged in already. */
    g_dbus_connection_new (greeting->stream, NULL,
                           G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL,
                           g_task_get_cancellable (task), on_bus_ready, task);
}

static void
on_hello_sent (GObject *source, GAsyncResult *result, gpointer data)
{
  GTask *task = data;
  Greeting *greeting = g_task_get_task_data (task);
  GError *error = NULL;

  if (!g_output_stream_write_all_finish (G_OUTPUT_STREAM (source), result, NULL, &error))
    {
      fail (task, error);
      return;
    }
  g_input_stream_read_all_async (g_io_stream_get_input_stream (greeting->stream),
                                 greeting->answer, sizeof greeting->answer, G_PRIORITY_DEFAULT,
                                 g_task_get_cancellable (task), on_welcome_ready, task);
}

static GIOStream *
make_stream (GUnixFDList *fds, GVariant *handle, GError **error)
{
  int fd = fds != NULL ? g_unix_fd_list_get (fds, g_variant_get_handle (handle), error) : -1;
  g_autoptr (GSocket) socket = NULL;

  if (fd < 0)
    return NULL;
  socket = g_socket_new_from_fd (fd, error);
  if (socket == NULL)
    {
      g_close (fd, NULL);
      return NULL;
    }
  return G_IO_STREAM (g_socket_connection_factory_create_connection (socket));
}

static void
on_connect_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  GTask *task = data;
  Greeting *greeting = g_task_get_task_data (task);
  g_autoptr (GVariant) handle = NULL;
  g_autoptr (GUnixFDList) fds = NULL;
  GError *error = NULL;

  if (!moss_dbus_session1_call_connect_finish (MOSS_DBUS_SESSION1 (source), &handle, &fds,
                                               result, &error))
    {
      fail (task, error);
      return;
    }
  greeting->stream = make_stream (fds, handle, &error);
  if (greeting->stream == NULL)
    {
      fail (task, error != NULL ? error
                                : g_error_new_literal (G_IO_ERROR, G_IO_ERROR_FAILED,
                                                       "it came without its socket"));
      return;
    }
  g_output_stream_write_all_async (g_io_stream_get_output_stream (greeting->stream), hello,
                                   sizeof hello, G_PRIORITY_DEFAULT,
                                   g_task_get_cancellable (task), on_hello_sent, task);
}

void
moss_app_bus_connect (MossDBusSession1 *session, const char *sandbox, GCancellable *cancellable,
                      GAsyncReadyCallback callback, gpointer data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, data);

  g_task_set_task_data (task, g_new0 (Greeting, 1), greeting_free);
  moss_dbus_session1_call_connect (session, sandbox, NULL, cancellable, on_connect_ready, task);
}

GDBusConnection *
moss_app_bus_connect_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
