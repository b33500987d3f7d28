/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Providers and offers. Whoever is on the user's bus or socket may announce, so every text is
 * bounded and parsed before it is kept; nobody takes the id of a bridge, of a running provider
 * or of another device. What is not announced any more keeps its row, and what was learned. */
#define G_LOG_DOMAIN "moss-ffi-broker"

#include "broker.h"

#include <string.h>

enum
{
  ID_MAX = 128,
  TEXT_MAX = 256,
  FLUSH_MS = 300,
  OFFERS_OF_CLIENT_MAX = 5000,
  PROVIDERS_OF_CLIENT_MAX = 16,
};

#define ID_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:._+-/@"

static const char *const kinds[] = { "in-process", "local", "remote" };

static MossFfiKind
kind_from_text (const char *text)
{
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (g_strcmp0 (text, kinds[i]) == 0)
      return i;
  return MOSS_FFI_KIND_LOCAL;
}

static char *
provider_key (const char *id, const char *device)
{
  return g_strconcat (id, " ", device, NULL);
}

static void
offer_free (gpointer data)
{
  Offer *offer = data;

  moss_ffi_capability_free (offer->capability);
  g_variant_unref (offer->attributes);
  g_free (offer->text);
  g_free (offer->key);
  g_free (offer->reason);
  g_free (offer);
}

static void
provider_free (gpointer data)
{
  Provider *provider = data;

  g_ptr_array_unref (provider->offers);
  g_free (provider->id);
  g_free (provider->version);
  g_free (provider->name);
  g_free (provider->device);
  g_free (provider->bridge);
  g_free (provider->app);
  g_free (provider);
}

static Provider *
provider_new (Broker *broker, const char *id, const char *version, const char *name,
              const char *device, const char *bridge, MossFfiKind kind)
{
  Provider *provider = g_new0 (Provider, 1);

  provider->broker = broker;
  provider->id = g_strdup (id);
  provider->version = g_strdup (version);
  provider->name = g_strdup (name);
  provider->device = g_strdup (device);
  provider->bridge = g_strdup (bridge);
  provider->kind = kind;
  provider->index = G_MAXUINT;
  provider->offers = g_ptr_array_new_with_free_func (offer_free);
  provider->dirty = TRUE;
  g_hash_table_replace (broker->providers, provider_key (id, device), provider);
  return provider;
}

static gboolean
get_flag (GVariant *attributes, const char *name, gboolean otherwise)
{
  gboolean flag = otherwise;

  g_variant_lookup (attributes, name, "b", &flag);
  return flag;
}

static void
read_attributes (Offer *offer)
{
  GVariant *from = offer->attributes;
  const char *none = "";

  offer->function = offer->quality = offer->licence = none;
  offer->quality_rank = 0;
  offer->memory_per_byte = 0;
  g_variant_lookup (from, "function", "&s", &offer->function);
  g_variant_lookup (from, "quality", "&s", &offer->quality);
  g_variant_lookup (from, "licence", "&s", &offer->licence);
  g_variant_lookup (from, "quality-rank", "u", &offer->quality_rank);
  g_variant_lookup (from, "memory-per-byte", "d", &offer->memory_per_byte);
  offer->flags = (get_flag (from, "pure", FALSE) ? MOSS_FFI_OFFER_PURE : 0) |
                 (get_flag (from, "deterministic", FALSE) ? MOSS_FFI_OFFER_DETERMINISTIC : 0) |
                 (get_flag (from, "lossy", FALSE) ? MOSS_FFI_OFFER_LOSSY : 0) |
                 (get_flag (from, "idempotent", FALSE) ? MOSS_FFI_OFFER_IDEMPOTENT : 0);
}

static Offer *
offer_new (Provider *provider, const char *text, MossFfiCapability *capability,
           GVariant *attributes)
{
  Offer *offer = g_new0 (Offer, 1);

  offer->provider = provider;
  offer->index = G_MAXUINT;
  offer->text = g_strdup (text);
  offer->capability = capability;
  offer->key = moss_ffi_capability_dup_key (capability);
  offer->attributes = g_variant_ref_sink (attributes);
  moss_ffi_learner_init (&offer->learner);
  read_attributes (offer);
  g_ptr_array_add (provider->offers, offer);
  provider->broker->n_offers++;
  return offer;
}

/* --- from the rows --- */

