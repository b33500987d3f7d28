// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-dock-item"

#include "dock-item.h"

#include "app-icon.h"
#include "format.h"

#include <gio/gdesktopappinfo.h>
#include <glib/gi18n.h>

/* MossDockItem: one app in the dock: its picture, a mark while it runs, the sign of the
   device it went to, a thin line while it travels.

   Signals: "activated"; "menu"; "files" (GListModel of GFile) dropped on it. */

struct _MossDockItem
{
  GtkWidget parent_instance;

  char *app;
  char *name;
  gboolean pinned;
  GPtrArray *sandboxes; /* of MossSandbox */
  GtkWidget *button;
  GtkWidget *icon;
  GtkWidget *mark;
  GtkWidget *sign;
  GtkWidget *progress;
};

enum { ACTIVATED, MENU, FILES, N_SIGNALS };
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (MossDockItem, moss_dock_item, GTK_TYPE_WIDGET)

static void
set_class (GtkWidget *widget, const char *name, gboolean on)
{
  if (on)
    gtk_widget_add_css_class (widget, name);
  else
    gtk_widget_remove_css_class (widget, name);
}

static void
describe (MossDockItem *self, const char *device, guint running, gboolean moving)
{
  g_autofree char *text = NULL;

  if (moving)
    text = g_strdup_printf (_("%s is on its way"), self->name);
  else if (device != NULL)
    text = g_strdup_printf (_("%s goes on at %s"), self->name, device);
  else
    text = g_strdup (self->name);
  gtk_widget_set_tooltip_text (self->button, text);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->button),
                                  GTK_ACCESSIBLE_PROPERTY_LABEL, text, -1);
  gtk_accessible_update_state (GTK_ACCESSIBLE (self->button), GTK_ACCESSIBLE_STATE_PRESSED,
                               running > 0 ? GTK_ACCESSIBLE_TRISTATE_TRUE
                                           : GTK_ACCESSIBLE_TRISTATE_FALSE,
                               -1);
}

/* icon_name: (nullable): of the device it went to; NULL: it is here. */
void
moss_dock_item_set_sign (MossDockItem *self, const char *icon_name, const char *device)
{
  guint running = 0;
  gboolean moving = FALSE, stored = FALSE;
  double progress = 0;

  for (guint i = 0; i < self->sandboxes->len; i++)
    {
      MossSandbox *sandbox = g_ptr_array_index (self->sandboxes, i);

      running += moss_sandbox_has_display (sandbox) ||
                 sandbox->state == MOSS_SANDBOX_FROZEN ||
                 sandbox->state == MOSS_SANDBOX_ARRIVING;
      stored |= sandbox->state == MOSS_SANDBOX_STORED ||
                sandbox->state == MOSS_SANDBOX_ENDED;
      if (moss_sandbox_is_moving (sandbox))
        {
          moving = TRUE;
          progress = sandbox->progress;
        }
    }
  if (icon_name != NULL)
    gtk_image_set_from_icon_name (GTK_IMAGE (self->sign), icon_name);
  gtk_widget_set_visible (self->sign, icon_name != NULL);
  set_class (GTK_WIDGET (self), "away", icon_name != NULL && running == 0);
  gtk_widget_set_opacity (self->mark, running > 0 || stored ? 1 : 0);
  set_class (self->mark, "several", running > 1);
  set_class (self->mark, "idle", running == 0);
  gtk_widget_set_visible (self->progress, moving);
  gtk_progress_bar_set_fraction (GTK_PROGRESS_BAR (self->progress), progress);
  describe (self, device, running, moving);
}

void
moss_dock_item_set_focused (MossDockItem *self, gboolean focused)
{
  set_class (GTK_WIDGET (self), "focused", focused);
}

static void
show_icon (MossDockItem *self)
{
  MossSandbox *first = self->sandboxes->len > 0 ? g_ptr_array_index (self->sandboxes, 0)
                                                : NULL;
  g_autoptr (GDesktopAppInfo) info = NULL;

  if (g_str_has_suffix (self->app, ".desktop"))
    info = g_desktop_app_info_new (self->app);
  g_free (self->name);
  self->name = info != NULL ? g_strdup (g_app_info_get_name (G_APP_INFO (info)))
                            : moss_format_app_name (first != NULL ? first->name : NULL,
                                                    self->app);
  moss_app_icon_set_app (MOSS_APP_ICON (self->icon), self->app,
                         first != NULL ? first->icon : NULL, self->name);
}

