// SPDX-License-Identifier: GPL-3.0-or-later
/* A display, its clients and its viewer in one thread, moved forward by kit_pump(). */
#pragma once

#include <gio/gio.h>
#include <wayland-client.h>

#include "display.h"
#include "primary-selection-unstable-v1-client-protocol.h"
#include "single-pixel-buffer-v1-client-protocol.h"
#include "text-input-unstable-v3-client-protocol.h"
#include "viewer.h"
#include "viewporter-client-protocol.h"
#include "wire.h"
#include "xdg-shell-client-protocol.h"

typedef struct
{
  MossDisplay *display;
  MossViewer *viewer;
  GPtrArray *clients;
  GError *closed; /* of the viewer */
  guint n_ready, n_added;
} Kit;

typedef struct
{
  Kit *kit;
  struct wl_display *display;
  struct wl_registry *registry;
  GHashTable *versions; /* name of global -> version */
  struct wl_compositor *compositor;
  struct wl_subcompositor *subcompositor;
  struct wl_shm *shm;
  struct wl_seat *seat;
  struct wl_output *output;
  struct wl_data_device_manager *data_manager;
  struct wl_data_device *data_device;
  struct xdg_wm_base *shell;
  struct wp_viewporter *viewporter;
  struct wp_single_pixel_buffer_manager_v1 *single;
  struct wl_pointer *pointer;
  struct wl_keyboard *keyboard;
  int output_scale;
  gboolean answers_pings;
  /* what the seat said */
  struct wl_surface *pointer_focus, *keyboard_focus;
  double x, y;
  guint32 serial, last_key, modifiers;
  guint buttons, keys, repeat_rate, keymaps;
  /* the selection on offer */
  struct wl_data_offer *offer;
  GPtrArray *offered;
} Client;

typedef struct
{
  Client *client;
  struct wl_surface *surface;
  struct xdg_surface *xdg;
  struct xdg_toplevel *toplevel;
  struct xdg_popup *popup;
  struct wl_buffer *buffer;
  int pool_fd;
  guint released, frames, configures, closes;
  int width, height, popup_x, popup_y;
  guint32 states, serial, token;
  gboolean popup_done;
} Window;

Kit *kit_new (void);
void kit_free (Kit *kit);
/* Lets everybody work until nothing more happens. */
void kit_pump (Kit *kit);
void kit_attach (Kit *kit);
void kit_drop_viewer (Kit *kit);
/* The display's end has been added; the other end. */
int kit_connect (Kit *kit);
MossViewerSurface *kit_toplevel (Kit *kit, guint i);
guint kit_n_toplevels (Kit *kit);
/* Pixel of the surface's buffer as the viewer sees it. */
guint32 kit_pixel (MossViewerSurface *surface, int x, int y);

Client *client_new (Kit *kit);
void client_free (Client *client);
/* The protocol error that ended it, 0 for none yet. */
int client_error (Client *client);
void client_read (Client *client);

int memory_of (gsize size, guint32 colour);
struct wl_buffer *buffer_new (Client *client, int width, int height, guint32 colour, int *fd);
Window *window_new (Client *client, int width, int height, guint32 colour);
/* Without the first commit. */
Window *window_start (Client *client);
void window_show (Window *window, int width, int height, guint32 colour);
void window_commit (Window *window, struct wl_buffer *buffer);
void window_want_frame (Window *window);
void window_free (Window *window);
