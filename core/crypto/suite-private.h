// SPDX-License-Identifier: LGPL-2.1-or-later
/* What a suite has to offer; suite.c checks lengths and finds the suite, these only work. */
#pragma once

#include "core/crypto/suite.h"

typedef struct
{
  const char *name;
  gsize nonce_bytes;
  gsize secret_bytes;
  gsize public_bytes;
  gsize signature_bytes;
  gboolean (*seal) (const guint8 *key, const guint8 *nonce, const guint8 *ad, gsize ad_length,
                    const guint8 *plain, gsize length, guint8 *sealed);
  gboolean (*open) (const guint8 *key, const guint8 *nonce, const guint8 *ad, gsize ad_length,
                    const guint8 *sealed, gsize sealed_length, guint8 *plain);
  gboolean (*hash) (const guint8 *data, gsize length, guint8 *hash);
  gboolean (*keyed_hash) (const guint8 *key, const guint8 *data, gsize length, guint8 *hash);
  gboolean (*signing_keygen) (guint8 *secret);
  gboolean (*signing_public) (const guint8 *secret, guint8 *public_key);
  gboolean (*sign) (const guint8 *secret, const guint8 *data, gsize length,
                    guint8 *signature);
  gboolean (*verify) (const guint8 *public_key, const guint8 *data, gsize length,
                      const guint8 *signature);
  gboolean (*exchange_public) (const guint8 *secret, guint8 *public_key);
  gboolean (*exchange) (const guint8 *secret, const guint8 *theirs, guint8 *shared);
} MossSuiteOps;

extern const MossSuiteOps moss_suite_sodium;
extern const MossSuiteOps moss_suite_gnutls;
