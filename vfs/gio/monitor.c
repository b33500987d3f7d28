// SPDX-License-Identifier: LGPL-2.1-or-later
#define G_LOG_DOMAIN "moss-gio"

#include "monitor.h"

#include "mount.h"
#include "vfs.h"
#include "vfs/files/client.h"

#include <string.h>

/* MossGioMonitor: at most one mount, there while netd says that /net is mounted; and in a
 * sandbox, where nobody can be asked, while the table of mounts has it. This runs in the main
 * thread of every program that opens a file dialog: it waits for nothing, starts nothing and
 * never looks at /net. It has a connection to the bus of its
 * own, because the shared one would end a program that doesn't use the bus itself when the bus
 * goes away. */

/* How long netd has to say something before the table is looked at. */
#define PATIENCE_MS 300
#define TABLE "/proc/self/mountinfo"
#define TABLE_MAX (1 << 20)

struct _MossGioMonitor
{
  GVolumeMonitor parent_instance;

  GMutex lock; /* for the mount: it is asked for from any thread */
  MossGioMount *mount;
  MossFilesClient *client;
  GCancellable *cancellable;
  guint timer;
};
typedef struct _MossGioMonitor MossGioMonitor;
typedef GVolumeMonitorClass MossGioMonitorClass;

G_DEFINE_DYNAMIC_TYPE (MossGioMonitor, moss_gio_monitor, G_TYPE_VOLUME_MONITOR)

static MossGioMonitor *
to_monitor (gpointer object)
{
  return G_TYPE_CHECK_INSTANCE_CAST (object, moss_gio_monitor_get_type (), MossGioMonitor);
}

static MossGioMount *
ref_mount (MossGioMonitor *self)
{
  MossGioMount *mount;

  g_mutex_lock (&self->lock);
  mount = self->mount != NULL ? g_object_ref (self->mount) : NULL;
  g_mutex_unlock (&self->lock);
  return mount;
}

static GList *
get_mounts (GVolumeMonitor *monitor)
{
  MossGioMount *mount = ref_mount (to_monitor (monitor));

  return mount != NULL ? g_list_append (NULL, mount) : NULL;
}

static GList *
get_nothing (GVolumeMonitor *monitor)
{
  return NULL;
}

static GVolume *
get_volume_for_uuid (GVolumeMonitor *monitor, const char *uuid)
{
  return NULL;
}

static GMount *
get_mount_for_uuid (GVolumeMonitor *monitor, const char *uuid)
{
  g_autoptr (MossGioMount) mount = ref_mount (to_monitor (monitor));

  if (mount == NULL || strcmp (moss_gio_mount_get_home (mount), uuid) != 0)
    return NULL;
  return G_MOUNT (g_steal_pointer (&mount));
}

/* ---- following netd ------------------------------------------------------------------ */

static MossGioMount *
swap (MossGioMonitor *self, MossGioMount *mount)
{
  MossGioMount *old;

  g_mutex_lock (&self->lock);
  old = self->mount;
  self->mount = mount;
  g_mutex_unlock (&self->lock);
  return old;
}

static void
remove_mount (MossGioMonitor *self)
{
  g_autoptr (MossGioMount) old = swap (self, NULL);

  if (old == NULL)
    return;
  g_signal_emit_by_name (self, "mount-removed", old);
  g_signal_emit_by_name (old, "unmounted");
}

static void
add_mount (MossGioMonitor *self, const char *home, const char *name, const char *icon)
{
  g_autoptr (MossGioMount) mount = moss_gio_mount_new (home, name, icon);

  swap (self, g_object_ref (mount));
  g_signal_emit_by_name (self, "mount-added", mount);
}

static void
on_client_changed (MossFilesClient *client, MossGioMonitor *self)
{
  const char *home = moss_files_client_get_home (client);
  const char *state = moss_files_client_get_mount_state (client);
  const char *icon =
      moss_files_state_icon (moss_files_view_state (moss_files_client_get_view (client)));
  gboolean there = strcmp (state, "mounted") == 0 && g_str_has_prefix (home, "/net/");
  MossGioMount *mount = self->mount; /* only this thread changes it */

  if (mount != NULL && (!there || strcmp (moss_gio_mount_get_home (mount), home) != 0))
    remove_mount (self);
  g_clear_handle_id (&self->timer, g_source_remove);
  if (there && self->mount == NULL)
    {
      g_autofree char *name = moss_files_home_name (home);

      add_mount (self, home, name, icon);
    }
  else if (there && moss_gio_mount_set_icon (self->mount, icon))
    {
      g_signal_emit_by_name (self, "mount-changed", self->mount);
      g_signal_emit_by_name (self->mount, "changed");
    }
}

