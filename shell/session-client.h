// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "moss-dbus-session.h"
#include "sandbox.h"

G_BEGIN_DECLS

#define MOSS_TYPE_SESSION_CLIENT (moss_session_client_get_type ())
G_DECLARE_FINAL_TYPE (MossSessionClient, moss_session_client, MOSS, SESSION_CLIENT, GObject)

MossSessionClient *moss_session_client_new (GDBusConnection *bus);
GListModel *moss_session_client_get_sandboxes (MossSessionClient *self);
MossSandbox *moss_session_client_find (MossSessionClient *self, const char *id);
MossDBusSession1 *moss_session_client_get_proxy (MossSessionClient *self);

G_END_DECLS
