/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define MOSS_SANDBOX_ERROR (moss_sandbox_error_quark ())

/* What a caller of moss-sandboxd can do about a failure. On D-Bus: org.moss.Error.Invalid … */
typedef enum
{
  MOSS_SANDBOX_ERROR_INVALID,        /* the request is malformed: a bug of the caller */
  MOSS_SANDBOX_ERROR_DENIED,         /* the policy forbids it */
  MOSS_SANDBOX_ERROR_NOT_FOUND,      /* no such sandbox or file */
  MOSS_SANDBOX_ERROR_EXISTS,         /* the id is taken */
  MOSS_SANDBOX_ERROR_STATE,          /* not in the state that this needs (dead, running) */
  MOSS_SANDBOX_ERROR_LIMIT,          /* too many or too large; later, or less */
  MOSS_SANDBOX_ERROR_NOT_TRAVELABLE, /* the app holds something that can't be moved */
  MOSS_SANDBOX_ERROR_INCOMPATIBLE,   /* this machine can't run it */
  MOSS_SANDBOX_ERROR_CORRUPT,        /* images or layer are damaged or not allowed */
  MOSS_SANDBOX_ERROR_FAILED,         /* the system said no; the message says to what */
} MossSandboxError;

GQuark moss_sandbox_error_quark (void);

/* Sets error to "<sentence>: <strerror (errno_value)>". Always returns FALSE. */
gboolean moss_sandbox_fail_errno (GError **error, int errno_value, const char *format, ...)
  G_GNUC_PRINTF (3, 4);

G_END_DECLS
