/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every world that a move can get into: two machines, each with a journal (what is in memory and
 * what is on its disk), the app's processes, what is still to be done, and the messages under way.
 * From the start all worlds are reached that steps, lost messages, killed sessions and power cuts
 * can make, in any order and number. In each at most one copy runs; and from each, once both
 * machines are up and linked and nothing fails any more, exactly one side has it. */
#include "session/move/journal.h"

#include <string.h>

enum { RUNS, STILL, GONE };

enum
{
  MESSAGE_MANIFEST = 1 << 0,
  MESSAGE_RESTORED = 1 << 1,
  MESSAGE_RELEASED = 1 << 2,
  MESSAGE_ALIVE = 1 << 3,
  MESSAGE_ABORTED = 1 << 4,
  MESSAGE_ASK = 1 << 5,
};

/* What is still to be done after the actions of a step; beside the bits of MossMoveAction. */
enum { SAY_RESTORED = 1 << 6 };

typedef struct
{
  guint8 state, disk; /* MossMoveState: journal as written, journal as synced */
  guint8 app;
  guint8 todo;        /* action bits, lost in a crash */
  guint8 up;
  guint8 busy;        /* target: this session is at work on a manifest */
} Side;

typedef struct
{
  Side source, target;
  guint8 messages;
  guint8 power_cut; /* one happened: the app may have to start from its snapshot */
} World;

static GHashTable *seen;
static GQueue *open_worlds;
static guint64 n_steps;

static guint
world_hash (gconstpointer data)
{
  const guint8 *bytes = data;
  guint hash = 5381;

  for (guint i = 0; i < sizeof (World); i++)
    hash = hash * 33 + bytes[i];
  return hash;
}

static gboolean
world_equal (gconstpointer a, gconstpointer b)
{
  return memcmp (a, b, sizeof (World)) == 0;
}

static void
reach (World world)
{
  World *copy;

  n_steps++;
  g_assert_false (world.source.app == RUNS && world.target.app == RUNS);
  if (g_hash_table_contains (seen, &world))
    return;
  copy = g_memdup2 (&world, sizeof world);
  g_hash_table_add (seen, copy);
  g_queue_push_tail (open_worlds, copy);
}

static gboolean
step (Side *side, MossMoveEvent event)
{
  MossMoveStep result = moss_move_step (side->state, event);

  if (!result.allowed)
    return FALSE;
  side->state = result.next;
  if (result.durable)
    side->disk = result.next;
  side->todo |= result.actions;
  return TRUE;
}

/* One action of a side, the lowest bit first but RESTORE before THAW. */
static void
act (World *world, Side *side)
{
  guint todo = side->todo;

  if (todo & MOSS_MOVE_ACTION_RESTORE)
    {
      side->todo &= ~MOSS_MOVE_ACTION_RESTORE;
      if (side->app == GONE)
        side->app = STILL;
    }
  else if (todo & MOSS_MOVE_ACTION_THAW)
    {
      side->todo &= ~MOSS_MOVE_ACTION_THAW;
      if (side->app == STILL)
        side->app = RUNS;
      if (step (side, MOSS_MOVE_EVENT_THAWED))
        world->messages |= MESSAGE_ALIVE;
    }
  else if (todo & MOSS_MOVE_ACTION_KILL)
    {
      side->todo &= ~MOSS_MOVE_ACTION_KILL;
      side->app = GONE;
    }
  else if (todo & MOSS_MOVE_ACTION_TELL_RELEASED)
    {
      side->todo &= ~MOSS_MOVE_ACTION_TELL_RELEASED;
      world->messages |= MESSAGE_RELEASED;
    }
  else if (todo & MOSS_MOVE_ACTION_TELL_ABORTED)
    {
      side->todo &= ~MOSS_MOVE_ACTION_TELL_ABORTED;
      world->messages |= MESSAGE_ABORTED;
    }
  else if (todo & MOSS_MOVE_ACTION_ASK)
    {
      side->todo &= ~MOSS_MOVE_ACTION_ASK;
      world->messages |= MESSAGE_ASK;
    }
  else if (todo & SAY_RESTORED)
    {
      side->todo &= ~SAY_RESTORED;
      world->messages |= MESSAGE_RESTORED;
    }
}

