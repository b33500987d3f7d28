/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "criu-images.pb-c.h"
#include "image-check.h"

G_BEGIN_DECLS

/* The smallest set of images that is allowed: pid 1, and an app with one open file, one
 * socket pair, one memfd, one terminal and one deleted file. Every message may be changed
 * before it is packed. */
typedef struct
{
  MossImage__Inventory inventory;
  MossImage__Ids root_ids, ids[2];
  MossImage__Process processes[2];
  guint32 tids[2];
  MossImage__Core cores[2];
  MossImage__TaskCore tasks[2];
  MossImage__ThreadCore threads[2];
  MossImage__Creds creds[2];
  guint32 caps[2];
  MossImage__Mm mms[2];
  MossImage__Vma vmas[2];
  MossImage__Fs fs[2];
  MossImage__Fd fds[5];
  MossImage__Owner owner;
  MossImage__SocketOptions options;
  MossImage__File files[9];
  MossImage__RegFile regs[4];
  MossImage__UnixSocket sockets[2];
  MossImage__MemFdFile memfd_file;
  MossImage__TtyFile tty_file;
  MossImage__Inotify inotify;
  MossImage__Watch watch;
  MossImage__FileHandle handle;
  MossImage__MemFd memfd;
  MossImage__TtyInfo tty;
  MossImage__Remap remap;
  MossImage__Ghost ghost;
  MossImage__Seccomp seccomp;
  MossImage__SeccompFilter filter;
  MossImage__PagemapHead pagemap_head;
  MossImage__Pagemap pagemap;
  guint pages;
  MossImage__Mount mounts[4];
  guint n_mounts;
  MossImage__UserNs userns;
  MossImage__IdExtent uids, gids;
  MossImage__UtsNs utsns;
  MossImage__IpcVar ipc_var;
  guint32 sem_ctls[4];
  MossImage__Cgroup cgroup;
  MossImage__CgroupController controller;
} TestImages;

void test_images_init (TestImages *images);

/* name → GBytes. Free with g_hash_table_unref(). */
GHashTable *test_images_pack (TestImages *images);

G_END_DECLS
