// SPDX-License-Identifier: GPL-3.0-or-later
/* What a device shows to a host: docs/formats/host.md. Pure functions, any thread. */
#pragma once

#include "core/crypto/suite.h"

G_BEGIN_DECLS

#define MOSS_TOKEN_DOMAIN "moss-host-1"
#define MOSS_TOKEN_SCHEME "Moss "
#define MOSS_TOKEN_LIFE_S (24 * 3600)
#define MOSS_TOKEN_DELETE_LIFE_S 600
#define MOSS_TOKEN_SKEW_S 300
#define MOSS_TOKEN_NONCE_BYTES 16
#define MOSS_TOKEN_HOST_MAX 255

/* Numbers are on the wire. */
typedef enum
{
  MOSS_TOKEN_READ = 1,
  MOSS_TOKEN_WRITE = 2,  /* and read */
  MOSS_TOKEN_DELETE = 3, /* one request with one body */
} MossTokenVerb;

typedef enum
{
  MOSS_HOST_ERROR_INVALID, /* the request makes no sense */
  MOSS_HOST_ERROR_DENIED,  /* who asks may not */
  MOSS_HOST_ERROR_EXPIRED, /* make a new token */
} MossHostError;

#define MOSS_HOST_ERROR (moss_host_error_quark ())
GQuark moss_host_error_quark (void);

typedef struct
{
  guint8 suite;
  guint8 verb;
  gint64 expires_s; /* since 1970 */
  guint8 nonce[MOSS_TOKEN_NONCE_BYTES];
  guint8 identity[MOSS_HASH_BYTES];
  guint8 device[MOSS_HASH_BYTES]; /* certificate fingerprint */
  guint8 tree[MOSS_HASH_BYTES];
  guint8 digest[MOSS_HASH_BYTES]; /* of the body, for MOSS_TOKEN_DELETE; else zeros */
  char host[MOSS_TOKEN_HOST_MAX + 1];
} MossToken;

GBytes *moss_token_message (const MossToken *token);
char *moss_token_header (GBytes *message, GBytes *signature);
gboolean moss_token_parse (const char *header,
                           MossToken *token,
                           GBytes **message,
                           GBytes **signature,
                           GError **error);
gboolean moss_token_check (const MossToken *token,
                           MossTokenVerb wanted,
                           const guint8 *tree,
                           gint64 now_s,
                           GError **error);

G_END_DECLS
