// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-functions"

#include "page.h"

#include "drop-view.h"
#include "offer-table.h"
#include "plot.h"
#include "running-list.h"
#include "shell/compat-dialogs.h"
#include "shell/toasts.h"

#include <glib/gi18n.h>
#include <string.h>

#define SIDE_WIDTH 250
#define SHOWN_BYTES 4e6

struct _MossFunctionsPage
{
  GtkWidget parent_instance;

  MossFunctionsClient *client;
  char *key; /* of what is shown, or was before the list was lost */
  gboolean listed; /* there is something to choose */
  GtkWidget *overlay;
  GtkWidget *search;
  GtkWidget *list;
  GtkWidget *nothing; /* what the list says when nothing in it is what is searched */
  GtkWidget *stack; /* "message", "details", "file" */
  GtkWidget *message_title;
  GtkWidget *message;
  GtkWidget *retry;
  GtkWidget *title;
  GtkWidget *subtitle;
  GtkWidget *plot;
  GtkWidget *unmeasured; /* in place of the plot */
  GtkWidget *table_place;
  GtkWidget *drop; /* MossDropView or NULL */
  MossToasts *toasts;
};

G_DEFINE_FINAL_TYPE (MossFunctionsPage, moss_functions_page, GTK_TYPE_WIDGET)

static const MossCapability *
get_capability (GtkListBoxRow *row)
{
  return g_object_get_data (G_OBJECT (row), "capability");
}

static void
set_capability (GtkListBoxRow *row, const MossCapability *capability)
{
  g_object_set_data (G_OBJECT (row), "capability", (gpointer) capability);
  g_object_set_data_full (G_OBJECT (row), "key", g_strdup (capability->key), g_free);
}

/* Of a row whose capability may be gone already. */
static const char *
get_key (GtkListBoxRow *row)
{
  return g_object_get_data (G_OBJECT (row), "key");
}

/* ---- what is chosen ------------------------------------------------------------------ */

/* A file that is being looked at stays; then the function that is chosen, else the reason why
 * there is none. */
static void
show_pane (MossFunctionsPage *self)
{
  const char *pane = self->drop != NULL ? "file" : self->listed ? "details" : "message";

  gtk_stack_set_visible_child_name (GTK_STACK (self->stack), pane);
}

static void
set_message (MossFunctionsPage *self, const char *title, const char *text, gboolean retry)
{
  gtk_label_set_text (GTK_LABEL (self->message_title), title);
  gtk_label_set_text (GTK_LABEL (self->message), text);
  gtk_widget_set_visible (self->retry, retry);
}

/* Where it is decided: at the crossing, else a picture's size. */
static double
choose_bytes (const MossCapability *capability)
{
  double bytes, from, to;

  if (moss_capability_crossing (capability, &bytes) != NULL)
    return moss_round_bytes (bytes);
  if (moss_capability_range (capability, &from, &to))
    return moss_round_bytes (CLAMP (SHOWN_BYTES, from, to));
  return SHOWN_BYTES;
}

static void
show_capability (MossFunctionsPage *self, const MossCapability *capability)
{
  g_autofree char *subtitle = moss_capability_describe (capability);
  GtkWidget *table = gtk_widget_get_first_child (self->table_place);

  g_free (self->key);
  self->key = g_strdup (capability->key);
  gtk_label_set_text (GTK_LABEL (self->title), capability->title);
  gtk_label_set_text (GTK_LABEL (self->subtitle), subtitle);
  moss_cost_plot_set_capability (MOSS_COST_PLOT (self->plot), capability);
  gtk_widget_set_visible (self->unmeasured, !gtk_widget_get_visible (self->plot));
  if (table != NULL)
    gtk_box_remove (GTK_BOX (self->table_place), table);
  gtk_box_append (GTK_BOX (self->table_place),
                  moss_offer_table_new (capability, choose_bytes (capability)));
}

static void
on_row_selected (GtkListBox *list, GtkListBoxRow *row, MossFunctionsPage *self)
{
  if (row != NULL)
    show_capability (self, get_capability (row));
}

/* A file was shown: whoever chooses a function is done with it. */
static void
leave_file (MossFunctionsPage *self)
{
  if (self->drop == NULL)
    return;
  gtk_stack_remove (GTK_STACK (self->stack), self->drop);
  self->drop = NULL;
  show_pane (self);
}

