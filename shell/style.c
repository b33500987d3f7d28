// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-style"

#include "style.h"

#include <locale.h>
#include <string.h>

/* MossStyle: which colours are on. It follows org.gnome.desktop.interface when that schema
   is there (a desktop without GNOME may lack it), else GTK's own setting, unless the
   command line or the person chose a scheme. Emits "changed". */

struct _MossStyle
{
  GObject parent_instance;

  GdkDisplay *display;
  GtkCssProvider *colors;
  GtkCssProvider *rules;
  GSettings *interface; /* NULL without the schema */
  GSettings *a11y;      /* NULL without the schema */
  int forced;           /* -1 follow, 0 light, 1 dark */
  gboolean dark;
};

enum { CHANGED, N_SIGNALS };
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (MossStyle, moss_style, G_TYPE_OBJECT)

static GSettings *
open_settings (const char *schema_id, const char *key)
{
  GSettingsSchemaSource *source = g_settings_schema_source_get_default ();
  g_autoptr (GSettingsSchema) schema = NULL;

  if (source == NULL)
    return NULL;
  schema = g_settings_schema_source_lookup (source, schema_id, TRUE);
  if (schema == NULL || !g_settings_schema_has_key (schema, key))
    return NULL;
  return g_settings_new (schema_id);
}

static gboolean
wants_dark (MossStyle *self)
{
  g_autofree char *scheme = NULL;
  gboolean prefer_dark = FALSE;

  if (self->forced >= 0)
    return self->forced == 1;
  if (self->interface != NULL)
    {
      scheme = g_settings_get_string (self->interface, "color-scheme");
      if (strcmp (scheme, "prefer-dark") == 0)
        return TRUE;
    }
  g_object_get (gtk_settings_get_for_display (self->display),
                "gtk-application-prefer-dark-theme", &prefer_dark, NULL);
  return prefer_dark;
}

static gboolean
wants_contrast (MossStyle *self)
{
  g_autofree char *theme = NULL;

  if (self->a11y != NULL && g_settings_get_boolean (self->a11y, "high-contrast"))
    return TRUE;
  g_object_get (gtk_settings_get_for_display (self->display), "gtk-theme-name", &theme, NULL);
  return theme != NULL && strstr (theme, "HighContrast") != NULL;
}

static void
apply (MossStyle *self)
{
  g_autofree char *path = NULL;

  self->dark = wants_dark (self);
  path = g_strdup_printf ("/org/moss/Shell/colors/%s%s.css", self->dark ? "dark" : "light",
                          wants_contrast (self) ? "-contrast" : "");
  gtk_css_provider_load_from_resource (self->colors, path);
  /* Rules that name a colour are resolved when they are loaded anew. */
  gtk_css_provider_load_from_resource (self->rules, "/org/moss/Shell/style.css");
  if (self->forced >= 0)
    g_object_set (gtk_settings_get_for_display (self->display),
                  "gtk-application-prefer-dark-theme", self->dark, NULL);
  g_signal_emit (self, signals[CHANGED], 0);
}

static void
on_setting_changed (MossStyle *self)
{
  apply (self);
}

gboolean
moss_style_get_dark (MossStyle *self)
{
  return self->dark;
}

/* Light becomes dark and back; from then on the system's setting is not followed. */
void
moss_style_toggle (MossStyle *self)
{
  self->forced = !self->dark;
  apply (self);
}

/* (transfer full): the settings that apps follow, as org.moss.Session1.SetSettings takes. */
GVariant *
moss_style_get_settings (MossStyle *self)
{
  GVariantDict dict;
  g_autofree char *font = NULL;
  int dpi = 0;

  g_object_get (gtk_settings_get_for_display (self->display), "gtk-font-name", &font,
                "gtk-xft-dpi", &dpi, NULL);
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "color-scheme", "s", self->dark ? "prefer-dark" : "default");
  if (font != NULL)
    g_variant_dict_insert (&dict, "font", "s", font);
  g_variant_dict_insert (&dict, "scale", "d", dpi > 0 ? dpi / (96.0 * 1024.0) : 1.0);
  g_variant_dict_insert (&dict, "locale", "s", setlocale (LC_MESSAGES, NULL));
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

static void
moss_style_dispose (GObject *object)
{
  MossStyle *self = MOSS_STYLE (object);

  g_clear_object (&self->colors);
  g_clear_object (&self->rules);
  g_clear_object (&self->interface);
  g_clear_object (&self->a11y);
  G_OBJECT_CLASS (moss_style_parent_class)->dispose (object);
}

static void
moss_style_class_init (MossStyleClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = moss_style_dispose;
  signals[CHANGED] = g_signal_new ("changed", MOSS_TYPE_STYLE, G_SIGNAL_RUN_LAST, 0, NULL,
                                   NULL, NULL, G_TYPE_NONE, 0);
}

static void
moss_style_init (MossStyle *self)
{
  self->forced = -1;
  self->colors = gtk_css_provider_new ();
  self->rules = gtk_css_provider_new ();
}

/**
 * moss_style_new:
 * @scheme: (nullable): "light" or "dark" to stay there, else the system's is followed
 */
MossStyle *
moss_style_new (GdkDisplay *display, const char *scheme)
{
  MossStyle *self = g_object_new (MOSS_TYPE_STYLE, NULL);
  GtkSettings *settings = gtk_settings_get_for_display (display);

  self->display = display;
  if (scheme != NULL)
    self->forced = strcmp (scheme, "dark") == 0;
  self->interface = open_settings ("org.gnome.desktop.interface", "color-scheme");
  self->a11y = open_settings ("org.gnome.desktop.a11y.interface", "high-contrast");
  gtk_style_context_add_provider_for_display (
      display, GTK_STYLE_PROVIDER (self->colors), GTK_STYLE_PROVIDER_PRIORITY_APPLICATION);
  gtk_style_context_add_provider_for_display (
      display, GTK_STYLE_PROVIDER (self->rules),
      GTK_STYLE_PROVIDER_PRIORITY_APPLICATION + 1);
  if (self->interface != NULL)
    g_signal_connect_object (self->interface, "changed::color-scheme",
                             G_CALLBACK (on_setting_changed), self, G_CONNECT_SWAPPED);
  if (self->a11y != NULL)
    g_signal_connect_object (self->a11y, "changed::high-contrast",
                             G_CALLBACK (on_setting_changed), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (settings, "notify::gtk-theme-name",
                           G_CALLBACK (on_setting_changed), self, G_CONNECT_SWAPPED);
  apply (self);
  return self;
}
