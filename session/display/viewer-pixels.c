// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The pixels of a surface, copied out of the client's memory.
 *
 * Policy: the memory belongs to an app that may cut it short at any moment, which would
 * kill whoever has it mapped. So it is only ever read with pread(), which then gives less.
 * Two copies are kept in turns: one may be in use by the toolkit while the other gets the
 * rectangles that changed since it was last used.
 */
#include "viewer-private.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void
copy_unref (PixelCopy *copy)
{
  if (!g_atomic_int_dec_and_test (&copy->refs))
    return;
  g_free (copy->data);
  g_free (copy);
}

static void
user_gone (gpointer data)
{
  PixelCopy *copy = data;

  g_atomic_int_add (&copy->users, -1);
  copy_unref (copy);
}

static gsize
bytes_of (int width, int height)
{
  return (gsize) width * height * 4;
}

static void
forget_copy (MossViewerSurface *surface, int i)
{
  PixelCopy *copy = surface->copies[i];

  if (!copy)
    return;
  if (surface->viewer)
    surface->viewer->pixel_bytes -= bytes_of (copy->width, copy->height);
  copy_unref (copy);
  surface->copies[i] = NULL;
  if (surface->latest == i)
    surface->latest = -1;
}

void
moss_viewer_surface_drop_pixels (MossViewerSurface *surface)
{
  forget_copy (surface, 0);
  forget_copy (surface, 1);
}

void
moss_viewer_surface_add_damage (MossViewerSurface *surface, const MossDamage *damage)
{
  moss_damage_merge (&surface->damage, damage);
  for (int i = 0; i < 2; i++)
    if (surface->copies[i])
      moss_damage_merge (&surface->copies[i]->stale, damage);
}

static PixelCopy *
new_copy (MossViewerSurface *surface, int i)
{
  const ViewerContent *content = &surface->content;
  gsize size = bytes_of (content->buffer_width, content->buffer_height);
  PixelCopy *copy;

  forget_copy (surface, i);
  if (!surface->viewer || surface->viewer->pixel_bytes + size > MAX_PIXEL_BYTES)
    return NULL;
  copy = g_new0 (PixelCopy, 1);
  copy->data = g_try_malloc0 (size);
  if (!copy->data)
    {
      g_free (copy);
      return NULL;
    }
  copy->refs = 1;
  copy->width = content->buffer_width;
  copy->height = content->buffer_height;
  moss_damage_all (&copy->stale, copy->width, copy->height);
  surface->viewer->pixel_bytes += size;
  surface->copies[i] = copy;
  return copy;
}

/* ---- reading ------------------------------------------------------------------------- */

static void
read_fully (int fd, guchar *to, gsize size, guint64 offset)
{
  while (size > 0)
    {
      gssize n = pread (fd, to, size, offset);

      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        return; /* cut short: what was there stays */
      to += n;
      size -= n;
      offset += n;
    }
}

static void
make_opaque (guchar *row, int width)
{
  guint32 *pixel = (guint32 *) (void *) row;

  for (int i = 0; i < width; i++)
    pixel[i] |= 0xff000000u;
}

static void
fill (guchar *to, gsize stride, int width, int height, guint32 colour)
{
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++)
      memcpy (to + y * stride + x * 4, &colour, 4);
}

static gboolean
read_rect (MossViewerSurface *surface, const MossRect *r, guchar *to, gsize stride)
{
  const ViewerContent *content = &surface->content;
  guint64 offset = content->offset + (guint64) r->y * content->stride + (guint64) r->x * 4;
  ViewerPool *pool;

  if (content->kind == MOSS_WIRE_CONTENT_SOLID)
    {
      fill (to, stride, r->width, r->height, content->colour);
      return TRUE;
    }
  pool = surface->viewer ? g_hash_table_lookup (surface->viewer->pools,
                                                GUINT_TO_POINTER (content->pool_id))
                         : NULL;
  if (!pool)
    return FALSE;
  if (stride == content->stride && r->width == content->buffer_width)
    read_fully (pool->fd, to, stride * (r->height - 1) + (gsize) r->width * 4, offset);
  else
    for (int y = 0; y < r->height; y++)
      read_fully (pool->fd, to + y * stride, (gsize) r->width * 4,
                  offset + (guint64) y * content->stride);
  if (content->format == 1)
    for (int y = 0; y < r->height; y++)
      make_opaque (to + y * stride, r->width);
  return TRUE;
}

