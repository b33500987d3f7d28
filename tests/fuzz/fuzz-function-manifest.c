// SPDX-License-Identifier: GPL-3.0-or-later
/* Manifests of programs, and what they make of a call. With libFuzzer: clang
 * -fsanitize=fuzzer -DMOSS_LIBFUZZER. Without: the program mutates a good one, for as many
 * rounds as its argument says. */
#include "ffi-broker/types/manifest.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static const char good[] =
  "[Provider]\nId=x\nName=X\nProgram=/bin/x\nLicence=MIT\n"
  "[Function shrink]\nCapability=transform shrink(video/x-raw,format={RGB,RGBA};width:i,how:s?,"
  "sigma:d?) -> video/x-raw,format=RGB\nArguments=-s;{in.width}x{in.height};{in.format}:-;"
  "{width};{how};0x{sigma}\nRange-width=1;100\nWords-how=fast:-q;good:;best:--slow\n"
  "Default-how=-d\nWords-in.format=RGB:rgb24;RGBA:rgba\nRange-sigma=0.1;5\nDefault-sigma=1\n"
  "Result=pnm\nQuality=exact\nMemoryPerByte=2\nLossy=false\n"
  "[Function y]\nCapability=hash md5(application/octet-stream) -> application/x-moss-digest\n"
  "Result=word\n";

/* Whatever it says: no argument has in it what the caller sent. */
static void
call (const MossFfiManifestFunction *function)
{
  g_autoptr (MossFfiCaps) caps = moss_ffi_caps_parse (
    "video/x-raw,format=RGB,width=640,height=480", NULL);
  g_autoptr (GVariant) options = g_variant_ref_sink (g_variant_new_parsed (
    "{'width': <50>, 'how': <'-o/etc/passwd'>, 'sigma': <2.0>}"));
  g_auto (GStrv) arguments = moss_ffi_manifest_function_expand (function, caps, options, NULL);

  for (guint i = 0; arguments != NULL && arguments[i] != NULL; i++)
    if (strstr (arguments[i], "/etc/passwd") != NULL)
      abort ();
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MossFfiManifest) manifest = moss_ffi_manifest_parse ((const char *) data, size,
                                                                  &error);

  if ((manifest == NULL) != (error != NULL))
    abort ();
  for (guint i = 0; manifest != NULL && i < manifest->functions->len; i++)
    call (g_ptr_array_index (manifest->functions, i));
  return 0;
}

#ifndef MOSS_LIBFUZZER
#include "mutate.h"

int
main (int argc, char **argv)
{
  guint rounds, i;
  g_autoptr (GRand) rand = mutate_begin (argc, argv, &rounds);

  for (i = 0; i < rounds; i++)
    {
      g_autoptr (GByteArray) text = mutate (rand, good, sizeof good - 1);

      LLVMFuzzerTestOneInput (text->data, text->len);
    }
  g_print ("%u rounds\n", i);
  return 0;
}
#endif
