// SPDX-License-Identifier: GPL-3.0-or-later
/* What the Functions page makes of the broker's offers: groups, costs between measurements, where
 * another one wins; and of nonsense: nothing. */
#include "shell/functions/offers.h"

#include <locale.h>
#include <math.h>

static GPtrArray *
parse (const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) offers = g_variant_parse (G_VARIANT_TYPE ("aa{sv}"), text, NULL, NULL,
                                                 &error);

  g_assert_no_error (error);
  return moss_capabilities_new (offers);
}

/* Fast to begin with and steep, against slow to begin with and flat. */
static const char two[]
    = "[{'key': <'encode video/x-raw -> image/png'>, 'name': <'steep'>, 'kind': <'in-process'>,"
      "  'calls': <uint64 700>, 'curve': <[(uint64 1024, 100.0, uint32 3),"
      "                                    (1048576, 102400.0, 3)]>},"
      " {'key': <'encode video/x-raw -> image/png'>, 'name': <'flat'>, 'kind': <'local'>,"
      "  'warm': <true>, 'calls': <uint64 2>, 'curve': <[(uint64 1024, 10000.0, uint32 3),"
      "                                    (1048576, 20000.0, 3)]>},"
      " {'key': <'hash sha256 application/octet-stream -> application/x-moss-digest'>,"
      "  'name': <'sha256sum'>, 'kind': <'local'>, 'warm': <false>, 'start-us': <uint64 5000>}]";

static void
test_groups (void)
{
  g_autoptr (GPtrArray) capabilities = parse (two);
  MossCapability *encode, *hash;
  g_autofree char *text = NULL;

  g_assert_cmpuint (capabilities->len, ==, 2);
  encode = capabilities->pdata[0];
  hash = capabilities->pdata[1];
  g_assert_cmpstr (encode->title, ==, "encode → image/png");
  g_assert_cmpstr (hash->title, ==, "hash sha256");
  g_assert_cmpuint (encode->offers->len, ==, 2);
  g_assert_cmpuint (encode->calls, ==, 702);
  g_assert_cmpstr (((MossOffer *) encode->offers->pdata[0])->name, ==, "steep");
  g_assert_cmpstr (((MossOffer *) hash->offers->pdata[0])->where, ==, "here, cold");
  text = moss_capability_describe (hash);
  g_assert_nonnull (strstr (text, "not called yet"));
}

static void
test_costs (void)
{
  g_autoptr (GPtrArray) capabilities = parse (two);
  MossCapability *encode = capabilities->pdata[0], *hash = capabilities->pdata[1];
  const MossOffer *steep = encode->offers->pdata[0];
  double bytes = 0;

  g_assert_cmpfloat_with_epsilon (moss_offer_predict (steep, 1), 100, 0.1);
  g_assert_cmpfloat_with_epsilon (moss_offer_predict (steep, 32768), 3200, 1);
  g_assert_cmpfloat_with_epsilon (moss_offer_predict (steep, 4 * 1048576), 409600, 10);
  g_assert_true (isnan (moss_offer_predict (steep, 5 * 1048576)));
  g_assert_true (isnan (moss_offer_predict (hash->offers->pdata[0], 1)));
  g_assert_true (moss_capability_best (encode, 2048) == steep);
  g_assert_cmpstr (moss_capability_crossing (encode, &bytes)->name, ==, "flat");
  g_assert_cmpfloat (bytes, >, 100e3);
  g_assert_cmpfloat (bytes, <, 250e3);
  g_assert_null (moss_capability_crossing (hash, &bytes));
}

static void
test_nonsense (void)
{
  g_autoptr (GPtrArray) capabilities
      = parse ("[@a{sv} {}, {'key': <uint32 3>}, {'key': <'x'>, 'curve': <'no'>, 'name': <1>},"
               " {'key': <'x'>, 'curve': <[(uint64 0, -1.0, uint32 0), (7, 5.0, 1)]>,"
               "  'bytes-per-us': <-3.0>, 'ratio': <1e300>},"
               " {'key': <'x'>, 'curve': <@a(tdu) []>, 'reason': <'lies about its costs'>}]");
  MossCapability *capability;
  double from, to;

  g_assert_cmpuint (capabilities->len, ==, 1);
  capability = capabilities->pdata[0];
  g_assert_cmpuint (capability->offers->len, ==, 3);
  g_assert_true (moss_capability_range (capability, &from, &to));
  g_assert_cmpfloat (from, <, to);
  g_assert_nonnull (moss_capability_best (capability, 8));
  g_assert_null (moss_capability_best (capability, 1e12));
  g_assert_cmpstr (((MossOffer *) capability->offers->pdata[2])->reason, ==,
                   "lies about its costs");
}

static void
test_words (void)
{
  static const struct
  {
    double us;
    const char *text;
  } times[] = { { 0.2, "1 µs" },      { 320, "320 µs" },   { 6100, "6.1 ms" },
                { 61000, "61 ms" },   { 1.2e6, "1.2 s" },  { 61e6, "61 s" },
                { 600e6, "10 min" } };

  for (guint i = 0; i < G_N_ELEMENTS (times); i++)
    {
      g_autofree char *text = moss_format_us (times[i].us);

      g_assert_cmpstr (text, ==, times[i].text);
    }
}

static void
test_whole (void)
{
  static const char *const texts[][2] = { { "1.0 s", "1 s" }, { "4.0 MB", "4 MB" },
                                          { "1.5 s", "1.5 s" }, { "10 ms", "10 ms" },
                                          { "1.05 s", "1.05 s" }, { "", "" } };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autofree char *text = moss_format_whole (g_strdup (texts[i][0]));

      g_assert_cmpstr (text, ==, texts[i][1]);
    }
}

static void
test_request_title (void)
{
  g_autofree char *convert = moss_request_title ("convert(image/png) -> image/webp");
  g_autofree char *filter = moss_request_title (
      "filter sharpen(video/x-raw;sigma:d?) -> video/x-raw");
  g_autofree char *value = moss_request_title (
      "generate greeting(;name:s) -> application/x-moss-value,type=s");
  g_autofree char *none = moss_request_title ("this is none");

  g_assert_cmpstr (convert, ==, "convert png → image/webp");
  g_assert_cmpstr (filter, ==, "filter sharpen");
  g_assert_cmpstr (value, ==, "generate greeting");
  g_assert_cmpstr (none, ==, "this is none");
}

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "C.UTF-8");
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/shell/offers/groups", test_groups);
  g_test_add_func ("/shell/offers/costs", test_costs);
  g_test_add_func ("/shell/offers/nonsense", test_nonsense);
  g_test_add_func ("/shell/offers/words", test_words);
  g_test_add_func ("/offers/whole", test_whole);
  g_test_add_func ("/offers/request-title", test_request_title);
  return g_test_run ();
}
