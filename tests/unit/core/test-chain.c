// SPDX-License-Identifier: GPL-3.0-or-later
/* Chains of identities: what holds, and that nothing else does. Each test runs with both
 * suites. */
#include "core/identity/seen.h"

#include "chain-kit.h"

#include <glib/gstdio.h>
#include <string.h>

/* Made by another program (Python's hashlib, openssl) from the text of the format. */
#define VECTOR_CREATE \
  "4d494431f1000101000000000100000000f153650000000000000000000000000000000000000000" \
  "000000000000000000000000000000000e6d65406578616d706c652e6f7267020202020202020202" \
  "0202020202020202020202020202020202020202020202018a88e3dd7409f195fd52db2d3cba5d72" \
  "ca6709bf1d94121bf3748801b40f6f5c030303030303030303030303030303030303030303030303" \
  "030303030303030301074465736b746f70214384290d56bc4b9b8b771b2c8c3b30edc4842dfcaefa" \
  "84820d0fec88d596974aaa4047b150295c86951e8f60af2f92d0d73408e052971593e5fe3a7b5f53" \
  "0a"
#define VECTOR_ID "~zwba756kavaojc2ysvgfp4ilfcu7nwdde54e4foavbqiztdj7lma"
#define VECTOR_COMMITMENT \
  "8bd46dcb66f92f5beb360cf96e2e9dcad9ce0d9fc8e15d4f223c98dad0cd8260"
#define VECTOR_TREE_KEY \
  "28d54cdae03a8838452fcce0eb7f52dded9d57ead995a45ee6a52f717607d08c"
#define VECTOR_DEDUP_KEY \
  "9e186cee73644b239015fcea47d33c2f9c3831a13e96842b9a225d41309cdb53"

static guint
suite_of (gconstpointer data)
{
  return GPOINTER_TO_UINT (data);
}

static void
check_refused (MossChain *chain, GError **error, MossChainError code)
{
  g_assert_null (chain);
  g_assert_error (*error, MOSS_CHAIN_ERROR, (int) code);
}

