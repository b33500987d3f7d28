/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Power cuts, kills and disks that fail, for the tree alone.
 *
 * A child works on a tree; what it calls fdatasync or fsync on is copied as it is then, and a cut
 * leaves those copies: everything that wasn't synced is gone. (The functions stand here in place
 * of libc's, for SQLite too.) Before each promise ("this is fsynced") it writes to a pipe what was
 * promised. The parent opens what is left and looks whether the promises were kept.
 *
 *   tree-crash [ROUNDS [SEED]] */
#include "tree-kit.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char *live_prefix; /* directory whose files are copied when they are synced */
static char *disk;        /* where to */

static void
copy_file (const char *path)
{
  g_autofree char *to = g_strconcat (disk, path + strlen (live_prefix), NULL);
  g_autofree char *tmp = g_strconcat (to, ".part", NULL);
  g_autofree char *dir = g_path_get_dirname (to);
  g_autofree char *bytes = NULL;
  gsize length;
  FILE *out;

  g_mkdir_with_parents (dir, 0700);
  if (!g_file_get_contents (path, &bytes, &length, NULL))
    abort ();
  out = fopen (tmp, "we");
  if (out == NULL || fwrite (bytes, 1, length, out) != length || fclose (out) != 0 ||
      g_rename (tmp, to) < 0)
    abort ();
}

static void
keep_copy (int fd)
{
  g_autofree char *link = g_strdup_printf ("/proc/self/fd/%d", fd);
  g_autofree char *path = g_file_read_link (link, NULL);
  g_autofree char *key = NULL;

  if (live_prefix == NULL || path == NULL || !g_str_has_prefix (path, live_prefix))
    return;
  if (!g_file_test (path, G_FILE_TEST_IS_DIR))
    {
      copy_file (path);
      return;
    }
  /* A file that was put in place by a rename has its name with its directory. */
  key = g_build_filename (path, "dedup-key", NULL);
  if (g_file_test (key, G_FILE_TEST_EXISTS))
    copy_file (key);
}

int
fdatasync (int fd)
{
  keep_copy (fd);
  return 0;
}

int
fsync (int fd)
{
  keep_copy (fd);
  return 0;
}

/* --- the child --- */

static void
promise (int pipe_fd, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  if (write (pipe_fd, text, strlen (text)) < 0)
    _exit (3);
}

static char *
text_of (guint number, guint32 seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed + number);
  guint length = g_rand_int_range (rand, 1, number % 7 == 0 ? 300000 : 3000);
  char *text = g_malloc (length + 1);

  for (guint i = 0; i < length; i++)
    text[i] = g_rand_int_range (rand, 'a', 'z');
  text[length] = '\0';
  return text;
}

/* A new file, by rename over an older one now and then. */
static void
work_once (MossTree *tree, GRand *rand, guint number, guint32 seed, int pipe_fd)
{
  g_autofree char *text = text_of (number, seed);
  g_autofree char *name = g_strdup_printf ("file-%u", number);
  gsize length = strlen (text);
  MossTreeAttr attr;

  if (moss_tree_mknod (tree, 1, name, S_IFREG | 0600, 0, 0, 0, &attr) != 0)
    return;
  moss_tree_open_file (tree, attr.ino, O_RDWR);
  if (moss_tree_write (tree, attr.ino, text, length, 0, FALSE, FALSE) == (gssize) length &&
      g_rand_int_range (rand, 0, 3) > 0 && moss_tree_fsync (tree, attr.ino) == 0)
    promise (pipe_fd, "%u\n", number);
  moss_tree_release (tree, attr.ino, O_RDWR);
  /* Then it was removed, synced or not: from here on it may be gone. */
  if (g_rand_int_range (rand, 0, 6) == 0)
    {
      promise (pipe_fd, "-%u\n", number);
      moss_tree_unlink (tree, 1, name, NULL);
    }
}

