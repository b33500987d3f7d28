// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "device.h"
#include "moss-dbus-net.h"

G_BEGIN_DECLS

#define MOSS_TYPE_NET_CLIENT (moss_net_client_get_type ())
G_DECLARE_FINAL_TYPE (MossNetClient, moss_net_client, MOSS, NET_CLIENT, GObject)

MossNetClient *moss_net_client_new (GDBusConnection *bus);
GListModel *moss_net_client_get_devices (MossNetClient *self);
MossDevice *moss_net_client_find (MossNetClient *self, const char *id);
MossDBusNet1 *moss_net_client_get_proxy (MossNetClient *self);

G_END_DECLS
