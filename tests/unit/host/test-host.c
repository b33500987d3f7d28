// SPDX-License-Identifier: GPL-3.0-or-later
/* What moss-host understands of a request, without a network. */
#include "vfs/host/rate.h"
#include "vfs/host/route.h"

#include <string.h>

#define HEX_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEX_B "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define NOW 1800000000

static MossToken
make_token (MossTokenVerb verb)
{
  MossToken token = { .suite = 1, .verb = verb, .expires_s = NOW + 60 };

  for (guint i = 0; i < MOSS_HASH_BYTES; i++)
    {
      token.identity[i] = i;
      token.device[i] = 2 * i;
      token.tree[i] = 3 * i;
    }
  g_strlcpy (token.host, "host.example.org:42118", sizeof token.host);
  return token;
}

static void
test_token_comes_back (void)
{
  MossToken token = make_token (MOSS_TOKEN_WRITE);
  MossToken back;
  g_autoptr (GBytes) message = moss_token_message (&token);
  g_autoptr (GBytes) signature = g_bytes_new_static (HEX_A, 64);
  g_autofree char *header = moss_token_header (message, signature);
  g_autoptr (GBytes) message_back = NULL;
  g_autoptr (GBytes) signature_back = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (
      moss_token_parse (header, &back, &message_back, &signature_back, &error));
  g_assert_no_error (error);
  g_assert_cmpmem (&token, sizeof token, &back, sizeof back);
  g_assert_true (g_bytes_equal (message, message_back));
  g_assert_true (g_bytes_equal (signature, signature_back));
}

/* The bytes of docs/formats/host.md. */
static void
test_token_bytes (void)
{
  MossToken token = make_token (MOSS_TOKEN_DELETE);
  g_autoptr (GBytes) message = moss_token_message (&token);
  gsize length;
  const guint8 *bytes = g_bytes_get_data (message, &length);

  g_assert_cmpuint (length, ==, 161 + strlen (token.host));
  g_assert_cmpmem (bytes, 8, "MHT1\1\3\0\0", 8);
  g_assert_cmpmem (bytes + 8, 8, "\x3c\xd2\x49\x6b\0\0\0\0", 8);
  g_assert_cmpuint (bytes[32 + 5], ==, 5);
  g_assert_cmpuint (bytes[64 + 5], ==, 10);
  g_assert_cmpuint (bytes[96 + 5], ==, 15);
  g_assert_cmpuint (bytes[160], ==, strlen (token.host));
}

static void
test_bad_headers (void)
{
  static const char *const bad[] = {
    NULL,    "",          "Moss",          "Moss ",     "Basic YWJj", "Moss YWJj",
    "Moss =", "Moss YW=j", "Moss YWJj\nYWJj", "moss YWJj", "Moss Y",     "Moss ====",
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GBytes) message = NULL;
      g_autoptr (GBytes) signature = NULL;
      g_autoptr (GError) error = NULL;
      MossToken token;

      g_assert_false (moss_token_parse (bad[i], &token, &message, &signature, &error));
      g_assert_nonnull (error);
      g_assert_null (message);
    }
}

static void
check_refused (MossToken token, MossTokenVerb verb, gint64 now, int code)
{
  g_autoptr (GError) error = NULL;
  MossToken other = make_token (MOSS_TOKEN_READ);

  g_assert_false (moss_token_check (&token, verb, other.tree, now, &error));
  g_assert_error (error, MOSS_HOST_ERROR, code);
}

static void
test_token_limits (void)
{
  MossToken token = make_token (MOSS_TOKEN_READ);
  MossToken foreign = token;
  MossToken forever = token;
  MossToken delete = make_token (MOSS_TOKEN_DELETE);

  g_assert_true (moss_token_check (&token, MOSS_TOKEN_READ, token.tree, NOW, NULL));
  check_refused (token, MOSS_TOKEN_WRITE, NOW, MOSS_HOST_ERROR_DENIED);
  check_refused (token, MOSS_TOKEN_DELETE, NOW, MOSS_HOST_ERROR_DENIED);
  check_refused (token, MOSS_TOKEN_READ, NOW + 61, MOSS_HOST_ERROR_EXPIRED);
  foreign.tree[3] ^= 1;
  check_refused (foreign, MOSS_TOKEN_READ, NOW, MOSS_HOST_ERROR_DENIED);
  forever.expires_s = NOW + MOSS_TOKEN_LIFE_S + MOSS_TOKEN_SKEW_S + 1;
  check_refused (forever, MOSS_TOKEN_READ, NOW, MOSS_HOST_ERROR_INVALID);
  delete.expires_s = NOW + MOSS_TOKEN_DELETE_LIFE_S + MOSS_TOKEN_SKEW_S + 1;
  check_refused (delete, MOSS_TOKEN_DELETE, NOW, MOSS_HOST_ERROR_INVALID);
  check_refused (make_token (MOSS_TOKEN_DELETE), MOSS_TOKEN_WRITE, NOW,
                 MOSS_HOST_ERROR_DENIED);
  token = make_token (MOSS_TOKEN_WRITE);
  g_assert_true (moss_token_check (&token, MOSS_TOKEN_READ, token.tree, NOW, NULL));
}