/* A process of its own: threads don't survive a fork. */
static int
child (const char *dir, guint32 seed, const char *fault, int pipe_fd)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  guint first = g_rand_int_range (rand, 5, 60);
  Device *device;
  Kit kit;

  kit_init (&kit, 1, seed % 2 ? MOSS_SUITE_SODIUM : MOSS_SUITE_GNUTLS);
  kit.commit_after_ms = 5;
  device = &kit.devices[0];
  device_close (device);
  kit_remove_dir (kit.dir);
  device->dir = g_strdup (dir);
  live_prefix = device->dir;
  disk = g_strconcat (dir, ".disk", NULL);
  g_setenv ("MOSS_FAULT", fault, TRUE);
  device_open (device, TRUE);
  for (guint i = 0; i < first + 10; i++)
    {
      work_once (device->tree, rand, i, seed, pipe_fd);
      if (g_rand_int_range (rand, 0, 12) == 0)
        moss_tree_sync (device->tree);
      if (i >= first && strstr (fault, ":fail@") == NULL)
        kill (getpid (), SIGKILL);
    }
  return 0;
}

/* --- the parent --- */

static gboolean
check (Kit *kit, const char *promises, guint32 seed)
{
  g_auto (GStrv) lines = g_strsplit (promises, "\n", -1);
  g_autoptr (GHashTable) due = g_hash_table_new (NULL, NULL);
  MossTree *tree = kit->devices[0].tree;
  GHashTableIter iter;
  gpointer key;

  for (guint i = 0; lines[i] != NULL && lines[i][0] != '\0'; i++)
    if (lines[i][0] == '-')
      g_hash_table_remove (due, GUINT_TO_POINTER (atoi (lines[i] + 1) + 1));
    else
      g_hash_table_add (due, GUINT_TO_POINTER (atoi (lines[i]) + 1));
  g_hash_table_iter_init (&iter, due);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    {
      guint number = GPOINTER_TO_UINT (key) - 1;
      g_autofree char *path = g_strdup_printf ("/file-%u", number);
      g_autofree char *wanted = text_of (number, seed);
      g_autofree char *found = kit_read_file (tree, path);

      if (g_strcmp0 (found, wanted) == 0)
        continue;
      g_printerr ("seed %u: %s is %s\n", seed, path,
                  found == NULL ? "gone" : "not what was fsynced");
      return FALSE;
    }
  g_autofree char *all = kit_dump (tree); /* every block and content can be read */
  return all != NULL;
}

static void
put_hex (GString *text, const guint8 *bytes)
{
  for (guint i = 0; i < 32; i++)
    g_string_append_printf (text, "%02x", bytes[i]);
}

/* What is there, looked at by somebody else. */
static gboolean
check_clean (Device *device, guint32 seed)
{
  const char *build = g_getenv ("MOSS_BUILD");
  g_autofree char *program = g_build_filename (build != NULL ? build : "build/dev", "vfs",
                                               "moss-fsck", NULL);
  g_autofree char *store = g_build_filename (device->dir, "store", NULL);
  g_autofree char *tree = g_build_filename (device->dir, "tree", NULL);
  g_autofree char *keys = g_build_filename (device->dir, "keys", NULL);
  g_autoptr (GString) text = g_string_new ("tree ");
  char *argv[] = { program, "--store", store, "--tree", tree, "--keys", keys, NULL };
  g_autofree char *output = NULL;
  g_autoptr (GError) error = NULL;
  guint8 key[32];
  int status = 0;

  memcpy (key, device->kit->user_key, 32);
  key[0] ^= 1;
  put_hex (text, device->kit->tree_id);
  g_string_append (text, "\nkey 1 ");
  put_hex (text, key);
  g_string_append_printf (text, "\ndevice 1 %u ", device->kit->suite);
  put_hex (text, device->id);
  g_string_append_c (text, '\n');
  if (!g_file_set_contents (keys, text->str, -1, &error) ||
      !g_spawn_sync (NULL, argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &output, NULL, &status,
                     &error))
    {
      g_printerr ("seed %u: %s\n", seed, error->message);
      return FALSE;
    }
  if (status != 0)
    g_printerr ("seed %u: moss-fsck: %s\n", seed, output);
  return status == 0;
}

static char *
read_all (int fd)
{
  GString *text = g_string_new (NULL);
  char buffer[4096];
  gssize got;

  while ((got = read (fd, buffer, sizeof buffer)) > 0)
    g_string_append_len (text, buffer, got);
  return g_string_free (text, FALSE);
}