static void
on_row_activated (GtkListBox *list, GtkListBoxRow *row, MossFunctionsPage *self)
{
  leave_file (self);
}

/* ---- the list ------------------------------------------------------------------------ */

static gboolean
filter (GtkListBoxRow *row, gpointer data)
{
  MossFunctionsPage *self = data;
  const MossCapability *capability = get_capability (row);
  g_autofree char *typed
      = g_utf8_casefold (gtk_editable_get_text (GTK_EDITABLE (self->search)), -1);
  g_auto (GStrv) words = g_strsplit (typed, " ", -1);
  g_autofree char *text = g_utf8_casefold (capability->key, -1);

  for (guint i = 0; words[i] != NULL; i++)
    if (strstr (text, words[i]) == NULL)
      return FALSE;
  return TRUE;
}

static void
on_search_changed (MossFunctionsPage *self)
{
  gtk_list_box_invalidate_filter (GTK_LIST_BOX (self->list));
}

/* Return takes the first that is left. */
static void
on_search_activate (MossFunctionsPage *self)
{
  GtkListBox *list = GTK_LIST_BOX (self->list);
  GtkListBoxRow *row = NULL;

  for (int i = 0; (row = gtk_list_box_get_row_at_index (list, i)) != NULL; i++)
    if (gtk_widget_get_child_visible (GTK_WIDGET (row)))
      break;
  if (row == NULL)
    return;
  gtk_list_box_select_row (list, row);
  leave_file (self);
}

static GtkWidget *
make_row (const MossCapability *capability)
{
  GtkWidget *row = gtk_list_box_row_new ();
  GtkWidget *label = gtk_label_new (capability->title);

  gtk_label_set_xalign (GTK_LABEL (label), 0);
  gtk_label_set_ellipsize (GTK_LABEL (label), PANGO_ELLIPSIZE_END);
  gtk_widget_set_tooltip_text (row, capability->key);
  gtk_list_box_row_set_child (GTK_LIST_BOX_ROW (row), label);
  set_capability (GTK_LIST_BOX_ROW (row), capability);
  return row;
}

static void
clear_list (MossFunctionsPage *self)
{
  GtkListBoxRow *row;

  while ((row = gtk_list_box_get_row_at_index (GTK_LIST_BOX (self->list), 0)) != NULL)
    gtk_list_box_remove (GTK_LIST_BOX (self->list), GTK_WIDGET (row));
}

/* What was shown; in the beginning what is used most and offered by most. */
static gboolean
is_better (MossFunctionsPage *self, const MossCapability *one, const MossCapability *than)
{
  if (than == NULL || g_strcmp0 (one->key, self->key) == 0)
    return TRUE;
  if (g_strcmp0 (than->key, self->key) == 0)
    return FALSE;
  return one->calls != than->calls ? one->calls > than->calls
                                   : one->offers->len > than->offers->len;
}

static void
fill_list (MossFunctionsPage *self, GPtrArray *capabilities)
{
  const MossCapability *best = NULL;
  GtkWidget *chosen = NULL;

  for (guint i = 0; i < capabilities->len; i++)
    {
      const MossCapability *capability = capabilities->pdata[i];
      GtkWidget *row = make_row (capability);

      gtk_list_box_append (GTK_LIST_BOX (self->list), row);
      if (!is_better (self, capability, best))
        continue;
      best = capability;
      chosen = row;
    }
  if (chosen != NULL)
    gtk_list_box_select_row (GTK_LIST_BOX (self->list), GTK_LIST_BOX_ROW (chosen));
}

/* When only costs are others the list stays as it is, with its place and its focus. */
static gboolean
renew_rows (MossFunctionsPage *self, GPtrArray *capabilities)
{
  GtkListBox *list = GTK_LIST_BOX (self->list);
  GtkListBoxRow *row;

  for (guint i = 0; i < capabilities->len; i++)
    {
      const MossCapability *capability = capabilities->pdata[i];

      row = gtk_list_box_get_row_at_index (list, i);
      if (row == NULL || g_strcmp0 (get_key (row), capability->key) != 0)
        return FALSE;
    }
  if (capabilities->len == 0 || gtk_list_box_get_row_at_index (list, capabilities->len) != NULL)
    return FALSE;
  for (guint i = 0; i < capabilities->len; i++)
    set_capability (gtk_list_box_get_row_at_index (list, i), capabilities->pdata[i]);
  row = gtk_list_box_get_selected_row (list);
  if (row != NULL)
    show_capability (self, get_capability (row));
  return TRUE;
}

