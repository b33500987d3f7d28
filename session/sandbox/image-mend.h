/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Corrects, in images that were checked, what CRIU would restore wrongly; see image-mend.c. Errors
 * are of MOSS_IMAGE_ERROR. Any thread. */
gboolean moss_image_mend (int images_dirfd, GError **error);

G_END_DECLS
