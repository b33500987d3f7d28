// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-functions"

#include "work.h"

#include "ffi-broker/client/moss-ffi.h"

#include <glib/gi18n.h>
#include <string.h>

#define MAX_BYTES (G_GUINT64_CONSTANT (4) << 30)
#define MAX_TRIES 1000

typedef struct
{
  GFile *file;
  char *request;
} Work;

static void
work_free (gpointer data)
{
  Work *work = data;

  g_object_unref (work->file);
  g_free (work->request);
  g_free (work);
}

char *
moss_work_get_caps (GFileInfo *info)
{
  const char *type = g_file_info_get_content_type (info);
  g_autofree char *media = type == NULL ? NULL : g_content_type_get_mime_type (type);

  return media != NULL ? g_steal_pointer (&media) : g_strdup ("application/octet-stream");
}

/* ---- names --------------------------------------------------------------------------- */

/* The usual ending for a media type: the first glob that shared-mime-info lists for it. A line of
 * "globs2" is weight:type:glob, the heaviest first. */
static char *
find_ending (const char *media)
{
  const char *const *dirs = g_get_system_data_dirs ();
  g_autofree char *wanted = g_strdup_printf (":%s:*.", media);

  for (guint i = 0; dirs[i] != NULL; i++)
    {
      g_autofree char *path = g_build_filename (dirs[i], "mime", "globs2", NULL);
      g_autofree char *text = NULL;
      const char *at;

      if (!g_file_get_contents (path, &text, NULL, NULL) || (at = strstr (text, wanted)) == NULL)
        continue;
      at += strlen (wanted);
      return g_strndup (at, strcspn (at, "\n:*?["));
    }
  return NULL;
}

char *
moss_work_make_name (const char *name, const char *media)
{
  g_autofree char *ending = find_ending (media);
  const char *dot = strrchr (name, '.');
  /* What packs keeps the name of what is in it. */
  gboolean packs = g_str_has_prefix (media, "application/");

  if (ending == NULL || *ending == '\0')
    ending = (g_free (ending), g_strdup ("out"));
  if (dot == NULL || dot == name || packs)
    return g_strdup_printf ("%s.%s", name, ending);
  return g_strdup_printf ("%.*s.%s", (int) (dot - name), name, ending);
}

/* "a.webp", "a 2.webp" … whichever isn't there; the stream is of a file that was made now. */
static GFile *
create_beside (GFile *file, const char *name, GFileOutputStream **stream,
               GCancellable *cancellable, GError **error)
{
  g_autoptr (GFile) folder = g_file_get_parent (file);
  const char *dot = strrchr (name, '.');

  for (guint i = 1; i < MAX_TRIES; i++)
    {
      g_autofree char *other
          = i == 1 ? g_strdup (name)
                   : g_strdup_printf ("%.*s %u%s", (int) (dot - name), name, i, dot);
      g_autoptr (GFile) candidate = g_file_get_child (folder, other);
      g_autoptr (GError) local = NULL;

      *stream = g_file_create (candidate, G_FILE_CREATE_NONE, cancellable, &local);
      if (*stream != NULL)
        return g_steal_pointer (&candidate);
      if (!g_error_matches (local, G_IO_ERROR, G_IO_ERROR_EXISTS))
        {
          g_propagate_error (error, g_steal_pointer (&local));
          return NULL;
        }
    }
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS, _ ("There are too many files named “%s”."),
               name);
  return NULL;
}

/* ---- the work itself, in a thread ---------------------------------------------------- */

static MossFfiBuffer *
load (GFile *file, GCancellable *cancellable, GError **error)
{
  g_autoptr (GFileInfo) info = g_file_query_info (
      file, G_FILE_ATTRIBUTE_STANDARD_CONTENT_TYPE "," G_FILE_ATTRIBUTE_STANDARD_SIZE,
      G_FILE_QUERY_INFO_NONE, cancellable, error);
  g_autoptr (GBytes) bytes = NULL;
  g_autofree char *caps = NULL;

  if (info == NULL)
    return NULL;
  if ((guint64) g_file_info_get_size (info) > MAX_BYTES)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED,
                           _ ("The file is larger than 4 GB, too large for a function."));
      return NULL;
    }
  bytes = g_file_load_bytes (file, cancellable, NULL, error);
  if (bytes == NULL)
    return NULL;
  caps = moss_work_get_caps (info);
  return moss_ffi_buffer_new (caps, bytes);
}

