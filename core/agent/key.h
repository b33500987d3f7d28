// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "core/crypto/suite.h"

typedef struct
{
  guint suite;
  GBytes *secret;
  GBytes *public_key;
} MossSigningKey;

gboolean moss_signing_key_load (const char *path, MossSigningKey *key, GError **error);
gboolean moss_signing_key_make (const char *path, MossSigningKey *key, GError **error);
void moss_signing_key_clear (MossSigningKey *key);
