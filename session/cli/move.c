/* SPDX-License-Identifier: GPL-3.0-or-later */

/* moss preflight, send, bring and cancel: moves, with their progress, until they are done. */

#include "cli.h"
#include "names.h"
#include "progress.h"
#include "text.h"

#include <glib-unix.h>
#include <glib/gi18n.h>
#include <stdlib.h>
#include <string.h>

/* What a shell expects of a program that was interrupted. */
#define STATUS_INTERRUPTED 130

typedef struct
{
  gboolean quiet;
  gboolean json;
} MoveOptions;

typedef struct
{
  GMainLoop *loop;
  MossDBusSession1 *session;
  char *id;
  char *name;      /* of the app */
  char *device;    /* id; NULL: here */
  char *place;     /* name of where it goes to */
  char *title;
  gboolean bring;
  guint interrupts;
  MossProgress progress;
  GVariant *report;
  GError *error;
} Move;

static void
move_clear (Move *move)
{
  g_clear_pointer (&move->loop, g_main_loop_unref);
  g_clear_pointer (&move->report, g_variant_unref);
  g_clear_error (&move->error);
  g_free (move->id);
  g_free (move->name);
  g_free (move->device);
  g_free (move->place);
  g_free (move->title);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Move, move_clear)

/* ---- while it goes on ---------------------------------------------------------------- */

static void
on_changed (MossDBusSession1 *session, const char *id, GVariant *sandbox, Move *move)
{
  if (strcmp (id, move->id) == 0)
    moss_progress_update (&move->progress, moss_dict_number (sandbox, "progress", 0),
                          moss_dict_string (sandbox, "text"));
}

static void
on_cancel_ready (GObject *session, GAsyncResult *result, gpointer data)
{
  Move *move = data;
  GError *cause = NULL;
  g_autoptr (GError) error = NULL;

  if (moss_dbus_session1_call_cancel_finish (MOSS_DBUS_SESSION1 (session), result, &cause))
    return;
  moss_cli_fail (&error, MOSS_CLI_SESSION, cause);
  moss_progress_wipe (&move->progress);
  moss_cli_say ("moss: %s", error->message);
}

/* Once: asks for the move to be given up, and waits for what comes of it. Twice: waits no more;
 * the session goes on giving it up. */
static gboolean
on_interrupt (gpointer data)
{
  Move *move = data;

  moss_progress_wipe (&move->progress);
  if (move->interrupts++ > 0)
    exit (STATUS_INTERRUPTED);
  moss_cli_say (_ ("Giving up the move of %s …"), move->name);
  moss_dbus_session1_call_cancel (move->session, move->id, NULL, on_cancel_ready, move);
  return G_SOURCE_CONTINUE;
}

static void
on_move_ready (GObject *object, GAsyncResult *result, gpointer data)
{
  MossDBusSession1 *session = MOSS_DBUS_SESSION1 (object);
  Move *move = data;

  if (move->bring)
    moss_dbus_session1_call_bring_finish (session, &move->report, result, &move->error);
  else
    moss_dbus_session1_call_send_finish (session, &move->report, result, &move->error);
  g_main_loop_quit (move->loop);
}

static void
move_run (Move *move, gboolean quiet)
{
  gulong changed = g_signal_connect (move->session, "changed", G_CALLBACK (on_changed), move);
  guint signals[] = { g_unix_signal_add (SIGINT, on_interrupt, move),
                      g_unix_signal_add (SIGTERM, on_interrupt, move) };

  move->loop = g_main_loop_new (NULL, FALSE);
  move->title = g_strdup_printf ("%s → %s", move->name, move->place);
  moss_progress_begin (&move->progress, move->title, quiet);
  moss_progress_update (&move->progress, 0, "");
  if (move->bring)
    moss_dbus_session1_call_bring (move->session, move->id, NULL, on_move_ready, move);
  else
    moss_dbus_session1_call_send (move->session, move->id, move->device, NULL, on_move_ready,
                                  move);
  g_main_loop_run (move->loop);
  moss_progress_wipe (&move->progress);
  for (guint i = 0; i < G_N_ELEMENTS (signals); i++)
    g_source_remove (signals[i]);
  g_signal_handler_disconnect (move->session, changed);
}

/* ---- what came of it ----------------------------------------------------------------- */

static void
print_report (Move *move, const MoveOptions *options)
{
  g_autofree char *sent = NULL;
  g_autofree char *freeze = NULL;

  if (options->json)
    moss_cli_print_json (move->report);
  if (options->json || options->quiet)
    return;
  if (move->interrupts > 0)
    moss_cli_say (_ ("It was too late to give the move up."));
  sent = g_format_size ((guint64) moss_dict_number (move->report, "bytes-sent", 0));
  freeze = moss_text_duration (moss_dict_number (move->report, "freeze-ms", 0));
  /* Translators: an app, a device, a duration, an amount of bytes */
  g_print (_ ("%s runs on %s. It stood still for %s; %s travelled.\n"), move->name,
           move->place, freeze, sent);
}

static gboolean
move_finish (Move *move, const MoveOptions *options, GError **error)
{
  g_autofree char *remote = NULL;

  if (move->error == NULL)
    {
      print_report (move, options);
      return TRUE;
    }
  remote = g_dbus_error_get_remote_error (move->error);
  if (move->interrupts > 0 && g_strcmp0 (remote, "org.moss.Error.Cancelled") == 0)
    {
      g_set_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_FAILED,
                   _ ("the move was given up; %s goes on where it was"), move->name);
      return FALSE;
    }
  return moss_cli_fail (error, MOSS_CLI_SESSION, g_steal_pointer (&move->error));
}

