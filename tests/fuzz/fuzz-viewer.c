/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Both decoders of the viewer protocol. The first byte chooses: even, what a viewer sends to a
 * display with a real window; odd, what a display sends to a viewer. With libFuzzer: clang
 * -fsanitize=fuzzer -DMOSS_LIBFUZZER. Without: the program mutates recorded traffic itself. */
#include "../unit/display/kit.h"
#include "mutate.h"

#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static Kit *kit;
static Client *client;
static Window *window;

static const guint8 hello[] = { 24, 0,    0,    0,    1, 0, 0, 0, 0, 0, 0, 0,
                                0x53, 0x4d, 0x4f, 0x56, 1, 0, 0, 0, 1, 0, 0, 0 };
static const guint8 welcome[] = { 16, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0 };

static void
set_up (void)
{
  struct wl_surface *child;
  struct wl_subsurface *sub;

  if (kit)
    return;
  kit = kit_new ();
  client = client_new (kit);
  window = window_new (client, 64, 48, 0xff336699);
  child = wl_compositor_create_surface (client->compositor);
  sub = wl_subcompositor_get_subsurface (client->subcompositor, child, window->surface);
  wl_subsurface_set_position (sub, 5, 6);
  wl_surface_attach (child, buffer_new (client, 8, 8, 0xff000000, NULL), 0, 0);
  wl_surface_commit (child);
  xdg_toplevel_set_title (window->toplevel, "title");
  wl_surface_commit (window->surface);
  kit_pump (kit);
}

