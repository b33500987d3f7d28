// SPDX-License-Identifier: LGPL-2.1-or-later
/* The secret keys of this device, and how they are sealed on the disk. */
#pragma once

#include "core/crypto/suite.h"

G_BEGIN_DECLS

#define MOSS_AGENT_ERROR (moss_agent_error_quark ())
typedef enum
{
  MOSS_AGENT_ERROR_LOCKED,      /* unlock it first */
  MOSS_AGENT_ERROR_WRONG,       /* the passphrase is another one */
  MOSS_AGENT_ERROR_NO_IDENTITY, /* make one, or pair */
  MOSS_AGENT_ERROR_HAS_IDENTITY,
  MOSS_AGENT_ERROR_INVALID,
} MossAgentError;

GQuark moss_agent_error_quark (void);

/* Numbers are on disks: never reuse one. */
typedef enum
{
  MOSS_SEALING_NONE = 0,       /* the mode of the file is what keeps it */
  MOSS_SEALING_PASSPHRASE = 1, /* Argon2id */
  MOSS_SEALING_KEYRING = 2,    /* a random key that the desktop's keyring holds */
} MossSealing;

/* Secrets are NULL while it is locked. */
typedef struct
{
  char *path;
  guint suite;
  GBytes *public_key;
  GBytes *exchange_public;
  GBytes *secret;
  GBytes *exchange_secret;
  MossSealing sealing;
  GVariant *how;
  GBytes *sealed;
} MossAgentKeys;

gboolean moss_agent_keys_load_or_make (MossAgentKeys *keys, const char *dir, GError **error);
void moss_agent_keys_clear (MossAgentKeys *keys);

gboolean moss_agent_keys_seal (MossAgentKeys *keys,
                               MossSealing sealing,
                               const char *item,
                               GBytes *passphrase,
                               GError **error);
gboolean moss_agent_keys_unlock (MossAgentKeys *keys, GBytes *passphrase, GError **error);
void moss_agent_keys_lock (MossAgentKeys *keys);
gboolean moss_agent_keys_are_locked (const MossAgentKeys *keys);
char *moss_agent_keys_item (const MossAgentKeys *keys);

G_END_DECLS
