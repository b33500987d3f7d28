/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "manager.h"

G_BEGIN_DECLS

/* Bytes of any length in messages to another session. All of these block. */

/* Stores bytes as objects of at most 1 MiB each and sends them to a device at once ("" for none).
 * Returns a(ayay), referenced. */
GVariant *moss_bytes_store (MossManager *manager, GBytes *bytes, const char *device,
                            GError **error);
/* The other way; what is not here is fetched from the device. */
GBytes *moss_bytes_load (MossManager *manager, GVariant *refs, const char *device, GError **error);

/* As a part of a message's body: ay of the bytes themselves, or a(ayay) of the objects that hold
 * them when they are too long for a message. Referenced. */
GVariant *moss_parcel_wrap (MossManager *manager, GBytes *bytes, const char *device,
                            GError **error);
/* What another device wrapped; value may be NULL or of any type, as it came. */
GBytes *moss_parcel_open (MossManager *manager, GVariant *value, const char *device,
                          GError **error);

G_END_DECLS
