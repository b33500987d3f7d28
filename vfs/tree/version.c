// SPDX-License-Identifier: GPL-3.0-or-later
/* Old contents of files: how they stand in the table, and how they are listed, read and brought
 * back. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/tree-private.h"

#include "vfs/tree/bytes.h"

#include <errno.h>
#include <fcntl.h>

enum
{
  EXTENT_BYTES = 8 + 72,
  LIST_EXTENTS = 8192, /* in one object: 640 KiB */
};

static void
version_key (MossKey *key, guint64 ino, guint64 version, guint16 slot)
{
  guint16 big = GUINT16_TO_BE (slot);

  moss_key_init (key, SPACE_VERSION, ino);
  moss_key_add_number (key, version);
  moss_key_add (key, &big, 2);
}

static void
put_extents (GByteArray *out, const MossContent *content, guint from, guint to)
{
  for (guint i = from; i < to; i++)
    {
      moss_put_number (out, content->segments[i].offset, 8);
      moss_extent_write (&content->segments[i], out);
    }
}

/* Long lists of extents become objects; the value has their refs. */
static gboolean
put_lists (MossTree *tree, const MossContent *content, GByteArray *out, GError **error)
{
  for (guint i = 0; i < content->count; i += LIST_EXTENTS)
    {
      g_autoptr (GByteArray) list = g_byte_array_new ();
      MossRef ref;

      put_extents (list, content, i, MIN (i + LIST_EXTENTS, content->count));
      if (!moss_store_put (tree->config.store, list->data, list->len, &ref, error))
        return FALSE;
      moss_put_bytes (out, &ref, sizeof ref);
    }
  return TRUE;
}

/**
 * version_add:
 * @content: all of it stored, or inline
 */
gboolean
version_add (MossTree *tree,
             MossChanges *changes,
             guint64 ino,
             guint64 version,
             guint16 slot,
             guint64 dot,
             guint64 size,
             gint64 time_us,
             const MossContent *content,
             GError **error)
{
  g_autoptr (GByteArray) tail = g_byte_array_new ();
  g_autoptr (GByteArray) value = g_byte_array_new ();
  MossVersionRecord record = { .dot = dot, .size = size, .time_us = time_us };
  MossKey key;

  if (content_is_inline (content, size))
    moss_put_bytes (tail,
                    content->segments[0].source->data + content->segments[0].start, size);
  else if (content->count <= VERSION_EXTENTS_MAX)
    {
      record.kind = 1;
      put_extents (tail, content, 0, content->count);
    }
  else
    {
      record.kind = 2;
      if (content->count > LIST_EXTENTS * VERSION_LISTS_MAX)
        return TRUE; /* beyond 50 GB in small pieces: only in former roots */
      if (!put_lists (tree, content, tail, error))
        return FALSE;
    }
  record.tail = tail->data;
  record.tail_length = tail->len;
  moss_version_record_write (&record, value);
  version_key (&key, ino, version, slot);
  moss_changes_add (changes, key.bytes, key.length, value->data, value->len);
  return TRUE;
}

/* --- reading --- */

static gboolean
read_extents (const guint8 *bytes, gsize length, MossContent *content, GError **error)
{
  MossReader reader = moss_reader (bytes, length);

  while (reader.at < reader.end)
    {
      guint64 offset = moss_read_number (&reader, 8);
      const guint8 *extent = moss_read_bytes (&reader, EXTENT_BYTES - 8);

      if (extent == NULL)
        {
          g_set_error (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_CORRUPT,
                       "a list of extents is cut off");
          return FALSE;
        }
      if (!moss_extent_read (extent, EXTENT_BYTES - 8, offset, content, error))
        return FALSE;
    }
  return TRUE;
}

