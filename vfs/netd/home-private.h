// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "vfs/netd/home.h"

G_BEGIN_DECLS

typedef struct _Home Home;

struct _Home
{
  HomeSync sync;
  MossMountHooks hooks;
  gboolean locked;
  gboolean asking;
  guint suite;        /* of this device's signing key */
  guint32 generation; /* the newest whose key is here */
  const char *name, *path; /* "me@example.org", "/net/me@example.org" */
  char *reason;       /* why it isn't mounted */
  MossTree *tree;
  int connection, state; /* -1: nobody mounted /net for us */

  GMutex lock; /* of what follows, which other threads read */
  MossChain *chain;
  guint16 slot;
  GArray *keys;
  MossMount *mount;
};

/* home-helper.c: the connection to moss-sandboxd. */
void helper_set_socket (Netd *netd, const char *socket);
int helper_open_backing (int connection, int file, gpointer netd);
void helper_close_backing (int connection, int id, gpointer netd);

/* files-tree.c */
void files_tree_changed (Netd *netd, const MossTreeChange *changes, gsize count);
/* Until no call uses the tree any more. */
void files_tree_wait (Netd *netd);

G_END_DECLS
