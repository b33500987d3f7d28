// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "net-client.h"
#include "preflight.h"

#include <gtk/gtk.h>

G_BEGIN_DECLS

#define MOSS_TYPE_RAIL (moss_rail_get_type ())
G_DECLARE_FINAL_TYPE (MossRail, moss_rail, MOSS, RAIL, GtkWidget)

void moss_rail_set_models (MossRail *self, MossNetClient *net, MossPreflight *preflight);
void moss_rail_set_offer (MossRail *self, const char *sandbox);
MossDevice *moss_rail_device_at (MossRail *self, double y);
void moss_rail_set_hot (MossRail *self, MossDevice *device);

G_END_DECLS
