// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-selection-provider"

#include "selection-provider.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixinputstream.h>
#include <string.h>
#include <unistd.h>

/* MossSelectionProvider: what an app has selected or drags, as content for the host. The
   bytes stream from the app through a pipe when somebody asks for them. */

#define MAX_TYPES 64
#define DRAG -1

struct _MossSelectionProvider
{
  GdkContentProvider parent_instance;

  MossViewer *viewer;
  int which; /* MossViewerSelection, or DRAG */
  GdkContentFormats *formats;
};

G_DEFINE_FINAL_TYPE (MossSelectionProvider, moss_selection_provider,
                     GDK_TYPE_CONTENT_PROVIDER)

static GdkContentFormats *
ref_formats (GdkContentProvider *provider)
{
  return gdk_content_formats_ref (MOSS_SELECTION_PROVIDER (provider)->formats);
}

static void
on_spliced (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  GError *error = NULL;

  if (g_output_stream_splice_finish (G_OUTPUT_STREAM (source), result, &error) < 0)
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
}

static void
write_mime_type (GdkContentProvider *provider, const char *mime_type, GOutputStream *stream,
                 int priority, GCancellable *cancellable, GAsyncReadyCallback callback,
                 gpointer data)
{
  MossSelectionProvider *self = MOSS_SELECTION_PROVIDER (provider);
  GTask *task = g_task_new (self, cancellable, callback, data);
  g_autoptr (GInputStream) input = NULL;
  int ends[2];

  if (moss_viewer_is_closed (self->viewer) || pipe2 (ends, O_CLOEXEC) != 0)
    {
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CLOSED,
                               "the app that had copied this is gone");
      g_object_unref (task);
      return;
    }
  if (self->which == DRAG)
    moss_viewer_drag_receive (self->viewer, mime_type, ends[1]);
  else
    moss_viewer_receive_selection (self->viewer, self->which, mime_type, ends[1]);
  input = g_unix_input_stream_new (ends[0], TRUE);
  g_output_stream_splice_async (stream, input, G_OUTPUT_STREAM_SPLICE_CLOSE_SOURCE, priority,
                                cancellable, on_spliced, task);
}

static gboolean
write_mime_type_finish (GdkContentProvider *provider, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* (transfer none): whose selection this is. */
MossViewer *
moss_selection_provider_get_viewer (MossSelectionProvider *self)
{
  return self->viewer;
}

static void
moss_selection_provider_finalize (GObject *object)
{
  MossSelectionProvider *self = MOSS_SELECTION_PROVIDER (object);

  g_clear_object (&self->viewer);
  g_clear_pointer (&self->formats, gdk_content_formats_unref);
  G_OBJECT_CLASS (moss_selection_provider_parent_class)->finalize (object);
}

static void
moss_selection_provider_class_init (MossSelectionProviderClass *klass)
{
  GdkContentProviderClass *provider_class = GDK_CONTENT_PROVIDER_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = moss_selection_provider_finalize;
  provider_class->ref_formats = ref_formats;
  provider_class->write_mime_type_async = write_mime_type;
  provider_class->write_mime_type_finish = write_mime_type_finish;
}

static void
moss_selection_provider_init (MossSelectionProvider *self)
{
}

static GdkContentProvider *
provider_new (MossViewer *viewer, int which, const char *const *mime_types)
{
  MossSelectionProvider *self = g_object_new (MOSS_TYPE_SELECTION_PROVIDER, NULL);
  GdkContentFormatsBuilder *builder = gdk_content_formats_builder_new ();

  self->viewer = g_object_ref (viewer);
  self->which = which;
  for (guint i = 0; mime_types[i] != NULL && i < MAX_TYPES; i++)
    gdk_content_formats_builder_add_mime_type (builder, mime_types[i]);
  self->formats = gdk_content_formats_builder_free_to_formats (builder);
  return GDK_CONTENT_PROVIDER (self);
}

/* (transfer full) */
GdkContentProvider *
moss_selection_provider_new (MossViewer *viewer, MossViewerSelection which,
                             const char *const *mime_types)
{
  return provider_new (viewer, which, mime_types);
}

/* (transfer full) */
GdkContentProvider *
moss_selection_provider_new_drag (MossViewer *viewer, const char *const *mime_types)
{
  return provider_new (viewer, DRAG, mime_types);
}
