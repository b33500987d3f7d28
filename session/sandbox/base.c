/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Policy: an app sees the programs, libraries and settings of the runtime (/usr, /etc, /opt, /var
 * and the links beside them) and nothing else of it. Every other name at the top is whited
 * out, whatever it is; /home, /root, /tmp, /run, /dev and the parts of /var where people's
 * data lies begin empty. Accounts are a fixed list, so an app does not learn who uses the
 * machine. What only root may read stays closed by its mode: the runtime's root is nobody inside.
 *
 * All of that is one overlay layer instead of mounts, because each mount makes every freeze
 * some milliseconds longer. */

#include "base.h"
#include "error.h"
#include "fds.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

typedef enum
{
  STEP_DIR,      /* merges with what the runtime has there */
  STEP_EMPTY,    /* hides what the runtime has there */
  STEP_WHITEOUT, /* nothing is there */
  STEP_FILE,
  STEP_LINK,
  STEP_NODE,
} StepKind;

typedef struct
{
  StepKind kind;
  const char *path;
  mode_t mode;
  guint owner;      /* inside */
  const char *text; /* content, link target */
  guint major, minor;
} Step;

static const char passwd[] = "root:x:0:0:root:/root:/usr/sbin/nologin\n"
                             "moss:x:1000:1000:Moss:/home/moss:/bin/bash\n"
                             "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
static const char group[] = "root:x:0:\ntty:x:5:\nmoss:x:1000:\nnogroup:x:65534:\n";
static const char hosts[] = "127.0.0.1 localhost moss\n::1 localhost ip6-localhost\n";
/* The address that pasta answers on when an app has the network. */
static const char resolv[] = "nameserver 169.254.53.53\n";

static const Step steps[] = {
  { STEP_EMPTY, "dev", 0755 },
  { STEP_NODE, "dev/null", 0666, .major = 1, .minor = 3 },
  { STEP_NODE, "dev/zero", 0666, .major = 1, .minor = 5 },
  { STEP_NODE, "dev/full", 0666, .major = 1, .minor = 7 },
  { STEP_NODE, "dev/random", 0666, .major = 1, .minor = 8 },
  { STEP_NODE, "dev/urandom", 0666, .major = 1, .minor = 9 },
  { STEP_LINK, "dev/ptmx", .text = "pts/ptmx" },
  { STEP_EMPTY, "dev/pts", 0755 },
  { STEP_LINK, "dev/shm", .text = "/run/shm" },
  { STEP_LINK, "dev/fd", .text = "/proc/self/fd" },
  { STEP_LINK, "dev/stdin", .text = "/proc/self/fd/0" },
  { STEP_LINK, "dev/stdout", .text = "/proc/self/fd/1" },
  { STEP_LINK, "dev/stderr", .text = "/proc/self/fd/2" },
  /* The device means "my terminal, whichever that is" and can't be moved while it is open. So
   * programs that open it, as less does in a pipe, get the terminal itself. */
  { STEP_LINK, "dev/tty", .text = "/proc/self/fd/2" },
  { STEP_EMPTY, "proc", 0555 },
  { STEP_EMPTY, "sys", 0555 },
  { STEP_EMPTY, "run", 0755 },
  { STEP_DIR, "run/moss", 0700 },
  { STEP_EMPTY, "tmp", 01777 },
  { STEP_EMPTY, "home", 0755 },
  { STEP_EMPTY, "root", 0700 },
  { STEP_EMPTY, "net", 0755 },
  { STEP_DIR, "var", 0755 },
  { STEP_EMPTY, "var/tmp", 01777 },
  { STEP_EMPTY, "var/log", 0755 },
  { STEP_EMPTY, "var/mail", 0755 },
  { STEP_EMPTY, "var/spool", 0755 },
  { STEP_EMPTY, "var/backups", 0755 },
  { STEP_EMPTY, "var/crash", 0755 },
  { STEP_LINK, "var/run", .text = "/run" },
  { STEP_LINK, "var/lock", .text = "/run/lock" },
  { STEP_DIR, "var/lib", 0755 },
  { STEP_WHITEOUT, "var/lib/moss" },
  { STEP_DIR, "etc", 0755 },
  { STEP_FILE, "etc/passwd", 0644, .text = passwd },
  { STEP_FILE, "etc/group", 0644, .text = group },
  { STEP_FILE, "etc/hostname", 0644, .text = "moss\n" },
  { STEP_FILE, "etc/hosts", 0644, .text = hosts },
  { STEP_FILE, "etc/resolv.conf", 0644, .text = resolv },
  { STEP_WHITEOUT, "etc/machine-id" },
};

/* What of the runtime's top shows through, and what the steps make there. */
static const char *const top_names[] = { "bin",  "sbin", "lib",  "lib32", "lib64", "libx32",
                                         "usr",  "etc",  "opt",  "var",   "dev",   "proc",
                                         "sys",  "run",  "tmp",  "home",  "root",  "net",   NULL };

