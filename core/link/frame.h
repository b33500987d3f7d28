// SPDX-License-Identifier: LGPL-2.1-or-later
/* Frames of the peer link: docs/formats/link.md. Pure functions, any thread. */
#pragma once

#include "core/store/object.h"

G_BEGIN_DECLS

#define MOSS_LINK_VERSION 1
#define MOSS_LINK_PORT 42117
#define MOSS_FRAME_HEAD 13
#define MOSS_FRAME_MAX_BODY (8 * 1024 * 1024 + 64 - 9)
/* With its head it fills four TLS records. */
#define MOSS_FRAME_PART (64 * 1024 - MOSS_FRAME_HEAD)
#define MOSS_LINK_MAX_REQUESTS 64
#define MOSS_LINK_MAX_IDS 16384

typedef enum
{
  MOSS_FRAME_HELLO = 1,
  MOSS_FRAME_STATUS = 2,
  MOSS_FRAME_PING = 3,
  MOSS_FRAME_PONG = 4,
  MOSS_FRAME_CALL = 5,
  MOSS_FRAME_REPLY = 6,
  MOSS_FRAME_ERROR = 7,
  MOSS_FRAME_GET = 8,
  MOSS_FRAME_OBJECT = 9,
  MOSS_FRAME_PUSH = 10,
  MOSS_FRAME_CANCEL = 11,
  MOSS_FRAME_PART_OF = 12,
} MossFrameType;

#define MOSS_LINK_ERROR (moss_link_error_quark ())
typedef enum
{
  MOSS_LINK_ERROR_PROTOCOL, /* the other side doesn't keep to the rules: link ended */
  MOSS_LINK_ERROR_AWAY,     /* not reachable: try later */
  MOSS_LINK_ERROR_REFUSED,  /* one of the two doesn't know the other */
  MOSS_LINK_ERROR_TIMEOUT,
  MOSS_LINK_ERROR_REMOTE, /* what the other side said */
  MOSS_LINK_ERROR_INVALID,
} MossLinkError;

GQuark moss_link_error_quark (void);

typedef struct
{
  guint8 type;
  guint64 request;
  guint32 body_length;
} MossFrameHead;

/* What the reader of one direction has to remember between frames. */
typedef struct
{
  gboolean greeted;
  gsize assembled; /* bytes of parts of the object under way */
} MossFrameState;

typedef struct
{
  char *name;
  guint32 suite;
  GBytes *signing_key; /* nullable: it has no agent yet */
  GBytes *proof;
  char *arch;
  char *kind;
  guint32 cores;
  guint16 port;
  guint64 instance; /* random, new with each start of its netd */
} MossHello;

gboolean moss_frame_read_head (MossFrameState *state,
                               const guint8 *bytes,
                               MossFrameHead *head,
                               GError **error);
void moss_frame_write_head (guint8 *bytes, guint8 type, guint64 request, guint32 body_length);
GBytes *moss_frame_new (guint8 type, guint64 request, GVariant *body, GError **error);
gboolean moss_frame_read_body (guint8 type, GBytes *bytes, GVariant **body, GError **error);

GVariant *moss_hello_to_variant (const MossHello *hello);
gboolean moss_hello_from_variant (GVariant *body,
                                  const guint8 *fingerprint,
                                  MossHello *hello,
                                  GError **error);
void moss_hello_clear (MossHello *hello);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MossHello, moss_hello_clear)

GArray *moss_ids_from_variant (GVariant *ids, gsize limit, GError **error);
GVariant *moss_ids_to_variant (const MossId *ids, gsize count);
char *moss_clean_name (const char *name);

G_END_DECLS
