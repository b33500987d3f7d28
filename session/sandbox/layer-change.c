/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What differs between two layers.
 *
 * Policy: an entry is left alone only when the layer that was applied last had the very same one
 * and its content is said to be kept. Where names went away or files have several names, nothing
 * is left alone: the whole layer is applied as if it were the first. */
#define G_LOG_DOMAIN "moss-layer"
#include "layer-private.h"

#include <string.h>

static gboolean
same_xattrs (const LayerEntry *a, const LayerEntry *b)
{
  guint n = a->xattrs != NULL ? a->xattrs->len : 0;

  if (n != (b->xattrs != NULL ? b->xattrs->len : 0))
    return FALSE;
  for (guint i = 0; i < n; i++)
    {
      const LayerXattr *x = a->xattrs->pdata[i], *y = b->xattrs->pdata[i];

      if (strcmp (x->name, y->name) != 0 || !g_bytes_equal (x->value, y->value))
        return FALSE;
    }
  return TRUE;
}

/* after is to be as before, and nothing has to be written for it. */
static gboolean
is_same (const LayerEntry *before, const LayerEntry *after)
{
  return before->kind == after->kind && before->mode == after->mode && before->uid == after->uid
         && before->gid == after->gid && before->mtime == after->mtime
         && before->size == after->size && strcmp (before->target, after->target) == 0
         && (after->kind != 'f' || after->size == 0 || after->offset == MOSS_LAYER_KEPT)
         && same_xattrs (before, after);
}

static gboolean
is_second_name (const LayerEntry *e)
{
  return e->kind == 'f' && *e->target != '\0';
}

static GHashTable *
list_paths (GPtrArray *entries)
{
  GHashTable *paths = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < entries->len; i++)
    {
      LayerEntry *e = entries->pdata[i];

      if (is_second_name (e))
        {
          g_hash_table_unref (paths);
          return NULL;
        }
      g_hash_table_insert (paths, e->path, e);
    }
  return paths;
}

static gboolean
has_all (GHashTable *paths, GPtrArray *entries)
{
  for (guint i = 0; i < entries->len; i++)
    {
      const LayerEntry *old = entries->pdata[i];
      const LayerEntry *e = g_hash_table_lookup (paths, old->path);

      if (e == NULL || e->kind != old->kind)
        return FALSE;
    }
  return TRUE;
}

/* The directory in which something is made has another time afterwards. */
static void
add_with_parent (GHashTable *changed, GHashTable *paths, LayerEntry *e)
{
  g_autofree char *parent = g_path_get_dirname (e->path);
  LayerEntry *directory = g_hash_table_lookup (paths, strcmp (parent, ".") == 0 ? "" : parent);

  g_hash_table_add (changed, e);
  if (directory != NULL)
    g_hash_table_add (changed, directory);
}

GHashTable *
layer_find_changed (GPtrArray *before, GPtrArray *after)
{
  g_autoptr (GHashTable) old = list_paths (before), new = list_paths (after);
  GHashTable *changed;

  if (old == NULL || new == NULL || !has_all (new, before))
    return NULL;
  changed = g_hash_table_new (NULL, NULL);
  for (guint i = 0; i < after->len; i++)
    {
      LayerEntry *e = after->pdata[i];
      const LayerEntry *was = g_hash_table_lookup (old, e->path);

      if (was == NULL || !is_same (was, e))
        add_with_parent (changed, new, e);
    }
  return changed;
}
