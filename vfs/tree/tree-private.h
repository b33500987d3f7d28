// SPDX-License-Identifier: GPL-3.0-or-later
/* What the files of libmoss-tree share.
 *
 * Locks, in this order: merge_lock, commit_lock, lock. The lock covers all of MossTree that isn't
 * said to be covered by another, all inodes and their contents; it is never held while something
 * is read from a disk, fetched, hashed or sealed. Functions whose name begins with tree_ want it
 * held; those that say "may let go" drop it for a while, and count that in drops: what was found
 * before must then be found again. */
#pragma once

#include "vfs/tree/journal.h"
#include "vfs/tree/record.h"

#define DIRTY_SOON (8 * 1024 * 1024)   /* unwritten bytes that are written without a commit */
#define DIRTY_MOST (64 * 1024 * 1024)  /* writers wait for room */
#define BUNDLE_BYTES (128 * 1024)
#define BUNDLE_PIECE_MAX (32 * 1024)   /* shorter pieces share an object */

typedef struct
{
  guint64 hash_type; /* hash of the name in the upper 56 bits, type >> 12 below */
  guint64 ino;
  char name[];
} Entry;

/* Sorted by hash, then name. */
typedef struct
{
  guint count;
  guint room;
  Entry **entries;
} Dir;

typedef struct
{
  guint64 offset;
  guint64 length;
} Range;

/* A content that was closed and then changed before a commit saw it. */
typedef struct
{
  guint64 version;
  guint64 size;
  gint64 time_us;
  MossContent *content;
} Former;

/* What few inodes have. */
typedef struct
{
  GHashTable *xattrs; /* nullable: not loaded; name → GBytes */
  GArray *unlogged;   /* nullable: Range, written and not in the journal */
  GArray *formers;    /* nullable: Former */
} Extra;

typedef enum
{
  INODE_IN_BASE = 1 << 0,   /* the last committed table has it */
  INODE_LISTED = 1 << 1,    /* stands in the dirty list */
  INODE_ATTR = 1 << 2,      /* mode, owner or times changed */
  INODE_CONTENT = 1 << 3,   /* size or content changed */
  INODE_CLOSED = 1 << 4,    /* its content is a whole version */
  INODE_XATTRS = 1 << 5,    /* it has some */
  INODE_WRITTEN = 1 << 6,   /* since the last close */
  INODE_FROZEN = 1 << 7,    /* a commit is under way that has it: base soon will */
} InodeFlags;

typedef struct _Inode Inode;
struct _Inode
{
  guint64 ino;
  Inode *next; /* in its bucket */
  guint64 size; /* of devices: their number */
  guint64 allocated;
  gint64 atime_ns, mtime_ns, ctime_ns, btime_ns;
  guint64 version;
  guint64 attr_dot, content_dot;
  guint64 parent;
  guint32 mode, nlink, uid, gid;
  guint32 flags;
  guint32 opens;
  union
  {
    Dir *dir;             /* nullable: not loaded */
    MossContent *content; /* nullable: not loaded */
    char *target;
  };
  Extra *extra; /* nullable */
};

typedef struct
{
  guint16 slot;
  guint64 number;
} Seen;

struct _MossTree
{
  MossTreeConfig config;
  char *dir;
  MossTable *table;
  MossTable *local; /* the same, never fetches */
  MossJournal *journal;
  guint8 local_key[MOSS_KEY_BYTES]; /* of journal and heads */
  guint8 hash_key[16];
  int lock_fd;

  GMutex merge_lock;
  GMutex commit_lock; /* one commit or merge at a time; covers heads_* and batch work */
  guint64 head_sequence;
  guint32 head_generation; /* of the key that local_key comes from */
  int heads_fd;
  MossRef orphans_ref;
  guint64 mark_epoch; /* from where the journal is to be replayed on base */
  guint32 mark_skip;

  GMutex lock;
  GByteArray *record; /* log.c's */
  GCond room;   /* dirty bytes went down, or the gate opened */
  GCond work;   /* the commit thread has something to do */
  GCond done;   /* a commit ended */
  guint64 drops;
  Inode **buckets;
  guint bucket_count; /* power of two */
  guint inode_count;

