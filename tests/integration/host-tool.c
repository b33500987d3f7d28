// SPDX-License-Identifier: GPL-3.0-or-later
/* Plays people and their devices for test_host.py: a line in, a line out.
 *   person NAME            → ~id
 *   add PERSON             → slot of a new device
 *   revoke PERSON SLOT     → ok
 *   chain PERSON [SEQ]     → hex of the chain, cut after a statement
 *   token PERSON SLOT HOST VERB TREE SECONDS [DIGEST] → value of "Authorization" */
#include "chain-kit.h"

#include "vfs/host/bundle.h"
#include "vfs/host/token.h"

#include "core/clock.h"

#include <stdio.h>
#include <string.h>

typedef struct
{
  MossChain *chain;
  GPtrArray *devices; /* KitDevice */
  GPtrArray *lengths; /* of the chain after each change */
} Someone;

static GPtrArray *people;

static void
say_hex (const guint8 *bytes, gsize length)
{
  for (gsize i = 0; i < length; i++)
    printf ("%02x", bytes[i]);
  printf ("\n");
}

static void
take (Someone *someone, MossChain *chain)
{
  g_assert_nonnull (chain);
  g_clear_pointer (&someone->chain, moss_chain_unref);
  someone->chain = chain;
  g_ptr_array_add (someone->lengths,
                   GSIZE_TO_POINTER (g_bytes_get_size (moss_chain_get_bytes (chain))));
}

static void
make_person (const char *name)
{
  Someone *someone = g_new0 (Someone, 1);
  KitDevice *device = kit_device_new (people->len % 2 + 1, "desktop", 1);

  someone->devices = g_ptr_array_new ();
  someone->lengths = g_ptr_array_new ();
  g_ptr_array_add (someone->devices, device);
  take (someone, kit_create (device, name));
  g_ptr_array_add (people, someone);
  printf ("%s\n", moss_chain_get_id_text (someone->chain));
}

static void
add_device (Someone *someone)
{
  KitDevice *first = g_ptr_array_index (someone->devices, 0);
  KitDevice *device = kit_device_new (MOSS_SUITE_SODIUM, "laptop", someone->devices->len + 1);

  g_ptr_array_add (someone->devices, device);
  take (someone, kit_add (first, someone->chain, device, NULL));
  printf ("%u\n", someone->devices->len);
}

static void
revoke_device (Someone *someone, guint slot)
{
  KitDevice *first = g_ptr_array_index (someone->devices, 0);
  guint generation = moss_chain_get_generation (someone->chain);
  g_autoptr (GBytes) key = kit_user_key (generation);
  g_autoptr (GBytes) next = kit_user_key (generation + 1);

  take (someone, moss_author_revoke (&first->author, someone->chain, slot, key, next, NULL));
  printf ("ok\n");
}

static void
make_token (Someone *someone, char **words)
{
  KitDevice *device = g_ptr_array_index (someone->devices, atoi (words[2]) - 1);
  MossToken token = { .suite = device->record->suite, .verb = atoi (words[4]) };
  g_autoptr (GBytes) message = NULL;
  g_autoptr (GBytes) signature = NULL;
  g_autofree char *header = NULL;
  MossId id;

  token.expires_s = moss_clock_now_us () / G_USEC_PER_SEC + atoi (words[6]);
  moss_crypto_random (token.nonce, sizeof token.nonce);
  memcpy (token.identity, moss_chain_get_id (someone->chain), MOSS_HASH_BYTES);
  memcpy (token.device, device->record->fingerprint, MOSS_HASH_BYTES);
  g_strlcpy (token.host, words[3], sizeof token.host);
  g_assert_true (moss_id_from_string (words[5], &id));
  memcpy (token.tree, id.bytes, MOSS_HASH_BYTES);
  if (words[7] != NULL && moss_id_from_string (words[7], &id))
    memcpy (token.digest, id.bytes, MOSS_HASH_BYTES);
  message = moss_token_message (&token);
  signature = moss_sign_domain (token.suite, device->secret, MOSS_TOKEN_DOMAIN,
                                g_bytes_get_data (message, NULL), g_bytes_get_size (message),
                                NULL);
  header = moss_token_header (message, signature);
  printf ("%s\n", header);
}

static void
show_chain (Someone *someone, const char *change)
{
  GBytes *bytes = moss_chain_get_bytes (someone->chain);
  gsize length = g_bytes_get_size (bytes);

  if (change != NULL)
    length = GPOINTER_TO_SIZE (g_ptr_array_index (someone->lengths, atoi (change)));
  say_hex (g_bytes_get_data (bytes, NULL), length);
}

static void
obey (char **words)
{
  Someone *someone = words[1] == NULL || !g_ascii_isdigit (*words[1])
                         ? NULL
                         : g_ptr_array_index (people, atoi (words[1]));

  if (g_str_equal (words[0], "person"))
    make_person (words[1]);
  else if (g_str_equal (words[0], "add"))
    add_device (someone);
  else if (g_str_equal (words[0], "revoke"))
    revoke_device (someone, atoi (words[2]));
  else if (g_str_equal (words[0], "chain"))
    show_chain (someone, words[2]);
  else if (g_str_equal (words[0], "token"))
    make_token (someone, words);
  fflush (stdout);
}

int
main (void)
{
  char line[1024];

  g_assert_true (moss_crypto_init (NULL));
  people = g_ptr_array_new ();
  while (fgets (line, sizeof line, stdin) != NULL)
    {
      g_auto (GStrv) words = g_strsplit (g_strstrip (line), " ", -1);

      obey (words);
    }
  return 0;
}
