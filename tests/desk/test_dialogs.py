#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""/net stands in the sidebar of unmodified file dialogs, and a hang of it keeps none waiting."""

import os
import signal
import subprocess
import time

from net import (BUILD, HOME, SYNCED, SYNCING, Desktop, Failed, Folders, Lines, Netd, private, run)

PATIENCE_MS = 400
NAME = "me@home.test"
TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def majors():
    return [gtk for gtk in "34" if os.path.exists(os.path.join(BUILD, "tests/desk/dialog-gtk" + gtk))]


def desktop(**keywords):
    made = Desktop(session=False, shell=False, **keywords)
    data = os.path.join(made.folder, "share")
    os.makedirs(data)
    os.symlink(os.path.join(TOP, "data", "icons"), os.path.join(data, "icons"))
    made.environment["XDG_DATA_DIRS"] = data + ":/usr/share"
    made.environment["GIO_EXTRA_MODULES"] = os.path.join(BUILD, "vfs/gio")
    made.environment["HOME"] = made.folder
    made.environment["GTK_USE_PORTAL"] = "0"
    return made


class Dialog:
    def __init__(self, on, gtk, *words, **environment):
        self.process = subprocess.Popen(
            [os.path.join(BUILD, "tests/desk/dialog-gtk" + gtk), NAME, *words], text=True,
            env=dict(on.environment, G_DEBUG="", **environment), stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        on.processes.append(self.process)
        self.lines = Lines(self.process.stdout)

    def gap(self, seconds=1):
        """How long the dialog stood still at most, from now on, in milliseconds."""
        worst = 0
        self.lines.expect("gap", 8)
        for _ in range(seconds):
            worst = max(worst, int(self.lines.expect("gap", 8).split()[1]))
        return worst


def modes(gtk):
    empty = "/nonexistent/modules"
    return (("gvfs", {}), ("no gvfs", {"GIO_MODULE_DIR": empty}),
            ("local", {"GIO_USE_VFS": "local"}))


def row_in_every_dialog():
    with desktop() as on, Folders():
        netd = Netd(on)
        netd.tell("mount %s mounted" % HOME, SYNCED)
        dialogs = {}
        for gtk in majors():
            for mode, environment in modes(gtk):
                for action in ("open", "save") if mode == "gvfs" else ("open",):
                    dialogs[gtk, mode, action] = Dialog(on, gtk, action, **environment)
        for which, dialog in dialogs.items():
            try:
                dialog.lines.expect("row " + NAME, 20)
            except Failed as error:
                raise Failed("GTK %s, %s, %s: %s" % (*which, error)) from error


def row_follows_netd():
    with desktop() as on, Folders():
        netd = Netd(on)
        dialogs = [Dialog(on, gtk) for gtk in majors()]
        for dialog in dialogs:
            dialog.lines.expect("gap", 20)
        netd.tell("mount %s mounted" % HOME, SYNCING)
        for dialog in dialogs:
            dialog.lines.expect("row " + NAME)
        netd.tell("mount %s locked" % HOME)
        for dialog in dialogs:
            dialog.lines.expect("gone " + NAME)


def hang_of_netd_keeps_no_dialog_waiting():
    """netd and the file system both hang: stopped before the dialog opens, and while it is."""
    with desktop() as on, Folders(hang=True) as folders:
        netd = Netd(on)
        netd.tell("mount %s mounted" % HOME, SYNCED)
        time.sleep(0.3)
        early = [Dialog(on, gtk) for gtk in majors()]
        for dialog in early:
            dialog.lines.expect("row " + NAME, 20)
        netd.process.send_signal(signal.SIGSTOP)
        folders.daemon.send_signal(signal.SIGSTOP)
        gaps = [dialog.gap() for dialog in early]
        late = [Dialog(on, gtk) for gtk in majors()]
        gaps += [dialog.gap() for dialog in late]
        folders.daemon.send_signal(signal.SIGCONT)
        netd.process.send_signal(signal.SIGCONT)
        for dialog in late:
            dialog.lines.expect("row " + NAME, 20)
        print("# stood still for %s ms at most" % gaps)
        if max(gaps) > PATIENCE_MS:
            raise Failed("a dialog stood still for %d ms" % max(gaps))


if __name__ == "__main__":
    private()
    run(row_in_every_dialog, row_follows_netd, hang_of_netd_keeps_no_dialog_waiting)
