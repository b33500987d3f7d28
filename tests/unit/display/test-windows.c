// SPDX-License-Identifier: GPL-3.0-or-later
/* Toplevels, popups, focus, keys, frames and selections. */
#include "kit.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

typedef struct
{
  Kit *kit;
  Client *client;
  Window *window;
  MossViewerSurface *surface;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  f->kit = kit_new ();
  f->client = client_new (f->kit);
  kit_attach (f->kit);
  f->window = window_new (f->client, 100, 80, 0xff223344);
  f->surface = kit_toplevel (f->kit, 0);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_assert_null (f->kit->closed);
  window_free (f->window);
  kit_free (f->kit);
}

static void
test_configure (Fixture *f, gconstpointer data)
{
  guint before = f->window->configures;

  moss_viewer_configure (f->kit->viewer, f->surface, 640, 480,
                         MOSS_VIEWER_STATE_ACTIVATED | MOSS_VIEWER_STATE_MAXIMIZED);
  kit_pump (f->kit);
  g_assert_cmpuint (f->window->configures, ==, before + 1);
  g_assert_cmpint (f->window->width, ==, 640);
  g_assert_cmpuint (f->window->states, ==,
                    1u << XDG_TOPLEVEL_STATE_ACTIVATED | 1u << XDG_TOPLEVEL_STATE_MAXIMIZED);
  g_assert_cmpuint (moss_viewer_surface_get_states (f->surface), ==, 0);
  wl_surface_commit (f->window->surface);
  kit_pump (f->kit);
  g_assert_cmpuint (moss_viewer_surface_get_states (f->surface), ==,
                    MOSS_VIEWER_STATE_ACTIVATED | MOSS_VIEWER_STATE_MAXIMIZED);
}

/* A hundred sizes before the app answers are one or two configures, the last one wins. */
static void
test_resize_merges (Fixture *f, gconstpointer data)
{
  guint before = f->window->configures;

  for (int i = 0; i < 100; i++)
    moss_viewer_configure (f->kit->viewer, f->surface, 200 + i, 100, 0);
  for (int i = 0; i < 20; i++)
    moss_display_iterate (f->kit->display, 0);
  kit_pump (f->kit);
  g_assert_cmpuint (f->window->configures, <=, before + 3);
  g_assert_cmpint (f->window->width, ==, 299);
}

static void
test_close (Fixture *f, gconstpointer data)
{
  moss_viewer_close_toplevel (f->kit->viewer, f->surface);
  kit_pump (f->kit);
  g_assert_cmpuint (f->window->closes, ==, 1);
  g_assert_cmpuint (moss_display_close_all (f->kit->display), ==, 1);
  kit_pump (f->kit);
  g_assert_cmpuint (f->window->closes, ==, 2);
}

static void
on_flag (MossViewerSurface *surface, gpointer data)
{
  (*(guint *) data)++;
}

static void
on_edge (MossViewerSurface *surface, guint edge, gpointer data)
{
  *(guint *) data = edge;
}

/* A window may ask to be moved only with the serial of a press. */
static void
test_move_needs_press (Fixture *f, gconstpointer data)
{
  guint moves = 0, edge = 0;

  g_signal_connect (f->surface, "request-move", G_CALLBACK (on_flag), &moves);
  g_signal_connect (f->surface, "request-resize", G_CALLBACK (on_edge), &edge);
  xdg_toplevel_move (f->window->toplevel, f->client->seat, 12345);
  kit_pump (f->kit);
  g_assert_cmpuint (moves, ==, 0);
  moss_viewer_pointer_motion (f->kit->viewer, f->surface, 5, 5, 0);
  moss_viewer_pointer_button (f->kit->viewer, 0x110, TRUE, 0);
  kit_pump (f->kit);
  g_assert_cmpuint (f->client->buttons, ==, 1);
  xdg_toplevel_move (f->window->toplevel, f->client->seat, f->client->serial);
  xdg_toplevel_resize (f->window->toplevel, f->client->seat, f->client->serial,
                       XDG_TOPLEVEL_RESIZE_EDGE_BOTTOM_RIGHT);
  kit_pump (f->kit);
  g_assert_cmpuint (moves, ==, 1);
  g_assert_cmpuint (edge, ==, MOSS_VIEWER_EDGE_BOTTOM | MOSS_VIEWER_EDGE_RIGHT);
}

/* ---- pointer ------------------------------------------------------------------------- */

