/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of moss-ffi-broker share. One thread. */
#pragma once

#include "conn.h"
#include "db.h"

#include "core/machine.h"
#include "ffi-broker/market/plan.h"
#include "ffi-broker/market/table-writer.h"
#include "ffi-broker/types/capability.h"
#include "moss-dbus-functionbroker.h"

G_BEGIN_DECLS

#define BUS_NAME "org.moss.FunctionBroker1"
#define BUS_PATH "/org/moss/FunctionBroker"

enum
{
  OFFERS_MAX = 10000,
  PROVIDERS_MAX = 2000,
  CLIENTS_MAX = 1000,
};

typedef struct _Broker Broker;
typedef struct _Provider Provider;
typedef struct _Offer Offer;
typedef struct _Worker Worker;
typedef struct _Client Client;
typedef struct _Canaries Canaries;
typedef struct _Running Running;
typedef struct _Remote Remote;

typedef enum
{
  TRUST_UNMEASURED,
  TRUST_MEASURED,
  TRUST_BARRED, /* it lied or crashed too often; until its version changes */
} Trust;

struct _Provider
{
  Broker *broker;
  guint number;                 /* of its row: stays */
  char *id, *version, *name;
  char *device;                 /* "" here */
  MossFfiKind kind;
  char *bridge;                 /* the worker's name, "" for a process */
  char *app;                    /* in a sandbox, that announced it; NULL: none */
  Worker *worker;               /* for a bridge's; owned by the broker's table */
  Client *client;               /* the connection that announced it, NULL while there is none */
  GPtrArray *offers;            /* Offer; owned */
  double start_us;              /* EWMA, 0 unknown */
  double latency_us, bytes_per_us;
  double queue_us;              /* as published */
  double worked_us, waited_us;  /* lately; see queue.c */
  gint64 worked_at_us;
  guint doubts;                 /* reports in a row that can't be so; see learn.c */
  guint index;                  /* in the table that is published; G_MAXUINT: not in it */
  guint crashes;
  gboolean returns_memory;      /* it said that it is through with its arguments when it answers */
  gboolean dirty;
};

struct _Offer
{
  Provider *provider;
  guint number;
  guint index;                  /* in the table; G_MAXUINT: not in it */
  char *text, *key;
  MossFfiCapability *capability;
  GVariant *attributes;
  const char *function, *quality, *licence; /* in attributes */
  guint quality_rank;
  guint flags;                  /* MossFfiOfferFlags */
  double memory_per_byte;
  MossFfiLearner learner;
  double ratio;                 /* bytes out over bytes in; 0 unknown */
  guint64 calls;
  Trust trust;
  char *reason;
  guint wrong;                  /* answers in a row that were not what was promised */
  gint64 measured_us;           /* monotonic, of the last canary; 0: not in this life */
  guint64 tried;                /* bit b: with 2^b bytes, because that was asked for */
  gboolean announced;           /* by the provider as it is now */
  gboolean dirty;
};

struct _Broker
{
  GMainLoop *loop;
  GDBusConnection *bus;
  MossDBusFunctionBroker1 *interface;
  MossDBusFunctionBrokerPeer1 *peer_interface;
  MossFfiDb *db;
  char *cpu;
  char *socket_path;
  GSource *listener;
  GHashTable *providers;        /* "id device" → Provider, owned */
  GHashTable *offers;           /* number → Offer */
  guint n_offers;               /* those that have no number yet, too */
  GHashTable *clients;          /* Client, owned */
  GHashTable *workers;          /* bridge → Worker, owned */
  GFileMonitor *manifests; /* of the person's own folder of them */
  MossFfiTableWriter *writer;
  MossFfiPlanner *planner;
  double slowdown;              /* by which costs are published */
  guint publish_source, flush_source, queue_source, learned_source;
  guint64 generation;
  gint64 started_us;
  MossLoad load_since;
  double load;
  Canaries *canaries;
  Running *running;
  Remote *remote;
  GQueue last;                  /* LastCall, newest first */
  GHashTable *demands;          /* key → what was asked for; see demand.c */
  gint64 demands_us;
  int status;
};

