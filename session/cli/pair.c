/* SPDX-License-Identifier: GPL-3.0-or-later */

/* moss device pair: on the new device it shows a code, on an old one it takes it. */

#include "cli.h"
#include "text.h"

#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- the new device ------------------------------------------------------------------ */

typedef struct
{
  GMainLoop *loop;
  gboolean paired;
  char *text;
} Wait;

static void
on_pairing (MossDBusNet1 *net, const char *state, const char *text, Wait *wait)
{
  g_autofree char *clean = moss_text_clean (text);

  if (strcmp (state, "tried") == 0)
    {
      moss_cli_say ("%s", clean);
      return;
    }
  wait->paired = strcmp (state, "paired") == 0;
  wait->text = g_steal_pointer (&clean);
  g_main_loop_quit (wait->loop);
}

static void
on_owner_changed (MossDBusNet1 *net, GParamSpec *pspec, Wait *wait)
{
  g_autofree char *owner = g_dbus_proxy_get_name_owner (G_DBUS_PROXY (net));

  if (owner != NULL)
    return;
  wait->text = g_strdup (_ ("moss-netd ended before the devices were paired"));
  g_main_loop_quit (wait->loop);
}

static gboolean
show_code (MossDBusNet1 *net, GError **error)
{
  Wait wait = { g_main_loop_new (NULL, FALSE), FALSE, NULL };
  g_autofree char *code = NULL;
  GError *cause = NULL;
  guint seconds;

  g_signal_connect (net, "pairing", G_CALLBACK (on_pairing), &wait);
  g_signal_connect (net, "notify::g-name-owner", G_CALLBACK (on_owner_changed), &wait);
  if (!moss_dbus_net1_call_show_code_sync (net, &code, &seconds, NULL, &cause))
    {
      g_main_loop_unref (wait.loop);
      return moss_cli_fail (error, MOSS_CLI_NET, cause);
    }
  g_print ("%s\n", code);
  fflush (stdout);
  moss_cli_say (_ ("Type this code on a device of yours within %u seconds: moss device pair %s"),
                seconds, moss_dbus_net1_get_device_name (net));
  g_main_loop_run (wait.loop);
  g_main_loop_unref (wait.loop);
  if (wait.paired)
    moss_cli_say ("%s", wait.text);
  else
    g_set_error_literal (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_FAILED, wait.text);
  g_free (wait.text);
  return wait.paired;
}

/* ---- an old one ---------------------------------------------------------------------- */

static gboolean
is_meant (GVariant *device, const char *word)
{
  return moss_dict_number (device, "slot", 0) == 0 &&
         (g_ascii_strcasecmp (moss_dict_string (device, "name"), word) == 0 ||
          (strlen (word) >= 4 && g_str_has_prefix (moss_dict_string (device, "id"), word)));
}

/* A device that announces itself, by its name or id, or else an address. */
static char *
find_where (const char *word, GError **error)
{
  g_autoptr (GVariant) list = moss_cli_list_devices (error);
  g_autofree char *found = NULL;

  if (list == NULL)
    return NULL;
  for (gsize i = 0; i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) device = g_variant_get_child_value (list, i);

      if (!is_meant (device, word))
        continue;
      if (found != NULL)
        {
          g_set_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_USAGE,
                       _ ("two devices here are called %s: give the address of the one you "
                          "mean"),
                       word);
          return NULL;
        }
      found = g_strdup (moss_dict_string (device, "id"));
    }
  return found != NULL ? g_steal_pointer (&found) : g_utf8_make_valid (word, -1);
}

static char *
ask_code (void)
{
  char line[128] = "";

  if (isatty (STDIN_FILENO))
    fprintf (stderr, "%s", _ ("The code that the new device shows: "));
  if (fgets (line, sizeof line, stdin) == NULL)
    line[0] = '\0';
  line[strcspn (line, "\r\n")] = '\0';
  return g_utf8_make_valid (line, -1);
}

static gboolean
type_code (MossDBusNet1 *net, const char *word, const char *given, GError **error)
{
  g_autofree char *where = find_where (word, error);
  g_autofree char *code = NULL;
  g_autofree char *id = NULL;
  g_autofree char *name = NULL;
  g_autofree char *clean = NULL;
  GError *cause = NULL;

  if (where == NULL)
    return FALSE;
  code = given != NULL ? g_utf8_make_valid (given, -1) : ask_code ();
  if (!moss_dbus_net1_call_type_code_sync (net, where, code, &id, &name, NULL, &cause))
    return moss_cli_fail (error, MOSS_CLI_NET, cause);
  clean = moss_text_clean (name);
  moss_cli_say (_ ("Paired with %s."), clean);
  return TRUE;
}

gboolean
moss_cli_pair (GStrv args, const MossSealOptions *options, GError **error)
{
  g_autoptr (GVariant) identity = moss_cli_get_identity (error);
  MossDBusNet1 *net = identity != NULL ? moss_cli_get_net (error) : NULL;
  g_autofree char *code = NULL;

  if (net == NULL)
    return FALSE;
  g_dbus_proxy_set_default_timeout (G_DBUS_PROXY (net), 120 * 1000);
  if (args[0] != NULL)
    {
      /* "1234 5678" may come as two words. */
      code = args[1] != NULL ? g_strjoinv (" ", args + 1) : NULL;
      return type_code (net, args[0], code, error);
    }
  if (*moss_dict_string (identity, "id") != '\0')
    {
      g_set_error_literal (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_USAGE,
                           _ ("this device has an identity already. To add another one, run "
                              "“moss device pair” there: it shows a code; then type here: moss "
                              "device pair WHERE, with its name or address. To pair this one "
                              "anew, take it off first: moss identity leave"));
      return FALSE;
    }
  return moss_cli_seal (options, error) && show_code (net, error);
}
