/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the broker answers on the session bus: everything that a person's program asks. The work
 * is elsewhere. Handle is netd's alone; whoever else calls it is told no. */
#define G_LOG_DOMAIN "moss-ffi-broker"

#include "broker.h"

#define LEARNED_S 2

#include <gio/gunixfdlist.h>
#include <sys/socket.h>
#include <unistd.h>

static void
give_error (GDBusMethodInvocation *invocation, const GError *error)
{
  g_dbus_method_invocation_return_dbus_error (invocation, moss_ffi_error_name (error),
                                              error->message);
}

static int
take_socket (GDBusMethodInvocation *invocation, GUnixFDList *fds, GVariant *handle)
{
  g_autoptr (GError) error = NULL;
  int fd = fds != NULL ? g_unix_fd_list_get (fds, g_variant_get_handle (handle), &error) : -1;
  int kind = 0;
  socklen_t length = sizeof kind;

  if (fd >= 0 && getsockopt (fd, SOL_SOCKET, SO_TYPE, &kind, &length) == 0 &&
      kind == SOCK_SEQPACKET)
    return fd;
  if (fd >= 0)
    close (fd);
  g_dbus_method_invocation_return_dbus_error (invocation, "org.moss.Error.Invalid",
                                              "That is no socket of packets.");
  return -1;
}

static gboolean
on_open (MossDBusFunctionBroker1 *interface, GDBusMethodInvocation *invocation,
         GUnixFDList *none, Broker *broker)
{
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  g_autoptr (GError) error = NULL;
  int ends[2];

  if (!moss_ffi_socket_pair (ends, &error))
    {
      give_error (invocation, error);
      return TRUE;
    }
  clients_add (broker, ends[0], NULL);
  g_unix_fd_list_append (fds, ends[1], NULL);
  close (ends[1]);
  moss_dbus_function_broker1_complete_open (interface, invocation, fds,
                                            g_variant_new_handle (0));
  return TRUE;
}

static gboolean
on_adopt (MossDBusFunctionBroker1 *interface, GDBusMethodInvocation *invocation,
          GUnixFDList *fds, GVariant *handle, const char *sandbox, const char *app,
          Broker *broker)
{
  int socket = take_socket (invocation, fds, handle);

  if (socket < 0)
    return TRUE;
  clients_add (broker, socket, *app != '\0' ? app : sandbox);
  moss_dbus_function_broker1_complete_adopt (interface, invocation, NULL);
  return TRUE;
}

static gboolean
on_announce (MossDBusFunctionBroker1 *interface, GDBusMethodInvocation *invocation,
             GUnixFDList *fds, GVariant *handle, GVariant *provider, GVariant *offers,
             Broker *broker)
{
  g_autoptr (GArray) numbers = g_array_new (FALSE, FALSE, sizeof (guint));
  g_autoptr (GError) error = NULL;
  int socket = take_socket (invocation, fds, handle);
  Client *client = socket >= 0 ? clients_add (broker, socket, NULL) : NULL;

  if (client == NULL)
    {
      if (socket >= 0)
        g_dbus_method_invocation_return_dbus_error (invocation, "org.moss.Error.Busy",
                                                    "There are too many connections.");
      return TRUE;
    }
  if (registry_announce (broker, provider, offers, client, NULL, numbers, &error) == NULL)
    {
      moss_ffi_conn_hang_up (client_get_conn (client), error->message);
      give_error (invocation, error);
      return TRUE;
    }
  moss_dbus_function_broker1_complete_announce (
      interface, invocation, NULL,
      g_variant_new_fixed_array (G_VARIANT_TYPE_UINT32, numbers->data, numbers->len, 4));
  return TRUE;
}

static gboolean
on_withdraw (MossDBusFunctionBroker1 *interface, GDBusMethodInvocation *invocation,
             GVariant *numbers, Broker *broker)
{
  gsize n;
  const guint *list = g_variant_get_fixed_array (numbers, &n, sizeof (guint));

  for (gsize i = 0; i < n; i++)
    {
      Offer *offer = registry_get_offer (broker, list[i]);

      if (offer != NULL)
        registry_forget (broker, offer);
    }
  moss_dbus_function_broker1_complete_withdraw (interface, invocation);
  return TRUE;
}

