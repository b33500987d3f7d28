// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "vfs/tree/tree.h"

G_BEGIN_DECLS

/* What a version of a file called so is called below .versions. Free with g_free(). */
char *views_version_name (const char *name, const MossTreeVersion *version);

G_END_DECLS
