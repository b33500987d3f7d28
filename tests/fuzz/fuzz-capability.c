/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Texts of caps and capabilities, as an app or a peer may send them. With libFuzzer: clang
 * -fsanitize=fuzzer -DMOSS_LIBFUZZER. Without: good ones are changed at random. */
#include "ffi-broker/types/capability.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* What was understood reads the same again, and sets behave as sets. */
static void
use_caps (const MossFfiCaps *caps, const MossFfiCaps *other)
{
  g_autoptr (MossFfiCaps) again = moss_ffi_caps_parse (moss_ffi_caps_get_text (caps), NULL);
  g_autoptr (MossFfiCaps) fixed = moss_ffi_caps_fixate (caps);
  g_autoptr (MossFfiCaps) both = moss_ffi_caps_intersect (caps, other);

  /* A canonical text may be longer than a text may be: each quote in it gets a backslash. */
  if (again == NULL && strlen (moss_ffi_caps_get_text (caps)) <= MOSS_FFI_TEXT_MAX)
    abort ();
  if (again != NULL && !moss_ffi_caps_equal (caps, again))
    abort ();
  if (!moss_ffi_caps_is_fixed (fixed) || !moss_ffi_caps_is_subset (fixed, caps) ||
      !moss_ffi_caps_is_subset (caps, caps))
    abort ();
  if (both != NULL &&
      (!moss_ffi_caps_is_subset (both, caps) || !moss_ffi_caps_is_subset (both, other)))
    abort ();
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *text = g_strndup ((const char *) data, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (MossFfiCaps) caps = moss_ffi_caps_parse (text, &error);
  g_autoptr (MossFfiCaps) other
      = moss_ffi_caps_parse ("video/x-raw,format={RGB,RGBA},width=[1,64]", NULL);
  g_autoptr (MossFfiCapability) capability = NULL;

  if ((caps == NULL) != (error != NULL))
    abort ();
  if (caps != NULL)
    use_caps (caps, other);
  g_clear_error (&error);
  capability = moss_ffi_capability_parse (text, &error);
  if ((capability == NULL) != (error != NULL))
    abort ();
  if (capability != NULL)
    {
      g_autofree char *canonical = moss_ffi_capability_to_string (capability);
      g_autofree char *key = moss_ffi_capability_dup_key (capability);
      g_autoptr (MossFfiCapability) again = moss_ffi_capability_parse (canonical, NULL);

      if (strlen (canonical) <= MOSS_FFI_TEXT_MAX &&
          (again == NULL || moss_ffi_capability_match (capability, again) == MOSS_FFI_MATCH_NO))
        abort ();
      for (guint i = 0; i < capability->inputs->len; i++)
        use_caps (moss_ffi_capability_get_input (capability, i), capability->output);
    }
  return caps != NULL || capability != NULL;
}

#ifndef MOSS_LIBFUZZER
#  include "mutate.h"

int
main (int argc, char **argv)
{
  static const char *const good[] = {
    "video/x-raw,format=(string){RGB,RGBA,\"odd, one\"},width=[1,4096],framerate=[1/2,30000/1001]",
    "application/x-moss-tensor,dtype=f32,scale={0.5,1.0,2e3},dense=true,name=\"a \\\"b\\\"\"",
    "encode(video/x-raw,format={RGB,RGBA};level:i?,box:(ii)) -> image/png",
    "compare ssim.2(image/png, image/jpeg,width=5;window:u) -> application/x-moss-value,type=d",
  };
  guint rounds;
  g_autoptr (GRand) rand = mutate_begin (argc, argv, &rounds);

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    if (!LLVMFuzzerTestOneInput ((const guint8 *) good[i], strlen (good[i])))
      return 1;
  for (guint i = 0; i < rounds; i++)
    {
      const char *text = good[i % G_N_ELEMENTS (good)];
      g_autoptr (GByteArray) bytes = mutate (rand, text, strlen (text));

      LLVMFuzzerTestOneInput (bytes->data, bytes->len);
    }
  return 0;
}
#endif
