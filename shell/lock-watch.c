// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-lock-watch"

#include "lock-watch.h"

#include "pair-dialog.h"

#include <glib/gi18n.h>

/* Says when something about the person's identity waits for them: the keys are locked, as after
   a log-in, or the identity has a problem. A word and a button, never a dialog that nobody
   asked for. */

#define KEY_LOCKED "identity-locked"
#define KEY_PROBLEM "identity-problem"

static void
on_action (gpointer data)
{
  moss_pair_dialog_show (data);
}

static gboolean
has_identity (MossDBusAgent1 *agent)
{
  GVariant *chain = moss_dbus_agent1_get_chain (agent);

  return chain != NULL && g_variant_n_children (chain) > 0;
}

static void
on_changed (MossDBusAgent1 *agent, GParamSpec *pspec, MossShell *shell)
{
  const char *problem = moss_dbus_agent1_get_problem (agent);
  g_autofree char *markup = NULL;

  if (has_identity (agent) && moss_dbus_agent1_get_locked (agent))
    moss_toasts_say_markup (shell->toasts, KEY_LOCKED, _("Your files are locked."),
                            _("Unlock"), on_action, shell, NULL);
  else
    moss_toasts_withdraw (shell->toasts, KEY_LOCKED);
  if (problem == NULL || *problem == '\0')
    {
      moss_toasts_withdraw (shell->toasts, KEY_PROBLEM);
      return;
    }
  markup = g_markup_escape_text (problem, -1);
  moss_toasts_say_markup (shell->toasts, KEY_PROBLEM, markup, _("Your devices"), on_action,
                          shell, NULL);
}

static void
on_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  MossShell *shell = data;
  g_autoptr (GtkWindow) window = shell->window; /* kept for this */
  g_autoptr (GError) error = NULL;
  g_autoptr (MossDBusAgent1) agent = moss_dbus_agent1_proxy_new_finish (result, &error);

  if (agent == NULL)
    g_message ("the agent can't be watched: %s", error->message);
  if (agent == NULL || shell->bus == NULL)
    return;
  g_signal_connect (agent, "notify::locked", G_CALLBACK (on_changed), shell);
  g_signal_connect (agent, "notify::problem", G_CALLBACK (on_changed), shell);
  on_changed (agent, NULL, shell);
  g_object_set_data_full (G_OBJECT (window), "lock-watch", g_steal_pointer (&agent),
                          g_object_unref);
}

/* Once, when everything else of @shell is there. */
void
moss_lock_watch_start (MossShell *shell)
{
  g_object_ref (shell->window);
  moss_dbus_agent1_proxy_new (shell->bus, G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START,
                              "org.moss.Agent1", "/org/moss/Agent", NULL, on_ready, shell);
}
