/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/crypto/suite.h"
#include "session/move/manifest.h"
#include "session/move/move-error.h"

#include <string.h>

static gboolean
verify (guint32 suite, GBytes *key, const char *domain, GBytes *message, GBytes *signature,
        GError **error)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (message, &size);

  return moss_verify_domain (suite, key, domain, data, size, signature, error);
}

static MossManifest *
make (void)
{
  MossManifest *manifest = moss_manifest_new ();
  MossManifestFile *file;

  g_variant_dict_insert (manifest->about, "id", "s", "7a9ce8a7-8b1b-4a1e-8b0f-3f1f0c1d2e3f");
  g_variant_dict_insert (manifest->about, "name", "s", "Notes");
  g_variant_dict_insert (manifest->about, "arch", "s", "x86_64");
  g_variant_dict_insert (manifest->about, "page-size", "u", MOSS_BLOCK_SIZE);
  for (guint i = 0; i < 3; i++)
    {
      MossSegment segment = { { i }, { 100 + i }, 256 - i };

      g_array_append_val (manifest->segments, segment);
    }
  file = moss_manifest_add_file (manifest, "image/pages-1.img", 4096 * 300 + 1);
  moss_manifest_file_add (file, 0, 0, 256);
  moss_manifest_file_add (file, MOSS_SEGMENT_ZERO, 0, 40);
  moss_manifest_file_add (file, 2, 249, 5);
  moss_manifest_add_file (manifest, "layer/index", 0);
  return manifest;
}

/* A manifest with one more file of one run, encoded without our own checks. */
static GBytes *
with_file (const char *name, guint64 size, guint32 segment, guint32 first, guint32 blocks)
{
  g_autoptr (MossManifest) manifest = make ();
  MossManifestFile *file = moss_manifest_add_file (manifest, name, size);
  MossRun run = { segment, first, blocks };

  g_array_append_val (file->runs, run);
  return moss_manifest_encode (manifest, NULL);
}

static void
test_round_trip (void)
{
  g_autoptr (MossManifest) manifest = make (), back = NULL;
  g_autoptr (GBytes) bytes = NULL, again = NULL;
  g_autoptr (GError) error = NULL;
  const MossManifestFile *file;

  bytes = moss_manifest_encode (manifest, &error);
  g_assert_no_error (error);
  back = moss_manifest_decode (bytes, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (back->segments->len, ==, 3);
  g_assert_cmpstr (moss_manifest_about (back, "name"), ==, "Notes");
  g_assert_cmpstr (moss_manifest_about (back, "label"), ==, "");
  file = moss_manifest_find (back, "image/pages-1.img");
  g_assert_nonnull (file);
  g_assert_cmpuint (file->runs->len, ==, 3);
  g_assert_cmpuint (g_array_index (file->runs, MossRun, 2).first, ==, 249);
  g_assert_cmpuint (moss_manifest_total_bytes (back), ==, 4096 * 300 + 1);
  again = moss_manifest_encode (back, &error);
  g_assert_true (g_bytes_equal (bytes, again));
}

static void
test_runs_join (void)
{
  g_autoptr (MossManifest) manifest = moss_manifest_new ();
  MossManifestFile *file = moss_manifest_add_file (manifest, "layer/content", 4096 * 6);

  moss_manifest_file_add (file, 0, 4, 1);
  moss_manifest_file_add (file, 0, 5, 2);
  moss_manifest_file_add (file, 0, 8, 1);
  moss_manifest_file_add (file, MOSS_SEGMENT_ZERO, 0, 1);
  moss_manifest_file_add (file, MOSS_SEGMENT_ZERO, 0, 1);
  g_assert_cmpuint (file->runs->len, ==, 3);
}

static void
refuse (GBytes *bytes)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (moss_manifest_decode (bytes, &error));
  g_assert_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_CORRUPT);
  g_bytes_unref (bytes);
}

static void
test_bad_runs (void)
{
  refuse (with_file ("image/a.img", 4096, 3, 0, 1));             /* no such segment */
  refuse (with_file ("image/a.img", 4096, 2, 254, 1));           /* past its end */
  refuse (with_file ("image/a.img", 4096, 0, G_MAXUINT32, 1));   /* overflow */
  refuse (with_file ("image/a.img", 4096, 0, 0, 0));             /* empty */
  refuse (with_file ("image/a.img", 4096, 0, 0, 2));             /* too many */
  refuse (with_file ("image/a.img", 4097, 0, 0, 1));             /* too few */
  refuse (with_file ("image/a.img", 4096, MOSS_SEGMENT_ZERO, 1, 1));
  refuse (with_file ("image/a.img", G_MAXUINT64, MOSS_SEGMENT_ZERO, 0, G_MAXUINT32));
  refuse (with_file ("image/a.img", G_GUINT64_CONSTANT (1) << 43, MOSS_SEGMENT_ZERO, 0,
                     1u << 31));
}

