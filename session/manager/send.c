/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The source's end of a move. The order of things, and what is on which disk when, is drawn in
 * docs/architecture.md; what may happen in which state stands in session/move/journal.c. */
#define G_LOG_DOMAIN "moss-session"

#include "moves.h"

#include "core/fault.h"
#include "cpu.h"
#include "imaging.h"
#include "parcel.h"
#include "session/move/move-error.h"

#include <glib/gi18n.h>
#include <string.h>
#include <unistd.h>

#define OFFER_TIMEOUT_MS 10000
#define AHEAD_TIMEOUT_MS 120000
#define FREEZE_TIMEOUT_MS 5000
#define SLOWEST_BYTES_PER_MS (20u << 10) /* of images; slower is taken for a failure */
#define SECOND_ROUND_BYTES (2u << 20)
#define MAX_ROUNDS 3
#define MAX_ATTEMPTS 3

typedef struct
{
  MossManager *manager;
  const char *id, *device;
  char *name;        /* of the app */
  char *device_name;
  char *move;
  GCancellable *cancellable;
  MossTaking *taking;
  MossManifest *manifest;
  MossStages stages;
  gboolean uses_net; /* it has /net */
  GVariant *extra;   /* aay: runtime files that differ there */
  guint64 sent_before;
  gint64 begun_us, frozen_call_us;
  gboolean begun, released;
  gboolean refused;  /* the target could not restore it */
} Sending;

static gboolean
check_cancel (Sending *sending, GError **error)
{
  if (!g_cancellable_is_cancelled (sending->cancellable))
    return TRUE;
  g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_CANCELLED,
               _("%s stays here: sending it was cancelled"), sending->name);
  return FALSE;
}

static void
show (Sending *sending, const char *state, double progress, const char *text)
{
  moss_registry_set (sending->manager->registry, sending->id, "state",
                     g_variant_new_string (state), "progress",
                     g_variant_new_double (progress), "text", g_variant_new_string (text),
                     "device", g_variant_new_string (sending->device), NULL);
}

static GVariant *
inspect (Sending *sending, GError **error)
{
  g_autoptr (GVariant) reply
      = moss_helper_call (sending->manager->helper, "Inspect",
                          g_variant_new ("(s)", sending->id), "(a{sv})", NULL, NULL, error);
  g_autoptr (GVariant) info = NULL;
  g_autofree const char **blockers = NULL;

  if (reply == NULL)
    return NULL;
  info = g_variant_get_child_value (reply, 0);
  g_variant_lookup (info, "blockers", "^a&s", &blockers);
  if (blockers != NULL && blockers[0] != NULL)
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_NOT_TRAVELABLE, "%s", blockers[0]);
      return NULL;
    }
  return g_steal_pointer (&info);
}

static gboolean
offer (Sending *sending, GVariant *info, GError **error)
{
  MossManager *manager = sending->manager;
  static const char *const copied[] = { "app", "name", "icon", "network", "picture", "geometry" };
  g_autoptr (GVariant) reply = NULL, features = moss_manager_features (manager, error);
  g_autoptr (GPtrArray) needed = NULL;
  g_autofree char *self = moss_net_self_id (manager->net);
  g_autofree char *origin = moss_registry_get_string (manager->registry, sending->id, "origin");
  GVariantBuilder body;
  gboolean accept = FALSE;
  const char *reason = "", *criu = "";
  guint64 memory = 0, layer = 0;

  if (features == NULL)
    return FALSE;
  needed = moss_cpu_needed (features);
  g_variant_lookup (features, "criu-version", "&s", &criu);
  g_variant_lookup (info, "memory-bytes", "t", &memory);
  g_variant_lookup (info, "layer-bytes", "t", &layer);
  g_variant_builder_init (&body, G_VARIANT_TYPE_VARDICT);
  for (guint i = 0; i < G_N_ELEMENTS (copied); i++)
    {
      g_autoptr (GVariant) value
          = moss_registry_get (manager->registry, sending->id, copied[i]);

      if (value != NULL)
        g_variant_builder_add (&body, "{sv}", copied[i], value);
    }
  g_variant_builder_add (&body, "{sv}", "move", g_variant_new_string (sending->move));
  g_variant_builder_add (&body, "{sv}", "id", g_variant_new_string (sending->id));
  g_variant_builder_add (&body, "{sv}", "origin",
                         g_variant_new_string (*origin ? origin : self));
  g_variant_builder_add (&body, "{sv}", "arch", g_variant_new_string (moss_machine_arch ()));
  g_variant_builder_add (
      &body, "{sv}", "cpu-features",
      g_variant_new_strv ((const char *const *) needed->pdata, needed->len));
  g_variant_builder_add (&body, "{sv}", "criu", g_variant_new_string (criu));
  g_variant_builder_add (&body, "{sv}", "bytes", g_variant_new_uint64 (memory + layer));
  g_variant_lookup (info, "net", "b", &sending->uses_net);
  g_variant_builder_add (&body, "{sv}", "net", g_variant_new_boolean (sending->uses_net));
  reply = moss_net_call (manager->net, sending->device, "move.offer",
                         g_variant_builder_end (&body), OFFER_TIMEOUT_MS, error);
  if (reply == NULL)
    return FALSE;
  g_variant_lookup (reply, "accept", "b", &accept);
  g_variant_lookup (reply, "reason", "&s", &reason);
  if (!accept)
    g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_NOT_TRAVELABLE,
                 _("%s can't travel to %s: %s"), sending->name, sending->device_name, reason);
  return accept;
}