/* registry.c: providers and offers, in memory and as rows. */
gboolean registry_load (Broker *broker, GError **error);
void registry_free (Broker *broker);
/* Adds to what the provider offers; the numbers are appended. client or worker is who said it. */
Provider *registry_announce (Broker *broker, GVariant *provider, GVariant *offers,
                             Client *client, Worker *worker, GArray *numbers, GError **error);
/* An offer that another device told of. */
Offer *registry_announce_remote (Broker *broker, const char *device, const char *id,
                                 const char *version, const char *name, const char *capability,
                                 GVariant *attributes, GError **error);
Provider *registry_get_provider (Broker *broker, const char *id, const char *device);
/* Forgets an offer with what was learned. */
void registry_forget (Broker *broker, Offer *offer);
/* Nothing of it is announced any more; the rows stay. */
void registry_provider_gone (Provider *provider);
/* Present: a caller could be connected to it. */
gboolean provider_is_present (const Provider *provider);
gboolean offer_is_present (const Offer *offer);
/* Rows are written within half a second of this. */
void registry_touch (Broker *broker);
void registry_flush (Broker *broker);
/* Offers for a request or key ("": all); free with g_ptr_array_unref(). */
GPtrArray *registry_find (Broker *broker, const char *request, GError **error);
Offer *registry_get_offer (Broker *broker, guint number);
void offer_bar (Offer *offer, const char *reason);

/* publish.c: the table that clients choose in. */
void publish_soon (Broker *broker);
void publish_now (Broker *broker);
/* A cost changed: no new table. */
void publish_cost (Offer *offer);
void publish_provider (Provider *provider);
/* A provider that is present, by its number. */
Provider *publish_get_provider (Broker *broker, guint number);
int publish_get_fd (Broker *broker);
void publish_load (Broker *broker);
void publish_stop (Broker *broker);

/* clients.c: connections of callers and of those who announce. */
void clients_start (Broker *broker);
gboolean clients_listen (Broker *broker, GError **error);
void clients_stop (Broker *broker);
/* Takes the socket; app: of a sandbox, or NULL. */
Client *clients_add (Broker *broker, int socket, const char *app);
const char *client_get_name (Client *client);
/* Whether it and the provider may see everything of each other: both are processes of this user
 * outside of any sandbox, and the provider said that it gives arguments back. */
gboolean client_trusts (Client *client, const Provider *provider);
Broker *client_get_broker (Client *client);
MossFfiConn *client_get_conn (Client *client);
/* NULL: it is in no sandbox. */
const char *client_get_app (Client *client);
/* Sends everybody the table that is new. */
void clients_tell_table (Broker *broker);

/* connect.c: a caller's own connection to a provider. */
typedef void (*ConnectFunc) (int socket, const GError *error, gpointer user_data);
/* Calls back once, perhaps at once; the socket is the callback's. Starts a worker when needed. */
void connect_provider (Provider *provider, const char *caller, gboolean trusted,
                       ConnectFunc func, gpointer user_data);

/* workers.c: the processes of bridges. */
void workers_scan (Broker *broker);
void workers_stop (Broker *broker);
/* TRUE: it can be started now or runs. */
gboolean worker_is_there (const Worker *worker);
gboolean worker_is_warm (const Worker *worker);
/* So long ago it wasn't there, or was still starting. */
gboolean worker_is_younger (const Worker *worker, guint64 us);
const char *worker_get_name (const Worker *worker);
void worker_use (Worker *worker);
void worker_connect (Worker *worker, const char *caller, gboolean trusted, ConnectFunc func,
                     gpointer user_data);
void worker_is_well (Worker *worker);
/* A call of it was given up: it is killed if it goes on. */
void worker_given_up (Worker *worker);
void worker_kill (Worker *worker, const char *why);
Worker *workers_get (Broker *broker, const char *bridge);

/* learn.c: what calls and canaries cost. */
typedef struct
{
  guint offer;
  guint64 bytes_in, bytes_out, predicted_us, measured_us;
  guint outcome; /* MossFfiOutcome */
} LastCall;
void learn_report (Broker *broker, Offer *offer, guint64 bytes_in, guint64 bytes_out,
                   guint64 run_us, guint64 whole_us, guint outcome);
/* Of a canary; killed: it was given up after so long. */
void learn_canary (Offer *offer, guint64 bytes_in, guint64 bytes_out, guint64 us, gboolean killed);
void learn_start (Provider *provider, guint64 start_us);
double learn_predict (const Offer *offer, guint64 bytes);
GVariant *learn_last (Broker *broker, GPtrArray *offers);
void learn_free (Broker *broker);

