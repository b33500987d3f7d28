/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The second phase of a move, and what is made up for after crashes and cuts. Both ends. */
#define G_LOG_DOMAIN "moss-session"

#include "moves.h"

#include "arrival.h"
#include "core/fault.h"
#include "imaging.h"
#include "parcel.h"
#include "session/move/move-error.h"

#include <glib/gi18n.h>
#include <string.h>

#define TIMEOUT_MS 20000
#define SETTLE_MS 400 /* a frozen app has drawn its first pictures by then */

gboolean
moss_move_advance (MossManager *manager, const char *move, MossMoveEvent event, guint *actions,
                   GError **error)
{
  g_autoptr (MossMoveRow) row = moss_state_find_move (manager->state, move);
  MossMoveStep step = { FALSE };

  if (row != NULL)
    step = moss_move_step (row->state, event);
  if (!step.allowed)
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_FAILED,
                   "This move is “%s” here: that can't happen to it now",
                   row ? moss_move_state_name (row->state) : "unknown");
      return FALSE;
    }
  if ((step.next != row->state || step.durable)
      && !moss_state_write_move (manager->state, move, step.next, step.durable, error))
    return FALSE;
  if (actions != NULL)
    *actions = step.actions;
  return TRUE;
}

static void
kill_here (MossManager *manager, const char *id)
{
  g_autoptr (GError) error = NULL;

  if ((!moss_helper_do (manager->helper, "Kill", id, &error)
       || !moss_helper_do (manager->helper, "Remove", id, &error))
      && !g_error_matches (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_NOT_FOUND))
    g_message ("Removing %s: %s", id, error->message);
}

static GVariant *
tell (MossManager *manager, const char *move, const char *method, const char *device,
      GError **error)
{
  return moss_net_call (manager->net, device, method,
                        g_variant_new_parsed ("{'move': <%s>}", move), TIMEOUT_MS, error);
}

GVariant *
moss_move_tell_released (MossManager *manager, const char *move, const char *id,
                         const char *device, GError **error)
{
  g_autoptr (GVariant) answer = tell (manager, move, "move.released", device, error);
  gboolean alive = FALSE;

  if (answer == NULL)
    return NULL;
  g_variant_lookup (answer, "alive", "b", &alive);
  if (!alive)
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_FAILED,
                   _("it could not be started there yet"));
      return NULL;
    }
  if (!moss_move_advance (manager, move, MOSS_MOVE_EVENT_ALIVE, NULL, error))
    return NULL;
  moss_registry_set (manager->registry, id, "state", g_variant_new_string ("away"), "device",
                     g_variant_new_string (device), "progress", g_variant_new_double (0), "text",
                     g_variant_new_string (""), NULL);
  moss_fault ("move.source.away");
  kill_here (manager, id);
  return g_steal_pointer (&answer);
}

/* ---- the target ---------------------------------------------------------------------- */

/* Takes what nobody has here any more off the list, or back to where it was. */
static void
show_gone (MossManager *manager, const char *id, const char *device)
{
  g_autofree char *origin = moss_registry_get_string (manager->registry, id, "origin");
  g_autofree char *self = moss_net_self_id (manager->net);

  if (*self != '\0' && g_str_equal (origin, self))
    moss_registry_set (manager->registry, id, "state", g_variant_new_string ("away"), "device",
                       g_variant_new_string (device), "progress", g_variant_new_double (0), "text",
                       g_variant_new_string (""), NULL);
  else
    moss_registry_remove (manager->registry, id);
}

void
moss_move_drop (MossManager *manager, const char *move, MossMoveEvent event)
{
  g_autoptr (MossMoveRow) row = moss_state_find_move (manager->state, move);
  g_autoptr (GCancellable) claim = NULL;
  guint actions = 0;

  if (row == NULL)
    return;
  claim = moss_registry_claim (manager->registry, row->sandbox, TRUE, NULL);
  if (moss_move_advance (manager, move, event, &actions, NULL)
      && (actions & MOSS_MOVE_ACTION_KILL))
    {
      kill_here (manager, row->sandbox);
      show_gone (manager, row->sandbox, row->peer);
    }
  moss_arrival_forget (manager, move);
  moss_registry_release (manager->registry, row->sandbox);
}

/* Its snapshot's manifest; when a crash took the envelope, the source still has it. */
static MossManifest *
load_moving (MossManager *manager, MossMoveRow *row, GError **error)
{
  g_autoptr (GBytes) bytes = NULL;

  if (row->envelope == NULL)
    {
      g_autoptr (GVariant) answer = tell (manager, row->move, "move.status", row->peer, error);
      g_autoptr (GVariant) envelope = NULL;

      if (answer == NULL)
        return NULL;
      envelope = g_variant_lookup_value (answer, "envelope", NULL);
      if (envelope == NULL)
        {
          g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_NOT_FOUND,
                       _("its snapshot is lost on both devices"));
          return NULL;
        }
      row->envelope = moss_parcel_open (manager, envelope, row->peer, error);
      if (row->envelope == NULL)
        return NULL;
      moss_state_keep_envelope (manager->state, row->move, row->envelope, NULL);
    }
  bytes = moss_net_open (manager->net, row->peer, row->envelope, error);
  return bytes == NULL ? NULL : moss_manifest_decode (bytes, error);
}