static GVariant *
move_body (Sending *sending)
{
  return g_variant_new_parsed ("{'move': <%s>}", sending->move);
}

static gboolean
ask_files (Sending *sending, GVariant *info, GError **error)
{
  g_autoptr (GVariant) open_now = g_variant_lookup_value (info, "files", G_VARIANT_TYPE ("aay"));
  g_autoptr (GVariant) files
      = g_variant_ref_sink (moss_runtime_known (sending->id, open_now));
  g_autoptr (GVariant) reply = NULL;
  GVariant *differ = NULL;

  if (g_variant_n_children (files) > 0)
    {
      reply = moss_net_call (
          sending->manager->net, sending->device, "move.files",
          g_variant_new_parsed ("{'move': <%s>, 'files': <%@a(ayutay)>}", sending->move,
                                moss_runtime_describe (sending->manager, files)),
          AHEAD_TIMEOUT_MS, error);
      if (reply == NULL)
        return FALSE;
      differ = g_variant_lookup_value (reply, "differ", G_VARIANT_TYPE ("aay"));
    }
  sending->extra = differ ? differ : g_variant_ref_sink (g_variant_new_parsed ("@aay []"));
  return TRUE;
}

static GVariant *
send_envelope (Sending *sending, const char *method, GBytes *envelope, GVariant *files,
               guint timeout_ms, GError **error)
{
  g_autoptr (GVariant) parcel
      = moss_parcel_wrap (sending->manager, envelope, sending->device, error);
  GVariantDict body;

  if (parcel == NULL)
    return NULL;
  g_variant_dict_init (&body, NULL);
  g_variant_dict_insert (&body, "move", "s", sending->move);
  g_variant_dict_insert_value (&body, "envelope", parcel);
  if (files != NULL)
    g_variant_dict_insert_value (&body, "files", files);
  return moss_net_call (sending->manager->net, sending->device, method,
                        g_variant_dict_end (&body), timeout_ms, error);
}

static gboolean
copy_ahead_once (Sending *sending, GError **error)
{
  g_autoptr (MossManifest) manifest = moss_manifest_new ();
  g_autoptr (GBytes) envelope = NULL;
  g_autoptr (GVariant) reply = NULL;

  if (!moss_taking_copy_ahead (sending->taking, sending->extra, manifest, error))
    return FALSE;
  moss_stages_mark (&sending->stages, "copy-ahead");
  moss_taking_describe (sending->taking, manifest, "ahead", "", sending->move);
  envelope = moss_taking_sign (sending->taking, manifest, error);
  if (envelope == NULL)
    return FALSE;
  reply = send_envelope (sending, "move.ahead", envelope, NULL, AHEAD_TIMEOUT_MS, error);
  moss_stages_mark (&sending->stages, "prepare-there");
  return reply != NULL;
}

