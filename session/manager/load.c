/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From a manifest to a restored sandbox, and the snapshots that are kept. */
#define G_LOG_DOMAIN "moss-session"

#include "imaging.h"
#include "parcel.h"

#include "core/fault.h"
#include "session/move/layer-keep.h"
#include "session/move/move-error.h"

#include <fcntl.h>
#include <glib/gi18n.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>


gboolean
moss_shelf_fetch (MossShelf *shelf, MossManager *manager, const MossManifest *manifest,
                  const char *device, guint64 *fetched_bytes, GError **error)
{
  guint n;
  g_autoptr (GVariant) refs = g_variant_ref_sink (moss_shelf_missing (shelf, manifest, &n));
  g_autoptr (GVariant) lengths = NULL;
  gboolean ok;
  int fd;

  if (n == 0)
    return TRUE;
  fd = moss_net_get (manager->net, refs, device, &lengths, fetched_bytes, error);
  if (fd < 0)
    return FALSE;
  ok = moss_shelf_take (shelf, refs, fd, lengths, error);
  close (fd);
  return ok;
}

void
moss_ready_clear (MossReady *ready)
{
  g_clear_pointer (&ready->manifest, moss_manifest_free);
  g_clear_pointer (&ready->index, g_bytes_unref);
  g_clear_pointer (&ready->spare, moss_spare_free);
}

static gint32
append_fd (GUnixFDList *fds, int fd, GError **error)
{
  gint32 handle;

  if (fd < 0)
    return -1;
  handle = g_unix_fd_list_append (fds, fd, error);
  close (fd);
  return handle;
}

