/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "moss-session"

#include "notices.h"

#include "tray.h"

#include <glib/gi18n.h>
#include <libnotify/notify.h>

/* A mount that fails for a moment, while netd starts, is nothing to tell. */
#define FAILED_FOR_S 5

/* libnotify waits for the notification service, which may be slow or hang: it lives in a thread
 * of its own, with a main context of its own in which the answers come. */

struct _MossNotices
{
  MossFilesClient *client;
  MossFilesState state;
  guint conflicts;
  guint failed; /* timer */
  GMainContext *context;
  GMainLoop *loop;
  GThread *thread;
  GHashTable *shown; /* thread: kind or path → NotifyNotification */
};

typedef struct
{
  MossNotices *notices;
  char *key; /* a second one of the same key replaces the first */
  char *summary, *body, *icon;
  char *path; /* what "Open" opens; NULL: no button */
} Said;

static void
said_free (gpointer data)
{
  Said *said = data;

  g_free (said->key);
  g_free (said->summary);
  g_free (said->body);
  g_free (said->icon);
  g_free (said->path);
  g_free (said);
}

/* ---- in the thread ------------------------------------------------------------------- */

static void
on_open (NotifyNotification *notification, char *action, gpointer data)
{
  Said *said = data;

  moss_tray_open (moss_files_client_get_bus (said->notices->client), said->path);
}

static void
on_closed (NotifyNotification *notification, gpointer data)
{
  Said *said = data;

  g_hash_table_remove (said->notices->shown, said->key);
}

static void
free_with_closure (gpointer data, GClosure *closure)
{
  said_free (data);
}

static Said *
said_copy (const Said *said)
{
  Said *copy = g_new0 (Said, 1);

  copy->notices = said->notices;
  copy->key = g_strdup (said->key);
  copy->path = g_strdup (said->path);
  return copy;
}

static NotifyNotification *
find_or_make (const Said *said)
{
  NotifyNotification *notification = g_hash_table_lookup (said->notices->shown, said->key);

  if (notification != NULL)
    {
      notify_notification_update (notification, said->summary, said->body, said->icon);
      return notification;
    }
  notification = notify_notification_new (said->summary, said->body, said->icon);
  g_hash_table_insert (said->notices->shown, g_strdup (said->key), notification);
  g_signal_connect_data (notification, "closed", G_CALLBACK (on_closed), said_copy (said),
                         free_with_closure, 0);
  return notification;
}

static gboolean
show (gpointer data)
{
  Said *said = data;
  NotifyNotification *notification;
  g_autoptr (GError) error = NULL;

  if (!notify_is_initted () && !notify_init ("Moss"))
    return G_SOURCE_REMOVE;
  notification = find_or_make (said);
  notify_notification_clear_actions (notification);
  notify_notification_set_app_name (notification, "Moss");
  if (said->path != NULL)
    {
      notify_notification_add_action (notification, "default", _ ("Open"), on_open,
                                      said_copy (said), said_free);
      notify_notification_add_action (notification, "open", _ ("Open"), on_open,
                                      said_copy (said), said_free);
    }
  if (!notify_notification_show (notification, &error))
    {
      g_debug ("no notification: %s", error->message);
      g_hash_table_remove (said->notices->shown, said->key);
    }
  return G_SOURCE_REMOVE;
}

static gpointer
run_thread (gpointer data)
{
  MossNotices *notices = data;

  g_main_context_push_thread_default (notices->context);
  g_main_loop_run (notices->loop);
  g_hash_table_remove_all (notices->shown);
  g_main_context_pop_thread_default (notices->context);
  return NULL;
}

/* ---- in the main context ------------------------------------------------------------- */

static void
say (MossNotices *notices, const char *key, const char *icon, const char *path,
     const char *summary, const char *body)
{
  Said *said = g_new0 (Said, 1);

  said->notices = notices;
  said->key = g_strdup (key);
  said->icon = g_strdup (icon);
  said->path = g_strdup (path);
  said->summary = g_strdup (summary);
  /* The body may be markup to the service. */
  said->body = g_markup_escape_text (body, -1);
  g_main_context_invoke_full (notices->context, G_PRIORITY_DEFAULT, show, said, said_free);
}

