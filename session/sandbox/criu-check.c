/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What this machine can do, and the cache in which CRIU keeps it.
 *
 * CRIU finds out what the kernel offers at each start (tens of ms, inside the freeze)
 * unless it finds /run/criu.kdat, so it is asked before the first move. It writes that
 * only when /run is a tmpfs; where it isn't (containers), the cache is made on a private
 * tmpfs and copied; it is made anew at each call, as it is only good for the running
 * kernel. */
#define G_LOG_DOMAIN "moss-criu"
#include "criu-rpc.h"
#include "criu-stats.h"

#include <errno.h>
#include <stdio.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define CACHE_DIR "/run"
#define CACHE_FILE "/run/criu.kdat"
#define MAX_CACHE 65536
#define MOSS_CRIU_VERSION_NEEDED "4.2.1"
#define CHECK_TIMEOUT_S 30

static MossCriu__Response *
ask (const MossCriuConfig *config, guint32 type, GError **error)
{
  g_autoptr (MossCriuWorker) worker = moss_criu_worker_new (config, FALSE, -1, error);
  MossCriu__Request request = MOSS_CRIU__REQUEST__INIT;

  if (worker == NULL)
    return NULL;
  request.type = type;
  return moss_criu_worker_call (worker, &request, CHECK_TIMEOUT_S, NULL, NULL, error);
}

char *
moss_criu_version (const MossCriuConfig *config, GError **error)
{
  g_autoptr (GError) local = NULL;
  MossCriu__Response *response = ask (config, MOSS_CRIU_VERSION, &local);
  char *text = NULL;

  if (response != NULL && response->version != NULL)
    text = g_strdup_printf ("%d.%d.%d", response->version->major,
                            response->version->minor, response->version->sublevel);
  else
    g_set_error (error, MOSS_CRIU_ERROR, MOSS_CRIU_ERROR_MISSING, "%s",
                 local != NULL ? local->message : "CRIU does not tell its version");
  if (response != NULL)
    moss_criu__response__free_unpacked (response, NULL);
  return text;
}

static gboolean
is_old (const char *version)
{
  int v[3] = { 0 };
  static const int least[3] = { 4, 2, 1 };

  if (sscanf (version, "%d.%d.%d", &v[0], &v[1], &v[2]) < 2)
    return TRUE;
  for (int i = 0; i < 3; i++)
    if (v[i] != least[i])
      return v[i] < least[i];
  return FALSE;
}

/* FEATURE_CHECK fills the cache (CHECK doesn't), and with keep_open CRIU stays, and with it
 * its private /run. Returns it, or NULL. */
static MossCriuWorker *
fill_cache (const MossCriuConfig *config, gboolean private_run, GError **error)
{
  g_autoptr (MossCriuWorker) worker
      = moss_criu_worker_new (config, private_run, -1, error);
  MossCriu__Features features = MOSS_CRIU__FEATURES__INIT;
  MossCriu__Request request = MOSS_CRIU__REQUEST__INIT;
  MossCriu__Response *response;

  if (worker == NULL)
    return NULL;
  request.type = MOSS_CRIU_FEATURE_CHECK;
  request.has_keep_open = request.keep_open = TRUE;
  request.features = &features;
  response = moss_criu_worker_call (worker, &request, CHECK_TIMEOUT_S, NULL, NULL, error);
  if (response == NULL)
    return NULL;
  moss_criu__response__free_unpacked (response, NULL);
  return g_steal_pointer (&worker);
}

static char *
make_cache (const MossCriuConfig *config, gsize *size, GError **error)
{
  g_autoptr (MossCriuWorker) worker = fill_cache (config, TRUE, error);
  g_autofree char *path = NULL;

  if (worker == NULL)
    return NULL;
  path = g_strdup_printf ("/proc/%d/root" CACHE_FILE, (int)worker->pid);
  return moss_criu_read_tail (AT_FDCWD, path, MAX_CACHE, size);
}

/* On a tmpfs CRIU keeps it by itself, once it was asked. */
static gboolean
keeps_cache (void)
{
  struct statfs fs;

  return statfs (CACHE_DIR, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

static gboolean
copy_cache (const MossCriuConfig *config, GError **error)
{
  gsize size = 0;
  g_autofree char *bytes = make_cache (config, &size, error);

  return bytes != NULL && size > 0 && size < MAX_CACHE
         && g_file_set_contents_full (CACHE_FILE, bytes, size,
                                      G_FILE_SET_CONTENTS_CONSISTENT, 0600, error);
}

static void
renew_cache (const MossCriuConfig *config)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MossCriuWorker) worker = NULL;

  if (keeps_cache () ? (worker = fill_cache (config, FALSE, &error)) == NULL
                     : !copy_cache (config, &error))
    g_debug ("no cache of kernel features: %s", error != NULL ? error->message : "empty");
}

static void
check_kernel (const MossCriuConfig *config, GStrvBuilder *problems)
{
  g_autoptr (GError) error = NULL;
  MossCriu__Response *response = ask (config, MOSS_CRIU_CHECK, &error);
  g_autofree char *text = NULL;

  if (response != NULL && response->success)
    ;
  else if (response != NULL && response->cr_errmsg != NULL)
    text = g_strdup_printf ("apps can't travel: the kernel lacks what CRIU needs: %s",
                            g_strstrip (response->cr_errmsg));
  else
    text = g_strdup_printf ("apps can't travel: the kernel lacks what CRIU needs%s%s",
                            error != NULL ? ": " : "",
                            error != NULL ? error->message : "");
  if (text != NULL)
    g_strv_builder_add (problems, text);
  if (response != NULL)
    moss_criu__response__free_unpacked (response, NULL);
}

GStrv
moss_criu_check (const MossCriuConfig *config)
{
  g_autoptr (GStrvBuilder) problems = g_strv_builder_new ();
  g_autoptr (GError) error = NULL;
  g_autofree char *version = moss_criu_version (config, &error);

  if (version == NULL)
    g_strv_builder_add (problems, error->message);
  else if (is_old (version))
    {
      g_autofree char *text
          = g_strdup_printf ("apps can't travel: CRIU %s is too old, %s is needed",
                             version, MOSS_CRIU_VERSION_NEEDED);

      g_strv_builder_add (problems, text);
    }
  else
    {
      renew_cache (config);
      check_kernel (config, problems);
    }
  return g_strv_builder_end (problems);
}
