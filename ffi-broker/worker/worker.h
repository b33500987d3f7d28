// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

gboolean worker_confine (const char *modules, const char *manifest, const char *program,
                         GError **error);

G_END_DECLS
