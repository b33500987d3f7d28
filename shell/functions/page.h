// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

/* MossFunctionsPage: what can be asked for, who offers it and what it costs, what runs now. A file
 * that is dropped on it shows what can be done with it. */
#define MOSS_TYPE_FUNCTIONS_PAGE (moss_functions_page_get_type ())
G_DECLARE_FINAL_TYPE (MossFunctionsPage, moss_functions_page, MOSS, FUNCTIONS_PAGE, GtkWidget)

GtkWidget *moss_functions_page_new (GDBusConnection *bus);
/* request: begins with it at once; NULL: the person chooses. */
void moss_functions_page_take_file (MossFunctionsPage *self, GFile *file, const char *request);
void moss_functions_page_search (MossFunctionsPage *self);

G_END_DECLS