/* demand.c: sizes that are asked for. */
typedef gboolean (*DemandMay) (const Offer *offer);
void demand_start (Broker *broker);
void demand_stop (Broker *broker);
/* It was called with so much. */
void demand_note (Offer *offer, guint64 bytes);
/* Whether it or a rival was called lately. */
gboolean demand_is_known (const Offer *offer);
/* Of those that may: who is to be tried with how much now; NULL: nobody. */
Offer *demand_next (Broker *broker, DemandMay may, guint64 *bytes);

/* canary-input.c: what a canary hands over. NULL: no input can be made, or an option not guessed.
 * (transfer full), the options floating. first: (transfer full): caps of the first one. */
GPtrArray *canary_make_inputs (const MossFfiCapability *capability, gsize size,
                               MossFfiCaps **first, guint64 *bytes_in);
GVariant *canary_guess_options (const MossFfiCapability *capability, const MossFfiCaps *input);

/* canary.c: measures when nobody waits. */
void canaries_start (Broker *broker);
void canaries_stop (Broker *broker);
void canaries_want (Offer *offer, gboolean soon);
void canaries_forget (Offer *offer);
typedef void (*CanariesDone) (gpointer user_data);
/* Measures these now; calls back when the last is done. */
void canaries_bench (Broker *broker, GPtrArray *offers, CanariesDone func, gpointer user_data);

/* samples.c: inputs for canaries. */
/* NULL: no input of these caps can be made yet. fixed: (transfer full): what it is. */
GBytes *sample_make (const MossFfiCaps *caps, gsize bytes, MossFfiCaps **fixed);
/* A result to be an input later. */
void sample_keep (const char *media, GBytes *bytes);
void samples_free (void);

/* queue.c: how long a call waits for others at a provider. */
/* One was reported: it ran so long, and waited for others before. */
void queue_note (Provider *provider, double run_us, double waited_us);
/* Calls that are shown began or ended there. */
void queue_changed (Provider *provider);
/* It worked most of the last second. */
gboolean queue_is_busy (Provider *provider);
void queue_stop (Broker *broker);

/* running.c: calls that are shown. */
void running_begin (Client *client, guint64 serial, const char *what, guint64 predicted_us,
                    guint offer);
void running_end (Client *client, guint64 serial);
/* So much of it is done, 0 to 1. */
void running_progress (Client *client, guint64 serial, double fraction);
void running_client_gone (Client *client);
gboolean running_any (Broker *broker);
/* What is left of those of a provider that runs so many at once, until one of them ends. */
double running_left_us (Provider *provider, guint at_once);
GVariant *running_list (Broker *broker);
gboolean running_cancel (Broker *broker, guint64 call);
void running_start (Broker *broker);
void running_stop (Broker *broker);

/* explain.c: answers for people, and plans. */
GVariant *explain_offer (const Offer *offer);
GVariant *explain_request (Broker *broker, const char *request, GVariant *options,
                           GError **error);
GVariant *explain_plan (Broker *broker, const char *request, GVariant *options, GError **error);
GVariant *explain_possible (Broker *broker, const char *caps, guint64 bytes, GError **error);

/* service.c: D-Bus. */
gboolean service_export (Broker *broker, GError **error);
void service_changed (Broker *broker);
/* Costs are others; said at most every two seconds. */
void service_learned (Broker *broker);
void service_running_changed (Broker *broker);

/* guard.c: how much one caller on the bus may ask at once. */
void guard_start (Broker *broker);

/* remote.c: functions of other devices, and ours for them. */
void remote_start (Broker *broker);
void remote_stop (Broker *broker);
gboolean remote_is_present (const Provider *provider);
void remote_connect (Provider *provider, ConnectFunc func, gpointer user_data);
void remote_offers_changed (Broker *broker);
void remote_tick (Broker *broker);
/* As the device last said it; "" for our own providers. */
double remote_load (const Provider *provider);
const char *remote_name (const Provider *provider);
void remote_handle (Broker *broker, GDBusMethodInvocation *invocation, const char *device,
                    const char *method, GVariant *body);

G_END_DECLS
