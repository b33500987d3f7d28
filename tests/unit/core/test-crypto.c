// SPDX-License-Identifier: GPL-3.0-or-later
/* Published vectors: RFC 8032 (Ed25519 test 2, Ed448 blank), RFC 7748 section 6.1,
 * draft-irtf-cfrg-xchacha A.3.1, GCM test case 16 (McGrew, Viega), RFC 7693 appendix A form
 * with 32 bytes, FIPS 180, RFC 4231 test 2. The keyed BLAKE2b value is Python's hashlib's. */
#include "core/crypto/suite.h"

#include <string.h>

static guint8 *
hex (const char *text, gsize *length)
{
  gsize count = strlen (text) / 2;
  guint8 *bytes = g_malloc (count + 1);

  for (gsize i = 0; i < count; i++)
    bytes[i] = (g_ascii_xdigit_value (text[2 * i]) << 4) |
               g_ascii_xdigit_value (text[2 * i + 1]);
  if (length != NULL)
    *length = count;
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
assert_hex (const guint8 *bytes, gsize length, const char *wanted)
{
  gsize wanted_length;
  g_autofree guint8 *other = hex (wanted, &wanted_length);

  g_assert_cmpmem (bytes, length, other, wanted_length);
}

typedef struct
{
  guint suite;
  const char *key, *nonce, *ad, *plain, *sealed;
} SealVector;

static const SealVector seal_vectors[] = {
  { MOSS_SUITE_SODIUM, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
    "404142434445464748494a4b4c4d4e4f5051525354555657", "50515253c0c1c2c3c4c5c6c7",
    "4c616469657320616e642047656e746c656d656e206f662074686520636c617373206f66202739393a20"
    "4966204920636f756c64206f6666657220796f75206f6e6c79206f6e652074697020666f722074686520"
    "6675747572652c2073756e73637265656e20776f756c642062652069742e",
    "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3"
    "a82f4eda7e39ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2b"
    "c369488f76b2383565d3fff921f9664c97637da9768812f615c68b13b52e"
    "c0875924c1c7987947deafd8780acf49" },
  { MOSS_SUITE_GNUTLS, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
    "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf"
    "0e2449a6b525b16aedf5aa0de657ba637b39",
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b0"
    "8b1056828838c5f61e6393ba7a0abcc9f662"
    "76fc6ece0f4e1768cddf8853bb2d551b" },
};

static void
test_seal (gconstpointer data)
{
  const SealVector *vector = data;
  g_autoptr (GError) error = NULL;
  gsize ad_length, length, sealed_length;
  g_autofree guint8 *key = hex (vector->key, NULL);
  g_autofree guint8 *nonce = hex (vector->nonce, NULL);
  g_autofree guint8 *ad = hex (vector->ad, &ad_length);
  g_autofree guint8 *plain = hex (vector->plain, &length);
  g_autofree guint8 *sealed = g_malloc (length + MOSS_TAG_BYTES);
  g_autofree guint8 *again = g_malloc (length);

  g_assert_cmpuint (moss_suite_nonce_bytes (vector->suite) * 2, ==, strlen (vector->nonce));
  sealed_length = length + MOSS_TAG_BYTES;
  g_assert_true (moss_suite_seal (vector->suite, key, nonce, ad, ad_length, plain, length,
                                  sealed, &error));
  assert_hex (sealed, sealed_length, vector->sealed);
  g_assert_true (moss_suite_open (vector->suite, key, nonce, ad, ad_length, sealed,
                                  sealed_length, again, &error));
  g_assert_cmpmem (again, length, plain, length);

  for (gsize bit = 0; bit < sealed_length * 8; bit += 7)
    {
      sealed[bit / 8] ^= 1 << (bit % 8);
      g_assert_false (moss_suite_open (vector->suite, key, nonce, ad, ad_length, sealed,
                                       sealed_length, again, &error));
      g_assert_error (error, MOSS_CRYPTO_ERROR, MOSS_CRYPTO_ERROR_FORGED);
      g_clear_error (&error);
      sealed[bit / 8] ^= 1 << (bit % 8);
    }
  ad[0] ^= 1;
  g_assert_false (moss_suite_open (vector->suite, key, nonce, ad, ad_length, sealed,
                                   sealed_length, again, NULL));
  ad[0] ^= 1;
  g_assert_false (moss_suite_open (vector->suite, key, nonce, ad, ad_length, sealed,
                                   MOSS_TAG_BYTES - 1, again, NULL));
}

typedef struct
{
  guint suite;
  const char *secret, *public_key, *message, *signature;
} SignVector;

static const SignVector sign_vectors[] = {
  { MOSS_SUITE_SODIUM, "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00" },
  { MOSS_SUITE_GNUTLS,
    "6c82a562cb808d10d632be89c8513ebf6c929f34ddfa8c9f63c9960ef6e348a3528c8a3fcc2f044e39a3"
    "fc5b94492f8f032e7549a20098f95b",
    "5fd7449b59b461fd2ce787ec616ad46a1da1342485a70e1f8a0ea75d80e96778edf124769b46c7061bd6"
    "783df1e50f6cd1fa1abeafe8256180",
    "",
    "533a37f6bbe457251f023c0d88f976ae2dfb504a843e34d2074fd823d41a591f2b233f034f628281f2fd"
    "7a22ddd47d7828c59bd0a21bfd3980ff0d2028d4b18a9df63e006c5d1c2d345b925d8dc00b4104852db9"
    "9ac5c7cdda8530a113a0f4dbb61149f05a7363268c71d95808ff2e652600" },
};

static void
test_sign (gconstpointer data)
{
  const SignVector *vector = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) secret = hex_bytes (vector->secret);
  g_autoptr (GBytes) wanted_public = hex_bytes (vector->public_key);
  g_autoptr (GBytes) wanted = hex_bytes (vector->signature);
  g_autoptr (GBytes) public_key = NULL;
  g_autoptr (GBytes) signature = NULL;
  g_autoptr (GBytes) short_one = NULL;
  gsize length;
  g_autofree guint8 *message = hex (vector->message, &length);

  public_key = moss_suite_signing_public (vector->suite, secret, &error);
  g_assert_no_error (error);
  g_assert_true (g_bytes_equal (public_key, wanted_public));
  signature = moss_suite_sign (vector->suite, secret, message, length, &error);
  g_assert_no_error (error);
  g_assert_true (g_bytes_equal (signature, wanted));
  g_assert_true (
      moss_suite_verify (vector->suite, public_key, message, length, signature, &error));
  g_assert_false (moss_suite_verify (vector->suite, public_key, (const guint8 *) "other", 5,
                                     signature, &error));
  g_assert_error (error, MOSS_CRYPTO_ERROR, MOSS_CRYPTO_ERROR_FORGED);
  g_clear_error (&error);
  short_one = g_bytes_new_from_bytes (signature, 0, 32);
  g_assert_false (
      moss_suite_verify (vector->suite, public_key, message, length, short_one, &error));
  g_assert_error (error, MOSS_CRYPTO_ERROR, MOSS_CRYPTO_ERROR_FORGED);
  g_clear_error (&error);
  g_assert_false (
      moss_suite_verify (vector->suite, short_one, message, length, signature, &error));
  g_assert_nonnull (error);
}

