/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A set of images that is allowed, and every way in which it may not be changed. */
#include "images.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

typedef void (*Tweak) (TestImages *t);

static gboolean
check_set (GHashTable *set, GError **error)
{
  g_autofree char *dir = g_dir_make_tmp ("moss-images-XXXXXX", NULL);
  g_autofree char *clean = g_strdup_printf ("rm -rf '%s'", dir);
  int fd = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  GHashTableIter iter;
  gpointer name, bytes;
  gboolean ok;

  g_hash_table_iter_init (&iter, set);
  while (g_hash_table_iter_next (&iter, &name, &bytes))
    {
      g_autofree char *path = g_build_filename (dir, name, NULL);
      int out = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
      gsize size;
      gconstpointer data = g_bytes_get_data (bytes, &size);

      g_assert_cmpint (write (out, size > 0 ? data : "", size), ==, size);
      close (out);
    }
  ok = moss_image_check (fd, moss_image_policy_default (), error);
  close (fd);
  g_assert_cmpint (system (clean), ==, 0);
  return ok;
}

static GHashTable *
good_set (void)
{
  TestImages t;

  test_images_init (&t);
  return test_images_pack (&t);
}

static void
allowed (void)
{
  g_autoptr (GHashTable) set = good_set ();
  g_autoptr (GError) error = NULL;

  check_set (set, &error);
  g_assert_no_error (error);
}

/* A tree that was dumped by a CRIU inside its network namespace. */
static void
network_of_criu (void)
{
  g_autoptr (GHashTable) set = NULL;
  g_autoptr (GError) error = NULL;
  TestImages t;

  test_images_init (&t);
  t.ids[0].net_ns = t.ids[1].net_ns = t.root_ids.net_ns;
  set = test_images_pack (&t);
  check_set (set, &error);
  g_assert_no_error (error);
}

/* ---- one wrong thing each ------------------------------------------------------------
 */

#define DEFINE(name, statement)                                                          \
  static void name (TestImages *t)                                                       \
  {                                                                                      \
    statement;                                                                           \
  }

DEFINE (root_app, t->creds[1].uid = 0)
DEFINE (foreign_uid, t->creds[1].fsuid = 65535)
DEFINE (foreign_gid, t->creds[0].egid = 1900019712u)
DEFINE (init_capability, t->caps[0] |= 1 << 21)
DEFINE (high_capability, t->caps[1] = 1)
DEFINE (app_capability, (t->creds[1].n_cap_amb = 1, t->creds[1].cap_amb = t->caps))
DEFINE (may_gain, t->creds[1].no_new_privs = 0)
DEFINE (profile, t->creds[1].lsm_profile = (char *)"unconfined_u")
DEFINE (no_filter, t->threads[1].seccomp_mode = 0)
DEFINE (lost_filter, t->threads[1].seccomp_filter = 7)
/* One that allows everything, and ours without its end. */
static guint8 allow_all[8] = { 0x06, 0, 0, 0, 0, 0, 0xff, 0x7f };
DEFINE (other_filter,
        (t->filter.program.data = allow_all, t->filter.program.len = sizeof allow_all))
DEFINE (short_filter, t->filter.program.len -= 8)
DEFINE (listener, (t->filter.has_flags = TRUE, t->filter.flags = 8))
DEFINE (raised, (t->threads[1].has_nice = TRUE, t->threads[1].nice = -5))
DEFINE (real_time, (t->threads[1].has_policy = TRUE, t->threads[1].policy = 1))
DEFINE (unkillable,
        (t->tasks[1].has_oom_score_adj = TRUE, t->tasks[1].oom_score_adj = -1000))
