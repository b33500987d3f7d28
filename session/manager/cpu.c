/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cpu.h"

/* Names as in /proc/cpuinfo of Linux on x86 and ARM: what user code can use and asks for at run
 * time. Features of the kernel's side (paging, virtualisation, mitigations) don't bind an app. */
static const char *const instructions[] = {
  "mmx",        "sse",         "sse2",        "pni",         "ssse3",
  "sse4_1",     "sse4_2",      "sse4a",       "popcnt",      "abm",
  "avx",        "avx2",        "fma",         "f16c",        "bmi1",
  "bmi2",       "movbe",       "aes",         "pclmulqdq",   "sha_ni",
  "rdrand",     "rdseed",      "adx",         "xsave",       "xsavec",
  "cx16",       "lahf_lm",     "fsgsbase",    "vaes",        "vpclmulqdq",
  "gfni",       "avx512f",     "avx512dq",    "avx512cd",    "avx512bw",
  "avx512vl",   "avx512ifma",  "avx512vbmi",  "avx512_vbmi2", "avx512_vnni",
  "avx512_bitalg", "avx512_vpopcntdq", "avx512_fp16", "avx512_bf16", "avx_vnni",
  "amx_tile",   "amx_int8",    "amx_bf16",    "clwb",        "clflushopt",
  "movdiri",    "movdir64b",   "serialize",   "asimd",       "asimdhp",
  "asimddp",    "crc32",       "atomics",     "sha1",        "sha2",
  "sha3",       "sha512",      "sve",         "sve2",        "pmull",
  "lrcpc",      "dcpop",       NULL
};

GPtrArray *
moss_cpu_needed (GVariant *features)
{
  GPtrArray *needed = g_ptr_array_new ();
  g_autofree const char **all = NULL;

  if (features != NULL)
    g_variant_lookup (features, "cpu-features", "^a&s", &all);
  for (guint i = 0; all != NULL && all[i] != NULL; i++)
    if (g_strv_contains (instructions, all[i]))
      g_ptr_array_add (needed, (gpointer) all[i]);
  return needed;
}
