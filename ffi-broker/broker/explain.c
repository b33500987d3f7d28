/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the broker tells people: offers, plans, and why a request goes where it goes. Whoever
 * asks for something makes its unmeasured offers be measured soon. */
#define G_LOG_DOMAIN "moss-ffi-broker"

#include "remote.h"

#include <math.h>
#include <string.h>

enum
{
  POSSIBLE_MAX = 64,
  LICENCES_MAX = 16,
};

static const char *const kinds[] = { "in-process", "local", "remote" };
static const char *const trusts[] = { "unmeasured", "measured", "barred" };

static GVariant *
describe_curve (const MossFfiCurve *curve)
{
  GVariantBuilder points;

  g_variant_builder_init (&points, G_VARIANT_TYPE ("a(tdu)"));
  for (guint i = 0; i < MOSS_FFI_BUCKETS; i++)
    if (!isnan (curve->log2_us[i]))
      g_variant_builder_add (&points, "(tdu)", moss_ffi_bucket_bytes (i),
                             exp2 (curve->log2_us[i]), (guint) curve->count[i]);
  return g_variant_builder_end (&points);
}

static void
describe_provider (GVariantDict *dict, const Provider *provider)
{
  g_variant_dict_insert (dict, "provider", "s", provider->id);
  g_variant_dict_insert (dict, "name", "s", provider->name);
  g_variant_dict_insert (dict, "version", "s", provider->version);
  g_variant_dict_insert (dict, "kind", "s", kinds[provider->kind]);
  g_variant_dict_insert (dict, "device", "s", provider->device);
  g_variant_dict_insert (dict, "app", "s", provider->app != NULL ? provider->app : "");
  g_variant_dict_insert (dict, "device-name", "s", remote_name (provider));
  g_variant_dict_insert (dict, "warm", "b",
                         provider->worker == NULL || worker_is_warm (provider->worker));
  g_variant_dict_insert (dict, "start-us", "t", (guint64) provider->start_us);
  g_variant_dict_insert (dict, "queue-us", "t", (guint64) provider->queue_us);
  g_variant_dict_insert (dict, "latency-us", "t", (guint64) provider->latency_us);
  g_variant_dict_insert (dict, "bytes-per-us", "d", provider->bytes_per_us);
}

GVariant *
explain_offer (const Offer *offer)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  describe_provider (&dict, offer->provider);
  g_variant_dict_insert (&dict, "offer", "u", offer->number);
  g_variant_dict_insert (&dict, "capability", "s", offer->text);
  g_variant_dict_insert (&dict, "key", "s", offer->key);
  g_variant_dict_insert (&dict, "function", "s", offer->function);
  g_variant_dict_insert (&dict, "quality", "s", offer->quality);
  g_variant_dict_insert (&dict, "quality-rank", "u", offer->quality_rank);
  g_variant_dict_insert (&dict, "licence", "s", offer->licence);
  g_variant_dict_insert (&dict, "pure", "b", (offer->flags & MOSS_FFI_OFFER_PURE) != 0);
  g_variant_dict_insert (&dict, "deterministic", "b",
                         (offer->flags & MOSS_FFI_OFFER_DETERMINISTIC) != 0);
  g_variant_dict_insert (&dict, "lossy", "b", (offer->flags & MOSS_FFI_OFFER_LOSSY) != 0);
  g_variant_dict_insert (&dict, "idempotent", "b",
                         (offer->flags & MOSS_FFI_OFFER_IDEMPOTENT) != 0);
  g_variant_dict_insert (&dict, "memory-per-byte", "d", offer->memory_per_byte);
  g_variant_dict_insert (&dict, "present", "b", offer_is_present (offer));
  g_variant_dict_insert (&dict, "ratio", "d", offer->ratio);
  g_variant_dict_insert (&dict, "calls", "t", offer->calls);
  g_variant_dict_insert (&dict, "trust", "s", trusts[offer->trust]);
  g_variant_dict_insert (&dict, "reason", "s", offer->reason != NULL ? offer->reason : "");
  g_variant_dict_insert_value (&dict, "curve", describe_curve (&offer->learner.curve));
  return g_variant_dict_end (&dict);
}

