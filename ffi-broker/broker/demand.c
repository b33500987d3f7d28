/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is asked for, and how big. Canaries are small; what a provider takes with something much
 * bigger is a guess until it was called with that. Who loses by its guess is not called, and who is
 * not called would be guessed at for ever: so it is tried once with each size that others are
 * called with. Whoever may report (clients.c) may ask, so that only so much is noted. */
#define G_LOG_DOMAIN "moss-ffi-broker"

#include "broker.h"

#include "ffi-broker/market/policy.h"

enum
{
  KEYS_MAX = 64,
  RIVALS_MAX = 64,
  HALVE_S = 600,
};

typedef struct
{
  MossFfiDemand sizes;
  GPtrArray *offers; /* Offer, while one is looked for */
} Demand;

static void
demand_free (gpointer data)
{
  Demand *demand = data;

  g_ptr_array_unref (demand->offers);
  g_free (demand);
}

static gboolean
halve (gpointer key, gpointer value, gpointer user_data)
{
  Demand *demand = value;
  guint32 left = 0;

  for (guint i = 0; i < MOSS_FFI_BUCKETS; i++)
    left |= demand->sizes.calls[i] /= 2;
  return left == 0;
}

static Demand *
get_demand (Broker *broker, const char *key)
{
  Demand *demand = g_hash_table_lookup (broker->demands, key);

  if (demand != NULL || g_hash_table_size (broker->demands) >= KEYS_MAX)
    return demand;
  demand = g_new0 (Demand, 1);
  demand->offers = g_ptr_array_new ();
  g_hash_table_insert (broker->demands, g_strdup (key), demand);
  return demand;
}

void
demand_note (Offer *offer, guint64 bytes)
{
  Demand *demand = get_demand (offer->provider->broker, offer->key);

  if (demand != NULL)
    moss_ffi_demand_note (&demand->sizes, bytes);
}

gboolean
demand_is_known (const Offer *offer)
{
  return g_hash_table_contains (offer->provider->broker->demands, offer->key);
}

static void
collect (Broker *broker)
{
  GHashTableIter iter;
  gpointer value;
  Offer *offer;

  g_hash_table_iter_init (&iter, broker->demands);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    g_ptr_array_set_size (((Demand *) value)->offers, 0);
  g_hash_table_iter_init (&iter, broker->offers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &offer))
    {
      Demand *demand = g_hash_table_lookup (broker->demands, offer->key);

      if (demand != NULL && offer->trust == TRUST_MEASURED && offer_is_present (offer) &&
          demand->offers->len < RIVALS_MAX)
        g_ptr_array_add (demand->offers, offer);
    }
}

static guint64
next_bytes (const Demand *demand, const Offer *offer)
{
  const MossFfiLearner *others[RIVALS_MAX];
  guint n = 0;

  for (guint i = 0; i < demand->offers->len; i++)
    if (demand->offers->pdata[i] != offer)
      others[n++] = &((Offer *) demand->offers->pdata[i])->learner;
  return moss_ffi_next_asked (&offer->learner, others, n, &demand->sizes, offer->tried);
}

/* Who is to be tried with what now; NULL: nobody. */
Offer *
demand_next (Broker *broker, DemandMay may, guint64 *bytes)
{
  gint64 now = g_get_monotonic_time ();
  GHashTableIter iter;
  Demand *demand;

  if (now - broker->demands_us > HALVE_S * G_USEC_PER_SEC)
    {
      broker->demands_us = now;
      g_hash_table_foreach_remove (broker->demands, halve, NULL);
    }
  if (g_hash_table_size (broker->demands) == 0)
    return NULL;
  collect (broker);
  g_hash_table_iter_init (&iter, broker->demands);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &demand))
    for (guint i = 0; i < demand->offers->len; i++)
      {
        Offer *offer = demand->offers->pdata[i];

        if (!may (offer))
          continue;
        *bytes = next_bytes (demand, offer);
        if (*bytes == 0)
          continue;
        offer->tried |= G_GUINT64_CONSTANT (1) << moss_ffi_bucket (*bytes);
        return offer;
      }
  return NULL;
}

void
demand_start (Broker *broker)
{
  broker->demands = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, demand_free);
  broker->demands_us = g_get_monotonic_time ();
}

void
demand_stop (Broker *broker)
{
  g_clear_pointer (&broker->demands, g_hash_table_unref);
}
