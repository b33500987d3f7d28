// SPDX-License-Identifier: GPL-3.0-or-later
/* The other end of moss-host: docs/formats/host.md. Blocking; a client belongs to one thread at
 * a time. */
#pragma once

#include "vfs/host/bundle.h"
#include "vfs/host/token.h"

G_BEGIN_DECLS

#define HOST_CELL_MAX (64 * 1024)

#define HOST_CLIENT_ERROR (host_client_error_quark ())
typedef enum
{
  HOST_CLIENT_ERROR_AWAY,    /* it can't be reached, or is too busy: try later */
  HOST_CLIENT_ERROR_SLOW,    /* it answers too slowly to be of use */
  HOST_CLIENT_ERROR_REFUSED, /* it doesn't let us in */
  HOST_CLIENT_ERROR_FULL,
  HOST_CLIENT_ERROR_MISSING, /* it doesn't have that */
  HOST_CLIENT_ERROR_CHANGED, /* the cell is another one by now */
  HOST_CLIENT_ERROR_LIES,    /* what it answers breaks the format */
  HOST_CLIENT_ERROR_FAILED,
} HostClientError;

GQuark host_client_error_quark (void);

typedef struct _HostClient HostClient;

/* Any thread. Signs in domain "moss-host-1"; NULL with @error: can't now. */
typedef GBytes *(*HostClientSign) (const guint8 *message,
                                   gsize length,
                                   guint *suite,
                                   gpointer user_data,
                                   GError **error);

typedef struct
{
  guint8 identity[MOSS_HASH_BYTES];
  guint8 device[MOSS_HASH_BYTES];
  MossId tree;
  guint suite;
  HostClientSign sign;
  gpointer user_data;
} HostClientSelf;

/* Told for each object that was asked for, in order; sealed: NULL: not there. FALSE: stop. */
typedef gboolean (*HostClientObject) (gsize index, GBytes *sealed, gpointer user_data);

HostClient *host_client_new (const char *url, const HostClientSelf *self, GError **error);
void host_client_free (HostClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HostClient, host_client_free)

void host_client_get_room (HostClient *client, guint64 *used, guint64 *quota);

gboolean host_client_put_chain (HostClient *client,
                                const char *identity,
                                GBytes *chain,
                                GCancellable *cancellable,
                                GError **error);
GBytes *host_client_get_chain (HostClient *client,
                               const char *identity,
                               GCancellable *cancellable,
                               GError **error);
GArray *host_client_missing (HostClient *client,
                             const MossId *ids,
                             gsize count,
                             GCancellable *cancellable,
                             GError **error);
gboolean host_client_put_many (HostClient *client,
                               GBytes *bundle,
                               GCancellable *cancellable,
                               GError **error);
gboolean host_client_fetch (HostClient *client,
                            const MossId *ids,
                            gsize count,
                            HostClientObject each,
                            gpointer user_data,
                            gsize *answered,
                            GCancellable *cancellable,
                            GError **error);
gboolean host_client_delete (HostClient *client,
                             const MossId *ids,
                             gsize count,
                             GCancellable *cancellable,
                             GError **error);
gboolean host_client_get_cell (HostClient *client,
                               const char *known,
                               guint wait_s,
                               GBytes **cell,
                               char **etag,
                               GCancellable *cancellable,
                               GError **error);
gboolean host_client_put_cell (HostClient *client,
                               GBytes *cell,
                               const char *etag,
                               char **new_etag,
                               GCancellable *cancellable,
                               GError **error);

G_END_DECLS
