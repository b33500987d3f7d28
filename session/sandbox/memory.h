/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "requests.h"

G_BEGIN_DECLS

/* Copies what a dump of these processes would have to write, pages of zeros left out, into
 * a sealed memfd. Returns it, or -1 with error. The processes may run or be frozen. */
int moss_memory_read (GArray *pids, GError **error);

GVariant *moss_memory_request (MossRequest *request, GError **error);

G_END_DECLS
