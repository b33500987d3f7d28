// SPDX-License-Identifier: LGPL-2.1-or-later
/* The quickest way from what is given to what is wanted: Dijkstra over states (what the data are
 * after some steps, and whether the operation asked for is done), in which an offer is an edge
 * that costs what it takes for the bytes that arrive there. What holds of every chain:
 * - at most four steps; beside the operation asked for only ones that keep the meaning (convert,
 *   encode, decode) and need no options; with loss only if that was asked for;
 * - colours and transparency aren't dropped on the way for speed: of all chains those count whose
 *   narrowest raw picture holds most, and only of these the quickest;
 * - no chain leaves a colour model and comes back to it. */
#include "plan.h"

#include "ffi-broker/types/media.h"
#include "plan-colour.h"

#include <math.h>
#include <string.h>

#define STATES_MAX 4096
#define CACHE_MAX 256
#define UNTRIED_US 1e9f /* weighed for a step that nobody has measured */
#define CACHE_US (10 * G_USEC_PER_SEC)

typedef struct
{
  guint offer;
  MossFfiCapability *capability;
} Edge;

struct _MossFfiPlanner
{
  MossFfiTable *table;
  GHashTable *edges;  /* canonical media type of the input → GArray of Edge */
  GArray *operations; /* Edge: all that take one input and don't keep the meaning */
  GHashTable *cache;  /* text → Cached */
};

typedef struct
{
  MossFfiPlan *plan;
  gint64 found_us;
} Cached;

/* What the data may be after some steps. */
typedef struct
{
  MossFfiCaps *caps;
  guint64 bytes;
  float us;
  guint step; /* so many steps were taken */
  int before; /* index of the state before; -1: the beginning */
  guint offer;
  gboolean asked; /* the step that led here was the operation asked for */
  gboolean done;  /* the operation is behind us */
  guint models;   /* colour models of the chain so far, one bit each */
  guint model;    /* the last one; 0: none yet */
  gboolean closed;
} State;

typedef struct
{
  MossFfiPlanner *planner;
  const MossFfiCapability *request;
  const MossFfiWants *wants;
  GHashTable *known; /* text → index + 1 */
  GArray *states;    /* State */
  GHashTable *ranks; /* index of a key → best rank of its offers + 1 */
  guint least;       /* what a raw picture must at least hold */
} Search;

static void
edge_clear (gpointer data)
{
  moss_ffi_capability_free (((Edge *) data)->capability);
}

static GArray *
edges_new (void)
{
  GArray *edges = g_array_new (FALSE, FALSE, sizeof (Edge));

  g_array_set_clear_func (edges, edge_clear);
  return edges;
}

static void
cached_free (gpointer data)
{
  Cached *cached = data;

  moss_ffi_plan_free (cached->plan);
  g_free (cached);
}

static gboolean
needs_options (const MossFfiCapability *capability)
{
  for (guint i = 0; i < capability->options->len; i++)
    if (!g_array_index (capability->options, MossFfiOption, i).optional)
      return TRUE;
  return FALSE;
}

static void
add_edge (MossFfiPlanner *planner, guint offer)
{
  const MossFfiTableOffer *row = moss_ffi_table_get_offer (planner->table, offer);
  const char *text = moss_ffi_table_get_text (planner->table, row->capability);
  g_autoptr (MossFfiCapability) capability = moss_ffi_capability_parse (text, NULL);
  const char *media;
  GArray *edges;
  Edge edge = { offer, NULL };

  if (capability == NULL || capability->inputs->len != 1 ||
      moss_ffi_table_get_provider_of (planner->table, row)->kind == MOSS_FFI_KIND_IN_PROCESS)
    return;
  edge.capability = capability;
  if (!moss_ffi_verb_keeps_meaning (capability->verb) || *capability->operation != '\0' ||
      needs_options (capability))
    {
      g_array_append_val (planner->operations, edge);
      g_steal_pointer (&capability);
      return;
    }
  media = moss_ffi_media_canonical (
      moss_ffi_media_get_default (),
      moss_ffi_caps_get_media (moss_ffi_capability_get_input (capability, 0)));
  edges = g_hash_table_lookup (planner->edges, media);
  if (edges == NULL)
    {
      edges = edges_new ();
      g_hash_table_insert (planner->edges, g_strdup (media), edges);
    }
  g_array_append_val (edges, edge);
  g_steal_pointer (&capability);
}

