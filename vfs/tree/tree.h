// SPDX-License-Identifier: GPL-3.0-or-later
/* The files of one identity, as one device has them: POSIX semantics over encrypted objects of
 * core/store, with a journal, versions, signed roots and merging. No FUSE and no network here:
 * what is not on this disk is asked for through a callback.
 *
 * Conventions of this header
 * - Functions that stand for a system call return 0 (or a length) or a negative errno, as FUSE
 *   wants them. The others return gboolean and fill a GError (MOSS_TREE_ERROR).
 * - Any function may be called from any thread at any time between open and close. None holds
 *   a lock while it waits for the network; only what is marked "may fetch" ever waits for it,
 *   and then only for blocks that were never on this device. The callbacks are called without a
 *   lock; they may call back into the tree, but not wait for another thread that does.
 * - Times are nanoseconds since 1970 (_ns) or microseconds (_us), sizes bytes. Files are named
 *   by inode numbers: 64 bits, never used again, the same on all devices of the identity, the
 *   upper 16 the slot of the device that made the file. 1 is the root directory.
 * - Names are bytes, 1 to 255, no '/' and no NUL, not "." nor "..": else -EINVAL (-ENAMETOOLONG).
 *   No permission is checked (the mount has default_permissions); sticky bits neither.
 * - A change is visible to every caller when its function returns, and on the disk when
 *   moss_tree_fsync() or moss_tree_sync() after it returns; of what wasn't synced a crash keeps
 *   a prefix: each name and attribute in the order it was changed, each file with the content
 *   of some moment. */
#pragma once

#include "core/store/store.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

G_BEGIN_DECLS

#define MOSS_TREE_ROOT 1
#define MOSS_TREE_ID_BYTES 32
#define MOSS_TREE_NAME_MAX 255
#define MOSS_TREE_XATTR_MAX 65536  /* of one value; the names of a file together too */
#define MOSS_TREE_SIZE_MAX (G_GUINT64_CONSTANT (1) << 44)
#define MOSS_TREE_RECORD_MAX 65536 /* a signed root */

#define MOSS_TREE_ERROR (moss_tree_error_quark ())
typedef enum
{
  MOSS_TREE_ERROR_MISSING, /* blocks are elsewhere and can't be fetched now: try again later */
  MOSS_TREE_ERROR_CORRUPT, /* what was read isn't what was written, or breaks the format */
  MOSS_TREE_ERROR_FORGED,  /* a root with a wrong signature, or of no device of the identity */
  MOSS_TREE_ERROR_FORKED,  /* one number, two roots: the device or a host lies */
  MOSS_TREE_ERROR_LOCKED,  /* the key of its generation isn't here: unlock the agent */
  MOSS_TREE_ERROR_NO_SPACE,
  MOSS_TREE_ERROR_INVALID,
  MOSS_TREE_ERROR_FAILED,
} MossTreeError;

GQuark moss_tree_error_quark (void);

typedef struct _MossTree MossTree; /* the files as they are now */
typedef struct _MossView MossView; /* as they were: read-only */

/* --- roots --- */

/* A signed root, read. The record itself (bytes as they were received) is what goes to hosts and
 * peers; docs/formats/tree.md has its table. */
typedef struct
{
  guint8 tree_id[MOSS_TREE_ID_BYTES];
  guint8 device[32]; /* who made and signed it: certificate fingerprint */
  guint16 slot;      /* of that device */
  guint64 number;    /* grows with each root of this device, may skip */
  gint64 time_us;
  guint32 generation;               /* of the tree key that its body is sealed with */
  guint8 id[MOSS_HASH_BYTES];       /* hash of the record */
  guint8 previous[MOSS_HASH_BYTES]; /* id of the root this device signed before; zeros: first */
} MossTreeRoot;

/* --- configuration --- */

typedef struct
{
  guint64 ino;      /* attributes, and the content if @content; of an entry: the directory */
  const char *name; /* nullable: the entry @name of directory @ino came, went or leads elsewhere */
  gboolean content;
} MossTreeChange;

