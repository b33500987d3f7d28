/* SPDX-License-Identifier: GPL-3.0-or-later */
/* netd says when it has the keys (TreeReady). Then sandboxd mounts /net, and netd gets the
 * connection and a memfd in which it notes what is open. Both stay here: the next netd gets the
 * same two and goes on, and programs wait for it meanwhile.
 *
 * Whether netd hangs is seen without waking it: requests that nobody takes (the connection is
 * readable) or that were taken long ago, while no answer is given. Then it is killed first, which
 * costs programs nothing; when the next one hangs as well or doesn't come, the connection is
 * aborted, whoever waits gets an error, and /net is mounted anew. */
#define G_LOG_DOMAIN "moss-session"

#include "mount.h"

#include "vfs/netd/fuse-state.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define NET_NAME "org.moss.Net1"
#define NET_PATH "/org/moss/Net"
#define LOOK_S 2
#define HANGS_MS 10000
#define RETRY_MS 10000
#define SERVE_TIMEOUT_MS 30000
#define READ_AHEAD_KIB 1024

struct _MossNetMount
{
  MossManager *manager;
  guint watch, properties, look, retry;

  GMutex lock; /* a change is under way: one at a time */
  gboolean closing;
  int connection, state; /* -1: not mounted */

  /* Main thread. */
  gboolean ready;
  char *owner; /* unique name of netd */
  gint answers;
  gint64 hangs_us;       /* after which waiting is called that */
  gint64 stuck_since_us; /* 0: it isn't */
  guint kills;           /* since the last answer */
};

/* ---- mounting and giving ------------------------------------------------------------- */

static void
forget (MossNetMount *mount)
{
  if (mount->connection >= 0)
    close (mount->connection);
  if (mount->state >= 0)
    close (mount->state);
  mount->connection = mount->state = -1;
  g_atomic_int_set (&mount->manager->apps_have_net, FALSE);
}

static gboolean
do_mount (MossNetMount *mount, GError **error)
{
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GVariant) reply = moss_helper_call (mount->manager->helper, "MountNet",
                                                 g_variant_new ("()"), "(h)", NULL, &fds, error);
  gint32 handle;

  if (reply == NULL)
    return FALSE;
  g_variant_get (reply, "(h)", &handle);
  mount->connection = moss_helper_take_fd (fds, handle, error);
  mount->state = memfd_create ("moss-net-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (mount->connection >= 0 && mount->state >= 0)
    return TRUE;
  forget (mount);
  return FALSE;
}

static gboolean
call_netd (MossNetMount *mount, const char *method, GVariant *parameters, GUnixFDList *fds,
           GError **error)
{
  GError *local = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_with_unix_fd_list_sync (
      mount->manager->bus, NET_NAME, NET_PATH, NET_NAME, method, parameters,
      G_VARIANT_TYPE ("()"), G_DBUS_CALL_FLAGS_NO_AUTO_START, SERVE_TIMEOUT_MS, fds, NULL, NULL,
      &local);

  if (reply == NULL)
    g_propagate_error (error, moss_tidy_error (local));
  return reply != NULL;
}

static gboolean
give (MossNetMount *mount, GError **error)
{
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  GVariantDict options;

  if (g_unix_fd_list_append (fds, mount->connection, error) < 0
      || g_unix_fd_list_append (fds, mount->state, error) < 0)
    return FALSE;
  g_variant_dict_init (&options, NULL);
  g_variant_dict_insert (&options, "sandboxd", "s",
                         moss_helper_get_socket (mount->manager->helper));
  return call_netd (mount, "ServeNet", g_variant_new ("(hh@a{sv})", 0, 1,
                                                      g_variant_dict_end (&options)),
                    fds, error);
}

/* What only works once netd has answered the kernel's first request. Speed and sandboxes are no
 * reason to be without files. */
static void
tune (MossNetMount *mount)
{
  MossHelper *helper = mount->manager->helper;
  g_autoptr (GError) tune_error = NULL;
  g_autoptr (GError) bind_error = NULL;
  g_autoptr (GVariant) tuned
      = moss_helper_call (helper, "TuneNet", g_variant_new ("(u)", READ_AHEAD_KIB), "()", NULL,
                          NULL, &tune_error);
  g_autoptr (GVariant) bound = moss_helper_call (helper, "BindNet", g_variant_new ("()"), "()",
                                                 NULL, NULL, &bind_error);

  if (tuned == NULL)
    g_message ("/net is read slower than it could be: %s", tune_error->message);
  g_atomic_int_set (&mount->manager->apps_have_net, bound != NULL);
  if (bound == NULL)
    g_message ("Apps have no /net: %s", bind_error->message);
}