/* A planner for one table; a superseded one needs another. Reads all offers once. */
MossFfiPlanner *
moss_ffi_planner_new (MossFfiTable *table)
{
  MossFfiPlanner *planner = g_new0 (MossFfiPlanner, 1);

  planner->table = moss_ffi_table_ref (table);
  planner->edges = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                          (GDestroyNotify) g_array_unref);
  planner->operations = edges_new ();
  planner->cache = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, cached_free);
  for (guint i = 0; i < moss_ffi_table_get_n_offers (table); i++)
    add_edge (planner, i);
  return planner;
}

void
moss_ffi_planner_free (MossFfiPlanner *planner)
{
  g_hash_table_unref (planner->cache);
  g_hash_table_unref (planner->edges);
  g_array_unref (planner->operations);
  moss_ffi_table_unref (planner->table);
  g_free (planner);
}

void
moss_ffi_plan_free (MossFfiPlan *plan)
{
  for (guint i = 0; i < plan->n; i++)
    {
      moss_ffi_caps_unref (plan->steps[i].in);
      moss_ffi_caps_unref (plan->steps[i].out);
    }
  g_free (plan);
}

static MossFfiPlan *
plan_copy (const MossFfiPlan *plan)
{
  MossFfiPlan *copy = g_memdup2 (plan, sizeof *plan);

  for (guint i = 0; i < plan->n; i++)
    {
      copy->steps[i].in = moss_ffi_caps_ref (plan->steps[i].in);
      copy->steps[i].out = moss_ffi_caps_ref (plan->steps[i].out);
    }
  return copy;
}

static void
state_clear (gpointer data)
{
  moss_ffi_caps_unref (((State *) data)->caps);
}

static State *
state_at (Search *search, guint i)
{
  return &g_array_index (search->states, State, i);
}

/* Takes @state: as a new one, or instead of a dearer one that is the same. */
static void
add_state (Search *search, State state)
{
  g_autofree char *text
      = g_strdup_printf ("%u %u %u %u %s", state.step, state.done, state.model, state.models,
                         moss_ffi_caps_get_text (state.caps));
  guint index = GPOINTER_TO_UINT (g_hash_table_lookup (search->known, text));
  State *old = index > 0 ? state_at (search, index - 1) : NULL;

  if (old != NULL && !old->closed && state.us < old->us)
    {
      state_clear (old);
      *old = state;
    }
  else if (old != NULL || search->states->len == STATES_MAX)
    state_clear (&state);
  else
    {
      g_array_append_val (search->states, state);
      g_hash_table_insert (search->known, g_steal_pointer (&text),
                           GUINT_TO_POINTER (search->states->len));
    }
}

/* What was weighed as never tried is not to be told as a time. */
static float
tried_us (double us)
{
  return us < UNTRIED_US ? us : NAN;
}

/* What the step is asked for: where the offer leaves a choice, what the input was, then what the
 * end wants, then what holds most. */
static MossFfiCaps *
narrow (Search *search, const MossFfiCapability *offer, const MossFfiCaps *from, gboolean asked)
{
  g_autoptr (MossFfiCaps) out = moss_ffi_caps_ref (offer->output);
  g_autoptr (MossFfiCaps) wanted = moss_ffi_caps_intersect (out, search->request->output);

  /* What gives bytes of any kind doesn't give a picture: gzip's would be one otherwise. */
  if (wanted != NULL
      && g_str_equal (moss_ffi_caps_get_media (wanted), moss_ffi_caps_get_media (out))
      && moss_ffi_caps_has_fields_of (out, search->request->output))
    {
      moss_ffi_caps_unref (out);
      out = g_steal_pointer (&wanted);
    }
  return moss_ffi_colour_keep (out, from, asked || offer->verb == MOSS_FFI_VERB_CONVERT);
}

