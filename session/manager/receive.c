/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Policy: everything here was said by another device. It is known (its link is pinned), but what
 * it says is checked like a stranger's: ids are ids, a message about a move must come from the
 * device that began it, a manifest is used only after its signature held and it names the same
 * move and sandbox. Images and layers are checked again by sandboxd before root acts on them.
 *
 * The target's end of a move, up to "restored". */
#define G_LOG_DOMAIN "moss-session"

#include "moves.h"

#include "arrival.h"
#include "core/fault.h"
#include "cpu.h"
#include "imaging.h"
#include "parcel.h"
#include "session/move/move-error.h"

#include <glib/gi18n.h>
#include <string.h>

#define SPARE_BYTES (64u << 20)        /* of its disk that must stay free */
#define MAX_APP_BYTES (G_GUINT64_CONSTANT (1) << 40)
#define MAX_SPARE_BYTES (1u << 30)

void
moss_arrival_free (MossArrival *arrival)
{
  moss_shelf_free (arrival->shelf);
  moss_ready_clear (&arrival->ready);
  g_clear_pointer (&arrival->manifest, moss_manifest_free);
  g_free (arrival->id);
  g_free (arrival->device);
  g_free (arrival);
}

MossArrival *
moss_arrival_find (MossManager *manager, const char *move)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&manager->lock);

  return g_hash_table_lookup (manager->arrivals, move);
}

MossArrival *
moss_arrival_steal (MossManager *manager, const char *move)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&manager->lock);
  gpointer key = NULL, arrival = NULL;

  g_hash_table_steal_extended (manager->arrivals, move, &key, &arrival);
  g_free (key);
  return arrival;
}

void
moss_arrival_forget (MossManager *manager, const char *move)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&manager->lock);

  g_hash_table_remove (manager->arrivals, move);
}

static gboolean
bad_message (GError **error)
{
  g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_CORRUPT,
               _("The other device said something that can't be understood"));
  return FALSE;
}

static gboolean
get_id (GVariant *body, const char *key, const char **id, GError **error)
{
  return (g_variant_lookup (body, key, "&s", id) && g_uuid_string_is_valid (*id))
         || bad_message (error);
}

/* The reason why it can't come here, or NULL. */
static char *
find_obstacle (MossManager *manager, GVariant *body)
{
  g_autoptr (GVariant) features = moss_manager_features (manager, NULL);
  g_autofree const char **problems = NULL, **has = NULL, **needs = NULL;
  const char *arch = "";
  guint64 bytes = 0;
  gboolean uses_net = FALSE;

  if (features == NULL)
    return g_strdup (_("Moss's system service is not running there"));
  g_variant_lookup (features, "problems", "^a&s", &problems);
  if (problems != NULL && problems[0] != NULL)
    return g_strdup (problems[0]);
  g_variant_lookup (body, "arch", "&s", &arch);
  if (!g_str_equal (arch, moss_machine_arch ()))
    return g_strdup_printf (_("it runs on %s processors only, that device has %s"), arch,
                            moss_machine_arch ());
  g_variant_lookup (features, "cpu-features", "^a&s", &has);
  g_variant_lookup (body, "cpu-features", "^a&s", &needs);
  for (guint i = 0; needs != NULL && has != NULL && needs[i] != NULL; i++)
    if (!g_strv_contains (has, needs[i]))
      return g_strdup_printf (_("its processor can't do “%s”"), needs[i]);
  g_variant_lookup (body, "net", "b", &uses_net);
  if (uses_net && !g_atomic_int_get (&manager->apps_have_net))
    return g_strdup (_("it has /net, and that device has none"));
  g_variant_lookup (body, "bytes", "t", &bytes);
  if (bytes > MAX_APP_BYTES || moss_manager_free_disk_bytes () < bytes + SPARE_BYTES)
    return g_strdup (_("its disk is full"));
  /* Once as blocks, once as images, once as the app's own. */
  if (moss_manager_free_memory_bytes () < 3 * bytes)
    return g_strdup (_("its memory is full"));
  return NULL;
}

