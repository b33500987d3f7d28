// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-notification-card"

#include "notification-card.h"

#include "app-icon.h"

#include <glib/gi18n.h>
#include <string.h>

/* One notification as a card: icon, who, what, and what can be done about it. The same for
   the corner of the screen and for the list. */

typedef struct
{
  MossNotifications *notifications;
  MossNotification *notification;
} Card;

static void
card_free (gpointer data)
{
  Card *card = data;

  g_object_unref (card->notifications);
  g_object_unref (card->notification);
  g_free (card);
}

static void
on_close_clicked (GtkButton *button, Card *card)
{
  g_autoptr (MossNotification) keep = g_object_ref (card->notification);

  moss_notifications_close (card->notifications, keep, MOSS_NOTIFICATION_DISMISSED);
}

static void
on_action_clicked (GtkButton *button, Card *card)
{
  g_autoptr (MossNotification) keep = g_object_ref (card->notification);
  g_autofree char *key = g_strdup (g_object_get_data (G_OBJECT (button), "key"));

  moss_notifications_invoke (card->notifications, keep, key);
}

static const char *
find_default_action (MossNotification *notification)
{
  for (guint i = 0; notification->actions[i] != NULL; i += 2)
    if (strcmp (notification->actions[i], "default") == 0)
      return notification->actions[i];
  return NULL;
}

static void
on_card_clicked (GtkGestureClick *gesture, int n, double x, double y, Card *card)
{
  g_autoptr (MossNotification) keep = g_object_ref (card->notification);

  if (find_default_action (keep) != NULL)
    moss_notifications_invoke (card->notifications, keep, "default");
}

static GtkWidget *
make_label (const char *text, gboolean markup, int lines)
{
  GtkWidget *label = gtk_label_new (NULL);

  if (markup)
    gtk_label_set_markup (GTK_LABEL (label), text);
  else
    gtk_label_set_label (GTK_LABEL (label), text);
  gtk_label_set_xalign (GTK_LABEL (label), 0);
  gtk_label_set_wrap (GTK_LABEL (label), TRUE);
  gtk_label_set_wrap_mode (GTK_LABEL (label), PANGO_WRAP_WORD_CHAR);
  gtk_label_set_ellipsize (GTK_LABEL (label), PANGO_ELLIPSIZE_END);
  gtk_label_set_lines (GTK_LABEL (label), lines);
  gtk_label_set_max_width_chars (GTK_LABEL (label), 36);
  return label;
}

static GtkWidget *
make_head (Card *card)
{
  MossNotification *notification = card->notification;
  GtkWidget *head = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 8);
  GtkWidget *icon = moss_app_icon_new (24);
  GtkWidget *name = make_label (*notification->app != '\0' ? notification->app : "Moss",
                                FALSE, 1);
  GtkWidget *close = gtk_button_new_from_icon_name ("moss-close-symbolic");

  if (g_path_is_absolute (notification->icon))
    {
      g_autoptr (GFile) file = g_file_new_for_path (notification->icon);
      g_autoptr (GIcon) picture = g_file_icon_new (file);
      moss_app_icon_set_gicon (MOSS_APP_ICON (icon), picture, notification->app);
    }
  else
    moss_app_icon_set_app (MOSS_APP_ICON (icon), NULL, notification->icon,
                           notification->app);
  gtk_widget_set_css_classes (name, (const char *[]){ "small", "muted", NULL });
  gtk_widget_set_hexpand (name, TRUE);
  gtk_widget_add_css_class (close, "small-close");
  gtk_accessible_update_property (GTK_ACCESSIBLE (close), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _("Dismiss"), -1);
  g_signal_connect (close, "clicked", G_CALLBACK (on_close_clicked), card);
  gtk_box_append (GTK_BOX (head), icon);
  gtk_box_append (GTK_BOX (head), name);
  gtk_box_append (GTK_BOX (head), close);
  return head;
}

static GtkWidget *
make_actions (Card *card)
{
  GtkWidget *row = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 8);
  char **actions = card->notification->actions;
  guint n = 0;

  for (guint i = 0; actions[i] != NULL; i += 2)
    {
      GtkWidget *button;

      if (strcmp (actions[i], "default") == 0)
        continue;
      button = gtk_button_new_with_label (actions[i + 1]);
      gtk_widget_add_css_class (button, "tinted");
      g_object_set_data_full (G_OBJECT (button), "key", g_strdup (actions[i]), g_free);
      g_signal_connect (button, "clicked", G_CALLBACK (on_action_clicked), card);
      gtk_box_append (GTK_BOX (row), button);
      n++;
    }
  gtk_widget_set_visible (row, n > 0);
  gtk_widget_set_margin_top (row, 4);
  return row;
}

/* (transfer floating) */
GtkWidget *
moss_notification_card_new (MossNotifications *notifications,
                            MossNotification *notification)
{
  GtkWidget *box = g_object_new (GTK_TYPE_BOX, "orientation", GTK_ORIENTATION_VERTICAL,
                                 "spacing", 4, "accessible-role", GTK_ACCESSIBLE_ROLE_ALERT,
                                 NULL);
  GtkGesture *click = gtk_gesture_click_new ();
  GtkWidget *summary = make_label (notification->summary, FALSE, 2);
  Card *card = g_new0 (Card, 1);

  card->notifications = g_object_ref (notifications);
  card->notification = g_object_ref (notification);
  g_object_set_data_full (G_OBJECT (box), "card", card, card_free);
  g_object_set_data (G_OBJECT (box), "notification", notification);
  gtk_widget_add_css_class (box, "notification");
  if (notification->urgency == 2)
    gtk_widget_add_css_class (box, "critical");
  gtk_widget_set_size_request (box, 320, -1);
  gtk_widget_add_css_class (summary, "strong");
  gtk_box_append (GTK_BOX (box), make_head (card));
  gtk_box_append (GTK_BOX (box), summary);
  if (*notification->body != '\0')
    gtk_box_append (GTK_BOX (box), make_label (notification->body, TRUE, 5));
  gtk_box_append (GTK_BOX (box), make_actions (card));
  gtk_accessible_update_property (GTK_ACCESSIBLE (box), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  notification->summary, -1);
  g_signal_connect (click, "released", G_CALLBACK (on_card_clicked), card);
  gtk_widget_add_controller (box, GTK_EVENT_CONTROLLER (click));
  return box;
}
