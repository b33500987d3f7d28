// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* One function over one file: reads it, has it done by whoever does it best, and writes what came
 * beside the file under a name that isn't taken. Nothing is ever overwritten. */

/* callback: moss_work_run_finish() gives the new file. request: as Possible of the broker names it,
 * "convert(image/png) -> image/webp". Main context. */
void moss_work_run_async (GFile *file, const char *request, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer data);
GFile *moss_work_run_finish (GAsyncResult *result, GError **error);

/* The caps of a file by its type, "image/png"; new. */
char *moss_work_get_caps (GFileInfo *info);
/* What a file is called that has another type now: "a.png" as image/webp is "a.webp"; new. */
char *moss_work_make_name (const char *name, const char *media);

G_END_DECLS
