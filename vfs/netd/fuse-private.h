// SPDX-License-Identifier: GPL-3.0-or-later
/* What the files of the FUSE server share. */
#pragma once

#define FUSE_USE_VERSION 312

#include "vfs/netd/fuse-state.h"
#include "vfs/netd/fuse-views.h"
#include "vfs/netd/fuse.h"

#include <errno.h>
#include <fuse3/fuse_lowlevel.h>
#include <linux/fuse.h>

G_BEGIN_DECLS

/* Node numbers of the kernel: those of the tree, which are 2^48 and more, but for the root; below
 * that what is not in the tree. */
#define NODE_ROOT FUSE_ROOT_ID
#define NODE_TREE 2
#define NODE_AT 3
#define NODE_VERSIONS 4
#define NODE_VIEWS 1024 /* the first of the numbers given out by fuse-views.c */
#define NODE_LIVE (G_GUINT64_CONSTANT (1) << 48)

/* Nothing changes behind the kernel's back without our telling it. */
#define CACHE_SECONDS 86400.0
/* That a name isn't there. */
#define ABSENT_SECONDS 1.0
#define BLOCK_BYTES 65536
#define READ_MAX (1u << 20)

typedef struct _MountViews MountViews;
typedef struct _MountGone MountGone;
typedef struct _MountBacking MountBacking;
typedef struct _MountChanges MountChanges;
typedef struct _MountLocks MountLocks;
typedef struct _MountThreads MountThreads;

struct _MossMount
{
  MossTree *tree;
  char *name, *home;
  guint16 slot;
  guint32 uid, gid;
  MossMountHooks hooks;
  gpointer user_data;
  gint64 made_ns;

  struct fuse_session *session;
  int connection;
  FuseState *state;
  GHashTable *lost;     /* node numbers: bytes went with the last server; under lock */
  GHashTable *executed; /* unique → handle: carried out by the last server, not answered */
  guint64 init_unique;
  gboolean resumed;
  gboolean has_passthrough;
  gboolean has_direct; /* what is read past the kernel's cache can be mapped all the same */
  gint stopping; /* atomic */

  GMutex lock;
  MountThreads *threads; /* NULL before it serves */

  gint changes_told; /* atomic: how often the kernel was told of changes */
  MountViews *views;
  MountGone *gone;
  MountBacking *backing; /* NULL: the kernel reads nothing itself */
  MountChanges *changes;
  MountLocks *locks;
};

static inline gboolean
is_live (fuse_ino_t node)
{
  return node >= NODE_LIVE || node == NODE_TREE;
}

static inline guint64
to_ino (fuse_ino_t node)
{
  return node == NODE_TREE ? MOSS_TREE_ROOT : node;
}

static inline fuse_ino_t
to_node (guint64 ino)
{
  return ino == MOSS_TREE_ROOT ? NODE_TREE : ino;
}

static inline MossMount *
get_mount (fuse_req_t request)
{
  return fuse_req_userdata (request);
}

/* fuse-connection.c */

/* The request that this thread works on, as the kernel sent it: libfuse passes on less. */
const struct fuse_in_header *connection_request (void);
/* TRUE for a request that the last server carried out but did not answer. handle (out)
 * (optional): of an open */
gboolean connection_was_executed (MossMount *mount, guint64 *handle);
/* 0 where a request is sent again and fails as it does when it was carried out before: the last
 * server may have died between that and its note of it. */
int connection_forgive (int result, int done_before);
/* The number of the handle that this request opened, for the next server. */
void connection_note_handle (guint64 handle);
/* Where this thread notes what it works on; NULL: nowhere. */
void connection_use_slot (FuseStateSlot *slot);
void connection_end_request (void);

/* fuse-threads.c */
MountThreads *threads_new (MossMount *mount);
void threads_start (MountThreads *threads);
/* Ends them: the session has exited, and mount->stopping is set. */
void threads_free (MountThreads *threads);

/* fuse-ops.c */
void ops_fill (struct fuse_lowlevel_ops *ops);
void ops_to_stat (MossMount *mount, const MossTreeAttr *attr, struct stat *st);
/* Ids in the tree of ids here: the person has another number on each machine. */
guint32 ops_tree_uid (MossMount *mount, guint32 uid);
guint32 ops_tree_gid (MossMount *mount, guint32 gid);
/* Answers with an entry, or with an error when result isn't 0. */
void ops_reply_entry (fuse_req_t request, int result, const MossTreeAttr *attr);
void ops_fill_entry (MossMount *mount, const MossTreeAttr *attr,
                     struct fuse_entry_param *entry);
/* The group (the tree's) and mode of something new in a directory. */
void ops_inherit (MossMount *mount, fuse_ino_t parent, guint32 *gid, mode_t *mode);

/* fuse-file.c */
void file_fill (struct fuse_lowlevel_ops *ops);
/* Opens again what was open when the last server ended. */
void file_resume (MossMount *mount);