static GVariant *
describe_all (GPtrArray *offers)
{
  GVariantBuilder list;

  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < offers->len; i++)
    g_variant_builder_add_value (&list, explain_offer (offers->pdata[i]));
  return g_variant_builder_end (&list);
}

static gboolean
on_query (MossDBusFunctionBroker1 *interface, GDBusMethodInvocation *invocation,
          const char *request, Broker *broker)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) offers = registry_find (broker, request, &error);

  if (offers == NULL)
    give_error (invocation, error);
  else
    moss_dbus_function_broker1_complete_query (interface, invocation, describe_all (offers));
  return TRUE;
}

/* Gives the answer, or the error when it is NULL. */
static gboolean
give (GDBusMethodInvocation *invocation, GVariant *answer, const char *type, const GError *error)
{
  if (answer == NULL)
    give_error (invocation, error);
  else
    g_dbus_method_invocation_return_value (invocation, g_variant_new (type, answer));
  return TRUE;
}

static gboolean
on_possible (MossDBusFunctionBroker1 *interface, GDBusMethodInvocation *invocation,
             const char *caps, guint64 bytes, Broker *broker)
{
  g_autoptr (GError) error = NULL;

  return give (invocation, explain_possible (broker, caps, bytes, &error), "(@aa{sv})", error);
}

static gboolean
on_explain (MossDBusFunctionBroker1 *interface, GDBusMethodInvocation *invocation,
            const char *request, GVariant *options, Broker *broker)
{
  g_autoptr (GError) error = NULL;

  return give (invocation, explain_request (broker, request, options, &error), "(@a{sv})",
               error);
}

static gboolean
on_plan (MossDBusFunctionBroker1 *interface, GDBusMethodInvocation *invocation,
         const char *request, GVariant *options, Broker *broker)
{
  g_autoptr (GError) error = NULL;

  return give (invocation, explain_plan (broker, request, options, &error), "(@aa{sv})", error);
}

static gboolean
on_running (MossDBusFunctionBroker1 *interface, GDBusMethodInvocation *invocation,
            Broker *broker)
{
  moss_dbus_function_broker1_complete_running (interface, invocation, running_list (broker));
  return TRUE;
}

static gboolean
on_cancel (MossDBusFunctionBroker1 *interface, GDBusMethodInvocation *invocation, guint64 call,
           Broker *broker)
{
  if (running_cancel (broker, call))
    moss_dbus_function_broker1_complete_cancel (interface, invocation);
  else
    g_dbus_method_invocation_return_dbus_error (invocation, "org.moss.Error.Invalid",
                                                "That call is over.");
  return TRUE;
}

typedef struct
{
  Broker *broker;
  GDBusMethodInvocation *invocation;
  char *request;
} Benching;

static void
on_benched (gpointer user_data)
{
  Benching *benching = user_data;
  g_autoptr (GPtrArray) offers = registry_find (benching->broker, benching->request, NULL);

  if (offers == NULL)
    offers = g_ptr_array_new ();
  g_dbus_method_invocation_return_value (benching->invocation,
                                         g_variant_new ("(@aa{sv})", describe_all (offers)));
  g_free (benching->request);
  g_free (benching);
}

static gboolean
on_bench (MossDBusFunctionBroker1 *interface, GDBusMethodInvocation *invocation,
          const char *request, Broker *broker)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) offers = registry_find (broker, request, &error);
  Benching *benching;

  if (offers == NULL)
    {
      give_error (invocation, error);
      return TRUE;
    }
  for (guint i = offers->len; *request == '\0' && i-- > 0;)
    if (((Offer *) offers->pdata[i])->trust != TRUST_UNMEASURED)
      g_ptr_array_remove_index (offers, i);
  benching = g_new0 (Benching, 1);
  benching->broker = broker;
  benching->invocation = invocation;
  benching->request = g_strdup (request);
  canaries_bench (broker, offers, on_benched, benching);
  return TRUE;
}

