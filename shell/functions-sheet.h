// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "shell.h"

G_BEGIN_DECLS

/* The launcher's entry for it: what others start as a program is a sheet here. */
#define MOSS_FUNCTIONS_APP "org.moss.Functions.desktop"

void moss_functions_sheet_show (MossShell *shell);

G_END_DECLS
