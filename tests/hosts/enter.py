# SPDX-License-Identifier: GPL-3.0-or-later
"""The two steps of a test machine's birth that no shell command can do in a plain chroot.

enter.py private CMD...     make every mount of this (fresh) mount namespace private, run CMD
enter.py pivot ROOT CMD...  make ROOT, a mount point, the root of the namespace, run CMD in it

A process in a chroot can neither pivot_root nor, the kernel says, make user namespaces. Entering
the own mount namespace once more ends the chroot: its root is then that of the namespace.
"""
import ctypes
import os
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS = 0x20000
MS_REC, MS_PRIVATE, MNT_DETACH = 0x4000, 1 << 18, 2
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41}


def must(result, what):
    if result != 0:
        number = ctypes.get_errno()
        sys.exit(f"enter.py: {what}: {os.strerror(number)}")


def leave_chroot():
    namespace = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    must(LIBC.setns(namespace, CLONE_NEWNS), "setns")
    os.close(namespace)


def private(command):
    here = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    leave_chroot()
    must(LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "making mounts private")
    os.fchdir(here)
    os.chroot(".")
    os.execvp(command[0], command)


def pivot(root, command):
    there = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    leave_chroot()
    os.fchdir(there)
    os.close(there)
    must(LIBC.syscall(PIVOT_ROOT[os.uname().machine], b".", b"."), "pivot_root")
    must(LIBC.umount2(b".", MNT_DETACH), "umount")
    os.chdir("/")
    os.execvp(command[0], command)


if __name__ == "__main__":
    if sys.argv[1] == "private":
        private(sys.argv[2:])
    else:
        pivot(sys.argv[2], sys.argv[3:])
