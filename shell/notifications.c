// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-notifications"

#include "notifications.h"

#include <string.h>

/* MossNotifications: owns org.freedesktop.Notifications (specification 1.2) where nobody
   else does. What comes in is another program's: texts are cut to a length, markup is
   rebuilt from the few tags that are allowed, icons are names of the theme or files, and
   only so many are kept.

   Signals: "added" (MossNotification), "removed" (MossNotification). */

#define BUS_NAME "org.freedesktop.Notifications"
#define OBJECT_PATH "/org/freedesktop/Notifications"
#define MAX_KEPT 50
#define MAX_SUMMARY 160
#define MAX_BODY 1200
#define MAX_ACTIONS 8
#define DEFAULT_TIMEOUT_MS 7000

static const char introspection[] =
    "<node><interface name='org.freedesktop.Notifications'>"
    "<method name='GetCapabilities'><arg type='as' direction='out'/></method>"
    "<method name='Notify'>"
    "<arg type='s' direction='in'/><arg type='u' direction='in'/>"
    "<arg type='s' direction='in'/><arg type='s' direction='in'/>"
    "<arg type='s' direction='in'/><arg type='as' direction='in'/>"
    "<arg type='a{sv}' direction='in'/><arg type='i' direction='in'/>"
    "<arg type='u' direction='out'/></method>"
    "<method name='CloseNotification'><arg type='u' direction='in'/></method>"
    "<method name='GetServerInformation'>"
    "<arg type='s' direction='out'/><arg type='s' direction='out'/>"
    "<arg type='s' direction='out'/><arg type='s' direction='out'/></method>"
    "<signal name='NotificationClosed'><arg type='u'/><arg type='u'/></signal>"
    "<signal name='ActionInvoked'><arg type='u'/><arg type='s'/></signal>"
    "</interface></node>";

static const char *const capabilities[] = {
  "actions", "body", "body-markup", "body-hyperlinks", "icon-static", "persistence", NULL
};

struct _MossNotifications
{
  GObject parent_instance;

  GDBusConnection *bus;
  guint owner;
  guint registration;
  guint next_id;
  GListStore *list; /* newest first */
};

enum { ADDED, REMOVED, N_SIGNALS };
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (MossNotification, moss_notification, G_TYPE_OBJECT)
G_DEFINE_FINAL_TYPE (MossNotifications, moss_notifications, G_TYPE_OBJECT)

/* ---- one notification ---------------------------------------------------------------- */

static void
clear (MossNotification *self)
{
  g_clear_pointer (&self->sender, g_free);
  g_clear_pointer (&self->app, g_free);
  g_clear_pointer (&self->icon, g_free);
  g_clear_pointer (&self->summary, g_free);
  g_clear_pointer (&self->body, g_free);
  g_clear_pointer (&self->actions, g_strfreev);
}

static void
moss_notification_finalize (GObject *object)
{
  clear (MOSS_NOTIFICATION (object));
  G_OBJECT_CLASS (moss_notification_parent_class)->finalize (object);
}

static void
moss_notification_class_init (MossNotificationClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = moss_notification_finalize;
}

static void
moss_notification_init (MossNotification *self)
{
}

static char *
cut (const char *text, glong max_chars)
{
  if (g_utf8_strlen (text, -1) <= max_chars)
    return g_strdup (text);
  {
    g_autofree char *start = g_utf8_substring (text, 0, max_chars);
    return g_strconcat (start, "…", NULL);
  }
}

static const char *const allowed_tags[] = { "b", "i", "u", NULL };

static gboolean
take_tag (GString *out, const char **at, GPtrArray *open)
{
  for (guint i = 0; allowed_tags[i] != NULL; i++)
    {
      g_autofree char *start = g_strdup_printf ("<%s>", allowed_tags[i]);
      g_autofree char *end = g_strdup_printf ("</%s>", allowed_tags[i]);

      if (g_str_has_prefix (*at, start))
        {
          g_string_append (out, start);
          g_ptr_array_add (open, (gpointer) allowed_tags[i]);
          *at += strlen (start);
          return TRUE;
        }
      if (g_str_has_prefix (*at, end))
        {
          *at += strlen (end);
          /* Only what was opened last can be closed: the result is always well-formed. */
          if (open->len > 0 && open->pdata[open->len - 1] == allowed_tags[i])
            {
              g_string_append (out, end);
              g_ptr_array_set_size (open, open->len - 1);
            }
          return TRUE;
        }
    }
  return FALSE;
}

static gboolean
take_entity (GString *out, const char **at)
{
  static const char *const entities[] = { "&amp;", "&lt;", "&gt;", "&quot;", "&apos;", NULL };

  for (guint i = 0; entities[i] != NULL; i++)
    if (g_str_has_prefix (*at, entities[i]))
      {
        g_string_append (out, entities[i]);
        *at += strlen (entities[i]);
        return TRUE;
      }
  return FALSE;
}

