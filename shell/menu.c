// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-menu"

#include "menu.h"

/* MossMenu: one panel of rows with their keys or values at the end. Menus of the shell are
   widgets of its one window and not windows of their own, so they look alike on every
   host, also on an X server without compositing, and in a kiosk. */

struct _MossMenu
{
  GtkWidget parent_instance;
};

G_DEFINE_FINAL_TYPE (MossMenu, moss_menu, GTK_TYPE_WIDGET)

typedef struct
{
  MossMenuFunc func;
  gpointer data;
  GDestroyNotify destroy;
} Action;

static void
action_free (Action *action)
{
  if (action->destroy != NULL)
    action->destroy (action->data);
  g_free (action);
}

static MossMenuLayer *
get_layer (GtkWidget *widget)
{
  return MOSS_MENU_LAYER (gtk_widget_get_ancestor (widget, MOSS_TYPE_MENU_LAYER));
}

static void
on_row_clicked (GtkButton *button, gpointer data)
{
  Action *action = g_object_get_data (G_OBJECT (button), "action");
  MossMenu *submenu = g_object_get_data (G_OBJECT (button), "submenu");
  MossMenuLayer *layer = get_layer (GTK_WIDGET (button));
  g_autoptr (GtkButton) keep = g_object_ref (button);

  if (submenu != NULL)
    {
      moss_menu_layer_open_submenu (layer, data, GTK_WIDGET (button), submenu, TRUE);
      return;
    }
  moss_menu_layer_popdown (layer);
  if (action != NULL && action->func != NULL)
    action->func (action->data);
}

static void
on_row_enter (GtkEventControllerMotion *controller, double x, double y, gpointer data)
{
  GtkWidget *row = gtk_event_controller_get_widget (GTK_EVENT_CONTROLLER (controller));
  MossMenu *submenu = g_object_get_data (G_OBJECT (row), "submenu");
  MossMenuLayer *layer = get_layer (row);

  if (layer == NULL)
    return;
  gtk_widget_grab_focus (row);
  if (submenu != NULL)
    moss_menu_layer_open_submenu (layer, data, row, submenu, FALSE);
  else
    moss_menu_layer_close_submenu (layer, data);
}

static GtkWidget *
make_label (const char *text, gboolean value)
{
  GtkWidget *label = gtk_label_new (text);

  gtk_label_set_xalign (GTK_LABEL (label), value ? 1.0 : 0.0);
  gtk_widget_set_hexpand (label, !value);
  if (value)
    {
      gtk_widget_add_css_class (label, "value");
      gtk_widget_add_css_class (label, "numbers");
    }
  else
    {
      gtk_label_set_ellipsize (GTK_LABEL (label), PANGO_ELLIPSIZE_END);
      gtk_label_set_max_width_chars (GTK_LABEL (label), 40);
    }
  return label;
}

static GtkWidget *
add_row (MossMenu *self, const char *label, const char *value, GtkAccessibleRole role)
{
  GtkWidget *row = g_object_new (GTK_TYPE_BUTTON, "accessible-role", role, NULL);
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 8);
  GtkWidget *value_label = make_label (value, TRUE);
  GtkEventController *motion = gtk_event_controller_motion_new ();

  gtk_box_append (GTK_BOX (box), make_label (label, FALSE));
  gtk_box_append (GTK_BOX (box), value_label);
  gtk_widget_set_visible (value_label, value != NULL);
  gtk_button_set_child (GTK_BUTTON (row), box);
  gtk_widget_set_css_classes (row, (const char *[]){ "menu-row", NULL });
  g_object_set_data (G_OBJECT (row), "value", value_label);
  gtk_accessible_update_property (GTK_ACCESSIBLE (row), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  label, -1);
  g_signal_connect (motion, "enter", G_CALLBACK (on_row_enter), self);
  gtk_widget_add_controller (row, motion);
  g_signal_connect (row, "clicked", G_CALLBACK (on_row_clicked), self);
  gtk_widget_set_parent (row, GTK_WIDGET (self));
  return row;
}

