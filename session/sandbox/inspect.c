/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Looks at a running sandbox from outside, without stopping it: what would make CRIU refuse is said
 * here before anything freezes, in a sentence that names the program and the thing. */

#include "inspect.h"
#include "error.h"
#include "fds.h"
#include "listeners.h"
#include "net-mount.h"
#include "outward.h"
#include "sandbox-cgroup.h"
#include "walk.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/vfs.h>

#define GONE " (deleted)"
#define MAX_BLOCKERS 32
#define MAX_FILES 65536
#define MAX_LAYER_ENTRIES 1000000
#define MAX_TASK_IMAGES 18000 /* see image-check.c and image-pack.c: 20000 of all kinds */

#define MQUEUE_MAGIC 0x19800202

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

typedef struct
{
  MossSandbox *sandbox;
  GPtrArray *blockers;
  GHashTable *files;
  GHashTable *outward; /* sockets, by their inodes */
  guint64 memory_bytes;
  guint64 layer_bytes;
  guint layer_entries;
  guint images; /* that CRIU would write */
} Inspection;

/* ---- what is judged by its name ------------------------------------------------------ */

static const char *const good_devices[] = { "/dev/null",   "/dev/zero",    "/dev/full",
                                            "/dev/random", "/dev/urandom", "/dev/ptmx",
                                            "/dev/console", NULL };
static const char *const good_anonymous[] = { "[eventfd]", "[eventpoll]", "[signalfd]",
                                              "[timerfd]", "inotify",     "[pidfd]", NULL };

static const struct
{
  const char *prefix;
  const char *meaning;
} bad_links[] = {
  { "anon_inode:[io_uring]", "uses io_uring" },
  { "anon_inode:[userfaultfd]", "uses userfaultfd" },
  { "anon_inode:[perf_event]", "measures performance counters" },
  { "anon_inode:kvm", "runs a virtual machine (KVM)" },
  { "anon_inode:bpf", "has a BPF program loaded" },
  { "anon_inode:[fanotify]", "watches whole file systems (fanotify)" },
  { "anon_inode:sync_file", "waits for the graphics card" },
  { "/dmabuf:", "shares memory with the graphics card" },
  { "/secretmem", "has secret memory" },
  { "mnt:[", "holds a namespace open" },
  { "user:[", "holds a namespace open" },
  { "pid:[", "holds a namespace open" },
  { "net:[", "holds a namespace open" },
  { "ipc:[", "holds a namespace open" },
  { "uts:[", "holds a namespace open" },
  { "cgroup:[", "holds a namespace open" },
  { "time:[", "holds a namespace open" },
  { "pid_for_children:[", "holds a namespace open" },
  { "time_for_children:[", "holds a namespace open" },
  { "/[aio]", "reads and writes files asynchronously (AIO)" },
  { "/dev/net/", "has a network device of its own open" },
};

char *
moss_inspect_judge_link (const char *name, const char *link)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad_links); i++)
    if (g_str_has_prefix (link, bad_links[i].prefix))
      return g_strdup_printf ("%s can't travel: it %s", name, bad_links[i].meaning);
  if (g_str_equal (link, "/dev/tty"))
    return g_strdup_printf ("%s can't travel: it shares its terminal in a way that can't be moved "
                            "(/dev/tty)", name);
  if (g_str_has_prefix (link, "/dev/shm/") || g_str_has_prefix (link, "/dev/pts/"))
    return NULL;
  if (g_str_has_prefix (link, "/dev/") && !g_strv_contains (good_devices, link)
      && !g_str_has_prefix (link, "/dev/zero "))
    return g_strdup_printf ("%s can't travel: it has %s open", name, link);
  if (g_str_has_prefix (link, "anon_inode:")
      && !g_strv_contains (good_anonymous, link + strlen ("anon_inode:")))
    return g_strdup_printf ("%s can't travel: it has a kernel object open (%s)", name,
                            link + strlen ("anon_inode:"));
  return NULL;
}

/* ---- one process --------------------------------------------------------------------- */

