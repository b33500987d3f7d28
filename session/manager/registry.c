/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "moss-session"

#include "registry.h"

#include "session/move/move-error.h"

#include <string.h>

struct _MossRegistry
{
  GObject parent_instance;
  GMutex lock;
  GCond released;
  MossState *state;
  GHashTable *sandboxes; /* id → GHashTable of key → GVariant */
  GHashTable *claims;    /* id → GCancellable */
  GHashTable *news;      /* ids to be told of; value: removed? */
  guint news_source;
};

enum
{
  CHANGED,
  REMOVED,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

G_DEFINE_TYPE (MossRegistry, moss_registry, G_TYPE_OBJECT)

/* These change many times a second, or mean nothing after a restart. */
static gboolean
is_passing (const char *key)
{
  return g_str_equal (key, "progress") || g_str_equal (key, "travels")
         || g_str_equal (key, "blockers");
}

static gboolean
tell_news (gpointer data)
{
  MossRegistry *registry = data;
  g_autoptr (GHashTable) news = NULL;
  GHashTableIter iter;
  gpointer id, removed;

  g_mutex_lock (&registry->lock);
  news = g_steal_pointer (&registry->news);
  registry->news = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  registry->news_source = 0;
  g_mutex_unlock (&registry->lock);
  g_hash_table_iter_init (&iter, news);
  while (g_hash_table_iter_next (&iter, &id, &removed))
    g_signal_emit (registry, signals[removed ? REMOVED : CHANGED], 0, id);
  return G_SOURCE_REMOVE;
}

/* One that is still being put together has no state yet; nobody is told of it before it has. */
static gboolean
has_state (GHashTable *fields)
{
  GVariant *state = fields == NULL ? NULL : g_hash_table_lookup (fields, "state");

  return state != NULL && g_variant_is_of_type (state, G_VARIANT_TYPE_STRING)
         && *g_variant_get_string (state, NULL) != '\0';
}

/* The lock is held. Many changes at once are told once. */
static void
add_news (MossRegistry *registry, const char *id, gboolean removed)
{
  if (!has_state (g_hash_table_lookup (registry->sandboxes, id)))
    return;
  g_hash_table_insert (registry->news, g_strdup (id), GINT_TO_POINTER (removed));
  if (registry->news_source == 0)
    registry->news_source = g_idle_add_full (G_PRIORITY_DEFAULT, tell_news,
                                             g_object_ref (registry), g_object_unref);
}

static GVariant *
to_variant (GHashTable *fields, gboolean picture, gboolean passing)
{
  GVariantBuilder builder;
  GHashTableIter iter;
  gpointer key, value;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  g_hash_table_iter_init (&iter, fields);
  while (g_hash_table_iter_next (&iter, &key, &value))
    if ((picture || !g_str_equal (key, "picture")) && (passing || !is_passing (key)))
      g_variant_builder_add (&builder, "{sv}", key, value);
  return g_variant_builder_end (&builder);
}

static GHashTable *
new_fields (const char *id)
{
  GHashTable *fields = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                              (GDestroyNotify) g_variant_unref);
  static const struct
  {
    const char *key, *value;
  } defaults[] = {
    { "app", "''" },          { "name", "''" },     { "icon", "''" },
    { "argv", "@aay []" },    { "state", "''" },    { "device", "''" },
    { "origin", "''" },       { "progress", "0.0" }, { "text", "''" },
    { "travels", "true" },    { "blockers", "@as []" }, { "network", "false" },
    { "files", "uint32 0" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (defaults); i++)
    g_hash_table_insert (fields, g_strdup (defaults[i].key),
                         g_variant_ref_sink (g_variant_new_parsed (defaults[i].value)));
  g_hash_table_insert (fields, g_strdup ("id"), g_variant_ref_sink (g_variant_new_string (id)));
  return fields;
}

static void
load (MossRegistry *registry)
{
  g_autoptr (GVariant) all = g_variant_ref_sink (moss_state_load_sandboxes (registry->state));

  for (gsize i = 0; i < g_variant_n_children (all); i++)
    {
      g_autoptr (GVariant) record = g_variant_get_child_value (all, i);
      const char *id, *key;
      GVariantIter iter;
      GVariant *value;
      GHashTable *fields;

      if (!g_variant_lookup (record, "id", "&s", &id))
        continue;
      fields = new_fields (id);
      g_variant_iter_init (&iter, record);
      while (g_variant_iter_next (&iter, "{&sv}", &key, &value))
        g_hash_table_insert (fields, g_strdup (key), value);
      g_hash_table_insert (registry->sandboxes, g_strdup (id), fields);
    }
}

static void
moss_registry_finalize (GObject *object)
{
  MossRegistry *registry = MOSS_REGISTRY (object);

  g_hash_table_unref (registry->sandboxes);
  g_hash_table_unref (registry->claims);
  g_hash_table_unref (registry->news);
  g_mutex_clear (&registry->lock);
  g_cond_clear (&registry->released);
  G_OBJECT_CLASS (moss_registry_parent_class)->finalize (object);
}

static void
moss_registry_class_init (MossRegistryClass *class)
{
  G_OBJECT_CLASS (class)->finalize = moss_registry_finalize;
  signals[CHANGED] = g_signal_new ("changed", MOSS_TYPE_REGISTRY, G_SIGNAL_RUN_LAST, 0, NULL,
                                   NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
  signals[REMOVED] = g_signal_new ("removed", MOSS_TYPE_REGISTRY, G_SIGNAL_RUN_LAST, 0, NULL,
                                   NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
}

static void
moss_registry_init (MossRegistry *registry)
{
  g_mutex_init (&registry->lock);
  g_cond_init (&registry->released);
  registry->sandboxes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                               (GDestroyNotify) g_hash_table_unref);
  registry->claims = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_object_unref);
  registry->news = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}

MossRegistry *
moss_registry_new (MossState *state)
{
  MossRegistry *registry = g_object_new (MOSS_TYPE_REGISTRY, NULL);

  registry->state = state;
  load (registry);
  return registry;
}

static gboolean
set_field (GHashTable *fields, const char *key, GVariant *value, gboolean *save)
{
  GVariant *old = g_hash_table_lookup (fields, key);
  g_autoptr (GVariant) sunk = g_variant_ref_sink (value);

  if (old != NULL && g_variant_equal (old, sunk))
    return FALSE;
  if (!is_passing (key))
    *save = TRUE;
  g_hash_table_insert (fields, g_strdup (key), g_steal_pointer (&sunk));
  return TRUE;
}

void
moss_registry_set (MossRegistry *registry, const char *id, ...)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&registry->lock);
  GHashTable *fields = g_hash_table_lookup (registry->sandboxes, id);
  gboolean changed = FALSE, save = FALSE;
  const char *key;
  va_list args;

  if (fields == NULL)
    {
      fields = new_fields (id);
      g_hash_table_insert (registry->sandboxes, g_strdup (id), fields);
      changed = TRUE;
    }
  va_start (args, id);
  while ((key = va_arg (args, const char *)) != NULL)
    if (set_field (fields, key, va_arg (args, GVariant *), &save))
      changed = TRUE;
  va_end (args);
  if (save)
    {
      g_autoptr (GVariant) record = g_variant_ref_sink (to_variant (fields, TRUE, FALSE));

      moss_state_save_sandbox (registry->state, id, record);
    }
  if (changed)
    add_news (registry, id, FALSE);
}