static gboolean
own (int base, const char *path, guint id, GError **error)
{
  uid_t host = MOSS_SANDBOX_FIRST_ID + id;

  if (fchownat (base, path, host, host, AT_SYMLINK_NOFOLLOW) == 0)
    return TRUE;
  return moss_sandbox_fail_errno (error, errno, "Can't set the owner of %s", path);
}

static gboolean
make_dir (int base, const Step *step, GError **error)
{
  moss_autofd fd = -1;

  if (mkdirat (base, step->path, 0700) != 0
      || (fd = openat (base, step->path, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0
      || fchmod (fd, step->mode) != 0
      || (step->kind == STEP_EMPTY && fsetxattr (fd, "trusted.overlay.opaque", "y", 1, 0) != 0))
    return moss_sandbox_fail_errno (error, errno, "Can't make %s in the base layer", step->path);
  return own (base, step->path, step->owner, error);
}

static gboolean
write_all (int fd, const char *text, gsize size)
{
  while (size > 0)
    {
      gssize n = write (fd, text, size);

      if (n <= 0)
        return FALSE;
      text += n;
      size -= n;
    }
  return TRUE;
}

static gboolean
write_file (int dir, const char *path, const char *text, gsize size, mode_t mode,
            GError **error)
{
  moss_autofd fd = openat (dir, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

  if (fd < 0 || !write_all (fd, text, size) || fchmod (fd, mode) != 0)
    return moss_sandbox_fail_errno (error, errno, "Can't write %s", path);
  return TRUE;
}

static gboolean
do_step (int base, const Step *step, GError **error)
{
  switch (step->kind)
    {
    case STEP_DIR:
    case STEP_EMPTY:
      return make_dir (base, step, error);
    case STEP_WHITEOUT:
      if (mknodat (base, step->path, S_IFCHR, makedev (0, 0)) == 0)
        return TRUE;
      break;
    case STEP_FILE:
      return write_file (base, step->path, step->text, strlen (step->text), step->mode, error)
             && own (base, step->path, step->owner, error);
    case STEP_LINK:
      if (symlinkat (step->text, base, step->path) == 0)
        return TRUE;
      break;
    case STEP_NODE:
      if (mknodat (base, step->path, S_IFCHR | step->mode, makedev (step->major, step->minor)) == 0
          && fchmodat (base, step->path, step->mode, 0) == 0)
        return own (base, step->path, step->owner, error);
      break;
    }
  return moss_sandbox_fail_errno (error, errno, "Can't make %s in the base layer", step->path);
}

/* Hides everything at the runtime's top that is not listed. */
static gboolean
hide_top (int base, const char *root_dir, GError **error)
{
  g_autoptr (GDir) dir = g_dir_open (root_dir, 0, error);
  const char *name;

  if (dir == NULL)
    return FALSE;
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      Step step = { STEP_WHITEOUT, name };

      if (!g_strv_contains (top_names, name) && !do_step (base, &step, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
moss_base_build (const char *base_dir, const char *root_dir, GError **error)
{
  moss_autofd base = open (base_dir, O_DIRECTORY | O_CLOEXEC);

  if (base < 0)
    return moss_sandbox_fail_errno (error, errno, "Can't open %s", base_dir);
  for (guint i = 0; i < G_N_ELEMENTS (steps); i++)
    if (!do_step (base, &steps[i], error))
      return FALSE;
  return hide_top (base, root_dir, error);
}

/* moss-init travels with its sandbox: a restored one must find the very file it runs from,
 * whatever version is installed there. */
static gboolean
copy_init (int upper_fd, const char *program, GError **error)
{
  g_autofree char *content = NULL;
  gsize size;

  return g_file_get_contents (program, &content, &size, error)
         && write_file (upper_fd, MOSS_SANDBOX_INIT_PATH + 1, content, size, 0755, error)
         && own (upper_fd, MOSS_SANDBOX_INIT_PATH + 1, 0, error);
}

gboolean
moss_base_fill_upper (int upper_fd, const char *init_program, GError **error)
{
  static const Step own_steps[] = {
    { STEP_DIR, "home", 0755 },
    { STEP_DIR, "home/moss", 0700, .owner = MOSS_SANDBOX_APP_ID },
    { STEP_DIR, "etc", 0755 },
    { STEP_DIR, "usr", 0755 },
    { STEP_DIR, "usr/libexec", 0755 },
    { STEP_DIR, "usr/libexec/moss", 0755 },
  };
  guint8 random[16];
  char machine_id[34];

  for (guint i = 0; i < G_N_ELEMENTS (own_steps); i++)
    if (!do_step (upper_fd, &own_steps[i], error))
      return FALSE;
  if (getrandom (random, sizeof random, 0) != sizeof random)
    return moss_sandbox_fail_errno (error, errno, "Can't get random bytes");
  for (int i = 0; i < 16; i++)
    g_snprintf (machine_id + 2 * i, 3, "%02x", random[i]);
  machine_id[32] = '\n';
  return write_file (upper_fd, "etc/machine-id", machine_id, 33, 0444, error)
         && own (upper_fd, "etc/machine-id", 0, error)
         && copy_init (upper_fd, init_program, error);
}
