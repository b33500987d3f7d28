// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "notifications.h"

G_BEGIN_DECLS

#define MOSS_TYPE_NOTIFICATION_CORNER (moss_notification_corner_get_type ())
G_DECLARE_FINAL_TYPE (MossNotificationCorner, moss_notification_corner, MOSS,
                      NOTIFICATION_CORNER, GtkWidget)

void moss_notification_corner_set_model (MossNotificationCorner *self,
                                         MossNotifications *notifications);
void moss_notification_corner_toggle_list (MossNotificationCorner *self);

G_END_DECLS
