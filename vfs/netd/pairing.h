// SPDX-License-Identifier: GPL-3.0-or-later
/* One try at a pairing: the conversation of two devices (pairing-talk.c), and who holds it
 * (pairing.c). */
#pragma once

#include "core/identity/pairing.h"
#include "vfs/netd/netd.h"

/* What is shown. Under the lock, for conversations run in threads. */
struct _PairingState
{
  GMutex lock;
  MossPairingOffer *offer; /* nullable */
  guint end;               /* source */
  guint shower;            /* watch of who shows it */
  guint conversations;
  GHashTable *typed; /* address → Typed */
};

/* One try. */
typedef struct
{
  Netd *netd;
  GIOStream *tls;
  GSocket *socket;
  char *peer; /* device id */
  char *address; /* nullable: typed here: where the other one is */
  MossPairing *pairing;
  char *code;
  GBytes *chain; /* typed here: ours */
  char *name;    /* of the other one */
  gboolean joined;
  guint deadline; /* source; main context */
  GDBusMethodInvocation *invocation; /* nullable: shown here */
} Talk;

/* Wipes the code. */
void talk_free (gpointer data);

/* A GTaskThreadFunc. task_data: a Talk, whose tls and socket are connected; the other side's
 * name and whether it joined are in it afterwards. */
void talk_run (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable);
