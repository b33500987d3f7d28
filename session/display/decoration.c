// SPDX-License-Identifier: GPL-3.0-or-later
/* Who draws title bars: the shell for apps that ask or don't care, in both dialects. */
#include "display-private.h"
#include "server-decoration-server-protocol.h"
#include "xdg-decoration-unstable-v1-server-protocol.h"

static void
reconfigure (MossSurface *surface)
{
  MossXdgSurface *xdg = moss_surface_get_xdg (surface);

  moss_surface_dirty (surface, MOSS_DIRTY_TOPLEVEL);
  if (xdg && xdg->initial_commit)
    moss_xdg_schedule_configure (xdg);
}

/* ---- xdg_decoration ------------------------------------------------------------------ */

static void
set_mode (struct wl_client *client, struct wl_resource *resource, uint32_t mode)
{
  MossSurface *surface = wl_resource_get_user_data (resource);

  if (!surface)
    return;
  surface->decoration_mode = mode;
  reconfigure (surface);
}

static void
unset_mode (struct wl_client *client, struct wl_resource *resource)
{
  set_mode (client, resource, 0);
}

static const struct zxdg_toplevel_decoration_v1_interface decoration_implementation = {
  .destroy = moss_resource_destroy_request,
  .set_mode = set_mode,
  .unset_mode = unset_mode,
};

static void
decoration_destroyed (struct wl_resource *resource)
{
  MossSurface *surface = wl_resource_get_user_data (resource);

  if (!surface)
    return;
  surface->decoration = NULL;
  moss_surface_dirty (surface, MOSS_DIRTY_TOPLEVEL);
}

static void
get_decoration (struct wl_client *client,
                struct wl_resource *resource,
                uint32_t id,
                struct wl_resource *toplevel)
{
  MossXdgSurface *xdg = wl_resource_get_user_data (toplevel);
  MossSurface *surface = xdg ? xdg->surface : NULL;
  struct wl_resource *decoration
      = moss_resource (client, &zxdg_toplevel_decoration_v1_interface, 1, id,
                       &decoration_implementation, NULL, decoration_destroyed);

  if (!decoration || !surface)
    return;
  if (surface->decoration)
    {
      wl_resource_post_error (decoration,
                              ZXDG_TOPLEVEL_DECORATION_V1_ERROR_ALREADY_CONSTRUCTED,
                              "the window has one already");
      return;
    }
  wl_resource_set_user_data (decoration, surface);
  surface->decoration = decoration;
  surface->decoration_mode = 0;
  reconfigure (surface);
}

static const struct zxdg_decoration_manager_v1_interface manager_implementation = {
  .destroy = moss_resource_destroy_request,
  .get_toplevel_decoration = get_decoration,
};

static void
bind_manager (struct wl_client *client, void *data, uint32_t version, uint32_t id)
{
  moss_client_get (client)->decorates = true;
  moss_resource (client, &zxdg_decoration_manager_v1_interface, version, id,
                 &manager_implementation, data, NULL);
}

/* ---- the dialect that GTK speaks ----------------------------------------------------- */

static void
kde_request_mode (struct wl_client *client, struct wl_resource *resource, uint32_t mode)
{
  MossSurface *surface = wl_resource_get_user_data (resource);

  if (!surface || mode > ORG_KDE_KWIN_SERVER_DECORATION_MODE_SERVER)
    return;
  surface->kde_mode = mode;
  org_kde_kwin_server_decoration_send_mode (resource, mode);
  moss_surface_dirty (surface, MOSS_DIRTY_TOPLEVEL);
}

static const struct org_kde_kwin_server_decoration_interface kde_implementation = {
  .release = moss_resource_destroy_request,
  .request_mode = kde_request_mode,
};

static void
kde_destroyed (struct wl_resource *resource)
{
  MossSurface *surface = wl_resource_get_user_data (resource);

  if (!surface)
    return;
  surface->kde_decoration = NULL;
  moss_surface_dirty (surface, MOSS_DIRTY_TOPLEVEL);
}

static void
kde_create (struct wl_client *client,
            struct wl_resource *resource,
            uint32_t id,
            struct wl_resource *surface_resource)
{
  MossSurface *surface = moss_surface_from_resource (surface_resource);
  struct wl_resource *decoration
      = moss_resource (client, &org_kde_kwin_server_decoration_interface, 1, id,
                       &kde_implementation, surface, kde_destroyed);

  if (!decoration)
    return;
  if (surface->kde_decoration)
    wl_resource_set_user_data (surface->kde_decoration, NULL);
  surface->kde_decoration = decoration;
  surface->kde_mode = ORG_KDE_KWIN_SERVER_DECORATION_MODE_SERVER;
  org_kde_kwin_server_decoration_send_mode (decoration, surface->kde_mode);
  moss_surface_dirty (surface, MOSS_DIRTY_TOPLEVEL);
}

static const struct org_kde_kwin_server_decoration_manager_interface
    kde_manager_implementation = {
      .create = kde_create,
    };

static void
bind_kde (struct wl_client *client, void *data, uint32_t version, uint32_t id)
{
  struct wl_resource *resource
      = moss_resource (client, &org_kde_kwin_server_decoration_manager_interface, version,
                       id, &kde_manager_implementation, data, NULL);

  moss_client_get (client)->decorates = true;
  if (resource)
    org_kde_kwin_server_decoration_manager_send_default_mode (
        resource, ORG_KDE_KWIN_SERVER_DECORATION_MANAGER_MODE_SERVER);
}

void
moss_decoration_init (MossDisplay *display)
{
  wl_global_create (display->wl, &zxdg_decoration_manager_v1_interface, 1, display,
                    bind_manager);
  wl_global_create (display->wl, &org_kde_kwin_server_decoration_manager_interface, 1,
                    display, bind_kde);
}
