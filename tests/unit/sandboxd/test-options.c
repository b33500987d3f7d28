/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "error.h"
#include "files.h"
#include "options.h"
#include "spawn.h"

#include <string.h>

static MossSandboxOptions *
parse (const char *text, MossSandboxOptionsUse use, GError **error)
{
  g_autoptr (GVariant) dict
      = g_variant_ref_sink (g_variant_parse (G_VARIANT_TYPE_VARDICT, text, NULL, NULL, NULL));

  return moss_sandbox_options_parse (dict, use, error);
}

static void
assert_refused (const char *text, MossSandboxOptionsUse use, int code)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (parse (text, use, &error));
  g_assert_error (error, MOSS_SANDBOX_ERROR, code);
}

static void
test_ids (void)
{
  static const char *const bad[] = { "", "..", "11111111-2222-3333-4444-55555555555",
                                     "11111111-2222-3333-4444-5555555555555",
                                     "11111111-2222-3333-4444-55555555555G",
                                     "11111111-2222-3333-4444-55555555555A",
                                     "11111111x2222-3333-4444-555555555555",
                                     "11111111-2222-3333-4444/555555555555" };

  g_assert_true (moss_sandbox_id_is_valid ("01234567-89ab-cdef-0123-456789abcdef"));
  g_assert_false (moss_sandbox_id_is_valid (NULL));
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (moss_sandbox_id_is_valid (bad[i]));
}

static void
test_environment (void)
{
  static const char *const good[] = { "LANG=de_DE.UTF-8", "LC_ALL=C", "TERM=", "GTK_THEME=x" };
  static const char *const bad[] = { "LANG", "=x", "LD_PRELOAD=x", "LC_a=1", "LC_X/=1", "PATH=/",
                                     "HOME=/", "GTK_MODULES=x", "WAYLAND_SOCKET=3",
                                     "GLIBC_TUNABLES=x", "LANG\n=x" };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    g_assert_true (moss_sandbox_env_is_allowed (good[i]));
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (moss_sandbox_env_is_allowed (bad[i]));
}

static void
test_good_options (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MossSandboxOptions) options
      = parse ("{'argv': <[b'/usr/bin/foot', b'a b']>, 'env': <['LANG=de']>, 'network': <true>}",
               MOSS_SANDBOX_OPTIONS_CREATE, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (options->argv[1], ==, "a b");
  g_assert_cmpstr (options->name, ==, "foot");
  g_assert_cmpstr (options->cwd, ==, MOSS_SANDBOX_HOME);
  g_assert_true (options->network);
  g_assert_false (options->x11);
}

static void
test_bad_options (void)
{
  const MossSandboxOptionsUse create = MOSS_SANDBOX_OPTIONS_CREATE;
  g_autoptr (GString) many = g_string_new ("{'argv': <[b'x'");

  assert_refused ("{}", create, MOSS_SANDBOX_ERROR_INVALID);
  assert_refused ("{'argv': <@aay []>}", create, MOSS_SANDBOX_ERROR_INVALID);
  assert_refused ("{'argv': <[b'']>}", create, MOSS_SANDBOX_ERROR_INVALID);
  assert_refused ("{'argv': <['text']>}", create, MOSS_SANDBOX_ERROR_INVALID);
  assert_refused ("{'argv': <[b'x']>, 'root': <'/'>}", create, MOSS_SANDBOX_ERROR_INVALID);
  assert_refused ("{'argv': <[b'x']>, 'cwd': <b'home'>}", create, MOSS_SANDBOX_ERROR_INVALID);
  assert_refused ("{'argv': <[b'x']>, 'name': <''>}", create, MOSS_SANDBOX_ERROR_INVALID);
  assert_refused ("{'argv': <[b'x']>, 'env': <['PATH=/x']>}", create,
                  MOSS_SANDBOX_ERROR_DENIED);
  assert_refused ("{'argv': <[b'x']>}", MOSS_SANDBOX_OPTIONS_RESTORE,
                  MOSS_SANDBOX_ERROR_INVALID);
  assert_refused ("{'x11': <true>}", MOSS_SANDBOX_OPTIONS_RESTORE, MOSS_SANDBOX_ERROR_INVALID);
  for (int i = 0; i < MOSS_SANDBOX_MAX_ARGS; i++)
    g_string_append (many, ", b'x'");
  g_string_append (many, "]>}");
  assert_refused (many->str, create, MOSS_SANDBOX_ERROR_LIMIT);
}

static void
test_app_environment (void)
{
  g_autoptr (MossSandboxOptions) options
      = parse ("{'argv': <[b'x']>, 'env': <['LANG=de', 'TZ=UTC']>, 'x11': <true>}",
               MOSS_SANDBOX_OPTIONS_CREATE, NULL);
  g_auto (GStrv) env = moss_spawn_make_env (options);
  const char *const *list = (const char *const *) env;

  g_assert_true (g_strv_contains (list, "LANG=de"));
  g_assert_true (g_strv_contains (list, "TZ=UTC"));
  g_assert_true (g_strv_contains (list, "TERM=xterm-256color"));
  g_assert_true (g_strv_contains (list, "GDK_BACKEND=x11"));
  g_assert_true (g_strv_contains (list, "DISPLAY=:0"));
  g_assert_false (g_strv_contains (list, "LANG=C.UTF-8"));
}

static void
test_file_names (void)
{
  g_autofree char *longest = g_strnfill (240, 'x');
  g_autofree char *longer = g_strnfill (241, 'x');

  g_assert_true (moss_files_name_is_valid ("Grüße an alle.txt"));
  g_assert_true (moss_files_name_is_valid (longest));
  g_assert_false (moss_files_name_is_valid (longer));
  g_assert_false (moss_files_name_is_valid (""));
  g_assert_false (moss_files_name_is_valid (".."));
  g_assert_false (moss_files_name_is_valid (".profile"));
  g_assert_false (moss_files_name_is_valid ("a/b"));
  g_assert_false (moss_files_name_is_valid ("a\nb"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sandboxd/ids", test_ids);
  g_test_add_func ("/sandboxd/environment", test_environment);
  g_test_add_func ("/sandboxd/options/good", test_good_options);
  g_test_add_func ("/sandboxd/options/bad", test_bad_options);
  g_test_add_func ("/sandboxd/options/app-environment", test_app_environment);
  g_test_add_func ("/sandboxd/file-names", test_file_names);
  return g_test_run ();
}
