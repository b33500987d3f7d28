// SPDX-License-Identifier: LGPL-2.1-or-later
#include "media.h"

#include <string.h>

/* The largest of these files is 30 KiB on Debian 12. */
#define FILE_MAX (1024 * 1024)
#define DEPTH_MAX 16

struct _MossFfiMedia
{
  GHashTable *aliases; /* other name → name */
  GHashTable *parents; /* type → GPtrArray of types */
};

static const char raw_bytes[] = "application/octet-stream";

/* TRUE for "type/subtype" in lower case, in the characters of RFC 6838. */
gboolean
moss_ffi_media_is_valid (const char *text, gsize length)
{
  const char *slash = memchr (text, '/', length);

  if (slash == NULL || slash == text || slash + 1 == text + length || length > MOSS_FFI_MEDIA_MAX)
    return FALSE;
  for (const char *at = text; at < text + length; at++)
    if (!g_ascii_islower (*at) && !g_ascii_isdigit (*at) && at != slash &&
        (strchr ("!#$&-^_.+", *at) == NULL || *at == '\0'))
      return FALSE;
  return TRUE;
}

/* Hands the two words of each line of a file to @add. A missing file is an empty one. */
static void
read_pairs (const char *dir,
            const char *name,
            void (*add) (MossFfiMedia *, const char *, const char *),
            MossFfiMedia *media)
{
  g_autofree char *path = g_build_filename (dir, name, NULL);
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  gsize length;

  if (!g_file_get_contents (path, &text, &length, NULL) || length > FILE_MAX)
    return;
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      char *space = strchr (lines[i], ' ');

      if (space == NULL)
        continue;
      *space = '\0';
      if (moss_ffi_media_is_valid (lines[i], strlen (lines[i])) &&
          moss_ffi_media_is_valid (space + 1, strlen (space + 1)))
        add (media, lines[i], space + 1);
    }
}

static void
add_alias (MossFfiMedia *media, const char *alias, const char *type)
{
  g_hash_table_insert (media->aliases, g_strdup (alias), g_strdup (type));
}

static void
add_parent (MossFfiMedia *media, const char *type, const char *parent)
{
  GPtrArray *parents = g_hash_table_lookup (media->parents, type);

  if (parents == NULL)
    {
      parents = g_ptr_array_new_with_free_func (g_free);
      g_hash_table_insert (media->parents, g_strdup (type), parents);
    }
  g_ptr_array_add (parents, g_strdup (parent));
}

/* Reads the two files of each folder, the last folder first, so that the first one wins. */
MossFfiMedia *
moss_ffi_media_new (const char *const *mime_dirs)
{
  MossFfiMedia *media = g_new0 (MossFfiMedia, 1);

  media->aliases = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  media->parents = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                          (GDestroyNotify) g_ptr_array_unref);
  for (guint i = g_strv_length ((GStrv) mime_dirs); i-- > 0;)
    {
      read_pairs (mime_dirs[i], "aliases", add_alias, media);
      read_pairs (mime_dirs[i], "subclasses", add_parent, media);
    }
  return media;
}

void
moss_ffi_media_free (MossFfiMedia *media)
{
  g_hash_table_unref (media->aliases);
  g_hash_table_unref (media->parents);
  g_free (media);
}

static MossFfiMedia *
read_system (void)
{
  g_autoptr (GStrvBuilder) dirs = g_strv_builder_new ();
  g_auto (GStrv) list = NULL;
  g_autofree char *own = g_build_filename (g_get_user_data_dir (), "mime", NULL);

  g_strv_builder_add (dirs, own);
  for (const char *const *dir = g_get_system_data_dirs (); *dir != NULL; dir++)
    {
      g_autofree char *path = g_build_filename (*dir, "mime", NULL);

      g_strv_builder_add (dirs, path);
    }
  list = g_strv_builder_end (dirs);
  return moss_ffi_media_new ((const char *const *) list);
}

/* The person's and the system's types, read at the first call and owned by the process. */
const MossFfiMedia *
moss_ffi_media_get_default (void)
{
  static gsize media;

  if (g_once_init_enter (&media))
    g_once_init_leave (&media, (gsize) read_system ());
  return (const MossFfiMedia *) media;
}

/* The name that all others of @type stand for: @type itself or one owned by @media. */
const char *
moss_ffi_media_canonical (const MossFfiMedia *media, const char *type)
{
  const char *name = g_hash_table_lookup (media->aliases, type);

  return name != NULL ? name : type;
}

static gboolean
descends (const MossFfiMedia *media, const char *type, const char *base, guint depth)
{
  GPtrArray *parents = g_hash_table_lookup (media->parents, type);

  if (strcmp (type, base) == 0)
    return TRUE;
  /* In no file, yet true: shared-mime-info's specification, "Subclassing". */
  if (strcmp (base, "text/plain") == 0 && g_str_has_prefix (type, "text/"))
    return TRUE;
  if (strcmp (base, raw_bytes) == 0 && !g_str_has_prefix (type, "inode/"))
    return TRUE;
  /* The files are others' and may go in circles. */
  for (guint i = 0; parents != NULL && i < parents->len && depth < DEPTH_MAX; i++)
    if (descends (media, moss_ffi_media_canonical (media, parents->pdata[i]), base, depth + 1))
      return TRUE;
  return FALSE;
}

/* TRUE when whoever takes @base can be given @type. */
gboolean
moss_ffi_media_is_a (const MossFfiMedia *media, const char *type, const char *base)
{
  if (strcmp (type, base) == 0)
    return TRUE;
  return descends (media, moss_ffi_media_canonical (media, type),
                   moss_ffi_media_canonical (media, base), 0);
}
