// SPDX-License-Identifier: LGPL-2.1-or-later
/* One call: who can do it is looked up in the table, the best is asked; when it dies,
 * hangs or answers something else and the function is pure, the next best. What nobody
 * offers is asked of the broker as a plan of several steps. When the broker itself is
 * gone, its successor is waited for. Every call ends, with a result or an error, ten
 * seconds at most after the last hope. */
#include "client-private.h"

#include "buffer-wire.h"
#include "ffi-broker/market/policy.h"
#include "link.h"
#include "result-private.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#define HOPE_US (10 * G_USEC_PER_SEC)
#define AGAIN_US (50 * 1000)
#define ROUNDS 3 /* with a broker that is there: a call that kills everybody must end */
#define LONG_US (200 * 1000) /* people see and can cancel what takes longer */

typedef struct
{
  MossFfiClient *client;
  MossFfiCapability *request;
  MossFfiWants wants;
  const char *licences[2];
  GVariant *wanted;  /* a{sv}: the "want:" options, without that, for the broker */
  GVariant *options; /* a{sv}: the function's */
  MossFfiBuffer *const *inputs;
  guint n_inputs;
  guint64 bytes;
  gint64 until; /* monotonic; 0: no deadline */
  double own_us; /* what the caller would take itself; 0: it can't */
  MossFfiTold told;
  GCancellable *cancellable;
  GPtrArray *tried; /* of texts: who was asked in vain */
  gboolean spoilt;  /* something was begun that must not be begun twice */
} Call;

