// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-verbs"

#include "verbs.h"

#include "format.h"
#include "save-out.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib/gi18n.h>
#include <unistd.h>

/* What a person can do to an app, the same for pointer, menu and key: one call of the
   session each, and one sentence when it fails. */

typedef struct
{
  MossShell *shell;
  MossSandbox *sandbox;
} Deed;

static Deed *
deed_new (MossShell *shell, MossSandbox *sandbox)
{
  Deed *deed = g_new0 (Deed, 1);

  deed->shell = shell;
  deed->sandbox = sandbox != NULL ? g_object_ref (sandbox) : NULL;
  return deed;
}

static void
deed_free (gpointer data)
{
  Deed *deed = data;

  g_clear_object (&deed->sandbox);
  g_free (deed);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Deed, deed_free)

static void
say_error (MossShell *shell, const GError *error)
{
  g_autofree char *text = moss_format_error (error);

  moss_toasts_say (shell->toasts, text);
}

static MossDBusSession1 *
get_proxy (MossShell *shell)
{
  MossDBusSession1 *proxy = moss_session_client_get_proxy (shell->session);

  if (proxy == NULL)
    moss_toasts_say (shell->toasts, _("The session is not running."));
  return proxy;
}

static char *
app_name (MossSandbox *sandbox)
{
  return moss_format_app_name (sandbox->name, sandbox->app);
}

/* ---- starting ------------------------------------------------------------------------ */

static void
on_run_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (Deed) deed = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *id = NULL;

  if (moss_dbus_session1_call_run_finish (MOSS_DBUS_SESSION1 (source), &id, NULL, result,
                                          &error))
    moss_windows_expect (deed->shell->windows, id);
  else
    say_error (deed->shell, error);
}

/* The file itself goes along as a descriptor: the app never sees the host's folders. */
static void
add_file (GVariantBuilder *builder, GUnixFDList *fds, GFile *file)
{
  g_autofree char *path = g_file_get_path (file);
  g_autofree char *name = g_file_get_basename (file);
  int fd = path != NULL ? open (path, O_RDONLY | O_CLOEXEC) : -1;
  int handle;

  if (fd < 0)
    {
      g_warning ("%s: %s", path != NULL ? path : name,
                 path != NULL ? g_strerror (errno) : "not on this device");
      return;
    }
  handle = g_unix_fd_list_append (fds, fd, NULL);
  close (fd);
  if (handle >= 0)
    g_variant_builder_add (builder, "(^ayh)", name, handle);
}

/**
 * moss_verbs_run:
 * @what: a desktop id
 * @files: (nullable): of GFile, opened by the app as copies of its own
 */
void
moss_verbs_run (MossShell *shell, const char *what, GListModel *files)
{
  MossDBusSession1 *proxy = get_proxy (shell);
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  GVariantBuilder builder;

  if (proxy == NULL)
    return;
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(ayh)"));
  for (guint i = 0; files != NULL && i < g_list_model_get_n_items (files); i++)
    {
      g_autoptr (GFile) file = g_list_model_get_item (files, i);

      add_file (&builder, fds, file);
    }
  moss_dbus_session1_call_run (proxy, what, (const char *const[]){ NULL },
                               g_variant_builder_end (&builder),
                               g_variant_new ("a{sv}", NULL), fds, NULL, on_run_ready,
                               deed_new (shell, NULL));
}

/* ---- moving -------------------------------------------------------------------------- */

static void
bring_back (gpointer data)
{
  Deed *deed = data;

  moss_verbs_bring (deed->shell, deed->sandbox);
}

/* “Terminal goes on at Laptop  [Bring back]” */
void
moss_verbs_tell_away (MossShell *shell, MossSandbox *sandbox)
{
  MossDevice *device = moss_net_client_find (shell->net, sandbox->device);
  g_autofree char *name = app_name (sandbox);
  /* Translators: app, then device, as in “Terminal goes on at Laptop” */
  g_autofree char *markup = g_markup_printf_escaped (
      _("<b>%s</b> goes on at <b>%s</b>"), name,
      device != NULL ? device->name : _("the other device"));

  moss_toasts_say_markup (shell->toasts, sandbox->id, markup, _("Bring back"), bring_back,
                          deed_new (shell, sandbox), deed_free);
}

static void
on_send_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (Deed) deed = data;
  g_autoptr (GVariant) report = NULL;
  g_autoptr (GError) error = NULL;

  if (!moss_dbus_session1_call_send_finish (MOSS_DBUS_SESSION1 (source), &report, result,
                                            &error))
    say_error (deed->shell, error);
}

void
moss_verbs_send (MossShell *shell, MossSandbox *sandbox, MossDevice *device)
{
  const MossAnswer *answer = moss_preflight_lookup (shell->preflight, sandbox->id,
                                                    device->id);
  MossDBusSession1 *proxy = get_proxy (shell);
  MossFrame *frame = moss_windows_find (shell->windows, sandbox->id);
  g_autofree char *name = app_name (sandbox);

  if (proxy == NULL)
    return;
  if (!moss_device_is_linked (device))
    {
      g_autofree char *text = g_strdup_printf (
          /* Translators: app, device */
          _("%s can't travel: %s is away."), name, device->name);
      moss_toasts_say (shell->toasts, text);
      return;
    }
  if (answer != NULL && !answer->travels)
    {
      g_autofree char *reason = moss_answer_describe (answer);
      moss_toasts_say (shell->toasts, reason);
      return;
    }
  if (frame != NULL)
    moss_windows_save_picture (shell->windows, frame);
  moss_dbus_session1_call_send (proxy, sandbox->id, device->id, NULL, on_send_ready,
                                deed_new (shell, sandbox));
}

