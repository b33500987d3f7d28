// SPDX-License-Identifier: GPL-3.0-or-later
/* Everything that moss-host makes of a stranger's bytes before it knows who sent them, and what
 * it makes of bodies. */
#include "mutate.h"

#include "vfs/host/route.h"

#define HEX "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void
feed_route (const char *text)
{
  g_auto (GStrv) parts = g_strsplit (text, " ", 3);
  Route route;
  char etag[2 * MOSS_HASH_BYTES + 1];
  guint64 start, length;

  if (g_strv_length (parts) < 3)
    return;
  route_parse (parts[0], parts[1], parts[2], &route);
  if (route.limit > ROUTE_LIST_MAX || route_max_body (route.kind) > MOSS_BUNDLE_MAX_BYTES ||
      (*route.name != '\0' && !route_name_ok (route.name)))
    abort ();
  if (route_parse_range (parts[2], 1000, &start, &length) &&
      (length == 0 || start + length > 1000))
    abort ();
  if (route_parse_wait (parts[2]) > ROUTE_WAIT_MAX_S)
    abort ();
  if (route_parse_etag (parts[2], etag) && strlen (etag) != 2 * MOSS_HASH_BYTES)
    abort ();
}

static void
feed_token (const char *text)
{
  g_autoptr (GBytes) message = NULL;
  g_autoptr (GBytes) signature = NULL;
  g_autoptr (GBytes) again = NULL;
  MossToken token;

  if (!moss_token_parse (text, &token, &message, &signature, NULL))
    return;
  /* What was understood is what was signed, byte for byte. */
  again = moss_token_message (&token);
  if (!g_bytes_equal (again, message))
    abort ();
}

static void
feed_bundle (GBytes *body)
{
  g_autoptr (GArray) ids = moss_id_list_parse (body, NULL);
  guint count, seen = 0;
  gsize at = 0;

  if (!moss_bundle_check (body, &count, NULL))
    return;
  for (;; seen++)
    {
      g_autoptr (GBytes) object = NULL;

      if (!moss_bundle_next (body, &at, &object, NULL))
        abort ();
      if (object == NULL)
        break;
    }
  if (seen != count)
    abort ();
}

static GPtrArray *
make_seeds (void)
{
  static const char *const requests[] = {
    "GET /o/" HEX "/" HEX " bytes=10-20",
    "GET /o/" HEX " after=" HEX "&limit=100",
    "POST /o/" HEX "/missing x",
    "PUT /cell/" HEX " \"" HEX "\"",
    "GET /.well-known/webfinger resource=acct%3Aada%40example.org",
    "GET /id/~jpdzymkgohog5yxq4aj5fbywlvszwawdpc7pxiz77zuvum2vwwma wait=300",
  };
  GPtrArray *seeds = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  GByteArray *bundle = g_byte_array_new ();
  MossToken token = { .suite = 1, .verb = 2, .expires_s = 1800000000, .host = "a.b:80" };
  g_autoptr (GBytes) message = moss_token_message (&token);
  g_autoptr (GBytes) signature = g_bytes_new_static (HEX, 64);
  g_autofree char *header = moss_token_header (message, signature);

  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    g_ptr_array_add (seeds, g_bytes_new_static (requests[i], strlen (requests[i])));
  g_ptr_array_add (seeds, g_bytes_new (header, strlen (header)));
  for (guint i = 0; i < 5; i++)
    moss_bundle_add (bundle, (const guint8 *) HEX, 7 * i);
  g_ptr_array_add (seeds, g_byte_array_free_to_bytes (bundle));
  return seeds;
}

int
main (int argc, char **argv)
{
  guint rounds;
  g_autoptr (GRand) rand = mutate_begin (argc, argv, &rounds);
  g_autoptr (GPtrArray) seeds = make_seeds ();

  for (guint i = 0; i < rounds; i++)
    {
      GBytes *seed = g_ptr_array_index (seeds, i % seeds->len);
      GByteArray *array =
          mutate (rand, g_bytes_get_data (seed, NULL), g_bytes_get_size (seed));
      g_autoptr (GBytes) bytes = g_byte_array_free_to_bytes (array);
      g_autofree char *text =
          g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));

      feed_route (text);
      feed_token (text);
      feed_bundle (bytes);
    }
  return 0;
}
