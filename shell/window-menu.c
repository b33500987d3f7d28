// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-window-menu"

#include "window-menu.h"

#include "format.h"
#include "save-out.h"
#include "verbs.h"

#include <glib/gi18n.h>

/* The menu of a window: from its title bar, from the dock and from the keyboard. Every row
   does what a key does. */

#define MAX_SNAPSHOTS 6

typedef struct
{
  MossShell *shell;
  MossSandbox *sandbox;
  MossFrame *frame;   /* or NULL */
  MossDevice *device; /* or NULL */
  char *snapshot;     /* or NULL */
} Target;

static Target *
target_new (MossShell *shell, MossSandbox *sandbox, MossFrame *frame)
{
  Target *target = g_new0 (Target, 1);

  target->shell = shell;
  target->sandbox = g_object_ref (sandbox);
  target->frame = frame != NULL ? g_object_ref (frame) : NULL;
  return target;
}

static void
target_free (gpointer data)
{
  Target *target = data;

  g_clear_object (&target->sandbox);
  g_clear_object (&target->frame);
  g_clear_object (&target->device);
  g_free (target->snapshot);
  g_free (target);
}

static void
do_send (gpointer data)
{
  Target *target = data;

  moss_verbs_send (target->shell, target->sandbox, target->device);
}

static void
do_bring (gpointer data)
{
  Target *target = data;

  moss_verbs_bring (target->shell, target->sandbox);
}

static void
do_cancel (gpointer data)
{
  Target *target = data;

  moss_verbs_cancel (target->shell, target->sandbox);
}

static void
do_snapshot (gpointer data)
{
  Target *target = data;

  moss_verbs_snapshot (target->shell, target->sandbox);
}

static void
do_restore (gpointer data)
{
  Target *target = data;

  moss_verbs_restore (target->shell, target->sandbox, target->snapshot, FALSE);
}

static void
do_save_out (gpointer data)
{
  Target *target = data;

  moss_save_out_show (target->shell, target->sandbox);
}

static void
do_on_top (gpointer data)
{
  Target *target = data;

  moss_workspace_set_on_top (target->shell->workspace, target->frame,
                             !moss_frame_get_on_top (target->frame));
}

static void
do_close (gpointer data)
{
  Target *target = data;

  if (target->frame != NULL)
    moss_frame_close (target->frame);
  else
    moss_verbs_close (target->shell, target->sandbox, FALSE);
}

static void
do_force_close (gpointer data)
{
  Target *target = data;

  moss_verbs_close (target->shell, target->sandbox, TRUE);
}

static void
do_discard (gpointer data)
{
  Target *target = data;

  moss_verbs_discard (target->shell, target->sandbox);
}

/* ---- send ---------------------------------------------------------------------------- */

static void
show_row_answer (MossShell *shell, GtkWidget *row, const char *sandbox, const char *device)
{
  const MossAnswer *answer = moss_preflight_lookup (shell->preflight, sandbox, device);
  g_autofree char *text = NULL;

  if (answer == NULL)
    return;
  text = moss_answer_describe_time (answer);
  moss_menu_row_set_value (row, text);
  gtk_widget_set_sensitive (row, answer->travels);
  gtk_widget_set_tooltip_text (row, answer->travels ? NULL : answer->reason);
}

typedef struct
{
  MossShell *shell;
  char *sandbox;
  char *device;
} RowAnswer;

static void
row_answer_free (gpointer data, GClosure *closure)
{
  RowAnswer *answer = data;

  g_free (answer->sandbox);
  g_free (answer->device);
  g_free (answer);
}

static void
on_answer (MossPreflight *preflight, const char *sandbox, RowAnswer *data)
{
  GtkWidget *row = g_object_get_data (G_OBJECT (preflight), data->device);

  if (row != NULL && g_strcmp0 (sandbox, data->sandbox) == 0)
    show_row_answer (data->shell, row, sandbox, data->device);
}

static void
on_row_destroyed (gpointer data, GObject *row)
{
  RowAnswer *answer = data;
  MossPreflight *preflight = answer->shell->preflight;

  if (g_object_get_data (G_OBJECT (preflight), answer->device) == (gpointer) row)
    g_object_set_data (G_OBJECT (preflight), answer->device, NULL);
  g_signal_handlers_disconnect_by_data (preflight, answer);
}

