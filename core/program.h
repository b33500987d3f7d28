// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <glib.h>

G_BEGIN_DECLS

char *moss_program_find (const char *program);

G_END_DECLS
