/* SPDX-License-Identifier: GPL-3.0-or-later */

/* moss files, cat and save-out: what an app keeps in its own home, and the way out of it.
 *
 * Policy: names come from the app. A name that leads elsewhere ("..", an absolute path) is not
 * followed; where all files are saved at once, none whose name starts with a dot is written; no
 * file of the person is replaced without --force; a file appears whole or not at all. */

#include "cli.h"
#include "names.h"
#include "table.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_BYTES (256 * 1024)

static GVariant *
list_files (GVariant *sandbox, GError **error)
{
  MossDBusSession1 *session = moss_cli_get_session (error);
  GVariant *list = NULL;
  GError *cause = NULL;

  if (session != NULL
      && !moss_dbus_session1_call_list_files_sync (session, moss_dict_string (sandbox, "id"),
                                                   &list, NULL, &cause))
    moss_cli_fail (error, MOSS_CLI_SESSION, cause);
  return list;
}

static const char *
get_path (GVariant *file)
{
  const char *path = "";

  g_variant_lookup (file, "path", "^&ay", &path);
  return path;
}

static void
print_table (GVariant *list)
{
  const char *const columns[] = { _ (">SIZE"), _ ("CHANGED"), _ ("FILE"), NULL };
  g_autoptr (MossTable) table = moss_table_new (columns);

  for (gsize i = 0; i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) file = g_variant_get_child_value (list, i);
      g_autofree char *size = g_format_size ((guint64) moss_dict_number (file, "size", 0));
      /* Nanoseconds, as the file system has them. */
      g_autofree char *time
          = moss_text_time ((gint64) (moss_dict_number (file, "mtime", 0) / 1000));

      moss_table_add (table, size);
      moss_table_add (table, time);
      moss_table_add (table, get_path (file));
    }
  moss_table_print (table);
}

/* One a line and nothing else where a program reads: bytes as they are. */
static void
print_plain (GVariant *list)
{
  for (gsize i = 0; i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) file = g_variant_get_child_value (list, i);

      puts (get_path (file));
    }
}

gboolean
moss_verb_files (MossCall *call, GError **error)
{
  gboolean json = FALSE, verbose = FALSE;
  const GOptionEntry entries[] = {
    { "long", 'l', 0, G_OPTION_ARG_NONE, &verbose, N_ ("Also print sizes and times"), NULL },
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, N_ ("Print one JSON array"), NULL },
    { NULL }
  };
  g_autoptr (GVariant) sandbox = NULL;
  g_autoptr (GVariant) list = NULL;

  if (!moss_cli_parse (call, entries, MOSS_CLI_PARSE_PLAIN, 1, 1, error))
    return FALSE;
  sandbox = moss_cli_find_sandbox (call->args[0], MOSS_PREFER_LIVE, error);
  list = sandbox != NULL ? list_files (sandbox, error) : NULL;
  if (list == NULL)
    return FALSE;
  if (json)
    moss_cli_print_json (list);
  else if (verbose || isatty (STDOUT_FILENO))
    print_table (list);
  else
    print_plain (list);
  return TRUE;
}

/* ---- content ------------------------------------------------------------------------- */

/* A descriptor of a file in the app's home; −1 with the error set. */
static int
open_content (GVariant *sandbox, const char *path, GError **error)
{
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GVariant) handle = NULL;
  GError *cause = NULL;
  int fd;

  if (!moss_dbus_session1_call_read_file_sync (moss_cli_get_session (NULL),
                                               moss_dict_string (sandbox, "id"),
                                               path, NULL, &handle, &fds, NULL, &cause))
    {
      g_autofree char *shown = moss_text_clean (path);

      moss_cli_fail (error, MOSS_CLI_SESSION, cause);
      g_prefix_error (error, "%s: ", shown);
      return -1;
    }
  fd = fds != NULL ? g_unix_fd_list_get (fds, g_variant_get_handle (handle), error) : -1;
  if (fd < 0 && (error == NULL || *error == NULL))
    g_set_error_literal (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_FAILED,
                         _ ("moss-session answered without the file"));
  return fd;
}

