/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Of a machine's features (a{sv} of sandboxd's Hello, may be NULL): the instructions that a program
 * may have found and chosen at its start, and that a target must have too. NULL-terminated
 * strings that belong to features; free with g_ptr_array_unref(); its len counts no NULL. */
GPtrArray *moss_cpu_needed (GVariant *features);

G_END_DECLS
