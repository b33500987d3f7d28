// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-surface-texture"

#include "surface-texture.h"

/* How one surface of an app gets onto the screen.

   GSK compares the textures of two frames by identity: a new texture means that all of it
   is drawn and uploaded again. So a surface is cut into tiles of its own, and only those
   that the app has touched are read and made anew; typing a letter costs one tile. Where
   the app scales or turns its buffer, or the whole window is shrunk (then seams would
   show), one texture of everything is used instead. */

#define TILE 256
#define MAX_DAMAGE 32
#define MAX_SIDE 16384

typedef struct
{
  int width; /* of the buffer the tiles were cut from */
  int height;
  int columns;
  int rows;
  GdkTexture **tiles;
  GdkTexture *whole; /* NULL unless drawn whole last time */
} Cache;

static GQuark
cache_quark (void)
{
  return g_quark_from_static_string ("moss-surface-texture");
}

static void
drop_tiles (Cache *cache)
{
  for (int i = 0; i < cache->columns * cache->rows; i++)
    g_clear_object (&cache->tiles[i]);
  g_clear_pointer (&cache->tiles, g_free);
  cache->columns = cache->rows = 0;
}

static void
cache_free (gpointer data)
{
  Cache *cache = data;

  drop_tiles (cache);
  g_clear_object (&cache->whole);
  g_free (cache);
}

static Cache *
get_cache (MossViewerSurface *surface)
{
  Cache *cache = g_object_get_qdata (G_OBJECT (surface), cache_quark ());

  if (cache == NULL)
    {
      cache = g_new0 (Cache, 1);
      g_object_set_qdata_full (G_OBJECT (surface), cache_quark (), cache, cache_free);
    }
  return cache;
}

static void
set_size (Cache *cache, int width, int height)
{
  if (cache->width == width && cache->height == height && cache->tiles != NULL)
    return;
  drop_tiles (cache);
  cache->width = width;
  cache->height = height;
  cache->columns = (width + TILE - 1) / TILE;
  cache->rows = (height + TILE - 1) / TILE;
  cache->tiles = g_new0 (GdkTexture *, (gsize) cache->columns * cache->rows);
}

static MossViewerRect
tile_rect (Cache *cache, int column, int row)
{
  return (MossViewerRect){ column * TILE, row * TILE,
                           MIN (TILE, cache->width - column * TILE),
                           MIN (TILE, cache->height - row * TILE) };
}

static void
forget_damaged (Cache *cache, const MossViewerRect *damage)
{
  int first_column = MAX (damage->x, 0) / TILE;
  int first_row = MAX (damage->y, 0) / TILE;

  for (int row = first_row;
       row < cache->rows && row * TILE < damage->y + damage->height; row++)
    for (int column = first_column;
         column < cache->columns && column * TILE < damage->x + damage->width; column++)
      g_clear_object (&cache->tiles[row * cache->columns + column]);
}

static GdkTexture *
read_tile (MossViewerSurface *surface, const MossViewerRect *rect)
{
  gsize stride = (gsize) rect->width * 4;
  guchar *pixels = g_malloc (stride * rect->height);
  g_autoptr (GBytes) bytes = g_bytes_new_take (pixels, stride * rect->height);

  if (!moss_viewer_surface_read (surface, rect, pixels, stride))
    return NULL;
  return gdk_memory_texture_new (rect->width, rect->height, GDK_MEMORY_DEFAULT, bytes,
                                 stride);
}

static void
snapshot_tiles (MossViewerSurface *surface, Cache *cache, GtkSnapshot *snapshot,
                double scale)
{
  MossViewerRect damage[MAX_DAMAGE];
  guint n = moss_viewer_surface_take_damage (surface, damage, MAX_DAMAGE);

  for (guint i = 0; i < n; i++)
    forget_damaged (cache, &damage[i]);
  for (int row = 0; row < cache->rows; row++)
    for (int column = 0; column < cache->columns; column++)
      {
        MossViewerRect rect = tile_rect (cache, column, row);
        GdkTexture **tile = &cache->tiles[row * cache->columns + column];

        if (*tile == NULL)
          *tile = read_tile (surface, &rect);
        if (*tile == NULL)
          continue;
        gtk_snapshot_append_texture (
            snapshot, *tile,
            &GRAPHENE_RECT_INIT (rect.x / scale, rect.y / scale, rect.width / scale,
                                 rect.height / scale));
      }
}

