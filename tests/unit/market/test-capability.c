// SPDX-License-Identifier: GPL-3.0-or-later
#include "ffi-broker/types/capability.h"
#include "ffi-broker/types/media.h"

#include <glib/gstdio.h>

/* The vectors of docs/formats/capability.md. */
static const struct
{
  const char *text, *canonical;
} good[] = {
  { "image/png", "image/png" },
  { "video/x-raw, width=(int)[1,4096], format=(string){ RGB, RGBA }",
    "video/x-raw,format={RGB,RGBA},width=[1,4096]" },
  { "video/x-raw,width=[8,8],format={RGB}", "video/x-raw,format=RGB,width=8" },
  { "video/x-raw,framerate=30000/1001", "video/x-raw,framerate=30000/1001" },
  { "application/x-moss-tensor,dtype=f32", "application/x-moss-tensor,dtype=f32" },
  { "a/b,x=(string)5,y=\"true\",z=true", "a/b,x=\"5\",y=\"true\",z=true" },
  { "a/b,x=1.50", "a/b,x=1.5" },
  { "a/b,x=(double)2", "a/b,x=2.0" },
  { "a/b,x=\"say \\\"so\\\", 日\"", "a/b,x=\"say \\\"so\\\", 日\"" },
  { "a/b,x={1,2,1}", "a/b,x={1,2}" },
};

static const char *const bad[] = {
  "", "png", "image/", "/png", "Image/png", "image/png,", "image/png,width", "image/png,width=",
  "image/png,width=[1,2", "image/png,width=[2,1]", "image/png,width=[1,2,3]",
  "image/png,width=[a,b]", "image/png,width=[1,2.0]", "image/png,format={}",
  "image/png,format={RGB,{A}}", "image/png,format={RGB", "image/png,w=1,w=2",
  "image/png,w=(int)x", "image/png,w=(float)1", "image/png;w=1", "image/png w=1",
  "image/png,w=\"open", "image/png,w=\"\x01\"", "image/png,w=\"\xff\"", "image/png,w=<1,2>",
  "image/png,w=1e999", "image/png,w=(fraction)1/0", "video/x-raw(memory:DMABuf)",
};

static MossFfiCaps *
caps (const char *text)
{
  g_autoptr (GError) error = NULL;
  MossFfiCaps *parsed = moss_ffi_caps_parse (text, &error);

  g_assert_no_error (error);
  return parsed;
}

static void
test_caps_text (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autoptr (MossFfiCaps) parsed = caps (good[i].text);
      g_autoptr (MossFfiCaps) again = caps (moss_ffi_caps_get_text (parsed));

      g_assert_cmpstr (moss_ffi_caps_get_text (parsed), ==, good[i].canonical);
      g_assert_true (moss_ffi_caps_equal (parsed, again));
    }
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (MossFfiCaps) parsed = moss_ffi_caps_parse (bad[i], &error);

      if (parsed != NULL)
        g_error ("“%s” was taken as %s", bad[i], moss_ffi_caps_get_text (parsed));
      g_assert_true (error->domain == MOSS_FFI_TEXT_ERROR);
    }
}

static void
test_caps_bounds (void)
{
  g_autoptr (GString) text = g_string_new ("a/b");
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < MOSS_FFI_CAPS_MAX_FIELDS; i++)
    g_string_append_printf (text, ",f%u=1", i);
  moss_ffi_caps_unref (caps (text->str));
  g_string_append (text, ",one=1");
  g_assert_null (moss_ffi_caps_parse (text->str, &error));
  g_assert_error (error, MOSS_FFI_TEXT_ERROR, MOSS_FFI_TEXT_ERROR_TOO_LONG);
  g_clear_error (&error);
  g_string_assign (text, "a/b,x={0");
  for (guint i = 1; i <= MOSS_FFI_CAPS_MAX_ITEMS; i++)
    g_string_append_printf (text, ",%u", i);
  g_string_append (text, "}");
  g_assert_null (moss_ffi_caps_parse (text->str, &error));
  g_assert_error (error, MOSS_FFI_TEXT_ERROR, MOSS_FFI_TEXT_ERROR_TOO_LONG);
  g_clear_error (&error);
  g_string_assign (text, "a/b,x=\"");
  while (text->len < 1000000)
    g_string_append (text, "aaaaaaaaaaaaaaaa");
  g_assert_null (moss_ffi_caps_parse (text->str, &error));
  g_assert_error (error, MOSS_FFI_TEXT_ERROR, MOSS_FFI_TEXT_ERROR_TOO_LONG);
}