/* --- what is wanted --- */

typedef struct
{
  MossFfiWants wants;
  const char *licences[2];
  guint64 bytes, deadline_us; /* 0: none */
} Asked;

/* The texts stay the options'. */
static void
read_options (GVariant *options, Asked *asked)
{
  memset (asked, 0, sizeof *asked);
  asked->bytes = 1 << 20;
  asked->wants.partly = TRUE;
  g_variant_lookup (options, "bytes", "t", &asked->bytes);
  g_variant_lookup (options, "deadline-us", "t", &asked->deadline_us);
  g_variant_lookup (options, "lossy", "b", &asked->wants.lossy);
  g_variant_lookup (options, "local", "b", &asked->wants.local);
  g_variant_lookup (options, "least-rank", "u", &asked->wants.least_rank);
  g_variant_lookup (options, "memory-bytes", "t", &asked->wants.memory_bytes);
  g_variant_lookup (options, "quality", "&s", &asked->wants.quality);
  g_variant_lookup (options, "own", "&s", &asked->wants.own);
  g_variant_lookup (options, "licence", "&s", &asked->licences[0]);
  if (asked->wants.quality != NULL && *asked->wants.quality == '\0')
    asked->wants.quality = NULL;
  if (asked->licences[0] != NULL && *asked->licences[0] != '\0')
    asked->wants.licences = asked->licences;
}

static MossFfiTable *
get_table (Broker *broker)
{
  publish_now (broker);
  return broker->writer != NULL ? moss_ffi_table_writer_get_table (broker->writer) : NULL;
}

/* NULL: what was sent is neither a capability nor the key of an offer. */
static MossFfiCapability *
read_request (Broker *broker, const char *request, GError **error)
{
  g_autoptr (GError) cause = NULL;
  MossFfiCapability *capability = moss_ffi_capability_parse (request, &cause);
  GHashTableIter iter;
  Offer *offer;

  if (capability != NULL)
    return capability;
  g_hash_table_iter_init (&iter, broker->offers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &offer))
    if (offer_is_present (offer) && g_str_equal (offer->key, request))
      return moss_ffi_capability_copy (offer->capability);
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_INVALID, "“%s” is no capability: %s",
               request, cause->message);
  return NULL;
}

static void
want_measured (GPtrArray *offers)
{
  for (guint i = 0; i < offers->len; i++)
    if (((Offer *) offers->pdata[i])->trust == TRUST_UNMEASURED)
      canaries_want (offers->pdata[i], FALSE);
}

/* --- plans --- */

/* "has no option strat", "needs the option name:s"; NULL: the options are no reason. */
static char *
compare_options (const MossFfiCapability *request, const MossFfiCapability *offer)
{
  for (guint i = 0; i < request->options->len; i++)
    {
      const MossFfiOption *given = &g_array_index (request->options, MossFfiOption, i);
      const MossFfiOption *known = moss_ffi_capability_get_option (offer, given->name);

      if (known == NULL)
        return g_strdup_printf ("has no option %s", given->name);
      if (!g_str_equal (known->type, given->type))
        return g_strdup_printf ("takes %s:%s, not %s:%s", known->name, known->type, given->name,
                                given->type);
    }
  for (guint i = 0; i < offer->options->len; i++)
    {
      const MossFfiOption *known = &g_array_index (offer->options, MossFfiOption, i);

      if (!known->optional && moss_ffi_capability_get_option (request, known->name) == NULL)
        return g_strdup_printf ("needs the option %s:%s", known->name, known->type);
    }
  return NULL;
}

/* Who does that operation but for the options; NULL when there is nobody. */
static char *
nearly (Broker *broker, const MossFfiCapability *request)
{
  GHashTableIter iter;
  Offer *offer;

  g_hash_table_iter_init (&iter, broker->offers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &offer))
    {
      const MossFfiCapability *other = offer->capability;
      g_autofree char *but = NULL;

      if (!offer_is_present (offer) || *request->operation == '\0' ||
          other->verb != request->verb || !g_str_equal (other->operation, request->operation) ||
          other->inputs->len != request->inputs->len)
        continue;
      but = compare_options (request, other);
      if (but != NULL)
        return g_strdup_printf ("; %s does, but %s", offer->provider->id, but);
    }
  return NULL;
}

