// SPDX-License-Identifier: GPL-3.0-or-later
/* What the tree costs by itself, without FUSE: one line a figure. */
#include "tree-kit.h"

#include <fcntl.h>
#include <malloc.h>
#include <string.h>

static gint64 began;

static void
start (void)
{
  began = g_get_monotonic_time ();
}

static void
figure (const char *name, double count, const char *unit)
{
  g_print ("%s %.2f %s\n", name, count, unit);
}

static void
lap (const char *name, guint count)
{
  figure (name, (double) (g_get_monotonic_time () - began) / count, "us");
}

/* Bytes of memory that are this process's alone. */
static guint64
private_bytes (void)
{
  g_autofree char *text = NULL;
  guint64 sum = 0;

  malloc_trim (0);
  g_file_get_contents ("/proc/self/smaps_rollup", &text, NULL, NULL);
  for (const char *at = text; (at = strstr (at, "Private_Dirty:")) != NULL; at++)
    sum += g_ascii_strtoull (at + 14, NULL, 10) * 1024;
  return sum;
}

static guint64
make (MossTree *tree, guint64 dir, guint number, const char *text, gsize length)
{
  char name[32];
  MossTreeAttr attr;

  g_snprintf (name, sizeof name, "some-file-name-%u.c", number);
  moss_tree_mknod (tree, dir, name, S_IFREG | 0644, 0, 1000, 1000, &attr);
  moss_tree_open_file (tree, attr.ino, O_WRONLY);
  moss_tree_write (tree, attr.ino, text, length, 0, FALSE, FALSE);
  moss_tree_release (tree, attr.ino, O_WRONLY);
  return attr.ino;
}

static void
bench_small (Device *device)
{
  MossTree *tree = device->tree;
  g_autofree char *text = g_strnfill (4096, 'x');
  guint64 dir = kit_mkdir (tree, "/small");
  guint64 ino = 0;
  MossTreeStats stats;

  for (guint i = 0; i < 4096; i++)
    text[i] = g_random_int ();
  start ();
  for (guint i = 0; i < 3000; i++)
    {
      text[0] = i;
      text[1] = i >> 8;
      ino = make (tree, dir, i, text, 4096);
    }
  lap ("create-4k", 3000);
  start ();
  moss_tree_sync (tree);
  lap ("commit-3000", 1);
  start ();
  for (guint i = 0; i < 200; i++)
    {
      text[2] = i;
      moss_tree_write (tree, ino, text, 4096, 0, FALSE, FALSE);
      moss_tree_fsync (tree, ino);
    }
  lap ("write-fsync", 200);
  start ();
  for (guint i = 0; i < 100; i++)
    {
      text[2] = i;
      moss_tree_write (tree, ino, text, 4096, 0, FALSE, FALSE);
      moss_tree_sync (tree);
    }
  lap ("commit-1", 100);
  moss_tree_get_stats (tree, &stats);
  device_close (device);
  device_open (device, TRUE);
  tree = device->tree;
  start ();
  for (guint i = 0; i < 3000; i++)
    {
      char name[32];
      MossTreeAttr attr;

      g_snprintf (name, sizeof name, "some-file-name-%u.c", i);
      moss_tree_lookup (tree, dir, name, &attr);
      moss_tree_open_file (tree, attr.ino, O_RDONLY);
      moss_tree_read (tree, attr.ino, text, 4096, 0);
      moss_tree_release (tree, attr.ino, O_RDONLY);
    }
  lap ("read-4k-cold", 3000);
}

static void
bench_large (Device *device)
{
  enum { MIB = 1024 * 1024, SIZE = 128 };
  g_autofree guint8 *bytes = g_malloc (MIB);
  guint64 ino = kit_write_file (device->tree, "/large", "");

  for (guint i = 0; i < MIB; i++)
    bytes[i] = g_random_int ();
  start ();
  for (guint i = 0; i < SIZE; i++)
    {
      memset (bytes, i, 4096);
      for (guint j = 0; j < MIB; j += 65536)
        memcpy (bytes + j, &i, 4);
      moss_tree_write (device->tree, ino, bytes, MIB, (guint64) i * MIB, FALSE, FALSE);
    }
  moss_tree_fsync (device->tree, ino);
  figure ("write-large", SIZE * 1e6 / (g_get_monotonic_time () - began), "MiB/s");
  moss_tree_sync (device->tree);
  device_close (device);
  device_open (device, TRUE);
  start ();
  for (guint i = 0; i < SIZE; i++)
    moss_tree_read (device->tree, ino, bytes, MIB, (guint64) i * MIB);
  figure ("read-large", SIZE * 1e6 / (g_get_monotonic_time () - began), "MiB/s");
  start ();
  for (guint i = 0; i < 2000; i++)
    moss_tree_read (device->tree, ino, bytes, 4096,
                    (guint64) g_random_int_range (0, SIZE * 256) * 4096);
  lap ("read-random-4k", 2000);
}

enum
{
  FILES = 200000,
  DIRS = 2000,
};

static void
make_many (Device *device)
{
  for (guint i = 0; i < DIRS; i++)
    {
      g_autofree char *path = g_strdup_printf ("/dir%u", i);
      guint64 dir = kit_mkdir (device->tree, path);

      for (guint j = 0; j < FILES / DIRS; j++)
        make (device->tree, dir, j, path, strlen (path));
    }
  start ();
  moss_tree_sync (device->tree);
  lap ("commit-200000", 1);
}

/* In a process that did nothing else. */
static void
know_many (Device *device)
{
  guint64 before = private_bytes (), after;

  start ();
  for (guint i = 0; i < DIRS; i++)
    {
      g_autofree char *path = g_strdup_printf ("/dir%u", i);

      moss_tree_lookup (device->tree, kit_ino (device->tree, path), "x", NULL);
    }
  lap ("know-200000", 1);
  after = private_bytes ();
  figure ("bytes-a-file", (double) (after - before) / FILES, "bytes");
  figure ("private-200000", after / 1048576.0, "MiB");
}

static int
know_in_child (const char *dir)
{
  Kit kit;

  kit_init (&kit, 1, MOSS_SUITE_SODIUM);
  device_close (&kit.devices[0]);
  g_free (kit.devices[0].dir);
  kit.devices[0].dir = g_strdup (dir);
  start ();
  device_open (&kit.devices[0], TRUE);
  lap ("open", 1);
  know_many (&kit.devices[0]);
  kit_clear (&kit);
  return 0;
}

static void
bench_many (Device *device)
{
  char *argv[] = { "/proc/self/exe", device->dir, NULL };

  make_many (device);
  g_print ("private-made-200000 %.2f MiB\n", private_bytes () / 1048576.0);
  device_close (device);
  g_spawn_sync (NULL, argv, NULL, G_SPAWN_CHILD_INHERITS_STDIN, NULL, NULL, NULL, NULL, NULL,
                NULL);
}

int
main (int argc, char **argv)
{
  Kit kit;

  if (argc > 1)
    return know_in_child (argv[1]);
  kit_init (&kit, 1, MOSS_SUITE_SODIUM);
  bench_small (&kit.devices[0]);
  bench_large (&kit.devices[0]);
  bench_many (&kit.devices[0]);
  kit_clear (&kit);
  return 0;
}
