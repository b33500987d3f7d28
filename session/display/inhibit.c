// SPDX-License-Identifier: GPL-3.0-or-later
/* idle_inhibit and keyboard_shortcuts_inhibit: two flags of a surface, for the viewer. */
#include "display-private.h"
#include "idle-inhibit-unstable-v1-server-protocol.h"
#include "keyboard-shortcuts-inhibit-unstable-v1-server-protocol.h"

typedef struct
{
  MossSurface *surface; /* NULL when it went */
  struct wl_listener destroyed;
  bool shortcuts;
} Inhibitor;

static unsigned *
counter (Inhibitor *inhibitor)
{
  return inhibitor->shortcuts ? &inhibitor->surface->shortcut_inhibitors
                              : &inhibitor->surface->idle_inhibitors;
}

static void
on_surface_destroyed (struct wl_listener *listener, void *data)
{
  Inhibitor *inhibitor = wl_container_of (listener, inhibitor, destroyed);

  wl_list_remove (&listener->link);
  inhibitor->surface = NULL;
}

static void
inhibitor_destroyed (struct wl_resource *resource)
{
  Inhibitor *inhibitor = wl_resource_get_user_data (resource);

  if (inhibitor->surface)
    {
      if (--*counter (inhibitor) == 0)
        moss_surface_dirty (inhibitor->surface, MOSS_DIRTY_SURFACE);
      wl_list_remove (&inhibitor->destroyed.link);
    }
  free (inhibitor);
}

static struct wl_resource *
inhibitor_new (struct wl_client *client,
               const struct wl_interface *interface,
               const void *implementation,
               uint32_t id,
               struct wl_resource *surface_resource,
               bool shortcuts)
{
  Inhibitor *inhibitor = calloc (1, sizeof *inhibitor);
  struct wl_resource *resource;

  if (!inhibitor)
    {
      wl_client_post_no_memory (client);
      return NULL;
    }
  resource = moss_resource (client, interface, 1, id, implementation, inhibitor,
                            inhibitor_destroyed);
  if (!resource)
    {
      free (inhibitor);
      return NULL;
    }
  inhibitor->surface = moss_surface_from_resource (surface_resource);
  inhibitor->shortcuts = shortcuts;
  inhibitor->destroyed.notify = on_surface_destroyed;
  wl_signal_add (&inhibitor->surface->destroyed, &inhibitor->destroyed);
  if (++*counter (inhibitor) == 1)
    moss_surface_dirty (inhibitor->surface, MOSS_DIRTY_SURFACE);
  return resource;
}

static const struct zwp_idle_inhibitor_v1_interface idle_implementation = {
  .destroy = moss_resource_destroy_request,
};

static void
inhibit_idle (struct wl_client *client,
              struct wl_resource *resource,
              uint32_t id,
              struct wl_resource *surface)
{
  inhibitor_new (client, &zwp_idle_inhibitor_v1_interface, &idle_implementation, id,
                 surface, false);
}

static const struct zwp_idle_inhibit_manager_v1_interface idle_manager_implementation = {
  .destroy = moss_resource_destroy_request,
  .create_inhibitor = inhibit_idle,
};

static const struct zwp_keyboard_shortcuts_inhibitor_v1_interface
    shortcuts_implementation = {
      .destroy = moss_resource_destroy_request,
    };

static void
inhibit_shortcuts (struct wl_client *client,
                   struct wl_resource *resource,
                   uint32_t id,
                   struct wl_resource *surface,
                   struct wl_resource *seat)
{
  struct wl_resource *inhibitor;

  if (moss_surface_from_resource (surface)->shortcut_inhibitors)
    {
      wl_resource_post_error (
          resource, ZWP_KEYBOARD_SHORTCUTS_INHIBIT_MANAGER_V1_ERROR_ALREADY_INHIBITED,
          "the surface inhibits shortcuts already");
      return;
    }
  inhibitor
      = inhibitor_new (client, &zwp_keyboard_shortcuts_inhibitor_v1_interface,
                       &shortcuts_implementation, id, surface, true);
  if (inhibitor)
    zwp_keyboard_shortcuts_inhibitor_v1_send_active (inhibitor);
}

static const struct zwp_keyboard_shortcuts_inhibit_manager_v1_interface
    shortcuts_manager_implementation = {
      .destroy = moss_resource_destroy_request,
      .inhibit_shortcuts = inhibit_shortcuts,
    };

static void
bind_idle (struct wl_client *client, void *data, uint32_t version, uint32_t id)
{
  moss_resource (client, &zwp_idle_inhibit_manager_v1_interface, version, id,
                 &idle_manager_implementation, data, NULL);
}

static void
bind_shortcuts (struct wl_client *client, void *data, uint32_t version, uint32_t id)
{
  moss_resource (client, &zwp_keyboard_shortcuts_inhibit_manager_v1_interface, version, id,
                 &shortcuts_manager_implementation, data, NULL);
}

void
moss_inhibit_init (MossDisplay *display)
{
  wl_global_create (display->wl, &zwp_idle_inhibit_manager_v1_interface, 1, display,
                    bind_idle);
  wl_global_create (display->wl, &zwp_keyboard_shortcuts_inhibit_manager_v1_interface, 1,
                    display, bind_shortcuts);
}
