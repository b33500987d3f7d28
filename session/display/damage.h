// SPDX-License-Identifier: GPL-3.0-or-later
/* A few rectangles that cover what changed: for both ends of the viewer protocol. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define MOSS_MAX_RECTS 16 /* then their bounding box */

typedef struct
{
  int32_t x, y, width, height;
} MossRect;

typedef struct
{
  unsigned n;
  MossRect rects[MOSS_MAX_RECTS];
} MossDamage;

void moss_damage_clear (MossDamage *damage);
/* Clipped to 0,0 width×height. */
void moss_damage_add (MossDamage *damage, int64_t x, int64_t y, int64_t width,
                      int64_t height, int32_t max_width, int32_t max_height);
void moss_damage_all (MossDamage *damage, int32_t width, int32_t height);
void moss_damage_merge (MossDamage *to, const MossDamage *from);
bool moss_rect_covers (const MossRect *a, const MossRect *b);
void moss_rect_join (MossRect *to, const MossRect *r);
