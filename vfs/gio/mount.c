// SPDX-License-Identifier: LGPL-2.1-or-later
#include "mount.h"

struct _MossGioMount
{
  GObject parent_instance;

  char *home, *name;
  const char *icon; /* interned; read by any thread */
};

static void moss_gio_mount_iface_init (GMountIface *iface);

G_DEFINE_DYNAMIC_TYPE_EXTENDED (MossGioMount, moss_gio_mount, G_TYPE_OBJECT,
                                G_TYPE_FLAG_FINAL,
                                G_IMPLEMENT_INTERFACE_DYNAMIC (G_TYPE_MOUNT,
                                                               moss_gio_mount_iface_init))

static GFile *
get_root (GMount *mount)
{
  return g_vfs_get_file_for_path (g_vfs_get_local (), MOSS_GIO_MOUNT (mount)->home);
}

static char *
get_name (GMount *mount)
{
  return g_strdup (MOSS_GIO_MOUNT (mount)->name);
}

static GIcon *
get_icon (GMount *mount)
{
  return g_themed_icon_new ("moss-net");
}

static GIcon *
get_symbolic_icon (GMount *mount)
{
  /* No other one to fall back to: a theme that has that would be preferred to ours. */
  return g_themed_icon_new (g_atomic_pointer_get (&MOSS_GIO_MOUNT (mount)->icon));
}

static char *
get_uuid (GMount *mount)
{
  return g_strdup (MOSS_GIO_MOUNT (mount)->home);
}

static GVolume *
get_volume (GMount *mount)
{
  return NULL;
}

static GDrive *
get_drive (GMount *mount)
{
  return NULL;
}

static gboolean
can_never (GMount *mount)
{
  return FALSE;
}

/* Else whoever shows a new mount looks into it for photos to import or programs to run. */
static void
guess_content_type (GMount *mount, gboolean force_rescan, GCancellable *cancellable,
                    GAsyncReadyCallback callback, gpointer data)
{
  GTask *task = g_task_new (mount, cancellable, callback, data);

  g_task_return_pointer (task, g_new0 (char *, 1), (GDestroyNotify) g_strfreev);
  g_object_unref (task);
}

static char **
guess_content_type_finish (GMount *mount, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static char **
guess_content_type_sync (GMount *mount, gboolean force_rescan, GCancellable *cancellable,
                         GError **error)
{
  return g_new0 (char *, 1);
}

static const char *
get_sort_key (GMount *mount)
{
  return "moss";
}

static void
moss_gio_mount_iface_init (GMountIface *iface)
{
  iface->get_root = get_root;
  iface->get_default_location = get_root;
  iface->get_name = get_name;
  iface->get_icon = get_icon;
  iface->get_symbolic_icon = get_symbolic_icon;
  iface->get_uuid = get_uuid;
  iface->get_volume = get_volume;
  iface->get_drive = get_drive;
  iface->can_unmount = can_never;
  iface->can_eject = can_never;
  iface->guess_content_type = guess_content_type;
  iface->guess_content_type_finish = guess_content_type_finish;
  iface->guess_content_type_sync = guess_content_type_sync;
  iface->get_sort_key = get_sort_key;
}

static void
moss_gio_mount_finalize (GObject *object)
{
  MossGioMount *self = MOSS_GIO_MOUNT (object);

  g_free (self->home);
  g_free (self->name);
  G_OBJECT_CLASS (moss_gio_mount_parent_class)->finalize (object);
}

static void
moss_gio_mount_class_init (MossGioMountClass *class)
{
  G_OBJECT_CLASS (class)->finalize = moss_gio_mount_finalize;
}

static void
moss_gio_mount_class_finalize (MossGioMountClass *class)
{
}

static void
moss_gio_mount_init (MossGioMount *self)
{
}

void
moss_gio_mount_register (GIOModule *module)
{
  moss_gio_mount_register_type (G_TYPE_MODULE (module));
}

MossGioMount *
moss_gio_mount_new (const char *home, const char *name, const char *icon)
{
  MossGioMount *self = g_object_new (MOSS_TYPE_GIO_MOUNT, NULL);

  self->home = g_strdup (home);
  self->name = g_strdup (name);
  self->icon = g_intern_string (icon);
  return self;
}

const char *
moss_gio_mount_get_home (MossGioMount *self)
{
  return self->home;
}

gboolean
moss_gio_mount_set_icon (MossGioMount *self, const char *icon)
{
  const char *interned = g_intern_string (icon);

  if (interned == self->icon)
    return FALSE;
  g_atomic_pointer_set (&self->icon, (gpointer) interned);
  return TRUE;
}
