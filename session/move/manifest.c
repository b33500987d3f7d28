/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Policy: a manifest comes from another machine and says what root will restore here. Its
 * signature is checked over the bytes as they came, with the key that was pinned for the sender,
 * before anything looks into them. Then every number is checked against its bound before it is
 * used as one; a single fault refuses the whole. */
#include "manifest.h"

#include "move-error.h"

#include <string.h>
#include <sys/utsname.h>

#define MANIFEST_TYPE "(ua{sv}a(ayayu)a(sta(uuu)))"
#define ENVELOPE_TYPE "(uayayay)"
#define MAX_TOTAL_BYTES (G_GUINT64_CONSTANT (1) << 40)
#define MAX_STRING 4096u
#define MAX_PICTURE (256u << 10)

static const struct
{
  const char *key;
  const char *type; /* NULL: any */
} about_keys[] = {
  { "id", "s" },          { "app", "s" },       { "name", "s" },
  { "icon", "s" },        { "argv", "aay" },    { "time", "x" },
  { "device", "s" },      { "arch", "s" },      { "cpu-features", "as" },
  { "page-size", "u" },   { "criu", "s" },      { "origin", "s" },
  { "geometry", NULL },   { "picture", "ay" },  { "move", "s" },
  { "parent", "s" },      { "network", "b" },   { "label", "s" },
  { "kind", "s" },        { "memory-bytes", "t" },
};

static void
file_free (gpointer data)
{
  MossManifestFile *file = data;

  g_free (file->name);
  g_array_unref (file->runs);
  g_free (file);
}

MossManifest *
moss_manifest_new (void)
{
  MossManifest *manifest = g_new0 (MossManifest, 1);

  manifest->about = g_variant_dict_new (NULL);
  manifest->segments = g_array_new (FALSE, FALSE, sizeof (MossSegment));
  manifest->files = g_ptr_array_new_with_free_func (file_free);
  return manifest;
}

void
moss_manifest_free (MossManifest *manifest)
{
  g_variant_dict_unref (manifest->about);
  g_array_unref (manifest->segments);
  g_ptr_array_unref (manifest->files);
  g_free (manifest);
}

MossManifestFile *
moss_manifest_add_file (MossManifest *manifest, const char *name, guint64 size)
{
  MossManifestFile *file = g_new0 (MossManifestFile, 1);

  file->name = g_strdup (name);
  file->size = size;
  file->runs = g_array_new (FALSE, FALSE, sizeof (MossRun));
  g_ptr_array_add (manifest->files, file);
  return file;
}

void
moss_manifest_file_add (MossManifestFile *file, guint32 segment, guint32 block, guint32 blocks)
{
  MossRun run = { segment, segment == MOSS_SEGMENT_ZERO ? 0 : block, blocks };

  if (file->runs->len > 0)
    {
      MossRun *last = &g_array_index (file->runs, MossRun, file->runs->len - 1);

      if (last->segment == segment && last->blocks <= G_MAXUINT32 - blocks
          && (segment == MOSS_SEGMENT_ZERO || last->first + last->blocks == block))
        {
          last->blocks += blocks;
          return;
        }
    }
  g_array_append_val (file->runs, run);
}

const MossManifestFile *
moss_manifest_find (const MossManifest *manifest, const char *name)
{
  for (guint i = 0; i < manifest->files->len; i++)
    {
      const MossManifestFile *file = g_ptr_array_index (manifest->files, i);

      if (g_str_equal (file->name, name))
        return file;
    }
  return NULL;
}

const char *
moss_manifest_about (const MossManifest *manifest, const char *key)
{
  const char *text = "";

  g_variant_dict_lookup (manifest->about, key, "&s", &text);
  return text;
}

guint64
moss_manifest_total_bytes (const MossManifest *manifest)
{
  guint64 total = 0;

  for (guint i = 0; i < manifest->files->len; i++)
    total += ((const MossManifestFile *) g_ptr_array_index (manifest->files, i))->size;
  return total;
}

static GVariant *
bytes_variant (const guint8 *data, gsize size)
{
  return g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, data, size, 1);
}

static GVariant *
little_endian (GVariant *value)
{
  if (G_BYTE_ORDER == G_LITTLE_ENDIAN)
    return g_variant_ref_sink (value);

  g_autoptr (GVariant) sunk = g_variant_ref_sink (value);
  return g_variant_byteswap (sunk);
}

