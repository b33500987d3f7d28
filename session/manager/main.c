/* SPDX-License-Identifier: GPL-3.0-or-later */
/* moss-session: the list of sandboxes, snapshots and moves of one login, and the parent of the
 * other services. */
#define G_LOG_DOMAIN "moss-session"

#include "functions.h"
#include "life.h"
#include "moss-config.h"
#include "mount.h"
#include "moves.h"
#include "arrival.h"
#include "core/crypto/suite.h"
#include "service.h"
#include "session/tray/tray.h"
#include "supervise.h"

#include <glib-unix.h>
#include <glib/gi18n.h>
#include <locale.h>
#include <stdio.h>
#include <sys/resource.h>

#define NAME "org.moss.Session1"
#define PENDING_INTERVAL_S 3
#define SERVICES_PATIENCE_MS 15000

static struct
{
  gboolean shell, alone, version;
  char *name, *runtime, *socket, *state;
  char **netd_args;
} options;

static const GOptionEntry entries[] = {
  { "shell", 0, 0, G_OPTION_ARG_NONE, &options.shell, N_ ("Start the desktop too"), NULL },
  { "no-shell", 0, G_OPTION_FLAG_REVERSE, G_OPTION_ARG_NONE, &options.shell,
    N_ ("Start no desktop (the default)"), NULL },
  { "no-children", 0, 0, G_OPTION_ARG_NONE, &options.alone,
    N_ ("Start neither agent nor network service: somebody else does"), NULL },
  { "name", 0, 0, G_OPTION_ARG_STRING, &options.name, N_ ("What others call this device"),
    N_ ("NAME") },
  { "netd-option", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options.netd_args,
    N_ ("An option for moss-netd"), N_ ("OPTION") },
  { "runtime", 0, 0, G_OPTION_ARG_FILENAME, &options.runtime,
    N_ ("Where the files are that sandboxes are based on (default /)"), N_ ("DIR") },
  { "sandboxd", 0, 0, G_OPTION_ARG_FILENAME, &options.socket,
    N_ ("Socket of the system service"), N_ ("SOCKET") },
  { "state", 0, 0, G_OPTION_ARG_FILENAME, &options.state, N_ ("Folder for its state"),
    N_ ("DIR") },
  { "version", 0, 0, G_OPTION_ARG_NONE, &options.version, N_ ("Say the version"), NULL },
  { NULL }
};

typedef struct
{
  MossManager *manager;
  void (*function) (MossManager *manager, gpointer data);
  gpointer data;
} Job;

static gpointer
run_job (gpointer data)
{
  Job *job = data;

  job->function (job->manager, job->data);
  g_free (job);
  return NULL;
}

void
moss_manager_spawn (MossManager *manager, const char *name,
                    void (*function) (MossManager *manager, gpointer data), gpointer data)
{
  Job *job = g_new (Job, 1);

  job->manager = manager;
  job->function = function;
  job->data = data;
  g_thread_unref (g_thread_new (name, run_job, job));
}

void
moss_manager_notice (MossManager *manager, const char *id, const char *kind, const char *action,
                     const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_message ("%s", text);
  moss_service_notice (manager, id, kind, text, action);
}

GVariant *
moss_manager_features (MossManager *manager, GError **error)
{
  g_autoptr (GVariant) reply = NULL;
  GVariant *features;

  g_mutex_lock (&manager->lock);
  features = manager->features == NULL ? NULL : g_variant_ref (manager->features);
  g_mutex_unlock (&manager->lock);
  if (features != NULL)
    return features;
  reply = moss_helper_call (manager->helper, "Hello", g_variant_new ("()"), "(a{sv})", NULL,
                            NULL, error);
  if (reply == NULL)
    return NULL;
  features = g_variant_get_child_value (reply, 0);
  g_mutex_lock (&manager->lock);
  g_clear_pointer (&manager->features, g_variant_unref);
  manager->features = g_variant_ref (features);
  g_mutex_unlock (&manager->lock);
  return features;
}

char *
moss_manager_app_name (MossManager *manager, const char *id)
{
  g_autofree char *name = moss_registry_get_string (manager->registry, id, "name");

  return *name != '\0' ? g_steal_pointer (&name) : g_strndup (id, 8);
}

