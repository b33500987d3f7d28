// SPDX-License-Identifier: GPL-3.0-or-later
/* Globals, double buffering, subsurfaces, shared memory and what a client may cost. */
#include "kit.h"

#include <errno.h>
#include <unistd.h>

static void
test_globals (void)
{
  static const struct
  {
    const char *name;
    guint version;
  } expected[] = {
    { "wl_compositor", 5 },
    { "wl_subcompositor", 1 },
    { "wl_shm", 1 },
    { "wl_seat", 7 },
    { "wl_output", 4 },
    { "wl_data_device_manager", 3 },
    { "zwp_primary_selection_device_manager_v1", 1 },
    { "xdg_wm_base", 5 },
    { "zxdg_decoration_manager_v1", 1 },
    { "org_kde_kwin_server_decoration_manager", 1 },
    { "zxdg_output_manager_v1", 3 },
    { "wp_viewporter", 1 },
    { "wp_fractional_scale_manager_v1", 1 },
    { "zwp_text_input_manager_v3", 1 },
    { "xdg_activation_v1", 1 },
    { "wp_cursor_shape_manager_v1", 1 },
    { "zwp_idle_inhibit_manager_v1", 1 },
    { "zwp_keyboard_shortcuts_inhibit_manager_v1", 1 },
    { "wp_single_pixel_buffer_manager_v1", 1 },
    { "zwp_pointer_constraints_v1", 1 },
    { "zwp_relative_pointer_manager_v1", 1 },
  };
  Kit *kit = kit_new ();
  Client *client = client_new (kit);

  for (guint i = 0; i < G_N_ELEMENTS (expected); i++)
    g_assert_cmpuint (
        GPOINTER_TO_UINT (g_hash_table_lookup (client->versions, expected[i].name)), ==,
        expected[i].version);
  g_assert_cmpuint (g_hash_table_size (client->versions), ==, G_N_ELEMENTS (expected));
  kit_free (kit);
}

/* Nothing of a surface counts before its commit. */
static void
test_double_buffer (void)
{
  Kit *kit = kit_new ();
  Client *client = client_new (kit);
  Window *window;
  struct wl_buffer *other;
  MossViewerSurface *surface;
  int width, height;

  kit_attach (kit);
  window = window_new (client, 40, 30, 0xff112233);
  surface = kit_toplevel (kit, 0);
  g_assert_cmphex (kit_pixel (surface, 39, 29), ==, 0xff112233);
  other = buffer_new (client, 80, 60, 0xff445566, NULL);
  wl_surface_attach (window->surface, other, 0, 0);
  wl_surface_set_buffer_scale (window->surface, 2);
  xdg_toplevel_set_title (window->toplevel, "a\nb");
  kit_pump (kit);
  moss_viewer_surface_get_size (surface, &width, &height);
  g_assert_cmpint (width, ==, 40);
  g_assert_cmpuint (window->released, ==, 0);
  wl_surface_commit (window->surface);
  kit_pump (kit);
  moss_viewer_surface_get_size (surface, &width, &height);
  g_assert_cmpint (width, ==, 40);
  g_assert_cmpint (height, ==, 30);
  g_assert_cmpint (moss_viewer_surface_get_scale (surface), ==, 2);
  g_assert_cmphex (kit_pixel (surface, 79, 59), ==, 0xff445566);
  g_assert_cmpstr (moss_viewer_surface_get_title (surface), ==, "ab");
  g_assert_cmpuint (window->released, ==, 1);
  window_free (window);
  kit_free (kit);
}

/* A texture that somebody holds does not change under him. */
static void
test_pixels_are_stable (void)
{
  Kit *kit = kit_new ();
  Client *client = client_new (kit);
  Window *window;
  MossViewerSurface *surface;
  g_autoptr (GBytes) held = NULL;
  const guint32 *pixels;

  kit_attach (kit);
  window = window_new (client, 16, 16, 0xff000001);
  surface = kit_toplevel (kit, 0);
  held = moss_viewer_surface_ref_pixels (surface, NULL, NULL);
  pixels = g_bytes_get_data (held, NULL);
  for (guint32 i = 2; i < 6; i++)
    {
      window_show (window, 16, 16, 0xff000000 | i);
      g_assert_cmphex (kit_pixel (surface, 3, 3), ==, 0xff000000 | i);
      g_assert_cmphex (pixels[3], ==, 0xff000001);
    }
  window_free (window);
  kit_free (kit);
}

