// SPDX-License-Identifier: GPL-3.0-or-later
/* What a server of /net leaves to the next one, should it be killed: a memfd that the session
 * made, mapped by the server. In native byte order: it never leaves the machine's memory.
 *
 * It holds the kernel's INIT request (the next server needs it to set itself up, and the kernel
 * sends it once), tables of what is open and what is locked, and the requests that were taken and
 * not answered yet. The session looks at the last ones, and at the count of answers, to see
 * whether a server hangs. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define FUSE_STATE_MAGIC G_GUINT64_CONSTANT (0x31747374656e736d) /* "msnetst1" */
#define FUSE_STATE_INIT_MAX 1024
#define FUSE_STATE_SLOTS 256
#define FUSE_STATE_HANDLES (1u << 19)
#define FUSE_STATE_LOCKS 8192
#define FUSE_STATE_WAITS 256

/* A request that a thread works on. */
typedef struct
{
  guint64 unique;   /* 0: none */
  gint64 since_us;  /* monotonic */
  guint64 handle;   /* of an open that was carried out */
  guint32 opcode;
  guint32 done;     /* carried out, perhaps not yet answered */
} FuseStateSlot;

/* In the flags of a handle: bytes written by it wouldn't survive the server. */
#define FUSE_STATE_UNSAFE (1u << 31)
/* There, too: what goes by it doesn't go through the kernel's cache. */
#define FUSE_STATE_DIRECT (1u << 30)

typedef struct
{
  guint64 node; /* 0: free */
  guint32 flags; /* of open(2) */
  gint32 backing; /* id of the file that the kernel uses in place of us, or 0 */
} FuseStateHandle;

/* A lock that a program has by fcntl(2) or flock(2). */
typedef struct
{
  guint64 node;   /* 0: free */
  guint64 owner;  /* as the kernel names it; 0: came with an app from another machine */
  guint64 handle; /* by which it was taken */
  guint64 start, end; /* the first and the last byte */
  guint64 foreign; /* moss_tree_foreign() of the content, when it was taken */
  guint32 pid;
  guint32 app;    /* the hash of its sandbox's id, or 0 */
  guint16 type;   /* F_RDLCK or F_WRLCK */
  guint16 whole;  /* 1: flock's, which don't meet those of fcntl */
} FuseStateLock;

typedef struct
{
  guint64 magic; /* set last, once the rest is meaningful */
  guint64 handles_end; /* no handle above it was ever used */
  gint answers;        /* how many were given; wraps around */
  guint32 init_length;
  guint8 init[FUSE_STATE_INIT_MAX];
  FuseStateSlot slots[FUSE_STATE_SLOTS];
  FuseStateHandle handles[FUSE_STATE_HANDLES];
  guint32 locks_end; /* no lock above it was ever used */
  FuseStateLock locks[FUSE_STATE_LOCKS];
  guint64 waits[FUSE_STATE_WAITS]; /* requests that wait for a lock; 0: none */
} FuseStateBlock;

typedef struct _FuseState FuseState;

/* Maps a memfd, made large enough; NULL with G_IO_ERROR. */
FuseState *fuse_state_new (int fd, GError **error);
void fuse_state_free (FuseState *state);
FuseStateBlock *fuse_state_get_block (FuseState *state);
/* Whether an earlier server left something in it. */
gboolean fuse_state_is_used (FuseState *state);

/* The number of a new handle, from 1, or 0 when there are too many. Any thread. */
guint64 fuse_state_open (FuseState *state, guint64 node, guint flags, int backing);
/* What was open under that number; FALSE when nothing is. */
gboolean fuse_state_look (FuseState *state, guint64 number, FuseStateHandle *handle);
/* Whether what was written by it would survive the server. */
void fuse_state_set_safe (FuseState *state, guint64 number, gboolean safe);
/* Closes it; FALSE when it isn't open. */
gboolean fuse_state_close (FuseState *state, guint64 number, FuseStateHandle *handle);

G_END_DECLS
