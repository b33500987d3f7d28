#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every verb of moss net, against files that are only names."""

import json
import os
import subprocess
import time

from net import BUILD, CONFLICT, CONFLICTS, DEVICES, HOME, SYNCED, SYNCING, Failed, Lines, run

VERSIONS = "versions %s/notes.txt [{'version': <uint64 7>, 'time': <int64 1795344000000000>, " \
           "'size': <uint64 1200>, 'device': <'Laptop'>, 'path': <'%s/.versions/notes.txt/7'>, " \
           "'hosts': <uint32 2>}]" % (HOME, HOME)


class Bus:
    """A session bus with the double on it; no display."""

    def __init__(self, netd=True):
        self.environment = dict(os.environ, LANG="C.UTF-8", LC_ALL="C.UTF-8", LANGUAGE="")
        self.bus = subprocess.Popen(
            ["dbus-daemon", "--session", "--nofork", "--print-address"], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.environment["DBUS_SESSION_BUS_ADDRESS"] = self.bus.stdout.readline().strip()
        self.process = None
        if netd:
            self.process = subprocess.Popen(
                [os.path.join(BUILD, "tests/desk/fake-files")], env=self.environment, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self.calls = Lines(self.process.stdout)
            self.calls.expect("ready")

    def tell(self, *lines):
        for line in lines:
            self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        time.sleep(0.15)

    def moss(self, *words, status=0, cwd="/"):
        done = subprocess.run([os.path.join(BUILD, "session/cli/moss"), "net", *words],
                              env=self.environment, capture_output=True, text=True, cwd=cwd,
                              timeout=20, check=False)
        if done.returncode != status:
            raise Failed("%s: status %d: %s%s" % (words, done.returncode, done.stdout, done.stderr))
        text = done.stdout if status == 0 else done.stderr
        return text.replace("\u00a0", " ")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        for process in (self.process, self.bus):
            if process:
                process.kill()
                process.wait()


def check(condition, said):
    if not condition:
        raise Failed(repr(said))


def status_in_words_and_json():
    with Bus() as bus:
        check(bus.moss() == "No files on /net yet\n", bus.moss())
        bus.tell("mount %s mounted" % HOME, SYNCING)
        said = bus.moss("status")
        check(said == "/net/me@home.test\nSyncing 3 of 12. 4.2 MB/s, 12 s left\n", said)
        bus.tell(SYNCED)
        said = bus.moss()
        check("Everything is in sync\nhome.test: 1.2 GB of 5.0 GB used\n" in said, said)
        check("notes.txt came" in said and "map.png was saved" in said, said)
        status = json.loads(bus.moss("status", "--json"))
        check(status["home"] == HOME and status["mount-state"] == "mounted", status)
        check(status["state"] == "synced" and status["hosts"][0]["quota"] == 5000000000, status)
        bus.tell("mount %s failed no room" % HOME)
        check("can't be shown. no room" in bus.moss(), bus.moss())


def conflicts_and_resolve():
    with Bus() as bus:
        check(bus.moss("conflicts") == "", "said something")
        bus.tell("mount %s mounted" % HOME, CONFLICTS, CONFLICT)
        said = bus.moss("conflicts")
        check("/net/me@home.test/notes.txt" in said and "Laptop" in said, said)
        check(json.loads(bus.moss("conflicts", "--json"))[0]["device"] == "Laptop", "json")
        bus.moss("resolve", "notes.txt", "theirs", cwd="/tmp")
        bus.calls.expect("Resolve ('/tmp/notes.txt', 'theirs')")
        bus.moss("resolve", HOME + "/a/../notes.txt", "both")
        bus.calls.expect("Resolve ('%s/notes.txt', 'both')" % HOME)
        bus.moss("resolve", "x", "ours", status=2)
        bus.tell("refuse org.moss.Error.NotFound There is no such conflict.")
        said = bus.moss("resolve", "x", "mine", status=3)
        check(said == "moss: There is no such conflict.\n", said)


def versions_and_restore():
    with Bus() as bus:
        bus.tell("mount %s mounted" % HOME, VERSIONS)
        rows = bus.moss("versions", HOME + "/notes.txt").splitlines()
        check(rows[0].split() == ["VERSION", "TIME", "SIZE", "DEVICE", "HOSTS", "PATH"], rows)
        check(rows[1].split()[0] == "7" and rows[1].endswith("/.versions/notes.txt/7"), rows)
        check(json.loads(bus.moss("versions", "--json", HOME + "/notes.txt"))[0]["version"] == 7,
              "json")
        check("no such file" in bus.moss("versions", "nothing", status=3), "found nothing")
        bus.moss("restore", HOME + "/notes.txt", "7")
        bus.calls.expect("Restore ('%s/notes.txt', 7)" % HOME)
        bus.moss("restore", HOME + "/notes.txt", "yesterday", status=2)


def keep_pause_send():
    with Bus() as bus:
        bus.tell(DEVICES)
        bus.moss("keep", HOME + "/a", HOME + "/b")
        bus.calls.expect("Pin ('%s/a', true)" % HOME)
        bus.calls.expect("Pin ('%s/b', true)" % HOME)
        bus.moss("keep", "--off", HOME + "/a")
        bus.calls.expect("Pin ('%s/a', false)" % HOME)
        bus.moss("pause")
        bus.calls.expect("Pause (true,)")
        bus.moss("pause", "--off")
        bus.calls.expect("Pause (false,)")
        bus.moss("send", HOME + "/a", "laptop")
        bus.calls.expect("SendTo ('%s/a', '%s')" % (HOME, "1" * 64))
        bus.moss("send", HOME + "/a", "toaster", status=3)
        bus.moss("fly", status=2)


def without_netd():
    with Bus(netd=False) as bus:
        check("moss-netd is not running" in bus.moss(status=1), "no reason")


run(status_in_words_and_json, conflicts_and_resolve, versions_and_restore, keep_pause_send,
    without_netd)
