# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person would do today without Moss, as the baseline of the move: criu dump, tar, copy,
untar, criu restore of the same process tree, by hand and with nothing sent ahead.

It favours the baseline where it can: the copy is one on this computer's disk, not over a link."""
import ctypes
import filecmp
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hosts"))
import desk as desks  # noqa: E402
import hosts  # noqa: E402

OPTIONS = ["--tcp-close", "--file-locks", "--link-remap", "--ghost-limit", "268435456",
           "--network-lock", "skip", "--manage-cgroups=ignore", "-v2"]
LIBC = ctypes.CDLL(None)
SYS_PIDFD_GETFD = 438
OVERLAY = "lowerdir=/run/moss/private/base:/,index=on,nfs_export=on"


def number_inside(pid):
    """A process's id as its machine counts."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        numbers = next(line for line in status if line.startswith("NSpid:")).split()[1:]
    return int(numbers[numbers.index(str(pid)) + 1])


def beside_sandboxd(machine, argv):
    """Runs a command as root where moss-sandboxd's own mounts (the base layer) can be seen."""
    helper = number_inside(machine.pids("moss-sandboxd")[0])
    machine.root_run(["nsenter", "-t", str(helper), "-m", *argv])


def upper_of(pid):
    with open(f"/proc/{pid}/mountinfo", encoding="utf-8") as mounts:
        options = next(line for line in mounts if " / / " in line).split()[-1]
    return next(one for one in options.split(",") if one.startswith("upperdir="))[len("upperdir="):]


def mapped_and_different(source, target):
    """Runtime files that the processes map and the target has otherwise or not at all."""
    paths = set()
    for pid, _ in desks.sandboxed(source):
        with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
            fields = (line.split() for line in maps)
            paths |= {row[5] for row in fields if len(row) > 5 and row[5].startswith("/usr/")}
    # What the source has only in the sandbox's own layer goes with that.
    there = (path for path in sorted(paths) if os.path.exists(source.path(path)))
    return [path for path in there if not os.path.exists(target.path(path))
            or not filecmp.cmp(source.path(path), target.path(path), shallow=False)]


def inner_sockets(pid):
    """Inodes of the Unix sockets that a sandbox's own network namespace knows with both ends."""
    table = subprocess.run(["nsenter", "-t", str(pid), "-n", "ss", "-xaH"], check=True, text=True,
                           stdout=subprocess.PIPE).stdout
    ends = [(row[5], row[7]) for row in map(str.split, table.splitlines()) if len(row) > 7]
    own = {inode for inode, _ in ends}
    return {int(inode) for inode, peer in ends if peer == "0" or peer in own}


def cut_off(init):
    """Ends moss-init's connections to the session, which CRIU by itself can't move. Returns how many
    there were."""
    inner, ended = inner_sockets(init), 0
    pidfd = os.pidfd_open(init)
    for number in os.listdir(f"/proc/{init}/fd"):
        fd = LIBC.syscall(SYS_PIDFD_GETFD, pidfd, int(number), 0)
        if fd < 0:
            continue  # moss-init closed it just now
        status = os.fstat(fd)
        if stat.S_ISSOCK(status.st_mode) and status.st_ino not in inner:
            with socket.socket(fileno=os.dup(fd)) as one:
                one.shutdown(socket.SHUT_RDWR)
            ended += 1
        os.close(fd)
    os.close(pidfd)
    return ended


def move(source, target):
    """Moves the only sandbox of a machine and kills it there. Returns (seconds frozen, bytes of the
    archives). The processes are frozen from the first command to the last."""
    [init] = [pid for pid, name in desks.sandboxed(source) if name == "moss-init"]
    inner, upper = number_inside(init), upper_of(init)
    differing = mapped_and_different(source, target)
    for machine in (source, target):
        machine.root_run(["rm", "-rf", "/var/tmp/plain", "/var/tmp/upper", "/var/tmp/work"])
        machine.root_run(["mkdir", "-p", "/var/tmp/plain", "/var/tmp/upper", "/var/tmp/work",
                          "/mnt/plain"])
    # Nobody is to clear away the files of what seems to have ended.
    for program in ("moss-session", "moss-sandboxd"):
        source.kill(program, signal.SIGSTOP)
    hosts.wait_until("nothing leads out", lambda: not cut_off(init), 5, pause=0.02)
    began = time.monotonic()
    criu = [source.libexec("criu")]
    source.root_run(criu + ["dump", "-t", str(inner), "-D", "/var/tmp/plain", "-o", "dump.log"] + OPTIONS)
    source.root_run(["tar", "-C", "/var/tmp", "-cf", "/var/tmp/images.tar", "plain"])
    source.root_run(["tar", "-C", upper, "--xattrs", "--xattrs-include=trusted.overlay.opaque",
                     "-cf", "/var/tmp/upper.tar", "."])
    source.root_run(["tar", "-C", "/", "-cf", "/var/tmp/files.tar", *differing])
    size = 0
    for name in ("images.tar", "upper.tar", "files.tar"):
        size += os.path.getsize(source.path("/var/tmp/" + name))
        shutil.copy(source.path("/var/tmp/" + name), target.path("/var/tmp/" + name))
    for program in ("moss-sandboxd", "moss-session"):
        source.kill(program, signal.SIGCONT)
    target.root_run(["tar", "-C", "/var/tmp", "-xf", "/var/tmp/images.tar"])
    target.root_run(["tar", "-C", "/var/tmp/upper", "--xattrs", "--xattrs-include=*", "-xpf",
                     "/var/tmp/upper.tar"])
    target.root_run(["tar", "-C", "/var/tmp/upper", "-xpf", "/var/tmp/files.tar"])
    beside_sandboxd(target, ["mount", "-t", "overlay", "-o", OVERLAY +
                             ",upperdir=/var/tmp/upper,workdir=/var/tmp/work", "plain", "/mnt/plain"])
    beside_sandboxd(target, [target.libexec("criu"), "restore", "-d", "-D", "/var/tmp/plain",
                             "--root", "/mnt/plain", "-o", "restore.log"] + OPTIONS)
    seconds = time.monotonic() - began
    hosts.wait_until("the app runs", lambda: desks.sandboxed(target), 5)
    target.kill("moss-init")
    hosts.wait_until("the app is gone", lambda: not desks.sandboxed(target), 5)
    beside_sandboxd(target, ["umount", "/mnt/plain"])
    return seconds, size