static void
on_changed (MossFunctionsClient *client, MossFunctionsPage *self)
{
  GPtrArray *capabilities = moss_functions_client_get_capabilities (client);
  const char *problem = moss_functions_client_get_problem (client);

  /* Rows and the plot borrow from what was there before. */
  moss_cost_plot_set_capability (MOSS_COST_PLOT (self->plot), NULL);
  if (problem == NULL && capabilities != NULL && renew_rows (self, capabilities))
    return;
  clear_list (self);
  self->listed = problem == NULL && capabilities != NULL && capabilities->len > 0;
  if (self->listed)
    fill_list (self, capabilities);
  else if (problem != NULL)
    set_message (self, _ ("No functions can be shown"), problem, TRUE);
  else
    set_message (self, _ ("Nothing is offered yet"),
                 _ ("Install a program that offers functions, or write a manifest for one that "
                    "you have: see “moss help fn”."),
                 FALSE);
  gtk_label_set_text (GTK_LABEL (self->nothing), self->listed ? _ ("Nobody offers that.") : "");
  show_pane (self);
}

/* ---- files --------------------------------------------------------------------------- */

static void
on_open_made (gpointer data)
{
  g_autofree char *uri = g_file_get_uri (data);

  g_app_info_launch_default_for_uri_async (uri, NULL, NULL, NULL, NULL);
}

static void
on_say (MossDropView *view, const char *sentence, GFile *made, MossFunctionsPage *self)
{
  g_autofree char *escaped = g_markup_escape_text (sentence, -1);

  if (made != NULL)
    moss_toasts_say_markup (self->toasts, "made", escaped, _ ("Open"), on_open_made,
                            g_object_ref (made), g_object_unref);
  else
    moss_toasts_say (self->toasts, sentence);
}

void
moss_functions_page_take_file (MossFunctionsPage *self, GFile *file, const char *request)
{
  leave_file (self);
  self->drop = moss_drop_view_new (self->client, file);
  g_signal_connect_swapped (self->drop, "done", G_CALLBACK (leave_file), self);
  g_signal_connect (self->drop, "say", G_CALLBACK (on_say), self);
  gtk_stack_add_named (GTK_STACK (self->stack), self->drop, "file");
  show_pane (self);
  if (request != NULL)
    moss_drop_view_run (MOSS_DROP_VIEW (self->drop), request);
}

static gboolean
on_dropped (GtkDropTarget *target, const GValue *value, double x, double y,
            MossFunctionsPage *self)
{
  GSList *files = g_value_get_boxed (value);

  if (files == NULL)
    return FALSE;
  moss_functions_page_take_file (self, files->data, NULL);
  return TRUE;
}

static void
on_file_chosen (GFile *file, gpointer data)
{
  g_autoptr (MossFunctionsPage) self = data;

  if (file != NULL && self->client != NULL) /* not closed meanwhile */
    moss_functions_page_take_file (self, file, NULL);
}

static void
open_file (MossFunctionsPage *self)
{
  GtkRoot *root = gtk_widget_get_root (GTK_WIDGET (self));

  moss_compat_choose_open (GTK_WINDOW (root), _ ("Open a file"), on_file_chosen,
                           g_object_ref (self));
}

static gboolean
on_open_key (GtkWidget *widget, GVariant *unused, gpointer data)
{
  open_file (MOSS_FUNCTIONS_PAGE (widget));
  return TRUE;
}

/* ---- the widget ---------------------------------------------------------------------- */

static GtkWidget *
make_muted (const char *text)
{
  GtkWidget *label = gtk_label_new (text);

  gtk_label_set_wrap (GTK_LABEL (label), TRUE);
  gtk_label_set_max_width_chars (GTK_LABEL (label), 44);
  gtk_label_set_justify (GTK_LABEL (label), GTK_JUSTIFY_CENTER);
  gtk_widget_add_css_class (label, "muted");
  return label;
}

