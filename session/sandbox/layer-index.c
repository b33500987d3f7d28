/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The index of docs/formats/layer.md: its GVariant form and every rule about it. Pure. */
#define G_LOG_DOMAIN "moss-layer"
#include "layer-private.h"

#include <string.h>

static void
xattr_free (gpointer data)
{
  LayerXattr *x = data;

  g_free (x->name);
  g_bytes_unref (x->value);
  g_free (x);
}

LayerEntry *
layer_entry_new (const char *path, char kind)
{
  LayerEntry *entry = g_new0 (LayerEntry, 1);

  entry->path = g_strdup (path);
  entry->kind = kind;
  entry->target = g_strdup ("");
  return entry;
}

void
layer_entry_free (LayerEntry *entry)
{
  g_free (entry->path);
  g_free (entry->target);
  g_clear_pointer (&entry->xattrs, g_ptr_array_unref);
  g_free (entry);
}

void
layer_entry_add_xattr (LayerEntry *entry,
                       const char *name,
                       gconstpointer value,
                       gsize size)
{
  LayerXattr *x = g_new (LayerXattr, 1);

  x->name = g_strdup (name);
  x->value = g_bytes_new (value, size);
  if (entry->xattrs == NULL)
    entry->xattrs = g_ptr_array_new_with_free_func (xattr_free);
  g_ptr_array_add (entry->xattrs, x);
}

int
layer_entry_compare (gconstpointer a, gconstpointer b)
{
  const LayerEntry *x = *(LayerEntry *const *)a;
  const LayerEntry *y = *(LayerEntry *const *)b;

  return strcmp (x->path, y->path);
}

gboolean
layer_kind_is_directory (char kind)
{
  return kind == 'd' || kind == 'o';
}

static gboolean
is_at_or_below (const char *path, const char *top)
{
  gsize n = strlen (top);

  return strncmp (path, top, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

gboolean
layer_path_is_reserved (const char *path)
{
  return is_at_or_below (path, "dev") || is_at_or_below (path, "proc")
         || is_at_or_below (path, "sys") || is_at_or_below (path, "run/moss");
}

static GVariant *
bytes_variant (const char *text)
{
  return g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, text, strlen (text), 1);
}

static GVariant *
entry_variant (const LayerEntry *e)
{
  GVariantBuilder xattrs;

  g_variant_builder_init (&xattrs, G_VARIANT_TYPE ("a{say}"));
  for (guint i = 0; e->xattrs != NULL && i < e->xattrs->len; i++)
    {
      const LayerXattr *x = e->xattrs->pdata[i];
      gsize size;
      gconstpointer value = g_bytes_get_data (x->value, &size);

      g_variant_builder_add (
          &xattrs, "{s@ay}", x->name,
          g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, value, size, 1));
    }
  return g_variant_new ("(@ayyuuuxt@ayt@a{say})", bytes_variant (e->path),
                        (guchar)e->kind, e->mode, e->uid, e->gid, e->mtime, e->size,
                        bytes_variant (e->target), e->offset,
                        g_variant_builder_end (&xattrs));
}

GBytes *
layer_index_build (GPtrArray *entries, GError **error)
{
  GVariantBuilder list;
  g_autoptr (GVariant) index = NULL;

  g_variant_builder_init (&list, G_VARIANT_TYPE ("a(ayyuuuxtayta{say})"));
  for (guint i = 0; i < entries->len; i++)
    g_variant_builder_add_value (&list, entry_variant (entries->pdata[i]));
  index = g_variant_ref_sink (g_variant_new ("(u@a(ayyuuuxtayta{say}))", LAYER_VERSION,
                                             g_variant_builder_end (&list)));
  if (g_variant_get_size (index) > MOSS_LAYER_MAX_INDEX)
    {
      g_set_error (error, MOSS_LAYER_ERROR, MOSS_LAYER_ERROR_NOT_TRAVELABLE,
                   "it has changed too many files (%u)", entries->len);
      return NULL;
    }
  return g_variant_get_data_as_bytes (index);
}

static gboolean
bad (GError **error, int code, const char *path, const char *why)
{
  g_autofree char *shown = g_strescape (path, NULL);

  g_set_error (error, MOSS_LAYER_ERROR, code, "layer: /%.200s: %s", shown, why);
  return FALSE;
}

static gboolean
corrupt (GError **error, const char *path, const char *why)
{
  return bad (error, MOSS_LAYER_ERROR_CORRUPT, path, why);
}

/* A byte string without NUL inside; NULL when there is one or it is too long. */
static char *
get_text (GVariant *bytes)
{
  gsize n;
  const char *data = g_variant_get_fixed_array (bytes, &n, 1);

  if (n > LAYER_MAX_PATH || (n > 0 && memchr (data, 0, n) != NULL))
    return NULL;
  return g_strndup (n > 0 ? data : "", n);
}

