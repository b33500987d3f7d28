/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "move-error.h"

#include <gio/gio.h>

static const GDBusErrorEntry entries[] = {
  { MOSS_MOVE_ERROR_FAILED, "org.moss.Error.Failed" },
  { MOSS_MOVE_ERROR_CORRUPT, "org.moss.Error.Corrupt" },
  { MOSS_MOVE_ERROR_DENIED, "org.moss.Error.Denied" },
  { MOSS_MOVE_ERROR_FOREIGN, "org.moss.Error.Foreign" },
  { MOSS_MOVE_ERROR_NOT_TRAVELABLE, "org.moss.Error.NotTravelable" },
  { MOSS_MOVE_ERROR_AWAY, "org.moss.Error.Away" },
  { MOSS_MOVE_ERROR_TIMEOUT, "org.moss.Error.Timeout" },
  { MOSS_MOVE_ERROR_NOT_FOUND, "org.moss.Error.NotFound" },
  { MOSS_MOVE_ERROR_BUSY, "org.moss.Error.Busy" },
  { MOSS_MOVE_ERROR_FULL, "org.moss.Error.Full" },
  { MOSS_MOVE_ERROR_CANCELLED, "org.moss.Error.Cancelled" },
};

GQuark
moss_move_error_quark (void)
{
  static gsize quark;

  g_dbus_error_register_error_domain ("moss-move-error-quark", &quark, entries,
                                      G_N_ELEMENTS (entries));
  return (GQuark) quark;
}
