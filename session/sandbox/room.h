/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "requests.h"

G_BEGIN_DECLS

/* The method MakeRoom. */
GVariant *moss_room_make (MossRequest *request, GError **error);

/* The room of this sandbox when fd is it, holds size bytes and nobody can write to it any more;
 * it is spent then. Returns a descriptor that the caller closes, or -1 with error. -1 without
 * error: fd is no room, but something else. Any thread. */
int moss_room_take (MossSandbox *sandbox, int fd, guint64 size, GError **error);

/* Shows what moss_room_take() returned at path, where no file is yet and whose folder nobody but
 * root sees; umount2() ends it. The sandbox's lock is held. */
gboolean moss_room_show (MossSandbox *sandbox, int room, const char *path, GError **error);

/* The CRIU that was started together with the room, or NULL. */
struct _MossCriuWorker *moss_room_take_criu (MossSandbox *sandbox);

/* Lets go of what was made for it. */
void moss_room_drop (MossSandbox *sandbox);

/* The same of every sandbox of this user; does not wait. */
void moss_room_drop_all (uid_t owner);

G_END_DECLS
