// SPDX-License-Identifier: GPL-3.0-or-later
#include "damage.h"

void
moss_damage_clear (MossDamage *damage)
{
  damage->n = 0;
}

void
moss_rect_join (MossRect *to, const MossRect *r)
{
  int32_t right = to->x + to->width > r->x + r->width ? to->x + to->width : r->x + r->width;
  int32_t bottom
      = to->y + to->height > r->y + r->height ? to->y + to->height : r->y + r->height;

  to->x = to->x < r->x ? to->x : r->x;
  to->y = to->y < r->y ? to->y : r->y;
  to->width = right - to->x;
  to->height = bottom - to->y;
}

bool
moss_rect_covers (const MossRect *a, const MossRect *b)
{
  return b->x >= a->x && b->y >= a->y && b->x + b->width <= a->x + a->width
         && b->y + b->height <= a->y + a->height;
}

static void
add_rect (MossDamage *damage, const MossRect *r)
{
  for (unsigned i = 0; i < damage->n; i++)
    {
      if (moss_rect_covers (&damage->rects[i], r))
        return;
      if (moss_rect_covers (r, &damage->rects[i]))
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
    moss_rect_join (&damage->rects[0], &damage->rects[i]);
  moss_rect_join (&damage->rects[0], r);
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