static void
test_pointer_finds_subsurface (Fixture *f, gconstpointer data)
{
  struct wl_surface *child = wl_compositor_create_surface (f->client->compositor);
  struct wl_subsurface *sub = wl_subcompositor_get_subsurface (f->client->subcompositor,
                                                               child, f->window->surface);
  struct wl_region *none = wl_compositor_create_region (f->client->compositor);

  wl_subsurface_set_position (sub, 20, 10);
  wl_surface_attach (child, buffer_new (f->client, 30, 30, 0, NULL), 0, 0);
  wl_surface_commit (child);
  wl_surface_commit (f->window->surface);
  kit_pump (f->kit);
  moss_viewer_pointer_motion (f->kit->viewer, f->surface, 25, 12, 0);
  kit_pump (f->kit);
  g_assert_true (f->client->pointer_focus == child);
  g_assert_cmpfloat (f->client->x, ==, 5);
  moss_viewer_pointer_button (f->kit->viewer, 0x110, TRUE, 0);
  moss_viewer_pointer_motion (f->kit->viewer, f->surface, 90, 60, 0);
  kit_pump (f->kit);
  g_assert_true (f->client->pointer_focus == child);
  g_assert_cmpfloat (f->client->x, ==, 70);
  moss_viewer_pointer_button (f->kit->viewer, 0x110, FALSE, 0);
  kit_pump (f->kit);
  g_assert_true (f->client->pointer_focus == f->window->surface);
  wl_surface_set_input_region (child, none);
  wl_surface_commit (child);
  wl_surface_commit (f->window->surface);
  moss_viewer_pointer_motion (f->kit->viewer, f->surface, 25, 12, 0);
  kit_pump (f->kit);
  g_assert_true (f->client->pointer_focus == f->window->surface);
  moss_viewer_pointer_leave (f->kit->viewer);
  kit_pump (f->kit);
  g_assert_null (f->client->pointer_focus);
}

static void
test_cursor (Fixture *f, gconstpointer data)
{
  struct wl_surface *image = wl_compositor_create_surface (f->client->compositor);
  MossViewerSurface *cursor;
  int x, y;

  moss_viewer_pointer_motion (f->kit->viewer, f->surface, 5, 5, 0);
  kit_pump (f->kit);
  g_assert_cmpstr (moss_viewer_get_cursor_name (f->kit->viewer), ==, "default");
  wl_pointer_set_cursor (f->client->pointer, f->client->serial, image, 3, 4);
  wl_surface_attach (image, buffer_new (f->client, 24, 24, 0xff00ff00, NULL), 0, 0);
  wl_surface_commit (image);
  kit_pump (f->kit);
  g_assert_null (moss_viewer_get_cursor_name (f->kit->viewer));
  cursor = moss_viewer_get_cursor_surface (f->kit->viewer, &x, &y);
  g_assert_cmphex (kit_pixel (cursor, 1, 1), ==, 0xff00ff00);
  g_assert_cmpint (x, ==, 3);
  wl_pointer_set_cursor (f->client->pointer, f->client->serial, NULL, 0, 0);
  kit_pump (f->kit);
  g_assert_cmpstr (moss_viewer_get_cursor_name (f->kit->viewer), ==, "none");
}

/* ---- keyboard ------------------------------------------------------------------------ */

static void
test_keys (Fixture *f, gconstpointer data)
{
  MossViewer *viewer = f->kit->viewer;
  g_autoptr (GError) error = NULL;
  guint keymaps = f->client->keymaps;

  g_assert_true (moss_viewer_set_keymap_names (viewer, NULL, NULL, "de", NULL, NULL, &error));
  g_assert_no_error (error);
  moss_viewer_set_repeat (viewer, 33, 400);
  kit_pump (f->kit);
  g_assert_cmpuint (f->client->keymaps, ==, keymaps + 1);
  g_assert_cmpuint (f->client->repeat_rate, ==, 33);
  moss_viewer_key (viewer, 30, TRUE, 0);
  kit_pump (f->kit);
  g_assert_cmpuint (f->client->keys, ==, 0);
  moss_viewer_key (viewer, 30, FALSE, 0);
  moss_viewer_set_keyboard_focus (viewer, f->surface);
  moss_viewer_key (viewer, 42, TRUE, 0);
  kit_pump (f->kit);
  g_assert_true (f->client->keyboard_focus == f->window->surface);
  g_assert_cmpuint (f->client->modifiers, ==, 1);
  moss_viewer_key (viewer, 42, TRUE, 0);
  moss_viewer_key (viewer, 99999, TRUE, 0);
  kit_pump (f->kit);
  g_assert_cmpuint (f->client->keys, ==, 1);
  moss_viewer_set_keyboard_focus (viewer, NULL);
  kit_pump (f->kit);
  g_assert_null (f->client->keyboard_focus);
  g_assert_false (moss_viewer_set_keymap (viewer, "xkb_keymap { nonsense", &error));
  g_assert_nonnull (error);
}

