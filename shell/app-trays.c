// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-app-trays"

#include "app-trays.h"

#include "app-bus.h"
#include "format.h"

#define RETRY_FIRST_MS 200
#define RETRY_LAST_MS 5000
/* A display from before there was a way to its bus has none on the sixth try either. */
#define TRIES 5

struct _MossAppTrays
{
  GObject parent_instance;

  MossSessionClient *session;
  MossTray *tray;
  GHashTable *entries; /* sandbox id → Entry */
};

typedef struct
{
  MossAppTrays *trays;
  MossSandbox *sandbox;
  GDBusConnection *bus; /* or NULL */
  GCancellable *connecting;
  guint retry;
  guint retry_ms;
  guint tries;
} Entry;

G_DEFINE_FINAL_TYPE (MossAppTrays, moss_app_trays, G_TYPE_OBJECT)

static void connect_bus (Entry *entry);

static void
drop_bus (Entry *entry)
{
  if (entry->bus == NULL)
    return;
  g_signal_handlers_disconnect_by_data (entry->bus, entry);
  moss_tray_remove_bus (entry->trays->tray, entry->bus);
  g_dbus_connection_close (entry->bus, NULL, NULL, NULL);
  g_clear_object (&entry->bus);
}

static gboolean
on_retry (gpointer data)
{
  Entry *entry = data;

  entry->retry = 0;
  connect_bus (entry);
  return G_SOURCE_REMOVE;
}

static void
retry_later (Entry *entry)
{
  if (entry->retry != 0 || entry->tries >= TRIES || !moss_sandbox_has_display (entry->sandbox))
    return;
  entry->retry = g_timeout_add (entry->retry_ms, on_retry, entry);
  entry->retry_ms = MIN (entry->retry_ms * 2, RETRY_LAST_MS);
}

static void
on_bus_closed (GDBusConnection *bus, gboolean vanished, GError *error, Entry *entry)
{
  drop_bus (entry);
  retry_later (entry);
}

static void
on_bus_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) bus = moss_app_bus_connect_finish (result, &error);
  g_autofree char *name = NULL;
  Entry *entry = data;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return; /* the entry is gone */
  g_clear_object (&entry->connecting);
  if (bus == NULL)
    {
      g_debug ("the bus of %s: %s", entry->sandbox->id, error->message);
      retry_later (entry);
      return;
    }
  entry->tries = 0;
  entry->retry_ms = RETRY_FIRST_MS;
  entry->bus = g_object_ref (bus);
  g_signal_connect (bus, "closed", G_CALLBACK (on_bus_closed), entry);
  name = moss_format_app_name (entry->sandbox->name, entry->sandbox->app);
  moss_tray_add_bus (entry->trays->tray, bus, name);
}

static void
connect_bus (Entry *entry)
{
  MossDBusSession1 *proxy = moss_session_client_get_proxy (entry->trays->session);

  if (proxy == NULL || entry->bus != NULL || entry->connecting != NULL || entry->retry != 0
      || !moss_sandbox_has_display (entry->sandbox))
    return;
  entry->tries++;
  entry->connecting = g_cancellable_new ();
  moss_app_bus_connect (proxy, entry->sandbox->id, entry->connecting, on_bus_ready, entry);
}

/* ---- the list ------------------------------------------------------------------------ */

static void
on_sandbox_changed (MossSandbox *sandbox, Entry *entry)
{
  if (moss_sandbox_has_display (sandbox))
    {
      if (entry->tries < TRIES)
        connect_bus (entry);
      return;
    }
  entry->tries = 0;
  entry->retry_ms = RETRY_FIRST_MS;
  g_clear_handle_id (&entry->retry, g_source_remove);
  drop_bus (entry);
}

static void
entry_free (gpointer data)
{
  Entry *entry = data;

  g_signal_handlers_disconnect_by_data (entry->sandbox, entry);
  g_clear_handle_id (&entry->retry, g_source_remove);
  g_cancellable_cancel (entry->connecting);
  g_clear_object (&entry->connecting);
  drop_bus (entry);
  g_object_unref (entry->sandbox);
  g_free (entry);
}

static void
add_sandbox (MossAppTrays *self, MossSandbox *sandbox)
{
  Entry *entry;

  if (g_hash_table_contains (self->entries, sandbox->id))
    return;
  entry = g_new0 (Entry, 1);
  entry->trays = self;
  entry->sandbox = g_object_ref (sandbox);
  entry->retry_ms = RETRY_FIRST_MS;
  g_hash_table_insert (self->entries, sandbox->id, entry);
  g_signal_connect (sandbox, "changed", G_CALLBACK (on_sandbox_changed), entry);
  on_sandbox_changed (sandbox, entry);
}

static void
on_items_changed (GListModel *model, guint position, guint removed, guint added,
                  MossAppTrays *self)
{
  GHashTableIter iter;
  Entry *entry;

  g_hash_table_iter_init (&iter, self->entries);
  while (removed > 0 && g_hash_table_iter_next (&iter, NULL, (gpointer *) &entry))
    if (moss_session_client_find (self->session, entry->sandbox->id) == NULL)
      g_hash_table_iter_remove (&iter);
  for (guint i = position; i < position + added; i++)
    {
      g_autoptr (MossSandbox) sandbox = g_list_model_get_item (model, i);

      add_sandbox (self, sandbox);
    }
}

static void
moss_app_trays_dispose (GObject *object)
{
  MossAppTrays *self = MOSS_APP_TRAYS (object);

  g_clear_pointer (&self->entries, g_hash_table_unref);
  g_clear_object (&self->session);
  G_OBJECT_CLASS (moss_app_trays_parent_class)->dispose (object);
}

static void
moss_app_trays_class_init (MossAppTraysClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = moss_app_trays_dispose;
}

static void
moss_app_trays_init (MossAppTrays *self)
{
  self->entries = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, entry_free);
}

MossAppTrays *
moss_app_trays_new (MossSessionClient *session, MossTray *tray)
{
  MossAppTrays *self = g_object_new (MOSS_TYPE_APP_TRAYS, NULL);
  GListModel *sandboxes = moss_session_client_get_sandboxes (session);

  self->session = g_object_ref (session);
  self->tray = tray;
  g_signal_connect_object (sandboxes, "items-changed", G_CALLBACK (on_items_changed), self, 0);
  on_items_changed (sandboxes, 0, 0, g_list_model_get_n_items (sandboxes), self);
  return self;
}
