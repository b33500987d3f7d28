/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Writes filter-ARCH.h: the system call filter of a sandbox as a program, from the rules below. It
 * is run by hand when they change (see filter.h); the program stands in the source, so that every
 * machine installs the very same one, whatever its libseccomp makes of the rules.
 *
 * Policy: what can't travel is absent (ENOSYS, so that programs take their other way): io_uring,
 * userfaultfd, clone3 (its flags can't be looked at; libc falls back to clone). What would make
 * a sandbox in the sandbox, change mounts, reach the kernel's insides or keys, or widen what an
 * attacker can try is refused (EPERM). Sockets are of the families that can travel. Other
 * architectures' system calls end the process: they would go around the list. */

#include <errno.h>
#include <linux/filter.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <unistd.h>

static const int absent[] = {
  SCMP_SYS (io_uring_setup), SCMP_SYS (io_uring_enter), SCMP_SYS (io_uring_register),
  SCMP_SYS (userfaultfd),    SCMP_SYS (clone3),         SCMP_SYS (memfd_secret),
  SCMP_SYS (fanotify_init),
};

static const int refused[] = {
  SCMP_SYS (mount),         SCMP_SYS (umount2),         SCMP_SYS (pivot_root),
  SCMP_SYS (chroot),        SCMP_SYS (open_tree),       SCMP_SYS (move_mount),
  SCMP_SYS (fsopen),        SCMP_SYS (fsconfig),        SCMP_SYS (fsmount),
  SCMP_SYS (fspick),        SCMP_SYS (mount_setattr),   SCMP_SYS (setns),
  SCMP_SYS (bpf),           SCMP_SYS (perf_event_open), SCMP_SYS (add_key),
  SCMP_SYS (request_key),   SCMP_SYS (keyctl),          SCMP_SYS (kexec_load),
  SCMP_SYS (kexec_file_load), SCMP_SYS (init_module),   SCMP_SYS (finit_module),
  SCMP_SYS (delete_module), SCMP_SYS (reboot),          SCMP_SYS (swapon),
  SCMP_SYS (swapoff),       SCMP_SYS (acct),            SCMP_SYS (quotactl),
  SCMP_SYS (quotactl_fd),   SCMP_SYS (syslog),          SCMP_SYS (open_by_handle_at),
  SCMP_SYS (name_to_handle_at), SCMP_SYS (lookup_dcookie), SCMP_SYS (move_pages),
  SCMP_SYS (migrate_pages), SCMP_SYS (settimeofday),    SCMP_SYS (clock_settime),
  SCMP_SYS (vhangup),       SCMP_SYS (iopl),            SCMP_SYS (ioperm),
  SCMP_SYS (nfsservctl),    SCMP_SYS (vm86),            SCMP_SYS (modify_ldt),
  SCMP_SYS (landlock_restrict_self),
};

#define NEW_NAMESPACES                                                                           \
  (CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS       \
   | CLONE_NEWCGROUP)
#define CLONE_NEWTIME_BIT 0x80

/* A bit each: a filter compares masked values, and any one of them is enough to refuse. */
static int
refuse_namespaces (scmp_filter_ctx filter)
{
  for (unsigned bit = 0; bit < 32; bit++)
    {
      scmp_datum_t flag = 1u << bit;
      int result = 0;

      if (flag & NEW_NAMESPACES)
        result = seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (clone), 1,
                                   SCMP_A0 (SCMP_CMP_MASKED_EQ, flag, flag));
      if (result == 0 && (flag & NEW_NAMESPACES || flag == CLONE_NEWTIME_BIT))
        result = seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (unshare), 1,
                                   SCMP_A0 (SCMP_CMP_MASKED_EQ, flag, flag));
      if (result != 0)
        return result;
    }
  return 0;
}

/* Sockets only of the families that belong to the network namespace and can travel: others
 * reach the machine or its hypervisor (vsock), or load old code into the kernel. */
static int
refuse_sockets (scmp_filter_ctx filter)
{
  static const int calls[] = { SCMP_SYS (socket), SCMP_SYS (socketpair) };
  int result = 0;

  for (unsigned i = 0; result == 0 && i < 2; i++)
    {
      for (int family = 0; result == 0 && family < AF_NETLINK; family++)
        if (family != AF_UNIX && family != AF_INET && family != AF_INET6)
          result = seccomp_rule_add (filter, SCMP_ACT_ERRNO (EAFNOSUPPORT), calls[i], 1,
                                     SCMP_A0 (SCMP_CMP_EQ, family));
      if (result == 0)
        result = seccomp_rule_add (filter, SCMP_ACT_ERRNO (EAFNOSUPPORT), calls[i], 1,
                                   SCMP_A0 (SCMP_CMP_GT, AF_NETLINK));
    }
  return result;
}