/* --- for netd --- */

static void
on_owner (GObject *object, GAsyncResult *result, gpointer user_data)
{
  GDBusMethodInvocation *invocation = user_data;
  Broker *broker = g_object_get_data (G_OBJECT (invocation), "broker");
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (object), result, NULL);
  const char *owner = "", *device, *method;
  g_autoptr (GVariant) body = NULL;

  if (reply != NULL)
    g_variant_get (reply, "(&s)", &owner);
  if (g_strcmp0 (owner, g_dbus_method_invocation_get_sender (invocation)) != 0)
    {
      g_dbus_method_invocation_return_dbus_error (invocation, "org.moss.Error.Denied",
                                                  "Only netd speaks for other devices.");
      return;
    }
  g_variant_get (g_dbus_method_invocation_get_parameters (invocation), "(&s&sv)", &device,
                 &method, &body);
  remote_handle (broker, invocation, device, method, body);
}

/* Is it netd who says what another device says? */
static gboolean
on_handle (MossDBusFunctionBrokerPeer1 *interface, GDBusMethodInvocation *invocation,
           const char *device, const char *method, GVariant *body, Broker *broker)
{
  g_object_set_data (G_OBJECT (invocation), "broker", broker);
  g_dbus_connection_call (broker->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                          "org.freedesktop.DBus", "GetNameOwner",
                          g_variant_new ("(s)", "org.moss.Net1"), G_VARIANT_TYPE ("(s)"),
                          G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, NULL, on_owner, invocation);
  return TRUE;
}

static void
on_sharing (Broker *broker)
{
  const char *sharing = moss_dbus_function_broker1_get_sharing (broker->interface);
  g_autofree char *known = moss_ffi_db_get_word (broker->db, "sharing");

  if (g_strcmp0 (known, sharing) == 0)
    return;
  moss_ffi_db_set_word (broker->db, "sharing", sharing, NULL);
  remote_offers_changed (broker);
}

void
service_changed (Broker *broker)
{
  moss_dbus_function_broker1_set_generation (broker->interface, broker->generation);
  moss_dbus_function_broker1_emit_changed (broker->interface);
}

static gboolean
on_learned (gpointer user_data)
{
  Broker *broker = user_data;

  broker->learned_source = 0;
  moss_dbus_function_broker1_emit_changed (broker->interface);
  return G_SOURCE_REMOVE;
}

void
service_learned (Broker *broker)
{
  if (broker->learned_source == 0)
    broker->learned_source = g_timeout_add_seconds (LEARNED_S, on_learned, broker);
}

void
service_running_changed (Broker *broker)
{
  moss_dbus_function_broker1_emit_running_changed (broker->interface);
}

gboolean
service_export (Broker *broker, GError **error)
{
  static const struct
  {
    const char *signal;
    GCallback callback;
  } handlers[] = {
    { "handle-open", G_CALLBACK (on_open) },         { "handle-adopt", G_CALLBACK (on_adopt) },
    { "handle-announce", G_CALLBACK (on_announce) },
    { "handle-withdraw", G_CALLBACK (on_withdraw) },
    { "handle-query", G_CALLBACK (on_query) },
    { "handle-possible", G_CALLBACK (on_possible) },
    { "handle-explain", G_CALLBACK (on_explain) },   { "handle-plan", G_CALLBACK (on_plan) },
    { "handle-running", G_CALLBACK (on_running) },   { "handle-cancel", G_CALLBACK (on_cancel) },
    { "handle-bench", G_CALLBACK (on_bench) },
  };

  for (guint i = 0; i < G_N_ELEMENTS (handlers); i++)
    g_signal_connect (broker->interface, handlers[i].signal, handlers[i].callback, broker);
  g_signal_connect_swapped (broker->interface, "notify::sharing", G_CALLBACK (on_sharing),
                            broker);
  g_signal_connect (broker->peer_interface, "handle-handle", G_CALLBACK (on_handle), broker);
  return g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (broker->interface),
                                           broker->bus, BUS_PATH, error) &&
         g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (broker->peer_interface),
                                           broker->bus, BUS_PATH, error);
}
