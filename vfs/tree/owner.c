// SPDX-License-Identifier: GPL-3.0-or-later
/* Whose tree a directory holds. A device that left an identity, or was revoked, and belongs to
 * another one now begins that one's tree with nothing: the old one's keys are gone, nobody here
 * can read it any more. The file "identity" names the tree; it goes last and comes last, so that
 * whatever is interrupted is done again. It does so twice: files are removed by its word, so one
 * that is damaged says nothing. */
#define G_LOG_DOMAIN "moss-tree"

#include "vfs/tree/tree-private.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define NOTE "identity"

static char *
note_path (MossTree *tree)
{
  return g_build_filename (tree->dir, NOTE, NULL);
}

static char *
own_name (MossTree *tree)
{
  MossId id;

  memcpy (id.bytes, tree->config.tree_id, sizeof id.bytes);
  return moss_id_to_string (&id);
}

static char *
note_text (const char *name)
{
  return g_strconcat (name, "\n", name, "\n", NULL);
}

/* Whose tree it is; NULL: new, from before there was such a file, or nobody can tell. */
static char *
read_note (const char *path)
{
  g_autofree char *text = NULL;
  g_autofree char *name = NULL;
  g_autofree char *whole = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return NULL;
  name = g_strndup (text, strcspn (text, "\n"));
  whole = note_text (name);
  return *name != '\0' && g_str_equal (text, whole) ? g_steal_pointer (&name) : NULL;
}

/* All but the lock, which is held. */
static gboolean
clear_dir (MossTree *tree, GError **error)
{
  g_autoptr (GDir) dir = g_dir_open (tree->dir, 0, error);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (tree->dir, name, NULL);

      if (g_str_equal (name, "lock") || g_str_equal (name, NOTE) || unlink (path) == 0)
        continue;
      g_set_error (error, MOSS_TREE_ERROR, MOSS_TREE_ERROR_FAILED,
                   "%s, of another identity, can't be removed: %s", path, g_strerror (errno));
      return FALSE;
    }
  return dir != NULL;
}

/* Before anything is read. */
gboolean
owner_check (MossTree *tree, GError **error)
{
  g_autofree char *path = note_path (tree);
  g_autofree char *own = own_name (tree);
  g_autofree char *noted = read_note (path);
  g_autofree char *keeper = NULL;

  if (noted == NULL || g_str_equal (noted, own))
    return TRUE;
  g_message ("%s held the files of another identity: this one's begin anew", tree->dir);
  keeper = keep_call (noted);
  if (!clear_dir (tree, error) ||
      !moss_store_forget_keeper (tree->config.store, keeper, error))
    return FALSE;
  unlink (path);
  return TRUE;
}

/* After it was opened: what is there is this identity's. */
void
owner_note (MossTree *tree)
{
  g_autofree char *path = note_path (tree);
  g_autofree char *own = own_name (tree);
  g_autofree char *noted = read_note (path);
  g_autofree char *text = note_text (own);
  g_autoptr (GError) error = NULL;

  if (noted == NULL &&
      !g_file_set_contents_full (path, text, -1,
                                 G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE,
                                 0600, &error))
    g_message ("%s", error->message);
}
