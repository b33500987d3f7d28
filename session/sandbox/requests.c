/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "requests.h"
#include "sandbox-cgroup.h"
#include "display-connect.h"
#include "core/fault.h"
#include "error.h"
#include "files.h"
#include "inspect.h"
#include "memory.h"
#include "net-backing.h"
#include "net-mount.h"
#include "network.h"
#include "room.h"
#include "travel.h"

#include <string.h>
#include <unistd.h>

int
moss_request_add_fd (MossRequest *request, int fd, GError **error)
{
  int index = g_unix_fd_list_append (request->fds_out, fd, error);

  close (fd);
  return index;
}

int
moss_request_get_fd (MossRequest *request, gint32 handle, GError **error)
{
  if (request->fds_in != NULL && handle >= 0
      && handle < g_unix_fd_list_get_length (request->fds_in))
    return g_unix_fd_list_get (request->fds_in, handle, error);
  g_set_error_literal (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_INVALID,
                       "A file descriptor of the call is missing");
  return -1;
}

/* The sandbox that the first argument names, locked. */
static MossSandbox *
acquire (MossRequest *request, GError **error)
{
  const char *id;

  g_variant_get_child (request->parameters, 0, "&s", &id);
  return moss_registry_acquire (request->registry, request->caller, id, error);
}

static MossSandbox *
acquire_alive (MossRequest *request, GError **error)
{
  g_autoptr (MossSandbox) sandbox = acquire (request, error);

  if (sandbox == NULL || !moss_sandbox_require_alive (sandbox, error))
    return NULL;
  return g_steal_pointer (&sandbox);
}

static GVariant *
nothing (void)
{
  return g_variant_new ("()");
}

/* ---- life ---------------------------------------------------------------------------- */

static GVariant *
on_create (MossRequest *request, GError **error)
{
  g_autoptr (GVariant) dict = g_variant_get_child_value (request->parameters, 1);
  g_autoptr (MossSandboxOptions) options = NULL;
  g_autoptr (MossSandbox) sandbox = NULL;
  const char *id;

  g_variant_get_child (request->parameters, 0, "&s", &id);
  options = moss_sandbox_options_parse (dict, MOSS_SANDBOX_OPTIONS_CREATE, error);
  if (options == NULL
      || (sandbox = moss_registry_acquire_new (request->registry, request->caller, id, error))
             == NULL)
    return NULL;
  if (sandbox->alive || (sandbox->upper_fd >= 0 && !sandbox->fresh))
    {
      g_set_error (error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_EXISTS,
                   "There is a sandbox %s already", id);
      return NULL;
    }
  if (moss_sandbox_start (sandbox, options, error))
    return nothing ();
  moss_sandbox_remove (sandbox, NULL);
  return NULL;
}

static GVariant *
on_kill (MossRequest *request, GError **error)
{
  g_autoptr (MossSandbox) sandbox = acquire (request, error);

  return sandbox != NULL && moss_sandbox_kill (sandbox, error) ? nothing () : NULL;
}

static GVariant *
on_remove (MossRequest *request, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autoptr (MossSandbox) sandbox = acquire (request, &local_error);

  if (sandbox == NULL
      && g_error_matches (local_error, MOSS_SANDBOX_ERROR, MOSS_SANDBOX_ERROR_NOT_FOUND))
    return nothing ();
  if (sandbox == NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return NULL;
    }
  return moss_sandbox_remove (sandbox, error) ? nothing () : NULL;
}

static GVariant *
set_frozen (MossRequest *request, gboolean frozen, GError **error)
{
  g_autoptr (MossSandbox) sandbox = acquire_alive (request, error);

  if (sandbox == NULL || !moss_sandbox_cgroup_set_frozen (sandbox->cgroup_fd, frozen, error))
    return NULL;
  if (!frozen)
    (void) moss_fault ("sandboxd.thawed");
  if (!frozen)
    moss_network_start (sandbox, sandbox->pid);
  return nothing ();
}

static GVariant *
on_freeze (MossRequest *request, GError **error)
{
  return set_frozen (request, TRUE, error);
}