static GtkWidget *
make_message (MossFunctionsPage *self)
{
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 8);

  self->message_title = gtk_label_new (NULL);
  self->message = make_muted (_ ("Looking for functions…"));
  self->retry = gtk_button_new_with_label (_ ("Try again"));
  gtk_widget_add_css_class (self->message_title, "strong");
  gtk_widget_add_css_class (self->retry, "tinted");
  gtk_widget_set_halign (self->retry, GTK_ALIGN_CENTER);
  gtk_widget_set_margin_top (self->retry, 8);
  gtk_widget_set_visible (self->retry, FALSE);
  gtk_widget_set_valign (box, GTK_ALIGN_CENTER);
  g_signal_connect_swapped (self->retry, "clicked", G_CALLBACK (moss_functions_client_retry),
                            self->client);
  gtk_box_append (GTK_BOX (box), self->message_title);
  gtk_box_append (GTK_BOX (box), self->message);
  gtk_box_append (GTK_BOX (box), self->retry);
  return box;
}

static GtkWidget *
make_side (MossFunctionsPage *self)
{
  GtkWidget *side = gtk_box_new (GTK_ORIENTATION_VERTICAL, 12);
  GtkWidget *scroller = gtk_scrolled_window_new ();
  GtkWidget *open = gtk_button_new_with_label (_ ("Open a file…"));

  self->nothing = make_muted ("");
  gtk_widget_add_css_class (self->nothing, "nothing");
  self->search = gtk_search_entry_new ();
  g_object_set (self->search, "placeholder-text", _ ("What do you need?"), NULL);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->search), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _ ("What do you need?"), -1);
  g_signal_connect_swapped (self->search, "search-changed", G_CALLBACK (on_search_changed),
                            self);
  g_signal_connect_swapped (self->search, "activate", G_CALLBACK (on_search_activate), self);
  self->list = gtk_list_box_new ();
  gtk_list_box_set_selection_mode (GTK_LIST_BOX (self->list), GTK_SELECTION_BROWSE);
  gtk_list_box_set_filter_func (GTK_LIST_BOX (self->list), filter, self, NULL);
  gtk_list_box_set_placeholder (GTK_LIST_BOX (self->list), self->nothing);
  gtk_widget_add_css_class (self->list, "choices");
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->list), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _ ("Functions"), -1);
  g_signal_connect (self->list, "row-selected", G_CALLBACK (on_row_selected), self);
  g_signal_connect (self->list, "row-activated", G_CALLBACK (on_row_activated), self);
  gtk_scrolled_window_set_policy (GTK_SCROLLED_WINDOW (scroller), GTK_POLICY_NEVER,
                                  GTK_POLICY_AUTOMATIC);
  gtk_scrolled_window_set_child (GTK_SCROLLED_WINDOW (scroller), self->list);
  gtk_widget_set_vexpand (scroller, TRUE);
  gtk_widget_set_size_request (side, SIDE_WIDTH, -1);
  gtk_widget_add_css_class (side, "side");
  gtk_widget_add_css_class (open, "tinted");
  gtk_widget_set_tooltip_text (open, _ ("What can be done with it? You can also drop it here."));
  g_signal_connect_swapped (open, "clicked", G_CALLBACK (open_file), self);
  gtk_box_append (GTK_BOX (side), self->search);
  gtk_box_append (GTK_BOX (side), scroller);
  gtk_box_append (GTK_BOX (side), open);
  return side;
}

static GtkWidget *
make_details (MossFunctionsPage *self)
{
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 6);
  GtkWidget *scroller = gtk_scrolled_window_new ();

  self->title = gtk_label_new (NULL);
  self->subtitle = gtk_label_new (NULL);
  self->plot = moss_cost_plot_new ();
  self->table_place = gtk_box_new (GTK_ORIENTATION_VERTICAL, 0);
  gtk_label_set_xalign (GTK_LABEL (self->title), 0);
  gtk_label_set_xalign (GTK_LABEL (self->subtitle), 0);
  gtk_label_set_ellipsize (GTK_LABEL (self->title), PANGO_ELLIPSIZE_END);
  gtk_label_set_ellipsize (GTK_LABEL (self->subtitle), PANGO_ELLIPSIZE_END);
  gtk_label_set_selectable (GTK_LABEL (self->title), FALSE);
  gtk_widget_add_css_class (self->title, "title");
  gtk_widget_add_css_class (self->subtitle, "muted");
  self->unmeasured = make_muted (_ ("What it costs is not known yet: it is measured when this "
                                    "device has nothing to do, or when it is called."));
  gtk_widget_add_css_class (self->unmeasured, "unmeasured");
  gtk_widget_set_margin_top (self->unmeasured, 12);
  gtk_widget_set_margin_top (self->plot, 12);
  gtk_widget_set_margin_top (self->table_place, 12);
  gtk_box_append (GTK_BOX (box), self->title);
  gtk_box_append (GTK_BOX (box), self->subtitle);
  gtk_box_append (GTK_BOX (box), self->plot);
  gtk_box_append (GTK_BOX (box), self->unmeasured);
  gtk_box_append (GTK_BOX (box), self->table_place);
  gtk_scrolled_window_set_policy (GTK_SCROLLED_WINDOW (scroller), GTK_POLICY_NEVER,
                                  GTK_POLICY_AUTOMATIC);
  gtk_scrolled_window_set_child (GTK_SCROLLED_WINDOW (scroller), box);
  gtk_widget_set_vexpand (scroller, TRUE);
  return scroller;
}