void
moss_registry_remove (MossRegistry *registry, const char *id)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&registry->lock);

  if (!g_hash_table_contains (registry->sandboxes, id))
    return;
  moss_state_delete_sandbox (registry->state, id);
  add_news (registry, id, TRUE);
  g_hash_table_remove (registry->sandboxes, id);
}

gboolean
moss_registry_has (MossRegistry *registry, const char *id)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&registry->lock);

  return g_hash_table_contains (registry->sandboxes, id);
}

GVariant *
moss_registry_get (MossRegistry *registry, const char *id, const char *key)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&registry->lock);
  GHashTable *fields = g_hash_table_lookup (registry->sandboxes, id);
  GVariant *value = fields == NULL ? NULL : g_hash_table_lookup (fields, key);

  return value == NULL ? NULL : g_variant_ref (value);
}

char *
moss_registry_get_string (MossRegistry *registry, const char *id, const char *key)
{
  g_autoptr (GVariant) value = moss_registry_get (registry, id, key);

  if (value == NULL || !g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    return g_strdup ("");
  return g_variant_dup_string (value, NULL);
}

gboolean
moss_registry_get_boolean (MossRegistry *registry, const char *id, const char *key)
{
  g_autoptr (GVariant) value = moss_registry_get (registry, id, key);

  return value != NULL && g_variant_is_of_type (value, G_VARIANT_TYPE_BOOLEAN)
         && g_variant_get_boolean (value);
}

gboolean
moss_registry_is (MossRegistry *registry, const char *id, const char *state)
{
  g_autofree char *now = moss_registry_get_string (registry, id, "state");

  return g_str_equal (now, state);
}

GVariant *
moss_registry_describe (MossRegistry *registry, const char *id, gboolean picture)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&registry->lock);
  GHashTable *fields = g_hash_table_lookup (registry->sandboxes, id);

  return fields == NULL ? NULL : to_variant (fields, picture, TRUE);
}

