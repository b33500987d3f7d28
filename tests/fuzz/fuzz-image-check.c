/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The image checker. The first byte picks which image it is, the rest is the image. With
 * libFuzzer: clang -fsanitize=fuzzer -DMOSS_LIBFUZZER. Without: good images are changed
 * at random, alone and (less often) as a whole directory. */
#include "image-check.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const names[] = {
  "inventory.img",      "pstree.img",
  "files.img",          "tty-info.img",
  "memfd.img",          "seccomp.img",
  "core-1.img",         "core-2.img",
  "ids-1.img",          "mm-2.img",
  "fs-2.img",           "fdinfo-3.img",
  "pagemap-2.img",      "pagemap-shmem-7.img",
  "pages-1.img",        "remap-fpath.img",
  "ghost-file-a.img",   "tty-data.img",
  "filelocks.img",      "sk-queues.img",
  "pipes-data.img",     "fifo-data.img",
  "cpuinfo.img",        "cgroup.img",
  "mountpoints-14.img", "userns-15.img",
  "utsns-13.img",       "timens-0.img",
  "ipcns-var-12.img",   "ipcns-shm-12.img",
  "ipcns-sem-12.img",
};

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GError) error = NULL;
  gboolean ok;

  if (size == 0)
    return 0;
  ok = moss_image_check_one (names[data[0] % G_N_ELEMENTS (names)], data + 1, size - 1,
                             moss_image_policy_default (), &error);
  if (ok != (error == NULL))
    abort ();
  return 0;
}

#ifndef MOSS_LIBFUZZER
#  include "../unit/sandbox/images.h"
#  include "mutate.h"

static void
write_image (int dirfd, const char *name, gconstpointer data, gsize size)
{
  int fd = openat (dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

  if (fd < 0 || write (fd, size > 0 ? data : "", size) != (ssize_t)size)
    abort ();
  close (fd);
}

/* One image of a directory is changed; the rest stays as it is. */
static guint
whole (GRand *rand, GHashTable *set, guint rounds)
{
  g_autofree char *dir = g_dir_make_tmp ("moss-fuzz-XXXXXX", NULL);
  g_autofree char *clean = g_strdup_printf ("rm -rf '%s'", dir);
  int fd = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_autofree gpointer *keys = NULL;
  GHashTableIter iter;
  gpointer name, bytes;
  guint n, passed = 0;

  g_hash_table_iter_init (&iter, set);
  while (g_hash_table_iter_next (&iter, &name, &bytes))
    write_image (fd, name, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
  if (!moss_image_check (fd, moss_image_policy_default (), NULL))
    abort ();
  keys = g_hash_table_get_keys_as_array (set, &n);
  for (guint i = 0; i < rounds; i++)
    {
      name = keys[g_rand_int_range (rand, 0, n)];
      bytes = g_hash_table_lookup (set, name);
      {
        g_autoptr (GByteArray) changed
            = mutate (rand, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));

        write_image (fd, name, changed->data, changed->len);
        passed += moss_image_check (fd, moss_image_policy_default (), NULL);
      }
      write_image (fd, name, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
    }
  close (fd);
  if (system (clean) != 0)
    abort ();
  return passed;
}

int
main (int argc, char **argv)
{
  guint rounds;
  g_autoptr (GRand) rand = mutate_begin (argc, argv, &rounds);
  g_autoptr (GHashTable) set = NULL;
  TestImages t;

  test_images_init (&t);
  set = test_images_pack (&t);
  for (guint i = 0; i < rounds; i++)
    {
      guint8 pick = g_rand_int_range (rand, 0, G_N_ELEMENTS (names));
      GBytes *good = g_hash_table_lookup (set, names[pick]);
      g_autoptr (GByteArray) input = g_byte_array_new ();
      g_autoptr (GByteArray) body = NULL;
      guint8 header[8] = { 0x19, 0x43, 0x56, 0x54 };

      body = good != NULL && g_bytes_get_size (good) > 0
                     && !g_str_has_prefix (names[pick], "pages-")
                 ? mutate (rand, g_bytes_get_data (good, NULL), g_bytes_get_size (good))
                 : mutate (rand, header, sizeof header);
      g_byte_array_append (input, &pick, 1);
      g_byte_array_append (input, body->data, body->len);
      LLVMFuzzerTestOneInput (input->data, input->len);
    }
  g_print ("# %u of %u changed sets were let through\n", whole (rand, set, rounds / 20),
           rounds / 20);
  return 0;
}
#endif
