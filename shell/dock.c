// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-dock"

#include "dock.h"

#include "app-trays.h"
#include "clock.h"
#include "dock-item.h"
#include "pair-dialog.h"
#include "pinned.h"
#include "tray.h"
#include "verbs.h"
#include "window-menu.h"

#include <glib/gi18n.h>
#include <string.h>

/* MossDock: launcher, the apps that are pinned or running, signs of the system, clock. An
   app that moved away keeps its place with the sign of the device it went to.

   Signals: "launcher", "notifications". */

struct _MossDock
{
  GtkWidget parent_instance;

  MossShell *shell;
  GtkWidget *launcher;
  GtkWidget *items;
  GtkWidget *bell;
  GtkWidget *count;
  GtkWidget *tray;
  MossAppTrays *app_trays;
  guint refresh; /* coalesces changes */
};

enum { LAUNCHER, NOTIFICATIONS, N_SIGNALS };
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (MossDock, moss_dock, GTK_TYPE_WIDGET)

/* ---- what a click does --------------------------------------------------------------- */

static void
show_menu (MossDock *self, GtkWidget *item, MossMenu *menu)
{
  graphene_rect_t bounds;

  if (!gtk_widget_compute_bounds (item, GTK_WIDGET (self->shell->menus), &bounds))
    return;
  moss_menu_layer_popup (self->shell->menus, menu,
                         bounds.origin.x + bounds.size.width / 2, bounds.origin.y - 12,
                         MOSS_MENU_ABOVE);
}

static void
add_picture (MossMenu *menu, MossSandbox *sandbox)
{
  g_autoptr (GdkTexture) texture = NULL;
  GtkWidget *picture;

  if (sandbox->picture == NULL)
    return;
  texture = gdk_texture_new_from_bytes (sandbox->picture, NULL);
  if (texture == NULL)
    return;
  picture = gtk_picture_new_for_paintable (GDK_PAINTABLE (texture));
  gtk_widget_set_size_request (picture, 220, 140);
  gtk_widget_add_css_class (picture, "menu-picture");
  moss_menu_add_widget (menu, picture);
}

typedef struct
{
  MossDock *dock;
  GtkWidget *item;
  MossSandbox *sandbox;
} Waiting;

static void
show_sandbox_menu (MossDock *self, GtkWidget *item, MossSandbox *sandbox)
{
  MossFrame *frame = moss_windows_find (self->shell->windows, sandbox->id);
  MossMenu *menu = moss_window_menu_new (self->shell, sandbox, frame);

  if (*sandbox->text != '\0')
    moss_menu_add_text (menu, sandbox->text);
  if (frame == NULL)
    add_picture (menu, sandbox);
  show_menu (self, item, menu);
}

static void
on_described (GObject *source, GAsyncResult *result, gpointer data)
{
  Waiting *waiting = data;
  g_autoptr (GVariant) fields = NULL;

  if (moss_dbus_session1_call_describe_finish (MOSS_DBUS_SESSION1 (source), &fields, result,
                                               NULL))
    moss_sandbox_update (waiting->sandbox, fields);
  if (gtk_widget_get_root (waiting->item) != NULL)
    show_sandbox_menu (waiting->dock, waiting->item, waiting->sandbox);
  g_object_unref (waiting->item);
  g_object_unref (waiting->sandbox);
  g_object_unref (waiting->dock);
  g_free (waiting);
}

/* Its picture comes first: the session has it. */
static void
show_away (MossDock *self, GtkWidget *item, MossSandbox *sandbox)
{
  MossDBusSession1 *proxy = moss_session_client_get_proxy (self->shell->session);
  Waiting *waiting;

  if (proxy == NULL)
    return;
  waiting = g_new0 (Waiting, 1);
  waiting->dock = g_object_ref (self);
  waiting->item = g_object_ref (item);
  waiting->sandbox = g_object_ref (sandbox);
  moss_dbus_session1_call_describe (proxy, sandbox->id, NULL, on_described, waiting);
}

