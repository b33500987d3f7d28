/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "names.h"
#include "text.h"

#include <glib/gi18n.h>
#include <string.h>

#define MAX_CANDIDATES 10

static gboolean
is_same (const char *a, const char *b)
{
  g_autofree char *folded_a = g_utf8_casefold (a, -1);
  g_autofree char *folded_b = g_utf8_casefold (b, -1);

  return a[0] != '\0' && strcmp (folded_a, folded_b) == 0;
}

static gboolean
is_id_prefix (const char *id, const char *word)
{
  g_autofree char *lower = g_ascii_strdown (word, -1);

  return strlen (word) >= MOSS_NAMES_MIN_PREFIX && g_str_has_prefix (id, lower);
}

char *
moss_names_call_app (GVariant *sandbox)
{
  g_autofree char *app = moss_text_clean (moss_dict_string (sandbox, "app"));

  if (g_str_has_suffix (app, ".desktop"))
    app[strlen (app) - strlen (".desktop")] = '\0';
  return g_steal_pointer (&app);
}

char *
moss_names_call_sandbox (GVariant *sandbox)
{
  g_autofree char *name = moss_text_clean (moss_dict_string (sandbox, "name"));
  g_autofree char *app = moss_names_call_app (sandbox);

  if (name[0] != '\0')
    return g_steal_pointer (&name);
  return app[0] != '\0' ? g_steal_pointer (&app)
                        : moss_text_short_id (moss_dict_string (sandbox, "id"));
}

char *
moss_names_call_device (GVariant *list, const char *id)
{
  for (gsize i = 0; list != NULL && i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) device = g_variant_get_child_value (list, i);

      if (strcmp (moss_dict_string (device, "id"), id) == 0
          && moss_dict_string (device, "name")[0] != '\0')
        return moss_text_clean (moss_dict_string (device, "name"));
    }
  return moss_text_short_id (id);
}

/* ---- matching ------------------------------------------------------------------------ */

typedef gboolean (*Match) (GVariant *member, const char *word, int data);

/* Members of the list that match, each referenced. */
static GPtrArray *
filter (GPtrArray *list, Match match, const char *word, int data)
{
  GPtrArray *found = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);

  for (guint i = 0; i < list->len; i++)
    if (match (list->pdata[i], word, data))
      g_ptr_array_add (found, g_variant_ref (list->pdata[i]));
  return found;
}

static GPtrArray *
get_members (GVariant *list)
{
  GPtrArray *members = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);

  for (gsize i = 0; i < g_variant_n_children (list); i++)
    g_ptr_array_add (members, g_variant_get_child_value (list, i));
  return members;
}

static gboolean
match_id (GVariant *member, const char *word, int key)
{
  return g_ascii_strcasecmp (moss_dict_string (member, key == 's' ? "snapshot" : "id"), word)
         == 0;
}

static gboolean
match_prefix (GVariant *member, const char *word, int key)
{
  return is_id_prefix (moss_dict_string (member, key == 's' ? "snapshot" : "id"), word);
}

static gboolean
match_app (GVariant *member, const char *word, int unused)
{
  g_autofree char *app = moss_names_call_app (member);

  return is_same (moss_dict_string (member, "name"), word) || is_same (app, word)
         || is_same (moss_dict_string (member, "app"), word);
}

static gboolean
match_name (GVariant *member, const char *word, int unused)
{
  return is_same (moss_dict_string (member, "name"), word);
}

static gboolean
match_label (GVariant *member, const char *word, int unused)
{
  return is_same (moss_dict_string (member, "label"), word);
}

static gboolean
match_state (GVariant *member, const char *unused, int prefer)
{
  const char *state = moss_dict_string (member, "state");

  switch ((MossPrefer) prefer)
    {
    case MOSS_PREFER_HERE:
      return strcmp (state, "running") == 0 || strcmp (state, "frozen") == 0;
    case MOSS_PREFER_GONE:
      return strcmp (state, "away") == 0 || strcmp (state, "on-its-way") == 0;
    case MOSS_PREFER_ENDED:
      return strcmp (state, "ended") == 0;
    case MOSS_PREFER_LIVE:
    default:
      return strcmp (state, "ended") != 0;
    }
}

static gboolean
match_paired (GVariant *member, const char *unused, int paired)
{
  gboolean is_paired = TRUE;

  g_variant_lookup (member, "paired", "b", &is_paired);
  return is_paired == paired;
}

/* ---- saying -------------------------------------------------------------------------- */

typedef char *(*Name) (GVariant *member);

