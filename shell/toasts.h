// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

typedef void (*MossToastFunc) (gpointer data);

#define MOSS_TYPE_TOASTS (moss_toasts_get_type ())
G_DECLARE_FINAL_TYPE (MossToasts, moss_toasts, MOSS, TOASTS, GtkWidget)

void moss_toasts_say (MossToasts *self, const char *text);
void moss_toasts_say_markup (MossToasts *self, const char *key, const char *markup,
                             const char *action, MossToastFunc func, gpointer data,
                             GDestroyNotify destroy);
void moss_toasts_withdraw (MossToasts *self, const char *key);

G_END_DECLS