static void
follow_answer (MossShell *shell, GtkWidget *row, const char *sandbox, const char *device)
{
  RowAnswer *answer = g_new0 (RowAnswer, 1);

  answer->shell = shell;
  answer->sandbox = g_strdup (sandbox);
  answer->device = g_strdup (device);
  g_object_set_data (G_OBJECT (shell->preflight), device, row);
  g_signal_connect_data (shell->preflight, "changed", G_CALLBACK (on_answer), answer,
                         row_answer_free, 0);
  g_object_weak_ref (G_OBJECT (row), on_row_destroyed, answer);
  show_row_answer (shell, row, sandbox, device);
}

static void
fill_send (MossShell *shell, MossMenu *menu, MossSandbox *sandbox)
{
  GListModel *devices = moss_net_client_get_devices (shell->net);
  guint n = 0;

  moss_preflight_refresh (shell->preflight, sandbox->id);
  for (guint i = 0; i < g_list_model_get_n_items (devices); i++)
    {
      g_autoptr (MossDevice) device = g_list_model_get_item (devices, i);
      Target *target;
      GtkWidget *row;

      if (!device->paired)
        continue;
      target = target_new (shell, sandbox, NULL);
      target->device = g_object_ref (device);
      row = moss_menu_add (menu, device->name,
                           moss_device_is_linked (device) ? "…" : _("away"), do_send,
                           target, target_free);
      gtk_widget_set_sensitive (row, moss_device_is_linked (device));
      if (moss_device_is_linked (device))
        follow_answer (shell, row, sandbox->id, device->id);
      n++;
    }
  if (n == 0)
    moss_menu_add_text (menu, _("No other device yet. Add one at the edge of the screen."));
}

/* (transfer floating): only the devices, for the key that sends. */
MossMenu *
moss_window_menu_new_send (MossShell *shell, MossSandbox *sandbox)
{
  MossMenu *menu = moss_menu_new ();
  g_autofree char *name = moss_format_app_name (sandbox->name, sandbox->app);
  g_autofree char *title = g_strdup_printf (_("Send %s to"), name);

  moss_menu_add_text (menu, title);
  fill_send (shell, menu, sandbox);
  return menu;
}

/* ---- restore ------------------------------------------------------------------------- */

typedef struct
{
  MossMenu *menu;
  Target *target;
} Listing;

static void
add_snapshot (Listing *listing, GVariant *fields)
{
  g_autofree char *text = NULL;
  g_autofree char *size = NULL;
  const char *snapshot = NULL, *label = "";
  gint64 time_us = 0;
  guint64 bytes = 0;
  Target *target;

  if (!g_variant_lookup (fields, "snapshot", "&s", &snapshot))
    return;
  g_variant_lookup (fields, "new-bytes", "t", &bytes);
  g_variant_lookup (fields, "label", "&s", &label);
  g_variant_lookup (fields, "time", "x", &time_us);
  text = moss_format_snapshot (label, time_us);
  size = moss_format_bytes (bytes);
  target = target_new (listing->target->shell, listing->target->sandbox, NULL);
  target->snapshot = g_strdup (snapshot);
  moss_menu_add (listing->menu, text, size, do_restore, target, target_free);
}

static void
on_snapshots_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  Listing *listing = data;
  g_autoptr (GVariant) snapshots = NULL;
  gsize n = 0;

  if (moss_dbus_session1_call_snapshots_finish (MOSS_DBUS_SESSION1 (source), &snapshots,
                                                result, NULL))
    n = g_variant_n_children (snapshots);
  for (gsize i = 0; i < MIN (n, MAX_SNAPSHOTS); i++)
    {
      g_autoptr (GVariant) fields = g_variant_get_child_value (snapshots, i);

      add_snapshot (listing, fields);
    }
  if (n == 0)
    moss_menu_add_text (listing->menu, _("Nothing saved yet"));
  target_free (listing->target);
  g_object_unref (listing->menu);
  g_free (listing);
}

static void
fill_restore (MossShell *shell, MossMenu *menu, MossSandbox *sandbox)
{
  MossDBusSession1 *proxy = moss_session_client_get_proxy (shell->session);
  Listing *listing;

  if (proxy == NULL)
    return;
  listing = g_new0 (Listing, 1);
  listing->menu = g_object_ref (menu);
  listing->target = target_new (shell, sandbox, NULL);
  moss_dbus_session1_call_snapshots (proxy, sandbox->id, NULL, on_snapshots_ready, listing);
}