static void
apply_transform (GtkSnapshot *snapshot, MossViewerTransform transform, double width,
                 double height)
{
  gboolean turned = transform & 1;
  double w = turned ? height : width;
  double h = turned ? width : height;

  /* Undo around the middle: what the app turned counterclockwise is turned back. */
  gtk_snapshot_translate (snapshot, &GRAPHENE_POINT_INIT (width / 2, height / 2));
  gtk_snapshot_rotate (snapshot, (transform & 3) * 90.0f);
  if (transform & 4)
    gtk_snapshot_scale (snapshot, -1, 1);
  gtk_snapshot_translate (snapshot, &GRAPHENE_POINT_INIT (-w / 2, -h / 2));
}

static void
snapshot_whole (MossViewerSurface *surface, Cache *cache, GtkSnapshot *snapshot, int width,
                int height)
{
  MossViewerTransform transform = moss_viewer_surface_get_transform (surface);
  gboolean turned = transform & 1;
  double w = turned ? height : width;
  double h = turned ? width : height;
  MossViewerRect damage[MAX_DAMAGE];
  MossViewerArea source;
  GBytes *pixels;
  int buffer_width, buffer_height;

  if (moss_viewer_surface_take_damage (surface, damage, MAX_DAMAGE) > 0)
    {
      g_clear_object (&cache->whole);
      if (cache->tiles != NULL)
        drop_tiles (cache);
    }
  if (cache->whole == NULL)
    {
      pixels = moss_viewer_surface_ref_pixels (surface, &buffer_width, &buffer_height);
      if (pixels == NULL)
        return;
      cache->whole = gdk_memory_texture_new (buffer_width, buffer_height,
                                             GDK_MEMORY_DEFAULT, pixels,
                                             (gsize) buffer_width * 4);
      g_bytes_unref (pixels);
    }
  buffer_width = gdk_texture_get_width (cache->whole);
  buffer_height = gdk_texture_get_height (cache->whole);
  moss_viewer_surface_get_source (surface, &source);
  if (turned)
    source = (MossViewerArea){ source.y, source.x, source.height, source.width };
  if (source.width <= 0 || source.height <= 0)
    source = (MossViewerArea){ 0, 0, buffer_width, buffer_height };
  gtk_snapshot_save (snapshot);
  apply_transform (snapshot, transform, width, height);
  gtk_snapshot_push_clip (snapshot, &GRAPHENE_RECT_INIT (0, 0, w, h));
  gtk_snapshot_append_texture (
      snapshot, cache->whole,
      &GRAPHENE_RECT_INIT (-source.x * w / source.width, -source.y * h / source.height,
                           buffer_width * w / source.width,
                           buffer_height * h / source.height));
  gtk_snapshot_pop (snapshot);
  gtk_snapshot_restore (snapshot);
}

/* TRUE when one buffer pixel is 1/n of a logical pixel, n whole, and nothing is cut. */
static gboolean
is_plain (MossViewerSurface *surface, int width, int height, int buffer_width,
          int buffer_height)
{
  MossViewerArea source;

  if (moss_viewer_surface_get_transform (surface) != MOSS_VIEWER_TRANSFORM_NORMAL)
    return FALSE;
  if (buffer_width % width != 0 || buffer_height % height != 0 ||
      buffer_width / width != buffer_height / height)
    return FALSE;
  moss_viewer_surface_get_source (surface, &source);
  return (source.width <= 0 || (source.x == 0 && source.y == 0 &&
                                source.width == buffer_width &&
                                source.height == buffer_height));
}

/**
 * moss_surface_texture_snapshot:
 * @whole: draw one texture without seams: for a window that is shrunk or turned
 *
 * Draws the surface alone, without subsurfaces, with its origin at 0,0.
 */
void
moss_surface_texture_snapshot (MossViewerSurface *surface, GtkSnapshot *snapshot,
                               gboolean whole)
{
  Cache *cache = get_cache (surface);
  int width, height, buffer_width, buffer_height;

  moss_viewer_surface_get_size (surface, &width, &height);
  moss_viewer_surface_get_buffer_size (surface, &buffer_width, &buffer_height);
  if (width <= 0 || height <= 0 || buffer_width <= 0 || buffer_height <= 0 ||
      buffer_width > MAX_SIDE || buffer_height > MAX_SIDE)
    return;
  if (whole || !is_plain (surface, width, height, buffer_width, buffer_height))
    {
      snapshot_whole (surface, cache, snapshot, width, height);
      return;
    }
  g_clear_object (&cache->whole);
  set_size (cache, buffer_width, buffer_height);
  snapshot_tiles (surface, cache, snapshot, buffer_width / (double) width);
}
