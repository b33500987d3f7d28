/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Canaries: small calls that are made only to learn what they cost, so that nobody's work is
 * the first try of a provider. Only pure functions are tried, in their own processes, one at a
 * time, smallest input first; a try is given up at three times what the favourite would need.
 * New offers are tried soon, slowly where the machine is busy, and so is who was never tried with a
 * size that others are called with (demand.c); known ones again when it is idle, and never on
 * battery. */
#define G_LOG_DOMAIN "moss-ffi-broker"

#include "broker.h"

#include "ffi-broker/client/buffer-wire.h"
#include "ffi-broker/market/policy.h"

#include <math.h>
#include <unistd.h>

enum
{
  RUNS_MAX = 10,           /* of each size, until two agree; the best one counts */
  RUNS_US = 500000,        /* when they took so long, too */
  LIMIT_MIN_US = 300000,
  LIMIT_MAX_US = 8000000,
  LIMIT_ASKED_US = 30000000, /* the other way is to wait for the favourite each time */
  START_LIMIT_US = 25000000,
  TICK_MS = 2000,
  AGAIN_S = 600,
  CRASHES_MAX = 2,
};

typedef struct
{
  Offer *offer;
  gboolean soon;
  guint64 bytes;           /* 0: the usual sizes */
} Job;

typedef struct
{
  GPtrArray *offers;       /* those not done yet */
  CanariesDone func;
  gpointer user_data;
} Bench;

struct _Canaries
{
  Broker *broker;
  GQueue jobs;             /* Job */
  GHashTable *queued;      /* Offer → Job */
  GPtrArray *benches;
  guint tick, rest;
  /* the one that runs */
  Offer *offer;            /* NULL: none */
  MossFfiConn *conn;
  guint64 sizes[MOSS_FFI_CANARIES]; /* of inputs, in bytes */
  guint n_sizes, size, run;
  guint64 best_us, second_us, spent_us, bytes_in;
  gint64 job_us, sent_us;
  guint timeout;
  guint64 serial;
};

#define BUSY 0.6
/* Runs that differ more did not run alone: one of them waited for the processor. */
#define AGREE 1.3

static void next (Canaries *canaries);
static void call (Canaries *canaries);

/* --- what to run when --- */

static gboolean
may_measure (const Offer *offer)
{
  return offer->announced && (offer->flags & MOSS_FFI_OFFER_PURE) != 0 &&
         offer->trust != TRUST_BARRED && offer->provider->kind == MOSS_FFI_KIND_LOCAL &&
         provider_is_present (offer->provider);
}

static gboolean
is_idle (Broker *broker)
{
  return broker->load < 0.15 && broker->running != NULL && !running_any (broker);
}

/* The one that was measured longest ago, of those that are called or lose to who is. */
static Offer *
oldest (Broker *broker)
{
  gint64 now = g_get_monotonic_time ();
  GHashTableIter iter;
  Offer *offer, *found = NULL;

  g_hash_table_iter_init (&iter, broker->offers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &offer))
    if ((offer->calls > 0 || demand_is_known (offer)) && may_measure (offer) &&
        offer->provider->queue_us == 0 &&
        now - offer->measured_us > AGAIN_S * G_USEC_PER_SEC &&
        (found == NULL || offer->measured_us < found->measured_us))
      found = offer;
  return found;
}

/* The first that may be done now: what is known already waits for a machine that isn't busy, and
 * nobody waits behind it. */
static GList *
find_job (Canaries *canaries)
{
  GList *item;

  for (item = canaries->jobs.head; item != NULL; item = item->next)
    {
      const Job *job = item->data;

      if (job->soon || job->bytes > 0 || job->offer->trust != TRUST_MEASURED ||
          canaries->broker->load <= BUSY)
        break;
    }
  return item;
}

static void
add_job (Canaries *canaries, Offer *offer, gboolean soon, guint64 bytes)
{
  Job *job = g_new (Job, 1);

  *job = (Job){ offer, soon, bytes };
  g_hash_table_insert (canaries->queued, offer, job);
  if (soon)
    g_queue_push_head (&canaries->jobs, job);
  else
    g_queue_push_tail (&canaries->jobs, job);
}

/* Somebody waits longer than need be each time until it is known: busy or not. */
static void
want_asked (Canaries *canaries)
{
  guint64 bytes;
  Offer *offer = demand_next (canaries->broker, may_measure, &bytes);

  if (offer != NULL)
    add_job (canaries, offer, FALSE, bytes);
}

