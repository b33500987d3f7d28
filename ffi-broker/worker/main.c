// SPDX-License-Identifier: GPL-3.0-or-later
/* moss-ffi-worker: one bridge to one library, kept warm, that its broker can kill at any time.
 *
 * moss-ffi-worker NAME [MANIFEST], started by the broker with a connected socket as descriptor
 * 3: what the bridge offers is announced there, callers' connections come from there, and when
 * it closes the worker ends. It gives up (confine.c) all that computing doesn't need before the
 * bridge's module is loaded. */
#define G_LOG_DOMAIN "moss-ffi-worker"

#include "ffi-broker/types/manifest.h"
#include "ffi-broker/worker/module.h"
#include "ffi-broker/worker/worker.h"

#include "moss-config.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define BROKER_FD 3
#define THREADS 2

/* What the broker is told: it can't help, and trying again won't either. */
#define EXIT_NO_BRIDGE 2

static const char *
bridges_dir (void)
{
  const char *given = g_getenv ("MOSS_FFI_BRIDGES");

  return given != NULL ? given : MOSS_FFI_BRIDGES_DIR;
}

/* A name, not a path. */
static gboolean
is_name (const char *name)
{
  return *name != '\0' && strspn (name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen (name);
}

/* The library finds what it would have found without a person: nothing of theirs is readable. */
static void
set_environment (void)
{
  const char *keep[] = { "PATH", "LANG", "LC_ALL", "LC_CTYPE", "G_MESSAGES_DEBUG",
                         "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS" };
  g_auto (GStrv) all = g_listenv ();

  for (guint i = 0; all[i] != NULL; i++)
    {
      gboolean kept = FALSE;

      for (guint k = 0; k < G_N_ELEMENTS (keep); k++)
        kept |= g_str_equal (all[i], keep[k]);
      if (!kept)
        g_unsetenv (all[i]);
    }
  g_setenv ("HOME", "/nonexistent", TRUE);
  g_setenv ("TMPDIR", "/nonexistent", TRUE);
}

static MossFfiBridge *
load (const char *directory, const char *name, GError **error)
{
  g_autofree char *file = g_strconcat (name, ".so", NULL);
  g_autofree char *path = g_build_filename (directory, file, NULL);
  GModule *module = g_module_open (path, G_MODULE_BIND_LOCAL);
  gpointer symbol = NULL;
  MossFfiBridge *bridge;

  if (module == NULL || !g_module_symbol (module, "moss_ffi_bridge", &symbol))
    {
      g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_FAILED, "%s", g_module_error ());
      return NULL;
    }
  g_module_make_resident (module);
  bridge = symbol;
  if (bridge->abi == MOSS_FFI_BRIDGE_ABI && g_str_equal (bridge->name, name))
    return bridge;
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_FAILED, "%s is of another build", path);
  return NULL;
}

static MossFfiProvider *
open_bridge (MossFfiBridge *bridge, const char *manifest, GError **error)
{
  for (guint i = 0; bridge->environment != NULL && bridge->environment[i] != NULL; i++)
    {
      g_auto (GStrv) pair = g_strsplit (bridge->environment[i], "=", 2);

      g_setenv (pair[0], pair[1], TRUE);
    }
  /* A library warns about a bad file, and that must not be the end, whatever G_DEBUG says. */
  g_log_set_always_fatal (G_LOG_FATAL_MASK);
  return bridge->open (manifest, error);
}

/* The one program that the manifest names, as the kernel will find it. */
static gboolean
find_program (const char *manifest, char **program, GError **error)
{
  g_autoptr (MossFfiManifest) read = moss_ffi_manifest_load (manifest, error);

  if (read == NULL)
    return FALSE;
  *program = realpath (read->program, NULL);
  if (*program != NULL)
    return TRUE;
  g_set_error (error, MOSS_FFI_ERROR, MOSS_FFI_ERROR_FAILED, "%s: %s is not installed",
               manifest, read->program);
  return FALSE;
}

static gboolean
work (const char *name, const char *manifest, GError **error)
{
  g_autofree char *directory = g_strdup (bridges_dir ());
  g_autofree char *program = NULL;
  g_autoptr (MossFfiProvider) provider = NULL;
  MossFfiBridge *bridge;

  if (manifest != NULL && !find_program (manifest, &program, error))
    return FALSE;
  set_environment ();
  if (!worker_confine (directory, manifest, program, error))
    return FALSE;
  bridge = load (directory, name, error);
  provider = bridge != NULL ? open_bridge (bridge, manifest, error) : NULL;
  if (provider == NULL)
    return FALSE;
  moss_ffi_provider_set_threads (provider, THREADS);
  if (!moss_ffi_provider_add_broker (provider, BROKER_FD, error) ||
      !moss_ffi_provider_run (provider, error))
    return FALSE;
  if (bridge->close != NULL)
    bridge->close ();
  return TRUE;
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;

  if (argc < 2 || argc > 3 || !is_name (argv[1]))
    {
      g_printerr ("usage: moss-ffi-worker BRIDGE [MANIFEST], with the broker as descriptor 3\n");
      return EXIT_FAILURE;
    }
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (fcntl (BROKER_FD, F_SETFD, FD_CLOEXEC) < 0)
    {
      g_printerr ("moss-ffi-worker: descriptor 3 is not there\n");
      return EXIT_FAILURE;
    }
  if (work (argv[1], argc == 3 ? argv[2] : NULL, &error))
    return EXIT_SUCCESS;
  g_printerr ("moss-ffi-worker %s: %s\n", argv[1], error->message);
  return EXIT_NO_BRIDGE;
}
