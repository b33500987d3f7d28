// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-shell-window"

#include "shell-window.h"

#include "device-dialog.h"
#include "dock.h"
#include "functions-sheet.h"
#include "launcher.h"
#include "layout-report.h"
#include "lock-watch.h"
#include "notification-corner.h"
#include "pair-dialog.h"
#include "save-out.h"
#include "switcher.h"
#include "verbs.h"
#include "wallpaper.h"
#include "window-menu.h"

#include <glib/gi18n.h>

/* MossShellWindow: the desktop itself: puts the parts over one another, joins their
   signals, and reads the keys of the shell before any app gets them. */

#define BOTTOM_INSET 84
#define END_INSET 108

struct _MossShellWindow
{
  GtkApplicationWindow parent_instance;

  MossShell shell;
  GtkWidget *wallpaper;
  GtkWidget *workspace;
  GtkWidget *rail;
  GtkWidget *dock;
  GtkWidget *toasts;
  GtkWidget *corner;
  GtkWidget *sheets;
  GtkWidget *menus;
  GtkWidget *launcher; /* made when it is first wanted */
  MossNotifications *notifications;
  GHashTable *states; /* sandbox id → MossSandboxState + 1 it had last */
  gboolean super_alone;
};

G_DEFINE_FINAL_TYPE (MossShellWindow, moss_shell_window, GTK_TYPE_APPLICATION_WINDOW)

/* ---- launcher and other sheets ------------------------------------------------------- */

static void
on_launch (MossLauncher *launcher, const char *app, MossShellWindow *self)
{
  moss_sheets_close (self->shell.sheets);
  if (g_str_equal (app, MOSS_FUNCTIONS_APP))
    moss_functions_sheet_show (&self->shell);
  else
    moss_verbs_run (&self->shell, app, NULL);
}

static void
toggle_launcher (MossShellWindow *self)
{
  if (self->launcher == NULL)
    {
      self->launcher = g_object_ref_sink (moss_launcher_new ());
      g_signal_connect (self->launcher, "launch", G_CALLBACK (on_launch), self);
    }
  if (moss_sheets_get_current (self->shell.sheets) == self->launcher)
    {
      moss_sheets_close (self->shell.sheets);
      return;
    }
  moss_launcher_reset (MOSS_LAUNCHER (self->launcher));
  moss_sheets_show (self->shell.sheets, self->launcher);
}

static void
step_switcher (MossShellWindow *self, int step)
{
  GtkWidget *current = moss_sheets_get_current (self->shell.sheets);

  if (!MOSS_IS_SWITCHER (current))
    {
      current = moss_switcher_new (self->shell.workspace);
      moss_sheets_show (self->shell.sheets, current);
      gtk_widget_grab_focus (current);
    }
  moss_switcher_step (MOSS_SWITCHER (current), step);
}

static void
finish_switcher (MossShellWindow *self)
{
  GtkWidget *current = moss_sheets_get_current (self->shell.sheets);
  g_autoptr (GtkWidget) keep = NULL;

  if (!MOSS_IS_SWITCHER (current))
    return;
  keep = g_object_ref (current);
  moss_sheets_close (self->shell.sheets);
  moss_switcher_choose (MOSS_SWITCHER (keep));
}

/* ---- keys ---------------------------------------------------------------------------- */

static void
popup_over_frame (MossShellWindow *self, MossFrame *frame, MossMenu *menu)
{
  graphene_rect_t bounds;

  if (!gtk_widget_compute_bounds (GTK_WIDGET (frame), self->menus, &bounds))
    return;
  moss_menu_layer_popup (self->shell.menus, menu, bounds.origin.x + 24,
                         bounds.origin.y + MOSS_FRAME_TITLE_HEIGHT, MOSS_MENU_BELOW);
}

static void
toggle_state (MossShellWindow *self, MossFrame *frame, MossFrameState state)
{
  if (moss_frame_get_state (frame) == state)
    state = MOSS_FRAME_NORMAL;
  moss_workspace_set_state (self->shell.workspace, frame, state);
}

