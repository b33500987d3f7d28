// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-sheets"

#include "sheets.h"

#include <glib/gi18n.h>

/* MossSheets: shows one sheet in the middle, over a scrim. Esc and a click beside it close
   it; the keyboard goes back to whoever had it. Emits "closed". */

struct _MossSheets
{
  GtkWidget parent_instance;

  GtkWidget *sheet;
  GtkWidget *focus_before;
};

enum { CLOSED, N_SIGNALS };
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (MossSheets, moss_sheets, GTK_TYPE_WIDGET)

/* (transfer none) (nullable) */
GtkWidget *
moss_sheets_get_current (MossSheets *self)
{
  return self->sheet;
}

void
moss_sheets_close (MossSheets *self)
{
  g_autoptr (GtkWidget) before = self->focus_before;
  g_autoptr (GtkWidget) sheet = self->sheet;

  self->focus_before = NULL;
  self->sheet = NULL;
  if (sheet == NULL)
    return;
  gtk_widget_unparent (sheet);
  gtk_widget_set_visible (GTK_WIDGET (self), FALSE);
  if (before != NULL && gtk_widget_get_root (before) != NULL)
    gtk_widget_grab_focus (before);
  g_signal_emit (self, signals[CLOSED], 0);
}

/* sheet: (transfer none): kept by the caller or floating; takes the place of another. */
void
moss_sheets_show (MossSheets *self, GtkWidget *sheet)
{
  GtkWidget *focus = gtk_root_get_focus (gtk_widget_get_root (GTK_WIDGET (self)));
  g_autoptr (GtkWidget) before = focus != NULL ? g_object_ref (focus) : NULL;
  GtkWidget *body;

  if (self->sheet != NULL)
    {
      g_set_object (&before, self->focus_before);
      moss_sheets_close (self);
    }
  self->focus_before = g_steal_pointer (&before);
  self->sheet = g_object_ref_sink (sheet);
  gtk_widget_set_parent (sheet, GTK_WIDGET (self));
  gtk_widget_set_visible (GTK_WIDGET (self), TRUE);
  body = g_object_get_data (G_OBJECT (sheet), "body");
  if (body == NULL || !gtk_widget_child_focus (body, GTK_DIR_TAB_FORWARD))
    gtk_widget_child_focus (sheet, GTK_DIR_TAB_FORWARD);
}

static void
on_close_clicked (GtkButton *button, MossSheets *self)
{
  moss_sheets_close (self);
}

/**
 * moss_sheets_make_dialog:
 * @body: (out) (transfer none): the box for the content
 *
 * Returns: (transfer floating): a sheet with a title and a button that closes it
 */
GtkWidget *
moss_sheets_make_dialog (MossSheets *self, const char *title, GtkWidget **body)
{
  GtkWidget *sheet = g_object_new (GTK_TYPE_BOX, "orientation", GTK_ORIENTATION_VERTICAL,
                                   "spacing", 16, "halign", GTK_ALIGN_CENTER, "valign",
                                   GTK_ALIGN_CENTER, "accessible-role",
                                   GTK_ACCESSIBLE_ROLE_DIALOG, NULL);
  GtkWidget *head = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 12);
  GtkWidget *label = gtk_label_new (title);
  GtkWidget *close = gtk_button_new_from_icon_name ("moss-close-symbolic");

  gtk_widget_add_css_class (sheet, "sheet");
  gtk_widget_add_css_class (label, "title");
  gtk_label_set_xalign (GTK_LABEL (label), 0);
  gtk_widget_set_hexpand (label, TRUE);
  gtk_widget_add_css_class (close, "round");
  gtk_widget_set_valign (close, GTK_ALIGN_CENTER);
  gtk_accessible_update_property (GTK_ACCESSIBLE (close), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _("Close"), -1);
  gtk_accessible_update_property (GTK_ACCESSIBLE (sheet), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  title, -1);
  g_signal_connect_object (close, "clicked", G_CALLBACK (on_close_clicked), self, 0);
  gtk_box_append (GTK_BOX (head), label);
  gtk_box_append (GTK_BOX (head), close);
  gtk_box_append (GTK_BOX (sheet), head);
  *body = gtk_box_new (GTK_ORIENTATION_VERTICAL, 12);
  gtk_box_append (GTK_BOX (sheet), *body);
  g_object_set_data (G_OBJECT (sheet), "body", *body);
  return sheet;
}

static void
on_pressed (GtkGestureClick *gesture, int n, double x, double y, MossSheets *self)
{
  if (gtk_widget_pick (GTK_WIDGET (self), x, y, GTK_PICK_DEFAULT) != GTK_WIDGET (self))
    return;
  gtk_gesture_set_state (GTK_GESTURE (gesture), GTK_EVENT_SEQUENCE_CLAIMED);
  moss_sheets_close (self);
}

static gboolean
on_key_pressed (GtkEventControllerKey *controller, guint keyval, guint keycode,
                GdkModifierType state, MossSheets *self)
{
  if (keyval != GDK_KEY_Escape)
    return FALSE;
  moss_sheets_close (self);
  return TRUE;
}

static void
moss_sheets_dispose (GObject *object)
{
  MossSheets *self = MOSS_SHEETS (object);

  if (self->sheet != NULL)
    gtk_widget_unparent (self->sheet);
  g_clear_object (&self->sheet);
  g_clear_object (&self->focus_before);
  G_OBJECT_CLASS (moss_sheets_parent_class)->dispose (object);
}

static void
moss_sheets_class_init (MossSheetsClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = moss_sheets_dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (klass), GTK_TYPE_BIN_LAYOUT);
  signals[CLOSED] = g_signal_new ("closed", MOSS_TYPE_SHEETS, G_SIGNAL_RUN_LAST, 0, NULL,
                                  NULL, NULL, G_TYPE_NONE, 0);
}

static void
moss_sheets_init (MossSheets *self)
{
  GtkGesture *click = gtk_gesture_click_new ();
  GtkEventController *keys = gtk_event_controller_key_new ();

  g_signal_connect (click, "pressed", G_CALLBACK (on_pressed), self);
  gtk_widget_add_controller (GTK_WIDGET (self), GTK_EVENT_CONTROLLER (click));
  gtk_event_controller_set_propagation_phase (keys, GTK_PHASE_CAPTURE);
  g_signal_connect (keys, "key-pressed", G_CALLBACK (on_key_pressed), self);
  gtk_widget_add_controller (GTK_WIDGET (self), keys);
  gtk_widget_add_css_class (GTK_WIDGET (self), "scrim");
  gtk_widget_set_visible (GTK_WIDGET (self), FALSE);
}