static gboolean
restore_again (MossManager *manager, MossMoveRow *row, GError **error)
{
  g_autoptr (MossManifest) manifest = load_moving (manager, row, error);
  g_autoptr (MossShelf) shelf = moss_shelf_new ();
  g_autoptr (MossFiles) files = NULL;

  if (manifest == NULL || !moss_shelf_fetch (shelf, manager, manifest, row->peer, NULL, error))
    return FALSE;
  kill_here (manager, row->sandbox);
  files = moss_files_assemble (manifest, shelf, NULL, error);
  return files != NULL
         && moss_files_restore (files, manager, row->sandbox, manifest, NULL, error);
}

/* As a rule it stands there frozen; only after a crash it has to be made once more. */
static gboolean
make_run (MossManager *manager, MossMoveRow *row, gint64 *thawed_us, GError **error)
{
  if (!moss_helper_do (manager->helper, "Thaw", row->sandbox, NULL))
    {
      if (!restore_again (manager, row, error)
          || !moss_helper_do (manager->helper, "Thaw", row->sandbox, error))
        return FALSE;
    }
  *thawed_us = g_get_monotonic_time ();
  return TRUE;
}

static void
show_running (MossManager *manager, MossMoveRow *row, MossArrival *arrival)
{
  static const char *const copied[] = { "app", "name", "icon", "argv", "network", "geometry",
                                        "origin" };

  for (guint i = 0; arrival != NULL && arrival->manifest != NULL && i < G_N_ELEMENTS (copied);
       i++)
    {
      g_autoptr (GVariant) value
          = g_variant_dict_lookup_value (arrival->manifest->about, copied[i], NULL);

      if (value != NULL)
        moss_registry_set (manager->registry, row->sandbox, copied[i], value, NULL);
    }
  {
    g_autofree char *origin
        = moss_registry_get_string (manager->registry, row->sandbox, "origin");
    g_autofree char *self = moss_net_self_id (manager->net);

    if (g_str_equal (origin, self)) /* home again */
      moss_registry_set (manager->registry, row->sandbox, "origin", g_variant_new_string (""),
                         NULL);
  }
  moss_registry_set (manager->registry, row->sandbox, "state", g_variant_new_string ("running"),
                     "device", g_variant_new_string (""), "progress", g_variant_new_double (1),
                     "text", g_variant_new_string (""), NULL);
}

typedef struct
{
  char *move;
  MossArrival *arrival;
} Arrived;

/* The app draws its first picture here: what is only for the next move comes after it. */
static void
keep_arrived (MossManager *manager, gpointer data)
{
  Arrived *arrived = data;
  g_autoptr (MossMoveRow) row = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *snapshot = NULL;

  g_usleep (SETTLE_MS * 1000);
  row = moss_state_find_move (manager->state, arrived->move);
  if (row != NULL && row->envelope != NULL)
    snapshot = moss_snapshot_keep (manager, row->envelope, arrived->arrival->manifest, 0,
                                   &error);
  if (error != NULL)
    g_message ("The snapshot that arrived is not kept: %s", error->message);
  moss_arrival_free (arrived->arrival);
  g_free (arrived->move);
  g_free (arrived);
}

static gboolean
own (MossManager *manager, MossMoveRow *row, GVariant **answer, GError **error)
{
  MossArrival *arrival = moss_arrival_find (manager, row->move);
  guint actions = 0;
  gint64 thawed_us = 0;

  if (!moss_move_advance (manager, row->move, MOSS_MOVE_EVENT_RELEASED, &actions, error)
      || !moss_fault_error ("move.target.owned", error))
    return FALSE;
  if (actions & MOSS_MOVE_ACTION_THAW)
    {
      if (!make_run (manager, row, &thawed_us, error))
        return FALSE;
      show_running (manager, row, arrival);
      moss_fault ("move.target.thawed");
      if (!moss_move_advance (manager, row->move, MOSS_MOVE_EVENT_THAWED, NULL, error))
        return FALSE;
      if (arrival != NULL && arrival->manifest != NULL)
        {
          Arrived *arrived = g_new0 (Arrived, 1);

          arrived->move = g_strdup (row->move);
          arrived->arrival = moss_arrival_steal (manager, row->move);
          moss_manager_spawn (manager, "keep-arrived", keep_arrived, arrived);
        }
      else
        moss_arrival_forget (manager, row->move);
    }
  if (answer != NULL)
    *answer = g_variant_new_parsed ("{'alive': <true>, 'thawed-at-us': <%x>, 'boot': <%s>}",
                                    thawed_us, manager->boot_id);
  return TRUE;
}