static void
deliver_to_source (World *world, guint message)
{
  Side *source = &world->source;

  if (message == MESSAGE_RESTORED)
    step (source, MOSS_MOVE_EVENT_RESTORED);
  else if (message == MESSAGE_ALIVE)
    step (source, MOSS_MOVE_EVENT_ALIVE);
  else if (g_str_equal (moss_move_source_answer (source->state), "released"))
    world->messages |= MESSAGE_RELEASED;
  else if (g_str_equal (moss_move_source_answer (source->state), "aborted"))
    world->messages |= MESSAGE_ABORTED;
}

static void
deliver_to_target (World *world, guint message)
{
  Side *target = &world->target;

  if (message == MESSAGE_MANIFEST)
    target->busy = target->state == MOSS_MOVE_ARRIVING;
  else if (message == MESSAGE_ABORTED)
    step (target, MOSS_MOVE_EVENT_ABORTED);
  else if (step (target, MOSS_MOVE_EVENT_RELEASED) && target->state == MOSS_MOVE_RUNNING)
    world->messages |= MESSAGE_ALIVE;
}

static gboolean
for_source (guint message)
{
  return message & (MESSAGE_RESTORED | MESSAGE_ALIVE | MESSAGE_ASK);
}

static void
deliver (World *world, guint message)
{
  Side *side = for_source (message) ? &world->source : &world->target;

  world->messages &= ~message;
  if (!side->up)
    return;
  if (side == &world->source)
    deliver_to_source (world, message);
  else
    deliver_to_target (world, message);
}

static void
explore_messages (const World *world)
{
  for (guint message = 1; message <= MESSAGE_ASK; message <<= 1)
    {
      World lost = *world, got = *world;

      if (!(world->messages & message))
        continue;
      lost.messages &= ~message;
      reach (lost);
      deliver (&got, message);
      reach (got);
    }
}

static void
explore_faults (const World *world, gsize offset)
{
  World killed = *world, cut = *world;
  Side *side = (Side *) ((guint8 *) &killed + offset);
  Side *cut_side = (Side *) ((guint8 *) &cut + offset);

  side->up = side->todo = side->busy = 0;
  reach (killed);
  cut_side->up = cut_side->todo = cut_side->busy = 0;
  cut_side->app = GONE;
  cut.power_cut = TRUE;
  reach (cut); /* what was written came to the disk by luck */
  cut_side->state = cut_side->disk;
  reach (cut);
}

static void
explore_source (const World *world)
{
  World next = *world;

  if (!world->source.up)
    {
      next.source.up = TRUE;
      step (&next.source, MOSS_MOVE_EVENT_START);
      reach (next);
      return;
    }
  if (world->source.todo)
    {
      act (&next, &next.source);
      reach (next);
      return;
    }
  if (world->source.state == MOSS_MOVE_PREPARING)
    {
      if (world->source.app == RUNS)
        next.source.app = STILL;
      else if (world->source.app == STILL && step (&next.source, MOSS_MOVE_EVENT_DUMPED))
        next.messages |= MESSAGE_MANIFEST;
      reach (next);
    }
  next = *world;
  if (world->source.state <= MOSS_MOVE_FROZEN && step (&next.source, MOSS_MOVE_EVENT_FAILED))
    reach (next);
  next = *world;
  if (world->source.state == MOSS_MOVE_RELEASED && step (&next.source, MOSS_MOVE_EVENT_START))
    reach (next);
}

static void
go_on_restoring (Side *target)
{
  if (target->app == GONE)
    {
      target->app = STILL;
      return;
    }
  target->busy = FALSE;
  if (step (target, MOSS_MOVE_EVENT_RESTORED) && target->state == MOSS_MOVE_RESTORED)
    target->todo |= SAY_RESTORED;
}

