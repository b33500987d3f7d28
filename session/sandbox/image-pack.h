/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The image that holds others, of an app with more of them than a message carries descriptors. */
#define MOSS_IMAGE_PACK "packed.img"

/* CRIU's own names: "core-12.img". Nothing that leaves the directory or hides in it. */
gboolean moss_image_name_is_good (const char *name);

/* Puts files of a directory one after the other, behind a table, into a sealed memfd: the caller
 * closes it; −1 on error (MOSS_IMAGE_ERROR). names ends with NULL. Any thread. */
int moss_image_pack (int images_dirfd, const char *const *names, guint64 *size, GError **error);

/* Makes the files of a pack in a directory where none of them is yet. fd is of a file that nobody
 * can change any more, but what is in it may be a stranger's. */
gboolean moss_image_unpack (int fd, guint64 size, int images_dirfd, GError **error);

G_END_DECLS
