// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "vfs/files/client.h"

#include <gtk/gtk.h>

G_BEGIN_DECLS

/* MossFilesHeader: how the files on /net are, with progress, above the menu of their tray item.
   It follows what netd says while it stands there. */
#define MOSS_TYPE_FILES_HEADER (moss_files_header_get_type ())
G_DECLARE_FINAL_TYPE (MossFilesHeader, moss_files_header, MOSS, FILES_HEADER, GtkWidget)

GtkWidget *moss_files_header_new (MossFilesClient *client);

G_END_DECLS
