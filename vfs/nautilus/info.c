// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-nautilus"

#include "extension.h"

#include <glib/gi18n-lib.h>

/* Nautilus asks about one file at a time; netd is asked about all that came in one turn of the
 * main loop. Nautilus waits for nothing: an answer comes, or the file stays without emblem. */

#define BATCH_MAX 1000

typedef struct
{
  NautilusInfoProvider *provider;
  NautilusFileInfo *file;
  GClosure *complete;
  char *path;
  gboolean cancelled;
} Update;

static void
update_free (gpointer data)
{
  Update *update = data;

  g_object_unref (update->provider);
  g_object_unref (update->file);
  g_closure_unref (update->complete);
  g_free (update->path);
  g_free (update);
}

static void
show (Update *update, GVariant *info)
{
  g_autofree char *state = moss_files_info_state (info);
  g_autofree char *hosts = moss_files_info_hosts (info);
  const char *emblem = moss_files_info_emblem (info);
  /* Translators: the state of a file, and on how many hosts it is */
  g_autofree char *text = *hosts != '\0' ? g_strdup_printf (_ ("%s · %s"), state, hosts)
                                         : g_strdup (state);

  if (emblem != NULL)
    nautilus_file_info_add_emblem (update->file, emblem);
  nautilus_file_info_add_string_attribute (update->file, "moss_state", text);
  nautilus_file_info_add_string_attribute (update->file, "moss_kept",
                                           moss_files_info_is_pinned (info) ? "1" : "");
}

static void
finish (Update *update, GVariant *info)
{
  if (update->cancelled)
    return;
  if (info != NULL)
    show (update, info);
  nautilus_info_provider_update_complete_invoke (
      update->complete, update->provider, (NautilusOperationHandle *) update,
      info != NULL ? NAUTILUS_OPERATION_COMPLETE : NAUTILUS_OPERATION_FAILED);
}

static void
on_infos_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GPtrArray) updates = data;
  g_autoptr (GVariant) answer =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);
  g_autoptr (GVariant) infos = NULL;

  if (answer != NULL && g_variant_is_of_type (answer, G_VARIANT_TYPE ("(aa{sv})")))
    infos = g_variant_get_child_value (answer, 0);
  for (guint i = 0; i < updates->len; i++)
    {
      g_autoptr (GVariant) info = NULL;

      if (infos != NULL && i < g_variant_n_children (infos))
        info = g_variant_get_child_value (infos, i);
      finish (updates->pdata[i], info);
    }
}

static gboolean
ask (gpointer data)
{
  MossNautilus *self = data;
  GPtrArray *updates = g_steal_pointer (&self->pending);
  GVariantBuilder paths;

  self->idle = 0;
  g_variant_builder_init (&paths, G_VARIANT_TYPE ("as"));
  for (guint i = 0; i < updates->len; i++)
    g_variant_builder_add (&paths, "s", ((Update *) updates->pdata[i])->path);
  moss_files_client_call (self->client, "Info", g_variant_new ("(as)", &paths), NULL,
                          on_infos_ready, updates);
  return G_SOURCE_REMOVE;
}

static NautilusOperationResult
update_file_info (NautilusInfoProvider *provider, NautilusFileInfo *file, GClosure *complete,
                  NautilusOperationHandle **handle)
{
  MossNautilus *self = MOSS_NAUTILUS (provider);
  g_autofree char *path = moss_nautilus_path_of (file);
  Update *update;

  if (path == NULL || self->client == NULL)
    return NAUTILUS_OPERATION_COMPLETE;
  update = g_new0 (Update, 1);
  update->provider = g_object_ref (provider);
  update->file = g_object_ref (file);
  update->complete = g_closure_ref (complete);
  update->path = g_steal_pointer (&path);
  if (self->pending == NULL)
    self->pending = g_ptr_array_new_with_free_func (update_free);
  g_ptr_array_add (self->pending, update);
  if (self->pending->len == BATCH_MAX)
    {
      g_clear_handle_id (&self->idle, g_source_remove);
      ask (self);
    }
  else if (self->idle == 0)
    self->idle = g_idle_add (ask, self);
  *handle = (NautilusOperationHandle *) update;
  return NAUTILUS_OPERATION_IN_PROGRESS;
}

/* It stays among those asked about: an answer for it is thrown away. */
static void
cancel_update (NautilusInfoProvider *provider, NautilusOperationHandle *handle)
{
  ((Update *) handle)->cancelled = TRUE;
}

/* Only files that Nautilus knows are looked up, by name. */
static void
on_files_changed (MossFilesClient *client, const char *const *paths, MossNautilus *self)
{
  for (guint i = 0; paths[i] != NULL; i++)
    {
      g_autoptr (GFile) location = g_file_new_for_path (paths[i]);
      g_autoptr (NautilusFileInfo) file = nautilus_file_info_lookup (location);

      if (file != NULL)
        nautilus_file_info_invalidate_extension_info (file);
    }
}

void
moss_nautilus_info_start (MossNautilus *self)
{
  g_signal_connect (self->client, "files-changed", G_CALLBACK (on_files_changed), self);
}

void
moss_nautilus_info_stop (MossNautilus *self)
{
  g_clear_handle_id (&self->idle, g_source_remove);
  g_clear_pointer (&self->pending, g_ptr_array_unref);
  if (self->client != NULL)
    g_signal_handlers_disconnect_by_data (self->client, self);
}

void
moss_nautilus_info_iface_init (NautilusInfoProviderInterface *iface)
{
  iface->update_file_info = update_file_info;
  iface->cancel_update = cancel_update;
}