/* Whoever offers it has it: what an earlier move left undone here is thereby settled. */
static gboolean
settle_earlier (MossManager *manager, const char *id, GError **error)
{
  g_autoptr (MossMoveRow) row = moss_state_last_move (manager->state, id);
  guint actions = 0;

  if (row != NULL && !moss_move_state_is_final (row->state))
    {
      MossMoveEvent event = row->state == MOSS_MOVE_RELEASED ? MOSS_MOVE_EVENT_ALIVE
                                                             : MOSS_MOVE_EVENT_ABORTED;

      if (row->state == MOSS_MOVE_OWNED
          || !moss_move_advance (manager, row->move, event, &actions, error))
        {
          if (error != NULL && *error == NULL)
            g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_BUSY, _("it is there already"));
          return FALSE;
        }
      moss_arrival_forget (manager, row->move);
    }
  else if (row != NULL && (row->state == MOSS_MOVE_AWAY || row->state == MOSS_MOVE_DROPPED))
    actions = MOSS_MOVE_ACTION_KILL;
  if (actions & MOSS_MOVE_ACTION_KILL)
    {
      moss_helper_do (manager->helper, "Kill", id, NULL);
      moss_helper_do (manager->helper, "Remove", id, NULL);
    }
  return TRUE;
}

static gboolean
runs_here (MossManager *manager, const char *id)
{
  static const char *const coming[] = { "", "away", "arriving", "on-its-way", "stored", NULL };
  g_autofree char *state = moss_registry_get_string (manager->registry, id, "state");

  return !g_strv_contains (coming, state);
}

static void
show_arriving (MossManager *manager, const char *id, const char *device, GVariant *body)
{
  static const struct
  {
    const char *key, *type;
  } copied[] = { { "app", "s" },     { "name", "s" },   { "icon", "s" },
                 { "network", "b" }, { "origin", "s" }, { "picture", "ay" },
                 { "geometry", "*" } };

  for (guint i = 0; i < G_N_ELEMENTS (copied); i++)
    {
      g_autoptr (GVariant) value
          = g_variant_lookup_value (body, copied[i].key, G_VARIANT_TYPE (copied[i].type));

      if (value != NULL && g_variant_get_size (value) <= (256u << 10))
        moss_registry_set (manager->registry, id, copied[i].key, value, NULL);
    }
  moss_registry_set (manager->registry, id, "state", g_variant_new_string ("arriving"), "device",
                     g_variant_new_string (device), "progress", g_variant_new_double (0.05),
                     "text", g_variant_new_string (""), NULL);
}

static GVariant *
refuse_offer (const char *reason)
{
  return g_variant_new_parsed ("{'accept': <false>, 'reason': <%s>}", reason);
}

/* What it had when it was here last is taken out of the store while the source still reads. */
static void
load_known (MossManager *manager, gpointer data)
{
  g_autofree char *move = data;
  g_autoptr (MossMoveRow) row = moss_state_find_move (manager->state, move);
  g_autoptr (GCancellable) claim = NULL;
  g_autoptr (GPtrArray) rows = NULL;
  g_autoptr (MossManifest) last = NULL;
  MossArrival *arrival;

  if (row == NULL)
    return;
  claim = moss_registry_claim (manager->registry, row->sandbox, TRUE, NULL);
  arrival = moss_arrival_find (manager, move);
  rows = moss_state_snapshots (manager->state, row->sandbox);
  if (arrival != NULL && rows->len > 0)
    last = moss_snapshot_load (manager, rows->pdata[0], NULL);
  if (last != NULL)
    moss_shelf_fetch (arrival->shelf, manager, last, "", NULL, NULL);
  moss_registry_release (manager->registry, row->sandbox);
}

static GVariant *
accept_offer (MossManager *manager, const char *device, const char *move, const char *id,
              GVariant *body, GError **error)
{
  MossArrival *arrival;

  if (!settle_earlier (manager, id, error)
      || !moss_state_begin_move (manager->state, move, id, device, MOSS_MOVE_ARRIVING, error))
    return NULL;
  arrival = g_new0 (MossArrival, 1);
  arrival->id = g_strdup (id);
  arrival->device = g_strdup (device);
  arrival->shelf = moss_shelf_new ();
  g_mutex_lock (&manager->lock);
  g_hash_table_replace (manager->arrivals, g_strdup (move), arrival);
  g_mutex_unlock (&manager->lock);
  show_arriving (manager, id, device, body);
  moss_manager_spawn (manager, "load-known", load_known, g_strdup (move));
  moss_fault ("move.target.offered");
  return g_variant_new_parsed ("{'accept': <true>}");
}

