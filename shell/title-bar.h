// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

#define MOSS_TYPE_TITLE_BAR (moss_title_bar_get_type ())
G_DECLARE_FINAL_TYPE (MossTitleBar, moss_title_bar, MOSS, TITLE_BAR, GtkWidget)

GtkWidget *moss_title_bar_new (void);
void moss_title_bar_set_title (MossTitleBar *self, const char *title);
void moss_title_bar_set_badge (MossTitleBar *self, const char *text, gboolean warning);
void moss_title_bar_set_maximized (MossTitleBar *self, gboolean maximized);

G_END_DECLS