/* The keys that are nearest in what goes in or comes out. */
static char *
nearest (Broker *broker, const MossFfiCapability *request)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GString) text = g_string_new (NULL);
  const char *out = moss_ffi_caps_get_media (request->output);
  GHashTableIter iter;
  Offer *offer;
  guint n = 0;

  g_hash_table_iter_init (&iter, broker->offers);
  while (n < 4 && g_hash_table_iter_next (&iter, NULL, (gpointer *) &offer))
    if (offer_is_present (offer) &&
        g_str_equal (moss_ffi_caps_get_media (offer->capability->output), out) &&
        g_hash_table_add (seen, offer->key))
      g_string_append_printf (text, "%s%s", n++ == 0 ? "; what comes nearest: " : ", ",
                              offer->key);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static MossFfiPlan *
find_plan (Broker *broker, const MossFfiCapability *request, const Asked *asked, GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autofree char *near = NULL;
  MossFfiPlan *plan = NULL;

  if (get_table (broker) != NULL)
    plan = moss_ffi_planner_plan (broker->planner, request, &asked->wants, asked->bytes,
                                  g_get_monotonic_time (), &cause);
  if (plan != NULL)
    return plan;
  near = nearly (broker, request);
  if (near == NULL)
    near = nearest (broker, request);
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_NOT_OFFERED, "%s%s",
               cause != NULL ? cause->message : "there is no table of offers", near);
  return NULL;
}

static GVariant *
describe_step (Broker *broker, const MossFfiPlanStep *step)
{
  MossFfiTable *table = get_table (broker);
  const MossFfiTableOffer *row = moss_ffi_table_get_offer (table, step->offer);
  Offer *offer = registry_get_offer (broker, row->number);
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "offer", "u", row->number);
  g_variant_dict_insert (&dict, "provider-number", "u", offer->provider->number);
  g_variant_dict_insert (&dict, "provider", "s", offer->provider->id);
  g_variant_dict_insert (&dict, "name", "s", offer->provider->name);
  g_variant_dict_insert (&dict, "device", "s", offer->provider->device);
  g_variant_dict_insert (&dict, "capability", "s", offer->text);
  g_variant_dict_insert (&dict, "function", "s", offer->function);
  g_variant_dict_insert (&dict, "in", "s",
                         step->in != NULL ? moss_ffi_caps_get_text (step->in) : "");
  g_variant_dict_insert (&dict, "out", "s", moss_ffi_caps_get_text (step->out));
  g_variant_dict_insert (&dict, "asked", "b", step->asked);
  g_variant_dict_insert (&dict, "lossy", "b", (offer->flags & MOSS_FFI_OFFER_LOSSY) != 0);
  g_variant_dict_insert (&dict, "pure", "b", (offer->flags & MOSS_FFI_OFFER_PURE) != 0);
  g_variant_dict_insert (&dict, "predicted-us", "t",
                         (guint64) (isfinite (step->predicted_us) ? step->predicted_us : 0));
  g_variant_dict_insert (&dict, "bytes-in", "t", step->bytes_in);
  g_variant_dict_insert (&dict, "bytes-out", "t", step->bytes_out);
  return g_variant_dict_end (&dict);
}

static GVariant *
describe_plan (Broker *broker, const MossFfiPlan *plan)
{
  GVariantBuilder list;

  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < plan->n; i++)
    g_variant_builder_add_value (&list, describe_step (broker, &plan->steps[i]));
  return g_variant_builder_end (&list);
}

/* What nobody has tried is no reason to refuse. */
static gboolean
is_in_time (const MossFfiPlan *plan, const Asked *asked, GError **error)
{
  if (asked->deadline_us == 0 || !(plan->predicted_us > asked->deadline_us))
    return TRUE;
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_TIMED_OUT,
               "the %u steps would take %.3g s, but only %.3g s are left of the call's time",
               plan->n, plan->predicted_us / 1e6, asked->deadline_us / 1e6);
  return FALSE;
}