static void
call_clear (Call *call)
{
  g_clear_pointer (&call->request, moss_ffi_capability_free);
  g_clear_pointer (&call->wanted, g_variant_unref);
  g_clear_pointer (&call->options, g_variant_unref);
  g_clear_pointer (&call->tried, g_ptr_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Call, call_clear)

/* --- what is asked
 * ---------------------------------------------------------------------- */

#define WANT "want:"

static void
split_options (Call *call, GVariant *options)
{
  GVariantDict own, wanted;
  GVariantIter iter;
  GVariant *value;
  const char *name;

  g_variant_dict_init (&own, NULL);
  g_variant_dict_init (&wanted, NULL);
  if (options)
    {
      g_variant_iter_init (&iter, options);
      while (g_variant_iter_loop (&iter, "{&sv}", &name, &value))
        if (g_str_has_prefix (name, WANT))
          g_variant_dict_insert_value (&wanted, name + strlen (WANT), value);
        else
          g_variant_dict_insert_value (&own, name, value);
    }
  g_variant_dict_insert (&wanted, "bytes", "t", call->bytes);
  call->options = g_variant_ref_sink (g_variant_dict_end (&own));
  call->wanted = g_variant_ref_sink (g_variant_dict_end (&wanted));
}

static void
read_wanted (Call *call)
{
  guint64 deadline_us = 0;

  g_variant_lookup (call->wanted, "lossy", "b", &call->wants.lossy);
  g_variant_lookup (call->wanted, "local", "b", &call->wants.local);
  g_variant_lookup (call->wanted, "quality", "&s", &call->wants.quality);
  g_variant_lookup (call->wanted, "least-rank", "u", &call->wants.least_rank);
  g_variant_lookup (call->wanted, "memory-bytes", "t", &call->wants.memory_bytes);
  if (g_variant_lookup (call->wanted, "licence", "&s", &call->licences[0]))
    call->wants.licences = call->licences;
  if (g_variant_lookup (call->wanted, "deadline-us", "t", &deadline_us))
    call->until = g_get_monotonic_time () + MIN (deadline_us, G_MAXINT64 / 2);
}

static gboolean
set_inputs (Call *call, GError **error)
{
  if (call->request->inputs->len != call->n_inputs)
    return moss_ffi_fail (error, MOSS_FFI_ERROR_INVALID,
                          "The function takes %u buffers, %u are given",
                          call->request->inputs->len, call->n_inputs);
  for (guint i = 0; i < call->n_inputs; i++)
    {
      const char *text = moss_ffi_buffer_get_caps (call->inputs[i]);
      g_autoptr (GError) cause = NULL;
      g_autoptr (MossFfiCaps) caps = moss_ffi_caps_parse (text, &cause);

      if (caps == NULL)
        return moss_ffi_fail (error, MOSS_FFI_ERROR_INVALID,
                              "“%s” says of no data what it is: %s", text,
                              cause->message);
      moss_ffi_capability_set_input (call->request, i, caps);
      call->bytes += moss_ffi_buffer_get_length (call->inputs[i]);
    }
  return TRUE;
}

static gboolean
call_init (Call *call, const char *text, GVariant *options, GError **error)
{
  g_autoptr (GError) cause = NULL;

  call->tried = g_ptr_array_new_with_free_func (g_free);
  call->request = moss_ffi_capability_parse (text, &cause);
  if (call->request == NULL)
    return moss_ffi_fail (error, MOSS_FFI_ERROR_INVALID, "“%s” is no capability: %s",
                          text, cause->message);
  if (!set_inputs (call, error))
    return FALSE;
  split_options (call, options);
  read_wanted (call);
  return moss_ffi_capability_set_options (call->request, call->options, &cause)
         || moss_ffi_fail (error, MOSS_FFI_ERROR_INVALID, "%s", cause->message);
}

/* --- one provider
 * ------------------------------------------------------------------------ */

/* A step of a call, most often the only one. */
typedef struct
{
  MossFfiTable *table;
  guint offer; /* index */
  const char *out_caps;
  GVariant *options;
  MossFfiBuffer *const *inputs;
  guint n_inputs;
  guint64 bytes;
  float predicted_us; /* NAN: unknown */
  float limit_us;     /* 0: none */
} Step;

static guint64
whole_us (float us)
{
  return isfinite (us) && us > 0 ? (guint64)us : 0;
}

static MossFfiOutcome
outcome_of (const GError *error, gboolean killed)
{
  if (error == NULL)
    return MOSS_FFI_OUTCOME_DONE;
  if (error->domain != MOSS_FFI_ERROR)
    return MOSS_FFI_OUTCOME_FAILED;
  switch ((MossFfiError)error->code)
    {
    case MOSS_FFI_ERROR_LOST:
      return MOSS_FFI_OUTCOME_LOST;
    case MOSS_FFI_ERROR_TIMED_OUT:
      return killed ? MOSS_FFI_OUTCOME_KILLED : MOSS_FFI_OUTCOME_CANCELLED;
    case MOSS_FFI_ERROR_CANCELLED:
      return MOSS_FFI_OUTCOME_CANCELLED;
    case MOSS_FFI_ERROR_WRONG_TYPE:
    case MOSS_FFI_ERROR_PROTOCOL:
      return MOSS_FFI_OUTCOME_WRONG;
    default:
      return MOSS_FFI_OUTCOME_FAILED;
    }
}

static guint64
bytes_of (MossFfiResult *result)
{
  guint64 bytes = 0;

  for (guint i = 0; i < moss_ffi_result_get_n_buffers (result); i++)
    bytes += moss_ffi_buffer_get_length (moss_ffi_result_get_buffer (result, i));
  return bytes;
}

static void
report (MossFfiSession *session,
        const Step *step,
        MossFfiResult *result,
        guint64 took_us,
        const GError *error,
        gboolean killed)
{
  guint number = moss_ffi_table_get_offer (step->table, step->offer)->number;

  moss_ffi_session_tell (
      session, MOSS_FFI_FRAME_REPORT, 0,
      g_variant_new ("(uttttu)", number, step->bytes,
                     result ? bytes_of (result) : (guint64)0,
                     result ? moss_ffi_result_get_run_us (result) : (guint64)0, took_us,
                     (guint)outcome_of (error, killed)));
}

/* How long this provider may take; @killed: because another would be quicker. */
static gint64
time_left (Call *call, const Step *step, gboolean *killed)
{
  gint64 left = call->until > 0 ? MAX (call->until - g_get_monotonic_time (), 1) : 0;

  *killed = step->limit_us > 0 && (left == 0 || step->limit_us < left);
  return *killed ? (gint64)step->limit_us : left;
}

static void
pass_on (GCancellable *from, gpointer to)
{
  g_cancellable_cancel (to);
}

/* What people see meanwhile. */
typedef struct
{
  Call *call;
  MossFfiSession *session;
  guint64 serial; /* that the broker knows the call by; 0: it doesn't */
} Shown;

static void
on_progress (double fraction, gpointer data)
{
  Shown *shown = data;
  MossFfiTold *told = &shown->call->told;

  if (!moss_ffi_told_take (told, fraction, g_get_monotonic_time ()))
    return;
  if (told->func)
    told->func (told->told, told->data);
  if (shown->serial > 0)
    moss_ffi_session_try_tell (shown->session, MOSS_FFI_FRAME_PROGRESS, shown->serial,
                               g_variant_new ("(d)", told->told));
}

/* Calls on @link; a long one can be seen and cancelled by people meanwhile. */
static MossFfiResult *
call_visibly (Call *call,
              MossFfiSession *session,
              const Step *step,
              int socket,
              MossFfiRequest *request,
              GError **error)
{
  g_autoptr (GCancellable) either = NULL;
  g_autofree char *what = NULL;
  Shown shown = { call, session, 0 };
  MossFfiResult *result;
  gulong handler = 0;

  request->progress = on_progress;
  request->progress_data = &shown;
  if (isfinite (step->predicted_us) && step->predicted_us < LONG_US)
    return moss_ffi_link_call (socket, request, call->cancellable, error);
  either = g_cancellable_new ();
  if (call->cancellable)
    handler
        = g_cancellable_connect (call->cancellable, G_CALLBACK (pass_on), either, NULL);
  what = moss_ffi_capability_to_string (call->request);
  shown.serial = moss_ffi_session_begin (
      session, what, whole_us (step->predicted_us),
      moss_ffi_table_get_offer (step->table, step->offer)->number, either);
  result = moss_ffi_link_call (socket, request, either, error);
  moss_ffi_session_end (session, shown.serial);
  if (call->cancellable)
    g_cancellable_disconnect (call->cancellable, handler);
  return result;
}

/* FALSE: the deadline is over or comes too soon for what was measured. */
static gboolean
can_be_in_time (Call *call, const Step *step, GError **error)
{
  const MossFfiTableOffer *offer = moss_ffi_table_get_offer (step->table, step->offer);
  const MossFfiTableProvider *provider
      = moss_ffi_table_get_provider_of (step->table, offer);
  gint64 left = call->until - g_get_monotonic_time ();

  if (call->until == 0)
    return TRUE;
  if (left <= 0)
    return moss_ffi_fail (error, MOSS_FFI_ERROR_TIMED_OUT, "The time of the call is over");
  if (!(step->predicted_us > left)
      || !moss_ffi_curve_is_measured (&offer->curve, step->bytes))
    return TRUE;
  return moss_ffi_fail (error, MOSS_FFI_ERROR_TIMED_OUT,
                        "%s would take %.3g s, but only %.3g s are left of the call's time",
                        moss_ffi_table_get_text (step->table, provider->name),
                        step->predicted_us / 1e6, left / 1e6);
}

static MossFfiResult *
call_step (Call *call, MossFfiSession *session, const Step *step, GError **error)
{
  const MossFfiTableOffer *offer = moss_ffi_table_get_offer (step->table, step->offer);
  const MossFfiTableProvider *provider
      = moss_ffi_table_get_provider_of (step->table, offer);
  MossFfiRequest request
      = { .function = moss_ffi_table_get_text (step->table, offer->function),
          .out_caps = step->out_caps,
          .options = step->options,
          .inputs = step->inputs,
          .n_inputs = step->n_inputs,
          .bytes_out = whole_us (offer->out_per_in * step->bytes) };
  g_autoptr (GError) local = NULL;
  MossFfiResult *result;
  MossFfiIdle link;
  gboolean killed;
  gint64 began = g_get_monotonic_time ();

  if (!can_be_in_time (call, step, error)
      || !moss_ffi_client_take_link (call->client, session, provider->number, call->until,
                                     &link, error))
    return NULL;
  request.trusted = link.trusted;
  request.deadline_us = time_left (call, step, &killed);
  result = call_visibly (call, session, step, link.socket, &request, &local);
  report (session, step, result, g_get_monotonic_time () - began, local, killed);
  if (result != NULL)
    {
      moss_ffi_client_give_link (call->client, session, provider->number, &link);
      return result;
    }
  close (link.socket);
  if ((offer->flags & (MOSS_FFI_OFFER_PURE | MOSS_FFI_OFFER_IDEMPOTENT)) == 0)
    call->spoilt = TRUE;
  if (killed && g_error_matches (local, MOSS_FFI_ERROR, MOSS_FFI_ERROR_TIMED_OUT))
    moss_ffi_fail (error, MOSS_FFI_ERROR_LOST, "%s took too long",
                   moss_ffi_table_get_text (step->table, provider->name));
  else
    g_propagate_prefixed_error (error, g_steal_pointer (&local), "%s: ",
                                moss_ffi_table_get_text (step->table, provider->name));
  return NULL;
}

/* Whether somebody else may do better. */
static gboolean
is_providers_fault (const GError *error)
{
  return g_error_matches (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_LOST)
         || g_error_matches (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_PROTOCOL)
         || g_error_matches (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_WRONG_TYPE)
         || g_error_matches (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_NOT_OFFERED)
         || g_error_matches (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_BUSY);
}

/* --- the best of those who offer it
 * ------------------------------------------------------- */

/* What to ask of @offer so that it is what is wanted. Transfer full. */
static char *
choose_out_caps (Call *call, MossFfiTable *table, const MossFfiTableOffer *offer)
{
  g_autoptr (MossFfiCapability) offered = moss_ffi_capability_parse (
      moss_ffi_table_get_text (table, offer->capability), NULL);
  g_autoptr (MossFfiCaps) both = NULL;
  g_autoptr (MossFfiCaps) fixed = NULL;

  if (offered != NULL)
    both = moss_ffi_caps_intersect (call->request->output, offered->output);
  if (both != NULL)
    fixed = moss_ffi_caps_fixate (both);
  return g_strdup (moss_ffi_caps_get_text (fixed ? fixed : call->request->output));
}

static GVariant *
explain (Call *call, const Step *step, guint64 took_us, GVariant *steps)
{
  const MossFfiTableOffer *offer = moss_ffi_table_get_offer (step->table, step->offer);
  const MossFfiTableProvider *provider
      = moss_ffi_table_get_provider_of (step->table, offer);
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "provider", "s",
                         moss_ffi_table_get_text (step->table, provider->id));
  g_variant_dict_insert (&dict, "name", "s",
                         moss_ffi_table_get_text (step->table, provider->name));
  g_variant_dict_insert (&dict, "device", "s",
                         moss_ffi_table_get_text (step->table, provider->device));
  g_variant_dict_insert (&dict, "capability", "s",
                         moss_ffi_table_get_text (step->table, offer->capability));
  g_variant_dict_insert (&dict, "predicted-us", "t", whole_us (step->predicted_us));
  g_variant_dict_insert (&dict, "measured-us", "t", took_us);
  g_variant_dict_insert_value (
      &dict, "tried",
      g_variant_new_strv ((const char *const *)call->tried->pdata, call->tried->len));
  if (steps)
    g_variant_dict_insert_value (&dict, "steps", steps);
  return g_variant_dict_end (&dict);
}