/* ---- the whole ----------------------------------------------------------------------- */

static void
add (MossMenu *menu, MossShell *shell, const char *label, int key, MossMenuFunc func,
     Target *target)
{
  g_autofree char *value = key >= 0 ? moss_keys_label (shell->keys, key) : NULL;

  moss_menu_add (menu, label, value, func, target, target_free);
}

static void
fill_elsewhere (MossMenu *menu, MossShell *shell, MossSandbox *sandbox)
{
  if (moss_sandbox_is_moving (sandbox))
    add (menu, shell, _("Cancel"), -1, do_cancel, target_new (shell, sandbox, NULL));
  else
    add (menu, shell, _("Bring back"), MOSS_KEY_BRING, do_bring,
         target_new (shell, sandbox, NULL));
}

static void
fill_ended (MossMenu *menu, MossShell *shell, MossSandbox *sandbox)
{
  if (sandbox->files > 0)
    add (menu, shell, _("Save out…"), MOSS_KEY_SAVE_OUT, do_save_out,
         target_new (shell, sandbox, NULL));
  fill_restore (shell, moss_menu_add_submenu (menu, _("Restore")), sandbox);
  add (menu, shell, _("Forget it and its files"), -1, do_discard,
       target_new (shell, sandbox, NULL));
}

static void
add_on_top (MossMenu *menu, MossShell *shell, MossSandbox *sandbox, MossFrame *frame)
{
  g_autofree char *key = moss_keys_label (shell->keys, MOSS_KEY_ON_TOP);

  moss_menu_add_check (menu, _("Keep on top"), key, moss_frame_get_on_top (frame), do_on_top,
                       target_new (shell, sandbox, frame), target_free);
}

static void
fill_running (MossMenu *menu, MossShell *shell, MossSandbox *sandbox, MossFrame *frame)
{
  fill_send (shell, moss_menu_add_submenu (menu, _("Send to")), sandbox);
  if (*sandbox->origin != '\0')
    {
      MossDevice *origin = moss_net_client_find (shell->net, sandbox->origin);
      Target *target = target_new (shell, sandbox, NULL);

      if (origin != NULL)
        {
          g_autofree char *label = g_strdup_printf (_("Back to %s"), origin->name);
          target->device = g_object_ref (origin);
          add (menu, shell, label, MOSS_KEY_BRING, do_send, target);
        }
      else
        target_free (target);
    }
  add (menu, shell, _("Save a snapshot"), MOSS_KEY_SNAPSHOT, do_snapshot,
       target_new (shell, sandbox, NULL));
  fill_restore (shell, moss_menu_add_submenu (menu, _("Restore")), sandbox);
  moss_menu_add_separator (menu);
  if (frame != NULL)
    add_on_top (menu, shell, sandbox, frame);
  add (menu, shell, _("Save out…"), MOSS_KEY_SAVE_OUT, do_save_out,
       target_new (shell, sandbox, NULL));
  add (menu, shell, _("Close"), MOSS_KEY_CLOSE, do_close,
       target_new (shell, sandbox, frame));
  if (frame != NULL && moss_frame_get_surface (frame) != NULL &&
      !moss_viewer_surface_get_responsive (moss_frame_get_surface (frame)))
    add (menu, shell, _("End it now"), -1, do_force_close,
         target_new (shell, sandbox, NULL));
}

/**
 * moss_window_menu_new:
 * @frame: (nullable): the window, when the menu is about one
 *
 * Returns: (transfer floating)
 */
MossMenu *
moss_window_menu_new (MossShell *shell, MossSandbox *sandbox, MossFrame *frame)
{
  MossMenu *menu = moss_menu_new ();

  if (moss_sandbox_is_elsewhere (sandbox) || moss_sandbox_is_moving (sandbox))
    fill_elsewhere (menu, shell, sandbox);
  else if (sandbox->state == MOSS_SANDBOX_ENDED || sandbox->state == MOSS_SANDBOX_STORED)
    fill_ended (menu, shell, sandbox);
  else
    fill_running (menu, shell, sandbox, frame);
  return menu;
}