static void
test_bundles (void)
{
  GByteArray *array = g_byte_array_new ();
  g_autoptr (GBytes) bundle = NULL;
  g_autoptr (GBytes) torn = NULL;
  g_autoptr (GBytes) object = NULL;
  guint count;
  gsize at = 0;

  moss_bundle_add (array, (const guint8 *) "abc", 3);
  moss_bundle_add (array, NULL, 0);
  moss_bundle_add (array, (const guint8 *) "d", 1);
  bundle = g_byte_array_free_to_bytes (array);
  g_assert_true (moss_bundle_check (bundle, &count, NULL));
  g_assert_cmpuint (count, ==, 3);
  g_assert_true (moss_bundle_next (bundle, &at, &object, NULL));
  g_assert_cmpmem (g_bytes_get_data (object, NULL), 3, "abc", 3);
  for (gsize length = 1; length < g_bytes_get_size (bundle); length++)
    {
      g_clear_pointer (&torn, g_bytes_unref);
      torn = g_bytes_new_from_bytes (bundle, 0, length);
      g_assert_true (moss_bundle_check (torn, &count, NULL) == (length == 7 || length == 11));
    }
}

static RouteKind
kind_of (const char *method, const char *path, const char *query)
{
  Route route;

  route_parse (method, path, query, &route);
  return route.kind;
}

static void
test_routes (void)
{
  Route route;

  g_assert_cmpint (kind_of ("GET", "/", NULL), ==, ROUTE_ABOUT);
  g_assert_cmpint (kind_of ("PUT", "/", NULL), ==, ROUTE_WRONG_VERB);
  g_assert_cmpint (kind_of ("GET", "/o/" HEX_A "/" HEX_B, NULL), ==, ROUTE_GET_OBJECT);
  g_assert_cmpint (kind_of ("HEAD", "/o/" HEX_A "/" HEX_B, NULL), ==, ROUTE_GET_OBJECT);
  g_assert_cmpint (kind_of ("PUT", "/o/" HEX_A "/" HEX_B, NULL), ==, ROUTE_PUT_OBJECT);
  g_assert_cmpint (kind_of ("DELETE", "/o/" HEX_A "/" HEX_B, NULL), ==, ROUTE_WRONG_VERB);
  g_assert_cmpint (kind_of ("GET", "/o/" HEX_A "/" HEX_B "0", NULL), ==, ROUTE_NONE);
  g_assert_cmpint (kind_of ("GET", "/o/" HEX_A "/../host.db", NULL), ==, ROUTE_NONE);
  g_assert_cmpint (kind_of ("GET", "/o/../../etc/passwd", NULL), ==, ROUTE_NONE);
  g_assert_cmpint (kind_of ("GET", "/o/A" HEX_A, NULL), ==, ROUTE_NONE);
  g_assert_cmpint (kind_of ("POST", "/o/" HEX_A "/many", NULL), ==, ROUTE_MANY);
  g_assert_cmpint (kind_of ("POST", "/o/" HEX_A "/missing", NULL), ==, ROUTE_MISSING);
  g_assert_cmpint (kind_of ("POST", "/o/" HEX_A "/fetch", NULL), ==, ROUTE_FETCH);
  g_assert_cmpint (kind_of ("POST", "/o/" HEX_A "/delete", NULL), ==, ROUTE_DELETE);
  g_assert_cmpint (kind_of ("PUT", "/cell/" HEX_A, NULL), ==, ROUTE_PUT_CELL);
  g_assert_cmpint (kind_of ("GET", "/cell/" HEX_A "/", NULL), ==, ROUTE_NONE);
  g_assert_cmpint (kind_of ("GET", "/id/~abc", NULL), ==, ROUTE_NONE);
  route_parse ("GET", "/o/" HEX_A, "after=" HEX_B "&limit=7", &route);
  g_assert_cmpint (route.kind, ==, ROUTE_LIST);
  g_assert_cmpuint (route.limit, ==, 7);
  g_assert_cmpuint (route.object.bytes[15], ==, 0xff);
  g_assert_cmpint (kind_of ("GET", "/o/" HEX_A, "limit=0"), ==, ROUTE_NONE);
  g_assert_cmpint (kind_of ("GET", "/o/" HEX_A, "after=zz"), ==, ROUTE_NONE);
}

