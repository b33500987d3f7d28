// SPDX-License-Identifier: GPL-3.0-or-later
/* The part of org.moss.Files1 that is about other devices: conflicts, pausing, sending. What may
 * have to look into a folder that was never opened here does so in a thread. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/files-tree.h"
#include "vfs/netd/home.h"
#include "vfs/netd/sync-private.h"

#include <glib/gi18n.h>
#include <string.h>

typedef struct _Work Work;

struct _Work
{
  Netd *netd;
  GDBusMethodInvocation *invocation;
  char *path;
  char *word; /* what to keep, or where to send it */
  gboolean (*run) (Work *work, MossTree *tree, GError **error);
};

static gpointer
work_thread (gpointer data)
{
  Work *work = data;
  MossTree *tree = sync_hold_tree (work->netd->sync);
  g_autoptr (GError) error = NULL;
  gboolean ok = FALSE;

  if (tree == NULL)
    g_set_error (&error, FILES_ERROR, FILES_ERROR_LOCKED,
                 _ ("/net is not open on this device now."));
  else
    ok = work->run (work, tree, &error);
  if (tree != NULL)
    sync_drop_tree (work->netd->sync);
  if (!ok)
    g_dbus_method_invocation_return_gerror (work->invocation, error);
  g_free (work->path);
  g_free (work->word);
  g_free (work);
  return NULL;
}

static gboolean
start (Netd *netd,
       GDBusMethodInvocation *invocation,
       const char *path,
       const char *word,
       gboolean (*run) (Work *, MossTree *, GError **))
{
  Work *work = g_new0 (Work, 1);

  work->netd = netd;
  work->invocation = invocation;
  work->path = g_strdup (path);
  work->word = g_strdup (word);
  work->run = run;
  g_thread_unref (g_thread_new ("files", work_thread, work));
  return TRUE;
}

/* "/net/NAME/a" → "/a", or NULL. */
static const char *
inside (Netd *netd, const char *path)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&netd->sync->lock);
  const char *home = netd->sync->home;
  gsize length = home == NULL ? 0 : strlen (home);

  if (home == NULL || strncmp (path, home, length) != 0)
    return NULL;
  return path[length] == '/' ? path + length : path[length] == '\0' ? "/" : NULL;
}

/* --- conflicts --- */

static gboolean
run_conflicts (Work *work, MossTree *tree, GError **error)
{
  g_autoptr (GArray) conflicts = moss_tree_list_conflicts (tree);
  GVariantBuilder list;

  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < conflicts->len; i++)
    {
      MossTreeConflict *conflict = &g_array_index (conflicts, MossTreeConflict, i);
      g_autofree char *mine = sync_path_of (work->netd->sync, tree, conflict->ino);
      g_autofree char *other = sync_path_of (work->netd->sync, tree, conflict->other);
      g_autofree char *device = sync_device_name (work->netd->sync, conflict->device);
      GVariantDict one;

      if (mine == NULL || other == NULL)
        continue;
      g_variant_dict_init (&one, NULL);
      g_variant_dict_insert (&one, "path", "s", mine);
      g_variant_dict_insert (&one, "other", "s", other);
      g_variant_dict_insert (&one, "device", "s", device);
      g_variant_dict_insert (&one, "time", "x", conflict->time_us);
      g_variant_builder_add_value (&list, g_variant_dict_end (&one));
    }
  moss_dbus_files1_complete_conflicts (work->netd->files, work->invocation,
                                       g_variant_builder_end (&list));
  return TRUE;
}

static gboolean
on_handle_conflicts (MossDBusFiles1 *files, GDBusMethodInvocation *invocation, Netd *netd)
{
  if (home_get_tree (netd) != NULL)
    return start (netd, invocation, NULL, NULL, run_conflicts);
  moss_dbus_files1_complete_conflicts (files, invocation, g_variant_new ("aa{sv}", NULL));
  return TRUE;
}

static gboolean
resolve_all (Work *work, MossTree *tree, MossTreeKeep keep, GError **error)
{
  g_autoptr (GArray) conflicts = moss_tree_list_conflicts (tree);
  gboolean any = FALSE;

  for (guint i = 0; i < conflicts->len; i++)
    {
      MossTreeConflict *conflict = &g_array_index (conflicts, MossTreeConflict, i);
      g_autofree char *mine = sync_path_of (work->netd->sync, tree, conflict->ino);
      g_autofree char *other = sync_path_of (work->netd->sync, tree, conflict->other);
      int result;

      if (g_strcmp0 (mine, work->path) != 0 && g_strcmp0 (other, work->path) != 0)
        continue;
      result = moss_tree_resolve_conflict (tree, conflict->ino, conflict->other, keep);
      if (result < 0)
        {
          g_set_error (error, G_IO_ERROR, g_io_error_from_errno (-result), "%s: %s",
                       work->path, g_strerror (-result));
          return FALSE;
        }
      any = TRUE;
    }
  if (!any)
    g_set_error (error, FILES_ERROR, FILES_ERROR_NOT_FOUND, _ ("“%s” is in no conflict."),
                 work->path);
  return any;
}