/* Rounds go on as long as the next one promises to be much smaller. */
static gboolean
copy_ahead (Sending *sending, GError **error)
{
  guint64 last = G_MAXUINT64;

  for (guint round = 0; round < MAX_ROUNDS; round++)
    {
      if (!check_cancel (sending, error) || !copy_ahead_once (sending, error))
        return FALSE;
      show (sending, "leaving", 0.3 + 0.2 * round, "");
      if (!moss_fault_error ("move.source.copied-ahead", error))
        return FALSE;
      if (sending->taking->ahead_new_bytes < SECOND_ROUND_BYTES
          || sending->taking->ahead_new_bytes > last / 2)
        break;
      last = sending->taking->ahead_new_bytes;
    }
  return check_cancel (sending, error);
}

static gpointer
load_known (gpointer data)
{
  Sending *sending = data;
  MossTaking *taking;

  g_cancellable_push_current (sending->cancellable);
  taking = moss_taking_begin (sending->manager, sending->id, sending->device);
  g_cancellable_pop_current (sending->cancellable);
  return taking;
}

/* What the target says takes as long as loading the blocks that both know already. */
static gboolean
arrange (Sending *sending, GVariant *info, GError **error)
{
  GThread *loading = g_thread_new ("load-known", load_known, sending);
  gboolean ok = offer (sending, info, error);

  moss_stages_mark (&sending->stages, "offer");
  if (ok)
    show (sending, "leaving", 0.05, "");
  ok = ok && moss_fault_error ("move.source.offered", error) && ask_files (sending, info, error);
  moss_stages_mark (&sending->stages, "files");
  sending->taking = g_thread_join (loading);
  moss_stages_mark (&sending->stages, "load-known");
  return ok;
}

static gboolean
prepare (Sending *sending, GError **error)
{
  g_autoptr (GVariant) info = NULL;

  if (!moss_net_require_linked (sending->manager->net, sending->device, error))
    return FALSE;
  info = inspect (sending, error);
  if (info == NULL)
    return FALSE;
  moss_stages_mark (&sending->stages, "inspect");
  sending->begun = moss_state_begin_move (sending->manager->state, sending->move, sending->id,
                                          sending->device, MOSS_MOVE_PREPARING, error);
  return sending->begun && moss_fault_error ("move.source.preparing", error)
         && arrange (sending, info, error) && copy_ahead (sending, error);
}