GVariant *
moss_receive_offer (MossManager *manager, const char *device, GVariant *body, GError **error)
{
  const char *move, *id;
  g_autofree char *obstacle = NULL;
  g_autoptr (GCancellable) claim = NULL;
  GVariant *answer;

  if (!get_id (body, "move", &move, error) || !get_id (body, "id", &id, error))
    return NULL;
  obstacle = find_obstacle (manager, body);
  if (obstacle != NULL)
    return refuse_offer (obstacle);
  if (runs_here (manager, id))
    return refuse_offer (_("it is there already"));
  claim = moss_registry_claim (manager->registry, id, TRUE, error);
  answer = accept_offer (manager, device, move, id, body, error);
  moss_registry_release (manager->registry, id);
  return answer;
}

/* The arrival that a message is about, its sandbox claimed; NULL: nothing is claimed. While it is,
 * what waits for the source ends when the source says that the move came to nothing. */
static MossArrival *
claim_arrival (MossManager *manager, const char *device, GVariant *body, const char **move,
               GCancellable **claim, GError **error)
{
  g_autoptr (MossMoveRow) row = NULL;
  MossArrival *arrival;

  if (!get_id (body, "move", move, error))
    return NULL;
  row = moss_state_find_move (manager->state, *move);
  if (row != NULL && g_str_equal (row->peer, device))
    {
      *claim = moss_registry_claim (manager->registry, row->sandbox, TRUE, NULL);
      arrival = moss_arrival_find (manager, *move);
      if (arrival != NULL)
        {
          g_cancellable_push_current (*claim);
          return arrival;
        }
      moss_registry_release (manager->registry, row->sandbox);
      g_clear_object (claim);
    }
  g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_NOT_FOUND,
               _("The other device knows nothing of this move"));
  return NULL;
}

static void
release_arrival (MossManager *manager, MossArrival *arrival, GCancellable *claim)
{
  g_cancellable_pop_current (claim);
  moss_registry_release (manager->registry, arrival->id);
}

/* The manifest in a message, once all that can be said against it is not the case. */
static MossManifest *
open_manifest (MossManager *manager, const MossArrival *arrival, const char *move,
               GVariant *body, GBytes **envelope, GError **error)
{
  g_autoptr (GVariant) value = g_variant_lookup_value (body, "envelope", NULL);
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (MossManifest) manifest = NULL;

  *envelope = moss_parcel_open (manager, value, arrival->device, error);
  if (*envelope == NULL)
    return NULL;
  bytes = moss_net_open (manager->net, arrival->device, *envelope, error);
  manifest = bytes == NULL ? NULL : moss_manifest_decode (bytes, error);
  if (manifest == NULL)
    return NULL;
  if (!g_str_equal (moss_manifest_about (manifest, "id"), arrival->id)
      || !g_str_equal (moss_manifest_about (manifest, "move"), move))
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_DENIED,
                   _("The snapshot is refused: it belongs to another move"));
      return NULL;
    }
  return g_steal_pointer (&manifest);
}

/* Room for the memory where sandboxd wants it, or NULL. */
static MossSpare *
make_room (MossManager *manager, const char *id, guint64 bytes)
{
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GVariant) reply
      = moss_helper_call (manager->helper, "MakeRoom", g_variant_new ("(st)", id, bytes), "(h)",
                          NULL, &fds, NULL);
  gint32 handle;
  int fd;

  if (reply == NULL)
    return NULL;
  g_variant_get (reply, "(h)", &handle);
  fd = moss_helper_take_fd (fds, handle, NULL);
  return fd < 0 ? NULL : moss_spare_new (fd, bytes);
}

/* Everything that can be done before the app stops: its files written, room made for its memory. */
static gboolean
make_ready (MossManager *manager, MossArrival *arrival, MossManifest *manifest, GError **error)
{
  g_autoptr (MossFiles) files = moss_files_assemble (manifest, arrival->shelf, NULL, error);
  g_autoptr (GVariant) reply = NULL;
  guint64 memory = 0;

  if (files == NULL)
    return FALSE;
  reply = moss_helper_call (
      manager->helper, "Prepare",
      g_variant_new ("(shh)", arrival->id, files->layer_index, files->layer_content), "()",
      files->fds, NULL, error);
  if (reply == NULL)
    return FALSE;
  g_clear_pointer (&arrival->ready.manifest, moss_manifest_free);
  g_clear_pointer (&arrival->ready.index, g_bytes_unref);
  arrival->ready.manifest = manifest;
  arrival->ready.index = moss_files_read_index (files, NULL);
  g_variant_dict_lookup (manifest->about, "memory-bytes", "t", &memory);
  if (arrival->ready.spare == NULL && memory > 0 && memory <= MAX_SPARE_BYTES)
    arrival->ready.spare = make_room (manager, arrival->id, memory);
  return TRUE;
}