/* One state for each colour format that may follow, so that the next step can take its choice. */
static void
add_outputs (Search *search, guint before, const Edge *edge, gboolean asked, MossFfiCaps *out)
{
  State from = *state_at (search, before);
  const MossFfiTableOffer *row = moss_ffi_table_get_offer (search->planner->table, edge->offer);
  float cost = moss_ffi_offer_cost_us (search->planner->table, edge->offer, from.bytes);
  double ratio = row->out_per_in;
  g_auto (GStrv) formats = moss_ffi_caps_dup_choices (out, "format");
  State next = { .step = from.step + 1,
                 .before = before,
                 .offer = edge->offer,
                 .asked = asked,
                 .done = from.done || asked };

  /* Nobody has tried it: behind everything of which more is known. */
  next.us = from.us + (isfinite (cost) ? cost : UNTRIED_US + from.bytes);
  next.bytes = MIN (from.bytes * (ratio > 0 && ratio < 1e6 ? ratio : 1), 1e15);
  for (guint i = 0; formats == NULL ? i == 0 : formats[i] != NULL; i++)
    {
      const char *format = formats != NULL ? formats[i] : NULL;

      next.model = from.model;
      next.models = from.models;
      if (!moss_ffi_colour_follow (format, search->least, &next.model, &next.models))
        continue;
      next.caps = format != NULL ? moss_ffi_caps_with_string (out, "format", format, NULL)
                                 : moss_ffi_caps_ref (out);
      if (next.caps != NULL)
        add_state (search, next);
    }
}

static gboolean
is_allowed (Search *search, const MossFfiTableOffer *row)
{
  const MossFfiWants *wants = search->wants;
  const char *licence = moss_ffi_table_get_text (search->planner->table, row->licence);
  MossFfiKind kind = moss_ffi_table_get_provider_of (search->planner->table, row)->kind;

  return (row->flags & MOSS_FFI_OFFER_RESTING) == 0 &&
         (wants->lossy || (row->flags & MOSS_FFI_OFFER_LOSSY) == 0) &&
         kind != MOSS_FFI_KIND_IN_PROCESS && (!wants->local || kind != MOSS_FFI_KIND_REMOTE) &&
         (wants->licences == NULL || g_strv_contains (wants->licences, licence));
}

/* Of offers that do the same only the best are steps, as in moss_ffi_resolve (). */
static guint
least_rank (Search *search, guint key)
{
  const MossFfiTableKey *offers = moss_ffi_table_get_key (search->planner->table, key);
  guint best = GPOINTER_TO_UINT (g_hash_table_lookup (search->ranks, GUINT_TO_POINTER (key)));

  if (search->wants->least_rank > 0)
    return search->wants->least_rank;
  if (best > 0)
    return best - 1;
  for (guint i = offers->first; i < offers->first + offers->n; i++)
    {
      const MossFfiTableOffer *row = moss_ffi_table_get_offer (search->planner->table, i);

      if (is_allowed (search, row))
        best = MAX (best, MIN (row->rank, G_MAXINT));
    }
  g_hash_table_insert (search->ranks, GUINT_TO_POINTER (key), GUINT_TO_POINTER (best + 1));
  return best;
}

static gboolean
is_usable (Search *search, guint offer)
{
  const MossFfiTableOffer *row = moss_ffi_table_get_offer (search->planner->table, offer);

  return is_allowed (search, row) && row->rank >= least_rank (search, row->key);
}

static gboolean
takes (Search *search, guint state, const Edge *edge)
{
  const State *from = state_at (search, state);
  const MossFfiTableOffer *row = moss_ffi_table_get_offer (search->planner->table, edge->offer);

  return is_usable (search, edge->offer) &&
         (search->wants->memory_bytes == 0 ||
          row->memory_per_byte * (float) from->bytes <= (float) search->wants->memory_bytes) &&
         moss_ffi_caps_is_subset (from->caps,
                                  moss_ffi_capability_get_input (edge->capability, 0));
}