/* Only damage is read again: the rest of a new buffer is not looked at. */
static void
test_damage (void)
{
  Kit *kit = kit_new ();
  Client *client = client_new (kit);
  Window *window;
  MossViewerSurface *surface;
  MossViewerRect rects[4];
  struct wl_buffer *other;

  kit_attach (kit);
  window = window_new (client, 64, 64, 0xff101010);
  surface = kit_toplevel (kit, 0);
  g_assert_cmpuint (moss_viewer_surface_take_damage (surface, rects, 4), ==, 1);
  g_assert_cmpint (rects[0].width, ==, 64);
  kit_pixel (surface, 0, 0);
  other = buffer_new (client, 64, 64, 0xff202020, NULL);
  wl_surface_attach (window->surface, other, 0, 0);
  wl_surface_damage_buffer (window->surface, 8, 8, 4, 4);
  wl_surface_damage (window->surface, 40, 40, 2, 2);
  wl_surface_commit (window->surface);
  kit_pump (kit);
  g_assert_cmpuint (moss_viewer_surface_take_damage (surface, rects, 4), ==, 2);
  g_assert_cmpint (rects[0].x, ==, 8);
  g_assert_cmpint (rects[1].x, ==, 40);
  g_assert_cmphex (kit_pixel (surface, 9, 9), ==, 0xff202020);
  g_assert_cmphex (kit_pixel (surface, 41, 41), ==, 0xff202020);
  g_assert_cmphex (kit_pixel (surface, 20, 20), ==, 0xff101010);
  window_free (window);
  kit_free (kit);
}

/* A synchronised child changes with its parent, a desynchronised one at once. */
static void
test_subsurface (void)
{
  Kit *kit = kit_new ();
  Client *client = client_new (kit);
  Window *window;
  struct wl_surface *child = wl_compositor_create_surface (client->compositor);
  struct wl_subsurface *sub;
  MossViewerSurface *surface, *shown;
  int x, y;

  kit_attach (kit);
  window = window_new (client, 64, 64, 0xff101010);
  surface = kit_toplevel (kit, 0);
  sub = wl_subcompositor_get_subsurface (client->subcompositor, child, window->surface);
  wl_subsurface_set_position (sub, 5, 7);
  wl_surface_attach (child, buffer_new (client, 8, 8, 0xffaaaaaa, NULL), 0, 0);
  wl_surface_commit (child);
  kit_pump (kit);
  g_assert_cmpuint (moss_viewer_surface_get_stack (surface)->len, ==, 1);
  wl_surface_commit (window->surface);
  kit_pump (kit);
  g_assert_cmpuint (moss_viewer_surface_get_stack (surface)->len, ==, 2);
  shown = moss_viewer_surface_get_stack (surface)->pdata[1];
  moss_viewer_surface_get_offset (shown, &x, &y);
  g_assert_cmpint (x, ==, 5);
  g_assert_cmpint (y, ==, 7);
  g_assert_true (moss_viewer_surface_get_parent (shown) == surface);

  wl_surface_attach (child, buffer_new (client, 8, 8, 0xffbbbbbb, NULL), 0, 0);
  wl_surface_damage_buffer (child, 0, 0, 8, 8);
  wl_surface_commit (child);
  kit_pump (kit);
  g_assert_cmphex (kit_pixel (shown, 0, 0), ==, 0xffaaaaaa);
  wl_subsurface_set_desync (sub);
  kit_pump (kit);
  g_assert_cmphex (kit_pixel (shown, 0, 0), ==, 0xffbbbbbb);

  wl_subsurface_place_below (sub, window->surface);
  kit_pump (kit);
  g_assert_true (moss_viewer_surface_get_stack (surface)->pdata[1] == shown);
  wl_surface_commit (window->surface);
  kit_pump (kit);
  g_assert_true (moss_viewer_surface_get_stack (surface)->pdata[0] == shown);
  wl_subsurface_destroy (sub);
  kit_pump (kit);
  g_assert_cmpuint (moss_viewer_surface_get_stack (surface)->len, ==, 1);
  window_free (window);
  kit_free (kit);
}

