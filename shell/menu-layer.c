// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-menu-layer"

#include "menu.h"

/* MossMenuLayer: covers the shell window while a menu is open, puts the panels where they
   fit, and closes them when the person clicks elsewhere. Invisible otherwise. */

#define MARGIN 8
#define GAP 2

struct _MossMenuLayer
{
  GtkWidget parent_instance;

  MossMenu *menu;
  MossMenu *submenu;
  GtkWidget *submenu_row;
  double x;
  double y;
  MossMenuPlace place;
  GtkWidget *focus_before;
};

G_DEFINE_FINAL_TYPE (MossMenuLayer, moss_menu_layer, GTK_TYPE_WIDGET)

static void
drop_panel (MossMenu **panel)
{
  if (*panel == NULL)
    return;
  gtk_widget_unparent (GTK_WIDGET (*panel));
  *panel = NULL;
}

void
moss_menu_layer_close_submenu (MossMenuLayer *self, MossMenu *parent)
{
  gboolean had_focus;

  if (self->submenu == NULL || parent == self->submenu)
    return;
  had_focus = gtk_widget_get_focus_child (GTK_WIDGET (self->submenu)) != NULL;
  drop_panel (&self->submenu);
  if (self->submenu_row != NULL)
    {
      gtk_widget_remove_css_class (self->submenu_row, "open");
      if (had_focus)
        gtk_widget_grab_focus (self->submenu_row);
    }
  self->submenu_row = NULL;
}

void
moss_menu_layer_open_submenu (MossMenuLayer *self, MossMenu *parent, GtkWidget *row,
                              MossMenu *submenu, gboolean take_focus)
{
  if (self->submenu != submenu)
    {
      moss_menu_layer_close_submenu (self, parent);
      self->submenu = submenu;
      self->submenu_row = row;
      g_object_set_data (G_OBJECT (submenu), "parent-menu", parent);
      gtk_widget_add_css_class (row, "open");
      gtk_widget_set_parent (GTK_WIDGET (submenu), GTK_WIDGET (self));
    }
  if (take_focus)
    moss_menu_focus_first (submenu);
}

/* Closes what is open and gives the keyboard back to who had it. */
void
moss_menu_layer_popdown (MossMenuLayer *self)
{
  g_autoptr (GtkWidget) before = self->focus_before;

  if (self->menu == NULL)
    return;
  self->focus_before = NULL;
  self->submenu_row = NULL;
  drop_panel (&self->submenu);
  drop_panel (&self->menu);
  gtk_widget_set_visible (GTK_WIDGET (self), FALSE);
  if (before != NULL && gtk_widget_get_root (before) != NULL)
    gtk_widget_grab_focus (before);
}

/**
 * moss_menu_layer_popup:
 * @menu: (transfer floating): what to show; it goes when the menu closes
 * @x: of this layer's coordinates, which are the window's
 */
void
moss_menu_layer_popup (MossMenuLayer *self, MossMenu *menu, double x, double y,
                       MossMenuPlace place)
{
  GtkRoot *root = gtk_widget_get_root (GTK_WIDGET (self));
  GtkWidget *focus = gtk_root_get_focus (root);

  moss_menu_layer_popdown (self);
  self->focus_before = focus != NULL ? g_object_ref (focus) : NULL;
  self->menu = menu;
  self->x = x;
  self->y = y;
  self->place = place;
  gtk_widget_set_parent (GTK_WIDGET (menu), GTK_WIDGET (self));
  gtk_widget_set_visible (GTK_WIDGET (self), TRUE);
  moss_menu_focus_first (menu);
}

gboolean
moss_menu_layer_is_open (MossMenuLayer *self)
{
  return self->menu != NULL;
}

static void
place_panel (MossMenuLayer *self, GtkWidget *panel, int x, int y, const GtkRequisition *size,
             int width, int height)
{
  x = MAX (MARGIN, MIN (x, width - size->width - MARGIN));
  y = MAX (MARGIN, MIN (y, height - size->height - MARGIN));
  gtk_widget_size_allocate (panel,
                            &(GtkAllocation){ x, y, size->width, size->height }, -1);
}