/* ---- what a move would cost ---------------------------------------------------------- */

static void
print_preflight (const char *name, const char *place, GVariant *answer)
{
  g_autofree char *time = moss_text_duration (moss_dict_number (answer, "time-ms", 0));
  g_autofree char *bytes = g_format_size ((guint64) moss_dict_number (answer, "bytes", 0));
  g_autofree char *present
      = g_format_size ((guint64) moss_dict_number (answer, "present-bytes", 0));

  g_print (_ ("%s can travel to %s: about %s, %s to send, %s already there.\n"), name, place,
           time, bytes, present);
}

static gboolean
preflight (Move *move, const MoveOptions *options, GError **error)
{
  g_autoptr (GVariant) answer = NULL;
  GError *cause = NULL;

  if (!moss_dbus_session1_call_preflight_sync (move->session, move->id, move->device, &answer,
                                               NULL, &cause))
    return moss_cli_fail (error, MOSS_CLI_SESSION, cause);
  if (options->json)
    moss_cli_print_json (answer);
  if (!moss_dict_boolean (answer, "travels"))
    {
      g_autofree char *reason = moss_text_clean (moss_dict_string (answer, "reason"));

      g_set_error_literal (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_NOT_TRAVELABLE, reason);
      return FALSE;
    }
  if (!options->json)
    print_preflight (move->name, move->place, answer);
  return TRUE;
}

/* ---- the verbs ----------------------------------------------------------------------- */

static gboolean
move_set_app (Move *move, const char *word, MossPrefer prefer, GError **error)
{
  g_autoptr (GVariant) sandbox = moss_cli_find_sandbox (word, prefer, error);

  if (sandbox == NULL)
    return FALSE;
  move->session = moss_cli_get_session (error);
  move->id = g_strdup (moss_dict_string (sandbox, "id"));
  move->name = moss_names_call_sandbox (sandbox);
  return move->session != NULL;
}

static gboolean
move_set_device (Move *move, const char *word, GError **error)
{
  g_autoptr (GVariant) device = moss_cli_find_device (word, error);

  if (device == NULL)
    return FALSE;
  move->device = g_strdup (moss_dict_string (device, "id"));
  move->place = moss_text_clean (moss_dict_string (device, "name"));
  return TRUE;
}

gboolean
moss_verb_preflight (MossCall *call, GError **error)
{
  MoveOptions options = { 0 };
  const GOptionEntry entries[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &options.json,
      N_ ("Print the answer as a JSON object"), NULL },
    { NULL }
  };
  g_auto (Move) move = { 0 };

  return moss_cli_parse (call, entries, MOSS_CLI_PARSE_PLAIN, 2, 2, error)
         && move_set_app (&move, call->args[0], MOSS_PREFER_HERE, error)
         && move_set_device (&move, call->args[1], error)
         && preflight (&move, &options, error);
}

gboolean
moss_verb_send (MossCall *call, GError **error)
{
  MoveOptions options = { 0 };
  const GOptionEntry entries[] = {
    { "quiet", 'q', 0, G_OPTION_ARG_NONE, &options.quiet, N_ ("Say nothing but errors"), NULL },
    { "json", 0, 0, G_OPTION_ARG_NONE, &options.json,
      N_ ("Print the report as a JSON object"), NULL },
    { NULL }
  };
  g_auto (Move) move = { 0 };

  if (!moss_cli_parse (call, entries, MOSS_CLI_PARSE_PLAIN, 2, 2, error)
      || !move_set_app (&move, call->args[0], MOSS_PREFER_HERE, error)
      || !move_set_device (&move, call->args[1], error))
    return FALSE;
  move_run (&move, options.quiet);
  return move_finish (&move, &options, error);
}

gboolean
moss_verb_bring (MossCall *call, GError **error)
{
  MoveOptions options = { 0 };
  const GOptionEntry entries[] = {
    { "quiet", 'q', 0, G_OPTION_ARG_NONE, &options.quiet, N_ ("Say nothing but errors"), NULL },
    { "json", 0, 0, G_OPTION_ARG_NONE, &options.json,
      N_ ("Print the report as a JSON object"), NULL },
    { NULL }
  };
  g_auto (Move) move = { .bring = TRUE };

  if (!moss_cli_parse (call, entries, MOSS_CLI_PARSE_PLAIN, 1, 1, error)
      || !move_set_app (&move, call->args[0], MOSS_PREFER_GONE, error))
    return FALSE;
  move.place = g_strdup (_ ("this device"));
  move_run (&move, options.quiet);
  return move_finish (&move, &options, error);
}

gboolean
moss_verb_cancel (MossCall *call, GError **error)
{
  g_auto (Move) move = { 0 };
  GError *cause = NULL;

  if (!moss_cli_parse (call, NULL, MOSS_CLI_PARSE_PLAIN, 1, 1, error)
      || !move_set_app (&move, call->args[0], MOSS_PREFER_LIVE, error))
    return FALSE;
  if (!moss_dbus_session1_call_cancel_sync (move.session, move.id, NULL, &cause))
    return moss_cli_fail (error, MOSS_CLI_SESSION, cause);
  return TRUE;
}
