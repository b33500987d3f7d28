// SPDX-License-Identifier: LGPL-2.1-or-later
#include "choice.h"

#include "ffi-broker/types/media.h"

#include <string.h>

/* Costs this near to each other are equal: measured times aren't more exact than that. */
#define AS_GOOD 0.97f
#define NEAR 1.25f

/* TRUE when the offers under this key may do what is asked: the verb, the operation and the media
 * types fit. Parses no caps, since there may be many keys. */
static gboolean
key_fits (const char *key, const char *head, const MossFfiCapability *request)
{
  const MossFfiMedia *media = moss_ffi_media_get_default ();
  g_auto (GStrv) sides = NULL;
  g_auto (GStrv) inputs = NULL;
  gsize length = strlen (head);

  if (strncmp (key, head, length) != 0 || key[length] != ' ')
    return FALSE;
  /* What follows begins with a media type or the arrow, not with an operation. */
  if (strncmp (key + length, " -> ", 4) != 0 &&
      memchr (key + length + 1, '/', strcspn (key + length + 1, " ,")) == NULL)
    return FALSE;
  sides = g_strsplit (key + length, " -> ", 2);
  if (sides[0] == NULL || sides[1] == NULL ||
      !moss_ffi_media_is_a (media, sides[1], moss_ffi_caps_get_media (request->output)))
    return FALSE;
  inputs = g_strsplit (*sides[0] != '\0' ? sides[0] + 1 : "", ", ", -1);
  if (g_strv_length (inputs) != request->inputs->len)
    return FALSE;
  for (guint i = 0; inputs[i] != NULL; i++)
    if (!moss_ffi_media_is_a (
            media, moss_ffi_caps_get_media (moss_ffi_capability_get_input (request, i)), inputs[i]))
      return FALSE;
  return TRUE;
}

/* What became of the offers of a request, for the message when none is left. */
typedef struct
{
  GArray *found; /* guint */
  guint matching, lossy, other_wants, best_rank;
} Search;

static gboolean
licence_fits (const char *licence, const char *const *licences)
{
  return licences == NULL || g_strv_contains (licences, licence);
}

static gboolean
is_reachable (const MossFfiTable *table, const MossFfiTableOffer *offer, const MossFfiWants *wants)
{
  const MossFfiTableProvider *provider = moss_ffi_table_get_provider_of (table, offer);

  switch (provider->kind)
    {
    case MOSS_FFI_KIND_IN_PROCESS:
      return wants->own != NULL &&
             strcmp (wants->own, moss_ffi_table_get_text (table, provider->id)) == 0;
    case MOSS_FFI_KIND_REMOTE:
      return !wants->local;
    default:
      return TRUE;
    }
}

static void
consider (Search *search, const MossFfiTable *table, guint index, const MossFfiWants *wants)
{
  const MossFfiTableOffer *offer = moss_ffi_table_get_offer (table, index);

  search->matching++;
  if ((offer->flags & MOSS_FFI_OFFER_LOSSY) != 0 && !wants->lossy)
    search->lossy++;
  else if (!licence_fits (moss_ffi_table_get_text (table, offer->licence), wants->licences) ||
           (wants->quality != NULL &&
            strcmp (wants->quality, moss_ffi_table_get_text (table, offer->quality)) != 0) ||
           offer->rank < wants->least_rank)
    search->other_wants++;
  else
    {
      g_array_append_val (search->found, index);
      search->best_rank = MAX (search->best_rank, offer->rank);
    }
}

