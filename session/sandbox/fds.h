/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>
#include <unistd.h>

static inline void
moss_fd_cleanup (int *fd)
{
  if (*fd >= 0)
    close (*fd);
}

/* An int that is closed at the end of its scope (GLib has g_autofd from 2.76 on). */
#define moss_autofd __attribute__ ((cleanup (moss_fd_cleanup))) int