DEFINE (personality, t->tasks[1].personality = 0x0400000)
DEFINE (other_arch, t->cores[1].arch = 5)
DEFINE (other_format, t->inventory.version = 1)
DEFINE (uprobes, (t->inventory.has_allow_uprobes = t->inventory.allow_uprobes = TRUE))
DEFINE (host_user_ns, t->ids[0].user_ns = t->ids[1].user_ns = t->root_ids.user_ns)
DEFINE (host_mnt_ns, t->ids[0].mnt_ns = t->ids[1].mnt_ns = t->root_ids.mnt_ns)
DEFINE (no_user_ns, t->ids[0].has_user_ns = FALSE)
DEFINE (nested_ns, t->ids[1].user_ns = 77)
DEFINE (no_init, t->processes[0].pid = 5)
DEFINE (same_pid, t->processes[1].pid = 1)
DEFINE (foreign_map, t->uids.outside = 0)
DEFINE (foreign_gid_map, t->gids.outside = 100000)
DEFINE (large_map, t->uids.count = 65537)
DEFINE (shifted_map, t->uids.first = 1)
DEFINE (more_mounts, t->n_mounts = 4)
DEFINE (fewer_mounts, t->n_mounts = 2)
DEFINE (same_mount, (t->n_mounts = 3, t->mounts[0] = t->mounts[1], t->mounts[0].id = 1))
DEFINE (external_mount, (t->mounts[0].has_external = t->mounts[0].external = TRUE))
DEFINE (external_key, t->mounts[0].external_key = (char *)"host")
DEFINE (plugin_mount, (t->mounts[0].has_with_plugin = t->mounts[0].with_plugin = TRUE))
DEFINE (shared_mount, (t->mounts[0].has_shared = TRUE, t->mounts[0].shared = 3))
DEFINE (bind_mount, t->mounts[2].root = (char *)"/etc")
DEFINE (suid_mount, t->mounts[0].flags = MS_RELATIME)
DEFINE (remount, t->mounts[0].flags |= MS_BIND)
DEFINE (mount_option, t->mounts[1].options = (char *)"mode=620,context=x")
DEFINE (other_type, t->mounts[0].fstype = 14)
DEFINE (dots, t->regs[2].path = (char *)"/home/../etc/shadow")
DEFINE (relative, t->regs[2].path = (char *)"etc/shadow")
DEFINE (proc_sys, t->regs[2].path = (char *)"/proc/sys/kernel/core_pattern")
DEFINE (proc_mem, t->regs[2].path = (char *)"/proc/1/mem")
DEFINE (proc_root, t->regs[2].path = (char *)"/proc/1/root/etc")
DEFINE (proc_write, t->regs[2].path = (char *)"/proc/1/comm")
DEFINE (sysfs, t->regs[2].path = (char *)"/sys/power/state")
DEFINE (device, t->regs[3].path = (char *)"/dev/sda")
DEFINE (device_elsewhere, (t->regs[2].has_mode = TRUE, t->regs[2].mode = 0020666))
DEFINE (block_device, (t->regs[3].has_mode = TRUE, t->regs[3].mode = 0060666))
DEFINE (creates, t->regs[2].flags |= O_CREAT)
DEFINE (empties, t->regs[2].flags |= O_TRUNC)
DEFINE (lost_mount, t->regs[2].mnt = 3)
DEFINE (two_kinds, t->files[2].memfd = &t->memfd_file)
DEFINE (wrong_kind, t->files[2].type = 5)
DEFINE (external_file, t->files[2].type = 16)
DEFINE (namespace_file, t->files[2].type = 14)
DEFINE (bpf_map, t->files[2].type = 19)
DEFINE (same_id, (t->files[3].id = 3, t->regs[3].id = 3))
DEFINE (other_id, t->regs[3].id = 99)
DEFINE (file_owner, t->owner.uid = 1900020712u)
DEFINE (outside_socket, t->sockets[0].uflags = 1)
DEFINE (callback_socket, t->sockets[0].uflags = 4)
DEFINE (lost_peer, t->sockets[0].peer = 5)
DEFINE (socket_path,
        (t->sockets[0].name.data = (guint8 *)"/a/../b", t->sockets[0].name.len = 7))
DEFINE (socket_relative,
        (t->sockets[0].name.data = (guint8 *)"../b", t->sockets[0].name.len = 4))
