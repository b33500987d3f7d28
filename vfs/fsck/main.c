// SPDX-License-Identifier: GPL-3.0-or-later
/* moss-fsck: the command line, the order of the checks, what is printed. See fsck.h. */
#define G_LOG_DOMAIN "moss-fsck"

#include "vfs/fsck/fsck.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <locale.h>
#include <sys/file.h>
#include <unistd.h>

enum
{
  CLEAN = 0,
  FINDINGS = 1,
  CANNOT = 2,
};

char *
id_text (const guint8 *id)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < 8; i++)
    g_string_append_printf (text, "%02x", id[i]);
  return g_string_free (text, FALSE);
}

/* One line: what it is and where, what is wrong, what to do. */
void
finding (Check *check, const char *object, const char *what, const char *advice)
{
  g_autofree char *line = g_strdup_printf ("%s: %s (%s)", object, what, advice);
  g_autofree char *safe = g_strescape (line, NULL);

  check->findings++;
  g_print ("%s\n", safe);
}

static void
clear_signer (gpointer signer)
{
  g_clear_pointer (&((Signer *) signer)->public_key, g_bytes_unref);
}

static void
check_clear (Check *check)
{
  store_close (check);
  work_close (check);
  moss_crypto_wipe (check->keys->data, check->keys->len * sizeof (Key));
  moss_crypto_wipe (check->local_key, sizeof check->local_key);
  g_array_unref (check->keys);
  g_array_unref (check->signers);
  g_free (check->store_dir);
  g_free (check->tree_dir);
}

/* Held until we end: netd doesn't start meanwhile. */
static gboolean
hold (const char *dir, GError **error)
{
  g_autofree char *path = g_build_filename (dir, "lock", NULL);
  int fd = open (path, O_RDONLY | O_CLOEXEC);

  if (fd >= 0 && flock (fd, LOCK_SH | LOCK_NB) == 0)
    return TRUE;
  if (fd < 0)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "%s can't be opened: %s", path,
                 g_strerror (errno));
  else
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY,
                 "%s is in use: stop moss-netd first, it is checked at rest", dir);
  return FALSE;
}

static gboolean
check_all (Check *check, GError **error)
{
  if (!work_open (check, error) || !store_check (check, error))
    return FALSE;
  if (check->tree_dir == NULL)
    return TRUE;
  if (!head_check (check, error))
    return check->findings > 0;
  if (check->suite == 0)
    return TRUE; /* nothing was committed yet */
  table_check (check, check->table, TRUE, "the table");
  if (!is_zero (check->table, ID_BYTES))
    links_check (check);
  orphans_check (check);
  history_check (check);
  journal_check (check);
  if (check->work_failed)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE,
                 "the temporary database can't be written: %s", sqlite3_errmsg (check->work));
  return !check->work_failed;
}

static gboolean
prepare (Check *check, const char *state, const char *keys, GError **error)
{
  g_autofree char *net = g_build_filename (state, "net", NULL);

  if (check->store_dir == NULL)
    check->store_dir = g_build_filename (net, "store", NULL);
  if (check->tree_dir == NULL)
    check->tree_dir = g_build_filename (net, "tree", NULL);
  if (g_str_equal (check->tree_dir, "none"))
    g_clear_pointer (&check->tree_dir, g_free);
  if (!moss_crypto_init (error) || !hold (check->store_dir, error) ||
      (check->tree_dir != NULL && !hold (check->tree_dir, error)))
    return FALSE;
  if (check->tree_dir == NULL)
    return TRUE;
  return keys != NULL ? keys_from_file (check, keys, error) : keys_from_agent (check, error);
}

static void
print_summary (const Check *check)
{
  g_print ("%s: %" G_GUINT64_FORMAT " objects, %" G_GUINT64_FORMAT " blocks, %" G_GUINT64_FORMAT
           " files, %" G_GUINT64_FORMAT " names, %" G_GUINT64_FORMAT
           " records; %" G_GUINT64_FORMAT " references lead elsewhere\n",
           check->findings == 0 ? "clean" : "NOT CLEAN", check->objects, check->blocks,
           check->inodes, check->names, check->records, check->away);
}

int
main (int argc, char **argv)
{
  Check check = { .pack_fd = -1 };
  g_autofree char *keys = NULL, *state = NULL;
  g_autofree char *standard = g_build_filename (g_get_user_data_dir (), "moss", NULL);
  GOptionEntry entries[] = {
    { "state", 0, 0, G_OPTION_ARG_FILENAME, &state, "Moss's state directory", "DIR" },
    { "store", 0, 0, G_OPTION_ARG_FILENAME, &check.store_dir, "The store", "DIR" },
    { "tree", 0, 0, G_OPTION_ARG_FILENAME, &check.tree_dir, "The tree, or \"none\"", "DIR" },
    { "keys", 0, 0, G_OPTION_ARG_FILENAME, &keys, "Keys, in place of the agent's", "FILE" },
    { "complete", 0, 0, G_OPTION_ARG_NONE, &check.complete,
      "What isn't here is a finding, too", NULL },
    { NULL }
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("- check what a device keeps");
  g_autoptr (GError) error = NULL;
  const char *chosen;
  gboolean ok;

  setlocale (LC_ALL, "");
  g_option_context_add_main_entries (context, entries, NULL);
  check.keys = g_array_new (FALSE, FALSE, sizeof (Key));
  check.signers = g_array_new (FALSE, TRUE, sizeof (Signer));
  g_array_set_clear_func (check.signers, clear_signer);
  ok = g_option_context_parse (context, &argc, &argv, &error);
  chosen = state != NULL ? state : g_getenv ("MOSS_STATE_DIR");
  ok = ok && prepare (&check, chosen != NULL ? chosen : standard, keys, &error) &&
       check_all (&check, &error);
  if (ok || check.findings > 0)
    print_summary (&check);
  if (error != NULL)
    g_printerr ("moss-fsck: %s\n", error->message);
  check_clear (&check);
  return check.work_failed || (!ok && check.findings == 0) ? CANNOT
         : check.findings > 0                            ? FINDINGS
                                                         : CLEAN;
}
