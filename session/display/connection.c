// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Sockets that lead outward: one viewer at a time, and controllers.
 *
 * Policy: the peer may send anything. A message that is malformed, unknown or out of turn
 * ends that connection with BYE; the display and its clients go on. Nothing here blocks;
 * a peer that doesn't read is dropped when its queue is full.
 */
#include "display-private.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static void
connection_free (MossDisplayConnection *connection)
{
  wl_list_remove (&connection->link);
  connection->display->n_connections--;
  if (connection->source)
    wl_event_source_remove (connection->source);
  moss_wire_free (connection->wire);
  free (connection);
}

static void
say_bye (MossDisplayConnection *connection, uint32_t reason)
{
  if (!reason || moss_wire_failed (connection->wire))
    return;
  moss_wire_begin (connection->wire, MOSS_WIRE_BYE, 0);
  moss_wire_put_u32 (connection->wire, reason);
  moss_wire_end (connection->wire);
  moss_wire_flush (connection->wire);
}

/* Ends it now. Within its own dispatch the memory stays until that returns. */
void
moss_connection_kill (MossDisplayConnection *connection, uint32_t reason)
{
  MossDisplay *display = connection->display;

  if (connection->dead)
    return;
  connection->dead = true;
  say_bye (connection, reason);
  if (display->viewer == connection)
    {
      display->viewer = NULL;
      moss_sync_detached (connection);
      moss_seat_reset (display);
      moss_viewer_source (display, MOSS_SELECTION_CLIPBOARD, NULL);
      moss_viewer_source (display, MOSS_SELECTION_PRIMARY, NULL);
      moss_drag_outside_finished (display, 0);
      if (display->callbacks.viewer)
        display->callbacks.viewer (display, false, display->callbacks_data);
    }
  if (!connection->dispatching)
    connection_free (connection);
}

void
moss_connection_flush (MossDisplayConnection *connection)
{
  bool wait;

  if (connection->dead)
    return;
  if (!moss_wire_flush (connection->wire))
    {
      moss_connection_kill (connection, 0);
      return;
    }
  wait = moss_wire_queued (connection->wire) > 0;
  if (wait != connection->waits_writable)
    {
      connection->waits_writable = wait;
      wl_event_source_fd_update (connection->source,
                                 WL_EVENT_READABLE | (wait ? WL_EVENT_WRITABLE : 0));
    }
}

/* ---- reading ------------------------------------------------------------------------- */

static void
say_welcome (MossDisplayConnection *connection)
{
  moss_wire_begin (connection->wire, MOSS_WIRE_WELCOME, 0);
  moss_wire_put_u32 (connection->wire, MOSS_WIRE_VERSION);
  moss_wire_end (connection->wire);
}

/* The socket goes to the program; what is left here only has to end. */
static bool
hand_over (MossDisplayConnection *connection)
{
  MossDisplay *display = connection->display;
  bool (*take) (MossDisplay *, int, void *) = connection->role == MOSS_WIRE_ROLE_BUS
                                                  ? display->callbacks.bus
                                                  : display->callbacks.functions;
  int fd;

  if (!take)
    return false;
  fd = fcntl (moss_wire_get_fd (connection->wire), F_DUPFD_CLOEXEC, 3);
  if (fd < 0)
    return false;
  if (!take (display, fd, display->callbacks_data))
    {
      close (fd);
      return false;
    }
  /* Nothing else can be sent before this: the program's sources have not run yet. */
  say_welcome (connection);
  moss_wire_flush (connection->wire);
  moss_connection_kill (connection, 0);
  return true;
}

static bool
take_hello (MossDisplayConnection *connection, MossWireMessage *message)
{
  MossDisplay *display = connection->display;
  uint32_t magic = moss_wire_get_u32 (message);
  uint32_t version = moss_wire_get_u32 (message);
  uint32_t role = moss_wire_get_u32 (message);

  if (message->type != MOSS_WIRE_HELLO || !moss_wire_finished (message)
      || magic != MOSS_WIRE_MAGIC || version != MOSS_WIRE_VERSION
      || role < MOSS_WIRE_ROLE_VIEWER || role > MOSS_WIRE_ROLE_FUNCTIONS)
    return false;
  connection->role = role;
  if (role == MOSS_WIRE_ROLE_BUS || role == MOSS_WIRE_ROLE_FUNCTIONS)
    return hand_over (connection);
  say_welcome (connection);
  if (role == MOSS_WIRE_ROLE_VIEWER)
    {
      if (display->viewer)
        moss_connection_kill (display->viewer, MOSS_WIRE_BYE_REPLACED);
      display->viewer = connection;
      display->moved_until = display->moved ? moss_now_ms () + MOSS_MOVED_MS : 0;
      moss_sync_attach (connection);
      if (display->callbacks.viewer)
        display->callbacks.viewer (display, true, display->callbacks_data);
    }
  return true;
}

static bool
take_message (MossDisplayConnection *connection, MossWireMessage *message)
{
  if (connection->role == 0)
    return take_hello (connection, message);
  if (connection->role == MOSS_WIRE_ROLE_VIEWER)
    return moss_dispatch_viewer (connection, message);
  return moss_dispatch_control (connection, message);
}

static void
take_messages (MossDisplayConnection *connection)
{
  MossWireMessage *message;
  MossWireRead read = MOSS_WIRE_READ_MESSAGE;

  while (!connection->dead && read == MOSS_WIRE_READ_MESSAGE)
    {
      read = moss_wire_next (connection->wire, &message);
      if (read == MOSS_WIRE_READ_MESSAGE && !take_message (connection, message))
        read = MOSS_WIRE_READ_BAD;
    }
  if (read == MOSS_WIRE_READ_BAD)
    moss_connection_kill (connection, MOSS_WIRE_BYE_PROTOCOL);
}