/* a, b, a ∩ b ("": nothing), is a ⊆ b */
static const struct
{
  const char *a, *b, *both;
  gboolean subset;
} sets[] = {
  { "v/r,f=RGB", "v/r,f={RGB,RGBA}", "v/r,f=RGB", TRUE },
  { "v/r,f={RGBA,RGB}", "v/r,f={RGB,RGBA,I420}", "v/r,f={RGBA,RGB}", TRUE },
  { "v/r,f={I420,RGB}", "v/r,f={RGB,RGBA}", "v/r,f=RGB", FALSE },
  { "v/r,f=I420", "v/r,f={RGB,RGBA}", "", FALSE },
  { "v/r", "v/r,f=RGB", "v/r,f=RGB", FALSE },
  { "v/r,f=RGB", "v/r", "v/r,f=RGB", TRUE },
  { "v/r,w=5", "v/r,w=[1,10]", "v/r,w=5", TRUE },
  { "v/r,w=[1,10]", "v/r,w=5", "v/r,w=5", FALSE },
  { "v/r,w=[1,10]", "v/r,w=[5,20]", "v/r,w=[5,10]", FALSE },
  { "v/r,w=[5,6]", "v/r,w=[5,20]", "v/r,w=[5,6]", TRUE },
  { "v/r,w=[1,5]", "v/r,w=[5,20]", "v/r,w=5", FALSE },
  { "v/r,w=[1,4]", "v/r,w=[5,20]", "", FALSE },
  { "v/r,w=[1,4]", "v/r,w={3,4,5}", "v/r,w={3,4}", FALSE },
  { "v/r,w=[1,4]", "v/r,w=[1.0,4.0]", "", FALSE },
  { "v/r,r=1/2", "v/r,r=[1/3,2/3]", "v/r,r=1/2", TRUE },
  { "v/r,r=2/4", "v/r,r=1/2", "v/r,r=2/4", TRUE },
  { "v/r,s=\"5\"", "v/r,s=5", "", FALSE },
  { "v/r,a=1", "v/r,b=2", "v/r,a=1,b=2", FALSE },
  { "v/r", "v/s", "", FALSE },
  { "text/x-csrc", "text/plain", "text/x-csrc", TRUE },
  { "text/plain", "text/x-csrc", "text/x-csrc", FALSE },
  { "image/png,w=1", "application/octet-stream", "image/png,w=1", TRUE },
};

static void
test_caps_sets (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (sets); i++)
    {
      g_autoptr (MossFfiCaps) a = caps (sets[i].a), b = caps (sets[i].b);
      g_autoptr (MossFfiCaps) both = moss_ffi_caps_intersect (a, b);

      g_test_message ("%s and %s", sets[i].a, sets[i].b);
      g_assert_cmpstr (both != NULL ? moss_ffi_caps_get_text (both) : "", ==, sets[i].both);
      g_assert_cmpint (moss_ffi_caps_is_subset (a, b), ==, sets[i].subset);
      g_assert_true (moss_ffi_caps_is_subset (a, a));
      if (both != NULL)
        g_assert_true (moss_ffi_caps_is_subset (both, a) && moss_ffi_caps_is_subset (both, b));
    }
}

