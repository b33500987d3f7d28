// SPDX-License-Identifier: LGPL-2.1-or-later
/* What a process gives up by itself, for good, before it works for others: privileges, files
 * (Landlock), system calls (seccomp), and what it may use (resource limits). The lists stand
 * with each program, so that its policy is read in one place; this is only how it is done. */
#define G_LOG_DOMAIN "moss-confine"

#include "core/confine/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Younger than Debian 12's kernel headers; a kernel that has them says so by its version of
 * the interface (Documentation/userspace-api/landlock.rst). */
#define FS_REFER (1ull << 13)     /* 2 */
#define FS_TRUNCATE (1ull << 14)  /* 3 */
#define FS_IOCTL_DEV (1ull << 15) /* 5 */
#define SCOPE_SIGNAL (1ull << 1)  /* 6 */

struct ruleset
{
  guint64 files;
  guint64 network; /* 4 */
  guint64 scoped;  /* 6 */
};

struct _MossConfineFiles
{
  int rules;
  int version;
  MossConfineRights taken;
};

static gboolean
fail (const char *what, int number, GError **error)
{
  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (number), "%s: %s", what,
               g_strerror (number));
  return FALSE;
}

static guint64
rights_for (MossConfineRights rights, int version)
{
  guint64 result = 0;

  if (rights & MOSS_CONFINE_READ)
    result |= LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
  if (rights & MOSS_CONFINE_EXECUTE)
    result |= LANDLOCK_ACCESS_FS_EXECUTE;
  if (rights & MOSS_CONFINE_WRITE)
    result |= LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
              LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
              LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_CHAR |
              LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
              LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM |
              (version >= 2 ? FS_REFER : 0) | (version >= 3 ? FS_TRUNCATE : 0) |
              (version >= 5 ? FS_IOCTL_DEV : 0);
  return result;
}

/**
 * moss_confine_files_new:
 * @taken: what the process will no longer have anywhere but where it's allowed
 *
 * Returns: (transfer full): rules that hold once they are entered; %NULL with
 *   G_IO_ERROR_NOT_SUPPORTED where the kernel has no Landlock. What an older Landlock can't
 *   take is missing in moss_confine_files_get_taken().
 */
MossConfineFiles *
moss_confine_files_new (MossConfineRights taken, GError **error)
{
  g_autofree MossConfineFiles *files = g_new0 (MossConfineFiles, 1);
  struct ruleset attributes = { 0 };
  gsize size;

  files->version = syscall (SYS_landlock_create_ruleset, NULL, 0,
                            LANDLOCK_CREATE_RULESET_VERSION);
  if (files->version < 1)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, "this kernel has no Landlock");
      return NULL;
    }
  if (files->version < 6)
    taken &= ~MOSS_CONFINE_SIGNAL;
  attributes.files = rights_for (taken, files->version);
  attributes.scoped = taken & MOSS_CONFINE_SIGNAL ? SCOPE_SIGNAL : 0;
  size = files->version >= 6 ? sizeof attributes : sizeof attributes.files;
  files->taken = taken;
  files->rules = syscall (SYS_landlock_create_ruleset, &attributes, size, 0);
  if (files->rules < 0)
    return fail ("files can't be locked", errno, error), NULL;
  return g_steal_pointer (&files);
}

MossConfineRights
moss_confine_files_get_taken (MossConfineFiles *files)
{
  return files->taken;
}

/**
 * moss_confine_files_allow:
 * @path: a file, or a folder with all below it
 *
 * Returns: %FALSE with G_IO_ERROR_NOT_FOUND and the like where there is no such path.
 */