GVariant *
explain_plan (Broker *broker, const char *request, GVariant *options, GError **error)
{
  g_autoptr (MossFfiCapability) capability = read_request (broker, request, error);
  g_autoptr (MossFfiPlan) plan = NULL;
  Asked asked;

  if (capability == NULL)
    return NULL;
  read_options (options, &asked);
  plan = find_plan (broker, capability, &asked, error);
  return plan != NULL && is_in_time (plan, &asked, error) ? describe_plan (broker, plan) : NULL;
}

/* --- why --- */

typedef struct
{
  Offer *offer;
  double us;
} Ranked;

static int
by_cost (gconstpointer a, gconstpointer b)
{
  const Ranked *one = a, *other = b;

  if (isfinite (one->us) != isfinite (other->us))
    return isfinite (one->us) ? -1 : 1;
  return one->us < other->us ? -1 : one->us > other->us;
}

static GArray *
rank (Broker *broker, const MossFfiCapability *request, const Asked *asked)
{
  GArray *ranked = g_array_new (FALSE, FALSE, sizeof (Ranked));
  MossFfiTable *table = get_table (broker);
  MossFfiCandidates candidates;

  if (table == NULL || !moss_ffi_resolve (table, request, &asked->wants, &candidates, NULL))
    return ranked;
  for (guint i = 0; i < candidates.n; i++)
    {
      guint number = moss_ffi_table_get_offer (table, candidates.offers[i])->number;
      Ranked one = { registry_get_offer (broker, number),
                     moss_ffi_offer_cost_us (table, candidates.offers[i], asked->bytes) };

      if (one.offer != NULL)
        g_array_append_val (ranked, one);
    }
  g_array_sort (ranked, by_cost);
  return ranked;
}

/* ", 120 ms of it waiting for other calls", when that counts; and whose it is. */
static char *
say_more (const Provider *provider, double us)
{
  g_autoptr (GString) text = g_string_new (NULL);

  if (isfinite (us) && provider->queue_us >= us / 10 && provider->queue_us > 0)
    g_string_append_printf (text, ", %.0f ms of it waiting for other calls",
                            provider->queue_us / 1000);
  if (provider->app != NULL)
    g_string_append_printf (text, ", offered by the app %s", provider->app);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* What a program does itself; nobody else can call that. */
static void
add_own (Broker *broker, GArray *ranked, GPtrArray *offers, const Asked *asked)
{
  for (guint i = 0; i < offers->len; i++)
    {
      Offer *offer = offers->pdata[i];
      Ranked one = { offer, NAN };

      if (offer->provider->kind != MOSS_FFI_KIND_IN_PROCESS || !offer_is_present (offer) ||
          offer->index == MOSS_FFI_NO_OFFER)
        continue;
      one.us = moss_ffi_offer_cost_us (get_table (broker), offer->index, asked->bytes);
      g_array_append_val (ranked, one);
    }
}

static char *
why (const Ranked *one, guint place, double best_us)
{
  const Provider *provider = one->offer->provider;
  g_autofree char *more = say_more (provider, one->us);

  if (provider->kind == MOSS_FFI_KIND_IN_PROCESS)
    return g_strdup ("its own process alone calls it");

  if (one->offer->trust == TRUST_UNMEASURED)
    return g_strconcat (one->offer->reason != NULL ? one->offer->reason : "not measured yet", more,
                        NULL);
  if (!isfinite (one->us))
    return g_strconcat ("its cost is not known at this size", more, NULL);
  if (place == 0)
    return g_strdup_printf ("the quickest%s%s", provider->kind == MOSS_FFI_KIND_REMOTE
                                                    ? ", the way to that device included" : "",
                            more);
  return g_strdup_printf ("%.1f times as long as the quickest%s", one->us / best_us, more);
}

static GVariant *
describe_ranked (GArray *ranked)
{
  GVariantBuilder list;

  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < ranked->len; i++)
    {
      const Ranked *one = &g_array_index (ranked, Ranked, i);
      g_autofree char *reason = why (one, i, g_array_index (ranked, Ranked, 0).us);
      GVariantDict dict;

      g_variant_dict_init (&dict, NULL);
      g_variant_dict_insert_value (&dict, "offer", explain_offer (one->offer));
      g_variant_dict_insert (&dict, "predicted-us", "t",
                             (guint64) (isfinite (one->us) ? one->us : 0));
      g_variant_dict_insert (&dict, "why", "s", reason);
      g_variant_builder_add_value (&list, g_variant_dict_end (&dict));
    }
  return g_variant_builder_end (&list);
}

