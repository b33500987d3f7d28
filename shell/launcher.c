// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-launcher"

#include "launcher.h"

#include "app-icon.h"

#include <gio/gdesktopappinfo.h>
#include <glib/gi18n.h>
#include <string.h>

/* MossLauncher: every installed app, found by what the person types: the start of its name
   first, then any word of name, description or keywords. Emits "launch" (desktop id). */

struct _MossLauncher
{
  GtkWidget parent_instance;

  GtkWidget *box;
  GtkWidget *entry;
  GtkWidget *stack;
  GtkWidget *grid;
  GtkWidget *empty;
  GListStore *apps; /* of GDesktopAppInfo */
  GtkFilterListModel *filtered;
  GtkSortListModel *sorted;
  GtkSingleSelection *selection;
  char *query; /* casefolded */
  GAppInfoMonitor *monitor;
  gboolean stale;
  gboolean goes_to_top;
};

enum { LAUNCH, N_SIGNALS };
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (MossLauncher, moss_launcher, GTK_TYPE_WIDGET)

static gboolean
has_word (const char *text, const char *query)
{
  g_autofree char *folded = NULL;
  const char *at;

  if (text == NULL)
    return FALSE;
  folded = g_utf8_casefold (text, -1);
  for (at = strstr (folded, query); at != NULL; at = strstr (at + 1, query))
    if (at == folded || !g_unichar_isalnum (g_utf8_get_char (g_utf8_prev_char (at))))
      return TRUE;
  return FALSE;
}

/* 0: no; higher is better. */
static guint
rate (GDesktopAppInfo *app, const char *query)
{
  const char *name = g_app_info_get_name (G_APP_INFO (app));
  const char *const *keywords = g_desktop_app_info_get_keywords (app);
  g_autofree char *folded = g_utf8_casefold (name, -1);

  if (*query == '\0')
    return 1;
  if (g_str_has_prefix (folded, query))
    return 5;
  if (has_word (name, query))
    return 4;
  if (strstr (folded, query) != NULL)
    return 3;
  if (has_word (g_desktop_app_info_get_generic_name (app), query) ||
      has_word (g_app_info_get_executable (G_APP_INFO (app)), query))
    return 2;
  for (guint i = 0; keywords != NULL && keywords[i] != NULL; i++)
    if (has_word (keywords[i], query))
      return 2;
  return has_word (g_app_info_get_description (G_APP_INFO (app)), query) ? 1 : 0;
}

static gboolean
matches (gpointer item, gpointer data)
{
  MossLauncher *self = data;

  return rate (item, self->query) > 0;
}

static int
compare (gconstpointer a, gconstpointer b, gpointer data)
{
  MossLauncher *self = data;
  guint rate_a = rate ((gpointer) a, self->query);
  guint rate_b = rate ((gpointer) b, self->query);

  if (rate_a != rate_b)
    return rate_a > rate_b ? -1 : 1;
  return g_utf8_collate (g_app_info_get_name (G_APP_INFO ((gpointer) a)),
                         g_app_info_get_name (G_APP_INFO ((gpointer) b)));
}

static void
load_apps (MossLauncher *self)
{
  GList *infos = g_app_info_get_all ();

  g_list_store_remove_all (self->apps);
  for (GList *at = infos; at != NULL; at = at->next)
    if (G_IS_DESKTOP_APP_INFO (at->data) && g_app_info_should_show (at->data))
      g_list_store_append (self->apps, at->data);
  g_list_free_full (infos, g_object_unref);
  self->stale = FALSE;
}

static void
on_apps_changed (MossLauncher *self)
{
  self->stale = TRUE;
}

static void
on_top (MossLauncher *self, GdkFrameClock *clock)
{
  GtkScrollable *grid = GTK_SCROLLABLE (self->grid);

  g_signal_handlers_disconnect_by_func (clock, on_top, self);
  self->goes_to_top = FALSE;
  if (gtk_widget_get_mapped (self->grid))
    gtk_adjustment_set_value (gtk_scrollable_get_vadjustment (grid), 0);
}

/* The grid keeps its anchor while the list changes; results begin at the top. Its layout
   comes first: one that isn't laid out finds no row there, and complains. */