static void
search_key (Search *search,
            const MossFfiTable *table,
            const MossFfiTableKey *key,
            const MossFfiCapability *request,
            const MossFfiWants *wants)
{
  MossFfiMatch least = wants->partly ? MOSS_FFI_MATCH_PARTLY : MOSS_FFI_MATCH_FULLY;
  guint32 text = 0;
  gboolean fits = FALSE;

  for (guint i = key->first; i < key->first + key->n; i++)
    {
      const MossFfiTableOffer *offer = moss_ffi_table_get_offer (table, i);

      if (!is_reachable (table, offer, wants))
        continue;
      /* Equal texts stand in the pool once; many offers are alike. */
      if (text == 0 || offer->capability != text)
        {
          g_autoptr (MossFfiCapability) capability
              = moss_ffi_capability_parse (moss_ffi_table_get_text (table, offer->capability),
                                           NULL);

          text = offer->capability;
          fits = capability != NULL && moss_ffi_capability_match (capability, request) >= least;
        }
      if (fits)
        consider (search, table, i, wants);
    }
}

static gboolean
say_why_nobody (const Search *search, const MossFfiCapability *request, GError **error)
{
  g_autofree char *text = moss_ffi_capability_to_string (request);

  if (search->matching == 0)
    g_set_error (error, MOSS_FFI_MARKET_ERROR, MOSS_FFI_MARKET_ERROR_NOBODY,
                 "nobody offers %s", text);
  else if (search->lossy > 0 && search->other_wants == 0)
    g_set_error (error, MOSS_FFI_MARKET_ERROR, MOSS_FFI_MARKET_ERROR_LOSSY,
                 "%s is only offered with loss, which was not asked for", text);
  else
    g_set_error (error, MOSS_FFI_MARKET_ERROR, MOSS_FFI_MARKET_ERROR_WANTS,
                 "%s is offered, but not in the quality or licence that was asked for", text);
  return FALSE;
}

/* Of two that cost the same: the nearer one, the one that gives the same result each time, the one
 * that needs less memory, the older one. */
static int
compare_preference (gconstpointer a, gconstpointer b, gpointer table)
{
  const MossFfiTableOffer *left = moss_ffi_table_get_offer (table, *(const guint *) a);
  const MossFfiTableOffer *right = moss_ffi_table_get_offer (table, *(const guint *) b);
  guint32 nearer = moss_ffi_table_get_provider_of (table, left)->kind;
  guint32 farther = moss_ffi_table_get_provider_of (table, right)->kind;
  guint32 same = left->flags & MOSS_FFI_OFFER_DETERMINISTIC;

  if (left->rank != right->rank)
    return left->rank > right->rank ? -1 : 1;
  if (nearer != farther)
    return nearer < farther ? -1 : 1;
  if (same != (right->flags & MOSS_FFI_OFFER_DETERMINISTIC))
    return same ? -1 : 1;
  if (left->memory_per_byte != right->memory_per_byte)
    return left->memory_per_byte < right->memory_per_byte ? -1 : 1;
  return left->number < right->number ? -1 : left->number > right->number;
}

/* The quickest at this size that isn't taken yet; found->len: none. */
static guint
quickest_left (const MossFfiTable *table, const GArray *found, const gboolean *taken, guint64 bytes)
{
  guint best = found->len;
  float least = INFINITY;

  for (guint i = 0; i < found->len; i++)
    {
      float cost;

      if (taken[i])
        continue;
      cost = moss_ffi_offer_cost_us (table, g_array_index (found, guint, i), bytes);
      if (cost < least)
        {
          least = cost;
          best = i;
        }
    }
  return best;
}

/* More offers than are looked at in a call: those that are among the quickest at some size. */
static void
take_quickest (const MossFfiTable *table, const GArray *found, MossFfiCandidates *candidates)
{
  g_autofree gboolean *taken = g_new0 (gboolean, found->len);

  for (guint round = 0; candidates->n < MOSS_FFI_MAX_CANDIDATES; round++)
    {
      guint before = candidates->n;

      for (guint b = 4; b < 36 && candidates->n < MOSS_FFI_MAX_CANDIDATES; b += 4)
        {
          guint i = quickest_left (table, found, taken, moss_ffi_bucket_bytes (b));

          if (i == found->len)
            continue;
          taken[i] = TRUE;
          candidates->offers[candidates->n++] = g_array_index (found, guint, i);
        }
      if (candidates->n == before)
        break;
    }
  /* Of none anything is known. */
  for (guint i = 0; i < found->len && candidates->n < MOSS_FFI_MAX_CANDIDATES; i++)
    if (!taken[i])
      candidates->offers[candidates->n++] = g_array_index (found, guint, i);
  g_qsort_with_data (candidates->offers, candidates->n, sizeof *candidates->offers,
                     compare_preference, (gpointer) table);
}

