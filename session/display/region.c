// SPDX-License-Identifier: GPL-3.0-or-later
#include "display-private.h"

#include <math.h>

void
moss_damage_clear (MossDamage *damage)
{
  damage->n = 0;
}

static void
join (MossRect *to, const MossRect *r)
{
  int32_t right = to->x + to->width > r->x + r->width ? to->x + to->width : r->x + r->width;
  int32_t bottom
      = to->y + to->height > r->y + r->height ? to->y + to->height : r->y + r->height;

  to->x = to->x < r->x ? to->x : r->x;
  to->y = to->y < r->y ? to->y : r->y;
  to->width = right - to->x;
  to->height = bottom - to->y;
}

static bool
covers (const MossRect *a, const MossRect *b)
{
  return b->x >= a->x && b->y >= a->y && b->x + b->width <= a->x + a->width
         && b->y + b->height <= a->y + a->height;
}

static void
add_rect (MossDamage *damage, const MossRect *r)
{
  for (unsigned i = 0; i < damage->n; i++)
    {
      if (covers (&damage->rects[i], r))
        return;
      if (covers (r, &damage->rects[i]))
        {
          damage->rects[i] = *r;
          return;
        }
    }
  if (damage->n < MOSS_MAX_RECTS)
    {
      damage->rects[damage->n++] = *r;
      return;
    }
  for (unsigned i = 1; i < damage->n; i++)
    join (&damage->rects[0], &damage->rects[i]);
  join (&damage->rects[0], r);
  damage->n = 1;
}

void
moss_damage_add (MossDamage *damage,
                 int64_t x,
                 int64_t y,
                 int64_t width,
                 int64_t height,
                 int32_t max_width,
                 int32_t max_height)
{
  int64_t right = x + width, bottom = y + height;
  MossRect r;

  x = x < 0 ? 0 : x;
  y = y < 0 ? 0 : y;
  right = right > max_width ? max_width : right;
  bottom = bottom > max_height ? max_height : bottom;
  if (right <= x || bottom <= y)
    return;
  r = (MossRect){ x, y, right - x, bottom - y };
  add_rect (damage, &r);
}

void
moss_damage_all (MossDamage *damage, int32_t width, int32_t height)
{
  damage->n = 1;
  damage->rects[0] = (MossRect){ 0, 0, width, height };
}

void
moss_damage_merge (MossDamage *to, const MossDamage *from)
{
  for (unsigned i = 0; i < from->n; i++)
    add_rect (to, &from->rects[i]);
}

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
        join (&last->rect, rect);
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
      if (covers (&region->ops[i].rect, &all))
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
