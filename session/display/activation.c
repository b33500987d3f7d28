// SPDX-License-Identifier: GPL-3.0-or-later
/* xdg_activation: a window asks to be brought to the front; the viewer decides. A token is
 * trusted when its maker had the focus and named an input event. */
#include "display-private.h"
#include "xdg-activation-v1-server-protocol.h"

#include <stdio.h>
#include <sys/random.h>

#define MAX_TOKENS 64

typedef struct
{
  struct wl_list link; /* display->tokens, once it was given out */
  char name[33];
  bool trusted;
} Token;

typedef struct
{
  MossDisplay *display;
  bool has_serial, used;
  uint32_t serial;
} Request;

static void
request_set_serial (struct wl_client *client,
                    struct wl_resource *resource,
                    uint32_t serial,
                    struct wl_resource *seat)
{
  Request *request = wl_resource_get_user_data (resource);

  request->serial = serial;
  request->has_serial = true;
}

static void
request_set_app_id (struct wl_client *client, struct wl_resource *resource, const char *id)
{
}

static void
request_set_surface (struct wl_client *client,
                     struct wl_resource *resource,
                     struct wl_resource *surface)
{
}

static void
token_free (MossDisplay *display, Token *token)
{
  wl_list_remove (&token->link);
  display->n_tokens--;
  free (token);
}

static Token *
token_new (MossDisplay *display)
{
  Token *token = calloc (1, sizeof *token);
  uint8_t bytes[16];

  if (!token || getrandom (bytes, sizeof bytes, GRND_NONBLOCK) != sizeof bytes)
    {
      free (token);
      return NULL;
    }
  for (unsigned i = 0; i < sizeof bytes; i++)
    snprintf (token->name + 2 * i, 3, "%02x", bytes[i]);
  if (display->n_tokens == MAX_TOKENS)
    {
      Token *oldest = wl_container_of (display->tokens.prev, oldest, link);

      token_free (display, oldest);
    }
  wl_list_insert (&display->tokens, &token->link);
  display->n_tokens++;
  return token;
}

static void
request_commit (struct wl_client *client, struct wl_resource *resource)
{
  Request *request = wl_resource_get_user_data (resource);
  MossDisplay *display = request->display;
  MossSurface *focus = display->seat.keyboard;
  Token *token;

  if (request->used)
    {
      wl_resource_post_error (resource, XDG_ACTIVATION_TOKEN_V1_ERROR_ALREADY_USED,
                              "the token was given out already");
      return;
    }
  request->used = true;
  token = token_new (display);
  if (!token)
    {
      wl_client_post_no_memory (client);
      return;
    }
  token->trusted = request->has_serial && focus && focus->resource
                   && wl_resource_get_client (focus->resource) == client
                   && moss_seat_serial_valid (display, client, request->serial);
  xdg_activation_token_v1_send_done (resource, token->name);
}

static const struct xdg_activation_token_v1_interface request_implementation = {
  .set_serial = request_set_serial,
  .set_app_id = request_set_app_id,
  .set_surface = request_set_surface,
  .commit = request_commit,
  .destroy = moss_resource_destroy_request,
};

static void
request_destroyed (struct wl_resource *resource)
{
  free (wl_resource_get_user_data (resource));
}

static void
get_token (struct wl_client *client, struct wl_resource *resource, uint32_t id)
{
  Request *request = calloc (1, sizeof *request);

  if (!request)
    {
      wl_client_post_no_memory (client);
      return;
    }
  request->display = wl_resource_get_user_data (resource);
  if (!moss_resource (client, &xdg_activation_token_v1_interface, 1, id,
                      &request_implementation, request, request_destroyed))
    free (request);
}

static void
activate (struct wl_client *client,
          struct wl_resource *resource,
          const char *name,
          struct wl_resource *surface_resource)
{
  MossDisplay *display = wl_resource_get_user_data (resource);
  MossSurface *surface = moss_surface_from_resource (surface_resource);
  Token *token, *found = NULL;
  bool trusted;

  wl_list_for_each (token, &display->tokens, link)
    if (strcmp (token->name, name) == 0)
      found = token;
  trusted = found && found->trusted;
  if (found)
    token_free (display, found);
  if (surface->role == MOSS_ROLE_TOPLEVEL)
    moss_viewer_request (surface, MOSS_WIRE_REQUEST_ACTIVATE, trusted, 0);
}

static const struct xdg_activation_v1_interface activation_implementation = {
  .destroy = moss_resource_destroy_request,
  .get_activation_token = get_token,
  .activate = activate,
};

static void
bind_activation (struct wl_client *client, void *data, uint32_t version, uint32_t id)
{
  moss_resource (client, &xdg_activation_v1_interface, version, id,
                 &activation_implementation, data, NULL);
}

void
moss_activation_init (MossDisplay *display)
{
  wl_list_init (&display->tokens);
  wl_global_create (display->wl, &xdg_activation_v1_interface, 1, display, bind_activation);
}

void
moss_activation_fini (MossDisplay *display)
{
  while (!wl_list_empty (&display->tokens))
    {
      Token *token = wl_container_of (display->tokens.next, token, link);

      token_free (display, token);
    }
}
