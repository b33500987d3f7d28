// SPDX-License-Identifier: GPL-3.0-or-later
#include "kit.h"

#include <errno.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the world ----------------------------------------------------------------------- */

Kit *
kit_new (void)
{
  Kit *kit = g_new0 (Kit, 1);

  kit->display = moss_display_new (NULL, NULL);
  g_assert_nonnull (kit->display);
  kit->clients = g_ptr_array_new ();
  return kit;
}

void
kit_drop_viewer (Kit *kit)
{
  if (!kit->viewer)
    return;
  moss_viewer_close (kit->viewer);
  g_clear_object (&kit->viewer);
  g_clear_error (&kit->closed);
  kit_pump (kit);
}

void
kit_free (Kit *kit)
{
  while (kit->clients->len)
    client_free (kit->clients->pdata[0]);
  kit_drop_viewer (kit);
  moss_display_destroy (kit->display);
  g_ptr_array_unref (kit->clients);
  g_free (kit);
}

void
client_read (Client *client)
{
  struct pollfd pfd = { wl_display_get_fd (client->display), POLLIN, 0 };

  wl_display_flush (client->display);
  while (wl_display_prepare_read (client->display) != 0)
    if (wl_display_dispatch_pending (client->display) < 0)
      return;
  if (poll (&pfd, 1, 0) > 0)
    wl_display_read_events (client->display);
  else
    wl_display_cancel_read (client->display);
  wl_display_dispatch_pending (client->display);
  wl_display_flush (client->display);
}

void
kit_pump (Kit *kit)
{
  for (guint round = 0; round < 12; round++)
    {
      for (guint i = 0; i < kit->clients->len; i++)
        client_read (kit->clients->pdata[i]);
      moss_display_iterate (kit->display, 0);
      for (guint i = 0; i < 4; i++)
        g_main_context_iteration (NULL, FALSE);
    }
}

