// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "session-client.h"
#include "tray.h"

G_BEGIN_DECLS

/* MossAppTrays: keeps the tray in step with the apps in sandboxes: it is the tray on the private
   message bus of each one that runs here. A freeze closes that bus; after it, here or on the
   device that the app went to, the shell there is the tray again and the app's items come. */
#define MOSS_TYPE_APP_TRAYS (moss_app_trays_get_type ())
G_DECLARE_FINAL_TYPE (MossAppTrays, moss_app_trays, MOSS, APP_TRAYS, GObject)

/* tray: (unowned): outlives this. */
MossAppTrays *moss_app_trays_new (MossSessionClient *session, MossTray *tray);

G_END_DECLS