static gboolean
on_tick (gpointer user_data)
{
  Canaries *canaries = user_data;
  Broker *broker = canaries->broker;
  Offer *again;

  broker->load = moss_machine_load (&broker->load_since);
  publish_load (broker);
  remote_tick (broker);
  if (canaries->offer == NULL && find_job (canaries) == NULL)
    want_asked (canaries);
  if (canaries->jobs.length == 0 && is_idle (broker) && !moss_machine_power ().on_battery &&
      (again = oldest (broker)) != NULL)
    canaries_want (again, FALSE);
  next (canaries);
  return G_SOURCE_CONTINUE;
}

void
canaries_want (Offer *offer, gboolean soon)
{
  Canaries *canaries = offer->provider->broker->canaries;
  Job *job;

  if (canaries == NULL || !may_measure (offer))
    return;
  job = g_hash_table_lookup (canaries->queued, offer);
  if (job != NULL && (job->soon || !soon))
    return;
  if (job != NULL)
    {
      g_queue_remove (&canaries->jobs, job);
      g_free (job);
    }
  add_job (canaries, offer, soon, 0);
  if (soon)
    next (canaries);
}

static gboolean
on_rested (gpointer user_data)
{
  Canaries *canaries = user_data;

  canaries->rest = 0;
  next (canaries);
  return G_SOURCE_REMOVE;
}

/* --- one try --- */

static void
tell_benches (Canaries *canaries, Offer *offer)
{
  for (guint i = canaries->benches->len; i-- > 0;)
    {
      Bench *bench = canaries->benches->pdata[i];

      g_ptr_array_remove (bench->offers, offer);
      if (bench->offers->len > 0)
        continue;
      g_ptr_array_remove_index (canaries->benches, i);
      bench->func (bench->user_data);
      g_ptr_array_unref (bench->offers);
      g_free (bench);
    }
}

/* Rests as long as it worked, on a busy machine three times as long. */
static void
finish (Canaries *canaries)
{
  Offer *offer = g_steal_pointer (&canaries->offer);
  gint64 took_us = g_get_monotonic_time () - canaries->job_us;

  g_clear_handle_id (&canaries->timeout, g_source_remove);
  if (canaries->conn != NULL)
    moss_ffi_conn_hang_up (g_steal_pointer (&canaries->conn), NULL);
  if (canaries->n_sizes > 1)
    offer->measured_us = g_get_monotonic_time ();
  tell_benches (canaries, offer);
  if (canaries->rest == 0)
    canaries->rest = g_timeout_add (
        CLAMP (took_us / 1000 * (canaries->broker->load > BUSY ? 3 : 1), 1, 300), on_rested,
        canaries);
}

static void
give_reason (Canaries *canaries, const char *why)
{
  Offer *offer = canaries->offer;

  g_free (offer->reason);
  offer->reason = g_strdup (why);
  g_debug ("%s of %s: %s", offer->text, offer->provider->name, offer->reason);
}

static void
wrong (Canaries *canaries, const char *what)
{
  Offer *offer = canaries->offer;

  /* canaries_forget() would end the try that this is about. */
  give_reason (canaries, what);
  offer->wrong++;
}

/* After a wrong answer to a canary nobody gets to see another one. */
static void
finish_wrong (Canaries *canaries)
{
  Offer *offer = canaries->offer;
  g_autofree char *reason = g_strdup (offer->reason);

  finish (canaries);
  offer_bar (offer, reason);
}

/* As a caller's, within what a canary may take. */
static guint64
limit_us (Canaries *canaries, guint64 bytes)
{
  Offer *offer = canaries->offer;
  Broker *broker = offer->provider->broker;
  guint64 most = canaries->n_sizes == 1 ? LIMIT_ASKED_US : LIMIT_MAX_US;
  g_autoptr (GPtrArray) rivals = registry_find (broker, offer->key, NULL);
  MossFfiCandidates candidates = { 0 };
  float limit = 0;

  for (guint i = 0; rivals != NULL && i < rivals->len; i++)
    {
      Offer *rival = rivals->pdata[i];

      if (rival->index != MOSS_FFI_NO_OFFER && offer_is_present (rival) &&
          candidates.n < MOSS_FFI_MAX_CANDIDATES)
        candidates.offers[candidates.n++] = rival->index;
    }
  if (broker->writer != NULL && offer->index != MOSS_FFI_NO_OFFER)
    limit = moss_ffi_kill_after_us (moss_ffi_table_writer_get_table (broker->writer), &candidates,
                                    offer->index, bytes);
  return limit == 0 ? most : CLAMP ((guint64) limit, LIMIT_MIN_US, most);
}

