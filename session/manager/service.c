/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "moss-session"

#include "service.h"

#include "imaging.h"
#include "life.h"
#include "moss-dbus-session.h"
#include "moves.h"
#include "session/move/move-error.h"

#include <glib/gi18n.h>
#include <unistd.h>

#define PATH "/org/moss/Session"
#define NAME "org.moss.Session1"
#define PEER_NAME "org.moss.SessionPeer1"
#define MAX_PICTURE (256u << 10)
#define MAX_GEOMETRY (64u << 10)

typedef struct
{
  MossManager *manager;
  GDBusMethodInvocation *invocation;
  GVariant *parameters; /* as the interface's XML says: GIO has checked the types */
  GUnixFDList *fds_in, *fds_out;
} Call;

/* Returns the reply's tuple (floating), or NULL with the error set. */
typedef GVariant *(*Method) (Call *call, GError **error);

static GVariant *
nothing (gboolean ok)
{
  return ok ? g_variant_new ("()") : NULL;
}

/* The first argument, which most methods have. */
static const char *
first_string (Call *call)
{
  const char *text;

  g_variant_get_child (call->parameters, 0, "&s", &text);
  return text;
}

static gboolean
check_known (Call *call, const char *id, GError **error)
{
  if (moss_registry_has (call->manager->registry, id))
    return TRUE;
  g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_NOT_FOUND,
               _("There is no sandbox %s here"), id);
  return FALSE;
}

static GVariant *
on_list (Call *call, GError **error)
{
  moss_preflight_look (call->manager);
  return g_variant_new ("(@aa{sv})", moss_registry_list (call->manager->registry));
}

/* Of an app that is away, the device that has it may have a newer picture. */
static GVariant *
picture_from_there (Call *call, const char *id)
{
  g_autofree char *device
      = moss_registry_get_string (call->manager->registry, id, "device");
  g_autoptr (GVariant) answer
      = moss_net_call (call->manager->net, device, "move.picture",
                       g_variant_new_parsed ("{'id': <%s>}", id), 1000, NULL);

  return answer == NULL ? NULL
                        : g_variant_lookup_value (answer, "picture", G_VARIANT_TYPE ("ay"));
}

static GVariant *
on_describe (Call *call, GError **error)
{
  const char *id = first_string (call);
  MossRegistry *registry = call->manager->registry;
  GVariant *description;

  if (moss_registry_is (registry, id, "away"))
    {
      g_autoptr (GVariant) picture = picture_from_there (call, id);

      if (picture != NULL && g_variant_get_size (picture) <= MAX_PICTURE)
        moss_registry_set (registry, id, "picture", picture, NULL);
    }
  description = moss_registry_describe (registry, id, TRUE);
  if (description == NULL)
    return check_known (call, id, error) ? NULL : NULL;
  return g_variant_new ("(@a{sv})", description);
}

static GVariant *
on_run (Call *call, GError **error)
{
  const char *what;
  g_autofree const char **arguments = NULL;
  g_autoptr (GVariant) argument_list = NULL, files = NULL, options = NULL;
  g_autofree char *id = NULL;

  g_variant_get (call->parameters, "(&s@aay@a(ayh)@a{sv})", &what, &argument_list, &files,
                 &options);
  arguments = g_variant_get_bytestring_array (argument_list, NULL);
  id = moss_run (call->manager, what, arguments, files, call->fds_in, options, error);
  return id == NULL ? NULL : g_variant_new ("(s)", id);
}

/* Methods that only pass on to sandboxd and give a descriptor back. */
static GVariant *
pass_on (Call *call, const char *method, GError **error)
{
  g_autoptr (GVariant) reply = NULL;

  if (!check_known (call, first_string (call), error))
    return NULL;
  reply = moss_helper_call (call->manager->helper, method, call->parameters, "(h)", NULL,
                            &call->fds_out, error);
  return g_steal_pointer (&reply);
}

