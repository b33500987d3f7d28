// SPDX-License-Identifier: LGPL-2.1-or-later
#include "vfs.h"

#include "uri.h"

#include <string.h>

/* MossGioVfs: a door, never a room. GIO makes the GVfs of the highest priority; this one's
 * constructor gives back an object of a type that is derived, there and then, from the one that
 * GIO would have made without us, and differs in three functions. Inheriting rather than
 * forwarding keeps all that gvfs adds (metadata, its own schemes, its FUSE paths), and gvfs'
 * volume monitor, which asks whether the default GVfs is of its own type and else shows none of
 * the network mounts.
 *
 * MossGioLocalVfs is the same for those who ask for the GVfs "local" by name (GIO_USE_VFS, as the
 * portals do): it has that name, stands before GIO's own, and leads to nothing but that. */

#define EXTENSION "moss"
#define LOCAL "local"
/* gvfs has 10 and GIO's own 0. */
#define PRIORITY 20
#define LOCAL_PRIORITY 5

typedef struct
{
  GVfs parent_instance;
} MossGioVfs;
typedef GVfsClass MossGioVfsClass;

typedef MossGioVfs MossGioLocalVfs;
typedef GVfsClass MossGioLocalVfsClass;

G_DEFINE_DYNAMIC_TYPE (MossGioVfs, moss_gio_vfs, G_TYPE_VFS)
G_DEFINE_DYNAMIC_TYPE (MossGioLocalVfs, moss_gio_local_vfs, moss_gio_vfs_get_type ())

/* ---- the derived type ---------------------------------------------------------------- */

static GVfsClass *
parent_of (GVfs *vfs)
{
  return g_type_class_peek_parent (G_VFS_GET_CLASS (vfs));
}

/* Of the local GVfs, whatever the other one is: it is a path like any other. */
static GFile *
find_file (const char *uri)
{
  g_autofree char *path = moss_gio_path_of_uri (uri);

  return path != NULL ? g_vfs_get_file_for_path (g_vfs_get_local (), path) : NULL;
}

static GFile *
get_file_for_uri (GVfs *vfs, const char *uri)
{
  GFile *file = find_file (uri);

  return file != NULL ? file : parent_of (vfs)->get_file_for_uri (vfs, uri);
}

static GFile *
parse_name (GVfs *vfs, const char *name)
{
  GFile *file = find_file (name);

  return file != NULL ? file : parent_of (vfs)->parse_name (vfs, name);
}

static const char *const *
get_supported_uri_schemes (GVfs *vfs)
{
  static gsize once;
  static GPtrArray *all; /* lives as long as the default GVfs: for ever */

  if (g_once_init_enter (&once))
    {
      const char *const *theirs = parent_of (vfs)->get_supported_uri_schemes (vfs);

      all = g_ptr_array_new ();
      for (guint i = 0; theirs != NULL && theirs[i] != NULL; i++)
        g_ptr_array_add (all, (gpointer) g_intern_string (theirs[i]));
      g_ptr_array_add (all, (gpointer) MOSS_GIO_SCHEME);
      g_ptr_array_add (all, NULL);
      g_once_init_leave (&once, 1);
    }
  return (const char *const *) all->pdata;
}

static void
derived_class_init (gpointer class, gpointer data)
{
  GVfsClass *vfs_class = class;

  vfs_class->get_file_for_uri = get_file_for_uri;
  vfs_class->parse_name = parse_name;
  vfs_class->get_supported_uri_schemes = get_supported_uri_schemes;
}

/* g_type_query() knows nothing of the types of modules, such as gvfs'; their modules do. */
static void
take_sizes (GType parent, GTypeInfo *info)
{
  GTypePlugin *plugin = g_type_get_plugin (parent);
  GTypeInfo theirs = { 0 };
  GTypeValueTable table = { 0 };
  GTypeQuery query;

  if (plugin != NULL)
    {
      g_type_plugin_complete_type_info (plugin, parent, &theirs, &table);
      info->class_size = theirs.class_size;
      info->instance_size = theirs.instance_size;
      return;
    }
  g_type_query (parent, &query);
  info->class_size = query.class_size;
  info->instance_size = query.instance_size;
}

