/* SPDX-License-Identifier: GPL-3.0-or-later */

/* moss run: starts a program in a sandbox of its own. */

#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

typedef struct
{
  GStrv files;
  GStrv env;
  char *cwd;
  gboolean network;
  gboolean x11;
} RunOptions;

static void
run_options_clear (RunOptions *options)
{
  g_strfreev (options->files);
  g_strfreev (options->env);
  g_free (options->cwd);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RunOptions, run_options_clear)

/* −1 with the error set; the app gets a copy of what is read from it. */
static int
open_file (const char *path, GError **error)
{
  g_autofree char *shown = g_filename_display_name (path);
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  struct stat st;

  if (fd < 0)
    g_set_error (error, MOSS_CLI_ERROR,
                 errno == ENOENT ? MOSS_CLI_ERROR_NOT_FOUND : MOSS_CLI_ERROR_FAILED,
                 _ ("can't open %s: %s"), shown, g_strerror (errno));
  else if (fstat (fd, &st) != 0 || !S_ISREG (st.st_mode))
    {
      g_set_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_FAILED,
                   _ ("can't give %s to the app: it is not a regular file"), shown);
      close (fd);
      return -1;
    }
  return fd;
}

/* a(ayh) of names and descriptors, which go into the list; NULL with the error set. */
static GVariant *
open_files (GStrv paths, GUnixFDList *fds, GError **error)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(ayh)"));
  for (int i = 0; paths != NULL && paths[i] != NULL; i++)
    {
      g_autofree char *name = g_path_get_basename (paths[i]);
      int fd = open_file (paths[i], error);
      int handle = fd >= 0 ? g_unix_fd_list_append (fds, fd, error) : -1;

      if (fd >= 0)
        close (fd);
      if (handle < 0)
        {
          g_variant_builder_clear (&builder);
          return NULL;
        }
      g_variant_builder_add (&builder, "(@ayh)", g_variant_new_bytestring (name), handle);
    }
  return g_variant_builder_end (&builder);
}

static GVariant *
make_options (const RunOptions *options)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  if (options->network)
    g_variant_dict_insert (&dict, "network", "b", TRUE);
  if (options->x11)
    g_variant_dict_insert (&dict, "x11", "b", TRUE);
  if (options->cwd != NULL)
    g_variant_dict_insert_value (&dict, "cwd", g_variant_new_bytestring (options->cwd));
  if (options->env != NULL)
    g_variant_dict_insert (&dict, "env", "^as", options->env);
  return g_variant_dict_end (&dict);
}

static gboolean
check_text (const RunOptions *options, const char *program, GError **error)
{
  for (int i = 0; options->env != NULL && options->env[i] != NULL; i++)
    if (strchr (options->env[i], '=') == NULL || !g_utf8_validate (options->env[i], -1, NULL))
      {
        g_set_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_USAGE,
                     _ ("run: --env takes NAME=VALUE, not “%s”. See: moss help run"),
                     options->env[i]);
        return FALSE;
      }
  if (program[0] != '\0' && g_utf8_validate (program, -1, NULL))
    return TRUE;
  g_set_error_literal (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_USAGE,
                       _ ("run: the program's name is empty or not UTF-8. See: moss help run"));
  return FALSE;
}

static gboolean
start (const RunOptions *options, char **argv, GError **error)
{
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  MossDBusSession1 *session = moss_cli_get_session (error);
  GVariant *files = session != NULL ? open_files (options->files, fds, error) : NULL;
  g_autofree char *id = NULL;
  GError *cause = NULL;

  if (files == NULL)
    return FALSE;
  if (!moss_dbus_session1_call_run_sync (
          session, argv[0], (const char *const *) argv + 1, files, make_options (options),
          fds, &id, NULL, NULL, &cause))
    return moss_cli_fail (error, MOSS_CLI_SESSION, cause);
  g_print ("%s\n", id);
  return TRUE;
}

gboolean
moss_verb_run (MossCall *call, GError **error)
{
  g_auto (RunOptions) options = { 0 };
  const GOptionEntry entries[] = {
    { "with", 'w', 0, G_OPTION_ARG_FILENAME_ARRAY, &options.files,
      N_ ("Open a copy of this file with it; may be given several times"), N_ ("FILE") },
    { "network", 'n', 0, G_OPTION_ARG_NONE, &options.network,
      N_ ("Let it use the network"), NULL },
    { "x11", 0, 0, G_OPTION_ARG_NONE, &options.x11,
      N_ ("Give it an X11 display beside the Wayland one"), NULL },
    { "env", 'e', 0, G_OPTION_ARG_FILENAME_ARRAY, &options.env,
      N_ ("Set a variable of its environment; may be given several times"),
      N_ ("NAME=VALUE") },
    { "cwd", 0, 0, G_OPTION_ARG_FILENAME, &options.cwd,
      N_ ("Start it in this folder of the sandbox"), N_ ("FOLDER") },
    { NULL }
  };

  return moss_cli_parse (call, entries, MOSS_CLI_PARSE_OPTIONS_FIRST, 1, -1, error)
         && check_text (&options, call->args[0], error)
         && start (&options, call->args, error);
}
