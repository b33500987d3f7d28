// SPDX-License-Identifier: GPL-3.0-or-later
/* CPace against the numbers of the draft, and pairings with somebody between the two. */
#include "core/crypto/suite.h"
#include "core/identity/cpace.h"
#include "core/identity/pairing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static guint8 *
hex (const char *text, gsize *length)
{
  guint8 *bytes = g_malloc (strlen (text) / 2 + 1);

  *length = strlen (text) / 2;
  for (gsize i = 0; i < *length; i++)
    bytes[i] = g_ascii_xdigit_value (text[2 * i]) << 4 | g_ascii_xdigit_value (text[2 * i + 1]);
  return bytes;
}

static GBytes *
hex_bytes (const char *text)
{
  gsize length;
  guint8 *bytes = hex (text, &length);

  return g_bytes_new_take (bytes, length);
}

static void
check (const guint8 *bytes, const char *expected)
{
  gsize length;
  g_autofree guint8 *wanted = hex (expected, &length);

  g_assert_cmpmem (bytes, length, wanted, length);
}

/* draft-irtf-cfrg-cpace-21, appendix B.3. */
#define SID "7e4b4791d6a8ef019b936c79fb7f2c57"
#define CI "0b415f696e69746961746f720b425f726573706f6e646572"
#define SCALAR_A "da3d23700a9e5699258aef94dc060dfda5ebb61f02a5ea77fad53f4ff0976d08"
#define SCALAR_B "d2316b454718c35362d83d69df6320f38578ed5984651435e2949762d900b80d"
#define SHARE_A "d6bac480f2c386c394efc7c47adb9925dcd2630b64f240c50f8d0eec482b9157"
#define SHARE_B "3ea7e0b19560d7c0b0f5734f63b955286dfa8232b5ebe63324e2d9e7433f7258"
#define POINT "80b69a8a76457ab6a4d7f887a4bf6b55a2f80ac19c333f917a05fc9887c8b40f"
#define ISK_IR \
  "b69effbf61b51d56401c0f65601abe428de8206feaaf0e32198896dcae7b35cd" \
  "2b38950a39dfd5d4a79164614c2984f7daa460b588c1e80c3fa2068af7900447"

static void
test_draft (void)
{
  g_autoptr (GBytes) code = g_bytes_new_static ("Password", 8);
  g_autoptr (GBytes) channel = hex_bytes (CI);
  g_autoptr (GBytes) sid = hex_bytes (SID);
  g_autoptr (GBytes) about_a = g_bytes_new_static ("ADa", 3);
  g_autoptr (GBytes) about_b = g_bytes_new_static ("ADb", 3);
  gsize length;
  g_autofree guint8 *a = hex (SCALAR_A, &length);
  g_autofree guint8 *b = hex (SCALAR_B, &length);
  guint8 generator[32], share_a[32], share_b[32], point[32], isk[64];

  moss_cpace_generator (code, channel, sid, generator);
  check (generator, "222b6b195fe84b1652badb6f6a3ae3d24341e7306967f0b8115b40d5698c7e56");
  g_assert_true (moss_cpace_share (generator, a, share_a));
  check (share_a, SHARE_A);
  g_assert_true (moss_cpace_share (generator, b, share_b));
  check (share_b, SHARE_B);
  g_assert_true (moss_cpace_point (a, share_b, point));
  check (point, POINT);
  g_assert_true (moss_cpace_point (b, share_a, point));
  check (point, POINT);
  moss_cpace_isk (point, sid, share_a, about_a, share_b, about_b, isk);
  check (isk, ISK_IR);
}

