/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "layer.h"

#include <sys/stat.h>

G_BEGIN_DECLS

#define LAYER_INDEX_TYPE "(ua(ayyuuuxtayta{say}))"
#define LAYER_VERSION 1
#define LAYER_BLOCK 4096
#define LAYER_MAX_PATH 4095
#define LAYER_MAX_NAME 255
#define LAYER_MAX_ID 65534
#define LAYER_MAX_XATTRS 64
#define LAYER_MAX_XATTR 65536

typedef struct
{
  char *name;
  GBytes *value;
} LayerXattr;

typedef struct
{
  char *path;
  char kind;
  guint32 mode, uid, gid;
  gint64 mtime;
  guint64 size;
  char *target; /* "" when there is none */
  guint64 offset;
  GPtrArray *xattrs; /* LayerXattr */
  dev_t dev;         /* export only: where the content is read */
  ino_t ino;
  gboolean from_runtime;
} LayerEntry;

LayerEntry *layer_entry_new (const char *path, char kind);
void layer_entry_free (LayerEntry *entry);
void layer_entry_add_xattr (LayerEntry *entry,
                            const char *name,
                            gconstpointer value,
                            gsize size);

/* Sorted LayerEntry; free with g_ptr_array_unref(). Also checks everything layer.md
 * demands. */
GPtrArray *layer_index_parse (GBytes *index, guint64 content_size, GError **error);
GBytes *layer_index_build (GPtrArray *entries, GError **error);

/* /dev, /proc, /sys, /run/moss and all below: sandboxd's own. */
gboolean layer_path_is_reserved (const char *path);
gboolean layer_kind_is_directory (char kind);
int layer_entry_compare (gconstpointer a, gconstpointer b);

/* Opens path (relative, "" is the directory itself) below dirfd, following nothing and
 * crossing no mount. -1 with errno. */
int layer_open (int dirfd, const char *path, int flags);

/* The directory that holds path, and its last component. -1 with errno. */
int layer_open_parent (int dirfd, const char *path, const char **name);

/* Called for each name in a directory; FALSE ends the walk. */
typedef gboolean (*LayerVisit) (int dirfd,
                                const char *name,
                                gpointer data,
                                GError **error);
gboolean layer_each_name (int dirfd, LayerVisit visit, gpointer data, GError **error);

/* The LayerEntry of after that must be made again where before was applied last and nothing else
 * happened since; NULL when all of them must. Free with g_hash_table_unref(). */
GHashTable *layer_find_changed (GPtrArray *before, GPtrArray *after);

void layer_fail (GError **error, const char *path, const char *what, int saved_errno);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LayerEntry, layer_entry_free)

G_END_DECLS
