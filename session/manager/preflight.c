/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Can it travel, how many bytes, how long: answered at once from what is known, while that is made
 * fresh in a thread. While somebody looks at the list or asks, all that runs is looked at again
 * every half minute, so that "travels" and "blockers" in the list are true before a window is
 * dragged; two minutes after the last look nothing here runs any more. */
#define G_LOG_DOMAIN "moss-session"

#include "life.h"

#include "cpu.h"
#include "moves.h"
#include "session/move/manifest.h"
#include "session/move/move-error.h"

#include <glib/gi18n.h>

#define FIRST_ANSWER_MS 40
#define FRESH_INSPECTION_US (2 * G_USEC_PER_SEC)
#define FRESH_CHECK_US (20 * G_USEC_PER_SEC)
#define CHECK_TIMEOUT_MS 5000
#define ROUND_S 30
#define LOOKING_US (120 * G_USEC_PER_SEC)
#define SPARE_BYTES (64u << 20)
#define OWN_TIME_MS 250.0         /* what a move takes beside its bytes; see bench move */
#define UNKNOWN_RATE (20u << 20)  /* bytes a second of a link that was not measured yet */

/* Something that was asked and what came of it; under the manager's lock. */
typedef struct
{
  GVariant *answer; /* a{sv}, or NULL */
  char *error;
  gint64 time_us;
  gboolean asking;
} Known;

static void
known_free (gpointer data)
{
  Known *known = data;

  g_clear_pointer (&known->answer, g_variant_unref);
  g_free (known->error);
  g_free (known);
}

/* The lock is held. */
static Known *
known (GHashTable **table, const char *key)
{
  Known *found;

  if (*table == NULL)
    *table = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, known_free);
  found = g_hash_table_lookup (*table, key);
  if (found == NULL)
    {
      found = g_new0 (Known, 1);
      g_hash_table_insert (*table, g_strdup (key), found);
    }
  return found;
}

static void
learn (MossManager *manager, GHashTable **table, const char *key, GVariant *answer,
       GError *error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&manager->lock);
  Known *found = known (table, key);

  g_clear_pointer (&found->answer, g_variant_unref);
  g_clear_pointer (&found->error, g_free);
  found->answer = answer == NULL ? NULL : g_variant_ref (answer);
  found->error = error == NULL ? NULL : g_strdup (error->message);
  found->time_us = g_get_monotonic_time ();
  found->asking = FALSE;
}

void
moss_preflight_refresh (MossManager *manager, const char *id)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL, info = NULL, blockers = NULL, files = NULL;

  if (!moss_registry_is (manager->registry, id, "running")
      || moss_registry_is_claimed (manager->registry, id))
    {
      g_mutex_lock (&manager->lock);
      known (&manager->inspections, id)->asking = FALSE;
      g_mutex_unlock (&manager->lock);
      return;
    }
  reply = moss_helper_call (manager->helper, "Inspect", g_variant_new ("(s)", id), "(a{sv})",
                            NULL, NULL, &error);
  info = reply == NULL ? NULL : g_variant_get_child_value (reply, 0);
  learn (manager, &manager->inspections, id, info, error);
  if (info != NULL)
    {
      blockers = g_variant_lookup_value (info, "blockers", G_VARIANT_TYPE_STRING_ARRAY);
      files = g_variant_lookup_value (info, "files", G_VARIANT_TYPE ("aay"));
    }
  if (files != NULL) /* so that their hashes are known when it is sent */
    {
      g_autoptr (GVariant) all = g_variant_ref_sink (moss_runtime_known (id, files));

      g_variant_unref (g_variant_ref_sink (moss_runtime_describe (manager, all)));
    }
  if (blockers != NULL && moss_registry_has (manager->registry, id))
    moss_registry_set (manager->registry, id, "blockers", blockers, "travels",
                       g_variant_new_boolean (g_variant_n_children (blockers) == 0), NULL);
}

static void
inspect_in_thread (MossManager *manager, gpointer data)
{
  g_autofree char *id = data;

  moss_preflight_refresh (manager, id);
}

/* ---- while somebody looks ------------------------------------------------------------- */

static void
look_round (MossManager *manager, gpointer data)
{
  g_auto (GStrv) ids = moss_registry_ids (manager->registry);

  for (guint i = 0; ids[i] != NULL; i++)
    if (moss_registry_is (manager->registry, ids[i], "running"))
      moss_preflight_refresh (manager, ids[i]);
}

static gboolean
on_round_due (gpointer data)
{
  MossManager *manager = data;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&manager->lock);

  if (g_get_monotonic_time () - manager->looked_us > LOOKING_US)
    {
      manager->look_timer = 0;
      return G_SOURCE_REMOVE;
    }
  moss_manager_spawn (manager, "look-round", look_round, NULL);
  return G_SOURCE_CONTINUE;
}

