// SPDX-License-Identifier: GPL-3.0-or-later
#include "extension.h"

/* What Nautilus calls when it loads an extension (libnautilus-extension 4). */

G_MODULE_EXPORT void
nautilus_module_initialize (GTypeModule *module)
{
  moss_nautilus_register (module);
}

G_MODULE_EXPORT void
nautilus_module_shutdown (void)
{
}

G_MODULE_EXPORT void
nautilus_module_list_types (const GType **types, int *n_types)
{
  static GType type;

  type = moss_nautilus_get_type ();
  *types = &type;
  *n_types = 1;
}
