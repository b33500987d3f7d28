// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-notification-corner"

#include "notification-corner.h"

#include "notification-card.h"

#include <glib/gi18n.h>

/* MossNotificationCorner: notifications as they come, each for its time, and, when asked
   for, the list of all that were not dismissed. */

#define MAX_SHOWN 3

struct _MossNotificationCorner
{
  GtkWidget parent_instance;

  MossNotifications *notifications;
  GtkWidget *box;
  GtkWidget *list; /* NULL while it is closed */
  GtkWidget *list_box;
};

G_DEFINE_FINAL_TYPE (MossNotificationCorner, moss_notification_corner, GTK_TYPE_WIDGET)

static gboolean
on_timeout (gpointer data)
{
  GtkWidget *card = data;
  MossNotification *notification = g_object_get_data (G_OBJECT (card), "notification");
  MossNotificationCorner *self = MOSS_NOTIFICATION_CORNER (
      gtk_widget_get_ancestor (card, MOSS_TYPE_NOTIFICATION_CORNER));

  g_object_steal_data (G_OBJECT (card), "timeout");
  /* It stays in the list, unless it is of the kind that leaves no trace. */
  if (notification->transient)
    moss_notifications_close (self->notifications, notification, MOSS_NOTIFICATION_EXPIRED);
  else
    gtk_box_remove (GTK_BOX (self->box), card);
  return G_SOURCE_REMOVE;
}

static void
remove_source (gpointer id)
{
  g_source_remove (GPOINTER_TO_UINT (id));
}

static void
let_go (GtkWidget *card)
{
  MossNotification *notification = g_object_get_data (G_OBJECT (card), "notification");

  if (notification->timeout_ms > 0)
    g_object_set_data_full (
        G_OBJECT (card), "timeout",
        GUINT_TO_POINTER (g_timeout_add (notification->timeout_ms, on_timeout, card)),
        remove_source);
}

static void
hold (GtkWidget *card)
{
  g_object_set_data (G_OBJECT (card), "timeout", NULL);
}

static void
limit (MossNotificationCorner *self)
{
  GtkWidget *child = gtk_widget_get_first_child (self->box);

  for (guint n = 0; child != NULL; n++)
    {
      GtkWidget *next = gtk_widget_get_next_sibling (child);

      if (n >= MAX_SHOWN)
        gtk_box_remove (GTK_BOX (self->box), child);
      child = next;
    }
}

static void
on_added (MossNotifications *notifications, MossNotification *notification,
          MossNotificationCorner *self)
{
  GtkWidget *card = moss_notification_card_new (notifications, notification);
  GtkEventController *motion = gtk_event_controller_motion_new ();

  if (self->list != NULL)
    {
      gtk_box_prepend (GTK_BOX (self->list_box), card);
      return;
    }
  g_signal_connect_swapped (motion, "enter", G_CALLBACK (hold), card);
  g_signal_connect_swapped (motion, "leave", G_CALLBACK (let_go), card);
  gtk_widget_add_controller (card, motion);
  gtk_box_prepend (GTK_BOX (self->box), card);
  let_go (card);
  limit (self);
}

static void
remove_card (GtkWidget *box, MossNotification *notification)
{
  GtkWidget *child = gtk_widget_get_first_child (box);

  while (child != NULL)
    {
      GtkWidget *next = gtk_widget_get_next_sibling (child);

      if (g_object_get_data (G_OBJECT (child), "notification") == notification)
        gtk_box_remove (GTK_BOX (box), child);
      child = next;
    }
}

static void
on_removed (MossNotifications *notifications, MossNotification *notification,
            MossNotificationCorner *self)
{
  remove_card (self->box, notification);
  if (self->list_box != NULL)
    remove_card (self->list_box, notification);
}

static void
on_clear_clicked (GtkButton *button, MossNotificationCorner *self)
{
  GListModel *model = moss_notifications_get_list (self->notifications);

  while (g_list_model_get_n_items (model) > 0)
    {
      g_autoptr (MossNotification) notification = g_list_model_get_item (model, 0);

      moss_notifications_close (self->notifications, notification,
                                MOSS_NOTIFICATION_DISMISSED);
    }
  moss_notification_corner_toggle_list (self);
}