/* ---- touch --------------------------------------------------------------------------- */

typedef struct
{
  Client *client;
  struct wl_touch *touch;
  guint downs, ups, cancels;
  double x, y;
} Touch;

static void
on_down (void *data, struct wl_touch *touch, uint32_t serial, uint32_t time,
         struct wl_surface *surface, int32_t id, wl_fixed_t x, wl_fixed_t y)
{
  Touch *self = data;

  self->downs++;
  self->x = wl_fixed_to_double (x);
  self->y = wl_fixed_to_double (y);
}

static void
on_up (void *data, struct wl_touch *touch, uint32_t serial, uint32_t time, int32_t id)
{
  ((Touch *) data)->ups++;
}

static void
on_touch_motion (void *data, struct wl_touch *touch, uint32_t time, int32_t id, wl_fixed_t x,
                 wl_fixed_t y)
{
  ((Touch *) data)->x = wl_fixed_to_double (x);
}

static void
on_touch_frame (void *data, struct wl_touch *touch)
{
}

static void
on_touch_cancel (void *data, struct wl_touch *touch)
{
  ((Touch *) data)->cancels++;
}

static void
on_shape (void *data, struct wl_touch *touch, int32_t id, wl_fixed_t major, wl_fixed_t minor)
{
}

static void
on_orientation (void *data, struct wl_touch *touch, int32_t id, wl_fixed_t angle)
{
}

static const struct wl_touch_listener touch_listener
    = { on_down, on_up, on_touch_motion, on_touch_frame, on_touch_cancel, on_shape,
        on_orientation };

static void
on_seat_capabilities (void *data, struct wl_seat *seat, uint32_t capabilities)
{
  Touch *self = data;

  if (!(capabilities & WL_SEAT_CAPABILITY_TOUCH) || self->touch)
    return;
  self->touch = wl_seat_get_touch (seat);
  wl_touch_add_listener (self->touch, &touch_listener, self);
}

static void
on_seat_name (void *data, struct wl_seat *seat, const char *name)
{
}

static const struct wl_seat_listener touch_seat_listener
    = { on_seat_capabilities, on_seat_name };

/* The very first tap counts, as does a finger that is taken away. */
static void
test_touch (Fixture *f, gconstpointer data)
{
  MossViewer *viewer = f->kit->viewer;
  Touch self = { .client = f->client };

  wl_seat_add_listener (f->client->seat, &touch_seat_listener, &self);
  kit_pump (f->kit);
  g_assert_null (self.touch);
  moss_viewer_touch_cancel (viewer); /* "there is a touch screen" */
  kit_pump (f->kit);
  g_assert_nonnull (self.touch);
  moss_viewer_touch_down (viewer, f->surface, 3, 5, 7, 0);
  moss_viewer_touch_motion (viewer, 3, 9, 7, 1000);
  moss_viewer_touch_up (viewer, 3, 2000);
  kit_pump (f->kit);
  g_assert_cmpuint (self.downs, ==, 1);
  g_assert_cmpuint (self.ups, ==, 1);
  g_assert_cmpfloat (self.x, ==, 9);
  g_assert_cmpfloat (self.y, ==, 7);
  moss_viewer_touch_down (viewer, f->surface, 4, 1, 1, 3000);
  moss_viewer_touch_cancel (viewer);
  moss_viewer_touch_motion (viewer, 4, 2, 1, 4000);
  kit_pump (f->kit);
  g_assert_cmpuint (self.cancels, ==, 1);
  g_assert_cmpfloat (self.x, ==, 1);
  wl_touch_destroy (self.touch);
}

/* ---- popups -------------------------------------------------------------------------- */

static void
on_popup_configure (void *data, struct xdg_popup *popup, int32_t x, int32_t y, int32_t w, int32_t h)
{
  Window *window = data;

  window->popup_x = x;
  window->popup_y = y;
  window->width = w;
  window->height = h;
}

