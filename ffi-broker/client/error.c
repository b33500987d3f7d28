// SPDX-License-Identifier: LGPL-2.1-or-later
#include "error.h"

static const GDBusErrorEntry entries[] = {
  { MOSS_FFI_ERROR_FAILED, "org.moss.Error.Failed" },
  { MOSS_FFI_ERROR_INVALID, "org.moss.Error.Invalid" },
  { MOSS_FFI_ERROR_UNSEALED, "org.moss.Error.Unsealed" },
  { MOSS_FFI_ERROR_BAD_BUFFER, "org.moss.Error.BadBuffer" },
  { MOSS_FFI_ERROR_WRONG_TYPE, "org.moss.Error.WrongType" },
  { MOSS_FFI_ERROR_NOT_OFFERED, "org.moss.Error.NotOffered" },
  { MOSS_FFI_ERROR_LOST, "org.moss.Error.Lost" },
  { MOSS_FFI_ERROR_TIMED_OUT, "org.moss.Error.TimedOut" },
  { MOSS_FFI_ERROR_CANCELLED, "org.moss.Error.Cancelled" },
  { MOSS_FFI_ERROR_PROTOCOL, "org.moss.Error.Protocol" },
  { MOSS_FFI_ERROR_DENIED, "org.moss.Error.Denied" },
  { MOSS_FFI_ERROR_BUSY, "org.moss.Error.Busy" },
};

/* Known to GDBus too, so that the broker's D-Bus methods say the same names. */
GQuark
moss_ffi_error_quark (void)
{
  static gsize quark;

  g_dbus_error_register_error_domain ("moss-ffi-error-quark", &quark, entries,
                                      G_N_ELEMENTS (entries));
  return (GQuark)quark;
}

/**
 * moss_ffi_error_name:
 * @error: any error
 *
 * Returns: (transfer none): its name on the wire; what isn't ours is
 * org.moss.Error.Failed.
 */
const char *
moss_ffi_error_name (const GError *error)
{
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return "org.moss.Error.Cancelled";
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    return "org.moss.Error.TimedOut";
  if (error->domain == MOSS_FFI_ERROR)
    for (guint i = 0; i < G_N_ELEMENTS (entries); i++)
      if (entries[i].error_code == error->code)
        return entries[i].dbus_error_name;
  return entries[0].dbus_error_name;
}

/**
 * moss_ffi_error_from_name: (skip)
 * @name: a name from the wire
 * @sentence: what goes with it
 *
 * Returns: (transfer full): an error of %MOSS_FFI_ERROR; an unknown name is a failure.
 */
GError *
moss_ffi_error_from_name (const char *name, const char *sentence)
{
  if (*sentence == '\0')
    sentence = "The other side doesn't say why";
  for (guint i = 0; i < G_N_ELEMENTS (entries); i++)
    if (g_str_equal (entries[i].dbus_error_name, name))
      return g_error_new_literal (MOSS_FFI_ERROR, entries[i].error_code, sentence);
  return g_error_new_literal (MOSS_FFI_ERROR, MOSS_FFI_ERROR_FAILED, sentence);
}

#define SENTENCE_MAX 4096

/**
 * moss_ffi_error_sentence: (skip)
 * @error: what is to be told to another process
 *
 * Returns: (transfer full): its message, as text that has room in a frame
 */
char *
moss_ffi_error_sentence (const GError *error)
{
  g_autofree char *cut = g_strndup (error->message, SENTENCE_MAX);

  return g_utf8_make_valid (cut, -1);
}

/**
 * moss_ffi_fail: (skip)
 * @error: where to put it
 * @code: what kind
 * @format: the sentence, as for printf()
 * @...: its parts
 *
 * Returns: %FALSE, always
 */
gboolean
moss_ffi_fail (GError **error, MossFfiError code, const char *format, ...)
{
  g_autofree char *sentence = NULL;
  va_list args;

  va_start (args, format);
  sentence = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error_literal (error, MOSS_FFI_ERROR, code, sentence);
  return FALSE;
}
