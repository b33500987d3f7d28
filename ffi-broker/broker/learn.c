/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What calls cost. A provider's own clock says how long it ran, the caller's how long all of it
 * took; the difference is what the way there and the waiting for others (queue.c) cost, and is
 * kept with the provider. Who says that it ran much shorter than its callers waited, though it
 * had nothing else to do, is not believed. */
#define G_LOG_DOMAIN "moss-ffi-broker"

#include "remote.h"

#include "ffi-broker/client/frame.h"

#include <math.h>

enum
{
  LAST_MAX = 200,
  WRONG_MAX = 3,
  CRASHES_MAX = 5,
  SMALL_BYTES = 32 * 1024,
  DOUBT_US = 20000,
  DOUBT_TIMES = 3,
  DOUBTS = 3,
};

#define US_MAX 3.6e9
#define WEIGHT 0.2
#define LIES_TIMES 8

static guint32
now_s (void)
{
  return g_get_monotonic_time () / G_USEC_PER_SEC + 1;
}

double
learn_predict (const Offer *offer, guint64 bytes)
{
  return moss_ffi_curve_predict_us (&offer->learner.curve, bytes);
}

void
learn_start (Provider *provider, guint64 start_us)
{
  provider->start_us = moss_ffi_smooth (provider->start_us, start_us, WEIGHT);
  provider->dirty = TRUE;
  publish_provider (provider);
  registry_touch (provider->broker);
}

static void
remember (Broker *broker, Offer *offer, guint64 bytes_in, guint64 bytes_out, double predicted_us,
          guint64 measured_us, guint outcome)
{
  LastCall *call = g_new (LastCall, 1);

  *call = (LastCall){ offer->number, bytes_in, bytes_out,
                      isnan (predicted_us) ? 0 : predicted_us, measured_us, outcome };
  g_queue_push_head (&broker->last, call);
  if (broker->last.length > LAST_MAX)
    g_free (g_queue_pop_tail (&broker->last));
}

/* The way there and back: a fixed part that small calls show, and one by the byte. */
static void
learn_way (Provider *provider, guint64 bytes, double way_us)
{
  if (provider->kind == MOSS_FFI_KIND_REMOTE)
    return; /* netd measures the link */
  if (bytes <= SMALL_BYTES)
    provider->latency_us =
        moss_ffi_smooth (provider->latency_us, CLAMP (way_us, 1, 1e5), WEIGHT);
  else if (way_us > provider->latency_us + 1)
    provider->bytes_per_us = moss_ffi_smooth (
        provider->bytes_per_us, MAX (bytes / (way_us - provider->latency_us), 100), WEIGHT);
  provider->dirty = TRUE;
}

/* A remote machine's load is in its times as ours is in ours: costs are kept as of an idle one. */
static double
as_idle (Offer *offer, double us)
{
  double load = offer->provider->kind == MOSS_FFI_KIND_REMOTE ? remote_load (offer->provider)
                                                             : offer->provider->broker->load;

  return us / remote_slowdown (load);
}

static void
observed (Offer *offer, guint64 bytes_in, guint64 bytes_out, double us, gboolean killed)
{
  gboolean was_known = offer->trust == TRUST_MEASURED;

  if (killed)
    moss_ffi_learner_observe_killed (&offer->learner, bytes_in, us, now_s ());
  else
    moss_ffi_learner_observe (&offer->learner, bytes_in, us, now_s ());
  if (!killed && bytes_in > 0)
    offer->ratio =
        moss_ffi_smooth (offer->ratio, CLAMP ((double) bytes_out / bytes_in, 1e-6, 1e5), WEIGHT);
  if (offer->trust == TRUST_UNMEASURED && moss_ffi_curve_is_known (&offer->learner.curve))
    offer->trust = TRUST_MEASURED;
  offer->dirty = TRUE;
  publish_cost (offer);
  registry_touch (offer->provider->broker);
  service_learned (offer->provider->broker);
  if (!was_known)
    remote_offers_changed (offer->provider->broker);
}

void
learn_canary (Offer *offer, guint64 bytes_in, guint64 bytes_out, guint64 us, gboolean killed)
{
  observed (offer, bytes_in, bytes_out, as_idle (offer, MAX (us, 1)), killed);
  if (offer->provider->worker != NULL && !killed)
    worker_is_well (offer->provider->worker);
}

/* Whether it can't be so that it ran that short a time: its caller waited much longer, and
 * neither for its start nor for others that it worked for. */
static gboolean
is_doubtful (Provider *provider, double run_us, double waited_us, double whole_us)
{
  if (provider->kind == MOSS_FFI_KIND_IN_PROCESS || waited_us < DOUBT_US ||
      waited_us < DOUBT_TIMES * run_us || queue_is_busy (provider))
    return FALSE;
  return provider->worker == NULL || !worker_is_younger (provider->worker, whole_us);
}

/* How long it ran, whatever it says: once can be chance, so a third of the waiting is believed
 * first, then all of it. */