/* Finds all who may be called for @request. Of offers of different quality only the best are
 * taken, unless @wants says otherwise; what they need and how quick they are is for
 * moss_ffi_choose (). @wants may be NULL. Not for hot code: about 0.1 ms. */
gboolean
moss_ffi_resolve (const MossFfiTable *table,
                  const MossFfiCapability *request,
                  const MossFfiWants *wants,
                  MossFfiCandidates *candidates,
                  GError **error)
{
  static const MossFfiWants usual = { 0 };
  g_autoptr (GArray) found = g_array_new (FALSE, FALSE, sizeof (guint));
  Search search = { .found = found };
  g_autofree char *head
      = g_strdup_printf ("%s%s%s", moss_ffi_verb_name (request->verb),
                         *request->operation != '\0' ? " " : "", request->operation);

  wants = wants != NULL ? wants : &usual;
  *candidates = (MossFfiCandidates){ .memory_bytes = wants->memory_bytes };
  for (guint i = 0; i < moss_ffi_table_get_n_keys (table); i++)
    {
      const MossFfiTableKey *key = moss_ffi_table_get_key (table, i);

      if (key_fits (moss_ffi_table_get_text (table, key->text), head, request))
        search_key (&search, table, key, request, wants);
    }
  for (guint i = found->len; wants->least_rank == 0 && i-- > 0;)
    if (moss_ffi_table_get_offer (table, g_array_index (found, guint, i))->rank < search.best_rank)
      g_array_remove_index (found, i);
  if (found->len == 0)
    return say_why_nobody (&search, request, error);
  g_array_sort_with_data (found, compare_preference, (gpointer) table);
  if (found->len > MOSS_FFI_MAX_CANDIDATES)
    take_quickest (table, found, candidates);
  else
    {
      memcpy (candidates->offers, found->data, found->len * sizeof (guint));
      candidates->n = found->len;
    }
  return TRUE;
}

/* After a failure: whom to ask next is chosen among the others. */
void
moss_ffi_candidates_remove (MossFfiCandidates *candidates, guint offer)
{
  for (guint i = 0; i < candidates->n; i++)
    if (candidates->offers[i] == offer)
      {
        candidates->n--;
        memmove (&candidates->offers[i], &candidates->offers[i + 1],
                 (candidates->n - i) * sizeof *candidates->offers);
        return;
      }
}

/* A cost that the broker changes while it is read. What is no time counts as for ever. */
static inline float
cost_now (const float *cost)
{
  float value;

  __atomic_load (cost, &value, __ATOMIC_RELAXED);
  return value >= 0 ? value : INFINITY;
}

static float
start_and_travel (const MossFfiTableProvider *provider, float bytes)
{
  float cost = cost_now (&provider->queue_us) + cost_now (&provider->latency_us);
  float bytes_per_us = cost_now (&provider->bytes_per_us);

  if (__atomic_load_n (&provider->warm, __ATOMIC_RELAXED) == 0)
    cost += cost_now (&provider->start_us);
  if (bytes_per_us > 0)
    cost += bytes / bytes_per_us;
  return cost;
}

static float
cost_us (const MossFfiTable *table, const MossFfiTableOffer *offer, float bytes, float log2_bytes)
{
  float run = exp2f (moss_ffi_curve_quick_log2_us (&offer->curve, log2_bytes));
  float ratio = cost_now (&offer->out_per_in);

  if (!isfinite (ratio))
    ratio = 1;
  return run + start_and_travel (moss_ffi_table_get_provider_of (table, offer),
                                 bytes * (1 + ratio));
}

