// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "frame.h"

G_BEGIN_DECLS

/* Where one window was: what the session keeps for the shell, see docs/formats/places.md. */
typedef struct
{
  guint id; /* of the toplevel */
  MossFrameRect rect;
  MossFrameState state;
  gboolean minimized;
  gboolean on_top;
} MossPlace;

GVariant *moss_places_pack (int area_width, int area_height, const MossPlace *places,
                            guint n_places);
gboolean moss_places_find (GVariant *value, guint id, int area_width, int area_height,
                           MossPlace *place);

G_END_DECLS