static gboolean
on_timeout (gpointer user_data)
{
  Canaries *canaries = user_data;
  Offer *offer = canaries->offer;
  guint64 took_us = g_get_monotonic_time () - canaries->sent_us;

  canaries->timeout = 0;
  if (canaries->sent_us != 0)
    learn_canary (offer, canaries->bytes_in, 0, took_us, TRUE);
  give_reason (canaries, "it took more than three times as long as the best");
  if (offer->provider->worker != NULL)
    worker_given_up (offer->provider->worker);
  finish (canaries);
  return G_SOURCE_REMOVE;
}

static void
watch (Canaries *canaries, guint64 us)
{
  g_clear_handle_id (&canaries->timeout, g_source_remove);
  canaries->timeout = g_timeout_add (us / 1000 + 1, on_timeout, canaries);
}

/* Of the next size, if it is no worse than linear. */
static double
expected_us (const Canaries *canaries, guint64 reached_us)
{
  guint next_one = canaries->size;

  return (double) reached_us * canaries->sizes[next_one] / canaries->sizes[next_one - 1];
}

static void
next_size (Canaries *canaries)
{
  guint64 reached_us = canaries->best_us;

  canaries->run = 0;
  canaries->best_us = 0;
  if (++canaries->size < canaries->n_sizes &&
      expected_us (canaries, reached_us) < limit_us (canaries, canaries->sizes[canaries->size]))
    call (canaries);
  else
    finish (canaries);
}

/* The first buffer that came back, when it is what was promised. */
static MossFfiBuffer *
check_result (Canaries *canaries, MossFfiFrame *frame, guint64 *run_us)
{
  Offer *offer = canaries->offer;
  g_autoptr (GVariant) outputs = g_variant_get_child_value (frame->body, 0);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) buffers =
      moss_ffi_buffers_from_wire (outputs, frame, MOSS_FFI_TRUST_COPY, &error);
  g_autoptr (MossFfiCaps) caps = NULL;

  g_variant_get_child (frame->body, 2, "t", run_us);
  if (buffers == NULL)
    {
      wrong (canaries, error->message);
      return NULL;
    }
  if (buffers->len == 0)
    {
      if (!g_str_equal (moss_ffi_caps_get_media (offer->capability->output),
                        "application/x-moss-value"))
        wrong (canaries, "it gave nothing back");
      return NULL;
    }
  caps = moss_ffi_caps_parse (moss_ffi_buffer_get_caps (buffers->pdata[0]), NULL);
  if (caps == NULL || !moss_ffi_caps_is_subset (caps, offer->capability->output))
    {
      wrong (canaries, "it gave something else back than it promises");
      return NULL;
    }
  return moss_ffi_buffer_ref (buffers->pdata[0]);
}

/* Whether what it takes is known now: twice about the same, or it takes long. */
static gboolean
is_enough (Canaries *canaries, guint64 took_us)
{
  if (canaries->run++ == 0)
    {
      canaries->best_us = canaries->second_us = G_MAXUINT64;
      canaries->spent_us = 0;
    }
  canaries->spent_us += took_us;
  canaries->second_us = MIN (canaries->second_us, MAX (canaries->best_us, took_us));
  canaries->best_us = MIN (canaries->best_us, took_us);
  return canaries->spent_us >= RUNS_US || canaries->run >= RUNS_MAX ||
         canaries->second_us <= canaries->best_us * AGREE;
}

static void
on_result (Canaries *canaries, MossFfiFrame *frame)
{
  Offer *offer = canaries->offer;
  guint64 took_us = g_get_monotonic_time () - canaries->sent_us, run_us, bytes_out = 0;
  guint wrong_before = offer->wrong;
  g_autoptr (MossFfiBuffer) output = check_result (canaries, frame, &run_us);
  g_autoptr (GBytes) bytes = NULL;

  if (offer->wrong > wrong_before)
    {
      finish_wrong (canaries);
      return;
    }
  if (output != NULL)
    {
      bytes_out = moss_ffi_buffer_get_length (output);
      bytes = moss_ffi_buffer_get_bytes (output, NULL);
      if (bytes != NULL && bytes_out > 0)
        sample_keep (moss_ffi_caps_get_media (offer->capability->output), bytes);
    }
  if (!is_enough (canaries, took_us))
    {
      call (canaries);
      return;
    }
  learn_canary (offer, canaries->bytes_in, bytes_out, canaries->best_us, FALSE);
  next_size (canaries);
}

