// SPDX-License-Identifier: GPL-3.0-or-later
/* org.moss.Files1: what a person wants to know of /net beside its files, and may do to them.
 *
 * Policy: every answer comes from memory; nothing here waits for the network, a disk or the
 * mount, because file dialogs wait for it. A path is a name inside the tree and nothing else:
 * it is never opened as a path of this machine. Without an identity there is no tree: then the
 * questions about files have empty answers, and what would change one is refused. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/files-tree.h"

#include <glib/gi18n.h>
#include <string.h>

enum
{
  PATHS_MAX = 4096,
  PATH_LENGTH_MAX = 4096,
};

G_DEFINE_QUARK (moss-files-error-quark, files_error)

static const GDBusErrorEntry files_errors[] = {
  { FILES_ERROR_NOT_FOUND, "org.moss.Error.NotFound" },
  { FILES_ERROR_NO_IDENTITY, "org.moss.Error.NoIdentity" },
  { FILES_ERROR_LOCKED, "org.moss.Error.Locked" },
};

/* Below /net, absolute, and without a way back up. */
static gboolean
is_ours (const char *path)
{
  if (!g_str_has_prefix (path, "/net/") || strlen (path) > PATH_LENGTH_MAX)
    return FALSE;
  return strstr (path, "/../") == NULL && !g_str_has_suffix (path, "/..");
}

gboolean
files_fail_absent (GError **error, const char *path)
{
  g_set_error (error, FILES_ERROR, FILES_ERROR_NOT_FOUND,
               is_ours (path) ? _ ("There is no “%s”.") : _ ("“%s” is not below /net."), path);
  return FALSE;
}

/* Why nothing can be done to the path here; takes the invocation. Always TRUE. */
static gboolean
refuse (Netd *netd, GDBusMethodInvocation *invocation, const char *path)
{
  const char *state = moss_dbus_files1_get_mount_state (netd->files);

  if (path != NULL && !is_ours (path))
    g_dbus_method_invocation_return_error (invocation, FILES_ERROR, FILES_ERROR_NOT_FOUND,
                                           _ ("“%s” is not below /net."), path);
  else if (g_str_equal (state, "none"))
    g_dbus_method_invocation_return_error (
        invocation, FILES_ERROR, FILES_ERROR_NO_IDENTITY,
        _ ("There is no identity on this device yet, so there are no files on /net."));
  else if (g_str_equal (state, "locked"))
    g_dbus_method_invocation_return_error (invocation, FILES_ERROR, FILES_ERROR_LOCKED,
                                           _ ("/net is locked. Unlock it first."));
  else
    g_dbus_method_invocation_return_error (invocation, FILES_ERROR, FILES_ERROR_NOT_FOUND,
                                           _ ("There is no “%s”."), path != NULL ? path : "");
  return TRUE;
}

/* Says where the tree is and whether it can be used; home: "" without one. */
void
files_set_mount (Netd *netd, const char *home, const char *state, const char *reason)
{
  moss_dbus_files1_set_home (netd->files, home);
  moss_dbus_files1_set_mount_reason (netd->files, reason);
  moss_dbus_files1_set_mount_state (netd->files, state);
}

static gboolean
on_handle_info (MossDBusFiles1 *files,
                GDBusMethodInvocation *invocation,
                const char *const *paths,
                Netd *netd)
{
  guint n = g_strv_length ((char **) paths);
  GVariantBuilder infos;

  if (n > PATHS_MAX)
    {
      g_dbus_method_invocation_return_error (invocation, MOSS_LINK_ERROR,
                                             MOSS_LINK_ERROR_INVALID,
                                             _ ("That are too many paths at once."));
      return TRUE;
    }
  if (files_tree_answer (netd, invocation))
    return TRUE;
  g_variant_builder_init (&infos, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < n; i++)
    g_variant_builder_add_value (&infos, g_variant_new ("a{sv}", NULL));
  moss_dbus_files1_complete_info (files, invocation, g_variant_builder_end (&infos));
  return TRUE;
}

static gboolean
on_handle_versions (MossDBusFiles1 *files,
                    GDBusMethodInvocation *invocation,
                    const char *path,
                    Netd *netd)
{
  return files_tree_answer (netd, invocation) || refuse (netd, invocation, path);
}

static gboolean
on_handle_restore (MossDBusFiles1 *files,
                   GDBusMethodInvocation *invocation,
                   const char *path,
                   guint64 version,
                   Netd *netd)
{
  return files_tree_answer (netd, invocation) || refuse (netd, invocation, path);
}

static gboolean
on_handle_pin (MossDBusFiles1 *files,
               GDBusMethodInvocation *invocation,
               const char *path,
               gboolean keep,
               Netd *netd)
{
  return files_tree_answer (netd, invocation) || refuse (netd, invocation, path);
}

static void
register_errors (void)
{
  static gsize quark;

  g_dbus_error_register_error_domain ("moss-files-error-quark", &quark, files_errors,
                                      G_N_ELEMENTS (files_errors));
}

gboolean
files_export (Netd *netd, GError **error)
{
  static const struct
  {
    const char *signal;
    GCallback handler;
  } handlers[] = {
    { "handle-info", G_CALLBACK (on_handle_info) },
    { "handle-versions", G_CALLBACK (on_handle_versions) },
    { "handle-restore", G_CALLBACK (on_handle_restore) },
    { "handle-pin", G_CALLBACK (on_handle_pin) },
  };

  register_errors ();
  netd->files = moss_dbus_files1_skeleton_new ();
  files_set_mount (netd, "", "none", "");
  for (guint i = 0; i < G_N_ELEMENTS (handlers); i++)
    g_signal_connect (netd->files, handlers[i].signal, handlers[i].handler, netd);
  return g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (netd->files), netd->bus,
                                           "/org/moss/Files", error);
}