/* B.3.10 and B.3.11. */
static void
test_draft_points (void)
{
  gsize length;
  g_autofree guint8 *scalar =
      hex ("7cd0e075fa7955ba52c02759a6c90dbbfc10e6d40aea8d283e407d88cf538a05", &length);
  g_autofree guint8 *good =
      hex ("2c3c6b8c4f3800e7aef6864025b4ed79bd599117e427c41bd47d93d654b4a51c", &length);
  g_autofree guint8 *bad =
      hex ("2b3c6b8c4f3800e7aef6864025b4ed79bd599117e427c41bd47d93d654b4a51c", &length);
  guint8 neutral[32] = { 0 };
  guint8 point[32];

  g_assert_true (moss_cpace_point (scalar, good, point));
  check (point, "7c13645fe790a468f62c39beb7388e541d8405d1ade69d1778c5fe3e7f6b600e");
  g_assert_false (moss_cpace_point (scalar, bad, point));
  g_assert_false (moss_cpace_point (scalar, neutral, point));
}

/* --- conversations --- */

typedef struct
{
  guint8 old[MOSS_HASH_BYTES];
  guint8 new[MOSS_HASH_BYTES];
  guint8 meddler[MOSS_HASH_BYTES];
} Fingerprints;

static const Fingerprints fingerprints = { { 1 }, { 2 }, { 3 } };

static MossPairing *
typing (const char *code, const guint8 *mine, const guint8 *theirs)
{
  return moss_pairing_new (TRUE, code, mine, theirs, "Old");
}

static MossPairing *
showing (const char *code, const guint8 *mine, const guint8 *theirs)
{
  return moss_pairing_new (FALSE, code, mine, theirs, "New");
}

/* A sealed message of one, opened by the other. */
static gboolean
tell (MossPairing *from, MossPairing *to, const char *text, GError **error)
{
  g_autoptr (GBytes) content = g_bytes_new (text, strlen (text));
  g_autoptr (GBytes) message = moss_pairing_seal (from, content, error);
  g_autoptr (GBytes) heard = NULL;

  if (message == NULL)
    return FALSE;
  heard = moss_pairing_open (to, message, error);
  return heard != NULL && g_bytes_equal (heard, content);
}

/* Up to where both have a key, good or not. */
static gboolean
meet (MossPairing *typed, MossPairing *shown, GError **error)
{
  g_autoptr (GBytes) begin = moss_pairing_begin (typed);
  g_autoptr (GBytes) answer = moss_pairing_answer (shown, begin, error);

  return answer != NULL && moss_pairing_finish (typed, answer, error);
}

static void
test_honest (void)
{
  g_autoptr (MossPairing) old = typing ("12345678", fingerprints.old, fingerprints.new);
  g_autoptr (MossPairing) new = showing ("12345678", fingerprints.new, fingerprints.old);
  g_autoptr (GError) error = NULL;

  g_assert_true (meet (old, new, &error));
  g_assert_cmpstr (moss_pairing_get_their_name (old), ==, "New");
  g_assert_true (tell (old, new, "identity", &error));
  g_assert_true (tell (new, old, "record", &error));
  g_assert_true (tell (old, new, "chain", &error));
  g_assert_true (tell (new, old, "held", &error));
  g_assert_no_error (error);
}

static void
test_wrong_code (void)
{
  g_autoptr (MossPairing) old = typing ("12345678", fingerprints.old, fingerprints.new);
  g_autoptr (MossPairing) new = showing ("12345679", fingerprints.new, fingerprints.old);
  g_autoptr (GError) error = NULL;

  g_assert_true (meet (old, new, &error));
  g_assert_false (tell (old, new, "identity", &error));
  g_assert_error (error, MOSS_PAIRING_ERROR, MOSS_PAIRING_ERROR_WRONG_CODE);
  /* Nothing more is said under that key. */
  g_assert_false (tell (new, old, "record", NULL));
}