void
moss_preflight_look (MossManager *manager)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&manager->lock);

  manager->looked_us = g_get_monotonic_time ();
  if (manager->look_timer != 0)
    return;
  manager->look_timer = g_timeout_add_seconds (ROUND_S, on_round_due, manager);
  moss_manager_spawn (manager, "look-round", look_round, NULL);
}

static void
check_in_thread (MossManager *manager, gpointer data)
{
  g_autofree char *device = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) answer
      = moss_net_call (manager->net, device, "move.check", g_variant_new_parsed ("@a{sv} {}"),
                       CHECK_TIMEOUT_MS, &error);

  learn (manager, &manager->checks, device, answer, error);
}

/* What is known, at once when that is young enough or old; asks anew unless it is young. */
static GVariant *
look_up (MossManager *manager, GHashTable **table, const char *key, gint64 fresh_us,
         void (*ask) (MossManager *, gpointer), gboolean *exact, char **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&manager->lock);
  Known *found = known (table, key);
  gint64 now_us = g_get_monotonic_time ();
  gboolean young = found->time_us > 0 && now_us - found->time_us < fresh_us;

  if (!young && !found->asking)
    {
      found->asking = TRUE;
      moss_manager_spawn (manager, "preflight", ask, g_strdup (key));
    }
  *exact = young;
  *error = g_strdup (found->error);
  return found->answer == NULL ? NULL : g_variant_ref (found->answer);
}

typedef struct
{
  MossManager *manager;
  const char *id, *device;
  char *name, *device_name;
  GVariant *info, *check;
  char *info_error, *check_error;
  gboolean info_exact, check_exact;
} Preflight;

static void
gather (Preflight *pre)
{
  gint64 deadline_us = g_get_monotonic_time () + FIRST_ANSWER_MS * 1000;

  for (;;)
    {
      g_clear_pointer (&pre->info, g_variant_unref);
      g_clear_pointer (&pre->check, g_variant_unref);
      g_clear_pointer (&pre->info_error, g_free);
      g_clear_pointer (&pre->check_error, g_free);
      pre->info = look_up (pre->manager, &pre->manager->inspections, pre->id,
                           FRESH_INSPECTION_US, inspect_in_thread, &pre->info_exact,
                           &pre->info_error);
      pre->check = look_up (pre->manager, &pre->manager->checks, pre->device, FRESH_CHECK_US,
                            check_in_thread, &pre->check_exact, &pre->check_error);
      if ((pre->info != NULL || pre->info_error != NULL)
          && (pre->check != NULL || pre->check_error != NULL))
        return;
      if (g_get_monotonic_time () >= deadline_us)
        return;
      g_usleep (2000);
    }
}

/* A device of an older Moss doesn't say: the restore finds it out. */
static gboolean
lacks_net (Preflight *pre)
{
  gboolean uses_net, has_net;

  return pre->info != NULL && g_variant_lookup (pre->info, "net", "b", &uses_net) && uses_net
         && pre->check != NULL && g_variant_lookup (pre->check, "net", "b", &has_net) && !has_net;
}

/* It may have got /net since it was asked. */
static void
ask_anew (Preflight *pre)
{
  {
    g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&pre->manager->lock);
    Known *found = known (&pre->manager->checks, pre->device);

    g_clear_pointer (&found->answer, g_variant_unref);
    g_clear_pointer (&found->error, g_free);
    found->time_us = 0;
  }
  gather (pre);
}

/* Why that device can't take it, or NULL. */
static char *
device_obstacle (Preflight *pre)
{
  g_autoptr (GVariant) theirs = NULL, mine = NULL;
  g_autoptr (GPtrArray) needed = NULL;
  g_autofree const char **problems = NULL, **has = NULL;
  const char *arch = moss_machine_arch ();
  guint64 room = G_MAXUINT64, memory = 0, layer = 0;

  if (pre->check == NULL)
    return g_strdup (pre->check_error);
  theirs = g_variant_lookup_value (pre->check, "features", G_VARIANT_TYPE_VARDICT);
  if (theirs == NULL)
    return NULL;
  g_variant_lookup (theirs, "problems", "^a&s", &problems);
  if (problems != NULL && problems[0] != NULL)
    return g_strdup (problems[0]);
  g_variant_lookup (theirs, "arch", "&s", &arch);
  if (!g_str_equal (arch, moss_machine_arch ()))
    return g_strdup_printf (_("%s has another kind of processor (%s)"), pre->device_name, arch);
  mine = moss_manager_features (pre->manager, NULL);
  needed = moss_cpu_needed (mine);
  g_variant_lookup (theirs, "cpu-features", "^a&s", &has);
  for (guint i = 0; has != NULL && i < needed->len; i++)
    if (!g_strv_contains (has, needed->pdata[i]))
      return g_strdup_printf (_("the processor of %s can't do “%s”"), pre->device_name,
                              (const char *) needed->pdata[i]);
  g_variant_lookup (pre->check, "free-bytes", "t", &room);
  if (pre->info != NULL)
    {
      g_variant_lookup (pre->info, "memory-bytes", "t", &memory);
      g_variant_lookup (pre->info, "layer-bytes", "t", &layer);
    }
  if (lacks_net (pre))
    return g_strdup_printf (_("there is no /net on %s, and this app has it"), pre->device_name);
  if (room < memory + layer + SPARE_BYTES)
    return g_strdup_printf (_("the disk of %s is full"), pre->device_name);
  return NULL;
}

