// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "shell.h"

G_BEGIN_DECLS

void moss_verbs_run (MossShell *shell, const char *what, GListModel *files);
void moss_verbs_send (MossShell *shell, MossSandbox *sandbox, MossDevice *device);
void moss_verbs_bring (MossShell *shell, MossSandbox *sandbox);
void moss_verbs_cancel (MossShell *shell, MossSandbox *sandbox);
void moss_verbs_snapshot (MossShell *shell, MossSandbox *sandbox);
void moss_verbs_restore (MossShell *shell, MossSandbox *sandbox, const char *snapshot,
                         gboolean copy);
void moss_verbs_close (MossShell *shell, MossSandbox *sandbox, gboolean force);
void moss_verbs_discard (MossShell *shell, MossSandbox *sandbox);
void moss_verbs_tell_away (MossShell *shell, MossSandbox *sandbox);
void moss_verbs_notice (MossShell *shell, const char *id, const char *kind,
                        const char *text, const char *action);

G_END_DECLS
