// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "vfs/files/client.h"

#include <nautilus-extension.h>

G_BEGIN_DECLS

/* MossNautilus: what Nautilus shows of files on /net beside their names: emblems, a column
 * "State", and the verbs "Versions…", "Keep here" and "Send to"; and what any file can be
 * converted to. */
#define MOSS_TYPE_NAUTILUS (moss_nautilus_get_type ())
G_DECLARE_FINAL_TYPE (MossNautilus, moss_nautilus, MOSS, NAUTILUS, GObject)

void moss_nautilus_register (GTypeModule *module);

struct _MossNautilus
{
  GObject parent_instance;

  MossFilesClient *client; /* NULL: there is no session bus */
  GVariant *devices;       /* aa{sv} as Net1 lists them, or NULL */
  guint devices_watch, devices_signal;
  GHashTable *possible; /* media type → aa{sv} as the broker's Possible gives it */
  GPtrArray *pending; /* Update: files that were asked about since the last idle */
  guint idle;
};

/* info.c: NautilusInfoProvider. */
void moss_nautilus_info_iface_init (NautilusInfoProviderInterface *iface);
void moss_nautilus_info_start (MossNautilus *self);
void moss_nautilus_info_stop (MossNautilus *self);

/* menu.c: NautilusMenuProvider. */
void moss_nautilus_menu_iface_init (NautilusMenuProviderInterface *iface);

/* convert.c: (transfer full); NULL: nothing is known of a file of this type (yet). */
NautilusMenuItem *moss_nautilus_make_convert (MossNautilus *self, NautilusFileInfo *file);

/* The path of a file below /net, by its name alone; NULL for any other. Free with g_free(). */
char *moss_nautilus_path_of (NautilusFileInfo *file);

G_END_DECLS
