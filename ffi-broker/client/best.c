// SPDX-License-Identifier: LGPL-2.1-or-later
/* Hot code must not wait: the broker is looked for in a thread, the clock is read once in
 * 256 calls of a small size, and what others would cost stands in the table (they are
 * measured by the broker, never by us on somebody's data). Whatever goes wrong with
 * another, the own routine does it. */
#include "best.h"

#include "client-private.h"
#include "ffi-broker/market/choice.h"

#include <math.h>
#include <string.h>

#define UNASKED 256   /* calls between two looks, for what takes no time */
#define LOOK_US 200.0 /* what takes longer is looked at each time */
#define BETTER 0.9    /* another must be this much better */
#define FIND_US 2e6   /* between two looks for a broker that went away */
#define WEIGHT 0.25   /* of a new measurement */

typedef struct
{
  GMutex lock;     /* of what follows */
  double start_us; /* when the broker is to be looked for (again) */
  gboolean finding;
  GCond found;
  MossFfiClient *client;
  MossFfiCapability *request;
  char *in_caps;
  MossFfiTable *table; /* that the candidates are of */
  MossFfiCandidates candidates;
  double own_us[MOSS_FFI_BEST_SIZES]; /* smoothed; 0: not measured */
  double times; /* what a call of another takes here, by what was predicted of it */
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

static gpointer
find_broker (gpointer data)
{
  State *state = data;
  MossFfiClient *client = moss_ffi_client_get_default (NULL);

  g_mutex_lock (&state->lock);
  if (client)
    state->client = client;
  state->finding = FALSE;
  state->start_us = state->client
                        ? now_us () + FIND_US
                        : INFINITY; /* who never was there is not looked for again */
  g_cond_broadcast (&state->found);
  g_mutex_unlock (&state->lock);
  return NULL;
}

static void
start_finding (State *state)
{
  g_autoptr (MossFfiSession) session
      = state->client ? moss_ffi_client_peek_session (state->client) : NULL;
  double now = now_us ();

  if (session != NULL || state->finding || state->in_caps == NULL
      || now < state->start_us)
    return;
  state->finding = TRUE;
  state->start_us = now + FIND_US;
  g_thread_unref (g_thread_new ("moss-ffi-find", find_broker, state));
}

/* Waits until the broker is found or known not to be there: for tests and benchmarks. */
void
moss_ffi_best_wait_ready (MossFfiBest *best)
{
  State *state = get_state (best);

  g_mutex_lock (&state->lock);
  start_finding (state);
  while (state->finding)
    g_cond_wait (&state->found, &state->lock);
  g_mutex_unlock (&state->lock);
}

static double
smooth (double known, double seen)
{
  return known > 0 ? known + WEIGHT * (seen - known) : seen;
}

/* What the best other one would take for @bytes; infinite when there is none. */
static double
others_us (State *state, gsize bytes)
{
  g_autoptr (MossFfiSession) session
      = state->client ? moss_ffi_client_peek_session (state->client) : NULL;
  g_autoptr (MossFfiTable) table = session ? moss_ffi_session_get_table (session) : NULL;
  MossFfiWants wants = { 0 };
  float predicted_us;

  if (table == NULL)
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
  return predicted_us * state->times;
}

static gsize
run_own (MossFfiBest *best,
         State *state,
         gconstpointer in,
         gsize bytes,
         gpointer out,
         gsize room)
{
  guint size = size_of (bytes);
  double began = now_us (), took;
  gsize written = best->own (in, bytes, out, room);

  took = now_us () - began;
  g_mutex_lock (&state->lock);
  state->own_us[size] = smooth (state->own_us[size], took);
  if (state->own_us[size] < LOOK_US)
    __atomic_store_n (&best->unasked[size], UNASKED, __ATOMIC_RELAXED);
  g_mutex_unlock (&state->lock);
  return written;
}

/* FALSE: the other one couldn't, @out is as it was. */
static gboolean
run_other (MossFfiBest *best,
           State *state,
           double predicted_us,
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
  double began = now_us ();

  result = moss_ffi_client_call (state->client, best->capability, &input, 1, NULL, NULL,
                                 NULL);
  if (result != NULL && moss_ffi_result_get_n_buffers (result) == 1)
    given = moss_ffi_buffer_get_bytes (moss_ffi_result_get_buffer (result, 0), NULL);
  if (given != NULL && g_bytes_get_size (given) <= room)
    memcpy (out, g_bytes_get_data (given, written), g_bytes_get_size (given));
  else
    g_clear_pointer (&given, g_bytes_unref);
  g_mutex_lock (&state->lock);
  if (given != NULL)
    state->times
        = CLAMP (smooth (state->times, (now_us () - began) * state->times / predicted_us),
                 0.25, 16);
  else
    state->times = 16;
  g_mutex_unlock (&state->lock);
  return given != NULL;
}

/* What moss_ffi_call_best() does when it has to look. */
gsize
moss_ffi_call_best_slowly (
    MossFfiBest *best, gconstpointer in, gsize bytes, gpointer out, gsize room)
{
  State *state = get_state (best);
  guint size = size_of (bytes);
  double other;
  gboolean ask;
  gsize written;

  g_mutex_lock (&state->lock);
  start_finding (state);
  other = state->own_us[size] > 0 ? others_us (state, bytes) : INFINITY;
  ask = other < state->own_us[size] * BETTER;
  state->other[size] = ask;
  g_mutex_unlock (&state->lock);
  if (ask && run_other (best, state, other, in, bytes, out, room, &written))
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
