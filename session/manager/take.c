/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From a sandbox to a signed snapshot. */
#define G_LOG_DOMAIN "moss-session"

#include "imaging.h"

#include "core/clock.h"
#include "core/fault.h"
#include "cpu.h"
#include "moves.h"
#include "session/move/move-error.h"

#include <string.h>
#include <unistd.h>

#define THREADS 2

/* The newest snapshot of it that there is, of any kind. */
static MossManifest *
load_last (MossManager *manager, const char *id)
{
  g_autoptr (GPtrArray) rows = moss_state_snapshots (manager->state, id);
  g_autoptr (GError) error = NULL;
  MossManifest *manifest;

  if (rows->len == 0)
    return NULL;
  manifest = moss_snapshot_load (manager, rows->pdata[0], &error);
  if (manifest == NULL)
    g_message ("The last snapshot can't be used to spare blocks: %s", error->message);
  return manifest;
}

MossTaking *
moss_taking_begin (MossManager *manager, const char *id, const char *device)
{
  MossTaking *taking = g_new0 (MossTaking, 1);
  g_autoptr (MossManifest) last = load_last (manager, id);
  g_autoptr (MossShelf) shelf = moss_shelf_new ();
  g_autoptr (GPtrArray) plain = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;

  taking->manager = manager;
  taking->id = g_strdup (id);
  taking->device = g_strdup (device);
  taking->pool = moss_pool_new ();
  if (last == NULL)
    return taking;
  if (!moss_shelf_fetch (shelf, manager, last, device, NULL, &error))
    {
      g_message ("The last snapshot can't be used to spare blocks: %s", error->message);
      return taking;
    }
  for (guint i = 0; i < last->segments->len; i++)
    g_ptr_array_add (plain, moss_shelf_find (
                                shelf, g_array_index (last->segments, MossSegment, i).id));
  moss_pool_add_manifest (taking->pool, last, plain);
  return taking;
}

void
moss_taking_free (MossTaking *taking)
{
  g_clear_object (&taking->fds);
  g_clear_pointer (&taking->images, g_variant_unref);
  moss_pool_free (taking->pool);
  g_free (taking->id);
  g_free (taking->device);
  g_free (taking);
}

static gboolean
store_new (MossTaking *taking, MossImager *imager, GError **error)
{
  g_autoptr (GVariant) refs = NULL;
  int content = moss_imager_get_content (imager);

  if (content < 0)
    return TRUE;
  refs = moss_net_put (taking->manager->net, content, moss_imager_get_ranges (imager),
                       taking->device, &taking->stored_bytes, error);
  return refs != NULL && moss_imager_set_refs (imager, refs, error);
}

static gboolean
add_fd (MossImager *imager, const char *name, GUnixFDList *fds, gint32 handle, gint64 size,
        GError **error)
{
  int fd = moss_helper_take_fd (fds, handle, error);
  gboolean ok;

  if (fd < 0)
    return FALSE;
  if (size < 0)
    size = lseek (fd, 0, SEEK_END);
  ok = size >= 0 && moss_imager_add (imager, name, fd, size, error);
  close (fd);
  return ok;
}

static gboolean
add_memory (MossTaking *taking, MossImager *imager, GError **error)
{
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GVariant) reply
      = moss_helper_call (taking->manager->helper, "ReadMemory",
                          g_variant_new ("(s)", taking->id), "(h)", NULL, &fds, error);
  gint32 pages;

  if (reply == NULL)
    return FALSE;
  g_variant_get (reply, "(h)", &pages);
  return add_fd (imager, "memory", fds, pages, -1, error);
}

static gboolean
add_layer (MossTaking *taking, MossImager *imager, GVariant *extra, GError **error)
{
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GVariant) reply
      = moss_helper_call (taking->manager->helper, "ReadLayer",
                          g_variant_new ("(s@aay)", taking->id, extra), "(hh)", NULL, &fds, error);
  gint32 index, content;

  if (reply == NULL)
    return FALSE;
  g_variant_get (reply, "(hh)", &index, &content);
  return add_fd (imager, "layer/index", fds, index, -1, error)
         && add_fd (imager, "layer/content", fds, content, -1, error);
}

/* Every segment that the dump may refer to, so that the target fetches them before. */
static void
list_all_segments (MossTaking *taking, MossManifest *manifest)
{
  GArray *segments = taking->pool->segments;
  guint n_listed = manifest->segments->len;

  for (guint i = 0; i < segments->len; i++)
    {
      const MossPoolSegment *segment = &g_array_index (segments, MossPoolSegment, i);
      gboolean listed = FALSE;

      for (guint j = 0; j < n_listed && !listed; j++)
        listed = memcmp (g_array_index (manifest->segments, MossSegment, j).id,
                         segment->ref.id, 32) == 0;
      if (!listed && segment->stored)
        g_array_append_val (manifest->segments, segment->ref);
    }
}

gboolean
moss_taking_copy_ahead (MossTaking *taking, GVariant *extra, MossManifest *manifest,
                        GError **error)
{
  g_autoptr (MossImager) memory = moss_imager_new (taking->pool);
  g_autoptr (MossImager) layer = moss_imager_new (taking->pool);

  if (!add_memory (taking, memory, error) || !moss_imager_cut (memory, THREADS, error)
      || !store_new (taking, memory, error))
    return FALSE;
  if (!add_layer (taking, layer, extra, error) || !moss_imager_cut (layer, THREADS, error)
      || !store_new (taking, layer, error))
    return FALSE;
  taking->ahead_new_bytes = moss_imager_get_stats (memory)->new_bytes
                            + moss_imager_get_stats (layer)->new_bytes;
  if (manifest != NULL)
    {
      g_variant_dict_insert (manifest->about, "memory-bytes", "t",
                             moss_imager_get_stats (memory)->total_bytes);
      moss_imager_write (layer, manifest);
      list_all_segments (taking, manifest);
    }
  return TRUE;
}

