// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Registers the extension "moss" of "gio-volume-monitor", which puts /net into sidebars. */
void moss_gio_monitor_register (GIOModule *module);

G_END_DECLS
