/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The rules of a move, as a pure function: state × event → next state and what is then to be done.
 * Both sides write the next state to their journal before they do anything it allows, so that a
 * crash at any instant finds a state that says what is right. tests/unit/test-journal.c goes
 * through every order of steps, crashes and cuts and checks that at most one copy runs, and
 * exactly one once both sides are up and linked. Only the newest move of a sandbox is acted on.
 *
 * The names of the states are what stands in the journal and in answers to "move.status". */
typedef enum
{
  MOSS_MOVE_PREPARING, /* source: offered, pre-copying; it runs here */
  MOSS_MOVE_FROZEN,    /* source: dumped; it stands still here */
  MOSS_MOVE_RELEASED,  /* source: only the target may run it; durable before anybody hears of it */
  MOSS_MOVE_AWAY,      /* source: it lives there */
  MOSS_MOVE_KEPT,      /* source: the move did not happen; it runs here */
  MOSS_MOVE_ARRIVING,  /* target: accepted */
  MOSS_MOVE_RESTORED,  /* target: its processes exist and stand still */
  MOSS_MOVE_OWNED,     /* target: released to us; it must run here */
  MOSS_MOVE_RUNNING,   /* target: it runs here, or did */
  MOSS_MOVE_DROPPED,   /* target: the move did not happen; nothing of it is here */
} MossMoveState;

typedef enum
{
  MOSS_MOVE_EVENT_START,    /* this session began, or the link came back */
  MOSS_MOVE_EVENT_DUMPED,   /* source: it is frozen and dumped */
  MOSS_MOVE_EVENT_RESTORED, /* source: the target says so; target: it is done */
  MOSS_MOVE_EVENT_RELEASED, /* target: the source says so */
  MOSS_MOVE_EVENT_THAWED,   /* target: it runs */
  MOSS_MOVE_EVENT_ALIVE,    /* source: the target says it runs */
  MOSS_MOVE_EVENT_ABORTED,  /* target: the source says so, or never heard of this move */
  MOSS_MOVE_EVENT_FAILED,   /* either: a step failed, the link broke, or the person cancelled */
} MossMoveEvent;

typedef enum
{
  MOSS_MOVE_ACTION_THAW = 1 << 0,          /* let it run (idempotent) */
  MOSS_MOVE_ACTION_KILL = 1 << 1,          /* kill and remove it here (idempotent) */
  MOSS_MOVE_ACTION_RESTORE = 1 << 2,       /* restore it from the snapshot if it is gone */
  MOSS_MOVE_ACTION_TELL_RELEASED = 1 << 3, /* tell the target, until it answers "alive" */
  MOSS_MOVE_ACTION_TELL_ABORTED = 1 << 4,  /* tell the target once; it would ask anyway */
  MOSS_MOVE_ACTION_ASK = 1 << 5,           /* ask the source, until it answers */
} MossMoveAction;

typedef struct
{
  gboolean allowed;    /* FALSE: this event can't be in this state; nothing changes */
  MossMoveState next;
  gboolean durable;    /* next must be on the disk before the actions */
  guint actions;       /* MossMoveAction bits, after the journal is written */
} MossMoveStep;

MossMoveStep moss_move_step (MossMoveState state, MossMoveEvent event);

/* "preparing", "frozen"… Static. */
const char *moss_move_state_name (MossMoveState state);
/* FALSE when there is no such state. */
gboolean moss_move_state_parse (const char *name, MossMoveState *state);
/* Whether a source in this state answers "aborted", "released" or "moving" to move.status. */
const char *moss_move_source_answer (MossMoveState state);
/* Nothing is left to be done for a move in this state. */
gboolean moss_move_state_is_final (MossMoveState state);

G_END_DECLS
