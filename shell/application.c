// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-application"

#include "application.h"

#include "moss-config.h"
#include "shell-window.h"

#include <gdk/x11/gdkx.h>
#include <glib/gi18n.h>
#include <string.h>

/* MossApplication: the program: its options, its one window, and whether it runs as a
   session of its own or nested in another desktop. */

struct _MossApplication
{
  GtkApplication parent_instance;

  MossStyle *style;
  GtkWidget *window;
  char *scheme;
  char *size;
  gboolean fullscreen;
  gboolean nested;
  gboolean native;
  gboolean version;
};

G_DEFINE_FINAL_TYPE (MossApplication, moss_application, GTK_TYPE_APPLICATION)

/* TRUE when another desktop is around us and wants its own keys. */
static gboolean
is_nested (MossApplication *self, GdkDisplay *display)
{
  const char *desktop = g_getenv ("XDG_CURRENT_DESKTOP");

  if (self->nested || self->native)
    return self->nested;
  if (desktop != NULL && *desktop != '\0')
    return strcmp (desktop, "Moss") != 0;
  /* On Wayland somebody shows our window, and only our own login leaves all keys to us. On X11
   * nobody else takes keys where no window manager runs. */
  return !GDK_IS_X11_DISPLAY (display) ||
         gdk_x11_screen_supports_net_wm_hint (gdk_x11_display_get_screen (display),
                                              g_intern_static_string ("_NET_ACTIVE_WINDOW"));
}

static void
choose_size (MossApplication *self, GtkWindow *window, gboolean whole_screen)
{
  GListModel *monitors = gdk_display_get_monitors (gtk_widget_get_display (GTK_WIDGET (window)));
  g_autoptr (GdkMonitor) monitor = g_list_model_get_item (monitors, 0);
  GdkRectangle geometry = { 0, 0, 1280, 800 };
  int width = 1280, height = 800;

  if (monitor != NULL)
    gdk_monitor_get_geometry (monitor, &geometry);
  if (self->size != NULL)
    {
      if (sscanf (self->size, "%dx%d", &width, &height) != 2)
        g_warning ("--size %s: not as 1280x800", self->size);
    }
  else if (whole_screen)
    {
      width = geometry.width;
      height = geometry.height;
    }
  gtk_window_set_default_size (window, CLAMP (width, 320, 16384),
                               CLAMP (height, 240, 16384));
}

static void
moss_application_activate (GApplication *application)
{
  MossApplication *self = MOSS_APPLICATION (application);
  GdkDisplay *display = gdk_display_get_default ();
  GDBusConnection *bus = g_application_get_dbus_connection (application);
  gboolean nested;

  if (self->window != NULL)
    {
      gtk_window_present (GTK_WINDOW (self->window));
      return;
    }
  nested = is_nested (self, display);
  self->style = moss_style_new (display, self->scheme);
  self->window = moss_shell_window_new (GTK_APPLICATION (self), self->style, bus,
                                        nested ? MOSS_KEYS_NESTED : MOSS_KEYS_NATIVE);
  g_object_add_weak_pointer (G_OBJECT (self->window), (gpointer *) &self->window);
  gtk_window_set_decorated (GTK_WINDOW (self->window), nested && !self->fullscreen);
  choose_size (self, GTK_WINDOW (self->window), !nested);
  if (self->fullscreen)
    gtk_window_fullscreen (GTK_WINDOW (self->window));
  gtk_window_present (GTK_WINDOW (self->window));
}

static int
moss_application_handle_local_options (GApplication *application, GVariantDict *options)
{
  MossApplication *self = MOSS_APPLICATION (application);

  if (self->version)
    {
      g_print ("moss-shell %s\n", MOSS_VERSION);
      return 0;
    }
  if (self->scheme != NULL && strcmp (self->scheme, "light") != 0 &&
      strcmp (self->scheme, "dark") != 0)
    {
      g_printerr ("%s\n", _("--color-scheme is light or dark"));
      return 2;
    }
  return -1;
}

static void
moss_application_dispose (GObject *object)
{
  MossApplication *self = MOSS_APPLICATION (object);

  g_clear_object (&self->style);
  g_clear_pointer (&self->scheme, g_free);
  g_clear_pointer (&self->size, g_free);
  G_OBJECT_CLASS (moss_application_parent_class)->dispose (object);
}

static void
moss_application_class_init (MossApplicationClass *klass)
{
  GApplicationClass *application_class = G_APPLICATION_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = moss_application_dispose;
  application_class->activate = moss_application_activate;
  application_class->handle_local_options = moss_application_handle_local_options;
}

static void
moss_application_init (MossApplication *self)
{
  const GOptionEntry entries[] = {
    { "color-scheme", 0, 0, G_OPTION_ARG_STRING, &self->scheme,
      N_("Stay light or dark instead of following the system"), "light|dark" },
    { "fullscreen", 0, 0, G_OPTION_ARG_NONE, &self->fullscreen, N_("Fill the screen"), NULL },
    { "nested", 0, 0, G_OPTION_ARG_NONE, &self->nested,
      N_("Use Ctrl+Alt instead of Super"), NULL },
    { "native", 0, 0, G_OPTION_ARG_NONE, &self->native,
      N_("Use Super, also inside of another desktop"), NULL },
    { "size", 0, 0, G_OPTION_ARG_STRING, &self->size, N_("Size of the window"),
      "WIDTHxHEIGHT" },
    { "version", 0, 0, G_OPTION_ARG_NONE, &self->version, N_("Print the version"), NULL },
    { NULL }
  };

  g_application_add_main_option_entries (G_APPLICATION (self), entries);
}

MossApplication *
moss_application_new (void)
{
  return g_object_new (MOSS_TYPE_APPLICATION, "application-id", "org.moss.Shell",
                       "resource-base-path", "/org/moss/Shell", NULL);
}