static void
add_blocker (Inspection *inspection, char *sentence)
{
  if (sentence == NULL)
    return;
  for (guint i = 0; i < inspection->blockers->len; i++)
    if (strcmp (inspection->blockers->pdata[i], sentence) == 0)
      sentence[0] = '\0';
  if (sentence[0] != '\0' && inspection->blockers->len < MAX_BLOCKERS
      && g_utf8_validate (sentence, -1, NULL))
    g_ptr_array_add (inspection->blockers, sentence);
  else
    g_free (sentence);
}

/* The program's name as the kernel has it, made fit for a sentence. */
static char *
read_name (pid_t pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/comm", pid);
  char *name = NULL;

  if (!g_file_get_contents (path, &name, NULL, NULL))
    return g_strdup ("a process");
  g_strchomp (name);
  for (char *c = name; *c != '\0'; c++)
    if (!g_ascii_isprint (*c))
      *c = '?';
  return name;
}

/* moss-init has such ones too, and closes them before a freeze. */
static void
judge_outward (Inspection *inspection, pid_t pid, int fd, const char *name)
{
  struct stat st;

  if (pid != inspection->sandbox->pid
      && (moss_outward_is_foreign (fd, inspection->sandbox->pid)
          || (fstat (fd, &st) == 0
              && g_hash_table_contains (inspection->outward, GUINT_TO_POINTER (st.st_ino)))))
    add_blocker (inspection, g_strdup_printf ("%s can't travel: it has a socket open that leads "
                                              "outside", name));
}

/* A restore binds it anew, and finds no place for that. One that was renamed is put back there. */
static void
judge_listener (Inspection *inspection, int fd, const char *name)
{
  struct sockaddr_un address;
  socklen_t size = sizeof address, one = sizeof (int);
  g_autofree char *path = NULL, *folder = NULL, *renamed = NULL;
  int listens = 0;

  if (getsockopt (fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &one) != 0 || !listens
      || getsockname (fd, (struct sockaddr *) &address, &size) != 0
      || size <= G_STRUCT_OFFSET (struct sockaddr_un, sun_path) || address.sun_path[0] != '/')
    return;
  path = g_strndup (address.sun_path, size - G_STRUCT_OFFSET (struct sockaddr_un, sun_path));
  folder = g_path_get_dirname (path);
  if (!moss_listeners_is_gone (inspection->sandbox, folder))
    return;
  renamed = moss_listeners_dup_name (inspection->sandbox, fd);
  if (renamed == NULL)
    add_blocker (inspection, g_strdup_printf ("%s can't travel: it listens at a socket whose "
                                              "folder is gone (%s)", name, path));
}

/* What a restore accepts: unix, TCP, UDP and netlink sockets. */
static void
judge_socket (Inspection *inspection, pid_t pid, int pidfd, int number, const char *name)
{
  moss_autofd fd = syscall (SYS_pidfd_getfd, pidfd, number, 0);
  int domain = -1, type = -1, protocol = -1;
  socklen_t size = sizeof domain;

  if (fd < 0 || getsockopt (fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0)
    return;
  size = sizeof type;
  getsockopt (fd, SOL_SOCKET, SO_TYPE, &type, &size);
  size = sizeof protocol;
  getsockopt (fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size);
  judge_outward (inspection, pid, fd, name);
  if (domain == AF_UNIX)
    judge_listener (inspection, fd, name);
  if (domain != AF_UNIX && domain != AF_INET && domain != AF_INET6 && domain != AF_NETLINK)
    add_blocker (inspection, g_strdup_printf ("%s can't travel: it has a socket of a kind "
                                              "that can't move (family %d)", name, domain));
  if ((domain == AF_INET || domain == AF_INET6) && type == SOCK_DGRAM
      && (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6))
    add_blocker (inspection, g_strdup_printf ("%s can't travel: it is pinging", name));
  else if ((domain == AF_INET || domain == AF_INET6) && type != SOCK_STREAM && type != SOCK_DGRAM)
    add_blocker (inspection, g_strdup_printf ("%s can't travel: it has a raw network socket open",
                                              name));
}

/* Of the sandbox's root, /proc, /dev/pts: a message queue is a file of another file system, with a
 * name like any other. */
static gboolean
is_message_queue (const char *path)
{
  struct statfs fs;

  return statfs (path, &fs) == 0 && fs.f_type == MQUEUE_MAGIC;
}

/* Each read of such a one takes one off; CRIU restores it as one whose read takes all. Kernels
 * before 6.5 don't tell. */
static void
judge_event (Inspection *inspection, pid_t pid, const char *number, const char *name)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/fdinfo/%s", pid, number);
  g_autofree char *text = NULL;

  if (g_file_get_contents (path, &text, NULL, NULL)
      && strstr (text, "eventfd-semaphore: 1") != NULL)
    add_blocker (inspection, g_strdup_printf ("%s can't travel: it has an event that counts down "
                                              "(EFD_SEMAPHORE)", name));
}