static void
test_bad_names (void)
{
  const char *names[] = { "image/..",       "image/../x", "image/.hidden", "image/",
                          "image/a/b",      "layer/x",    "/etc/passwd",   "image/a b",
                          "image/pages-1.img" };
  g_autofree char *letters = g_strnfill (65, 'a');
  g_autofree char *too_long = g_strconcat ("image/", letters, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    refuse (with_file (names[i], 4096, 0, 0, 1));
  refuse (with_file (too_long, 4096, 0, 0, 1));
}

static void
test_bad_about (void)
{
  g_autoptr (MossManifest) page_size = make (), id = make (), type = make (), twice = make ();

  g_variant_dict_insert (page_size->about, "page-size", "u", 65536);
  refuse (moss_manifest_encode (page_size, NULL));
  g_variant_dict_insert (id->about, "id", "s", "../../etc");
  refuse (moss_manifest_encode (id, NULL));
  g_variant_dict_insert (type->about, "name", "u", 1);
  refuse (moss_manifest_encode (type, NULL));
}

static void
test_cut_short (void)
{
  g_autoptr (MossManifest) manifest = make ();
  g_autoptr (GBytes) bytes = moss_manifest_encode (manifest, NULL);

  for (gsize size = 0; size < g_bytes_get_size (bytes); size++)
    {
      g_autoptr (GBytes) part = g_bytes_new_from_bytes (bytes, 0, size);
      g_autoptr (MossManifest) got = moss_manifest_decode (part, NULL);

      g_assert_null (got);
    }
}

static void
test_machine (void)
{
  g_autoptr (MossManifest) manifest = make ();
  const char *needed[] = { "avx2", NULL };
  const char *has[] = { "sse2", "avx2", NULL };
  const char *lacks[] = { "sse2", NULL };
  g_autoptr (GError) arch = NULL, cpu = NULL;

  g_variant_dict_insert (manifest->about, "cpu-features", "^as", needed);
  g_assert_true (moss_manifest_check_machine (manifest, "x86_64", has, NULL));
  g_assert_false (moss_manifest_check_machine (manifest, "aarch64", has, &arch));
  g_assert_error (arch, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_FOREIGN);
  g_assert_false (moss_manifest_check_machine (manifest, "x86_64", lacks, &cpu));
  g_assert_error (cpu, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_FOREIGN);
  g_assert_nonnull (strstr (cpu->message, "avx2"));
}

typedef struct
{
  guint suite;
  GBytes *secret, *public_key, *manifest, *envelope;
} Signed;

static Signed
sign (guint suite)
{
  Signed s = { suite };
  g_autoptr (MossManifest) manifest = make ();
  g_autoptr (GBytes) signature = NULL;
  g_autoptr (GError) error = NULL;

  moss_suite_signing_keygen (suite, &s.secret, &s.public_key, &error);
  g_assert_no_error (error);
  s.manifest = moss_manifest_encode (manifest, NULL);
  signature = moss_sign_domain (suite, s.secret, MOSS_SNAPSHOT_DOMAIN,
                                g_bytes_get_data (s.manifest, NULL),
                                g_bytes_get_size (s.manifest), &error);
  g_assert_no_error (error);
  s.envelope = moss_envelope_seal (suite, s.public_key, signature, s.manifest);
  return s;
}

static void
signed_clear (Signed *s)
{
  g_bytes_unref (s->secret);
  g_bytes_unref (s->public_key);
  g_bytes_unref (s->manifest);
  g_bytes_unref (s->envelope);
}

static void
test_envelope (gconstpointer suite)
{
  Signed s = sign (GPOINTER_TO_UINT (suite));
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) opened
      = moss_envelope_open (s.envelope, s.suite, s.public_key, verify, &error);

  g_assert_no_error (error);
  g_assert_true (g_bytes_equal (opened, s.manifest));
  signed_clear (&s);
}

/* Whichever bit is turned, nothing is parsed. */
static void
test_one_bit (gconstpointer suite)
{
  Signed s = sign (GPOINTER_TO_UINT (suite));
  gsize size = g_bytes_get_size (s.envelope);

  for (gsize bit = 0; bit < size * 8; bit += 7)
    {
      guint8 *copy = g_memdup2 (g_bytes_get_data (s.envelope, NULL), size);
      g_autoptr (GBytes) changed = NULL, opened = NULL;

      copy[bit / 8] ^= 1 << bit % 8;
      changed = g_bytes_new_take (copy, size);
      opened = moss_envelope_open (changed, s.suite, s.public_key, verify, NULL);
      /* A bit in padding may leave the same value; then it is the same manifest. */
      g_assert_true (opened == NULL || g_bytes_equal (opened, s.manifest));
    }
  signed_clear (&s);
}

static void
test_stranger (void)
{
  Signed ours = sign (MOSS_SUITE_SODIUM), theirs = sign (MOSS_SUITE_SODIUM);
  g_autoptr (GError) stranger = NULL, suite = NULL;

  g_assert_null (
      moss_envelope_open (theirs.envelope, theirs.suite, ours.public_key, verify, &stranger));
  g_assert_error (stranger, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_DENIED);
  g_assert_null (moss_envelope_open (ours.envelope, MOSS_SUITE_GNUTLS, ours.public_key, verify,
                                     &suite));
  g_assert_error (suite, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_DENIED);
  signed_clear (&ours);
  signed_clear (&theirs);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_assert_true (moss_crypto_init (NULL));
  g_test_add_func ("/manifest/round-trip", test_round_trip);
  g_test_add_func ("/manifest/runs-join", test_runs_join);
  g_test_add_func ("/manifest/bad-runs", test_bad_runs);
  g_test_add_func ("/manifest/bad-names", test_bad_names);
  g_test_add_func ("/manifest/bad-about", test_bad_about);
  g_test_add_func ("/manifest/cut-short", test_cut_short);
  g_test_add_func ("/manifest/machine", test_machine);
  g_test_add_data_func ("/envelope/suite-1", GUINT_TO_POINTER (1), test_envelope);
  g_test_add_data_func ("/envelope/suite-2", GUINT_TO_POINTER (2), test_envelope);
  g_test_add_data_func ("/envelope/one-bit", GUINT_TO_POINTER (1), test_one_bit);
  g_test_add_func ("/envelope/stranger", test_stranger);
  return g_test_run ();
}
