// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "shell.h"

G_BEGIN_DECLS

void moss_save_out_show (MossShell *shell, MossSandbox *sandbox);

G_END_DECLS
