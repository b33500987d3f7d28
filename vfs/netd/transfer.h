// SPDX-License-Identifier: GPL-3.0-or-later
/* Between transfer.c and get.c. */
#pragma once

#include "vfs/netd/netd.h"

#define TRANSFER_OBJECTS_MAX 65536

typedef struct _Job Job;
typedef gboolean (*JobFunc) (Job *job, GError **error);

/* A call that a thread of its own works on. */
struct _Job
{
  Netd *netd;
  GDBusMethodInvocation *invocation;
  JobFunc run; /* answers the invocation, or fails */
  GVariant *argument;
  char *text;
  int fd;
  MossLink *link; /* nullable */
};

gboolean transfer_run_get (Job *job, GError **error);
void transfer_note_stored (Netd *netd);