static void
on_popup_done (void *data, struct xdg_popup *popup)
{
  Window *window = data;

  window->popup_done = TRUE;
}

static void
on_repositioned (void *data, struct xdg_popup *popup, uint32_t token)
{
  Window *window = data;

  window->token = token;
}

static void
on_popup_xdg_configure (void *data, struct xdg_surface *xdg, uint32_t serial)
{
  Window *window = data;

  window->configures++;
  xdg_surface_ack_configure (xdg, serial);
}

static const struct xdg_popup_listener popup_listener
    = { on_popup_configure, on_popup_done, on_repositioned };
static const struct xdg_surface_listener popup_xdg_listener = { on_popup_xdg_configure };

static struct xdg_positioner *
positioner_new (Client *client, int x, int y)
{
  struct xdg_positioner *p = xdg_wm_base_create_positioner (client->shell);

  xdg_positioner_set_size (p, 50, 40);
  xdg_positioner_set_anchor_rect (p, x, y, 10, 10);
  xdg_positioner_set_anchor (p, XDG_POSITIONER_ANCHOR_BOTTOM_LEFT);
  xdg_positioner_set_gravity (p, XDG_POSITIONER_GRAVITY_BOTTOM_RIGHT);
  xdg_positioner_set_constraint_adjustment (p, 0x3f);
  return p;
}

static Window *
popup_new (Window *parent, gboolean grab)
{
  Client *client = parent->client;
  Window *popup = g_new0 (Window, 1);

  popup->client = client;
  popup->pool_fd = -1;
  popup->surface = wl_compositor_create_surface (client->compositor);
  popup->xdg = xdg_wm_base_get_xdg_surface (client->shell, popup->surface);
  xdg_surface_add_listener (popup->xdg, &popup_xdg_listener, popup);
  popup->popup = xdg_surface_get_popup (popup->xdg, parent->xdg, positioner_new (client, 10, 10));
  xdg_popup_add_listener (popup->popup, &popup_listener, popup);
  if (grab)
    xdg_popup_grab (popup->popup, client->seat, client->serial);
  wl_surface_commit (popup->surface);
  kit_pump (client->kit);
  if (!popup->popup_done)
    window_show (popup, 50, 40, 0xff0000ff);
  return popup;
}

static void
test_popup (Fixture *f, gconstpointer data)
{
  MossViewerRect bounds = { 0, 0, 200, 45 };
  MossViewerSurface *shown;
  Window *popup;
  int x, y;

  xdg_surface_set_window_geometry (f->window->xdg, 5, 5, 90, 70);
  wl_surface_commit (f->window->surface);
  popup = popup_new (f->window, FALSE);
  g_assert_cmpint (popup->popup_x, ==, 10);
  g_assert_cmpint (popup->popup_y, ==, 20);
  shown = moss_viewer_lookup (f->kit->viewer, moss_viewer_surface_get_id (f->surface) + 1);
  g_assert_cmpint (moss_viewer_surface_get_role (shown), ==, MOSS_VIEWER_ROLE_POPUP);
  moss_viewer_surface_get_offset (shown, &x, &y);
  g_assert_cmpint (x, ==, 15);
  g_assert_cmpint (y, ==, 25);
  g_assert_true (moss_viewer_surface_get_parent (shown) == f->surface);

  moss_viewer_set_popup_bounds (f->kit->viewer, f->surface, &bounds);
  kit_pump (f->kit);
  xdg_popup_reposition (popup->popup, positioner_new (f->client, 10, 10), 77);
  kit_pump (f->kit);
  g_assert_cmpuint (popup->token, ==, 77);
  wl_surface_commit (popup->surface);
  kit_pump (f->kit);
  g_assert_cmpint (popup->popup_y, ==, 0);
  moss_viewer_surface_get_offset (shown, &x, &y);
  g_assert_cmpint (y, ==, 5);
  window_free (popup);
}

static void
test_popup_grab (Fixture *f, gconstpointer data)
{
  MossViewer *viewer = f->kit->viewer;
  Window *first, *second;

  moss_viewer_set_keyboard_focus (viewer, f->surface);
  first = popup_new (f->window, TRUE);
  g_assert_true (first->popup_done); /* no event that would allow it */
  moss_viewer_pointer_motion (viewer, f->surface, 5, 5, 0);
  moss_viewer_pointer_button (viewer, 0x110, TRUE, 0);
  moss_viewer_pointer_button (viewer, 0x110, FALSE, 0);
  kit_pump (f->kit);
  second = popup_new (f->window, TRUE);
  g_assert_false (second->popup_done);
  g_assert_true (f->client->keyboard_focus == second->surface);
  moss_viewer_dismiss_popups (viewer);
  kit_pump (f->kit);
  g_assert_true (second->popup_done);
  g_assert_true (f->client->keyboard_focus == f->window->surface);
  window_free (first);
  window_free (second);
}

