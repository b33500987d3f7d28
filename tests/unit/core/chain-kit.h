// SPDX-License-Identifier: GPL-3.0-or-later
/* Devices with keys of their own, and identities of them, for tests. */
#pragma once

#include "core/identity/author.h"

typedef struct
{
  MossDeviceRecord *record;
  GBytes *secret;
  guint8 exchange_secret[MOSS_KEY_BYTES];
  MossAuthor author;
} KitDevice;

KitDevice *kit_device_new (guint suite, const char *name, guint slot);
void kit_device_free (KitDevice *device);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (KitDevice, kit_device_free)

GBytes *kit_user_key (guint8 fill);
MossChain *kit_create (KitDevice *device, const char *name);
MossChain *kit_add (KitDevice *by, MossChain *chain, KitDevice *device, GError **error);
