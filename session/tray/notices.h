/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "vfs/files/client.h"

G_BEGIN_DECLS

/* Notifications of what needs a person: a conflict, a full host, a mount that failed, a file
 * that another device sent here. */
typedef struct _MossNotices MossNotices;

MossNotices *moss_notices_new (MossFilesClient *client);
void moss_notices_free (MossNotices *notices);

G_END_DECLS