static gboolean
write_all (int fd, const char *bytes, gssize n)
{
  while (n > 0)
    {
      gssize written = write (fd, bytes, n);

      if (written < 0 && errno == EINTR)
        continue;
      if (written < 0)
        return FALSE;
      bytes += written;
      n -= written;
    }
  return TRUE;
}

/* From the start, whatever the position of the descriptor is: others may share it. */
static gboolean
copy_content (int from, int to, const char *shown, GError **error)
{
  g_autofree char *buffer = g_malloc (BUFFER_BYTES);
  goffset offset = 0;
  gssize n;

  while ((n = pread (from, buffer, BUFFER_BYTES, offset)) != 0)
    {
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0 || !write_all (to, buffer, n))
        {
          g_set_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_FAILED, _ ("can't write %s: %s"),
                       shown, g_strerror (errno));
          return FALSE;
        }
      offset += n;
    }
  return TRUE;
}

gboolean
moss_verb_cat (MossCall *call, GError **error)
{
  g_autoptr (GVariant) sandbox = NULL;
  gboolean copied;
  int fd;

  if (!moss_cli_parse (call, NULL, MOSS_CLI_PARSE_PLAIN, 2, 2, error))
    return FALSE;
  sandbox = moss_cli_find_sandbox (call->args[0], MOSS_PREFER_LIVE, error);
  fd = sandbox != NULL ? open_content (sandbox, call->args[1], error) : -1;
  if (fd < 0)
    return FALSE;
  copied = copy_content (fd, STDOUT_FILENO, _ ("to the standard output"), error);
  close (fd);
  return copied;
}

/* ---- save out ------------------------------------------------------------------------ */

typedef struct
{
  GVariant *sandbox;
  gboolean force;
  gboolean quiet;
} SaveOut;

static gboolean
fail_exists (const char *target, GError **error)
{
  g_autofree char *shown = g_filename_display_name (target);

  g_set_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_FAILED,
               _ ("%s is there already. Name another place, or replace it with --force"), shown);
  return FALSE;
}

/* Gives the finished file its name. */
static gboolean
publish (const char *temporary, const char *target, gboolean force, GError **error)
{
  g_autofree char *shown = g_filename_display_name (target);

  if (force ? rename (temporary, target) == 0
            : renameat2 (AT_FDCWD, temporary, AT_FDCWD, target, RENAME_NOREPLACE) == 0)
    return TRUE;
  /* Not every file system can do that in one step; a link fails as well when the name is taken. */
  if (!force && errno == EINVAL && link (temporary, target) == 0)
    {
      unlink (temporary);
      return TRUE;
    }
  if (errno == EEXIST)
    return fail_exists (target, error);
  g_set_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_FAILED, _ ("can't write %s: %s"), shown,
               g_strerror (errno));
  return FALSE;
}

static gboolean
save_content (int content, const char *target, gboolean force, GError **error)
{
  g_autofree char *temporary = g_strdup_printf ("%s.XXXXXX", target);
  g_autofree char *shown = g_filename_display_name (target);
  int fd = g_mkstemp_full (temporary, O_WRONLY | O_CLOEXEC, 0666);
  gboolean saved;

  if (fd < 0)
    {
      g_set_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_FAILED, _ ("can't write %s: %s"), shown,
                   g_strerror (errno));
      return FALSE;
    }
  saved = copy_content (content, fd, shown, error);
  if (saved && fsync (fd) != 0 && errno != EINVAL)
    {
      g_set_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_FAILED, _ ("can't write %s: %s"), shown,
                   g_strerror (errno));
      saved = FALSE;
    }
  close (fd);
  saved = saved && publish (temporary, target, force, error);
  if (!saved)
    unlink (temporary);
  return saved;
}

static gboolean
save_one (SaveOut *save, const char *path, const char *target, GError **error)
{
  g_autofree char *shown = NULL;
  gboolean saved;
  int content;

  /* Looked up before anything is fetched; publish() is what decides. */
  if (!save->force && g_file_test (target, G_FILE_TEST_EXISTS))
    return fail_exists (target, error);
  content = open_content (save->sandbox, path, error);
  if (content < 0)
    return FALSE;
  saved = save_content (content, target, save->force, error);
  close (content);
  shown = g_filename_display_name (target);
  if (saved && !save->quiet)
    g_print (_ ("Saved %s\n"), shown);
  return saved;
}

