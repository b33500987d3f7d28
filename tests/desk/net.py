# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of /net's desktop side share: netd's double, and words to it."""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "ui"))
from desktop import BUILD, Desktop, Failed, Lines, run  # noqa: E402,F401

HOME = "/net/ada@home.test"
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
