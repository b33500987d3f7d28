// SPDX-License-Identifier: LGPL-2.1-or-later
/* What a program can do, written down beside it: *.mossfn, docs/formats/manifest.md. */
#pragma once

#include "capability.h"

G_BEGIN_DECLS

#define MOSS_FFI_MANIFEST_BYTES_MAX (64 * 1024)
#define MOSS_FFI_MANIFEST_FUNCTIONS_MAX 64
#define MOSS_FFI_MANIFEST_ARGUMENTS_MAX 64

typedef enum
{
  MOSS_FFI_MANIFEST_WHOLE, /* what the program puts out is the result */
  MOSS_FFI_MANIFEST_WORD,  /* its first word is */
  MOSS_FFI_MANIFEST_PNM,   /* a picture in PPM or PAM; its pixels are */
} MossFfiManifestResult;

typedef struct
{
  char *name;
  MossFfiCapability *capability;
  char **arguments; /* with {names} in them */
  MossFfiManifestResult result;
  gboolean lossy;
  gboolean deterministic;
  char *quality; /* "" without one */
  double memory_per_byte;
  GHashTable *values; /* name of what stands in braces → how it becomes text */
} MossFfiManifestFunction;

typedef struct
{
  char *id; /* "process:gzip" */
  char *name;
  char *version;
  char *program; /* absolute */
  char *licence;
  GPtrArray *functions; /* MossFfiManifestFunction */
} MossFfiManifest;

MossFfiManifest *moss_ffi_manifest_parse (const char *text, gsize length, GError **error);
MossFfiManifest *moss_ffi_manifest_load (const char *path, GError **error);
void moss_ffi_manifest_free (MossFfiManifest *manifest);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossFfiManifest, moss_ffi_manifest_free)

char **moss_ffi_manifest_function_expand (const MossFfiManifestFunction *function,
                                          const MossFfiCaps *input, GVariant *options,
                                          GError **error);

G_END_DECLS
