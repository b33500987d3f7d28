// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/store/store.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct
{
  char *dir;
  MossStore *store;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;

  fixture->dir = g_dir_make_tmp ("moss-store-XXXXXX", &error);
  g_assert_no_error (error);
  fixture->store = moss_store_open (fixture->dir, &error);
  g_assert_no_error (error);
}

static void
tear_down (Fixture *fixture, gconstpointer unused)
{
  g_autoptr (GDir) dir = NULL;
  const char *name;

  g_clear_pointer (&fixture->store, moss_store_unref);
  dir = g_dir_open (fixture->dir, 0, NULL);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (fixture->dir, name, NULL);
      g_unlink (path);
    }
  g_rmdir (fixture->dir);
  g_free (fixture->dir);
}

static void
reopen (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;

  g_clear_pointer (&fixture->store, moss_store_unref);
  fixture->store = moss_store_open (fixture->dir, &error);
  g_assert_no_error (error);
}

/* seed even: random, doesn't compress; odd: does. */
static guint8 *
content (guint seed, gsize length)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  guint8 *bytes = g_malloc (length);

  for (gsize i = 0; i < length; i++)
    bytes[i] = seed % 2 == 0 ? g_rand_int (rand) : (i / 7 + seed) % 23;
  return bytes;
}

static void
put (Fixture *fixture, guint seed, gsize length, MossRef *ref)
{
  g_autoptr (GError) error = NULL;
  g_autofree guint8 *bytes = content (seed, length);

  moss_store_put (fixture->store, bytes, length, ref, &error);
  g_assert_no_error (error);
}

static void
assert_has (Fixture *fixture, guint seed, gsize length, const MossRef *ref)
{
  g_autoptr (GError) error = NULL;
  g_autofree guint8 *bytes = content (seed, length);
  g_autoptr (GBytes) got = moss_store_get (fixture->store, ref, &error);

  g_assert_no_error (error);
  g_assert_cmpmem (g_bytes_get_data (got, NULL), g_bytes_get_size (got), bytes, length);
}

static void
assert_gone (Fixture *fixture, const MossRef *ref, int code)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *name = moss_id_to_string (&ref->id);

  g_assert_null (moss_store_get (fixture->store, ref, &error));
  g_assert_error (error, MOSS_STORE_ERROR, code);
  g_assert_nonnull (strstr (error->message, name));
}

static const gsize sizes[] = { 1, 63, 64, 4096, 4097, 65536, 1048575, 1048576 };

static void
test_round_trip (Fixture *fixture, gconstpointer unused)
{
  MossRef refs[2][G_N_ELEMENTS (sizes)];

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      put (fixture, 100, sizes[i], &refs[0][i]);
      put (fixture, 101, sizes[i], &refs[1][i]);
    }
  for (guint round = 0; round < 2; round++)
    {
      for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
        {
          assert_has (fixture, 100, sizes[i], &refs[0][i]);
          assert_has (fixture, 101, sizes[i], &refs[1][i]);
        }
      reopen (fixture);
    }
}

