/* SPDX-License-Identifier: GPL-3.0-or-later */

/* commit-clock SANDBOX: a viewer that draws nothing and says when the windows of a sandbox
 * change. It waits for the sandbox on this session bus as the shell does, attaches,
 * gives each frame its due, and prints one line an event, times in microseconds of the
 * monotonic clock of the host:
 *
 *   attached TIME          commit TIME          closed TIME
 *
 * It attaches again after each "closed". "click X Y" on its input clicks the newest window.
 *
 * commit-clock --preflight SANDBOX DEVICE TIMES: how long each first answer to "can it travel"
 * takes, in microseconds, one a line. */

#include "moss-dbus-session.h"
#include "session/display/viewer.h"

#include <gio/gunixfdlist.h>
#include <gio/gunixinputstream.h>
#include <stdio.h>
#include <stdlib.h>

#define FRAME_MS 16
#define RETRY_MS 150
#define PROGRESS_RESTORED 0.9
#define BTN_LEFT 0x110

static MossDBusSession1 *session;
static const char *sandbox;
static MossViewer *viewer;
static MossViewerSurface *window;
static gint64 last_frame_us;
static gboolean connecting;
static guint retrying;

static void attach (void);

static void
say (const char *what)
{
  printf ("%s %" G_GINT64_FORMAT "\n", what, g_get_monotonic_time ());
  fflush (stdout);
}

static void
on_commit (MossViewerSurface *surface)
{
  say ("commit");
}

/* As a display does that refreshes FRAME_MS apart: at once when it stood still. */
static void
give_frame (void)
{
  gint64 now_us = g_get_monotonic_time ();

  if (viewer == NULL || window == NULL || now_us - last_frame_us < FRAME_MS * 1000
      || !moss_viewer_surface_get_wants_frame (window))
    return;
  last_frame_us = now_us;
  moss_viewer_frame_done (viewer, window, now_us);
}

static void
on_added (MossViewer *of, MossViewerSurface *surface)
{
  if (moss_viewer_surface_get_role (surface) != MOSS_VIEWER_ROLE_TOPLEVEL)
    return;
  g_set_object (&window, surface);
  g_signal_connect (surface, "commit", G_CALLBACK (on_commit), NULL);
  g_signal_connect (surface, "wants-frame", G_CALLBACK (give_frame), NULL);
  moss_viewer_configure (of, surface, 0, 0, MOSS_VIEWER_STATE_ACTIVATED);
  moss_viewer_set_keyboard_focus (of, surface);
}

static gboolean
on_frame (gpointer unused)
{
  give_frame ();
  return G_SOURCE_CONTINUE;
}

static gboolean
retry (gpointer unused)
{
  retrying = 0;
  attach ();
  return G_SOURCE_REMOVE;
}

static void
retry_later (void)
{
  if (retrying == 0)
    retrying = g_timeout_add (RETRY_MS, retry, NULL);
}

/* Has it a display that can be connected? */
static void
on_changed (MossDBusSession1 *proxy, const char *id, GVariant *fields)
{
  const char *state = "";
  double progress = 0;

  g_variant_lookup (fields, "state", "&s", &state);
  g_variant_lookup (fields, "progress", "d", &progress);
  if (g_str_equal (id, sandbox)
      && (g_str_equal (state, "running")
          || (g_str_equal (state, "arriving") && progress >= PROGRESS_RESTORED)))
    attach ();
}

static void
on_closed (MossViewer *of, GError *reason)
{
  say ("closed");
  g_clear_object (&window);
  g_clear_object (&viewer);
  retry_later ();
}

static void
on_connected (GObject *source, GAsyncResult *result, gpointer unused)
{
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GVariant) handle = NULL;
  int fd = -1;

  connecting = FALSE;
  if (moss_dbus_session1_call_connect_finish (session, &handle, &fds, result, NULL))
    fd = g_unix_fd_list_get (fds, g_variant_get_handle (handle), NULL);
  if (fd < 0)
    {
      retry_later ();
      return;
    }
  viewer = moss_viewer_new (fd);
  g_signal_connect (viewer, "surface-added", G_CALLBACK (on_added), NULL);
  g_signal_connect (viewer, "closed", G_CALLBACK (on_closed), NULL);
  moss_viewer_set_output (viewer, 1280, 800, 120, 60000, 0, 0);
  say ("attached");
}

static void
attach (void)
{
  if (viewer != NULL || connecting)
    return;
  connecting = TRUE;
  moss_dbus_session1_call_connect (session, sandbox, NULL, NULL, on_connected, NULL);
}

static void
click (double x, double y)
{
  gint64 now_us = g_get_monotonic_time ();

  if (viewer == NULL || window == NULL)
    return;
  moss_viewer_pointer_motion (viewer, window, x, y, now_us);
  moss_viewer_pointer_button (viewer, BTN_LEFT, TRUE, now_us + 1000);
  moss_viewer_pointer_button (viewer, BTN_LEFT, FALSE, now_us + 60000);
}

static void
on_line (GObject *source, GAsyncResult *result, gpointer unused)
{
  GDataInputStream *input = G_DATA_INPUT_STREAM (source);
  g_autofree char *line = g_data_input_stream_read_line_finish (input, result, NULL,
                                                                 NULL);
  double x, y;

  if (line == NULL)
    return;
  if (sscanf (line, "click %lf %lf", &x, &y) == 2)
    click (x, y);
  g_data_input_stream_read_line_async (input, 0, NULL, on_line, NULL);
}

static int
time_preflight (const char *device, guint times)
{
  for (guint i = 0; i < times; i++)
    {
      g_autoptr (GVariant) answer = NULL;
      g_autoptr (GError) error = NULL;
      gint64 began_us = g_get_monotonic_time ();

      if (!moss_dbus_session1_call_preflight_sync (session, sandbox, device, &answer, NULL,
                                                   &error))
        {
          g_printerr ("commit-clock: %s\n", error->message);
          return 1;
        }
      printf ("%" G_GINT64_FORMAT "\n", g_get_monotonic_time () - began_us);
      g_usleep (200 * 1000);
    }
  return 0;
}

int
main (int argc, char **argv)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GInputStream) standard = g_unix_input_stream_new (0, FALSE);
  g_autoptr (GDataInputStream) input = g_data_input_stream_new (standard);
  g_autoptr (GError) error = NULL;

  gboolean preflight = argc == 5 && g_str_equal (argv[1], "--preflight");

  if (argc != 2 && !preflight)
    {
      g_printerr ("usage: commit-clock SANDBOX | --preflight SANDBOX DEVICE TIMES\n");
      return 2;
    }
  sandbox = preflight ? argv[2] : argv[1];
  session = moss_dbus_session1_proxy_new_for_bus_sync (
      G_BUS_TYPE_SESSION, G_DBUS_PROXY_FLAGS_NONE, "org.moss.Session1", "/org/moss/Session",
      NULL, &error);
  if (session == NULL)
    {
      g_printerr ("commit-clock: %s\n", error->message);
      return 1;
    }
  if (preflight)
    return time_preflight (argv[3], atoi (argv[4]));
  g_signal_connect (session, "changed", G_CALLBACK (on_changed), NULL);
  attach ();
  g_timeout_add (FRAME_MS, on_frame, NULL);
  g_data_input_stream_read_line_async (input, 0, NULL, on_line, NULL);
  g_main_loop_run (loop);
  return 0;
}
