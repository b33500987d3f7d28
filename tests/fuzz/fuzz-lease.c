// SPDX-License-Identifier: GPL-3.0-or-later
/* What another device says of its leases. */
#include "mutate.h"

#include "vfs/netd/lease-record.h"

static GBytes *
make_record (guint count)
{
  g_autoptr (GArray) items = g_array_new (FALSE, FALSE, sizeof (LeaseItem));
  g_autoptr (GByteArray) message = NULL;
  g_autoptr (GBytes) signature = g_bytes_new_static ("signed", 6);
  LeaseSet set = { .sequence = 7, .end_us = 1000, .life_s = 30, .items = items };

  for (guint i = 0; i < count; i++)
    {
      LeaseItem item = { i + 1, 1 + i % 2 };

      g_array_append_val (items, item);
    }
  message = lease_set_write (&set);
  return lease_set_seal (message, 1, signature);
}

static void
feed (const guint8 *data, gsize length)
{
  g_autoptr (GBytes) record = g_bytes_new_static (data, length);
  g_autoptr (LeaseSet) set = lease_set_read (record, NULL);
  g_autoptr (GByteArray) again = NULL;
  g_autoptr (GBytes) whole = NULL;

  if (set == NULL)
    return;
  if (set->items->len > LEASE_ITEMS_MAX || set->life_s > LEASE_LIFE_MAX_S
      || set->signed_length > length)
    abort ();
  again = lease_set_write (set);
  whole = lease_set_seal (again, set->suite, set->signature);
  if (!g_bytes_equal (whole, record))
    abort (); /* there is one form of each */
}

int
main (int argc, char **argv)
{
  guint rounds;
  g_autoptr (GRand) rand = mutate_begin (argc, argv, &rounds);

  for (guint i = 0; i < rounds; i++)
    {
      g_autoptr (GBytes) seed = make_record (i % 5);
      g_autoptr (GByteArray) bytes
          = mutate (rand, g_bytes_get_data (seed, NULL), g_bytes_get_size (seed));

      if (i < 5)
        feed (g_bytes_get_data (seed, NULL), g_bytes_get_size (seed));
      feed (bytes->data, bytes->len);
    }
  return 0;
}