static GVariant *
on_thaw (MossRequest *request, GError **error)
{
  return set_frozen (request, FALSE, error);
}

/* ---- view ---------------------------------------------------------------------------- */

/* Resident anonymous and shared bytes of one process, from /proc/PID/status. */
static guint64
read_memory_bytes (pid_t pid)
{
  static const char *const names[] = { "RssAnon:", "RssShmem:" };
  g_autofree char *path = g_strdup_printf ("/proc/%d/status", pid);
  g_autofree char *text = NULL;
  guint64 kilobytes = 0;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return 0;
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      const char *line = strstr (text, names[i]);

      if (line != NULL)
        kilobytes += g_ascii_strtoull (line + strlen (names[i]), NULL, 10);
    }
  return kilobytes << 10;
}

/* Lock free: who lists must not wait for a dump. */
static GVariant *
describe (MossSandbox *sandbox)
{
  GVariantDict dict;
  const char *state = "dead";
  guint n_pids = 0;
  guint64 bytes = 0;

  if (g_mutex_trylock (&sandbox->lock))
    {
      if (sandbox->alive)
        {
          g_autoptr (GArray) pids = moss_sandbox_cgroup_get_pids (sandbox->cgroup_fd);

          state = moss_sandbox_cgroup_get_frozen (sandbox->cgroup_fd) ? "frozen" : "running";
          n_pids = pids->len;
          for (guint i = 0; i < pids->len; i++)
            bytes += read_memory_bytes (g_array_index (pids, pid_t, i));
        }
      g_mutex_unlock (&sandbox->lock);
    }
  else
    state = "frozen"; /* a dump, a restore or an end is under way */
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "id", "s", sandbox->id);
  g_variant_dict_insert (&dict, "state", "s", state);
  g_variant_dict_insert (&dict, "pids", "u", n_pids);
  g_variant_dict_insert (&dict, "memory-bytes", "t", bytes);
  return g_variant_dict_end (&dict);
}

static GVariant *
on_list (MossRequest *request, GError **error)
{
  g_autoptr (GPtrArray) list = moss_registry_list (request->registry, request->caller);
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < list->len; i++)
    g_variant_builder_add_value (&builder, describe (list->pdata[i]));
  return g_variant_new ("(aa{sv})", &builder);
}

static GVariant *
on_connect (MossRequest *request, GError **error)
{
  g_autoptr (MossSandbox) sandbox = acquire_alive (request, error);
  int fd, index;

  if (sandbox == NULL || (fd = moss_display_connect (sandbox->pid, error)) < 0)
    return NULL;
  index = moss_request_add_fd (request, fd, error);
  return index < 0 ? NULL : g_variant_new ("(h)", index);
}

static const struct
{
  const char *method;
  MossRequestHandler handler;
} handlers[] = {
  { "Create", on_create },   { "List", on_list },     { "Connect", on_connect },
  { "Thaw", on_thaw },       { "Freeze", on_freeze }, { "Kill", on_kill },
  { "Remove", on_remove },   { "Hello", moss_request_hello },
  { "Dump", moss_travel_dump },
  { "Restore", moss_travel_restore },
  { "Prepare", moss_travel_prepare },
  { "MakeRoom", moss_room_make },
  { "ReadLayer", moss_travel_read_layer },
  { "Inspect", moss_inspect_request },
  { "ReadMemory", moss_memory_request },
  { "ListFiles", moss_files_list },
  { "ReadFile", moss_files_read },
  { "WriteFile", moss_files_write },
  { "MountNet", moss_net_mount_request },
  { "UnmountNet", moss_net_unmount_request },
  { "AbortNet", moss_net_abort_request },
  { "TuneNet", moss_net_tune_request },
  { "BindNet", moss_net_bind_request },
  { "OpenBacking", moss_net_open_backing_request },
  { "CloseBacking", moss_net_close_backing_request },
};

MossRequestHandler
moss_request_find_handler (const char *method)
{
  for (guint i = 0; i < G_N_ELEMENTS (handlers); i++)
    if (strcmp (handlers[i].method, method) == 0)
      return handlers[i].handler;
  return NULL;
}
