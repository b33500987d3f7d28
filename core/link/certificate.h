// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "core/crypto/suite.h"

G_BEGIN_DECLS

#define MOSS_FINGERPRINT_CHARS (2 * MOSS_HASH_BYTES)

GTlsCertificate *moss_certificate_load_or_make (const char *path, GError **error);
char *moss_certificate_fingerprint (GTlsCertificate *certificate);
char *moss_fingerprint_parse (const char *text, GError **error);
void moss_fingerprint_to_bytes (const char *fingerprint, guint8 *bytes);

G_END_DECLS