typedef struct
{
  /* Signs @message in domain "moss-root-1" with this device's key. NULL: can't now (the agent is
   * locked or gone); the commit stays local and is signed with the next. Called from the commit
   * thread, may block. */
  GBytes *(*sign) (const guint8 *message, gsize length, guint *suite, gpointer user_data);
  /* Whether @signature over @message (domain "moss-root-1") is by the signing key of
   * @root->device, that device has @root->slot in the chain and could sign at @root->time_us
   * (was alive). May be called from any thread. */
  gboolean (*verify) (const MossTreeRoot *root,
                      guint suite,
                      const guint8 *message,
                      gsize length,
                      GBytes *signature,
                      gpointer user_data);
  /* The 32 byte tree key T_g of @generation, or FALSE. Any thread, must not block long. */
  gboolean (*key) (guint32 generation, guint8 *key, gpointer user_data);
  /* Brings objects into the store, from wherever they are; blocks, bounded in time. At most 4096
   * ids a call. NULL: what isn't here can't be had. Any thread. */
  gboolean (*fetch) (const MossId *ids, gsize count, gpointer user_data, GError **error);
  /* The name of a device, for "name (conflict of NAME, DATE)". (transfer full) (nullable) */
  char *(*device_name) (const guint8 *device, gpointer user_data);
  /* A root of this device is durable and signed: send it. From the commit thread. The record is
   * also what moss_tree_get_record() gives. */
  void (*committed) (const MossTreeRoot *root, GBytes *record, gpointer user_data);
  /* A merge or a restore changed things under the feet of the kernel: invalidate. From the
   * thread that merges. See MossTreeChange. */
  void (*changed) (const MossTreeChange *changes, gsize count, gpointer user_data);
} MossTreeCallbacks;

typedef struct
{
  const char *dir; /* journal, heads: made, 0700, on a disk */
  MossStore *store;
  guint8 tree_id[MOSS_TREE_ID_BYTES]; /* the identity's id */
  guint8 device[32];                  /* this device: certificate fingerprint */
  guint16 slot;       /* this device's place in the chain, from 1, never used by another */
  guint32 generation; /* newest generation of the tree key: new roots are sealed with it */
  guint32 uid, gid;   /* who owns the root directory of a new tree */
  guint suite;        /* of roots and journal: MOSS_SUITE_SODIUM or MOSS_SUITE_GNUTLS */
  guint commit_after_ms; /* a change is committed so long after it (0: 40); never sooner than a
                            fifth of the time commits take, and at once by moss_tree_sync() */
  MossTreeCallbacks callbacks;
  gpointer user_data;
} MossTreeConfig;

/* Opens or makes a tree; a journal that a crash left is replayed. Starts the commit thread.
 * FAILED also: another process has it open. May fetch (nothing, when it was closed here).
 * @fresh_mount: no program has files of it open from before: unlinked files that were still
 * open when the last process ended are dropped; else they stay reachable by their number until
 * moss_tree_release() was called for each open the caller knows of (see moss_tree_open_file()). */
MossTree *moss_tree_open (const MossTreeConfig *config, gboolean fresh_mount, GError **error);

/* Commits, syncs, ends the threads. No other call may run or follow; views must be gone. FALSE:
 * the last commit failed; everything synced is in the journal. */
gboolean moss_tree_close (MossTree *tree, GError **error);

/* New keys, a new slot table: generation that the next roots are sealed with. */
void moss_tree_set_generation (MossTree *tree, guint32 generation);

/* --- attributes --- */

typedef struct
{
  guint64 ino;
  guint32 mode; /* type and permissions, as st_mode */
  guint32 nlink;
  guint32 uid, gid;
  guint64 rdev;
  guint64 size;
  guint64 allocated; /* bytes that aren't holes */
  gint64 atime_ns, mtime_ns, ctime_ns, btime_ns;
  guint64 version; /* of the content; one more with each close that changed it */
} MossTreeAttr;