static void
place_menu (MossMenuLayer *self, int width, int height)
{
  gboolean rtl = gtk_widget_get_direction (GTK_WIDGET (self)) == GTK_TEXT_DIR_RTL;
  GtkRequisition size;
  int x = self->x, y = self->y;

  gtk_widget_get_preferred_size (GTK_WIDGET (self->menu), NULL, &size);
  if (self->place == MOSS_MENU_ABOVE)
    {
      x -= size.width / 2;
      y -= size.height;
    }
  else
    {
      if (rtl)
        x -= size.width;
      if (y + size.height + MARGIN > height && y - size.height >= MARGIN)
        y -= size.height;
    }
  place_panel (self, GTK_WIDGET (self->menu), x, y, &size, width, height);
}

static void
place_submenu (MossMenuLayer *self, int width, int height)
{
  gboolean at_left = gtk_widget_get_direction (GTK_WIDGET (self)) == GTK_TEXT_DIR_RTL;
  GtkRequisition size;
  graphene_rect_t menu, row;
  int x;

  gtk_widget_get_preferred_size (GTK_WIDGET (self->submenu), NULL, &size);
  if (!gtk_widget_compute_bounds (GTK_WIDGET (self->menu), GTK_WIDGET (self), &menu) ||
      !gtk_widget_compute_bounds (self->submenu_row, GTK_WIDGET (self), &row))
    return;
  if (!at_left && menu.origin.x + menu.size.width + size.width + MARGIN > width)
    at_left = TRUE;
  else if (at_left && menu.origin.x - size.width < MARGIN)
    at_left = FALSE;
  x = at_left ? menu.origin.x - size.width - GAP : menu.origin.x + menu.size.width + GAP;
  place_panel (self, GTK_WIDGET (self->submenu), x, row.origin.y - 6, &size, width, height);
}

static void
moss_menu_layer_size_allocate (GtkWidget *widget, int width, int height, int baseline)
{
  MossMenuLayer *self = MOSS_MENU_LAYER (widget);

  if (self->menu != NULL)
    place_menu (self, width, height);
  if (self->submenu != NULL)
    place_submenu (self, width, height);
}

static void
on_pressed (GtkGestureClick *gesture, int n, double x, double y, MossMenuLayer *self)
{
  GtkWidget *target = gtk_widget_pick (GTK_WIDGET (self), x, y, GTK_PICK_DEFAULT);

  if (target != NULL && gtk_widget_get_ancestor (target, MOSS_TYPE_MENU) != NULL)
    return;
  gtk_gesture_set_state (GTK_GESTURE (gesture), GTK_EVENT_SEQUENCE_CLAIMED);
  moss_menu_layer_popdown (self);
}

static void
moss_menu_layer_dispose (GObject *object)
{
  MossMenuLayer *self = MOSS_MENU_LAYER (object);

  drop_panel (&self->submenu);
  drop_panel (&self->menu);
  g_clear_object (&self->focus_before);
  G_OBJECT_CLASS (moss_menu_layer_parent_class)->dispose (object);
}

static void
moss_menu_layer_class_init (MossMenuLayerClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = moss_menu_layer_dispose;
  GTK_WIDGET_CLASS (klass)->size_allocate = moss_menu_layer_size_allocate;
}

static void
moss_menu_layer_init (MossMenuLayer *self)
{
  GtkGesture *click = gtk_gesture_click_new ();

  gtk_gesture_single_set_button (GTK_GESTURE_SINGLE (click), 0);
  gtk_event_controller_set_propagation_phase (GTK_EVENT_CONTROLLER (click),
                                              GTK_PHASE_CAPTURE);
  g_signal_connect (click, "pressed", G_CALLBACK (on_pressed), self);
  gtk_widget_add_controller (GTK_WIDGET (self), GTK_EVENT_CONTROLLER (click));
  gtk_widget_set_visible (GTK_WIDGET (self), FALSE);
}