/* Pango markup with <b>, <i>, <u> and nothing else: other tags go, a “<” that begins none
   and an “&” that begins no entity are shown as they are. */
char *
moss_notification_clean_markup (const char *body)
{
  GString *out = g_string_new (NULL);
  g_autoptr (GPtrArray) open = g_ptr_array_new ();
  const char *at = body;

  while (*at != '\0')
    {
      if (*at == '<')
        {
          const char *end = strchr (at, '>');

          if (take_tag (out, &at, open))
            continue;
          if (end != NULL && (g_ascii_isalpha (at[1]) || at[1] == '/'))
            {
              at = end + 1;
              continue;
            }
          g_string_append (out, "&lt;");
          at++;
        }
      else if (*at == '&')
        {
          if (take_entity (out, &at))
            continue;
          g_string_append (out, "&amp;");
          at++;
        }
      else
        {
          const char *next = g_utf8_next_char (at);
          gunichar character = g_utf8_get_char (at);

          if (character == '\n' || character == '\t' || !g_unichar_iscntrl (character))
            g_string_append_len (out, at, next - at);
          at = next;
        }
    }
  while (open->len > 0)
    {
      g_string_append_printf (out, "</%s>", (char *) open->pdata[open->len - 1]);
      g_ptr_array_set_size (open, open->len - 1);
    }
  return g_string_free (out, FALSE);
}

static char **
copy_actions (const char *const *actions)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (guint i = 0; i / 2 < MAX_ACTIONS && actions[i] != NULL && actions[i + 1] != NULL;
       i += 2)
    {
      g_autofree char *label = cut (actions[i + 1], 40);
      g_strv_builder_add (builder, actions[i]);
      g_strv_builder_add (builder, label);
    }
  return g_strv_builder_end (builder);
}

static int
choose_timeout (MossNotification *self, int asked)
{
  if (self->urgency == 2)
    return asked > 0 ? asked : 0;
  return asked < 0 ? DEFAULT_TIMEOUT_MS : asked;
}

static void
fill (MossNotification *self, GVariant *parameters, const char *sender)
{
  const char *app, *icon, *summary, *body;
  g_autofree const char **actions = NULL;
  g_autoptr (GVariant) hints = NULL;
  g_autofree char *raw = NULL;
  guchar urgency = 1;
  const char *image = NULL;
  int timeout;

  g_variant_get (parameters, "(&su&s&s&s^a&s@a{sv}i)", &app, NULL, &icon, &summary, &body,
                 &actions, &hints, &timeout);
  clear (self);
  self->sender = g_strdup (sender);
  self->app = cut (app, 60);
  g_variant_lookup (hints, "image-path", "&s", &image);
  self->icon = g_strdup (image != NULL && *image != '\0' ? image : icon);
  self->summary = cut (summary, MAX_SUMMARY);
  raw = cut (body, MAX_BODY);
  self->body = moss_notification_clean_markup (raw);
  self->actions = copy_actions (actions);
  g_variant_lookup (hints, "urgency", "y", &urgency);
  self->urgency = MIN (urgency, 2);
  g_variant_lookup (hints, "resident", "b", &self->resident);
  g_variant_lookup (hints, "transient", "b", &self->transient);
  self->timeout_ms = choose_timeout (self, timeout);
}

/* ---- the list ------------------------------------------------------------------------ */

static MossNotification *
find (MossNotifications *self, guint id, guint *position)
{
  GListModel *model = G_LIST_MODEL (self->list);

  for (guint i = 0; i < g_list_model_get_n_items (model); i++)
    {
      g_autoptr (MossNotification) notification = g_list_model_get_item (model, i);

      if (notification->id != id)
        continue;
      *position = i;
      return notification;
    }
  return NULL;
}

/* Takes it off the list and tells its sender why. */
void
moss_notifications_close (MossNotifications *self, MossNotification *notification,
                          MossNotificationReason reason)
{
  g_autoptr (MossNotification) keep = g_object_ref (notification);
  guint position;

  if (find (self, notification->id, &position) == NULL)
    return;
  g_list_store_remove (self->list, position);
  g_dbus_connection_emit_signal (self->bus, keep->sender, OBJECT_PATH, BUS_NAME,
                                 "NotificationClosed",
                                 g_variant_new ("(uu)", keep->id, (guint) reason), NULL);
  g_signal_emit (self, signals[REMOVED], 0, keep);
}

/* The person chose one of its actions. */
void
moss_notifications_invoke (MossNotifications *self, MossNotification *notification,
                           const char *action)
{
  g_dbus_connection_emit_signal (self->bus, notification->sender, OBJECT_PATH, BUS_NAME,
                                 "ActionInvoked",
                                 g_variant_new ("(us)", notification->id, action), NULL);
  if (!notification->resident)
    moss_notifications_close (self, notification, MOSS_NOTIFICATION_DISMISSED);
}

