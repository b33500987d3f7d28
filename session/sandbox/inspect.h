/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "requests.h"

G_BEGIN_DECLS

GVariant *moss_inspect_request (MossRequest *request, GError **error);

/* What keeps a process from travelling when a descriptor of it leads to link, the text of
 * /proc/PID/fd/N; NULL when nothing does. Free with g_free(). Pure. */
char *moss_inspect_judge_link (const char *name, const char *link);

G_END_DECLS
