// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "functions-client.h"

#include <gtk/gtk.h>

G_BEGIN_DECLS

/* MossDropView: what can be done with one file, and how long that would take. Signals: "done"
 * (); "say" (const char *sentence, GFile *made or NULL). */
#define MOSS_TYPE_DROP_VIEW (moss_drop_view_get_type ())
G_DECLARE_FINAL_TYPE (MossDropView, moss_drop_view, MOSS, DROP_VIEW, GtkWidget)

GtkWidget *moss_drop_view_new (MossFunctionsClient *client, GFile *file);
/* Begins with this function at once. */
void moss_drop_view_run (MossDropView *self, const char *request);

G_END_DECLS
