/* SPDX-License-Identifier: GPL-3.0-or-later */

/* moss close, discard and logout: what ends something. */

#include "cli.h"
#include "names.h"
#include "text.h"

#include <glib/gi18n.h>
#include <string.h>

gboolean
moss_verb_close (MossCall *call, GError **error)
{
  gboolean force = FALSE;
  const GOptionEntry entries[] = {
    { "force", 'f', 0, G_OPTION_ARG_NONE, &force,
      N_ ("End it without asking it to; what it hasn't saved is lost"), NULL },
    { NULL }
  };
  g_autoptr (GVariant) sandbox = NULL;
  GError *cause = NULL;

  if (!moss_cli_parse (call, entries, MOSS_CLI_PARSE_PLAIN, 1, 1, error))
    return FALSE;
  sandbox = moss_cli_find_sandbox (call->args[0], MOSS_PREFER_HERE, error);
  if (sandbox == NULL)
    return FALSE;
  if (!moss_dbus_session1_call_close_sync (moss_cli_get_session (NULL),
                                           moss_dict_string (sandbox, "id"), force, NULL,
                                           &cause))
    return moss_cli_fail (error, MOSS_CLI_SESSION, cause);
  return TRUE;
}

/* A saved file never vanishes unsaid. */
static gboolean
check_nothing_is_lost (GVariant *sandbox, GError **error)
{
  double files = moss_dict_number (sandbox, "files", 0);
  g_autofree char *name = moss_names_call_sandbox (sandbox);
  g_autofree char *id = moss_text_short_id (moss_dict_string (sandbox, "id"));

  if (strcmp (moss_dict_string (sandbox, "state"), "ended") != 0)
    {
      g_set_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_FAILED,
                   _ ("%s has not ended. Close it first with: moss close %s"), name, id);
      return FALSE;
    }
  if (!(files > 0))
    return TRUE;
  g_set_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_FAILED,
               ngettext ("%s still keeps %.0f file. Save it with: moss save-out %s; or throw it "
                         "away with: moss discard --force %s",
                         "%s still keeps %.0f files. Save them with: moss save-out %s; or throw "
                         "them away with: moss discard --force %s", (gulong) files),
               name, files, id, id);
  return FALSE;
}

gboolean
moss_verb_discard (MossCall *call, GError **error)
{
  gboolean force = FALSE;
  const GOptionEntry entries[] = {
    { "force", 'f', 0, G_OPTION_ARG_NONE, &force,
      N_ ("Even when there are files in it that were not saved out"), NULL },
    { NULL }
  };
  g_autoptr (GVariant) sandbox = NULL;
  GError *cause = NULL;

  if (!moss_cli_parse (call, entries, MOSS_CLI_PARSE_PLAIN, 1, 1, error))
    return FALSE;
  sandbox = moss_cli_find_sandbox (call->args[0], MOSS_PREFER_ENDED, error);
  if (sandbox == NULL || (!force && !check_nothing_is_lost (sandbox, error)))
    return FALSE;
  if (!moss_dbus_session1_call_discard_sync (moss_cli_get_session (NULL),
                                             moss_dict_string (sandbox, "id"), NULL, &cause))
    return moss_cli_fail (error, MOSS_CLI_SESSION, cause);
  return TRUE;
}

gboolean
moss_verb_logout (MossCall *call, GError **error)
{
  MossDBusSession1 *session;
  GError *cause = NULL;

  if (!moss_cli_parse (call, NULL, MOSS_CLI_PARSE_PLAIN, 0, 0, error))
    return FALSE;
  session = moss_cli_get_session (error);
  if (session == NULL)
    return FALSE;
  if (!moss_dbus_session1_call_logout_sync (session, NULL, &cause))
    return moss_cli_fail (error, MOSS_CLI_SESSION, cause);
  return TRUE;
}