static GtkWidget *
make_list_head (MossNotificationCorner *self, gboolean empty)
{
  GtkWidget *head = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 8);
  GtkWidget *title = gtk_label_new (empty ? _("Nothing new") : _("Notifications"));
  GtkWidget *clear = gtk_button_new_with_label (_("Clear all"));

  gtk_widget_add_css_class (title, "strong");
  gtk_label_set_xalign (GTK_LABEL (title), 0);
  gtk_widget_set_hexpand (title, TRUE);
  gtk_widget_add_css_class (clear, "flat");
  gtk_widget_set_visible (clear, !empty);
  g_signal_connect (clear, "clicked", G_CALLBACK (on_clear_clicked), self);
  gtk_box_append (GTK_BOX (head), title);
  gtk_box_append (GTK_BOX (head), clear);
  return head;
}

static void
open_list (MossNotificationCorner *self)
{
  GListModel *model = moss_notifications_get_list (self->notifications);
  guint n = g_list_model_get_n_items (model);
  GtkWidget *scroller = gtk_scrolled_window_new ();
  GtkWidget *child;

  while ((child = gtk_widget_get_first_child (self->box)) != NULL)
    gtk_box_remove (GTK_BOX (self->box), child);
  self->list_box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 8);
  for (guint i = 0; i < n; i++)
    {
      g_autoptr (MossNotification) notification = g_list_model_get_item (model, i);

      gtk_box_append (GTK_BOX (self->list_box),
                      moss_notification_card_new (self->notifications, notification));
    }
  gtk_scrolled_window_set_policy (GTK_SCROLLED_WINDOW (scroller), GTK_POLICY_NEVER,
                                  GTK_POLICY_AUTOMATIC);
  gtk_scrolled_window_set_propagate_natural_height (GTK_SCROLLED_WINDOW (scroller), TRUE);
  gtk_scrolled_window_set_max_content_height (GTK_SCROLLED_WINDOW (scroller), 520);
  gtk_scrolled_window_set_child (GTK_SCROLLED_WINDOW (scroller), self->list_box);
  gtk_widget_set_visible (scroller, n > 0);
  self->list = gtk_box_new (GTK_ORIENTATION_VERTICAL, 12);
  gtk_widget_add_css_class (self->list, "notification-list");
  gtk_box_append (GTK_BOX (self->list), make_list_head (self, n == 0));
  gtk_box_append (GTK_BOX (self->list), scroller);
  gtk_widget_set_parent (self->list, GTK_WIDGET (self));
  gtk_widget_child_focus (self->list, GTK_DIR_TAB_FORWARD);
}

/* Opens the list of all, or closes it. */
void
moss_notification_corner_toggle_list (MossNotificationCorner *self)
{
  if (self->list == NULL)
    {
      open_list (self);
      return;
    }
  g_clear_pointer (&self->list, gtk_widget_unparent);
  self->list_box = NULL;
}

void
moss_notification_corner_set_model (MossNotificationCorner *self,
                                    MossNotifications *notifications)
{
  self->notifications = g_object_ref (notifications);
  g_signal_connect_object (notifications, "added", G_CALLBACK (on_added), self, 0);
  g_signal_connect_object (notifications, "removed", G_CALLBACK (on_removed), self, 0);
}

static void
moss_notification_corner_dispose (GObject *object)
{
  MossNotificationCorner *self = MOSS_NOTIFICATION_CORNER (object);

  g_clear_pointer (&self->list, gtk_widget_unparent);
  g_clear_pointer (&self->box, gtk_widget_unparent);
  g_clear_object (&self->notifications);
  G_OBJECT_CLASS (moss_notification_corner_parent_class)->dispose (object);
}

static void
moss_notification_corner_class_init (MossNotificationCornerClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = moss_notification_corner_dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (klass), GTK_TYPE_BIN_LAYOUT);
}

static void
moss_notification_corner_init (MossNotificationCorner *self)
{
  self->box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 8);
  gtk_widget_set_parent (self->box, GTK_WIDGET (self));
}