  MossRef base; /* the committed table */
  guint64 base_serial; /* one more with each merge */
  guint64 number;      /* of the last root of this device */
  GArray *seen;        /* Seen, by slot: what base holds of each device */
  GHashTable *records; /* device (32 bytes) → GBytes: newest signed root */
  guint8 last_id[MOSS_HASH_BYTES]; /* of my last signed root */
  guint8 current[32];              /* device whose record is of base; zeros: none */
  gint64 last_time_us;             /* of the last root: they never go back */
  guint64 next_ino, reserved_ino;
  guint32 generation;

  GArray *dirty;          /* guint64: inodes that are LISTED */
  GHashTable *dirty_keys; /* GBytes: entries, attributes, pins, conflicts that changed */
  GArray *removed;        /* guint64: inodes that base has and that are gone */
  GHashTable *gone;       /* ino (guint64 *): the same, until base is without them */
  GHashTable *orphans;    /* ino → NULL: unlinked, kept for who has them open */
  guint64 dirty_bytes;    /* in memory only */
  gboolean store_unsynced; /* the journal may name objects that aren't on the disk yet */
  gint64 dirty_since_us;  /* 0: clean */
  gint64 touched_us;      /* last change */
  gboolean replaying;     /* who has what open isn't known */
  gboolean gate;          /* a merge waits for quiet: changes wait */

  GHashTable *pins;      /* MossKey bytes as GBytes → NULL */
  GHashTable *conflicts; /* ino → MossConflictRecord */

  GThread *thread;
  gboolean stopping;
  guint64 wanted, finished; /* commits asked for and ended, for who waits */
  gboolean urgent;
  GError *failure; /* nullable: of the last commit */
  gint64 retry_at_us;
  guint64 commits, commit_us;
  gint64 last_commit_us; /* monotonic: end of it */
  gint64 last_cost_us;
  gint64 next_retention_us;

  GMutex plain_lock;
  GHashTable *plain;  /* id → cached plaintext objects */
  GQueue plain_recent;
  gsize plain_bytes;
};

struct _MossView
{
  gatomicrefcount refs;
  MossTable *table;
  MossTree *tree; /* for its keys and its plaintext cache */
  MossRef root;
  gint64 time_us;
  GMutex lock;
  guint64 dir_ino; /* the directory that was listed last */
  Dir *dir;        /* nullable */
};

/* inode.c: memory */
int tree_errno (const GError *error);
Inode *tree_find (MossTree *tree, guint64 ino);
Inode *tree_add (MossTree *tree, guint64 ino);
void tree_forget (MossTree *tree, Inode *inode);
void tree_forget_all (MossTree *tree);
void inode_fill (Inode *inode, const MossInodeRecord *record);
void inode_record (const Inode *inode, MossInodeRecord *record);
void inode_attr (const Inode *inode, MossTreeAttr *attr);
Extra *inode_extra (Inode *inode);
void inode_drop_content (Inode *inode);
gint64 now_ns (void);

/* dir.c */
Dir *dir_new (void);
void dir_free (Dir *dir);
Entry *dir_find (MossTree *tree, const Dir *dir, const char *name);
void dir_add (MossTree *tree, Dir *dir, const char *name, guint64 ino, guint32 mode);
gboolean dir_remove (MossTree *tree, Dir *dir, const char *name);
guint dir_after (const Dir *dir, guint64 cookie);
guint64 entry_cookie (const Entry *entry);
guint32 entry_mode (const Entry *entry);

/* load.c: from the table; may let go of the lock */
int tree_inode (MossTree *tree, guint64 ino, Inode **inode);
int tree_dir (MossTree *tree, guint64 ino, Inode **inode);
int tree_content (MossTree *tree, guint64 ino, Inode **inode);
int tree_xattrs (MossTree *tree, guint64 ino, Inode **inode);
/* Without the lock, from any table. */
gboolean load_inode (MossTable *table,
                     const MossRef *root,
                     guint64 ino,
                     MossInodeRecord *record,
                     MossNode **holder,
                     gboolean *found,
                     GError **error);