DEFINE (socket_directory, t->sockets[0].directory = (char *)"/../x")
DEFINE (watch_path, t->handle.path = (char *)"home/../../etc")
DEFINE (other_root, t->fs[1].root = 3)
DEFINE (lost_cwd, t->fs[1].cwd = 55)
DEFINE (lost_file, t->fds[2].file = 55)
DEFINE (lost_exe, t->mms[1].exe_file = 55)
DEFINE (lost_memfd, t->memfd_file.inode = 5)
DEFINE (lost_tty, t->tty_file.info = 5)
DEFINE (memfd_owner, t->memfd.uid = 70000)
DEFINE (memfd_suid, (t->memfd.has_mode = TRUE, t->memfd.mode = 0104777))
DEFINE (huge_pages, (t->memfd.has_hugetlb = TRUE, t->memfd.hugetlb = 1))
DEFINE (real_tty, t->tty.type = 2)
DEFINE (serial_tty, t->tty.type = 6)
DEFINE (ghost_suid, t->ghost.mode = 0104755)
DEFINE (ghost_sgid, t->ghost.mode = 0102755)
DEFINE (ghost_device, t->ghost.mode = 0020666)
DEFINE (ghost_owner, t->ghost.uid = 65535)
DEFINE (ghost_lost, t->remap.remap = 11)
DEFINE (remap_lost, t->remap.file = 55)
DEFINE (kernel_map,
        (t->vmas[1].start = 0xffff800000000000, t->vmas[1].end = 0xffff800000001000))
DEFINE (crooked_map, t->vmas[1].start = 0x10001)
DEFINE (empty_map, t->vmas[1].end = 0x10000)
DEFINE (plugin_map, t->vmas[1].status |= 1 << 27)
DEFINE (socket_map, t->vmas[1].status |= 1 << 11)
DEFINE (parent_pages, (t->pagemap.has_in_parent = t->pagemap.in_parent = TRUE))
DEFINE (parent_flag, t->pagemap.flags = 1)
DEFINE (fewer_pages, t->pages = 1)
DEFINE (more_pages, t->pages = 3)
DEFINE (lost_pages, t->pagemap_head.pages_id = 3)
DEFINE (
    long_host,
    t->utsns.node
    = (char *)"0123456789012345678901234567890123456789012345678901234567890123456789")
static ProtobufCBinaryData a_directory = { 1, (guint8 *)"x" };
DEFINE (cgroup_directory,
        (t->controller.n_directories = 1, t->controller.directories = &a_directory))

typedef struct
{
  const char *name;
  Tweak tweak;
  int code;
  const char *file;
} Wrong;

#define D MOSS_IMAGE_ERROR_DENIED
#define C MOSS_IMAGE_ERROR_CORRUPT
#define F MOSS_IMAGE_ERROR_FOREIGN
#define W(tweak, code, file)                                                             \
  {                                                                                      \
#    tweak, tweak, code, file                                                            \
  }