static void
restore_or_minimize (MossShellWindow *self, MossFrame *frame)
{
  if (moss_frame_get_state (frame) != MOSS_FRAME_NORMAL)
    moss_workspace_set_state (self->shell.workspace, frame, MOSS_FRAME_NORMAL);
  else
    moss_workspace_minimize (self->shell.workspace, frame);
}

static void
bring (MossShellWindow *self, MossSandbox *sandbox)
{
  MossDevice *origin = *sandbox->origin != '\0'
                       ? moss_net_client_find (self->shell.net, sandbox->origin) : NULL;

  if (origin != NULL)
    moss_verbs_send (&self->shell, sandbox, origin);
}

/* Without a window in front: the last app that went away comes back. */
static void
bring_last (MossShellWindow *self)
{
  GListModel *model = moss_session_client_get_sandboxes (self->shell.session);

  for (guint i = g_list_model_get_n_items (model); i > 0; i--)
    {
      g_autoptr (MossSandbox) sandbox = g_list_model_get_item (model, i - 1);

      if (sandbox->state != MOSS_SANDBOX_AWAY)
        continue;
      moss_verbs_bring (&self->shell, sandbox);
      return;
    }
}

static gboolean
do_frame_key (MossShellWindow *self, int key, MossFrame *frame)
{
  MossSandbox *sandbox = moss_frame_get_sandbox (frame);
  MossWorkspace *workspace = self->shell.workspace;

  switch (key)
    {
    case MOSS_KEY_SEND:
      popup_over_frame (self, frame, moss_window_menu_new_send (&self->shell, sandbox));
      return TRUE;
    case MOSS_KEY_MENU:
      popup_over_frame (self, frame, moss_window_menu_new (&self->shell, sandbox, frame));
      return TRUE;
    case MOSS_KEY_SNAPSHOT:
      moss_verbs_snapshot (&self->shell, sandbox);
      return TRUE;
    case MOSS_KEY_SAVE_OUT:
      moss_save_out_show (&self->shell, sandbox);
      return TRUE;
    case MOSS_KEY_ON_TOP:
      moss_workspace_set_on_top (workspace, frame, !moss_frame_get_on_top (frame));
      return TRUE;
    case MOSS_KEY_CLOSE:
      moss_frame_close (frame);
      return TRUE;
    case MOSS_KEY_MAXIMIZE:
      toggle_state (self, frame, MOSS_FRAME_MAXIMIZED);
      return TRUE;
    case MOSS_KEY_RESTORE:
      restore_or_minimize (self, frame);
      return TRUE;
    case MOSS_KEY_LEFT:
      toggle_state (self, frame, MOSS_FRAME_LEFT);
      return TRUE;
    case MOSS_KEY_RIGHT:
      toggle_state (self, frame, MOSS_FRAME_RIGHT);
      return TRUE;
    case MOSS_KEY_MOVE_LEFT:
      moss_workspace_nudge (workspace, frame, -24, 0);
      return TRUE;
    case MOSS_KEY_MOVE_RIGHT:
      moss_workspace_nudge (workspace, frame, 24, 0);
      return TRUE;
    case MOSS_KEY_MOVE_UP:
      moss_workspace_nudge (workspace, frame, 0, -24);
      return TRUE;
    case MOSS_KEY_MOVE_DOWN:
      moss_workspace_nudge (workspace, frame, 0, 24);
      return TRUE;
    default:
      return FALSE;
    }
}