/* A completion that opens and goes while somebody types: no key may be on its way to it. */
static void
test_popup_of_typing (Fixture *f, gconstpointer data)
{
  MossViewer *viewer = f->kit->viewer;
  Window *completion, *menu;

  moss_viewer_set_keyboard_focus (viewer, f->surface);
  moss_viewer_key (viewer, 30, TRUE, 0);
  kit_pump (f->kit);
  completion = popup_new (f->window, TRUE);
  g_assert_false (completion->popup_done);
  g_assert_true (f->client->keyboard_focus == f->window->surface);
  moss_viewer_key (viewer, 30, FALSE, 0);
  moss_viewer_key (viewer, 48, TRUE, 0);
  window_free (completion);
  kit_pump (f->kit);
  g_assert_true (f->client->keyboard_focus == f->window->surface);
  g_assert_cmpuint (f->client->keys, ==, 3);

  moss_viewer_pointer_motion (viewer, f->surface, 5, 5, 0);
  moss_viewer_pointer_button (viewer, 0x110, TRUE, 0);
  kit_pump (f->kit);
  menu = popup_new (f->window, TRUE);
  g_assert_true (f->client->keyboard_focus == menu->surface);
  window_free (menu);
}

/* ---- frames -------------------------------------------------------------------------- */

static void
test_frames (Fixture *f, gconstpointer data)
{
  guint wanted = 0;

  g_signal_connect (f->surface, "wants-frame", G_CALLBACK (on_flag), &wanted);
  window_want_frame (f->window);
  wl_surface_commit (f->window->surface);
  kit_pump (f->kit);
  g_assert_cmpuint (wanted, ==, 1);
  g_assert_cmpuint (f->window->frames, ==, 0);
  g_assert_true (moss_viewer_surface_get_wants_frame (f->surface));
  moss_viewer_frame_done (f->kit->viewer, f->surface, 1000);
  kit_pump (f->kit);
  g_assert_cmpuint (f->window->frames, ==, 1);
  g_assert_false (moss_viewer_surface_get_wants_frame (f->surface));
  window_want_frame (f->window);
  wl_surface_commit (f->window->surface);
  kit_pump (f->kit);
  g_assert_cmpuint (wanted, ==, 2);
}

static void
test_hang (Fixture *f, gconstpointer data)
{
  gint64 end;

  f->client->answers_pings = FALSE;
  moss_viewer_ping (f->kit->viewer, f->surface);
  end = g_get_monotonic_time () + 4 * G_USEC_PER_SEC;
  while (moss_viewer_surface_get_responsive (f->surface) && g_get_monotonic_time () < end)
    {
      g_usleep (20000);
      kit_pump (f->kit);
    }
  g_assert_false (moss_viewer_surface_get_responsive (f->surface));
}

static void
test_output (Fixture *f, gconstpointer data)
{
  moss_viewer_set_output (f->kit->viewer, 1920, 1080, 150, 144000, 500, 300);
  kit_pump (f->kit);
  g_assert_cmpint (f->client->output_scale, ==, 2);
}

/* ---- selections ---------------------------------------------------------------------- */

static char *
read_all (Kit *kit, int fd)
{
  GString *text = g_string_new (NULL);
  char bytes[256];
  gssize n = -1;

  fcntl (fd, F_SETFL, O_NONBLOCK);
  for (guint i = 0; i < 50 && n != 0; i++)
    {
      kit_pump (kit);
      n = read (fd, bytes, sizeof bytes);
      if (n > 0)
        g_string_append_len (text, bytes, n);
    }
  g_assert_cmpint (n, ==, 0);
  close (fd);
  return g_string_free (text, FALSE);
}

static gboolean
on_requested (MossViewer *viewer, guint which, const char *type, int fd, gpointer data)
{
  g_assert_cmpstr (type, ==, "text/plain");
  g_assert_cmpint (write (fd, "from host", 9), ==, 9);
  close (fd);
  return TRUE;
}