/* When somebody else, or the caller itself, would have done better; 0: never. */
static float
limit (Call *call, MossFfiTable *table, const MossFfiCandidates *candidates, guint index)
{
  float others_us = moss_ffi_kill_after_us (table, candidates, index, call->bytes);
  float own_us = MAX (MOSS_FFI_KILL_FACTOR * call->own_us, MOSS_FFI_KILL_LEAST_US);

  if (call->own_us <= 0)
    return others_us;
  return others_us > 0 ? MIN (others_us, own_us) : own_us;
}

static MossFfiResult *
call_offer (Call *call,
            MossFfiSession *session,
            MossFfiTable *table,
            const MossFfiCandidates *candidates,
            guint index,
            float predicted_us,
            GError **error)
{
  const MossFfiTableOffer *offer = moss_ffi_table_get_offer (table, index);
  g_autofree char *out_caps = choose_out_caps (call, table, offer);
  gboolean pure = (offer->flags & MOSS_FFI_OFFER_PURE) != 0;
  Step step = { .table = table,
                .offer = index,
                .out_caps = out_caps,
                .options = call->options,
                .inputs = call->inputs,
                .n_inputs = call->n_inputs,
                .bytes = call->bytes,
                .predicted_us = predicted_us };
  gint64 began = g_get_monotonic_time ();
  MossFfiResult *result;

  if (pure)
    step.limit_us = limit (call, table, candidates, index);
  result = call_step (call, session, &step, error);
  if (result != NULL)
    moss_ffi_result_set_explanation (
        result, explain (call, &step, g_get_monotonic_time () - began, NULL));
  return result;
}

