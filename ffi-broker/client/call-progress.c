// SPDX-License-Identifier: LGPL-2.1-or-later
/* How much of a call is done. A provider says it of its own step, as often as it likes and
 * whatever it likes; what is passed on is of the whole call, never less than before, and
 * ten times a second at most. */
#include "client-private.h"

#define PAUSE_US (100 * 1000)

/* From now on a step is under way that is this part of the whole. */
void
moss_ffi_told_part (MossFfiTold *told, double from, double to)
{
  told->from = CLAMP (from, 0, 1);
  told->to = CLAMP (to, told->from, 1);
}

/* A provider says that @fraction of its step is done. TRUE: @told->told is something new
 * that is to be passed on now. */
gboolean
moss_ffi_told_take (MossFfiTold *told, double fraction, gint64 now_us)
{
  double whole;

  if (!(fraction >= 0 && fraction <= 1))
    return FALSE;
  whole = told->from + fraction * (told->to - told->from);
  if (whole <= told->told || (told->told_us > 0 && now_us < told->told_us + PAUSE_US))
    return FALSE;
  told->told = whole;
  told->told_us = now_us;
  return TRUE;
}