gboolean
moss_confine_files_allow (MossConfineFiles *files, const char *path, MossConfineRights rights,
                          GError **error)
{
  guint64 of_files = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                     LANDLOCK_ACCESS_FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV;
  struct landlock_path_beneath_attr beneath = { 0 };
  struct stat st;
  int result, number;

  beneath.allowed_access = rights_for (rights & files->taken, files->version);
  beneath.parent_fd = open (path, O_PATH | O_CLOEXEC);
  if (beneath.parent_fd < 0)
    return fail (path, errno, error);
  if (fstat (beneath.parent_fd, &st) == 0 && !S_ISDIR (st.st_mode))
    beneath.allowed_access &= of_files;
  result = syscall (SYS_landlock_add_rule, files->rules, LANDLOCK_RULE_PATH_BENEATH, &beneath,
                    0);
  number = errno;
  close (beneath.parent_fd);
  return result == 0 || fail (path, number, error);
}

/**
 * moss_confine_files_enter:
 *
 * For the calling thread and those it starts from now on, so call it before there are others.
 */
gboolean
moss_confine_files_enter (MossConfineFiles *files, GError **error)
{
  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
      syscall (SYS_landlock_restrict_self, files->rules, 0) < 0)
    return fail ("files can't be locked", errno, error);
  return TRUE;
}

void
moss_confine_files_free (MossConfineFiles *files)
{
  close (files->rules);
  g_free (files);
}

static int
add_rules (scmp_filter_ctx filter, const int *allowed, gsize n_allowed,
           const MossConfineCall *if_equal, gsize n_if_equal)
{
  int result = 0;

  for (gsize i = 0; result == 0 && i < n_allowed; i++)
    {
      result = seccomp_rule_add (filter, SCMP_ACT_ALLOW, allowed[i], 0);
      if (result == -EDOM) /* not on this architecture */
        result = 0;
    }
  for (gsize i = 0; result == 0 && i < n_if_equal; i++)
    {
      result = seccomp_rule_add (filter, SCMP_ACT_ALLOW, if_equal[i].call, 1,
                                 SCMP_CMP64 (if_equal[i].argument, SCMP_CMP_MASKED_EQ,
                                             if_equal[i].mask, if_equal[i].value));
      if (result == -EDOM)
        result = 0;
    }
  /* clone3's flags can't be looked at: libc has to do with clone. */
  if (result == 0)
    result = seccomp_rule_add (filter, SCMP_ACT_ERRNO (ENOSYS), SCMP_SYS (clone3), 0);
  return result;
}

/**
 * moss_confine_calls:
 * @allowed: system calls of SCMP_SYS() that are allowed as they are
 * @if_equal: and those that are allowed with certain arguments only
 *
 * For all threads there are and will be, and what they execute: any other call fails with
 * EPERM, clone3 with ENOSYS.
 */
gboolean
moss_confine_calls (const int *allowed, gsize n_allowed, const MossConfineCall *if_equal,
                    gsize n_if_equal, GError **error)
{
  scmp_filter_ctx filter = seccomp_init (SCMP_ACT_ERRNO (EPERM));
  int result = filter == NULL ? -ENOMEM : seccomp_attr_set (filter, SCMP_FLTATR_CTL_TSYNC, 1);

  if (result == 0)
    result = add_rules (filter, allowed, n_allowed, if_equal, n_if_equal);
  if (result == 0)
    result = seccomp_load (filter);
  if (filter != NULL)
    seccomp_release (filter);
  return result == 0 || fail ("the list of system calls can't be set", -result, error);
}

/**
 * moss_confine_privileges:
 *
 * No privilege through a program's set-user-id bit, no memory image, no looking in by others.
 */
gboolean
moss_confine_privileges (GError **error)
{
  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl (PR_SET_DUMPABLE, 0) < 0)
    return fail ("privileges can't be given up", errno, error);
  return moss_confine_limit (RLIMIT_CORE, 0, error);
}

gboolean
moss_confine_limit (int what, rlim_t most, GError **error)
{
  struct rlimit now;

  if (getrlimit (what, &now) < 0)
    return fail ("resource limits", errno, error);
  now.rlim_max = MIN (now.rlim_max, most);
  now.rlim_cur = now.rlim_max;
  return setrlimit (what, &now) == 0 || fail ("resource limits", errno, error);
}