static void
test_viewport (void)
{
  Kit *kit = kit_new ();
  Client *client = client_new (kit);
  Window *window;
  struct wp_viewport *viewport;
  struct wl_buffer *solid;
  MossViewerSurface *surface;
  MossViewerArea area;
  int width, height;

  kit_attach (kit);
  window = window_new (client, 64, 64, 0xff101010);
  surface = kit_toplevel (kit, 0);
  viewport = wp_viewporter_get_viewport (client->viewporter, window->surface);
  wp_viewport_set_source (viewport, wl_fixed_from_int (16), 0, wl_fixed_from_int (32),
                          wl_fixed_from_int (64));
  wp_viewport_set_destination (viewport, 100, 200);
  wl_surface_commit (window->surface);
  kit_pump (kit);
  moss_viewer_surface_get_size (surface, &width, &height);
  g_assert_cmpint (width, ==, 100);
  g_assert_cmpint (height, ==, 200);
  moss_viewer_surface_get_source (surface, &area);
  g_assert_cmpfloat (area.x, ==, 16);
  g_assert_cmpfloat (area.width, ==, 32);

  solid = wp_single_pixel_buffer_manager_v1_create_u32_rgba_buffer (
      client->single, 0x80000000, 0x40000000, 0, 0xffffffff);
  wp_viewport_set_source (viewport, wl_fixed_from_int (-1), wl_fixed_from_int (-1),
                          wl_fixed_from_int (-1), wl_fixed_from_int (-1));
  window_commit (window, solid);
  kit_pump (kit);
  g_assert_cmphex (kit_pixel (surface, 0, 0), ==, 0xff804000);
  g_assert_cmpint (client_error (client), ==, 0);

  wp_viewport_set_source (viewport, 0, 0, wl_fixed_from_int (3), wl_fixed_from_int (1));
  wl_surface_commit (window->surface);
  kit_pump (kit);
  g_assert_cmpint (client_error (client), ==, EPROTO);
  window_free (window);
  kit_free (kit);
}

/* ---- liars --------------------------------------------------------------------------- */

static void
expect_gone (Kit *kit, Client *liar, Client *honest)
{
  const struct wl_interface *interface;
  uint32_t id;

  kit_pump (kit);
  g_assert_cmpint (client_error (liar), ==, EPROTO);
  wl_display_get_protocol_error (liar->display, &interface, &id);
  g_assert_cmpint (client_error (honest), ==, 0);
  window_free (window_new (honest, 8, 8, 0xff010101));
}

static void
test_pool_too_small (void)
{
  Kit *kit = kit_new ();
  Client *liar = client_new (kit), *honest = client_new (kit);
  int fd = memory_of (4096, 0);
  Window *window = window_new (liar, 8, 8, 0xff102030);
  struct wl_shm_pool *pool = wl_shm_create_pool (liar->shm, fd, 8192);

  kit_pump (kit);
  g_assert_cmpint (client_error (liar), ==, 0); /* the file may still grow */
  window_commit (window, wl_shm_pool_create_buffer (pool, 0, 32, 64, 128,
                                                    WL_SHM_FORMAT_ARGB8888));
  close (fd);
  expect_gone (kit, liar, honest);
  window_free (window);
  kit_free (kit);
}

/* CRIU 4.2.1 may put another descriptor in the place of one that was under way: the app goes
 * on with its last picture and is asked for another. */