static gboolean
is_runtime_file (Inspection *inspection, const char *path)
{
  static const char *const other[] = { "/proc/", "/dev/", "/run/", "/sys/", "/memfd:", "/SYSV",
                                       "/home/", "/tmp/", "/dmabuf:" };

  if (path[0] != '/' || g_str_has_suffix (path, " (deleted)"))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (other); i++)
    if (g_str_has_prefix (path, other[i]))
      return FALSE;
  /* What the app changed travels in the layer anyway. */
  return faccessat (inspection->sandbox->upper_fd, path + 1, F_OK, AT_SYMLINK_NOFOLLOW) != 0;
}

static void
add_file (Inspection *inspection, const char *path)
{
  if (g_hash_table_size (inspection->files) < MAX_FILES
      && !g_hash_table_contains (inspection->files, path) && is_runtime_file (inspection, path))
    g_hash_table_add (inspection->files, g_strdup (path));
}

/* A file of the owner's that has no name any more: it is on this machine alone. */
static void
judge_net_file (Inspection *inspection, const char *path, const char *link, const char *name)
{
  g_autofree char *file = NULL;
  struct stat st;

  if (!g_str_has_prefix (link, MOSS_NET_PATH "/") || !g_str_has_suffix (link, GONE)
      || stat (path, &st) != 0 || st.st_nlink > 0)
    return;
  file = g_strndup (link, strlen (link) - strlen (GONE));
  add_blocker (inspection, g_strdup_printf ("%s can't travel: it has %s open, which was removed "
                                            "from /net", name, file));
}

static void
inspect_descriptors (Inspection *inspection, pid_t pid, const char *name)
{
  g_autofree char *dir_path = g_strdup_printf ("/proc/%d/fd", pid);
  g_autoptr (GDir) dir = g_dir_open (dir_path, 0, NULL);
  moss_autofd pidfd = syscall (SYS_pidfd_open, pid, 0);
  const char *number;

  while (dir != NULL && (number = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (dir_path, number, NULL);
      g_autofree char *link = g_file_read_link (path, NULL);
      struct stat st;

      if (link == NULL)
        continue;
      if (g_str_has_prefix (link, "socket:"))
        judge_socket (inspection, pid, pidfd, atoi (number), name);
      else if (link[0] == '/' && strchr (link + 1, '/') == NULL && is_message_queue (path))
        add_blocker (inspection,
                     g_strdup_printf ("%s can't travel: it has a message queue open (%s)", name,
                                      link + 1));
      else
        add_blocker (inspection, moss_inspect_judge_link (name, link));
      judge_net_file (inspection, path, link, name);
      if (strcmp (link, "anon_inode:[eventfd]") == 0)
        judge_event (inspection, pid, number, name);
      if (link[0] == '/' && stat (path, &st) == 0 && S_ISREG (st.st_mode))
        add_file (inspection, link);
    }
}

/* The fourth letter of "r--s". */
static gboolean
is_shared (const char *line)
{
  const char *permissions = strchr (line, ' ');

  return permissions != NULL && strlen (permissions) > 4 && permissions[4] == 's';
}

/* CRIU maps before it seals, and the kernel refuses to seal what is mapped shared. */
static void
judge_sealed_mapping (Inspection *inspection, pid_t pid, const char *line, const char *name)
{
  g_autofree char *path = NULL;
  g_autofree char *range = g_strndup (line, strcspn (line, " "));
  moss_autofd fd = -1;
  int seals;

  path = g_strdup_printf ("/proc/%d/map_files/%s", pid, range);
  fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  seals = fd < 0 ? -1 : fcntl (fd, F_GET_SEALS);
  if (seals >= 0 && (seals & F_SEAL_WRITE))
    add_blocker (inspection, g_strdup_printf ("%s can't travel: it shares memory that is sealed "
                                              "against writing", name));
}

static void
inspect_mappings (Inspection *inspection, pid_t pid, const char *name)
{
  g_autofree char *maps_path = g_strdup_printf ("/proc/%d/maps", pid);
  g_autofree char *maps = NULL;
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents (maps_path, &maps, NULL, NULL))
    return;
  lines = g_strsplit (maps, "\n", -1);
  for (int i = 0; lines[i] != NULL; i++)
    {
      int at = 0;

      if (sscanf (lines[i], "%*s %*s %*s %*s %*s %n", &at) != 0 || at == 0 || lines[i][at] != '/')
        continue;
      add_blocker (inspection, moss_inspect_judge_link (name, lines[i] + at));
      if (g_str_has_prefix (lines[i] + at, "/memfd:") && is_shared (lines[i]))
        judge_sealed_mapping (inspection, pid, lines[i], name);
      if (g_str_has_prefix (lines[i] + at, MOSS_NET_PATH "/"))
        {
          g_autofree char *range = g_strndup (lines[i], strcspn (lines[i], " "));
          g_autofree char *path = g_strdup_printf ("/proc/%d/map_files/%s", pid, range);

          judge_net_file (inspection, path, lines[i] + at, name);
        }
      add_file (inspection, lines[i] + at);
    }
}

