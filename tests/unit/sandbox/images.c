/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "images.h"
#include "filter.h"

#include <string.h>
#include <sys/mount.h>

#define N(array) G_N_ELEMENTS (array)

static void
init_tasks (TestImages *t)
{
  for (guint i = 0; i < 2; i++)
    {
      t->tids[i] = i + 1;
      moss_image__process__init (&t->processes[i]);
      t->processes[i].pid = t->processes[i].pgid = t->processes[i].sid = i + 1;
      t->processes[i].ppid = i;
      t->processes[i].n_threads = 1;
      t->processes[i].threads = &t->tids[i];
      moss_image__creds__init (&t->creds[i]);
      t->creds[i].uid = t->creds[i].euid = t->creds[i].suid = t->creds[i].fsuid
          = i * 1000;
      t->creds[i].gid = t->creds[i].egid = t->creds[i].sgid = t->creds[i].fsgid
          = i * 1000;
      t->creds[i].has_no_new_privs = TRUE;
      t->creds[i].no_new_privs = i;
      moss_image__task_core__init (&t->tasks[i]);
      t->tasks[i].state = 1;
      t->tasks[i].comm = (char *)"test";
      moss_image__thread_core__init (&t->threads[i]);
      t->threads[i].creds = &t->creds[i];
      t->threads[i].has_seccomp_mode = i == 1;
      t->threads[i].seccomp_mode = i * 2;
      t->threads[i].has_seccomp_filter = i == 1;
      moss_image__core__init (&t->cores[i]);
#ifdef __aarch64__
      t->cores[i].arch = 3;
      t->cores[i].has_aarch64 = TRUE;
#else
      t->cores[i].arch = 1;
      t->cores[i].has_x86 = TRUE;
#endif
      t->cores[i].task = &t->tasks[i];
      t->cores[i].thread = &t->threads[i];
    }
  t->caps[0] = 1 << 6 | 1 << 7 | 1 << 8;
  t->creds[0].n_cap_eff = t->creds[0].n_cap_prm = 2;
  t->creds[0].cap_eff = t->creds[0].cap_prm = t->caps;
  moss_image__seccomp__init (&t->seccomp);
  moss_image__seccomp_filter__init (&t->filter);
  t->filter.program.data = (guint8 *)moss_filter;
  t->filter.program.len = moss_filter_length * sizeof moss_filter[0];
}

static void
init_ids (MossImage__Ids *ids, guint32 first, guint32 own)
{
  moss_image__ids__init (ids);
  ids->vm = ids->files = ids->fs = ids->sighand = own;
  ids->has_pid_ns = ids->has_net_ns = ids->has_ipc_ns = ids->has_uts_ns = TRUE;
  ids->has_mnt_ns = ids->has_user_ns = ids->has_cgroup_ns = TRUE;
  ids->pid_ns = first;
  ids->net_ns = first + 1;
  ids->ipc_ns = first + 2;
  ids->uts_ns = first + 3;
  ids->mnt_ns = first + 4;
  ids->user_ns = first + 5;
  ids->cgroup_ns = 99;
}

static void
init_memory (TestImages *t)
{
  for (guint i = 0; i < 2; i++)
    {
      moss_image__vma__init (&t->vmas[i]);
      t->vmas[i].start = 0x10000;
      t->vmas[i].end = 0x14000;
      t->vmas[i].prot = 3;
      t->vmas[i].flags = 0x22;
      t->vmas[i].status = 1 << 9 | 1;
      t->vmas[i].fd = -1;
      moss_image__mm__init (&t->mms[i]);
      t->mms[i].exe_file = 1;
    }
  moss_image__pagemap_head__init (&t->pagemap_head);
  t->pagemap_head.pages_id = 1;
  moss_image__pagemap__init (&t->pagemap);
  t->pagemap.address = 0x10000;
  t->pagemap.has_flags = t->pagemap.has_pages = TRUE;
  t->pagemap.flags = 4;
  t->pagemap.pages = 2;
  t->pages = 2;
  moss_image__mem_fd__init (&t->memfd);
  t->memfd.name = (char *)"pool";
  t->memfd.uid = t->memfd.gid = 1000;
  t->memfd.size = 4096;
  t->memfd.inode = 1;
}

static void
init_reg (TestImages *t, guint i, const char *path, guint32 flags)
{
  moss_image__reg_file__init (&t->regs[i]);
  t->regs[i].id = i + 1;
  t->regs[i].owner = &t->owner;
  t->regs[i].path = (char *)path;
  t->regs[i].flags = flags;
  t->regs[i].has_mnt = TRUE;
  t->regs[i].mnt = 88;
  t->files[i].type = 1;
  t->files[i].reg = &t->regs[i];
}

static void
init_socket (TestImages *t, guint i, guint32 ino, guint32 peer)
{
  MossImage__UnixSocket *s = &t->sockets[i];

  moss_image__unix_socket__init (s);
  s->id = i + 5;
  s->ino = ino;
  s->peer = peer;
  s->type = 1;
  s->owner = &t->owner;
  s->opts = &t->options;
  t->files[i + 4].type = 5;
  t->files[i + 4].unix_socket = s;
}