static gboolean
do_key (MossShellWindow *self, int key)
{
  MossFrame *frame = moss_workspace_get_focused (self->shell.workspace);

  if (key >= MOSS_KEY_APP_1 && key <= MOSS_KEY_APP_9)
    {
      moss_dock_activate (MOSS_DOCK (self->dock), key - MOSS_KEY_APP_1);
      return TRUE;
    }
  switch (key)
    {
    case MOSS_KEY_LAUNCHER:
      toggle_launcher (self);
      return TRUE;
    case MOSS_KEY_NEXT:
      step_switcher (self, 1);
      return TRUE;
    case MOSS_KEY_PREVIOUS:
      step_switcher (self, -1);
      return TRUE;
    case MOSS_KEY_NOTIFICATIONS:
      moss_notification_corner_toggle_list (MOSS_NOTIFICATION_CORNER (self->corner));
      return TRUE;
    case MOSS_KEY_DOCK:
      moss_dock_grab_focus (MOSS_DOCK (self->dock));
      return TRUE;
    case MOSS_KEY_RAIL:
      return gtk_widget_child_focus (self->rail, GTK_DIR_TAB_FORWARD);
    case MOSS_KEY_BRING:
      if (frame != NULL && *moss_frame_get_sandbox (frame)->origin != '\0')
        bring (self, moss_frame_get_sandbox (frame));
      else
        bring_last (self);
      return TRUE;
    default:
      return frame != NULL && do_frame_key (self, key, frame);
    }
}

static gboolean
app_takes_all_keys (MossShellWindow *self)
{
  MossFrame *frame = moss_workspace_get_focused (self->shell.workspace);
  MossViewerSurface *surface = frame != NULL ? moss_frame_get_surface (frame) : NULL;

  return surface != NULL && !moss_viewer_surface_is_removed (surface) &&
         moss_viewer_surface_get_inhibits_shortcuts (surface);
}

static gboolean
on_key_pressed (GtkEventControllerKey *controller, guint keyval, guint keycode,
                GdkModifierType state, MossShellWindow *self)
{
  int key;

  self->super_alone = moss_keys_is_super (keyval);
  if (keyval == GDK_KEY_Escape && moss_workspace_cancel_grab (self->shell.workspace))
    return TRUE;
  if (moss_menu_layer_is_open (self->shell.menus) || app_takes_all_keys (self))
    return FALSE;
  key = moss_keys_find (self->shell.keys, keyval, state);
  if (key < 0)
    return FALSE;
  return do_key (self, key);
}

static void
on_key_released (GtkEventControllerKey *controller, guint keyval, guint keycode,
                 GdkModifierType state, MossShellWindow *self)
{
  gboolean modifier = keyval == GDK_KEY_Alt_L || keyval == GDK_KEY_Alt_R ||
                      keyval == GDK_KEY_Meta_L || keyval == GDK_KEY_Control_L ||
                      keyval == GDK_KEY_Control_R;

  if (modifier)
    finish_switcher (self);
  if (moss_keys_is_super (keyval) && self->super_alone &&
      self->shell.keys == MOSS_KEYS_NATIVE && !app_takes_all_keys (self))
    toggle_launcher (self);
  self->super_alone = FALSE;
}

/* ---- what the parts say -------------------------------------------------------------- */

static void
on_window_menu (MossWorkspace *workspace, MossFrame *frame, double x, double y,
                MossShellWindow *self)
{
  MossMenu *menu = moss_window_menu_new (&self->shell, moss_frame_get_sandbox (frame), frame);

  moss_menu_layer_popup (self->shell.menus, menu, x, y, MOSS_MENU_BELOW);
}

static void
on_grabbed (MossWorkspace *workspace, MossFrame *frame, MossShellWindow *self)
{
  moss_menu_layer_popdown (self->shell.menus);
  moss_preflight_refresh (self->shell.preflight, moss_frame_get_sandbox (frame)->id);
}

static void
on_send (MossWorkspace *workspace, MossFrame *frame, MossDevice *device,
         MossShellWindow *self)
{
  moss_verbs_send (&self->shell, moss_frame_get_sandbox (frame), device);
}

static void
on_covered (MossWorkspace *workspace, gboolean covered, MossShellWindow *self)
{
  gtk_widget_set_visible (self->dock, !covered);
  gtk_widget_set_visible (self->rail, !covered);
}

typedef struct
{
  MossShell *shell;
  MossDevice *device;
} DeviceDeed;

static void
device_deed_free (gpointer data)
{
  DeviceDeed *deed = data;

  g_object_unref (deed->device);
  g_free (deed);
}

