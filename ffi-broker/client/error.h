// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * MossFfiError:
 * @MOSS_FFI_ERROR_FAILED: the function itself says that it could not
 * @MOSS_FFI_ERROR_INVALID: the call is wrong: options, number of inputs, a text that is
 * none
 * @MOSS_FFI_ERROR_UNSEALED: a buffer that the sender could still change or shrink
 * @MOSS_FFI_ERROR_BAD_BUFFER: a buffer shorter than it says, or with impossible
 * dimensions
 * @MOSS_FFI_ERROR_WRONG_TYPE: what came back isn't what was asked for
 * @MOSS_FFI_ERROR_NOT_OFFERED: nobody offers this
 * @MOSS_FFI_ERROR_LOST: the provider or the broker went away, and the call must not be
 * repeated
 * @MOSS_FFI_ERROR_TIMED_OUT: the deadline of the call is over
 * @MOSS_FFI_ERROR_CANCELLED: a person or the caller cancelled it
 * @MOSS_FFI_ERROR_PROTOCOL: the other side doesn't keep to the rules; its connection
 * ended
 * @MOSS_FFI_ERROR_DENIED: this caller may not
 * @MOSS_FFI_ERROR_BUSY: too many calls or callers; later perhaps
 *
 * Why a call gave no result. On the wire and on D-Bus: org.moss.Error.Failed and so on.
 */
typedef enum
{
  MOSS_FFI_ERROR_FAILED,
  MOSS_FFI_ERROR_INVALID,
  MOSS_FFI_ERROR_UNSEALED,
  MOSS_FFI_ERROR_BAD_BUFFER,
  MOSS_FFI_ERROR_WRONG_TYPE,
  MOSS_FFI_ERROR_NOT_OFFERED,
  MOSS_FFI_ERROR_LOST,
  MOSS_FFI_ERROR_TIMED_OUT,
  MOSS_FFI_ERROR_CANCELLED,
  MOSS_FFI_ERROR_PROTOCOL,
  MOSS_FFI_ERROR_DENIED,
  MOSS_FFI_ERROR_BUSY,
} MossFfiError;

#define MOSS_FFI_ERROR (moss_ffi_error_quark ())
GQuark moss_ffi_error_quark (void);

const char *moss_ffi_error_name (const GError *error);
char *moss_ffi_error_sentence (const GError *error);
GError *moss_ffi_error_from_name (const char *name, const char *sentence);
gboolean moss_ffi_fail (GError **error, MossFfiError code, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

G_END_DECLS
