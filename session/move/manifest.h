/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* The manifest of a snapshot and its signed envelope, as docs/formats/snapshot.md has them.
 * All functions may be called in any thread; a manifest is used by one thread at a time. */

#define MOSS_BLOCK_SIZE 4096u
#define MOSS_SEGMENT_MAX_BLOCKS 256u
#define MOSS_SEGMENT_ZERO G_MAXUINT32
#define MOSS_MANIFEST_MAX_BYTES (32u << 20)
#define MOSS_MANIFEST_MAX_FILES 8192u
#define MOSS_SNAPSHOT_DOMAIN "moss-snapshot-1"

/* One store object with up to 256 blocks. */
typedef struct
{
  guint8 id[32];
  guint8 key[32];
  guint32 blocks;
} MossSegment;

/* Some blocks of a file: they stand in a segment, or are zeros (MOSS_SEGMENT_ZERO). */
typedef struct
{
  guint32 segment;
  guint32 first;
  guint32 blocks;
} MossRun;

typedef struct
{
  char *name;
  guint64 size; /* bytes */
  GArray *runs; /* MossRun */
} MossManifestFile;

typedef struct
{
  GVariantDict *about;
  GArray *segments; /* MossSegment */
  GPtrArray *files; /* MossManifestFile */
} MossManifest;

/* Checks a signature over domain || 0x00 || message; FALSE with the error set when it does not
 * hold. core/crypto has the one that is used outside tests. */
typedef gboolean (*MossVerifyFunc) (guint32 suite, GBytes *public_key, const char *domain,
                                    GBytes *message, GBytes *signature, GError **error);

MossManifest *moss_manifest_new (void);
void moss_manifest_free (MossManifest *manifest);

/* Adds an empty file and returns it; the manifest owns it. */
MossManifestFile *moss_manifest_add_file (MossManifest *manifest, const char *name,
                                          guint64 size);
/* Appends blocks to a file; joins them to its last run where they go on from there. */
void moss_manifest_file_add (MossManifestFile *file, guint32 segment, guint32 block,
                             guint32 blocks);
const MossManifestFile *moss_manifest_find (const MossManifest *manifest, const char *name);

/* A string of the about table, or "" (never NULL); valid as long as the manifest. */
const char *moss_manifest_about (const MossManifest *manifest, const char *key);

/* The whole table as a{sv}; free with g_variant_unref(). */
GVariant *moss_manifest_about_table (MossManifest *manifest);

/* Bytes of all files together. */
guint64 moss_manifest_total_bytes (const MossManifest *manifest);

/* The bytes that are signed. Fails with FULL when they would be too many. */
GBytes *moss_manifest_encode (MossManifest *manifest, GError **error);
/* Fails with CORRUPT; nothing of a manifest that is not wholly in order is ever returned. */
MossManifest *moss_manifest_decode (GBytes *bytes, GError **error);

/* Refuses (FOREIGN) a manifest that can't run on a machine of this kind. */
gboolean moss_manifest_check_machine (const MossManifest *manifest, const char *arch,
                                      const char *const *cpu_features, GError **error);

GBytes *moss_envelope_seal (guint32 suite, GBytes *public_key, GBytes *signature,
                            GBytes *manifest);
/* The manifest's bytes, once the signature over them holds and is by the given key. Fails with
 * CORRUPT or DENIED. */
GBytes *moss_envelope_open (GBytes *envelope, guint32 suite, GBytes *public_key,
                            MossVerifyFunc verify, GError **error);

/* "x86_64", "aarch64": the machine this runs on. Static. */
const char *moss_machine_arch (void);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (MossManifest, moss_manifest_free)

G_END_DECLS