GVariant *
moss_registry_list (MossRegistry *registry)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&registry->lock);
  GVariantBuilder builder;
  GHashTableIter iter;
  gpointer fields;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  g_hash_table_iter_init (&iter, registry->sandboxes);
  while (g_hash_table_iter_next (&iter, NULL, &fields))
    if (has_state (fields))
      g_variant_builder_add_value (&builder, to_variant (fields, FALSE, TRUE));
  return g_variant_builder_end (&builder);
}

GStrv
moss_registry_ids (MossRegistry *registry)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&registry->lock);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  GHashTableIter iter;
  gpointer id;

  g_hash_table_iter_init (&iter, registry->sandboxes);
  while (g_hash_table_iter_next (&iter, &id, NULL))
    g_strv_builder_add (builder, id);
  return g_strv_builder_end (builder);
}

GCancellable *
moss_registry_claim (MossRegistry *registry, const char *id, gboolean wait, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&registry->lock);
  GCancellable *cancellable;

  while (g_hash_table_contains (registry->claims, id))
    {
      if (!wait)
        {
          g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_BUSY,
                       "It is on its way or being saved just now");
          return NULL;
        }
      g_cond_wait (&registry->released, &registry->lock);
    }
  cancellable = g_cancellable_new ();
  g_hash_table_insert (registry->claims, g_strdup (id), g_object_ref (cancellable));
  return cancellable;
}

void
moss_registry_release (MossRegistry *registry, const char *id)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&registry->lock);

  g_hash_table_remove (registry->claims, id);
  g_cond_broadcast (&registry->released);
}

gboolean
moss_registry_cancel (MossRegistry *registry, const char *id)
{
  g_autoptr (GCancellable) cancellable = NULL;

  g_mutex_lock (&registry->lock);
  cancellable = g_hash_table_lookup (registry->claims, id);
  if (cancellable != NULL)
    g_object_ref (cancellable);
  g_mutex_unlock (&registry->lock);
  if (cancellable != NULL)
    g_cancellable_cancel (cancellable);
  return cancellable != NULL;
}

gboolean
moss_registry_is_claimed (MossRegistry *registry, const char *id)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&registry->lock);

  return g_hash_table_contains (registry->claims, id);
}