static void
test_caps_fields (void)
{
  g_autoptr (MossFfiCaps) all = caps ("video/x-raw,format={RGBA,RGB},width=[7,9],height=5,x=0.5");
  g_autoptr (MossFfiCaps) fixed = moss_ffi_caps_fixate (all);
  g_autoptr (MossFfiCaps) other = NULL;
  g_auto (GStrv) choices = moss_ffi_caps_dup_choices (all, "format");
  g_autofree char *width = moss_ffi_caps_dup_field (all, "width");
  gint64 number;

  g_assert_false (moss_ffi_caps_is_fixed (all));
  g_assert_true (moss_ffi_caps_is_fixed (fixed));
  g_assert_cmpstr (moss_ffi_caps_get_text (fixed), ==,
                   "video/x-raw,format=RGBA,height=5,width=7,x=0.5");
  g_assert_true (moss_ffi_caps_get_int (all, "height", &number) && number == 5);
  g_assert_false (moss_ffi_caps_get_int (all, "width", &number));
  g_assert_cmpstr (moss_ffi_caps_get_string (fixed, "format"), ==, "RGBA");
  g_assert_null (moss_ffi_caps_get_string (all, "format"));
  g_assert_cmpuint (g_strv_length (choices), ==, 2);
  g_assert_cmpstr (width, ==, "[7,9]");
  other = moss_ffi_caps_with_string (fixed, "format", "12", NULL);
  g_assert_cmpstr (moss_ffi_caps_get_text (other), ==,
                   "video/x-raw,format=\"12\",height=5,width=7,x=0.5");
  g_assert_null (moss_ffi_caps_with_string (fixed, "for mat", "x", NULL));
  g_assert_null (moss_ffi_caps_with_string (fixed, "format", "\n", NULL));
}

static const struct
{
  const char *text, *canonical, *key;
} good_capabilities[] = {
  { "encode( video/x-raw, format={RGB,RGBA}; level:i? ) -> image/png",
    "encode(video/x-raw,format={RGB,RGBA};level:i?) -> image/png",
    "encode video/x-raw -> image/png" },
  { "transform sort(application/x-moss-tensor,dtype=i32) -> application/x-moss-tensor,dtype=i32",
    "transform sort(application/x-moss-tensor,dtype=i32) -> application/x-moss-tensor,dtype=i32",
    "transform sort application/x-moss-tensor -> application/x-moss-tensor" },
  { "generate greeting(;name:s)->application/x-moss-value,type=s",
    "generate greeting(;name:s) -> application/x-moss-value,type=s",
    "generate greeting -> application/x-moss-value" },
  { "compare ssim.2(image/png, image/jpeg,width=5;window:u,box:(ii)?) -> application/x-moss-value",
    "compare ssim.2(image/png, image/jpeg,width=5;window:u,box:(ii)?) -> application/x-moss-value",
    "compare ssim.2 image/png, image/jpeg -> application/x-moss-value" },
  { "filter org.example.glow(video/x-raw) -> video/x-raw",
    "filter org.example.glow(video/x-raw) -> video/x-raw",
    "filter org.example.glow video/x-raw -> video/x-raw" },
};

static const char *const bad_capabilities[] = {
  "", "encode", "frobnicate(image/png) -> image/png", "encode(image/png)", "encode image/png",
  "encode(image/png) image/jpeg", "encode(image/png) ->", "encode(image/png -> image/jpeg",
  "encode(image/png;level) -> a/b", "encode(image/png;level:) -> a/b",
  "encode(image/png;level:h) -> a/b", "encode(image/png;level:*) -> a/b",
  "encode(image/png;level:ah) -> a/b", "encode(image/png;Level:i) -> a/b",
  "encode(image/png;a:i,a:s) -> a/b", "encode Sort(a/b) -> a/b", "encode sort.(a/b) -> a/b",
  "encode a..b(a/b) -> a/b", "encode a b(a/b) -> a/b", "encode(a/b,) -> a/b",
  "encode(a/b, a/b, a/b, a/b, a/b, a/b, a/b, a/b, a/b) -> a/b", "encode(a/b) -> a/b, c/d",
};

static MossFfiCapability *
capability (const char *text)
{
  g_autoptr (GError) error = NULL;
  MossFfiCapability *parsed = moss_ffi_capability_parse (text, &error);

  g_assert_no_error (error);
  return parsed;
}