/* (transfer full): may fetch the lists of a long one. */
MossContent *
version_content (MossTable *table, const MossItem *item, GError **error)
{
  g_autoptr (MossContent) content = moss_content_new ();
  MossVersionRecord record;

  if (!moss_version_record_read (item, &record, error))
    return NULL;
  if (record.kind == 0)
    {
      MossSource *source = moss_source_new_data (record.tail, record.tail_length);

      source->frozen = TRUE;
      if (record.tail_length > 0)
        moss_content_insert (content, 0, record.tail_length, 0, source);
      moss_source_unref (source);
      return g_steal_pointer (&content);
    }
  if (record.kind == 1)
    return read_extents (record.tail, record.tail_length, content, error)
               ? g_steal_pointer (&content)
               : NULL;
  for (guint i = 0; i < record.tail_length / sizeof (MossRef) && i < VERSION_LISTS_MAX; i++)
    {
      g_autoptr (GBytes) list = NULL;
      MossRef ref;

      memcpy (&ref, record.tail + i * sizeof ref, sizeof ref);
      list = moss_table_object (table, &ref, error);
      if (list == NULL || !read_extents (g_bytes_get_data (list, NULL),
                                         g_bytes_get_size (list), content, error))
        return NULL;
    }
  return g_steal_pointer (&content);
}

/* --- listing --- */

typedef struct
{
  GArray *list;
  GError *error;
} Listing;

static gboolean
on_version (const MossItem *item, gpointer user_data)
{
  Listing *listing = user_data;
  MossVersionRecord record;
  MossTreeVersion version = { 0 };

  if (!moss_version_record_read (item, &record, &listing->error))
    return FALSE;
  version.version = moss_load_be64 (item->key + MOSS_NODE_KEY_MIN);
  version.slot = item->key[MOSS_NODE_KEY_MIN + 8] << 8 | item->key[MOSS_NODE_KEY_MIN + 9];
  version.time_us = record.time_us;
  version.size = record.size;
  g_array_append_val (listing->list, version);
  return TRUE;
}

static int
newest_first (gconstpointer a, gconstpointer b)
{
  const MossTreeVersion *x = a, *y = b;

  if (x->current != y->current)
    return x->current ? -1 : 1;
  if (x->time_us != y->time_us)
    return x->time_us < y->time_us ? 1 : -1;
  return x->version < y->version ? 1 : x->version > y->version ? -1 : 0;
}

void
tree_device_of (MossTree *tree, guint16 slot, guint8 *device)
{
  MossItem item;
  MossKey key;
  g_autoptr (MossNode) holder = NULL;
  MossRef base;

  memset (device, 0, 32);
  if (slot == tree->config.slot)
    {
      memcpy (device, tree->config.device, 32);
      return;
    }
  g_mutex_lock (&tree->lock);
  base = tree->base;
  g_mutex_unlock (&tree->lock);
  moss_key_init (&key, SPACE_DEVICE, slot);
  if (moss_table_find (tree->table, &base, key.bytes, key.length, &item, &holder, NULL) &&
      holder != NULL && item.value_length == 40)
    memcpy (device, item.value + 8, 32);
}

/* The current one, from memory. Former ones that no commit saw yet too. */
static int
add_current (MossTree *tree, guint64 ino, GArray *list, MossRef *base)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&tree->lock);
  MossTreeVersion version = { .current = TRUE };
  Inode *inode;
  int result = tree_inode (tree, ino, &inode);

  *base = tree->base;
  if (result == -ENOENT)
    return 0; /* it was removed: its versions are still there */
  if (result != 0)
    return result;
  if (!S_ISREG (inode->mode))
    return S_ISDIR (inode->mode) ? -EISDIR : -EINVAL;
  version.version = inode->version;
  version.time_us = inode->mtime_ns / 1000;
  version.size = inode->size;
  version.slot = inode->flags & INODE_CONTENT || inode->content_dot == 0
                     ? tree->config.slot
                     : SLOT_OF (inode->content_dot);
  g_array_append_val (list, version);
  return 0;
}

int
moss_tree_list_versions (MossTree *tree, guint64 ino, GArray **versions)
{
  g_autoptr (GArray) list = g_array_new (FALSE, FALSE, sizeof (MossTreeVersion));
  g_autoptr (GError) error = NULL;
  Listing listing = { list, NULL };
  MossRef base;
  MossKey key;
  int result = add_current (tree, ino, list, &base);

  if (result != 0)
    return result;
  moss_key_init (&key, SPACE_VERSION, ino);
  if (!moss_table_each (tree->table, &base, key.bytes, key.length, NULL, 0, on_version,
                        &listing, &error))
    return tree_errno (error);
  if (listing.error != NULL)
    {
      result = tree_errno (listing.error);
      g_error_free (listing.error);
      return result;
    }
  if (list->len == 0)
    return -ENOENT;
  for (guint i = 0; i < list->len; i++)
    {
      MossTreeVersion *version = &g_array_index (list, MossTreeVersion, i);

      tree_device_of (tree, version->slot, version->device);
    }
  g_array_sort (list, newest_first);
  *versions = g_steal_pointer (&list);
  return 0;
}

