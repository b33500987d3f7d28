// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-form"

#include "form.h"

/* css_class: (nullable). Returns: (transfer floating). */
GtkWidget *
moss_form_text_new (const char *text, const char *css_class)
{
  GtkWidget *label = gtk_label_new (text);

  gtk_label_set_xalign (GTK_LABEL (label), 0);
  gtk_label_set_wrap (GTK_LABEL (label), TRUE);
  gtk_label_set_max_width_chars (GTK_LABEL (label), 48);
  if (css_class != NULL)
    gtk_widget_add_css_class (label, css_class);
  return label;
}

static GtkWidget *
add_titled (GtkWidget *body, const char *title, GtkWidget *entry)
{
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 4);
  GtkWidget *label = moss_form_text_new (title, "strong");

  gtk_accessible_update_relation (GTK_ACCESSIBLE (entry),
                                  GTK_ACCESSIBLE_RELATION_LABELLED_BY, label, NULL, -1);
  gtk_box_append (GTK_BOX (box), label);
  gtk_box_append (GTK_BOX (box), entry);
  gtk_box_append (GTK_BOX (body), box);
  return entry;
}

GtkWidget *
moss_form_add_entry (GtkWidget *body, const char *title, const char *placeholder)
{
  GtkWidget *entry = gtk_entry_new ();

  gtk_entry_set_placeholder_text (GTK_ENTRY (entry), placeholder);
  return add_titled (body, title, entry);
}

GtkWidget *
moss_form_add_password (GtkWidget *body, const char *title)
{
  GtkWidget *entry = gtk_password_entry_new ();

  gtk_password_entry_set_show_peek_icon (GTK_PASSWORD_ENTRY (entry), TRUE);
  return add_titled (body, title, entry);
}

/* A row at the end of the dialog. */
GtkWidget *
moss_form_add_buttons (GtkWidget *body)
{
  GtkWidget *row = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 8);

  gtk_widget_set_halign (row, GTK_ALIGN_END);
  gtk_box_append (GTK_BOX (body), row);
  return row;
}

/* clicked: called with data alone. */
GtkWidget *
moss_form_add_button (GtkWidget *row, const char *label, const char *css_class,
                      GCallback clicked, gpointer data)
{
  GtkWidget *button = gtk_button_new_with_label (label);

  if (css_class != NULL)
    gtk_widget_add_css_class (button, css_class);
  g_signal_connect_swapped (button, "clicked", clicked, data);
  gtk_box_append (GTK_BOX (row), button);
  return button;
}

/* Where moss_form_warn() says what is wrong. */
GtkWidget *
moss_form_add_warning (GtkWidget *body)
{
  GtkWidget *label = moss_form_text_new ("", "warning");

  gtk_widget_set_visible (label, FALSE);
  gtk_box_append (GTK_BOX (body), label);
  return label;
}

void
moss_form_warn (GtkWidget *warning, const char *text)
{
  gtk_label_set_label (GTK_LABEL (warning), text);
  gtk_widget_set_visible (warning, *text != '\0');
}
