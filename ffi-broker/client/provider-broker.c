// SPDX-License-Identifier: LGPL-2.1-or-later
/* A provider's connection to the broker: what it offers is announced there, callers come
 * from there, and a broker that is restarted is found again. */
#include "provider-private.h"

#include "connect.h"

#include <unistd.h>

void
moss_ffi_provider_drop_broker (MossFfiProvider *self)
{
  moss_ffi_clear_source (&self->broker_source);
  if (self->broker >= 0)
    close (self->broker);
  self->broker = -1;
}

static GVariant *
about_us (MossFfiProvider *self)
{
  GVariantDict about;

  g_variant_dict_init (&about, NULL);
  g_variant_dict_insert (&about, "id", "s", self->id);
  g_variant_dict_insert (&about, "version", "s", self->version);
  g_variant_dict_insert (&about, "kind", "s", "local");
  g_variant_dict_insert (&about, "returns-memory", "b", self->returns_memory);
  if (self->name)
    g_variant_dict_insert (&about, "name", "s", self->name);
  return g_variant_dict_end (&about);
}

static GVariant *
about_offer (MossFfiOffered *offered)
{
  GVariantDict about;

  g_variant_dict_init (&about, offered->attributes);
  g_variant_dict_insert (&about, "capability", "s", offered->capability);
  g_variant_dict_insert (&about, "function", "s", offered->name);
  return g_variant_dict_end (&about);
}