static void
on_item_activated (MossDockItem *item, MossDock *self)
{
  GPtrArray *sandboxes = moss_dock_item_get_sandboxes (item);
  MossWorkspace *workspace = self->shell->workspace;
  MossFrame *focused = moss_workspace_get_focused (workspace);

  for (guint i = 0; i < sandboxes->len; i++)
    {
      MossSandbox *sandbox = g_ptr_array_index (sandboxes, i);
      MossFrame *frame = moss_windows_find (self->shell->windows, sandbox->id);

      if (frame == NULL)
        continue;
      if (frame == focused && sandboxes->len == 1 && !moss_frame_get_minimized (frame))
        moss_workspace_minimize (workspace, frame);
      else if (frame != focused || i + 1 == sandboxes->len)
        moss_workspace_focus (workspace, frame);
      else
        continue;
      return;
    }
  if (sandboxes->len > 0)
    show_away (self, GTK_WIDGET (item), g_ptr_array_index (sandboxes, 0));
  else
    moss_verbs_run (self->shell, moss_dock_item_get_app (item), NULL);
}

static void
on_item_files (MossDockItem *item, GListModel *files, MossDock *self)
{
  moss_verbs_run (self->shell, moss_dock_item_get_app (item), files);
}

typedef struct
{
  MossDock *dock;
  char *app;
} ItemDeed;

static void
item_deed_free (gpointer data)
{
  ItemDeed *deed = data;

  g_free (deed->app);
  g_free (deed);
}

static void
do_run (gpointer data)
{
  ItemDeed *deed = data;

  moss_verbs_run (deed->dock->shell, deed->app, NULL);
}

static void
do_toggle_pin (gpointer data)
{
  ItemDeed *deed = data;

  moss_pinned_toggle (deed->app);
  moss_dock_refresh (deed->dock);
}

static ItemDeed *
item_deed_new (MossDock *self, const char *app)
{
  ItemDeed *deed = g_new0 (ItemDeed, 1);

  deed->dock = self;
  deed->app = g_strdup (app);
  return deed;
}

static void
on_item_menu (MossDockItem *item, MossDock *self)
{
  GPtrArray *sandboxes = moss_dock_item_get_sandboxes (item);
  const char *app = moss_dock_item_get_app (item);
  MossSandbox *sandbox = sandboxes->len > 0 ? g_ptr_array_index (sandboxes, 0) : NULL;
  MossFrame *focused = moss_workspace_get_focused (self->shell->workspace);
  MossFrame *frame = NULL;
  MossMenu *menu;

  for (guint i = 0; i < sandboxes->len && focused != NULL; i++)
    if (moss_frame_get_sandbox (focused) == g_ptr_array_index (sandboxes, i))
      sandbox = g_ptr_array_index (sandboxes, i);
  if (sandbox != NULL)
    frame = moss_windows_find (self->shell->windows, sandbox->id);
  menu = sandbox != NULL ? moss_window_menu_new (self->shell, sandbox, frame)
                         : moss_menu_new ();
  if (sandbox != NULL)
    moss_menu_add_separator (menu);
  moss_menu_add (menu, sandbox != NULL ? _("Another window") : _("Open"), NULL, do_run,
                 item_deed_new (self, app), item_deed_free);
  if (g_str_has_suffix (app, ".desktop"))
    moss_menu_add_check (menu, _("Keep in the dock"), NULL, moss_dock_item_get_pinned (item),
                         do_toggle_pin, item_deed_new (self, app), item_deed_free);
  show_menu (self, GTK_WIDGET (item), menu);
}

/* ---- items --------------------------------------------------------------------------- */

