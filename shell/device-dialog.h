// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "shell.h"

G_BEGIN_DECLS

void moss_device_dialog_show_this (MossShell *shell);
void moss_device_dialog_show_add (MossShell *shell);
void moss_device_dialog_remove (MossShell *shell, MossDevice *device);

G_END_DECLS
