/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "vfs/files/client.h"

G_BEGIN_DECLS

/* The account that libcloudproviders shows in the sidebars of GTK and Nautilus: name, icon and
 * whether it is syncing. Only where the GIO module isn't installed.
 * data/org.moss.cloud-provider.ini says where it is found. */
typedef struct _MossCloud MossCloud;

MossCloud *moss_cloud_new (MossFilesClient *client);
void moss_cloud_free (MossCloud *cloud);

G_END_DECLS
