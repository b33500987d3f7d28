// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-places"

#include "places.h"

#include <math.h>

/* The shell holds no state: where windows are stands with their sandbox in the session and
   travels with it. The value comes back from another device, perhaps from another version
   of Moss: every number is checked, and what makes no sense is as if it were not there. */

#define FORMAT "(ua(uiiiiu)ii)"
#define VERSION 1
#define MAX_SIDE 16384
#define STATE_MASK 0xf
#define MINIMIZED (1 << 4)
#define ON_TOP (1 << 5)

/* (transfer floating) */
GVariant *
moss_places_pack (int area_width, int area_height, const MossPlace *places, guint n_places)
{
  GVariantBuilder windows;

  g_variant_builder_init (&windows, G_VARIANT_TYPE ("a(uiiiiu)"));
  for (guint i = 0; i < n_places; i++)
    {
      const MossPlace *place = &places[i];
      guint flags = place->state | (place->minimized ? MINIMIZED : 0) |
                    (place->on_top ? ON_TOP : 0);

      g_variant_builder_add (&windows, "(uiiiiu)", place->id, place->rect.x, place->rect.y,
                             place->rect.width, place->rect.height, flags);
    }
  return g_variant_new (FORMAT, VERSION, &windows, area_width, area_height);
}

/* The middle of the free room keeps its share; the size stays unless it does not fit. */
static int
rescale (int position, int *size, int old_room, int new_room)
{
  int old_free = old_room - *size;
  double share = old_free > 0 ? position / (double) old_free : 0.5;

  if (old_room == new_room)
    return position;
  *size = MIN (*size, new_room);
  return (int) round (share * (new_room - *size));
}

static gboolean
is_sane (const MossPlace *place)
{
  const MossFrameRect *rect = &place->rect;

  return rect->width > 0 && rect->height > 0 && rect->width <= MAX_SIDE &&
         rect->height <= MAX_SIDE && rect->x >= -MAX_SIDE && rect->x <= MAX_SIDE &&
         rect->y >= -MAX_SIDE && rect->y <= MAX_SIDE &&
         place->state <= MOSS_FRAME_FULLSCREEN;
}

/**
 * moss_places_find:
 * @value: (nullable): what the session kept
 * @id: of the toplevel; 0 takes the first window
 *
 * Returns: FALSE when nothing is known of this window
 */
gboolean
moss_places_find (GVariant *value, guint id, int area_width, int area_height,
                  MossPlace *place)
{
  g_autoptr (GVariantIter) windows = NULL;
  guint version, flags;
  int old_width, old_height;

  if (value == NULL || !g_variant_is_of_type (value, G_VARIANT_TYPE (FORMAT)))
    return FALSE;
  g_variant_get (value, FORMAT, &version, &windows, &old_width, &old_height);
  if (version != VERSION || old_width <= 0 || old_height <= 0 || old_width > MAX_SIDE ||
      old_height > MAX_SIDE)
    return FALSE;
  while (g_variant_iter_next (windows, "(uiiiiu)", &place->id, &place->rect.x,
                              &place->rect.y, &place->rect.width, &place->rect.height,
                              &flags))
    {
      place->state = flags & STATE_MASK;
      place->minimized = (flags & MINIMIZED) != 0;
      place->on_top = (flags & ON_TOP) != 0;
      if ((id != 0 && place->id != id) || !is_sane (place))
        continue;
      place->rect.x = rescale (place->rect.x, &place->rect.width, old_width, area_width);
      place->rect.y = rescale (place->rect.y, &place->rect.height, old_height, area_height);
      return TRUE;
    }
  return FALSE;
}
