// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-rail"

#include "rail.h"

#include "device-tile.h"

#include <glib/gi18n.h>

/* MossRail: the devices of this person at the end edge of the screen, one under the other.
   The workspace tells it when a window is offered to them; it widens to cards then.

   Signals: "menu" (device, x, y) a click on a tile, rail coordinates; "add" nobody is
   there yet and the person wants to change that. */

struct _MossRail
{
  GtkWidget parent_instance;

  MossNetClient *net;
  MossPreflight *preflight;
  GtkWidget *box;
  GtkWidget *hint;
  char *sandbox; /* what is offered, or NULL */
};

enum { MENU, ADD, N_SIGNALS };
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (MossRail, moss_rail, GTK_TYPE_WIDGET)

static void
show_answers (MossRail *self)
{
  for (GtkWidget *tile = gtk_widget_get_first_child (self->box);
       tile != NULL && self->sandbox != NULL; tile = gtk_widget_get_next_sibling (tile))
    {
      MossDevice *device = moss_device_tile_get_device (MOSS_DEVICE_TILE (tile));

      moss_device_tile_set_answer (
          MOSS_DEVICE_TILE (tile),
          moss_preflight_lookup (self->preflight, self->sandbox, device->id));
    }
}

static void
on_preflight_changed (MossPreflight *preflight, const char *sandbox, MossRail *self)
{
  if (g_strcmp0 (sandbox, self->sandbox) == 0)
    show_answers (self);
}

static void
ask_for_menu (MossRail *self, GtkWidget *tile, double x, double y)
{
  MossDevice *device = moss_device_tile_get_device (MOSS_DEVICE_TILE (tile));
  graphene_point_t point;

  if (gtk_widget_compute_point (tile, GTK_WIDGET (self), &GRAPHENE_POINT_INIT (x, y), &point))
    g_signal_emit (self, signals[MENU], 0, device, (double) point.x, (double) point.y);
}

static void
on_tile_released (GtkGestureClick *gesture, int n, double x, double y, MossRail *self)
{
  ask_for_menu (self, gtk_event_controller_get_widget (GTK_EVENT_CONTROLLER (gesture)), x,
                y);
}

static gboolean
on_tile_key (GtkEventControllerKey *controller, guint keyval, guint keycode,
             GdkModifierType state, MossRail *self)
{
  GtkWidget *tile = gtk_event_controller_get_widget (GTK_EVENT_CONTROLLER (controller));

  if (keyval != GDK_KEY_Return && keyval != GDK_KEY_space && keyval != GDK_KEY_Menu)
    return FALSE;
  ask_for_menu (self, tile, 0, gtk_widget_get_height (tile) / 2.0);
  return TRUE;
}

static GtkWidget *
make_tile (MossRail *self, MossDevice *device)
{
  GtkWidget *tile = moss_device_tile_new (device);
  GtkGesture *click = gtk_gesture_click_new ();
  GtkEventController *keys = gtk_event_controller_key_new ();

  gtk_gesture_single_set_button (GTK_GESTURE_SINGLE (click), 0);
  g_signal_connect (click, "released", G_CALLBACK (on_tile_released), self);
  gtk_widget_add_controller (tile, GTK_EVENT_CONTROLLER (click));
  g_signal_connect (keys, "key-pressed", G_CALLBACK (on_tile_key), self);
  gtk_widget_add_controller (tile, keys);
  moss_device_tile_set_wide (MOSS_DEVICE_TILE (tile), self->sandbox != NULL);
  gtk_widget_set_halign (tile, GTK_ALIGN_END);
  return tile;
}

static void
on_devices_changed (GListModel *devices, guint position, guint removed, guint added,
                    MossRail *self)
{
  GtkWidget *child;
  guint n = g_list_model_get_n_items (devices);

  while ((child = gtk_widget_get_first_child (self->box)) != NULL)
    gtk_box_remove (GTK_BOX (self->box), child);
  for (guint i = 0; i < n; i++)
    {
      g_autoptr (MossDevice) device = g_list_model_get_item (devices, i);

      if (device->paired)
        gtk_box_append (GTK_BOX (self->box), make_tile (self, device));
    }
  gtk_widget_set_visible (self->hint, gtk_widget_get_first_child (self->box) == NULL);
  show_answers (self);
}

/* sandbox: (nullable): the window over the rail is of this one; NULL: no window is. */
void
moss_rail_set_offer (MossRail *self, const char *sandbox)
{
  if (g_strcmp0 (sandbox, self->sandbox) == 0)
    return;
  g_free (self->sandbox);
  self->sandbox = g_strdup (sandbox);
  for (GtkWidget *tile = gtk_widget_get_first_child (self->box); tile != NULL;
       tile = gtk_widget_get_next_sibling (tile))
    {
      moss_device_tile_set_wide (MOSS_DEVICE_TILE (tile), sandbox != NULL);
      moss_device_tile_set_hot (MOSS_DEVICE_TILE (tile), FALSE);
    }
  show_answers (self);
}

