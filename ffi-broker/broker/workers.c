/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The processes that run bridges to libraries and programs with a manifest: one each, found by
 * their files, started when somebody calls, ended when nobody does, and not started at once
 * again when they crash. They can do nothing to the broker but announce. */
#define G_LOG_DOMAIN "moss-ffi-broker"

#include "broker.h"

#include "core/program.h"

#include <gio/gunixfdlist.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum
{
  START_TIMEOUT_S = 20,
  IDLE_S = 60,
  IDLE_CHECK_S = 10,
  END_PATIENCE_MS = 2000,
  SETTLE_MS = 500,     /* after its last announcement */
  HUNG_CHECK_MS = 400,
  FIRST_PAUSE_MS = 100,
  LONGEST_PAUSE_MS = 30000,
  GIVE_UP_CRASHES = 5,
  STATUS_NO_LIBRARY = 2,
};

typedef struct
{
  char *caller;
  gboolean trusted;
  ConnectFunc func;
  gpointer user_data;
} Waiting;

struct _Worker
{
  Broker *broker;
  char *name;                  /* "vips", or the path of a manifest */
  char *stamp;                 /* of its file, NULL when that is gone */
  GSubprocess *process;
  MossFfiConn *conn;
  gint64 started_us, warm_us, used_us; /* monotonic */
  guint64 cpu_ticks;           /* at the last look */
  gboolean warm, useless, wanted;
  guint crashes, pause_ms;
  guint start_timer, timeout, settle, hung;
  GQueue waiting;              /* Waiting */
};

static void start (Worker *worker);

static void
worker_free (gpointer data)
{
  Worker *worker = data;

  g_clear_handle_id (&worker->start_timer, g_source_remove);
  g_clear_handle_id (&worker->timeout, g_source_remove);
  g_clear_handle_id (&worker->settle, g_source_remove);
  g_clear_handle_id (&worker->hung, g_source_remove);
  g_clear_pointer (&worker->conn, moss_ffi_conn_free);
  if (worker->process != NULL)
    g_subprocess_force_exit (worker->process);
  g_clear_object (&worker->process);
  g_free (worker->name);
  g_free (worker->stamp);
  g_free (worker);
}

static void
fail_waiting (Worker *worker, const char *why)
{
  g_autoptr (GError) error =
      g_error_new (MOSS_FFI_ERROR, MOSS_FFI_ERROR_LOST, "the worker of %s %s", worker->name, why);
  GQueue waiting = worker->waiting;
  Waiting *one;

  g_queue_init (&worker->waiting);
  while ((one = g_queue_pop_head (&waiting)) != NULL)
    {
      one->func (-1, error, one->user_data);
      g_free (one->caller);
      g_free (one);
    }
}

static void
each_provider (Worker *worker, void (*func) (Provider *provider, gpointer data), gpointer data)
{
  GHashTableIter iter;
  Provider *provider;

  g_hash_table_iter_init (&iter, worker->broker->providers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &provider))
    if (provider->worker == worker || g_str_equal (provider->bridge, worker->name))
      func (provider, data);
}

/* --- its socket --- */

/* A pair of sockets: one end to the worker, the other to the caller. */
static void
hand_over (Worker *worker, Waiting *one)
{
  g_autoptr (GError) error = NULL;
  int ends[2];
  GVariantDict about;

  g_variant_dict_init (&about, NULL);
  g_variant_dict_insert (&about, "trusted", "b", one->trusted);
  g_variant_dict_insert (&about, "name", "s", one->caller);
  if (!moss_ffi_socket_pair (ends, &error))
    {
      g_variant_dict_clear (&about);
      one->func (-1, error, one->user_data);
    }
  else if (!moss_ffi_conn_send (worker->conn, MOSS_FFI_FRAME_CALLER, 0,
                                g_variant_new ("(@a{sv})", g_variant_dict_end (&about)),
                                &ends[0], 1))
    {
      close (ends[0]);
      close (ends[1]);
      error = g_error_new (MOSS_FFI_ERROR, MOSS_FFI_ERROR_LOST,
                           "the worker of %s does not take callers", worker->name);
      one->func (-1, error, one->user_data);
    }
  else
    {
      close (ends[0]);
      one->func (ends[1], NULL, one->user_data);
    }
  g_free (one->caller);
  g_free (one);
}