static void
test_pool_lost_in_move (void)
{
  Kit *kit = kit_new ();
  Client *client = client_new (kit);
  Window *window;
  struct wl_shm_pool *pool;
  guint configures;
  int fds[2];

  kit_attach (kit);
  window = window_new (client, 8, 8, 0xff102030);
  moss_display_detach (kit->display);
  kit_drop_viewer (kit);
  configures = window->configures;
  g_assert_cmpint (pipe (fds), ==, 0);
  pool = wl_shm_create_pool (client->shm, fds[0], 4096);
  window_commit (window, wl_shm_pool_create_buffer (pool, 0, 8, 8, 32,
                                                    WL_SHM_FORMAT_ARGB8888));
  kit_pump (kit);
  g_assert_cmpint (client_error (client), ==, 0);
  g_assert_cmpuint (window->configures, ==, configures + 1);
  kit_attach (kit);
  g_assert_cmphex (kit_pixel (kit_toplevel (kit, 0), 3, 3), ==, 0xff102030);
  close (fds[0]);
  close (fds[1]);
  window_free (window);
  kit_free (kit);
}

static void
test_pool_is_a_pipe (void)
{
  Kit *kit = kit_new ();
  Client *liar = client_new (kit), *honest = client_new (kit);
  int fds[2];

  g_assert_cmpint (pipe (fds), ==, 0);
  wl_shm_create_pool (liar->shm, fds[0], 4096);
  close (fds[0]);
  close (fds[1]);
  expect_gone (kit, liar, honest);
  kit_free (kit);
}

static void
test_buffer_outside_pool (void)
{
  Kit *kit = kit_new ();
  Client *liar = client_new (kit), *honest = client_new (kit);
  int fd = memory_of (4096, 0);
  struct wl_shm_pool *pool = wl_shm_create_pool (liar->shm, fd, 4096);

  wl_shm_pool_create_buffer (pool, 0, 32767, 32767, 32767 * 4, WL_SHM_FORMAT_ARGB8888);
  close (fd);
  expect_gone (kit, liar, honest);
  kit_free (kit);
}

/* The memory goes after it was shared: the next commit is an error; what the viewer still
 * reads of the last one must not hurt it. */
static void
test_pool_shrinks (void)
{
  Kit *kit = kit_new ();
  Client *liar, *honest;
  Window *window;
  MossViewerSurface *surface;
  g_autoptr (GBytes) bytes = NULL;

  liar = client_new (kit);
  honest = client_new (kit);
  kit_attach (kit);
  window = window_new (liar, 64, 64, 0xff909090);
  surface = kit_toplevel (kit, 0);
  g_assert_cmpint (ftruncate (window->pool_fd, 4096), ==, 0);
  bytes = moss_viewer_surface_ref_pixels (surface, NULL, NULL);
  g_assert_cmpuint (g_bytes_get_size (bytes), ==, 64 * 64 * 4);
  window_commit (window, window->buffer);
  expect_gone (kit, liar, honest);
  g_assert_null (kit->closed);
  g_assert_cmpuint (kit_n_toplevels (kit), ==, 1);
  window_free (window);
  kit_free (kit);
}

/* Against the letter, but harmless: it is shown, and configured all the same. */
static void
test_buffer_before_configure (void)
{
  Kit *kit = kit_new ();
  Client *client = client_new (kit);
  Window *window = window_start (client);

  kit_attach (kit);
  window_commit (window, buffer_new (client, 8, 8, 0xff102030, NULL));
  kit_pump (kit);
  g_assert_cmpint (client_error (client), ==, 0);
  g_assert_cmpuint (window->configures, ==, 1);
  g_assert_cmpuint (kit_n_toplevels (kit), ==, 1);
  g_assert_cmphex (kit_pixel (kit_toplevel (kit, 0), 3, 3), ==, 0xff102030);
  window_free (window);
  kit_free (kit);
}

static void
test_role_conflict (void)
{
  Kit *kit = kit_new ();
  Client *liar = client_new (kit), *honest = client_new (kit);
  Window *window = window_start (liar);
  struct wl_surface *parent = wl_compositor_create_surface (liar->compositor);

  wl_subcompositor_get_subsurface (liar->subcompositor, window->surface, parent);
  expect_gone (kit, liar, honest);
  window_free (window);
  kit_free (kit);
}