/* sandboxes: of MossSandbox, held by the item from now on. */
void
moss_dock_item_set_sandboxes (MossDockItem *self, GPtrArray *sandboxes)
{
  gboolean first = self->name == NULL || (self->sandboxes->len == 0 && sandboxes->len > 0);

  g_ptr_array_set_size (self->sandboxes, 0);
  for (guint i = 0; i < sandboxes->len; i++)
    g_ptr_array_add (self->sandboxes, g_object_ref (g_ptr_array_index (sandboxes, i)));
  if (first)
    show_icon (self);
}

/* (transfer none) */
GPtrArray *
moss_dock_item_get_sandboxes (MossDockItem *self)
{
  return self->sandboxes;
}

const char *
moss_dock_item_get_app (MossDockItem *self)
{
  return self->app;
}

const char *
moss_dock_item_get_name (MossDockItem *self)
{
  return self->name;
}

void
moss_dock_item_set_pinned (MossDockItem *self, gboolean pinned)
{
  self->pinned = pinned;
}

gboolean
moss_dock_item_get_pinned (MossDockItem *self)
{
  return self->pinned;
}

static void
on_clicked (GtkButton *button, MossDockItem *self)
{
  g_signal_emit (self, signals[ACTIVATED], 0);
}

static void
on_secondary (GtkGestureClick *gesture, int n, double x, double y, MossDockItem *self)
{
  gtk_gesture_set_state (GTK_GESTURE (gesture), GTK_EVENT_SEQUENCE_CLAIMED);
  g_signal_emit (self, signals[MENU], 0);
}

static gboolean
on_key (GtkEventControllerKey *controller, guint keyval, guint keycode,
        GdkModifierType state, MossDockItem *self)
{
  if (keyval != GDK_KEY_Menu && !(keyval == GDK_KEY_F10 && (state & GDK_SHIFT_MASK)))
    return FALSE;
  g_signal_emit (self, signals[MENU], 0);
  return TRUE;
}

static gboolean
on_drop (GtkDropTarget *target, const GValue *value, double x, double y, MossDockItem *self)
{
  GSList *files = g_value_get_boxed (value);
  g_autoptr (GListStore) list = g_list_store_new (G_TYPE_FILE);

  for (GSList *at = files; at != NULL; at = at->next)
    g_list_store_append (list, at->data);
  g_signal_emit (self, signals[FILES], 0, list);
  return TRUE;
}

static GdkDragAction
on_drop_enter (GtkDropTarget *target, double x, double y, MossDockItem *self)
{
  gtk_widget_add_css_class (GTK_WIDGET (self), "drop");
  return GDK_ACTION_COPY;
}

static void
on_drop_leave (GtkDropTarget *target, MossDockItem *self)
{
  gtk_widget_remove_css_class (GTK_WIDGET (self), "drop");
}

static void
add_controllers (MossDockItem *self)
{
  GtkGesture *secondary = gtk_gesture_click_new ();
  GtkEventController *keys = gtk_event_controller_key_new ();
  GtkDropTarget *drop = gtk_drop_target_new (GDK_TYPE_FILE_LIST, GDK_ACTION_COPY);

  gtk_gesture_single_set_button (GTK_GESTURE_SINGLE (secondary), GDK_BUTTON_SECONDARY);
  g_signal_connect (secondary, "pressed", G_CALLBACK (on_secondary), self);
  gtk_widget_add_controller (GTK_WIDGET (self), GTK_EVENT_CONTROLLER (secondary));
  g_signal_connect (keys, "key-pressed", G_CALLBACK (on_key), self);
  gtk_widget_add_controller (GTK_WIDGET (self), keys);
  g_signal_connect (drop, "drop", G_CALLBACK (on_drop), self);
  g_signal_connect (drop, "enter", G_CALLBACK (on_drop_enter), self);
  g_signal_connect (drop, "leave", G_CALLBACK (on_drop_leave), self);
  gtk_widget_add_controller (GTK_WIDGET (self), GTK_EVENT_CONTROLLER (drop));
}

static void
place (GtkWidget *child, double center_x, int y, int width)
{
  GtkRequisition size;

  if (!gtk_widget_should_layout (child))
    return;
  gtk_widget_get_preferred_size (child, NULL, &size);
  width = MAX (width, size.width);
  gtk_widget_size_allocate (
      child, &(GtkAllocation){ (int) (center_x - width / 2.0), y, width, size.height }, -1);
}