/* Start (unless warm) + queue + travel of arguments and result + run, in µs; NaN when how long it
 * runs is not known. */
float
moss_ffi_offer_cost_us (const MossFfiTable *table, guint offer, guint64 bytes)
{
  return cost_us (table, moss_ffi_table_get_offer (table, offer), bytes, log2f (MAX (bytes, 1)));
}

static gboolean
may_be_called (const MossFfiTableOffer *offer, const MossFfiCandidates *candidates, guint64 bytes)
{
  guint32 flags = __atomic_load_n (&offer->flags, __ATOMIC_RELAXED);

  return (flags & MOSS_FFI_OFFER_RESTING) == 0 &&
         (candidates->memory_bytes == 0 ||
          offer->memory_per_byte * (float) bytes <= (float) candidates->memory_bytes);
}

/* The offer that costs least for @bytes of input, or MOSS_FFI_NO_OFFER; @predicted_us is NaN when
 * nothing is known of any. Takes less than 2 µs. */
guint
moss_ffi_choose (const MossFfiTable *table,
                 const MossFfiCandidates *candidates,
                 guint64 bytes,
                 float *predicted_us)
{
  guint best = MOSS_FFI_NO_OFFER;
  float least = NAN, log2_bytes = log2f (MAX (bytes, 1));

  for (guint i = 0; i < candidates->n; i++)
    {
      guint index = candidates->offers[i];
      const MossFfiTableOffer *offer = moss_ffi_table_get_offer (table, index);
      float cost;

      if (!may_be_called (offer, candidates, bytes))
        continue;
      cost = cost_us (table, offer, bytes, log2_bytes);
      if (best == MOSS_FFI_NO_OFFER || (isnan (least) && !isnan (cost)) ||
          cost < least * AS_GOOD)
        {
          best = index;
          least = cost;
        }
    }
  if (predicted_us != NULL)
    *predicted_us = least;
  return best;
}

/* As moss_ffi_choose (), but of machines that cost nearly the same not always the best: all who
 * look at the same minute-old loads would choose the same one. Two are drawn by @dice, the better
 * is taken (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing"). */
guint
moss_ffi_choose_spread (const MossFfiTable *table,
                        const MossFfiCandidates *candidates,
                        guint64 bytes,
                        guint32 dice,
                        float *predicted_us)
{
  guint near[MOSS_FFI_MAX_CANDIDATES], n = 0, one, other;
  float least, first, second;
  guint best = moss_ffi_choose (table, candidates, bytes, &least);

  if (predicted_us != NULL)
    *predicted_us = least;
  if (best == MOSS_FFI_NO_OFFER ||
      moss_ffi_table_get_provider_of (table, moss_ffi_table_get_offer (table, best))->kind !=
          MOSS_FFI_KIND_REMOTE)
    return best;
  for (guint i = 0; i < candidates->n; i++)
    {
      const MossFfiTableOffer *offer = moss_ffi_table_get_offer (table, candidates->offers[i]);

      if (moss_ffi_table_get_provider_of (table, offer)->kind == MOSS_FFI_KIND_REMOTE &&
          may_be_called (offer, candidates, bytes) &&
          moss_ffi_offer_cost_us (table, candidates->offers[i], bytes) <= least * NEAR)
        near[n++] = candidates->offers[i];
    }
  if (n < 2)
    return best;
  one = dice % n;
  other = (one + 1 + dice / n % (n - 1)) % n;
  first = moss_ffi_offer_cost_us (table, near[one], bytes);
  second = moss_ffi_offer_cost_us (table, near[other], bytes);
  if (predicted_us != NULL)
    *predicted_us = MIN (first, second);
  return first <= second ? near[one] : near[other];
}