static guint
notify (MossNotifications *self, GVariant *parameters, const char *sender)
{
  g_autoptr (MossNotification) notification = NULL;
  MossNotification *old = NULL;
  guint position, replaces;

  g_variant_get_child (parameters, 1, "u", &replaces);
  old = replaces != 0 ? find (self, replaces, &position) : NULL;
  notification = g_object_new (MOSS_TYPE_NOTIFICATION, NULL);
  fill (notification, parameters, sender);
  /* Nobody replaces what somebody else has said. */
  if (old != NULL && g_strcmp0 (old->sender, sender) == 0)
    {
      notification->id = old->id;
      g_signal_emit (self, signals[REMOVED], 0, old);
      g_list_store_remove (self->list, position);
    }
  else
    {
      notification->id = ++self->next_id;
      if (self->next_id == 0)
        notification->id = self->next_id = 1;
    }
  g_list_store_insert (self->list, 0, notification);
  while (g_list_model_get_n_items (G_LIST_MODEL (self->list)) > MAX_KEPT)
    {
      g_autoptr (MossNotification) last =
          g_list_model_get_item (G_LIST_MODEL (self->list), MAX_KEPT);
      moss_notifications_close (self, last, MOSS_NOTIFICATION_EXPIRED);
    }
  g_signal_emit (self, signals[ADDED], 0, notification);
  return notification->id;
}

/* (transfer none): newest first. */
GListModel *
moss_notifications_get_list (MossNotifications *self)
{
  return G_LIST_MODEL (self->list);
}

/* ---- the bus ------------------------------------------------------------------------- */

static void
on_method_call (GDBusConnection *bus, const char *sender, const char *path,
                const char *interface, const char *method, GVariant *parameters,
                GDBusMethodInvocation *invocation, gpointer data)
{
  MossNotifications *self = data;
  GVariant *answer = NULL;

  if (strcmp (method, "GetCapabilities") == 0)
    answer = g_variant_new ("(^as)", capabilities);
  else if (strcmp (method, "GetServerInformation") == 0)
    answer = g_variant_new ("(ssss)", "Moss", "Moss", "0.1", "1.2");
  else if (strcmp (method, "Notify") == 0)
    answer = g_variant_new ("(u)", notify (self, parameters, sender));
  else if (strcmp (method, "CloseNotification") == 0)
    {
      MossNotification *notification;
      guint id, position;

      g_variant_get (parameters, "(u)", &id);
      notification = find (self, id, &position);
      if (notification != NULL)
        moss_notifications_close (self, notification, MOSS_NOTIFICATION_CLOSED);
    }
  g_dbus_method_invocation_return_value (invocation, answer);
}

static const GDBusInterfaceVTable vtable = { .method_call = on_method_call };

static void
moss_notifications_dispose (GObject *object)
{
  MossNotifications *self = MOSS_NOTIFICATIONS (object);

  g_clear_handle_id (&self->owner, g_bus_unown_name);
  if (self->registration != 0)
    g_dbus_connection_unregister_object (self->bus, self->registration);
  self->registration = 0;
  g_clear_object (&self->list);
  g_clear_object (&self->bus);
  G_OBJECT_CLASS (moss_notifications_parent_class)->dispose (object);
}

static void
moss_notifications_class_init (MossNotificationsClass *klass)
{
  GType type = MOSS_TYPE_NOTIFICATIONS;

  G_OBJECT_CLASS (klass)->dispose = moss_notifications_dispose;
  signals[ADDED] = g_signal_new ("added", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                 G_TYPE_NONE, 1, MOSS_TYPE_NOTIFICATION);
  signals[REMOVED] = g_signal_new ("removed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                   G_TYPE_NONE, 1, MOSS_TYPE_NOTIFICATION);
}

static void
moss_notifications_init (MossNotifications *self)
{
  self->list = g_list_store_new (MOSS_TYPE_NOTIFICATION);
}

MossNotifications *
moss_notifications_new (GDBusConnection *bus)
{
  MossNotifications *self = g_object_new (MOSS_TYPE_NOTIFICATIONS, NULL);
  g_autoptr (GDBusNodeInfo) info = g_dbus_node_info_new_for_xml (introspection, NULL);
  g_autoptr (GError) error = NULL;

  self->bus = g_object_ref (bus);
  self->registration = g_dbus_connection_register_object (
      bus, OBJECT_PATH, info->interfaces[0], &vtable, self, NULL, &error);
  if (self->registration == 0)
    g_warning ("notifications: %s", error->message);
  /* Nested in a desktop that shows notifications itself, it waits in the queue. */
  self->owner = g_bus_own_name_on_connection (bus, BUS_NAME,
                                              G_BUS_NAME_OWNER_FLAGS_ALLOW_REPLACEMENT, NULL,
                                              NULL, NULL, NULL);
  return self;
}
