// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-app-icon"

#include "app-icon.h"

#include <gio/gdesktopappinfo.h>

/* MossAppIcon: the picture of an app from the icon theme, or, where the theme has none, its
   first letter on a quiet colour that is always the same for this app.

   It draws the picture itself: a GtkImage that gets another one asks for a new size, and a tile of
   a GtkGridView that does so while the view gives out room stays without any. */

struct _MossAppIcon
{
  GtkWidget parent_instance;

  GIcon *icon;           /* NULL: the letter is shown */
  GdkPaintable *picture; /* of the icon at this scale; NULL until it is drawn */
  GtkWidget *letter;
  int size;
};

#define N_HUES 6

G_DEFINE_FINAL_TYPE (MossAppIcon, moss_app_icon, GTK_TYPE_WIDGET)

static void
show_letter (MossAppIcon *self, const char *name)
{
  g_autofree char *initial = NULL;
  g_autofree char *hue = NULL;

  if (name == NULL || *name == '\0')
    name = "·";
  initial = g_utf8_substring (name, 0, 1);
  {
    g_autofree char *upper = g_utf8_strup (initial, -1);
    gtk_label_set_label (GTK_LABEL (self->letter), upper);
  }
  hue = g_strdup_printf ("hue-%u", g_str_hash (name) % N_HUES);
  gtk_widget_set_css_classes (self->letter, (const char *[]){ "letter", hue, NULL });
  g_clear_object (&self->icon);
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

static GtkIconTheme *
get_theme (MossAppIcon *self)
{
  return gtk_icon_theme_get_for_display (gtk_widget_get_display (GTK_WIDGET (self)));
}

static gboolean
theme_has (MossAppIcon *self, GIcon *icon)
{
  return icon != NULL && gtk_icon_theme_has_gicon (get_theme (self), icon);
}

/* It is looked up when it is drawn next. */
static void
forget_picture (MossAppIcon *self)
{
  g_clear_object (&self->picture);
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

static GdkPaintable *
look_up (MossAppIcon *self)
{
  GtkWidget *widget = GTK_WIDGET (self);

  return GDK_PAINTABLE (gtk_icon_theme_lookup_by_gicon (
      get_theme (self), self->icon, self->size, gtk_widget_get_scale_factor (widget),
      gtk_widget_get_direction (widget), 0));
}

static void
draw_picture (MossAppIcon *self, GtkSnapshot *snapshot)
{
  GtkWidget *widget = GTK_WIDGET (self);
  GdkRGBA ink;

  gtk_snapshot_save (snapshot);
  gtk_snapshot_translate (
      snapshot, &GRAPHENE_POINT_INIT ((gtk_widget_get_width (widget) - self->size) / 2,
                                      (gtk_widget_get_height (widget) - self->size) / 2));
  if (gtk_icon_paintable_is_symbolic (GTK_ICON_PAINTABLE (self->picture)))
    {
      gtk_style_context_get_color (gtk_widget_get_style_context (widget), &ink);
      gtk_symbolic_paintable_snapshot_symbolic (GTK_SYMBOLIC_PAINTABLE (self->picture), snapshot,
                                                self->size, self->size, &ink, 1);
    }
  else
    gdk_paintable_snapshot (self->picture, snapshot, self->size, self->size);
  gtk_snapshot_restore (snapshot);
}

static void
moss_app_icon_snapshot (GtkWidget *widget, GtkSnapshot *snapshot)
{
  MossAppIcon *self = MOSS_APP_ICON (widget);

  if (self->icon == NULL)
    {
      gtk_widget_snapshot_child (widget, self->letter, snapshot);
      return;
    }
  if (self->picture == NULL)
    self->picture = look_up (self);
  draw_picture (self, snapshot);
}

/**
 * moss_app_icon_set_gicon:
 * @icon: (nullable): what the app's desktop file says
 * @name: (nullable): for the letter when the theme lacks the icon
 */
void
moss_app_icon_set_gicon (MossAppIcon *self, GIcon *icon, const char *name)
{
  if (!theme_has (self, icon) && !G_IS_FILE_ICON (icon))
    {
      show_letter (self, name);
      return;
    }
  g_set_object (&self->icon, icon);
  forget_picture (self);
}

/* Finds the icon by its name, else by the desktop file of the app, else by the app's id. */
void
moss_app_icon_set_app (MossAppIcon *self, const char *app, const char *icon,
                       const char *name)
{
  g_autoptr (GIcon) named = NULL;
  g_autoptr (GDesktopAppInfo) info = NULL;

  /* An icon name from an app is a name of the theme, never a path. */
  if (icon != NULL && *icon != '\0' && strchr (icon, '/') == NULL)
    named = g_themed_icon_new (icon);
  if (theme_has (self, named))
    {
      moss_app_icon_set_gicon (self, named, name);
      return;
    }
  if (app != NULL && g_str_has_suffix (app, ".desktop"))
    info = g_desktop_app_info_new (app);
  if (info != NULL && g_app_info_get_icon (G_APP_INFO (info)) != NULL)
    {
      moss_app_icon_set_gicon (self, g_app_info_get_icon (G_APP_INFO (info)), name);
      return;
    }
  g_clear_object (&named);
  if (app != NULL && *app != '\0' && strchr (app, '/') == NULL)
    named = g_themed_icon_new (app);
  moss_app_icon_set_gicon (self, named, name);
}

static void
moss_app_icon_dispose (GObject *object)
{
  MossAppIcon *self = MOSS_APP_ICON (object);

  g_clear_object (&self->icon);
  g_clear_object (&self->picture);
  g_clear_pointer (&self->letter, gtk_widget_unparent);
  G_OBJECT_CLASS (moss_app_icon_parent_class)->dispose (object);
}

static void
moss_app_icon_class_init (MossAppIconClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = moss_app_icon_dispose;
  widget_class->snapshot = moss_app_icon_snapshot;
  gtk_widget_class_set_layout_manager_type (widget_class, GTK_TYPE_BIN_LAYOUT);
  gtk_widget_class_set_accessible_role (widget_class, GTK_ACCESSIBLE_ROLE_PRESENTATION);
}

static void
moss_app_icon_init (MossAppIcon *self)
{
  self->letter = gtk_label_new (NULL);
  gtk_widget_set_parent (self->letter, GTK_WIDGET (self));
  gtk_widget_set_halign (self->letter, GTK_ALIGN_CENTER);
  gtk_widget_set_valign (self->letter, GTK_ALIGN_CENTER);
  gtk_widget_add_css_class (GTK_WIDGET (self), "app-icon");
  g_signal_connect (self, "notify::scale-factor", G_CALLBACK (forget_picture), NULL);
  g_signal_connect_object (get_theme (self), "changed", G_CALLBACK (forget_picture), self,
                           G_CONNECT_SWAPPED);
}

/* size: pixels of the picture. */
GtkWidget *
moss_app_icon_new (int size)
{
  MossAppIcon *self = g_object_new (MOSS_TYPE_APP_ICON, NULL);

  self->size = size;
  gtk_widget_set_size_request (GTK_WIDGET (self), size, size);
  gtk_widget_set_size_request (self->letter, size - 2, size - 2);
  return GTK_WIDGET (self);
}
