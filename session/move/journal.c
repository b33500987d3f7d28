/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Policy: an app runs at the source until RELEASED is on the source's disk, and from then on only
 * at the target. The source never goes back from RELEASED, whatever fails. The target never lets
 * it run before it heard "released" from the source, and never gives it up on its own once it has
 * said "restored": only the source's journal decides. */
#include "journal.h"

static const char *const names[] = {
  [MOSS_MOVE_PREPARING] = "preparing", [MOSS_MOVE_FROZEN] = "frozen",
  [MOSS_MOVE_RELEASED] = "released",   [MOSS_MOVE_AWAY] = "away",
  [MOSS_MOVE_ARRIVING] = "arriving",   [MOSS_MOVE_RESTORED] = "restored",
  [MOSS_MOVE_OWNED] = "owned",         [MOSS_MOVE_RUNNING] = "running",
  [MOSS_MOVE_KEPT] = "kept",           [MOSS_MOVE_DROPPED] = "dropped",
};

static MossMoveStep
go (MossMoveState next, gboolean durable, guint actions)
{
  MossMoveStep step = { TRUE, next, durable, actions };

  return step;
}

static MossMoveStep
no (MossMoveState state)
{
  MossMoveStep step = { FALSE, state, FALSE, 0 };

  return step;
}

static MossMoveStep
source_step (MossMoveState state, MossMoveEvent event)
{
  switch (state)
    {
    case MOSS_MOVE_PREPARING:
    case MOSS_MOVE_FROZEN:
      if (event == MOSS_MOVE_EVENT_DUMPED && state == MOSS_MOVE_PREPARING)
        return go (MOSS_MOVE_FROZEN, FALSE, 0);
      if (event == MOSS_MOVE_EVENT_RESTORED && state == MOSS_MOVE_FROZEN)
        return go (MOSS_MOVE_RELEASED, TRUE, MOSS_MOVE_ACTION_TELL_RELEASED);
      if (event == MOSS_MOVE_EVENT_FAILED || event == MOSS_MOVE_EVENT_START)
        return go (MOSS_MOVE_KEPT, FALSE,
                   MOSS_MOVE_ACTION_THAW | MOSS_MOVE_ACTION_TELL_ABORTED);
      return no (state);
    case MOSS_MOVE_RELEASED:
      if (event == MOSS_MOVE_EVENT_ALIVE)
        return go (MOSS_MOVE_AWAY, TRUE, MOSS_MOVE_ACTION_KILL);
      if (event == MOSS_MOVE_EVENT_START)
        return go (MOSS_MOVE_RELEASED, FALSE, MOSS_MOVE_ACTION_TELL_RELEASED);
      return no (state);
    case MOSS_MOVE_AWAY:
      if (event == MOSS_MOVE_EVENT_START || event == MOSS_MOVE_EVENT_ALIVE)
        return go (MOSS_MOVE_AWAY, FALSE, MOSS_MOVE_ACTION_KILL);
      return no (state);
    case MOSS_MOVE_KEPT:
      /* The crash may have come between the journal and the thaw. */
      if (event == MOSS_MOVE_EVENT_START || event == MOSS_MOVE_EVENT_FAILED)
        return go (MOSS_MOVE_KEPT, FALSE, MOSS_MOVE_ACTION_THAW);
      return no (state);
    default:
      return no (state);
    }
}

static MossMoveStep
target_step (MossMoveState state, MossMoveEvent event)
{
  switch (state)
    {
    case MOSS_MOVE_ARRIVING:
      if (event == MOSS_MOVE_EVENT_RESTORED)
        return go (MOSS_MOVE_RESTORED, FALSE, 0);
      /* Our restore failed, so we never said "restored" and the source can't release. */
      if (event == MOSS_MOVE_EVENT_FAILED)
        return go (MOSS_MOVE_DROPPED, FALSE, MOSS_MOVE_ACTION_KILL);
      G_GNUC_FALLTHROUGH;
    case MOSS_MOVE_RESTORED:
      /* After a power cut ARRIVING may be what is left of RESTORED: the source decides. */
      if (event == MOSS_MOVE_EVENT_RELEASED)
        return go (MOSS_MOVE_OWNED, TRUE, MOSS_MOVE_ACTION_RESTORE | MOSS_MOVE_ACTION_THAW);
      if (event == MOSS_MOVE_EVENT_ABORTED)
        return go (MOSS_MOVE_DROPPED, FALSE, MOSS_MOVE_ACTION_KILL);
      if (event == MOSS_MOVE_EVENT_START)
        return go (state, FALSE, MOSS_MOVE_ACTION_ASK);
      return no (state);
    case MOSS_MOVE_OWNED:
      if (event == MOSS_MOVE_EVENT_THAWED)
        return go (MOSS_MOVE_RUNNING, FALSE, 0);
      if (event == MOSS_MOVE_EVENT_START || event == MOSS_MOVE_EVENT_RELEASED)
        return go (MOSS_MOVE_OWNED, FALSE, MOSS_MOVE_ACTION_RESTORE | MOSS_MOVE_ACTION_THAW);
      return no (state);
    case MOSS_MOVE_RUNNING:
      if (event == MOSS_MOVE_EVENT_RELEASED || event == MOSS_MOVE_EVENT_START)
        return go (MOSS_MOVE_RUNNING, FALSE, 0);
      return no (state);
    case MOSS_MOVE_DROPPED:
      if (event == MOSS_MOVE_EVENT_START || event == MOSS_MOVE_EVENT_ABORTED
          || event == MOSS_MOVE_EVENT_FAILED || event == MOSS_MOVE_EVENT_RESTORED)
        return go (MOSS_MOVE_DROPPED, FALSE, MOSS_MOVE_ACTION_KILL);
      return no (state);
    default:
      return no (state);
    }
}

MossMoveStep
moss_move_step (MossMoveState state, MossMoveEvent event)
{
  if (state <= MOSS_MOVE_KEPT)
    return source_step (state, event);
  return target_step (state, event);
}

const char *
moss_move_state_name (MossMoveState state)
{
  return (guint) state < G_N_ELEMENTS (names) ? names[state] : "dropped";
}

gboolean
moss_move_state_parse (const char *name, MossMoveState *state)
{
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_strcmp0 (names[i], name) == 0)
      {
        *state = i;
        return TRUE;
      }
  return FALSE;
}

const char *
moss_move_source_answer (MossMoveState state)
{
  if (state == MOSS_MOVE_RELEASED || state == MOSS_MOVE_AWAY)
    return "released";
  return state == MOSS_MOVE_KEPT ? "aborted" : "moving";
}

gboolean
moss_move_state_is_final (MossMoveState state)
{
  return state == MOSS_MOVE_AWAY || state == MOSS_MOVE_KEPT
         || state == MOSS_MOVE_RUNNING || state == MOSS_MOVE_DROPPED;
}