/**
 * moss_menu_add:
 * @value: (nullable): what stands at the end: a key, a time
 * @func: (nullable): what it does; NULL makes a row that can't be chosen
 * @destroy: (nullable): frees @data with the row
 *
 * Returns: (transfer none): the row
 */
GtkWidget *
moss_menu_add (MossMenu *self, const char *label, const char *value, MossMenuFunc func,
               gpointer data, GDestroyNotify destroy)
{
  GtkWidget *row = add_row (self, label, value, GTK_ACCESSIBLE_ROLE_MENU_ITEM);
  Action *action = g_new0 (Action, 1);

  action->func = func;
  action->data = data;
  action->destroy = destroy;
  g_object_set_data_full (G_OBJECT (row), "action", action, (GDestroyNotify) action_free);
  gtk_widget_set_sensitive (row, func != NULL);
  return row;
}

/* The same with a mark in front while it is on. */
GtkWidget *
moss_menu_add_check (MossMenu *self, const char *label, const char *value,
                     gboolean checked, MossMenuFunc func, gpointer data,
                     GDestroyNotify destroy)
{
  GtkWidget *row = moss_menu_add (self, label, value, func, data, destroy);
  GtkWidget *box = gtk_button_get_child (GTK_BUTTON (row));
  GtkWidget *mark = gtk_image_new_from_icon_name ("object-select-symbolic");

  gtk_widget_set_visible (mark, checked);
  gtk_box_prepend (GTK_BOX (box), mark);
  gtk_accessible_update_state (GTK_ACCESSIBLE (row), GTK_ACCESSIBLE_STATE_CHECKED,
                               checked ? GTK_ACCESSIBLE_TRISTATE_TRUE
                                       : GTK_ACCESSIBLE_TRISTATE_FALSE,
                               -1);
  return row;
}

/* (transfer none): the panel that opens beside this row. */
MossMenu *
moss_menu_add_submenu (MossMenu *self, const char *label)
{
  GtkWidget *row = add_row (self, label, NULL, GTK_ACCESSIBLE_ROLE_MENU_ITEM);
  GtkWidget *box = gtk_button_get_child (GTK_BUTTON (row));
  GtkWidget *arrow = gtk_image_new_from_icon_name ("pan-end-symbolic");
  MossMenu *submenu = moss_menu_new ();

  gtk_widget_add_css_class (arrow, "value");
  gtk_box_append (GTK_BOX (box), arrow);
  gtk_accessible_update_property (GTK_ACCESSIBLE (row), GTK_ACCESSIBLE_PROPERTY_HAS_POPUP,
                                  TRUE, -1);
  g_object_set_data_full (G_OBJECT (row), "submenu", g_object_ref_sink (submenu),
                          g_object_unref);
  return submenu;
}

void
moss_menu_add_separator (MossMenu *self)
{
  GtkWidget *line = gtk_separator_new (GTK_ORIENTATION_HORIZONTAL);

  gtk_widget_set_parent (line, GTK_WIDGET (self));
}

/* A quiet line that says something and does nothing. */
void
moss_menu_add_text (MossMenu *self, const char *text)
{
  GtkWidget *label = gtk_label_new (text);

  gtk_widget_set_css_classes (label, (const char *[]){ "menu-text", "small", "muted", NULL });
  gtk_label_set_wrap (GTK_LABEL (label), TRUE);
  gtk_label_set_max_width_chars (GTK_LABEL (label), 32);
  gtk_label_set_xalign (GTK_LABEL (label), 0.0);
  gtk_widget_set_parent (label, GTK_WIDGET (self));
}

void
moss_menu_add_widget (MossMenu *self, GtkWidget *widget)
{
  gtk_widget_set_parent (widget, GTK_WIDGET (self));
}

