// SPDX-License-Identifier: LGPL-2.1-or-later
/* Fault points, for tests only: compiled in with -Dfaults=true and never in a release build.
 *
 *   MOSS_FAULT=point:action[@n][,...]    e.g. "move-released:kill,store-append:fail@3"
 *   MOSS_FAULT_FILE=path                 the same text, read again at every point, so that a
 *                                        test can arm a process that already runs
 *
 * action: kill (SIGKILL to the own process), stop (SIGSTOP: it is held there until somebody sends
 * SIGCONT), fail (the call reports an error), sleep=MS.
 * @n: only the n-th time this process passes the point, counted from 1. */
#define G_LOG_DOMAIN "moss-fault"

#include "core/fault.h"

#ifdef MOSS_FAULTS
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static GMutex lock;
static GHashTable *passed; /* point → times */

static guint
count_pass (const char *point)
{
  guint times;

  g_mutex_lock (&lock);
  if (passed == NULL)
    passed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  times = GPOINTER_TO_UINT (g_hash_table_lookup (passed, point)) + 1;
  g_hash_table_replace (passed, g_strdup (point), GUINT_TO_POINTER (times));
  g_mutex_unlock (&lock);
  return times;
}

static gboolean
act (const char *point, const char *action)
{
  if (strcmp (action, "kill") == 0)
    {
      kill (getpid (), SIGKILL);
      pause ();
      _exit (128 + SIGKILL); /* a confined process may do neither */
    }
  if (strcmp (action, "stop") == 0)
    kill (getpid (), SIGSTOP);
  if (g_str_has_prefix (action, "sleep="))
    g_usleep (g_ascii_strtoull (action + strlen ("sleep="), NULL, 10) * 1000);
  return strcmp (action, "fail") == 0;
}

static gboolean
obey (const char *plan, const char *point)
{
  g_auto (GStrv) entries = g_strsplit_set (plan, ",\n", 64);
  guint times = 0;
  gboolean failed = FALSE;

  for (guint i = 0; entries[i] != NULL; i++)
    {
      char *colon = strchr (g_strstrip (entries[i]), ':');
      char *at;

      if (colon == NULL)
        continue;
      *colon = '\0';
      if (strcmp (entries[i], point) != 0)
        continue;
      if (times == 0)
        times = count_pass (point);
      at = strchr (colon + 1, '@');
      if (at != NULL)
        *at++ = '\0';
      if (at == NULL || g_ascii_strtoull (at, NULL, 10) == times)
        failed = act (point, colon + 1) || failed;
    }
  return failed;
}

/**
 * moss_fault:
 * @point: the name of a place in the code, "area-what"
 *
 * Does what MOSS_FAULT says about @point. Any thread.
 *
 * Returns: %TRUE if the caller should behave as if the operation failed
 */
gboolean
moss_fault (const char *point)
{
  const char *plan = g_getenv ("MOSS_FAULT");
  const char *path = g_getenv ("MOSS_FAULT_FILE");
  g_autofree char *text = NULL;
  gboolean failed = FALSE;

  if (plan != NULL)
    failed = obey (plan, point);
  if (path != NULL && g_file_get_contents (path, &text, NULL, NULL))
    failed = obey (text, point) || failed;
  return failed;
}

/**
 * moss_fault_error:
 * @point: as for moss_fault()
 *
 * Returns: %FALSE with @error set (G_IO_ERROR_FAILED) if the operation is to fail
 */
gboolean
moss_fault_error (const char *point, GError **error)
{
  if (!moss_fault (point))
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "a test made “%s” fail", point);
  return FALSE;
}
#endif