static void
scroll_to_top (MossLauncher *self)
{
  GdkFrameClock *clock = gtk_widget_get_frame_clock (self->grid);

  if (self->goes_to_top || clock == NULL)
    return;
  self->goes_to_top = TRUE;
  g_signal_connect_object (clock, "after-paint", G_CALLBACK (on_top), self,
                           G_CONNECT_SWAPPED);
  gdk_frame_clock_request_phase (clock, GDK_FRAME_CLOCK_PHASE_AFTER_PAINT);
}

static void
on_search_changed (MossLauncher *self)
{
  g_autofree char *stripped =
      g_strstrip (g_strdup (gtk_editable_get_text (GTK_EDITABLE (self->entry))));
  g_autofree char *text = NULL;

  g_free (self->query);
  self->query = g_utf8_casefold (stripped, -1);
  gtk_filter_changed (gtk_filter_list_model_get_filter (self->filtered),
                      GTK_FILTER_CHANGE_DIFFERENT);
  gtk_sorter_changed (gtk_sort_list_model_get_sorter (self->sorted),
                      GTK_SORTER_CHANGE_DIFFERENT);
  if (g_list_model_get_n_items (G_LIST_MODEL (self->selection)) > 0)
    {
      gtk_single_selection_set_selected (self->selection, 0);
      gtk_stack_set_visible_child_name (GTK_STACK (self->stack), "apps");
      scroll_to_top (self);
      return;
    }
  /* Translators: what the person has typed into the launcher */
  text = g_strdup_printf (_("No app called “%s”"), stripped);
  gtk_label_set_label (GTK_LABEL (self->empty), text);
  gtk_stack_set_visible_child_name (GTK_STACK (self->stack), "empty");
}

static void
launch (MossLauncher *self, guint position)
{
  g_autoptr (GAppInfo) app =
      g_list_model_get_item (G_LIST_MODEL (self->selection), position);

  if (app != NULL)
    g_signal_emit (self, signals[LAUNCH], 0, g_app_info_get_id (app));
}

static void
on_activate (MossLauncher *self)
{
  /* Return may come before the search's short delay is over. */
  on_search_changed (self);
  launch (self, gtk_single_selection_get_selected (self->selection));
}

static void
on_grid_activate (MossLauncher *self, guint position)
{
  launch (self, position);
}

static gboolean
on_key_pressed (GtkEventControllerKey *controller, guint keyval, guint keycode,
                GdkModifierType state, MossLauncher *self)
{
  if (keyval != GDK_KEY_Down && keyval != GDK_KEY_Tab)
    return FALSE;
  return gtk_widget_grab_focus (self->grid);
}

static void
on_setup (GtkSignalListItemFactory *factory, GtkListItem *item)
{
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 8);
  GtkWidget *icon = moss_app_icon_new (48);
  GtkWidget *label = gtk_label_new (NULL);

  gtk_widget_set_halign (icon, GTK_ALIGN_CENTER);
  gtk_label_set_ellipsize (GTK_LABEL (label), PANGO_ELLIPSIZE_END);
  gtk_label_set_max_width_chars (GTK_LABEL (label), 12);
  gtk_label_set_lines (GTK_LABEL (label), 2);
  gtk_label_set_wrap (GTK_LABEL (label), TRUE);
  gtk_label_set_justify (GTK_LABEL (label), GTK_JUSTIFY_CENTER);
  gtk_label_set_yalign (GTK_LABEL (label), 0);
  gtk_box_append (GTK_BOX (box), icon);
  gtk_box_append (GTK_BOX (box), label);
  /* All rows of one height, or the grid begins in the middle of its first row. */
  gtk_widget_set_size_request (box, -1, 96);
  gtk_list_item_set_child (item, box);
}

static void
on_bind (GtkSignalListItemFactory *factory, GtkListItem *item)
{
  GAppInfo *app = gtk_list_item_get_item (item);
  GtkWidget *box = gtk_list_item_get_child (item);
  GtkWidget *icon = gtk_widget_get_first_child (box);
  GtkWidget *label = gtk_widget_get_last_child (box);

  moss_app_icon_set_gicon (MOSS_APP_ICON (icon), g_app_info_get_icon (app),
                           g_app_info_get_name (app));
  gtk_label_set_label (GTK_LABEL (label), g_app_info_get_name (app));
  gtk_widget_set_tooltip_text (box, g_app_info_get_description (app));
}