/* Only what moss-init has, but for the time namespace, which every restore makes anew. */
static void
inspect_namespaces (Inspection *inspection, pid_t pid, const char *name)
{
  static const char *const kinds[] = { "user", "pid", "mnt", "net", "ipc", "uts", "cgroup" };

  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      g_autofree char *own = g_strdup_printf ("/proc/%d/ns/%s", pid, kinds[i]);
      g_autofree char *init
          = g_strdup_printf ("/proc/%d/ns/%s", inspection->sandbox->pid, kinds[i]);
      g_autofree char *own_link = g_file_read_link (own, NULL);
      g_autofree char *init_link = g_file_read_link (init, NULL);

      if (own_link != NULL && init_link != NULL && strcmp (own_link, init_link) != 0)
        add_blocker (inspection, g_strdup_printf ("%s can't travel: it has made a sandbox of its "
                                                  "own (%s namespace)", name, kinds[i]));
    }
}

static void
inspect_status (Inspection *inspection, pid_t pid, const char *name)
{
  static const char *const memory[] = { "RssAnon:", "RssShmem:" };
  g_autofree char *path = g_strdup_printf ("/proc/%d/status", pid);
  g_autofree char *text = NULL;
  const char *line;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return;
  for (guint i = 0; i < G_N_ELEMENTS (memory); i++)
    if ((line = strstr (text, memory[i])) != NULL)
      inspection->memory_bytes
          += g_ascii_strtoull (line + strlen (memory[i]), NULL, 10) << 10;
  if ((line = strstr (text, "\nThreads:")) != NULL)
    inspection->images += g_ascii_strtoull (line + strlen ("\nThreads:"), NULL, 10);
  inspection->images += 6;
}

static void
inspect_process (Inspection *inspection, pid_t pid)
{
  g_autofree char *name = read_name (pid);

  inspect_status (inspection, pid, name);
  inspect_descriptors (inspection, pid, name);
  inspect_mappings (inspection, pid, name);
  inspect_namespaces (inspection, pid, name);
}

/* /proc/sysvipc shows the reader's own namespace: a thread of its own goes there and ends. */
static gpointer
count_message_queues (gpointer data)
{
  const Inspection *inspection = data;
  g_autofree char *path = g_strdup_printf ("/proc/%d/ns/ipc", inspection->sandbox->pid);
  moss_autofd fd = open (path, O_RDONLY | O_CLOEXEC);
  g_autofree char *table = NULL;
  guint lines = 0;

  if (fd < 0 || setns (fd, CLONE_NEWIPC) != 0
      || !g_file_get_contents ("/proc/sysvipc/msg", &table, NULL, NULL))
    return NULL;
  for (const char *c = table; *c != '\0'; c++)
    lines += *c == '\n';
  return GUINT_TO_POINTER (lines > 1);
}