static void
test_finger (void)
{
  Route route;

  route_parse ("GET", "/.well-known/webfinger", "resource=acct%3Ame%40example.org", &route);
  g_assert_cmpint (route.kind, ==, ROUTE_FINGER);
  g_assert_cmpstr (route.name, ==, "me");
  g_assert_cmpstr (route.domain, ==, "example.org");
  route_parse ("GET", "/.well-known/webfinger", "resource=acct:../x@example.org", &route);
  g_assert_cmpstr (route.name, ==, "");
  route_parse ("GET", "/.well-known/webfinger", "resource=mailto:me@example.org", &route);
  g_assert_cmpstr (route.name, ==, "");
  route_parse ("GET", "/.well-known/webfinger", NULL, &route);
  g_assert_cmpstr (route.name, ==, "");
}

static void
check_range (const char *header, guint64 start, guint64 length)
{
  guint64 got_start, got_length;

  g_assert_true (route_parse_range (header, 1000, &got_start, &got_length));
  g_assert_cmpuint (got_start, ==, start);
  g_assert_cmpuint (got_length, ==, length);
}

static void
test_ranges (void)
{
  guint64 start, length;

  check_range (NULL, 0, 1000);
  check_range ("bytes=0-0", 0, 1);
  check_range ("bytes=10-19", 10, 10);
  check_range ("bytes=990-", 990, 10);
  check_range ("bytes=990-99999999", 990, 10);
  check_range ("bytes=-5", 995, 5);
  check_range ("bytes=-5000", 0, 1000);
  /* What isn't understood is all of it: RFC 9110, 14.2. */
  check_range ("bytes=5-4", 0, 1000);
  check_range ("bytes=1-2,4-5", 0, 1000);
  check_range ("bytes=+1-2", 0, 1000);
  check_range ("bytes=99999999999999999999-", 0, 1000);
  check_range ("lines=1-2", 0, 1000);
  g_assert_false (route_parse_range ("bytes=1000-", 1000, &start, &length));
  g_assert_false (route_parse_range ("bytes=-0", 1000, &start, &length));
}

static void
test_small_headers (void)
{
  char etag[65];

  g_assert_cmpuint (route_parse_wait ("wait=60"), ==, 60);
  g_assert_cmpuint (route_parse_wait ("wait=99999"), ==, ROUTE_WAIT_MAX_S);
  g_assert_cmpuint (route_parse_wait ("wait=-1"), ==, 0);
  g_assert_cmpuint (route_parse_wait ("wait=1, respond-async"), ==, 0);
  g_assert_cmpuint (route_parse_wait (NULL), ==, 0);
  g_assert_true (route_parse_etag ("\"" HEX_A "\"", etag));
  g_assert_cmpstr (etag, ==, HEX_A);
  g_assert_false (route_parse_etag (HEX_A, etag));
  g_assert_false (route_parse_etag ("W/\"" HEX_A "\"", etag));
  g_assert_false (route_parse_etag ("\"AA\"", etag));
}

static void
test_rates (void)
{
  Rate rate = { 0 };
  RateTable *table = rate_table_new (10, 20);
  guint passed = 0;
  gint64 now = 1000 * G_USEC_PER_SEC;

  for (guint i = 0; i < 100; i++)
    passed += rate_take (&rate, 10, 20, now);
  g_assert_cmpuint (passed, ==, 20);
  g_assert_false (rate_take (&rate, 10, 20, now + 50 * 1000));
  g_assert_true (rate_take (&rate, 10, 20, now + 110 * 1000));
  for (guint i = 0; i < 10000; i++)
    {
      g_autofree char *who = g_strdup_printf ("10.0.%u.%u", i / 256, i % 256);

      g_assert_true (rate_table_take (table, who, now) == (i < 4096));
    }
  g_assert_true (rate_table_take (table, "late", now + 3 * G_USEC_PER_SEC));
  rate_table_free (table);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/host/token-comes-back", test_token_comes_back);
  g_test_add_func ("/host/token-bytes", test_token_bytes);
  g_test_add_func ("/host/bad-headers", test_bad_headers);
  g_test_add_func ("/host/token-limits", test_token_limits);
  g_test_add_func ("/host/bundles", test_bundles);
  g_test_add_func ("/host/routes", test_routes);
  g_test_add_func ("/host/finger", test_finger);
  g_test_add_func ("/host/ranges", test_ranges);
  g_test_add_func ("/host/small-headers", test_small_headers);
  g_test_add_func ("/host/rates", test_rates);
  return g_test_run ();
}