typedef enum
{
  MOSS_TREE_SET_MODE = 1 << 0, /* permissions only; the type stays */
  MOSS_TREE_SET_UID = 1 << 1,
  MOSS_TREE_SET_GID = 1 << 2,
  MOSS_TREE_SET_SIZE = 1 << 3,
  MOSS_TREE_SET_ATIME = 1 << 4,
  MOSS_TREE_SET_MTIME = 1 << 5,
} MossTreeSet;

/* @attr may be NULL in all of these; it is filled when 0 is returned. */
int moss_tree_getattr (MossTree *tree, guint64 ino, MossTreeAttr *attr);
/* @values: the fields that @set names. Size: truncate, holes read as zeros. */
int moss_tree_setattr (MossTree *tree,
                       guint64 ino,
                       const MossTreeAttr *values,
                       MossTreeSet set,
                       MossTreeAttr *attr);
/* From memory; the first visit of a directory reads its blocks and may fetch. -ENOENT */
int moss_tree_lookup (MossTree *tree, guint64 parent, const char *name, MossTreeAttr *attr);
/* Bytes and files of the disk the store is on; never waits. */
int moss_tree_statfs (MossTree *tree, struct statvfs *buf);

/* --- names --- */

/* Any type but directories and links: S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK. Not open.
 * O_EXCL is the only way: -EEXIST with @attr filled when the name is there. */
int moss_tree_mknod (MossTree *tree,
                     guint64 parent,
                     const char *name,
                     guint32 mode,
                     guint64 rdev,
                     guint32 uid,
                     guint32 gid,
                     MossTreeAttr *attr);
int moss_tree_mkdir (MossTree *tree,
                     guint64 parent,
                     const char *name,
                     guint32 mode,
                     guint32 uid,
                     guint32 gid,
                     MossTreeAttr *attr);
int moss_tree_symlink (MossTree *tree,
                       guint64 parent,
                       const char *name,
                       const char *target,
                       guint32 uid,
                       guint32 gid,
                       MossTreeAttr *attr);
int moss_tree_link (MossTree *tree,
                    guint64 ino,
                    guint64 parent,
                    const char *name,
                    MossTreeAttr *attr);
/* A file that is open stays until its last moss_tree_release(). @removed (out) (optional) */
int moss_tree_unlink (MossTree *tree, guint64 parent, const char *name, guint64 *removed);
int moss_tree_rmdir (MossTree *tree, guint64 parent, const char *name, guint64 *removed);
/* @flags: 0, RENAME_NOREPLACE or RENAME_EXCHANGE of <linux/fs.h>; else -EINVAL. Atomic, after a
 * crash too; what was written to the file that is moved over another is on the disk no later
 * than the rename. @replaced (out) (optional): inode that lost this name, or 0 */
int moss_tree_rename (MossTree *tree,
                      guint64 parent,
                      const char *name,
                      guint64 new_parent,
                      const char *new_name,
                      guint flags,
                      guint64 *replaced);
/* (out) (transfer full): the target */
int moss_tree_readlink (MossTree *tree, guint64 ino, char **target);

/* One entry of a directory; @attr only when asked for. FALSE: stop, this one comes again next
 * time. @cookie: pass it to go on after this entry. */
typedef gboolean (*MossTreeEntry) (const char *name,
                                   guint64 ino,
                                   guint32 mode,
                                   const MossTreeAttr *attr,
                                   guint64 cookie,
                                   gpointer user_data);
/* @cookie: 0 from the beginning; cookies stay right while others add and remove names (each name
 * that is there all the time comes once). "." and ".." are the first two. @with_attr: for
 * readdirplus. @entry is called with the tree's lock held: copy and return. May fetch, once a
 * directory. */
int moss_tree_readdir (MossTree *tree,
                       guint64 ino,
                       guint64 cookie,
                       gboolean with_attr,
                       MossTreeEntry entry,
                       gpointer user_data);
