// SPDX-License-Identifier: LGPL-2.1-or-later
/* A caller's connection as its provider sees it. The caller is hostile until shown
 * otherwise: it may have 64 calls under way, and when it doesn't read its answers it is
 * cut off. */
#include "provider-private.h"

#include <sys/socket.h>
#include <unistd.h>

MossFfiCaller *
moss_ffi_caller_new (int fd, gboolean trusted)
{
  MossFfiCaller *caller = g_new0 (MossFfiCaller, 1);

  g_atomic_ref_count_init (&caller->refs);
  g_mutex_init (&caller->lock);
  caller->running = g_hash_table_new (g_int64_hash, g_int64_equal);
  caller->fd = fd;
  caller->trusted = trusted;
  return caller;
}

MossFfiCaller *
moss_ffi_caller_ref (MossFfiCaller *caller)
{
  g_atomic_ref_count_inc (&caller->refs);
  return caller;
}

void
moss_ffi_caller_unref (MossFfiCaller *caller)
{
  if (!g_atomic_ref_count_dec (&caller->refs))
    return;
  close (caller->fd);
  g_hash_table_unref (caller->running);
  g_mutex_clear (&caller->lock);
  g_free (caller);
}

static void
cancel_if (MossFfiCaller *caller, const guint64 *serial)
{
  g_autoptr (GPtrArray) calls = g_ptr_array_new_with_free_func (g_object_unref);
  GHashTableIter iter;
  gpointer key, cancellable;

  g_mutex_lock (&caller->lock);
  g_hash_table_iter_init (&iter, caller->running);
  while (g_hash_table_iter_next (&iter, &key, &cancellable))
    if (serial == NULL || *(guint64 *)key == *serial)
      g_ptr_array_add (calls, g_object_ref (cancellable));
  g_mutex_unlock (&caller->lock);
  for (guint i = 0; i < calls->len; i++)
    g_cancellable_cancel (calls->pdata[i]);
}

void
moss_ffi_caller_cancel (MossFfiCaller *caller, guint64 serial)
{
  cancel_if (caller, &serial);
}

/* Nobody waits for the answers any more. */
void
moss_ffi_caller_cut (MossFfiCaller *caller)
{
  shutdown (caller->fd, SHUT_RDWR);
  cancel_if (caller, NULL);
}

/* FALSE when the caller is gone or doesn't read; it is cut off then. Any thread. */
gboolean
moss_ffi_caller_send (MossFfiCaller *caller,
                      MossFfiFrameKind kind,
                      guint64 serial,
                      GVariant *body,
                      const MossFfiFds *fds)
{
  g_autoptr (GError) error = NULL;

  if (moss_ffi_frame_send (caller->fd, kind, serial, body, fds ? fds->fds : NULL,
                           fds ? fds->n_fds : 0, &error))
    return TRUE;
  if (!g_error_matches (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_INVALID))
    {
      shutdown (caller->fd, SHUT_RDWR);
      return FALSE;
    }
  moss_ffi_caller_send_error (caller, serial, error);
  return FALSE;
}

void
moss_ffi_caller_send_error (MossFfiCaller *caller, guint64 serial, const GError *error)
{
  g_autofree char *sentence = moss_ffi_error_sentence (error);

  moss_ffi_caller_send (caller, MOSS_FFI_FRAME_ERROR, serial,
                        g_variant_new ("(ss)", moss_ffi_error_name (error), sentence),
                        NULL);
}
