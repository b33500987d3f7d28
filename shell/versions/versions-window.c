// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-versions"

#include "versions-window.h"

#include "shell/toasts.h"
#include "version-row.h"
#include "vfs/files/client.h"

#include <glib/gi18n.h>

#define MAX_ROWS 500
#define LOADING_MS 400

struct _MossVersionsWindow
{
  GtkApplicationWindow parent_instance;

  MossFilesClient *client;
  GCancellable *cancellable;
  char *path;
  GtkWidget *message;
  GtkWidget *list;
  GtkWidget *scroller;
  MossToasts *toasts;
  guint64 newest; /* version */
  guint loading;  /* timer: says so when it takes a while */
};

G_DEFINE_FINAL_TYPE (MossVersionsWindow, moss_versions_window, GTK_TYPE_APPLICATION_WINDOW)

static void bring_back (MossVersionsWindow *self, guint64 version, gboolean undo);
static void load (MossVersionsWindow *self);

static void
show_message (MossVersionsWindow *self, const char *text)
{
  gtk_label_set_text (GTK_LABEL (self->message), text);
  gtk_widget_set_visible (self->message, TRUE);
  gtk_widget_set_visible (self->scroller, FALSE);
}

/* ---- what a row does ----------------------------------------------------------------- */

static void
on_open (MossVersionRow *row, MossVersionsWindow *self)
{
  const char *path = moss_files_get_string (moss_version_row_get_version (row), "path");
  g_autofree char *uri = g_filename_to_uri (path, NULL, NULL);

  if (uri != NULL)
    gtk_show_uri (GTK_WINDOW (self), uri, GDK_CURRENT_TIME);
}

static void
on_bring_back (MossVersionRow *row, MossVersionsWindow *self)
{
  bring_back (self, moss_files_get_number (moss_version_row_get_version (row), "version"), FALSE);
}

typedef struct
{
  MossVersionsWindow *window;
  guint64 before; /* what was newest */
  gboolean undo;
} Return;

static void
return_free (gpointer data)
{
  Return *back = data;

  g_object_unref (back->window);
  g_free (back);
}

static void
on_undo (gpointer data)
{
  Return *back = data;

  bring_back (back->window, back->before, TRUE);
}

static void
on_restored (GObject *source, GAsyncResult *result, gpointer data)
{
  Return *back = data;
  MossVersionsWindow *self = back->window;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) answer =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);

  if (self->client == NULL) /* closed meanwhile */
    {
      return_free (back);
      return;
    }
  gtk_widget_set_sensitive (self->list, TRUE);
  load (self);
  if (answer == NULL)
    {
      g_dbus_error_strip_remote_error (error);
      moss_toasts_say (self->toasts, error->message);
      return_free (back);
    }
  else if (back->undo)
    {
      moss_toasts_say (self->toasts, _ ("It is as it was."));
      return_free (back);
    }
  else
    moss_toasts_say_markup (self->toasts, "back", _ ("It is back."), _ ("Undo"), on_undo, back,
                            return_free);
}

static void
bring_back (MossVersionsWindow *self, guint64 version, gboolean undo)
{
  Return *back = g_new0 (Return, 1);

  back->window = g_object_ref (self);
  back->before = self->newest;
  back->undo = undo;
  gtk_widget_set_sensitive (self->list, FALSE);
  moss_files_client_call (self->client, "Restore", g_variant_new ("(st)", self->path, version),
                          NULL, on_restored, back);
}

/* ---- the list ------------------------------------------------------------------------ */

static void
clear_list (MossVersionsWindow *self)
{
  GtkWidget *row;

  while ((row = gtk_widget_get_first_child (self->list)) != NULL)
    gtk_list_box_remove (GTK_LIST_BOX (self->list), row);
}

static void
show_versions (MossVersionsWindow *self, GVariant *versions)
{
  gsize n = MIN (g_variant_n_children (versions), MAX_ROWS);

  clear_list (self);
  for (gsize i = 0; i < n; i++)
    {
      g_autoptr (GVariant) version = g_variant_get_child_value (versions, i);
      GtkWidget *row = moss_version_row_new (version, i == 0);

      if (i == 0)
        self->newest = moss_files_get_number (version, "version");
      g_signal_connect (row, "open", G_CALLBACK (on_open), self);
      g_signal_connect (row, "bring-back", G_CALLBACK (on_bring_back), self);
      gtk_list_box_append (GTK_LIST_BOX (self->list), row);
    }
  gtk_widget_set_visible (self->scroller, n > 0);
  gtk_widget_set_visible (self->message, n <= 1);
  if (n <= 1)
    gtk_label_set_text (GTK_LABEL (self->message),
                        n == 1 ? _ ("There is only this version.") : _ ("There is no version."));
}

static void
on_versions_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  MossVersionsWindow *self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) answer =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autoptr (GVariant) versions = NULL;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  g_clear_handle_id (&self->loading, g_source_remove);
  if (g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN)
      || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER))
    show_message (self, _ ("Moss is not running here, so its versions can't be shown."));
  else if (answer == NULL)
    {
      g_dbus_error_strip_remote_error (error);
      show_message (self, error->message);
    }
  else if (g_variant_is_of_type (answer, G_VARIANT_TYPE ("(aa{sv})")))
    {
      versions = g_variant_get_child_value (answer, 0);
      show_versions (self, versions);
    }
}