static int
on_ready (int fd, uint32_t mask, void *data)
{
  MossDisplayConnection *connection = data;
  MossWireRead read = MOSS_WIRE_READ_AGAIN;

  connection->dispatching = true;
  if (mask & (WL_EVENT_READABLE | WL_EVENT_HANGUP | WL_EVENT_ERROR))
    read = moss_wire_fill (connection->wire);
  if (read == MOSS_WIRE_READ_MESSAGE)
    take_messages (connection);
  else if (read != MOSS_WIRE_READ_AGAIN
           || (mask & (WL_EVENT_HANGUP | WL_EVENT_ERROR)))
    moss_connection_kill (connection, read == MOSS_WIRE_READ_BAD ? MOSS_WIRE_BYE_PROTOCOL
                                                                 : 0);
  moss_connection_flush (connection);
  if (!connection->dead && connection == connection->display->viewer)
    {
      moss_sync_run (connection);
      moss_connection_flush (connection);
    }
  connection->dispatching = false;
  if (connection->dead)
    connection_free (connection);
  else if (connection->closing)
    moss_connection_kill (connection, 0);
  return 1;
}

int
moss_display_add_connection (MossDisplay *display, int fd)
{
  MossDisplayConnection *connection;

  if (display->n_connections >= MOSS_MAX_CONNECTIONS)
    {
      close (fd);
      errno = EMFILE;
      return -1;
    }
  connection = calloc (1, sizeof *connection);
  if (!connection || !(connection->wire = moss_wire_new (fd)))
    {
      free (connection);
      close (fd);
      errno = ENOMEM;
      return -1;
    }
  connection->display = display;
  wl_list_init (&connection->held);
  wl_list_insert (&display->connections, &connection->link);
  display->n_connections++;
  connection->source
      = wl_event_loop_add_fd (display->loop, fd, WL_EVENT_READABLE, on_ready, connection);
  if (connection->source)
    return 0;
  connection_free (connection);
  errno = ENOMEM;
  return -1;
}

/* ---- controllers --------------------------------------------------------------------- */

bool
moss_display_connection_reply (MossDisplayConnection *connection,
                               uint16_t type,
                               const uint8_t *body,
                               size_t size)
{
  if (connection->dead || size > MOSS_WIRE_MAX_MESSAGE - MOSS_WIRE_HEADER)
    return false;
  moss_wire_begin (connection->wire, type, 0);
  moss_wire_put_bytes (connection->wire, body, size);
  moss_wire_end (connection->wire);
  moss_connection_flush (connection);
  return !connection->dead;
}

static bool
reply_u32 (MossDisplayConnection *connection, uint16_t type, uint32_t value)
{
  uint8_t body[4] = { value, value >> 8, value >> 16, value >> 24 };

  return moss_display_connection_reply (connection, type, body, sizeof body);
}

static void
detach_except (MossDisplay *display, MossDisplayConnection *except)
{
  MossDisplayConnection *connection, *next;

  display->moved = true;
  display->moved_until = 0;
  if (display->callbacks.detaching)
    display->callbacks.detaching (display, display->callbacks_data);
  wl_list_for_each_safe (connection, next, &display->connections, link)
    if (connection != except)
      moss_connection_kill (connection, MOSS_WIRE_BYE_DETACHED);
  moss_seat_reset (display);
  wl_display_flush_clients (display->wl);
}

void
moss_display_detach (MossDisplay *display)
{
  detach_except (display, NULL);
}

static bool
take_setting (MossDisplayConnection *connection, MossWireMessage *message)
{
  MossDisplay *display = connection->display;
  char *key = moss_wire_dup_string (message);
  char *value = moss_wire_dup_string (message);
  bool good = moss_wire_finished (message);

  if (good && display->callbacks.setting)
    display->callbacks.setting (display, key, value, display->callbacks_data);
  free (key);
  free (value);
  return good
         && moss_display_connection_reply (connection, MOSS_WIRE_SETTING_DONE, NULL, 0);
}

static bool
take_private (MossDisplayConnection *connection, MossWireMessage *message)
{
  MossDisplay *display = connection->display;

  if (message->type < MOSS_DISPLAY_CONTROL_PRIVATE || !display->callbacks.control)
    return false;
  return display->callbacks.control (display, connection, message->type, message->body,
                                     message->size, message->fds, message->n_fds,
                                     display->callbacks_data);
}

bool
moss_dispatch_control (MossDisplayConnection *connection, MossWireMessage *message)
{
  MossDisplay *display = connection->display;
  uint32_t value;

  switch (message->type)
    {
    case MOSS_WIRE_DETACH:
      if (!moss_wire_finished (message))
        return false;
      detach_except (display, connection);
      connection->closing = true;
      return moss_display_connection_reply (connection, MOSS_WIRE_DETACHED, NULL, 0);
    case MOSS_WIRE_SETTING:
      return take_setting (connection, message);
    case MOSS_WIRE_CLOSE_ALL:
      if (!moss_wire_finished (message))
        return false;
      value = moss_display_close_all (display);
      if (display->callbacks.close_all)
        display->callbacks.close_all (display, value, display->callbacks_data);
      return reply_u32 (connection, MOSS_WIRE_CLOSE_ALL_DONE, value);
    case MOSS_WIRE_CONTROL_PING:
      value = moss_wire_get_u32 (message);
      return moss_wire_finished (message)
             && reply_u32 (connection, MOSS_WIRE_CONTROL_PONG, value);
    default:
      return take_private (connection, message);
    }
}
