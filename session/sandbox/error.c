/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "error.h"

#include <gio/gio.h>

static const GDBusErrorEntry entries[] = {
  { MOSS_SANDBOX_ERROR_INVALID, "org.moss.Error.Invalid" },
  { MOSS_SANDBOX_ERROR_DENIED, "org.moss.Error.Denied" },
  { MOSS_SANDBOX_ERROR_NOT_FOUND, "org.moss.Error.NotFound" },
  { MOSS_SANDBOX_ERROR_EXISTS, "org.moss.Error.Exists" },
  { MOSS_SANDBOX_ERROR_STATE, "org.moss.Error.State" },
  { MOSS_SANDBOX_ERROR_LIMIT, "org.moss.Error.Limit" },
  { MOSS_SANDBOX_ERROR_NOT_TRAVELABLE, "org.moss.Error.NotTravelable" },
  { MOSS_SANDBOX_ERROR_INCOMPATIBLE, "org.moss.Error.Incompatible" },
  { MOSS_SANDBOX_ERROR_CORRUPT, "org.moss.Error.Corrupt" },
  { MOSS_SANDBOX_ERROR_FAILED, "org.moss.Error.Failed" },
};

GQuark
moss_sandbox_error_quark (void)
{
  static gsize quark = 0;

  g_dbus_error_register_error_domain ("moss-sandbox-error", &quark, entries,
                                      G_N_ELEMENTS (entries));
  return (GQuark) quark;
}

gboolean
moss_sandbox_fail_errno (GError **error, int errno_value, const char *format, ...)
{
  g_autofree char *sentence = NULL;
  va_list args;

  va_start (args, format);
  sentence = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_FAILED, "%s: %s", sentence,
               g_strerror (errno_value));
  return FALSE;
}
