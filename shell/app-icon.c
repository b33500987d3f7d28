// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-app-icon"

#include "app-icon.h"

#include <gio/gdesktopappinfo.h>

/* MossAppIcon: the picture of an app from the icon theme, or, where the theme has none, its
   first letter on a quiet colour that is always the same for this app. */

struct _MossAppIcon
{
  GtkWidget parent_instance;

  GtkWidget *image;
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
  gtk_widget_set_visible (self->letter, TRUE);
  gtk_widget_set_visible (self->image, FALSE);
}

static gboolean
theme_has (MossAppIcon *self, GIcon *icon)
{
  GtkIconTheme *theme = gtk_icon_theme_get_for_display (
      gtk_widget_get_display (GTK_WIDGET (self)));

  return icon != NULL && gtk_icon_theme_has_gicon (theme, icon);
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
  gtk_image_set_from_gicon (GTK_IMAGE (self->image), icon);
  gtk_widget_set_visible (self->image, TRUE);
  gtk_widget_set_visible (self->letter, FALSE);
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

  g_clear_pointer (&self->image, gtk_widget_unparent);
  g_clear_pointer (&self->letter, gtk_widget_unparent);
  G_OBJECT_CLASS (moss_app_icon_parent_class)->dispose (object);
}

static void
moss_app_icon_class_init (MossAppIconClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = moss_app_icon_dispose;
  gtk_widget_class_set_layout_manager_type (widget_class, GTK_TYPE_BIN_LAYOUT);
  gtk_widget_class_set_accessible_role (widget_class, GTK_ACCESSIBLE_ROLE_PRESENTATION);
}

static void
moss_app_icon_init (MossAppIcon *self)
{
  self->image = gtk_image_new ();
  gtk_widget_set_parent (self->image, GTK_WIDGET (self));
  self->letter = gtk_label_new (NULL);
  gtk_widget_set_parent (self->letter, GTK_WIDGET (self));
  gtk_widget_set_halign (self->letter, GTK_ALIGN_CENTER);
  gtk_widget_set_valign (self->letter, GTK_ALIGN_CENTER);
  gtk_widget_add_css_class (GTK_WIDGET (self), "app-icon");
}

/* size: pixels of the picture. */
GtkWidget *
moss_app_icon_new (int size)
{
  MossAppIcon *self = g_object_new (MOSS_TYPE_APP_ICON, NULL);

  self->size = size;
  gtk_image_set_pixel_size (GTK_IMAGE (self->image), size);
  gtk_widget_set_size_request (self->letter, size - 2, size - 2);
  return GTK_WIDGET (self);
}