static char *
find_obstacle (Preflight *pre)
{
  g_autofree const char **blockers = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) features = moss_manager_features (pre->manager, &error);
  g_autofree const char **problems = NULL;

  if (features == NULL)
    return g_strdup (error->message);
  if (!moss_net_require_linked (pre->manager->net, pre->device, &error))
    return g_strdup (error->message);
  g_variant_lookup (features, "problems", "^a&s", &problems);
  if (problems != NULL && problems[0] != NULL)
    return g_strdup (problems[0]);
  if (pre->info_error != NULL)
    return g_strdup (pre->info_error);
  if (pre->info != NULL)
    g_variant_lookup (pre->info, "blockers", "^a&s", &blockers);
  if (blockers != NULL && blockers[0] != NULL)
    return g_strdup (blockers[0]);
  return device_obstacle (pre);
}

/* What the other device has of it from an earlier visit. */
static guint64
present_bytes (Preflight *pre, guint64 all)
{
  g_autoptr (MossMoveRow) row = moss_state_last_move (pre->manager->state, pre->id);
  g_autoptr (GPtrArray) rows = moss_state_snapshots (pre->manager->state, pre->id);

  if (row == NULL || !g_str_equal (row->peer, pre->device) || rows->len == 0
      || !moss_move_state_is_final (row->state))
    return 0;
  return MIN (((MossSnapshotRow *) rows->pdata[0])->bytes, all / 100 * 95);
}

static GVariant *
estimate (Preflight *pre, const char *obstacle)
{
  g_autoptr (GVariant) device = moss_net_device (pre->manager->net, pre->device);
  guint64 memory = 0, layer = 0, rate = 0, rtt_us = 0, all, present;
  GVariantBuilder answer;

  if (pre->info != NULL)
    {
      g_variant_lookup (pre->info, "memory-bytes", "t", &memory);
      g_variant_lookup (pre->info, "layer-bytes", "t", &layer);
    }
  if (device != NULL)
    {
      g_variant_lookup (device, "bytes-per-s", "t", &rate);
      g_variant_lookup (device, "rtt-us", "t", &rtt_us);
    }
  all = memory + layer;
  present = present_bytes (pre, all);
  g_variant_builder_init (&answer, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&answer, "{sv}", "travels", g_variant_new_boolean (obstacle == NULL));
  g_variant_builder_add (&answer, "{sv}", "reason",
                         g_variant_new_string (obstacle ? obstacle : ""));
  g_variant_builder_add (
      &answer, "{sv}", "time-ms",
      g_variant_new_uint32 (OWN_TIME_MS + 8 * rtt_us / 1000.0
                            + 1000.0 * (all - present) / (rate ? rate : UNKNOWN_RATE)));
  g_variant_builder_add (&answer, "{sv}", "bytes", g_variant_new_uint64 (all - present));
  g_variant_builder_add (&answer, "{sv}", "present-bytes", g_variant_new_uint64 (present));
  g_variant_builder_add (&answer, "{sv}", "exact",
                         g_variant_new_boolean (pre->info_exact && pre->check_exact));
  return g_variant_builder_end (&answer);
}

GVariant *
moss_preflight (MossManager *manager, const char *id, const char *device, GError **error)
{
  Preflight pre = { .manager = manager, .id = id, .device = device };
  g_autofree char *obstacle = NULL;
  GVariant *answer;

  if (!moss_registry_is (manager->registry, id, "running"))
    {
      g_autofree char *name = moss_manager_app_name (manager, id);

      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_NOT_FOUND,
                   _("%s can't be sent: it does not run here"), name);
      return NULL;
    }
  pre.name = moss_manager_app_name (manager, id);
  pre.device_name = moss_net_device_name (manager->net, device);
  gather (&pre);
  if (lacks_net (&pre))
    ask_anew (&pre);
  obstacle = find_obstacle (&pre);
  answer = estimate (&pre, obstacle);
  g_clear_pointer (&pre.info, g_variant_unref);
  g_clear_pointer (&pre.check, g_variant_unref);
  g_free (pre.info_error);
  g_free (pre.check_error);
  g_free (pre.name);
  g_free (pre.device_name);
  return answer;
}
