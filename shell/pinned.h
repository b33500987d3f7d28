// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <glib.h>

G_BEGIN_DECLS

char **moss_pinned_load (void);
void moss_pinned_toggle (const char *app);

G_END_DECLS
