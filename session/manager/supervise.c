/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "moss-session"

#include "supervise.h"

#include "core/program.h"

#include <signal.h>
#include <unistd.h>

#define FIRST_PAUSE_MS 100
#define LONGEST_PAUSE_MS 10000
#define STEADY 5 /* pauses that it must have lived for the next one to be short again */
#define END_PATIENCE_MS 3000

struct _MossChild
{
  GDBusConnection *bus;
  char *program, *bus_name;
  GStrv argv;
  GSubprocess *process;
  gint64 started_us;
  guint pause_ms;
  guint timer, watch;
  gboolean ending, owned;
};

static void start (MossChild *child);

static gboolean
on_pause_over (gpointer data)
{
  MossChild *child = data;

  child->timer = 0;
  start (child);
  return G_SOURCE_REMOVE;
}

static void
start_later (MossChild *child)
{
  if (child->ending || child->timer != 0)
    return;
  if (g_get_monotonic_time () - child->started_us > (gint64) child->pause_ms * 1000 * STEADY)
    child->pause_ms = FIRST_PAUSE_MS;
  child->timer = g_timeout_add (child->pause_ms, on_pause_over, child);
  child->pause_ms = MIN (child->pause_ms * 2, LONGEST_PAUSE_MS);
}

static void
on_ended (GObject *object, GAsyncResult *result, gpointer data)
{
  MossChild *child = data;
  GSubprocess *process = G_SUBPROCESS (object);

  g_subprocess_wait_finish (process, result, NULL);
  if (child->process != process) /* given up by moss_child_end() */
    return;
  if (g_subprocess_get_if_signaled (process))
    g_message ("%s was ended by signal %d; it is started again", child->program,
               g_subprocess_get_term_sig (process));
  else
    g_message ("%s ended with status %d; it is started again", child->program,
               g_subprocess_get_exit_status (process));
  g_clear_object (&child->process);
  start_later (child);
}

static void
start (MossChild *child)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = moss_program_find (child->program);
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();

  if (child->ending || child->process != NULL || child->owned)
    return;
  g_ptr_array_add (argv, path ? path : child->program);
  for (guint i = 0; child->argv != NULL && child->argv[i] != NULL; i++)
    g_ptr_array_add (argv, child->argv[i]);
  g_ptr_array_add (argv, NULL);
  child->started_us = g_get_monotonic_time ();
  child->process = g_subprocess_newv ((const char *const *) argv->pdata,
                                      G_SUBPROCESS_FLAGS_NONE, &error);
  if (child->process == NULL)
    {
      g_warning ("%s can't be started: %s", child->program, error->message);
      start_later (child);
      return;
    }
  g_subprocess_wait_async (child->process, NULL, on_ended, child);
}

static void
on_owned (GDBusConnection *bus, const char *name, const char *owner, gpointer data)
{
  ((MossChild *) data)->owned = TRUE;
}

static void
on_not_owned (GDBusConnection *bus, const char *name, gpointer data)
{
  MossChild *child = data;

  child->owned = FALSE;
  if (child->process == NULL && child->timer == 0)
    start (child);
}

/* TRUE: systemd has a unit for it and was asked to start that. */
static gboolean
start_unit (MossChild *child)
{
  g_autofree char *unit = g_strconcat (child->program, ".service", NULL);
  g_autofree char *private = g_build_filename (g_get_user_runtime_dir (), "systemd/private", NULL);
  g_autoptr (GVariant) reply = NULL;

  if (access (private, F_OK) < 0)
    return FALSE;
  reply = g_dbus_connection_call_sync (
      child->bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
      "org.freedesktop.systemd1.Manager", "StartUnit", g_variant_new ("(ss)", unit, "replace"),
      G_VARIANT_TYPE ("(o)"), G_DBUS_CALL_FLAGS_NO_AUTO_START, 5000, NULL, NULL);
  return reply != NULL;
}

MossChild *
moss_child_keep (GDBusConnection *bus, const char *program, const char *bus_name,
                 const char *const *argv)
{
  MossChild *child = g_new0 (MossChild, 1);

  child->bus = bus;
  child->program = g_strdup (program);
  child->argv = g_strdupv ((GStrv) argv);
  child->pause_ms = FIRST_PAUSE_MS;
  if (argv == NULL && start_unit (child))
    child->ending = TRUE; /* systemd minds it */
  else if (bus_name != NULL)
    child->watch = g_bus_watch_name_on_connection (bus, bus_name, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                                   on_owned, on_not_owned, child, NULL);
  else
    start (child);
  return child;
}

static gboolean
on_patience_over (gpointer data)
{
  *(gboolean *) data = TRUE;
  return G_SOURCE_CONTINUE;
}

static void
on_gone (GObject *object, GAsyncResult *result, gpointer data)
{
  *(gboolean *) data = TRUE;
}

void
moss_child_end (MossChild *child)
{
  g_autoptr (GSubprocess) process = g_steal_pointer (&child->process);

  child->ending = TRUE;
  g_clear_handle_id (&child->timer, g_source_remove);
  if (child->watch != 0)
    g_bus_unwatch_name (child->watch);
  if (process != NULL)
    {
      gboolean gone = FALSE, late = FALSE;
      guint timer = g_timeout_add (END_PATIENCE_MS, on_patience_over, &late);

      g_subprocess_wait_async (process, NULL, on_gone, &gone);
      g_subprocess_send_signal (process, SIGTERM);
      while (!gone && !late)
        g_main_context_iteration (NULL, TRUE);
      if (!gone)
        {
          g_subprocess_force_exit (process);
          while (!gone)
            g_main_context_iteration (NULL, TRUE);
        }
      g_source_remove (timer);
    }
  g_strfreev (child->argv);
  g_free (child->program);
  g_free (child);
}
