// SPDX-License-Identifier: GPL-3.0-or-later
/* What a stranger may say while a code is shown, and what may be answered to whoever types one.
 * No message that was changed is taken for a good one. With libFuzzer: clang -fsanitize=fuzzer
 * -DMOSS_LIBFUZZER. */
#include "core/crypto/suite.h"
#include "core/identity/pairing.h"

#include "mutate.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static const guint8 old_print[MOSS_HASH_BYTES] = { 1 };
static const guint8 new_print[MOSS_HASH_BYTES] = { 2 };

static gboolean
is_good (MossPairing *from, MossPairing *to)
{
  g_autoptr (GBytes) content = g_bytes_new_static ("identity", 8);
  g_autoptr (GBytes) message = moss_pairing_seal (from, content, NULL);
  g_autoptr (GBytes) heard = message == NULL ? NULL : moss_pairing_open (to, message, NULL);

  return heard != NULL;
}

/* As message 1, as message 2, and as a sealed one. */
int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (MossPairing) old = moss_pairing_new (TRUE, "12345678", old_print, new_print, "O");
  g_autoptr (MossPairing) new = moss_pairing_new (FALSE, "12345678", new_print, old_print, "N");
  g_autoptr (GBytes) begin = moss_pairing_begin (old);
  g_autoptr (GBytes) answer = moss_pairing_answer (new, bytes, NULL);
  g_autoptr (GBytes) opened = moss_pairing_open (new, bytes, NULL);

  if (opened != NULL || (answer != NULL && moss_pairing_finish (old, bytes, NULL) &&
                         is_good (old, new) && !g_bytes_equal (begin, bytes)))
    abort ();
  return 0;
}

#ifndef MOSS_LIBFUZZER
/* A changed message between two that mean well. */
static void
meddle (GRand *rand, guint which)
{
  g_autoptr (MossPairing) old = moss_pairing_new (TRUE, "12345678", old_print, new_print, "O");
  g_autoptr (MossPairing) new = moss_pairing_new (FALSE, "12345678", new_print, old_print, "N");
  g_autoptr (GBytes) begin = moss_pairing_begin (old);
  g_autoptr (GBytes) answer = which == 0 ? NULL : moss_pairing_answer (new, begin, NULL);
  GBytes *victim = which == 0 ? begin : answer;
  g_autoptr (GByteArray) changed =
      mutate (rand, g_bytes_get_data (victim, NULL), g_bytes_get_size (victim));
  g_autoptr (GBytes) bytes = g_bytes_new (changed->data, changed->len);
  g_autoptr (GBytes) reply = NULL;
  gboolean same = g_bytes_equal (bytes, victim);

  LLVMFuzzerTestOneInput (changed->data, changed->len);
  if (which == 0)
    {
      reply = moss_pairing_answer (new, bytes, NULL);
      if (reply == NULL || !moss_pairing_finish (old, reply, NULL))
        return;
    }
  else if (!moss_pairing_finish (old, bytes, NULL))
    return;
  if (is_good (old, new) != same)
    abort ();
}

int
main (int argc, char **argv)
{
  guint rounds;
  GRand *rand = mutate_begin (argc, argv, &rounds);

  moss_crypto_init (NULL);
  for (guint i = 0; i < rounds; i++)
    meddle (rand, i % 2);
  g_rand_free (rand);
  return 0;
}
#endif