/* With a deadline the quickest, even if others are nearly as good. */
static guint
choose (Call *call, MossFfiTable *table, const MossFfiCandidates *candidates, float *us)
{
  return call->until > 0
             ? moss_ffi_choose (table, candidates, call->bytes, us)
             : moss_ffi_choose_spread (table, candidates, call->bytes, g_random_int (), us);
}

static MossFfiResult *
call_candidates (Call *call,
                 MossFfiSession *session,
                 MossFfiTable *table,
                 MossFfiCandidates *candidates,
                 GError **error)
{
  g_autoptr (GError) last = NULL;
  float predicted_us;
  guint index;

  while ((index = choose (call, table, candidates, &predicted_us)) != MOSS_FFI_NO_OFFER)
    {
      MossFfiResult *result;

      if (call->own_us > 0 && !(predicted_us < call->own_us))
        break;
      g_clear_error (&last);
      result = call_offer (call, session, table, candidates, index, predicted_us, &last);
      if (result != NULL)
        return result;
      if (!is_providers_fault (last) || call->spoilt)
        break;
      g_ptr_array_add (call->tried, g_strdup (last->message));
      moss_ffi_candidates_remove (candidates, index);
    }
  if (last != NULL)
    g_propagate_error (error, g_steal_pointer (&last));
  else
    moss_ffi_fail (error, MOSS_FFI_ERROR_LOST, "Nobody who offers it can be called now");
  return NULL;
}