static void
test_life (gconstpointer data)
{
  guint suite = suite_of (data);
  g_autoptr (KitDevice) desktop = kit_device_new (suite, "Desktop", 1);
  g_autoptr (KitDevice) laptop = kit_device_new (suite, "Laptop", 2);
  g_autoptr (MossChain) one = kit_create (desktop, "me@example.org");
  g_autoptr (MossChain) two = NULL;
  g_autoptr (MossChain) three = NULL;
  g_autoptr (MossChain) parsed = NULL;
  g_autoptr (GBytes) first = kit_user_key (1);
  g_autoptr (GBytes) second = kit_user_key (2);
  g_autoptr (GPtrArray) keys = NULL;
  g_autoptr (GError) error = NULL;
  MossChainDevice device;

  two = kit_add (desktop, one, laptop, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (moss_chain_get_n_devices (two), ==, 2);
  g_assert_true (moss_chain_find_device (two, laptop->record->fingerprint, &device));
  g_assert_cmpuint (device.slot, ==, 2);
  g_assert_cmpstr (device.record->name, ==, "Laptop");
  g_assert_true (moss_chain_find_signer (two, suite, laptop->record->signing_key, &device));
  g_assert_cmpuint (device.slot, ==, 2);
  g_assert_false (moss_chain_find_device (one, laptop->record->fingerprint, &device));

  three = moss_author_revoke (&desktop->author, two, 2, first, second, &error);
  g_assert_no_error (error);
  g_assert_false (moss_chain_device_alive (three, 2, MOSS_CHAIN_NOW));
  g_assert_true (moss_chain_device_alive (three, 2, moss_chain_get_seq (two)));
  g_assert_false (moss_chain_device_alive (three, 2, moss_chain_get_seq (one)));
  g_assert_false (moss_chain_device_alive (three, 3, MOSS_CHAIN_NOW));
  g_assert_true (moss_chain_device_alive (three, 1, MOSS_CHAIN_NOW));
  g_assert_cmpuint (moss_chain_get_generation (three), ==, 2);

  keys = moss_user_keys_open (three, 1, desktop->exchange_secret, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (keys->len, ==, 2);
  g_assert_true (g_bytes_equal (keys->pdata[0], first));
  g_assert_true (g_bytes_equal (keys->pdata[1], second));

  parsed = moss_chain_parse (moss_chain_get_bytes (three), &error);
  g_assert_no_error (error);
  g_assert_cmpint (moss_chain_compare (parsed, three), ==, MOSS_CHAIN_SAME);
  g_assert_cmpint (moss_chain_compare (three, two), ==, MOSS_CHAIN_NEWER);
  g_assert_cmpint (moss_chain_compare (one, three), ==, MOSS_CHAIN_OLDER);
  g_assert_cmpstr (moss_chain_get_id_text (one), ==, moss_chain_get_id_text (three));
  g_assert_cmpstr (moss_chain_get_name (parsed), ==, "me@example.org");
}

/* Whoever was revoked has the old keys and not the new one. */
static void
test_revoked_gets_nothing (gconstpointer data)
{
  guint suite = suite_of (data);
  g_autoptr (KitDevice) desktop = kit_device_new (suite, "Desktop", 1);
  g_autoptr (KitDevice) laptop = kit_device_new (suite, "Laptop", 2);
  g_autoptr (KitDevice) tablet = kit_device_new (suite, "Tablet", 3);
  g_autoptr (MossChain) one = kit_create (desktop, "me");
  g_autoptr (MossChain) two = kit_add (desktop, one, laptop, NULL);
  g_autoptr (MossChain) three = NULL;
  g_autoptr (MossChain) four = NULL;
  g_autoptr (GBytes) first = kit_user_key (1);
  g_autoptr (GBytes) second = kit_user_key (2);
  g_autoptr (GPtrArray) old = NULL;
  g_autoptr (GPtrArray) new = NULL;

  three = moss_author_revoke (&desktop->author, two, 2, first, second, NULL);
  four = kit_add (desktop, three, tablet, NULL);
  old = moss_user_keys_open (four, 2, laptop->exchange_secret, NULL);
  g_assert_cmpuint (old->len, ==, 1);
  g_assert_true (g_bytes_equal (old->pdata[0], first));
  /* A new device reads what is old. */
  new = moss_user_keys_open (four, 3, tablet->exchange_secret, NULL);
  g_assert_cmpuint (new->len, ==, 2);
  g_assert_true (g_bytes_equal (new->pdata[0], first));
  g_assert_true (g_bytes_equal (new->pdata[1], second));
  /* And nobody opens another's box. */
  g_assert_null (moss_user_keys_open (four, 3, laptop->exchange_secret, NULL));
}

static void
test_revoked_signs (gconstpointer data)
{
  guint suite = suite_of (data);
  g_autoptr (KitDevice) desktop = kit_device_new (suite, "Desktop", 1);
  g_autoptr (KitDevice) laptop = kit_device_new (suite, "Laptop", 2);
  g_autoptr (KitDevice) tablet = kit_device_new (suite, "Tablet", 3);
  g_autoptr (MossChain) one = kit_create (desktop, "me");
  g_autoptr (MossChain) two = kit_add (desktop, one, laptop, NULL);
  g_autoptr (GBytes) first = kit_user_key (1);
  g_autoptr (GBytes) second = kit_user_key (2);
  g_autoptr (MossChain) three =
      moss_author_revoke (&desktop->author, two, 2, first, second, NULL);
  MossStatement name = { .type = MOSS_STATEMENT_NAME, .name = (char *) "another" };
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) added = NULL;

  check_refused (moss_author_append (&laptop->author, three, &name, &error), &error,
                 MOSS_CHAIN_ERROR_REVOKED);
  check_refused (kit_add (laptop, three, tablet, &added), &added, MOSS_CHAIN_ERROR_REVOKED);
}

static void
test_fork (gconstpointer data)
{
  guint suite = suite_of (data);
  g_autoptr (KitDevice) desktop = kit_device_new (suite, "Desktop", 1);
  g_autoptr (KitDevice) laptop = kit_device_new (suite, "Laptop", 2);
  g_autoptr (KitDevice) tablet = kit_device_new (suite, "Tablet", 3);
  g_autoptr (KitDevice) phone = kit_device_new (suite, "Phone", 3);
  g_autoptr (KitDevice) stranger = kit_device_new (suite, "Stranger", 1);
  g_autoptr (MossChain) one = kit_create (desktop, "me");
  g_autoptr (MossChain) two = kit_add (desktop, one, laptop, NULL);
  g_autoptr (MossChain) left = kit_add (desktop, two, tablet, NULL);
  g_autoptr (MossChain) right = kit_add (laptop, two, phone, NULL);
  g_autoptr (MossChain) other = kit_create (stranger, "me");
  gsize two_size = g_bytes_get_size (moss_chain_get_bytes (two));
  gsize right_size = g_bytes_get_size (moss_chain_get_bytes (right));
  g_autoptr (GBytes) rest =
      g_bytes_new_from_bytes (moss_chain_get_bytes (right), two_size, right_size - two_size);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (moss_chain_compare (left, right), ==, MOSS_CHAIN_FORK);
  g_assert_cmpint (moss_chain_compare (right, left), ==, MOSS_CHAIN_FORK);
  g_assert_cmpuint (moss_chain_find_fork (left, right), ==, moss_chain_get_seq (two) + 1);
  g_assert_cmpint (moss_chain_compare (left, other), ==, MOSS_CHAIN_FOREIGN);
  check_refused (moss_chain_append (left, rest, &error), &error, MOSS_CHAIN_ERROR_FORKED);
}

/* A revocation against what the revoked device did meanwhile, and two that revoke each other. */
static void
test_fork_by_revoked (gconstpointer data)
{
  guint suite = suite_of (data);
  g_autoptr (KitDevice) desktop = kit_device_new (suite, "Desktop", 1);
  g_autoptr (KitDevice) laptop = kit_device_new (suite, "Laptop", 2);
  g_autoptr (KitDevice) tablet = kit_device_new (suite, "Tablet", 3);
  g_autoptr (MossChain) one = kit_create (desktop, "me");
  g_autoptr (MossChain) two = kit_add (desktop, one, laptop, NULL);
  g_autoptr (GBytes) first = kit_user_key (1);
  g_autoptr (GBytes) second = kit_user_key (2);
  g_autoptr (MossChain) revoked =
      moss_author_revoke (&desktop->author, two, 2, first, second, NULL);
  g_autoptr (MossChain) meanwhile = kit_add (laptop, two, tablet, NULL);
  g_autoptr (MossChain) mutual =
      moss_author_revoke (&laptop->author, two, 1, first, second, NULL);
  MossStatement name = { .type = MOSS_STATEMENT_NAME, .name = (char *) "another" };
  g_autoptr (MossChain) built_on = NULL;

  g_assert_true (moss_chain_revokes_branch (revoked, meanwhile));
  g_assert_false (moss_chain_revokes_branch (meanwhile, revoked));
  g_assert_true (moss_chain_revokes_branch (revoked, mutual));
  g_assert_true (moss_chain_revokes_branch (mutual, revoked));
  /* Somebody who was not revoked built on it: that is not thrown away. */
  built_on = moss_author_append (&tablet->author, meanwhile, &name, NULL);
  g_assert_nonnull (built_on);
  g_assert_false (moss_chain_revokes_branch (revoked, built_on));
}

static void
test_scope (gconstpointer data)
{
  guint suite = suite_of (data);
  g_autoptr (KitDevice) desktop = kit_device_new (suite, "Desktop", 1);
  g_autoptr (KitDevice) kiosk = kit_device_new (suite, "Kiosk", 2);
  g_autoptr (MossChain) one = kit_create (desktop, "me");
  g_autoptr (MossChain) two = NULL;
  g_autoptr (GBytes) first = kit_user_key (1);
  g_autoptr (GBytes) second = kit_user_key (2);
  MossStatement name = { .type = MOSS_STATEMENT_NAME, .name = (char *) "another" };
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) revoked = NULL;

  kiosk->record->scope = MOSS_SCOPE_KIOSK;
  two = kit_add (desktop, one, kiosk, NULL);
  g_assert_nonnull (two);
  check_refused (moss_author_append (&kiosk->author, two, &name, &error), &error,
                 MOSS_CHAIN_ERROR_FORGED);
  /* Somebody must be left who may change it. */
  check_refused (moss_author_revoke (&desktop->author, two, 1, first, second, &revoked),
                 &revoked, MOSS_CHAIN_ERROR_CORRUPT);
}