static GtkWidget *
make_main (MossFunctionsPage *self)
{
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 16);

  self->stack = gtk_stack_new ();
  gtk_stack_add_named (GTK_STACK (self->stack), make_message (self), "message");
  gtk_stack_add_named (GTK_STACK (self->stack), make_details (self), "details");
  gtk_widget_set_vexpand (self->stack, TRUE);
  gtk_widget_set_hexpand (box, TRUE);
  gtk_widget_add_css_class (box, "main");
  gtk_box_append (GTK_BOX (box), self->stack);
  gtk_box_append (GTK_BOX (box), moss_running_list_new (self->client));
  return box;
}

static void
fill (MossFunctionsPage *self)
{
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 0);
  GtkDropTarget *target = gtk_drop_target_new (GDK_TYPE_FILE_LIST, GDK_ACTION_COPY);

  self->overlay = gtk_overlay_new ();
  self->toasts = g_object_new (MOSS_TYPE_TOASTS, NULL);
  gtk_widget_set_valign (GTK_WIDGET (self->toasts), GTK_ALIGN_END);
  gtk_widget_set_halign (GTK_WIDGET (self->toasts), GTK_ALIGN_CENTER);
  gtk_widget_set_margin_bottom (GTK_WIDGET (self->toasts), 16);
  gtk_box_append (GTK_BOX (box), make_side (self));
  gtk_box_append (GTK_BOX (box), make_main (self));
  gtk_overlay_set_child (GTK_OVERLAY (self->overlay), box);
  gtk_overlay_add_overlay (GTK_OVERLAY (self->overlay), GTK_WIDGET (self->toasts));
  gtk_widget_set_parent (self->overlay, GTK_WIDGET (self));
  g_signal_connect (target, "drop", G_CALLBACK (on_dropped), self);
  gtk_widget_add_controller (GTK_WIDGET (self), GTK_EVENT_CONTROLLER (target));
}

void
moss_functions_page_search (MossFunctionsPage *self)
{
  gtk_widget_grab_focus (self->search);
}

static void
moss_functions_page_dispose (GObject *object)
{
  MossFunctionsPage *self = MOSS_FUNCTIONS_PAGE (object);

  if (self->client != NULL)
    g_signal_handlers_disconnect_by_data (self->client, self);
  g_clear_pointer (&self->overlay, gtk_widget_unparent);
  g_clear_object (&self->client);
  g_clear_pointer (&self->key, g_free);
  G_OBJECT_CLASS (moss_functions_page_parent_class)->dispose (object);
}

static void
moss_functions_page_class_init (MossFunctionsPageClass *class)
{
  G_OBJECT_CLASS (class)->dispose = moss_functions_page_dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (class), GTK_TYPE_BIN_LAYOUT);
  gtk_widget_class_set_css_name (GTK_WIDGET_CLASS (class), "functions-page");
  gtk_widget_class_add_binding (GTK_WIDGET_CLASS (class), GDK_KEY_o, GDK_CONTROL_MASK,
                                on_open_key, NULL);
}

static void
moss_functions_page_init (MossFunctionsPage *self)
{
}

GtkWidget *
moss_functions_page_new (GDBusConnection *bus)
{
  MossFunctionsPage *self = g_object_new (MOSS_TYPE_FUNCTIONS_PAGE, NULL);

  self->client = moss_functions_client_new (bus);
  fill (self);
  g_signal_connect (self->client, "changed", G_CALLBACK (on_changed), self);
  return GTK_WIDGET (self);
}
