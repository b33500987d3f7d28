/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Starting and ending sandboxes, and what stays of them. */
#define G_LOG_DOMAIN "moss-session"

#include "life.h"

#include "desktop.h"
#include "imaging.h"
#include "moves.h"
#include "session/move/move-error.h"

#include <glib/gi18n.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_FILES 256

static gboolean
add_file (MossManager *manager, const char *id, MossLaunch *launch, guint n, GVariant *name,
          GUnixFDList *fds, gint32 handle, GError **error)
{
  g_autoptr (GUnixFDList) out = g_unix_fd_list_new ();
  g_autoptr (GVariant) reply = NULL, path = NULL;
  int fd = moss_helper_take_fd (fds, handle, error);

  if (fd < 0)
    return FALSE;
  g_unix_fd_list_append (out, fd, NULL);
  close (fd);
  reply = moss_helper_call (manager->helper, "WriteFile",
                            g_variant_new ("(s@ayh)", id, name, 0), "(ay)", out, NULL, error);
  if (reply == NULL)
    return FALSE;
  path = g_variant_get_child_value (reply, 0);
  g_ptr_array_insert (launch->argv, launch->files_at + n,
                      g_strdup (g_variant_get_bytestring (path)));
  return TRUE;
}

/* "Open with": the files stand in the app's home before it starts, and become its arguments. */
static gboolean
add_files (MossManager *manager, const char *id, MossLaunch *launch, GVariant *files,
           GUnixFDList *fds, GError **error)
{
  gsize n = g_variant_n_children (files);

  if (n > MAX_FILES)
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_FULL,
                   _("%s can't open %zu files at once"), launch->name, n);
      return FALSE;
    }
  for (gsize i = 0; i < n; i++)
    {
      g_autoptr (GVariant) name = NULL;
      gint32 handle;

      g_variant_get_child (files, i, "(@ayh)", &name, &handle);
      if (!add_file (manager, id, launch, i, name, fds, handle, error))
        return FALSE;
    }
  return TRUE;
}

static void
add_locale (GVariantBuilder *env)
{
  static const char *const names[] = { "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LC_TIME",
                                       "LC_NUMERIC", "LC_MESSAGES", "LC_MONETARY" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      const char *value = g_getenv (names[i]);

      if (value != NULL && *value != '\0')
        {
          g_autofree char *assignment = g_strconcat (names[i], "=", value, NULL);

          g_variant_builder_add (env, "s", assignment);
        }
    }
}

static GVariant *
create_options (MossLaunch *launch, GVariant *options)
{
  GVariantBuilder builder, env, argv;
  g_autoptr (GVariant) cwd = g_variant_lookup_value (options, "cwd", G_VARIANT_TYPE ("ay"));
  g_autoptr (GVariant) own_env = g_variant_lookup_value (options, "env", G_VARIANT_TYPE ("as"));
  g_autofree char *name = g_utf8_substring (launch->name, 0,
                                            MIN (g_utf8_strlen (launch->name, -1), 64));
  gboolean network = FALSE, x11 = FALSE;

  g_variant_lookup (options, "network", "b", &network);
  g_variant_lookup (options, "x11", "b", &x11);
  g_variant_builder_init (&argv, G_VARIANT_TYPE ("aay"));
  for (guint i = 0; i < launch->argv->len; i++)
    g_variant_builder_add_value (&argv, g_variant_new_bytestring (launch->argv->pdata[i]));
  g_variant_builder_init (&env, G_VARIANT_TYPE ("as"));
  if (own_env == NULL || g_variant_n_children (own_env) == 0)
    add_locale (&env);
  for (gsize i = 0; own_env != NULL && i < g_variant_n_children (own_env); i++)
    g_variant_builder_add_value (&env, g_variant_get_child_value (own_env, i));
  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&builder, "{sv}", "argv", g_variant_builder_end (&argv));
  g_variant_builder_add (&builder, "{sv}", "env", g_variant_builder_end (&env));
  g_variant_builder_add (&builder, "{sv}", "name", g_variant_new_string (name));
  g_variant_builder_add (&builder, "{sv}", "network", g_variant_new_boolean (network));
  g_variant_builder_add (&builder, "{sv}", "x11", g_variant_new_boolean (x11));
  if (cwd != NULL)
    g_variant_builder_add (&builder, "{sv}", "cwd", cwd);
  return g_variant_builder_end (&builder);
}