static void
start_learned (Provider *provider, gpointer data)
{
  learn_start (provider, *(guint64 *) data);
}

/* What it announced is complete: it need not be started for that again. */
static gboolean
on_settled (gpointer user_data)
{
  Worker *worker = user_data;
  g_autofree char *word = g_strconcat ("bridge ", worker->name, NULL);

  worker->settle = 0;
  moss_ffi_db_set_word (worker->broker->db, word, worker->stamp, NULL);
  return G_SOURCE_REMOVE;
}

static void
announced (Worker *worker)
{
  guint64 took_us = g_get_monotonic_time () - worker->started_us;
  Waiting *one;

  g_clear_handle_id (&worker->settle, g_source_remove);
  worker->settle = g_timeout_add (SETTLE_MS, on_settled, worker);
  if (worker->warm)
    return;
  worker->warm = TRUE;
  worker->warm_us = g_get_monotonic_time ();
  g_clear_handle_id (&worker->timeout, g_source_remove);
  each_provider (worker, start_learned, &took_us);
  while (worker->conn != NULL && (one = g_queue_pop_head (&worker->waiting)) != NULL)
    hand_over (worker, one);
}

static void
on_frame (MossFfiConn *conn, MossFfiFrame *frame, gpointer user_data)
{
  Worker *worker = user_data;
  g_autoptr (GArray) numbers = g_array_new (FALSE, FALSE, sizeof (guint));
  g_autoptr (GVariant) dict = NULL, offers = NULL;
  g_autoptr (GError) error = NULL;
  GVariant *list;

  if (frame->kind != MOSS_FFI_FRAME_ANNOUNCE)
    {
      moss_ffi_conn_hang_up (conn, "a worker only announces");
      return;
    }
  g_variant_get (frame->body, "(@a{sv}@aa{sv})", &dict, &offers);
  if (registry_announce (worker->broker, dict, offers, NULL, worker, numbers, &error) == NULL)
    {
      g_warning ("%s: %s", worker->name, error->message);
      moss_ffi_conn_send_error (conn, frame->serial, error);
    }
  else
    {
      list = g_variant_new_fixed_array (G_VARIANT_TYPE_UINT32, numbers->data, numbers->len, 4);
      moss_ffi_conn_send (conn, MOSS_FFI_FRAME_ANNOUNCED, frame->serial,
                          g_variant_new ("(@au)", list), NULL, 0);
    }
  announced (worker);
}

static void
on_hung_up (MossFfiConn *conn, gpointer user_data)
{
  Worker *worker = user_data;

  worker->conn = NULL;
  if (worker->process != NULL)
    g_subprocess_force_exit (worker->process);
}

static const MossFfiConnFuncs funcs = { on_frame, on_hung_up };

/* --- its process --- */

static void
cold (Provider *provider, gpointer data)
{
  publish_provider (provider);
}

static void
unannounce (Provider *provider, gpointer data)
{
  for (guint i = 0; i < provider->offers->len; i++)
    ((Offer *) provider->offers->pdata[i])->announced = FALSE;
}

static gboolean
on_pause_over (gpointer user_data)
{
  Worker *worker = user_data;

  worker->start_timer = 0;
  if (worker->crashes >= GIVE_UP_CRASHES)
    worker->crashes = GIVE_UP_CRASHES - 1; /* one more try */
  publish_soon (worker->broker);
  if (worker->waiting.length > 0 || worker->wanted)
    start (worker);
  return G_SOURCE_REMOVE;
}

