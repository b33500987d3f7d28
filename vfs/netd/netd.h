// SPDX-License-Identifier: GPL-3.0-or-later
/* What the files of moss-netd share. All of it belongs to the main context, except where a
 * comment says otherwise. */
#pragma once

#include "core/identity/chain.h"
#include "core/link/certificate.h"
#include "core/link/link.h"
#include "core/store/store.h"

#include "moss-dbus-files.h"
#include "moss-dbus-agent.h"
#include "moss-dbus-net.h"

/* Between devices of one identity: body ay, the chain; answer (s): what became of it. */
#define IDENTITY_CHAIN_METHOD "identity.chain"
/* Likewise: body a(sas), where others of them were reached; answer (). */
#define WHERE_METHOD "identity.where"

typedef struct _Netd Netd;
typedef struct _PairingState PairingState;

typedef enum
{
  DEVICE_AWAY,
  DEVICE_REFUSED,
  DEVICE_LINKED,
} DeviceState;

typedef struct
{
  Netd *netd;
  char *id;
  char *name;
  gboolean paired;
  guint slot;       /* in this device's identity; 0: it is somebody else's */
  gboolean joining; /* it is about to take this device into its identity */
  GPtrArray *addresses; /* "host:port", best first; of a paired device: remembered */
  char *discovered;     /* nullable: where it announces itself now */
  guint32 suite;
  GBytes *signing_key; /* nullable; pinned when first seen */

  DeviceState state;
  char *reason;
  MossLink *link; /* nullable: the one that new requests use */
  guint64 instance;
  char *arch;
  char *kind;
  guint32 cores;
  GVariant *status; /* nullable: as it was sent */

  guint retry;     /* source */
  guint delay_ms;  /* before the next try */
  guint attempt;   /* which address is next */
  gboolean dialling;
  guint announce; /* source: DeviceChanged is due */
} Device;

struct _Netd
{
  GMainLoop *loop;
  int exit_status;
  gboolean stopping;
  char *state_dir;
  char *id;
  char *name;
  guint16 port;
  char *listen_address; /* nullable */
  GTlsCertificate *certificate;
  MossStore *store; /* any thread */
  MossHello hello;  /* mine */
  GHashTable *devices; /* id → Device */
  char *saved_devices; /* what the file holds */
  GHashTable *calls;   /* "link number" → GCancellable: calls of others that the session has */
  GSocketService *service;
  guint handshakes;
  guint links; /* not yet closed */
  GDBusConnection *bus;
  MossDBusNet1 *interface;
  MossDBusFiles1 *files;
  GVariant *last_status;
  guint status_source;
  guint same_status; /* periods */
  guint sync_source;
  gint dirty;         /* atomic: something was stored since the last sync */
  guint64 push_bytes; /* atomic: pushed by others since the last collection */
  gpointer discovery;
  MossDBusAgent1 *agent; /* nullable */
  MossChain *chain;      /* nullable: of the identity that this device is alive in */
  guint slot;            /* this device's */
  PairingState *pairing;
  struct _Sync *sync;
  struct _Leases *leases;
  struct _Home *home; /* home.c */
};

/* devices.c */
gboolean devices_load (Netd *netd, GError **error);
void devices_save (Netd *netd);
Device *device_find (Netd *netd, const char *id);
Device *device_get (Netd *netd, const char *id);
Device *device_pin (Netd *netd, const char *id, const char *address);
void device_unpin (Device *device);
void device_free (gpointer data);
void device_remember_address (Device *device, const char *address);
gboolean device_add_address (Device *device, const char *address);
void device_set_state (Device *device, DeviceState state, const char *reason);
void device_changed (Device *device);
const char *device_best_address (Device *device);
GVariant *device_to_variant (Device *device);
GVariant *devices_to_variant (Netd *netd);

/* peers.c */
gboolean peers_listen (Netd *netd, int wanted_port, GError **error);
void peers_accept (Netd *netd, GIOStream *tls, GSocket *socket, const char *id, gboolean dialled);
void peers_drop (Device *device, const char *reason);
void peers_drop_all (Netd *netd, const char *reason);
void peers_stop (Netd *netd);
char *peers_address (GSocketAddress *remote, guint16 port);
extern const MossLinkEvents peers_events;

/* dial.c */
void dial_now (Device *device);
void dial_later (Device *device);
void dial_stop (Device *device);

/* handshake.c */
typedef void (*HandshakeDone) (Netd *netd,
                               GIOStream *tls,
                               GSocket *socket,
                               const char *id,
                               const GError *error,
                               gpointer user_data);
void handshake (Netd *netd,
                GSocketConnection *connection,
                const char *expected,
                HandshakeDone done,
                gpointer user_data);

void handshake_pairing (Netd *netd,
                        GSocketConnection *connection,
                        HandshakeDone done,
                        gpointer user_data);

/* identity.c */
void identity_load (Netd *netd);
void identity_start (Netd *netd);
void identity_export (Netd *netd);
void identity_greet (Netd *netd, Device *device);
void identity_call (Netd *netd, MossLink *link, guint64 request, GVariant *body);
gboolean identity_has_revoked (MossChain *chain, const char *id);
gboolean identity_has_member (MossChain *chain, const char *id);

/* where.c */
void where_tell (Netd *netd);
void where_call (Netd *netd, MossLink *link, guint64 request, GVariant *body);

/* joining.c */
gboolean joining_save (Netd *netd,
                       const char *id,
                       const char *name,
                       const char *address,
                       GError **error);
void joining_load (Netd *netd);
void joining_forget (Netd *netd);

/* pairing.c */
void pairing_export (Netd *netd);
gboolean pairing_is_open (Netd *netd);
void pairing_joined (Netd *netd);
void pairing_accept (Netd *netd, GIOStream *tls, GSocket *socket, const char *id);

/* main.c */
char *complete_address (const char *address, GError **error);

/* transfer.c */
void transfer_export (Netd *netd);
gboolean transfer_is_idle (void);
void transfer_pushed (MossLink *link, GBytes *sealed, gpointer user_data);
GBytes *transfer_load (const MossId *id, gpointer user_data);

/* relay.c */
void relay_export (Netd *netd);
void relay_call (MossLink *link,
                 guint64 request,
                 const char *method,
                 GVariant *body,
                 gpointer user_data);
void relay_cancelled (MossLink *link, guint64 request, gpointer user_data);

/* status.c */
const char *status_kind (void);
void status_start (Netd *netd);
void status_greet (Netd *netd, MossLink *link);

/* signing.c */
void signing_start (Netd *netd);
void signing_ask (Netd *netd);

/* discovery.c */
void discovery_start (Netd *netd);
void discovery_stop (Netd *netd);

/* files.c */
#define FILES_ERROR (files_error_quark ())
GQuark files_error_quark (void);

/* What the caller can do about it; "Invalid", "Away" and "Failed" are those of the link and of
 * the store. */
typedef enum
{
  FILES_ERROR_NOT_FOUND,
  FILES_ERROR_NO_IDENTITY,
  FILES_ERROR_LOCKED,
} FilesError;

gboolean files_export (Netd *netd, GError **error);
void files_set_mount (Netd *netd, const char *home, const char *state, const char *reason);
