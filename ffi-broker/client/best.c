// SPDX-License-Identifier: LGPL-2.1-or-later
/* Hot code must not wait: the broker is looked for in a thread, the clock is read once in
 * 256 calls of a small size, and what others would cost stands in the table (they are
 * measured by the broker, never by us on somebody's data). What the own routine costs is
 * told the broker once a second for a size. Whatever goes wrong with another, the own
 * routine does it. */
#include "best.h"

#include "client-private.h"
#include "ffi-broker/market/choice.h"
#include "own.h"

#include <math.h>
#include <string.h>

#define UNASKED 256   /* calls between two looks, for what takes no time */
#define LOOK_US 200.0 /* what takes longer is looked at each time */
#define BETTER 0.9    /* another must be this much better */
#define FIND_US 2e6   /* between two looks for a broker that went away */
#define WEIGHT 0.25   /* of a new measurement */
#define TELL_US 1e6   /* between two reports of a size */
#define PAUSE_US 10e6 /* nobody else is asked for that long after a failure */
#define FORGET_US 30e6 /* in which a disappointment counts half */
#define MOST_TIMES 1e4

typedef struct
{
  GMutex lock;     /* of what follows */
  double start_us; /* when the broker is to be looked for (again) */
  gboolean finding;
  GCond found;
  MossFfiClient *client;
  MossFfiSession *session; /* on which the own routine is announced */
  guint offer;             /* as what; 0: the broker doesn't want it */
  MossFfiCapability *request;
  char *in_caps;
  MossFfiTable *table; /* that the candidates are of */
  MossFfiCandidates candidates;
  double own_us[MOSS_FFI_BEST_SIZES];  /* smoothed; 0: not measured */
  double told_us[MOSS_FFI_BEST_SIZES]; /* when */
  double times;  /* what a call of another takes here, by what was predicted of it */
  double seen_us; /* when that was */
  double pause_us; /* until then nobody else is asked */
  gboolean other[MOSS_FFI_BEST_SIZES];
} State;

static guint
size_of (gsize bytes)
{
  return 63 - __builtin_clzll ((unsigned long long)bytes | 1);
}

static double
now_us (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

static void
prepare (State *state, const char *capability)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MossFfiCaps) fixed = NULL;

  g_mutex_init (&state->lock);
  g_cond_init (&state->found);
  state->times = 1;
  state->request = moss_ffi_capability_parse (capability, &error);
  if (state->request == NULL || state->request->inputs->len != 1)
    {
      g_warning ("“%s” can't be asked of others: %s", capability,
                 error ? error->message : "it hasn't one input");
      return;
    }
  fixed = moss_ffi_caps_fixate (moss_ffi_capability_get_input (state->request, 0));
  state->in_caps = g_strdup (moss_ffi_caps_get_text (fixed));
}

/* Lives as long as the process, as its static handle does. */
static State *
get_state (MossFfiBest *best)
{
  if (g_once_init_enter (&best->state))
    {
      State *state = g_new0 (State, 1);

      prepare (state, best->capability);
      g_once_init_leave (&best->state, state);
    }
  return best->state;
}

/* The connection to the broker, if there is one now. Transfer full. */
static MossFfiSession *
peek_session (State *state)
{
  return state->client ? moss_ffi_client_peek_session (state->client) : NULL;
}

static gpointer
find_broker (gpointer data)
{
  MossFfiBest *best = data;
  State *state = best->state;
  MossFfiClient *client = moss_ffi_client_get_default (NULL);
  g_autoptr (MossFfiSession) session
      = client ? moss_ffi_client_get_session (client, NULL) : NULL;
  g_autoptr (GError) error = NULL;
  guint offer = session ? moss_ffi_own_announce (session, best->capability, best->own,
                                                 &error)
                        : 0;

  if (error)
    g_message ("The function broker refuses “%s”: %s", best->capability, error->message);
  g_mutex_lock (&state->lock);
  if (client)
    state->client = client;
  if (session)
    {
      g_clear_pointer (&state->session, moss_ffi_session_unref);
      state->session = g_steal_pointer (&session);
    }
  state->offer = offer;
  state->finding = FALSE;
  state->start_us = state->client
                        ? now_us () + FIND_US
                        : INFINITY; /* who never was there is not looked for again */
  g_cond_broadcast (&state->found);
  g_mutex_unlock (&state->lock);
  return NULL;
}

static void
start_finding (MossFfiBest *best, State *state, double now)
{
  g_autoptr (MossFfiSession) session = peek_session (state);

  if ((session != NULL && session == state->session) || state->finding
      || state->in_caps == NULL || now < state->start_us)
    return;
  state->finding = TRUE;
  state->start_us = now + FIND_US;
  g_thread_unref (g_thread_new ("moss-ffi-find", find_broker, best));
}

/* Waits until the broker is found or known not to be there: for tests and benchmarks. */
void
moss_ffi_best_wait_ready (MossFfiBest *best)
{
  State *state = get_state (best);

  g_mutex_lock (&state->lock);
  start_finding (best, state, now_us ());
  while (state->finding)
    g_cond_wait (&state->found, &state->lock);
  g_mutex_unlock (&state->lock);
}

/* What is left of the disappointment now. */
static double
times_at (State *state, double now)
{
  return pow (state->times, exp2 ((state->seen_us - now) / FORGET_US));
}