static MossDockItem *
find_item (MossDock *self, const char *app)
{
  for (GtkWidget *child = gtk_widget_get_first_child (self->items); child != NULL;
       child = gtk_widget_get_next_sibling (child))
    if (strcmp (moss_dock_item_get_app (MOSS_DOCK_ITEM (child)), app) == 0)
      return MOSS_DOCK_ITEM (child);
  return NULL;
}

static MossDockItem *
ensure_item (MossDock *self, const char *app)
{
  MossDockItem *item = find_item (self, app);

  if (item != NULL)
    return item;
  item = MOSS_DOCK_ITEM (moss_dock_item_new (app));
  g_signal_connect (item, "activated", G_CALLBACK (on_item_activated), self);
  g_signal_connect (item, "menu", G_CALLBACK (on_item_menu), self);
  g_signal_connect (item, "files", G_CALLBACK (on_item_files), self);
  gtk_box_append (GTK_BOX (self->items), GTK_WIDGET (item));
  return item;
}

static gboolean
is_shown (MossSandbox *sandbox)
{
  return sandbox->state != MOSS_SANDBOX_ENDED || sandbox->files > 0;
}

static GPtrArray *
sandboxes_of (MossDock *self, const char *app)
{
  GListModel *model = moss_session_client_get_sandboxes (self->shell->session);
  GPtrArray *sandboxes = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < g_list_model_get_n_items (model); i++)
    {
      g_autoptr (MossSandbox) sandbox = g_list_model_get_item (model, i);

      if (strcmp (sandbox->app, app) == 0 && is_shown (sandbox))
        g_ptr_array_add (sandboxes, g_steal_pointer (&sandbox));
    }
  return sandboxes;
}

static void
update_item (MossDock *self, MossDockItem *item)
{
  g_autoptr (GPtrArray) sandboxes = sandboxes_of (self, moss_dock_item_get_app (item));
  MossDevice *away = NULL;
  gboolean elsewhere = FALSE;

  moss_dock_item_set_sandboxes (item, sandboxes);
  for (guint i = 0; i < sandboxes->len; i++)
    {
      MossSandbox *sandbox = g_ptr_array_index (sandboxes, i);

      if (!moss_sandbox_is_elsewhere (sandbox))
        continue;
      elsewhere = TRUE;
      away = moss_net_client_find (self->shell->net, sandbox->device);
    }
  moss_dock_item_set_sign (item,
                           !elsewhere ? NULL
                           : away != NULL ? moss_device_get_sign_name (away)
                                          : "moss-sign-desktop-symbolic",
                           away != NULL ? away->name : NULL);
}

static void
drop_empty (MossDock *self, const char *const *pinned)
{
  GtkWidget *child = gtk_widget_get_first_child (self->items);

  while (child != NULL)
    {
      GtkWidget *next = gtk_widget_get_next_sibling (child);
      MossDockItem *item = MOSS_DOCK_ITEM (child);
      gboolean is_pinned = g_strv_contains (pinned, moss_dock_item_get_app (item));

      moss_dock_item_set_pinned (item, is_pinned);
      update_item (self, item);
      if (!is_pinned && moss_dock_item_get_sandboxes (item)->len == 0)
        gtk_box_remove (GTK_BOX (self->items), child);
      child = next;
    }
}

static gboolean
on_refresh (gpointer data)
{
  MossDock *self = data;
  GListModel *model = moss_session_client_get_sandboxes (self->shell->session);
  g_auto (GStrv) pinned = moss_pinned_load ();

  self->refresh = 0;
  for (guint i = 0; pinned[i] != NULL; i++)
    ensure_item (self, pinned[i]);
  for (guint i = 0; i < g_list_model_get_n_items (model); i++)
    {
      g_autoptr (MossSandbox) sandbox = g_list_model_get_item (model, i);

      if (is_shown (sandbox) && *sandbox->app != '\0')
        ensure_item (self, sandbox->app);
    }
  drop_empty (self, (const char *const *) pinned);
  return G_SOURCE_REMOVE;
}

