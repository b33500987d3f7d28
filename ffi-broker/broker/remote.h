/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the three parts of the remote market share. */
#pragma once

#include "broker.h"

G_BEGIN_DECLS

#define NET_NAME "org.moss.Net1"
#define NET_PATH "/org/moss/Net"
#define OFFERS_METHOD "ffi.offers"
#define CALL_METHOD "ffi.call"
#define CANCEL_METHOD "ffi.cancel"
/* outputs like inputs: caps, bytes (short ones), references and length (others), dims */
#define WIRE_BUFFERS "a(saya(ayay)ta(tx))"
/* serial, id of provider, function, caps wanted, options, inputs, deadline in µs */
#define CALL_TYPE "(tsssa{sv}" WIRE_BUFFERS "t)"
#define RESULT_TYPE "(" WIRE_BUFFERS "a{sv}t)"

typedef struct
{
  Remote *remote;
  char *id, *name;
  GVariant *info;            /* as netd has it; NULL: unknown to it */
  gboolean linked;
  guint64 newest;            /* sequence of the newest statement taken from it */
  gint64 heard_us;           /* monotonic; 0: never */
  double load;
  gboolean welcome;          /* its owner lets us call */
  gint64 window_us;          /* of its messages */
  guint in_window;
  guint serving;             /* calls that run here for it */
  guint asked;               /* calls of ours that run there */
} Peer;

struct _Remote
{
  Broker *broker;
  GHashTable *peers;         /* id → Peer */
  guint watch, signal, send;
  gboolean netd;             /* it is on the bus */
  gint64 sent_us;
  guint64 sequence;
  gboolean was_welcome;
  guint serving;
  GHashTable *served;        /* "device serial" → what runs here for it */
};

Peer *remote_get_peer (Remote *remote, const char *device);
gboolean remote_is_welcome (Remote *remote);
/* Factor by which a machine with that load is slower than an idle one. */
double remote_slowdown (double load);

/* remote-data.c: buffers between a frame and a message of the link. */
typedef void (*RemotePacked) (GVariant *buffers, const GError *error, gpointer user_data);
typedef void (*RemoteUnpacked) (GPtrArray *buffers, const GError *error, gpointer user_data);
/* buffers: MossFfiBuffer. Calls back once, perhaps at once; a floating variant. */
void remote_pack (Broker *broker, GPtrArray *buffers, const char *device, RemotePacked func,
                  gpointer user_data);
void remote_unpack (Broker *broker, GVariant *wire, const char *device, RemoteUnpacked func,
                    gpointer user_data);

/* remote-serve.c */
void remote_serve (Remote *remote, Peer *peer, GDBusMethodInvocation *invocation, GVariant *body);
void remote_serve_cancel (Remote *remote, Peer *peer, GVariant *body);

G_END_DECLS