static void
on_connected (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) bus = g_dbus_connection_new_for_address_finish (result, &error);
  MossGioMonitor *self = data;

  if (bus == NULL)
    {
      g_debug ("%s", error->message); /* the monitor may be gone */
      return;
    }
  self->client = moss_files_client_new (bus);
  g_signal_connect (self->client, "changed", G_CALLBACK (on_client_changed), self);
}

/* A line is "36 35 0:51 / /net rw,nosuid - fuse.moss moss rw,…" (proc(5)). */
static gboolean
is_in_table (void)
{
  g_autofree char *table = NULL;
  g_auto (GStrv) lines = NULL;
  gsize length;

  if (!g_file_get_contents (TABLE, &table, &length, NULL) || length > TABLE_MAX)
    return FALSE;
  lines = g_strsplit (table, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_auto (GStrv) fields = g_strsplit (lines[i], " ", 6);

      if (g_strv_length (fields) == 6 && strcmp (fields[4], "/net") == 0
          && strstr (fields[5], " - fuse.moss ") != NULL)
        return TRUE;
    }
  return FALSE;
}

static gboolean
on_patience_lost (gpointer data)
{
  MossGioMonitor *self = data;

  self->timer = 0;
  if (self->mount == NULL && is_in_table ())
    add_mount (self, "/net", "/net", moss_files_state_icon (MOSS_FILES_NONE));
  return G_SOURCE_REMOVE;
}

/* NULL: there is no bus, and none is started. */
static char *
find_bus (void)
{
  const char *address = g_getenv ("DBUS_SESSION_BUS_ADDRESS");
  g_autofree char *socket = NULL;
  g_autofree char *escaped = NULL;

  if (address != NULL)
    return g_strdup (address);
  socket = g_build_filename (g_get_user_runtime_dir (), "bus", NULL);
  escaped = g_dbus_address_escape_value (socket);
  return g_file_test (socket, G_FILE_TEST_EXISTS) ? g_strconcat ("unix:path=", escaped, NULL)
                                                  : NULL;
}

static void
moss_gio_monitor_dispose (GObject *object)
{
  MossGioMonitor *self = to_monitor (object);

  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  g_clear_handle_id (&self->timer, g_source_remove);
  if (self->client != NULL)
    g_signal_handlers_disconnect_by_data (self->client, self);
  g_clear_object (&self->client);
  g_clear_object (&self->mount);
  G_OBJECT_CLASS (moss_gio_monitor_parent_class)->dispose (object);
}

static void
moss_gio_monitor_finalize (GObject *object)
{
  g_mutex_clear (&to_monitor (object)->lock);
  G_OBJECT_CLASS (moss_gio_monitor_parent_class)->finalize (object);
}

static gboolean
is_supported (void)
{
  return TRUE;
}

static void
moss_gio_monitor_class_init (MossGioMonitorClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);
  GVolumeMonitorClass *monitor_class = G_VOLUME_MONITOR_CLASS (class);

  object_class->dispose = moss_gio_monitor_dispose;
  object_class->finalize = moss_gio_monitor_finalize;
  monitor_class->is_supported = is_supported;
  monitor_class->get_mounts = get_mounts;
  monitor_class->get_volumes = get_nothing;
  monitor_class->get_connected_drives = get_nothing;
  monitor_class->get_volume_for_uuid = get_volume_for_uuid;
  monitor_class->get_mount_for_uuid = get_mount_for_uuid;
}

static void
moss_gio_monitor_class_finalize (MossGioMonitorClass *class)
{
}

/* Volume monitors speak in the main context, whatever thread asks for the first one. */
static void
moss_gio_monitor_init (MossGioMonitor *self)
{
  g_autofree char *address = find_bus ();

  g_mutex_init (&self->lock);
  self->cancellable = g_cancellable_new ();
  moss_gio_vfs_teach (g_vfs_get_default ());
  self->timer = g_timeout_add (PATIENCE_MS, on_patience_lost, self);
  if (address == NULL)
    return;
  g_main_context_push_thread_default (NULL);
  g_dbus_connection_new_for_address (address,
                                     G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT
                                         | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                     NULL, self->cancellable, on_connected, self);
  g_main_context_pop_thread_default (NULL);
}

void
moss_gio_monitor_register (GIOModule *module)
{
  moss_gio_monitor_register_type (G_TYPE_MODULE (module));
  g_io_extension_point_implement (G_VOLUME_MONITOR_EXTENSION_POINT_NAME,
                                  moss_gio_monitor_get_type (), "moss", 0);
}