static void
test_unwilling_device (gconstpointer data)
{
  guint suite = suite_of (data);
  g_autoptr (KitDevice) desktop = kit_device_new (suite, "Desktop", 1);
  g_autoptr (KitDevice) laptop = kit_device_new (suite, "Laptop", 2);
  g_autoptr (MossChain) one = kit_create (desktop, "me");
  g_autoptr (KitDevice) stranger = kit_device_new (suite, "Stranger", 1);
  g_autoptr (MossChain) other = kit_create (stranger, "other");
  g_autoptr (GBytes) key = kit_user_key (1);
  g_autoptr (GBytes) reverse = moss_author_agree (laptop->record, laptop->secret,
                                                  moss_chain_get_id (other), NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) again = NULL;

  check_refused (moss_author_add_device (&desktop->author, one, laptop->record, reverse, key,
                                         &error),
                 &error, MOSS_CHAIN_ERROR_FORGED);
  check_refused (kit_add (desktop, one, desktop, &again), &again, MOSS_CHAIN_ERROR_FORGED);
}

/* Not a bit of it can be changed, nothing be left out, swapped or added. */
static void
test_changed (gconstpointer data)
{
  guint suite = suite_of (data);
  g_autoptr (KitDevice) desktop = kit_device_new (suite, "Desktop", 1);
  g_autoptr (KitDevice) laptop = kit_device_new (suite, "Laptop", 2);
  g_autoptr (MossChain) one = kit_create (desktop, "me");
  g_autoptr (MossChain) two = kit_add (desktop, one, laptop, NULL);
  gsize size;
  const guint8 *good = g_bytes_get_data (moss_chain_get_bytes (two), &size);
  guint cuts = 0;

  for (gsize i = 0; i < size; i++)
    {
      g_autofree guint8 *copy = g_memdup2 (good, size);
      g_autoptr (GBytes) bytes = NULL;

      copy[i] ^= 1 << (i % 8);
      bytes = g_bytes_new_static (copy, size);
      if (moss_chain_parse (bytes, NULL) != NULL)
        g_error ("byte %" G_GSIZE_FORMAT " of %" G_GSIZE_FORMAT " can be changed", i, size);
    }
  for (gsize i = 1; i < size; i++)
    {
      g_autoptr (GBytes) bytes = g_bytes_new_static (good, i);
      g_autoptr (MossChain) chain = moss_chain_parse (bytes, NULL);

      cuts += chain != NULL;
    }
  /* Cut between two statements it is an older chain; that is for seen.c. */
  g_assert_cmpuint (cuts, ==, moss_chain_get_seq (two));
}