static gboolean
on_loading (gpointer data)
{
  MossVersionsWindow *self = data;

  self->loading = 0;
  if (gtk_widget_get_first_child (self->list) == NULL)
    show_message (self, _ ("Looking for versions…"));
  return G_SOURCE_REMOVE;
}

static void
load (MossVersionsWindow *self)
{
  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  self->cancellable = g_cancellable_new ();
  if (self->loading == 0)
    self->loading = g_timeout_add (LOADING_MS, on_loading, self);
  moss_files_client_call (self->client, "Versions", g_variant_new ("(s)", self->path),
                          self->cancellable, on_versions_ready, self);
}

static void
on_files_changed (MossFilesClient *client, const char *const *paths, MossVersionsWindow *self)
{
  for (guint i = 0; paths[i] != NULL; i++)
    if (g_str_has_prefix (self->path, paths[i]))
      {
        load (self);
        return;
      }
}

/* ---- the window ---------------------------------------------------------------------- */

static GtkWidget *
make_body (MossVersionsWindow *self)
{
  GtkWidget *body = gtk_box_new (GTK_ORIENTATION_VERTICAL, 12);

  self->message = gtk_label_new (NULL);
  gtk_label_set_wrap (GTK_LABEL (self->message), TRUE);
  gtk_label_set_xalign (GTK_LABEL (self->message), 0);
  gtk_widget_add_css_class (self->message, "muted");
  gtk_widget_set_visible (self->message, FALSE);
  self->list = gtk_list_box_new ();
  gtk_list_box_set_selection_mode (GTK_LIST_BOX (self->list), GTK_SELECTION_NONE);
  gtk_widget_add_css_class (self->list, "list");
  gtk_widget_set_valign (self->list, GTK_ALIGN_START);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->list), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _ ("Versions"), -1);
  self->scroller = gtk_scrolled_window_new ();
  gtk_scrolled_window_set_child (GTK_SCROLLED_WINDOW (self->scroller), self->list);
  gtk_widget_set_vexpand (self->scroller, TRUE);
  gtk_widget_add_css_class (body, "dialog-body");
  gtk_box_append (GTK_BOX (body), self->message);
  gtk_box_append (GTK_BOX (body), self->scroller);
  return body;
}

static void
moss_versions_window_dispose (GObject *object)
{
  MossVersionsWindow *self = MOSS_VERSIONS_WINDOW (object);

  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  g_clear_handle_id (&self->loading, g_source_remove);
  if (self->client != NULL)
    g_signal_handlers_disconnect_by_data (self->client, self);
  g_clear_object (&self->client);
  G_OBJECT_CLASS (moss_versions_window_parent_class)->dispose (object);
}

static void
moss_versions_window_finalize (GObject *object)
{
  g_free (MOSS_VERSIONS_WINDOW (object)->path);
  G_OBJECT_CLASS (moss_versions_window_parent_class)->finalize (object);
}

static void
moss_versions_window_class_init (MossVersionsWindowClass *class)
{
  G_OBJECT_CLASS (class)->dispose = moss_versions_window_dispose;
  G_OBJECT_CLASS (class)->finalize = moss_versions_window_finalize;
}

static void
moss_versions_window_init (MossVersionsWindow *self)
{
  GtkWidget *overlay = gtk_overlay_new ();
  GtkWidget *bar = gtk_header_bar_new ();

  gtk_widget_add_css_class (GTK_WIDGET (self), "moss");
  gtk_widget_add_css_class (GTK_WIDGET (self), "dialog");
  gtk_window_set_default_size (GTK_WINDOW (self), 560, 480);
  gtk_window_set_titlebar (GTK_WINDOW (self), bar);
  self->toasts = g_object_new (MOSS_TYPE_TOASTS, NULL);
  gtk_widget_set_valign (GTK_WIDGET (self->toasts), GTK_ALIGN_END);
  gtk_widget_set_halign (GTK_WIDGET (self->toasts), GTK_ALIGN_CENTER);
  gtk_widget_set_margin_bottom (GTK_WIDGET (self->toasts), 16);
  gtk_overlay_set_child (GTK_OVERLAY (overlay), make_body (self));
  gtk_overlay_add_overlay (GTK_OVERLAY (overlay), GTK_WIDGET (self->toasts));
  gtk_window_set_child (GTK_WINDOW (self), overlay);
}

GtkWidget *
moss_versions_window_new (GtkApplication *application, GDBusConnection *bus, const char *path)
{
  MossVersionsWindow *self =
      g_object_new (MOSS_TYPE_VERSIONS_WINDOW, "application", application, NULL);
  g_autofree char *base = g_path_get_basename (path);
  g_autofree char *name = moss_files_clean (base, 60);
  /* Translators: a file's name */
  g_autofree char *title = g_strdup_printf (_ ("Versions of %s"), name);

  self->path = g_utf8_make_valid (path, -1);
  gtk_window_set_title (GTK_WINDOW (self), title);
  self->client = moss_files_client_new (bus);
  g_signal_connect (self->client, "files-changed", G_CALLBACK (on_files_changed), self);
  load (self);
  return GTK_WIDGET (self);
}
