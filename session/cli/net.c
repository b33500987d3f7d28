/* SPDX-License-Identifier: GPL-3.0-or-later */

/* moss net: the files on /net, beside what any program does with them. */

#include "cli.h"
#include "names.h"
#include "table.h"
#include "text.h"

#include "vfs/files/status.h"

#include <glib/gi18n.h>
#include <string.h>

typedef struct
{
  gboolean json, off;
} Options;

/* Absolute, by its name alone: to look at it could take long. */
static char *
make_path (const char *word)
{
  g_autofree char *absolute = g_canonicalize_filename (word, NULL);

  return g_utf8_make_valid (absolute, -1);
}

/* cause: where the call left its error. */
static gboolean
finish (gboolean done, GError **cause, GError **error)
{
  return done ? TRUE : moss_cli_fail (error, MOSS_CLI_NET, *cause);
}

/* ---- status -------------------------------------------------------------------------- */

static void
print_hosts (GVariant *status)
{
  g_autoptr (GVariant) hosts =
      g_variant_lookup_value (status, "hosts", G_VARIANT_TYPE ("aa{sv}"));

  for (gsize i = 0; hosts != NULL && i < g_variant_n_children (hosts); i++)
    {
      g_autoptr (GVariant) host = g_variant_get_child_value (hosts, i);
      g_autofree char *line = moss_files_host_line (host);

      g_print ("%s\n", line);
    }
}

static void
print_latest (GVariant *status)
{
  g_autoptr (GVariant) latest =
      g_variant_lookup_value (status, "latest", G_VARIANT_TYPE ("a(ssx)"));

  for (gsize i = 0; latest != NULL && i < g_variant_n_children (latest); i++)
    {
      const char *path, *what;
      gint64 time_us;
      g_autofree char *line = NULL;
      g_autofree char *time = NULL;

      g_variant_get_child (latest, i, "(&s&sx)", &path, &what, &time_us);
      line = moss_files_latest_line (path, what);
      time = moss_text_time (time_us);
      g_print ("  %s  %s\n", time, line);
    }
}

static void
print_status (MossDBusFiles1 *files, GVariant *status)
{
  const MossFilesView view = { moss_dbus_files1_get_mount_state (files),
                               moss_dbus_files1_get_mount_reason (files), status };
  const char *home = moss_dbus_files1_get_home (files);
  g_autofree char *clean = moss_text_clean (home);
  g_autofree char *title = moss_files_view_title (&view);
  g_autofree char *detail = moss_files_view_detail (&view);

  if (strcmp (view.mount_state, "none") == 0)
    moss_cli_say (_ ("Make an identity with “moss identity create NAME”, or join one with “moss "
                     "device pair”."));
  if (*home != '\0')
    g_print ("%s\n", clean);
  g_print (*detail != '\0' ? "%s. %s\n" : "%s\n", title, detail);
  print_hosts (status);
  print_latest (status);
}

static GVariant *
make_json_status (MossDBusFiles1 *files, GVariant *status)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, status);
  g_variant_dict_insert (&dict, "home", "s", moss_dbus_files1_get_home (files));
  g_variant_dict_insert (&dict, "mount-state", "s", moss_dbus_files1_get_mount_state (files));
  g_variant_dict_insert (&dict, "mount-reason", "s", moss_dbus_files1_get_mount_reason (files));
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

static gboolean
net_status (MossDBusFiles1 *files, GStrv args, const Options *options, GError **error)
{
  g_autoptr (GVariant) status = NULL;
  g_autoptr (GVariant) json = NULL;
  GError *cause = NULL;

  if (!moss_dbus_files1_call_status_sync (files, &status, NULL, &cause))
    return moss_cli_fail (error, MOSS_CLI_NET, cause);
  if (options->json)
    {
      json = make_json_status (files, status);
      moss_cli_print_json (json);
    }
  else
    print_status (files, status);
  return TRUE;
}

/* ---- conflicts ----------------------------------------------------------------------- */

static void
print_conflicts (GVariant *list)
{
  const char *const columns[] = { _ ("FILE"), _ ("DEVICE"), _ ("TIME"), _ ("OTHER"), NULL };
  g_autoptr (MossTable) table = moss_table_new (columns);

  for (gsize i = 0; i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) conflict = g_variant_get_child_value (list, i);
      g_autofree char *time = moss_text_time (moss_files_get_number (conflict, "time"));

      moss_table_add (table, moss_dict_string (conflict, "path"));
      moss_table_add (table, moss_dict_string (conflict, "device"));
      moss_table_add (table, time);
      moss_table_add (table, moss_dict_string (conflict, "other"));
    }
  moss_table_print (table);
}

static gboolean
net_conflicts (MossDBusFiles1 *files, GStrv args, const Options *options, GError **error)
{
  g_autoptr (GVariant) list = NULL;
  GError *cause = NULL;

  if (!moss_dbus_files1_call_conflicts_sync (files, &list, NULL, &cause))
    return moss_cli_fail (error, MOSS_CLI_NET, cause);
  if (options->json)
    moss_cli_print_json (list);
  else if (g_variant_n_children (list) == 0)
    moss_cli_say (_ ("No file has two versions."));
  else
    print_conflicts (list);
  return TRUE;
}

static gboolean
net_resolve (MossDBusFiles1 *files, GStrv args, const Options *options, GError **error)
{
  static const char *const choices[] = { "mine", "theirs", "both", NULL };
  g_autofree char *path = make_path (args[0]);
  GError *cause = NULL;

  if (!g_strv_contains (choices, args[1]))
    {
      g_set_error_literal (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_USAGE,
                           _ ("net resolve: say which one to keep: mine, theirs or both"));
      return FALSE;
    }
  return finish (moss_dbus_files1_call_resolve_sync (files, path, args[1], NULL, &cause), &cause,
                 error);
}