/* --- several steps
 * -------------------------------------------------------------------------- */

static gboolean
read_step (Call *call, MossFfiTable *table, GVariant *wire, Step *step, GError **error)
{
  guint number = 0;
  gboolean asked = FALSE;
  guint64 predicted_us = 0;

  g_variant_lookup (wire, "offer", "u", &number);
  g_variant_lookup (wire, "asked", "b", &asked);
  g_variant_lookup (wire, "predicted-us", "t", &predicted_us);
  step->table = table;
  step->offer = moss_ffi_table_find_offer (table, number);
  if (step->offer == G_MAXUINT || !g_variant_lookup (wire, "out", "&s", &step->out_caps))
    return moss_ffi_fail (error, MOSS_FFI_ERROR_LOST,
                          "A step of the plan is not there any more");
  step->options = asked ? call->options : NULL;
  step->predicted_us = predicted_us > 0 ? predicted_us : NAN;
  return TRUE;
}

/* What a plan is predicted to take; NAN: that isn't known of each step. */
static double
predict_plan (GVariant *plan)
{
  double all_us = 0;

  for (gsize i = 0; i < g_variant_n_children (plan); i++)
    {
      g_autoptr (GVariant) wire = g_variant_get_child_value (plan, i);
      guint64 us = 0;

      g_variant_lookup (wire, "predicted-us", "t", &us);
      all_us += us > 0 ? us : NAN;
    }
  return all_us;
}

/* Step @i after what @before_us was predicted for: by that, else each is as much. */
static void
begin_part (Call *call, GVariant *plan, gsize i, double before_us, float step_us)
{
  gsize n = g_variant_n_children (plan);
  double all_us = predict_plan (plan);

  if (isnan (all_us))
    moss_ffi_told_part (&call->told, (double)i / n, (double)(i + 1) / n);
  else
    moss_ffi_told_part (&call->told, before_us / all_us, (before_us + step_us) / all_us);
}

static MossFfiResult *
run_plan (Call *call,
          MossFfiSession *session,
          MossFfiTable *table,
          GVariant *plan,
          GError **error)
{
  MossFfiResult *result = NULL;
  gint64 began = g_get_monotonic_time ();
  float predicted_us = 0;
  Step step = { 0 };

  for (gsize i = 0; i < g_variant_n_children (plan); i++)
    {
      g_autoptr (GVariant) wire = g_variant_get_child_value (plan, i);
      g_autoptr (MossFfiResult) before = g_steal_pointer (&result);
      MossFfiBuffer *between = before ? moss_ffi_result_get_buffer (before, 0) : NULL;

      step = (Step){ .inputs = i == 0 ? call->inputs : &between,
                     .n_inputs = i == 0 ? call->n_inputs : 1 };
      if (i > 0 && between == NULL)
        {
          moss_ffi_fail (error, MOSS_FFI_ERROR_WRONG_TYPE,
                         "A step of the plan gave nothing");
          return NULL;
        }
      step.bytes = i == 0 ? call->bytes : moss_ffi_buffer_get_length (between);
      if (!read_step (call, table, wire, &step, error))
        return NULL;
      begin_part (call, plan, i, predicted_us, step.predicted_us);
      result = call_step (call, session, &step, error);
      if (result == NULL)
        return NULL;
      predicted_us += step.predicted_us;
    }
  if (result == NULL)
    {
      moss_ffi_fail (error, MOSS_FFI_ERROR_NOT_OFFERED, "The plan has no step");
      return NULL;
    }
  step.predicted_us = predicted_us;
  moss_ffi_result_set_explanation (
      result, explain (call, &step, g_get_monotonic_time () - began, plan));
  return result;
}

