// SPDX-License-Identifier: LGPL-2.1-or-later
#include "connect.h"

#include <errno.h>
#include <gio/gunixfdlist.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BUS_NAME "org.moss.FunctionBroker1"
#define BUS_PATH "/org/moss/FunctionBroker"
#define OPEN_MS 10000
#define DOOR_MS 5000
#define DOOR_PAUSE_MS 50

/* Where the broker listens; the same path in a sandbox. Transfer full. */
char *
moss_ffi_socket_path (void)
{
  const char *given = g_getenv ("MOSS_FFI_SOCKET");

  if (given && *given)
    return g_strdup (given);
  return g_build_filename (g_get_user_runtime_dir (), "moss", "ffi", NULL);
}

/* A socket of a process that listens at @path, or -1: %MOSS_FFI_ERROR_LOST. */
int
moss_ffi_connect_to (const char *path, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd;

  if (strlen (path) >= sizeof address.sun_path)
    {
      g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_INVALID,
                   "%s is too long for the path of a socket", path);
      return -1;
    }
  memcpy (address.sun_path, path, strlen (path) + 1);
  fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect (fd, (struct sockaddr *)&address, sizeof address) == 0)
    return fd;
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_LOST,
               "The function broker doesn't listen at %s: %s", path, g_strerror (errno));
  if (fd >= 0)
    close (fd);
  return -1;
}

static int
take_handle (GVariant *reply, GUnixFDList *fds, GError **error)
{
  gint32 handle;

  g_variant_get (reply, "(h)", &handle);
  return g_unix_fd_list_get (fds, handle, error);
}

/* D-Bus starts the broker. */
static int
connect_by_bus (GError **error)
{
  g_autoptr (GDBusConnection) bus = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, error);
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GVariant) reply = NULL;

  if (bus == NULL)
    return -1;
  reply = g_dbus_connection_call_with_unix_fd_list_sync (
      bus, BUS_NAME, BUS_PATH, BUS_NAME, "Open", NULL, G_VARIANT_TYPE ("(h)"),
      G_DBUS_CALL_FLAGS_NONE, OPEN_MS, NULL, &fds, NULL, error);
  if (reply == NULL)
    return -1;
  return take_handle (reply, fds, error);
}

/* Nobody can start it, but there is a place for its socket: a sandbox, whose door opens when the
 * session has come to it. */
static gboolean
may_come (const char *path, const GError *bus_error)
{
  g_autofree char *folder = g_path_get_dirname (path);

  return (g_error_matches (bus_error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN)
          || g_error_matches (bus_error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER))
         && g_file_test (folder, G_FILE_TEST_IS_DIR);
}

/* A socket of the broker, which is started when it isn't running; -1 with
 * %MOSS_FFI_ERROR_LOST. Blocks for ten seconds at most. */
int
moss_ffi_connect (GError **error)
{
  g_autofree char *path = moss_ffi_socket_path ();
  g_autoptr (GError) first = NULL;
  g_autoptr (GError) second = NULL;
  gint64 until_us = g_get_monotonic_time () + DOOR_MS * 1000;
  int fd = moss_ffi_connect_to (path, &first);

  if (fd < 0 && g_getenv ("MOSS_FFI_SOCKET") == NULL)
    fd = connect_by_bus (&second);
  while (fd < 0 && may_come (path, second) && g_get_monotonic_time () < until_us)
    {
      g_usleep (DOOR_PAUSE_MS * 1000);
      fd = moss_ffi_connect_to (path, NULL);
    }
  if (fd < 0)
    g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_LOST, "%s%s%s", first->message,
                 second ? "; and it can't be started: " : "",
                 second ? second->message : "");
  return fd;
}

/* Waits for the next frame until the monotonic time @until_us. */
gboolean
moss_ffi_await_frame (int socket, gint64 until_us, MossFfiFrame *frame, GError **error)
{
  for (;;)
    {
      struct pollfd polled = { socket, POLLIN, 0 };
      g_autoptr (GError) local = NULL;
      gint64 left = until_us - g_get_monotonic_time ();

      if (left <= 0)
        {
          g_set_error_literal (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_TIMED_OUT,
                               "The function broker doesn't answer");
          return FALSE;
        }
      poll (&polled, 1, (left + 999) / 1000);
      if (moss_ffi_frame_receive (socket, frame, &local))
        return TRUE;
      if (!g_error_matches (local, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        {
          g_propagate_error (error, g_steal_pointer (&local));
          return FALSE;
        }
    }
}
