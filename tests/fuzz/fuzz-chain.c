// SPDX-License-Identifier: GPL-3.0-or-later
/* Chains of identities from strangers. Bytes that were changed are refused; what is signed
 * anew over changed statements is verified or refused, and never read out of bounds. With
 * libFuzzer: clang -fsanitize=fuzzer -DMOSS_LIBFUZZER. */
#include "chain-kit.h"
#include "mutate.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (MossChain) chain = moss_chain_parse (bytes, NULL);
  g_autoptr (MossDeviceRecord) record = moss_device_record_decode (bytes, NULL);
  g_auto (MossStatement) statement = { 0 };
  gsize length;

  if (moss_statement_decode (data, size, &statement, &length, NULL))
    {
      /* One meaning has one encoding. */
      g_autoptr (GBytes) bare = moss_statement_encode (&statement, NULL);
      gsize bare_length = g_bytes_get_size (bare);

      if (length > size ||
          bare_length + moss_suite_signature_bytes (statement.suite) != length ||
          memcmp (g_bytes_get_data (bare, NULL), data, bare_length) != 0)
        abort ();
    }
  if (chain != NULL && moss_chain_get_n_devices (chain) == 0)
    abort ();
  return 0;
}

#ifndef MOSS_LIBFUZZER
/* Changes a statement and signs it again, so that what is behind the signature is reached. */
static void
forge (GRand *rand, KitDevice *by, MossChain *chain)
{
  static const guint8 types[] = { 0, 2, 3, 4, 5, 6, 7, 8 };
  g_auto (MossStatement) statement = { 0 };
  g_autoptr (MossChain) next = NULL;
  g_autoptr (GError) error = NULL;

  moss_chain_describe (chain, g_rand_int_range (rand, 0, moss_chain_get_seq (chain) + 1),
                       &statement);
  if (g_rand_boolean (rand))
    statement.type = types[g_rand_int_range (rand, 0, G_N_ELEMENTS (types))];
  statement.slot = g_rand_int_range (rand, 0, 4);
  statement.as_of = g_rand_int_range (rand, 0, 8);
  statement.generation = g_rand_int_range (rand, 0, 4);
  if (statement.name == NULL)
    statement.name = g_strdup ("me");
  if (statement.device == NULL)
    statement.device = moss_device_record_copy (by->record);
  if (statement.reverse == NULL)
    statement.reverse = g_bytes_new_static ("nothing", 7);
  next = moss_author_append (&by->author, chain, &statement, &error);
  if ((next == NULL) != (error != NULL))
    abort ();
}

int
main (int argc, char **argv)
{
  guint rounds;
  GRand *rand = mutate_begin (argc, argv, &rounds);
  g_autoptr (KitDevice) desktop = NULL;
  g_autoptr (KitDevice) laptop = NULL;
  g_autoptr (MossChain) one = NULL;
  g_autoptr (MossChain) two = NULL;
  gsize size;
  const guint8 *good;

  moss_crypto_init (NULL);
  desktop = kit_device_new (MOSS_SUITE_SODIUM, "Desktop", 1);
  laptop = kit_device_new (MOSS_SUITE_GNUTLS, "Laptop", 2);
  one = kit_create (desktop, "me@example.org");
  two = kit_add (desktop, one, laptop, NULL);
  good = g_bytes_get_data (moss_chain_get_bytes (two), &size);
  LLVMFuzzerTestOneInput (good, size);
  for (guint i = 0; i < rounds; i++)
    {
      gsize start = g_rand_boolean (rand) ? 0 : g_rand_int_range (rand, 0, size);
      g_autoptr (GByteArray) bytes = mutate (rand, good + start, size - start);

      LLVMFuzzerTestOneInput (bytes->data, bytes->len);
      if (i % 16 == 0)
        forge (rand, i % 32 == 0 ? desktop : laptop, two);
    }
  g_rand_free (rand);
  return 0;
}
#endif
