// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <glib.h>

G_BEGIN_DECLS

char *moss_format_duration_ms (guint milliseconds);
char *moss_format_bytes (guint64 bytes);
char *moss_format_fingerprint (const char *hex);
char *moss_format_time (gint64 time_us, gint64 now_us);
char *moss_format_snapshot (const char *label, gint64 time_us);
char *moss_format_error (const GError *error);
char *moss_format_app_name (const char *name, const char *app);

G_END_DECLS