static const Wrong wrongs[] = {
  W (root_app, D, "core-2.img"),
  W (foreign_uid, D, "core-2.img"),
  W (foreign_gid, D, "core-1.img"),
  W (init_capability, D, "core-1.img"),
  W (high_capability, D, "core-1.img"),
  W (app_capability, D, "core-2.img"),
  W (may_gain, D, "core-2.img"),
  W (profile, D, "core-2.img"),
  W (no_filter, D, "core-2.img"),
  W (lost_filter, C, "all together"),
  W (other_filter, D, "all together"),
  W (short_filter, D, "all together"),
  W (listener, D, "seccomp.img"),
  W (raised, D, "core-2.img"),
  W (real_time, D, "core-2.img"),
  W (unkillable, D, "core-2.img"),
  W (personality, D, "core-2.img"),
  W (other_arch, F, "core-2.img"),
  W (other_format, F, "inventory.img"),
  W (uprobes, D, "inventory.img"),
  W (host_user_ns, D, "all together"),
  W (host_mnt_ns, D, "all together"),
  W (no_user_ns, D, "all together"),
  W (nested_ns, D, "all together"),
  W (no_init, D, "pstree.img"),
  W (same_pid, C, "pstree.img"),
  W (foreign_map, D, "userns-15.img"),
  W (foreign_gid_map, D, "userns-15.img"),
  W (large_map, D, "userns-15.img"),
  W (shifted_map, D, "userns-15.img"),
  W (more_mounts, D, "mountpoints-14.img"),
  W (fewer_mounts, D, "mountpoints-14.img"),
  W (same_mount, D, "mountpoints-14.img"),
  W (external_mount, D, "mountpoints-14.img"),
  W (external_key, D, "mountpoints-14.img"),
  W (plugin_mount, D, "mountpoints-14.img"),
  W (shared_mount, D, "mountpoints-14.img"),
  W (bind_mount, D, "mountpoints-14.img"),
  W (suid_mount, D, "mountpoints-14.img"),
  W (remount, D, "mountpoints-14.img"),
  W (mount_option, D, "mountpoints-14.img"),
  W (other_type, D, "mountpoints-14.img"),
  W (dots, D, "files.img"),
  W (relative, D, "files.img"),
  W (proc_sys, D, "files.img"),
  W (proc_mem, D, "files.img"),
  W (proc_root, D, "files.img"),
  W (proc_write, D, "files.img"),
  W (sysfs, D, "files.img"),
  W (device, D, "files.img"),
  W (device_elsewhere, D, "files.img"),
  W (block_device, D, "files.img"),
  W (creates, D, "files.img"),
  W (empties, D, "files.img"),
  W (lost_mount, C, "all together"),
  W (two_kinds, C, "files.img"),
  W (wrong_kind, C, "files.img"),
  W (external_file, D, "files.img"),
  W (namespace_file, D, "files.img"),
  W (bpf_map, D, "files.img"),
  W (same_id, C, "files.img"),
  W (other_id, C, "files.img"),
  W (file_owner, D, "files.img"),
  W (outside_socket, D, "files.img"),
  W (callback_socket, D, "files.img"),
  W (lost_peer, D, "all together"),
  W (socket_path, D, "files.img"),
  W (socket_relative, D, "files.img"),
  W (socket_directory, D, "files.img"),
  W (watch_path, D, "files.img"),
  W (other_root, D, "fs-2.img"),
  W (lost_cwd, C, "all together"),
  W (lost_file, C, "all together"),
  W (lost_exe, C, "all together"),
  W (lost_memfd, C, "all together"),
  W (lost_tty, C, "all together"),
  W (memfd_owner, D, "memfd.img"),
  W (memfd_suid, D, "memfd.img"),
  W (huge_pages, D, "memfd.img"),
  W (real_tty, D, "tty-info.img"),
  W (serial_tty, D, "tty-info.img"),
  W (ghost_suid, D, "ghost-file-a.img"),
  W (ghost_sgid, D, "ghost-file-a.img"),
  W (ghost_device, D, "ghost-file-a.img"),
  W (ghost_owner, D, "ghost-file-a.img"),
  W (ghost_lost, C, "all together"),
  W (remap_lost, C, "all together"),
  W (kernel_map, D, "mm-2.img"),
  W (crooked_map, C, "mm-2.img"),
  W (empty_map, C, "mm-2.img"),
  W (plugin_map, D, "mm-2.img"),
  W (socket_map, D, "mm-2.img"),
  W (parent_pages, D, "pagemap-2.img"),
  W (parent_flag, D, "pagemap-2.img"),
  W (fewer_pages, C, "all together"),
  W (more_pages, C, "all together"),
  W (lost_pages, C, "all together"),
  W (long_host, C, "utsns-13.img"),
  W (cgroup_directory, D, "cgroup.img"),
};

static void
refused (gconstpointer data)
{
  const Wrong *w = data;
  g_autoptr (GHashTable) set = NULL;
  g_autoptr (GError) error = NULL;
  TestImages t;

  test_images_init (&t);
  w->tweak (&t);
  set = test_images_pack (&t);
  g_assert_false (check_set (set, &error));
  g_assert_error (error, MOSS_IMAGE_ERROR, w->code);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, w->file));
}

/* ---- files ----------------------------------------------------------------------------
 */

static void
other_names (void)
{
  static const char *const names[] = { "creds-1.img",
                                       "reg-files.img",
                                       "netns-11.img",
                                       "nftables-11.img",
                                       "tmpfs-dev-57.tar.gz.img",
                                       "criu.log",
                                       "stats-dump",
                                       "parent",
                                       "core-01.img",
                                       "core--1.img",
                                       "core-1.img.bak",
                                       "core-99999999999.img",
                                       "bpfmap-data.img",
                                       "apparmor.img",
                                       "ext-files.img",
                                       "autofs-1.img",
                                       "irmap-cache" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (GHashTable) set = good_set ();
      g_autoptr (GError) error = NULL;

      g_hash_table_insert (set, g_strdup (names[i]), g_bytes_new_static ("x", 1));
      g_assert_false (check_set (set, &error));
      g_assert_error (error, MOSS_IMAGE_ERROR, MOSS_IMAGE_ERROR_DENIED);
      g_assert_nonnull (strstr (error->message, names[i]));
    }
}

