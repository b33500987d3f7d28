// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

#define MOSS_TYPE_CLOCK (moss_clock_get_type ())
G_DECLARE_FINAL_TYPE (MossClock, moss_clock, MOSS, CLOCK, GtkWidget)

G_END_DECLS