static void
test_lengths (gconstpointer data)
{
  guint suite = suite_of (data);
  g_autoptr (KitDevice) desktop =
      kit_device_new (suite, "1234567890123456789012345678901234567890", 1);
  g_autoptr (KitDevice) laptop =
      kit_device_new (suite, "1234567890123456789012345678901234567890", 2);
  g_autoptr (MossChain) one =
      kit_create (desktop, "123456789012345678901234567890@23456789012345678");
  g_autoptr (MossChain) two = kit_add (desktop, one, laptop, NULL);
  MossStatement hosts = { .type = MOSS_STATEMENT_HOSTS };
  g_auto (GStrv) list = g_strsplit ("host.example:8443,[2001:db8::1]:80", ",", 0);
  g_autoptr (MossChain) three = NULL;
  gsize size;
  const guint8 *bytes = g_bytes_get_data (moss_chain_get_bytes (two), &size);
  gsize longest = 0;

  for (gsize at = 0; at < size;)
    {
      g_auto (MossStatement) statement = { 0 };
      gsize length;

      g_assert_true (moss_statement_decode (bytes + at, size - at, &statement, &length, NULL));
      longest = MAX (longest, length);
      at += length;
    }
  g_assert_cmpuint (longest, <=, suite == MOSS_SUITE_SODIUM ? 400 : MOSS_STATEMENT_MAX);
  hosts.hosts = list;
  three = moss_author_append (&laptop->author, two, &hosts, NULL);
  g_assert_nonnull (three);
  g_assert_cmpstr (moss_chain_get_hosts (three)[1], ==, "[2001:db8::1]:80");
  g_assert_null (moss_chain_get_hosts (two)[0]);
}