/* (transfer none) (nullable): whose card covers this height of the rail. */
MossDevice *
moss_rail_device_at (MossRail *self, double y)
{
  for (GtkWidget *tile = gtk_widget_get_first_child (self->box); tile != NULL;
       tile = gtk_widget_get_next_sibling (tile))
    {
      graphene_rect_t bounds;

      if (gtk_widget_compute_bounds (tile, GTK_WIDGET (self), &bounds) &&
          y >= bounds.origin.y && y < bounds.origin.y + bounds.size.height)
        return moss_device_tile_get_device (MOSS_DEVICE_TILE (tile));
    }
  return NULL;
}

/* device: (nullable): the one whose card is to stand out. */
void
moss_rail_set_hot (MossRail *self, MossDevice *device)
{
  for (GtkWidget *tile = gtk_widget_get_first_child (self->box); tile != NULL;
       tile = gtk_widget_get_next_sibling (tile))
    moss_device_tile_set_hot (
        MOSS_DEVICE_TILE (tile),
        device != NULL && moss_device_tile_get_device (MOSS_DEVICE_TILE (tile)) == device);
}

void
moss_rail_set_models (MossRail *self, MossNetClient *net, MossPreflight *preflight)
{
  GListModel *devices = moss_net_client_get_devices (net);

  self->net = g_object_ref (net);
  self->preflight = g_object_ref (preflight);
  g_signal_connect_object (devices, "items-changed", G_CALLBACK (on_devices_changed), self, 0);
  g_signal_connect_object (preflight, "changed", G_CALLBACK (on_preflight_changed), self, 0);
  on_devices_changed (devices, 0, 0, 0, self);
}

static void
on_add_clicked (GtkButton *button, MossRail *self)
{
  g_signal_emit (self, signals[ADD], 0);
}

static GtkWidget *
make_hint (MossRail *self)
{
  GtkWidget *hint = gtk_box_new (GTK_ORIENTATION_VERTICAL, 8);
  GtkWidget *picture = gtk_image_new_from_icon_name ("moss-device-laptop-symbolic");
  GtkWidget *text = gtk_label_new (_("Add your other device, then drag a window here."));
  GtkWidget *button = gtk_button_new_with_label (_("Add a device"));

  gtk_image_set_pixel_size (GTK_IMAGE (picture), 32);
  gtk_label_set_wrap (GTK_LABEL (text), TRUE);
  gtk_label_set_max_width_chars (GTK_LABEL (text), 16);
  gtk_label_set_justify (GTK_LABEL (text), GTK_JUSTIFY_CENTER);
  gtk_widget_add_css_class (text, "small");
  gtk_widget_add_css_class (text, "muted");
  gtk_widget_add_css_class (button, "tinted");
  g_signal_connect (button, "clicked", G_CALLBACK (on_add_clicked), self);
  gtk_widget_add_css_class (hint, "rail-hint");
  gtk_box_append (GTK_BOX (hint), picture);
  gtk_box_append (GTK_BOX (hint), text);
  gtk_box_append (GTK_BOX (hint), button);
  gtk_widget_set_halign (hint, GTK_ALIGN_END);
  return hint;
}

static void
moss_rail_dispose (GObject *object)
{
  MossRail *self = MOSS_RAIL (object);

  g_clear_object (&self->net);
  g_clear_object (&self->preflight);
  g_clear_pointer (&self->sandbox, g_free);
  g_clear_pointer (&self->box, gtk_widget_unparent);
  g_clear_pointer (&self->hint, gtk_widget_unparent);
  G_OBJECT_CLASS (moss_rail_parent_class)->dispose (object);
}

static void
moss_rail_class_init (MossRailClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = moss_rail_dispose;
  gtk_widget_class_set_css_name (widget_class, "device-rail");
  gtk_widget_class_set_layout_manager_type (widget_class, GTK_TYPE_BIN_LAYOUT);
  gtk_widget_class_set_accessible_role (widget_class, GTK_ACCESSIBLE_ROLE_GROUP);
  signals[MENU] = g_signal_new ("menu", MOSS_TYPE_RAIL, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                NULL, G_TYPE_NONE, 3, MOSS_TYPE_DEVICE, G_TYPE_DOUBLE,
                                G_TYPE_DOUBLE);
  signals[ADD] = g_signal_new ("add", MOSS_TYPE_RAIL, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                               G_TYPE_NONE, 0);
}

static void
moss_rail_init (MossRail *self)
{
  self->box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 10);
  gtk_widget_set_parent (self->box, GTK_WIDGET (self));
  self->hint = make_hint (self);
  gtk_widget_set_parent (self->hint, GTK_WIDGET (self));
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _("Devices"), -1);
}
