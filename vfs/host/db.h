// SPDX-License-Identifier: GPL-3.0-or-later
/* host.db: who owns which tree, the trees' cells, people's chains. A transaction keeps
 * other threads out. */
#pragma once

#include "core/store/object.h"

typedef struct _HostDb HostDb;

typedef void (*HostDbTree) (const MossId *tree,
                            const guint8 *owner,
                            GBytes *cell, /* nullable */
                            gpointer user_data);
typedef void (*HostDbPerson) (const guint8 *identity, GBytes *chain, gpointer user_data);

HostDb *host_db_open (const char *path, GError **error);
void host_db_close (HostDb *db);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HostDb, host_db_close)

gboolean host_db_load (HostDb *db,
                       HostDbPerson person,
                       HostDbTree tree,
                       gpointer user_data,
                       GError **error);
gboolean host_db_begin (HostDb *db, GError **error);
gboolean host_db_commit (HostDb *db, GError **error);
void host_db_rollback (HostDb *db);
gboolean host_db_add_tree (HostDb *db,
                           const MossId *tree,
                           const guint8 *owner,
                           GError **error);
gboolean host_db_set_cell (HostDb *db, const MossId *tree, GBytes *cell, GError **error);
gboolean host_db_set_chain (HostDb *db,
                            const guint8 *identity,
                            GBytes *chain,
                            GError **error);
