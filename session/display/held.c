// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Buffers that were replaced and that the viewer may still be reading.
 *
 * Each waits for the viewer's answer to the batch that replaced it. But of one surface two
 * buffers at most are kept from the app, this one included: who draws without waiting for
 * frames has few (Mesa's software EGL has four, and crashes when none is free), and must
 * not pay for a viewer that is slow.
 */
#include "display-private.h"

static void
let_go (MossHeld *held)
{
  wl_list_remove (&held->link);
  moss_buffer_drop (held->buffer);
  free (held);
}

void
moss_held_add (MossDisplayConnection *connection, MossSurface *surface, MossBuffer *buffer)
{
  MossHeld *held = malloc (sizeof *held);

  if (!held)
    {
      moss_buffer_drop (buffer);
      return;
    }
  held->serial = connection->serial + 1;
  held->surface = surface->id;
  held->buffer = buffer;
  wl_list_insert (connection->held.prev, &held->link);
}

void
moss_held_ack (MossDisplayConnection *connection, uint32_t serial)
{
  MossHeld *held, *next;

  wl_list_for_each_safe (held, next, &connection->held, link)
    {
      if ((int32_t) (serial - held->serial) < 0)
        break;
      let_go (held);
    }
}

/* Before the viewer answered; a picture torn by that is read again as a whole, with the next
 * content. */
static void
let_go_early (MossDisplayConnection *connection, MossSurface *surface)
{
  MossBuffer *buffer = surface->current.buffer;
  MossHeld *held, *next;

  wl_list_for_each_safe (held, next, &connection->held, link)
    if (held->surface == surface->id)
      {
        let_go (held);
        if (buffer)
          moss_damage_all (&surface->damage, buffer->width, buffer->height);
      }
}

void
moss_held_surface_replaced (MossSurface *surface)
{
  if (surface->display->viewer && surface->sent
      && surface->sent != surface->current.buffer)
    let_go_early (surface->display->viewer, surface);
}