/* From the dump until the target has it, standing still. */
static gboolean
hand_over (Sending *sending, GError **error)
{
  MossManager *manager = sending->manager;
  g_autoptr (GBytes) envelope = NULL;
  g_autoptr (GVariant) reply = NULL, there = NULL, files = NULL;
  g_autoptr (GError) local = NULL;
  guint timeout_ms;

  moss_taking_describe (sending->taking, sending->manifest, "move", "", sending->move);
  sending->frozen_call_us = sending->stages.last_us = g_get_monotonic_time ();
  if (!moss_taking_dump (sending->taking, sending->extra, &sending->stages, error)
      || !moss_move_advance (manager, sending->move, MOSS_MOVE_EVENT_DUMPED, NULL, error)
      || !moss_fault_error ("move.source.frozen", error))
    return FALSE;
  if (sending->uses_net)
    files = moss_net_leave_files (manager->net, sending->id, sending->device);
  envelope = moss_taking_finish (sending->taking, sending->manifest, &sending->stages, error);
  if (envelope == NULL || !moss_fault_error ("move.source.stored", error)
      || !check_cancel (sending, error))
    return FALSE;
  timeout_ms = FREEZE_TIMEOUT_MS
               + MIN (moss_manifest_total_bytes (sending->manifest) / SLOWEST_BYTES_PER_MS,
                      AHEAD_TIMEOUT_MS);
  reply = send_envelope (sending, "move.manifest", envelope, files, timeout_ms, &local);
  if (reply == NULL)
    {
      sending->refused = !g_error_matches (local, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_AWAY)
                         && !g_error_matches (local, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_TIMEOUT);
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  there = g_variant_lookup_value (reply, "stages", G_VARIANT_TYPE ("a(sd)"));
  if (there != NULL)
    moss_stages_append (&sending->stages, there);
  moss_stages_mark (&sending->stages, "hand-over");
  if (!moss_fault_error ("move.source.restored", error) || !check_cancel (sending, error))
    return FALSE;
  return moss_state_keep_envelope (manager->state, sending->move, envelope, error);
}

static GVariant *
make_report (Sending *sending, GVariant *alive)
{
  MossManager *manager = sending->manager;
  gint64 answered_us = g_get_monotonic_time (), thawed_us = 0;
  g_autoptr (GVariant) device = moss_net_device (manager->net, sending->device);
  const char *boot = "";
  guint64 rtt_us = 0, sent;
  GVariantBuilder report;
  double freeze_ms;

  if (device != NULL)
    g_variant_lookup (device, "rtt-us", "t", &rtt_us);
  g_variant_lookup (alive, "boot", "&s", &boot);
  /* One kernel, one clock; else what the answer took to come here is half a round trip. */
  if (!g_str_equal (boot, manager->boot_id)
      || !g_variant_lookup (alive, "thawed-at-us", "x", &thawed_us))
    thawed_us = answered_us - rtt_us / 2;
  freeze_ms = (thawed_us - sending->taking->frozen_at_us) / 1000.0;
  sent = moss_net_sent_bytes (manager->net, sending->device);
  g_variant_builder_init (&report, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&report, "{sv}", "freeze-ms", g_variant_new_double (freeze_ms));
  g_variant_builder_add (
      &report, "{sv}", "bytes-sent",
      g_variant_new_uint64 (sent > sending->sent_before ? sent - sending->sent_before : 0));
  g_variant_builder_add (
      &report, "{sv}", "image-bytes",
      g_variant_new_uint64 (moss_manifest_total_bytes (sending->manifest)));
  g_variant_builder_add (&report, "{sv}", "new-bytes-frozen",
                         g_variant_new_uint64 (sending->taking->stats.new_bytes));
  g_variant_builder_add (
      &report, "{sv}", "precopy-ms",
      g_variant_new_double ((sending->frozen_call_us - sending->begun_us) / 1000.0));
  g_variant_builder_add (&report, "{sv}", "stages",
                         g_variant_builder_end (&sending->stages.builder));
  return g_variant_builder_end (&report);
}

static void
log_report (Sending *sending, GVariant *report)
{
  g_autofree char *text = g_variant_print (report, FALSE);

  g_message ("%s moved to %s: %s", sending->name, sending->device_name, text);
}

static void
tell_report (MossManager *manager, gpointer data)
{
  g_autoptr (GVariant) told = data; /* (ssa{sv}): device, move, report */
  g_autoptr (GVariant) report = NULL, reply = NULL;
  const char *device, *move;

  g_variant_get (told, "(&s&s@a{sv})", &device, &move, &report);
  reply = moss_net_call (manager->net, device, "move.report",
                         g_variant_new_parsed ("{'move': <%s>, 'report': <%@a{sv}>}", move, report),
                         OFFER_TIMEOUT_MS, NULL);
}

/* What it cost is shown on both sides; the other one can't measure it. */
static void
share_report (Sending *sending, GVariant *report)
{
  MossManager *manager = sending->manager;

  if (moss_registry_has (manager->registry, sending->id))
    moss_registry_set (manager->registry, sending->id, "report", report, NULL);
  moss_manager_spawn (manager, "report", tell_report,
                      g_variant_ref_sink (g_variant_new ("(ss@a{sv})", sending->device,
                                                         sending->move, report)));
}

/* It lives there: what is left here is a snapshot, which makes the way back short. */
static void
leave_behind (Sending *sending)
{
  MossManager *manager = sending->manager;
  g_autoptr (MossMoveRow) row = moss_state_find_move (manager->state, sending->move);
  g_autofree char *origin = moss_registry_get_string (manager->registry, sending->id, "origin");
  g_autofree char *snapshot = NULL;
  g_autoptr (GError) error = NULL;

  if (!g_str_equal (origin, sending->device))
    moss_whereabouts_tell (manager, sending->id, origin);

  if (row != NULL && row->envelope != NULL)
    snapshot = moss_snapshot_keep (manager, row->envelope, sending->manifest,
                                   sending->taking->stats.new_bytes, &error);
  if (error != NULL)
    g_message ("The snapshot of %s is not kept: %s", sending->name, error->message);
}

typedef struct
{
  char *device, *move;
} Abort;

static void
tell_aborted (MossManager *manager, gpointer data)
{
  Abort *abort = data;
  g_autoptr (GVariant) reply = moss_net_call (manager->net, abort->device, "move.abort",
                                              g_variant_new_parsed ("{'move': <%s>}", abort->move),
                                              OFFER_TIMEOUT_MS, NULL);

  g_free (abort->device);
  g_free (abort->move);
  g_free (abort);
}

/* The other side may be busy with it for a while: whoever cancelled does not wait for that. */
static void
tell_aborted_later (Sending *sending)
{
  Abort *abort = g_new0 (Abort, 1);

  abort->device = g_strdup (sending->device);
  abort->move = g_strdup (sending->move);
  moss_manager_spawn (sending->manager, "abort", tell_aborted, abort);
}

static void
undo (Sending *sending)
{
  MossManager *manager = sending->manager;
  guint actions = 0;

  if (!sending->begun)
    return;
  if (!moss_move_advance (manager, sending->move, MOSS_MOVE_EVENT_FAILED, &actions, NULL))
    return;
  if (actions & MOSS_MOVE_ACTION_THAW)
    moss_helper_do (manager->helper, "Thaw", sending->id, NULL);
  moss_registry_set (manager->registry, sending->id, "state", g_variant_new_string ("running"),
                     "progress", g_variant_new_double (0), "text", g_variant_new_string (""),
                     "device", g_variant_new_string (""), NULL);
  if (!(actions & MOSS_MOVE_ACTION_TELL_ABORTED))
    return;
  if (g_cancellable_is_cancelled (sending->cancellable))
    tell_aborted_later (sending);
  else
    {
      g_autoptr (GVariant) reply
          = moss_net_call (manager->net, sending->device, "move.abort", move_body (sending),
                           OFFER_TIMEOUT_MS, NULL);
    }
}

static GVariant *
release (Sending *sending, GError **error)
{
  MossManager *manager = sending->manager;
  g_autoptr (GVariant) alive = NULL, report = NULL;
  g_autoptr (GError) local = NULL;

  if (!moss_move_advance (manager, sending->move, MOSS_MOVE_EVENT_RESTORED, NULL, error))
    return NULL;
  sending->released = TRUE;
  moss_stages_mark (&sending->stages, "release");
  moss_fault ("move.source.released");
  alive = moss_move_tell_released (manager, sending->move, sending->id, sending->device, &local);
  if (alive == NULL)
    {
      show (sending, "on-its-way", 0.9, "");
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_AWAY,
                   _("%s is on its way to %s: the connection broke (%s). It goes on as soon as "
                     "both are connected again."),
                   sending->name, sending->device_name, local->message);
      return NULL;
    }
  moss_stages_mark (&sending->stages, "resume");
  report = g_variant_ref_sink (make_report (sending, alive));
  log_report (sending, report);
  share_report (sending, report);
  leave_behind (sending);
  return g_steal_pointer (&report);
}

