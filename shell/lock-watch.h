// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "shell.h"

G_BEGIN_DECLS

void moss_lock_watch_start (MossShell *shell);

G_END_DECLS