/* ---- events -------------------------------------------------------------------------- */

static void
recover_all (MossManager *manager, gpointer data)
{
  moss_recover (manager, NULL);
  moss_life_reconcile (manager);
  if (!moss_net_wait_ready (manager->net, SERVICES_PATIENCE_MS))
    g_message ("moss-netd or moss-agent does not come up: nothing can be sent or brought back");
  moss_login (manager);
}

static void
recover_device (MossManager *manager, gpointer data)
{
  g_autofree char *device = data;

  moss_recover (manager, device);
  if (*device != '\0')
    moss_whereabouts_ask (manager, device);
}

static void
reconcile (MossManager *manager, gpointer data)
{
  moss_life_reconcile (manager);
}

static void
on_device_linked (MossNet *net, const char *device, MossManager *manager)
{
  moss_manager_spawn (manager, "recover", recover_device, g_strdup (device));
}

static void
on_helper_exited (MossHelper *helper, const char *id, int status, MossManager *manager)
{
  moss_life_on_exited (manager, id, status);
}

/* Another sandboxd may be another version; and what ended meanwhile was not told. */
static void
on_helper_connected (MossHelper *helper, MossManager *manager)
{
  g_mutex_lock (&manager->lock);
  g_clear_pointer (&manager->features, g_variant_unref);
  g_mutex_unlock (&manager->lock);
  moss_manager_spawn (manager, "reconcile", reconcile, NULL);
}

static gboolean
reconnect (gpointer data)
{
  MossManager *manager = data;

  return moss_helper_connect (manager->helper, NULL) ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

static void
on_helper_lost (MossHelper *helper, MossManager *manager)
{
  g_message ("The connection to moss-sandboxd broke");
  g_timeout_add_seconds (1, reconnect, manager);
}

/* Moves that wait for the other side are asked about again. */
static gboolean
on_pending_timer (gpointer data)
{
  MossManager *manager = data;
  g_autoptr (GPtrArray) rows = moss_state_last_moves (manager->state);

  for (guint i = 0; i < rows->len; i++)
    if (!moss_move_state_is_final (((MossMoveRow *) rows->pdata[i])->state))
      {
        moss_manager_spawn (manager, "pending", recover_device, g_strdup (""));
        break;
      }
  return G_SOURCE_CONTINUE;
}

static gboolean
on_signal (gpointer data)
{
  g_main_loop_quit (data);
  return G_SOURCE_CONTINUE;
}

/* ---- start --------------------------------------------------------------------------- */

static char *
state_directory (void)
{
  const char *dir = options.state ? options.state : g_getenv ("MOSS_STATE_DIR");

  return dir != NULL ? g_strdup (dir)
                     : g_build_filename (g_get_user_data_dir (), "moss", NULL);
}

static char *
boot_id (void)
{
  char *id = NULL;

  if (!g_file_get_contents ("/proc/sys/kernel/random/boot_id", &id, NULL, NULL))
    return g_uuid_string_random ();
  return g_strchomp (id);
}

static MossManager *
make_manager (GDBusConnection *bus, GError **error)
{
  g_autofree char *directory = state_directory ();
  MossManager *manager = g_new0 (MossManager, 1);

  g_mutex_init (&manager->lock);
  manager->loop = g_main_loop_new (NULL, FALSE);
  manager->bus = bus;
  manager->boot_id = boot_id ();
  manager->runtime = g_strdup (options.runtime ? options.runtime : "/");
  manager->arrivals = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                             (GDestroyNotify) moss_arrival_free);
  manager->state = moss_state_open (directory, error);
  if (manager->state == NULL)
    return NULL;
  manager->registry = moss_registry_new (manager->state);
  manager->helper = moss_helper_new (options.socket);
  manager->net = moss_net_new (bus);
  g_signal_connect (manager->net, "device-linked", G_CALLBACK (on_device_linked), manager);
  g_signal_connect (manager->helper, "exited", G_CALLBACK (on_helper_exited), manager);
  g_signal_connect (manager->helper, "lost", G_CALLBACK (on_helper_lost), manager);
  return manager;
}

