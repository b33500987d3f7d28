// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-clipboard"

#include "clipboard.h"

#include "selection-provider.h"
#include "transfer.h"

#include <glib/gstdio.h>

/* MossClipboard: one clipboard and one primary selection for all apps and the host.

   What an app copies becomes the content of the host's clipboard, read from the app only
   when somebody pastes. What the host (or another app, by way of the host's clipboard) has
   is offered to every other app. An app is never offered its own selection: that would
   take it away from itself. */

struct _MossClipboard
{
  GObject parent_instance;

  GdkClipboard *clipboards[2]; /* by MossViewerSelection */
  GPtrArray *viewers;          /* unowned */
};

G_DEFINE_FINAL_TYPE (MossClipboard, moss_clipboard, G_TYPE_OBJECT)

static MossViewer *
get_owner (GdkClipboard *clipboard)
{
  GdkContentProvider *content = gdk_clipboard_get_content (clipboard);

  return MOSS_IS_SELECTION_PROVIDER (content)
         ? moss_selection_provider_get_viewer (MOSS_SELECTION_PROVIDER (content)) : NULL;
}

static void
offer (MossClipboard *self, MossViewerSelection which, MossViewer *viewer)
{
  g_autoptr (GdkContentFormats) all = NULL;
  g_autoptr (GPtrArray) types = NULL;

  if (get_owner (self->clipboards[which]) == viewer)
    return;
  types = moss_transfer_types (gdk_clipboard_get_formats (self->clipboards[which]), &all);
  moss_viewer_set_selection (viewer, which,
                             types->len > 1 ? (const char *const *) types->pdata : NULL);
}

static void
on_host_changed (GdkClipboard *clipboard, MossClipboard *self)
{
  MossViewerSelection which = clipboard == self->clipboards[MOSS_VIEWER_SELECTION_PRIMARY]
                              ? MOSS_VIEWER_SELECTION_PRIMARY
                              : MOSS_VIEWER_SELECTION_CLIPBOARD;

  for (guint i = 0; i < self->viewers->len; i++)
    offer (self, which, g_ptr_array_index (self->viewers, i));
}

static void
on_app_changed (MossViewer *viewer, MossViewerSelection which, MossClipboard *self)
{
  const char *const *types = moss_viewer_get_selection (viewer, which);
  g_autoptr (GdkContentProvider) provider = NULL;

  if (which > MOSS_VIEWER_SELECTION_PRIMARY)
    return;
  if (types == NULL || types[0] == NULL)
    {
      if (get_owner (self->clipboards[which]) == viewer)
        gdk_clipboard_set_content (self->clipboards[which], NULL);
      return;
    }
  provider = moss_selection_provider_new (viewer, which, types);
  gdk_clipboard_set_content (self->clipboards[which], provider);
}

static void
on_read_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  int fd = GPOINTER_TO_INT (data);
  g_autoptr (GError) error = NULL;
  GInputStream *input = gdk_clipboard_read_finish (GDK_CLIPBOARD (source), result, NULL, &error);

  if (input != NULL)
    {
      moss_transfer_pour (input, fd);
      return;
    }
  g_debug ("pasting: %s", error->message);
  g_close (fd, NULL);
}

static gboolean
on_app_requested (MossViewer *viewer, MossViewerSelection which, const char *mime, int fd,
                  MossClipboard *self)
{
  if (which > MOSS_VIEWER_SELECTION_PRIMARY || get_owner (self->clipboards[which]) == viewer)
    return FALSE;
  gdk_clipboard_read_async (self->clipboards[which], (const char *[]){ mime, NULL },
                            G_PRIORITY_DEFAULT, NULL, on_read_ready,
                            GINT_TO_POINTER (fd));
  return TRUE;
}

/* viewer: (unowned) until moss_clipboard_remove_viewer(). */
void
moss_clipboard_add_viewer (MossClipboard *self, MossViewer *viewer)
{
  g_ptr_array_add (self->viewers, viewer);
  g_signal_connect (viewer, "selection-changed", G_CALLBACK (on_app_changed), self);
  g_signal_connect (viewer, "selection-requested", G_CALLBACK (on_app_requested), self);
  offer (self, MOSS_VIEWER_SELECTION_CLIPBOARD, viewer);
  offer (self, MOSS_VIEWER_SELECTION_PRIMARY, viewer);
}

void
moss_clipboard_remove_viewer (MossClipboard *self, MossViewer *viewer)
{
  if (!g_ptr_array_remove (self->viewers, viewer))
    return;
  g_signal_handlers_disconnect_by_data (viewer, self);
  for (guint i = 0; i < G_N_ELEMENTS (self->clipboards); i++)
    if (get_owner (self->clipboards[i]) == viewer)
      gdk_clipboard_set_content (self->clipboards[i], NULL);
}

static void
moss_clipboard_dispose (GObject *object)
{
  MossClipboard *self = MOSS_CLIPBOARD (object);

  while (self->viewers != NULL && self->viewers->len > 0)
    moss_clipboard_remove_viewer (self, g_ptr_array_index (self->viewers, 0));
  g_clear_pointer (&self->viewers, g_ptr_array_unref);
  G_OBJECT_CLASS (moss_clipboard_parent_class)->dispose (object);
}

static void
moss_clipboard_class_init (MossClipboardClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = moss_clipboard_dispose;
}

static void
moss_clipboard_init (MossClipboard *self)
{
  self->viewers = g_ptr_array_new ();
}

MossClipboard *
moss_clipboard_new (GdkDisplay *display)
{
  MossClipboard *self = g_object_new (MOSS_TYPE_CLIPBOARD, NULL);

  self->clipboards[MOSS_VIEWER_SELECTION_CLIPBOARD] = gdk_display_get_clipboard (display);
  self->clipboards[MOSS_VIEWER_SELECTION_PRIMARY] =
      gdk_display_get_primary_clipboard (display);
  for (guint i = 0; i < G_N_ELEMENTS (self->clipboards); i++)
    g_signal_connect_object (self->clipboards[i], "changed", G_CALLBACK (on_host_changed),
                             self, 0);
  return self;
}
