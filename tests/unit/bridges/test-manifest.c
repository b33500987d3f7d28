// SPDX-License-Identifier: GPL-3.0-or-later
/* Manifests: what they say, what is refused, and that nothing of a caller's gets into a
 * program's arguments but what the manifest allows. All that are installed are read. */
#include "ffi-broker/types/manifest.h"

#include <string.h>

#define HEAD "[Provider]\nId=x\nProgram=/bin/x\n[Function f]\n"
#define SCALE                                                                                \
  HEAD "Capability=transform shrink(video/x-raw,format=RGB;width:i,how:s?) -> "              \
       "video/x-raw,format=RGB\nArguments=-s;{in.width}x{in.height};{in.format}:-;"          \
       "--to={width};{how}\nRange-width=1;100\nWords-how=fast:-q;good:;best:--slow\n"        \
       "Default-how=-d\nWords-in.format=RGB:rgb24\n"

static MossFfiManifest *
parse (const char *text)
{
  g_autoptr (GError) error = NULL;
  MossFfiManifest *manifest = moss_ffi_manifest_parse (text, strlen (text), &error);

  g_assert_no_error (error);
  return manifest;
}

/* The arguments, joined; or "refused". */
static char *
expand (const char *manifest_text, const char *caps_text, const char *options_text)
{
  g_autoptr (MossFfiManifest) manifest = parse (manifest_text);
  g_autoptr (MossFfiCaps) caps = moss_ffi_caps_parse (caps_text, NULL);
  g_autoptr (GVariant) options = g_variant_parse (G_VARIANT_TYPE_VARDICT, options_text, NULL,
                                                  NULL, NULL);
  g_auto (GStrv) arguments = NULL;

  g_assert_nonnull (options);
  arguments = moss_ffi_manifest_function_expand (g_ptr_array_index (manifest->functions, 0), caps,
                                                 options, NULL);
  return arguments != NULL ? g_strjoinv (" ", arguments) : g_strdup ("refused");
}

static void
test_arguments (void)
{
  static const char *const rows[][3] = {
    { "video/x-raw,format=RGB,width=5,height=7", "{'width': <30>}",
      "-s 5x7 rgb24:- --to=30 -d" },
    { "video/x-raw,format=RGB,width=5,height=7", "{'width': <30>, 'how': <'good'>}",
      "-s 5x7 rgb24:- --to=30" },
    { "video/x-raw,format=RGB,width=5,height=7", "{'width': <1>, 'how': <'best'>}",
      "-s 5x7 rgb24:- --to=1 --slow" },
    { "video/x-raw,format=RGB,width=5,height=7", "{'width': <101>}", "refused" },
    { "video/x-raw,format=RGB,width=5,height=7", "{'width': <-1>}", "refused" },
    { "video/x-raw,format=RGB,width=5,height=7", "{'width': <'1 -o /etc/passwd'>}", "refused" },
    { "video/x-raw,format=RGB,width=5,height=7", "{'width': <3>, 'how': <'-o/etc/passwd'>}",
      "refused" },
    { "video/x-raw,format=RGB,width=5,height=7", "{}", "refused" },
    { "video/x-raw,format=NV12,width=5,height=7", "{'width': <3>}", "refused" },
    { "video/x-raw,format=RGB", "{'width': <3>}", "refused" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *is = expand (SCALE, rows[i][0], rows[i][1]);

      g_assert_cmpstr (is, ==, rows[i][2]);
    }
}

#define OF(type) HEAD "Capability=transform f(text/plain;n:" type ") -> text/plain\nArguments={n}\n"

/* Any kind of number and word; braces that are meant. */
static void
test_kinds (void)
{
  static const char *const rows[][3] = {
    { OF ("x") "Range-n=-9;9\n", "{'n': <int64 -5>}", "-5" },
    { OF ("x") "Range-n=-9;9\n", "{'n': <int64 -10>}", "refused" },
    { OF ("t") "Range-n=0;1e20\n", "{'n': <uint64 18446744073709551615>}",
      "18446744073709551615" },
    { OF ("u") "Range-n=0;9\n", "{'n': <uint32 7>}", "7" },
    { OF ("y") "Range-n=0;9\n", "{'n': <byte 0x07>}", "7" },
    { OF ("n") "Range-n=-9;9\n", "{'n': <int16 -7>}", "-7" },
    { OF ("d") "Range-n=0;9\n", "{'n': <0.5>}", "0.5" },
    { OF ("x") "Words-n=1:one;2:two\n", "{'n': <int64 2>}", "two" },
    { OF ("x") "Words-n=1:one;2:two\n", "{'n': <int64 3>}", "refused" },
    { HEAD "Capability=generate x() -> text/plain\nArguments={{print $1};a{{{{b\n", "{}",
      "{print $1} a{{b" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *is = expand (rows[i][0], "text/plain", rows[i][1]);

      g_assert_cmpstr (is, ==, rows[i][2]);
    }
}

/* Who gave a wrong value learns what would be right. */
static void
test_reasons (void)
{
  static const char *const rows[][2] = {
    { "{'n': <int64 10>}", "n can't be 10: f takes a number from 1 to 9" },
    { "{}", "f needs n: a number from 1 to 9" },
  };
  g_autoptr (MossFfiManifest) manifest = parse (OF ("x") "Range-n=1;9\n");

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GVariant) options = g_variant_parse (G_VARIANT_TYPE_VARDICT, rows[i][0], NULL,
                                                      NULL, NULL);
      g_autoptr (GError) error = NULL;

      g_assert_null (moss_ffi_manifest_function_expand (
          g_ptr_array_index (manifest->functions, 0), NULL, options, &error));
      g_assert_cmpstr (error->message, ==, rows[i][1]);
    }
}