static void
on_provider_row (const MossFfiProviderRow *row, gpointer user_data)
{
  Broker *broker = user_data;
  Provider *provider;

  /* Others tell anew what they offer. */
  provider = provider_new (broker, row->id, row->version, row->name, row->device, row->bridge,
                           kind_from_text (row->kind));
  provider->number = row->number;
  provider->start_us = row->start_us;
  provider->latency_us = row->latency_us;
  provider->bytes_per_us = row->bytes_per_us;
  provider->dirty = FALSE;
}

static Provider *
provider_by_number (Broker *broker, guint number)
{
  GHashTableIter iter;
  Provider *provider;

  g_hash_table_iter_init (&iter, broker->providers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &provider))
    if (provider->number == number)
      return provider;
  return NULL;
}

static void
take_costs (Offer *offer, GBytes *curve, double ratio, guint64 calls)
{
  moss_ffi_learner_init (&offer->learner);
  offer->trust = TRUST_UNMEASURED;
  if (curve != NULL && moss_ffi_curve_from_bytes (curve, &offer->learner.curve))
    offer->trust = TRUST_MEASURED;
  offer->ratio = ratio > 0 && ratio < 1e6 ? ratio : 0;
  offer->calls = calls;
}

typedef struct
{
  Broker *broker;
  Provider *newest;
} Loading;

static void
on_offer_row (const MossFfiOfferRow *row, gpointer user_data)
{
  Loading *loading = user_data;
  g_autoptr (GError) error = NULL;
  MossFfiCapability *capability = moss_ffi_capability_parse (row->capability, &error);
  Offer *offer;

  if (capability == NULL)
    {
      g_message ("offer %u can't be read any more: %s", row->number, error->message);
      return;
    }
  if (loading->newest == NULL || loading->newest->number != row->provider)
    loading->newest = provider_by_number (loading->broker, row->provider);
  if (loading->newest == NULL)
    {
      moss_ffi_capability_free (capability);
      return;
    }
  offer = offer_new (loading->newest, row->capability, capability, row->attributes);
  offer->number = row->number;
  take_costs (offer, row->curve, row->ratio, row->calls);
  /* A bridge's are good as long as its file is the one that was asked; see workers.c. */
  offer->announced = loading->newest->bridge[0] != '\0';
  g_hash_table_insert (loading->broker->offers, GUINT_TO_POINTER (offer->number), offer);
}

static void
on_row_of_provider (const MossFfiProviderRow *row, gpointer user_data)
{
  on_provider_row (row, ((Loading *) user_data)->broker);
}

gboolean
registry_load (Broker *broker, GError **error)
{
  Loading loading = { broker, NULL };

  broker->providers =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, provider_free);
  broker->offers = g_hash_table_new (NULL, NULL);
  return moss_ffi_db_load (broker->db, on_row_of_provider, on_offer_row, &loading, error);
}

void
registry_free (Broker *broker)
{
  g_clear_handle_id (&broker->flush_source, g_source_remove);
  g_clear_pointer (&broker->offers, g_hash_table_unref);
  g_clear_pointer (&broker->providers, g_hash_table_unref);
}

/* --- to the rows --- */

static gboolean
write_offer (MossFfiDb *db, Offer *offer, GError **error)
{
  g_autoptr (GBytes) curve = offer->trust == TRUST_MEASURED || offer->calls > 0
                                 ? moss_ffi_curve_to_bytes (&offer->learner.curve) : NULL;
  MossFfiOfferRow row = { .number = offer->number,
                          .provider = offer->provider->number,
                          .capability = offer->text,
                          .attributes = offer->attributes,
                          .curve = curve,
                          .ratio = offer->ratio,
                          .calls = offer->calls };

  if (!moss_ffi_db_put_offer (db, &row, error))
    return FALSE;
  offer->number = row.number;
  offer->dirty = FALSE;
  return curve == NULL ||
         moss_ffi_db_put_costs (db, &row, offer->provider->version, error);
}