static void
do_send_focused (gpointer data)
{
  DeviceDeed *deed = data;
  MossFrame *frame = moss_workspace_get_focused (deed->shell->workspace);

  if (frame != NULL)
    moss_verbs_send (deed->shell, moss_frame_get_sandbox (frame), deed->device);
}

static void
do_remove_device (gpointer data)
{
  DeviceDeed *deed = data;

  moss_device_dialog_remove (deed->shell, deed->device);
}

static void
do_show_this (gpointer data)
{
  moss_device_dialog_show_this (data);
}

static void
do_show_yours (gpointer data)
{
  moss_pair_dialog_show (data);
}

static DeviceDeed *
device_deed_new (MossShellWindow *self, MossDevice *device)
{
  DeviceDeed *deed = g_new0 (DeviceDeed, 1);

  deed->shell = &self->shell;
  deed->device = g_object_ref (device);
  return deed;
}

static void
on_device_menu (MossRail *rail, MossDevice *device, double x, double y,
                MossShellWindow *self)
{
  MossFrame *frame = moss_workspace_get_focused (self->shell.workspace);
  MossMenu *menu = moss_menu_new ();
  graphene_point_t point;

  if (frame != NULL && moss_device_is_linked (device))
    {
      g_autofree char *label = g_strdup_printf (_("Send %s there"),
                                                moss_frame_get_title (frame));
      moss_menu_add (menu, label, NULL, do_send_focused, device_deed_new (self, device),
                     device_deed_free);
      moss_menu_add_separator (menu);
    }
  else if (!moss_device_is_linked (device))
    moss_menu_add_text (menu, *device->reason != '\0' ? device->reason
                                                      : _("Away or asleep"));
  moss_menu_add (menu, _("Your devices"), NULL, do_show_yours, &self->shell, NULL);
  moss_menu_add (menu, _("This device"), NULL, do_show_this, &self->shell, NULL);
  moss_menu_add (menu, _("Forget this device"), NULL, do_remove_device,
                 device_deed_new (self, device), device_deed_free);
  if (gtk_widget_compute_point (GTK_WIDGET (rail), self->menus, &GRAPHENE_POINT_INIT (x, y),
                                &point))
    moss_menu_layer_popup (self->shell.menus, menu, point.x, point.y, MOSS_MENU_BELOW);
}

static void
on_device_add (MossRail *rail, MossShellWindow *self)
{
  moss_pair_dialog_show (&self->shell);
}

static void
on_notifications_changed (MossShellWindow *self)
{
  GListModel *list = moss_notifications_get_list (self->notifications);

  moss_dock_set_notifications (MOSS_DOCK (self->dock), g_list_model_get_n_items (list));
}

static void
on_bell (MossDock *dock, MossShellWindow *self)
{
  moss_notification_corner_toggle_list (MOSS_NOTIFICATION_CORNER (self->corner));
}

static void
on_notice (MossSessionClient *session, const char *id, const char *kind, const char *text,
           const char *action, MossShellWindow *self)
{
  moss_verbs_notice (&self->shell, id, kind, text, action);
}

static void
on_sandbox_changed (MossSandbox *sandbox, MossShellWindow *self)
{
  guint before = GPOINTER_TO_UINT (g_hash_table_lookup (self->states, sandbox->id));

  /* It has just gone: say so once. What was away already when the shell started is old
     news. */
  if (sandbox->state == MOSS_SANDBOX_AWAY && before != 0 &&
      before - 1 != MOSS_SANDBOX_AWAY)
    moss_verbs_tell_away (&self->shell, sandbox);
  if (sandbox->state == MOSS_SANDBOX_RUNNING)
    moss_toasts_withdraw (self->shell.toasts, sandbox->id);
  g_hash_table_insert (self->states, g_strdup (sandbox->id),
                       GUINT_TO_POINTER (sandbox->state + 1));
}

static void
on_sandboxes_changed (GListModel *model, guint position, guint removed, guint added,
                      MossShellWindow *self)
{
  for (guint i = position; i < position + added; i++)
    {
      g_autoptr (MossSandbox) sandbox = g_list_model_get_item (model, i);

      g_signal_connect_object (sandbox, "changed", G_CALLBACK (on_sandbox_changed), self, 0);
      on_sandbox_changed (sandbox, self);
    }
}

