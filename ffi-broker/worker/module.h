// SPDX-License-Identifier: GPL-3.0-or-later
/* What a bridge is to its worker: a shared module with one symbol, moss_ffi_bridge. */
#pragma once

#include "ffi-broker/client/moss-ffi.h"

#include <gmodule.h>

G_BEGIN_DECLS

#define MOSS_FFI_BRIDGE_ABI 1

/**
 * MossFfiBridge:
 * @abi: %MOSS_FFI_BRIDGE_ABI, so that a module of another build is refused
 * @name: what the worker's argument calls it, and its file: bridge-NAME.so
 * @environment: NAME=VALUE pairs, ended by %NULL, that the library wants before it is used
 * @open: starts the library, finds out what it offers and gives back (transfer full) a provider
 *   with the offers added, or %NULL and why not. @manifest is the worker's second argument, or
 *   %NULL. Called once, in the main thread, when the worker is confined already: nothing but
 *   the system's files can be read, nothing written.
 * @close: (nullable): ends the library
 */
typedef struct
{
  guint32 abi;
  const char *name;
  const char *const *environment;
  MossFfiProvider *(*open) (const char *manifest, GError **error);
  void (*close) (void);
} MossFfiBridge;

G_MODULE_EXPORT extern const MossFfiBridge moss_ffi_bridge;

G_END_DECLS