GVariant *
moss_manifest_about_table (MossManifest *manifest)
{
  GVariant *about = g_variant_dict_end (manifest->about);

  g_variant_ref_sink (about);
  g_variant_dict_unref (manifest->about);
  manifest->about = g_variant_dict_new (about);
  return about;
}

GBytes *
moss_manifest_encode (MossManifest *manifest, GError **error)
{
  GVariantBuilder segments, files;
  g_autoptr (GVariant) about = moss_manifest_about_table (manifest);
  g_autoptr (GVariant) value = NULL;

  g_variant_builder_init (&segments, G_VARIANT_TYPE ("a(ayayu)"));
  for (guint i = 0; i < manifest->segments->len; i++)
    {
      const MossSegment *segment = &g_array_index (manifest->segments, MossSegment, i);

      g_variant_builder_add (&segments, "(@ay@ayu)", bytes_variant (segment->id, 32),
                             bytes_variant (segment->key, 32), segment->blocks);
    }
  g_variant_builder_init (&files, G_VARIANT_TYPE ("a(sta(uuu))"));
  for (guint i = 0; i < manifest->files->len; i++)
    {
      const MossManifestFile *file = g_ptr_array_index (manifest->files, i);

      /* A run is three u32, laid out as the fixed-size tuple (uuu) is. */
      g_variant_builder_add (&files, "(st@a(uuu))", file->name, file->size,
                             g_variant_new_fixed_array (G_VARIANT_TYPE ("(uuu)"),
                                                        file->runs->data, file->runs->len,
                                                        sizeof (MossRun)));
    }
  value = little_endian (
      g_variant_new ("(u@a{sv}a(ayayu)a(sta(uuu)))", 1, about, &segments, &files));
  if (g_variant_get_size (value) > MOSS_MANIFEST_MAX_BYTES)
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_FULL,
                   "The snapshot can't be written: its list of blocks is too long");
      return NULL;
    }
  return g_variant_get_data_as_bytes (value);
}

G_GNUC_PRINTF (2, 3) static gboolean
corrupt (GError **error, const char *format, ...)
{
  va_list args;
  g_autofree char *reason = NULL;

  va_start (args, format);
  reason = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_CORRUPT,
               "The snapshot is damaged: %s", reason);
  return FALSE;
}

/* A checked view of foreign bytes: of the type, in normal form, in this machine's byte order. */
static GVariant *
parse (GBytes *bytes, const char *type, gsize max_bytes, const char *what, GError **error)
{
  g_autoptr (GVariant) value = NULL;

  if (g_bytes_get_size (bytes) > max_bytes)
    return (void) corrupt (error, "its %s is too long", what), NULL;
  value = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE (type), bytes, FALSE));
  if (!g_variant_is_normal_form (value))
    return (void) corrupt (error, "its %s is not in normal form", what), NULL;
  if (G_BYTE_ORDER == G_LITTLE_ENDIAN)
    return g_steal_pointer (&value);
  return g_variant_byteswap (value);
}

static gboolean
check_about_value (const char *key, GVariant *value, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (about_keys); i++)
    {
      if (!g_str_equal (about_keys[i].key, key))
        continue;
      if (about_keys[i].type != NULL
          && !g_variant_is_of_type (value, G_VARIANT_TYPE (about_keys[i].type)))
        return corrupt (error, "“%s” is of the wrong type", key);
      break;
    }
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING)
      && g_variant_get_size (value) > MAX_STRING)
    return corrupt (error, "“%s” is too long", key);
  if (g_variant_get_size (value) > MAX_PICTURE)
    return corrupt (error, "“%s” is too long", key);
  return TRUE;
}

static gboolean
decode_about (MossManifest *manifest, GVariant *about, GError **error)
{
  GVariantIter iter;
  const char *key;
  GVariant *value;
  guint32 page_size = 0;

  g_variant_iter_init (&iter, about);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    {
      if (!check_about_value (key, value, error))
        {
          g_variant_unref (value);
          return FALSE;
        }
      if (g_variant_dict_contains (manifest->about, key))
        {
          g_variant_unref (value);
          return corrupt (error, "a field stands there twice");
        }
      g_variant_dict_insert_value (manifest->about, key, value);
    }
  if (!g_uuid_string_is_valid (moss_manifest_about (manifest, "id")))
    return corrupt (error, "its id is not an id");
  g_variant_dict_lookup (manifest->about, "page-size", "u", &page_size);
  if (page_size != MOSS_BLOCK_SIZE)
    return corrupt (error, "its pages have %u bytes", page_size);
  if (*moss_manifest_about (manifest, "arch") == '\0')
    return corrupt (error, "it does not say for which machine it is");
  return TRUE;
}