static void
test_capability_text (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (good_capabilities); i++)
    {
      g_autoptr (MossFfiCapability) parsed = capability (good_capabilities[i].text);
      g_autoptr (MossFfiCapability) copy = moss_ffi_capability_copy (parsed);
      g_autofree char *text = moss_ffi_capability_to_string (copy);
      g_autofree char *key = moss_ffi_capability_dup_key (parsed);

      g_assert_cmpstr (text, ==, good_capabilities[i].canonical);
      g_assert_cmpstr (key, ==, good_capabilities[i].key);
    }
  for (guint i = 0; i < G_N_ELEMENTS (bad_capabilities); i++)
    {
      g_autoptr (GError) error = NULL;

      if (moss_ffi_capability_parse (bad_capabilities[i], &error) != NULL)
        g_error ("“%s” was taken", bad_capabilities[i]);
      g_assert_true (error->domain == MOSS_FFI_TEXT_ERROR);
    }
  /* b2sum -l 256, the first eight bytes */
  g_assert_cmphex (moss_ffi_key_hash ("encode video/x-raw -> image/png"), ==,
                   G_GUINT64_CONSTANT (0x84dcfc99feb4aabe));
}

static const struct
{
  const char *offer, *request;
  MossFfiMatch match;
} matches[] = {
  { "encode(v/r,f={A,B}) -> image/png", "encode(v/r,f=A) -> image/png", MOSS_FFI_MATCH_FULLY },
  { "encode(v/r,f={A,B}) -> image/png", "encode(v/r) -> image/png", MOSS_FFI_MATCH_PARTLY },
  { "encode(v/r,f={A,B}) -> image/png", "encode(v/r,f=C) -> image/png", MOSS_FFI_MATCH_NO },
  { "encode(v/r) -> image/png", "decode(v/r) -> image/png", MOSS_FFI_MATCH_NO },
  { "encode x(v/r) -> image/png", "encode(v/r) -> image/png", MOSS_FFI_MATCH_NO },
  { "decode(image/png) -> v/r,f={A,B}", "decode(image/png) -> v/r,f=B", MOSS_FFI_MATCH_FULLY },
  { "decode(image/png) -> v/r,f={A,B}", "decode(image/png) -> v/r", MOSS_FFI_MATCH_FULLY },
  { "decode(image/png) -> v/r", "decode(image/png) -> v/r,f=B", MOSS_FFI_MATCH_PARTLY },
  { "hash sha256(application/octet-stream) -> a/d", "hash sha256(image/png) -> a/d",
    MOSS_FFI_MATCH_FULLY },
  { "hash sha256(image/png) -> a/d", "hash sha256(application/octet-stream) -> a/d",
    MOSS_FFI_MATCH_PARTLY },
  { "filter f(v/r;s:d?) -> v/r", "filter f(v/r;s:d) -> v/r", MOSS_FFI_MATCH_FULLY },
  { "filter f(v/r;s:d?) -> v/r", "filter f(v/r;s:i) -> v/r", MOSS_FFI_MATCH_NO },
  { "filter f(v/r;s:d) -> v/r", "filter f(v/r) -> v/r", MOSS_FFI_MATCH_PARTLY },
  { "filter f(v/r) -> v/r", "filter f(v/r;s:d) -> v/r", MOSS_FFI_MATCH_NO },
  { "compare c(a/b, c/d) -> a/v", "compare c(c/d, a/b) -> a/v", MOSS_FFI_MATCH_NO },
  { "compare c(a/b, c/d) -> a/v", "compare c(a/b) -> a/v", MOSS_FFI_MATCH_NO },
};

static void
test_capability_match (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (matches); i++)
    {
      g_autoptr (MossFfiCapability) offer = capability (matches[i].offer);
      g_autoptr (MossFfiCapability) request = capability (matches[i].request);

      g_test_message ("%s for %s", matches[i].offer, matches[i].request);
      g_assert_cmpint (moss_ffi_capability_match (offer, request), ==, matches[i].match);
    }
}