/* What the best other one would take for @bytes; infinite when there is none. */
static double
others_us (State *state, gsize bytes, double now)
{
  g_autoptr (MossFfiSession) session = peek_session (state);
  g_autoptr (MossFfiTable) table = session ? moss_ffi_session_get_table (session) : NULL;
  MossFfiWants wants = { 0 };
  float predicted_us;

  if (table == NULL || now < state->pause_us)
    return INFINITY;
  if (table != state->table)
    {
      g_clear_pointer (&state->table, moss_ffi_table_unref);
      state->table = moss_ffi_table_ref (table);
      if (!moss_ffi_resolve (table, state->request, &wants, &state->candidates, NULL))
        state->candidates.n = 0;
    }
  if (moss_ffi_choose (table, &state->candidates, bytes, &predicted_us)
          == MOSS_FFI_NO_OFFER
      || isnan (predicted_us))
    return INFINITY;
  return predicted_us * times_at (state, now);
}

/* What a call of the own one took, for people and for the next process; nothing to tell
 * is NULL. */
static MossFfiSession *
take_turn_to_tell (State *state, guint size, double now)
{
  if (state->offer == 0 || now < state->told_us[size] + TELL_US)
    return NULL;
  state->told_us[size] = now;
  return moss_ffi_session_ref (state->session);
}

static gsize
run_own (MossFfiBest *best,
         State *state,
         gconstpointer in,
         gsize bytes,
         gpointer out,
         gsize room)
{
  g_autoptr (MossFfiSession) session = NULL;
  guint size = size_of (bytes), offer;
  double began = now_us (), ended;
  gsize written = best->own (in, bytes, out, room);

  ended = now_us ();
  g_mutex_lock (&state->lock);
  state->own_us[size] = moss_ffi_smooth (state->own_us[size], ended - began, WEIGHT);
  if (state->own_us[size] < LOOK_US)
    __atomic_store_n (&best->unasked[size], UNASKED, __ATOMIC_RELAXED);
  session = take_turn_to_tell (state, size, ended);
  offer = state->offer;
  g_mutex_unlock (&state->lock);
  if (session)
    moss_ffi_own_report (session, offer, bytes, written, ended - began);
  return written;
}

/* @off: what it took by what was expected; 0: it failed. */
static void
learn_times (State *state, double off, double ended)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&state->lock);
  double times = times_at (state, ended);

  if (off > 0)
    state->times = CLAMP (moss_ffi_smooth (times, off * times, WEIGHT), 1 / MOST_TIMES,
                          MOST_TIMES);
  else
    state->pause_us = ended + PAUSE_US;
  state->seen_us = ended;
}

/* FALSE: the other one couldn't, @out is as it was. */
static gboolean
run_other (MossFfiBest *best,
           State *state,
           double predicted_us,
           double own_us,
           gconstpointer in,
           gsize bytes,
           gpointer out,
           gsize room,
           gsize *written)
{
  g_autoptr (GBytes) held = g_bytes_new_static (in, bytes);
  g_autoptr (MossFfiBuffer) input = moss_ffi_buffer_new (state->in_caps, held);
  g_autoptr (MossFfiResult) result = NULL;
  g_autoptr (GBytes) given = NULL;
  double began = now_us (), ended;

  result = moss_ffi_call_run (state->client, best->capability, &input, 1, NULL, own_us,
                              NULL, NULL, NULL);
  if (result != NULL && moss_ffi_result_get_n_buffers (result) == 1)
    given = moss_ffi_buffer_get_bytes (moss_ffi_result_get_buffer (result, 0), NULL);
  if (given != NULL && g_bytes_get_size (given) <= room)
    memcpy (out, g_bytes_get_data (given, written), g_bytes_get_size (given));
  else
    g_clear_pointer (&given, g_bytes_unref);
  ended = now_us ();
  learn_times (state, given != NULL ? (ended - began) / predicted_us : 0, ended);
  return given != NULL;
}

/* What the own routine takes for @bytes; from the broker's notes when this process hasn't
 * measured it yet, 0 when nobody has. */
static double
own_us (State *state, gsize bytes)
{
  double known_us = state->own_us[size_of (bytes)];
  guint index = G_MAXUINT;
  const MossFfiCurve *curve;

  if (known_us > 0 || state->table == NULL)
    return known_us;
  index = moss_ffi_table_find_offer (state->table, state->offer);
  if (index == G_MAXUINT)
    return 0;
  curve = &moss_ffi_table_get_offer (state->table, index)->curve;
  return moss_ffi_curve_is_measured (curve, bytes)
             ? moss_ffi_curve_predict_us (curve, bytes)
             : 0;
}

/* What moss_ffi_call_best() does when it has to look. */
gsize
moss_ffi_call_best_slowly (
    MossFfiBest *best, gconstpointer in, gsize bytes, gpointer out, gsize room)
{
  State *state = get_state (best);
  double now = now_us (), other_us, mine_us;
  gsize written;
  gboolean ask;

  g_mutex_lock (&state->lock);
  start_finding (best, state, now);
  other_us = others_us (state, bytes, now);
  mine_us = own_us (state, bytes);
  ask = mine_us > 0 && other_us < mine_us * BETTER;
  state->other[size_of (bytes)] = ask;
  g_mutex_unlock (&state->lock);
  if (ask && run_other (best, state, other_us, mine_us, in, bytes, out, room, &written))
    return written;
  return run_own (best, state, in, bytes, out, room);
}

/* Whether the last look at such a size was for the own routine. */
gboolean
moss_ffi_best_is_own (MossFfiBest *best, gsize bytes)
{
  State *state = get_state (best);
  gboolean other;

  g_mutex_lock (&state->lock);
  other = state->other[size_of (bytes)];
  g_mutex_unlock (&state->lock);
  return !other;
}