static void
show_started (MossManager *manager, const char *id, MossLaunch *launch, GVariant *options)
{
  GVariantBuilder argv;
  gboolean network = FALSE;

  g_variant_lookup (options, "network", "b", &network);
  g_variant_builder_init (&argv, G_VARIANT_TYPE ("aay"));
  for (guint i = 0; i < launch->argv->len; i++)
    g_variant_builder_add_value (&argv, g_variant_new_bytestring (launch->argv->pdata[i]));
  moss_registry_set (manager->registry, id, "app", g_variant_new_string (launch->app), "name",
                     g_variant_new_string (launch->name), "icon",
                     g_variant_new_string (launch->icon), "argv", g_variant_builder_end (&argv),
                     "network", g_variant_new_boolean (network), "state",
                     g_variant_new_string ("starting"), NULL);
}

static void
freshen (MossManager *manager, gpointer data)
{
  g_autofree char *id = data;

  moss_settings_apply (manager, id, NULL);
  g_usleep (2 * G_USEC_PER_SEC);
  moss_preflight_refresh (manager, id);
}

/* Takes what sandboxd said. */
static void
fail_to_start (MossLaunch *launch, GError *from, GError **error)
{
  if (g_error_matches (from, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_NOT_FOUND))
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_NOT_FOUND,
                   _("There is no app “%s” on this computer"), (char *) launch->argv->pdata[0]);
      g_error_free (from);
      return;
    }
  g_propagate_prefixed_error (error, from, _("%s can't be started: "), launch->name);
}

char *
moss_run (MossManager *manager, const char *what, const char *const *arguments, GVariant *files,
          GUnixFDList *fds, GVariant *options, GError **error)
{
  g_autoptr (MossLaunch) launch = moss_launch_find (what, arguments, error);
  g_autofree char *id = g_uuid_string_random ();
  g_autoptr (GVariant) reply = NULL;
  GError *local = NULL;

  if (launch == NULL)
    return NULL;
  if (!add_files (manager, id, launch, files, fds, error))
    {
      moss_helper_do (manager->helper, "Remove", id, NULL);
      return NULL;
    }
  show_started (manager, id, launch, options);
  reply = moss_helper_call (manager->helper, "Create",
                            g_variant_new ("(s@a{sv})", id, create_options (launch, options)),
                            "()", NULL, NULL, &local);
  if (reply == NULL)
    {
      fail_to_start (launch, local, error);
      moss_registry_remove (manager->registry, id);
      moss_helper_do (manager->helper, "Remove", id, NULL);
      return NULL;
    }
  if (moss_registry_is (manager->registry, id, "starting"))
    moss_registry_set (manager->registry, id, "state", g_variant_new_string ("running"), NULL);
  moss_manager_spawn (manager, "freshen", freshen, g_strdup (id));
  return g_steal_pointer (&id);
}

/* How many files it leaves in its home; 0 also when that can't be known. */
static guint
count_files (MossManager *manager, const char *id)
{
  g_autoptr (GVariant) reply = moss_helper_call (
      manager->helper, "ListFiles", g_variant_new ("(s)", id), "(aa{sv})", NULL, NULL, NULL);
  g_autoptr (GVariant) list = NULL;

  if (reply == NULL)
    return 0;
  list = g_variant_get_child_value (reply, 0);
  return g_variant_n_children (list);
}

/* It ended: what it saved in its home is not thrown away silently. */
static void
settle_ended (MossManager *manager, const char *id)
{
  guint n = count_files (manager, id);
  g_autofree char *name = moss_manager_app_name (manager, id);
  g_autofree char *origin = moss_registry_get_string (manager->registry, id, "origin");
  g_autofree char *text = NULL;

  if (n == 0)
    {
      moss_helper_do (manager->helper, "Remove", id, NULL);
      moss_registry_remove (manager->registry, id);
      moss_whereabouts_tell (manager, id, origin);
      return;
    }
  text = g_strdup_printf (ngettext ("Holds %u file", "Holds %u files", n), n);
  moss_registry_set (manager->registry, id, "state", g_variant_new_string ("ended"), "files",
                     g_variant_new_uint32 (n), "text", g_variant_new_string (text), NULL);
  moss_whereabouts_tell (manager, id, origin);
  moss_manager_notice (manager, id, "info", "save-out",
                       ngettext ("%s was closed. It holds %u file that is nowhere else.",
                                 "%s was closed. It holds %u files that are nowhere else.", n),
                       name, n);
}