/* Whether a name that an app chose may become one below a folder of the person. */
static gboolean
is_modest (const char *path)
{
  g_auto (GStrv) parts = g_strsplit (path, "/", -1);

  for (int i = 0; parts[i] != NULL; i++)
    if (parts[i][0] == '\0' || parts[i][0] == '.')
      return FALSE;
  return parts[0] != NULL;
}

static gboolean
make_parent (const char *target, GError **error)
{
  g_autofree char *parent = g_path_get_dirname (target);
  g_autofree char *shown = g_filename_display_name (parent);

  if (g_mkdir_with_parents (parent, 0777) == 0)
    return TRUE;
  g_set_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_FAILED, _ ("can't make the folder %s: %s"),
               shown, g_strerror (errno));
  return FALSE;
}

static gboolean
save_member (SaveOut *save, GVariant *file, const char *folder, GError **error)
{
  const char *path = get_path (file);
  g_autofree char *target = g_build_filename (folder, path, NULL);

  if (is_modest (path))
    return make_parent (target, error) && save_one (save, path, target, error);
  g_set_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_FAILED,
               _ ("the app calls a file “%s”, which is no name to save it under. Save it alone, "
                  "with a name of yours: moss save-out APP PATH DESTINATION"), path);
  return FALSE;
}

/* One that can't be saved doesn't keep the others in. */
static gboolean
save_all (SaveOut *save, const char *folder, GError **error)
{
  g_autoptr (GVariant) list = list_files (save->sandbox, error);
  gsize n = list != NULL ? g_variant_n_children (list) : 0;
  gsize failed = 0;

  if (list == NULL)
    return FALSE;
  if (n == 0 && !save->quiet)
    moss_cli_say (_ ("There is no file to save."));
  for (gsize i = 0; i < n; i++)
    {
      g_autoptr (GVariant) file = g_variant_get_child_value (list, i);
      g_autoptr (GError) reason = NULL;

      if (save_member (save, file, folder, &reason))
        continue;
      g_autofree char *clean = moss_text_clean (reason->message);
      moss_cli_say ("moss: %s", clean);
      failed++;
    }
  if (failed == 0)
    return TRUE;
  g_set_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_FAILED,
               _ ("%zu of %zu files were not saved"), failed, n);
  return FALSE;
}

static char *
get_target (const char *path, const char *destination)
{
  g_autofree char *name = g_path_get_basename (path);

  if (destination == NULL)
    return g_steal_pointer (&name);
  if (g_file_test (destination, G_FILE_TEST_IS_DIR) || g_str_has_suffix (destination, "/"))
    return g_build_filename (destination, name, NULL);
  return g_strdup (destination);
}

gboolean
moss_verb_save_out (MossCall *call, GError **error)
{
  SaveOut save = { 0 };
  g_autofree char *folder = NULL;
  const GOptionEntry entries[] = {
    { "force", 'f', 0, G_OPTION_ARG_NONE, &save.force,
      N_ ("Replace files that are there already"), NULL },
    { "into", 'i', 0, G_OPTION_ARG_FILENAME, &folder,
      N_ ("With no PATH: save all files into this folder"), N_ ("FOLDER") },
    { "quiet", 'q', 0, G_OPTION_ARG_NONE, &save.quiet, N_ ("Say nothing but errors"), NULL },
    { NULL }
  };
  g_autoptr (GVariant) sandbox = NULL;
  g_autofree char *target = NULL;

  if (!moss_cli_parse (call, entries, MOSS_CLI_PARSE_PLAIN, 1, folder != NULL ? 1 : 3, error))
    return FALSE;
  sandbox = moss_cli_find_sandbox (call->args[0], MOSS_PREFER_LIVE, error);
  if (sandbox == NULL)
    return FALSE;
  save.sandbox = sandbox;
  if (call->args[1] == NULL)
    return save_all (&save, folder != NULL ? folder : ".", error);
  target = get_target (call->args[1], call->args[2]);
  return save_one (&save, call->args[1], target, error);
}
