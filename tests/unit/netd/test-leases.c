// SPDX-License-Identifier: GPL-3.0-or-later
#include "vfs/netd/lease-record.h"

#include <string.h>

/* docs/formats/lease.md, with tree 11…, device 22…, one lease to write inode 0x0001000000000002. */
static const char vector[] =
    "4d4c5331"
    "1111111111111111111111111111111111111111111111111111111111111111"
    "2222222222222222222222222222222222222222222222222222222222222222"
    "0700000000000000" "00e1f50500000000" "1e000000" "01000000"
    "0200000000000100" "02" "0100" "0300" "736967";

static GBytes *
from_hex (const char *text)
{
  GByteArray *bytes = g_byte_array_new ();

  for (; *text != '\0'; text += 2)
    {
      guint8 byte = g_ascii_xdigit_value (text[0]) << 4 | g_ascii_xdigit_value (text[1]);

      g_byte_array_append (bytes, &byte, 1);
    }
  return g_byte_array_free_to_bytes (bytes);
}

static void
test_vector (void)
{
  g_autoptr (GBytes) wanted = from_hex (vector);
  g_autoptr (GArray) items = g_array_new (FALSE, FALSE, sizeof (LeaseItem));
  g_autoptr (GBytes) signature = g_bytes_new_static ("sig", 3);
  LeaseItem item = { G_GUINT64_CONSTANT (0x0001000000000002), 2 };
  LeaseSet set = { .sequence = 7, .end_us = 100000000, .life_s = 30, .items = items };
  g_autoptr (GByteArray) message = NULL;
  g_autoptr (GBytes) record = NULL;
  g_autoptr (LeaseSet) read = NULL;

  memset (set.tree, 0x11, sizeof set.tree);
  memset (set.device, 0x22, sizeof set.device);
  g_array_append_val (items, item);
  message = lease_set_write (&set);
  record = lease_set_seal (message, 1, signature);
  g_assert_true (g_bytes_equal (record, wanted));
  read = lease_set_read (record, NULL);
  g_assert_nonnull (read);
  g_assert_cmpuint (read->signed_length, ==, message->len);
  g_assert_cmpuint (lease_set_mode (read, item.ino), ==, 2);
  g_assert_cmpuint (lease_set_mode (read, 3), ==, 0);
}

/* Each changed in one place. */
static void
test_refused (void)
{
  static const struct { guint at; guint8 to; } changes[] = {
    { 0, 'X' }, { 84, 61 }, { 88, 2 }, { 91, 0xff }, { 100, 3 }, { 100, 0 }, { 103, 4 },
  };
  g_autoptr (GBytes) good = from_hex (vector);
  gsize length;
  const guint8 *data = g_bytes_get_data (good, &length);

  for (guint i = 0; i < G_N_ELEMENTS (changes); i++)
    {
      g_autofree guint8 *copy = g_memdup2 (data, length);
      g_autoptr (GBytes) bad = NULL;
      g_autoptr (GError) error = NULL;

      copy[changes[i].at] = changes[i].to;
      bad = g_bytes_new (copy, length);
      g_assert_null (lease_set_read (bad, &error));
      g_assert_nonnull (error);
    }
  for (gsize i = 0; i < length; i++)
    {
      g_autoptr (GBytes) torn = g_bytes_new (data, i);

      g_assert_null (lease_set_read (torn, NULL));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/leases/vector", test_vector);
  g_test_add_func ("/leases/refused", test_refused);
  return g_test_run ();
}