/* A request that is less exact than any plan has somebody who does it all the same. */
static char *
say (Broker *broker, const MossFfiPlan *plan, GArray *ranked, const GError *error)
{
  const Ranked *first = ranked->len > 0 ? &g_array_index (ranked, Ranked, 0) : NULL;
  g_autofree char *time = NULL;

  if (plan != NULL)
    return moss_ffi_plan_to_string (plan, get_table (broker));
  if (first == NULL)
    return g_strdup (error->message);
  if (!isfinite (first->us))
    return g_strdup_printf ("%s (not measured yet)", first->offer->text);
  time = moss_ffi_duration_to_string (first->us);
  return g_strdup_printf ("%s (%s, %s)", first->offer->text, first->offer->provider->id, time);
}

GVariant *
explain_request (Broker *broker, const char *request, GVariant *options, GError **error)
{
  g_autoptr (MossFfiCapability) capability = read_request (broker, request, error);
  g_autoptr (GPtrArray) offers = NULL;
  g_autoptr (MossFfiPlan) plan = NULL;
  g_autoptr (GError) no_plan = NULL;
  g_autoptr (GArray) ranked = NULL;
  g_autofree char *sentence = NULL;
  GVariantDict dict;
  Asked asked;

  if (capability == NULL)
    return NULL;
  offers = registry_find (broker, request, NULL);
  if (offers == NULL)
    offers = g_ptr_array_new ();
  want_measured (offers);
  read_options (options, &asked);
  ranked = rank (broker, capability, &asked);
  plan = find_plan (broker, capability, &asked, &no_plan);
  sentence = say (broker, plan, ranked, no_plan);
  add_own (broker, ranked, offers, &asked);
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "request", "s", request);
  g_variant_dict_insert (&dict, "bytes", "t", asked.bytes);
  g_variant_dict_insert (&dict, "load", "d", broker->load);
  g_variant_dict_insert_value (&dict, "direct", describe_ranked (ranked));
  if (plan != NULL)
    g_variant_dict_insert_value (&dict, "plan", describe_plan (broker, plan));
  g_variant_dict_insert (&dict, "sentence", "s", sentence);
  g_variant_dict_insert_value (&dict, "last", learn_last (broker, offers));
  return g_variant_dict_end (&dict);
}

/* --- what can be done with something --- */

/* "WebP image" for what makes one, else the operation's own words. */
static char *
say_possible (const MossFfiCapability *capability)
{
  g_autofree char *type =
      g_content_type_from_mime_type (moss_ffi_caps_get_media (capability->output));

  if (capability->operation[0] == '\0' && type != NULL)
    return g_content_type_get_description (type);
  return g_strdup (capability->operation[0] != '\0' ? capability->operation
                                                    : moss_ffi_verb_name (capability->verb));
}