static void
follow (Search *search, guint state, const Edge *edge, gboolean asked)
{
  g_autoptr (MossFfiCaps) out = NULL;

  if (!takes (search, state, edge))
    return;
  out = narrow (search, edge->capability, state_at (search, state)->caps, asked);
  add_outputs (search, state, edge, asked, out);
}

/* Whether @edge is what was asked for, apart from the forms of its input and output. */
static gboolean
is_asked (const MossFfiCapability *request, const MossFfiCapability *offer)
{
  gboolean form = moss_ffi_verb_keeps_meaning (request->verb);

  /* Options of a conversion belong to whichever of its steps takes them. */
  if (strcmp (offer->operation, request->operation) != 0 ||
      (form ? !moss_ffi_verb_keeps_meaning (offer->verb) : offer->verb != request->verb))
    return FALSE;
  for (guint i = 0; i < request->options->len; i++)
    {
      const MossFfiOption *given = &g_array_index (request->options, MossFfiOption, i);
      const MossFfiOption *taken = moss_ffi_capability_get_option (offer, given->name);

      if (taken == NULL || strcmp (taken->type, given->type) != 0)
        return FALSE;
    }
  for (guint i = 0; i < offer->options->len; i++)
    {
      const MossFfiOption *taken = &g_array_index (offer->options, MossFfiOption, i);

      if (!taken->optional && moss_ffi_capability_get_option (request, taken->name) == NULL)
        return FALSE;
    }
  return TRUE;
}

static void
expand (Search *search, guint state)
{
  const MossFfiMedia *media = moss_ffi_media_get_default ();
  g_autoptr (MossFfiCaps) caps = moss_ffi_caps_ref (state_at (search, state)->caps);
  gboolean done = state_at (search, state)->done;
  GHashTableIter iter;
  gpointer type, list;

  g_hash_table_iter_init (&iter, search->planner->edges);
  while (g_hash_table_iter_next (&iter, &type, &list))
    if (moss_ffi_media_is_a (media, moss_ffi_caps_get_media (caps), type))
      for (guint i = 0; i < ((GArray *) list)->len; i++)
        {
          const Edge *edge = &g_array_index ((GArray *) list, Edge, i);

          follow (search, state, edge, FALSE);
          if (!done && is_asked (search->request, edge->capability))
            follow (search, state, edge, TRUE);
        }
  for (guint i = 0; !done && i < search->planner->operations->len; i++)
    {
      const Edge *edge = &g_array_index (search->planner->operations, Edge, i);

      if (is_asked (search->request, edge->capability))
        follow (search, state, edge, TRUE);
    }
}

/* The cheapest state that nobody went on from; -1: all were. */
static int
cheapest (Search *search)
{
  int best = -1;

  for (guint i = 0; i < search->states->len; i++)
    if (!state_at (search, i)->closed &&
        (best < 0 || state_at (search, i)->us < state_at (search, best)->us))
      best = i;
  return best;
}

/* The index of the state that is the end of the cheapest chain; -1: there is none. */
static int
find_chain (Search *search, guint64 bytes)
{
  const MossFfiCaps *in = moss_ffi_capability_get_input (search->request, 0);
  g_auto (GStrv) formats = moss_ffi_caps_dup_choices (in, "format");
  State begin = { .caps = moss_ffi_caps_ref (in), .bytes = bytes, .before = -1 };
  int at;

  begin.done = moss_ffi_verb_keeps_meaning (search->request->verb) &&
               *search->request->operation == '\0' && search->request->options->len == 0;
  if (formats != NULL)
    moss_ffi_colour_follow (formats[0], 0, &begin.model, &begin.models);
  add_state (search, begin);
  while ((at = cheapest (search)) >= 0)
    {
      State *state = state_at (search, at);

      state->closed = TRUE;
      if (state->done && state->step > 0 &&
          moss_ffi_caps_is_subset (state->caps, search->request->output))
        return at;
      if (state->step < MOSS_FFI_PLAN_MAX_STEPS)
        expand (search, at);
    }
  return -1;
}

