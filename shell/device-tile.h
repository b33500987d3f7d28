// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "device.h"
#include "preflight.h"

#include <gtk/gtk.h>

G_BEGIN_DECLS

#define MOSS_TYPE_DEVICE_TILE (moss_device_tile_get_type ())
G_DECLARE_FINAL_TYPE (MossDeviceTile, moss_device_tile, MOSS, DEVICE_TILE, GtkWidget)

GtkWidget *moss_device_tile_new (MossDevice *device);
MossDevice *moss_device_tile_get_device (MossDeviceTile *self);
void moss_device_tile_set_wide (MossDeviceTile *self, gboolean wide);
void moss_device_tile_set_hot (MossDeviceTile *self, gboolean hot);
void moss_device_tile_set_answer (MossDeviceTile *self, const MossAnswer *answer);

G_END_DECLS