/* Four descriptors come first: messages that want some find memory. */
static void
send_bytes (int fd, const guint8 *data, gsize size)
{
  union
  {
    char bytes[CMSG_SPACE (4 * sizeof (int))];
    struct cmsghdr align;
  } control = { 0 };
  struct iovec iov = { (void *) data, size };
  struct msghdr msg = { .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = control.bytes,
                        .msg_controllen = sizeof control.bytes };
  struct cmsghdr *header = CMSG_FIRSTHDR (&msg);
  int fds[4];

  for (guint i = 0; i < 4; i++)
    fds[i] = memory_of (i < 3 ? 64 * 48 * 4 : 16, 0x41414141);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN (sizeof fds);
  memcpy (CMSG_DATA (header), fds, sizeof fds);
  if (size > 0)
    sendmsg (fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
  for (guint i = 0; i < 4; i++)
    close (fds[i]);
}

static void
to_display (const guint8 *data, gsize size)
{
  int fd;

  set_up ();
  fd = kit_connect (kit);
  g_assert_cmpint (send (fd, hello, sizeof hello, 0), ==, sizeof hello);
  send_bytes (fd, data, size);
  for (guint i = 0; i < 4; i++)
    {
      moss_display_iterate (kit->display, 0);
      client_read (client);
    }
  close (fd);
  moss_display_iterate (kit->display, 0);
  client_read (client);
  if (client_error (client) || moss_display_has_viewer (kit->display))
    abort ();
}

static void
look_at (MossViewerSurface *surface, int depth)
{
  g_autoptr (GBytes) pixels = NULL;
  MossViewerRect rects[3];
  MossViewerArea area;
  GPtrArray *stack;
  int width = 0, height = 0;

  pixels = moss_viewer_surface_ref_pixels (surface, &width, &height);
  if (pixels && g_bytes_get_size (pixels) != (gsize) width * height * 4)
    abort ();
  moss_viewer_surface_get_source (surface, &area);
  moss_viewer_surface_take_damage (surface, rects, G_N_ELEMENTS (rects));
  moss_viewer_surface_accepts_input (surface, 3, 4);
  if (!g_utf8_validate (moss_viewer_surface_get_title (surface), -1, NULL))
    abort ();
  stack = moss_viewer_surface_get_stack (surface);
  for (guint i = 0; i < stack->len && depth < 8; i++)
    if (stack->pdata[i] != surface)
      look_at (stack->pdata[i], depth + 1);
}

static void
to_viewer (const guint8 *data, gsize size)
{
  g_autoptr (MossViewer) viewer = NULL;
  int fds[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
  viewer = moss_viewer_new (fds[0]);
  g_assert_cmpint (send (fds[1], welcome, sizeof welcome, 0), ==, sizeof welcome);
  send_bytes (fds[1], data, size);
  for (guint i = 0; i < 6; i++)
    g_main_context_iteration (NULL, FALSE);
  for (guint id = 1; id < 8; id++)
    if (moss_viewer_lookup (viewer, id))
      look_at (moss_viewer_lookup (viewer, id), 0);
  close (fds[1]);
  for (guint i = 0; i < 6; i++)
    g_main_context_iteration (NULL, FALSE);
  if (!moss_viewer_is_closed (viewer))
    abort ();
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  if (size == 0 || size > 60000)
    return 0;
  if (data[0] & 1)
    to_viewer (data + 1, size - 1);
  else
    to_display (data + 1, size - 1);
  return 0;
}

#ifndef MOSS_LIBFUZZER

/* What a real display says to a viewer that has just come. */
static GByteArray *
record_display (void)
{
  GByteArray *seed = g_byte_array_new ();
  guint8 bytes[8192], odd = 1;
  gssize n;
  int fd;

  set_up ();
  fd = kit_connect (kit);
  g_assert_cmpint (send (fd, hello, sizeof hello, 0), ==, sizeof hello);
  kit_pump (kit);
  g_byte_array_append (seed, &odd, 1);
  while ((n = recv (fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
    g_byte_array_append (seed, bytes, n);
  close (fd);
  kit_pump (kit);
  g_assert_cmpuint (seed->len, >, sizeof welcome + 200);
  g_byte_array_remove_range (seed, 1, sizeof welcome);
  return seed;
}

/* What a viewer says when a person does a little of everything. */
static GByteArray *
record_viewer (void)
{
  static const char *const types[] = { "text/plain", "text/html", NULL };
  MossViewerRect bounds = { 0, 0, 800, 600 };
  GByteArray *seed = g_byte_array_new ();
  guint8 bytes[8192], even = 0;
  MossViewerSurface *s;
  g_autoptr (MossViewer) viewer = NULL;
  int fds[2];
  gssize n;

  kit_attach (kit);
  s = kit_toplevel (kit, 0);
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
  viewer = moss_viewer_new (fds[0]);
  moss_viewer_set_output (viewer, 1920, 1080, 150, 60000, 500, 300);
  moss_viewer_set_work_area (viewer, 1900, 1000);
  moss_viewer_configure (viewer, s, 300, 200, 3);
  moss_viewer_set_popup_bounds (viewer, s, &bounds);
  moss_viewer_pointer_motion (viewer, s, 10, 10, 1);
  moss_viewer_pointer_button (viewer, 0x110, TRUE, 2);
  moss_viewer_pointer_axis (viewer, 0, 10, 0, 120, 0, 3);
  moss_viewer_pointer_button (viewer, 0x110, FALSE, 4);
  moss_viewer_set_keyboard_focus (viewer, s);
  moss_viewer_set_repeat (viewer, 25, 400);
  moss_viewer_key (viewer, 30, TRUE, 5);
  moss_viewer_set_modifiers (viewer, 1, 0, 2, 0);
  moss_viewer_touch_down (viewer, s, 1, 20, 20, 6);
  moss_viewer_touch_motion (viewer, 1, 21, 20, 7);
  moss_viewer_touch_up (viewer, 1, 8);
  moss_viewer_text_input (viewer, 1, 2, "commit", "preedit", 1, 2);
  moss_viewer_set_selection (viewer, 0, types);
  moss_viewer_set_selection (viewer, 1, types);
  moss_viewer_drop_enter (viewer, s, 5, 5, types, 1);
  moss_viewer_drop_motion (viewer, s, 6, 5, 9);
  moss_viewer_drop_drop (viewer);
  moss_viewer_drag_target (viewer, "text/plain", 1);
  moss_viewer_drag_dropped (viewer);
  moss_viewer_drag_finished (viewer, 1);
  moss_viewer_frame_done (viewer, s, 10);
  moss_viewer_set_visible (viewer, s, FALSE);
  moss_viewer_close_toplevel (viewer, s);
  moss_viewer_dismiss_popups (viewer);
  moss_viewer_ping (viewer, s);
  moss_viewer_pointer_leave (viewer);
  g_byte_array_append (seed, &even, 1);
  while ((n = recv (fds[1], bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
    g_byte_array_append (seed, bytes, n);
  g_byte_array_remove_range (seed, 1, sizeof hello);
  close (fds[1]);
  kit_drop_viewer (kit);
  return seed;
}

int
main (int argc, char **argv)
{
  guint rounds;
  g_autoptr (GRand) rand = mutate_begin (argc, argv, &rounds);
  GByteArray *seeds[2] = { record_display (), record_viewer () };

  for (guint i = 0; i < 2; i++)
    LLVMFuzzerTestOneInput (seeds[i]->data, seeds[i]->len);
  for (guint i = 0; i < rounds; i++)
    {
      GByteArray *seed = seeds[i % 2];
      g_autoptr (GByteArray) bytes = mutate (rand, seed->data + 1, seed->len - 1);

      g_byte_array_prepend (bytes, seed->data, 1);
      LLVMFuzzerTestOneInput (bytes->data, bytes->len);
    }
  g_byte_array_unref (seeds[0]);
  g_byte_array_unref (seeds[1]);
  window_free (window);
  kit_free (kit);
  return 0;
}
#endif
