// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "functions-client.h"

#include <gtk/gtk.h>

G_BEGIN_DECLS

/* MossRunningList: the calls that run now, each with the time left and Cancel. Hidden without. */
#define MOSS_TYPE_RUNNING_LIST (moss_running_list_get_type ())
G_DECLARE_FINAL_TYPE (MossRunningList, moss_running_list, MOSS, RUNNING_LIST, GtkWidget)

GtkWidget *moss_running_list_new (MossFunctionsClient *client);

G_END_DECLS
