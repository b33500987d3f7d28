/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Passphrases: asked without echo, handed to the agent, wiped. */

#include "cli.h"
#include "passphrase.h"

#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum
{
  PASSPHRASE_MAX = 1024,
};

void
moss_passphrase_free (char *passphrase)
{
  if (passphrase != NULL)
    explicit_bzero (passphrase, strlen (passphrase));
  g_free (passphrase);
}

static char *
read_line (void)
{
  char *line = g_malloc0 (PASSPHRASE_MAX + 2);

  if (fgets (line, PASSPHRASE_MAX + 2, stdin) == NULL)
    line[0] = '\0';
  line[strcspn (line, "\r\n")] = '\0';
  return line;
}

static gboolean
set_echo (gboolean on)
{
  struct termios state;

  if (tcgetattr (STDIN_FILENO, &state) < 0)
    return FALSE;
  if (on)
    state.c_lflag |= ECHO;
  else
    state.c_lflag &= ~(tcflag_t) ECHO;
  return tcsetattr (STDIN_FILENO, TCSAFLUSH, &state) == 0;
}

/* prompt: shown only on a terminal. Free with moss_passphrase_free(); NULL with the error set
 * when it is no text. */
char *
moss_passphrase_ask (const char *prompt, GError **error)
{
  gboolean terminal = isatty (STDIN_FILENO);
  gboolean hidden = terminal && set_echo (FALSE);
  char *line;

  if (terminal)
    fprintf (stderr, "%s", prompt);
  line = read_line ();
  if (hidden)
    {
      set_echo (TRUE);
      fputc ('\n', stderr);
    }
  if (g_utf8_validate (line, -1, NULL))
    return line;
  moss_passphrase_free (line);
  g_set_error_literal (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_USAGE,
                       _ ("that passphrase is not text in UTF-8"));
  return NULL;
}

static char *
ask_new (GError **error)
{
  char *first = moss_passphrase_ask (_ ("A passphrase for the keys of this device: "), error);
  char *second;

  if (first == NULL || !isatty (STDIN_FILENO))
    return first;
  second = moss_passphrase_ask (_ ("Once more: "), error);
  if (second != NULL && strcmp (first, second) == 0)
    {
      moss_passphrase_free (second);
      return first;
    }
  if (second != NULL)
    g_set_error_literal (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_FAILED,
                         _ ("the two passphrases differ"));
  moss_passphrase_free (first);
  moss_passphrase_free (second);
  return NULL;
}

gboolean
moss_cli_seal (const MossSealOptions *options, GError **error)
{
  MossDBusAgent1 *agent = moss_cli_get_agent (error);
  const char *how = options->keyring ? "keyring" : "passphrase";
  const char *now = agent != NULL ? moss_dbus_agent1_get_sealing (agent) : NULL;
  char *passphrase = NULL;
  GError *cause = NULL;
  gboolean done;

  if (agent == NULL)
    return FALSE;
  if (options->none || (now != NULL && strcmp (now, "none") != 0))
    return TRUE;
  if (!options->keyring && (passphrase = ask_new (error)) == NULL)
    return FALSE;
  if (passphrase != NULL && *passphrase == '\0')
    {
      moss_passphrase_free (passphrase);
      g_set_error_literal (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_USAGE,
                           _ ("a passphrase is needed, or --keyring, or --no-passphrase"));
      return FALSE;
    }
  done = moss_dbus_agent1_call_seal_sync (agent, how, passphrase != NULL ? passphrase : "",
                                          NULL, &cause);
  moss_passphrase_free (passphrase);
  return done || moss_cli_fail (error, MOSS_CLI_AGENT, cause);
}
