// SPDX-License-Identifier: GPL-3.0-or-later
/* A bridge as it must not be: what it tries is what a worker has given up, and how it fails is
 * how a provider can. For tests only; never installed. */
#include "ffi-broker/worker/module.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- what must be refused: each gives back 0 when it was, else what it could do --- */

static int
refused (int result)
{
  return result < 0 ? 0 : 1;
}

static int
write_file (void)
{
  return refused (open ("/tmp/moss-hurt", O_WRONLY | O_CREAT, 0600)) +
         refused (open ("/etc/hostname", O_RDWR)) +
         refused (open ("/tmp", O_TMPFILE | O_WRONLY, 0600)) +
         refused (open ("/dev/null", O_WRONLY)) + refused (mkdir ("/tmp/moss-hurt.d", 0700)) +
         refused (unlink (g_getenv ("HOME"))) + refused (rename ("/etc/hostname", "/etc/x"));
}

static int
read_private (void)
{
  return refused (open ("/tmp", O_RDONLY | O_DIRECTORY)) +
         refused (open ("/root", O_RDONLY | O_DIRECTORY)) +
         refused (open ("/run", O_RDONLY | O_DIRECTORY)) +
         refused (open ("/proc/1/environ", O_RDONLY));
}

static int
use_network (void)
{
  int ends[2];

  return refused (socket (AF_INET, SOCK_STREAM, 0)) + refused (socket (AF_UNIX, SOCK_STREAM, 0)) +
         refused (socket (AF_NETLINK, SOCK_RAW, 0)) +
         refused (socketpair (AF_UNIX, SOCK_DGRAM, 0, ends)) + refused (listen (3, 5));
}

static int
execute (void)
{
  char *const argv[] = { (char *) "true", NULL };
  pid_t pid;

  return refused (execve ("/bin/true", argv, NULL)) + refused (fork ()) +
         (posix_spawn (&pid, "/bin/true", NULL, NULL, argv, NULL) == 0 ? 1 : 0);
}

static int
reach_others (void)
{
  return refused (ptrace (PTRACE_ATTACH, getppid (), 0, 0)) + refused (kill (getppid (), SIGURG)) +
         refused (setuid (12345)) + refused (mount ("none", "/mnt", "tmpfs", 0, NULL)) +
         refused (unshare (CLONE_NEWUSER));
}

static const struct
{
  const char *capability;
  int (*run) (void);
} tries[] = {
  { "generate write-file() -> application/x-moss-value,type=i", write_file },
  { "generate read-private() -> application/x-moss-value,type=i", read_private },
  { "generate use-network() -> application/x-moss-value,type=i", use_network },
  { "generate execute() -> application/x-moss-value,type=i", execute },
  { "generate reach-others() -> application/x-moss-value,type=i", reach_others },
};

static void
on_try (MossFfiInvocation *invocation, gpointer data)
{
  int (*run) (void) = data;

  moss_ffi_invocation_set_value (invocation, "value", g_variant_new_int32 (run ()));
  moss_ffi_invocation_return (invocation);
}

/* --- how a provider fails --- */

static void
on_hang (MossFfiInvocation *invocation, gpointer data)
{
  for (;;)
    g_usleep (G_USEC_PER_SEC);
}

static void
on_crash (MossFfiInvocation *invocation, gpointer data)
{
  raise (SIGSEGV);
}

/* Until there is no more, which must come before the machine has none. */
static void
on_eat (MossFfiInvocation *invocation, gpointer data)
{
  const gsize piece = 256 * 1024 * 1024;
  gsize eaten = 0;

  while (eaten / piece < 64 && mmap (NULL, piece, PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
    eaten += piece;
  moss_ffi_invocation_set_value (invocation, "value", g_variant_new_int32 (eaten / piece));
  moss_ffi_invocation_return (invocation);
}

static void
on_wrong_type (MossFfiInvocation *invocation, gpointer data)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static ("no picture", 10);
  g_autoptr (MossFfiBuffer) buffer = moss_ffi_buffer_new ("text/plain", bytes);

  moss_ffi_invocation_add_output (invocation, buffer);
  moss_ffi_invocation_return (invocation);
}

/* It says its picture is larger than the memory it hands over. */
static void
on_short (MossFfiInvocation *invocation, gpointer data)
{
  g_autoptr (MossFfiBuffer) buffer = NULL;

  buffer = moss_ffi_buffer_new_writable ("video/x-raw,format=RGB,width=1000,height=1000", 100000,
                                         NULL);
  moss_ffi_buffer_add_dim (buffer, 1000, 3000);
  moss_ffi_buffer_add_dim (buffer, 1000, 3);
  moss_ffi_invocation_add_output (invocation, buffer);
  moss_ffi_invocation_return (invocation);
}

static gboolean
change (gpointer data)
{
  memset (data, 'B', 100000);
  return G_SOURCE_REMOVE;
}

/* Keeps a mapping of what it hands over, to write in it afterwards. */
static void
on_change (MossFfiInvocation *invocation, gpointer data)
{
  g_autoptr (MossFfiBuffer) buffer = NULL;
  guint8 *kept;

  buffer = moss_ffi_buffer_new_writable ("application/octet-stream", 100000, NULL);
  kept = mmap (NULL, 100000, PROT_READ | PROT_WRITE, MAP_SHARED, moss_ffi_buffer_get_fd (buffer),
               0);
  memset (kept, 'A', 100000);
  moss_ffi_invocation_add_output (invocation, buffer);
  moss_ffi_invocation_return (invocation);
  g_timeout_add (20, change, kept);
}

static const struct
{
  const char *capability;
  MossFfiFunction run;
} failures[] = {
  { "generate hang() -> application/x-moss-value,type=i", on_hang },
  { "generate crash() -> application/x-moss-value,type=i", on_crash },
  { "generate eat() -> application/x-moss-value,type=i", on_eat },
  { "generate wrong-type() -> image/png", on_wrong_type },
  { "generate short() -> video/x-raw,format=RGB", on_short },
  { "generate change() -> application/octet-stream", on_change },
};

static MossFfiProvider *
open_hurt (const char *manifest, GError **error)
{
  MossFfiProvider *provider = moss_ffi_provider_new ("hurt", "1");

  for (guint i = 0; i < G_N_ELEMENTS (tries); i++)
    if (!moss_ffi_provider_add (provider, tries[i].capability, NULL, on_try, tries[i].run, NULL,
                                error))
      return NULL;
  for (guint i = 0; i < G_N_ELEMENTS (failures); i++)
    if (!moss_ffi_provider_add (provider, failures[i].capability, NULL, failures[i].run, NULL,
                                NULL, error))
      return NULL;
  return provider;
}

const MossFfiBridge moss_ffi_bridge = {
  .abi = MOSS_FFI_BRIDGE_ABI,
  .name = "hurt",
  .open = open_hurt,
};