static void
init_files (TestImages *t)
{
  moss_image__owner__init (&t->owner);
  moss_image__socket_options__init (&t->options);
  for (guint i = 0; i < N (t->files); i++)
    {
      moss_image__file__init (&t->files[i]);
      t->files[i].id = i + 1;
    }
  init_reg (t, 0, "/usr/bin/app", 0);
  init_reg (t, 1, "/", 0200000);
  init_reg (t, 2, "/home/moss/text", 0102002);
  init_reg (t, 3, "/dev/null", 2);
  init_socket (t, 0, 70, 71);
  init_socket (t, 1, 71, 70);
  moss_image__mem_fd_file__init (&t->memfd_file);
  t->memfd_file.id = 7;
  t->memfd_file.owner = &t->owner;
  t->memfd_file.inode = 1;
  t->files[6].type = 18;
  t->files[6].memfd = &t->memfd_file;
  moss_image__tty_file__init (&t->tty_file);
  t->tty_file.id = 8;
  t->tty_file.info = 1;
  t->tty_file.owner = &t->owner;
  t->files[7].type = 11;
  t->files[7].tty = &t->tty_file;
  moss_image__file_handle__init (&t->handle);
  t->handle.path = (char *)"home/moss";
  moss_image__watch__init (&t->watch);
  t->watch.handle = &t->handle;
  moss_image__inotify__init (&t->inotify);
  t->inotify.id = 9;
  t->inotify.owner = &t->owner;
  t->files[8].type = 8;
  t->files[8].inotify = &t->inotify;
  for (guint i = 0; i < N (t->fds); i++)
    {
      moss_image__fd__init (&t->fds[i]);
      t->fds[i].fd = i;
      t->fds[i].file = i + 3;
    }
  for (guint i = 0; i < 2; i++)
    {
      moss_image__fs__init (&t->fs[i]);
      t->fs[i].cwd = t->fs[i].root = 2;
    }
  moss_image__tty_info__init (&t->tty);
  t->tty.id = t->tty.type = 1;
  moss_image__remap__init (&t->remap);
  t->remap.file = 3;
  t->remap.remap = 10;
  t->remap.has_type = TRUE;
  t->remap.type = 1;
  moss_image__ghost__init (&t->ghost);
  t->ghost.uid = t->ghost.gid = 1000;
  t->ghost.mode = 0100600;
}

static void
init_spaces (TestImages *t)
{
  static const struct
  {
    const char *path, *options;
    guint fstype;
  } mounts[] = { { "/proc", "", 1 },
                 { "/dev/pts", "mode=620,ptmxmode=666,newinstance", 6 },
                 { "/", "lowerdir=/,upperdir=/x", 17 },
                 { "/sys", "", 2 } };

  for (guint i = 0; i < N (mounts); i++)
    {
      moss_image__mount__init (&t->mounts[i]);
      t->mounts[i].fstype = mounts[i].fstype;
      t->mounts[i].id = 86 + i;
      t->mounts[i].path = (char *)mounts[i].path;
      t->mounts[i].options = (char *)mounts[i].options;
      t->mounts[i].root = (char *)"/";
      t->mounts[i].source = (char *)"none";
      t->mounts[i].flags = MS_NOSUID | MS_RELATIME;
    }
  t->n_mounts = 3;
  moss_image__user_ns__init (&t->userns);
  moss_image__id_extent__init (&t->uids);
  moss_image__id_extent__init (&t->gids);
  t->uids.outside = t->gids.outside = 1900019712u;
  t->uids.count = t->gids.count = 65536;
  moss_image__uts_ns__init (&t->utsns);
  t->utsns.node = (char *)"moss";
  t->utsns.domain = (char *)"(none)";
  moss_image__ipc_var__init (&t->ipc_var);
  t->ipc_var.n_sem_ctls = 4;
  t->ipc_var.sem_ctls = t->sem_ctls;
  moss_image__cgroup__init (&t->cgroup);
  moss_image__cgroup_controller__init (&t->controller);
}

void
test_images_init (TestImages *t)
{
  memset (t, 0, sizeof *t);
  moss_image__inventory__init (&t->inventory);
  t->inventory.version = 2;
  t->inventory.has_fdinfo_per_id = t->inventory.fdinfo_per_id = TRUE;
  t->inventory.has_ns_per_id = t->inventory.ns_per_id = TRUE;
  t->inventory.root_ids = &t->root_ids;
  init_ids (&t->root_ids, 1, 1);
  init_ids (&t->ids[0], 10, 2);
  init_ids (&t->ids[1], 10, 3);
  init_tasks (t);
  init_memory (t);
  init_files (t);
  init_spaces (t);
}

static void
add_word (GByteArray *bytes, guint32 word)
{
  word = GUINT32_TO_LE (word);
  g_byte_array_append (bytes, (guint8 *)&word, sizeof word);
}