static void
explore_target (const World *world)
{
  World next = *world;

  if (!world->target.up)
    {
      next.target.up = TRUE;
      step (&next.target, MOSS_MOVE_EVENT_START);
      reach (next);
      return;
    }
  if (world->target.todo)
    {
      act (&next, &next.target);
      reach (next);
      return;
    }
  if (world->target.busy)
    {
      next.target.busy = FALSE;
      if (step (&next.target, MOSS_MOVE_EVENT_FAILED))
        reach (next);
      next = *world;
      go_on_restoring (&next.target);
      reach (next);
    }
  next = *world;
  if (!moss_move_state_is_final (world->target.state)
      && step (&next.target, MOSS_MOVE_EVENT_START))
    reach (next);
}

/* Both up, linked, and nothing fails any more. */
static void
settle (World *world)
{
  for (guint round = 0; round < 50; round++)
    {
      Side *sides[] = { &world->source, &world->target };

      for (guint i = 0; i < 2; i++)
        {
          if (!sides[i]->up || (round % 5 == 4 && !moss_move_state_is_final (sides[i]->state)))
            {
              sides[i]->up = TRUE;
              step (sides[i], MOSS_MOVE_EVENT_START);
            }
          while (sides[i]->busy)
            go_on_restoring (sides[i]);
          while (sides[i]->todo)
            act (world, sides[i]);
        }
      while (world->messages)
        deliver (world, world->messages & -world->messages);
    }
}

static void
check_settled (const World *before)
{
  World world = *before;
  gboolean source_has, target_has;

  settle (&world);
  source_has = world.source.state == MOSS_MOVE_KEPT;
  target_has = world.target.state == MOSS_MOVE_RUNNING;
  g_assert_true (source_has || world.source.state == MOSS_MOVE_AWAY);
  g_assert_true (target_has || world.target.state == MOSS_MOVE_DROPPED);
  g_assert_true (source_has != target_has);
  g_assert_cmpint (source_has ? world.target.app : world.source.app, ==, GONE);
  if (!world.power_cut)
    g_assert_cmpint (source_has ? world.source.app : world.target.app, ==, RUNS);
}

static void
test_every_world (void)
{
  World start;
  World *world;

  memset (&start, 0, sizeof start);
  start.source = (Side) { MOSS_MOVE_PREPARING, MOSS_MOVE_PREPARING, RUNS, 0, TRUE, FALSE };
  start.target = (Side) { MOSS_MOVE_ARRIVING, MOSS_MOVE_ARRIVING, GONE, 0, TRUE, FALSE };
  seen = g_hash_table_new_full (world_hash, world_equal, g_free, NULL);
  open_worlds = g_queue_new ();
  reach (start);
  while ((world = g_queue_pop_head (open_worlds)) != NULL)
    {
      explore_messages (world);
      explore_source (world);
      explore_target (world);
      explore_faults (world, G_STRUCT_OFFSET (World, source));
      explore_faults (world, G_STRUCT_OFFSET (World, target));
      check_settled (world);
    }
  g_test_message ("%u worlds by %" G_GUINT64_FORMAT " steps", g_hash_table_size (seen), n_steps);
  g_assert_cmpuint (g_hash_table_size (seen), >, 1000);
  g_queue_free (open_worlds);
  g_hash_table_unref (seen);
}

static void
test_never_back_from_released (void)
{
  for (MossMoveEvent event = MOSS_MOVE_EVENT_START; event <= MOSS_MOVE_EVENT_FAILED; event++)
    {
      MossMoveStep result = moss_move_step (MOSS_MOVE_RELEASED, event);

      g_assert_false (result.actions & MOSS_MOVE_ACTION_THAW);
      g_assert_true (result.next == MOSS_MOVE_RELEASED || result.next == MOSS_MOVE_AWAY);
    }
}

static void
test_names (void)
{
  for (MossMoveState state = 0; state <= MOSS_MOVE_DROPPED; state++)
    {
      MossMoveState back;

      g_assert_true (moss_move_state_parse (moss_move_state_name (state), &back));
      g_assert_cmpint (back, ==, state);
    }
  g_assert_false (moss_move_state_parse ("unheard-of", &(MossMoveState) { 0 }));
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/journal/every-world", test_every_world);
  g_test_add_func ("/journal/never-back-from-released", test_never_back_from_released);
  g_test_add_func ("/journal/names", test_names);
  return g_test_run ();
}
