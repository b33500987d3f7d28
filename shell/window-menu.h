// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "shell.h"

G_BEGIN_DECLS

MossMenu *moss_window_menu_new (MossShell *shell, MossSandbox *sandbox, MossFrame *frame);
MossMenu *moss_window_menu_new_send (MossShell *shell, MossSandbox *sandbox);

G_END_DECLS