/* The directory that @ino was last found or made in (for ".." and export). */
int moss_tree_parent (MossTree *tree, guint64 ino, guint64 *parent);
/* "/a/b" of the tree, of one of its names. -ENOENT: unlinked. (out) (transfer full) */
int moss_tree_path (MossTree *tree, guint64 ino, char **path);
/* The inode of "/a/b" (or "a/b"); no links are followed. May fetch as lookup does. */
int moss_tree_resolve (MossTree *tree, const char *path, MossTreeAttr *attr);

/* --- content --- */

/* Counts an open: while there is one, the file survives its last unlink. @flags: O_* as of
 * open(2); O_TRUNC empties it. Reads and writes need no open but take part in versions by it. */
int moss_tree_open_file (MossTree *tree, guint64 ino, int flags);
/* The other end of open_file. When the file was written since the last one who could write let
 * go of it, its content is a version now, and will be committed soon. Never fails for good. */
int moss_tree_release (MossTree *tree, guint64 ino, int flags);
/* close(2) of one descriptor: makes the version, as release. Does not wait for the disk. */
int moss_tree_flush (MossTree *tree, guint64 ino);
/* Lengths, short only at the end of the file. May fetch. */
gssize moss_tree_read (MossTree *tree,
                       guint64 ino,
                       gpointer buffer,
                       gsize length,
                       guint64 offset);
/* Takes all or fails: -ENOSPC, -EFBIG, -EDQUOT (too much unwritten while the disk fails). With
 * @append the offset is the end at that moment. Clears set-user-id when @kill_suid. */
gssize moss_tree_write (MossTree *tree,
                        guint64 ino,
                        gconstpointer data,
                        gsize length,
                        guint64 offset,
                        gboolean append,
                        gboolean kill_suid);
/* @mode: 0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE|KEEP_SIZE, FALLOC_FL_ZERO_RANGE [|KEEP];
 * else -EOPNOTSUPP. Room on the disk is checked, not set aside. */
int moss_tree_fallocate (MossTree *tree, guint64 ino, int mode, guint64 offset, guint64 length);
/* @whence: SEEK_DATA or SEEK_HOLE. -ENXIO */
gint64 moss_tree_seek (MossTree *tree, guint64 ino, guint64 offset, int whence);
/* Everything written to @ino and every change of names before is on the disk when it returns:
 * one fdatasync of the journal for small writes; many callers share one. */
int moss_tree_fsync (MossTree *tree, guint64 ino);
/* What was changed so far, and the bytes of @ino, survive the end of this process, though not the
 * machine's: after each answer to a program. 1; 0: not the latest bytes yet, as they are many. */
int moss_tree_note (MossTree *tree, guint64 ino);
/* Everything is: commits and waits for it. */
int moss_tree_sync (MossTree *tree);

/* --- extended attributes --- */

/* @flags: 0, XATTR_CREATE, XATTR_REPLACE. Any name; what is forbidden decides the caller. */
int moss_tree_setxattr (MossTree *tree,
                        guint64 ino,
                        const char *name,
                        gconstpointer value,
                        gsize length,
                        int flags);
/* -ENODATA */
int moss_tree_getxattr (MossTree *tree, guint64 ino, const char *name, GBytes **value);
/* Names, each with its NUL, one after the other. */
int moss_tree_listxattr (MossTree *tree, guint64 ino, GBytes **names);
int moss_tree_removexattr (MossTree *tree, guint64 ino, const char *name);

/* --- state of a file --- */

typedef struct
{
  guint64 bytes_missing; /* that would have to be fetched to read all of it */
  guint64 objects;       /* of its content */
  guint64 version;
  gboolean pinned;      /* it or a directory above, on this device */
  gboolean dirty;       /* newer than the last root that was signed */
  guint8 device[32];    /* who wrote this version; zeros: unknown */
  guint64 number;       /* of that device's root which has it first */
  guint suite;          /* of its objects */
  guint64 conflict_of;  /* inode that it is a conflict copy of, or 0 */
} MossTreeInfo;