static gboolean
copy_32 (guint8 *to, GVariant *from)
{
  gsize size;
  const guint8 *data = g_variant_get_fixed_array (from, &size, 1);

  if (size != 32)
    return FALSE;
  memcpy (to, data, 32);
  return TRUE;
}

static gboolean
decode_segments (MossManifest *manifest, GVariant *segments, GError **error)
{
  gsize n = g_variant_n_children (segments);

  for (gsize i = 0; i < n; i++)
    {
      MossSegment segment;
      g_autoptr (GVariant) id = NULL, key = NULL;

      g_variant_get_child (segments, i, "(@ay@ayu)", &id, &key, &segment.blocks);
      if (!copy_32 (segment.id, id) || !copy_32 (segment.key, key))
        return corrupt (error, "segment %" G_GSIZE_FORMAT " has no proper id", i);
      if (segment.blocks < 1 || segment.blocks > MOSS_SEGMENT_MAX_BLOCKS)
        return corrupt (error, "segment %" G_GSIZE_FORMAT " has %u blocks", i, segment.blocks);
      g_array_append_val (manifest->segments, segment);
    }
  return TRUE;
}

static gboolean
name_is_good (const char *name)
{
  const char *image;

  if (g_str_equal (name, "layer/index") || g_str_equal (name, "layer/content"))
    return TRUE;
  if (!g_str_has_prefix (name, "image/"))
    return FALSE;
  image = name + strlen ("image/");
  if (*image == '\0' || *image == '.' || strlen (image) > 64)
    return FALSE;
  for (const char *c = image; *c != '\0'; c++)
    if (!g_ascii_isalnum (*c) && strchr ("_.-", *c) == NULL)
      return FALSE;
  return TRUE;
}

static gboolean
check_run (const MossManifest *manifest, const char *name, const MossRun *run, GError **error)
{
  const MossSegment *segment;

  if (run->blocks == 0)
    return corrupt (error, "%s has an empty run", name);
  if (run->segment == MOSS_SEGMENT_ZERO)
    return run->first == 0 || corrupt (error, "%s has a bad run of zeros", name);
  if (run->segment >= manifest->segments->len)
    return corrupt (error, "%s names segment %u, which it has not", name, run->segment);
  segment = &g_array_index (manifest->segments, MossSegment, run->segment);
  if ((guint64) run->first + run->blocks > segment->blocks)
    return corrupt (error, "%s reads past the end of segment %u", name, run->segment);
  return TRUE;
}

static gboolean
decode_file (MossManifest *manifest, GVariant *child, guint64 *total, GError **error)
{
  const char *name;
  guint64 size, wanted, blocks = 0;
  gsize n_runs;
  const MossRun *runs;
  g_autoptr (GVariant) list = NULL;
  MossManifestFile *file;

  g_variant_get (child, "(&st@a(uuu))", &name, &size, &list);
  if (!name_is_good (name))
    return corrupt (error, "a file in it has a name that can't be");
  if (size > MAX_TOTAL_BYTES || (*total += size) > MAX_TOTAL_BYTES)
    return corrupt (error, "%s is too large", name);
  wanted = (size + MOSS_BLOCK_SIZE - 1) / MOSS_BLOCK_SIZE;
  runs = g_variant_get_fixed_array (list, &n_runs, sizeof (MossRun));
  for (gsize i = 0; i < n_runs; i++)
    {
      if (!check_run (manifest, name, &runs[i], error))
        return FALSE;
      blocks += runs[i].blocks; /* at most 2^32 × 2^22: no overflow */
    }
  if (blocks != wanted)
    return corrupt (error, "%s has %" G_GUINT64_FORMAT " blocks instead of %" G_GUINT64_FORMAT,
                    name, blocks, wanted);
  file = moss_manifest_add_file (manifest, name, size);
  if (n_runs > 0)
    g_array_append_vals (file->runs, runs, n_runs);
  return TRUE;
}

