// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-toasts"

#include "toasts.h"

/* MossToasts: short sentences above the dock, each for ten seconds and with at most one
   thing to do about it. The pointer over a toast holds it. */

#define SHOWN_MS 10000
#define MAX_TOASTS 3

struct _MossToasts
{
  GtkWidget parent_instance;
};

G_DEFINE_FINAL_TYPE (MossToasts, moss_toasts, GTK_TYPE_WIDGET)

typedef struct
{
  char *key;
  MossToastFunc func;
  gpointer data;
  GDestroyNotify destroy;
  guint timeout;
} Toast;

static void
toast_free (Toast *toast)
{
  g_clear_handle_id (&toast->timeout, g_source_remove);
  if (toast->destroy != NULL)
    toast->destroy (toast->data);
  g_free (toast->key);
  g_free (toast);
}

static Toast *
get_toast (GtkWidget *widget)
{
  return g_object_get_data (G_OBJECT (widget), "toast");
}

static gboolean
on_timeout (gpointer data)
{
  GtkWidget *widget = data;

  get_toast (widget)->timeout = 0;
  gtk_widget_unparent (widget);
  return G_SOURCE_REMOVE;
}

static void
hold (GtkWidget *widget)
{
  g_clear_handle_id (&get_toast (widget)->timeout, g_source_remove);
}

static void
let_go (GtkWidget *widget)
{
  hold (widget);
  get_toast (widget)->timeout = g_timeout_add (SHOWN_MS, on_timeout, widget);
}

static void
on_action (GtkButton *button, GtkWidget *widget)
{
  g_autoptr (GtkWidget) keep = g_object_ref (widget);
  Toast *toast = get_toast (widget);

  gtk_widget_unparent (widget);
  toast->func (toast->data);
}

static GtkWidget *
make_toast (Toast *toast, const char *markup, const char *action)
{
  GtkWidget *box = g_object_new (GTK_TYPE_BOX, "spacing", 16, "halign", GTK_ALIGN_CENTER,
                                 "accessible-role", GTK_ACCESSIBLE_ROLE_STATUS, NULL);
  GtkWidget *label = gtk_label_new (NULL);
  GtkEventController *motion = gtk_event_controller_motion_new ();

  gtk_label_set_markup (GTK_LABEL (label), markup);
  gtk_label_set_wrap (GTK_LABEL (label), TRUE);
  gtk_label_set_max_width_chars (GTK_LABEL (label), 64);
  gtk_widget_set_hexpand (label, TRUE);
  gtk_box_append (GTK_BOX (box), label);
  gtk_widget_add_css_class (box, "toast");
  g_object_set_data_full (G_OBJECT (box), "toast", toast, (GDestroyNotify) toast_free);
  if (action != NULL)
    {
      GtkWidget *button = gtk_button_new_with_label (action);
      gtk_widget_add_css_class (button, "tinted");
      gtk_widget_set_valign (button, GTK_ALIGN_CENTER);
      g_signal_connect_object (button, "clicked", G_CALLBACK (on_action), box, 0);
      gtk_box_append (GTK_BOX (box), button);
    }
  else
    gtk_widget_set_margin_end (label, 8);
  g_signal_connect_swapped (motion, "enter", G_CALLBACK (hold), box);
  g_signal_connect_swapped (motion, "leave", G_CALLBACK (let_go), box);
  gtk_widget_add_controller (box, motion);
  return box;
}

/* Takes away the toast with this key, if it still stands. */
void
moss_toasts_withdraw (MossToasts *self, const char *key)
{
  GtkWidget *child = gtk_widget_get_first_child (GTK_WIDGET (self));

  while (child != NULL)
    {
      GtkWidget *next = gtk_widget_get_next_sibling (child);

      if (g_strcmp0 (get_toast (child)->key, key) == 0)
        gtk_widget_unparent (child);
      child = next;
    }
}

static void
drop_oldest (MossToasts *self)
{
  guint n = 0;

  for (GtkWidget *child = gtk_widget_get_first_child (GTK_WIDGET (self)); child != NULL;
       child = gtk_widget_get_next_sibling (child))
    n++;
  if (n >= MAX_TOASTS)
    gtk_widget_unparent (gtk_widget_get_first_child (GTK_WIDGET (self)));
}

/**
 * moss_toasts_say_markup:
 * @key: (nullable): a toast with the same key is replaced
 * @markup: Pango markup, escaped by the caller
 * @action: (nullable): the words on the button
 */
void
moss_toasts_say_markup (MossToasts *self, const char *key, const char *markup,
                        const char *action, MossToastFunc func, gpointer data,
                        GDestroyNotify destroy)
{
  Toast *toast = g_new0 (Toast, 1);
  GtkWidget *widget;

  toast->key = g_strdup (key);
  toast->func = func;
  toast->data = data;
  toast->destroy = destroy;
  if (key != NULL)
    moss_toasts_withdraw (self, key);
  drop_oldest (self);
  widget = make_toast (toast, markup, action);
  gtk_widget_set_parent (widget, GTK_WIDGET (self));
  let_go (widget);
}

/* A plain sentence. */
void
moss_toasts_say (MossToasts *self, const char *text)
{
  g_autofree char *markup = g_markup_escape_text (text, -1);

  moss_toasts_say_markup (self, text, markup, NULL, NULL, NULL, NULL);
}

static void
moss_toasts_dispose (GObject *object)
{
  GtkWidget *child;

  while ((child = gtk_widget_get_first_child (GTK_WIDGET (object))) != NULL)
    gtk_widget_unparent (child);
  G_OBJECT_CLASS (moss_toasts_parent_class)->dispose (object);
}

static void
moss_toasts_class_init (MossToastsClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = moss_toasts_dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (klass), GTK_TYPE_BOX_LAYOUT);
}

static void
moss_toasts_init (MossToasts *self)
{
  GtkLayoutManager *layout = gtk_widget_get_layout_manager (GTK_WIDGET (self));

  gtk_orientable_set_orientation (GTK_ORIENTABLE (layout), GTK_ORIENTATION_VERTICAL);
  gtk_box_layout_set_spacing (GTK_BOX_LAYOUT (layout), 8);
}
