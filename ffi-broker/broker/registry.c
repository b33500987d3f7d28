/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Providers and offers, in memory and as rows. What is not announced any more keeps its row, and
 * what was learned; who may announce what: announce.c. */
#define G_LOG_DOMAIN "moss-ffi-broker"

#include "registry-private.h"

enum
{
  FLUSH_MS = 300,
};

static const char *const kinds[] = { "in-process", "local", "remote" };

MossFfiKind
registry_kind_from_text (const char *text)
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

Provider *
registry_provider_new (Broker *broker, const char *id, const char *version, const char *name,
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

void
registry_read_attributes (Offer *offer)
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

Offer *
registry_offer_new (Provider *provider, const char *text, MossFfiCapability *capability,
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
  registry_read_attributes (offer);
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
  provider = registry_provider_new (broker, row->id, row->version, row->name, row->device,
                                    row->bridge, registry_kind_from_text (row->kind));
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

void
registry_take_costs (Offer *offer, GBytes *curve, double ratio, guint64 calls)
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
  offer = registry_offer_new (loading->newest, row->capability, capability, row->attributes);
  offer->number = row->number;
  registry_take_costs (offer, row->curve, row->ratio, row->calls);
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

gboolean
registry_write_provider (MossFfiDb *db, Provider *provider, GError **error)
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
    if (!registry_write_provider (broker->db, provider, error))
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