static gboolean
take_ahead (MossManager *manager, MossArrival *arrival, const char *move, GVariant *body,
            GError **error)
{
  g_autoptr (GBytes) envelope = NULL;
  g_autoptr (MossManifest) manifest
      = open_manifest (manager, arrival, move, body, &envelope, error);

  if (manifest == NULL
      || !moss_shelf_fetch (arrival->shelf, manager, manifest, arrival->device, NULL, error)
      || !moss_fault_error ("move.target.ahead", error)
      || !make_ready (manager, arrival, manifest, error))
    return FALSE;
  g_steal_pointer (&manifest); /* it is ready's */
  moss_registry_set (manager->registry, arrival->id, "progress", g_variant_new_double (0.5),
                     NULL);
  return TRUE;
}

GVariant *
moss_receive_ahead (MossManager *manager, const char *device, GVariant *body, GError **error)
{
  const char *move;
  g_autoptr (GCancellable) claim = NULL;
  MossArrival *arrival = claim_arrival (manager, device, body, &move, &claim, error);
  gboolean ok;

  if (arrival == NULL)
    return NULL;
  ok = take_ahead (manager, arrival, move, body, error);
  release_arrival (manager, arrival, claim);
  return ok ? g_variant_new_parsed ("@a{sv} {}") : NULL;
}

static gboolean
check_fits (MossManager *manager, const MossManifest *manifest, GError **error)
{
  g_autoptr (GVariant) features = moss_manager_features (manager, error);
  g_autofree const char **has = NULL;

  if (features == NULL)
    return FALSE;
  g_variant_lookup (features, "cpu-features", "^a&s", &has);
  return moss_manifest_check_machine (manifest, moss_machine_arch (), (const char *const *) has,
                                      error);
}

static gboolean
restore (MossManager *manager, const char *move, MossArrival *arrival, GVariant *body,
         MossStages *stages, GError **error)
{
  g_autoptr (GBytes) envelope = NULL;
  g_autoptr (MossManifest) manifest
      = open_manifest (manager, arrival, move, body, &envelope, error);
  g_autoptr (MossFiles) files = NULL;
  g_autoptr (GVariant) on_net
      = g_variant_lookup_value (body, "files", G_VARIANT_TYPE_VARDICT);

  if (manifest == NULL || !check_fits (manager, manifest, error))
    return FALSE;
  moss_stages_mark (stages, "there-verify");
  if (!moss_shelf_fetch (arrival->shelf, manager, manifest, arrival->device, NULL, error)
      || !moss_fault_error ("move.target.fetched", error))
    return FALSE;
  moss_stages_mark (stages, "there-fetch");
  files = moss_files_assemble (manifest, arrival->shelf, &arrival->ready, error);
  moss_stages_mark (stages, "there-assemble");
  if (on_net != NULL)
    moss_net_enter_files (manager->net, arrival->id, on_net);
  if (files == NULL || !moss_files_restore (files, manager, arrival->id, manifest, stages, error))
    return FALSE;
  moss_stages_mark (stages, "there-restore");
  if (!moss_fault_error ("move.target.restored", error)
      || !moss_state_keep_envelope (manager->state, move, envelope, error)
      || !moss_move_advance (manager, move, MOSS_MOVE_EVENT_RESTORED, NULL, error))
    return FALSE;
  arrival->manifest = g_steal_pointer (&manifest);
  /* From here on a viewer can be connected; its first picture comes with the thaw. */
  moss_registry_set (manager->registry, arrival->id, "progress", g_variant_new_double (0.9), NULL);
  return TRUE;
}

GVariant *
moss_receive_manifest (MossManager *manager, const char *device, GVariant *body, GError **error)
{
  const char *move;
  g_autoptr (GCancellable) claim = NULL;
  MossArrival *arrival = claim_arrival (manager, device, body, &move, &claim, error);
  MossStages stages;
  gboolean ok;

  if (arrival == NULL)
    return NULL;
  moss_stages_begin (&stages);
  ok = moss_fault_error ("move.target.manifest", error)
       && restore (manager, move, arrival, body, &stages, error);
  release_arrival (manager, arrival, claim);
  if (ok)
    return g_variant_new_parsed ("{'restored': <true>, 'stages': <%@a(sd)>}",
                                 g_variant_builder_end (&stages.builder));
  g_variant_builder_clear (&stages.builder);
  moss_move_drop (manager, move, MOSS_MOVE_EVENT_FAILED);
  return NULL;
}