static void
test_paste_from_host (Fixture *f, gconstpointer data)
{
  const char *const types[] = { "text/plain", "text/html", NULL };
  g_autofree char *text = NULL;
  int fds[2];

  g_signal_connect (f->kit->viewer, "selection-requested", G_CALLBACK (on_requested), NULL);
  moss_viewer_set_selection (f->kit->viewer, MOSS_VIEWER_SELECTION_CLIPBOARD, types);
  kit_pump (f->kit);
  g_assert_null (f->client->offer); /* no focus, no peeking */
  moss_viewer_set_keyboard_focus (f->kit->viewer, f->surface);
  kit_pump (f->kit);
  g_assert_nonnull (f->client->offer);
  g_assert_cmpuint (f->client->offered->len, ==, 2);
  g_assert_cmpint (pipe2 (fds, O_CLOEXEC), ==, 0);
  wl_data_offer_receive (f->client->offer, "text/plain", fds[1]);
  wl_display_flush (f->client->display);
  close (fds[1]);
  text = read_all (f->kit, fds[0]);
  g_assert_cmpstr (text, ==, "from host");
  moss_viewer_set_selection (f->kit->viewer, MOSS_VIEWER_SELECTION_CLIPBOARD, NULL);
  kit_pump (f->kit);
  g_assert_null (f->client->offer);
}

static void
source_target (void *data, struct wl_data_source *source, const char *type)
{
}

static void
source_send (void *data, struct wl_data_source *source, const char *type, int fd)
{
  g_assert_cmpint (write (fd, "from app", 8), ==, 8);
  close (fd);
}

static void
source_cancelled (void *data, struct wl_data_source *source)
{
  (*(guint *) data)++;
}

static void
source_plain (void *data, struct wl_data_source *source)
{
}

static void
source_action (void *data, struct wl_data_source *source, uint32_t action)
{
}

static const struct wl_data_source_listener source_listener
    = { source_target, source_send, source_cancelled, source_plain, source_plain, source_action };

static void
test_copy_to_host (Fixture *f, gconstpointer data)
{
  const char *const ours[] = { "text/html", NULL };
  const char *const *offered;
  struct wl_data_source *source;
  g_autofree char *text = NULL;
  guint cancelled = 0;
  int fds[2];

  source = wl_data_device_manager_create_data_source (f->client->data_manager);
  wl_data_source_add_listener (source, &source_listener, &cancelled);
  wl_data_source_offer (source, "text/plain");
  moss_viewer_set_keyboard_focus (f->kit->viewer, f->surface);
  kit_pump (f->kit);
  wl_data_device_set_selection (f->client->data_device, source, f->client->serial);
  kit_pump (f->kit);
  offered = moss_viewer_get_selection (f->kit->viewer, MOSS_VIEWER_SELECTION_CLIPBOARD);
  g_assert_nonnull (offered);
  g_assert_cmpstr (offered[0], ==, "text/plain");
  g_assert_cmpint (pipe2 (fds, O_CLOEXEC), ==, 0);
  moss_viewer_receive_selection (f->kit->viewer, MOSS_VIEWER_SELECTION_CLIPBOARD, "text/plain",
                                 fds[1]);
  text = read_all (f->kit, fds[0]);
  g_assert_cmpstr (text, ==, "from app");
  moss_viewer_set_selection (f->kit->viewer, MOSS_VIEWER_SELECTION_CLIPBOARD, ours);
  kit_pump (f->kit);
  g_assert_cmpuint (cancelled, ==, 1);
}

#define ADD(name, function)                                                               \
  g_test_add ("/display/" name, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("window/configure", test_configure);
  ADD ("window/resize-merges", test_resize_merges);
  ADD ("window/close", test_close);
  ADD ("window/move-needs-press", test_move_needs_press);
  ADD ("window/hang", test_hang);
  ADD ("window/output", test_output);
  ADD ("pointer/finds-subsurface", test_pointer_finds_subsurface);
  ADD ("pointer/cursor", test_cursor);
  ADD ("keyboard/keys", test_keys);
  ADD ("touch/first-tap", test_touch);
  ADD ("popup/place", test_popup);
  ADD ("popup/grab", test_popup_grab);
  ADD ("popup/of-typing", test_popup_of_typing);
  ADD ("frames", test_frames);
  ADD ("selection/from-host", test_paste_from_host);
  ADD ("selection/to-host", test_copy_to_host);
  return g_test_run ();
}
