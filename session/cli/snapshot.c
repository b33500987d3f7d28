/* SPDX-License-Identifier: GPL-3.0-or-later */

/* moss snapshot, snapshots and restore: versions of an app. */

#include "cli.h"
#include "names.h"
#include "table.h"
#include "text.h"

#include <glib/gi18n.h>
#include <string.h>

gboolean
moss_verb_snapshot (MossCall *call, GError **error)
{
  g_autoptr (GVariant) sandbox = NULL;
  g_autofree char *snapshot = NULL;
  g_autofree char *label = NULL;
  GError *cause = NULL;

  if (!moss_cli_parse (call, NULL, MOSS_CLI_PARSE_PLAIN, 1, 2, error))
    return FALSE;
  sandbox = moss_cli_find_sandbox (call->args[0], MOSS_PREFER_HERE, error);
  if (sandbox == NULL)
    return FALSE;
  label = g_utf8_make_valid (call->args[1] != NULL ? call->args[1] : "", -1);
  if (!moss_dbus_session1_call_snapshot_sync (moss_cli_get_session (NULL),
                                              moss_dict_string (sandbox, "id"), label,
                                              &snapshot, NULL, &cause))
    return moss_cli_fail (error, MOSS_CLI_SESSION, cause);
  g_print ("%s\n", snapshot);
  return TRUE;
}

/* ---- the list ------------------------------------------------------------------------ */

static const char *
say_kind (const char *kind)
{
  if (strcmp (kind, "manual") == 0)
    return _ ("saved");
  if (strcmp (kind, "move") == 0)
    return _ ("moved");
  if (strcmp (kind, "undo") == 0)
    return _ ("before going back");
  return strcmp (kind, "logout") == 0 ? _ ("logout") : kind;
}

static void
add_row (MossTable *table, GVariant *snapshot)
{
  g_autofree char *id = moss_text_short_id (moss_dict_string (snapshot, "snapshot"));
  g_autofree char *app = moss_names_call_sandbox (snapshot);
  g_autofree char *time = moss_text_time ((gint64) moss_dict_number (snapshot, "time", 0));
  g_autofree char *bytes
      = g_format_size ((guint64) moss_dict_number (snapshot, "bytes", 0));
  g_autofree char *added
      = g_format_size ((guint64) moss_dict_number (snapshot, "new-bytes", 0));

  moss_table_add (table, id);
  moss_table_add (table, app);
  moss_table_add (table, time);
  moss_table_add (table, bytes);
  moss_table_add (table, added);
  moss_table_add (table, say_kind (moss_dict_string (snapshot, "kind")));
  moss_table_add (table, moss_dict_string (snapshot, "label"));
}

static void
print_table (GVariant *list)
{
  const char *const columns[] = { _ ("SNAPSHOT"), _ ("APP"), _ ("TIME"), _ (">SIZE"),
                                  _ (">NEW"), _ ("WHY"), _ ("LABEL"), NULL };
  g_autoptr (MossTable) table = moss_table_new (columns);

  for (gsize i = 0; i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) snapshot = g_variant_get_child_value (list, i);

      add_row (table, snapshot);
    }
  moss_table_print (table);
}

static gboolean
delete_snapshots (GStrv words, GError **error)
{
  g_autoptr (GVariant) list = moss_cli_list_snapshots (NULL, error);

  for (int i = 0; list != NULL && words[i] != NULL; i++)
    {
      g_autoptr (GVariant) snapshot = moss_names_find_snapshot (list, words[i], error);
      GError *cause = NULL;

      if (snapshot == NULL)
        return FALSE;
      if (!moss_dbus_session1_call_delete_snapshot_sync (
              moss_cli_get_session (NULL), moss_dict_string (snapshot, "snapshot"), NULL,
              &cause))
        return moss_cli_fail (error, MOSS_CLI_SESSION, cause);
    }
  return list != NULL;
}

static GVariant *
list_of (const char *word, GError **error)
{
  g_autoptr (GVariant) sandbox = NULL;
  g_autoptr (GVariant) list = NULL;
  g_autoptr (GVariant) found = NULL;
  g_autoptr (GError) unknown = NULL;

  if (word != NULL)
    sandbox = moss_cli_find_sandbox (word, MOSS_PREFER_LIVE, &unknown);
  list = moss_cli_list_snapshots (sandbox != NULL ? moss_dict_string (sandbox, "id") : NULL,
                                  error);
  if (word == NULL || sandbox != NULL || list == NULL)
    return g_steal_pointer (&list);
  found = moss_names_find_snapshots (list, word); /* an app's snapshots outlive it */
  if (g_variant_n_children (found) > 0)
    return g_steal_pointer (&found);
  g_propagate_error (error, g_steal_pointer (&unknown));
  return NULL;
}