/* As many as go into one frame; each frame adds to what the same connection announced. */
gboolean
moss_ffi_provider_announce (MossFfiProvider *self, GPtrArray *list, GError **error)
{
  for (guint i = 0; i < list->len;)
    {
      GVariantBuilder offers;
      gsize size = 0;

      g_variant_builder_init (&offers, G_VARIANT_TYPE ("aa{sv}"));
      for (; i < list->len && size < MOSS_FFI_FRAME_MAX / 2; i++)
        {
          GVariant *about = about_offer (list->pdata[i]);

          size += g_variant_get_size (about) + 16;
          g_variant_builder_add_value (&offers, about);
        }
      if (!moss_ffi_frame_send (
              self->broker, MOSS_FFI_FRAME_ANNOUNCE, i,
              g_variant_new ("(@a{sv}aa{sv})", about_us (self), &offers), NULL, 0, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
announce_all (MossFfiProvider *self, GError **error)
{
  g_autoptr (GPtrArray) list
      = g_ptr_array_new_with_free_func ((GDestroyNotify)moss_ffi_offered_unref);
  GHashTableIter iter;
  gpointer offered;

  g_mutex_lock (&self->lock);
  g_hash_table_iter_init (&iter, self->functions);
  while (g_hash_table_iter_next (&iter, NULL, &offered))
    g_ptr_array_add (list, moss_ffi_offered_ref (offered));
  g_mutex_unlock (&self->lock);
  return moss_ffi_provider_announce (self, list, error);
}

static void
take_caller (MossFfiProvider *self, MossFfiFrame *frame)
{
  g_autoptr (GVariant) about = g_variant_get_child_value (frame->body, 0);
  gboolean trusted = FALSE;
  int fd = moss_ffi_frame_take_fd (frame, 0);

  g_variant_lookup (about, "trusted", "b", &trusted);
  if (fd >= 0)
    moss_ffi_provider_add_caller (self, fd, trusted);
}

static gboolean connect_again (gpointer data);

static void
on_broker_gone (MossFfiProvider *self)
{
  moss_ffi_provider_drop_broker (self);
  if (self->inherited)
    {
      g_main_loop_quit (self->loop);
      return;
    }
  moss_ffi_clear_source (&self->retry);
  self->retry = g_timeout_source_new (500);
  g_source_set_callback (self->retry, connect_again, self, NULL);
  g_source_attach (self->retry, self->context);
}

static void
handle_broker (MossFfiProvider *self, MossFfiFrame *frame)
{
  if (frame->kind == MOSS_FFI_FRAME_CALLER)
    take_caller (self, frame);
  else if (frame->kind == MOSS_FFI_FRAME_ERROR)
    {
      const char *name, *sentence;

      g_variant_get (frame->body, "(&s&s)", &name, &sentence);
      g_message ("The function broker refuses an offer of %s: %s", self->id, sentence);
    }
}

static gboolean
on_broker_readable (int fd, GIOCondition condition, gpointer data)
{
  g_autoptr (MossFfiProvider) self = g_object_ref (MOSS_FFI_PROVIDER (data));
  g_autoptr (GError) error = NULL;
  g_auto (MossFfiFrame) frame = { 0 };

  if (moss_ffi_frame_receive (fd, &frame, &error))
    {
      handle_broker (self, &frame);
      return G_SOURCE_CONTINUE;
    }
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
    return G_SOURCE_CONTINUE;
  on_broker_gone (self);
  return G_SOURCE_REMOVE;
}

#define ANSWER_US (10 * G_USEC_PER_SEC)

/* The first answer is waited for, so that who attaches learns what is wrong with an
 * offer. */
static gboolean
await_announced (MossFfiProvider *self, GError **error)
{
  gint64 until = g_get_monotonic_time () + ANSWER_US;

  for (;;)
    {
      g_auto (MossFfiFrame) frame = { 0 };

      if (!moss_ffi_await_frame (self->broker, until, &frame, error))
        return FALSE;
      if (frame.kind == MOSS_FFI_FRAME_ANNOUNCED)
        return TRUE;
      if (frame.kind == MOSS_FFI_FRAME_ERROR)
        {
          const char *name, *sentence;

          g_variant_get (frame.body, "(&s&s)", &name, &sentence);
          g_propagate_error (error, moss_ffi_error_from_name (name, sentence));
          return FALSE;
        }
      handle_broker (self, &frame);
    }
}

static gboolean
join (MossFfiProvider *self, int fd, GError **error)
{
  self->broker = fd;
  if (!announce_all (self, error)
      || (g_hash_table_size (self->functions) > 0 && !await_announced (self, error)))
    {
      moss_ffi_provider_drop_broker (self);
      return FALSE;
    }
  self->broker_source = moss_ffi_provider_watch (self, fd, on_broker_readable, self, NULL);
  return TRUE;
}

static gboolean
connect_again (gpointer data)
{
  MossFfiProvider *self = data;
  int fd = moss_ffi_connect (NULL);

  if (fd < 0 || !join (self, fd, NULL))
    return G_SOURCE_CONTINUE;
  moss_ffi_clear_source (&self->retry);
  return G_SOURCE_REMOVE;
}

/**
 * moss_ffi_provider_add_broker:
 * @provider: a provider
 * @fd: a socket whose other end the broker has; taken
 * @error: where to say why not
 *
 * For who is started by the broker: announces there, and moss_ffi_provider_run() comes
 * back when the broker hangs up.
 *
 * Returns: %FALSE when the broker refuses
 */
gboolean
moss_ffi_provider_add_broker (MossFfiProvider *self, int fd, GError **error)
{
  self->inherited = TRUE;
  return join (self, fd, error);
}

/**
 * moss_ffi_provider_attach:
 * @provider: a provider
 * @error: where to say why not
 *
 * Announces its functions to the broker, which is started when it isn't running. They are
 * called while the main context runs that was the thread's default when it was made. When
 * the broker is restarted they are announced again.
 *
 * Returns: %FALSE when there is no broker or it refuses
 */
gboolean
moss_ffi_provider_attach (MossFfiProvider *self, GError **error)
{
  int fd;

  if (self->broker >= 0)
    return TRUE;
  fd = moss_ffi_connect (error);
  return fd >= 0 && join (self, fd, error);
}

/**
 * moss_ffi_provider_run:
 * @provider: a provider
 * @error: where to say why not
 *
 * moss_ffi_provider_attach(), then runs the main loop until moss_ffi_provider_quit().
 *
 * Returns: %FALSE when there is no broker or it refuses
 */
gboolean
moss_ffi_provider_run (MossFfiProvider *self, GError **error)
{
  if (!moss_ffi_provider_attach (self, error))
    return FALSE;
  g_main_loop_run (self->loop);
  return TRUE;
}

/**
 * moss_ffi_provider_quit:
 * @provider: a provider
 *
 * Ends moss_ffi_provider_run(). Any thread.
 */
void
moss_ffi_provider_quit (MossFfiProvider *self)
{
  g_main_loop_quit (self->loop);
}