static gboolean
run_resolve (Work *work, MossTree *tree, GError **error)
{
  MossTreeKeep keep = MOSS_TREE_KEEP_BOTH;

  if (g_str_equal (work->word, "mine"))
    keep = MOSS_TREE_KEEP_MINE;
  else if (g_str_equal (work->word, "theirs"))
    keep = MOSS_TREE_KEEP_THEIRS;
  else if (!g_str_equal (work->word, "both"))
    {
      g_set_error (error, MOSS_LINK_ERROR, MOSS_LINK_ERROR_INVALID,
                   _ ("“%s” is none of “mine”, “theirs” and “both”."), work->word);
      return FALSE;
    }
  if (!resolve_all (work, tree, keep, error))
    return FALSE;
  moss_dbus_files1_complete_resolve (work->netd->files, work->invocation);
  sync_status_changed (work->netd->sync);
  return TRUE;
}

static gboolean
on_handle_resolve (MossDBusFiles1 *files,
                   GDBusMethodInvocation *invocation,
                   const char *path,
                   const char *keep,
                   Netd *netd)
{
  return start (netd, invocation, path, keep, run_resolve);
}

/* --- sending --- */

/* By id, or by name. Returns the device's slot, 0 for none. */
static guint16
find_slot (Netd *netd, const char *device)
{
  g_autoptr (MossChain) chain = home_ref_chain (netd);

  for (guint slot = 1; chain != NULL && slot <= moss_chain_get_n_devices (chain); slot++)
    {
      MossChainDevice member;
      g_autofree char *id = NULL;

      moss_chain_get_device (chain, slot, &member);
      id = moss_id_to_string ((const MossId *) member.record->fingerprint);
      if (!member.revoked &&
          (g_str_equal (id, device) || g_str_equal (member.record->name, device)))
        return slot;
    }
  return 0;
}

static gboolean
run_send (Work *work, MossTree *tree, GError **error)
{
  guint16 slot = find_slot (work->netd, work->word);
  const char *path = inside (work->netd, work->path);
  MossTreeAttr attr;
  int result;

  if (slot == 0)
    {
      g_set_error (error, FILES_ERROR, FILES_ERROR_NOT_FOUND,
                   _ ("“%s” is none of your devices."), work->word);
      return FALSE;
    }
  if (path == NULL || moss_tree_resolve (tree, path, &attr) != 0)
    return files_fail_absent (error, work->path);
  result = moss_tree_pin (tree, attr.ino, slot, TRUE);
  if (result < 0)
    {
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (-result), "%s: %s", work->path,
                   g_strerror (-result));
      return FALSE;
    }
  moss_dbus_files1_complete_send_to (work->netd->files, work->invocation);
  return TRUE;
}

static gboolean
on_handle_send_to (MossDBusFiles1 *files,
                   GDBusMethodInvocation *invocation,
                   const char *path,
                   const char *device,
                   Netd *netd)
{
  return start (netd, invocation, path, device, run_send);
}

static gboolean
on_handle_pause (MossDBusFiles1 *files,
                 GDBusMethodInvocation *invocation,
                 gboolean paused,
                 Netd *netd)
{
  sync_pause (netd, paused);
  moss_dbus_files1_complete_pause (files, invocation);
  return TRUE;
}

static gboolean
on_handle_status (MossDBusFiles1 *files, GDBusMethodInvocation *invocation, Netd *netd)
{
  moss_dbus_files1_complete_status (files, invocation, sync_status (netd));
  return TRUE;
}

void
sync_export (Netd *netd)
{
  g_signal_connect (netd->files, "handle-status", G_CALLBACK (on_handle_status), netd);
  g_signal_connect (netd->files, "handle-conflicts", G_CALLBACK (on_handle_conflicts), netd);
  g_signal_connect (netd->files, "handle-resolve", G_CALLBACK (on_handle_resolve), netd);
  g_signal_connect (netd->files, "handle-send-to", G_CALLBACK (on_handle_send_to), netd);
  g_signal_connect (netd->files, "handle-pause", G_CALLBACK (on_handle_pause), netd);
}