gboolean
moss_verb_snapshots (MossCall *call, GError **error)
{
  gboolean json = FALSE;
  g_auto (GStrv) unwanted = NULL;
  const GOptionEntry entries[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, N_ ("Print one JSON array"), NULL },
    { "delete", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &unwanted,
      N_ ("Delete this snapshot; may be given several times"), N_ ("SNAPSHOT") },
    { NULL }
  };
  g_autoptr (GVariant) list = NULL;

  if (!moss_cli_parse (call, entries, MOSS_CLI_PARSE_PLAIN, 0, 1, error))
    return FALSE;
  if (unwanted != NULL)
    return delete_snapshots (unwanted, error);
  list = list_of (call->args[0], error);
  if (list == NULL)
    return FALSE;
  if (json)
    moss_cli_print_json (list);
  else if (g_variant_n_children (list) == 0)
    moss_cli_say (_ ("There is no snapshot yet. Save one with: moss snapshot APP"));
  else
    print_table (list);
  return TRUE;
}

/* ---- going back ---------------------------------------------------------------------- */

static GVariant *
find_newest (const char *sandbox, GError **error)
{
  g_autoptr (GVariant) list = moss_cli_list_snapshots (sandbox, error);
  g_autoptr (GVariant) newest = NULL;

  for (gsize i = 0; list != NULL && i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) other = g_variant_get_child_value (list, i);

      if (newest != NULL
          && moss_dict_number (other, "time", 0) <= moss_dict_number (newest, "time", 0))
        continue;
      g_clear_pointer (&newest, g_variant_unref);
      newest = g_variant_ref (other);
    }
  if (newest == NULL && list != NULL)
    g_set_error_literal (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_NOT_FOUND,
                         _ ("there is no snapshot of this app yet. Save one with: moss "
                            "snapshot APP"));
  return g_steal_pointer (&newest);
}

/* A snapshot, or an app, which may be gone, and with that its newest one. */
static GVariant *
find_snapshot (const char *word, GError **error)
{
  g_autoptr (GVariant) list = moss_cli_list_snapshots (NULL, error);
  g_autoptr (GVariant) sandbox = NULL;
  g_autoptr (GError) unknown = NULL;
  g_autoptr (GError) several = NULL;
  GVariant *snapshot;

  if (list == NULL)
    return NULL;
  snapshot = moss_names_find_snapshot (list, word, &unknown);
  if (snapshot != NULL)
    return snapshot;
  sandbox = moss_cli_find_sandbox (word, MOSS_PREFER_LIVE, NULL);
  if (sandbox != NULL)
    return find_newest (moss_dict_string (sandbox, "id"), error);
  snapshot = moss_names_find_newest (list, word, &several);
  if (snapshot == NULL)
    g_propagate_error (error, several != NULL ? g_steal_pointer (&several)
                                              : g_steal_pointer (&unknown));
  return snapshot;
}

gboolean
moss_verb_restore (MossCall *call, GError **error)
{
  gboolean copy = FALSE;
  const GOptionEntry entries[] = {
    { "copy", 'c', 0, G_OPTION_ARG_NONE, &copy,
      N_ ("Open it as a new app beside the one there is"), NULL },
    { NULL }
  };
  g_autoptr (GVariant) snapshot = NULL;
  g_autofree char *id = NULL;
  GError *cause = NULL;

  if (!moss_cli_parse (call, entries, MOSS_CLI_PARSE_PLAIN, 1, 1, error))
    return FALSE;
  snapshot = find_snapshot (call->args[0], error);
  if (snapshot == NULL)
    return FALSE;
  if (!moss_dbus_session1_call_restore_sync (moss_cli_get_session (NULL),
                                             moss_dict_string (snapshot, "snapshot"), copy,
                                             &id, NULL, &cause))
    return moss_cli_fail (error, MOSS_CLI_SESSION, cause);
  g_print ("%s\n", id);
  return TRUE;
}
