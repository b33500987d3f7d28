// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <gdk/gdk.h>

G_BEGIN_DECLS

/* Pours input into a pipe's writing end and closes both; a reader that goes away early is no
   fault of anybody. input: (transfer full), fd: taken over. */
void moss_transfer_pour (GInputStream *input, int fd);

/* (transfer full): at most 64 MIME types that can be had, NULL-terminated; they belong to
   the formats that are returned in all (transfer full). */
GPtrArray *moss_transfer_types (GdkContentFormats *formats, GdkContentFormats **all);

G_END_DECLS