/* --- one of them --- */

static MossContent *
find_version (MossTree *tree,
              guint64 ino,
              guint64 version,
              guint16 slot,
              guint64 *size,
              GError **error)
{
  g_autoptr (MossNode) holder = NULL;
  MossVersionRecord record;
  MossContent *content;
  MossItem item;
  MossRef base;
  MossKey key;

  g_mutex_lock (&tree->lock);
  base = tree->base;
  g_mutex_unlock (&tree->lock);
  version_key (&key, ino, version, slot);
  if (!moss_table_find (tree->table, &base, key.bytes, key.length, &item, &holder, error))
    return NULL;
  if (holder == NULL)
    {
      g_set_error (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_INVALID, "no such version");
      return NULL;
    }
  content = version_content (tree->table, &item, error);
  if (content != NULL && moss_version_record_read (&item, &record, NULL))
    *size = record.size;
  return content;
}

static int
version_errno (const GError *error)
{
  return g_error_matches (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_INVALID)
             ? -ENOENT
             : tree_errno (error);
}

static gboolean
is_current (MossTree *tree, guint64 ino, guint64 version, guint16 slot)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&tree->lock);
  Inode *inode;

  return tree_inode (tree, ino, &inode) == 0 && S_ISREG (inode->mode) &&
         inode->version == version &&
         (inode->content_dot == 0 || (inode->flags & INODE_CONTENT) ||
          SLOT_OF (inode->content_dot) == slot);
}

gssize
moss_tree_read_version (MossTree *tree,
                        guint64 ino,
                        guint64 version,
                        guint16 slot,
                        gpointer buffer,
                        gsize length,
                        guint64 offset)
{
  g_autoptr (MossContent) content = NULL;
  g_autoptr (GError) error = NULL;
  guint64 size = 0;
  gssize done;

  if (is_current (tree, ino, version, slot))
    return moss_tree_read (tree, ino, buffer, length, offset);
  content = find_version (tree, ino, version, slot, &size, &error);
  if (content == NULL)
    return version_errno (error);
  done = content_read (tree, content, size, buffer, length, offset, FALSE, &error);
  return done < 0 ? tree_errno (error) : done;
}

/* Through ordinary writes, so that journal and versions need to know nothing of it. */
static int
copy_in (MossTree *tree, guint64 ino, const MossContent *content, guint64 size)
{
  g_autofree guint8 *buffer = g_malloc (MOSS_OBJECT_MAX_PLAIN);
  MossTreeAttr empty = { .size = 0 }, full = { .size = size };
  int result = moss_tree_setattr (tree, ino, &empty, MOSS_TREE_SET_SIZE, NULL);

  for (guint i = 0; result == 0 && i < content->count; i++)
    {
      const MossSegment *segment = &content->segments[i];
      g_autoptr (GError) error = NULL;
      gssize done = content_read (tree, content, size, buffer, segment->length,
                                  segment->offset, FALSE, &error);

      if (done < 0)
        return tree_errno (error);
      done = moss_tree_write (tree, ino, buffer, done, segment->offset, FALSE, FALSE);
      if (done < 0)
        return done;
    }
  if (result == 0)
    result = moss_tree_setattr (tree, ino, &full, MOSS_TREE_SET_SIZE, NULL);
  return result;
}

int
moss_tree_restore_version (MossTree *tree, guint64 ino, guint64 version, guint16 slot)
{
  g_autoptr (MossContent) content = NULL;
  g_autoptr (GError) error = NULL;
  MossTreeChange change = { .ino = ino, .content = TRUE };
  guint64 size = 0;
  int result;

  if (is_current (tree, ino, version, slot))
    return 0;
  content = find_version (tree, ino, version, slot, &size, &error);
  if (content == NULL)
    return version_errno (error);
  result = moss_tree_open_file (tree, ino, O_RDWR);
  if (result != 0)
    return result;
  result = copy_in (tree, ino, content, size);
  moss_tree_release (tree, ino, O_RDWR);
  if (tree->config.callbacks.changed != NULL)
    tree->config.callbacks.changed (&change, 1, tree->config.user_data);
  return result;
}
