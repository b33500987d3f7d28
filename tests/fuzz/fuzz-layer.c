/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The layer's index. With libFuzzer: clang -fsanitize=fuzzer -DMOSS_LIBFUZZER. Without:
 * good ones are changed at random, and what still passes the check is applied (as root),
 * which must leave everything outside the directory as it was. */
#include "layer-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#define CONTENT_SIZE 16384

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GBytes) index = g_bytes_new (data, size);
  g_autoptr (GError) error = NULL;
  gboolean ok = moss_layer_check (index, CONTENT_SIZE, &error);

  if (ok != (error == NULL))
    abort ();
  return ok;
}

#ifndef MOSS_LIBFUZZER
#  include "mutate.h"

static LayerEntry *
add (GPtrArray *list, const char *path, char kind, const char *target)
{
  LayerEntry *e = layer_entry_new (path, kind);

  e->mode = 0755;
  e->uid = e->gid = 1000;
  g_free (e->target);
  e->target = g_strdup (target);
  g_ptr_array_add (list, e);
  return e;
}

static GBytes *
seed (void)
{
  g_autoptr (GPtrArray) list
      = g_ptr_array_new_with_free_func ((GDestroyNotify)layer_entry_free);
  LayerEntry *e;

  add (list, "", 'd', "");
  add (list, "home", 'o', "");
  e = add (list, "home/a", 'f', "");
  e->size = 5000;
  layer_entry_add_xattr (e, "user.a", "value", 5);
  add (list, "home/b", 'f', "home/a");
  e = add (list, "home/c", 'f', "");
  e->size = 100;
  e->offset = 8192;
  add (list, "home/d", 'l', "../../../../etc/passwd");
  add (list, "home/dir", 'd', "");
  add (list, "home/dir/fifo", 'p', "");
  add (list, "home/dir/sock", 's', "");
  add (list, "home/gone", 'w', "");
  return layer_index_build (list, NULL);
}

/* A guard stands outside: nothing may touch it. */
static void
apply (int top, int content, GByteArray *bytes)
{
  g_autoptr (GBytes) index = g_bytes_new (bytes->data, bytes->len);
  int upper;
  char guard[8] = "";
  int fd;

  if (mkdirat (top, "upper", 0755) != 0 && errno != EEXIST)
    abort ();
  upper = openat (top, "upper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  moss_layer_apply (index, content, upper, NULL);
  close (upper);
  fd = openat (top, "guard", O_RDONLY | O_CLOEXEC);
  if (fd < 0 || read (fd, guard, sizeof guard) != 5 || memcmp (guard, "guard", 5) != 0)
    abort ();
  close (fd);
}

int
main (int argc, char **argv)
{
  guint rounds, passed = 0;
  g_autoptr (GRand) rand = mutate_begin (argc, argv, &rounds);
  g_autoptr (GBytes) good = seed ();
  g_autofree char *dir = g_dir_make_tmp ("moss-fuzz-XXXXXX", NULL);
  g_autofree char *clean = g_strdup_printf ("rm -rf '%s'", dir);
  int top = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int content = memfd_create ("content", MFD_CLOEXEC);
  int fd = openat (top, "guard", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

  if (ftruncate (content, CONTENT_SIZE) != 0 || write (fd, "guard", 5) != 5)
    abort ();
  close (fd);
  if (!LLVMFuzzerTestOneInput (g_bytes_get_data (good, NULL), g_bytes_get_size (good)))
    abort ();
  for (guint i = 0; i < rounds; i++)
    {
      g_autoptr (GByteArray) changed
          = mutate (rand, g_bytes_get_data (good, NULL), g_bytes_get_size (good));

      if (!LLVMFuzzerTestOneInput (changed->data, changed->len))
        continue;
      passed++;
      if (geteuid () == 0)
        apply (top, content, changed);
    }
  g_print ("# %u of %u changed layers were let through\n", passed, rounds);
  close (top);
  close (content);
  return system (clean) != 0;
}
#endif