/* Empty, everything listed, ready to type. */
void
moss_launcher_reset (MossLauncher *self)
{
  if (self->stale)
    load_apps (self);
  gtk_editable_set_text (GTK_EDITABLE (self->entry), "");
  on_search_changed (self);
}

static void
moss_launcher_dispose (GObject *object)
{
  MossLauncher *self = MOSS_LAUNCHER (object);

  gtk_widget_dispose_template (GTK_WIDGET (self), MOSS_TYPE_LAUNCHER);
  g_clear_object (&self->selection);
  g_clear_object (&self->apps);
  g_clear_object (&self->monitor);
  g_clear_pointer (&self->query, g_free);
  G_OBJECT_CLASS (moss_launcher_parent_class)->dispose (object);
}

static void
moss_launcher_class_init (MossLauncherClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = moss_launcher_dispose;
  signals[LAUNCH] = g_signal_new ("launch", MOSS_TYPE_LAUNCHER, G_SIGNAL_RUN_LAST, 0, NULL,
                                  NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
  gtk_widget_class_set_layout_manager_type (widget_class, GTK_TYPE_BIN_LAYOUT);
  gtk_widget_class_set_accessible_role (widget_class, GTK_ACCESSIBLE_ROLE_SEARCH);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/moss/Shell/launcher.ui");
  gtk_widget_class_bind_template_child (widget_class, MossLauncher, box);
  gtk_widget_class_bind_template_child (widget_class, MossLauncher, entry);
  gtk_widget_class_bind_template_child (widget_class, MossLauncher, stack);
  gtk_widget_class_bind_template_child (widget_class, MossLauncher, grid);
  gtk_widget_class_bind_template_child (widget_class, MossLauncher, empty);
  gtk_widget_class_bind_template_callback (widget_class, on_search_changed);
  gtk_widget_class_bind_template_callback (widget_class, on_activate);
  gtk_widget_class_bind_template_callback (widget_class, on_grid_activate);
}

/* Rows grow when their icons are there: until the person goes into the grid it shows its
   beginning. */
static void
on_grid_changed (MossLauncher *self)
{
  if (gtk_widget_get_focus_child (self->grid) == NULL)
    scroll_to_top (self);
}

static void
make_models (MossLauncher *self)
{
  GtkListItemFactory *factory = gtk_signal_list_item_factory_new ();

  self->apps = g_list_store_new (G_TYPE_DESKTOP_APP_INFO);
  self->filtered = gtk_filter_list_model_new (
      G_LIST_MODEL (g_object_ref (self->apps)),
      GTK_FILTER (gtk_custom_filter_new (matches, self, NULL)));
  self->sorted = gtk_sort_list_model_new (
      G_LIST_MODEL (self->filtered),
      GTK_SORTER (gtk_custom_sorter_new (compare, self, NULL)));
  self->selection = gtk_single_selection_new (G_LIST_MODEL (self->sorted));
  g_signal_connect (factory, "setup", G_CALLBACK (on_setup), self);
  g_signal_connect (factory, "bind", G_CALLBACK (on_bind), self);
  gtk_grid_view_set_model (GTK_GRID_VIEW (self->grid), GTK_SELECTION_MODEL (self->selection));
  gtk_grid_view_set_factory (GTK_GRID_VIEW (self->grid), factory);
  g_object_unref (factory);
}

static void
moss_launcher_init (MossLauncher *self)
{
  GtkEventController *keys = gtk_event_controller_key_new ();

  self->query = g_strdup ("");
  gtk_widget_init_template (GTK_WIDGET (self));
  gtk_widget_add_css_class (GTK_WIDGET (self), "launcher");
  make_models (self);
  g_signal_connect_object (gtk_scrollable_get_vadjustment (GTK_SCROLLABLE (self->grid)),
                           "changed", G_CALLBACK (on_grid_changed), self,
                           G_CONNECT_SWAPPED);
  load_apps (self);
  self->monitor = g_app_info_monitor_get ();
  g_signal_connect_object (self->monitor, "changed", G_CALLBACK (on_apps_changed), self,
                           G_CONNECT_SWAPPED);
  g_signal_connect (keys, "key-pressed", G_CALLBACK (on_key_pressed), self);
  gtk_widget_add_controller (self->entry, keys);
}

GtkWidget *
moss_launcher_new (void)
{
  return g_object_new (MOSS_TYPE_LAUNCHER, NULL);
}