static GVariant *
on_connect (Call *call, GError **error)
{
  return pass_on (call, "Connect", error);
}

static GVariant *
on_read_file (Call *call, GError **error)
{
  return pass_on (call, "ReadFile", error);
}

static GVariant *
on_list_files (Call *call, GError **error)
{
  if (!check_known (call, first_string (call), error))
    return NULL;
  return moss_helper_call (call->manager->helper, "ListFiles", call->parameters, "(aa{sv})",
                           NULL, NULL, error);
}

static GVariant *
on_preflight (Call *call, GError **error)
{
  const char *id, *device;
  GVariant *answer;

  g_variant_get (call->parameters, "(&s&s)", &id, &device);
  moss_preflight_look (call->manager);
  answer = moss_preflight (call->manager, id, device, error);
  return answer == NULL ? NULL : g_variant_new ("(@a{sv})", answer);
}

static GVariant *
on_send (Call *call, GError **error)
{
  const char *id, *device;
  g_autoptr (GVariant) report = NULL;

  g_variant_get (call->parameters, "(&s&s)", &id, &device);
  report = moss_send (call->manager, id, device, error);
  return report == NULL ? NULL : g_variant_new ("(@a{sv})", report);
}

static GVariant *
on_bring (Call *call, GError **error)
{
  g_autoptr (GVariant) report = moss_bring (call->manager, first_string (call), error);

  return report == NULL ? NULL : g_variant_new ("(@a{sv})", report);
}

static GVariant *
on_cancel (Call *call, GError **error)
{
  moss_cancel (call->manager, first_string (call));
  return nothing (TRUE);
}

static GVariant *
on_snapshot (Call *call, GError **error)
{
  const char *id, *label;
  g_autofree char *snapshot = NULL;

  g_variant_get (call->parameters, "(&s&s)", &id, &label);
  snapshot = moss_snapshot_take (call->manager, id, "manual", label, error);
  return snapshot == NULL ? NULL : g_variant_new ("(s)", snapshot);
}

static void
add_snapshot (GVariantBuilder *builder, const MossSnapshotRow *row)
{
  static const char *const copied[] = { "app", "name", "picture" };
  GVariantBuilder one;

  g_variant_builder_init (&one, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&one, "{sv}", "snapshot", g_variant_new_string (row->snapshot));
  g_variant_builder_add (&one, "{sv}", "id", g_variant_new_string (row->sandbox));
  g_variant_builder_add (&one, "{sv}", "label", g_variant_new_string (row->label));
  g_variant_builder_add (&one, "{sv}", "kind", g_variant_new_string (row->kind));
  g_variant_builder_add (&one, "{sv}", "time", g_variant_new_int64 (row->time_us));
  g_variant_builder_add (&one, "{sv}", "bytes", g_variant_new_uint64 (row->bytes));
  g_variant_builder_add (&one, "{sv}", "new-bytes", g_variant_new_uint64 (row->new_bytes));
  for (guint i = 0; i < G_N_ELEMENTS (copied); i++)
    {
      g_autoptr (GVariant) value = g_variant_lookup_value (row->about, copied[i], NULL);

      if (value != NULL)
        g_variant_builder_add (&one, "{sv}", copied[i], value);
    }
  g_variant_builder_add_value (builder, g_variant_builder_end (&one));
}

static GVariant *
on_snapshots (Call *call, GError **error)
{
  const char *id = first_string (call);
  g_autoptr (GPtrArray) rows
      = moss_state_snapshots (call->manager->state, *id == '\0' ? NULL : id);
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < rows->len; i++)
    add_snapshot (&builder, rows->pdata[i]);
  return g_variant_new ("(aa{sv})", &builder);
}

