// SPDX-License-Identifier: LGPL-2.1-or-later
/* The person's key U_g, generation g = 1, 2, …: 32 random bytes that only agents hold. */
#pragma once

#include "core/identity/chain.h"

G_BEGIN_DECLS

gboolean moss_user_key_commit (guint suite,
                               GBytes *key,
                               guint8 *commitment,
                               GError **error);
gboolean moss_user_key_seal_previous (guint suite,
                                      GBytes *key,
                                      GBytes *previous,
                                      const guint8 *identity,
                                      guint32 generation,
                                      guint8 *sealed,
                                      GError **error);
gboolean moss_user_key_box (guint suite,
                            GBytes *key,
                            const guint8 *exchange_key,
                            const guint8 *identity,
                            guint32 generation,
                            guint8 *box,
                            GError **error);
GPtrArray *moss_user_keys_open (MossChain *chain,
                                guint slot,
                                const guint8 *exchange_secret,
                                GError **error);
GBytes *moss_user_key_derive (guint suite, GBytes *key, const char *label, GError **error);

G_END_DECLS
