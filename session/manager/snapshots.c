/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Snapshots on one device: save, go back, log out and in again. */
#define G_LOG_DOMAIN "moss-session"

#include "life.h"

#include "core/fault.h"
#include "imaging.h"
#include "session/move/move-error.h"

#include <glib/gi18n.h>

/* The sandbox is claimed. On success it is frozen when stay_frozen is set, else it runs. */
static char *
take (MossManager *manager, const char *id, const char *kind, const char *label,
      gboolean stay_frozen, GError **error)
{
  g_autoptr (MossTaking) taking = moss_taking_begin (manager, id, "");
  g_autoptr (MossManifest) manifest = moss_manifest_new ();
  g_autoptr (GBytes) envelope = NULL;
  g_autoptr (GVariant) none = g_variant_ref_sink (g_variant_new_parsed ("@aay []"));
  char *snapshot = NULL;
  MossStages stages;

  if (!moss_taking_copy_ahead (taking, none, NULL, error))
    return NULL;
  moss_taking_describe (taking, manifest, kind, label, "");
  moss_stages_begin (&stages);
  if (moss_taking_dump (taking, none, &stages, error))
    {
      /* All of it is in our hands: what follows need not keep the app waiting. */
      if (!stay_frozen)
        moss_helper_do (manager->helper, "Thaw", id, NULL);
      if (moss_fault_error ("snapshot.dumped", error))
        envelope = moss_taking_finish (taking, manifest, &stages, error);
      if (envelope != NULL)
        snapshot = moss_snapshot_keep (manager, envelope, manifest, taking->stored_bytes, error);
      if (snapshot == NULL && stay_frozen)
        moss_helper_do (manager->helper, "Thaw", id, NULL);
    }
  g_variant_builder_clear (&stages.builder);
  return snapshot;
}

static gboolean
check_running (MossManager *manager, const char *id, GError **error)
{
  g_autofree char *name = NULL;

  if (moss_registry_is (manager->registry, id, "running"))
    return TRUE;
  name = moss_manager_app_name (manager, id);
  g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_NOT_FOUND,
               _("%s can't be saved: it does not run here"), name);
  return FALSE;
}

char *
moss_snapshot_take (MossManager *manager, const char *id, const char *kind, const char *label,
                    GError **error)
{
  g_autoptr (GCancellable) claim = moss_registry_claim (manager->registry, id, FALSE, error);
  char *snapshot = NULL;

  if (claim == NULL)
    return NULL;
  if (check_running (manager, id, error))
    snapshot = take (manager, id, kind, label, FALSE, error);
  moss_registry_release (manager->registry, id);
  return snapshot;
}

static void
show_restored (MossManager *manager, const char *id, const MossManifest *manifest)
{
  static const char *const copied[] = { "app", "name", "icon", "argv", "network", "geometry",
                                        "picture" };

  for (guint i = 0; i < G_N_ELEMENTS (copied); i++)
    {
      g_autoptr (GVariant) value = g_variant_dict_lookup_value (manifest->about, copied[i], NULL);

      if (value != NULL)
        moss_registry_set (manager->registry, id, copied[i], value, NULL);
    }
  moss_registry_set (manager->registry, id, "state", g_variant_new_string ("running"), "device",
                     g_variant_new_string (""), "text", g_variant_new_string (""), "progress",
                     g_variant_new_double (0), "files", g_variant_new_uint32 (0), NULL);
}

/* Everything is fetched, checked and put together before the old one is touched. */
static gboolean
restore_as (MossManager *manager, const MossSnapshotRow *row, const char *id, gboolean replace,
            GError **error)
{
  g_autoptr (MossManifest) manifest = moss_snapshot_load (manager, row, error);
  g_autoptr (MossShelf) shelf = moss_shelf_new ();
  g_autoptr (MossFiles) files = NULL;

  if (manifest == NULL || !moss_shelf_fetch (shelf, manager, manifest, "", NULL, error))
    return FALSE;
  files = moss_files_assemble (manifest, shelf, NULL, error);
  if (files == NULL)
    return FALSE;
  if (replace)
    {
      moss_helper_do (manager->helper, "Kill", id, NULL);
      moss_helper_do (manager->helper, "Remove", id, NULL);
    }
  if (!moss_files_restore (files, manager, id, manifest, NULL, error))
    return FALSE;
  if (!moss_helper_do (manager->helper, "Thaw", id, error))
    return FALSE;
  show_restored (manager, id, manifest);
  return TRUE;
}

static gboolean
go_back (MossManager *manager, const MossSnapshotRow *row, const char *id, GError **error)
{
  g_autofree char *undo = NULL;
  gboolean ran = moss_registry_is (manager->registry, id, "running");

  if (moss_registry_is (manager->registry, id, "away"))
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_BUSY,
                   _("It runs on another device: bring it back first, or open a copy"));
      return FALSE;
    }
  if (ran)
    {
      undo = take (manager, id, "undo", "", TRUE, error);
      if (undo == NULL)
        return FALSE;
    }
  moss_registry_set (manager->registry, id, "state", g_variant_new_string ("starting"), NULL);
  if (restore_as (manager, row, id, TRUE, error))
    return TRUE;
  moss_registry_set (manager->registry, id, "state", g_variant_new_string ("stored"), NULL);
  if (undo != NULL)
    {
      g_autoptr (MossSnapshotRow) before = moss_state_find_snapshot (manager->state, undo);

      if (before != NULL)
        restore_as (manager, before, id, TRUE, NULL);
    }
  return FALSE;
}