static MossFfiPlan *
write_down (Search *search, int at)
{
  MossFfiPlan *plan = g_new0 (MossFfiPlan, 1);

  plan->n = state_at (search, at)->step;
  plan->predicted_us = tried_us (state_at (search, at)->us);
  for (guint i = plan->n; i-- > 0;)
    {
      const State *state = state_at (search, at), *before = state_at (search, state->before);

      plan->steps[i] = (MossFfiPlanStep){ .offer = state->offer,
                                          .in = moss_ffi_caps_ref (before->caps),
                                          .out = moss_ffi_caps_ref (state->caps),
                                          .bytes_in = before->bytes,
                                          .bytes_out = state->bytes,
                                          .predicted_us = tried_us (state->us - before->us),
                                          .asked = state->asked };
      at = state->before;
    }
  return plan;
}

/* The provider of two neighbours may have a function for both at once that nobody has tried yet:
 * it needs no second journey. One whose cost is known was weighed already. */
static void
merge_neighbours (Search *search, MossFfiPlan *plan)
{
  MossFfiTable *table = search->planner->table;

  for (guint i = 0; i + 1 < plan->n; i++)
    {
      MossFfiPlanStep *one = &plan->steps[i], *other = one + 1;
      const char *media = moss_ffi_media_canonical (moss_ffi_media_get_default (),
                                                    moss_ffi_caps_get_media (one->in));
      GArray *edges = g_hash_table_lookup (search->planner->edges, media);
      guint provider = moss_ffi_table_get_offer (table, one->offer)->provider;

      if (provider != moss_ffi_table_get_offer (table, other->offer)->provider || one->asked ||
          other->asked)
        continue;
      for (guint j = 0; edges != NULL && j < edges->len; j++)
        {
          const Edge *edge = &g_array_index (edges, Edge, j);
          const MossFfiTableOffer *row = moss_ffi_table_get_offer (table, edge->offer);

          if (row->provider != provider || moss_ffi_curve_is_known (&row->curve) ||
              !is_usable (search, edge->offer) ||
              !moss_ffi_caps_is_subset (one->in,
                                        moss_ffi_capability_get_input (edge->capability, 0)) ||
              !moss_ffi_caps_is_subset (other->out, edge->capability->output))
            continue;
          one->offer = edge->offer;
          one->predicted_us += other->predicted_us;
          one->bytes_out = other->bytes_out;
          moss_ffi_caps_unref (one->out);
          one->out = g_steal_pointer (&other->out);
          moss_ffi_caps_unref (other->in);
          plan->n--;
          memmove (other, other + 1, (plan->n - i - 1) * sizeof *other);
          break;
        }
    }
}

static MossFfiPlan *
plan_holding (Search *search, guint least, guint64 bytes)
{
  MossFfiPlan *plan = NULL;
  int end;

  search->least = least;
  search->known = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  search->states = g_array_new (FALSE, FALSE, sizeof (State));
  g_array_set_clear_func (search->states, state_clear);
  end = find_chain (search, bytes);
  if (end >= 0)
    {
      plan = write_down (search, end);
      merge_neighbours (search, plan);
    }
  g_hash_table_unref (search->known);
  g_array_unref (search->states);
  return plan;
}

static char *
cache_key (const MossFfiCapability *request, const MossFfiWants *wants, guint64 bytes)
{
  g_autofree char *text = moss_ffi_capability_to_string (request);
  g_autofree char *licences
      = wants->licences != NULL ? g_strjoinv (";", (GStrv) wants->licences) : NULL;

  return g_strdup_printf ("%u %d%d %u %" G_GUINT64_FORMAT " %s %s", moss_ffi_bucket (bytes),
                          wants->lossy, wants->local, wants->least_rank, wants->memory_bytes,
                          licences != NULL ? licences : "*", text);
}

