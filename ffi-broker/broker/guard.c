/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Callers on the session bus, held apart. Each may have so many calls waiting for an answer; the
 * next ones are refused before they reach the main loop, so that whoever floods waits for itself.
 * A call without an answer can't be counted by it, so there are only so many a second. */
#define G_LOG_DOMAIN "moss-ffi-broker"

#include "broker.h"

enum
{
  WAITING_MAX = 64,
  SILENT_A_SECOND = 50,
  SENDERS_MAX = 4096,
};

typedef struct
{
  guint waiting;
  guint silent; /* in its second */
  gint64 second_us;
} Sender;

/* Belongs to the connection's own thread, in which filters run. */
typedef struct
{
  GHashTable *senders; /* unique name → Sender */
} Guard;

static void
guard_free (gpointer data)
{
  Guard *guard = data;

  g_hash_table_unref (guard->senders);
  g_free (guard);
}

/* Nobody is remembered who wants nothing now. */
static gboolean
is_quiet (gpointer name, gpointer value, gpointer now_us)
{
  const Sender *sender = value;

  return sender->waiting == 0 && *(gint64 *) now_us - sender->second_us > G_USEC_PER_SEC;
}

/* NULL: there are too many. */
static Sender *
get_sender (Guard *guard, const char *name)
{
  Sender *sender = g_hash_table_lookup (guard->senders, name);
  gint64 now_us = g_get_monotonic_time ();

  if (sender != NULL)
    return sender;
  if (g_hash_table_size (guard->senders) >= SENDERS_MAX)
    g_hash_table_foreach_remove (guard->senders, is_quiet, &now_us);
  if (g_hash_table_size (guard->senders) >= SENDERS_MAX)
    return NULL;
  sender = g_new0 (Sender, 1);
  g_hash_table_insert (guard->senders, g_strdup (name), sender);
  return sender;
}

static gboolean
may_be_silent (Sender *sender)
{
  gint64 now_us = g_get_monotonic_time ();

  if (now_us - sender->second_us > G_USEC_PER_SEC)
    {
      sender->second_us = now_us;
      sender->silent = 0;
    }
  return ++sender->silent <= SILENT_A_SECOND;
}

static gboolean
may_pass (Guard *guard, GDBusMessage *call)
{
  const char *name = g_dbus_message_get_sender (call);
  Sender *sender = name != NULL ? get_sender (guard, name) : NULL;

  if (sender == NULL)
    return name == NULL;
  if (g_dbus_message_get_flags (call) & G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED)
    return may_be_silent (sender);
  return ++sender->waiting <= WAITING_MAX; /* a refusal is an answer, too */
}

static void
answered (Guard *guard, GDBusMessage *message)
{
  GDBusMessageType type = g_dbus_message_get_message_type (message);
  const char *name = g_dbus_message_get_destination (message);
  Sender *sender;

  if (name == NULL || (type != G_DBUS_MESSAGE_TYPE_METHOD_RETURN &&
                       type != G_DBUS_MESSAGE_TYPE_ERROR))
    return;
  sender = g_hash_table_lookup (guard->senders, name);
  if (sender == NULL || sender->waiting == 0)
    return;
  if (--sender->waiting == 0 && sender->second_us == 0)
    g_hash_table_remove (guard->senders, name);
}

static void
refuse (GDBusConnection *bus, GDBusMessage *call)
{
  g_autoptr (GDBusMessage) answer = NULL;

  if (g_dbus_message_get_flags (call) & G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED)
    return;
  answer = g_dbus_message_new_method_error_literal (
      call, "org.moss.Error.Busy", "You have too many calls under way: wait for their answers.");
  g_dbus_connection_send_message (bus, answer, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
}

static GDBusMessage *
on_message (GDBusConnection *bus, GDBusMessage *message, gboolean incoming, gpointer user_data)
{
  Guard *guard = user_data;

  if (!incoming)
    answered (guard, message);
  else if (g_dbus_message_get_message_type (message) == G_DBUS_MESSAGE_TYPE_METHOD_CALL &&
           !may_pass (guard, message))
    {
      refuse (bus, message);
      g_clear_object (&message);
    }
  return message;
}

void
guard_start (Broker *broker)
{
  Guard *guard = g_new0 (Guard, 1);

  guard->senders = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_dbus_connection_add_filter (broker->bus, on_message, guard, guard_free);
}
