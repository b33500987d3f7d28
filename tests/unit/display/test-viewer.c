// SPDX-License-Identifier: GPL-3.0-or-later
/* Viewers that come, go, are replaced, hang or lie; controllers; the wire itself. */
#include "kit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- coming and going ---------------------------------------------------------------- */

static void
test_attach_again (void)
{
  Kit *kit = kit_new ();
  Client *client = client_new (kit);
  Window *window, *late;
  guint id, configures;

  kit_attach (kit);
  g_assert_cmpuint (kit->n_ready, ==, 1);
  window = window_new (client, 50, 40, 0xff123456);
  xdg_toplevel_set_title (window->toplevel, "first");
  xdg_toplevel_set_app_id (window->toplevel, "org.example.First");
  kit_pump (kit);
  id = moss_viewer_surface_get_id (kit_toplevel (kit, 0));
  moss_viewer_set_keyboard_focus (kit->viewer, kit_toplevel (kit, 0));
  moss_viewer_key (kit->viewer, 42, TRUE, 0);
  kit_pump (kit);
  g_assert_nonnull (client->keyboard_focus);
  g_assert_cmpuint (client->modifiers, ==, 1);

  kit_drop_viewer (kit);
  g_assert_false (moss_display_has_viewer (kit->display));
  g_assert_null (client->keyboard_focus);
  g_assert_cmpuint (moss_display_get_n_toplevels (kit->display), ==, 1);
  late = window_new (client, 20, 20, 0xff00aa00);
  window_want_frame (late);
  wl_surface_commit (late->surface);
  kit_pump (kit);
  g_assert_cmpuint (late->frames, ==, 0);

  configures = window->configures;
  kit_attach (kit);
  g_assert_cmpuint (kit->n_ready, ==, 1);
  g_assert_cmpuint (kit->n_added, ==, 2);
  g_assert_cmpuint (moss_viewer_surface_get_id (kit_toplevel (kit, 0)), ==, id);
  g_assert_cmpstr (moss_viewer_surface_get_title (kit_toplevel (kit, 0)), ==, "first");
  g_assert_cmpstr (moss_viewer_surface_get_app_id (kit_toplevel (kit, 0)), ==,
                   "org.example.First");
  g_assert_cmphex (kit_pixel (kit_toplevel (kit, 0), 7, 7), ==, 0xff123456);
  g_assert_cmphex (kit_pixel (kit_toplevel (kit, 1), 7, 7), ==, 0xff00aa00);
  g_assert_true (moss_viewer_surface_get_wants_frame (kit_toplevel (kit, 1)));
  moss_viewer_frame_done (kit->viewer, kit_toplevel (kit, 1), 0);
  moss_viewer_configure (kit->viewer, kit_toplevel (kit, 0), 0, 0, MOSS_VIEWER_STATE_ACTIVATED);
  kit_pump (kit);
  g_assert_cmpuint (late->frames, ==, 1);
  g_assert_cmpuint (window->configures, ==, configures + 1);
  window_free (window);
  window_free (late);
  kit_free (kit);
}

/* What a client replaced while nobody looked it gets back; the last one is kept. */
static void
test_buffers_come_back (void)
{
  Kit *kit = kit_new ();
  Client *client = client_new (kit);
  Window *window = window_new (client, 50, 40, 0xff000001);

  window_show (window, 50, 40, 0xff000002);
  g_assert_cmpuint (window->released, ==, 1);
  kit_attach (kit);
  window_show (window, 50, 40, 0xff000003);
  g_assert_cmpuint (window->released, ==, 2);
  kit_drop_viewer (kit);
  g_assert_cmpuint (window->released, ==, 2);
  kit_attach (kit);
  g_assert_cmphex (kit_pixel (kit_toplevel (kit, 0), 0, 0), ==, 0xff000003);
  window_free (window);
  kit_free (kit);
}

static void
test_second_replaces_first (void)
{
  Kit *kit = kit_new ();
  Client *client = client_new (kit);
  Window *window = window_new (client, 50, 40, 0xff000001);
  g_autoptr (MossViewer) first = NULL;

  kit_attach (kit);
  first = g_steal_pointer (&kit->viewer);
  kit_attach (kit);
  g_assert_error (kit->closed, MOSS_VIEWER_ERROR, MOSS_VIEWER_ERROR_REPLACED);
  g_assert_true (moss_viewer_is_closed (first));
  g_assert_true (moss_viewer_is_ready (kit->viewer));
  window_free (window);
  kit_free (kit);
}

static void
on_removed (MossViewerSurface *surface, gpointer data)
{
  g_assert_true (moss_viewer_surface_is_removed (surface));
  (*(guint *) data)++;
}

