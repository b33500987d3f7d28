// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What one client may cost.
 *
 * Policy: an app is hostile. Each client has a count of surfaces, pools and of whatever
 * else it makes; who goes over it is disconnected with a sentence. Other clients of the
 * same sandbox and the display go on.
 */
#include "display-private.h"

MossClient *
moss_client_ref (MossClient *client)
{
  if (client)
    client->refs++;
  return client;
}

/* Its surfaces and pools outlive the wl_client by a moment. */
void
moss_client_unref (MossClient *client)
{
  if (client && --client->refs == 0)
    free (client);
}

static void
on_destroyed (struct wl_listener *listener, void *data)
{
  MossClient *client = wl_container_of (listener, client, destroyed);
  MossDisplay *display = client->display;

  wl_list_remove (&client->link);
  wl_list_remove (&client->resource_created.link);
  client->doomed = true;
  moss_client_unref (client);
  if (display->callbacks.client_gone)
    display->callbacks.client_gone (display, display->callbacks_data);
}

bool
moss_display_has_client (MossDisplay *display, pid_t pid)
{
  MossClient *client;

  wl_list_for_each (client, &display->clients, link)
    {
      pid_t its_pid = 0;

      wl_client_get_credentials (client->client, &its_pid, NULL, NULL);
      if (its_pid == pid)
        return true;
    }
  return false;
}

MossClient *
moss_client_get (struct wl_client *wl_client)
{
  struct wl_listener *listener = wl_client_get_destroy_listener (wl_client, on_destroyed);
  MossClient *client;

  return listener ? wl_container_of (listener, client, destroyed) : NULL;
}

void
moss_client_too_much (MossClient *client, const char *what)
{
  if (client->doomed)
    return;
  client->doomed = true;
  wl_client_post_implementation_error (client->client, "too many %s", what);
}

static enum wl_iterator_result
count_resource (struct wl_resource *resource, void *data)
{
  unsigned *n = data;

  (*n)++;
  return WL_ITERATOR_CONTINUE;
}

/* Counting costs a walk, so it is done only every few thousand new objects. */
static void
on_resource_created (struct wl_listener *listener, void *data)
{
  MossClient *client = wl_container_of (listener, client, resource_created);
  unsigned n = 0;

  if (++client->created < MOSS_MAX_RESOURCES / 4)
    return;
  client->created = 0;
  wl_client_for_each_resource (client->client, count_resource, &n);
  if (n > MOSS_MAX_RESOURCES)
    moss_client_too_much (client, "objects");
}

static void
on_client_created (struct wl_listener *listener, void *data)
{
  MossDisplay *display = wl_container_of (listener, display, client_created);
  struct wl_client *wl_client = data;
  MossClient *client = calloc (1, sizeof *client);

  if (!client || wl_list_length (&display->clients) >= MOSS_MAX_CLIENTS)
    wl_client_post_implementation_error (wl_client, "too many clients");
  if (!client)
    return;
  client->refs = 1;
  client->display = display;
  client->client = wl_client;
  client->destroyed.notify = on_destroyed;
  wl_client_add_destroy_listener (wl_client, &client->destroyed);
  client->resource_created.notify = on_resource_created;
  wl_client_add_resource_created_listener (wl_client, &client->resource_created);
  wl_list_insert (display->clients.prev, &client->link);
}

void
moss_client_init (MossDisplay *display)
{
  wl_list_init (&display->clients);
  display->client_created.notify = on_client_created;
  wl_display_add_client_created_listener (display->wl, &display->client_created);
}