static double
believe (Provider *provider, double run_us, double waited_us, double whole_us)
{
  if (!is_doubtful (provider, run_us, waited_us, whole_us))
    {
      provider->doubts = 0;
      return run_us;
    }
  return ++provider->doubts < DOUBTS ? waited_us / DOUBT_TIMES : waited_us;
}

static void
done (Offer *offer, guint64 bytes_in, guint64 bytes_out, double run_us, double whole_us)
{
  Provider *provider = offer->provider;
  double bytes = (double) bytes_in + bytes_out;
  double way_us = provider->latency_us +
                  (provider->bytes_per_us > 0 ? bytes / provider->bytes_per_us : 0);
  double waited = MAX (whole_us - way_us, 0), said_us;
  gboolean queued;

  if (run_us <= 0 || run_us > whole_us)
    run_us = whole_us;
  said_us = run_us;
  run_us = believe (provider, said_us, waited, whole_us);
  queued = queue_is_busy (provider) && waited - run_us > run_us; /* one other at least */
  if (run_us == said_us && provider->kind == MOSS_FFI_KIND_LOCAL && !queued &&
      (provider->worker == NULL || !worker_is_younger (provider->worker, whole_us)))
    learn_way (provider, bytes, whole_us - run_us);
  queue_note (provider, run_us, queued ? waited - run_us : 0);
  observed (offer, bytes_in, bytes_out, as_idle (offer, MAX (run_us, 0.01)), FALSE);
  publish_provider (provider);
  offer->wrong = 0;
  if (provider->worker != NULL)
    worker_is_well (provider->worker);
}

/* Another device that says what isn't so of its costs, again and again. */
static void
check_lies (Offer *offer, double predicted_us, double run_us)
{
  if (offer->provider->kind != MOSS_FFI_KIND_REMOTE || isnan (predicted_us) || offer->calls > 8)
    return;
  if (run_us > predicted_us * LIES_TIMES && ++offer->wrong >= WRONG_MAX)
    offer_bar (offer, "it takes many times as long as that device says");
}

void
learn_report (Broker *broker, Offer *offer, guint64 bytes_in, guint64 bytes_out, guint64 run_us,
              guint64 whole_us, guint outcome)
{
  double predicted_us = learn_predict (offer, bytes_in);
  Provider *provider = offer->provider;

  if (bytes_in > G_MAXINT64 || bytes_out > G_MAXINT64 || whole_us > US_MAX)
    return;
  remember (broker, offer, bytes_in, bytes_out, predicted_us,
            outcome == MOSS_FFI_OUTCOME_DONE ? MIN (run_us, whole_us) : whole_us, outcome);
  if (provider->worker != NULL)
    worker_use (provider->worker);
  switch (outcome)
    {
    case MOSS_FFI_OUTCOME_DONE:
      offer->calls++;
      demand_note (offer, bytes_in);
      check_lies (offer, predicted_us, run_us);
      if (offer->trust != TRUST_BARRED)
        done (offer, bytes_in, bytes_out, run_us, whole_us);
      break;
    case MOSS_FFI_OUTCOME_KILLED:
      observed (offer, bytes_in, 0, as_idle (offer, MAX (whole_us, 1)), TRUE);
      if (provider->worker != NULL)
        worker_given_up (provider->worker);
      break;
    case MOSS_FFI_OUTCOME_WRONG:
      if (++offer->wrong >= WRONG_MAX)
        offer_bar (offer, "it gave something else back than it promises");
      break;
    case MOSS_FFI_OUTCOME_LOST:
      if (++offer->wrong >= CRASHES_MAX)
        offer_bar (offer, "it crashes");
      break;
    default:
      break;
    }
}

static GVariant *
describe (Broker *broker, const LastCall *call)
{
  static const char *const outcomes[] = { "done", "failed", "lost", "killed", "wrong",
                                          "cancelled" };
  Offer *offer = registry_get_offer (broker, call->offer);
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "offer", "u", call->offer);
  g_variant_dict_insert (&dict, "provider", "s", offer != NULL ? offer->provider->id : "");
  g_variant_dict_insert (&dict, "name", "s", offer != NULL ? offer->provider->name : "");
  g_variant_dict_insert (&dict, "bytes", "t", call->bytes_in);
  g_variant_dict_insert (&dict, "predicted-us", "t", call->predicted_us);
  g_variant_dict_insert (&dict, "measured-us", "t", call->measured_us);
  g_variant_dict_insert (&dict, "outcome", "s",
                         call->outcome < G_N_ELEMENTS (outcomes) ? outcomes[call->outcome] : "");
  return g_variant_dict_end (&dict);
}

GVariant *
learn_last (Broker *broker, GPtrArray *offers)
{
  GVariantBuilder list;
  guint n = 0;

  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  for (GList *item = broker->last.head; item != NULL && n < 20; item = item->next)
    {
      const LastCall *call = item->data;
      Offer *offer = registry_get_offer (broker, call->offer);

      if (offer == NULL || !g_ptr_array_find (offers, offer, NULL))
        continue;
      g_variant_builder_add_value (&list, describe (broker, call));
      n++;
    }
  return g_variant_builder_end (&list);
}

void
learn_free (Broker *broker)
{
  g_queue_clear_full (&broker->last, g_free);
}