/* Mark and sign hang over the edge of the button, into the margin of the dock. */
static void
moss_dock_item_size_allocate (GtkWidget *widget, int width, int height, int baseline)
{
  MossDockItem *self = MOSS_DOCK_ITEM (widget);
  gboolean rtl = gtk_widget_get_direction (widget) == GTK_TEXT_DIR_RTL;

  gtk_widget_size_allocate (self->button, &(GtkAllocation){ 0, 0, width, height }, -1);
  place (self->mark, width / 2.0, height + 2, 0);
  place (self->progress, width / 2.0, height + 2, width - 12);
  place (self->sign, rtl ? 7 : width - 7, height - 17, 0);
}

static void
moss_dock_item_measure (GtkWidget *widget, GtkOrientation orientation, int for_size,
                        int *minimum, int *natural, int *minimum_baseline,
                        int *natural_baseline)
{
  gtk_widget_measure (MOSS_DOCK_ITEM (widget)->button, orientation, -1, minimum, natural,
                      NULL, NULL);
}

static void
moss_dock_item_dispose (GObject *object)
{
  MossDockItem *self = MOSS_DOCK_ITEM (object);
  GtkWidget *child;

  while ((child = gtk_widget_get_first_child (GTK_WIDGET (self))) != NULL)
    gtk_widget_unparent (child);
  g_clear_pointer (&self->sandboxes, g_ptr_array_unref);
  g_clear_pointer (&self->app, g_free);
  g_clear_pointer (&self->name, g_free);
  G_OBJECT_CLASS (moss_dock_item_parent_class)->dispose (object);
}

static void
moss_dock_item_class_init (MossDockItemClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);
  GType type = MOSS_TYPE_DOCK_ITEM;

  G_OBJECT_CLASS (klass)->dispose = moss_dock_item_dispose;
  gtk_widget_class_set_css_name (widget_class, "dock-item");
  widget_class->size_allocate = moss_dock_item_size_allocate;
  widget_class->measure = moss_dock_item_measure;
  signals[ACTIVATED] = g_signal_new ("activated", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                     NULL, G_TYPE_NONE, 0);
  signals[MENU] = g_signal_new ("menu", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                G_TYPE_NONE, 0);
  signals[FILES] = g_signal_new ("files", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                 G_TYPE_NONE, 1, G_TYPE_LIST_MODEL);
}

static void
moss_dock_item_init (MossDockItem *self)
{
  self->sandboxes = g_ptr_array_new_with_free_func (g_object_unref);
  self->button = gtk_button_new ();
  self->icon = moss_app_icon_new (40);
  gtk_widget_set_halign (self->icon, GTK_ALIGN_CENTER);
  gtk_widget_set_valign (self->icon, GTK_ALIGN_CENTER);
  gtk_button_set_child (GTK_BUTTON (self->button), self->icon);
  gtk_widget_add_css_class (self->button, "dock-button");
  gtk_widget_set_parent (self->button, GTK_WIDGET (self));
  g_signal_connect (self->button, "clicked", G_CALLBACK (on_clicked), self);

  self->mark = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 0);
  gtk_widget_add_css_class (self->mark, "mark");
  gtk_widget_set_can_target (self->mark, FALSE);
  gtk_widget_set_parent (self->mark, GTK_WIDGET (self));

  self->progress = gtk_progress_bar_new ();
  gtk_widget_add_css_class (self->progress, "ring");
  gtk_widget_set_visible (self->progress, FALSE);
  gtk_widget_set_can_target (self->progress, FALSE);
  gtk_widget_set_parent (self->progress, GTK_WIDGET (self));

  self->sign = gtk_image_new ();
  gtk_image_set_pixel_size (GTK_IMAGE (self->sign), 14);
  gtk_widget_add_css_class (self->sign, "sign");
  gtk_widget_set_visible (self->sign, FALSE);
  gtk_widget_set_can_target (self->sign, FALSE);
  gtk_widget_set_parent (self->sign, GTK_WIDGET (self));
  add_controllers (self);
}

/* app: a desktop id or the name of a program. */
GtkWidget *
moss_dock_item_new (const char *app)
{
  MossDockItem *self = g_object_new (MOSS_TYPE_DOCK_ITEM, NULL);
  g_autoptr (GPtrArray) none = g_ptr_array_new ();

  self->app = g_strdup (app);
  moss_dock_item_set_sandboxes (self, none);
  moss_dock_item_set_sign (self, NULL, NULL);
  return GTK_WIDGET (self);
}