static gboolean
open_copy (MossManager *manager, const MossSnapshotRow *row, const char *id, GError **error)
{
  moss_registry_set (manager->registry, id, "state", g_variant_new_string ("starting"), NULL);
  if (restore_as (manager, row, id, FALSE, error))
    return TRUE;
  moss_helper_do (manager->helper, "Remove", id, NULL);
  moss_registry_remove (manager->registry, id);
  return FALSE;
}

char *
moss_snapshot_restore (MossManager *manager, const char *snapshot, gboolean copy, GError **error)
{
  g_autoptr (MossSnapshotRow) row = moss_state_find_snapshot (manager->state, snapshot);
  g_autoptr (GCancellable) claim = NULL;
  g_autofree char *id = NULL;
  gboolean ok;

  if (row == NULL)
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_NOT_FOUND,
                   _("There is no snapshot %s here"), snapshot);
      return NULL;
    }
  id = copy ? g_uuid_string_random () : g_strdup (row->sandbox);
  claim = moss_registry_claim (manager->registry, id, FALSE, error);
  if (claim == NULL)
    return NULL;
  ok = copy ? open_copy (manager, row, id, error) : go_back (manager, row, id, error);
  moss_registry_release (manager->registry, id);
  return ok ? g_steal_pointer (&id) : NULL;
}

/* It may end at any time by itself, also while it is being saved; its end is told later. */
static gboolean
has_ended (MossManager *manager, const char *id)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *now = moss_helper_state (manager->helper, id, &error);

  return error == NULL && (now == NULL || g_str_equal (now, "dead"));
}

static gboolean
save_and_end (MossManager *manager, const char *id, GError **error)
{
  g_autofree char *name = moss_manager_app_name (manager, id);
  g_autofree char *snapshot = NULL;
  g_autoptr (GCancellable) claim = moss_registry_claim (manager->registry, id, TRUE, error);
  g_autoptr (GError) local = NULL;

  if (moss_registry_is (manager->registry, id, "running"))
    snapshot = take (manager, id, "logout", "", TRUE, &local);
  if (local != NULL && !has_ended (manager, id))
    {
      g_propagate_prefixed_error (error, g_steal_pointer (&local),
                                  _("%s can't be saved, so you are not logged out: "), name);
      moss_registry_release (manager->registry, id);
      return FALSE;
    }
  if (snapshot != NULL)
    {
      moss_registry_set (manager->registry, id, "state", g_variant_new_string ("stored"), "text",
                         g_variant_new_string (""), "wakes", g_variant_new_boolean (TRUE), NULL);
      moss_helper_do (manager->helper, "Kill", id, NULL);
      moss_helper_do (manager->helper, "Remove", id, NULL);
    }
  moss_registry_release (manager->registry, id);
  return TRUE;
}

gboolean
moss_logout (MossManager *manager, GError **error)
{
  g_auto (GStrv) ids = moss_registry_ids (manager->registry);

  manager->logging_out = TRUE;
  for (guint i = 0; ids[i] != NULL; i++)
    if (!save_and_end (manager, ids[i], error))
      {
        manager->logging_out = FALSE;
        moss_login (manager);
        return FALSE;
      }
  return TRUE;
}

static void
wake (MossManager *manager, const char *id)
{
  g_autoptr (GPtrArray) rows = moss_state_snapshots (manager->state, id);
  g_autofree char *name = moss_manager_app_name (manager, id);
  g_autoptr (GError) error = NULL;
  g_autofree char *woken = NULL;

  for (guint i = 0; i < rows->len && woken == NULL && error == NULL; i++)
    {
      const MossSnapshotRow *row = rows->pdata[i];

      if (g_str_equal (row->kind, "logout"))
        woken = moss_snapshot_restore (manager, row->snapshot, FALSE, &error);
    }
  moss_registry_set (manager->registry, id, "wakes", g_variant_new_boolean (FALSE), NULL);
  if (woken != NULL)
    return;
  moss_registry_set (manager->registry, id, "text",
                     g_variant_new_string (error ? error->message : ""), NULL);
  moss_manager_notice (manager, id, "warning", "", _("%s could not be brought back: %s"), name,
                       error ? error->message : _("its snapshot is gone"));
}

void
moss_login (MossManager *manager)
{
  g_auto (GStrv) ids = moss_registry_ids (manager->registry);

  for (guint i = 0; ids[i] != NULL; i++)
    if (moss_registry_is (manager->registry, ids[i], "stored")
        && moss_registry_get_boolean (manager->registry, ids[i], "wakes"))
      wake (manager, ids[i]);
}