/* ---- floods -------------------------------------------------------------------------- */

static void
test_flood_of_surfaces (void)
{
  Kit *kit = kit_new ();
  Client *flood = client_new (kit), *honest = client_new (kit);

  for (guint i = 0; i < 3000 && !client_error (flood); i++)
    {
      wl_compositor_create_surface (flood->compositor);
      if (i % 50 == 0)
        kit_pump (kit);
    }
  expect_gone (kit, flood, honest);
  kit_free (kit);
}

static void
test_flood_of_pools (void)
{
  Kit *kit = kit_new ();
  Client *flood = client_new (kit), *honest = client_new (kit);
  int fd = memory_of (4096, 0);

  for (guint i = 0; i < 1000 && !client_error (flood); i++)
    {
      wl_shm_create_pool (flood->shm, fd, 4096);
      if (i % 10 == 0)
        kit_pump (kit);
    }
  close (fd);
  expect_gone (kit, flood, honest);
  kit_free (kit);
}

static void
test_flood_of_frames (void)
{
  Kit *kit = kit_new ();
  Client *flood = client_new (kit), *honest = client_new (kit);
  struct wl_surface *surface = wl_compositor_create_surface (flood->compositor);

  for (guint i = 0; i < 60000 && !client_error (flood); i++)
    {
      wl_surface_frame (surface);
      if (i % 100 == 0)
        kit_pump (kit);
    }
  expect_gone (kit, flood, honest);
  kit_free (kit);
}

/* Ten thousand commits to a viewer that does not read: bounded, and the newest counts. */
static void
test_flood_of_commits (void)
{
  Kit *kit = kit_new ();
  Client *client = client_new (kit);
  Window *window;
  struct wl_buffer *buffers[4];

  kit_attach (kit);
  window = window_new (client, 32, 32, 0xff101010);
  for (guint i = 0; i < 4; i++)
    buffers[i] = buffer_new (client, 32, 32, 0xff000000 | i, NULL);
  for (guint i = 0; i < 10000; i++)
    {
      window_commit (window, buffers[i % 4]);
      if (i % 20 == 0)
        {
          client_read (client);
          moss_display_iterate (kit->display, 0);
        }
    }
  kit_pump (kit);
  for (guint i = 0; i < 20; i++)
    kit_pump (kit);
  g_assert_null (kit->closed);
  g_assert_cmphex (kit_pixel (kit_toplevel (kit, 0), 5, 5), ==, 0xff000003);
  window_free (window);
  kit_free (kit);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/display/globals", test_globals);
  g_test_add_func ("/display/surface/double-buffer", test_double_buffer);
  g_test_add_func ("/display/surface/pixels-are-stable", test_pixels_are_stable);
  g_test_add_func ("/display/surface/damage", test_damage);
  g_test_add_func ("/display/surface/subsurface", test_subsurface);
  g_test_add_func ("/display/surface/viewport", test_viewport);
  g_test_add_func ("/display/liar/pool-too-small", test_pool_too_small);
  g_test_add_func ("/display/surface/pool-lost-in-move", test_pool_lost_in_move);
  g_test_add_func ("/display/liar/pool-is-a-pipe", test_pool_is_a_pipe);
  g_test_add_func ("/display/liar/buffer-outside-pool", test_buffer_outside_pool);
  g_test_add_func ("/display/liar/pool-shrinks", test_pool_shrinks);
  g_test_add_func ("/display/surface/buffer-before-configure", test_buffer_before_configure);
  g_test_add_func ("/display/liar/role-conflict", test_role_conflict);
  g_test_add_func ("/display/flood/surfaces", test_flood_of_surfaces);
  g_test_add_func ("/display/flood/pools", test_flood_of_pools);
  g_test_add_func ("/display/flood/frames", test_flood_of_frames);
  g_test_add_func ("/display/flood/commits", test_flood_of_commits);
  return g_test_run ();
}
