// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "offers.h"

#include <gtk/gtk.h>

G_BEGIN_DECLS

/* MossCostPlot: what each offer costs by size, both in logarithms, and where another one
 * begins to win. Its colours are the CSS colours "curve_1" and so on. */
#define MOSS_TYPE_COST_PLOT (moss_cost_plot_get_type ())
G_DECLARE_FINAL_TYPE (MossCostPlot, moss_cost_plot, MOSS, COST_PLOT, GtkWidget)

GtkWidget *moss_cost_plot_new (void);
/* capability: borrowed until the next call; NULL for none. */
void moss_cost_plot_set_capability (MossCostPlot *self, const MossCapability *capability);

G_END_DECLS