static GByteArray *
begin (guint32 magic)
{
  GByteArray *bytes = g_byte_array_new ();

  if (magic != 0x58313116)
    add_word (bytes, 0x54564319);
  add_word (bytes, magic);
  return bytes;
}

static void
add_message (GByteArray *bytes, gpointer message)
{
  gsize size = protobuf_c_message_get_packed_size (message);
  g_autofree guint8 *packed = g_malloc (size + 1);

  protobuf_c_message_pack (message, packed);
  add_word (bytes, size);
  g_byte_array_append (bytes, packed, size);
}

static void
finish (GHashTable *set, const char *name, GByteArray *bytes)
{
  g_hash_table_insert (set, g_strdup (name), g_byte_array_free_to_bytes (bytes));
}

static void
add_one (GHashTable *set, const char *name, guint32 magic, gpointer message)
{
  GByteArray *bytes = begin (magic);

  add_message (bytes, message);
  finish (set, name, bytes);
}

static void
pack_tasks (TestImages *t, GHashTable *set)
{
  MossImage__SeccompFilter *filters[] = { &t->filter };
  GByteArray *bytes = begin (0x50273030);

  for (guint i = 0; i < 2; i++)
    {
      MossImage__Vma *vmas[] = { &t->vmas[i] };
      g_autofree char *core = g_strdup_printf ("core-%u.img", i + 1);
      g_autofree char *ids = g_strdup_printf ("ids-%u.img", i + 1);
      g_autofree char *mm = g_strdup_printf ("mm-%u.img", i + 1);
      g_autofree char *fs = g_strdup_printf ("fs-%u.img", i + 1);

      add_message (bytes, &t->processes[i]);
      add_one (set, core, 0x55053847, &t->cores[i]);
      add_one (set, ids, 0x54432030, &t->ids[i]);
      t->mms[i].n_vmas = 1;
      t->mms[i].vmas = vmas;
      add_one (set, mm, 0x57492820, &t->mms[i]);
      add_one (set, fs, 0x51403912, &t->fs[i]);
    }
  finish (set, "pstree.img", bytes);
  t->seccomp.n_filters = 1;
  t->seccomp.filters = filters;
  add_one (set, "seccomp.img", 0x64413049, &t->seccomp);
  bytes = begin (0x56084025);
  add_message (bytes, &t->pagemap_head);
  add_message (bytes, &t->pagemap);
  finish (set, "pagemap-2.img", bytes);
  bytes = g_byte_array_new ();
  g_byte_array_set_size (bytes, t->pages * 4096);
  memset (bytes->data, 0, bytes->len);
  finish (set, "pages-1.img", bytes);
}

static void
pack_files (TestImages *t, GHashTable *set)
{
  MossImage__Watch *watches[] = { &t->watch };
  GByteArray *bytes = begin (0x56303138);

  t->inotify.n_watches = 1;
  t->inotify.watches = watches;
  for (guint i = 0; i < N (t->files); i++)
    add_message (bytes, &t->files[i]);
  finish (set, "files.img", bytes);
  bytes = begin (0x56213732);
  for (guint i = 0; i < N (t->fds); i++)
    add_message (bytes, &t->fds[i]);
  finish (set, "fdinfo-3.img", bytes);
  add_one (set, "memfd.img", 0x48453499, &t->memfd);
  add_one (set, "tty-info.img", 0x59453036, &t->tty);
  add_one (set, "remap-fpath.img", 0x59133954, &t->remap);
  bytes = begin (0x52583605);
  add_message (bytes, &t->ghost);
  g_byte_array_append (bytes, (const guint8 *)"gone", 4);
  finish (set, "ghost-file-a.img", bytes);
}

GHashTable *
test_images_pack (TestImages *t)
{
  GHashTable *set = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                           (GDestroyNotify)g_bytes_unref);
  MossImage__IdExtent *uids[] = { &t->uids }, *gids[] = { &t->gids };
  MossImage__CgroupController *controllers[] = { &t->controller };
  GByteArray *bytes = begin (0x55563928);

  for (guint i = 0; i < t->n_mounts; i++)
    add_message (bytes, &t->mounts[i]);
  finish (set, "mountpoints-14.img", bytes);
  add_one (set, "inventory.img", 0x58313116, &t->inventory);
  pack_tasks (t, set);
  pack_files (t, set);
  t->userns.n_uids = t->userns.n_gids = 1;
  t->userns.uids = uids;
  t->userns.gids = gids;
  add_one (set, "userns-15.img", 0x55474906, &t->userns);
  add_one (set, "utsns-13.img", 0x54473203, &t->utsns);
  add_one (set, "ipcns-var-12.img", 0x53115007, &t->ipc_var);
  t->cgroup.n_controllers = 1;
  t->cgroup.controllers = controllers;
  add_one (set, "cgroup.img", 0x59383330, &t->cgroup);
  return set;
}
