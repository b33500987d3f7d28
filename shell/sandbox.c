// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-sandbox"

#include "sandbox.h"

#include <string.h>

/* MossSandbox: what the shell knows about one sandbox. The session owns the truth; this
   object only repeats the last dictionary it sent, field by field, so that a widget can
   bind to it. A dictionary may be partial: what is absent stays as it was. */

#define PICTURE_MAX_BYTES (4 * 1024 * 1024)
#define TEXT_MAX_CHARS 512
#define PROGRESS_RESTORED 0.9 /* session/manager/receive.c says so */

enum { CHANGED, N_SIGNALS };
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (MossSandbox, moss_sandbox, G_TYPE_OBJECT)

static const char *const state_names[] = {
  "starting", "running", "frozen", "leaving", "arriving",
  "away", "on-its-way", "stored", "ended", NULL,
};

static void
take_string (GVariant *fields, const char *key, char **field)
{
  g_autofree char *value = NULL;

  if (!g_variant_lookup (fields, key, "s", &value))
    return;
  g_free (*field);
  *field = g_utf8_strlen (value, -1) > TEXT_MAX_CHARS
           ? g_utf8_substring (value, 0, TEXT_MAX_CHARS)
           : g_steal_pointer (&value);
}

static void
take_state (MossSandbox *self, GVariant *fields)
{
  const char *state = NULL;

  if (!g_variant_lookup (fields, "state", "&s", &state) || *state == '\0')
    return;
  for (guint i = 0; state_names[i] != NULL; i++)
    if (strcmp (state_names[i], state) == 0)
      {
        self->state = i;
        return;
      }
  g_warning ("sandbox %s: unknown state “%s”", self->id, state);
}

static void
take_geometry (MossSandbox *self, GVariant *fields)
{
  g_autoptr (GVariant) value = g_variant_lookup_value (fields, "geometry", NULL);

  if (value == NULL)
    return;
  while (g_variant_is_of_type (value, G_VARIANT_TYPE_VARIANT))
    {
      GVariant *inner = g_variant_get_variant (value);
      g_variant_unref (value);
      value = inner;
    }
  g_clear_pointer (&self->geometry, g_variant_unref);
  self->geometry = g_steal_pointer (&value);
}

static void
take_picture (MossSandbox *self, GVariant *fields)
{
  g_autoptr (GVariant) value = g_variant_lookup_value (fields, "picture",
                                                       G_VARIANT_TYPE_BYTESTRING);

  if (value == NULL || g_variant_get_size (value) == 0 ||
      g_variant_get_size (value) > PICTURE_MAX_BYTES)
    return;
  g_clear_pointer (&self->picture, g_bytes_unref);
  self->picture = g_variant_get_data_as_bytes (value);
}

/**
 * moss_sandbox_update:
 * @fields: (a{sv}) a dictionary of org.moss.Session1, whole or partial
 *
 * Takes over what the dictionary says and emits "changed".
 */
void
moss_sandbox_update (MossSandbox *self, GVariant *fields)
{
  g_auto (GStrv) blockers = NULL;

  take_string (fields, "app", &self->app);
  take_string (fields, "name", &self->name);
  take_string (fields, "icon", &self->icon);
  take_string (fields, "device", &self->device);
  take_string (fields, "origin", &self->origin);
  take_string (fields, "text", &self->text);
  take_state (self, fields);
  take_geometry (self, fields);
  take_picture (self, fields);
  g_variant_lookup (fields, "progress", "d", &self->progress);
  self->progress = CLAMP (self->progress, 0.0, 1.0);
  g_variant_lookup (fields, "travels", "b", &self->travels);
  g_variant_lookup (fields, "network", "b", &self->network);
  g_variant_lookup (fields, "files", "u", &self->files);
  if (g_variant_lookup (fields, "blockers", "^as", &blockers))
    {
      g_strfreev (self->blockers);
      self->blockers = g_steal_pointer (&blockers);
    }
  g_signal_emit (self, signals[CHANGED], 0);
}

/* TRUE when there is a display here that can be connected: the sandbox runs, or it has arrived as
   a whole and stands still until it is let go. Its first picture then finds us waiting. */
gboolean
moss_sandbox_has_display (MossSandbox *self)
{
  return self->state == MOSS_SANDBOX_STARTING || self->state == MOSS_SANDBOX_RUNNING ||
         self->state == MOSS_SANDBOX_LEAVING ||
         (self->state == MOSS_SANDBOX_ARRIVING && self->progress >= PROGRESS_RESTORED);
}

gboolean
moss_sandbox_is_moving (MossSandbox *self)
{
  return self->state == MOSS_SANDBOX_LEAVING || self->state == MOSS_SANDBOX_ARRIVING ||
         self->state == MOSS_SANDBOX_ON_ITS_WAY;
}

gboolean
moss_sandbox_is_elsewhere (MossSandbox *self)
{
  return self->state == MOSS_SANDBOX_AWAY || self->state == MOSS_SANDBOX_ON_ITS_WAY;
}

static void
moss_sandbox_finalize (GObject *object)
{
  MossSandbox *self = MOSS_SANDBOX (object);

  g_free (self->id);
  g_free (self->app);
  g_free (self->name);
  g_free (self->icon);
  g_free (self->device);
  g_free (self->origin);
  g_free (self->text);
  g_strfreev (self->blockers);
  g_clear_pointer (&self->geometry, g_variant_unref);
  g_clear_pointer (&self->picture, g_bytes_unref);
  G_OBJECT_CLASS (moss_sandbox_parent_class)->finalize (object);
}

static void
moss_sandbox_class_init (MossSandboxClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = moss_sandbox_finalize;
  signals[CHANGED] = g_signal_new ("changed", MOSS_TYPE_SANDBOX, G_SIGNAL_RUN_LAST, 0,
                                   NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
moss_sandbox_init (MossSandbox *self)
{
  self->app = g_strdup ("");
  self->name = g_strdup ("");
  self->icon = g_strdup ("");
  self->device = g_strdup ("");
  self->origin = g_strdup ("");
  self->text = g_strdup ("");
  self->travels = TRUE;
}

MossSandbox *
moss_sandbox_new (const char *id)
{
  MossSandbox *self = g_object_new (MOSS_TYPE_SANDBOX, NULL);

  self->id = g_strdup (id);
  return self;
}
