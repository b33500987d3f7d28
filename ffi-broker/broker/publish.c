/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table in which clients choose. Made anew when somebody comes or goes, at most every so
 * often; costs change in place. A machine that is busy is slower at everything: its offers are
 * published as that much more expensive, what was learned stays what it is. */
#define G_LOG_DOMAIN "moss-ffi-broker"

#include "remote.h"

#include <math.h>
#include <unistd.h>

enum
{
  PAUSE_MS = 50,
};

static MossFfiProviderCost
cost_of (const Provider *provider)
{
  gboolean warm = provider->worker == NULL || worker_is_warm (provider->worker);

  return (MossFfiProviderCost){ .warm = warm,
                                .start_us = provider->start_us > 0 ? provider->start_us : 200000,
                                .queue_us = provider->queue_us,
                                .latency_us = provider->latency_us,
                                .bytes_per_us = provider->bytes_per_us };
}

static MossFfiCurve
curve_of (const Offer *offer)
{
  Broker *broker = offer->provider->broker;
  double load = offer->provider->kind == MOSS_FFI_KIND_REMOTE ? remote_load (offer->provider)
                                                             : broker->load;
  MossFfiCurve curve = offer->learner.curve;

  moss_ffi_curve_shift (&curve, log2 (remote_slowdown (load)));
  return curve;
}

static void
add_offer (MossFfiTableBuilder *builder, Offer *offer, guint provider)
{
  MossFfiCurve curve = curve_of (offer);
  g_autoptr (GError) error = NULL;
  MossFfiOfferInfo info = { .number = offer->number,
                            .provider = provider,
                            .flags = offer->flags,
                            .rank = offer->quality_rank,
                            .capability = offer->text,
                            .quality = offer->quality,
                            .licence = offer->licence,
                            .function = offer->function,
                            .memory_per_byte = offer->memory_per_byte,
                            .out_per_in = offer->ratio,
                            .curve = &curve };

  if (!moss_ffi_table_builder_add_offer (builder, &info, &error))
    g_message ("%s of %s is not published: %s", offer->text, offer->provider->name,
               error->message);
}

static void
add_provider (MossFfiTableBuilder *builder, Provider *provider)
{
  MossFfiProviderInfo info = { .number = provider->number,
                               .id = provider->id,
                               .name = provider->name,
                               .version = provider->version,
                               .device = provider->device,
                               .kind = provider->kind,
                               .cost = cost_of (provider) };
  guint index = moss_ffi_table_builder_add_provider (builder, &info);

  provider->index = index;
  for (guint i = 0; i < provider->offers->len; i++)
    if (offer_is_present (provider->offers->pdata[i]))
      add_offer (builder, provider->offers->pdata[i], index);
}

static MossFfiTableWriter *
make_table (Broker *broker, GError **error)
{
  g_autoptr (MossFfiTableBuilder) builder = moss_ffi_table_builder_new ();
  GHashTableIter iter;
  Provider *provider;

  g_hash_table_iter_init (&iter, broker->providers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &provider))
    {
      provider->index = G_MAXUINT;
      if (provider_is_present (provider) && provider->number != 0)
        add_provider (builder, provider);
    }
  return moss_ffi_table_builder_publish (builder, error);
}

static void
note_places (Broker *broker)
{
  MossFfiTable *table = moss_ffi_table_writer_get_table (broker->writer);
  GHashTableIter iter;
  Offer *offer;

  g_hash_table_iter_init (&iter, broker->offers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &offer))
    offer->index = moss_ffi_table_find_offer (table, offer->number);
}

void
publish_now (Broker *broker)
{
  g_autoptr (GError) error = NULL;
  MossFfiTableWriter *writer;

  if (broker->writer != NULL && broker->publish_source == 0)
    return;
  g_clear_handle_id (&broker->publish_source, g_source_remove);
  writer = make_table (broker, &error);
  if (writer == NULL)
    {
      g_warning ("the table of offers is not made: %s", error->message);
      return;
    }
  g_clear_pointer (&broker->planner, moss_ffi_planner_free);
  if (broker->writer != NULL)
    {
      moss_ffi_table_writer_supersede (broker->writer);
      moss_ffi_table_writer_free (broker->writer);
    }
  broker->writer = writer;
  broker->generation++;
  broker->slowdown = remote_slowdown (broker->load);
  note_places (broker);
  broker->planner = moss_ffi_planner_new (moss_ffi_table_writer_get_table (writer));
  clients_tell_table (broker);
  service_changed (broker);
  remote_offers_changed (broker);
}

static gboolean
on_pause_over (gpointer user_data)
{
  publish_now (user_data);
  return G_SOURCE_REMOVE;
}

void
publish_soon (Broker *broker)
{
  if (broker->publish_source == 0)
    broker->publish_source = g_timeout_add (PAUSE_MS, on_pause_over, broker);
}

void
publish_cost (Offer *offer)
{
  Broker *broker = offer->provider->broker;
  MossFfiCurve curve;

  if (broker->writer == NULL || offer->index == MOSS_FFI_NO_OFFER)
    return;
  curve = curve_of (offer);
  moss_ffi_table_writer_set_curve (broker->writer, offer->index, &curve);
  moss_ffi_table_writer_set_ratio (broker->writer, offer->index, offer->ratio);
}

void
publish_provider (Provider *provider)
{
  Broker *broker = provider->broker;
  MossFfiProviderCost cost = cost_of (provider);

  if (broker->writer != NULL && provider->index != G_MAXUINT)
    moss_ffi_table_writer_set_cost (broker->writer, provider->index, &cost);
}

/* When the load became another one, so did all costs. */
void
publish_load (Broker *broker)
{
  double slowdown = remote_slowdown (broker->load);
  GHashTableIter iter;
  Offer *offer;

  if (fabs (log2 (slowdown / broker->slowdown)) < 0.2)
    return;
  broker->slowdown = slowdown;
  g_hash_table_iter_init (&iter, broker->offers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &offer))
    if (offer->provider->kind != MOSS_FFI_KIND_REMOTE)
      publish_cost (offer);
}

Provider *
publish_get_provider (Broker *broker, guint number)
{
  GHashTableIter iter;
  Provider *provider;

  g_hash_table_iter_init (&iter, broker->providers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &provider))
    if (provider->number == number && provider_is_present (provider))
      return provider;
  return NULL;
}

int
publish_get_fd (Broker *broker)
{
  return broker->writer != NULL ? moss_ffi_table_writer_get_fd (broker->writer) : -1;
}

void
publish_stop (Broker *broker)
{
  g_clear_handle_id (&broker->publish_source, g_source_remove);
  g_clear_pointer (&broker->planner, moss_ffi_planner_free);
  g_clear_pointer (&broker->writer, moss_ffi_table_writer_free);
}