static MossFfiPlan *
from_cache (MossFfiPlanner *planner, const char *key, gint64 now_us)
{
  Cached *cached = g_hash_table_lookup (planner->cache, key);
  MossFfiPlan *plan;

  if (cached == NULL || now_us < cached->found_us || now_us - cached->found_us > CACHE_US)
    return NULL;
  for (guint i = 0; i < cached->plan->n; i++)
    if (moss_ffi_table_get_offer (planner->table, cached->plan->steps[i].offer)->flags &
        MOSS_FFI_OFFER_RESTING)
      return NULL;
  plan = plan_copy (cached->plan);
  plan->cached = TRUE;
  return plan;
}

static void
to_cache (MossFfiPlanner *planner, char *key, const MossFfiPlan *plan, gint64 now_us)
{
  Cached *cached = g_new (Cached, 1);

  *cached = (Cached){ plan_copy (plan), now_us };
  if (g_hash_table_size (planner->cache) >= CACHE_MAX)
    g_hash_table_remove_all (planner->cache);
  g_hash_table_insert (planner->cache, key, cached);
}

/* The quickest chain that does what @request asks with one input of @bytes, which may be one step.
 * Plans are kept for ten seconds by request and log2 of the size. @now_us is monotonic. The caller
 * owns the plan. About 1 ms when it is not kept. */
MossFfiPlan *
moss_ffi_planner_plan (MossFfiPlanner *planner,
                       const MossFfiCapability *request,
                       const MossFfiWants *wants,
                       guint64 bytes,
                       gint64 now_us,
                       GError **error)
{
  static const MossFfiWants usual = { 0 };
  Search search = { planner, request, wants != NULL ? wants : &usual };
  g_autofree char *key = NULL, *text = moss_ffi_capability_to_string (request);
  MossFfiPlan *plan = NULL;
  g_autoptr (GHashTable) ranks = g_hash_table_new (NULL, NULL);

  search.ranks = ranks;
  if (request->inputs->len != 1)
    {
      g_set_error (error, MOSS_FFI_MARKET_ERROR, MOSS_FFI_MARKET_ERROR_NOBODY,
                   "nobody offers %s", text);
      return NULL;
    }
  key = cache_key (request, search.wants, bytes);
  plan = from_cache (planner, key, now_us);
  if (plan != NULL)
    return plan;
  for (guint least = moss_ffi_colour_most (moss_ffi_capability_get_input (request, 0),
                                           request->output);
       plan == NULL; least--)
    {
      plan = plan_holding (&search, least, bytes);
      if (least == 0)
        break;
    }
  if (plan == NULL)
    {
      g_set_error (error, MOSS_FFI_MARKET_ERROR, MOSS_FFI_MARKET_ERROR_NOBODY,
                   "nobody offers %s, nor do four steps lead there%s", text,
                   search.wants->lossy ? "" : " without loss");
      return NULL;
    }
  to_cache (planner, g_steal_pointer (&key), plan, now_us);
  return plan;
}

/* For people: "4.2 ms", "31 s". The caller frees it. */
char *
moss_ffi_duration_to_string (double us)
{
  if (us < 999500)
    return g_strdup_printf ("%.3g ms", us / 1000);
  return g_strdup_printf (us < 1e8 ? "%.3g s" : "%.0f s", us / 1e6);
}

/* For people: "image/png → video/x-raw,format=RGBA (vips, 4 ms) → image/webp (gegl, 31 ms)". */
char *
moss_ffi_plan_to_string (const MossFfiPlan *plan, const MossFfiTable *table)
{
  GString *text = g_string_new (moss_ffi_caps_get_media (plan->steps[0].in));

  for (guint i = 0; i < plan->n; i++)
    {
      const MossFfiPlanStep *step = &plan->steps[i];
      const MossFfiTableProvider *provider = moss_ffi_table_get_provider_of (
          table, moss_ffi_table_get_offer (table, step->offer));
      g_autofree char *time = isnan (step->predicted_us)
                                  ? g_strdup ("not measured yet")
                                  : moss_ffi_duration_to_string (step->predicted_us);

      g_string_append_printf (text, " → %s (%s, %s)", moss_ffi_caps_get_text (step->out),
                              moss_ffi_table_get_text (table, provider->id), time);
    }
  return g_string_free (text, FALSE);
}