static GVariant *
describe_possible (Broker *broker, const char *request, const MossFfiPlan *plan,
                   const MossFfiCapability *capability)
{
  g_autofree char *text = say_possible (capability);
  gboolean lossy = FALSE;
  GVariantDict dict;

  for (guint i = 0; i < plan->n; i++)
    lossy = lossy || (moss_ffi_table_get_offer (get_table (broker), plan->steps[i].offer)->flags &
                      MOSS_FFI_OFFER_LOSSY) != 0;
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "request", "s", request);
  g_variant_dict_insert (&dict, "text", "s", text);
  g_variant_dict_insert (&dict, "verb", "s", moss_ffi_verb_name (capability->verb));
  g_variant_dict_insert (&dict, "operation", "s", capability->operation);
  g_variant_dict_insert (&dict, "to", "s", moss_ffi_caps_get_media (capability->output));
  g_variant_dict_insert (&dict, "predicted-us", "t",
                         (guint64) (isfinite (plan->predicted_us) ? plan->predicted_us : 0));
  g_variant_dict_insert (&dict, "steps", "u", plan->n);
  g_variant_dict_insert (&dict, "lossy", "b", lossy);
  return g_variant_dict_end (&dict);
}

/* A picture as another picture, not as what happens to take any bytes. */
static gboolean
is_sensible (const char *media, const char *out, const MossFfiCapability *capability)
{
  gsize kind = strcspn (media, "/") + 1;

  return strncmp (media, out, kind) == 0 ||
         g_str_equal (moss_ffi_caps_get_media (moss_ffi_capability_get_input (capability, 0)),
                      media);
}

/* Requests worth trying: to every type that somebody makes, and every operation that is asked
 * for by name, on this type. */
static GHashTable *
gather_requests (Broker *broker, const char *media)
{
  GHashTable *requests = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GHashTableIter iter;
  Offer *offer;

  g_hash_table_iter_init (&iter, broker->offers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &offer))
    {
      const MossFfiCapability *capability = offer->capability;
      const char *out = moss_ffi_caps_get_media (capability->output);

      if (!offer_is_present (offer) || capability->inputs->len != 1)
        continue;
      if (capability->verb <= MOSS_FFI_VERB_DECODE && capability->operation[0] == '\0' &&
          !g_str_equal (out, "video/x-raw") && !g_str_equal (out, media) &&
          is_sensible (media, out, capability))
        g_hash_table_add (requests, g_strdup_printf ("convert(%s) -> %s", media, out));
      else if (capability->verb > MOSS_FFI_VERB_DECODE &&
               g_str_equal (moss_ffi_caps_get_media (moss_ffi_capability_get_input (capability,
                                                                                    0)), media))
        g_hash_table_add (requests, g_strdup (offer->text));
    }
  return requests;
}

/* Without loss, or with loss when it goes in no other way. */
static MossFfiPlan *
find_plan_with_loss (Broker *broker, const MossFfiCapability *request, Asked asked)
{
  MossFfiPlan *plan;

  asked.wants.lossy = FALSE;
  plan = find_plan (broker, request, &asked, NULL);
  asked.wants.lossy = TRUE;
  return plan != NULL ? plan : find_plan (broker, request, &asked, NULL);
}

static int
by_text (gconstpointer a, gconstpointer b)
{
  return g_strcmp0 (*(const char *const *) a, *(const char *const *) b);
}

GVariant *
explain_possible (Broker *broker, const char *text, guint64 bytes, GError **error)
{
  g_autoptr (MossFfiCaps) caps = moss_ffi_caps_parse (text, error);
  g_autoptr (GHashTable) requests = NULL;
  g_autofree gpointer *sorted = NULL;
  Asked asked = { .wants = { .partly = TRUE }, .bytes = bytes };
  GVariantBuilder list;
  guint n;

  if (caps == NULL)
    return NULL;
  requests = gather_requests (broker, moss_ffi_caps_get_media (caps));
  sorted = g_hash_table_get_keys_as_array (requests, &n);
  qsort (sorted, n, sizeof *sorted, by_text);
  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0, found = 0; i < n && found < POSSIBLE_MAX; i++)
    {
      g_autoptr (MossFfiCapability) request = moss_ffi_capability_parse (sorted[i], NULL);
      g_autoptr (MossFfiPlan) plan =
          request != NULL ? find_plan_with_loss (broker, request, asked) : NULL;

      if (plan == NULL)
        continue;
      g_variant_builder_add_value (&list, describe_possible (broker, sorted[i], plan, request));
      found++;
    }
  return g_variant_builder_end (&list);
}
