// SPDX-License-Identifier: GPL-3.0-or-later
/* Files on /net that an app on its way to another machine has open: the other machine has the tree
 * as the app left it before the app runs there, and the locks go with it. */
#define G_LOG_DOMAIN "moss-netd"

#include "vfs/netd/home-private.h"
#include "vfs/netd/lease.h"
#include "vfs/netd/sync.h"

#include <glib/gi18n.h>

#define LOCKS_TYPE "a(tttyy)"
#define LATE_S 60 /* a move takes no longer */

typedef struct
{
  Netd *netd;
  GDBusMethodInvocation *invocation;
  char *sandbox, *device;
  GVariant *record, *locks;
} Work;

static void
work_free (Work *work)
{
  g_free (work->sandbox);
  g_free (work->device);
  g_clear_pointer (&work->record, g_variant_unref);
  g_clear_pointer (&work->locks, g_variant_unref);
  g_free (work);
}

static void
fail (Work *work, const char *reason)
{
  g_dbus_method_invocation_return_error (work->invocation, FILES_ERROR, FILES_ERROR_LOCKED, "%s",
                                         reason);
}

/* ---- leaving ------------------------------------------------------------------------- */

static GVariant *
list_locks (Netd *netd, const char *sandbox)
{
  Home *home = netd->home;
  GVariant *locks = NULL;

  g_mutex_lock (&home->lock);
  if (home->mount != NULL)
    locks = moss_mount_list_locks (home->mount, sandbox);
  g_mutex_unlock (&home->lock);
  return locks != NULL ? locks : g_variant_ref_sink (g_variant_new (LOCKS_TYPE, NULL));
}

static GVariant *
take_record (Work *work, MossTree *tree)
{
  g_autoptr (GBytes) record = NULL;
  g_autoptr (GError) error = NULL;
  MossTreeRoot root;

  if (!moss_tree_snapshot (tree, &root, &record, &error))
    g_message ("An app leaves without the newest files: %s", error->message);
  if (record == NULL)
    return g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, NULL, 0, 1);
  return g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, record, TRUE);
}

static gpointer
leave (gpointer data)
{
  Work *work = data;
  MossTree *tree = sync_borrow_tree (work->netd);

  if (tree == NULL)
    fail (work, _ ("/net is not open on this device now."));
  else
    {
      g_autoptr (GVariant) locks = list_locks (work->netd, work->sandbox);

      lease_leave (work->netd, locks, work->device);
      g_dbus_method_invocation_return_value (
          work->invocation,
          g_variant_new ("(@ay@" LOCKS_TYPE ")", take_record (work, tree), locks));
      sync_return_tree (work->netd);
    }
  work_free (work);
  return NULL;
}

static gboolean
on_handle_leave (MossDBusNet1 *interface, GDBusMethodInvocation *invocation, const char *sandbox,
                 const char *device, Netd *netd)
{
  Work *work = g_new0 (Work, 1);

  work->netd = netd;
  work->invocation = invocation;
  work->sandbox = g_strdup (sandbox);
  work->device = g_strdup (device);
  g_thread_unref (g_thread_new ("leave", leave, work));
  return TRUE;
}

/* ---- entering ------------------------------------------------------------------------ */

/* A root that is known already, or older, is as good. */
static gboolean
merge (Work *work, MossTree *tree, GError **error)
{
  g_autoptr (GBytes) record = g_variant_get_data_as_bytes (work->record);
  g_autoptr (GError) local = NULL;
  MossTreeMerged merged;

  if (g_bytes_get_size (record) == 0 || moss_tree_merge (tree, record, &merged, &local)
      || g_error_matches (local, MOSS_TREE_ERROR, MOSS_TREE_ERROR_INVALID))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

static gboolean
on_late (gpointer data)
{
  Home *home = ((Netd *) data)->home;

  g_mutex_lock (&home->lock);
  if (home->mount != NULL)
    moss_mount_forget_locks (home->mount);
  g_mutex_unlock (&home->lock);
  return G_SOURCE_REMOVE;
}

static gpointer
enter (gpointer data)
{
  Work *work = data;
  Home *home = work->netd->home;
  MossTree *tree = sync_borrow_tree (work->netd);
  g_autoptr (GError) error = NULL;

  if (tree == NULL)
    fail (work, _ ("/net is not open on this device now."));
  else if (!merge (work, tree, &error))
    g_dbus_method_invocation_return_gerror (work->invocation, error);
  else
    {
      g_mutex_lock (&home->lock);
      if (home->mount != NULL)
        moss_mount_adopt_locks (home->mount, work->sandbox, work->locks);
      g_mutex_unlock (&home->lock);
      if (g_variant_n_children (work->locks) > 0)
        g_timeout_add_seconds (LATE_S, on_late, work->netd);
      g_dbus_method_invocation_return_value (work->invocation, NULL);
    }
  if (tree != NULL)
    sync_return_tree (work->netd);
  work_free (work);
  return NULL;
}

static gboolean
on_handle_enter (MossDBusNet1 *interface, GDBusMethodInvocation *invocation, const char *sandbox,
                 GVariant *record, GVariant *locks, Netd *netd)
{
  Work *work = g_new0 (Work, 1);

  work->netd = netd;
  work->invocation = invocation;
  work->sandbox = g_strdup (sandbox);
  work->record = g_variant_ref (record);
  work->locks = g_variant_ref (locks);
  g_thread_unref (g_thread_new ("enter", enter, work));
  return TRUE;
}

void
home_move_export (Netd *netd)
{
  g_signal_connect (netd->interface, "handle-leave-files", G_CALLBACK (on_handle_leave), netd);
  g_signal_connect (netd->interface, "handle-enter-files", G_CALLBACK (on_handle_enter), netd);
}
