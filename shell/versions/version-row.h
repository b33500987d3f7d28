// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

/* MossVersionRow: one version in the list. Signals: "open", "bring-back". */
#define MOSS_TYPE_VERSION_ROW (moss_version_row_get_type ())
G_DECLARE_FINAL_TYPE (MossVersionRow, moss_version_row, MOSS, VERSION_ROW, GtkListBoxRow)

/* version: a{sv} as Files1.Versions has it. newest: it is what stands there now. */
GtkWidget *moss_version_row_new (GVariant *version, gboolean newest);
GVariant *moss_version_row_get_version (MossVersionRow *self);

G_END_DECLS
