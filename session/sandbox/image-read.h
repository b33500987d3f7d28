/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "image-check.h"
#include "criu-images.pb-c.h"

#include <protobuf-c/protobuf-c.h>

G_BEGIN_DECLS

typedef struct
{
  guint32 type;
  char *path;  /* of a regular file */
  guint32 key; /* what it points to: memfd inode, tty info, pipe, socket inode */
  guint32 ref; /* another file it needs (fifo, tty), or 0 */
  gint32 mnt;
} ImageFile;

enum
{
  IMAGE_FILTER_SPREADS = 1, /* is set for all threads of its process */
  IMAGE_FILTER_OURS = 2,    /* is the one of every sandbox */
};

/* What the images of one sandbox say, collected for the checks that need more than one of
 * them. */
typedef struct
{
  const MossImagePolicy *policy;
  gboolean alone;   /* one image only: no check across images */
  const char *name; /* of the image being read */
  guint32 number;   /* in its name */
  gint64 size;

  MossImage__Ids *root_ids;
  gboolean have_inventory;
  GHashTable *files;      /* id → ImageFile */
  GHashTable *processes;  /* pid → thread count, from pstree */
  GHashTable *threads;    /* tid → pid */
  GHashTable *cores;      /* tid → guint32* seccomp filter, or −1 */
  GHashTable *ids;        /* pid → MossImage__Ids */
  GHashTable *fd_tables;  /* files id of fdinfo-N */
  GHashTable *file_users; /* file ids that something points to → image name */
  GHashTable *memfds;     /* inode ids */
  GHashTable *ttys;       /* tty info ids */
  GHashTable *ghosts;     /* ghost ids */
  GHashTable *sockets;    /* inodes of unix sockets */
  GHashTable *mounts;     /* mount ids */
  gboolean net;           /* one of them is /net */
  GHashTable *mount_paths;
  GHashTable *pages;         /* pages id → size in pages + 1 */
  GHashTable *pagemaps;      /* pages id → pages in its pagemap + 1 */
  GHashTable *namespaces;    /* "userns-15" → itself */
  GPtrArray *peers;          /* inode numbers that must be sockets */
  GPtrArray *remaps;         /* MossImage__Remap */
  GByteArray *filters;       /* of the seccomp image, in its order: IMAGE_FILTER_… */
} ImageSet;

/* Reads one image in memory. */
typedef struct
{
  ImageSet *set;
  const guint8 *data;
  gsize size, at;
} ImageReader;

typedef gboolean (*ImageChecker) (ImageReader *reader, GError **error);

/* Errors: "images: files.img: reason". Always FALSE. */
gboolean image_corrupt (ImageSet *set, GError **error, const char *format, ...)
    G_GNUC_PRINTF (3, 4);
gboolean image_denied (ImageSet *set, GError **error, const char *format, ...)
    G_GNUC_PRINTF (3, 4);
gboolean image_foreign (ImageSet *set, GError **error, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

/* Reads 32 bits and fails unless they are value. */
gboolean image_read_magic (ImageReader *reader, guint32 value, GError **error);
gboolean image_at_end (ImageReader *reader);

/* The next message; NULL on error. Unknown fields anywhere in it are refused. Free with
 * protobuf_c_message_free_unpacked (m, NULL). */
gpointer image_read_message (ImageReader *reader,
                             const ProtobufCMessageDescriptor *type,
                             GError **error);
gboolean image_skip (ImageReader *reader, guint64 bytes, GError **error);

/* Calls check for each message up to the end. */
typedef gboolean (*ImageMessageChecker) (ImageReader *reader,
                                         gpointer message,
                                         GError **error);
gboolean image_each (ImageReader *reader,
                     const ProtobufCMessageDescriptor *type,
                     ImageMessageChecker check,
                     GError **error);
/* Exactly one message and nothing after it. */
gboolean image_only (ImageReader *reader,
                     const ProtobufCMessageDescriptor *type,
                     ImageMessageChecker check,
                     GError **error);

/* Remembers number in a set; FALSE when it was there. */
gboolean image_remember (GHashTable *table, guint32 number);
gboolean image_knows (GHashTable *table, guint32 number);
void image_use_file (ImageSet *set, guint32 id);

gboolean image_check_ids (
    ImageSet *set, guint32 uid, guint32 gid, const char *what, GError **error);
gboolean image_check_path (ImageSet *set, const char *path, GError **error);

/* image-tasks.c */
gboolean image_check_inventory (ImageReader *reader, GError **error);
gboolean image_check_pstree (ImageReader *reader, GError **error);
gboolean image_check_core (ImageReader *reader, GError **error);
gboolean image_check_task_ids (ImageReader *reader, GError **error);
gboolean image_check_seccomp (ImageReader *reader, GError **error);
gboolean image_check_cpuinfo (ImageReader *reader, GError **error);
gboolean image_cross_tasks (ImageSet *set, GError **error);

/* image-memory.c */
gboolean image_check_mm (ImageReader *reader, GError **error);
gboolean image_check_pagemap (ImageReader *reader, GError **error);
gboolean image_check_memfd (ImageReader *reader, GError **error);
gboolean image_cross_memory (ImageSet *set, GError **error);

/* image-files.c */
gboolean image_check_files (ImageReader *reader, GError **error);
gboolean image_check_fdinfo (ImageReader *reader, GError **error);
gboolean image_check_fs (ImageReader *reader, GError **error);
gboolean image_cross_files (ImageSet *set, GError **error);

/* image-extras.c */
gboolean image_check_remap (ImageReader *reader, GError **error);
gboolean image_check_ghost (ImageReader *reader, GError **error);
gboolean image_check_tty_info (ImageReader *reader, GError **error);
gboolean image_check_tty_data (ImageReader *reader, GError **error);
gboolean image_check_file_locks (ImageReader *reader, GError **error);
gboolean image_check_queues (ImageReader *reader, GError **error);
gboolean image_check_pipe_data (ImageReader *reader, GError **error);

/* image-spaces.c */
gboolean image_check_mounts (ImageReader *reader, GError **error);
gboolean image_check_userns (ImageReader *reader, GError **error);
gboolean image_check_utsns (ImageReader *reader, GError **error);
gboolean image_check_timens (ImageReader *reader, GError **error);
gboolean image_check_ipc_var (ImageReader *reader, GError **error);
gboolean image_check_ipc_shm (ImageReader *reader, GError **error);
gboolean image_check_ipc_sem (ImageReader *reader, GError **error);
gboolean image_check_cgroup (ImageReader *reader, GError **error);

G_END_DECLS