/* Somebody hands every message on, between two TLS connections that are both theirs. */
static void
test_handed_on (void)
{
  g_autoptr (MossPairing) old = typing ("12345678", fingerprints.old, fingerprints.meddler);
  g_autoptr (MossPairing) new = showing ("12345678", fingerprints.new, fingerprints.meddler);
  g_autoptr (GError) error = NULL;

  g_assert_true (meet (old, new, &error));
  g_assert_false (tell (old, new, "identity", &error));
  g_assert_error (error, MOSS_PAIRING_ERROR, MOSS_PAIRING_ERROR_WRONG_CODE);
}

static void
test_replayed (void)
{
  g_autoptr (MossPairing) old = typing ("12345678", fingerprints.old, fingerprints.new);
  g_autoptr (MossPairing) new = showing ("12345678", fingerprints.new, fingerprints.old);
  g_autoptr (GBytes) content = g_bytes_new_static ("chain", 5);
  g_autoptr (GBytes) first = NULL;
  g_autoptr (GBytes) second = NULL;
  g_autoptr (GBytes) heard = NULL;
  g_autoptr (GBytes) heard_again = NULL;

  g_assert_true (meet (old, new, NULL));
  /* Who shows the code waits for the other's proof. */
  g_assert_null (moss_pairing_seal (new, content, NULL));
  first = moss_pairing_seal (old, content, NULL);
  second = moss_pairing_seal (old, content, NULL);
  g_assert_null (moss_pairing_open (old, first, NULL)); /* sent back */
  heard = moss_pairing_open (new, first, NULL);
  g_assert_nonnull (heard);
  heard_again = moss_pairing_open (new, first, NULL);
  g_assert_null (heard_again);
  g_assert_null (moss_pairing_open (new, second, NULL)); /* it was over */
}

static void
test_offer (void)
{
  g_autoptr (MossPairingOffer) offer = moss_pairing_offer_new ("12345678", 1000);
  g_autoptr (MossPairingOffer) late = moss_pairing_offer_new ("12345678", 1000);
  gint64 end = 1000 + MOSS_PAIRING_SECONDS * G_USEC_PER_SEC;
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < MOSS_PAIRING_TRIES; i++)
    g_assert_true (moss_pairing_offer_try (offer, end, NULL));
  g_assert_false (moss_pairing_offer_try (offer, end, &error));
  g_assert_error (error, MOSS_PAIRING_ERROR, MOSS_PAIRING_ERROR_USED_UP);
  g_assert_false (moss_pairing_offer_try (late, end + 1, NULL));
}

static void
test_code (void)
{
  static const struct
  {
    const char *typed, *code;
  } cases[] = {
    { "1234 5678", "12345678" },  { " 12-34-56-78 ", "12345678" },
    { "٠١٢٣ ٤٥٦٧", "01234567" },  { "1234567", NULL },
    { "123456789", NULL },        { "1234567a", NULL },
    { "", NULL },                 { "\xff\xfe", NULL },
  };
  guint seen[10] = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *code = moss_pairing_code_parse (cases[i].typed, NULL);

      g_assert_cmpstr (code, ==, cases[i].code);
    }
  for (guint i = 0; i < 2000; i++)
    {
      g_autofree char *code = moss_pairing_code_new ();
      g_autofree char *shown = moss_pairing_code_show (code);
      g_autofree char *parsed = moss_pairing_code_parse (shown, NULL);

      g_assert_cmpstr (parsed, ==, code);
      for (const char *at = code; *at != '\0'; at++)
        seen[*at - '0']++;
    }
  for (guint i = 0; i < 10; i++) /* 1600 expected, sigma 38 */
    g_assert_cmpuint (ABS ((int) seen[i] - 1600), <, 5 * 38);
}

/* --- somebody who guesses ---
 *
 * Each round is one pairing of two honest devices and a meddler who is on every wire. They
 * guess at the new device as often as it lets them, and once at the old one, where a person
 * types the code once. To win is to have a key in common with either. */

static char *
draw (GRand *rand, guint space)
{
  return g_strdup_printf ("%08u", (guint) g_rand_int_range (rand, 0, space));
}

