/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How long a call waits at a provider until it's its turn. Long calls are known while they run:
 * who comes next waits for what is left of them. Short ones are known by their reports: when a
 * provider was busy and its callers waited longer than the way takes, the next ones will, too,
 * until that is some time ago. */
#define G_LOG_DOMAIN "moss-ffi-broker"

#include "broker.h"

#include <math.h>

enum
{
  LOOK_MS = 250,
  WORKER_CALLS = 2,        /* that a worker runs at the same time */
};

#define WINDOW_US 1e6      /* in which a provider's work is summed up */
#define BUSY_SHARE 0.5
#define WEIGHT 0.3
#define LEAST_US 1000      /* shorter waiting is not told */
#define WAIT_MAX_US 60e6

/* Its work of about the last second, as a share of one processor. */
static double
share_now (Provider *provider)
{
  double passed_us = g_get_monotonic_time () - provider->worked_at_us;

  return provider->worked_us * exp (-passed_us / WINDOW_US) / WINDOW_US;
}

gboolean
queue_is_busy (Provider *provider)
{
  return share_now (provider) > BUSY_SHARE;
}

static double
waits_now (Provider *provider)
{
  double passed_us = g_get_monotonic_time () - provider->worked_at_us;

  return provider->waited_us * exp (-passed_us / WINDOW_US);
}

static gboolean
on_look (gpointer user_data)
{
  Broker *broker = user_data;
  gboolean any = FALSE;
  GHashTableIter iter;
  Provider *provider;

  g_hash_table_iter_init (&iter, broker->providers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &provider))
    if (provider->queue_us > 0)
      {
        queue_changed (provider);
        any = any || provider->queue_us > 0;
      }
  if (any)
    return G_SOURCE_CONTINUE;
  broker->queue_source = 0;
  return G_SOURCE_REMOVE;
}

void
queue_changed (Provider *provider)
{
  Broker *broker = provider->broker;
  guint at_once = provider->worker != NULL || provider->kind == MOSS_FFI_KIND_REMOTE
                      ? WORKER_CALLS : 1;
  double us = MIN (MAX (waits_now (provider), running_left_us (provider, at_once)), WAIT_MAX_US);

  if (us < LEAST_US)
    us = 0;
  if (us == provider->queue_us)
    return;
  provider->queue_us = us;
  publish_provider (provider);
  if (us > 0 && broker->queue_source == 0)
    broker->queue_source = g_timeout_add (LOOK_MS, on_look, broker);
}

void
queue_note (Provider *provider, double run_us, double waited_us)
{
  double waits = waits_now (provider);

  provider->worked_us = share_now (provider) * WINDOW_US + run_us;
  provider->waited_us = waits + WEIGHT * (waited_us - waits);
  provider->worked_at_us = g_get_monotonic_time ();
  queue_changed (provider);
}

void
queue_stop (Broker *broker)
{
  g_clear_handle_id (&broker->queue_source, g_source_remove);
}