/* With what is left of the time. Floating. */
static GVariant *
wanted_now (Call *call)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, call->wanted);
  if (call->until > 0)
    g_variant_dict_insert (&dict, "deadline-us", "t",
                           (guint64)MAX (call->until - g_get_monotonic_time (), 1));
  return g_variant_dict_end (&dict);
}

static MossFfiResult *
call_plan (Call *call, MossFfiSession *session, GError **error)
{
  g_autofree char *text = moss_ffi_capability_to_string (call->request);
  g_autoptr (MossFfiTable) table = NULL;
  g_autoptr (GVariant) plan = NULL;
  g_auto (MossFfiFrame) answer = { 0 };

  if (!moss_ffi_session_ask (session, MOSS_FFI_FRAME_ASK,
                             g_variant_new ("(s@a{sv})", text, wanted_now (call)),
                             call->until, MOSS_FFI_FRAME_ANSWER, &answer, error))
    return NULL;
  plan = g_variant_get_child_value (answer.body, 0);
  table = moss_ffi_session_get_table (session); /* the one that the plan was made with */
  return run_plan (call, session, table, plan, error);
}

/* --- all of it
 * -------------------------------------------------------------------------------- */

static MossFfiResult *
call_once (Call *call, MossFfiSession *session, GError **error)
{
  g_autoptr (MossFfiTable) table = moss_ffi_session_get_table (session);
  MossFfiCandidates candidates;

  if (moss_ffi_resolve (table, call->request, &call->wants, &candidates, NULL))
    return call_candidates (call, session, table, &candidates, error);
  return call_plan (call, session, error);
}

/* Whether it may be asked all over: nothing was begun that mustn't be begun twice, and
 * the reason was somebody's end, not an answer. */
static gboolean
may_ask_again (Call *call, const GError *error, gboolean broker, guint round, gint64 hope)
{
  gint64 now = g_get_monotonic_time ();

  return !call->spoilt && call->own_us <= 0 && (!broker || round < ROUNDS)
         && g_error_matches (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_LOST)
         && moss_ffi_client_had_session (call->client) && now < hope
         && (call->until == 0 || now < call->until)
         && !g_cancellable_is_cancelled (call->cancellable);
}

/* See moss_ffi_client_call(). @options is sunk. */
MossFfiResult *
moss_ffi_call_run (MossFfiClient *client,
                   const char *text,
                   MossFfiBuffer *const *inputs,
                   guint n_inputs,
                   GVariant *options,
                   double own_us,
                   const MossFfiTold *told,
                   GCancellable *cancellable,
                   GError **error)
{
  g_auto (Call) call = { .client = client,
                         .inputs = inputs,
                         .n_inputs = n_inputs,
                         .own_us = own_us,
                         .cancellable = cancellable };
  gint64 hope = g_get_monotonic_time () + HOPE_US;

  if (told)
    call.told = *told;
  moss_ffi_told_part (&call.told, 0, 1);
  if (!call_init (&call, text, options, error))
    return NULL;
  for (guint round = 1;; round++)
    {
      g_autoptr (GError) local = NULL;
      g_autoptr (MossFfiSession) session = moss_ffi_client_get_session (client, &local);
      MossFfiResult *result = session ? call_once (&call, session, &local) : NULL;

      if (result != NULL)
        return result;
      if (!may_ask_again (&call, local, session && !moss_ffi_session_is_over (session),
                          round, hope))
        {
          g_propagate_error (error, g_steal_pointer (&local));
          return NULL;
        }
      g_usleep (AGAIN_US);
    }
}
