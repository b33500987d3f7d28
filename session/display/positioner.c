// SPDX-License-Identifier: GPL-3.0-or-later
/* xdg_positioner: the rules of xdg-shell, as a pure function. */
#include "display-private.h"
#include "xdg-shell-server-protocol.h"

enum
{
  SIDE_LEFT = 1,
  SIDE_RIGHT = 2,
  SIDE_TOP = 4,
  SIDE_BOTTOM = 8,
};

/* Anchor and gravity share their numbers. */
static uint32_t
sides (uint32_t value)
{
  static const uint8_t table[] = { 0,
                                   SIDE_TOP,
                                   SIDE_BOTTOM,
                                   SIDE_LEFT,
                                   SIDE_RIGHT,
                                   SIDE_TOP | SIDE_LEFT,
                                   SIDE_BOTTOM | SIDE_LEFT,
                                   SIDE_TOP | SIDE_RIGHT,
                                   SIDE_BOTTOM | SIDE_RIGHT };

  return value < sizeof table ? table[value] : 0;
}

/* One axis: low and high are the bits of its two sides. */
static int32_t
place (int32_t start,
       int32_t length,
       int32_t size,
       uint32_t anchor,
       uint32_t gravity,
       uint32_t low,
       uint32_t high)
{
  int32_t at = anchor & low ? start : anchor & high ? start + length : start + length / 2;

  return gravity & low ? at - size : gravity & high ? at : at - size / 2;
}

static uint32_t
flip (uint32_t bits, uint32_t low, uint32_t high)
{
  uint32_t both = low | high;

  return bits & both ? bits ^ both : bits;
}

typedef struct
{
  int32_t start, length, size, offset; /* anchor rectangle, popup, set_offset */
  uint32_t anchor, gravity, low, high;
  int32_t bound_start, bound_end;
  bool can_flip, can_slide, can_resize;
} Axis;

static bool
fits (const Axis *axis, int32_t at)
{
  return at >= axis->bound_start && (int64_t) at + axis->size <= axis->bound_end;
}

/* Slide towards the gravity first until the far edge is in, then the near edge wins. */
static int32_t
slide (const Axis *axis, int32_t at)
{
  int32_t last = axis->bound_end - axis->size;

  if (axis->gravity & axis->low)
    {
      at = at < axis->bound_start ? axis->bound_start : at;
      return at > last ? (last > axis->bound_start ? last : axis->bound_start) : at;
    }
  at = at > last ? last : at;
  return at < axis->bound_start ? axis->bound_start : at;
}

static int32_t
solve_axis (Axis *axis)
{
  int32_t at = place (axis->start, axis->length, axis->size, axis->anchor, axis->gravity,
                      axis->low, axis->high)
               + axis->offset;

  if (fits (axis, at))
    return at;
  if (axis->can_flip)
    {
      int32_t other
          = place (axis->start, axis->length, axis->size,
                   flip (axis->anchor, axis->low, axis->high),
                   flip (axis->gravity, axis->low, axis->high), axis->low, axis->high)
            - axis->offset;

      if (fits (axis, other))
        return other;
    }
  if (axis->can_slide)
    at = slide (axis, at);
  if (!fits (axis, at) && axis->can_resize)
    {
      int32_t end = at + axis->size;

      at = at < axis->bound_start ? axis->bound_start : at;
      end = end > axis->bound_end ? axis->bound_end : end;
      if (end > at)
        axis->size = end - at;
    }
  return at;
}

MossRect
moss_positioner_solve (const MossPositioner *p, const MossRect *bounds)
{
  static const MossRect everywhere = { -(1 << 20), -(1 << 20), 1 << 21, 1 << 21 };
  const MossRect *b = bounds ? bounds : &everywhere;
  uint32_t anchor = sides (p->anchor), gravity = sides (p->gravity), a = p->adjustment;
  Axis x = { p->anchor_rect.x, p->anchor_rect.width, p->width, p->dx, anchor, gravity,
             SIDE_LEFT, SIDE_RIGHT, b->x, b->x + b->width,
             a & XDG_POSITIONER_CONSTRAINT_ADJUSTMENT_FLIP_X,
             a & XDG_POSITIONER_CONSTRAINT_ADJUSTMENT_SLIDE_X,
             a & XDG_POSITIONER_CONSTRAINT_ADJUSTMENT_RESIZE_X };
  Axis y = { p->anchor_rect.y, p->anchor_rect.height, p->height, p->dy, anchor, gravity,
             SIDE_TOP, SIDE_BOTTOM, b->y, b->y + b->height,
             a & XDG_POSITIONER_CONSTRAINT_ADJUSTMENT_FLIP_Y,
             a & XDG_POSITIONER_CONSTRAINT_ADJUSTMENT_SLIDE_Y,
             a & XDG_POSITIONER_CONSTRAINT_ADJUSTMENT_RESIZE_Y };
  MossRect rect;

  rect.x = solve_axis (&x);
  rect.y = solve_axis (&y);
  rect.width = x.size;
  rect.height = y.size;
  return rect;
}
