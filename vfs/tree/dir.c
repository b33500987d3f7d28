// SPDX-License-Identifier: GPL-3.0-or-later
/* The entries of a directory in memory, in the order of a keyed hash of their names: so a place
 * in a listing is a number that stays right while others come and go, also over a restart. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/tree-private.h"

#include <sodium.h>

Dir *
dir_new (void)
{
  return g_new0 (Dir, 1);
}

void
dir_free (Dir *dir)
{
  for (guint i = 0; i < dir->count; i++)
    g_free (dir->entries[i]);
  g_free (dir->entries);
  g_free (dir);
}

static guint64
hash_of (MossTree *tree, const char *name)
{
  guint64 hash;

  crypto_shorthash ((guint8 *) &hash, (const guint8 *) name, strlen (name),
                    tree->hash_key);
  return GUINT64_FROM_LE (hash) & ~(guint64) 0xff;
}

/* Index of the first entry that isn't before. */
static guint
place_of (const Dir *dir, guint64 hash, const char *name)
{
  guint low = 0, high = dir->count;

  while (low < high)
    {
      guint middle = low + (high - low) / 2;
      const Entry *entry = dir->entries[middle];
      guint64 other = entry->hash_type & ~(guint64) 0xff;

      if (other < hash || (other == hash && strcmp (entry->name, name) < 0))
        low = middle + 1;
      else
        high = middle;
    }
  return low;
}

static Entry *
entry_at (const Dir *dir, guint index, const char *name)
{
  if (index < dir->count && strcmp (dir->entries[index]->name, name) == 0)
    return dir->entries[index];
  return NULL;
}

Entry *
dir_find (MossTree *tree, const Dir *dir, const char *name)
{
  return entry_at (dir, place_of (dir, hash_of (tree, name), name), name);
}

/* Replaces an entry of that name. */
void
dir_add (MossTree *tree, Dir *dir, const char *name, guint64 ino, guint32 mode)
{
  guint64 hash = hash_of (tree, name);
  guint index = place_of (dir, hash, name);
  Entry *entry = entry_at (dir, index, name);
  gsize length = strlen (name);

  if (entry == NULL)
    {
      if (dir->count == dir->room)
        {
          dir->room = MAX (4, dir->room + dir->room / 2);
          dir->entries = g_renew (Entry *, dir->entries, dir->room);
        }
      memmove (dir->entries + index + 1, dir->entries + index,
               (dir->count - index) * sizeof (Entry *));
      dir->count++;
      entry = dir->entries[index] = g_malloc (sizeof (Entry) + length + 1);
      memcpy (entry->name, name, length + 1);
    }
  entry->ino = ino;
  entry->hash_type = hash | ((mode & S_IFMT) >> 12);
}

gboolean
dir_remove (MossTree *tree, Dir *dir, const char *name)
{
  guint index = place_of (dir, hash_of (tree, name), name);

  if (entry_at (dir, index, name) == NULL)
    return FALSE;
  g_free (dir->entries[index]);
  dir->count--;
  memmove (dir->entries + index, dir->entries + index + 1,
           (dir->count - index) * sizeof (Entry *));
  return TRUE;
}

/* 0, 1 and 2 are the beginning, "." and "..". Positive as an off_t. */
guint64
entry_cookie (const Entry *entry)
{
  return (entry->hash_type >> 9) + 3;
}

guint32
entry_mode (const Entry *entry)
{
  return (entry->hash_type & 0xff) << 12;
}

/* Index of the first entry with a larger cookie. */
guint
dir_after (const Dir *dir, guint64 cookie)
{
  guint low = 0, high = dir->count;

  while (low < high)
    {
      guint middle = low + (high - low) / 2;

      if (entry_cookie (dir->entries[middle]) <= cookie)
        low = middle + 1;
      else
        high = middle;
    }
  return low;
}
