/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Policy: whoever is on the user's bus or socket may announce, and other devices through netd, so
 * every text is bounded and parsed before it is kept; nobody takes the id of a bridge, of a
 * running provider, of an app in a sandbox or of another device; one connection leaves room for
 * others. What was taken is the registry's (registry.c). */
#define G_LOG_DOMAIN "moss-ffi-broker"

#include "registry-private.h"

#include <string.h>

enum
{
  ID_MAX = 128,
  TEXT_MAX = 256,
  OFFERS_OF_CLIENT_MAX = 5000,
  PROVIDERS_OF_CLIENT_MAX = 16,
};

#define ID_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:._+-/@"

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
         registry_kind_from_text (kind) == MOSS_FFI_KIND_IN_PROCESS &&
         client != NULL &&
         g_strcmp0 (client_get_app (provider->client), client_get_app (client)) == 0;
}

/* Apps in sandboxes have names of their own: none of them passes for somebody else. What only its
 * own process calls keeps the name by which that knows it. */
static char *
make_id (const char *said, const char *kind, const char *app)
{
  g_autofree char *own = NULL;

  if (app == NULL || registry_kind_from_text (kind) == MOSS_FFI_KIND_IN_PROCESS)
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
      client_get_app (client) != NULL && registry_kind_from_text (kind) == MOSS_FFI_KIND_IN_PROCESS)
    {
      refuse (error, MOSS_FFI_ERROR_DENIED, "“%s” is another program's name", shown);
      return NULL;
    }
  if (provider == NULL)
    provider = registry_provider_new (broker, id, version, shown, "", bridge,
                                      registry_kind_from_text (kind));
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

      registry_take_costs (offer, curve, ratio, calls);
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
  provider->returns_memory = FALSE;
  g_variant_lookup (dict, "returns-memory", "b", &provider->returns_memory);
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
          registry_read_attributes (offer);
          offer->dirty = TRUE;
        }
      return offer;
    }
  capability = moss_ffi_capability_parse (text, error);
  if (capability == NULL || !make_room (provider->broker, error))
    return NULL;
  offer = registry_offer_new (provider, text, g_steal_pointer (&capability), dict);
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
  if (!registry_write_provider (broker->db, provider, error))
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
    provider = registry_provider_new (broker, id, version, shown, device, "", MOSS_FFI_KIND_REMOTE);
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
