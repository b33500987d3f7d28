// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-functions"

#include "plot.h"

#include "shell/format.h"

#include <glib/gi18n.h>
#include <math.h>

#define SAMPLES 96
#define TIME_WIDTH 64  /* left of the lines */
#define SIZE_HEIGHT 30 /* below them */
#define TOP 22
#define HEIGHT 220
#define SIZE_LABELS 6

struct _MossCostPlot
{
  GtkWidget parent_instance;

  const MossCapability *capability;
  double from, to;     /* bytes */
  double least, most;  /* µs, powers of ten */
};

G_DEFINE_FINAL_TYPE (MossCostPlot, moss_cost_plot, GTK_TYPE_WIDGET)

static double
get_x (MossCostPlot *self, double bytes)
{
  double width = gtk_widget_get_width (GTK_WIDGET (self)) - TIME_WIDTH - 1;

  return TIME_WIDTH + width * log (bytes / self->from) / log (self->to / self->from);
}

static double
get_y (MossCostPlot *self, double us)
{
  double height = gtk_widget_get_height (GTK_WIDGET (self)) - TOP - SIZE_HEIGHT;

  return TOP + height * (1 - log (us / self->least) / log (self->most / self->least));
}

static void
look_up_color (MossCostPlot *self, const char *name, GdkRGBA *color)
{
  if (!gtk_style_context_lookup_color (gtk_widget_get_style_context (GTK_WIDGET (self)), name,
                                       color))
    gdk_rgba_parse (color, "gray");
}

static void
set_color (MossCostPlot *self, cairo_t *cr, const char *name)
{
  GdkRGBA color;

  look_up_color (self, name, &color);
  gdk_cairo_set_source_rgba (cr, &color);
}

/* align: 0 begins at x, 0.5 has it in the middle, 1 ends there. */
static void
draw_text (MossCostPlot *self, cairo_t *cr, const char *text, double x, double y, double align)
{
  g_autoptr (PangoLayout) layout = gtk_widget_create_pango_layout (GTK_WIDGET (self), text);
  double last = gtk_widget_get_width (GTK_WIDGET (self));
  int width, height;

  pango_layout_get_pixel_size (layout, &width, &height);
  cairo_move_to (cr, CLAMP (x - align * width, 0, MAX (last - width, 0)), y - height / 2.0);
  pango_cairo_show_layout (cr, layout);
}

static void
draw_axes (MossCostPlot *self, cairo_t *cr)
{
  double end = gtk_widget_get_width (GTK_WIDGET (self));
  double bottom = gtk_widget_get_height (GTK_WIDGET (self)) - SIZE_HEIGHT;
  double step = MAX (4, pow (self->to / self->from, 1.0 / SIZE_LABELS));

  cairo_set_line_width (cr, 1);
  for (double us = self->least; us <= self->most * 1.001; us *= 10)
    {
      g_autofree char *text = moss_format_whole (moss_format_us (us));
      double y = floor (get_y (self, us)) + 0.5;

      set_color (self, cr, "line");
      cairo_move_to (cr, TIME_WIDTH, y);
      cairo_line_to (cr, end, y);
      cairo_stroke (cr);
      set_color (self, cr, "muted");
      draw_text (self, cr, text, TIME_WIDTH - 10, y, 1);
    }
  for (double bytes = moss_round_bytes (self->from); bytes <= self->to;
       bytes = moss_round_bytes (bytes * step))
    {
      g_autofree char *text = moss_format_whole (moss_format_bytes (bytes));

      if (bytes >= self->from)
        draw_text (self, cr, text, get_x (self, bytes), bottom + SIZE_HEIGHT / 2.0 + 4, 0.5);
    }
}

static void
draw_curve (MossCostPlot *self, cairo_t *cr, const MossOffer *offer)
{
  static const double dashes[] = { 5, 4 };
  g_autofree char *color = g_strdup_printf ("curve_%u", offer->hue + 1);

  if (offer->curve->len == 0 || offer->reason != NULL)
    return;
  cairo_new_path (cr);
  for (guint i = 0; i <= SAMPLES; i++)
    {
      double bytes = self->from * pow (self->to / self->from, (double) i / SAMPLES);
      double us = moss_offer_predict (offer, bytes);

      if (!isnan (us))
        cairo_line_to (cr, get_x (self, bytes), get_y (self, us));
    }
  cairo_set_dash (cr, dashes, offer->remote ? G_N_ELEMENTS (dashes) : 0, 0);
  cairo_set_line_width (cr, 2.5);
  cairo_set_line_join (cr, CAIRO_LINE_JOIN_ROUND);
  cairo_set_line_cap (cr, CAIRO_LINE_CAP_ROUND);
  set_color (self, cr, color);
  cairo_stroke (cr);
  cairo_set_dash (cr, NULL, 0, 0);
}

