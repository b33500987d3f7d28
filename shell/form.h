// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

/* The parts of which dialogs are made. Every widget is (transfer none), kept by its parent,
   unless a name says new. */
GtkWidget *moss_form_text_new (const char *text, const char *css_class);
GtkWidget *moss_form_add_entry (GtkWidget *body, const char *title, const char *placeholder);
GtkWidget *moss_form_add_password (GtkWidget *body, const char *title);
GtkWidget *moss_form_add_buttons (GtkWidget *body);
GtkWidget *moss_form_add_button (GtkWidget *row, const char *label, const char *css_class,
                                 GCallback clicked, gpointer data);
GtkWidget *moss_form_add_warning (GtkWidget *body);
void moss_form_warn (GtkWidget *warning, const char *text);

G_END_DECLS