static void
tell_settings (MossShellWindow *self)
{
  MossDBusSession1 *proxy = moss_session_client_get_proxy (self->shell.session);
  g_autoptr (GVariant) settings = moss_style_get_settings (self->shell.style);

  if (proxy != NULL)
    moss_dbus_session1_call_set_settings (proxy, settings, NULL, NULL, NULL);
}

static void
on_style_changed (MossShellWindow *self)
{
  moss_wallpaper_set_dark (MOSS_WALLPAPER (self->wallpaper),
                           moss_style_get_dark (self->shell.style));
  tell_settings (self);
}

/* Two machines' desktops may stand side by side on a screen: each is called by its machine. */
static void
on_net_changed (MossShellWindow *self)
{
  MossDBusNet1 *net = moss_net_client_get_proxy (self->shell.net);
  const char *name = net != NULL ? moss_dbus_net1_get_device_name (net) : NULL;
  g_autofree char *title =
      name != NULL && *name != '\0' ? g_strdup_printf ("%s – Moss", name) : g_strdup ("Moss");

  gtk_window_set_title (GTK_WINDOW (self), title);
}

static void
on_scale_changed (MossShellWindow *self)
{
  moss_windows_update_output (self->shell.windows);
}

/* ---- making it ----------------------------------------------------------------------- */

static void
add_keys (MossShellWindow *self)
{
  GtkEventController *keys = gtk_event_controller_key_new ();

  gtk_event_controller_set_propagation_phase (keys, GTK_PHASE_CAPTURE);
  g_signal_connect (keys, "key-pressed", G_CALLBACK (on_key_pressed), self);
  g_signal_connect (keys, "key-released", G_CALLBACK (on_key_released), self);
  gtk_widget_add_controller (GTK_WIDGET (self), keys);
}

static void
connect_parts (MossShellWindow *self)
{
  MossShell *shell = &self->shell;
  GListModel *sandboxes = moss_session_client_get_sandboxes (shell->session);

  g_signal_connect (self->workspace, "menu", G_CALLBACK (on_window_menu), self);
  g_signal_connect (self->workspace, "grabbed", G_CALLBACK (on_grabbed), self);
  g_signal_connect (self->workspace, "send", G_CALLBACK (on_send), self);
  g_signal_connect (self->workspace, "covered", G_CALLBACK (on_covered), self);
  g_signal_connect (self->rail, "menu", G_CALLBACK (on_device_menu), self);
  g_signal_connect (self->rail, "add", G_CALLBACK (on_device_add), self);
  g_signal_connect_swapped (self->dock, "launcher", G_CALLBACK (toggle_launcher), self);
  g_signal_connect (self->dock, "notifications", G_CALLBACK (on_bell), self);
  g_signal_connect_object (shell->session, "notice", G_CALLBACK (on_notice), self, 0);
  g_signal_connect_object (shell->session, "ready", G_CALLBACK (tell_settings), self,
                           G_CONNECT_SWAPPED);
  g_signal_connect_object (shell->net, "changed", G_CALLBACK (on_net_changed), self,
                           G_CONNECT_SWAPPED);
  g_signal_connect_object (sandboxes, "items-changed", G_CALLBACK (on_sandboxes_changed),
                           self, 0);
  g_signal_connect_object (moss_notifications_get_list (self->notifications),
                           "items-changed", G_CALLBACK (on_notifications_changed), self,
                           G_CONNECT_SWAPPED);
  g_signal_connect_object (shell->style, "changed", G_CALLBACK (on_style_changed), self,
                           G_CONNECT_SWAPPED);
  g_signal_connect_swapped (self, "notify::scale-factor", G_CALLBACK (on_scale_changed),
                            self);
}

