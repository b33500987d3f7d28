/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which CRIU there is, whether it can do its work here, and one that waits for a restore. */

#include "travel.h"

#include "criu-rpc.h"
#include "error.h"

#include <string.h>

static struct
{
  GMutex lock;
  GCond changed;
  gboolean looked;
  char *criu;
  char *version;
  GStrv problems;
} machine;

void
moss_travel_fill_config (MossCriuConfig *config, MossSandbox *sandbox)
{
  memset (config, 0, sizeof *config);
  config->program = machine.criu;
  config->tcp_close = TRUE;
  if (sandbox != NULL)
    config->name = sandbox->name;
}

static gpointer
look (gpointer data)
{
  MossCriuConfig config;
  char *version;
  GStrv problems;

  moss_travel_fill_config (&config, NULL);
  version = moss_criu_version (&config, NULL);
  problems = moss_criu_check (&config);
  g_mutex_lock (&machine.lock);
  machine.version = version != NULL ? version : g_strdup ("");
  machine.problems = problems;
  machine.looked = TRUE;
  g_cond_broadcast (&machine.changed);
  g_mutex_unlock (&machine.lock);
  return NULL;
}

void
moss_travel_start (const char *criu)
{
  machine.criu = g_strdup (criu);
  g_thread_unref (g_thread_new ("look", look, NULL));
}

static void
wait_until_looked (void)
{
  g_mutex_lock (&machine.lock);
  while (!machine.looked)
    g_cond_wait (&machine.changed, &machine.lock);
  g_mutex_unlock (&machine.lock);
}

GStrv
moss_travel_get_problems (void)
{
  wait_until_looked ();
  return g_strdupv (machine.problems);
}

const char *
moss_travel_get_version (void)
{
  wait_until_looked ();
  return machine.version;
}

gboolean
moss_travel_require_criu (GError **error)
{
  wait_until_looked ();
  if (machine.problems[0] == NULL)
    return TRUE;
  g_set_error_literal (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_INCOMPATIBLE,
                       machine.problems[0]);
  return FALSE;
}

MossCriuWorker *
moss_travel_warm (MossSandbox *sandbox)
{
  g_autoptr (GError) error = NULL;
  MossCriuConfig config;
  MossCriuWorker *criu;
  int cgroup;

  if (!moss_travel_require_criu (NULL))
    return NULL;
  /* What runs would be killed and frozen together with it. */
  cgroup = !sandbox->alive && moss_sandbox_open_cgroup (sandbox, NULL) ? sandbox->cgroup_fd : -1;
  moss_travel_fill_config (&config, NULL);
  criu = moss_criu_warm (&config, cgroup, &error);
  if (criu == NULL)
    g_message ("No CRIU waits for what arrives: %s", error->message);
  return criu;
}
