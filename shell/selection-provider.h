// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "viewer.h"

#include <gdk/gdk.h>

G_BEGIN_DECLS

#define MOSS_TYPE_SELECTION_PROVIDER (moss_selection_provider_get_type ())
G_DECLARE_FINAL_TYPE (MossSelectionProvider, moss_selection_provider, MOSS,
                      SELECTION_PROVIDER, GdkContentProvider)

GdkContentProvider *moss_selection_provider_new (MossViewer *viewer,
                                                 MossViewerSelection which,
                                                 const char *const *mime_types);
/* What an app drags. */
GdkContentProvider *moss_selection_provider_new_drag (MossViewer *viewer,
                                                      const char *const *mime_types);
MossViewer *moss_selection_provider_get_viewer (MossSelectionProvider *self);

G_END_DECLS