static GType
derive (GType parent)
{
  g_autofree char *name = g_strconcat ("MossGioVfs+", g_type_name (parent), NULL);
  GType type = g_type_from_name (name);
  GTypeInfo info = { .class_init = derived_class_init };

  if (type != 0)
    return type;
  /* What is derived from it stays for ever, so it has to. */
  g_type_class_ref (parent);
  take_sizes (parent, &info);
  return g_type_register_static (parent, name, &info, 0);
}

/* ---- the door ------------------------------------------------------------------------ */

/* The highest of the others that can work here, as GIO would have chosen. */
static GObject *
moss_gio_vfs_constructor (GType type, guint n_properties, GObjectConstructParam *properties)
{
  GIOExtensionPoint *point = g_io_extension_point_lookup (G_VFS_EXTENSION_POINT_NAME);
  GList *extensions = g_io_extension_point_get_extensions (point);

  for (GList *l = extensions; l != NULL; l = l->next)
    {
      GType other = g_io_extension_get_type (l->data);
      GObject *vfs;

      if (g_type_is_a (other, moss_gio_vfs_get_type ()))
        continue;
      if (type == moss_gio_local_vfs_get_type ()
          && strcmp (g_io_extension_get_name (l->data), LOCAL) != 0)
        continue;
      vfs = g_object_new (derive (other), NULL);
      if (g_vfs_is_active (G_VFS (vfs)))
        return vfs;
      g_object_unref (vfs);
    }
  /* GIO's own is always there; if not, this one says of itself that it can't work. */
  return G_OBJECT_CLASS (moss_gio_vfs_parent_class)->constructor (type, n_properties,
                                                                  properties);
}

static gboolean
moss_gio_vfs_is_active (GVfs *vfs)
{
  return FALSE;
}

static void
moss_gio_vfs_class_init (MossGioVfsClass *class)
{
  G_OBJECT_CLASS (class)->constructor = moss_gio_vfs_constructor;
  class->is_active = moss_gio_vfs_is_active;
}

static void
moss_gio_vfs_class_finalize (MossGioVfsClass *class)
{
}

static void
moss_gio_vfs_init (MossGioVfs *vfs)
{
}

static void
moss_gio_local_vfs_class_init (MossGioLocalVfsClass *class)
{
}

static void
moss_gio_local_vfs_class_finalize (MossGioLocalVfsClass *class)
{
}

static void
moss_gio_local_vfs_init (MossGioLocalVfs *vfs)
{
}

void
moss_gio_vfs_register (GIOModule *module)
{
  moss_gio_vfs_register_type (G_TYPE_MODULE (module));
  moss_gio_local_vfs_register_type (G_TYPE_MODULE (module));
  g_io_extension_point_implement (G_VFS_EXTENSION_POINT_NAME, moss_gio_vfs_get_type (),
                                  EXTENSION, PRIORITY);
  g_io_extension_point_implement (G_VFS_EXTENSION_POINT_NAME, moss_gio_local_vfs_get_type (),
                                  LOCAL, LOCAL_PRIORITY);
}

static GFile *
look_up (GVfs *vfs, const char *identifier, gpointer data)
{
  return find_file (identifier);
}

void
moss_gio_vfs_teach (GVfs *vfs)
{
  const char *const *schemes = g_vfs_get_supported_uri_schemes (vfs);

  if (schemes == NULL || !g_strv_contains (schemes, MOSS_GIO_SCHEME))
    g_vfs_register_uri_scheme (vfs, MOSS_GIO_SCHEME, look_up, NULL, NULL, look_up, NULL, NULL);
}
