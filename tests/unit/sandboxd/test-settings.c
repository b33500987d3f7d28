/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "init.h"

#include <glib.h>
#include <stdlib.h>

static void
assert_edit (const char *before, const char *value, const char *after)
{
  char *text = init_settings_edit (before, "a/b", "key", value);

  g_assert_cmpstr (text, ==, after);
  free (text);
}

static void
test_edit (void)
{
  assert_edit ("", "1", "[a/b]\nkey=1\n");
  assert_edit ("[a/b]\nkey=1\n", "2", "[a/b]\nkey=2\n");
  assert_edit ("[a/b]\nother=1\nkey=1", "2", "[a/b]\nkey=2\nother=1\n");
  assert_edit ("[x]\nkey=1\n\n[a/b]\nkeys=1\n", "2", "[x]\nkey=1\n\n[a/b]\nkey=2\nkeys=1\n");
  assert_edit ("[x]\ny=1", "2", "[x]\ny=1\n[a/b]\nkey=2\n");
  assert_edit ("[a/b]\nkey=1\nkey=3\n[c]\nkey=4\n", "2", "[a/b]\nkey=2\n[c]\nkey=4\n");
}

static void
test_refused (void)
{
  g_assert_false (init_settings_apply ("no-such-key", "x"));
  g_assert_false (init_settings_apply ("font-name", "a'b"));
  g_assert_false (init_settings_apply ("font-name", "a\nb=1"));
  g_assert_false (init_settings_apply ("font-name", ""));
  g_assert_false (init_settings_apply ("text-scale", "1,5"));
  g_assert_false (init_settings_apply ("enable-animations", "yes"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/init/settings/edit", test_edit);
  g_test_add_func ("/init/settings/refused", test_refused);
  return g_test_run ();
}