static void
test_unmap_and_end (void)
{
  Kit *kit = kit_new ();
  Client *client = client_new (kit);
  Window *window;
  guint removed = 0, id;

  kit_attach (kit);
  window = window_new (client, 50, 40, 0xff000001);
  id = moss_viewer_surface_get_id (kit_toplevel (kit, 0));
  g_signal_connect (kit_toplevel (kit, 0), "removed", G_CALLBACK (on_removed), &removed);
  window_commit (window, NULL);
  kit_pump (kit);
  g_assert_cmpuint (removed, ==, 1);
  g_assert_cmpuint (kit_n_toplevels (kit), ==, 0);
  wl_surface_commit (window->surface);
  kit_pump (kit);
  window_show (window, 50, 40, 0xff000002);
  g_assert_cmpuint (moss_viewer_surface_get_id (kit_toplevel (kit, 0)), ==, id);
  g_assert_cmphex (kit_pixel (kit_toplevel (kit, 0), 0, 0), ==, 0xff000002);
  g_signal_connect (kit_toplevel (kit, 0), "removed", G_CALLBACK (on_removed), &removed);
  client_free (client);
  g_assert_cmpuint (removed, ==, 2);
  g_assert_null (kit->closed);
  window_free (window);
  kit_free (kit);
}

/* A viewer that reads nothing holds up neither app nor display, nor grows its queue. */
static void
test_stalled_viewer (void)
{
  Kit *kit = kit_new ();
  Client *client = client_new (kit);
  Window *window = window_new (client, 32, 32, 0xff000001);
  struct wl_buffer *buffers[3];
  int fd = kit_connect (kit);
  const guint8 hello[] = { 24, 0,    0,    0,    1, 0, 0, 0, 0, 0, 0, 0,
                           0x53, 0x4d, 0x4f, 0x56, 1, 0, 0, 0, 1, 0, 0, 0 };

  g_assert_cmpint (write (fd, hello, sizeof hello), ==, sizeof hello);
  kit_pump (kit);
  g_assert_true (moss_display_has_viewer (kit->display));
  for (guint i = 0; i < 3; i++)
    buffers[i] = buffer_new (client, 32, 32, i, NULL);
  for (guint i = 0; i < 20000; i++)
    {
      g_autofree char *title = g_strdup_printf ("%0500u", i);

      xdg_toplevel_set_title (window->toplevel, title);
      window_commit (window, buffers[i % 3]);
      if (i % 5 == 0)
        {
          client_read (client);
          moss_display_iterate (kit->display, 0);
        }
    }
  kit_pump (kit);
  g_assert_cmpint (client_error (client), ==, 0);
  g_assert_true (moss_display_has_viewer (kit->display));
  close (fd);
  kit_pump (kit);
  g_assert_false (moss_display_has_viewer (kit->display));
  window_free (window);
  kit_free (kit);
}

/* ---- malformed bytes ----------------------------------------------------------------- */

