// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "keys.h"
#include "menu.h"
#include "net-client.h"
#include "preflight.h"
#include "session-client.h"
#include "sheets.h"
#include "style.h"
#include "toasts.h"
#include "windows.h"
#include "workspace.h"

G_BEGIN_DECLS

/* What the parts of the shell share. The window makes it and outlives all who hold it. */
typedef struct _MossShell
{
  GtkWindow *window;
  GDBusConnection *bus;
  MossSessionClient *session;
  MossNetClient *net;
  MossPreflight *preflight;
  MossStyle *style;
  MossWorkspace *workspace;
  MossWindows *windows;
  MossToasts *toasts;
  MossMenuLayer *menus;
  MossSheets *sheets;
  MossKeySet keys;
} MossShell;

G_END_DECLS