static void
crashed (Worker *worker, const char *why)
{
  worker->crashes++;
  g_message ("the worker of %s %s", worker->name, why);
  worker->pause_ms = CLAMP (worker->pause_ms * 2, FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
  if (worker->start_timer == 0)
    worker->start_timer = g_timeout_add (worker->crashes >= GIVE_UP_CRASHES ? LONGEST_PAUSE_MS
                                                                         : worker->pause_ms,
                                         on_pause_over, worker);
  fail_waiting (worker, why);
  publish_soon (worker->broker);
}

static void
on_exited (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autofree char *name = user_data;
  GSubprocess *process = G_SUBPROCESS (object);
  Broker *broker = g_object_get_data (object, "broker");
  Worker *worker = broker->workers != NULL ? g_hash_table_lookup (broker->workers, name) : NULL;
  gboolean was_warm;

  g_subprocess_wait_finish (process, result, NULL);
  if (worker == NULL || worker->process != process)
    return;
  was_warm = worker->warm;
  g_clear_object (&worker->process);
  g_clear_pointer (&worker->conn, moss_ffi_conn_free);
  g_clear_handle_id (&worker->timeout, g_source_remove);
  worker->warm = FALSE;
  each_provider (worker, cold, NULL);
  if (g_subprocess_get_if_exited (process) &&
      g_subprocess_get_exit_status (process) == STATUS_NO_LIBRARY)
    {
      worker->useless = TRUE;
      each_provider (worker, unannounce, NULL);
      fail_waiting (worker, "finds its library missing");
      publish_soon (broker);
    }
  else if (g_subprocess_get_if_exited (process) && was_warm &&
           g_subprocess_get_exit_status (process) == 0)
    fail_waiting (worker, "ended");
  else
    crashed (worker, g_subprocess_get_if_signaled (process) ? "was killed" : "ended by itself");
}

static gboolean
on_start_timeout (gpointer user_data)
{
  Worker *worker = user_data;

  worker->timeout = 0;
  worker_kill (worker, "does not announce anything");
  return G_SOURCE_REMOVE;
}

static gboolean
spawn (Worker *worker, int socket, GError **error)
{
  g_autofree char *program = moss_program_find ("moss-ffi-worker");
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (
      G_SUBPROCESS_FLAGS_STDOUT_SILENCE);
  gboolean manifest = g_path_is_absolute (worker->name);
  const char *argv[] = { program != NULL ? program : "moss-ffi-worker",
                         manifest ? "exec" : worker->name, manifest ? worker->name : NULL,
                         NULL };

  g_subprocess_launcher_take_fd (launcher, socket, 3);
  g_subprocess_launcher_setenv (launcher, "MOSS_FFI_FD", "3", TRUE);
  g_subprocess_launcher_unsetenv (launcher, "DBUS_SESSION_BUS_ADDRESS");
  worker->process = g_subprocess_launcher_spawnv (launcher, argv, error);
  if (worker->process == NULL)
    return FALSE;
  g_object_set_data (G_OBJECT (worker->process), "broker", worker->broker);
  g_subprocess_wait_async (worker->process, NULL, on_exited, g_strdup (worker->name));
  return TRUE;
}

static void
start (Worker *worker)
{
  g_autoptr (GError) error = NULL;
  int ends[2];

  if (worker->process != NULL || worker->start_timer != 0 || worker->useless)
    return;
  worker->wanted = FALSE;
  worker->started_us = worker->used_us = g_get_monotonic_time ();
  if (!moss_ffi_socket_pair (ends, &error) || !spawn (worker, ends[0], &error))
    {
      crashed (worker, error->message);
      return;
    }
  worker->conn = moss_ffi_conn_new (ends[1], &funcs, worker);
  worker->timeout = g_timeout_add_seconds (START_TIMEOUT_S, on_start_timeout, worker);
}

void
worker_kill (Worker *worker, const char *why)
{
  if (worker->process == NULL)
    return;
  g_message ("the worker of %s %s; it is killed", worker->name, why);
  g_subprocess_force_exit (worker->process);
}

/* --- hanging and idle ones --- */

static guint64
read_cpu_ticks (Worker *worker)
{
  const char *pid = worker->process != NULL ? g_subprocess_get_identifier (worker->process) : NULL;
  g_autofree char *path = g_strdup_printf ("/proc/%s/stat", pid != NULL ? pid : "0");
  g_autofree char *text = NULL;
  const char *after;
  guint64 user = 0, kernel = 0;

  if (pid == NULL || !g_file_get_contents (path, &text, NULL, NULL) ||
      (after = strrchr (text, ')')) == NULL ||
      sscanf (after, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
              &kernel) != 2)
    return 0;
  return user + kernel;
}

static gboolean
on_hung_check (gpointer user_data)
{
  Worker *worker = user_data;
  guint64 spent = read_cpu_ticks (worker) - worker->cpu_ticks;

  worker->hung = 0;
  if (spent * 1000 / sysconf (_SC_CLK_TCK) > HUNG_CHECK_MS / 2)
    worker_kill (worker, "goes on with what was given up");
  return G_SOURCE_REMOVE;
}

void
worker_given_up (Worker *worker)
{
  if (worker->process == NULL || worker->hung != 0)
    return;
  worker->cpu_ticks = read_cpu_ticks (worker);
  worker->hung = g_timeout_add (HUNG_CHECK_MS, on_hung_check, worker);
}

static gboolean
on_patience_over (gpointer user_data)
{
  g_autoptr (GSubprocess) process = user_data;

  g_subprocess_force_exit (process);
  return G_SOURCE_REMOVE;
}

static void
end_idle (Worker *worker)
{
  guint64 ticks = read_cpu_ticks (worker);

  if (!worker->warm || worker->conn == NULL)
    return;
  if (ticks != worker->cpu_ticks)
    worker->used_us = g_get_monotonic_time ();
  worker->cpu_ticks = ticks;
  if (g_get_monotonic_time () - worker->used_us < IDLE_S * G_USEC_PER_SEC)
    return;
  g_clear_pointer (&worker->conn, moss_ffi_conn_free);
  g_timeout_add (END_PATIENCE_MS, on_patience_over, g_object_ref (worker->process));
}

static gboolean
on_idle_check (gpointer user_data)
{
  Broker *broker = user_data;
  GHashTableIter iter;
  Worker *worker;

  g_hash_table_iter_init (&iter, broker->workers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &worker))
    end_idle (worker);
  return G_SOURCE_CONTINUE;
}

