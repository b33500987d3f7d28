// SPDX-License-Identifier: LGPL-2.1-or-later
/* Points where the crash suite stops, fails or delays a process. See fault.c. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#ifdef MOSS_FAULTS
gboolean moss_fault (const char *point);
gboolean moss_fault_error (const char *point, GError **error);
#else
#define moss_fault(point) (FALSE)
#define moss_fault_error(point, error) (TRUE)
#endif

G_END_DECLS
