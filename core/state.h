// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

char *moss_state_dir (const char *chosen, const char *part, GError **error);

G_END_DECLS
