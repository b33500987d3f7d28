/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "registry.h"

G_BEGIN_DECLS

typedef struct _MossServer MossServer;

/* Whom to let in. */
typedef struct
{
  const char *path;      /* of the socket */
  const char *group;     /* whose members may connect; NULL or unknown: none */
  GArray *allowed;       /* of uid_t: who may connect besides root */
} MossServerAccess;

/* Listens; an old socket of that name is replaced. The registry must outlive it. */
MossServer *moss_server_new (const MossServerAccess *access, MossRegistry **registry,
                             GError **error);
/* Tells the connections of its owner that a sandbox ended. */
void moss_server_emit_exited (MossServer *server, uid_t owner, const char *id, int status);
void moss_server_free (MossServer *server);

G_END_DECLS