static gboolean
decode_files (MossManifest *manifest, GVariant *files, GError **error)
{
  gsize n = g_variant_n_children (files);
  guint64 total = 0;
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  if (n > MOSS_MANIFEST_MAX_FILES)
    return corrupt (error, "it has %" G_GSIZE_FORMAT " files", n);
  for (gsize i = 0; i < n; i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (files, i);

      if (!decode_file (manifest, child, &total, error))
        return FALSE;
      if (!g_hash_table_add (seen, ((MossManifestFile *) g_ptr_array_index (
                                        manifest->files, i))->name))
        return corrupt (error, "a file stands there twice");
    }
  return TRUE;
}

MossManifest *
moss_manifest_decode (GBytes *bytes, GError **error)
{
  g_autoptr (GVariant) value = parse (bytes, MANIFEST_TYPE, MOSS_MANIFEST_MAX_BYTES,
                                      "manifest", error);
  g_autoptr (GVariant) about = NULL, segments = NULL, files = NULL;
  g_autoptr (MossManifest) manifest = moss_manifest_new ();
  guint32 version;

  if (value == NULL)
    return NULL;
  g_variant_get (value, "(u@a{sv}@a(ayayu)@a(sta(uuu)))", &version, &about, &segments, &files);
  if (version != 1)
    return (void) corrupt (error, "it is of version %u", version), NULL;
  if (!decode_about (manifest, about, error) || !decode_segments (manifest, segments, error)
      || !decode_files (manifest, files, error))
    return NULL;
  return g_steal_pointer (&manifest);
}

gboolean
moss_manifest_check_machine (const MossManifest *manifest, const char *arch,
                             const char *const *cpu_features, GError **error)
{
  const char *made_for = moss_manifest_about (manifest, "arch");
  g_autofree const char **needed = NULL;

  if (!g_str_equal (made_for, arch))
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_FOREIGN,
                   "%s runs on %s processors only, this is %s",
                   moss_manifest_about (manifest, "name"), made_for, arch);
      return FALSE;
    }
  if (cpu_features == NULL
      || !g_variant_dict_lookup (manifest->about, "cpu-features", "^a&s", &needed))
    return TRUE;
  for (guint i = 0; needed[i] != NULL; i++)
    if (!g_strv_contains (cpu_features, needed[i]))
      {
        g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_FOREIGN,
                     "%s needs a processor with “%s”, this one is without",
                     moss_manifest_about (manifest, "name"), needed[i]);
        return FALSE;
      }
  return TRUE;
}

GBytes *
moss_envelope_seal (guint32 suite, GBytes *public_key, GBytes *signature, GBytes *manifest)
{
  g_autoptr (GVariant) value = little_endian (g_variant_new (
      "(u@ay@ay@ay)", suite,
      g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, public_key, TRUE),
      g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, signature, TRUE),
      g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, manifest, TRUE)));

  return g_variant_get_data_as_bytes (value);
}

GBytes *
moss_envelope_open (GBytes *envelope, guint32 suite, GBytes *public_key, MossVerifyFunc verify,
                    GError **error)
{
  g_autoptr (GVariant) value = parse (envelope, ENVELOPE_TYPE, MOSS_MANIFEST_MAX_BYTES + 4096,
                                      "envelope", error);
  g_autoptr (GVariant) signer = NULL, signature = NULL, manifest = NULL;
  g_autoptr (GBytes) signer_bytes = NULL, signature_bytes = NULL, bytes = NULL;
  guint32 made_with;

  if (value == NULL)
    return NULL;
  g_variant_get (value, "(u@ay@ay@ay)", &made_with, &signer, &signature, &manifest);
  signer_bytes = g_variant_get_data_as_bytes (signer);
  signature_bytes = g_variant_get_data_as_bytes (signature);
  bytes = g_variant_get_data_as_bytes (manifest);
  if (made_with != suite || !g_bytes_equal (signer_bytes, public_key))
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_DENIED,
                   "The snapshot is refused: it is not signed by the device it comes from");
      return NULL;
    }
  if (g_bytes_get_size (signature_bytes) > 1024
      || !verify (suite, public_key, MOSS_SNAPSHOT_DOMAIN, bytes, signature_bytes, NULL))
    {
      g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_DENIED,
                   "The snapshot is refused: its signature does not hold");
      return NULL;
    }
  return g_steal_pointer (&bytes);
}

const char *
moss_machine_arch (void)
{
  static struct utsname machine;
  static gsize once;

  if (g_once_init_enter (&once))
    {
      uname (&machine);
      g_once_init_leave (&once, 1);
    }
  return machine.machine;
}