static GVariant *
on_restore (Call *call, GError **error)
{
  const char *snapshot;
  gboolean copy;
  g_autofree char *id = NULL;

  g_variant_get (call->parameters, "(&sb)", &snapshot, &copy);
  id = moss_snapshot_restore (call->manager, snapshot, copy, error);
  return id == NULL ? NULL : g_variant_new ("(s)", id);
}

static GVariant *
on_delete_snapshot (Call *call, GError **error)
{
  g_autoptr (MossSnapshotRow) row
      = moss_state_find_snapshot (call->manager->state, first_string (call));

  if (row == NULL)
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_NOT_FOUND,
                   _("There is no snapshot %s here"), first_string (call));
      return NULL;
    }
  moss_snapshot_forget (call->manager, row);
  return nothing (TRUE);
}

static GVariant *
on_close (Call *call, GError **error)
{
  const char *id;
  gboolean force;

  g_variant_get (call->parameters, "(&sb)", &id, &force);
  return nothing (moss_close (call->manager, id, force, error));
}

static GVariant *
on_discard (Call *call, GError **error)
{
  return nothing (moss_discard (call->manager, first_string (call), error));
}

static GVariant *
on_set_geometry (Call *call, GError **error)
{
  g_autoptr (GVariant) geometry = NULL;
  const char *id;

  g_variant_get (call->parameters, "(&sv)", &id, &geometry);
  if (!check_known (call, id, error))
    return NULL;
  if (g_variant_get_size (geometry) <= MAX_GEOMETRY)
    moss_registry_set (call->manager->registry, id, "geometry", geometry, NULL);
  return nothing (TRUE);
}

static GVariant *
on_set_picture (Call *call, GError **error)
{
  g_autoptr (GVariant) png = NULL;
  const char *id;

  g_variant_get (call->parameters, "(&s@ay)", &id, &png);
  if (!check_known (call, id, error))
    return NULL;
  if (g_variant_get_size (png) <= MAX_PICTURE)
    moss_registry_set (call->manager->registry, id, "picture", png, NULL);
  return nothing (TRUE);
}

static GVariant *
on_set_settings (Call *call, GError **error)
{
  g_autoptr (GVariant) settings = g_variant_get_child_value (call->parameters, 0);

  moss_settings_apply (call->manager, NULL, settings);
  return nothing (TRUE);
}

static gboolean
quit (gpointer loop)
{
  g_main_loop_quit (loop);
  return G_SOURCE_REMOVE;
}

static GVariant *
on_logout (Call *call, GError **error)
{
  if (!moss_logout (call->manager, error))
    return NULL;
  g_timeout_add (200, quit, call->manager->loop); /* the answer goes out first */
  return nothing (TRUE);
}

static GVariant *
on_handle (Call *call, GError **error)
{
  const char *device, *method;
  g_autoptr (GVariant) body = NULL;
  GVariant *answer;

  if (!moss_net_is_netd (call->manager->net,
                         g_dbus_method_invocation_get_sender (call->invocation)))
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_DENIED,
                   "Only moss-netd speaks for other devices");
      return NULL;
    }
  g_variant_get (call->parameters, "(&s&sv)", &device, &method, &body);
  answer = moss_peer_handle (call->manager, device, method, body, error);
  return answer == NULL ? NULL : g_variant_new ("(v)", answer);
}

static const struct
{
  const char *name;
  Method method;
} methods[] = {
  { "List", on_list },
  { "Describe", on_describe },
  { "Run", on_run },
  { "Connect", on_connect },
  { "Preflight", on_preflight },
  { "Send", on_send },
  { "Bring", on_bring },
  { "Cancel", on_cancel },
  { "Snapshot", on_snapshot },
  { "Snapshots", on_snapshots },
  { "Restore", on_restore },
  { "DeleteSnapshot", on_delete_snapshot },
  { "Close", on_close },
  { "Discard", on_discard },
  { "ListFiles", on_list_files },
  { "ReadFile", on_read_file },
  { "SetGeometry", on_set_geometry },
  { "SetPicture", on_set_picture },
  { "SetSettings", on_set_settings },
  { "Logout", on_logout },
  { "Handle", on_handle },
};