/* No waiting, no fetching: for an unknown file -ENOENT. Cost grows with the number of objects. */
int moss_tree_info (MossTree *tree, guint64 ino, MossTreeInfo *info);
/* Has all of a file's bytes fetched, or of a range; in batches, so that others get in between. */
int moss_tree_hydrate (MossTree *tree, guint64 ino, guint64 offset, guint64 length);

/* "Keep here": kept on the device with this slot. Travels in the tree, so that "Send to" is a pin
 * for another device. */
int moss_tree_pin (MossTree *tree, guint64 ino, guint16 slot, gboolean keep);
/* Pins for @slot: (out) (transfer full) (element-type guint64) */
GArray *moss_tree_list_pins (MossTree *tree, guint16 slot);

/* --- roots, snapshots, objects --- */

/* Commits now if something is dirty; constant time else. The newest local root: what a snapshot
 * refers to. Waits for the disk. @record (out) (optional) (transfer full) (nullable): NULL while
 * the agent can't sign. */
gboolean moss_tree_snapshot (MossTree *tree,
                             MossTreeRoot *root,
                             GBytes **record,
                             GError **error);
/* The newest signed root of this device, or of another that was merged; NULL: none. */
GBytes *moss_tree_get_record (MossTree *tree, const guint8 *device);
/* Reads a record's clear part and checks its form, not the signature. */
gboolean moss_tree_root_parse (GBytes *record, MossTreeRoot *root, GError **error);
/* And the signature, by the callback: FORGED. */
gboolean moss_tree_root_verify (MossTree *tree,
                                GBytes *record,
                                MossTreeRoot *root,
                                GError **error);

/* Every object that @record's root needs and @known's (nullable) doesn't: blocks of the table
 * first, each before what it leads to. With @metadata_only not the contents. Blocks that aren't
 * here are told and fetched (may fetch). FALSE from @each stops. */
typedef gboolean (*MossTreeObject) (const MossId *id, gboolean is_here, gpointer user_data);
gboolean moss_tree_list_objects (MossTree *tree,
                                 GBytes *record,
                                 GBytes *known,
                                 gboolean metadata_only,
                                 MossTreeObject each,
                                 gpointer user_data,
                                 GError **error);

/* --- merging --- */

typedef struct
{
  guint changes;   /* things that came from them */
  guint conflicts; /* new ones */
  gboolean behind; /* they lack something of ours: a root is signed */
} MossTreeMerged;

/* Takes another device's root in: verified, then merged item by item; what both changed keeps
 * both versions, the second as "name (conflict of DEVICE, DATE).ext". Pure: any two devices that
 * merge the same roots get the same tree. Refused when older than what was seen of that device
 * (INVALID; nothing to do) or when its number was seen with another id (FORKED). May fetch. One
 * at a time; the files stay usable meanwhile. */
gboolean moss_tree_merge (MossTree *tree,
                          GBytes *record,
                          MossTreeMerged *merged,
                          GError **error);

typedef struct
{
  guint64 ino;       /* the one that kept the name */
  guint64 other;     /* the copy beside it */
  guint8 device[32]; /* who made the copy's version */
  gint64 time_us;
} MossTreeConflict;

/* (transfer full) (element-type MossTreeConflict) */
GArray *moss_tree_list_conflicts (MossTree *tree);
typedef enum
{
  MOSS_TREE_KEEP_MINE,   /* the copy goes */
  MOSS_TREE_KEEP_THEIRS, /* the copy's content becomes the file's, then the copy goes */
  MOSS_TREE_KEEP_BOTH,   /* they are two files from now on */
} MossTreeKeep;
/* What is given up stays as a version. */
int moss_tree_resolve_conflict (MossTree *tree, guint64 ino, guint64 other, MossTreeKeep keep);

