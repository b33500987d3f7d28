// SPDX-License-Identifier: LGPL-2.1-or-later
/* One authenticated connection to another device. */
#pragma once

#include "core/link/frame.h"

G_BEGIN_DECLS

typedef struct _MossLink MossLink;

/* The first five are called in the main context, the last two in threads of the link's. */
typedef struct
{
  void (*greeted) (MossLink *link, const MossHello *hello, gpointer user_data);
  void (*status) (MossLink *link, GVariant *status, gpointer user_data);
  void (*call) (MossLink *link,
                guint64 request,
                const char *method,
                GVariant *body,
                gpointer user_data);
  void (*cancelled) (MossLink *link, guint64 request, gpointer user_data);
  void (*closed) (MossLink *link, const GError *reason, gpointer user_data);
  GBytes *(*load) (const MossId *id, gpointer user_data);
  void (*pushed) (MossLink *link, GBytes *sealed, gpointer user_data);
} MossLinkEvents;

/* sealed: NULL if the other side doesn't have it. index G_MAXSIZE: the link is gone, nothing
 * more comes. Called in a thread of the link's. */
typedef void (*MossLinkArrived) (gsize index,
                                 GBytes *sealed,
                                 guint64 wire_bytes,
                                 gpointer user_data);

MossLink *moss_link_new (GIOStream *stream,
                         GSocket *socket,
                         const char *device,
                         gboolean dialled,
                         const MossLinkEvents *events,
                         gpointer user_data);
MossLink *moss_link_ref (MossLink *link);
void moss_link_unref (MossLink *link);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossLink, moss_link_unref)

gboolean moss_link_start (MossLink *link, const MossHello *mine, GError **error);
void moss_link_close (MossLink *link, const char *reason);

const char *moss_link_get_device (MossLink *link);
gboolean moss_link_get_dialled (MossLink *link);
gboolean moss_link_get_greeted (MossLink *link);
GSocketAddress *moss_link_get_remote_address (MossLink *link);
gboolean moss_link_is_idle (MossLink *link);
void moss_link_get_bytes (MossLink *link, guint64 *sent, guint64 *received);
gint64 moss_link_get_age_us (MossLink *link);
gint64 moss_link_get_silence_us (MossLink *link);
guint64 moss_link_get_rtt_us (MossLink *link);
guint64 moss_link_get_bytes_per_s (MossLink *link);

void moss_link_send_status (MossLink *link, GVariant *status);
void moss_link_call (MossLink *link,
                     const char *method,
                     GVariant *body,
                     guint timeout_ms,
                     GAsyncReadyCallback callback,
                     gpointer user_data);
GVariant *moss_link_call_finish (GAsyncResult *result, char **remote_name, GError **error);
void moss_link_reply (MossLink *link, guint64 request, GVariant *reply);
void moss_link_reply_error (MossLink *link,
                            guint64 request,
                            const char *name,
                            const char *sentence);

void moss_link_push (MossLink *link, const MossId *id, GBytes *sealed);
gboolean moss_link_fetch (MossLink *link,
                          const MossId *ids,
                          gsize count,
                          MossLinkArrived arrived,
                          gpointer user_data,
                          GDestroyNotify destroy,
                          guint64 *request,
                          GError **error);
void moss_link_fetch_cancel (MossLink *link, guint64 request);
void moss_link_wait_settled (MossLink *link);

G_END_DECLS