/* Each image left out. Some may be: then nothing said that it was there. */
static void
missing (void)
{
  static const char *const needed[]
      = { "inventory.img",    "pstree.img",   "files.img",        "core-1.img",
          "core-2.img",       "ids-1.img",    "memfd.img",        "tty-info.img",
          "ghost-file-a.img", "pages-1.img",  "pagemap-2.img",    "mountpoints-14.img",
          "userns-15.img",    "utsns-13.img", "ipcns-var-12.img", "seccomp.img" };

  for (guint i = 0; i < G_N_ELEMENTS (needed); i++)
    {
      g_autoptr (GHashTable) set = good_set ();
      g_autoptr (GError) error = NULL;

      g_assert_true (g_hash_table_remove (set, needed[i]));
      g_test_message ("without %s", needed[i]);
      g_assert_false (check_set (set, &error));
    }
}

/* A field that the schema does not have might mean something to CRIU. */
static void
unknown_field (void)
{
  static const guint8 field[] = { 0xa0, 0x3f, 0x01 }; /* number 1012, varint 1 */
  g_autoptr (GHashTable) set = good_set ();
  g_autoptr (GError) error = NULL;
  gsize size;
  const guint8 *data
      = g_bytes_get_data (g_hash_table_lookup (set, "userns-15.img"), &size);
  guint8 *more = g_malloc (size + sizeof field);

  memcpy (more, data, size);
  memcpy (more + size, field, sizeof field);
  more[8] += sizeof field;
  g_hash_table_insert (set, g_strdup ("userns-15.img"),
                       g_bytes_new_take (more, size + sizeof field));
  g_assert_false (check_set (set, &error));
  g_assert_error (error, MOSS_IMAGE_ERROR, MOSS_IMAGE_ERROR_DENIED);
}

static void
link_in_directory (void)
{
  g_autofree char *dir = g_dir_make_tmp ("moss-images-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (dir, "inventory.img", NULL);
  g_autoptr (GError) error = NULL;
  int fd = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  g_assert_cmpint (symlink ("/etc/passwd", path), ==, 0);
  g_assert_false (moss_image_check (fd, moss_image_policy_default (), &error));
  g_assert_error (error, MOSS_IMAGE_ERROR, MOSS_IMAGE_ERROR_DENIED);
  close (fd);
  unlink (path);
  rmdir (dir);
}

/* Cut short anywhere, or with any bit changed: refused or harmless, never a crash. A cut
 * can fall between two entries, which only the images together can tell. */
static void
torn (void)
{
  g_autoptr (GHashTable) set = good_set ();
  const MossImagePolicy *policy = moss_image_policy_default ();
  GHashTableIter iter;
  gpointer name, bytes;

  g_hash_table_iter_init (&iter, set);
  while (g_hash_table_iter_next (&iter, &name, &bytes))
    {
      gsize size;
      const guint8 *data = g_bytes_get_data (bytes, &size);
      guint accepted = 0;

      if (g_str_has_prefix (name, "pages-"))
        continue;
      for (gsize n = 0; n < size; n++)
        {
          g_autofree guint8 *cut = g_memdup2 (data, n);

          accepted += moss_image_check_one (name, cut, n, policy, NULL);
        }
      g_assert_cmpuint (accepted, <=, 10);
      for (gsize bit = 0; bit < size * 8; bit++)
        {
          g_autofree guint8 *changed = g_memdup2 (data, size);

          changed[bit / 8] ^= 1 << (bit % 8);
          moss_image_check_one (name, changed, size, policy, NULL);
        }
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/image-check/allowed", allowed);
  g_test_add_func ("/image-check/network-of-criu", network_of_criu);
  for (guint i = 0; i < G_N_ELEMENTS (wrongs); i++)
    {
      g_autofree char *path = g_strdup_printf ("/image-check/refused/%s", wrongs[i].name);

      g_test_add_data_func (path, &wrongs[i], refused);
    }
  g_test_add_func ("/image-check/other-names", other_names);
  g_test_add_func ("/image-check/missing", missing);
  g_test_add_func ("/image-check/unknown-field", unknown_field);
  g_test_add_func ("/image-check/link-in-directory", link_in_directory);
  g_test_add_func ("/image-check/torn", torn);
  return g_test_run ();
}