static void
test_limits (Fixture *fixture, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  g_autofree guint8 *bytes = content (0, MOSS_OBJECT_MAX_PLAIN + 1);
  MossRef ref;

  g_assert_false (
      moss_store_put (fixture->store, bytes, MOSS_OBJECT_MAX_PLAIN + 1, &ref, &error));
  g_assert_error (error, MOSS_STORE_ERROR, MOSS_STORE_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_false (moss_store_put (fixture->store, bytes, 0, &ref, &error));
  g_assert_error (error, MOSS_STORE_ERROR, MOSS_STORE_ERROR_INVALID);
}

static void
test_dedup (Fixture *fixture, gconstpointer unused)
{
  g_autofree guint8 *bytes = content (1, 1 << 20);
  g_autoptr (GError) error = NULL;
  MossRange ranges[40];
  MossRef refs[40];
  guint64 first, second;

  for (guint i = 0; i < G_N_ELEMENTS (ranges); i++)
    ranges[i] = (MossRange){ .offset = (i % 20) * 4096, .length = 4096 * 8 };
  g_assert_true (moss_store_put_many (fixture->store, bytes, ranges, 20, refs, &first, NULL,
                                      NULL, &error));
  g_assert_cmpuint (first, >, 0);
  g_assert_true (moss_store_put_many (fixture->store, bytes, ranges, 40, refs, &second, NULL,
                                      NULL, &error));
  g_assert_cmpuint (second, ==, 0);
  g_assert_cmpmem (&refs[3], sizeof refs[3], &refs[23], sizeof refs[23]);
  reopen (fixture);
  g_assert_true (moss_store_put_many (fixture->store, bytes, ranges, 40, refs, &second, NULL,
                                      NULL, &error));
  g_assert_cmpuint (second, ==, 0);
}

static char *
pack_path (Fixture *fixture)
{
  return g_build_filename (fixture->dir, "pack-000001", NULL);
}

static void
flip_bit (const char *path, goffset at)
{
  int fd = open (path, O_RDWR | O_CLOEXEC);
  guint8 byte;

  g_assert_cmpint (pread (fd, &byte, 1, at), ==, 1);
  byte ^= 4;
  g_assert_cmpint (pwrite (fd, &byte, 1, at), ==, 1);
  close (fd);
}

/* The damaged one is named; its neighbours stay; what comes again is taken again. */
static void
test_bit_flip (Fixture *fixture, gconstpointer unused)
{
  g_autofree char *path = pack_path (fixture);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) raw = NULL;
  MossRef refs[3];
  MossRef wrong_key;

  for (guint i = 0; i < 3; i++)
    put (fixture, i * 2, 10000, &refs[i]);
  raw = moss_store_get_raw (fixture->store, &refs[1].id, &error);
  g_assert_no_error (error);

  wrong_key = refs[1];
  wrong_key.key[0] ^= 1;
  assert_gone (fixture, &wrong_key, MOSS_STORE_ERROR_CORRUPT);
  assert_has (fixture, 2, 10000, &refs[1]);

  flip_bit (path, 15000);
  assert_gone (fixture, &refs[1], MOSS_STORE_ERROR_CORRUPT);
  assert_gone (fixture, &refs[1], MOSS_STORE_ERROR_MISSING);
  assert_has (fixture, 0, 10000, &refs[0]);
  assert_has (fixture, 4, 10000, &refs[2]);
  g_assert_true (moss_store_put_raw (fixture->store, raw, &refs[1].id, NULL, &error));
  assert_has (fixture, 2, 10000, &refs[1]);
}

/* As a crash leaves it: the index without the last batch, half an object at the end. */
static void
test_torn_tail (Fixture *fixture, gconstpointer unused)
{
  g_autofree char *path = pack_path (fixture);
  g_autoptr (GError) error = NULL;
  MossRef refs[4];
  struct stat st;

  for (guint i = 0; i < 4; i++)
    put (fixture, i * 2, 20000, &refs[i]);
  /* Neither flushed nor synced: a second store sees what a crash would leave. */
  g_autofree char *copy = g_dir_make_tmp ("moss-torn-XXXXXX", NULL);
  g_autofree char *command =
      g_strdup_printf ("cp -r %s/. %s/ && rm -f %s/lock", fixture->dir, copy, copy);
  g_assert_cmpint (system (command), ==, 0);
  g_autofree char *torn = g_build_filename (copy, "pack-000001", NULL);
  g_assert_cmpint (g_stat (torn, &st), ==, 0);
  g_assert_cmpint (truncate (torn, st.st_size - 5000), ==, 0);

  Fixture crashed = { .dir = g_steal_pointer (&copy) };
  crashed.store = moss_store_open (crashed.dir, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < 3; i++)
    assert_has (&crashed, i * 2, 20000, &refs[i]);
  assert_gone (&crashed, &refs[3], MOSS_STORE_ERROR_MISSING);
  put (&crashed, 6, 20000, &refs[3]);
  reopen (&crashed);
  for (guint i = 0; i < 4; i++)
    assert_has (&crashed, i * 2, 20000, &refs[i]);
  tear_down (&crashed, NULL);
}

