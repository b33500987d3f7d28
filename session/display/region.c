// SPDX-License-Identifier: GPL-3.0-or-later
#include "display-private.h"

/* ---- regions ------------------------------------------------------------------------- */

void
moss_region_clear (MossRegion *region)
{
  free (region->ops);
  *region = (MossRegion){ 0 };
}

void
moss_region_copy (MossRegion *to, const MossRegion *from)
{
  MossRegionOp *ops = NULL;

  if (from->n)
    {
      ops = malloc (from->n * sizeof *ops);
      if (!ops)
        return;
      memcpy (ops, from->ops, from->n * sizeof *ops);
    }
  free (to->ops);
  *to = (MossRegion){ from->infinite, from->n, ops };
}

/* Beyond the limit additions grow a box over all, subtractions are forgotten: an app with
 * such a region gets more input, never less. */
void
moss_region_add (MossRegion *region, const MossRect *rect, bool subtract)
{
  MossRegionOp *ops;

  if (rect->width <= 0 || rect->height <= 0)
    return;
  if (region->n == MOSS_MAX_REGION)
    {
      MossRegionOp *last = &region->ops[region->n - 1];

      if (!subtract && !last->subtract)
        moss_rect_join (&last->rect, rect);
      else if (!subtract)
        *last = (MossRegionOp){ *rect, false };
      return;
    }
  ops = realloc (region->ops, (region->n + 1) * sizeof *ops);
  if (!ops)
    return;
  region->ops = ops;
  ops[region->n++] = (MossRegionOp){ *rect, subtract };
}

bool
moss_region_contains (const MossRegion *region, double x, double y)
{
  bool in = region->infinite;

  for (unsigned i = 0; i < region->n; i++)
    {
      const MossRect *r = &region->ops[i].rect;

      if (x >= r->x && y >= r->y && x < (double) r->x + r->width
          && y < (double) r->y + r->height)
        in = !region->ops[i].subtract;
    }
  return in;
}

/* Only what is certain: one rectangle over everything, nothing taken away after it. */
bool
moss_region_covers (const MossRegion *region, int32_t width, int32_t height)
{
  MossRect all = { 0, 0, width, height };

  for (unsigned i = region->n; i-- > 0;)
    {
      if (region->ops[i].subtract)
        return false;
      if (moss_rect_covers (&region->ops[i].rect, &all))
        return true;
    }
  return region->infinite && !region->n;
}

bool
moss_region_equal (const MossRegion *a, const MossRegion *b)
{
  return a->infinite == b->infinite && a->n == b->n
         && (a->n == 0 || memcmp (a->ops, b->ops, a->n * sizeof *a->ops) == 0);
}