/* Looks again at everything, soon and once. */
void
moss_dock_refresh (MossDock *self)
{
  if (self->refresh == 0)
    self->refresh = g_idle_add_full (G_PRIORITY_HIGH_IDLE, on_refresh, self, NULL);
}

static void
on_sandboxes_changed (GListModel *model, guint position, guint removed, guint added,
                      MossDock *self)
{
  for (guint i = position; i < position + added; i++)
    {
      g_autoptr (MossSandbox) sandbox = g_list_model_get_item (model, i);

      g_signal_connect_object (sandbox, "changed", G_CALLBACK (moss_dock_refresh), self,
                               G_CONNECT_SWAPPED);
    }
  moss_dock_refresh (self);
}

/* position: from 0, as the key that opens it less one. */
void
moss_dock_activate (MossDock *self, guint position)
{
  GtkWidget *child = gtk_widget_get_first_child (self->items);

  while (child != NULL && position-- > 0)
    child = gtk_widget_get_next_sibling (child);
  if (child != NULL)
    on_item_activated (MOSS_DOCK_ITEM (child), self);
}

void
moss_dock_grab_focus (MossDock *self)
{
  gtk_widget_grab_focus (self->launcher);
}

void
moss_dock_set_notifications (MossDock *self, guint n)
{
  g_autofree char *text = g_strdup_printf ("%u", MIN (n, 99));

  gtk_label_set_label (GTK_LABEL (self->count), text);
  gtk_widget_set_visible (self->count, n > 0);
}

/* ---- the rest ------------------------------------------------------------------------ */

static void
on_launcher_clicked (GtkButton *button, MossDock *self)
{
  g_signal_emit (self, signals[LAUNCHER], 0);
}

static void
on_bell_clicked (GtkButton *button, MossDock *self)
{
  g_signal_emit (self, signals[NOTIFICATIONS], 0);
}

static void
on_devices_clicked (GtkButton *button, MossDock *self)
{
  moss_pair_dialog_show (self->shell);
}

static GtkWidget *
make_tray_button (MossDock *self, const char *icon, const char *label, GCallback callback)
{
  GtkWidget *button = gtk_button_new ();
  GtkWidget *image = gtk_image_new_from_icon_name (icon);

  gtk_image_set_pixel_size (GTK_IMAGE (image), 16);
  gtk_button_set_child (GTK_BUTTON (button), image);
  gtk_widget_set_tooltip_text (button, label);
  gtk_widget_set_valign (button, GTK_ALIGN_CENTER);
  gtk_accessible_update_property (GTK_ACCESSIBLE (button), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  label, -1);
  g_signal_connect (button, "clicked", callback, self);
  return button;
}

static GtkWidget *
make_tray (MossDock *self)
{
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 4);
  GtkWidget *overlay = gtk_overlay_new ();

  gtk_widget_add_css_class (box, "tray");
  self->tray = moss_tray_new ();
  gtk_box_append (GTK_BOX (box), self->tray);
  gtk_box_append (GTK_BOX (box),
                  make_tray_button (self, "moss-sign-desktop-symbolic", _("This device"),
                                    G_CALLBACK (on_devices_clicked)));
  self->bell = make_tray_button (self, "moss-bell-symbolic", _("Notifications"),
                                 G_CALLBACK (on_bell_clicked));
  self->count = gtk_label_new (NULL);
  gtk_widget_add_css_class (self->count, "count");
  gtk_widget_set_halign (self->count, GTK_ALIGN_END);
  gtk_widget_set_valign (self->count, GTK_ALIGN_START);
  gtk_widget_set_margin_top (self->count, 8);
  gtk_widget_set_can_target (self->count, FALSE);
  gtk_widget_set_visible (self->count, FALSE);
  gtk_overlay_set_child (GTK_OVERLAY (overlay), self->bell);
  gtk_overlay_add_overlay (GTK_OVERLAY (overlay), self->count);
  gtk_box_append (GTK_BOX (box), overlay);
  return box;
}

