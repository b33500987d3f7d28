// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

#define MOSS_TYPE_APPLICATION (moss_application_get_type ())
G_DECLARE_FINAL_TYPE (MossApplication, moss_application, MOSS, APPLICATION, GtkApplication)

MossApplication *moss_application_new (void);

G_END_DECLS