static gboolean
start_child (const char *dir, guint32 seed, const char *fault, char **promises)
{
  g_autofree char *number = g_strdup_printf ("%u", seed);
  g_autofree char *end = NULL;
  char *argv[] = { "/proc/self/exe", "--child", (char *) dir, number, (char *) fault, NULL,
                   NULL };
  int ends[2], status = 0;
  pid_t pid;

  if (pipe (ends) < 0)
    return FALSE;
  end = g_strdup_printf ("%d", ends[1]);
  argv[5] = end;
  pid = fork ();
  if (pid == 0)
    {
      execv (argv[0], argv);
      _exit (127);
    }
  close (ends[1]);
  *promises = read_all (ends[0]);
  close (ends[0]);
  waitpid (pid, &status, 0);
  if (g_getenv ("MOSS_LOUD") != NULL)
    g_printerr ("seed %u, %s: status %x, %u bytes of promises\n", seed, fault, status,
                (guint) strlen (*promises));
  /* It ends by itself or is killed; anything else is a mistake of ours. */
  return (WIFEXITED (status) && WEXITSTATUS (status) == 0) ||
         (WIFSIGNALED (status) && WTERMSIG (status) == SIGKILL);
}

static guint promised; /* bytes: a run that promises nothing tests nothing */

static gboolean
run_round (guint32 seed)
{
  static const char *const faults[]
      = { "",
          "journal-write:kill@",
          "journal-sync:kill@",
          "store-append:kill@",
          "tree-commit:kill@",
          "tree-head:kill@",
          "tree-head-written:kill@",
          "journal-write:fail@",
          "journal-sync:fail@",
          "store-append:fail@",
          "tree-head:fail@",
          "tree-seal:fail@",
          "tree-build:fail@" };
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  const char *point = faults[seed % G_N_ELEMENTS (faults)];
  g_autofree char *fault
      = point[0] == '\0' ? g_strdup ("")
                         : g_strdup_printf ("%s%d", point, g_rand_int_range (rand, 3, 40));
  g_autofree char *promises = NULL;
  g_autofree char *left = NULL;
  g_autoptr (GError) error = NULL;
  gboolean cut = g_rand_boolean (rand);
  gboolean ok;
  Device *device;
  Kit kit;

  kit_init (&kit, 1, seed % 2 ? MOSS_SUITE_SODIUM : MOSS_SUITE_GNUTLS);
  device = &kit.devices[0];
  device_close (device);
  kit_remove_dir (device->dir);
  left = g_strconcat (device->dir, ".disk", NULL);
  ok = start_child (device->dir, seed, fault, &promises);
  promised += strlen (promises);
  if (cut)
    {
      kit_remove_dir (device->dir);
      g_mkdir_with_parents (left, 0700);
      g_rename (left, device->dir);
    }
  if (ok && !device_try_open (device, TRUE, &error))
    ok = promises[0] == '\0'; /* nothing was promised: it may be half made */
  else if (ok)
    {
      ok = check (&kit, promises, seed);
      device_close (device);
      ok = check_clean (device, seed) && ok;
    }
  if (!ok)
    g_printerr ("seed %u, %s, %s: promises not kept. %s\n", seed, fault,
                cut ? "power cut" : "killed", error != NULL ? error->message : "");
  kit_clear (&kit);
  return ok;
}

static void
be_quiet (const char *domain, GLogLevelFlags level, const char *message, gpointer data)
{
}

int
main (int argc, char **argv)
{
  guint rounds = argc > 1 ? strtoul (argv[1], NULL, 0) : 40;
  guint32 seed = argc > 2 ? strtoul (argv[2], NULL, 0) : 1;

  if (argc == 6 && strcmp (argv[1], "--child") == 0)
    return child (argv[2], strtoul (argv[3], NULL, 0), argv[4], atoi (argv[5]));
  if (g_getenv ("MOSS_LOUD") == NULL)
    g_log_set_default_handler (be_quiet, NULL);
  for (guint i = 0; i < rounds; i++)
    if (!run_round (seed + i))
      return 1;
  if (promised < rounds)
    return 1;
  g_print ("%u rounds from seed %u: every fsynced byte is there\n", rounds, seed);
  return 0;
}
