// SPDX-License-Identifier: GPL-3.0-or-later
/* A tree served to the kernel over a FUSE connection that somebody else mounted on /net.
 *
 * /net has one entry, the tree's name ("anna@example.org"); the tree's root has the hidden ones
 * .at and .versions (fuse-views.c). Nothing in lookup, getattr, readdir and statfs waits for the
 * network, but the first visit of a directory that was never on this device. */
#pragma once

#include "vfs/tree/tree.h"

G_BEGIN_DECLS

/* Who owns the person's own files in the tree, on whatever machine: shown as the mount's uid and
 * gid. Also for moss_tree_open(). */
#define MOSS_MOUNT_OWNER 0x4d6f7373u

typedef struct _MossMount MossMount;

/* The answer to who wants a lease: the right to lock a file, among the person's devices. */
typedef enum
{
  MOSS_MOUNT_LEASE_HELD,
  MOSS_MOUNT_LEASE_ASKED,  /* moss_mount_lease_settled() will be called */
  MOSS_MOUNT_LEASE_DENIED, /* another device has it; it too says so again when that may change */
} MossMountLease;

/* What only others know. Any thread; each may be NULL. */
typedef struct
{
  /* Lets the kernel read a file in place of asking us: an id, or -1 (sandboxd's OpenBacking). */
  int (*open_backing) (int connection, int file, gpointer user_data);
  void (*close_backing) (int connection, int id, gpointer user_data);
  /* A program closed a file that it had changed. */
  void (*saved) (guint64 ino, gpointer user_data);
  /* On how many hosts this version is; who holds the lease ("" when nobody; (transfer full)) until
   * when (µs since 1970; 0: on this device alone). */
  guint (*count_hosts) (const MossTreeInfo *info, gpointer user_data);
  char *(*get_lease) (guint64 ino, gint64 *end_us, gpointer user_data);
  /* For reading or writing (alone). again: a request that asked before. Doesn't wait. */
  MossMountLease (*want_lease) (guint64 ino, gboolean write, gboolean again, gpointer user_data);
  /* What the locks that programs have on it now need: 0 none, 1 to read, 2 to write. */
  void (*need_lease) (guint64 ino, guint need, gpointer user_data);
  /* Whether another device may have been given the lease since a program here locked the file. */
  gboolean (*doubt_lease) (guint64 ino, gpointer user_data);
  /* How long it takes to fetch so many bytes from where they are. */
  guint (*get_cost_ms) (guint64 bytes, gpointer user_data);
  /* The kernel ended the connection: unmounted or aborted. Called from a thread of the mount. */
  void (*ended) (gpointer user_data);
} MossMountHooks;

typedef struct
{
  MossTree *tree;   /* outlives the mount */
  const char *name; /* of the tree's directory in /net */
  int connection;   /* /dev/fuse, mounted; a copy is kept */
  int state;        /* memfd; empty for a new connection, else what the last server left in it */
  guint16 slot;     /* this device's, for pins */
  guint32 uid, gid; /* whose /net it is */
  const char *backing_dir; /* (nullable): for plaintext the kernel reads itself; in memory */
  MossMountHooks hooks;
  gpointer user_data;
} MossMountConfig;

/* Starts to serve; goes on where the last server stopped when @state says that there was one:
 * open files stay open, requests that it had not answered are answered. Errors: G_IO_ERROR. */
MossMount *moss_mount_new (const MossMountConfig *config, GError **error);

/* Stops serving within moments and frees; the connection stays as it is for the next server. Not
 * from a thread of the mount. */
void moss_mount_free (MossMount *mount);

/* The kernel must forget what it knows of these. Any thread, never waits. */
void moss_mount_changed (MossMount *mount, const MossTreeChange *changes, gsize count);

/* Who waits for the lease of a file is to ask again. Any thread but those of the mount, with no
 * lock that a hook takes. */
void moss_mount_lease_settled (MossMount *mount, guint64 ino);

/* The locks that programs of a sandbox have: a(tttyy), inode, first and last byte, whether for
 * writing, whether flock's. (transfer full). And to take such that come with one. As above. */
GVariant *moss_mount_list_locks (MossMount *mount, const char *sandbox);
void moss_mount_adopt_locks (MossMount *mount, const char *sandbox, GVariant *locks);
/* Some time later: those of an app that didn't come after all go. */
void moss_mount_forget_locks (MossMount *mount);

/* The directory of this tree, "/net/NAME". */
const char *moss_mount_get_home (MossMount *mount);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossMount, moss_mount_free)

G_END_DECLS
