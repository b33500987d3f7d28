// SPDX-License-Identifier: LGPL-2.1-or-later
/* What a function does with what: "encode(video/x-raw,format={RGB,RGBA};level:i?) -> image/png".
 * Offers and requests are written alike. docs/formats/capability.md. Immutable: any thread. */
#pragma once

#include "caps.h"

G_BEGIN_DECLS

#define MOSS_FFI_MAX_INPUTS 8
#define MOSS_FFI_MAX_OPTIONS 32

typedef struct
{
  char *name;
  char *type; /* of GVariant, definite */
  gboolean optional;
} MossFfiOption;

typedef struct
{
  MossFfiVerb verb;
  char *operation; /* "" without one */
  GPtrArray *inputs; /* MossFfiCaps */
  GArray *options; /* MossFfiOption */
  MossFfiCaps *output;
} MossFfiCapability;

typedef enum
{
  MOSS_FFI_MATCH_NO,
  MOSS_FFI_MATCH_PARTLY, /* of what the request leaves open, only some can be had */
  MOSS_FFI_MATCH_FULLY,
} MossFfiMatch;

MossFfiCapability *moss_ffi_capability_parse (const char *text, GError **error);
MossFfiCapability *moss_ffi_capability_copy (const MossFfiCapability *capability);
void moss_ffi_capability_free (MossFfiCapability *capability);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossFfiCapability, moss_ffi_capability_free)

char *moss_ffi_capability_to_string (const MossFfiCapability *capability);
char *moss_ffi_capability_dup_key (const MossFfiCapability *capability);
guint64 moss_ffi_key_hash (const char *key);

const MossFfiCaps *moss_ffi_capability_get_input (const MossFfiCapability *capability, guint i);
const MossFfiOption *moss_ffi_capability_get_option (const MossFfiCapability *capability,
                                                     const char *name);
void moss_ffi_capability_set_input (MossFfiCapability *capability, guint i, MossFfiCaps *caps);
gboolean moss_ffi_capability_set_options (MossFfiCapability *request,
                                          GVariant *options,
                                          GError **error);

MossFfiMatch moss_ffi_capability_match (const MossFfiCapability *offer,
                                        const MossFfiCapability *request);
gboolean moss_ffi_capability_check_options (const MossFfiCapability *offer,
                                            GVariant *options,
                                            GError **error);

G_END_DECLS