/* --- for the others --- */

const char *
worker_get_name (const Worker *worker)
{
  return worker->name;
}

gboolean
worker_is_there (const Worker *worker)
{
  return !worker->useless && worker->crashes < GIVE_UP_CRASHES;
}

gboolean
worker_is_warm (const Worker *worker)
{
  return worker->warm && worker->conn != NULL;
}

gboolean
worker_is_younger (const Worker *worker, guint64 us)
{
  return g_get_monotonic_time () - worker->warm_us < (gint64) us;
}

void
worker_use (Worker *worker)
{
  worker->used_us = g_get_monotonic_time ();
}

/* A call came back from it: it is well again. */
void
worker_is_well (Worker *worker)
{
  worker_use (worker);
  worker->crashes = 0;
  worker->pause_ms = 0;
}

void
worker_connect (Worker *worker, const char *caller, gboolean trusted, ConnectFunc func,
                gpointer user_data)
{
  Waiting *one = g_new0 (Waiting, 1);

  one->caller = g_strdup (caller);
  one->trusted = trusted;
  one->func = func;
  one->user_data = user_data;
  worker_use (worker);
  if (worker_is_warm (worker))
    {
      hand_over (worker, one);
      return;
    }
  g_queue_push_tail (&worker->waiting, one);
  if (worker_is_there (worker))
    start (worker);
  else
    fail_waiting (worker, "crashed too often");
}

Worker *
workers_get (Broker *broker, const char *bridge)
{
  return g_hash_table_lookup (broker->workers, bridge);
}

/* --- finding them --- */

static void
attach (Provider *provider, gpointer data)
{
  provider->worker = data;
}