/* A wide rectangle is cheaper as whole rows in one call. */
static gboolean
refresh (MossViewerSurface *surface, PixelCopy *copy)
{
  gsize stride = (gsize) copy->width * 4;

  for (unsigned i = 0; i < copy->stale.n; i++)
    {
      MossRect r = copy->stale.rects[i];

      if (r.width >= copy->width / 4 && stride == surface->content.stride)
        {
          r.x = 0;
          r.width = copy->width;
        }
      if (!read_rect (surface, &r, copy->data + r.y * stride + r.x * 4, stride))
        return FALSE;
    }
  moss_damage_clear (&copy->stale);
  return TRUE;
}

static gboolean
fits (MossViewerSurface *surface, PixelCopy *copy)
{
  return copy && copy->width == surface->content.buffer_width
         && copy->height == surface->content.buffer_height;
}

/* The one shown last if nothing changed or nobody uses it; else the other. */
static PixelCopy *
choose (MossViewerSurface *surface)
{
  int last = surface->latest >= 0 ? surface->latest : 0;
  int other = !last;
  PixelCopy *copy = surface->copies[last];

  if (fits (surface, copy)
      && (copy->stale.n == 0 || g_atomic_int_get (&copy->users) == 0))
    {
      surface->latest = last;
      return copy;
    }
  copy = surface->copies[other];
  if (!fits (surface, copy) || g_atomic_int_get (&copy->users) > 0)
    copy = new_copy (surface, other);
  if (copy && surface->copies[last] && !fits (surface, surface->copies[last]))
    forget_copy (surface, last);
  surface->latest = copy ? other : -1;
  return copy;
}

GBytes *
moss_viewer_surface_ref_pixels (MossViewerSurface *surface, int *width, int *height)
{
  PixelCopy *copy;

  g_return_val_if_fail (MOSS_IS_VIEWER_SURFACE (surface), NULL);
  if (surface->content.kind == MOSS_WIRE_CONTENT_NONE || !surface->viewer)
    return NULL;
  copy = choose (surface);
  if (!copy || !refresh (surface, copy))
    return NULL;
  if (width)
    *width = copy->width;
  if (height)
    *height = copy->height;
  g_atomic_int_inc (&copy->refs);
  g_atomic_int_inc (&copy->users);
  return g_bytes_new_with_free_func (copy->data, bytes_of (copy->width, copy->height),
                                     user_gone, copy);
}

gboolean
moss_viewer_surface_read (MossViewerSurface *surface,
                          const MossViewerRect *rect,
                          guchar *pixels,
                          gsize stride)
{
  const ViewerContent *content;
  MossRect r;

  g_return_val_if_fail (MOSS_IS_VIEWER_SURFACE (surface), FALSE);
  content = &surface->content;
  r = (MossRect){ rect->x, rect->y, rect->width, rect->height };
  if (content->kind == MOSS_WIRE_CONTENT_NONE || r.x < 0 || r.y < 0 || r.width <= 0
      || r.height <= 0 || (gint64) r.x + r.width > content->buffer_width
      || (gint64) r.y + r.height > content->buffer_height)
    return FALSE;
  return read_rect (surface, &r, pixels, stride);
}

guint
moss_viewer_surface_take_damage (MossViewerSurface *surface, MossViewerRect *rects, guint max)
{
  MossDamage *damage = &surface->damage;
  guint n = MIN (damage->n, max);

  g_return_val_if_fail (MOSS_IS_VIEWER_SURFACE (surface), 0);
  if (n == 0)
    return 0;
  for (guint i = n; i < damage->n; i++)
    moss_rect_join (&damage->rects[n - 1], &damage->rects[i]);
  for (guint i = 0; i < n; i++)
    rects[i] = (MossViewerRect){ damage->rects[i].x, damage->rects[i].y,
                                 damage->rects[i].width, damage->rects[i].height };
  moss_damage_clear (damage);
  return n;
}