static void
on_error (Canaries *canaries, MossFfiFrame *frame)
{
  const char *name, *sentence;
  g_autofree char *why = NULL;

  g_variant_get (frame->body, "(&s&s)", &name, &sentence);
  why = g_strdup_printf ("it could not be measured: %s", sentence);
  give_reason (canaries, why);
  finish (canaries);
}

static void
on_frame (MossFfiConn *conn, MossFfiFrame *frame, gpointer user_data)
{
  Canaries *canaries = user_data;

  if (canaries->conn != conn || frame->kind == MOSS_FFI_FRAME_PROGRESS)
    return;
  if (frame->serial != canaries->serial)
    return;
  if (frame->kind == MOSS_FFI_FRAME_RESULT)
    on_result (canaries, frame);
  else if (frame->kind == MOSS_FFI_FRAME_ERROR)
    on_error (canaries, frame);
  else
    {
      wrong (canaries, "it answers with what is no answer");
      finish_wrong (canaries);
    }
}

static void
on_ended (MossFfiConn *conn, gpointer user_data)
{
  Canaries *canaries = user_data;
  Offer *offer = canaries->offer;

  if (canaries->conn != conn)
    return;
  canaries->conn = NULL;
  wrong (canaries, "it crashed with a small input");
  if (offer->wrong >= CRASHES_MAX)
    {
      finish_wrong (canaries);
      return;
    }
  finish (canaries);
  canaries_want (offer, FALSE);
}

static const MossFfiConnFuncs funcs = { on_frame, on_ended };

/* --- its call --- */

static gboolean
send_call (Canaries *canaries, GPtrArray *inputs, GVariant *options)
{
  Offer *offer = canaries->offer;
  g_autoptr (MossFfiCaps) out = moss_ffi_caps_fixate (offer->capability->output);
  g_autoptr (GVariant) held = g_variant_ref_sink (options);
  g_autoptr (GError) error = NULL;
  MossFfiFds fds = { 0 };
  GVariant *wire = moss_ffi_buffers_to_wire ((MossFfiBuffer *const *) inputs->pdata,
                                             inputs->len, MOSS_FFI_TRUST_SEALED, &fds, &error);

  if (wire == NULL)
    {
      give_reason (canaries, error->message);
      return FALSE;
    }
  canaries->sent_us = g_get_monotonic_time ();
  canaries->serial++;
  return moss_ffi_conn_send (
      canaries->conn, MOSS_FFI_FRAME_CALL, canaries->serial,
      g_variant_new ("(ss@a{sv}@a" MOSS_FFI_BUFFER_TYPE "a{sv})", offer->function,
                     moss_ffi_caps_get_text (out != NULL ? out : offer->capability->output),
                     held, wire, NULL),
      fds.fds, fds.n_fds);
}

static void
call (Canaries *canaries)
{
  Offer *offer = canaries->offer;
  g_autoptr (MossFfiCaps) first = NULL;
  g_autoptr (GPtrArray) inputs =
      canary_make_inputs (offer->capability, canaries->sizes[canaries->size], &first,
                          &canaries->bytes_in);
  GVariant *options;

  if (inputs == NULL)
    {
      if (canaries->size == 0)
        give_reason (canaries, "there is no input yet to measure it with");
      next_size (canaries);
      return;
    }
  options = canary_guess_options (offer->capability, first);
  if (options == NULL)
    {
      give_reason (canaries, "it has an option that nobody can guess");
      finish (canaries);
      return;
    }
  watch (canaries, limit_us (canaries, canaries->bytes_in));
  if (!send_call (canaries, inputs, options))
    finish (canaries);
}

static void
on_connected (int socket, const GError *error, gpointer user_data)
{
  Broker *broker = user_data;
  Canaries *canaries = broker->canaries;

  if (canaries != NULL && canaries->offer != NULL && canaries->conn == NULL && socket >= 0)
    {
      canaries->conn = moss_ffi_conn_new (socket, &funcs, canaries);
      canaries->size = canaries->run = 0;
      call (canaries);
      return;
    }
  if (canaries != NULL && canaries->offer != NULL && canaries->conn == NULL)
    {
      give_reason (canaries, error->message);
      finish (canaries);
    }
  if (socket >= 0)
    close (socket);
}

