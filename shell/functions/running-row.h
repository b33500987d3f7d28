// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

/* MossRunningRow: something that is being done now: what, how far by the estimate, how long it
 * still takes. Signal: "cancel" (), once. */
#define MOSS_TYPE_RUNNING_ROW (moss_running_row_get_type ())
G_DECLARE_FINAL_TYPE (MossRunningRow, moss_running_row, MOSS, RUNNING_ROW, GtkWidget)

/* began_us: monotonic; predicted_us: the whole of it, 0: nobody knows. */
GtkWidget *moss_running_row_new (const char *text, gint64 began_us, guint64 predicted_us);

G_END_DECLS