static char *
clock_text (gint64 time_us)
{
  g_autoptr (GDateTime) then = g_date_time_new_from_unix_local (time_us / G_USEC_PER_SEC);
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();

  if (then == NULL)
    return g_strdup ("?");
  if (g_date_time_get_year (then) == g_date_time_get_year (now)
      && g_date_time_get_day_of_year (then) == g_date_time_get_day_of_year (now))
    return g_date_time_format (then, "%H:%M");
  return g_date_time_format (then, "%x %H:%M");
}

void
moss_life_lost (MossManager *manager, const char *id)
{
  g_autoptr (GPtrArray) rows = moss_state_snapshots (manager->state, id);
  g_autofree char *name = moss_manager_app_name (manager, id);
  g_autofree char *origin = moss_registry_get_string (manager->registry, id, "origin");
  g_autofree char *when = NULL, *text = NULL;

  if (rows->len == 0)
    {
      moss_manager_notice (manager, id, "warning", "", _("%s stopped unexpectedly."), name);
      settle_ended (manager, id);
      return;
    }
  when = clock_text (((MossSnapshotRow *) rows->pdata[0])->time_us);
  text = g_strdup_printf (_("Stopped unexpectedly. It can go on as it was at %s."), when);
  moss_registry_set (manager->registry, id, "state", g_variant_new_string ("stored"), "text",
                     g_variant_new_string (text), "files",
                     g_variant_new_uint32 (count_files (manager, id)), NULL);
  moss_whereabouts_tell (manager, id, origin);
  moss_manager_notice (manager, id, "warning", "",
                       _("%s stopped unexpectedly. It can go on as it was at %s."), name, when);
}

typedef struct
{
  char *id;
  int status;
} Exited;

static void
on_exited_in_thread (MossManager *manager, gpointer data)
{
  Exited *exited = data;
  g_autoptr (GCancellable) claim
      = moss_registry_claim (manager->registry, exited->id, TRUE, NULL);
  g_autofree char *state = moss_registry_get_string (manager->registry, exited->id, "state");
  g_autofree char *now = moss_helper_state (manager->helper, exited->id, NULL);

  /* Ended by a move, a restore or a logout: not news; and it may live again by now. */
  if (g_strcmp0 (now, "running") != 0 && g_strcmp0 (now, "frozen") != 0
      && (g_str_equal (state, "running") || g_str_equal (state, "starting")
          || g_str_equal (state, "frozen") || g_str_equal (state, "leaving")))
    {
      if (WIFSIGNALED (exited->status) && WTERMSIG (exited->status) != SIGTERM
          && WTERMSIG (exited->status) != SIGHUP
          && !moss_registry_get_boolean (manager->registry, exited->id, "closing"))
        moss_life_lost (manager, exited->id);
      else
        settle_ended (manager, exited->id);
    }
  moss_registry_release (manager->registry, exited->id);
  g_free (exited->id);
  g_free (exited);
}

void
moss_life_on_exited (MossManager *manager, const char *id, int status)
{
  Exited *exited;

  if (!moss_registry_has (manager->registry, id))
    return;
  exited = g_new0 (Exited, 1);
  exited->id = g_strdup (id);
  exited->status = status;
  moss_manager_spawn (manager, "exited", on_exited_in_thread, exited);
}

gboolean
moss_close (MossManager *manager, const char *id, gboolean force, GError **error)
{
  g_autofree char *name = moss_manager_app_name (manager, id);

  if (!moss_registry_has (manager->registry, id))
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_NOT_FOUND,
                   _("There is no sandbox %s here"), id);
      return FALSE;
    }
  if (moss_registry_is (manager->registry, id, "ended")
      || moss_registry_is (manager->registry, id, "stored"))
    return TRUE;
  if (!moss_registry_is (manager->registry, id, "running"))
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_BUSY,
                   _("%s can't be closed: it does not run here now"), name);
      return FALSE;
    }
  if (!force && moss_display_close_all (manager, id, NULL))
    return TRUE;
  moss_registry_set (manager->registry, id, "closing", g_variant_new_boolean (TRUE), NULL);
  return moss_helper_do (manager->helper, "Kill", id, error);
}

