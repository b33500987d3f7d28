/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "requests.h"

G_BEGIN_DECLS

GVariant *moss_files_list (MossRequest *request, GError **error);
GVariant *moss_files_read (MossRequest *request, GError **error);
GVariant *moss_files_write (MossRequest *request, GError **error);

/* A name of one component that may be given to a new file. Pure. */
gboolean moss_files_name_is_valid (const char *name);

G_END_DECLS