MossContent *load_content (MossTable *table,
                           const MossRef *root,
                           guint64 ino,
                           const MossInodeRecord *record,
                           GError **error);
GHashTable *load_xattrs (MossTable *table, const MossRef *root, guint64 ino, GError **error);

/* dirty.c: what changed since the last commit, and its journal */
int tree_name_error (const char *name);
void tree_begin (MossTree *tree);
void tree_touch (MossTree *tree, Inode *inode, guint32 flags);
void tree_dirty_key (MossTree *tree, const MossKey *key);
void tree_dirty_entry (MossTree *tree, guint64 dir, const char *name);
void tree_account (MossTree *tree, gint64 bytes);
void tree_wait_for_room (MossTree *tree);
void tree_unlogged (MossTree *tree, Inode *inode, guint64 offset, guint64 length);
void tree_log_content (MossTree *tree, Inode *inode);
void tree_close_version (MossTree *tree, Inode *inode);
void tree_keep_former (MossTree *tree, Inode *inode);
void tree_drop_if_gone (MossTree *tree, Inode *inode);

/* name-ops.c: also for replay; the lock is held, directories are loaded */
Inode *tree_make (MossTree *tree,
                  Inode *parent,
                  const char *name,
                  guint64 ino,
                  const MossInodeRecord *record);
void tree_unlink_entry (MossTree *tree, Inode *parent, const char *name, gint64 time_ns);
void tree_link_entry (MossTree *tree,
                      Inode *parent,
                      const char *name,
                      Inode *inode,
                      gint64 time_ns);
void tree_rename_entry (MossTree *tree,
                        Inode *from,
                        const char *name,
                        Inode *to,
                        const char *new_name,
                        gboolean exchange,
                        gint64 time_ns);
void tree_truncate (MossTree *tree, Inode *inode, guint64 size, gint64 time_ns);
void tree_punch (MossTree *tree,
                 Inode *inode,
                 guint64 offset,
                 guint64 length,
                 gint64 time_ns);
void tree_set_pin (MossTree *tree, guint64 ino, guint16 slot, gboolean keep);

/* read.c */
gssize content_read (MossTree *tree,
                     const MossContent *content,
                     guint64 size,
                     gpointer buffer,
                     gsize length,
                     guint64 offset,
                     gboolean locked,
                     GError **error);
void plain_free (MossTree *tree);
GBytes *plain_object (MossTree *tree, const MossRef *ref, GError **error);

/* journal records: log.c writes, replay.c reads */
typedef enum
{
  LOG_MAKE = 1,
  LOG_LINK,
  LOG_UNLINK,
  LOG_RENAME,
  LOG_ATTR,
  LOG_TRUNCATE,
  LOG_PUNCH,
  LOG_WRITE,
  LOG_EXTENT,
  LOG_XATTR,
  LOG_CLOSE,
  LOG_PIN,
  LOG_CONFLICT,
  LOG_RELEASE,
} LogKind;

void log_make (MossTree *tree, guint64 parent, const char *name, const Inode *inode);
void log_link (MossTree *tree, guint64 ino, guint64 parent, const char *name, gint64 time_ns);
void log_unlink (MossTree *tree, guint64 parent, const char *name, gint64 time_ns);
void log_rename (MossTree *tree,
                 guint64 parent,
                 const char *name,
                 guint64 new_parent,
                 const char *new_name,
                 gboolean exchange,
                 gint64 time_ns);
void log_attr (MossTree *tree, const Inode *inode);
void log_truncate (MossTree *tree, const Inode *inode);
void log_punch (MossTree *tree, const Inode *inode, guint64 offset, guint64 length);
void log_write (MossTree *tree,
                const Inode *inode,
                guint64 offset,
                const guint8 *data,
                guint32 length);
void log_extent (MossTree *tree, const Inode *inode, const MossSegment *segment);
void log_xattr (MossTree *tree, guint64 ino, const char *name, GBytes *value, gint64 time_ns);
void log_number (MossTree *tree, LogKind kind, guint64 ino, guint64 number);
gboolean tree_replay (MossTree *tree, guint64 epoch, guint32 skip, GError **error);

