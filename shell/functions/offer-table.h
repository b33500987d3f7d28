// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "offers.h"

#include <gtk/gtk.h>

G_BEGIN_DECLS

/* A row for each offer: who, where, what it costs for so many bytes, how good, how often called.
 * (transfer floating) */
GtkWidget *moss_offer_table_new (const MossCapability *capability, double bytes);

G_END_DECLS