static gboolean
ended (int fd)
{
  char bytes[4096];
  gssize n;

  while ((n = recv (fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
    ;
  return n == 0 || errno == ECONNRESET;
}

static void
test_nonsense_to_display (void)
{
  static const guint8 hello[] = { 24, 0,    0,    0,    1, 0, 0, 0, 0, 0, 0, 0,
                                  0x53, 0x4d, 0x4f, 0x56, 1, 0, 0, 0, 1, 0, 0, 0 };
  static const struct
  {
    const char *what;
    gboolean greet;
    guint8 bytes[24];
    gsize size;
  } cases[] = {
    { "zero size", FALSE, { 0 }, 12 },
    { "no hello", FALSE, { 12, 0, 0, 0, 8, 0 }, 12 },
    { "wrong magic", FALSE,
      { 24, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 1, 0, 0, 0, 1 }, 24 },
    { "unknown type", TRUE, { 12, 0, 0, 0, 0xff, 0xff }, 12 },
    { "hole in the types", TRUE, { 12, 0, 0, 0, 0x0f, 0 }, 12 },
    { "second hello", TRUE,
      { 24, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0x53, 0x4d, 0x4f, 0x56, 1, 0, 0, 0, 1 }, 24 },
    { "too long", TRUE, { 255, 255, 255, 127, 2, 0 }, 12 },
    { "body too short", TRUE, { 12, 0, 0, 0, 2, 0 }, 12 },
    { "body too long", TRUE, { 20, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }, 20 },
    { "ack of the future", TRUE, { 16, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 99, 0, 0, 0 }, 16 },
    { "a key that is half pressed", TRUE,
      { 24, 0, 0, 0, 0x1b, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2 }, 24 },
    { "an fd that is not there", TRUE, { 16, 0, 0, 0, 0x18, 0, 1, 0, 0, 0, 0, 0, 9 }, 16 },
    { "a string of 4 GB", TRUE,
      { 16, 0, 0, 0, 0x39, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255 }, 16 },
  };
  Kit *kit = kit_new ();
  Client *client = client_new (kit);
  Window *window = window_new (client, 8, 8, 0xff000001);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      int fd = kit_connect (kit);

      if (cases[i].greet)
        g_assert_cmpint (write (fd, hello, sizeof hello), ==, sizeof hello);
      kit_pump (kit);
      g_assert_false (cases[i].greet && ended (fd));
      g_assert_cmpint (write (fd, cases[i].bytes, cases[i].size), ==, cases[i].size);
      kit_pump (kit);
      if (!ended (fd))
        g_error ("%s: the connection lives on", cases[i].what);
      close (fd);
      g_assert_cmpint (client_error (client), ==, 0);
    }
  g_assert_false (moss_display_has_viewer (kit->display));
  kit_attach (kit);
  g_assert_cmpuint (kit_n_toplevels (kit), ==, 1);
  window_free (window);
  kit_free (kit);
}

static void
on_closed (MossViewer *viewer, GError *error, GError **to)
{
  *to = g_error_copy (error);
}

static void
test_nonsense_to_viewer (void)
{
  static const struct
  {
    const char *what;
    guint8 bytes[40];
    gsize size;
  } cases[] = {
    { "no welcome", { 16, 0, 0, 0, 3, 2, 0, 0, 0, 0, 0, 0, 1 }, 16 },
    { "version", { 16, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 9 }, 16 },
    { "twice",
      { 16, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 16, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0,
        1 }, 32 },
    { "pool without fd",
      { 16, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 12, 0, 0, 0, 0x10, 2, 0, 0, 1 }, 28 },
    { "request type", { 16, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 12, 0, 0, 0, 3, 0 }, 28 },
    { "surface 0", { 16, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 12, 0, 0, 0, 0x20, 2 }, 28 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (MossViewer) viewer = NULL;
      int fds[2];

      g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
      viewer = moss_viewer_new (fds[0]);
      g_signal_connect (viewer, "closed", G_CALLBACK (on_closed), &error);
      g_assert_cmpint (write (fds[1], cases[i].bytes, cases[i].size), ==, cases[i].size);
      for (guint j = 0; j < 10; j++)
        g_main_context_iteration (NULL, FALSE);
      if (!error)
        g_error ("%s: the connection lives on", cases[i].what);
      g_assert_error (error, MOSS_VIEWER_ERROR, MOSS_VIEWER_ERROR_PROTOCOL);
      close (fds[1]);
    }
}

/* ---- controllers --------------------------------------------------------------------- */

typedef struct
{
  guint detaching, settings, close_all;
} Seen;

static void
on_setting (MossDisplay *display, const char *key, const char *value, void *data)
{
  Seen *seen = data;

  g_assert_cmpstr (key, ==, "color-scheme");
  g_assert_cmpstr (value, ==, "dark");
  seen->settings++;
}

static void
on_detaching (MossDisplay *display, void *data)
{
  Seen *seen = data;

  seen->detaching++;
}

static void
on_close_all (MossDisplay *display, unsigned n, void *data)
{
  Seen *seen = data;

  seen->close_all += n;
}

static MossWireMessage *
expect (Kit *kit, MossWire *wire, guint type)
{
  MossWireMessage *message;

  moss_wire_flush (wire);
  kit_pump (kit);
  moss_wire_fill (wire);
  g_assert_cmpint (moss_wire_next (wire, &message), ==, MOSS_WIRE_READ_MESSAGE);
  g_assert_cmpuint (message->type, ==, type);
  return message;
}

static void
test_control (void)
{
  static const MossDisplayCallbacks callbacks
      = { .setting = on_setting, .detaching = on_detaching, .close_all = on_close_all };
  Seen seen = { 0 };
  Kit *kit = kit_new ();
  Client *client = client_new (kit);
  Window *window;
  MossWire *wire;

  moss_display_set_callbacks (kit->display, &callbacks, &seen);
  kit_attach (kit);
  window = window_new (client, 8, 8, 0xff000001);
  moss_viewer_set_keyboard_focus (kit->viewer, kit_toplevel (kit, 0));
  kit_pump (kit);
  wire = moss_wire_new (kit_connect (kit));
  moss_wire_begin (wire, MOSS_WIRE_HELLO, 0);
  moss_wire_put_u32 (wire, MOSS_WIRE_MAGIC);
  moss_wire_put_u32 (wire, MOSS_WIRE_VERSION);
  moss_wire_put_u32 (wire, MOSS_WIRE_ROLE_CONTROL);
  moss_wire_end (wire);
  expect (kit, wire, MOSS_WIRE_WELCOME);
  moss_wire_begin (wire, MOSS_WIRE_SETTING, 0);
  moss_wire_put_string (wire, "color-scheme");
  moss_wire_put_string (wire, "dark");
  moss_wire_end (wire);
  expect (kit, wire, MOSS_WIRE_SETTING_DONE);
  g_assert_cmpuint (seen.settings, ==, 1);
  moss_wire_begin (wire, MOSS_WIRE_CONTROL_PING, 0);
  moss_wire_put_u32 (wire, 4711);
  moss_wire_end (wire);
  g_assert_cmpuint (moss_wire_get_u32 (expect (kit, wire, MOSS_WIRE_CONTROL_PONG)), ==, 4711);
  moss_wire_begin (wire, MOSS_WIRE_CLOSE_ALL, 0);
  moss_wire_end (wire);
  g_assert_cmpuint (moss_wire_get_u32 (expect (kit, wire, MOSS_WIRE_CLOSE_ALL_DONE)), ==, 1);
  g_assert_cmpuint (seen.close_all, ==, 1);
  g_assert_null (kit->closed);
  moss_wire_begin (wire, MOSS_WIRE_DETACH, 0);
  moss_wire_end (wire);
  expect (kit, wire, MOSS_WIRE_DETACHED);
  g_assert_cmpuint (seen.detaching, ==, 1);
  g_assert_error (kit->closed, MOSS_VIEWER_ERROR, MOSS_VIEWER_ERROR_DETACHED);
  g_assert_null (client->keyboard_focus);
  g_assert_cmpint (moss_wire_fill (wire), ==, MOSS_WIRE_READ_END);
  g_assert_cmpint (client_error (client), ==, 0);
  moss_wire_free (wire);
  kit_drop_viewer (kit);
  kit_attach (kit);
  g_assert_cmpuint (kit_n_toplevels (kit), ==, 1);
  window_free (window);
  kit_free (kit);
}

/* ---- the wire ------------------------------------------------------------------------ */

static void
test_wire_fds_keep_their_message (void)
{
  MossWireMessage *message;
  MossWire *a, *b;
  int fds[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
  a = moss_wire_new (fds[0]);
  b = moss_wire_new (fds[1]);
  for (guint i = 0; i < 30; i++)
    {
      moss_wire_begin (a, 7, i);
      moss_wire_put_string (a, "äöü");
      for (guint j = 0; j < i % 5; j++)
        moss_wire_put_fd (a, memory_of (4 * (i + 1), 0));
      moss_wire_end (a);
    }
  for (guint i = 0; i < 30; i++)
    {
      g_autofree char *text = NULL;

      while (moss_wire_next (b, &message) != MOSS_WIRE_READ_MESSAGE)
        {
          g_assert_true (moss_wire_flush (a));
          g_assert_cmpint (moss_wire_fill (b), ==, MOSS_WIRE_READ_MESSAGE);
        }
      g_assert_cmpuint (message->id, ==, i);
      g_assert_cmpuint (message->n_fds, ==, i % 5);
      text = moss_wire_dup_string (message);
      g_assert_cmpstr (text, ==, "äöü");
      for (guint j = 0; j < i % 5; j++)
        {
          int fd = moss_wire_take_fd (message);

          g_assert_cmpint (lseek (fd, 0, SEEK_END), ==, 4 * (i + 1));
          close (fd);
        }
      g_assert_true (moss_wire_finished (message));
      g_assert_cmpint (moss_wire_take_fd (message), ==, -1);
    }
  moss_wire_free (a);
  moss_wire_free (b);
}

static void
test_wire_utf8 (void)
{
  static const char *const bad[]
      = { "\xff", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc3", "a\x80" };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (moss_wire_utf8 (bad[i], strlen (bad[i])));
  g_assert_false (moss_wire_utf8 ("a\0b", 3));
  g_assert_true (moss_wire_utf8 ("aß€😀", strlen ("aß€😀")));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/viewer/attach-again", test_attach_again);
  g_test_add_func ("/viewer/buffers-come-back", test_buffers_come_back);
  g_test_add_func ("/viewer/second-replaces-first", test_second_replaces_first);
  g_test_add_func ("/viewer/unmap-and-end", test_unmap_and_end);
  g_test_add_func ("/viewer/stalled", test_stalled_viewer);
  g_test_add_func ("/viewer/nonsense-to-display", test_nonsense_to_display);
  g_test_add_func ("/viewer/nonsense-to-viewer", test_nonsense_to_viewer);
  g_test_add_func ("/viewer/control", test_control);
  g_test_add_func ("/wire/fds-keep-their-message", test_wire_fds_keep_their_message);
  g_test_add_func ("/wire/utf8", test_wire_utf8);
  return g_test_run ();
}