/* A number of the content if another device wrote it, 0 for this device's own. */
guint64 moss_tree_foreign (MossTree *tree, guint64 ino);
/* Before a program writes that believes it has the file alone and hasn't any more: if its content
 * is another device's, a copy of that is made beside it and listed as a conflict. 0 too when the
 * content is this device's. May fetch; waits for the disk. */
int moss_tree_keep_beside (MossTree *tree, guint64 ino);

/* --- versions --- */

typedef struct
{
  guint64 version;
  guint16 slot; /* of the device that wrote it */
  guint8 device[32];
  gint64 time_us;
  guint64 size;
  gboolean current;
} MossTreeVersion;

/* Newest first, the current one with it. (transfer full) (element-type MossTreeVersion) */
int moss_tree_list_versions (MossTree *tree, guint64 ino, GArray **versions);
/* As moss_tree_read(), of an old version. */
gssize moss_tree_read_version (MossTree *tree,
                               guint64 ino,
                               guint64 version,
                               guint16 slot,
                               gpointer buffer,
                               gsize length,
                               guint64 offset);
/* Makes it the newest; what was stays as a version. */
int moss_tree_restore_version (MossTree *tree, guint64 ino, guint64 version, guint16 slot);

/* Everything within the first, then one for each step within each span; 0 ends. */
typedef struct
{
  gint64 within_s;
  gint64 step_s;
} MossTreeKeepRule;
/* Default: all of a day, one an hour for a week, one a day for 31 days, one a week for a year.
 * @rules: ended by {0, 0}. Applied by the commit thread now and then, and by this call. */
gboolean moss_tree_retain (MossTree *tree, const MossTreeKeepRule *rules, GError **error);

/* --- views --- */

/* The tree as it was at @time_us (the newest root not later, of this device's line when there is
 * one); -ENOENT before the first. Constant time. */
MossView *moss_tree_view_at (MossTree *tree, gint64 time_us, GError **error);
/* As of a root (a snapshot, of any device): may fetch. */
MossView *moss_tree_view_root (MossTree *tree, GBytes *record, GError **error);
/* Times (µs) of all roots that are kept. (transfer full) (element-type gint64) */
GArray *moss_tree_list_times (MossTree *tree);
MossView *moss_view_ref (MossView *view);
void moss_view_unref (MossView *view);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossView, moss_view_unref)

gint64 moss_view_get_time_us (MossView *view);
/* As their counterparts above, from the store; all may fetch. Inode numbers are those of the
 * live tree (so a view needs a place of its own in FUSE's numbers). */
int moss_view_getattr (MossView *view, guint64 ino, MossTreeAttr *attr);
int moss_view_lookup (MossView *view, guint64 parent, const char *name, MossTreeAttr *attr);
int moss_view_resolve (MossView *view, const char *path, MossTreeAttr *attr);
int moss_view_readdir (MossView *view,
                       guint64 ino,
                       guint64 cookie,
                       gboolean with_attr,
                       MossTreeEntry entry,
                       gpointer user_data);
int moss_view_readlink (MossView *view, guint64 ino, char **target);
gssize moss_view_read (MossView *view,
                       guint64 ino,
                       gpointer buffer,
                       gsize length,
                       guint64 offset);
int moss_view_getxattr (MossView *view, guint64 ino, const char *name, GBytes **value);
int moss_view_listxattr (MossView *view, guint64 ino, GBytes **names);

/* --- upkeep --- */

/* Registers with the store what the tree keeps, so that moss_store_collect() is right; done by
 * open. While a tree is closed the store refuses to collect. */
typedef struct
{
  guint64 files, directories;
  guint64 known; /* inodes in memory */
  guint64 dirty_bytes;
  guint64 journal_bytes;
  guint64 commits;
  guint64 commit_us; /* all of them together */
} MossTreeStats;
void moss_tree_get_stats (MossTree *tree, MossTreeStats *stats);

G_END_DECLS
