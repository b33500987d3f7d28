// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-wallpaper"

#include "wallpaper.h"

/* MossWallpaper: the sky and three hills behind everything. Painted once with cairo for the
   size and scheme at hand and kept as a texture, so that a frame costs one copy. */

struct _MossWallpaper
{
  GtkWidget parent_instance;

  gboolean dark;
  GdkTexture *texture;
  int texture_width;
  int texture_height;
};

G_DEFINE_FINAL_TYPE (MossWallpaper, moss_wallpaper, GTK_TYPE_WIDGET)

typedef struct
{
  guint32 sky_top;
  guint32 sky_bottom;
  guint32 hills[3];
} Palette;

static const Palette light = { 0xe0ece7, 0xc6dccb, { 0xa1c5a6, 0x7baa84, 0x588a63 } };
static const Palette dark = { 0x1d2523, 0x141a17, { 0x1c2a21, 0x17231b, 0x121b15 } };

/* Control points on a 1280×800 sheet: start y, then cubic segments to the right edge. */
typedef struct
{
  double start;
  double segments[3][6];
} Hill;

static const Hill hills[] = {
  { 470, { { 150, 420, 330, 432, 520, 450 }, { 700, 468, 800, 394, 960, 398 },
           { 1090, 402, 1190, 452, 1280, 476 } } },
  { 570, { { 130, 536, 270, 552, 420, 580 }, { 600, 612, 760, 520, 930, 520 },
           { 1070, 520, 1180, 556, 1280, 590 } } },
  { 680, { { 150, 650, 310, 650, 470, 678 }, { 640, 706, 760, 690, 880, 662 },
           { 1040, 622, 1160, 622, 1280, 690 } } },
};

static void
set_color (cairo_t *cr, guint32 rgb)
{
  cairo_set_source_rgb (cr, (rgb >> 16) / 255.0, (rgb >> 8 & 0xff) / 255.0,
                        (rgb & 0xff) / 255.0);
}

static void
add_stop (cairo_pattern_t *pattern, double at, guint32 rgb)
{
  cairo_pattern_add_color_stop_rgb (pattern, at, (rgb >> 16) / 255.0,
                                    (rgb >> 8 & 0xff) / 255.0, (rgb & 0xff) / 255.0);
}

static void
paint_sky (cairo_t *cr, const Palette *palette)
{
  cairo_pattern_t *sky = cairo_pattern_create_linear (0, 0, 0, 560);

  add_stop (sky, 0, palette->sky_top);
  add_stop (sky, 1, palette->sky_bottom);
  cairo_set_source (cr, sky);
  cairo_paint (cr);
  cairo_pattern_destroy (sky);
}

static void
paint_hill (cairo_t *cr, const Hill *hill, guint32 rgb)
{
  cairo_move_to (cr, 0, hill->start);
  for (guint i = 0; i < G_N_ELEMENTS (hill->segments); i++)
    {
      const double *s = hill->segments[i];
      cairo_curve_to (cr, s[0], s[1], s[2], s[3], s[4], s[5]);
    }
  cairo_line_to (cr, 1280, 800);
  cairo_line_to (cr, 0, 800);
  cairo_close_path (cr);
  set_color (cr, rgb);
  cairo_fill (cr);
}

static GdkTexture *
paint (const Palette *palette, int width, int height)
{
  int stride = cairo_format_stride_for_width (CAIRO_FORMAT_RGB24, width);
  guchar *data = g_malloc ((gsize) stride * height);
  g_autoptr (GBytes) bytes = g_bytes_new_take (data, (gsize) stride * height);
  cairo_surface_t *surface = cairo_image_surface_create_for_data (
      data, CAIRO_FORMAT_RGB24, width, height, stride);
  cairo_t *cr = cairo_create (surface);

  cairo_scale (cr, width / 1280.0, height / 800.0);
  paint_sky (cr, palette);
  for (guint i = 0; i < G_N_ELEMENTS (hills); i++)
    paint_hill (cr, &hills[i], palette->hills[i]);
  cairo_destroy (cr);
  cairo_surface_flush (surface);
  cairo_surface_destroy (surface);
  /* RGB24 leaves the fourth byte undefined; the texture's format has one. */
  for (gsize i = 0; i < (gsize) stride * height; i += 4)
    ((guint32 *) data)[i / 4] |= 0xff000000u;
  return gdk_memory_texture_new (width, height, GDK_MEMORY_DEFAULT, bytes, stride);
}

static void
moss_wallpaper_snapshot (GtkWidget *widget, GtkSnapshot *snapshot)
{
  MossWallpaper *self = MOSS_WALLPAPER (widget);
  int scale = gtk_widget_get_scale_factor (widget);
  int width = gtk_widget_get_width (widget);
  int height = gtk_widget_get_height (widget);

  if (width <= 0 || height <= 0)
    return;
  if (self->texture == NULL || self->texture_width != width * scale ||
      self->texture_height != height * scale)
    {
      g_clear_object (&self->texture);
      self->texture_width = width * scale;
      self->texture_height = height * scale;
      self->texture = paint (self->dark ? &dark : &light, self->texture_width,
                             self->texture_height);
    }
  gtk_snapshot_append_texture (snapshot, self->texture,
                               &GRAPHENE_RECT_INIT (0, 0, width, height));
}

void
moss_wallpaper_set_dark (MossWallpaper *self, gboolean is_dark)
{
  if (self->dark == is_dark)
    return;
  self->dark = is_dark;
  g_clear_object (&self->texture);
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

static void
moss_wallpaper_dispose (GObject *object)
{
  g_clear_object (&MOSS_WALLPAPER (object)->texture);
  G_OBJECT_CLASS (moss_wallpaper_parent_class)->dispose (object);
}

static void
moss_wallpaper_class_init (MossWallpaperClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = moss_wallpaper_dispose;
  GTK_WIDGET_CLASS (klass)->snapshot = moss_wallpaper_snapshot;
  gtk_widget_class_set_accessible_role (GTK_WIDGET_CLASS (klass),
                                        GTK_ACCESSIBLE_ROLE_PRESENTATION);
}

static void
moss_wallpaper_init (MossWallpaper *self)
{
  gtk_widget_set_can_target (GTK_WIDGET (self), FALSE);
}