gboolean
moss_move_own (MossManager *manager, const char *move, GVariant **answer, GError **error)
{
  g_autoptr (MossMoveRow) row = moss_state_find_move (manager->state, move);
  g_autoptr (GCancellable) claim = NULL;
  gboolean ok;

  if (row == NULL)
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_NOT_FOUND,
                   _("The other device knows nothing of this move"));
      return FALSE;
    }
  claim = moss_registry_claim (manager->registry, row->sandbox, TRUE, NULL);
  ok = own (manager, row, answer, error);
  moss_registry_release (manager->registry, row->sandbox);
  return ok;
}

/* ---- recovery ------------------------------------------------------------------------ */

static void
set_on_its_way (MossManager *manager, const MossMoveRow *row, gboolean to_there)
{
  g_autofree char *device = moss_net_device_name (manager->net, row->peer);
  g_autofree char *text = NULL;

  text = g_strdup_printf (to_there
                             ? _("On its way to %s. It goes on as soon as both are connected.")
                             : _("On its way from %s. It comes as soon as both are connected."),
                          device);
  moss_registry_set (manager->registry, row->sandbox, "state",
                     g_variant_new_string ("on-its-way"), "device",
                     g_variant_new_string (row->peer), "text", g_variant_new_string (text), NULL);
}

/* Unless it went on while we asked in vain: the other side may have got through to us. */
static void
show_on_its_way (MossManager *manager, const MossMoveRow *row, gboolean to_there)
{
  g_autoptr (GCancellable) claim
      = moss_registry_claim (manager->registry, row->sandbox, TRUE, NULL);
  g_autoptr (MossMoveRow) now = moss_state_last_move (manager->state, row->sandbox);

  if (now != NULL && g_str_equal (now->move, row->move) && !moss_move_state_is_final (now->state)
      && moss_registry_has (manager->registry, row->sandbox))
    set_on_its_way (manager, row, to_there);
  moss_registry_release (manager->registry, row->sandbox);
}

static void
ask_source (MossManager *manager, MossMoveRow *row)
{
  g_autoptr (GVariant) answer = tell (manager, row->move, "move.status", row->peer, NULL);
  const char *state = "moving";

  if (answer == NULL)
    {
      show_on_its_way (manager, row, FALSE);
      return;
    }
  g_variant_lookup (answer, "state", "&s", &state);
  if (g_str_equal (state, "released"))
    moss_move_own (manager, row->move, NULL, NULL);
  else if (g_str_equal (state, "aborted"))
    moss_move_drop (manager, row->move, MOSS_MOVE_EVENT_ABORTED);
}

/* It stays here after all. */
static void
show_kept (MossManager *manager, const char *id)
{
  if (!moss_registry_is (manager->registry, id, "leaving")
      && !moss_registry_is (manager->registry, id, "frozen"))
    return;
  moss_registry_set (manager->registry, id, "state", g_variant_new_string ("running"), "progress",
                     g_variant_new_double (0), "text", g_variant_new_string (""), "device",
                     g_variant_new_string (""), NULL);
}

static void
act (MossManager *manager, MossMoveRow *row, guint actions, gboolean there)
{
  g_autoptr (GError) error = NULL;

  if (actions & MOSS_MOVE_ACTION_RESTORE)
    {
      if (!moss_move_own (manager, row->move, NULL, &error))
        g_message ("%s can't be started yet: %s", row->sandbox, error->message);
      return;
    }
  if ((actions & MOSS_MOVE_ACTION_THAW) && there
      && moss_helper_do (manager->helper, "Thaw", row->sandbox, NULL))
    show_kept (manager, row->sandbox); /* telling the target may take a while */
  if ((actions & MOSS_MOVE_ACTION_KILL) && there)
    kill_here (manager, row->sandbox);
  if (actions & MOSS_MOVE_ACTION_TELL_ABORTED)
    g_variant_unref (tell (manager, row->move, "move.abort", row->peer, NULL)
                         ?: g_variant_ref_sink (g_variant_new ("()")));
  if (actions & MOSS_MOVE_ACTION_TELL_RELEASED)
    {
      g_autoptr (GVariant) answer = moss_move_tell_released (manager, row->move, row->sandbox,
                                                             row->peer, &error);

      if (answer == NULL)
        show_on_its_way (manager, row, TRUE);
    }
  if (actions & MOSS_MOVE_ACTION_ASK)
    ask_source (manager, row);
}

void
moss_recover (MossManager *manager, const char *device)
{
  g_autoptr (GPtrArray) rows = moss_state_last_moves (manager->state);

  for (guint i = 0; i < rows->len; i++)
    {
      MossMoveRow *row = rows->pdata[i];
      gboolean start = device == NULL;
      g_autofree char *state = NULL;
      guint actions = 0;

      /* While this session runs, a thread of its own is at a move that is being prepared. */
      if (!start
          && (moss_move_state_is_final (row->state) || row->state <= MOSS_MOVE_FROZEN
              || (*device != '\0' && !g_str_equal (device, row->peer))
              || moss_registry_is_claimed (manager->registry, row->sandbox)))
        continue;
      if (start)
        state = moss_helper_state (manager->helper, row->sandbox, NULL);
      if (moss_move_advance (manager, row->move, MOSS_MOVE_EVENT_START, &actions, NULL))
        act (manager, row, actions, state != NULL);
    }
}