static char *
join_names (GPtrArray *members, Name name, const char *separator)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < members->len && i < MAX_CANDIDATES; i++)
    {
      g_autofree char *one = name (members->pdata[i]);

      g_string_append_printf (text, "%s%s", i > 0 ? separator : "", one);
    }
  if (members->len > MAX_CANDIDATES)
    g_string_append (text, " …");
  return g_string_free (text, FALSE);
}

static char *
name_device (GVariant *device)
{
  g_autofree char *name = moss_text_clean (moss_dict_string (device, "name"));

  return name[0] != '\0' ? g_steal_pointer (&name)
                         : moss_text_short_id (moss_dict_string (device, "id"));
}

static char *
line_device (GVariant *device)
{
  g_autofree char *name = name_device (device);
  g_autofree char *id = moss_text_clean (moss_dict_string (device, "id"));

  return g_strdup_printf ("  %.16s  %s", id, name);
}

static char *
name_id (GVariant *sandbox)
{
  g_autofree char *name = moss_names_call_app (sandbox);
  g_autofree char *id = moss_text_short_id (moss_dict_string (sandbox, "id"));

  return g_strdup_printf ("%s (%s)", name, id);
}

static char *
line_sandbox (GVariant *sandbox)
{
  g_autofree char *name = moss_names_call_sandbox (sandbox);
  g_autofree char *id = moss_text_clean (moss_dict_string (sandbox, "id"));
  g_autofree char *text = moss_text_clean (moss_dict_string (sandbox, "text"));
  g_autofree char *state = moss_text_clean (moss_dict_string (sandbox, "state"));

  return g_strdup_printf ("  %s  %s, %s", id, name, text[0] != '\0' ? text : state);
}

static char *
line_snapshot (GVariant *snapshot)
{
  g_autofree char *id = moss_text_clean (moss_dict_string (snapshot, "snapshot"));
  g_autofree char *name = moss_names_call_sandbox (snapshot);
  g_autofree char *time = moss_text_time (moss_dict_number (snapshot, "time", 0));

  return g_strdup_printf ("  %s  %s, %s", id, name, time);
}

static GVariant *
fail_ambiguous (GPtrArray *found, const char *word, Name line, GError **error)
{
  g_autofree char *clean = moss_text_clean (word);
  g_autofree char *lines = join_names (found, line, "\n");

  g_set_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_NOT_FOUND,
               _ ("'%s' can mean %u things. Say which one by the first letters of its "
                  "id:\n%s"), clean, found->len, lines);
  return NULL;
}

/* The only member that is found, or one of the two reasons why there is none; takes found. */
static GVariant *
take_only (GPtrArray *found, const char *word, Name line, GError **error)
{
  g_autoptr (GPtrArray) owned = found;

  if (owned->len == 1)
    return g_variant_ref (owned->pdata[0]);
  return fail_ambiguous (owned, word, line, error);
}

/* ---- sandboxes ----------------------------------------------------------------------- */

static GVariant *
fail_no_sandbox (GPtrArray *all, const char *word, GError **error)
{
  g_autoptr (GPtrArray) live = filter (all, match_state, NULL, MOSS_PREFER_LIVE);
  g_autofree char *clean = moss_text_clean (word);
  g_autofree char *names = join_names (live, name_id, ", ");

  if (live->len == 0)
    g_set_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_NOT_FOUND,
                 _ ("no app is called '%s'; none is running. Start one with: moss run PROGRAM"),
                 clean);
  else
    g_set_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_NOT_FOUND,
                 _ ("no app is called '%s'. There are: %s. See them all with: moss ps"), clean,
                 names);
  return NULL;
}

/* Of several of one name, those in the state that the verb is about; takes found. */
static GPtrArray *
narrow (GPtrArray *found, MossPrefer prefer)
{
  g_autoptr (GPtrArray) all = found;
  g_autoptr (GPtrArray) preferred = filter (all, match_state, NULL, prefer);
  g_autoptr (GPtrArray) live = filter (all, match_state, NULL, MOSS_PREFER_LIVE);

  if (preferred->len == 1)
    return g_steal_pointer (&preferred);
  return live->len == 1 ? g_steal_pointer (&live) : g_steal_pointer (&all);
}

GVariant *
moss_names_find_sandbox (GVariant *list, const char *word, MossPrefer prefer, GError **error)
{
  g_autoptr (GPtrArray) all = get_members (list);
  GPtrArray *found = filter (all, match_id, word, 'i');

  if (found->len == 0)
    {
      g_ptr_array_unref (found);
      found = narrow (filter (all, match_app, word, 0), prefer);
    }
  if (found->len == 0)
    {
      g_ptr_array_unref (found);
      found = filter (all, match_prefix, word, 'i');
    }
  if (found->len > 0)
    return take_only (found, word, line_sandbox, error);
  g_ptr_array_unref (found);
  return fail_no_sandbox (all, word, error);
}