/* shell: (unowned): outlives the dock. */
void
moss_dock_set_shell (MossDock *self, MossShell *shell)
{
  GListModel *sandboxes = moss_session_client_get_sandboxes (shell->session);
  GListModel *devices = moss_net_client_get_devices (shell->net);

  self->shell = shell;
  g_signal_connect_object (sandboxes, "items-changed", G_CALLBACK (on_sandboxes_changed),
                           self, 0);
  g_signal_connect_object (devices, "items-changed", G_CALLBACK (moss_dock_refresh), self,
                           G_CONNECT_SWAPPED);
  moss_tray_start (MOSS_TRAY (self->tray), shell->bus, shell->menus);
  self->app_trays = moss_app_trays_new (shell->session, MOSS_TRAY (self->tray));
  on_refresh (self);
}

static void
moss_dock_dispose (GObject *object)
{
  MossDock *self = MOSS_DOCK (object);
  GtkWidget *child;

  g_clear_object (&self->app_trays);
  g_clear_handle_id (&self->refresh, g_source_remove);
  while ((child = gtk_widget_get_first_child (GTK_WIDGET (self))) != NULL)
    gtk_widget_unparent (child);
  G_OBJECT_CLASS (moss_dock_parent_class)->dispose (object);
}

static void
moss_dock_class_init (MossDockClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = moss_dock_dispose;
  gtk_widget_class_set_layout_manager_type (widget_class, GTK_TYPE_BOX_LAYOUT);
  gtk_widget_class_set_accessible_role (widget_class, GTK_ACCESSIBLE_ROLE_TOOLBAR);
  signals[LAUNCHER] = g_signal_new ("launcher", MOSS_TYPE_DOCK, G_SIGNAL_RUN_LAST, 0, NULL,
                                    NULL, NULL, G_TYPE_NONE, 0);
  signals[NOTIFICATIONS] = g_signal_new ("notifications", MOSS_TYPE_DOCK, G_SIGNAL_RUN_LAST,
                                         0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
moss_dock_init (MossDock *self)
{
  GtkLayoutManager *layout = gtk_widget_get_layout_manager (GTK_WIDGET (self));
  GtkWidget *picture = gtk_image_new_from_icon_name ("moss-search-symbolic");
  GtkWidget *line = gtk_separator_new (GTK_ORIENTATION_VERTICAL);
  GtkWidget *other_line = gtk_separator_new (GTK_ORIENTATION_VERTICAL);
  GtkWidget *clock = g_object_new (MOSS_TYPE_CLOCK, NULL);

  gtk_box_layout_set_spacing (GTK_BOX_LAYOUT (layout), 8);
  gtk_widget_add_css_class (GTK_WIDGET (self), "dock");
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _("Dock"), -1);
  gtk_image_set_pixel_size (GTK_IMAGE (picture), 22);
  self->launcher = gtk_button_new ();
  gtk_button_set_child (GTK_BUTTON (self->launcher), picture);
  gtk_widget_set_css_classes (self->launcher,
                              (const char *[]){ "dock-button", "launcher-button", NULL });
  gtk_widget_set_tooltip_text (self->launcher, _("Apps"));
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->launcher),
                                  GTK_ACCESSIBLE_PROPERTY_LABEL, _("Apps"), -1);
  g_signal_connect (self->launcher, "clicked", G_CALLBACK (on_launcher_clicked), self);
  self->items = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 8);
  gtk_widget_set_parent (self->launcher, GTK_WIDGET (self));
  gtk_widget_set_parent (line, GTK_WIDGET (self));
  gtk_widget_set_parent (self->items, GTK_WIDGET (self));
  gtk_widget_set_parent (other_line, GTK_WIDGET (self));
  gtk_widget_set_parent (make_tray (self), GTK_WIDGET (self));
  gtk_widget_set_parent (clock, GTK_WIDGET (self));
}
