// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-functions"

#include "offer-table.h"

#include "shell/format.h"

#include <glib/gi18n.h>
#include <math.h>

#define MAX_ROWS 50

enum
{
  NAME,
  WHERE,
  COST,
  QUALITY,
  CALLS,
  N_COLUMNS
};

static GtkWidget *
make_cell (const char *text, const char *css_class)
{
  GtkWidget *label = gtk_label_new (text);

  gtk_label_set_xalign (GTK_LABEL (label), 0);
  gtk_label_set_ellipsize (GTK_LABEL (label), PANGO_ELLIPSIZE_END);
  gtk_widget_set_hexpand (label, TRUE);
  gtk_widget_add_css_class (label, css_class);
  return label;
}

static GtkWidget *
make_name (const MossOffer *offer)
{
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 8);
  GtkWidget *dot = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 0);
  g_autofree char *hue = g_strdup_printf ("curve-%u", offer->hue + 1);

  gtk_widget_add_css_class (dot, "dot");
  gtk_widget_add_css_class (dot, hue);
  gtk_widget_set_valign (dot, GTK_ALIGN_CENTER);
  gtk_box_append (GTK_BOX (box), dot);
  gtk_box_append (GTK_BOX (box), make_cell (offer->name, "ink"));
  return box;
}

static void
add_line (GtkWidget *grid, int row)
{
  GtkWidget *line = gtk_separator_new (GTK_ORIENTATION_HORIZONTAL);

  gtk_grid_attach (GTK_GRID (grid), line, 0, row, N_COLUMNS, 1);
}

static void
add_offer (GtkWidget *grid, int row, const MossOffer *offer, double bytes)
{
  double us = moss_offer_predict (offer, bytes);
  g_autofree char *cost = isnan (us) ? g_strdup (_ ("not measured")) : moss_format_us (us);
  g_autofree char *calls = g_strdup_printf ("%'" G_GUINT64_FORMAT, offer->calls);
  const char *quality = offer->reason != NULL ? offer->reason : offer->quality;

  gtk_grid_attach (GTK_GRID (grid), make_name (offer), NAME, row, 1, 1);
  gtk_grid_attach (GTK_GRID (grid), make_cell (offer->where, "ink"), WHERE, row, 1, 1);
  gtk_grid_attach (GTK_GRID (grid), make_cell (cost, "numbers"), COST, row, 1, 1);
  gtk_grid_attach (GTK_GRID (grid),
                   make_cell (quality, offer->reason != NULL ? "warning" : "ink"), QUALITY, row,
                   1, 1);
  gtk_grid_attach (GTK_GRID (grid), make_cell (calls, "numbers"), CALLS, row, 1, 1);
}

GtkWidget *
moss_offer_table_new (const MossCapability *capability, double bytes)
{
  GtkWidget *grid = gtk_grid_new ();
  g_autofree char *size = moss_format_whole (moss_format_bytes (bytes));
  /* Translators: the head of a column of durations; a size as in “At 4 MB” */
  g_autofree char *at = g_strdup_printf (_ ("At %s"), size);
  const char *heads[N_COLUMNS] = { _ ("Provider"), _ ("Where"), at, _ ("Quality"), _ ("Calls") };

  gtk_grid_set_column_spacing (GTK_GRID (grid), 16);
  gtk_grid_set_row_spacing (GTK_GRID (grid), 9);
  gtk_widget_add_css_class (grid, "offers");
  for (int i = 0; i < N_COLUMNS; i++)
    gtk_grid_attach (GTK_GRID (grid), make_cell (heads[i], "muted"), i, 0, 1, 1);
  for (guint i = 0; i < MIN (capability->offers->len, MAX_ROWS); i++)
    {
      add_line (grid, 2 * i + 1);
      add_offer (grid, 2 * i + 2, capability->offers->pdata[i], bytes);
    }
  return grid;
}
