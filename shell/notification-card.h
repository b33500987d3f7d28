// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "notifications.h"

G_BEGIN_DECLS

GtkWidget *moss_notification_card_new (MossNotifications *notifications,
                                       MossNotification *notification);

G_END_DECLS
