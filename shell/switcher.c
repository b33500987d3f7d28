// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-switcher"

#include "switcher.h"

#include "app-icon.h"

/* MossSwitcher: the windows in a row while the modifier of Alt+Tab is held, the one used
   last first. */

#define MAX_SHOWN 8

struct _MossSwitcher
{
  GtkWidget parent_instance;

  MossWorkspace *workspace;
  GPtrArray *frames; /* held, frontmost first */
  GtkWidget *box;
  guint current;
};

G_DEFINE_FINAL_TYPE (MossSwitcher, moss_switcher, GTK_TYPE_WIDGET)

static GtkWidget *
make_choice (MossFrame *frame)
{
  MossSandbox *sandbox = moss_frame_get_sandbox (frame);
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 8);
  GtkWidget *icon = moss_app_icon_new (48);
  GtkWidget *label = gtk_label_new (moss_frame_get_title (frame));

  moss_app_icon_set_app (MOSS_APP_ICON (icon), sandbox->app, sandbox->icon, sandbox->name);
  gtk_widget_set_halign (icon, GTK_ALIGN_CENTER);
  gtk_label_set_ellipsize (GTK_LABEL (label), PANGO_ELLIPSIZE_END);
  gtk_label_set_max_width_chars (GTK_LABEL (label), 14);
  gtk_widget_add_css_class (box, "choice");
  gtk_box_append (GTK_BOX (box), icon);
  gtk_box_append (GTK_BOX (box), label);
  return box;
}

static void
mark_current (MossSwitcher *self)
{
  guint i = 0;

  for (GtkWidget *child = gtk_widget_get_first_child (self->box); child != NULL;
       child = gtk_widget_get_next_sibling (child), i++)
    if (i == self->current)
      gtk_widget_add_css_class (child, "current");
    else
      gtk_widget_remove_css_class (child, "current");
}

/* step: 1 forward, -1 back */
void
moss_switcher_step (MossSwitcher *self, int step)
{
  if (self->frames->len == 0)
    return;
  self->current = (self->current + self->frames->len + step) % self->frames->len;
  mark_current (self);
}

/* Focuses what is marked. */
void
moss_switcher_choose (MossSwitcher *self)
{
  if (self->current < self->frames->len)
    {
      MossFrame *frame = g_ptr_array_index (self->frames, self->current);

      if (gtk_widget_get_parent (GTK_WIDGET (frame)) != NULL)
        moss_workspace_focus (self->workspace, frame);
    }
}

static void
moss_switcher_dispose (GObject *object)
{
  MossSwitcher *self = MOSS_SWITCHER (object);

  g_clear_pointer (&self->frames, g_ptr_array_unref);
  g_clear_pointer (&self->box, gtk_widget_unparent);
  G_OBJECT_CLASS (moss_switcher_parent_class)->dispose (object);
}

static void
moss_switcher_class_init (MossSwitcherClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = moss_switcher_dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (klass), GTK_TYPE_BIN_LAYOUT);
}

static void
moss_switcher_init (MossSwitcher *self)
{
  self->frames = g_ptr_array_new_with_free_func (g_object_unref);
  self->box = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 8);
  gtk_widget_set_parent (self->box, GTK_WIDGET (self));
  gtk_widget_add_css_class (GTK_WIDGET (self), "switcher");
  gtk_widget_set_halign (GTK_WIDGET (self), GTK_ALIGN_CENTER);
  gtk_widget_set_valign (GTK_WIDGET (self), GTK_ALIGN_CENTER);
  gtk_widget_set_focusable (GTK_WIDGET (self), TRUE);
}

/* (transfer floating) */
GtkWidget *
moss_switcher_new (MossWorkspace *workspace)
{
  MossSwitcher *self = g_object_new (MOSS_TYPE_SWITCHER, NULL);
  g_autoptr (GPtrArray) frames = moss_workspace_get_frames (workspace);

  self->workspace = workspace;
  for (guint i = frames->len; i > 0 && self->frames->len < MAX_SHOWN; i--)
    {
      MossFrame *frame = g_ptr_array_index (frames, i - 1);

      g_ptr_array_add (self->frames, g_object_ref (frame));
      gtk_box_append (GTK_BOX (self->box), make_choice (frame));
    }
  mark_current (self);
  return GTK_WIDGET (self);
}