static gboolean
on_retry (gpointer data);

static gboolean
retry_later (gpointer data)
{
  MossNetMount *mount = data;

  if (mount->retry == 0 && !mount->closing)
    mount->retry = g_timeout_add (RETRY_MS, on_retry, mount);
  return G_SOURCE_REMOVE;
}

static void
serve (MossManager *manager, gpointer data)
{
  MossNetMount *mount = data;
  g_autoptr (GError) error = NULL;
  gboolean fresh;

  g_mutex_lock (&mount->lock);
  fresh = mount->connection < 0;
  if (mount->closing)
    ;
  else if (fresh && !do_mount (mount, &error))
    call_netd (mount, "NetFailed", g_variant_new ("(s)", error->message), NULL, NULL);
  else if (give (mount, &error) && fresh)
    tune (mount);
  if (error != NULL)
    {
      g_message ("/net: %s", error->message);
      g_idle_add (retry_later, mount);
    }
  g_mutex_unlock (&mount->lock);
}

static void
take_down (MossNetMount *mount, const char *method)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;

  if (mount->connection < 0)
    return;
  reply = moss_helper_call (mount->manager->helper, method, g_variant_new ("()"), "()", NULL,
                            NULL, &error);
  if (reply == NULL)
    g_message ("/net can't be unmounted: %s", error->message);
  forget (mount);
}

static void
stop_serving (MossManager *manager, gpointer data)
{
  MossNetMount *mount = data;

  g_mutex_lock (&mount->lock);
  take_down (mount, "UnmountNet");
  call_netd (mount, "StopNet", NULL, NULL, NULL);
  g_mutex_unlock (&mount->lock);
}

static void
mount_anew (MossManager *manager, gpointer data)
{
  MossNetMount *mount = data;

  g_mutex_lock (&mount->lock);
  take_down (mount, "AbortNet");
  g_mutex_unlock (&mount->lock);
  serve (manager, mount);
}

static gboolean
on_retry (gpointer data)
{
  MossNetMount *mount = data;

  mount->retry = 0;
  if (mount->ready)
    moss_manager_spawn (mount->manager, "net-serve", serve, mount);
  return G_SOURCE_REMOVE;
}

/* ---- whether it hangs ---------------------------------------------------------------- */

static gboolean
is_waited_for (MossNetMount *mount, gint *answers)
{
  struct pollfd waiting = { mount->connection, POLLIN, 0 };
  FuseStateSlot slots[FUSE_STATE_SLOTS];

  if (pread (mount->state, answers, sizeof *answers, offsetof (FuseStateBlock, answers))
      != sizeof *answers)
    return FALSE;
  if (poll (&waiting, 1, 0) > 0 && (waiting.revents & POLLIN) != 0)
    return TRUE;
  if (pread (mount->state, slots, sizeof slots, offsetof (FuseStateBlock, slots))
      != sizeof slots)
    return FALSE;
  for (guint i = 0; i < FUSE_STATE_SLOTS; i++)
    if (slots[i].unique != 0)
      return TRUE;
  return FALSE;
}

static void
kill_netd (MossNetMount *mount)
{
  g_autoptr (GVariant) reply = NULL;
  guint32 pid = 0;

  if (mount->owner == NULL)
    return;
  reply = g_dbus_connection_call_sync (
      mount->manager->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
      "org.freedesktop.DBus", "GetConnectionUnixProcessID", g_variant_new ("(s)", mount->owner),
      G_VARIANT_TYPE ("(u)"), G_DBUS_CALL_FLAGS_NONE, 1000, NULL, NULL);
  if (reply == NULL)
    return;
  g_variant_get (reply, "(u)", &pid);
  g_message ("moss-netd does not serve /net any more; it is ended");
  if (pid > 1)
    kill (pid, SIGKILL);
}

static void
end_hang (MossNetMount *mount)
{
  mount->stuck_since_us = 0;
  if (mount->kills++ == 0)
    {
      kill_netd (mount);
      return;
    }
  g_message ("/net is mounted anew: moss-netd hangs again");
  mount->kills = 0;
  kill_netd (mount);
  moss_manager_spawn (mount->manager, "net-anew", mount_anew, mount);
}

/* A read that waits for another machine is no hang, as long as others are answered or nobody else
 * waits: netd bounds those itself. */