static GFile *
save (GFile *beside, MossFfiBuffer *buffer, GCancellable *cancellable, GError **error)
{
  g_autoptr (GBytes) bytes = moss_ffi_buffer_get_bytes (buffer, error);
  g_autofree char *media = g_strdup (moss_ffi_buffer_get_caps (buffer));
  g_autofree char *base = g_file_get_basename (beside);
  g_autofree char *name = NULL;
  g_autoptr (GFileOutputStream) stream = NULL;
  g_autoptr (GFile) file = NULL;
  gconstpointer data;
  gsize size;

  if (bytes == NULL)
    return NULL;
  media[strcspn (media, ", (")] = '\0';
  name = moss_work_make_name (base, media);
  file = create_beside (beside, name, &stream, cancellable, error);
  if (file == NULL)
    return NULL;
  data = g_bytes_get_data (bytes, &size);
  if (g_output_stream_write_all (G_OUTPUT_STREAM (stream), data, size, NULL, cancellable, error)
      && g_output_stream_close (G_OUTPUT_STREAM (stream), cancellable, error))
    return g_steal_pointer (&file);
  g_file_delete (file, NULL, NULL); /* half of it is of no use to anybody */
  return NULL;
}

static MossFfiResult *
call (MossFfiClient *client, const char *request, MossFfiBuffer *input, gboolean lossy,
      GCancellable *cancellable, GError **error)
{
  GVariantDict options;

  g_variant_dict_init (&options, NULL);
  g_variant_dict_insert (&options, "want:lossy", "b", lossy);
  return moss_ffi_client_call (client, request, &input, 1, g_variant_dict_end (&options),
                               cancellable, error);
}

/* Without loss where that goes, as Possible of the broker says it. */
static MossFfiResult *
call_best (MossFfiClient *client, const char *request, MossFfiBuffer *input,
           GCancellable *cancellable, GError **error)
{
  g_autoptr (GError) first = NULL;
  MossFfiResult *result = call (client, request, input, FALSE, cancellable, &first);

  if (result != NULL)
    return result;
  if (g_error_matches (first, MOSS_FFI_ERROR, MOSS_FFI_ERROR_NOT_OFFERED))
    return call (client, request, input, TRUE, cancellable, error);
  g_propagate_error (error, g_steal_pointer (&first));
  return NULL;
}

static void
run_in_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Work *work = data;
  GError *error = NULL;
  MossFfiClient *client = moss_ffi_client_get_default (&error);
  g_autoptr (MossFfiBuffer) input = client == NULL ? NULL : load (work->file, cancellable, &error);
  g_autoptr (MossFfiResult) result = NULL;
  GFile *file = NULL;

  if (input != NULL)
    result = call_best (client, work->request, input, cancellable, &error);
  if (result != NULL && moss_ffi_result_get_n_buffers (result) > 0)
    file = save (work->file, moss_ffi_result_get_buffer (result, 0), cancellable, &error);
  else if (result != NULL)
    g_set_error_literal (&error, G_IO_ERROR, G_IO_ERROR_FAILED,
                         _ ("The function gave nothing back that could be a file."));
  if (file != NULL)
    g_task_return_pointer (task, file, g_object_unref);
  else
    g_task_return_error (task, error);
}

void
moss_work_run_async (GFile *file, const char *request, GCancellable *cancellable,
                     GAsyncReadyCallback callback, gpointer data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, data);
  Work *work = g_new0 (Work, 1);

  work->file = g_object_ref (file);
  work->request = g_strdup (request);
  g_task_set_task_data (task, work, work_free);
  g_task_run_in_thread (task, run_in_thread);
}

GFile *
moss_work_run_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
