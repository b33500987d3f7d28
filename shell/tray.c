// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-tray"

#include "tray.h"

/* MossTray: the signs of other programs in the dock. */

struct _MossTray
{
  GtkWidget parent_instance;

  MossMenuLayer *menus;
};

G_DEFINE_FINAL_TYPE (MossTray, moss_tray, GTK_TYPE_WIDGET)

/* menus: (unowned): where an item's menu opens. */
void
moss_tray_set_menus (MossTray *self, MossMenuLayer *menus)
{
  self->menus = menus;
}

static void
moss_tray_class_init (MossTrayClass *klass)
{
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (klass), GTK_TYPE_BOX_LAYOUT);
}

static void
moss_tray_init (MossTray *self)
{
}

GtkWidget *
moss_tray_new (void)
{
  return g_object_new (MOSS_TYPE_TRAY, NULL);
}