static gboolean
own_name (GDBusConnection *bus, GError **error)
{
  g_autoptr (GVariant) reply = g_dbus_connection_call_sync (
      bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
      "RequestName", g_variant_new ("(su)", NAME, 4 /* do not queue */), G_VARIANT_TYPE ("(u)"),
      G_DBUS_CALL_FLAGS_NONE, -1, NULL, error);
  guint32 result;

  if (reply == NULL)
    return FALSE;
  g_variant_get (reply, "(u)", &result);
  if (result == 1)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS, _("a Moss session runs here already"));
  return FALSE;
}

static GPtrArray *
start_children (MossManager *manager)
{
  GPtrArray *children = g_ptr_array_new ();
  g_autoptr (GPtrArray) netd = g_ptr_array_new ();

  if (options.name != NULL)
    {
      g_ptr_array_add (netd, (gpointer) "--name");
      g_ptr_array_add (netd, options.name);
    }
  for (guint i = 0; options.netd_args != NULL && options.netd_args[i] != NULL; i++)
    g_ptr_array_add (netd, options.netd_args[i]);
  g_ptr_array_add (netd, NULL);
  if (!options.alone)
    {
      g_ptr_array_add (children,
                       moss_child_keep (manager->bus, "moss-agent", "org.moss.Agent1", NULL));
      g_ptr_array_add (children,
                       moss_child_keep (manager->bus, "moss-netd", "org.moss.Net1",
                                        netd->len > 1 ? (const char *const *) netd->pdata : NULL));
    }
  if (options.shell)
    g_ptr_array_add (children, moss_child_keep (manager->bus, "moss-shell", NULL, NULL));
  return children;
}

static int
run (GDBusConnection *bus)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) children = NULL;
  MossNetMount *net_mount;
  MossManager *manager = make_manager (bus, &error);
  MossFunctions *functions;
  MossTray *tray;

  if (manager == NULL || !moss_service_export (manager, &error) || !own_name (bus, &error))
    {
      g_printerr (_("moss-session can't start: %s\n"), error->message);
      return 1;
    }
  g_unix_signal_add (SIGTERM, on_signal, manager->loop);
  g_unix_signal_add (SIGINT, on_signal, manager->loop);
  children = start_children (manager);
  if (!moss_helper_connect (manager->helper, &error))
    {
      g_message ("%s", error->message);
      on_helper_lost (manager->helper, manager);
    }
  g_signal_connect (manager->helper, "connected", G_CALLBACK (on_helper_connected), manager);
  moss_manager_spawn (manager, "recover", recover_all, NULL);
  g_timeout_add_seconds (PENDING_INTERVAL_S, on_pending_timer, manager);
  tray = moss_tray_start (bus);
  net_mount = moss_net_mount_new (manager);
  functions = moss_functions_new (manager);
  g_main_loop_run (manager->loop);
  moss_functions_free (functions);
  moss_net_mount_free (net_mount);
  moss_tray_stop (tray);
  for (guint i = children->len; i > 0; i--)
    moss_child_end (children->pdata[i - 1]);
  g_dbus_connection_flush_sync (bus, NULL, NULL);
  return 0;
}

/* Snapshots are many descriptors at once. */
static void
raise_descriptor_limit (void)
{
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max)
    {
      limit.rlim_cur = limit.rlim_max;
      setrlimit (RLIMIT_NOFILE, &limit);
    }
}

int
main (int argc, char *argv[])
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) bus = NULL;
  const char *locale_dir = g_getenv ("MOSS_LOCALEDIR");

  setlocale (LC_ALL, "");
  bindtextdomain (GETTEXT_PACKAGE, locale_dir != NULL ? locale_dir : MOSS_LOCALEDIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);
  g_option_context_set_summary (context, _("Keeps the sandboxes, snapshots and moves of a login."));
  g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    {
      g_printerr ("moss-session: %s\n", error->message);
      return 2;
    }
  if (options.version)
    {
      printf ("moss-session %s\n", MOSS_VERSION);
      return 0;
    }
  raise_descriptor_limit ();
  if (!moss_crypto_init (&error)
      || (bus = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, &error)) == NULL)
    {
      g_printerr (_("moss-session can't start: %s\n"), error->message);
      return 1;
    }
  return run (bus);
}