static void
sending_clear (Sending *sending)
{
  g_clear_pointer (&sending->taking, moss_taking_free);
  g_clear_pointer (&sending->manifest, moss_manifest_free);
  g_clear_pointer (&sending->extra, g_variant_unref);
  g_clear_object (&sending->cancellable);
  g_variant_builder_clear (&sending->stages.builder);
  g_free (sending->move);
  g_free (sending->name);
  g_free (sending->device_name);
}

static gboolean
check_here (Sending *sending, GError **error)
{
  MossRegistry *registry = sending->manager->registry;

  if (moss_registry_is (registry, sending->id, "running"))
    return TRUE;
  g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_NOT_FOUND,
               moss_registry_has (registry, sending->id)
                   ? _("%s can't be sent: it does not run here")
                   : _("There is no sandbox %s here"),
               sending->name);
  return FALSE;
}

/* What was open at the very instant of the dump is known from now on. */
static void
learn_files (Sending *sending)
{
  GVariantIter iter;
  const char *name;
  gint32 handle;
  guint64 size;

  if (sending->taking == NULL || sending->taking->images == NULL)
    return;
  g_variant_iter_init (&iter, sending->taking->images);
  while (g_variant_iter_next (&iter, "(&sht)", &name, &handle, &size))
    if (g_str_equal (name, "files.img"))
      {
        int fd = moss_helper_take_fd (sending->taking->fds, handle, NULL);
        g_autoptr (GVariant) paths
            = fd < 0 ? NULL : g_variant_ref_sink (moss_runtime_scan (fd, size));

        if (paths != NULL)
          g_variant_unref (g_variant_ref_sink (moss_runtime_known (sending->id, paths)));
        if (fd >= 0)
          close (fd);
      }
}

