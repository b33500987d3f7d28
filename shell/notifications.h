// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

typedef enum
{
  MOSS_NOTIFICATION_EXPIRED = 1,
  MOSS_NOTIFICATION_DISMISSED = 2,
  MOSS_NOTIFICATION_CLOSED = 3,
} MossNotificationReason;

#define MOSS_TYPE_NOTIFICATION (moss_notification_get_type ())
G_DECLARE_FINAL_TYPE (MossNotification, moss_notification, MOSS, NOTIFICATION, GObject)

/* Read-only outside notifications.c. */
struct _MossNotification
{
  GObject parent_instance;

  guint id;
  char *sender; /* bus name */
  char *app;
  char *icon;
  char *summary;
  char *body;     /* safe Pango markup */
  char **actions; /* key, label, key, label, … */
  guint urgency;  /* 0 low, 1 normal, 2 critical */
  int timeout_ms; /* 0: until dismissed */
  gboolean resident;
  gboolean transient;
};

#define MOSS_TYPE_NOTIFICATIONS (moss_notifications_get_type ())
G_DECLARE_FINAL_TYPE (MossNotifications, moss_notifications, MOSS, NOTIFICATIONS, GObject)

MossNotifications *moss_notifications_new (GDBusConnection *bus);
GListModel *moss_notifications_get_list (MossNotifications *self);
void moss_notifications_close (MossNotifications *self, MossNotification *notification,
                               MossNotificationReason reason);
void moss_notifications_invoke (MossNotifications *self, MossNotification *notification,
                                const char *action);
char *moss_notification_clean_markup (const char *body);

G_END_DECLS