static void
moss_shell_window_dispose (GObject *object)
{
  MossShellWindow *self = MOSS_SHELL_WINDOW (object);

  /* The windows go first: they hold the workspace's frames. */
  g_clear_object (&self->shell.windows);
  g_clear_object (&self->launcher);
  g_clear_object (&self->notifications);
  g_clear_object (&self->shell.preflight);
  g_clear_object (&self->shell.session);
  g_clear_object (&self->shell.net);
  g_clear_object (&self->shell.style);
  g_clear_object (&self->shell.bus);
  g_clear_pointer (&self->states, g_hash_table_unref);
  G_OBJECT_CLASS (moss_shell_window_parent_class)->dispose (object);
}

static void
moss_shell_window_class_init (MossShellWindowClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = moss_shell_window_dispose;
  g_type_ensure (MOSS_TYPE_WALLPAPER);
  g_type_ensure (MOSS_TYPE_WORKSPACE);
  g_type_ensure (MOSS_TYPE_RAIL);
  g_type_ensure (MOSS_TYPE_DOCK);
  g_type_ensure (MOSS_TYPE_TOASTS);
  g_type_ensure (MOSS_TYPE_NOTIFICATION_CORNER);
  g_type_ensure (MOSS_TYPE_SHEETS);
  g_type_ensure (MOSS_TYPE_MENU_LAYER);
  gtk_widget_class_set_template_from_resource (widget_class,
                                               "/org/moss/Shell/shell-window.ui");
  gtk_widget_class_bind_template_child (widget_class, MossShellWindow, wallpaper);
  gtk_widget_class_bind_template_child (widget_class, MossShellWindow, workspace);
  gtk_widget_class_bind_template_child (widget_class, MossShellWindow, rail);
  gtk_widget_class_bind_template_child (widget_class, MossShellWindow, dock);
  gtk_widget_class_bind_template_child (widget_class, MossShellWindow, toasts);
  gtk_widget_class_bind_template_child (widget_class, MossShellWindow, corner);
  gtk_widget_class_bind_template_child (widget_class, MossShellWindow, sheets);
  gtk_widget_class_bind_template_child (widget_class, MossShellWindow, menus);
}

static void
moss_shell_window_init (MossShellWindow *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
  self->states = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}

static void
fill_shell (MossShellWindow *self, MossStyle *style, GDBusConnection *bus, MossKeySet keys)
{
  MossShell *shell = &self->shell;

  shell->window = GTK_WINDOW (self);
  shell->bus = g_object_ref (bus);
  shell->style = g_object_ref (style);
  shell->session = moss_session_client_new (bus);
  shell->net = moss_net_client_new (bus);
  shell->preflight = moss_preflight_new (shell->session, shell->net);
  shell->workspace = MOSS_WORKSPACE (self->workspace);
  shell->toasts = MOSS_TOASTS (self->toasts);
  shell->menus = MOSS_MENU_LAYER (self->menus);
  shell->sheets = MOSS_SHEETS (self->sheets);
  shell->keys = keys;
  shell->windows = moss_windows_new (shell->session, shell->workspace);
}

GtkWidget *
moss_shell_window_new (GtkApplication *application, MossStyle *style, GDBusConnection *bus,
                       MossKeySet keys)
{
  MossShellWindow *self = g_object_new (MOSS_TYPE_SHELL_WINDOW, "application", application,
                                        NULL);

  fill_shell (self, style, bus, keys);
  self->notifications = moss_notifications_new (bus);
  moss_notification_corner_set_model (MOSS_NOTIFICATION_CORNER (self->corner),
                                      self->notifications);
  moss_workspace_set_rail (self->shell.workspace, MOSS_RAIL (self->rail));
  moss_rail_set_models (MOSS_RAIL (self->rail), self->shell.net, self->shell.preflight);
  moss_dock_set_shell (MOSS_DOCK (self->dock), &self->shell);
  moss_workspace_set_insets (self->shell.workspace, BOTTOM_INSET, END_INSET);
  connect_parts (self);
  add_keys (self);
  on_style_changed (self);
  moss_layout_report_start (&self->shell);
  moss_lock_watch_start (&self->shell);
  return GTK_WIDGET (self);
}
