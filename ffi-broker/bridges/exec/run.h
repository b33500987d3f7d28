// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

gboolean exec_run (const char *program, char *const argv[], int input, int output,
                   GCancellable *cancellable, GError **error);

G_END_DECLS