/* Until the last word is spoken, whatever waits for the other device can be cancelled; what
 * sandboxd does is waited for, so that nothing is frozen after it was thawed. */
static gboolean
bring_to_release (Sending *sending, GError **error)
{
  gboolean ok;

  g_cancellable_push_current (sending->cancellable);
  ok = check_here (sending, error) && prepare (sending, error) && hand_over (sending, error);
  g_cancellable_pop_current (sending->cancellable);
  if (ok || !g_cancellable_is_cancelled (sending->cancellable))
    return ok;
  g_clear_error (error);
  sending->refused = FALSE;
  return check_cancel (sending, error);
}

static GVariant *
send_once (MossManager *manager, const char *id, const char *device, GCancellable *cancellable,
           gboolean *again, GError **error)
{
  Sending sending = { .manager = manager, .id = id, .device = device };
  GVariant *report = NULL;

  sending.cancellable = g_object_ref (cancellable);
  sending.name = moss_manager_app_name (manager, id);
  sending.device_name = moss_net_device_name (manager->net, device);
  sending.move = g_uuid_string_random ();
  sending.manifest = moss_manifest_new ();
  moss_stages_begin (&sending.stages);
  sending.begun_us = sending.stages.last_us;
  sending.sent_before = moss_net_sent_bytes (manager->net, device);
  if (bring_to_release (&sending, error))
    report = release (&sending, error);
  if (report == NULL && !sending.released)
    undo (&sending);
  *again = report == NULL && sending.refused;
  if (*again)
    learn_files (&sending);
  sending_clear (&sending);
  return report;
}

GVariant *
moss_send (MossManager *manager, const char *id, const char *device, GError **error)
{
  g_autoptr (GCancellable) cancellable
      = moss_registry_claim (manager->registry, id, FALSE, error);
  g_autoptr (GError) local = NULL;
  gboolean again = TRUE;
  GVariant *report = NULL;

  if (cancellable == NULL)
    return NULL;
  /* A program that the app started just then may have had files open that differ there. */
  for (guint attempt = 0; attempt < MAX_ATTEMPTS && again && report == NULL; attempt++)
    {
      if (local != NULL)
        g_message ("Sending %s is tried again: %s", id, local->message);
      g_clear_error (&local);
      report = send_once (manager, id, device, cancellable, &again, &local);
    }
  moss_registry_release (manager->registry, id);
  if (report == NULL)
    g_propagate_error (error, g_steal_pointer (&local));
  return report;
}

GVariant *
moss_bring (MossManager *manager, const char *id, GError **error)
{
  g_autofree char *device = moss_registry_get_string (manager->registry, id, "device");
  g_autofree char *name = moss_manager_app_name (manager, id);
  g_autoptr (GVariant) reply = NULL;

  if (!moss_registry_is (manager->registry, id, "away"))
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_NOT_FOUND,
                   _("%s is not on another device"), name);
      return NULL;
    }
  if (!moss_net_require_linked (manager->net, device, error))
    return NULL;
  reply = moss_net_call (manager->net, device, "move.bring",
                         g_variant_new_parsed ("{'id': <%s>}", id), AHEAD_TIMEOUT_MS, error);
  return g_steal_pointer (&reply);
}

/* What comes here is under way over there: only the source can give it up. */
void
moss_cancel (MossManager *manager, const char *id)
{
  g_autofree char *state = moss_registry_get_string (manager->registry, id, "state");
  g_autofree char *device = moss_registry_get_string (manager->registry, id, "device");
  g_autoptr (GVariant) reply = NULL;

  if (g_str_equal (state, "arriving") || g_str_equal (state, "away"))
    reply = moss_net_call (manager->net, device, "move.cancel",
                           g_variant_new_parsed ("{'id': <%s>}", id), OFFER_TIMEOUT_MS, NULL);
  else
    moss_registry_cancel (manager->registry, id);
}