static void
test_full_disk (Fixture *fixture, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  g_autofree guint8 *bytes = content (8, 1 << 20);
  struct rlimit old, small;
  MossRef ref, kept;

  put (fixture, 0, 100000, &kept);
  g_assert_true (moss_store_flush (fixture->store, NULL));
  signal (SIGXFSZ, SIG_IGN);
  getrlimit (RLIMIT_FSIZE, &old);
  small = old;
  small.rlim_cur = 500000;
  setrlimit (RLIMIT_FSIZE, &small);
  g_assert_false (moss_store_put (fixture->store, bytes, 1 << 20, &ref, &error));
  setrlimit (RLIMIT_FSIZE, &old);
  g_assert_error (error, MOSS_STORE_ERROR, MOSS_STORE_ERROR_NO_SPACE);
  g_autofree char *name = moss_id_to_string (&ref.id);
  g_assert_nonnull (strstr (error->message, name));
  g_clear_error (&error);

  g_assert_true (moss_store_put (fixture->store, bytes, 1 << 20, &ref, &error));
  reopen (fixture);
  assert_has (fixture, 8, 1 << 20, &ref);
  assert_has (fixture, 0, 100000, &kept);
}

static void
test_raw (Fixture *fixture, gconstpointer unused)
{
  Fixture other = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) raw = NULL;
  g_autoptr (GBytes) rubbish = g_bytes_new_static ("rubbish", 7);
  MossRef ref, second;

  set_up (&other, NULL);
  put (fixture, 1, 300000, &ref);
  put (fixture, 3, 300000, &second);
  raw = moss_store_get_raw (fixture->store, &ref.id, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_bytes_get_size (raw), <, 100000);

  g_assert_false (moss_store_put_raw (other.store, raw, &second.id, NULL, &error));
  g_assert_error (error, MOSS_STORE_ERROR, MOSS_STORE_ERROR_CORRUPT);
  g_clear_error (&error);
  g_assert_false (moss_store_put_raw (other.store, rubbish, &ref.id, NULL, &error));
  g_clear_error (&error);
  g_assert_false (moss_store_has (other.store, &ref.id));
  g_assert_true (moss_store_put_raw (other.store, raw, &ref.id, NULL, &error));
  assert_has (&other, 1, 300000, &ref);
  tear_down (&other, NULL);
}

static guint64
disk_bytes (Fixture *fixture)
{
  g_autoptr (GDir) dir = g_dir_open (fixture->dir, 0, NULL);
  const char *name;
  guint64 total = 0;
  struct stat st;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (fixture->dir, name, NULL);

      if (g_str_has_prefix (name, "pack-") && g_stat (path, &st) == 0)
        total += st.st_size;
    }
  return total;
}

static void
test_collect (Fixture *fixture, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  MossRef refs[100];
  MossId ids[10];
  guint64 freed = 0;

  for (guint i = 0; i < G_N_ELEMENTS (refs); i++)
    put (fixture, i * 2, 1 << 20, &refs[i]);
  for (guint i = 0; i < G_N_ELEMENTS (ids); i++)
    ids[i] = refs[i * 10].id;
  g_assert_true (
      moss_store_set_root (fixture->store, "kept", ids, G_N_ELEMENTS (ids), &error));
  g_assert_cmpuint (disk_bytes (fixture), >, 100 << 20);

  g_assert_true (moss_store_collect (fixture->store, 3600, G_MAXUINT64, &freed, &error));
  g_assert_cmpuint (freed, ==, 0);
  assert_has (fixture, 2, 1 << 20, &refs[1]);

  g_assert_true (moss_store_collect (fixture->store, 0, G_MAXUINT64, &freed, &error));
  g_assert_cmpuint (freed, >, 85 << 20);
  g_assert_cmpuint (disk_bytes (fixture), <, 15 << 20);
  reopen (fixture);
  for (guint i = 0; i < G_N_ELEMENTS (refs); i++)
    {
      if (i % 10 == 0)
        assert_has (fixture, i * 2, 1 << 20, &refs[i]);
      else
        assert_gone (fixture, &refs[i], MOSS_STORE_ERROR_MISSING);
    }
  g_assert_true (moss_store_set_root (fixture->store, "kept", NULL, 0, &error));
  g_assert_true (moss_store_collect (fixture->store, 0, G_MAXUINT64, &freed, &error));
  assert_gone (fixture, &refs[0], MOSS_STORE_ERROR_MISSING);
}

static void
test_root_of_nothing (Fixture *fixture, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  MossId id = { { 1, 2, 3 } };

  g_assert_false (moss_store_set_root (fixture->store, "broken", &id, 1, &error));
  g_assert_error (error, MOSS_STORE_ERROR, MOSS_STORE_ERROR_MISSING);
  g_assert_null (moss_store_get_root (fixture->store, "broken"));
}