static gboolean
check_path (const char *path, GError **error)
{
  const char *part = path;

  while (*path != '\0')
    {
      const char *end = strchrnul (part, '/');
      gsize n = end - part;

      if (n == 0 || n > LAYER_MAX_NAME)
        return corrupt (error, path, "a part of the path is empty or too long");
      if ((n == 1 && part[0] == '.') || (n == 2 && part[0] == '.' && part[1] == '.'))
        return bad (error, MOSS_LAYER_ERROR_DENIED, path, "\".\" and \"..\" are refused");
      if (*end == '\0')
        break;
      part = end + 1;
    }
  if (layer_path_is_reserved (path))
    return bad (error, MOSS_LAYER_ERROR_DENIED, path, "can't stand in a layer");
  return TRUE;
}

static gboolean
check_xattrs (const LayerEntry *e, GError **error)
{
  g_autoptr (GHashTable) seen = NULL;

  if (e->xattrs == NULL)
    return TRUE;
  if (e->kind != 'f' && !layer_kind_is_directory (e->kind))
    return corrupt (error, e->path, "attributes on something that can't have any");
  if (*e->target != '\0')
    return corrupt (error, e->path, "attributes on a second name of a file");
  if (e->xattrs->len > LAYER_MAX_XATTRS)
    return corrupt (error, e->path, "too many attributes");
  seen = g_hash_table_new (g_str_hash, g_str_equal);
  for (guint i = 0; i < e->xattrs->len; i++)
    {
      const LayerXattr *x = e->xattrs->pdata[i];

      if (!g_str_has_prefix (x->name, "user.") || strlen (x->name) > LAYER_MAX_NAME
          || x->name[5] == '\0')
        return bad (error, MOSS_LAYER_ERROR_DENIED, e->path,
                    "only attributes named user.* are allowed");
      if (g_bytes_get_size (x->value) > LAYER_MAX_XATTR)
        return corrupt (error, e->path, "an attribute is too big");
      if (!g_hash_table_add (seen, x->name))
        return corrupt (error, e->path, "an attribute stands twice");
    }
  return TRUE;
}

static gboolean
check_content (const LayerEntry *e, guint64 content_size, guint64 *used, GError **error)
{
  guint64 padded;

  if (e->kind != 'f' || *e->target != '\0')
    {
      if (e->size != 0 || e->offset != 0)
        return corrupt (error, e->path, "has a size or an offset but no content");
      return TRUE;
    }
  if (e->size > G_MAXINT64 - LAYER_BLOCK)
    return corrupt (error, e->path, "its size is impossible");
  if (e->offset == MOSS_LAYER_KEPT)
    return TRUE;
  padded = (e->size + LAYER_BLOCK - 1) / LAYER_BLOCK * LAYER_BLOCK;
  if (e->offset % LAYER_BLOCK != 0 || e->offset < *used)
    return corrupt (error, e->path, "its content overlaps or is not aligned");
  if (e->offset > content_size || padded > content_size - e->offset)
    return corrupt (error, e->path, "its content is cut short");
  *used = e->offset + padded;
  return TRUE;
}

static gboolean
check_entry (const LayerEntry *e, guint64 content_size, guint64 *used, GError **error)
{
  if (!check_path (e->path, error))
    return FALSE;
  if (strchr ("dflspwo", e->kind) == NULL || e->kind == '\0')
    return bad (error, MOSS_LAYER_ERROR_DENIED, e->path, "is of a kind that is refused");
  if ((e->mode & ~07777u) != 0)
    return corrupt (error, e->path, "has an impossible mode");
  if ((e->mode & 06000) != 0)
    return bad (error, MOSS_LAYER_ERROR_DENIED, e->path, "is set-uid or set-gid");
  if (e->uid > LAYER_MAX_ID || e->gid > LAYER_MAX_ID)
    return bad (error, MOSS_LAYER_ERROR_DENIED, e->path,
                "belongs to a user or group outside the sandbox");
  if (*e->path == '\0' && !layer_kind_is_directory (e->kind))
    return corrupt (error, e->path, "the root is not a directory");
  if (e->kind == 'l' && *e->target == '\0')
    return corrupt (error, e->path, "a link without a target");
  if (e->kind != 'l' && e->kind != 'f' && *e->target != '\0')
    return corrupt (error, e->path, "a target on something that is no link");
  return check_xattrs (e, error) && check_content (e, content_size, used, error);
}

/* Its directory must stand in the layer too, as one, and a hard link's other name before
 * it. */