static void
draw_crossing (MossCostPlot *self, cairo_t *cr)
{
  static const double dots[] = { 2, 4 };
  double bytes = 0;
  const MossOffer *winner = moss_capability_crossing (self->capability, &bytes);
  g_autofree char *text = NULL;
  double x;

  if (winner == NULL)
    return;
  x = floor (get_x (self, bytes)) + 0.5;
  /* Translators: at a line in a plot of costs by size; the name of a provider */
  text = g_strdup_printf (_ ("from here %s wins"), winner->name);
  set_color (self, cr, "ink");
  cairo_set_line_width (cr, 1);
  cairo_set_dash (cr, dots, G_N_ELEMENTS (dots), 0);
  cairo_move_to (cr, x, TOP - 8);
  cairo_line_to (cr, x, gtk_widget_get_height (GTK_WIDGET (self)) - SIZE_HEIGHT);
  cairo_stroke (cr);
  cairo_set_dash (cr, NULL, 0, 0);
  draw_text (self, cr, text, x + 6, TOP - 12, 0);
}

static void
moss_cost_plot_snapshot (GtkWidget *widget, GtkSnapshot *snapshot)
{
  MossCostPlot *self = MOSS_COST_PLOT (widget);
  int width = gtk_widget_get_width (widget), height = gtk_widget_get_height (widget);
  cairo_t *cr;

  if (self->capability == NULL || self->to <= self->from)
    return;
  cr = gtk_snapshot_append_cairo (snapshot, &GRAPHENE_RECT_INIT (0, 0, width, height));
  draw_axes (self, cr);
  for (guint i = self->capability->offers->len; i > 0; i--)
    draw_curve (self, cr, self->capability->offers->pdata[i - 1]);
  draw_crossing (self, cr);
  cairo_destroy (cr);
}

static void
moss_cost_plot_measure (GtkWidget *widget, GtkOrientation orientation, int for_size,
                        int *minimum, int *natural, int *minimum_baseline, int *natural_baseline)
{
  *minimum = orientation == GTK_ORIENTATION_VERTICAL ? HEIGHT : 240;
  *natural = orientation == GTK_ORIENTATION_VERTICAL ? HEIGHT : 600;
}

static void
include_time (MossCostPlot *self, double us)
{
  if (isnan (us))
    return;
  self->least = MIN (self->least, us);
  self->most = MAX (self->most, us);
}

/* Whole powers of ten around all that is shown. */
static void
set_times (MossCostPlot *self)
{
  self->least = INFINITY;
  self->most = 0;
  for (guint i = 0; i < self->capability->offers->len; i++)
    {
      const MossOffer *offer = self->capability->offers->pdata[i];

      if (offer->curve->len == 0 || offer->reason != NULL)
        continue;
      include_time (self, moss_offer_predict (offer, self->from));
      include_time (self, moss_offer_predict (
                              offer, MIN (self->to, moss_offer_get_last_bytes (offer))));
    }
  self->least = pow (10, floor (log10 (self->least)));
  self->most = MAX (pow (10, ceil (log10 (self->most))), self->least * 10);
}

/* For those who don't see it. */
static void
describe (MossCostPlot *self)
{
  double bytes = 0;
  const MossOffer *winner = moss_capability_crossing (self->capability, &bytes);
  const MossOffer *best = moss_capability_best (self->capability, self->from);
  g_autofree char *size = moss_format_whole (moss_format_bytes (bytes));
  g_autofree char *text = NULL;

  if (winner != NULL)
    /* Translators: name of a provider, a size as in “4 MB” */
    text = g_strdup_printf (_ ("Costs by size: %s wins from %s on"), winner->name, size);
  else if (best != NULL)
    text = g_strdup_printf (_ ("Costs by size: %s is the fastest"), best->name);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  text != NULL ? text : "", -1);
}

void
moss_cost_plot_set_capability (MossCostPlot *self, const MossCapability *capability)
{
  self->capability = capability;
  self->from = self->to = 0;
  if (capability != NULL && moss_capability_range (capability, &self->from, &self->to)
      && moss_capability_best (capability, self->from) != NULL)
    {
      set_times (self);
      describe (self);
    }
  else
    self->from = self->to = 0;
  gtk_widget_set_visible (GTK_WIDGET (self), self->to > self->from);
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

static void
moss_cost_plot_class_init (MossCostPlotClass *class)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (class);

  widget_class->snapshot = moss_cost_plot_snapshot;
  widget_class->measure = moss_cost_plot_measure;
  gtk_widget_class_set_css_name (widget_class, "cost-plot");
  gtk_widget_class_set_accessible_role (widget_class, GTK_ACCESSIBLE_ROLE_IMG);
}

static void
moss_cost_plot_init (MossCostPlot *self)
{
  gtk_widget_add_css_class (GTK_WIDGET (self), "small");
}

GtkWidget *
moss_cost_plot_new (void)
{
  return g_object_new (MOSS_TYPE_COST_PLOT, NULL);
}
