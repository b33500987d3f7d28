// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-device-tile"

#include "device-tile.h"

#include "format.h"

#include <glib/gi18n.h>

/* MossDeviceTile: one device on the rail: a small tile, or, while a window is dragged, a
   card that says before the drop what a move there would be like. */

struct _MossDeviceTile
{
  GtkWidget parent_instance;

  MossDevice *device;
  GtkWidget *stack;
  GtkWidget *picture;
  GtkWidget *name;
  GtkWidget *load;
  GtkWidget *card_picture;
  GtkWidget *card_name;
  GtkWidget *answer;
  GtkWidget *detail;
};

G_DEFINE_FINAL_TYPE (MossDeviceTile, moss_device_tile, GTK_TYPE_WIDGET)

/* Why nothing can go there now, in words. */
static const char *
away_words (MossDevice *device)
{
  if (g_strcmp0 (device->state, "refused") == 0)
    return *device->reason != '\0' ? device->reason
                                   : _("It doesn't know this device any more");
  return *device->reason != '\0' ? device->reason : _("Away or asleep");
}

static void
set_tooltip (MossDeviceTile *self)
{
  MossDevice *device = self->device;
  g_autoptr (GString) text = g_string_new (device->name);

  if (!moss_device_is_linked (device))
    g_string_append_printf (text, "\n%s", away_words (device));
  else
    g_string_append_printf (text, "\n%s",
                            device->idle ? _("Nobody is at it") : _("In use"));
  if (device->battery >= 0)
    {
      g_string_append_c (text, '\n');
      /* Translators: the charge of a device's battery */
      g_string_append_printf (text, _("Battery %d %%"), (int) (device->battery * 100 + 0.5));
    }
  gtk_widget_set_tooltip_text (GTK_WIDGET (self), text->str);
}

static void
on_device_changed (MossDeviceTile *self)
{
  MossDevice *device = self->device;
  g_autofree char *percent = g_strdup_printf (_("Load %d %%"), (int) (device->load * 100));

  gtk_image_set_from_icon_name (GTK_IMAGE (self->picture), moss_device_get_icon_name (device));
  gtk_image_set_from_icon_name (GTK_IMAGE (self->card_picture),
                                moss_device_get_icon_name (device));
  gtk_label_set_label (GTK_LABEL (self->name), device->name);
  gtk_label_set_label (GTK_LABEL (self->card_name), device->name);
  gtk_progress_bar_set_fraction (GTK_PROGRESS_BAR (self->load), device->load);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->load), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  percent, -1);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  device->name, -1);
  if (moss_device_is_linked (device))
    gtk_widget_remove_css_class (GTK_WIDGET (self), "faint");
  else
    gtk_widget_add_css_class (GTK_WIDGET (self), "faint");
  set_tooltip (self);
}

static void
show_detail (MossDeviceTile *self, const MossAnswer *answer)
{
  g_autofree char *bytes = NULL;
  g_autofree char *text = NULL;

  if (answer != NULL && answer->travels && answer->present_bytes >= 1000 * 1000)
    {
      bytes = moss_format_bytes (answer->present_bytes);
      /* Translators: %s is an amount of data, as “58 MB” */
      text = g_strdup_printf (_("%s are already there"), bytes);
    }
  else if (answer != NULL && answer->travels && self->device->cores > 0)
    {
      g_autofree char *cores = g_strdup_printf (
          g_dngettext (NULL, "%u core", "%u cores", self->device->cores),
          self->device->cores);
      text = g_strdup_printf ("%s, %s", cores, self->device->idle ? _("idle") : _("in use"));
    }
  gtk_label_set_label (GTK_LABEL (self->detail), text != NULL ? text : "");
  gtk_widget_set_visible (self->detail, text != NULL);
}

static void
show_answer_text (MossDeviceTile *self, const char *markup, gboolean warning)
{
  gtk_label_set_markup (GTK_LABEL (self->answer), markup);
  gtk_widget_set_css_classes (self->answer,
                              (const char *[]){ warning ? "warning" : "muted", "numbers",
                                                NULL });
}