/* fuse-dir.c */
void dir_fill (struct fuse_lowlevel_ops *ops);
typedef struct _DirBuffer DirBuffer;
/* For directories that aren't in the tree: answers a readdir with what add() is called for. */
DirBuffer *dir_buffer_new (fuse_req_t request, gsize size, off_t offset, gboolean plus);
/* FALSE: it is full. entry: its attr counts without plus, too. */
gboolean dir_buffer_add (DirBuffer *buffer, const char *name,
                         const struct fuse_entry_param *entry, guint64 next);
/* Whether the entry that next would lead to is still to come. */
gboolean dir_buffer_wants (DirBuffer *buffer, guint64 next);
void dir_buffer_reply (DirBuffer *buffer, int error);

/* fuse-xattr.c */
void xattr_fill (struct fuse_lowlevel_ops *ops);

/* fuse-gone.c: what has no name any more, and isn't a file */
MountGone *gone_new (void);
void gone_free (MountGone *gone);
/* TRUE, and what to remember when it succeeds, if taking this name away leaves none. */
gboolean gone_find_last (MossMount *mount, guint64 parent, const char *name, MossTreeAttr *attr);
void gone_remember (MossMount *mount, const MossTreeAttr *attr);
/* -ENOENT */
int gone_getattr (MossMount *mount, guint64 ino, MossTreeAttr *attr);
/* The kernel has let go of it. */
void gone_forget (MossMount *mount, guint64 ino);

/* fuse-views.c: /net itself, .at and .versions */
MountViews *views_new (void);
void views_free (MountViews *views);
/* Whether this name in the tree's root is ours. */
gboolean views_is_reserved (fuse_ino_t parent, const char *name);
void views_lookup (fuse_req_t request, fuse_ino_t parent, const char *name);
void views_forget (MossMount *mount, fuse_ino_t node, guint64 count);
/* *seconds: for how long that stays true */
int views_getattr (MossMount *mount, fuse_ino_t node, struct stat *st, double *seconds);
void views_readlink (fuse_req_t request, fuse_ino_t node);
void views_readdir (fuse_req_t request, fuse_ino_t node, gsize size, off_t offset, gboolean plus);
/* Bytes, or -errno. */
gssize views_read (MossMount *mount, fuse_ino_t node, gpointer data, gsize size, off_t offset);
int views_getxattr (MossMount *mount, fuse_ino_t node, const char *name, GBytes **value);
int views_listxattr (MossMount *mount, fuse_ino_t node, GBytes **names);

/* fuse-backing.c */
MountBacking *backing_new (MossMount *mount, const char *dir);
void backing_free (MountBacking *backing);
/* At an open: the id of the file that the kernel is to use, or 0. Counted until backing_close().
 * flags: FUSE_STATE_DIRECT: it may go past the kernel's cache, as nobody else has the file; (out)
 * set when it is to. drop_cache (out): what the kernel has cached isn't right any more. */
int backing_open (MossMount *mount, guint64 ino, int *flags, gboolean *drop_cache);
/* flags: as they were after backing_open() */
void backing_close (MossMount *mount, guint64 ino, int id, int flags);
/* After a restart: one more that is open, by the file or (id 0) not. */
void backing_resume (MossMount *mount, guint64 ino, int id, int flags);
/* The size of a file that the kernel writes itself, or -1. */
gint64 backing_get_size (MossMount *mount, guint64 ino);
/* Takes what the kernel wrote itself into the tree. */
int backing_take_in (MossMount *mount, guint64 ino);
/* The tree's content changed from elsewhere or by truncation: the file follows. */
void backing_refresh (MossMount *mount, guint64 ino);

/* fuse-lock.c */
void lock_fill (struct fuse_lowlevel_ops *ops);
MountLocks *locks_new (MossMount *mount);
void locks_free (MountLocks *locks);
/* What was locked when the last server ended still is. */
void locks_resume (MossMount *mount);
/* A handle is gone; a process closed a descriptor. */
void locks_released (MossMount *mount, fuse_ino_t node, guint64 handle);
void locks_flushed (MossMount *mount, fuse_ino_t node, guint64 owner);
/* Before a write: what another device wrote when it had been given the lease of a file that is
 * locked here is kept beside it. 0 or -errno. */
int locks_guard (MossMount *mount, guint64 ino);
/* For fuse-lock-move.c: around a look at the table; what changed is told. */
void locks_begin (MossMount *mount);
void locks_end (MossMount *mount);
void locks_tell (MossMount *mount, fuse_ino_t node);

/* fuse-lock-move.c, between the two */
/* The hash of the sandbox that a process is in, or 0. */
guint32 locks_app_of (guint32 pid);
void locks_claim (MossMount *mount, const FuseStateLock *want);
gboolean locks_drop_unclaimed (MossMount *mount, guint64 node, guint64 handle);

/* fuse-changes.c */
MountChanges *changes_new (MossMount *mount);
void changes_free (MountChanges *changes);

G_END_DECLS
