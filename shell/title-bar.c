// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-title-bar"

#include "title-bar.h"

#include <glib/gi18n.h>

/* MossTitleBar: what the shell draws above a window whose app asked for it: title, a badge
   only when there is something to say, three buttons.

   Signals: "minimize", "maximize", "close"; "drag" the person pulls at it; "menu" (x, y) in the
   bar's coordinates. */

struct _MossTitleBar
{
  GtkWidget parent_instance;

  GtkWidget *title;
  GtkWidget *badge;
  GtkWidget *minimize;
  GtkWidget *maximize;
  GtkWidget *close;
};

enum { MINIMIZE, MAXIMIZE, CLOSE, DRAG, MENU, N_SIGNALS };
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (MossTitleBar, moss_title_bar, GTK_TYPE_WIDGET)

static void
on_minimize_clicked (MossTitleBar *self)
{
  g_signal_emit (self, signals[MINIMIZE], 0);
}

static void
on_maximize_clicked (MossTitleBar *self)
{
  g_signal_emit (self, signals[MAXIMIZE], 0);
}

static void
on_close_clicked (MossTitleBar *self)
{
  g_signal_emit (self, signals[CLOSE], 0);
}

static void
on_drag_update (GtkGestureDrag *gesture, double dx, double dy, MossTitleBar *self)
{
  if (!gtk_drag_check_threshold (GTK_WIDGET (self), 0, 0, dx, dy))
    return;
  gtk_gesture_set_state (GTK_GESTURE (gesture), GTK_EVENT_SEQUENCE_CLAIMED);
  g_signal_emit (self, signals[DRAG], 0);
}

static void
on_pressed (GtkGestureClick *gesture, int n, double x, double y, MossTitleBar *self)
{
  guint button = gtk_gesture_single_get_current_button (GTK_GESTURE_SINGLE (gesture));

  if (button == GDK_BUTTON_SECONDARY)
    g_signal_emit (self, signals[MENU], 0, x, y);
  else if (button == GDK_BUTTON_PRIMARY && n == 2)
    g_signal_emit (self, signals[MAXIMIZE], 0);
}

static void
on_long_press (GtkGestureLongPress *gesture, double x, double y, MossTitleBar *self)
{
  g_signal_emit (self, signals[MENU], 0, x, y);
}

void
moss_title_bar_set_title (MossTitleBar *self, const char *title)
{
  gtk_label_set_label (GTK_LABEL (self->title), title);
}

/* text: (nullable): NULL takes the badge away. */
void
moss_title_bar_set_badge (MossTitleBar *self, const char *text, gboolean warning)
{
  gtk_widget_set_visible (self->badge, text != NULL);
  if (text == NULL)
    return;
  gtk_label_set_label (GTK_LABEL (self->badge), text);
  gtk_widget_set_css_classes (self->badge,
                              (const char *[]){ "badge", warning ? "warning" : NULL, NULL });
}

void
moss_title_bar_set_maximized (MossTitleBar *self, gboolean maximized)
{
  gtk_button_set_icon_name (GTK_BUTTON (self->maximize),
                            maximized ? "moss-restore-symbolic" : "moss-maximize-symbolic");
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->maximize),
                                  GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  maximized ? _("Restore the size") : _("Maximise"), -1);
}

static void
moss_title_bar_dispose (GObject *object)
{
  gtk_widget_dispose_template (GTK_WIDGET (object), MOSS_TYPE_TITLE_BAR);
  G_OBJECT_CLASS (moss_title_bar_parent_class)->dispose (object);
}

static guint
add_signal (const char *name, gboolean with_point)
{
  if (with_point)
    return g_signal_new (name, MOSS_TYPE_TITLE_BAR, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                         G_TYPE_NONE, 2, G_TYPE_DOUBLE, G_TYPE_DOUBLE);
  return g_signal_new (name, MOSS_TYPE_TITLE_BAR, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                       G_TYPE_NONE, 0);
}

static void
moss_title_bar_class_init (MossTitleBarClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = moss_title_bar_dispose;
  signals[MINIMIZE] = add_signal ("minimize", FALSE);
  signals[MAXIMIZE] = add_signal ("maximize", FALSE);
  signals[CLOSE] = add_signal ("close", FALSE);
  signals[DRAG] = add_signal ("drag", FALSE);
  signals[MENU] = add_signal ("menu", TRUE);
  gtk_widget_class_set_css_name (widget_class, "title-bar");
  gtk_widget_class_set_layout_manager_type (widget_class, GTK_TYPE_BOX_LAYOUT);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/moss/Shell/title-bar.ui");
  gtk_widget_class_bind_template_child (widget_class, MossTitleBar, title);
  gtk_widget_class_bind_template_child (widget_class, MossTitleBar, badge);
  gtk_widget_class_bind_template_child (widget_class, MossTitleBar, minimize);
  gtk_widget_class_bind_template_child (widget_class, MossTitleBar, maximize);
  gtk_widget_class_bind_template_child (widget_class, MossTitleBar, close);
  gtk_widget_class_bind_template_callback (widget_class, on_minimize_clicked);
  gtk_widget_class_bind_template_callback (widget_class, on_maximize_clicked);
  gtk_widget_class_bind_template_callback (widget_class, on_close_clicked);
}

static void
moss_title_bar_init (MossTitleBar *self)
{
  GtkGesture *drag = gtk_gesture_drag_new ();
  GtkGesture *click = gtk_gesture_click_new ();
  GtkGesture *hold = gtk_gesture_long_press_new ();

  gtk_widget_init_template (GTK_WIDGET (self));
  gtk_box_layout_set_spacing (GTK_BOX_LAYOUT (gtk_widget_get_layout_manager (
                                  GTK_WIDGET (self))), 4);
  g_signal_connect (drag, "drag-update", G_CALLBACK (on_drag_update), self);
  gtk_widget_add_controller (GTK_WIDGET (self), GTK_EVENT_CONTROLLER (drag));
  gtk_gesture_single_set_button (GTK_GESTURE_SINGLE (click), 0);
  g_signal_connect (click, "pressed", G_CALLBACK (on_pressed), self);
  gtk_widget_add_controller (GTK_WIDGET (self), GTK_EVENT_CONTROLLER (click));
  gtk_gesture_single_set_touch_only (GTK_GESTURE_SINGLE (hold), TRUE);
  g_signal_connect (hold, "pressed", G_CALLBACK (on_long_press), self);
  gtk_widget_add_controller (GTK_WIDGET (self), GTK_EVENT_CONTROLLER (hold));
}

GtkWidget *
moss_title_bar_new (void)
{
  return g_object_new (MOSS_TYPE_TITLE_BAR, NULL);
}
