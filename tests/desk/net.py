# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of /net's desktop side share: netd's double, and words to it."""

import os
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "ui"))
from desktop import BUILD, SHOTS, Desktop, Failed, Lines, run  # noqa: E402,F401

HOME = "/net/me@home.test"
SYNCED = "status {'state': <'synced'>, 'hosts': <[{'url': <'https://home.test'>, " \
         "'state': <'linked'>, 'used': <uint64 1200000000>, 'quota': <uint64 5000000000>}]>, " \
         "'latest': <[('%s/notes.txt', 'came', int64 1795344000000000), " \
         "('%s/map.png', 'saved', int64 1795343000000000)]>}" % (HOME, HOME)
SYNCING = "status {'state': <'syncing'>, 'done': <uint32 2>, 'total': <uint32 12>, " \
          "'bytes-per-s': <uint64 4200000>, 'seconds-left': <uint32 12>, " \
          "'waiting-bytes': <uint64 50000000>}"
CONFLICT = "status {'state': <'conflict'>, 'conflicts': <uint32 1>}"
CONFLICTS = "conflicts [{'path': <'%s/notes.txt'>, 'other': <'%s/notes (conflict of Laptop, " \
            "2026-11-22).txt'>, 'device': <'Laptop'>, 'time': <int64 1795344000000000>}]" \
            % (HOME, HOME)
FULL = "status {'state': <'host-full'>, 'reason': <'home.test has no room left.'>}"
DEVICES = "devices [{'id': <'" + "1" * 64 + "'>, 'name': <'Laptop'>, 'state': <'linked'>, " \
          "'paired': <true>, 'kind': <'laptop'>}]"


class Netd:
    """The double, on a desktop's bus."""

    def __init__(self, desktop):
        self.process = desktop.spawn([os.path.join(BUILD, "tests/desk/fake-files")],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.calls = Lines(self.process.stdout)
        self.calls.expect("ready")

    def tell(self, *lines):
        for line in lines:
            self.process.stdin.write(line + "\n")
        self.process.stdin.flush()


class Folders:
    """/net/me@home.test for one test, in a mount namespace of this process: see private()."""

    def __init__(self, hang=False):
        self.hang = hang
        self.made_net = not os.path.isdir("/net")
        self.daemon = None

    def __enter__(self):
        os.makedirs("/net", exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/net"], check=True)
        os.makedirs(HOME)
        if self.hang:
            self.mount_fuse()
        return self

    def mount_fuse(self):
        """A real FUSE mount, whose daemon can be stopped."""
        cipher = "/net/.cipher"
        os.mkdir(cipher)
        subprocess.run(["gocryptfs", "-q", "-init", "-scryptn", "10", "-extpass", "echo x", cipher],
                       check=True)
        self.daemon = subprocess.Popen(["gocryptfs", "-q", "-fg", "-extpass", "echo x", cipher, HOME],
                                       stderr=subprocess.DEVNULL)
        for _ in range(100):
            if os.path.ismount(HOME):
                return
            time.sleep(0.05)
        raise Failed("no FUSE mount")

    def __exit__(self, *unused):
        if self.daemon:
            self.daemon.send_signal(signal.SIGCONT)
            subprocess.run(["umount", "-l", HOME], check=False)
            self.daemon.kill()
            self.daemon.wait()
        subprocess.run(["umount", "-l", "/net"], check=False)
        if self.made_net:
            os.rmdir("/net")


def private():
    """Goes on in a mount namespace of its own; without root there is none: skipped."""
    if os.environ.get("MOSS_PRIVATE"):
        return
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root for /net")
        sys.exit(77)
    os.environ["MOSS_PRIVATE"] = "1"
    os.execvp("unshare", ["unshare", "-m", "--propagation", "private", sys.executable] + sys.argv)
