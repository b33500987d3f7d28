/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What goes wrong with snapshots and moves. The code says what the caller can do about it; the
 * message is a sentence that names the object and the reason. Over D-Bus the codes are
 * org.moss.Error.Corrupt, .Denied and so on. */
#define MOSS_MOVE_ERROR (moss_move_error_quark ())

typedef enum
{
  MOSS_MOVE_ERROR_FAILED,         /* nothing the caller can do but read the sentence */
  MOSS_MOVE_ERROR_CORRUPT,        /* bytes that are not what they claim to be */
  MOSS_MOVE_ERROR_DENIED,         /* not signed by the one it should be from, or not allowed */
  MOSS_MOVE_ERROR_FOREIGN,        /* made for another kind of machine */
  MOSS_MOVE_ERROR_NOT_TRAVELABLE, /* the app holds something that can't be moved */
  MOSS_MOVE_ERROR_AWAY,           /* the other device can't be reached now; later it may */
  MOSS_MOVE_ERROR_TIMEOUT,        /* no answer in time: what happened there is not known */
  MOSS_MOVE_ERROR_NOT_FOUND,      /* no such sandbox, snapshot or device */
  MOSS_MOVE_ERROR_BUSY,           /* it is being moved already */
  MOSS_MOVE_ERROR_FULL,           /* no room on a disk or in memory */
  MOSS_MOVE_ERROR_CANCELLED,      /* the person changed their mind */
} MossMoveError;

GQuark moss_move_error_quark (void);

G_END_DECLS