static void
inspect_queues (Inspection *inspection)
{
  GThread *thread = g_thread_new ("queues", count_message_queues, inspection);

  if (g_thread_join (thread) != NULL)
    add_blocker (inspection, g_strdup_printf ("%s can't travel: it has a System V message queue",
                                              inspection->sandbox->name));
}

/* ---- the whole ----------------------------------------------------------------------- */

static gboolean
on_layer_entry (MossWalkStep step, int dir_fd, const char *name, const char *path,
                const struct stat *st, gpointer data)
{
  Inspection *inspection = data;

  if (step == MOSS_WALK_AFTER)
    return TRUE;
  if (S_ISREG (st->st_mode))
    inspection->layer_bytes += st->st_size;
  return step == MOSS_WALK_BEFORE || ++inspection->layer_entries < MAX_LAYER_ENTRIES;
}

static void
inspect_all (Inspection *inspection, GArray *pids)
{
  for (guint i = 0; i < pids->len; i++)
    inspect_process (inspection, g_array_index (pids, pid_t, i));
  inspect_queues (inspection);
  if (inspection->images > MAX_TASK_IMAGES)
    add_blocker (inspection, g_strdup_printf ("%s can't travel: it has too many processes and "
                                              "threads", inspection->sandbox->name));
  moss_walk (inspection->sandbox->upper_fd, on_layer_entry, inspection);
}

/* Whether the owner's files are in it: then it can go on only where they are, too. */
static gboolean
has_net (pid_t pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/mountinfo", pid);
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  gboolean found = FALSE;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return FALSE;
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL && !found; i++)
    {
      g_auto (GStrv) words = g_strsplit (lines[i], " ", 6);

      found = g_strv_length (words) == 6 && g_str_equal (words[4], MOSS_NET_PATH);
    }
  return found;
}

static GVariant *
make_answer (Inspection *inspection, guint n_pids)
{
  g_autofree gpointer *files = g_hash_table_get_keys_as_array (inspection->files, NULL);
  guint n_files = g_hash_table_size (inspection->files);
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert_value (
      &dict, "blockers",
      g_variant_new_strv ((const char *const *) inspection->blockers->pdata,
                          inspection->blockers->len));
  g_variant_dict_insert (&dict, "pids", "u", n_pids);
  g_variant_dict_insert (&dict, "net", "b", has_net (inspection->sandbox->pid));
  g_variant_dict_insert (&dict, "memory-bytes", "t", inspection->memory_bytes);
  g_variant_dict_insert (&dict, "layer-bytes", "t", inspection->layer_bytes);
  g_variant_dict_insert_value (
      &dict, "files",
      g_variant_new_bytestring_array ((const char *const *) files, n_files));
  return g_variant_new ("(@a{sv})", g_variant_dict_end (&dict));
}

GVariant *
moss_inspect_request (MossRequest *request, GError **error)
{
  g_autoptr (MossSandbox) sandbox = NULL;
  g_autoptr (GPtrArray) blockers = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GHashTable) files = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GHashTable) outward = NULL;
  g_autoptr (GArray) pids = NULL;
  Inspection inspection = { .blockers = blockers, .files = files, .images = 16 };
  const char *id;

  g_variant_get_child (request->parameters, 0, "&s", &id);
  sandbox = moss_registry_acquire (request->registry, request->caller, id, error);
  if (sandbox == NULL || !moss_sandbox_require_alive (sandbox, error)
      || !moss_sandbox_open_files (sandbox, FALSE, error))
    return NULL;
  inspection.sandbox = sandbox;
  inspection.outward = outward = moss_outward_find (sandbox->pid);
  pids = moss_sandbox_cgroup_get_pids (sandbox->cgroup_fd);
  inspect_all (&inspection, pids);
  return make_answer (&inspection, pids->len);
}