gboolean
moss_taking_dump (MossTaking *taking, GVariant *extra, MossStages *stages, GError **error)
{
  g_autoptr (GVariant) reply = NULL, stats = NULL;
  gint64 done_us = 0;

  reply = moss_helper_call (taking->manager->helper, "Dump",
                            g_variant_new ("(s@aay)", taking->id, extra), "(a(sht)hha{sv})",
                            NULL, &taking->fds, error);
  if (reply == NULL)
    return FALSE;
  g_variant_get (reply, "(@a(sht)hh@a{sv})", &taking->images, &taking->layer_index,
                 &taking->layer_content, &stats);
  taking->frozen_at_us = stages->last_us;
  if (g_variant_lookup (stats, "frozen-at-us", "x", &taking->frozen_at_us)
      && g_variant_lookup (stats, "done-us", "x", &done_us)
      && taking->frozen_at_us >= stages->last_us && done_us >= taking->frozen_at_us)
    {
      g_variant_builder_add (&stages->builder, "(sd)", "before-freeze",
                             (taking->frozen_at_us - stages->last_us) / 1000.0);
      g_variant_builder_add (&stages->builder, "(sd)", "dump",
                             (done_us - taking->frozen_at_us) / 1000.0);
      stages->last_us = done_us;
    }
  moss_stages_mark (stages, "dump-answer");
  return TRUE;
}

void
moss_taking_describe (MossTaking *taking, MossManifest *manifest, const char *kind,
                      const char *label, const char *move)
{
  static const char *const copied[]
      = { "app", "name", "icon", "argv", "network", "geometry", "picture" };
  MossManager *manager = taking->manager;
  g_autofree char *device = moss_net_self_id (manager->net);
  g_autofree char *origin = moss_registry_get_string (manager->registry, taking->id, "origin");
  g_autoptr (GVariant) features = moss_manager_features (manager, NULL);
  g_autoptr (GPtrArray) needed = moss_cpu_needed (features);
  const char *criu = "";
  GVariantDict *about = manifest->about;

  for (guint i = 0; i < G_N_ELEMENTS (copied); i++)
    {
      g_autoptr (GVariant) value
          = moss_registry_get (manager->registry, taking->id, copied[i]);

      if (value != NULL)
        g_variant_dict_insert_value (about, copied[i], value);
    }
  if (features != NULL)
    g_variant_lookup (features, "criu-version", "&s", &criu);
  g_variant_dict_insert (about, "id", "s", taking->id);
  g_variant_dict_insert (about, "time", "x", moss_clock_now_us () * 1000);
  g_variant_dict_insert (about, "device", "s", device);
  g_variant_dict_insert (about, "arch", "s", moss_machine_arch ());
  g_variant_dict_insert_value (
      about, "cpu-features",
      g_variant_new_strv ((const char *const *) needed->pdata, needed->len));
  g_variant_dict_insert (about, "page-size", "u", MOSS_BLOCK_SIZE);
  g_variant_dict_insert (about, "criu", "s", criu);
  g_variant_dict_insert (about, "origin", "s", *origin ? origin : device);
  g_variant_dict_insert (about, "move", "s", move);
  g_variant_dict_insert (about, "label", "s", label);
  g_variant_dict_insert (about, "kind", "s", kind);
}

GBytes *
moss_taking_sign (MossTaking *taking, MossManifest *manifest, GError **error)
{
  g_autoptr (GBytes) bytes = moss_manifest_encode (manifest, error);

  return bytes == NULL ? NULL : moss_net_seal (taking->manager->net, bytes, error);
}

static gboolean
add_images (MossTaking *taking, MossImager *imager, GError **error)
{
  GVariantIter iter;
  const char *name;
  gint32 handle;
  guint64 size;

  g_variant_iter_init (&iter, taking->images);
  while (g_variant_iter_next (&iter, "(&sht)", &name, &handle, &size))
    {
      g_autofree char *path = g_strconcat ("image/", name, NULL);

      if (!add_fd (imager, path, taking->fds, handle, size, error))
        return FALSE;
    }
  return add_fd (imager, "layer/index", taking->fds, taking->layer_index, -1, error)
         && add_fd (imager, "layer/content", taking->fds, taking->layer_content, -1, error);
}

GBytes *
moss_taking_finish (MossTaking *taking, MossManifest *manifest, MossStages *stages,
                    GError **error)
{
  g_autoptr (MossImager) imager = moss_imager_new (taking->pool);
  GBytes *envelope;

  if (!add_images (taking, imager, error) || !moss_imager_cut (imager, THREADS, error))
    return NULL;
  moss_stages_mark (stages, "compare");
  if (!store_new (taking, imager, error))
    return NULL;
  moss_stages_mark (stages, "store");
  taking->stats = *moss_imager_get_stats (imager);
  moss_imager_write (imager, manifest);
  envelope = moss_taking_sign (taking, manifest, error);
  moss_stages_mark (stages, "sign");
  return envelope;
}