/* head.c: what was committed last, and where the journal goes on */
typedef struct
{
  MossRef table;
  MossRef orphans; /* id of zeros: none */
  guint64 number;
  guint8 last_id[MOSS_HASH_BYTES];
  guint8 current[32]; /* device whose record says exactly what table is; zeros: none */
  gint64 time_us;
  guint64 epoch;
  guint32 skip;
  guint64 next_ino;
  GArray *seen;        /* Seen */
  GHashTable *records; /* device → GBytes */
} Head;

Head *head_new (void);
void head_free (Head *head);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Head, head_free)
gboolean head_write (MossTree *tree, const Head *head, GError **error);
/* @head: (out) (nullable): NULL: a new tree */
gboolean head_read (MossTree *tree, Head **head, GError **error);

/* root.c: signed records */
typedef struct
{
  MossRef table;
  GArray *seen; /* Seen */
} MossRootBody;

void moss_root_body_clear (MossRootBody *body);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MossRootBody, moss_root_body_clear)
GBytes *root_make (MossTree *tree,
                   const MossTreeRoot *root,
                   const MossRootBody *body,
                   GError **error);
gboolean root_open (MossTree *tree, GBytes *record, MossRootBody *body, GError **error);
guint64 seen_of (GArray *seen, guint16 slot);
gboolean seen_has (GArray *seen, guint64 dot);
void seen_raise (GArray *seen, guint16 slot, guint64 number);

/* seal.c: contents into the store; commit_lock held, lock not */
typedef struct
{
  GPtrArray *sources; /* MossSource, frozen, referenced, each once */
  GHashTable *known;
} Sealing;

Sealing *sealing_new (void);
void sealing_free (Sealing *sealing);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Sealing, sealing_free)
void sealing_add (Sealing *sealing, MossSource *source);
gboolean sealing_run (MossTree *tree, Sealing *sealing, GError **error);
gboolean content_is_inline (const MossContent *content, guint64 size);
gboolean commit_write_back (MossTree *tree, GError **error);

/* commit.c; commit_lock held, lock not */
gboolean commit_now (MossTree *tree, GError **error);
gboolean commit_root (MossTree *tree,
                      const MossRef *table,
                      guint64 number,
                      GArray *seen,
                      GBytes *theirs,
                      guint64 epoch,
                      guint32 skip,
                      const MossRef *orphans,
                      gboolean sign,
                      GError **error);

/* orphan.c: unlinked files that are open */
gboolean orphans_store (MossTree *tree, GPtrArray *inodes, MossRef *ref, GError **error);
gboolean orphans_load (MossTree *tree, const MossRef *ref, GError **error);
typedef struct
{
  guint64 ino;
  guint32 opens;
  GByteArray *record;
  MossContent *content;
} Orphan;
Orphan *orphan_new (const Inode *inode);
void orphan_free (Orphan *orphan);

/* thread.c */
gpointer commit_thread (gpointer tree);
gboolean tree_commit_and_wait (MossTree *tree, GError **error);

/* version.c */
gboolean version_add (MossTree *tree,
                      MossChanges *changes,
                      guint64 ino,
                      guint64 version,
                      guint16 slot,
                      guint64 dot,
                      guint64 size,
                      gint64 time_us,
                      const MossContent *content,
                      GError **error);
void tree_device_of (MossTree *tree, guint16 slot, guint8 *device);
MossContent *version_content (MossTable *table, const MossItem *item, GError **error);

/* beside.c */
char *tree_conflict_name (const char *name, const char *device, gint64 time_ns, guint try);

/* conflicts.c */
int tree_split_path (MossTree *tree, guint64 ino, guint64 *dir, char **name);
/* The file keeps its number, so that who has it open has the new content. */
int tree_copy_over (MossTree *tree, guint64 from, guint64 to);
void tree_tell_entry (MossTree *tree, guint64 dir, const char *name, guint64 ino);

/* lists.c */
gboolean load_lists (MossTree *tree, const MossRef *root, GError **error);

/* owner.c */
gboolean owner_check (MossTree *tree, GError **error);
void owner_note (MossTree *tree);

/* keep.c */
char *keep_call (const char *id);
void keep_register (MossTree *tree);
void keep_unregister (MossTree *tree);
