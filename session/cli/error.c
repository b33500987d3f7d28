/* SPDX-License-Identifier: GPL-3.0-or-later */

/* What a service said, as a sentence and an exit status. */

#include "cli.h"
#include "moss-config.h"
#include "text.h"

#include <glib/gi18n.h>

G_DEFINE_QUARK (moss-cli-error-quark, moss_cli_error)

static const struct
{
  const char *name;
  MossCliError code;
} codes[] = {
  { "org.moss.Error.NotFound", MOSS_CLI_ERROR_NOT_FOUND },
  { "org.moss.Error.NotTravelable", MOSS_CLI_ERROR_NOT_TRAVELABLE },
  { "org.moss.Error.Incompatible", MOSS_CLI_ERROR_NOT_TRAVELABLE },
};

static MossCliError
find_code (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (codes); i++)
    if (g_strcmp0 (name, codes[i].name) == 0)
      return codes[i].code;
  return MOSS_CLI_ERROR_FAILED;
}

static char *
say_absent (MossCliService service)
{
  if (service == MOSS_CLI_AGENT)
    return g_strdup (_ ("moss-agent is not running, and it alone has the keys. "
                        "The Moss session starts it: log out of it and in again."));
  if (service == MOSS_CLI_BROKER)
    return g_strdup (_ ("moss-ffi-broker is not running, and the session bus can't start it: "
                        "its service file is missing."));
  if (service == MOSS_CLI_NET)
    return g_strdup (_ ("moss-netd is not running, so no device can be reached. "
                        "The Moss session starts it: log out of it and in again."));
  return g_strdup_printf (_ ("no Moss session is running here. Choose Moss when you log in, "
                             "or start one with: %s/moss-session"), MOSS_LIBEXECDIR);
}

/* A sentence of our own for what is wrong with the call itself; NULL: the service spoke. */
static char *
say_for_call (MossCliService service, const GError *cause)
{
  static const char *const names[] = { "moss-session", "moss-netd", "moss-agent",
                                       "moss-ffi-broker" };
  const char *name = names[service];

  if (g_error_matches (cause, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN)
      || g_error_matches (cause, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER))
    return say_absent (service);
  if (g_error_matches (cause, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY)
      || g_error_matches (cause, G_DBUS_ERROR, G_DBUS_ERROR_DISCONNECTED)
      || g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_CLOSED))
    return g_strdup_printf (_ ("%s ended before it answered. See what became of it with: "
                               "moss status"), name);
  if (g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_TIMED_OUT)
      || g_error_matches (cause, G_DBUS_ERROR, G_DBUS_ERROR_TIMEOUT)
      || g_error_matches (cause, G_DBUS_ERROR, G_DBUS_ERROR_TIMED_OUT))
    return g_strdup_printf (_ ("%s does not answer. Try again in a moment."), name);
  if (g_error_matches (cause, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_METHOD)
      || g_error_matches (cause, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_INTERFACE)
      || g_error_matches (cause, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_OBJECT))
    return g_strdup_printf (_ ("the %s that runs is of another version than this moss (%s). "
                               "Log out and in again to run the installed one."),
                            name, MOSS_VERSION);
  return NULL;
}

gboolean
moss_cli_fail (GError **error, MossCliService service, GError *cause)
{
  g_autofree char *own = say_for_call (service, cause);
  g_autofree char *remote = g_dbus_error_get_remote_error (cause);
  g_autofree char *clean = NULL;

  if (own != NULL)
    g_set_error_literal (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_FAILED, own);
  else
    {
      g_dbus_error_strip_remote_error (cause);
      clean = moss_text_clean (cause->message);
      g_set_error_literal (error, MOSS_CLI_ERROR, find_code (remote), clean);
    }
  g_error_free (cause);
  return FALSE;
}
