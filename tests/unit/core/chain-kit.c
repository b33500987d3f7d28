// SPDX-License-Identifier: GPL-3.0-or-later
#include "chain-kit.h"

#include <string.h>

KitDevice *
kit_device_new (guint suite, const char *name, guint slot)
{
  KitDevice *device = g_new0 (KitDevice, 1);
  MossDeviceRecord *record = g_new0 (MossDeviceRecord, 1);

  record->suite = suite;
  record->scope = MOSS_SCOPE_FULL;
  record->name = g_strdup (name);
  moss_crypto_random (record->fingerprint, sizeof record->fingerprint);
  g_assert_true (moss_suite_signing_keygen (suite, &device->secret, &record->signing_key,
                                            NULL));
  g_assert_true (moss_suite_exchange_keygen (suite, device->exchange_secret,
                                             record->exchange_key, NULL));
  device->record = record;
  device->author = (MossAuthor){ slot, suite, device->secret };
  return device;
}

void
kit_device_free (KitDevice *device)
{
  moss_device_record_free (device->record);
  g_bytes_unref (device->secret);
  g_free (device);
}

/* A key that is @fill all over. */
GBytes *
kit_user_key (guint8 fill)
{
  guint8 *data;
  GBytes *key = moss_secret_new (MOSS_KEY_BYTES, &data);

  memset (data, fill, MOSS_KEY_BYTES);
  return key;
}

/* An identity whose first user key is kit_user_key (1). */
MossChain *
kit_create (KitDevice *device, const char *name)
{
  g_autoptr (GBytes) key = kit_user_key (1);
  g_autoptr (GError) error = NULL;
  MossChain *chain = moss_author_create (&device->author, name, device->record, key, &error);

  g_assert_no_error (error);
  return chain;
}

/* Grants kit_user_key (generation). */
MossChain *
kit_add (KitDevice *by, MossChain *chain, KitDevice *device, GError **error)
{
  g_autoptr (GBytes) key = kit_user_key (moss_chain_get_generation (chain));
  g_autoptr (GBytes) reverse =
      moss_author_agree (device->record, device->secret, moss_chain_get_id (chain), error);

  g_assert_nonnull (reverse);
  return moss_author_add_device (&by->author, chain, device->record, reverse, key, error);
}
