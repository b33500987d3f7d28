// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

/* The layer for what needs the person's whole attention: the launcher, dialogs, the window
   switcher. One at a time, over a scrim. */
#define MOSS_TYPE_SHEETS (moss_sheets_get_type ())
G_DECLARE_FINAL_TYPE (MossSheets, moss_sheets, MOSS, SHEETS, GtkWidget)

void moss_sheets_show (MossSheets *self, GtkWidget *sheet);
void moss_sheets_close (MossSheets *self);
GtkWidget *moss_sheets_get_current (MossSheets *self);
GtkWidget *moss_sheets_make_dialog (MossSheets *self, const char *title, GtkWidget **body);

G_END_DECLS
