// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

typedef void (*MossMenuFunc) (gpointer data);

/* One panel of rows. Owned by whoever shows it, see moss_menu_layer_popup(). */
#define MOSS_TYPE_MENU (moss_menu_get_type ())
G_DECLARE_FINAL_TYPE (MossMenu, moss_menu, MOSS, MENU, GtkWidget)

MossMenu *moss_menu_new (void);
GtkWidget *moss_menu_add (MossMenu *self, const char *label, const char *value,
                          MossMenuFunc func, gpointer data, GDestroyNotify destroy);
GtkWidget *moss_menu_add_check (MossMenu *self, const char *label, const char *value,
                                gboolean checked, MossMenuFunc func, gpointer data,
                                GDestroyNotify destroy);
MossMenu *moss_menu_add_submenu (MossMenu *self, const char *label);
void moss_menu_add_separator (MossMenu *self);
void moss_menu_add_text (MossMenu *self, const char *text);
void moss_menu_add_widget (MossMenu *self, GtkWidget *widget);
void moss_menu_row_set_value (GtkWidget *row, const char *value);

/* The layer of the window in which menus open, above everything else. */
#define MOSS_TYPE_MENU_LAYER (moss_menu_layer_get_type ())
G_DECLARE_FINAL_TYPE (MossMenuLayer, moss_menu_layer, MOSS, MENU_LAYER, GtkWidget)

typedef enum
{
  MOSS_MENU_BELOW, /* starts at the point, opens downwards */
  MOSS_MENU_ABOVE, /* centred over the point, opens upwards */
} MossMenuPlace;

void moss_menu_layer_popup (MossMenuLayer *self, MossMenu *menu, double x, double y,
                            MossMenuPlace place);
void moss_menu_layer_popdown (MossMenuLayer *self);
gboolean moss_menu_layer_is_open (MossMenuLayer *self);

/* For menu.c and menu-layer.c alone. */
void moss_menu_layer_open_submenu (MossMenuLayer *self, MossMenu *parent, GtkWidget *row,
                                   MossMenu *submenu, gboolean take_focus);
void moss_menu_layer_close_submenu (MossMenuLayer *self, MossMenu *parent);
void moss_menu_focus_first (MossMenu *self);

G_END_DECLS