static gboolean
write_provider (MossFfiDb *db, Provider *provider, GError **error)
{
  MossFfiProviderRow row = { .number = provider->number,
                             .id = provider->id,
                             .version = provider->version,
                             .kind = kinds[provider->kind],
                             .device = provider->device,
                             .name = provider->name,
                             .bridge = provider->bridge,
                             .start_us = provider->start_us,
                             .latency_us = provider->latency_us,
                             .bytes_per_us = provider->bytes_per_us };

  if (provider->dirty && !moss_ffi_db_put_provider (db, &row, error))
    return FALSE;
  provider->number = row.number;
  provider->dirty = FALSE;
  for (guint i = 0; i < provider->offers->len; i++)
    {
      Offer *offer = provider->offers->pdata[i];

      if (offer->dirty && !write_offer (db, offer, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
write_all (Broker *broker, GError **error)
{
  GHashTableIter iter;
  Provider *provider;

  if (!moss_ffi_db_begin (broker->db, error))
    return FALSE;
  g_hash_table_iter_init (&iter, broker->providers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &provider))
    if (!write_provider (broker->db, provider, error))
      break;
  return moss_ffi_db_commit (broker->db, error) && *error == NULL;
}

void
registry_flush (Broker *broker)
{
  g_autoptr (GError) error = NULL;

  g_clear_handle_id (&broker->flush_source, g_source_remove);
  if (!write_all (broker, &error) && error != NULL)
    g_warning ("what was learned is not kept: %s", error->message);
}

static gboolean
on_flush (gpointer user_data)
{
  Broker *broker = user_data;

  broker->flush_source = 0;
  registry_flush (broker);
  return G_SOURCE_REMOVE;
}

void
registry_touch (Broker *broker)
{
  if (broker->flush_source == 0)
    broker->flush_source = g_timeout_add (FLUSH_MS, on_flush, broker);
}

/* --- announcing --- */

static gboolean
refuse (GError **error, int code, const char *format, ...) G_GNUC_PRINTF (3, 4);

static gboolean
refuse (GError **error, int code, const char *format, ...)
{
  va_list arguments;
  g_autofree char *text = NULL;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error_literal (error, MOSS_FFI_ERROR, code, text);
  return FALSE;
}

static gboolean
is_id (const char *text)
{
  gsize length = strlen (text);

  return length > 0 && length <= ID_MAX && strspn (text, ID_CHARS) == length;
}

static char *
bounded (const char *text)
{
  g_autofree char *start = g_utf8_substring (text, 0, MIN (TEXT_MAX, g_utf8_strlen (text, -1)));

  for (char *at = start; *at != '\0'; at++)
    if (g_ascii_iscntrl (*at))
      *at = ' ';
  return g_steal_pointer (&start);
}

/* Nobody else calls what only its own process can: of several processes of a program the last one
 * speaks for it. */
static gboolean
may_take_over (const Provider *provider, Client *client, const char *kind)
{
  return provider->kind == MOSS_FFI_KIND_IN_PROCESS &&
         kind_from_text (kind) == MOSS_FFI_KIND_IN_PROCESS &&
         client != NULL &&
         g_strcmp0 (client_get_app (provider->client), client_get_app (client)) == 0;
}

/* Apps in sandboxes have names of their own: none of them passes for somebody else. What only its
 * own process calls keeps the name by which that knows it. */
static char *
make_id (const char *said, const char *kind, const char *app)
{
  g_autofree char *own = NULL;

  if (app == NULL || kind_from_text (kind) == MOSS_FFI_KIND_IN_PROCESS)
    return g_strdup (g_str_has_prefix (said, "app:") ? "" : said);
  own = g_strcanon (g_strdup (app), ID_CHARS, '-');
  return g_strdup_printf ("app:%s/%s", own, said);
}

/* The provider a dict tells of, new or known. Who may speak for an id: its worker, or the
 * connection that has it; the id of a bridge is its worker's alone. */
static Provider *
take_provider (Broker *broker, GVariant *dict, Client *client, Worker *worker,
               const char *bridge, GError **error)
{
  const char *said = "", *version = "", *name = "", *kind = "";
  g_autofree char *shown = NULL, *id = NULL;
  Provider *provider;

  g_variant_lookup (dict, "id", "&s", &said);
  g_variant_lookup (dict, "version", "&s", &version);
  g_variant_lookup (dict, "name", "&s", &name);
  g_variant_lookup (dict, "kind", "&s", &kind);
  shown = bounded (*name != '\0' ? name : said);
  id = make_id (said, kind, client != NULL ? client_get_app (client) : NULL);
  if (!is_id (id) || (*version != '\0' && !is_id (version)) ||
      (worker == NULL && g_str_has_prefix (id, "bridge:")) || *said == '\0')
    {
      refuse (error, MOSS_FFI_ERROR_INVALID, "“%s” is no id of a provider", shown);
      return NULL;
    }
  provider = registry_get_provider (broker, id, "");
  if (provider == NULL && g_hash_table_size (broker->providers) >= PROVIDERS_MAX)
    {
      refuse (error, MOSS_FFI_ERROR_BUSY, "there are %u providers already, “%s” is one too many",
              PROVIDERS_MAX, shown);
      return NULL;
    }
  if (provider != NULL && (provider->worker != NULL ? provider->worker != worker
                                                    : provider->client != NULL &&
                                                          provider->client != client &&
                                                          !may_take_over (provider, client, kind)))
    {
      refuse (error, MOSS_FFI_ERROR_DENIED, "another process is the provider “%s”", shown);
      return NULL;
    }
  if (provider != NULL && provider->kind != MOSS_FFI_KIND_IN_PROCESS && client != NULL &&
      client_get_app (client) != NULL && kind_from_text (kind) == MOSS_FFI_KIND_IN_PROCESS)
    {
      refuse (error, MOSS_FFI_ERROR_DENIED, "“%s” is another program's name", shown);
      return NULL;
    }
  if (provider == NULL)
    provider = provider_new (broker, id, version, shown, "", bridge, kind_from_text (kind));
  if (g_strcmp0 (kind, "in-process") == 0)
    provider->kind = MOSS_FFI_KIND_IN_PROCESS;
  else
    provider->kind = MOSS_FFI_KIND_LOCAL;
  return provider;
}

static void
take_version (Provider *provider, const char *version, const char *name)
{
  if (!g_str_equal (name, provider->name) && *name != '\0')
    {
      g_free (provider->name);
      provider->name = bounded (name);
      provider->dirty = TRUE;
    }
  if (g_str_equal (version, provider->version))
    return;
  registry_flush (provider->broker); /* the costs of the version before */
  g_free (provider->version);
  provider->version = g_strdup (version);
  provider->dirty = TRUE;
  provider->crashes = 0;
  for (guint i = 0; i < provider->offers->len; i++)
    {
      Offer *offer = provider->offers->pdata[i];
      double ratio = 0;
      guint64 calls = 0;
      g_autoptr (GBytes) curve = moss_ffi_db_get_costs (provider->broker->db, offer->number,
                                                        version, &ratio, &calls);

      take_costs (offer, curve, ratio, calls);
      offer->wrong = 0;
      g_clear_pointer (&offer->reason, g_free);
    }
}

static void
set_version (Provider *provider, GVariant *dict)
{
  const char *version = "", *name = provider->name;

  g_variant_lookup (dict, "version", "&s", &version);
  g_variant_lookup (dict, "name", "&s", &name);
  provider->returns_memory = get_flag (dict, "returns-memory", FALSE);
  take_version (provider, version, name);
}

static void
begin_announcing (Provider *provider, Client *client, Worker *worker)
{
  if (worker == NULL && provider->client == client)
    return;
  for (guint i = 0; worker == NULL && i < provider->offers->len; i++)
    ((Offer *) provider->offers->pdata[i])->announced = FALSE;
  provider->client = client;
  provider->worker = worker;
  g_free (provider->app);
  provider->app = client != NULL ? g_strdup (client_get_app (client)) : NULL;
}

static Offer *
find_known (Provider *provider, const char *text, const char *function)
{
  for (guint i = 0; i < provider->offers->len; i++)
    {
      Offer *offer = provider->offers->pdata[i];

      if (g_str_equal (offer->text, text) && g_str_equal (offer->function, function))
        return offer;
    }
  return NULL;
}

/* Rows of offers that nobody announces make room first. */
static gboolean
make_room (Broker *broker, GError **error)
{
  GHashTableIter iter;
  Offer *offer, *victim = NULL;

  if (broker->n_offers < OFFERS_MAX)
    return TRUE;
  g_hash_table_iter_init (&iter, broker->offers);
  while (victim == NULL && g_hash_table_iter_next (&iter, NULL, (gpointer *) &offer))
    if (!offer->announced)
      victim = offer;
  if (victim == NULL)
    return refuse (error, MOSS_FFI_ERROR_BUSY, "there are %u offers, and that is the limit",
                   OFFERS_MAX);
  registry_forget (broker, victim);
  return TRUE;
}

static Offer *
take_offer (Provider *provider, GVariant *dict, GError **error)
{
  const char *text = "", *function = "";
  g_autoptr (MossFfiCapability) capability = NULL;
  Offer *offer;

  g_variant_lookup (dict, "capability", "&s", &text);
  g_variant_lookup (dict, "function", "&s", &function);
  if (g_variant_get_size (dict) > 16 * 1024 || strlen (function) > TEXT_MAX)
    {
      refuse (error, MOSS_FFI_ERROR_INVALID, "an offer of %s is longer than it may be",
              provider->name);
      return NULL;
    }
  offer = find_known (provider, text, function);
  if (offer != NULL)
    {
      if (!g_variant_equal (offer->attributes, dict))
        {
          g_variant_unref (offer->attributes);
          offer->attributes = g_variant_ref (dict);
          read_attributes (offer);
          offer->dirty = TRUE;
        }
      return offer;
    }
  capability = moss_ffi_capability_parse (text, error);
  if (capability == NULL || !make_room (provider->broker, error))
    return NULL;
  offer = offer_new (provider, text, g_steal_pointer (&capability), dict);
  offer->dirty = TRUE;
  return offer;
}

/* New ones get their numbers from their rows at once. */
static gboolean
number_offers (Provider *provider, GError **error)
{
  Broker *broker = provider->broker;

  if (!moss_ffi_db_begin (broker->db, error))
    return FALSE;
  if (!write_provider (broker->db, provider, error))
    {
      moss_ffi_db_commit (broker->db, NULL);
      return FALSE;
    }
  for (guint i = 0; i < provider->offers->len; i++)
    {
      Offer *offer = provider->offers->pdata[i];

      g_hash_table_insert (broker->offers, GUINT_TO_POINTER (offer->number), offer);
    }
  return moss_ffi_db_commit (broker->db, error);
}

/* Those already taken stay when one of them is refused: the announcer hears which. */
static gboolean
take_offers (Provider *provider, GVariant *offers, GPtrArray *taken, GError **error)
{
  gsize n = g_variant_n_children (offers);

  for (gsize i = 0; i < n; i++)
    {
      g_autoptr (GVariant) dict = g_variant_get_child_value (offers, i);
      Offer *offer = take_offer (provider, dict, error);

      if (offer == NULL)
        {
          g_prefix_error (error, "offer %" G_GSIZE_FORMAT " of %s: ", i, provider->name);
          return FALSE;
        }
      offer->announced = TRUE;
      g_ptr_array_add (taken, offer);
    }
  return TRUE;
}

/* One connection leaves room for others. */
static gboolean
is_too_much (Broker *broker, Client *client, gsize more, GError **error)
{
  guint n_providers = 0, n_offers = 0;
  GHashTableIter iter;
  Provider *provider;

  g_hash_table_iter_init (&iter, broker->providers);
  while (client != NULL && g_hash_table_iter_next (&iter, NULL, (gpointer *) &provider))
    {
      if (provider->client != client)
        continue;
      n_providers++;
      for (guint i = 0; i < provider->offers->len; i++)
        n_offers += ((Offer *) provider->offers->pdata[i])->announced ? 1 : 0;
    }
  if (n_offers + more <= OFFERS_OF_CLIENT_MAX && n_providers <= PROVIDERS_OF_CLIENT_MAX)
    return FALSE;
  refuse (error, MOSS_FFI_ERROR_BUSY, "one connection may announce %u providers and %u offers",
          PROVIDERS_OF_CLIENT_MAX, OFFERS_OF_CLIENT_MAX);
  return TRUE;
}

Provider *
registry_announce (Broker *broker, GVariant *dict, GVariant *offers, Client *client,
                   Worker *worker, GArray *numbers, GError **error)
{
  g_autoptr (GPtrArray) taken = g_ptr_array_new ();
  Provider *provider;
  gboolean all;

  if (is_too_much (broker, client, g_variant_n_children (offers), error))
    return NULL;
  provider = take_provider (broker, dict, client, worker,
                            worker != NULL ? worker_get_name (worker) : "", error);
  if (provider == NULL)
    return NULL;
  begin_announcing (provider, client, worker);
  set_version (provider, dict);
  all = take_offers (provider, offers, taken, error);
  if (!number_offers (provider, all ? error : NULL))
    return NULL;
  for (guint i = 0; i < taken->len; i++)
    {
      Offer *offer = taken->pdata[i];

      if (numbers != NULL)
        g_array_append_val (numbers, offer->number);
      if (offer->trust == TRUST_UNMEASURED)
        canaries_want (offer, FALSE);
    }
  publish_soon (broker);
  return all ? provider : NULL;
}

/* --- from other devices --- */

Offer *
registry_announce_remote (Broker *broker, const char *device, const char *id,
                          const char *version, const char *name, const char *capability,
                          GVariant *attributes, GError **error)
{
  Provider *provider = registry_get_provider (broker, id, device);
  g_autofree char *shown = bounded (name);
  const char *said = "";
  Offer *offer;

  g_variant_lookup (attributes, "capability", "&s", &said);
  if (!is_id (id) || (*version != '\0' && !is_id (version)) || !g_str_equal (said, capability))
    {
      refuse (error, MOSS_FFI_ERROR_INVALID, "“%s” is no id of a provider", shown);
      return NULL;
    }
  if (provider == NULL && g_hash_table_size (broker->providers) >= PROVIDERS_MAX)
    {
      refuse (error, MOSS_FFI_ERROR_BUSY, "there are too many providers");
      return NULL;
    }
  if (provider == NULL)
    provider = provider_new (broker, id, version, shown, device, "", MOSS_FFI_KIND_REMOTE);
  provider->kind = MOSS_FFI_KIND_REMOTE;
  take_version (provider, version, shown);
  offer = take_offer (provider, attributes, error);
  if (offer == NULL)
    return NULL;
  if (offer->number == 0 && !number_offers (provider, error))
    return NULL;
  offer->announced = TRUE;
  return offer;
}

/* --- for the others --- */

Provider *
registry_get_provider (Broker *broker, const char *id, const char *device)
{
  g_autofree char *key = provider_key (id, device);

  return g_hash_table_lookup (broker->providers, key);
}

Offer *
registry_get_offer (Broker *broker, guint number)
{
  return g_hash_table_lookup (broker->offers, GUINT_TO_POINTER (number));
}

void
registry_forget (Broker *broker, Offer *offer)
{
  g_autoptr (GError) error = NULL;

  canaries_forget (offer);
  if (!moss_ffi_db_remove_offer (broker->db, offer->number, &error))
    g_warning ("offer %u can't be removed: %s", offer->number, error->message);
  g_hash_table_remove (broker->offers, GUINT_TO_POINTER (offer->number));
  broker->n_offers--;
  g_ptr_array_remove (offer->provider->offers, offer);
  publish_soon (broker);
}

void
registry_provider_gone (Provider *provider)
{
  provider->client = NULL;
  if (provider->bridge[0] == '\0')
    for (guint i = 0; i < provider->offers->len; i++)
      ((Offer *) provider->offers->pdata[i])->announced = FALSE;
  publish_soon (provider->broker);
}

gboolean
provider_is_present (const Provider *provider)
{
  if (provider->kind == MOSS_FFI_KIND_REMOTE)
    return remote_is_present (provider);
  return provider->worker != NULL ? worker_is_there (provider->worker)
                                  : provider->client != NULL;
}

gboolean
offer_is_present (const Offer *offer)
{
  return offer->announced && offer->trust != TRUST_BARRED &&
         provider_is_present (offer->provider);
}

void
offer_bar (Offer *offer, const char *reason)
{
  if (offer->trust == TRUST_BARRED)
    return;
  g_message ("%s of %s is barred: %s", offer->text, offer->provider->name, reason);
  offer->trust = TRUST_BARRED;
  g_free (offer->reason);
  offer->reason = g_strdup (reason);
  canaries_forget (offer);
  publish_soon (offer->provider->broker);
}

static gboolean
matches (const Offer *offer, const char *request, const MossFfiCapability *capability)
{
  if (*request == '\0' || g_str_equal (offer->key, request))
    return TRUE;
  return capability != NULL &&
         moss_ffi_capability_match (offer->capability, capability) != MOSS_FFI_MATCH_NO;
}

static int
by_number (gconstpointer a, gconstpointer b)
{
  const Offer *const *one = a, *const *other = b;

  return (int) (*one)->number - (int) (*other)->number;
}

GPtrArray *
registry_find (Broker *broker, const char *request, GError **error)
{
  g_autoptr (GPtrArray) found = g_ptr_array_new ();
  g_autoptr (GError) cause = NULL;
  g_autoptr (MossFfiCapability) capability =
      *request != '\0' ? moss_ffi_capability_parse (request, &cause) : NULL;
  GHashTableIter iter;
  Offer *offer;

  g_hash_table_iter_init (&iter, broker->offers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &offer))
    if (offer->announced && matches (offer, request, capability))
      g_ptr_array_add (found, offer);
  if (found->len == 0 && cause != NULL)
    {
      g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_INVALID, "%s", cause->message);
      return NULL;
    }
  g_ptr_array_sort (found, by_number);
  return g_steal_pointer (&found);
}