/* ---- versions ------------------------------------------------------------------------ */

static void
print_versions (GVariant *list)
{
  const char *const columns[] = { _ (">VERSION"), _ ("TIME"), _ (">SIZE"), _ ("DEVICE"),
                                  _ (">HOSTS"), _ ("PATH"), NULL };
  g_autoptr (MossTable) table = moss_table_new (columns);

  for (gsize i = 0; i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) version = g_variant_get_child_value (list, i);
      g_autofree char *number = g_strdup_printf (
          "%" G_GUINT64_FORMAT, moss_files_get_number (version, "version"));
      g_autofree char *time = moss_text_time (moss_files_get_number (version, "time"));
      g_autofree char *size = g_format_size (moss_files_get_number (version, "size"));
      g_autofree char *hosts = g_strdup_printf (
          "%" G_GUINT64_FORMAT, moss_files_get_number (version, "hosts"));

      moss_table_add (table, number);
      moss_table_add (table, time);
      moss_table_add (table, size);
      moss_table_add (table, moss_dict_string (version, "device"));
      moss_table_add (table, hosts);
      moss_table_add (table, moss_dict_string (version, "path"));
    }
  moss_table_print (table);
}

static gboolean
net_versions (MossDBusFiles1 *files, GStrv args, const Options *options, GError **error)
{
  g_autofree char *path = make_path (args[0]);
  g_autoptr (GVariant) list = NULL;
  GError *cause = NULL;

  if (!moss_dbus_files1_call_versions_sync (files, path, &list, NULL, &cause))
    return moss_cli_fail (error, MOSS_CLI_NET, cause);
  if (options->json)
    moss_cli_print_json (list);
  else
    print_versions (list);
  return TRUE;
}

static gboolean
net_restore (MossDBusFiles1 *files, GStrv args, const Options *options, GError **error)
{
  g_autofree char *path = make_path (args[0]);
  GError *cause = NULL;
  guint64 version;

  if (!g_ascii_string_to_unsigned (args[1], 10, 0, G_MAXUINT64, &version, NULL))
    {
      g_set_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_USAGE,
                   _ ("net restore: a version is a number. List them with: moss net versions "
                      "%s"), args[0]);
      return FALSE;
    }
  return finish (moss_dbus_files1_call_restore_sync (files, path, version, NULL, &cause), &cause,
                 error);
}

/* ---- the rest ------------------------------------------------------------------------ */

static gboolean
net_keep (MossDBusFiles1 *files, GStrv args, const Options *options, GError **error)
{
  for (guint i = 0; args[i] != NULL; i++)
    {
      g_autofree char *path = make_path (args[i]);
      GError *cause = NULL;

      if (!moss_dbus_files1_call_pin_sync (files, path, !options->off, NULL, &cause))
        return moss_cli_fail (error, MOSS_CLI_NET, cause);
    }
  return TRUE;
}

static gboolean
net_pause (MossDBusFiles1 *files, GStrv args, const Options *options, GError **error)
{
  GError *cause = NULL;

  return finish (moss_dbus_files1_call_pause_sync (files, !options->off, NULL, &cause), &cause,
                 error);
}

static gboolean
net_send (MossDBusFiles1 *files, GStrv args, const Options *options, GError **error)
{
  g_autofree char *path = make_path (args[0]);
  g_autoptr (GVariant) device = moss_cli_find_device (args[1], error);
  GError *cause = NULL;

  if (device == NULL)
    return FALSE;
  return finish (moss_dbus_files1_call_send_to_sync (
                     files, path, moss_dict_string (device, "id"), NULL, &cause),
                 &cause, error);
}

static const struct
{
  const char *name;
  int min, max;
  gboolean (*run) (MossDBusFiles1 *files, GStrv args, const Options *options, GError **error);
} actions[] = {
  { "status", 0, 0, net_status },     { "conflicts", 0, 0, net_conflicts },
  { "resolve", 2, 2, net_resolve },   { "versions", 1, 1, net_versions },
  { "restore", 2, 2, net_restore },   { "keep", 1, G_MAXINT, net_keep },
  { "pause", 0, 0, net_pause },       { "send", 2, 2, net_send },
};

static gboolean
run_action (const char *name, GStrv args, const Options *options, GError **error)
{
  int n = (int) g_strv_length (args);
  MossDBusFiles1 *files;

  for (guint i = 0; i < G_N_ELEMENTS (actions); i++)
    if (strcmp (name, actions[i].name) == 0 && n >= actions[i].min && n <= actions[i].max)
      {
        files = moss_cli_get_files (error);
        return files != NULL && actions[i].run (files, args, options, error);
      }
  g_set_error_literal (
      error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_USAGE,
      _ ("net: it is used as “moss net status”, “moss net conflicts”, “moss net resolve FILE "
         "mine|theirs|both”, “moss net versions FILE”, “moss net restore FILE VERSION”, “moss "
         "net keep [--off] FILE…”, “moss net pause [--off]” or “moss net send FILE DEVICE”"));
  return FALSE;
}

gboolean
moss_verb_net (MossCall *call, GError **error)
{
  Options options = { 0 };
  const GOptionEntry entries[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &options.json, N_ ("Print JSON"), NULL },
    { "off", 0, 0, G_OPTION_ARG_NONE, &options.off, N_ ("Keep or pause no longer"), NULL },
    { NULL }
  };
  char *none[] = { NULL };

  if (!moss_cli_parse (call, entries, MOSS_CLI_PARSE_PLAIN, 0, -1, error))
    return FALSE;
  if (call->args[0] == NULL)
    return run_action ("status", none, &options, error);
  return run_action (call->args[0], call->args + 1, &options, error);
}