static void
test_capability_options (void)
{
  g_autoptr (MossFfiCapability) offer = capability ("filter f(a/b;size:i,soft:b?) -> a/b");
  g_autoptr (GError) error = NULL;
  static const struct
  {
    const char *options;
    gboolean good;
  } cases[] = { { "{'size': <5>}", TRUE },
                { "{'size': <5>, 'soft': <true>}", TRUE },
                { "{'soft': <true>}", FALSE },
                { "{'size': <'5'>}", FALSE },
                { "{'size': <5>, 'other': <1>}", FALSE },
                { "{'size': <5>, 'Odd name': <1>}", FALSE },
                { "{'size': <5>, 'size': <6>}", FALSE },
                { "{'size': <handle 1>}", FALSE } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GVariant) options
          = g_variant_parse (G_VARIANT_TYPE_VARDICT, cases[i].options, NULL, NULL, &error);

      g_assert_no_error (error);
      g_assert_cmpint (moss_ffi_capability_check_options (offer, options, &error), ==,
                       cases[i].good);
      g_clear_error (&error);
    }
}

static void
test_dtypes (void)
{
  MossFfiDtype dtype;
  g_autofree char *text = NULL;

  g_assert_true (moss_ffi_dtype_parse ("f32x4", &dtype, NULL));
  g_assert_cmpint (dtype.code, ==, 2);
  g_assert_cmpint (dtype.bits, ==, 32);
  g_assert_cmpint (dtype.lanes, ==, 4);
  g_assert_cmpuint (moss_ffi_dtype_bytes (&dtype), ==, 16);
  text = moss_ffi_dtype_to_string (&dtype);
  g_assert_cmpstr (text, ==, "f32x4");
  g_assert_true (moss_ffi_dtype_parse ("bf16", &dtype, NULL));
  g_assert_cmpint (dtype.code, ==, 4);
  g_assert_false (moss_ffi_dtype_parse ("f33", &dtype, NULL));
  g_assert_false (moss_ffi_dtype_parse ("f32x", &dtype, NULL));
  g_assert_false (moss_ffi_dtype_parse ("f32x99999", &dtype, NULL));
  g_assert_false (moss_ffi_dtype_parse ("", &dtype, NULL));
}

static void
test_media (void)
{
  g_autofree char *dir = g_dir_make_tmp ("moss-media-XXXXXX", NULL);
  g_autofree char *aliases = g_build_filename (dir, "aliases", NULL);
  g_autofree char *subclasses = g_build_filename (dir, "subclasses", NULL);
  const char *dirs[] = { dir, NULL };
  g_autoptr (MossFfiMedia) media = NULL;

  g_file_set_contents (aliases, "image/x-png image/png\nrubbish\nA/B c/d\n", -1, NULL);
  g_file_set_contents (subclasses,
                       "image/svg+xml application/xml\napplication/xml text/plain\n"
                       "x/a x/b\nx/b x/c\nx/c x/a\nimage/apng image/x-png\n",
                       -1, NULL);
  media = moss_ffi_media_new (dirs);
  g_assert_cmpstr (moss_ffi_media_canonical (media, "image/x-png"), ==, "image/png");
  g_assert_true (moss_ffi_media_is_a (media, "image/x-png", "image/png"));
  g_assert_true (moss_ffi_media_is_a (media, "image/apng", "image/png"));
  g_assert_true (moss_ffi_media_is_a (media, "image/svg+xml", "text/plain"));
  g_assert_true (moss_ffi_media_is_a (media, "text/x-anything", "text/plain"));
  g_assert_true (moss_ffi_media_is_a (media, "x/a", "application/octet-stream"));
  g_assert_false (moss_ffi_media_is_a (media, "inode/directory", "application/octet-stream"));
  g_assert_true (moss_ffi_media_is_a (media, "x/a", "x/c"));
  g_assert_false (moss_ffi_media_is_a (media, "x/a", "x/d"));
  g_assert_false (moss_ffi_media_is_a (media, "text/plain", "image/svg+xml"));
  g_remove (aliases);
  g_remove (subclasses);
  g_rmdir (dir);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/caps/text", test_caps_text);
  g_test_add_func ("/caps/bounds", test_caps_bounds);
  g_test_add_func ("/caps/sets", test_caps_sets);
  g_test_add_func ("/caps/fields", test_caps_fields);
  g_test_add_func ("/capability/text", test_capability_text);
  g_test_add_func ("/capability/match", test_capability_match);
  g_test_add_func ("/capability/options", test_capability_options);
  g_test_add_func ("/dtypes", test_dtypes);
  g_test_add_func ("/media", test_media);
  return g_test_run ();
}