/* ---- devices ------------------------------------------------------------------------- */

static GVariant *
fail_no_device (GPtrArray *paired, GPtrArray *seen, const char *word, GError **error)
{
  g_autoptr (GPtrArray) strangers = filter (seen, match_name, word, 0);
  g_autofree char *clean = moss_text_clean (word);
  g_autofree char *names = join_names (paired, name_device, ", ");

  if (strangers->len > 0)
    g_set_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_NOT_FOUND,
                 _ ("'%s' is on this network, but not one of your devices yet. Run “moss device "
                    "pair” there, and here, with the code that it shows: moss device pair "
                    "WHERE CODE"), clean);
  else if (paired->len == 0)
    g_set_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_NOT_FOUND,
                 _ ("no device is called '%s'; none is known yet. Add one with: moss device "
                    "pair"), clean);
  else
    g_set_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_NOT_FOUND,
                 _ ("no device is called '%s'. Known: %s. Add one with: moss device pair"),
                 clean, names);
  return NULL;
}

/* A name before an id: a device that calls itself like the start of another's id loses, because
 * it has to be called exactly so, and ids are what a person falls back to. */
GVariant *
moss_names_find_device (GVariant *list, const char *word, GError **error)
{
  g_autoptr (GPtrArray) all = get_members (list);
  g_autoptr (GPtrArray) paired = filter (all, match_paired, NULL, TRUE);
  g_autoptr (GPtrArray) seen = filter (all, match_paired, NULL, FALSE);
  const Match matches[] = { match_id, match_name, match_prefix };

  for (guint i = 0; i < G_N_ELEMENTS (matches); i++)
    {
      GPtrArray *found = filter (paired, matches[i], word, 'i');

      if (found->len > 0)
        return take_only (found, word, line_device, error);
      g_ptr_array_unref (found);
    }
  return fail_no_device (paired, seen, word, error);
}

/* ---- snapshots ----------------------------------------------------------------------- */

GVariant *
moss_names_find_snapshot (GVariant *list, const char *word, GError **error)
{
  g_autoptr (GPtrArray) all = get_members (list);
  const Match matches[] = { match_id, match_label, match_prefix };
  g_autofree char *clean = moss_text_clean (word);

  for (guint i = 0; i < G_N_ELEMENTS (matches); i++)
    {
      GPtrArray *found = filter (all, matches[i], word, 's');

      if (found->len > 0)
        return take_only (found, word, line_snapshot, error);
      g_ptr_array_unref (found);
    }
  g_set_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_NOT_FOUND,
               _ ("no snapshot is called '%s'. See what there is with: moss snapshots"), clean);
  return NULL;
}

GVariant *
moss_names_find_snapshots (GVariant *list, const char *app)
{
  g_autoptr (GPtrArray) all = get_members (list);
  g_autoptr (GPtrArray) found = filter (all, match_app, app, 0);

  return g_variant_ref_sink (g_variant_new_array (G_VARIANT_TYPE_VARDICT,
                                                  (GVariant **) found->pdata, found->len));
}

GVariant *
moss_names_find_newest (GVariant *list, const char *app, GError **error)
{
  g_autoptr (GVariant) snapshots = moss_names_find_snapshots (list, app);
  g_autoptr (GPtrArray) found = get_members (snapshots);
  GVariant *newest = found->len > 0 ? found->pdata[0] : NULL;

  for (guint i = 0; i < found->len; i++)
    {
      if (strcmp (moss_dict_string (found->pdata[i], "id"), moss_dict_string (newest, "id")) != 0)
        return fail_ambiguous (found, app, line_snapshot, error);
      if (moss_dict_number (found->pdata[i], "time", 0) > moss_dict_number (newest, "time", 0))
        newest = found->pdata[i];
    }
  return newest != NULL ? g_variant_ref (newest) : NULL;
}

/* ---- with the list fetched ----------------------------------------------------------- */

GVariant *
moss_cli_find_sandbox (const char *word, MossPrefer prefer, GError **error)
{
  g_autoptr (GVariant) list = moss_cli_list_sandboxes (error);

  return list != NULL ? moss_names_find_sandbox (list, word, prefer, error) : NULL;
}

GVariant *
moss_cli_find_device (const char *word, GError **error)
{
  g_autoptr (GVariant) list = moss_cli_list_devices (error);

  return list != NULL ? moss_names_find_device (list, word, error) : NULL;
}