int
kit_connect (Kit *kit)
{
  int fds[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
  g_assert_cmpint (moss_display_add_connection (kit->display, fds[0]), ==, 0);
  return fds[1];
}

static void
on_ready (MossViewer *viewer, Kit *kit)
{
  kit->n_ready++;
}

static void
on_added (MossViewer *viewer, MossViewerSurface *surface, Kit *kit)
{
  kit->n_added++;
}

static void
on_closed (MossViewer *viewer, GError *error, Kit *kit)
{
  g_clear_error (&kit->closed);
  kit->closed = g_error_copy (error);
}

void
kit_attach (Kit *kit)
{
  kit->viewer = moss_viewer_new (kit_connect (kit));
  kit->n_ready = kit->n_added = 0;
  g_signal_connect (kit->viewer, "ready", G_CALLBACK (on_ready), kit);
  g_signal_connect (kit->viewer, "surface-added", G_CALLBACK (on_added), kit);
  g_signal_connect (kit->viewer, "closed", G_CALLBACK (on_closed), kit);
  kit_pump (kit);
}

guint
kit_n_toplevels (Kit *kit)
{
  g_autoptr (GPtrArray) list = moss_viewer_get_toplevels (kit->viewer);

  return list->len;
}

MossViewerSurface *
kit_toplevel (Kit *kit, guint i)
{
  g_autoptr (GPtrArray) list = moss_viewer_get_toplevels (kit->viewer);

  g_assert_cmpuint (list->len, >, i);
  return list->pdata[i];
}

guint32
kit_pixel (MossViewerSurface *surface, int x, int y)
{
  int width, height;
  g_autoptr (GBytes) bytes = moss_viewer_surface_ref_pixels (surface, &width, &height);
  guint32 pixel;

  g_assert_nonnull (bytes);
  g_assert_true (x < width && y < height);
  memcpy (&pixel, (const guchar *) g_bytes_get_data (bytes, NULL) + ((gsize) y * width + x) * 4,
          4);
  return pixel;
}

/* ---- a client's seat ----------------------------------------------------------------- */

static void
pointer_enter (void *data, struct wl_pointer *pointer, uint32_t serial,
               struct wl_surface *surface, wl_fixed_t x, wl_fixed_t y)
{
  Client *client = data;

  client->pointer_focus = surface;
  client->x = wl_fixed_to_double (x);
  client->y = wl_fixed_to_double (y);
  client->serial = serial;
}

static void
pointer_leave (void *data, struct wl_pointer *pointer, uint32_t serial,
               struct wl_surface *surface)
{
  Client *client = data;

  client->pointer_focus = NULL;
}

static void
pointer_motion (void *data, struct wl_pointer *pointer, uint32_t time, wl_fixed_t x,
                wl_fixed_t y)
{
  Client *client = data;

  client->x = wl_fixed_to_double (x);
  client->y = wl_fixed_to_double (y);
}

static void
pointer_button (void *data, struct wl_pointer *pointer, uint32_t serial, uint32_t time,
                uint32_t button, uint32_t state)
{
  Client *client = data;

  client->serial = serial;
  client->buttons++;
}

static void
pointer_axis (void *data, struct wl_pointer *pointer, uint32_t time, uint32_t axis,
              wl_fixed_t value)
{
}

static void
pointer_frame (void *data, struct wl_pointer *pointer)
{
}

static void
pointer_axis_source (void *data, struct wl_pointer *pointer, uint32_t source)
{
}

static void
pointer_axis_stop (void *data, struct wl_pointer *pointer, uint32_t time, uint32_t axis)
{
}

static void
pointer_axis_discrete (void *data, struct wl_pointer *pointer, uint32_t axis, int32_t steps)
{
}

static const struct wl_pointer_listener pointer_listener
    = { pointer_enter, pointer_leave,       pointer_motion,    pointer_button,       pointer_axis,
        pointer_frame, pointer_axis_source, pointer_axis_stop, pointer_axis_discrete };

static void
keyboard_keymap (void *data, struct wl_keyboard *keyboard, uint32_t format, int fd, uint32_t size)
{
  Client *client = data;

  if (format == WL_KEYBOARD_KEYMAP_FORMAT_XKB_V1)
    {
      char *text = mmap (NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);

      g_assert_true (text != MAP_FAILED && text[size - 1] == 0);
      munmap (text, size);
      client->keymaps++;
    }
  close (fd);
}

static void
keyboard_enter (void *data, struct wl_keyboard *keyboard, uint32_t serial,
                struct wl_surface *surface, struct wl_array *keys)
{
  Client *client = data;

  client->keyboard_focus = surface;
}

static void
keyboard_leave (void *data, struct wl_keyboard *keyboard, uint32_t serial,
                struct wl_surface *surface)
{
  Client *client = data;

  client->keyboard_focus = NULL;
}

static void
keyboard_key (void *data, struct wl_keyboard *keyboard, uint32_t serial, uint32_t time,
              uint32_t key, uint32_t state)
{
  Client *client = data;

  client->keys++;
  client->last_key = key;
  client->serial = serial;
}

static void
keyboard_modifiers (void *data, struct wl_keyboard *keyboard, uint32_t serial,
                    uint32_t depressed, uint32_t latched, uint32_t locked, uint32_t group)
{
  Client *client = data;

  client->modifiers = depressed | latched | locked;
}

static void
keyboard_repeat (void *data, struct wl_keyboard *keyboard, int32_t rate, int32_t delay)
{
  Client *client = data;

  client->repeat_rate = rate;
}

static const struct wl_keyboard_listener keyboard_listener
    = { keyboard_keymap, keyboard_enter,     keyboard_leave,
        keyboard_key,    keyboard_modifiers, keyboard_repeat };

/* ---- selections ---------------------------------------------------------------------- */

static void
offer_offer (void *data, struct wl_data_offer *offer, const char *type)
{
  Client *client = data;

  g_ptr_array_add (client->offered, g_strdup (type));
}

static void
offer_actions (void *data, struct wl_data_offer *offer, uint32_t actions)
{
}

static const struct wl_data_offer_listener offer_listener
    = { offer_offer, offer_actions, offer_actions };

static void
device_offer (void *data, struct wl_data_device *device, struct wl_data_offer *offer)
{
  Client *client = data;

  g_ptr_array_set_size (client->offered, 0);
  wl_data_offer_add_listener (offer, &offer_listener, client);
}

static void
device_enter (void *data, struct wl_data_device *device, uint32_t serial,
              struct wl_surface *surface, wl_fixed_t x, wl_fixed_t y,
              struct wl_data_offer *offer)
{
}

static void
device_leave (void *data, struct wl_data_device *device)
{
}

static void
device_motion (void *data, struct wl_data_device *device, uint32_t time, wl_fixed_t x,
               wl_fixed_t y)
{
}

static void
device_selection (void *data, struct wl_data_device *device, struct wl_data_offer *offer)
{
  Client *client = data;

  client->offer = offer;
}

static const struct wl_data_device_listener device_listener
    = { device_offer, device_enter, device_leave, device_motion, device_leave, device_selection };

/* ---- globals ------------------------------------------------------------------------- */

static void
on_ping (void *data, struct xdg_wm_base *shell, uint32_t serial)
{
  Client *client = data;

  if (client->answers_pings)
    xdg_wm_base_pong (shell, serial);
}

static const struct xdg_wm_base_listener shell_listener = { on_ping };

static void
output_geometry (void *data, struct wl_output *output, int32_t x, int32_t y, int32_t w, int32_t h,
                 int32_t subpixel, const char *make, const char *model, int32_t transform)
{
}

static void
output_mode (void *data, struct wl_output *output, uint32_t flags, int32_t w, int32_t h,
             int32_t refresh)
{
}

static void
output_done (void *data, struct wl_output *output)
{
}

static void
output_scale (void *data, struct wl_output *output, int32_t scale)
{
  Client *client = data;

  client->output_scale = scale;
}

static void
output_text (void *data, struct wl_output *output, const char *text)
{
}

static const struct wl_output_listener output_listener
    = { output_geometry, output_mode, output_done, output_scale, output_text, output_text };

static void
on_global (void *data, struct wl_registry *registry, uint32_t name, const char *interface,
           uint32_t version)
{
  Client *client = data;
  const struct
  {
    const struct wl_interface *interface;
    guint version;
    void *to;
  } wanted[] = {
    { &wl_compositor_interface, 5, &client->compositor },
    { &wl_subcompositor_interface, 1, &client->subcompositor },
    { &wl_shm_interface, 1, &client->shm },
    { &wl_seat_interface, 7, &client->seat },
    { &wl_output_interface, 4, &client->output },
    { &wl_data_device_manager_interface, 3, &client->data_manager },
    { &xdg_wm_base_interface, 5, &client->shell },
    { &wp_viewporter_interface, 1, &client->viewporter },
    { &wp_single_pixel_buffer_manager_v1_interface, 1, &client->single },
  };

  g_hash_table_insert (client->versions, g_strdup (interface), GUINT_TO_POINTER (version));
  for (guint i = 0; i < G_N_ELEMENTS (wanted); i++)
    if (g_str_equal (interface, wanted[i].interface->name))
      *(void **) wanted[i].to
          = wl_registry_bind (registry, name, wanted[i].interface, wanted[i].version);
}

static void
on_global_remove (void *data, struct wl_registry *registry, uint32_t name)
{
}

static const struct wl_registry_listener registry_listener = { on_global, on_global_remove };

Client *
client_new (Kit *kit)
{
  Client *client = g_new0 (Client, 1);
  int fds[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
  g_assert_cmpint (moss_display_add_client (kit->display, fds[0]), ==, 0);
  client->kit = kit;
  client->answers_pings = TRUE;
  client->display = wl_display_connect_to_fd (fds[1]);
  client->versions = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  client->offered = g_ptr_array_new_with_free_func (g_free);
  client->registry = wl_display_get_registry (client->display);
  wl_registry_add_listener (client->registry, &registry_listener, client);
  g_ptr_array_add (kit->clients, client);
  kit_pump (kit);
  g_assert_nonnull (client->shell);
  xdg_wm_base_add_listener (client->shell, &shell_listener, client);
  wl_output_add_listener (client->output, &output_listener, client);
  client->pointer = wl_seat_get_pointer (client->seat);
  wl_pointer_add_listener (client->pointer, &pointer_listener, client);
  client->keyboard = wl_seat_get_keyboard (client->seat);
  wl_keyboard_add_listener (client->keyboard, &keyboard_listener, client);
  client->data_device
      = wl_data_device_manager_get_data_device (client->data_manager, client->seat);
  wl_data_device_add_listener (client->data_device, &device_listener, client);
  kit_pump (kit);
  return client;
}

void
client_free (Client *client)
{
  g_ptr_array_remove (client->kit->clients, client);
  wl_display_disconnect (client->display);
  kit_pump (client->kit);
  g_hash_table_unref (client->versions);
  g_ptr_array_unref (client->offered);
  g_free (client);
}

int
client_error (Client *client)
{
  return wl_display_get_error (client->display);
}

/* ---- windows ------------------------------------------------------------------------- */

int
memory_of (gsize size, guint32 colour)
{
  int fd = memfd_create ("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  guint32 *pixels;

  g_assert_cmpint (ftruncate (fd, size), ==, 0);
  pixels = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  for (gsize i = 0; i < size / 4; i++)
    pixels[i] = colour;
  munmap (pixels, size);
  return fd;
}

struct wl_buffer *
buffer_new (Client *client, int width, int height, guint32 colour, int *keep_fd)
{
  int fd = memory_of ((gsize) width * height * 4, colour);
  struct wl_shm_pool *pool = wl_shm_create_pool (client->shm, fd, width * height * 4);
  struct wl_buffer *buffer = wl_shm_pool_create_buffer (pool, 0, width, height, width * 4,
                                                        WL_SHM_FORMAT_ARGB8888);

  wl_shm_pool_destroy (pool);
  if (keep_fd)
    *keep_fd = fd;
  else
    close (fd);
  return buffer;
}

static void
on_release (void *data, struct wl_buffer *buffer)
{
  Window *window = data;

  window->released++;
}

static const struct wl_buffer_listener buffer_listener = { on_release };

static void
on_frame (void *data, struct wl_callback *callback, uint32_t time)
{
  Window *window = data;

  window->frames++;
  wl_callback_destroy (callback);
}

static const struct wl_callback_listener frame_listener = { on_frame };

static void
on_configure (void *data, struct xdg_surface *xdg, uint32_t serial)
{
  Window *window = data;

  window->configures++;
  window->serial = serial;
  xdg_surface_ack_configure (xdg, serial);
}

static const struct xdg_surface_listener xdg_listener = { on_configure };

static void
on_toplevel_configure (void *data, struct xdg_toplevel *toplevel, int32_t width,
                       int32_t height, struct wl_array *states)
{
  Window *window = data;
  guint32 *state;

  window->width = width;
  window->height = height;
  window->states = 0;
  wl_array_for_each (state, states)
    window->states |= 1u << *state;
}

static void
on_toplevel_close (void *data, struct xdg_toplevel *toplevel)
{
  Window *window = data;

  window->closes++;
}

static void
on_bounds (void *data, struct xdg_toplevel *toplevel, int32_t width, int32_t height)
{
}

static void
on_capabilities (void *data, struct xdg_toplevel *toplevel, struct wl_array *capabilities)
{
}

static const struct xdg_toplevel_listener toplevel_listener
    = { on_toplevel_configure, on_toplevel_close, on_bounds, on_capabilities };

Window *
window_start (Client *client)
{
  Window *window = g_new0 (Window, 1);

  window->client = client;
  window->pool_fd = -1;
  window->surface = wl_compositor_create_surface (client->compositor);
  window->xdg = xdg_wm_base_get_xdg_surface (client->shell, window->surface);
  xdg_surface_add_listener (window->xdg, &xdg_listener, window);
  window->toplevel = xdg_surface_get_toplevel (window->xdg);
  xdg_toplevel_add_listener (window->toplevel, &toplevel_listener, window);
  return window;
}

void
window_commit (Window *window, struct wl_buffer *buffer)
{
  wl_surface_attach (window->surface, buffer, 0, 0);
  wl_surface_damage_buffer (window->surface, 0, 0, G_MAXINT32, G_MAXINT32);
  wl_surface_commit (window->surface);
}

void
window_show (Window *window, int width, int height, guint32 colour)
{
  if (window->pool_fd >= 0)
    close (window->pool_fd);
  window->buffer = buffer_new (window->client, width, height, colour, &window->pool_fd);
  wl_buffer_add_listener (window->buffer, &buffer_listener, window);
  window_commit (window, window->buffer);
  kit_pump (window->client->kit);
}

Window *
window_new (Client *client, int width, int height, guint32 colour)
{
  Window *window = window_start (client);

  wl_surface_commit (window->surface);
  kit_pump (client->kit);
  g_assert_cmpuint (window->configures, ==, 1);
  window_show (window, width, height, colour);
  return window;
}

void
window_want_frame (Window *window)
{
  wl_callback_add_listener (wl_surface_frame (window->surface), &frame_listener, window);
}

/* The objects go with their client. */
void
window_free (Window *window)
{
  if (window->pool_fd >= 0)
    close (window->pool_fd);
  g_free (window);
}

/* A client's proxies are never destroyed here one by one, only its connection. */
const char *__lsan_default_suppressions (void);

const char *
__lsan_default_suppressions (void)
{
  return "leak:libwayland-client";
}