static gboolean
check_place (const LayerEntry *e, GHashTable *before, GError **error)
{
  const char *slash = strrchr (e->path, '/');

  if (slash != NULL)
    {
      g_autofree char *parent = g_strndup (e->path, slash - e->path);
      const LayerEntry *p = g_hash_table_lookup (before, parent);

      if (p == NULL || !layer_kind_is_directory (p->kind))
        return corrupt (error, e->path, "its directory does not stand before it");
    }
  if (e->kind == 'f' && *e->target != '\0')
    {
      const LayerEntry *t = g_hash_table_lookup (before, e->target);

      if (t == NULL || t->kind != 'f' || *t->target != '\0')
        return corrupt (error, e->path,
                        "the file of its hard link does not stand before it");
    }
  return TRUE;
}

static LayerEntry *
parse_entry (GVariant *row, GError **error)
{
  g_autoptr (LayerEntry) e = layer_entry_new ("", 0);
  g_autoptr (GVariant) path = NULL, target = NULL, xattrs = NULL;
  GVariantIter iter;
  const char *name;
  GVariant *value;
  guchar kind;

  g_variant_get (row, "(@ayyuuuxt@ayt@a{say})", &path, &kind, &e->mode, &e->uid, &e->gid,
                 &e->mtime, &e->size, &target, &e->offset, &xattrs);
  e->kind = kind;
  g_free (e->path);
  g_free (e->target);
  e->path = get_text (path);
  e->target = get_text (target);
  if (e->path == NULL || e->target == NULL)
    {
      corrupt (error, "", "a path is too long or holds a zero byte");
      return NULL;
    }
  g_variant_iter_init (&iter, xattrs);
  while (g_variant_iter_next (&iter, "{&s@ay}", &name, &value))
    {
      gsize n;
      gconstpointer data = g_variant_get_fixed_array (value, &n, 1);

      layer_entry_add_xattr (e, name, data, n);
      g_variant_unref (value);
    }
  return g_steal_pointer (&e);
}

static GPtrArray *
parse_entries (GVariant *list, guint64 content_size, GError **error)
{
  g_autoptr (GPtrArray) entries
      = g_ptr_array_new_with_free_func ((GDestroyNotify)layer_entry_free);
  g_autoptr (GHashTable) before = g_hash_table_new (g_str_hash, g_str_equal);
  const LayerEntry *last = NULL;
  guint64 used = 0;
  GVariantIter iter;
  GVariant *row;

  g_variant_iter_init (&iter, list);
  while ((row = g_variant_iter_next_value (&iter)) != NULL)
    {
      LayerEntry *e = parse_entry (row, error);

      g_variant_unref (row);
      if (e == NULL)
        return NULL;
      g_ptr_array_add (entries, e);
      if (!check_entry (e, content_size, &used, error))
        return NULL;
      if (last != NULL && strcmp (last->path, e->path) >= 0)
        {
          corrupt (error, e->path, "is not in order or stands twice");
          return NULL;
        }
      if (!check_place (e, before, error))
        return NULL;
      g_hash_table_insert (before, e->path, e);
      last = e;
    }
  if (entries->len == 0 || *((LayerEntry *)entries->pdata[0])->path != '\0')
    {
      corrupt (error, "", "the root is missing");
      return NULL;
    }
  return g_steal_pointer (&entries);
}

GPtrArray *
layer_index_parse (GBytes *index, guint64 content_size, GError **error)
{
  g_autoptr (GVariant) variant = NULL;
  g_autoptr (GVariant) list = NULL;
  guint32 version;

  if (g_bytes_get_size (index) > MOSS_LAYER_MAX_INDEX)
    {
      g_set_error (error, MOSS_LAYER_ERROR, MOSS_LAYER_ERROR_CORRUPT,
                   "layer: the index is larger than %u MiB", MOSS_LAYER_MAX_INDEX >> 20);
      return NULL;
    }
  variant = g_variant_ref_sink (
      g_variant_new_from_bytes (G_VARIANT_TYPE (LAYER_INDEX_TYPE), index, FALSE));
  if (!g_variant_is_normal_form (variant))
    {
      g_set_error (error, MOSS_LAYER_ERROR, MOSS_LAYER_ERROR_CORRUPT,
                   "layer: the index is not in normal form");
      return NULL;
    }
  g_variant_get (variant, "(u@a(ayyuuuxtayta{say}))", &version, &list);
  if (version != LAYER_VERSION)
    {
      g_set_error (error, MOSS_LAYER_ERROR, MOSS_LAYER_ERROR_CORRUPT,
                   "layer: version %u is unknown here", version);
      return NULL;
    }
  return parse_entries (list, content_size, error);
}

gboolean
moss_layer_check (GBytes *index, guint64 content_size, GError **error)
{
  g_autoptr (GPtrArray) entries = layer_index_parse (index, content_size, error);

  return entries != NULL;
}