static void
test_busy (Fixture *fixture, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (moss_store_open (fixture->dir, &error));
  g_assert_error (error, MOSS_STORE_ERROR, MOSS_STORE_ERROR_BUSY);
}

/* The index's log is copied back now and then, whatever is going on meanwhile. */
static void
test_many_batches (Fixture *fixture, gconstpointer unused)
{
  g_autofree char *log = g_build_filename (fixture->dir, "index.db-wal", NULL);
  struct stat st;
  MossRef first, last;

  put (fixture, 0, 5000, &first);
  for (guint i = 1; i <= 1500; i++)
    {
      put (fixture, i * 2, 64, &last);
      g_assert_true (moss_store_flush (fixture->store, NULL));
      if (i % 100 == 0)
        g_assert_true (moss_store_sync (fixture->store, NULL));
    }
  g_assert_cmpint (g_stat (log, &st), ==, 0);
  g_test_message ("log of %d pages", (int) (st.st_size / 4120));
  g_assert_cmpint (st.st_size, <, 3000 * 4120);
  reopen (fixture);
  assert_has (fixture, 0, 5000, &first);
  assert_has (fixture, 3000, 64, &last);
}

static void
test_lost_index (Fixture *fixture, gconstpointer unused)
{
  g_autofree char *path = g_build_filename (fixture->dir, "index.db", NULL);
  g_autoptr (GError) error = NULL;
  MossRef refs[3];
  guint64 freed;

  for (guint i = 0; i < 3; i++)
    put (fixture, i, 50000, &refs[i]);
  g_clear_pointer (&fixture->store, moss_store_unref);
  g_assert_true (g_file_set_contents (path, "this is not a database, whatever it was", -1, NULL));
  g_test_expect_message ("moss-store", G_LOG_LEVEL_MESSAGE, "*made anew from the packs*");
  fixture->store = moss_store_open (fixture->dir, &error);
  g_test_assert_expected_messages ();
  g_assert_no_error (error);
  g_assert_true (moss_store_collect (fixture->store, 0, G_MAXUINT64, &freed, &error));
  for (guint i = 0; i < 3; i++)
    assert_has (fixture, i, 50000, &refs[i]);
}

static void
test_secrecy (Fixture *fixture, gconstpointer unused)
{
  g_autofree char *command = g_strdup_printf (
      "! grep -rqa 'a sentence that is nobody.s business' %s && "
      "[ \"$(stat -c %%a %s/dedup-key)\" = 600 ]",
      fixture->dir, fixture->dir);
  g_autofree char *text = g_strnfill (4096, ' ');
  MossRef ref;

  memcpy (text + 100, "a sentence that is nobody's business", 36);
  g_assert_true (
      moss_store_put (fixture->store, (const guint8 *) text, 4096, &ref, NULL));
  g_assert_true (moss_store_sync (fixture->store, NULL));
  g_assert_cmpint (system (command), ==, 0);
}

/* Objects of both suites, without a store; and two encodings never share a nonce. */
static void
test_object (gconstpointer data)
{
  guint suite = GPOINTER_TO_UINT (data);
  guint8 dedup_key[MOSS_KEY_BYTES] = { 5 }, dedup[MOSS_HASH_BYTES];
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autofree guint8 *plain = content (i, sizes[i]);
      g_autofree guint8 *back = g_malloc (sizes[i]);
      g_auto (MossUnsealed) unsealed = { 0 };
      MossRef ref;
      MossId again;
      gsize length;

      moss_object_key (suite, dedup_key, plain, sizes[i], ref.key, dedup);
      g_autoptr (GBytes) first =
          moss_object_seal (suite, ref.key, plain, sizes[i], &ref.id, &error);
      g_assert_no_error (error);
      g_autoptr (GBytes) second =
          moss_object_seal (suite, ref.key, plain, sizes[i], &again, &error);
      g_assert_true (g_bytes_equal (first, second));
      guint8 *sealed = g_memdup2 (g_bytes_get_data (first, &length), g_bytes_get_size (first));
      length = g_bytes_get_size (first);
      g_assert_true (moss_object_unseal (sealed, length, &ref, &unsealed, &error));
      g_assert_cmpuint (unsealed.plain_length, ==, sizes[i]);
      g_assert_true (moss_object_unpack (&unsealed, &ref, back, &error));
      g_assert_cmpmem (back, sizes[i], plain, sizes[i]);
      for (gsize at = 0; at < length; at += MAX (1, length / 50))
        {
          MossUnsealed none;

          sealed[at] ^= 0x10;
          g_assert_false (moss_object_unseal (sealed, length, &ref, &none, &error));
          g_assert_error (error, MOSS_STORE_ERROR, MOSS_STORE_ERROR_CORRUPT);
          g_clear_error (&error);
          sealed[at] ^= 0x10;
        }
      g_free (sealed);
    }
}