static void
test_seen (gconstpointer data)
{
  guint suite = suite_of (data);
  g_autofree char *dir = g_dir_make_tmp ("moss-seen-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (dir, "seen", NULL);
  g_autoptr (KitDevice) desktop = kit_device_new (suite, "Desktop", 1);
  g_autoptr (KitDevice) laptop = kit_device_new (suite, "Laptop", 2);
  g_autoptr (KitDevice) tablet = kit_device_new (suite, "Tablet", 2);
  g_autoptr (MossChain) one = kit_create (desktop, "me");
  g_autoptr (MossChain) two = kit_add (desktop, one, laptop, NULL);
  g_autoptr (MossChain) fork = kit_add (desktop, one, tablet, NULL);
  g_autoptr (MossSeen) seen = moss_seen_open (path, NULL);
  g_autoptr (MossSeen) again = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (moss_seen_take (seen, one, NULL));
  g_assert_true (moss_seen_take (seen, two, NULL));
  g_assert_true (moss_seen_take (seen, two, NULL));
  again = moss_seen_open (path, NULL);
  g_assert_false (moss_seen_take (again, one, &error));
  g_assert_error (error, MOSS_CHAIN_ERROR, MOSS_CHAIN_ERROR_OLD);
  g_clear_error (&error);
  g_assert_false (moss_seen_take (again, fork, &error));
  g_assert_error (error, MOSS_CHAIN_ERROR, MOSS_CHAIN_ERROR_FORKED);
  g_clear_error (&error);
  g_assert_true (moss_seen_take (again, two, NULL));
  g_assert_true (g_file_set_contents (path, "rubbish", 7, NULL));
  g_assert_null (moss_seen_open (path, &error));
  g_assert_error (error, MOSS_CHAIN_ERROR, MOSS_CHAIN_ERROR_CORRUPT);
  g_unlink (path);
  g_rmdir (dir);
}

static void
check_hex (gconstpointer data, gsize length, const char *expected)
{
  GString *hex = g_string_new (NULL);
  g_autofree char *text = NULL;

  for (gsize i = 0; i < length; i++)
    g_string_append_printf (hex, "%02x", ((const guint8 *) data)[i]);
  text = g_string_free (hex, FALSE);
  g_assert_cmpstr (text, ==, expected);
}

/* The numbers of docs/formats/identity.md. */
static void
test_vectors (void)
{
  g_autoptr (GBytes) secret = kit_user_key (0x01);
  g_autoptr (GBytes) user_key = kit_user_key (0x04);
  MossStatement statement = { .type = MOSS_STATEMENT_CREATE,
                              .suite = MOSS_SUITE_SODIUM,
                              .signer = 1,
                              .time_s = 1700000000,
                              .name = (char *) "me@example.org" };
  g_autoptr (MossDeviceRecord) record = g_new0 (MossDeviceRecord, 1);
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GBytes) tree = NULL;
  g_autoptr (GBytes) dedup = NULL;
  g_autoptr (MossChain) chain = NULL;
  guint8 commitment[MOSS_HASH_BYTES];

  record->suite = MOSS_SUITE_SODIUM;
  record->signing_key = moss_suite_signing_public (record->suite, secret, NULL);
  memset (record->fingerprint, 0x02, sizeof record->fingerprint);
  memset (record->exchange_key, 0x03, sizeof record->exchange_key);
  record->scope = MOSS_SCOPE_FULL;
  record->name = g_strdup ("Desktop");
  statement.device = record;
  bytes = moss_statement_sign (&statement, secret, NULL);
  check_hex (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), VECTOR_CREATE);
  chain = moss_chain_parse (bytes, NULL);
  g_assert_cmpstr (moss_chain_get_id_text (chain), ==, VECTOR_ID);
  moss_user_key_commit (record->suite, user_key, commitment, NULL);
  check_hex (commitment, sizeof commitment, VECTOR_COMMITMENT);
  tree = moss_user_key_derive (record->suite, user_key, "moss tree 1", NULL);
  check_hex (g_bytes_get_data (tree, NULL), 32, VECTOR_TREE_KEY);
  dedup = moss_user_key_derive (record->suite, user_key, "moss dedup 1", NULL);
  check_hex (g_bytes_get_data (dedup, NULL), 32, VECTOR_DEDUP_KEY);
}

