/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "json.h"

#include <locale.h>

static void
check (const char *variant, const char *expected)
{
  g_autoptr (GVariant) value = g_variant_parse (NULL, variant, NULL, NULL, NULL);
  g_autofree char *json = NULL;

  g_assert_nonnull (value);
  json = moss_json_from_variant (value);
  g_assert_cmpstr (json, ==, expected);
}

static void
test_numbers (void)
{
  check ("true", "true");
  check ("byte 200", "200");
  check ("int16 -3", "-3");
  check ("uint16 65535", "65535");
  check ("-2147483648", "-2147483648");
  check ("uint32 4294967295", "4294967295");
  check ("int64 -9223372036854775808", "-9223372036854775808");
  check ("uint64 18446744073709551615", "18446744073709551615");
  check ("0.1", "0.10000000000000001");
  check ("1e300", "1.0000000000000001e+300");
}

static void
test_numbers_that_json_lacks (void)
{
  double odd[] = { G_MAXDOUBLE * 2, -G_MAXDOUBLE * 2, 0.0 / 0.0 };

  for (guint i = 0; i < G_N_ELEMENTS (odd); i++)
    {
      g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new_double (odd[i]));
      g_autofree char *json = moss_json_from_variant (value);

      g_assert_cmpstr (json, ==, "null");
    }
}

static void
test_decimal_point (void)
{
  if (setlocale (LC_NUMERIC, "de_DE.UTF-8") == NULL)
    g_test_message ("no German locale here; the point is tested in the C locale");
  check ("0.5", "0.5");
  setlocale (LC_NUMERIC, "C");
}

static void
test_strings (void)
{
  check ("'a\"b\\\\c'", "\"a\\\"b\\\\c\"");
  check ("'tab\\there\\nthere'", "\"tab\\there\\nthere\"");
  check ("'\\u0001\\u001b[2J\\u007f\\u009b'", "\"\\u0001\\u001b[2J\\u007f\\u009b\"");
  check ("'\\u2028é😀'", "\"\\u2028é😀\"");
  check ("''", "\"\"");
}

static void
test_containers (void)
{
  check ("@a{sv} {}", "{}");
  check ("{'a': <1>, 'b': <'x'>}", "{\"a\": 1, \"b\": \"x\"}");
  check ("[{'a': <1>}, {'b': <@as []>}]", "[{\"a\": 1},\n {\"b\": []}]");
  check ("@aa{sv} []", "[]");
  check ("(1, 'x', <(2,)>)", "[1, \"x\", [2]]");
  check ("@ms nothing", "null");
  check ("@ms 'x'", "\"x\"");
  check ("{1: 'x'}", "[[1, \"x\"]]");
}

static void
test_key_that_stands_twice (void)
{
  check ("{'a': <1>, 'a': <2>, 'b': <3>}", "{\"a\": 1, \"b\": 3}");
}

static void
test_bytes (void)
{
  check ("b'abc'", "\"abc\"");
  check ("[byte 0x61, 0xff, 0x00]", "\"a\xef\xbf\xbd\"");
  check ("[byte 0x61, 0xff]", "\"Yf8=\"");
  check ("[byte 0x61, 0x00, 0x62, 0x00]", "\"YQBiAA==\"");
  check ("@ay []", "\"\"");
  check ("[b'foot', b'-e']", "[\"foot\", \"-e\"]");
}

static void
test_number_entry_is_no_object (void)
{
  check ("{'a': 1}", "{\"a\": 1}");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cli/json/numbers", test_numbers);
  g_test_add_func ("/cli/json/numbers-that-json-lacks", test_numbers_that_json_lacks);
  g_test_add_func ("/cli/json/decimal-point", test_decimal_point);
  g_test_add_func ("/cli/json/strings", test_strings);
  g_test_add_func ("/cli/json/containers", test_containers);
  g_test_add_func ("/cli/json/key-that-stands-twice", test_key_that_stands_twice);
  g_test_add_func ("/cli/json/bytes", test_bytes);
  g_test_add_func ("/cli/json/plain-values-in-a-dictionary", test_number_entry_is_no_object);
  return g_test_run ();
}
