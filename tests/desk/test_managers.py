#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nautilus and Thunar show /net, Nautilus with states and verbs; versions come back."""

import os
import shutil
import subprocess
import time

from net import BUILD, DEVICES, HOME, SHOTS, SYNCED, Failed, Folders, Netd, private, run
from test_dialogs import desktop

EXTENSIONS = "/usr/lib/x86_64-linux-gnu/nautilus/extensions-4"
EXTENSION = os.path.join(BUILD, "vfs/nautilus/libmoss-nautilus.so")
FILES = {"notes.txt": "{'state': <'conflict'>, 'hosts': <uint32 1>}",
         "map.png": "{'state': <'here'>, 'hosts': <uint32 2>, 'pinned': <true>}",
         "song.ogg": "{'state': <'elsewhere'>, 'bytes-missing': <uint64 12000000>, "
                     "'cost-ms': <uint32 2800>, 'hosts': <uint32 2>}",
         "plan.odt": "{'state': <'waiting'>, 'hosts': <uint32 0>}"}
VERSIONS = "versions %s/notes.txt [%s]" % (HOME, ", ".join(
    "{'version': <uint64 %d>, 'time': <int64 %d>, 'size': <uint64 %d>, 'device': <'%s'>, "
    "'path': <'%s/.versions/notes.txt/%d'>, 'hosts': <uint32 %d>}"
    % (9 - age, (time.time() - age * 50000) * 1000000, 4000 - 300 * age,
       ("Desktop", "Laptop")[age % 2], HOME, 9 - age, min(age, 2)) for age in range(5)))


def fill(netd):
    for name, info in FILES.items():
        with open(os.path.join(HOME, name), "w", encoding="utf-8") as file:
            file.write(name)
        netd.tell("info %s/%s %s" % (HOME, name, info))
    netd.tell("mount %s mounted" % HOME, SYNCED, DEVICES, VERSIONS)


def manage(on):
    """A window manager, as any desktop has one."""
    on.spawn(["openbox"], stderr=subprocess.DEVNULL)
    time.sleep(0.7)


def window(on, name, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = subprocess.run(["xdotool", "search", "--onlyvisible", "--name", name],
                               env=on.environment, capture_output=True, text=True, check=False)
        if found.stdout.split():
            time.sleep(1)
            return found.stdout.split()[-1]
        time.sleep(0.1)
    raise Failed("no window “%s”" % name)


def nautilus_shows_states():
    if not shutil.which("nautilus") or not os.path.exists(EXTENSION):
        return
    with desktop(locale="C.UTF-8") as on, Folders():
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", EXTENSIONS], check=True)
        shutil.copy(EXTENSION, EXTENSIONS)
        netd = Netd(on)
        fill(netd)
        manage(on)
        on.environment["PATH"] = os.path.join(BUILD, "shell") + ":" + on.environment["PATH"]
        # The column is chosen as a person would; settings are of this test alone.
        keyfile = os.path.join(on.folder, "config", "glib-2.0", "settings", "keyfile")
        os.makedirs(os.path.dirname(keyfile))
        with open(keyfile, "w", encoding="utf-8") as file:
            file.write("[org/gnome/nautilus/preferences]\ndefault-folder-viewer='list-view'\n"
                       "[org/gnome/nautilus/list-view]\n"
                       "default-visible-columns=['name', 'size', 'Moss::state']\n"
                       "default-column-order=['name', 'size', 'Moss::state']\n"
                       "use-tree-view=false\n")
        on.environment["GSETTINGS_BACKEND"] = "keyfile"
        log = open(os.path.join(on.folder, "nautilus.log"), "w", encoding="utf-8")
        on.spawn(["nautilus", "--new-window", HOME], stderr=log, stdout=log)
        netd.calls.expect("Info", 25)
        found = window(on, "me@home.test")
        on.xdotool("windowsize", found, 1000, 560)
        on.xdotool("windowmove", found, 100, 100)
        time.sleep(1.5)
        before = on.shot("nautilus-states")
        netd.tell("info %s/song.ogg {'state': <'here'>, 'hosts': <uint32 2>}" % HOME,
                  "changed %s/song.ogg" % HOME)
        netd.calls.expect("Info", 10)
        time.sleep(1)
        if on.differ(before, on.shot("nautilus-here")) < 50:
            raise Failed("a change is not shown: " + open(log.name, encoding="utf-8").read())


def thunar_shows_it():
    if not shutil.which("thunar"):
        return
    with desktop() as on, Folders():
        netd = Netd(on)
        manage(on)
        on.spawn(["thunar", on.folder], stderr=subprocess.DEVNULL)
        window(on, "Thunar|moss-ui")
        before = on.shot("thunar-before")
        fill(netd)
        time.sleep(1.5)
        if on.differ(before, on.shot("thunar"), "180x400+320+260") < 50:
            raise Failed("no row of /net")


def versions_come_back():
    for name, words, locale in (("light", ["--color-scheme=light"], "C.UTF-8"),
                                ("dark", ["--color-scheme=dark"], "C.UTF-8"),
                                ("arabic", [], "ar")):
        if name != "light" and not SHOTS:
            continue
        with desktop(environment={"LANGUAGE": "ar"} if locale == "ar" else None) as on:
            netd = Netd(on)
            netd.tell("mount %s mounted" % HOME, VERSIONS)
            manage(on)
            on.spawn([os.path.join(BUILD, "shell/moss-versions"), *words, HOME + "/notes.txt"])
            netd.calls.expect("Versions", 15)
            found = window(on, "notes.txt")
            on.xdotool("windowsize", found, 560, 480)
            on.xdotool("windowmove", found, 100, 100)
            time.sleep(0.7)
            on.shot("versions-" + name)
            # The second row's last button, by keys: rows, then the buttons in each.
            on.xdotool("windowfocus", found)
            on.key("Tab")
            for _ in range(12):
                on.key("Tab")
                if name != "light":
                    break
                on.key("space")
                try:
                    netd.calls.expect("Restore", 0.4)
                    break
                except Failed:
                    continue
            if name == "light":
                time.sleep(0.5)
                on.shot("versions-back")


if __name__ == "__main__":
    private()
    run(nautilus_shows_states, thunar_shows_it, versions_come_back)
