/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "progress.h"
#include "table.h"
#include "text.h"

#include <locale.h>
#include <string.h>

static void
test_clean (void)
{
  g_autofree char *clean = moss_text_clean ("a\033]0;b\007\xff\u202e\u2066ok\n");

  g_assert_cmpstr (clean, ==, "a�]0;b����ok�");
}

static void
test_width (void)
{
  g_assert_cmpuint (moss_text_width ("abc"), ==, 3);
  g_assert_cmpuint (moss_text_width ("文件"), ==, 4);
  g_assert_cmpuint (moss_text_width ("e\u0301"), ==, 1);
}

static void
test_shorten (void)
{
  g_autofree char *whole = moss_text_shorten ("abc", 3);
  g_autofree char *cut = moss_text_shorten ("abcd", 3);
  g_autofree char *wide = moss_text_shorten ("文件夹", 4);
  g_autofree char *none = moss_text_shorten ("abc", 0);

  g_assert_cmpstr (whole, ==, "abc");
  g_assert_cmpstr (cut, ==, "ab…");
  g_assert_cmpuint (moss_text_width (wide), <=, 4);
  g_assert_cmpstr (none, ==, "");
}

static void
test_table (void)
{
  const char *columns[] = { "A", ">SIZE", "NOTE", NULL };
  g_autoptr (MossTable) table = moss_table_new (columns);
  g_autofree char *text = NULL;
  g_autofree char *narrow = NULL;

  moss_table_add (table, "文件");
  moss_table_add (table, "1 kB");
  moss_table_add (table, "a long note");
  moss_table_add (table, "x");
  moss_table_add (table, "123456");
  moss_table_add (table, "");
  text = moss_table_format (table, 0);
  narrow = moss_table_format (table, 19);
  g_assert_cmpstr (text, ==,
                   "A       SIZE  NOTE\n"
                   "文件    1 kB  a long note\n"
                   "x     123456\n");
  g_assert_nonnull (strstr (narrow, "1 kB  a lo…\n"));
}

static void
test_table_of_headings (void)
{
  const char *columns[] = { "A", "B", NULL };
  g_autoptr (MossTable) table = moss_table_new (columns);
  g_autofree char *text = moss_table_format (table, 80);

  g_assert_cmpstr (text, ==, "A  B\n");
}

static void
test_progress (void)
{
  g_autofree char *half = moss_progress_format ("foot → laptop", 0.5, "sending", 80);
  g_autofree char *odd = moss_progress_format ("x", 0.0 / 0.0, "\033[2J", 80);
  g_autofree char *more = moss_progress_format ("x", 7, "", 80);
  g_autofree char *narrow = moss_progress_format ("foot → laptop", 0.5, "sending", 20);

  g_assert_nonnull (strstr (half, " 50 %  sending"));
  g_assert_nonnull (strstr (odd, "  0 %"));
  g_assert_null (strchr (odd, '\033'));
  g_assert_nonnull (strstr (more, "100 %"));
  g_assert_cmpuint (moss_text_width (narrow), <=, 20);
}

static void
test_dict (void)
{
  g_autoptr (GVariant) dict
      = g_variant_ref_sink (g_variant_new_parsed ("{'u': <uint32 3>, 't': <uint64 4>, "
                                                  "'s': <'x'>, 'd': <0.5>, 'b': <true>}"));

  g_assert_cmpfloat (moss_dict_number (dict, "u", -1), ==, 3);
  g_assert_cmpfloat (moss_dict_number (dict, "t", -1), ==, 4);
  g_assert_cmpfloat (moss_dict_number (dict, "d", -1), ==, 0.5);
  g_assert_cmpfloat (moss_dict_number (dict, "s", -1), ==, -1);
  g_assert_cmpfloat (moss_dict_number (dict, "none", -1), ==, -1);
  g_assert_cmpstr (moss_dict_string (dict, "u"), ==, "");
  g_assert_cmpstr (moss_dict_string (dict, "s"), ==, "x");
  g_assert_true (moss_dict_boolean (dict, "b"));
  g_assert_false (moss_dict_boolean (dict, "s"));
}

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "C.UTF-8");
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cli/text/clean", test_clean);
  g_test_add_func ("/cli/text/width", test_width);
  g_test_add_func ("/cli/text/shorten", test_shorten);
  g_test_add_func ("/cli/text/table", test_table);
  g_test_add_func ("/cli/text/table-of-headings", test_table_of_headings);
  g_test_add_func ("/cli/text/progress", test_progress);
  g_test_add_func ("/cli/text/dict", test_dict);
  return g_test_run ();
}