static int
write_index (GBytes *index)
{
  gsize size = g_bytes_get_size (index);
  int fd = memfd_create ("layer/index", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  if (fd >= 0 && write (fd, g_bytes_get_data (index, NULL), size) == (gssize) size
      && fcntl (fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0)
    return fd;
  if (fd >= 0)
    close (fd);
  return -1;
}

GBytes *
moss_files_read_index (MossFiles *files, GError **error)
{
  int fd = moss_helper_take_fd (files->fds, files->layer_index, error);
  g_autoptr (GMappedFile) mapped = NULL;

  if (fd < 0)
    return NULL;
  mapped = g_mapped_file_new_from_fd (fd, FALSE, error);
  close (fd);
  return mapped == NULL ? NULL : g_mapped_file_get_bytes (mapped);
}

/* The layer, of which what is there already is only named. It is put together beside the images. */
typedef struct
{
  const MossManifest *manifest;
  MossShelf *shelf;
  MossReady *ready;
  int index, content;
  GError *error;
} Layer;

static GBytes *
map_index (int fd, GError **error)
{
  g_autoptr (GMappedFile) mapped = g_mapped_file_new_from_fd (fd, FALSE, error);

  return mapped == NULL ? NULL : g_mapped_file_get_bytes (mapped);
}

/* Names what was prepared; kept: the blocks that are not needed then, or NULL. */
static gboolean
shorten_index (Layer *layer, guint8 **kept)
{
  g_autoptr (GBytes) index = NULL, shorter = NULL;

  if (layer->ready == NULL || layer->ready->manifest == NULL || layer->ready->index == NULL)
    return TRUE;
  index = map_index (layer->index, &layer->error);
  if (index == NULL)
    return FALSE;
  shorter = moss_layer_keep (index, layer->manifest, layer->ready->index,
                             layer->ready->manifest, kept);
  if (*kept == NULL)
    return TRUE;
  close (layer->index);
  layer->index = write_index (shorter);
  return TRUE;
}

static gpointer
assemble_layer (gpointer data)
{
  Layer *layer = data;
  const MossManifestFile *index = moss_manifest_find (layer->manifest, "layer/index");
  const MossManifestFile *content = moss_manifest_find (layer->manifest, "layer/content");
  g_autofree guint8 *kept = NULL;

  if (index == NULL || content == NULL)
    {
      g_set_error (&layer->error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_CORRUPT,
                   _("The snapshot is damaged: it has no files"));
      return NULL;
    }
  layer->index = moss_assemble (layer->manifest, index, layer->shelf, NULL, NULL,
                                &layer->error);
  if (layer->index >= 0 && shorten_index (layer, &kept))
    layer->content = moss_assemble (layer->manifest, content, layer->shelf, kept, NULL,
                                    &layer->error);
  return NULL;
}

static gboolean
add_layer (MossFiles *files, Layer *layer, GError **error)
{
  files->layer_index = append_fd (files->fds, layer->index, NULL);
  files->layer_content = append_fd (files->fds, layer->content, NULL);
  if (layer->error != NULL)
    g_propagate_error (error, layer->error);
  else if (files->layer_index < 0 || files->layer_content < 0)
    g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_FULL,
                 _("There is no room for the list of a snapshot"));
  else
    return TRUE;
  return FALSE;
}

/* Of those that may lie in a room: sandboxd takes nothing but pages from there. */
static const MossManifestFile *
find_largest_pages (const MossManifest *manifest)
{
  const MossManifestFile *largest = NULL;

  for (guint i = 0; i < manifest->files->len; i++)
    {
      const MossManifestFile *file = g_ptr_array_index (manifest->files, i);

      if (g_str_has_prefix (file->name, "image/pages-")
          && (largest == NULL || file->size > largest->size))
        largest = file;
    }
  return largest;
}

static gboolean
assemble_images (MossFiles *files, const MossManifest *manifest, MossShelf *shelf,
                 MossReady *ready, GError **error)
{
  const MossManifestFile *largest = find_largest_pages (manifest);
  GVariantBuilder images;

  g_variant_builder_init (&images, G_VARIANT_TYPE ("a(sht)"));
  for (guint i = 0; i < manifest->files->len; i++)
    {
      const MossManifestFile *file = g_ptr_array_index (manifest->files, i);
      MossSpare *spare = ready != NULL && file == largest ? ready->spare : NULL;
      gint32 handle;

      if (!g_str_has_prefix (file->name, "image/"))
        continue;
      handle = append_fd (files->fds,
                          moss_assemble (manifest, file, shelf, NULL, spare, error), error);
      if (handle < 0)
        {
          g_variant_builder_clear (&images);
          return FALSE;
        }
      g_variant_builder_add (&images, "(sht)", file->name + strlen ("image/"), handle,
                             file->size);
    }
  files->images = g_variant_ref_sink (g_variant_builder_end (&images));
  return TRUE;
}

MossFiles *
moss_files_assemble (const MossManifest *manifest, MossShelf *shelf, MossReady *ready,
                     GError **error)
{
  g_autoptr (MossFiles) files = g_new0 (MossFiles, 1);
  Layer layer = { manifest, shelf, ready, -1, -1, NULL };
  GThread *thread = g_thread_new ("layer", assemble_layer, &layer);
  gboolean ok;

  files->fds = g_unix_fd_list_new ();
  ok = assemble_images (files, manifest, shelf, ready, error);
  g_thread_join (thread);
  if (add_layer (files, &layer, ok ? error : NULL) && ok)
    return g_steal_pointer (&files);
  return NULL;
}

void
moss_files_free (MossFiles *files)
{
  g_clear_object (&files->fds);
  g_clear_pointer (&files->images, g_variant_unref);
  g_free (files);
}

/* Parts of "there-restore" that sandboxd measured. */
static void
add_stats (MossStages *stages, GVariant *stats)
{
  GVariantIter iter;
  const char *key;
  GVariant *value;

  g_variant_iter_init (&iter, stats);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    if (g_str_has_suffix (key, "-us") && !g_str_has_suffix (key, "at-us")
        && g_variant_is_of_type (value, G_VARIANT_TYPE_INT64)
        && g_variant_get_int64 (value) < 60 * G_USEC_PER_SEC)
      {
        g_autofree char *name = g_strdup_printf ("there-restore-%.*s", (int) strlen (key) - 3, key);

        g_variant_builder_add (&stages->builder, "(sd)", name,
                               g_variant_get_int64 (value) / 1000.0);
      }
}

gboolean
moss_files_restore (MossFiles *files, MossManager *manager, const char *id,
                    const MossManifest *manifest, MossStages *stages, GError **error)
{
  GVariantBuilder options;
  g_autoptr (GVariant) reply = NULL, stats = NULL;
  gboolean network = FALSE;

  g_variant_dict_lookup (manifest->about, "network", "b", &network);
  g_variant_builder_init (&options, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&options, "{sv}", "name",
                         g_variant_new_string (moss_manifest_about (manifest, "name")));
  g_variant_builder_add (&options, "{sv}", "network", g_variant_new_boolean (network));
  reply = moss_helper_call (manager->helper, "Restore",
                            g_variant_new ("(s@a(sht)hha{sv})", id, files->images,
                                           files->layer_index, files->layer_content, &options),
                            "(a{sv})", files->fds, NULL, error);
  if (reply == NULL)
    return FALSE;
  stats = g_variant_get_child_value (reply, 0);
  if (stages != NULL)
    add_stats (stages, stats);
  return TRUE;
}

/* The objects that must stay as long as the snapshot: its segments and its envelope. */
static GVariant *
root_refs (const MossManifest *manifest, GVariant *envelope_refs)
{
  g_autoptr (MossShelf) empty = moss_shelf_new ();
  g_autoptr (GVariant) segments
      = g_variant_ref_sink (moss_shelf_missing (empty, manifest, NULL));
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(ayay)"));
  for (gsize i = 0; i < g_variant_n_children (segments); i++)
    g_variant_builder_add_value (&builder, g_variant_get_child_value (segments, i));
  for (gsize i = 0; i < g_variant_n_children (envelope_refs); i++)
    g_variant_builder_add_value (&builder, g_variant_get_child_value (envelope_refs, i));
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

static char *
root_name (const char *snapshot)
{
  return g_strconcat ("snapshot-", snapshot, NULL);
}

void
moss_snapshot_forget (MossManager *manager, const MossSnapshotRow *row)
{
  g_autofree char *root = root_name (row->snapshot);

  moss_state_delete_snapshot (manager->state, row->snapshot);
  moss_net_set_root (manager->net, root, NULL, NULL);
}

static void
forget_older (MossManager *manager, const char *id, const char *kind, const char *but)
{
  g_autoptr (GPtrArray) rows = moss_state_snapshots (manager->state, id);

  for (guint i = 0; i < rows->len; i++)
    {
      const MossSnapshotRow *row = rows->pdata[i];

      if (g_str_equal (row->kind, kind) && !g_str_equal (row->snapshot, but))
        moss_snapshot_forget (manager, row);
    }
}

char *
moss_snapshot_keep (MossManager *manager, GBytes *envelope, MossManifest *manifest,
                    guint64 new_bytes, GError **error)
{
  g_autofree char *snapshot = g_uuid_string_random ();
  g_autofree char *root = root_name (snapshot);
  g_autoptr (GVariant) refs = moss_bytes_store (manager, envelope, "", error);
  g_autoptr (GVariant) all = NULL, about = NULL;
  gint64 time_ns = 0;

  if (refs == NULL)
    return NULL;
  all = root_refs (manifest, refs);
  if (!moss_net_set_root (manager->net, root, all, error))
    return NULL;
  g_variant_dict_lookup (manifest->about, "time", "x", &time_ns);
  about = moss_manifest_about_table (manifest);
  {
    MossSnapshotRow row = { snapshot,
                            (char *) moss_manifest_about (manifest, "id"),
                            (char *) moss_manifest_about (manifest, "kind"),
                            (char *) moss_manifest_about (manifest, "label"),
                            time_ns / 1000,
                            moss_manifest_total_bytes (manifest),
                            new_bytes,
                            refs,
                            about };

    if (!moss_state_add_snapshot (manager->state, &row, error))
      return NULL;
    if (!g_str_equal (row.kind, "manual"))
      forget_older (manager, row.sandbox, row.kind, snapshot);
  }
  return g_steal_pointer (&snapshot);
}

MossManifest *
moss_snapshot_load (MossManager *manager, const MossSnapshotRow *row, GError **error)
{
  g_autoptr (GBytes) envelope = moss_bytes_load (manager, row->refs, "", error);
  g_autoptr (GBytes) bytes = NULL;
  const char *device = "";

  if (envelope == NULL)
    return NULL;
  g_variant_lookup (row->about, "device", "&s", &device);
  bytes = moss_net_open (manager->net, device, envelope, error);
  return bytes == NULL ? NULL : moss_manifest_decode (bytes, error);
}