static void
finish (Call *call, GVariant *reply, GError *error)
{
  if (reply != NULL)
    g_dbus_method_invocation_return_value_with_unix_fd_list (call->invocation, reply,
                                                             call->fds_out);
  else
    g_dbus_method_invocation_return_gerror (call->invocation, error);
  g_clear_object (&call->fds_in);
  g_clear_object (&call->fds_out);
  g_variant_unref (call->parameters);
  g_free (call);
}

static void
run_call (MossManager *manager, gpointer data)
{
  Call *call = data;
  const char *name = g_dbus_method_invocation_get_method_name (call->invocation);
  g_autoptr (GError) error = NULL;
  GVariant *reply = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (methods); i++)
    if (g_str_equal (methods[i].name, name))
      reply = methods[i].method (call, &error);
  if (reply == NULL && error == NULL)
    g_set_error (&error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_FAILED, "%s failed", name);
  moss_tidy_error (error);
  /* Other domains would show their GQuark in the sentence. */
  if (error != NULL && !g_dbus_error_is_remote_error (error) && error->domain != MOSS_MOVE_ERROR
      && error->domain != G_DBUS_ERROR)
    {
      g_autofree char *text = g_strdup (error->message);

      g_clear_error (&error);
      g_set_error_literal (&error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_FAILED, text);
    }
  finish (call, reply, error);
}

static void
on_method_call (GDBusConnection *bus, const char *sender, const char *path,
                const char *interface, const char *method, GVariant *parameters,
                GDBusMethodInvocation *invocation, gpointer data)
{
  Call *call = g_new0 (Call, 1);
  GUnixFDList *fds = g_dbus_message_get_unix_fd_list (
      g_dbus_method_invocation_get_message (invocation));

  call->manager = data;
  call->invocation = invocation;
  call->parameters = g_variant_ref (parameters);
  call->fds_in = fds == NULL ? NULL : g_object_ref (fds);
  moss_manager_spawn (data, method, run_call, call);
}

static GVariant *
on_get_property (GDBusConnection *bus, const char *sender, const char *path,
                 const char *interface, const char *property, GError **error, gpointer data)
{
  return moss_settings_get (data);
}

static void
emit (MossManager *manager, const char *name, GVariant *parameters)
{
  g_dbus_connection_emit_signal (manager->bus, NULL, PATH, NAME, name, parameters, NULL);
}

static void
on_changed (MossRegistry *registry, const char *id, MossManager *manager)
{
  GVariant *description = moss_registry_describe (registry, id, FALSE);

  if (description != NULL)
    emit (manager, "Changed", g_variant_new ("(s@a{sv})", id, description));
}

static void
on_removed (MossRegistry *registry, const char *id, MossManager *manager)
{
  emit (manager, "Removed", g_variant_new ("(s)", id));
}

void
moss_service_notice (MossManager *manager, const char *id, const char *kind, const char *text,
                     const char *action)
{
  emit (manager, "Notice", g_variant_new ("(ssss)", id, kind, text, action));
}

gboolean
moss_service_export (MossManager *manager, GError **error)
{
  static const GDBusInterfaceVTable vtable = { on_method_call, on_get_property, NULL };
  GDBusInterfaceInfo *session = moss_dbus_session1_interface_info ();
  GDBusInterfaceInfo *peer = moss_dbus_session_peer1_interface_info ();

  g_signal_connect (manager->registry, "changed", G_CALLBACK (on_changed), manager);
  g_signal_connect (manager->registry, "removed", G_CALLBACK (on_removed), manager);
  return g_dbus_connection_register_object (manager->bus, PATH, session, &vtable, manager, NULL,
                                            error)
         && g_dbus_connection_register_object (manager->bus, PATH, peer, &vtable, manager, NULL,
                                               error);
}