/* A store without a dedup key lists, counts and removes; what was removed gives back its room. */
static void
test_blind (Fixture *fixture, gconstpointer data)
{
  g_autofree char *dir = g_build_filename (fixture->dir, "blind", NULL);
  g_autofree char *key = g_build_filename (dir, "dedup-key", NULL);
  g_autoptr (MossStore) blind = moss_store_open_blind (dir, NULL);
  g_autoptr (GArray) all = NULL;
  g_autoptr (GArray) rest = NULL;
  g_autoptr (GError) error = NULL;
  MossId none = { { 0 } };
  guint64 count, bytes, removed, freed, total = 0;
  guint32 length;

  g_assert_nonnull (blind);
  for (guint i = 0; i < 200; i++)
    {
      g_autofree guint8 *plain = content (i, 100 * 1000);
      g_autoptr (GBytes) sealed = NULL;
      MossRef ref;

      memcpy (plain, &i, sizeof i);
      g_assert_true (moss_store_put (fixture->store, plain, 100 * 1000, &ref, NULL));
      sealed = moss_store_get_raw (fixture->store, &ref.id, NULL);
      g_assert_true (moss_store_put_raw (blind, sealed, &ref.id, NULL, NULL));
      g_assert_true (moss_store_get_length (blind, &ref.id, &length));
      g_assert_cmpuint (length, ==, g_bytes_get_size (sealed));
      total += length;
    }
  g_assert_false (g_file_test (key, G_FILE_TEST_EXISTS));
  g_assert_true (moss_store_total (blind, &count, &bytes, NULL));
  g_assert_cmpuint (count, ==, 200);
  g_assert_cmpuint (bytes, ==, total);
  all = moss_store_list (blind, &none, 150, &error);
  g_assert_cmpuint (all->len, ==, 150);
  for (guint i = 1; i < all->len; i++)
    g_assert_cmpint (memcmp (&g_array_index (all, MossListed, i - 1).id,
                             &g_array_index (all, MossListed, i).id, sizeof (MossId)),
                     <, 0);
  rest = moss_store_list (blind, &g_array_index (all, MossListed, 149).id, 150, &error);
  g_assert_cmpuint (rest->len, ==, 50);
  for (guint i = 0; i < all->len; i++)
    {
      MossId id = g_array_index (all, MossListed, i).id;

      g_assert_true (moss_store_remove (blind, &id, 1, &removed, NULL));
      g_assert_cmpuint (removed, ==, g_array_index (all, MossListed, i).length);
      g_assert_false (moss_store_has (blind, &id));
    }
  /* A grace without end collects nothing that wasn't removed. */
  g_assert_true (moss_store_collect (blind, G_MAXINT64 / 4, 1 << 30, &freed, NULL));
  g_assert_cmpuint (freed, >, total / 2);
  for (guint i = 0; i < rest->len; i++)
    g_assert_true (moss_store_has (blind, &g_array_index (rest, MossListed, i).id));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add ("/store/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("round-trip", test_round_trip);
  ADD ("limits", test_limits);
  ADD ("dedup", test_dedup);
  ADD ("bit-flip", test_bit_flip);
  ADD ("torn-tail", test_torn_tail);
  ADD ("full-disk", test_full_disk);
  ADD ("raw", test_raw);
  ADD ("blind", test_blind);
  ADD ("collect", test_collect);
  ADD ("root-of-nothing", test_root_of_nothing);
  ADD ("busy", test_busy);
  ADD ("many-batches", test_many_batches);
  ADD ("lost-index", test_lost_index);
  ADD ("secrecy", test_secrecy);
  g_assert_true (moss_crypto_init (NULL));
  g_test_add_data_func ("/store/object/1", GUINT_TO_POINTER (1), test_object);
  g_test_add_data_func ("/store/object/2", GUINT_TO_POINTER (2), test_object);
  return g_test_run ();
}
