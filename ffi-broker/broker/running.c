/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Calls that take so long that a person wants to see them. Callers tell of them; cancelling is
 * asked of the caller, who knows the provider. */
#define G_LOG_DOMAIN "moss-ffi-broker"

#include "broker.h"

#include <sys/socket.h>

enum
{
  CALLS_MAX = 256,        /* of all callers */
  WHAT_MAX = 256,
  TELL_MS = 100,
};

typedef struct
{
  guint64 number, serial;
  Client *client;
  char *what;
  guint64 predicted_us;
  double fraction; /* as far as its provider said */
  gint64 started_us;
  guint offer;
} Call;

struct _Running
{
  Broker *broker;
  GPtrArray *calls;      /* Call, oldest first */
  guint64 last;
  guint tell;
};

static void
call_free (gpointer data)
{
  Call *call = data;

  g_free (call->what);
  g_free (call);
}

static gboolean
on_tell (gpointer user_data)
{
  Running *running = user_data;

  running->tell = 0;
  service_running_changed (running->broker);
  return G_SOURCE_REMOVE;
}

/* However many calls come and go, listeners hear of it ten times a second at most. */
static void
tell (Running *running)
{
  if (running->tell == 0)
    running->tell = g_timeout_add (TELL_MS, on_tell, running);
}

void
running_start (Broker *broker)
{
  broker->running = g_new0 (Running, 1);
  broker->running->broker = broker;
  broker->running->calls = g_ptr_array_new_with_free_func (call_free);
}

void
running_stop (Broker *broker)
{
  Running *running = g_steal_pointer (&broker->running);

  g_clear_handle_id (&running->tell, g_source_remove);
  g_ptr_array_unref (running->calls);
  g_free (running);
}

void
running_begin (Client *client, guint64 serial, const char *what, guint64 predicted_us,
               guint offer)
{
  Broker *broker = client_get_broker (client);
  Running *running = broker->running;
  Offer *of = registry_get_offer (broker, offer);
  Call *call;

  if (running->calls->len >= CALLS_MAX)
    return; /* it goes on all the same, unseen */
  call = g_new0 (Call, 1);
  call->number = ++running->last;
  call->serial = serial;
  call->client = client;
  call->what = g_utf8_substring (what, 0, MIN (WHAT_MAX, g_utf8_strlen (what, -1)));
  call->predicted_us = predicted_us;
  call->started_us = g_get_monotonic_time ();
  call->offer = offer;
  g_ptr_array_add (running->calls, call);
  if (of != NULL && of->provider->worker != NULL)
    worker_use (of->provider->worker);
  if (of != NULL)
    queue_changed (of->provider);
  tell (running);
}

static void
end (Running *running, guint i)
{
  Offer *of = registry_get_offer (running->broker, ((Call *) running->calls->pdata[i])->offer);

  g_ptr_array_remove_index (running->calls, i);
  if (of != NULL)
    queue_changed (of->provider);
  tell (running);
}

/* Its place in the list; the list's length: it isn't there. */
static guint
find (Running *running, Client *client, guint64 serial)
{
  guint i;

  for (i = 0; i < running->calls->len; i++)
    {
      const Call *call = running->calls->pdata[i];

      if (call->client == client && call->serial == serial)
        break;
    }
  return i;
}

void
running_end (Client *client, guint64 serial)
{
  Running *running = client_get_broker (client)->running;
  guint i = find (running, client, serial);

  if (i < running->calls->len)
    end (running, i);
}

void
running_progress (Client *client, guint64 serial, double fraction)
{
  Running *running = client_get_broker (client)->running;
  guint i = find (running, client, serial);
  Call *call = i < running->calls->len ? running->calls->pdata[i] : NULL;

  if (call == NULL || !(fraction > call->fraction && fraction <= 1))
    return;
  call->fraction = fraction;
  tell (running);
}

void
running_client_gone (Client *client)
{
  Running *running = client_get_broker (client)->running;

  for (guint i = running->calls->len; i-- > 0;)
    if (((Call *) running->calls->pdata[i])->client == client)
      end (running, i);
}

/* 0: not known, as of one in a sandbox, whose packets are relayed. */
static guint32
get_pid (Client *client)
{
  struct ucred peer = { 0 };
  socklen_t size = sizeof peer;

  if (client_get_conn (client) == NULL
      || getsockopt (moss_ffi_conn_get_fd (client_get_conn (client)), SOL_SOCKET, SO_PEERCRED,
                     &peer, &size) < 0)
    return 0;
  return peer.pid;
}

static GVariant *
describe (Broker *broker, Call *call)
{
  Offer *offer = registry_get_offer (broker, call->offer);
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "call", "t", call->number);
  g_variant_dict_insert (&dict, "what", "s", call->what);
  g_variant_dict_insert (&dict, "who", "s", client_get_name (call->client));
  g_variant_dict_insert (&dict, "pid", "u", get_pid (call->client));
  g_variant_dict_insert (&dict, "provider", "s", offer != NULL ? offer->provider->id : "");
  g_variant_dict_insert (&dict, "name", "s", offer != NULL ? offer->provider->name : "");
  g_variant_dict_insert (&dict, "device", "s", offer != NULL ? offer->provider->device : "");
  g_variant_dict_insert (&dict, "offer", "u", call->offer);
  g_variant_dict_insert (&dict, "started-us", "t",
                         (guint64) (g_get_monotonic_time () - call->started_us));
  g_variant_dict_insert (&dict, "predicted-us", "t", call->predicted_us);
  g_variant_dict_insert (&dict, "fraction", "d", call->fraction);
  return g_variant_dict_end (&dict);
}

gboolean
running_any (Broker *broker)
{
  return broker->running->calls->len > 0;
}

/* Who takes longer than was predicted is taken to be at it for some time yet. */
static double
left_us (const Call *call)
{
  double passed_us = g_get_monotonic_time () - call->started_us;

  return MAX (call->predicted_us - passed_us, passed_us / 10);
}

double
running_left_us (Provider *provider, guint at_once)
{
  Running *running = provider->broker->running;
  double left = 0;
  guint n = 0;

  for (guint i = 0; i < running->calls->len; i++)
    {
      const Call *call = running->calls->pdata[i];
      Offer *offer = registry_get_offer (running->broker, call->offer);

      if (offer == NULL || offer->provider != provider)
        continue;
      left += left_us (call);
      n++;
    }
  /* One alone may be the asker's last, whose end is not heard of yet. */
  return n > at_once ? left / at_once : 0;
}

GVariant *
running_list (Broker *broker)
{
  GVariantBuilder list;

  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < broker->running->calls->len; i++)
    g_variant_builder_add_value (&list, describe (broker, broker->running->calls->pdata[i]));
  return g_variant_builder_end (&list);
}

gboolean
running_cancel (Broker *broker, guint64 number)
{
  for (guint i = 0; i < broker->running->calls->len; i++)
    {
      Call *call = broker->running->calls->pdata[i];

      if (call->number == number && client_get_conn (call->client) != NULL)
        return moss_ffi_conn_send (client_get_conn (call->client), MOSS_FFI_FRAME_CANCEL,
                                   call->serial, g_variant_new ("()"), NULL, 0);
    }
  return FALSE;
}