/* TIOCSTI types into another's terminal, TIOCLINUX pastes into a console. */
static int
refuse_ioctls (scmp_filter_ctx filter)
{
  static const scmp_datum_t requests[] = { 0x5412, 0x541c };
  int result = 0;

  for (unsigned i = 0; result == 0 && i < 2; i++)
    result = seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (ioctl), 1,
                               SCMP_A1 (SCMP_CMP_MASKED_EQ, 0xffffffff, requests[i]));
  return result;
}

/* Every flag and domain but ADDR_NO_RANDOMIZE; the value with all bits set only asks. */
static int
refuse_personalities (scmp_filter_ctx filter)
{
  const scmp_datum_t top = 1u << 31;
  int result = 0;

  for (unsigned bit = 0; result == 0 && bit < 31; bit++)
    {
      scmp_datum_t flag = 1u << bit;

      if (flag != ADDR_NO_RANDOMIZE)
        result = seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (personality), 1,
                                   SCMP_A0 (SCMP_CMP_MASKED_EQ, top | flag, flag));
    }
  return result;
}

static int
add_list (scmp_filter_ctx filter, const int *calls, size_t n, uint32_t action)
{
  for (size_t i = 0; i < n; i++)
    {
      int result = seccomp_rule_add (filter, action, calls[i], 0);

      if (result != 0 && result != -EDOM) /* a call that this architecture never had */
        return result;
    }
  return 0;
}

static int
add_rules (scmp_filter_ctx filter)
{
  int result = seccomp_attr_set (filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);

  if (result == 0)
    result = add_list (filter, absent, sizeof absent / sizeof absent[0],
                       SCMP_ACT_ERRNO (ENOSYS));
  if (result == 0)
    result = add_list (filter, refused, sizeof refused / sizeof refused[0],
                       SCMP_ACT_ERRNO (EPERM));
  if (result == 0)
    result = refuse_namespaces (filter);
  if (result == 0)
    result = refuse_sockets (filter);
  if (result == 0)
    result = refuse_ioctls (filter);
  if (result == 0)
    result = refuse_personalities (filter);
  return result;
}

/* The rules for one architecture, whatever the one that this runs on. */
static int
compile (uint32_t arch, int fd)
{
  scmp_filter_ctx filter = seccomp_init (SCMP_ACT_ALLOW);
  int result = filter == NULL ? -ENOMEM : 0;

  if (result == 0 && arch != seccomp_arch_native ())
    {
      result = seccomp_arch_add (filter, arch);
      if (result == 0)
        result = seccomp_arch_remove (filter, SCMP_ARCH_NATIVE);
    }
  if (result == 0)
    result = add_rules (filter);
  if (result == 0)
    result = seccomp_export_bpf (filter, fd);
  if (filter != NULL)
    seccomp_release (filter);
  return result;
}

static void
print (const struct sock_filter *program, size_t n)
{
  const struct scmp_version *version = seccomp_version ();

  printf ("/* SPDX-License-Identifier: GPL-3.0-or-later */\n"
          "/* Made by make-filter with libseccomp %u.%u.%u; not to be edited. */\n",
          version->major, version->minor, version->micro);
  for (size_t i = 0; i < n; i++)
    printf ("%s{ 0x%02x, %u, %u, 0x%08x },%s", i % 3 == 0 ? "  " : " ", program[i].code,
            program[i].jt, program[i].jf, program[i].k, i % 3 == 2 || i == n - 1 ? "\n" : "");
}

int
main (int argc, char **argv)
{
  static struct sock_filter program[BPF_MAXINSNS];
  uint32_t arch = argc == 2 ? seccomp_arch_resolve_name (argv[1]) : 0;
  int fd = memfd_create ("filter", MFD_CLOEXEC);
  ssize_t size;
  int result;

  if (arch == 0 || fd < 0)
    {
      fprintf (stderr, "usage: make-filter ARCH >filter-ARCH.h\n");
      return 2;
    }
  result = compile (arch, fd);
  size = pread (fd, program, sizeof program, 0);
  if (result != 0 || size <= 0)
    {
      fprintf (stderr, "make-filter: %s\n", strerror (-result));
      return 1;
    }
  print (program, size / sizeof program[0]);
  return 0;
}