static void
test_refused (void)
{
  static const char *const wrong[] = {
    "",
    "[Provider]\nId=x\nProgram=/bin/x\n",
    "[Provider]\nId=x\nProgram=x\n[Function f]\nCapability=generate x() -> text/plain\n",
    "[Provider]\nId=../x\nProgram=/x\n[Function f]\nCapability=generate x() -> text/plain\n",
    HEAD "Capability=nonsense(text/plain) -> text/plain\n",
    HEAD "Capability=compare(text/plain, text/plain) -> text/plain\n",
    HEAD "Capability=generate x() -> text/plain\nArguments={what}\n",
    HEAD "Capability=generate x() -> text/plain\nArguments={\n",
    HEAD "Capability=generate x(;n:i) -> text/plain\nArguments={n}\n",
    HEAD "Capability=generate x(;n:i) -> text/plain\nArguments={n}\nRange-n=9;1\n",
    HEAD "Capability=generate x(;n:i) -> text/plain\nArguments={n}\nRange-n=nan;inf\n",
    HEAD "Capability=generate x(;n:i?) -> text/plain\nArguments={n}\nRange-n=1;9\n",
    HEAD "Capability=generate x() -> text/plain\nResult=everything\n",
    HEAD "Capability=generate x() -> text/plain\nMemoryPerByte=-1\n",
    HEAD "Capability=generate x() -> text/plain\nMemoryPerByte=much\n",
    HEAD "Capability=generate x() -> text/plain\nLossy=yes\n",
    HEAD "Capability=generate x() -> text/plain\nDeterministic=no\n",
    OF ("i") "Range-n=one;nine\n",
    OF ("i") "Range-n=1;9 pages\n",
    OF ("s") "Range-n=1;9\n",
    OF ("as") "Words-n=a:b\n",
    OF ("d") "Words-n=1:one\n",
    "\xff\xfe",
  };

  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (moss_ffi_manifest_parse (wrong[i], strlen (wrong[i]), &error));
      g_assert_nonnull (error);
    }
}

static void
test_installed (void)
{
  g_autoptr (GDir) dir = g_dir_open (g_getenv ("MOSS_MANIFESTS"), 0, NULL);
  const char *name;
  guint n = 0;

  g_assert_nonnull (dir);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (g_getenv ("MOSS_MANIFESTS"), name, NULL);
      g_autoptr (MossFfiManifest) manifest = NULL;
      g_autoptr (GError) error = NULL;

      if (!g_str_has_suffix (name, ".mossfn"))
        continue;
      manifest = moss_ffi_manifest_load (path, &error);
      g_assert_no_error (error);
      g_assert_nonnull (manifest->version);
      n++;
    }
  g_assert_cmpuint (n, >=, 10);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/manifest/arguments", test_arguments);
  g_test_add_func ("/manifest/kinds", test_kinds);
  g_test_add_func ("/manifest/reasons", test_reasons);
  g_test_add_func ("/manifest/refused", test_refused);
  g_test_add_func ("/manifest/installed", test_installed);
  return g_test_run ();
}