/* As the replay of recorded costs has them. */
static void
choose_sizes (Canaries *canaries, guint64 bytes)
{
  const MossFfiCapability *capability = canaries->offer->capability;
  const char *media = "application/octet-stream";

  canaries->n_sizes = bytes > 0 ? 1 : MOSS_FFI_CANARIES;
  canaries->sizes[0] = bytes / MAX (capability->inputs->len, 1);
  if (bytes > 0)
    return;
  if (capability->inputs->len > 0)
    media = moss_ffi_caps_get_media (moss_ffi_capability_get_input (capability, 0));
  moss_ffi_canary_sizes (media, canaries->sizes);
}

static void
next (Canaries *canaries)
{
  GList *item = find_job (canaries);
  Job *job = item != NULL ? item->data : NULL;
  guint64 bytes;

  if (canaries->offer != NULL || job == NULL || (!job->soon && canaries->rest != 0))
    return;
  g_queue_delete_link (&canaries->jobs, item);
  g_hash_table_remove (canaries->queued, job->offer);
  canaries->offer = job->offer;
  bytes = job->bytes;
  g_free (job);
  canaries->job_us = g_get_monotonic_time ();
  canaries->sent_us = 0;
  canaries->best_us = 0;
  choose_sizes (canaries, bytes);
  if (!may_measure (canaries->offer))
    {
      finish (canaries);
      return;
    }
  g_clear_pointer (&canaries->offer->reason, g_free);
  watch (canaries, START_LIMIT_US);
  connect_provider (canaries->offer->provider, "canary", FALSE, on_connected,
                    canaries->broker);
}

/* --- for the others --- */

void
canaries_forget (Offer *offer)
{
  Canaries *canaries = offer->provider->broker->canaries;
  Job *job;

  if (canaries == NULL)
    return;
  job = g_hash_table_lookup (canaries->queued, offer);
  if (job != NULL)
    {
      g_queue_remove (&canaries->jobs, job);
      g_hash_table_remove (canaries->queued, offer);
      g_free (job);
      tell_benches (canaries, offer);
    }
  if (canaries->offer == offer)
    finish (canaries);
}

void
canaries_bench (Broker *broker, GPtrArray *offers, CanariesDone func, gpointer user_data)
{
  Bench *bench = g_new0 (Bench, 1);

  bench->offers = g_ptr_array_new ();
  bench->func = func;
  bench->user_data = user_data;
  for (guint i = 0; i < offers->len; i++)
    if (may_measure (offers->pdata[i]))
      g_ptr_array_add (bench->offers, offers->pdata[i]);
  if (bench->offers->len == 0)
    {
      func (user_data);
      g_ptr_array_unref (bench->offers);
      g_free (bench);
      return;
    }
  g_ptr_array_add (broker->canaries->benches, bench);
  for (guint i = offers->len; i-- > 0;)
    canaries_want (offers->pdata[i], TRUE);
}

void
canaries_start (Broker *broker)
{
  Canaries *canaries = g_new0 (Canaries, 1);
  GHashTableIter iter;
  Offer *offer;

  canaries->broker = broker;
  canaries->queued = g_hash_table_new (NULL, NULL);
  canaries->benches = g_ptr_array_new ();
  canaries->tick = g_timeout_add (TICK_MS, on_tick, canaries);
  broker->canaries = canaries;
  moss_machine_load (&broker->load_since);
  g_hash_table_iter_init (&iter, broker->offers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &offer))
    if (offer->trust == TRUST_UNMEASURED)
      canaries_want (offer, FALSE);
}

void
canaries_stop (Broker *broker)
{
  Canaries *canaries = g_steal_pointer (&broker->canaries);

  g_clear_handle_id (&canaries->tick, g_source_remove);
  g_clear_handle_id (&canaries->rest, g_source_remove);
  g_clear_handle_id (&canaries->timeout, g_source_remove);
  g_clear_pointer (&canaries->conn, moss_ffi_conn_free);
  g_queue_clear_full (&canaries->jobs, g_free);
  g_hash_table_unref (canaries->queued);
  g_ptr_array_unref (canaries->benches);
  g_free (canaries);
  samples_free ();
}