/* answer: (nullable): NULL while none has come. */
void
moss_device_tile_set_answer (MossDeviceTile *self, const MossAnswer *answer)
{
  g_autofree char *text = NULL;
  g_autofree char *markup = NULL;
  gboolean refuses = !moss_device_is_linked (self->device) ||
                     (answer != NULL && !answer->travels);

  if (!moss_device_is_linked (self->device))
    {
      markup = g_markup_escape_text (away_words (self->device), -1);
      show_answer_text (self, markup, TRUE);
      answer = NULL;
    }
  else if (answer == NULL)
    show_answer_text (self, _("Asking…"), FALSE);
  else
    {
      text = moss_answer_describe (answer);
      if (answer->travels)
        /* Translators: %s is as “0.4 s · 12 MB” */
        markup = g_markup_printf_escaped (_("<b>Can travel</b> · %s"), text);
      else
        markup = g_markup_escape_text (text, -1);
      show_answer_text (self, markup, refuses);
    }
  show_detail (self, answer);
  if (refuses)
    gtk_widget_add_css_class (GTK_WIDGET (self), "refuses");
  else
    gtk_widget_remove_css_class (GTK_WIDGET (self), "refuses");
}

/* Tile or card. */
void
moss_device_tile_set_wide (MossDeviceTile *self, gboolean wide)
{
  gtk_stack_set_visible_child_name (GTK_STACK (self->stack), wide ? "card" : "tile");
  if (wide)
    gtk_widget_add_css_class (GTK_WIDGET (self), "wide");
  else
    gtk_widget_remove_css_class (GTK_WIDGET (self), "wide");
}

/* The window would go here if it were let go now. */
void
moss_device_tile_set_hot (MossDeviceTile *self, gboolean hot)
{
  if (hot)
    gtk_widget_add_css_class (GTK_WIDGET (self), "hot");
  else
    gtk_widget_remove_css_class (GTK_WIDGET (self), "hot");
}

/* (transfer none) */
MossDevice *
moss_device_tile_get_device (MossDeviceTile *self)
{
  return self->device;
}

static void
moss_device_tile_dispose (GObject *object)
{
  MossDeviceTile *self = MOSS_DEVICE_TILE (object);

  g_clear_object (&self->device);
  gtk_widget_dispose_template (GTK_WIDGET (self), MOSS_TYPE_DEVICE_TILE);
  G_OBJECT_CLASS (moss_device_tile_parent_class)->dispose (object);
}

static void
moss_device_tile_class_init (MossDeviceTileClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = moss_device_tile_dispose;
  gtk_widget_class_set_css_name (widget_class, "device-tile");
  gtk_widget_class_set_layout_manager_type (widget_class, GTK_TYPE_BIN_LAYOUT);
  gtk_widget_class_set_accessible_role (widget_class, GTK_ACCESSIBLE_ROLE_BUTTON);
  gtk_widget_class_set_template_from_resource (widget_class,
                                               "/org/moss/Shell/device-tile.ui");
  gtk_widget_class_bind_template_child (widget_class, MossDeviceTile, stack);
  gtk_widget_class_bind_template_child (widget_class, MossDeviceTile, picture);
  gtk_widget_class_bind_template_child (widget_class, MossDeviceTile, name);
  gtk_widget_class_bind_template_child (widget_class, MossDeviceTile, load);
  gtk_widget_class_bind_template_child (widget_class, MossDeviceTile, card_picture);
  gtk_widget_class_bind_template_child (widget_class, MossDeviceTile, card_name);
  gtk_widget_class_bind_template_child (widget_class, MossDeviceTile, answer);
  gtk_widget_class_bind_template_child (widget_class, MossDeviceTile, detail);
}

static void
moss_device_tile_init (MossDeviceTile *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
}

GtkWidget *
moss_device_tile_new (MossDevice *device)
{
  MossDeviceTile *self = g_object_new (MOSS_TYPE_DEVICE_TILE, NULL);

  self->device = g_object_ref (device);
  g_signal_connect_object (device, "changed", G_CALLBACK (on_device_changed), self,
                           G_CONNECT_SWAPPED);
  on_device_changed (self);
  return GTK_WIDGET (self);
}
