/* SPDX-License-Identifier: GPL-3.0-or-later */

/* moss: the command line. It finds the verb, runs it, and says what went wrong. */

#include "cli.h"
#include "moss-config.h"
#include "text.h"

#include <glib/gi18n.h>
#include <locale.h>
#include <string.h>

static gboolean moss_verb_help (MossCall *call, GError **error);
static gboolean moss_verb_version (MossCall *call, GError **error);

static const MossVerb verbs[] = {
  { "run", N_ ("PROGRAM [ARGUMENT…]"), N_ ("Start a program in a sandbox of its own"),
    moss_verb_run },
  { "ps", "", N_ ("List the apps, and where they run"), moss_verb_ps },
  { "preflight", N_ ("APP DEVICE"), N_ ("Say whether an app could move, and what it would take"),
    moss_verb_preflight },
  { "send", N_ ("APP DEVICE"), N_ ("Move a running app to another device"), moss_verb_send },
  { "bring", N_ ("APP"), N_ ("Bring an app here from the device that has it"),
    moss_verb_bring },
  { "cancel", N_ ("APP"), N_ ("Give up a move that is under way"), moss_verb_cancel },
  { "snapshot", N_ ("APP [LABEL]"), N_ ("Save an app as it is now"), moss_verb_snapshot },
  { "snapshots", N_ ("[APP]"), N_ ("List what was saved, or delete it"),
    moss_verb_snapshots },
  { "restore", N_ ("SNAPSHOT|APP"), N_ ("Go back to a snapshot, or open a copy of it"),
    moss_verb_restore },
  { "close", N_ ("APP"), N_ ("Close an app"), moss_verb_close },
  { "discard", N_ ("APP"), N_ ("Forget an app that has ended, with its files"),
    moss_verb_discard },
  { "files", N_ ("APP"), N_ ("List the files that an app keeps"), moss_verb_files },
  { "cat", N_ ("APP PATH"), N_ ("Print a file that an app keeps"), moss_verb_cat },
  { "save-out", N_ ("APP [PATH] [DESTINATION]"), N_ ("Save files of an app among your own"),
    moss_verb_save_out },
  { "device", N_ ("[list|id|pair [WHERE [CODE]]|revoke DEVICE|add ADDRESS FINGERPRINT|remove "
                   "DEVICE]"),
    N_ ("Show, pair and revoke devices"), moss_verb_device },
  { "identity", N_ ("[show|create NAME|hosts URL…|unlock|lock|leave|resolve here|elsewhere]"),
    N_ ("Show and make who you are on all your devices"), moss_verb_identity },
  { "net", N_ ("[status|conflicts|resolve|versions|restore|keep|pause|send] …"),
    N_ ("Show the files on /net, and what can be done about them"), moss_verb_net },
  { "fn", N_ ("[list [REQUEST]|call REQUEST [FILE…] [OPTION=VALUE…]|explain REQUEST|bench "
               "[REQUEST]]"),
    N_ ("Show what can be done with data and by whom, and do it"), moss_verb_fn },
  { "status", "", N_ ("Say how Moss is"), moss_verb_status },
  { "logout", "", N_ ("Save every app and end the session"), moss_verb_logout },
  { "help", N_ ("[VERB]"), N_ ("Explain moss, or one of its verbs"), moss_verb_help },
  { "version", "", N_ ("Print the version"), moss_verb_version },
  { "complete", N_ ("sandboxes|devices|snapshots"), N_ ("Print words for the shell's completion"),
    moss_verb_complete, TRUE },
};

static const MossVerb *
find_verb (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (verbs); i++)
    if (strcmp (name, verbs[i].name) == 0)
      return &verbs[i];
  return NULL;
}

static gboolean
run_verb (const char *name, int argc, char **argv, GError **error)
{
  MossCall call = { .verb = find_verb (name), .argc = argc, .argv = argv };
  g_autofree char *clean = moss_text_clean (name);
  gboolean done;

  if (call.verb == NULL)
    {
      g_set_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_USAGE,
                   _ ("there is no verb '%s'. See what there is with: moss help"), clean);
      return FALSE;
    }
  done = call.verb->run (&call, error);
  g_strfreev (call.args);
  return done;
}

static void
print_verbs (void)
{
  g_print (_ ("moss moves running programs between your devices.\n\n"));
  for (guint i = 0; i < G_N_ELEMENTS (verbs); i++)
    if (!verbs[i].hidden)
      g_print ("  moss %-10s %s\n", verbs[i].name, _ (verbs[i].summary));
  g_print (_ ("\nAPP is an id, its first letters, or the name of the app. What a verb takes is "
              "told by: moss help VERB\n"));
}

static gboolean
moss_verb_help (MossCall *call, GError **error)
{
  char *argv[] = { NULL, (char *) "--help", NULL };

  if (!moss_cli_parse (call, NULL, MOSS_CLI_PARSE_PLAIN, 0, 1, error))
    return FALSE;
  if (call->args[0] != NULL)
    {
      argv[0] = call->args[0];
      return run_verb (call->args[0], 2, argv, error);
    }
  print_verbs ();
  return TRUE;
}

static gboolean
moss_verb_version (MossCall *call, GError **error)
{
  if (!moss_cli_parse (call, NULL, MOSS_CLI_PARSE_PLAIN, 0, 0, error))
    return FALSE;
  g_print ("moss %s\n", MOSS_VERSION);
  return TRUE;
}

static const char *
get_verb_name (int argc, char **argv)
{
  if (argc < 2 || strcmp (argv[1], "--help") == 0 || strcmp (argv[1], "-h") == 0)
    return "help";
  return strcmp (argv[1], "--version") == 0 ? "version" : argv[1];
}

int
main (int argc, char **argv)
{
  const char *name = get_verb_name (argc, argv);
  g_autoptr (GError) error = NULL;
  g_autofree char *clean = NULL;
  gboolean done;
  int skip = argc > 1 ? 1 : 0;

  setlocale (LC_ALL, "");
  bindtextdomain (GETTEXT_PACKAGE, MOSS_LOCALEDIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);
  g_set_prgname ("moss");
  done = run_verb (name, argc - skip, argv + skip, &error);
  moss_cli_disconnect ();
  if (done)
    return 0;
  g_printerr ("moss: %s\n", error->message);
  return error->domain == MOSS_CLI_ERROR ? error->code : MOSS_CLI_ERROR_FAILED;
}