/* Known with this file: its offers are good. Else it is asked. */
static void
add_bridge (Broker *broker, const char *name, const char *path)
{
  g_autofree char *word = g_strconcat ("bridge ", name, NULL);
  g_autofree char *known = moss_ffi_db_get_word (broker->db, word);
  g_autofree char *stamp = NULL;
  Worker *worker = workers_get (broker, name);
  gboolean is_back = worker != NULL && worker->stamp == NULL;
  GStatBuf file;

  if (g_stat (path, &file) < 0)
    return;
  stamp = g_strdup_printf ("%ld.%09ld %ld", (long) file.st_mtim.tv_sec,
                           file.st_mtim.tv_nsec, (long) file.st_size);
  if (worker == NULL)
    {
      worker = g_new0 (Worker, 1);
      worker->broker = broker;
      worker->name = g_strdup (name);
      g_hash_table_insert (broker->workers, g_strdup (name), worker);
      each_provider (worker, attach, worker);
    }
  else if (g_strcmp0 (worker->stamp, stamp) == 0)
    return;
  g_free (worker->stamp);
  worker->stamp = g_steal_pointer (&stamp);
  if (!is_back && g_strcmp0 (known, worker->stamp) == 0)
    return;
  each_provider (worker, unannounce, NULL);
  worker->useless = FALSE;
  worker->wanted = TRUE;
  if (worker->process != NULL)
    worker_kill (worker, "is replaced by a newer one");
  else
    start (worker);
}

static void
scan_dir (Broker *broker, const char *path, const char *suffix, gboolean whole, GHashTable *seen)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *file;

  while (dir != NULL && (file = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *full = g_build_filename (path, file, NULL);
      g_autofree char *name = g_strdup (file);

      if (!g_str_has_suffix (file, suffix) || g_str_has_prefix (file, ".") ||
          g_str_equal (file, "exec.so"))
        continue;
      name[strlen (name) - strlen (suffix)] = '\0';
      /* The first directory that has a name wins, as everywhere in XDG. */
      if (g_hash_table_add (seen, g_strdup (file)))
        {
          g_hash_table_add (seen, g_strdup (whole ? full : name));
          add_bridge (broker, whole ? full : name, full);
        }
    }
}

static void
forget_lost (Broker *broker, GHashTable *seen)
{
  GHashTableIter iter;
  Provider *provider;

  g_hash_table_iter_init (&iter, broker->providers);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &provider))
    if (provider->bridge[0] != '\0' && !g_hash_table_contains (seen, provider->bridge))
      {
        if (provider->worker != NULL)
          {
            provider->worker->useless = TRUE;
            g_clear_pointer (&provider->worker->stamp, g_free);
          }
        unannounce (provider, NULL);
      }
}

static void
on_manifests_changed (GFileMonitor *monitor, GFile *file, GFile *other, GFileMonitorEvent event,
                      gpointer data)
{
  if (event != G_FILE_MONITOR_EVENT_CREATED && event != G_FILE_MONITOR_EVENT_CHANGED)
    workers_scan (data); /* only when it is written to its end */
}

/* Who puts a manifest into the own folder needn't start anything again. */
static void
watch_manifests (Broker *broker, const char *path)
{
  g_autoptr (GFile) folder = g_file_new_for_path (path);

  broker->manifests = g_file_monitor_directory (folder, G_FILE_MONITOR_WATCH_MOVES, NULL, NULL);
  if (broker->manifests != NULL)
    g_signal_connect (broker->manifests, "changed", G_CALLBACK (on_manifests_changed), broker);
}

void
workers_scan (Broker *broker)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  const char *bridges = g_getenv ("MOSS_FFI_BRIDGES");
  g_autofree char *own = g_build_filename (g_get_user_data_dir (), "moss/functions", NULL);
  const char *const *dirs = g_get_system_data_dirs ();

  if (broker->workers == NULL)
    {
      broker->workers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, worker_free);
      g_timeout_add_seconds (IDLE_CHECK_S, on_idle_check, broker);
      g_mkdir_with_parents (own, 0700);
      watch_manifests (broker, own);
    }
  scan_dir (broker, bridges != NULL ? bridges : MOSS_FFI_BRIDGES_DIR, ".so", FALSE, seen);
  scan_dir (broker, own, ".mossfn", TRUE, seen);
  for (guint i = 0; dirs[i] != NULL; i++)
    {
      g_autofree char *path = g_build_filename (dirs[i], "moss/functions", NULL);

      scan_dir (broker, path, ".mossfn", TRUE, seen);
    }
  forget_lost (broker, seen);
  publish_soon (broker);
}

void
workers_stop (Broker *broker)
{
  g_clear_object (&broker->manifests);
  g_clear_pointer (&broker->workers, g_hash_table_unref);
}