static void
on_bring_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (Deed) deed = data;
  g_autoptr (GVariant) report = NULL;
  g_autoptr (GError) error = NULL;

  if (!moss_dbus_session1_call_bring_finish (MOSS_DBUS_SESSION1 (source), &report, result,
                                             &error))
    say_error (deed->shell, error);
}

void
moss_verbs_bring (MossShell *shell, MossSandbox *sandbox)
{
  MossDBusSession1 *proxy = get_proxy (shell);

  if (proxy == NULL)
    return;
  moss_windows_expect (shell->windows, sandbox->id);
  moss_toasts_withdraw (shell->toasts, sandbox->id);
  moss_dbus_session1_call_bring (proxy, sandbox->id, NULL, on_bring_ready,
                                 deed_new (shell, sandbox));
}

static void
on_cancel_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (Deed) deed = data;
  g_autoptr (GError) error = NULL;

  if (!moss_dbus_session1_call_cancel_finish (MOSS_DBUS_SESSION1 (source), result, &error))
    say_error (deed->shell, error);
}

void
moss_verbs_cancel (MossShell *shell, MossSandbox *sandbox)
{
  MossDBusSession1 *proxy = get_proxy (shell);

  if (proxy != NULL)
    moss_dbus_session1_call_cancel (proxy, sandbox->id, NULL, on_cancel_ready,
                                    deed_new (shell, sandbox));
}

/* ---- snapshots ----------------------------------------------------------------------- */

static void
on_snapshot_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (Deed) deed = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *snapshot = NULL;
  g_autofree char *name = NULL;
  g_autofree char *text = NULL;

  if (!moss_dbus_session1_call_snapshot_finish (MOSS_DBUS_SESSION1 (source), &snapshot,
                                                result, &error))
    {
      say_error (deed->shell, error);
      return;
    }
  name = app_name (deed->sandbox);
  text = g_strdup_printf (_("%s is saved as it is now."), name);
  moss_toasts_say (deed->shell->toasts, text);
}

void
moss_verbs_snapshot (MossShell *shell, MossSandbox *sandbox)
{
  MossDBusSession1 *proxy = get_proxy (shell);
  MossFrame *frame = moss_windows_find (shell->windows, sandbox->id);

  if (proxy == NULL)
    return;
  if (frame != NULL)
    moss_windows_save_picture (shell->windows, frame);
  moss_dbus_session1_call_snapshot (proxy, sandbox->id, "", NULL, on_snapshot_ready,
                                    deed_new (shell, sandbox));
}

static void
on_restore_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (Deed) deed = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *id = NULL;

  if (moss_dbus_session1_call_restore_finish (MOSS_DBUS_SESSION1 (source), &id, result,
                                              &error))
    moss_windows_expect (deed->shell->windows, id);
  else
    say_error (deed->shell, error);
}

/* copy: beside the running one instead of in its place. */
void
moss_verbs_restore (MossShell *shell, MossSandbox *sandbox, const char *snapshot,
                    gboolean copy)
{
  MossDBusSession1 *proxy = get_proxy (shell);

  if (proxy != NULL)
    moss_dbus_session1_call_restore (proxy, snapshot, copy, NULL, on_restore_ready,
                                     deed_new (shell, sandbox));
}

/* ---- ending -------------------------------------------------------------------------- */

static void
on_close_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (Deed) deed = data;
  g_autoptr (GError) error = NULL;

  if (!moss_dbus_session1_call_close_finish (MOSS_DBUS_SESSION1 (source), result, &error))
    say_error (deed->shell, error);
}

void
moss_verbs_close (MossShell *shell, MossSandbox *sandbox, gboolean force)
{
  MossDBusSession1 *proxy = get_proxy (shell);

  if (proxy != NULL)
    moss_dbus_session1_call_close (proxy, sandbox->id, force, NULL, on_close_ready,
                                   deed_new (shell, sandbox));
}

static void
on_discard_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (Deed) deed = data;
  g_autoptr (GError) error = NULL;

  if (!moss_dbus_session1_call_discard_finish (MOSS_DBUS_SESSION1 (source), result, &error))
    say_error (deed->shell, error);
}

/* Forgets an ended app with the files in its home. */
void
moss_verbs_discard (MossShell *shell, MossSandbox *sandbox)
{
  MossDBusSession1 *proxy = get_proxy (shell);

  if (proxy != NULL)
    moss_dbus_session1_call_discard (proxy, sandbox->id, NULL, on_discard_ready,
                                     deed_new (shell, sandbox));
}

/* ---- what the session says ----------------------------------------------------------- */

static void
save_out (gpointer data)
{
  Deed *deed = data;

  moss_save_out_show (deed->shell, deed->sandbox);
}

void
moss_verbs_notice (MossShell *shell, const char *id, const char *kind, const char *text,
                   const char *action)
{
  MossSandbox *sandbox = moss_session_client_find (shell->session, id);
  g_autofree char *markup = g_markup_escape_text (text, -1);

  if (sandbox != NULL && g_strcmp0 (action, "bring") == 0)
    moss_toasts_say_markup (shell->toasts, id, markup, _("Bring back"), bring_back,
                            deed_new (shell, sandbox), deed_free);
  else if (sandbox != NULL && g_strcmp0 (action, "save-out") == 0)
    moss_toasts_say_markup (shell->toasts, id, markup, _("Save out…"), save_out,
                            deed_new (shell, sandbox), deed_free);
  else
    moss_toasts_say (shell->toasts, text);
}