static void
test_domains (gconstpointer data)
{
  guint suite = GPOINTER_TO_UINT (data);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) secret = NULL;
  g_autoptr (GBytes) public_key = NULL;
  g_autoptr (GBytes) signature = NULL;
  const guint8 *message = (const guint8 *) "message";

  g_assert_true (moss_suite_signing_keygen (suite, &secret, &public_key, &error));
  signature = moss_sign_domain (suite, secret, "moss-link-1", message, 7, &error);
  g_assert_no_error (error);
  g_assert_true (
      moss_verify_domain (suite, public_key, "moss-link-1", message, 7, signature, &error));
  g_assert_false (
      moss_verify_domain (suite, public_key, "moss-snapshot-1", message, 7, signature, NULL));
}

static void
test_hash (void)
{
  const guint8 *abc = (const guint8 *) "abc";
  guint8 key[MOSS_KEY_BYTES] = "Jefe";
  guint8 hash[MOSS_HASH_BYTES];

  g_assert_true (moss_suite_hash (MOSS_SUITE_SODIUM, abc, 3, hash, NULL));
  assert_hex (hash, 32, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
  g_assert_true (moss_suite_hash (MOSS_SUITE_GNUTLS, abc, 3, hash, NULL));
  assert_hex (hash, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");

  /* HMAC fills a short key up with zeros, so the vector's key fits. */
  g_assert_true (moss_suite_keyed_hash (MOSS_SUITE_GNUTLS, key,
                                        (const guint8 *) "what do ya want for nothing?", 28,
                                        hash, NULL));
  assert_hex (hash, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");

  for (guint i = 0; i < sizeof key; i++)
    key[i] = i;
  g_assert_true (moss_suite_keyed_hash (MOSS_SUITE_SODIUM, key, abc, 3, hash, NULL));
  assert_hex (hash, 32, "d63a32d3e44738d7907f964316c241adaba0abfeabc32349677578a15a203f7f");
}

static void
test_exchange (gconstpointer data)
{
  guint suite = GPOINTER_TO_UINT (data);
  g_autoptr (GError) error = NULL;
  g_autofree guint8 *bob =
      hex ("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", NULL);
  g_autofree guint8 *alice_public =
      hex ("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a", NULL);
  guint8 secret[32], public_key[32], shared[32], other[32], bob_public[32];
  guint8 zero[32] = { 0 };

  g_assert_true (moss_suite_exchange (suite, bob, alice_public, shared, &error));
  assert_hex (shared, 32, "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
  g_assert_false (moss_suite_exchange (suite, bob, zero, shared, &error));
  g_assert_error (error, MOSS_CRYPTO_ERROR, MOSS_CRYPTO_ERROR_BAD_KEY);

  g_assert_true (moss_suite_exchange_keygen (suite, secret, public_key, NULL));
  g_assert_true (moss_suite_exchange_keygen (suite, bob, bob_public, NULL));
  g_assert_true (moss_suite_exchange (suite, bob, public_key, shared, NULL));
  g_assert_true (moss_suite_exchange (suite, secret, bob_public, other, NULL));
  g_assert_cmpmem (shared, 32, other, 32);
}

static void
test_unknown (void)
{
  g_autoptr (GError) error = NULL;
  guint8 hash[32];

  g_assert_false (moss_suite_known (0, NULL));
  g_assert_false (moss_suite_hash (3, (const guint8 *) "", 0, hash, &error));
  g_assert_error (error, MOSS_CRYPTO_ERROR, MOSS_CRYPTO_ERROR_UNKNOWN_SUITE);
  g_assert_cmpuint (moss_suite_nonce_bytes (77), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_true (moss_crypto_init (NULL));
  g_test_add_data_func ("/crypto/1/seal", &seal_vectors[0], test_seal);
  g_test_add_data_func ("/crypto/2/seal", &seal_vectors[1], test_seal);
  g_test_add_data_func ("/crypto/1/sign", &sign_vectors[0], test_sign);
  g_test_add_data_func ("/crypto/2/sign", &sign_vectors[1], test_sign);
  g_test_add_data_func ("/crypto/1/domains", GUINT_TO_POINTER (1), test_domains);
  g_test_add_data_func ("/crypto/2/domains", GUINT_TO_POINTER (2), test_domains);
  g_test_add_data_func ("/crypto/1/exchange", GUINT_TO_POINTER (1), test_exchange);
  g_test_add_data_func ("/crypto/2/exchange", GUINT_TO_POINTER (2), test_exchange);
  g_test_add_func ("/crypto/hash", test_hash);
  g_test_add_func ("/crypto/unknown", test_unknown);
  return g_test_run ();
}