gboolean
moss_discard (MossManager *manager, const char *id, GError **error)
{
  g_autoptr (GPtrArray) rows = NULL;
  g_autofree char *state = moss_registry_get_string (manager->registry, id, "state");
  g_autofree char *origin = moss_registry_get_string (manager->registry, id, "origin");

  if (!g_str_equal (state, "ended") && !g_str_equal (state, "stored")
      && !g_str_equal (state, "away"))
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_BUSY,
                   _("It still runs: close it first"));
      return FALSE;
    }
  if (!g_str_equal (state, "away"))
    {
      moss_helper_do (manager->helper, "Kill", id, NULL);
      if (!moss_helper_do (manager->helper, "Remove", id, error))
        return FALSE;
    }
  rows = moss_state_snapshots (manager->state, id);
  for (guint i = 0; i < rows->len; i++)
    if (!g_str_equal (((MossSnapshotRow *) rows->pdata[i])->kind, "manual"))
      moss_snapshot_forget (manager, rows->pdata[i]);
  moss_registry_remove (manager->registry, id);
  moss_whereabouts_tell (manager, id, origin);
  return TRUE;
}

/* Whether a move has the last word on it: then only moss_recover() may touch it. */
static gboolean
is_moving (MossManager *manager, const char *id)
{
  g_autoptr (MossMoveRow) row = moss_state_last_move (manager->state, id);

  return row != NULL && row->state != MOSS_MOVE_KEPT && row->state != MOSS_MOVE_RUNNING;
}

static void
reconcile_one (MossManager *manager, const char *id, GHashTable *there)
{
  g_autofree char *state = moss_registry_get_string (manager->registry, id, "state");
  const char *real = g_hash_table_lookup (there, id);
  gboolean lives = g_strcmp0 (real, "running") == 0 || g_strcmp0 (real, "frozen") == 0;
  static const char *const own[] = { "starting", "running", "frozen", "leaving", NULL };

  if (!g_strv_contains (own, state) || moss_registry_is_claimed (manager->registry, id)
      || is_moving (manager, id))
    return;
  if (!lives)
    {
      moss_life_lost (manager, id);
      return;
    }
  /* Nothing of this session is at it: a frozen one was left so by a crash. */
  if (g_str_equal (real, "frozen"))
    moss_helper_do (manager->helper, "Thaw", id, NULL);
  moss_registry_set (manager->registry, id, "state", g_variant_new_string ("running"),
                     "progress", g_variant_new_double (0), "text", g_variant_new_string (""),
                     NULL);
}

/* What went to another device, or was dropped, while sandboxd could not be told. */
static void
clear_leftover (MossManager *manager, const char *id)
{
  g_autoptr (MossMoveRow) row = NULL;
  g_autoptr (GCancellable) claim = moss_registry_claim (manager->registry, id, FALSE, NULL);

  if (claim == NULL)
    return;
  row = moss_state_last_move (manager->state, id);
  if (row != NULL && (row->state == MOSS_MOVE_AWAY || row->state == MOSS_MOVE_DROPPED)
      && moss_helper_do (manager->helper, "Kill", id, NULL))
    moss_helper_do (manager->helper, "Remove", id, NULL);
  moss_registry_release (manager->registry, id);
}

void
moss_life_reconcile (MossManager *manager)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = moss_helper_call (
      manager->helper, "List", g_variant_new ("()"), "(aa{sv})", NULL, NULL, &error);
  g_autoptr (GVariant) list = NULL;
  g_autoptr (GHashTable) there = g_hash_table_new (g_str_hash, g_str_equal);
  g_auto (GStrv) ids = moss_registry_ids (manager->registry);

  if (reply == NULL)
    {
      g_message ("%s", error->message);
      return;
    }
  list = g_variant_get_child_value (reply, 0);
  for (gsize i = 0; i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) sandbox = g_variant_get_child_value (list, i);
      const char *id = NULL, *state = "dead";

      g_variant_lookup (sandbox, "state", "&s", &state);
      if (!g_variant_lookup (sandbox, "id", "&s", &id))
        continue;
      g_hash_table_insert (there, (gpointer) id, (gpointer) state);
      clear_leftover (manager, id);
    }
  for (guint i = 0; ids[i] != NULL; i++)
    reconcile_one (manager, ids[i], there);
}