static gboolean
on_look (gpointer data)
{
  MossNetMount *mount = data;
  gint64 now_us = g_get_monotonic_time ();
  gint answers = 0;

  if (!g_mutex_trylock (&mount->lock))
    return G_SOURCE_CONTINUE;
  if (mount->connection < 0 || !is_waited_for (mount, &answers) || answers != mount->answers)
    {
      mount->stuck_since_us = 0;
      if (answers != mount->answers)
        mount->kills = 0;
      mount->answers = answers;
    }
  else if (mount->stuck_since_us == 0)
    mount->stuck_since_us = now_us;
  else if (now_us - mount->stuck_since_us > mount->hangs_us)
    end_hang (mount);
  g_mutex_unlock (&mount->lock);
  return G_SOURCE_CONTINUE;
}

/* ---- what netd says ------------------------------------------------------------------ */

static void
set_ready (MossNetMount *mount, gboolean ready)
{
  gboolean was_ready = mount->ready;

  mount->ready = ready;
  if (ready)
    moss_manager_spawn (mount->manager, "net-serve", serve, mount);
  else if (was_ready)
    moss_manager_spawn (mount->manager, "net-stop", stop_serving, mount);
}

static void
on_ready_read (GObject *source, GAsyncResult *result, gpointer data)
{
  MossNetMount *mount = data;
  g_autoptr (GVariant) reply
      = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);
  g_autoptr (GVariant) value = NULL;

  if (reply == NULL)
    return;
  g_variant_get (reply, "(v)", &value);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_BOOLEAN) && g_variant_get_boolean (value))
    set_ready (mount, TRUE);
}

static void
on_netd_appeared (GDBusConnection *bus, const char *name, const char *owner, gpointer data)
{
  MossNetMount *mount = data;

  g_free (mount->owner);
  mount->owner = g_strdup (owner);
  mount->stuck_since_us = 0;
  g_dbus_connection_call (bus, owner, NET_PATH, "org.freedesktop.DBus.Properties", "Get",
                          g_variant_new ("(ss)", NET_NAME, "TreeReady"), G_VARIANT_TYPE ("(v)"),
                          G_DBUS_CALL_FLAGS_NONE, -1, NULL, on_ready_read, mount);
}

/* The mount stays: the next one goes on. */
static void
on_netd_vanished (GDBusConnection *bus, const char *name, gpointer data)
{
  MossNetMount *mount = data;

  g_clear_pointer (&mount->owner, g_free);
  mount->ready = FALSE;
}

static void
on_properties_changed (GDBusConnection *bus, const char *sender, const char *path,
                       const char *interface, const char *name, GVariant *parameters,
                       gpointer data)
{
  MossNetMount *mount = data;
  g_autoptr (GVariant) changed = NULL;
  gboolean ready;

  if (!g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(sa{sv}as)"))
      || g_strcmp0 (sender, mount->owner) != 0)
    return;
  changed = g_variant_get_child_value (parameters, 1);
  if (g_variant_lookup (changed, "TreeReady", "b", &ready) && ready != mount->ready)
    set_ready (mount, ready);
}

/* ---- life ---------------------------------------------------------------------------- */

MossNetMount *
moss_net_mount_new (MossManager *manager)
{
  MossNetMount *mount = g_new0 (MossNetMount, 1);
  const char *hangs_ms = g_getenv ("MOSS_NET_HANGS_MS"); /* for tests */

  mount->manager = manager;
  mount->hangs_us = 1000 * (hangs_ms != NULL ? atoi (hangs_ms) : HANGS_MS);
  mount->connection = mount->state = -1;
  g_mutex_init (&mount->lock);
  mount->properties = g_dbus_connection_signal_subscribe (
      manager->bus, NET_NAME, "org.freedesktop.DBus.Properties", "PropertiesChanged", NET_PATH,
      NET_NAME, G_DBUS_SIGNAL_FLAGS_NONE, on_properties_changed, mount, NULL);
  mount->watch = g_bus_watch_name_on_connection (manager->bus, NET_NAME,
                                                 G_BUS_NAME_WATCHER_FLAGS_NONE,
                                                 on_netd_appeared, on_netd_vanished, mount, NULL);
  mount->look = g_timeout_add_seconds (LOOK_S, on_look, mount);
  return mount;
}

void
moss_net_mount_free (MossNetMount *mount)
{
  g_bus_unwatch_name (mount->watch);
  g_dbus_connection_signal_unsubscribe (mount->manager->bus, mount->properties);
  g_source_remove (mount->look);
  g_clear_handle_id (&mount->retry, g_source_remove);
  g_mutex_lock (&mount->lock);
  mount->closing = TRUE;
  take_down (mount, "UnmountNet");
  g_mutex_unlock (&mount->lock);
  /* A thread may still wait for the lock: it finds closing set, and the process ends soon. */
  g_free (mount->owner);
}