/* Changes what stands at the end of a row while the menu is open. */
void
moss_menu_row_set_value (GtkWidget *row, const char *value)
{
  GtkWidget *label = g_object_get_data (G_OBJECT (row), "value");

  gtk_label_set_label (GTK_LABEL (label), value);
  gtk_widget_set_visible (label, value != NULL);
}

static gboolean
move_focus (MossMenu *self, int step)
{
  GtkWidget *focus = gtk_widget_get_focus_child (GTK_WIDGET (self));
  GtkWidget *next = focus;

  do
    {
      if (next == NULL)
        next = step > 0 ? gtk_widget_get_first_child (GTK_WIDGET (self))
                        : gtk_widget_get_last_child (GTK_WIDGET (self));
      else
        next = step > 0 ? gtk_widget_get_next_sibling (next)
                        : gtk_widget_get_prev_sibling (next);
      if (next != NULL && gtk_widget_get_sensitive (next) && GTK_IS_BUTTON (next))
        return gtk_widget_grab_focus (next);
    }
  while (next != focus);
  return FALSE;
}

void
moss_menu_focus_first (MossMenu *self)
{
  gtk_widget_set_focus_child (GTK_WIDGET (self), NULL);
  move_focus (self, 1);
}

static gboolean
on_key_pressed (GtkEventControllerKey *controller, guint keyval, guint keycode,
                GdkModifierType state, MossMenu *self)
{
  gboolean rtl = gtk_widget_get_direction (GTK_WIDGET (self)) == GTK_TEXT_DIR_RTL;
  GtkWidget *row = gtk_widget_get_focus_child (GTK_WIDGET (self));
  MossMenuLayer *layer = get_layer (GTK_WIDGET (self));

  switch (keyval)
    {
    case GDK_KEY_Down:
      return move_focus (self, 1);
    case GDK_KEY_Up:
      return move_focus (self, -1);
    case GDK_KEY_Escape:
      moss_menu_layer_popdown (layer);
      return TRUE;
    default:
      break;
    }
  if (keyval == (guint) (rtl ? GDK_KEY_Left : GDK_KEY_Right) && row != NULL &&
      g_object_get_data (G_OBJECT (row), "submenu") != NULL)
    {
      on_row_clicked (GTK_BUTTON (row), self);
      return TRUE;
    }
  if (keyval == (guint) (rtl ? GDK_KEY_Right : GDK_KEY_Left))
    {
      MossMenu *parent = g_object_get_data (G_OBJECT (self), "parent-menu");

      if (parent != NULL)
        moss_menu_layer_close_submenu (layer, parent);
      return TRUE;
    }
  return FALSE;
}

static void
moss_menu_dispose (GObject *object)
{
  GtkWidget *child;

  while ((child = gtk_widget_get_first_child (GTK_WIDGET (object))) != NULL)
    gtk_widget_unparent (child);
  G_OBJECT_CLASS (moss_menu_parent_class)->dispose (object);
}

static void
moss_menu_class_init (MossMenuClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = moss_menu_dispose;
  gtk_widget_class_set_layout_manager_type (widget_class, GTK_TYPE_BOX_LAYOUT);
  gtk_widget_class_set_css_name (widget_class, "menu-panel");
  gtk_widget_class_set_accessible_role (widget_class, GTK_ACCESSIBLE_ROLE_MENU);
}

static void
moss_menu_init (MossMenu *self)
{
  GtkLayoutManager *layout = gtk_widget_get_layout_manager (GTK_WIDGET (self));
  GtkEventController *keys = gtk_event_controller_key_new ();

  gtk_orientable_set_orientation (GTK_ORIENTABLE (layout), GTK_ORIENTATION_VERTICAL);
  g_signal_connect (keys, "key-pressed", G_CALLBACK (on_key_pressed), self);
  gtk_widget_add_controller (GTK_WIDGET (self), keys);
}

MossMenu *
moss_menu_new (void)
{
  return g_object_new (MOSS_TYPE_MENU, NULL);
}