static void
test_text (void)
{
  guint8 id[MOSS_HASH_BYTES], back[MOSS_HASH_BYTES];
  g_autofree char *text = NULL;

  for (guint i = 0; i < sizeof id; i++)
    id[i] = 7 * i + 3;
  text = moss_identity_id_to_text (id);
  g_assert_cmpuint (strlen (text), ==, 53);
  g_assert_true (moss_identity_id_from_text (text, back, NULL));
  g_assert_cmpmem (id, sizeof id, back, sizeof back);
  text[52] = text[52] == 'b' ? 'c' : 'b'; /* bits that nobody reads must be zero */
  g_assert_false (moss_identity_id_from_text (text, back, NULL));
  g_assert_false (moss_identity_id_from_text ("~abc", back, NULL));
  g_assert_true (moss_identity_name_is_valid ("me@example.org"));
  g_assert_false (moss_identity_name_is_valid ("../me"));
  g_assert_false (moss_identity_name_is_valid (".."));
  g_assert_false (moss_identity_name_is_valid (""));
  g_assert_false (moss_identity_name_is_valid ("a\nb"));
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *name;
    GTestDataFunc func;
  } tests[] = {
    { "life", test_life },
    { "revoked-gets-nothing", test_revoked_gets_nothing },
    { "revoked-signs", test_revoked_signs },
    { "fork", test_fork },
    { "fork-by-revoked", test_fork_by_revoked },
    { "scope", test_scope },
    { "unwilling-device", test_unwilling_device },
    { "changed", test_changed },
    { "lengths", test_lengths },
    { "seen", test_seen },
  };

  g_test_init (&argc, &argv, NULL);
  if (!moss_crypto_init (NULL))
    return 1;
  for (guint suite = MOSS_SUITE_SODIUM; suite <= MOSS_SUITE_GNUTLS; suite++)
    for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
      {
        g_autofree char *path = g_strdup_printf ("/chain/%u/%s", suite, tests[i].name);

        g_test_add_data_func (path, GUINT_TO_POINTER (suite), tests[i].func);
      }
  g_test_add_func ("/chain/text", test_text);
  g_test_add_func ("/chain/vectors", test_vectors);
  return g_test_run ();
}