static gboolean
guess_at_new (MossPairingOffer *offer, const char *guess)
{
  g_autoptr (MossPairing) meddler =
      typing (guess, fingerprints.meddler, fingerprints.new);
  g_autoptr (MossPairing) new =
      showing (offer->code, fingerprints.new, fingerprints.meddler);

  return meet (meddler, new, NULL) && tell (meddler, new, "identity", NULL) &&
         tell (new, meddler, "record", NULL);
}

static gboolean
guess_at_old (const char *code, const char *guess)
{
  g_autoptr (MossPairing) old = typing (code, fingerprints.old, fingerprints.meddler);
  g_autoptr (MossPairing) meddler =
      showing (guess, fingerprints.meddler, fingerprints.old);

  return meet (old, meddler, NULL) && tell (old, meddler, "identity", NULL) &&
         tell (meddler, old, "record", NULL);
}

/* Returns how often the meddler won; each of @tries + 1 guesses is another code. */
static guint
meddle (GRand *rand, guint rounds, guint space)
{
  guint won = 0;

  for (guint i = 0; i < rounds; i++)
    {
      g_autofree char *code = draw (rand, space);
      g_autoptr (MossPairingOffer) offer = moss_pairing_offer_new (code, 0);
      guint first = g_rand_int_range (rand, 0, space);
      gboolean success = FALSE;
      guint tried = 0;

      while (moss_pairing_offer_try (offer, tried, NULL))
        {
          g_autofree char *guess = g_strdup_printf ("%08u", (first + tried++) % space);

          success = guess_at_new (offer, guess) || success;
        }
      g_assert_cmpuint (tried, ==, MOSS_PAIRING_TRIES);
      if (!success)
        {
          g_autofree char *guess = g_strdup_printf ("%08u", (first + tried) % space);

          success = guess_at_old (code, guess);
        }
      won += success;
    }
  return won;
}

static guint
setting (const char *name, guint usual)
{
  const char *text = g_getenv (name);

  return text == NULL ? usual : strtoul (text, NULL, 10);
}

static void
test_meddler (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (setting ("MOSS_PAIRING_SEED", 1));
  guint rounds = setting ("MOSS_PAIRING_ROUNDS", 10000);
  guint won = meddle (rand, rounds, 100 * 1000 * 1000);

  g_test_message ("%u of %u with the real code", won, rounds);
  g_assert_cmpuint (won, ==, 0);
}

/* With so few codes chance must show: the test above can fail. */
static void
test_meddler_small (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (setting ("MOSS_PAIRING_SEED", 1));
  guint rounds = setting ("MOSS_PAIRING_ROUNDS", 4000);
  guint won = meddle (rand, rounds, 1000);
  double chance = (MOSS_PAIRING_TRIES + 1) / 1000.0;
  double mean = rounds * chance;
  double sigma = sqrt (rounds * chance * (1 - chance));

  g_test_message ("%u of %u with 1000 codes; chance is %.1f, sigma %.1f", won, rounds, mean,
                  sigma);
  g_assert_cmpfloat (won, <=, mean + 3 * sigma);
  g_assert_cmpfloat (won, >=, mean - 4 * sigma);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  if (!moss_crypto_init (NULL))
    return 1;
  g_test_add_func ("/pairing/draft", test_draft);
  g_test_add_func ("/pairing/draft-points", test_draft_points);
  g_test_add_func ("/pairing/honest", test_honest);
  g_test_add_func ("/pairing/wrong-code", test_wrong_code);
  g_test_add_func ("/pairing/handed-on", test_handed_on);
  g_test_add_func ("/pairing/replayed", test_replayed);
  g_test_add_func ("/pairing/offer", test_offer);
  g_test_add_func ("/pairing/code", test_code);
  g_test_add_func ("/pairing/meddler", test_meddler);
  g_test_add_func ("/pairing/meddler-small", test_meddler_small);
  return g_test_run ();
}