static void
on_conflicts_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  MossNotices *notices = data;
  g_autoptr (GVariant) answer =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);
  g_autoptr (GVariant) list = NULL;
  g_autoptr (GVariant) first = NULL;
  g_autofree char *base = NULL, *name = NULL, *device = NULL, *summary = NULL, *body = NULL;
  const char *path;

  if (answer == NULL || !g_variant_is_of_type (answer, G_VARIANT_TYPE ("(aa{sv})")))
    return;
  list = g_variant_get_child_value (answer, 0);
  if (g_variant_n_children (list) == 0)
    return;
  first = g_variant_get_child_value (list, 0);
  path = moss_files_get_string (first, "path");
  base = g_path_get_basename (path);
  name = moss_files_clean (base, 40);
  device = moss_files_clean (moss_files_get_string (first, "device"), 40);
  summary = g_strdup_printf (_ ("%s has two versions"), name);
  /* Translators: device */
  body = g_strdup_printf (_ ("It was changed here and on %s at the same time. Both are kept."),
                          device);
  say (notices, "conflict", "moss-net-conflict-symbolic", path, summary, body);
}

static gboolean
on_failed_long (gpointer data)
{
  MossNotices *notices = data;
  g_autofree char *detail =
      moss_files_view_detail (moss_files_client_get_view (notices->client));

  notices->failed = 0;
  say (notices, "failed", "moss-net-conflict-symbolic", NULL, _ ("Your files can't be shown"),
       detail);
  return G_SOURCE_REMOVE;
}

static void
on_client_changed (MossFilesClient *client, MossNotices *notices)
{
  const MossFilesView *view = moss_files_client_get_view (client);
  MossFilesState state = moss_files_view_state (view);
  guint conflicts = moss_files_view_conflicts (view);
  g_autofree char *detail = moss_files_view_detail (view);

  if (conflicts > notices->conflicts)
    moss_files_client_call (client, "Conflicts", NULL, NULL, on_conflicts_ready, notices);
  if (state != notices->state && state == MOSS_FILES_HOST_FULL)
    say (notices, "host-full", "moss-net-full-symbolic", NULL, _ ("A host is full"),
         *detail != '\0' ? detail
                         : _ ("What you save stays on this device until there is room."));
  if (state != MOSS_FILES_FAILED)
    g_clear_handle_id (&notices->failed, g_source_remove);
  else if (state != notices->state)
    notices->failed = g_timeout_add_seconds (FAILED_FOR_S, on_failed_long, notices);
  notices->state = state;
  notices->conflicts = conflicts;
}

static void
on_received (MossFilesClient *client, const char *path, const char *device, MossNotices *notices)
{
  g_autofree char *base = g_path_get_basename (path);
  g_autofree char *name = moss_files_clean (base, 60);
  g_autofree char *from = moss_files_clean (device, 40);
  /* Translators: file, then device */
  g_autofree char *summary = g_strdup_printf (_ ("%s came from %s"), name, from);

  say (notices, path, "moss-net-synced-symbolic", path, summary,
       _ ("It is kept on this device."));
}

MossNotices *
moss_notices_new (MossFilesClient *client)
{
  MossNotices *notices = g_new0 (MossNotices, 1);

  notices->client = g_object_ref (client);
  notices->context = g_main_context_new ();
  notices->loop = g_main_loop_new (notices->context, FALSE);
  notices->shown = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_object_unref);
  notices->thread = g_thread_new ("notices", run_thread, notices);
  g_signal_connect (client, "changed", G_CALLBACK (on_client_changed), notices);
  g_signal_connect (client, "received", G_CALLBACK (on_received), notices);
  return notices;
}

static gboolean
quit (gpointer data)
{
  g_main_loop_quit (data);
  return G_SOURCE_REMOVE;
}

/* The thread may be waiting for a service that hangs: it is left to the end of the process. */
void
moss_notices_free (MossNotices *notices)
{
  g_signal_handlers_disconnect_by_data (notices->client, notices);
  g_clear_handle_id (&notices->failed, g_source_remove);
  g_main_context_invoke (notices->context, quit, notices->loop);
  g_thread_unref (notices->thread);
}
