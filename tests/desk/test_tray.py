#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tray item of /net: what it says, its menu, and what a person is told."""

import glob
import os
import subprocess
import time

from net import (BUILD, CONFLICT, CONFLICTS, FULL, HOME, SYNCED, SYNCING, Desktop, Failed, Lines,
                 Netd, run)

ITEM = "org.kde.StatusNotifierItem"
MENU = "/org/moss/Tray/Menu"


class Tray:
    """A desktop with the real session, the double for netd, and perhaps our shell."""

    def __init__(self, **keywords):
        self.desktop = Desktop(session=False, shell=False, **keywords)
        try:
            # What apps that show the item have to find.
            data = os.path.join(self.desktop.folder, "share")
            os.makedirs(os.path.join(data, "cloud-providers"))
            top = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "data")
            os.symlink(os.path.join(top, "icons"), os.path.join(data, "icons"))
            os.symlink(os.path.join(top, "org.moss.cloud-provider.ini"),
                       os.path.join(data, "cloud-providers", "org.moss.ini"))
            self.desktop.environment["XDG_DATA_DIRS"] = data + ":/usr/share"
            self.netd = Netd(self.desktop)
            self.netd.tell("mount %s mounted" % HOME, SYNCED)
            log = open(os.path.join(self.desktop.folder, "session.log"), "w")
            self.session = self.desktop.spawn(
                [os.path.join(BUILD, "session/manager/moss-session"), "--no-children",
                 "--sandboxd", os.path.join(self.desktop.folder, "none"),
                 "--state", os.path.join(self.desktop.folder, "state")], stderr=log, stdout=log)
            log.close()
            self.name = "%s-%d-1" % (ITEM, self.session.pid)
            self.wait(lambda: self.get("Status") == "'Active'", "the item is there")
        except BaseException:
            self.desktop.close()
            raise

    def log(self):
        with open(os.path.join(self.desktop.folder, "session.log")) as stream:
            return stream.read()

    def call(self, path, method, *words):
        out = subprocess.run(["gdbus", "call", "--session", "--dest", self.name, "--object-path",
                              path, "--method", method, "--", *words],
                             env=self.desktop.environment, capture_output=True, text=True)
        return out.stdout.strip() if out.returncode == 0 else "failed: " + out.stderr

    def get(self, key):
        said = self.call("/StatusNotifierItem", "org.freedesktop.DBus.Properties.Get", ITEM, key)
        return said[2:-3]

    def layout(self):
        return self.call(MENU, "com.canonical.dbusmenu.GetLayout", "0", "3", "[]")

    def wait(self, condition, what, seconds=8):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end or self.session.poll() is not None:
                raise Failed("not in time: %s; %s %s" % (what, self.get("Title"), self.log()))
            time.sleep(0.05)

    def row(self, label):
        """The number of the menu's row with this label."""
        text = self.layout()
        at = text.find("'label': <'%s'>" % label)
        if at < 0:
            raise Failed("no row “%s” in %s" % (label, text))
        number = text.rfind("<(", 0, at)
        return text[number + 2:text.find(",", number)].replace("int32", "").strip()

    def click(self, label):
        self.call(MENU, "com.canonical.dbusmenu.Event", self.row(label), "clicked", "<0>", "0")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.desktop.close()


def says_what_is_going_on():
    with Tray() as tray:
        for line, title, icon, status in (
                (SYNCED, "Everything is in sync", "synced", "Active"),
                (SYNCING, "Syncing 3 of 12", "syncing", "Active"),
                ("status {'state': <'offline'>}", "Offline: what you save is kept here",
                 "offline", "Active"),
                (CONFLICT, "1 file has two versions", "conflict", "NeedsAttention"),
                (FULL, "A host is full", "full", "NeedsAttention"),
                ("status {'state': <'paused'>}", "Syncing is paused", "paused", "Active")):
            tray.netd.tell(line)
            tray.wait(lambda: tray.get("Title") == "'%s'" % title, title)
            if tray.get("IconName") != "'moss-net-%s-symbolic'" % icon:
                raise Failed("icon %s for %s" % (tray.get("IconName"), title))
            if tray.get("Status") != "'%s'" % status:
                raise Failed("status %s for %s" % (tray.get("Status"), title))
        tray.netd.tell(SYNCING)
        tray.wait(lambda: "4.2" in tray.get("ToolTip") and "12 s left" in tray.get("ToolTip"),
                  "speed and time left in the tool tip")
        tray.netd.tell("mount - none", "status {'state': <'none'>}")
        tray.wait(lambda: tray.get("Status") == "'Passive'", "hidden without an identity")


def menu_does_what_it_says():
    with Tray() as tray:
        tray.wait(lambda: "home.test: 1.2" in tray.layout(), "the host's row")
        for label in ("Everything is in sync", "Open me@home.test", "notes.txt came"):
            tray.row(label)
        tray.click("Pause syncing")
        tray.netd.calls.expect("Pause (true,)")
        tray.netd.tell("status {'state': <'paused'>}")
        tray.wait(lambda: "'toggle-state': <1>" in tray.layout(), "the check mark")
        tray.click("Pause syncing")
        tray.netd.calls.expect("Pause (false,)")
        tray.netd.tell(CONFLICTS, CONFLICT)
        tray.wait(lambda: "notes.txt has two versions" in tray.layout(), "the conflict's row")
        tray.click("Keep the one of Laptop")
        tray.netd.calls.expect("Resolve ('%s/notes.txt', 'theirs')" % HOME)


def account_in_sidebars():
    """What libcloudproviders finds by the file in data/."""
    if any(os.path.exists(os.path.join(folder, "libgiomoss.so")) for folder in glob.glob(
            "/usr/lib/*/gio/modules")):
        return  # then the module shows /net, and the account doesn't
    with Tray() as tray:
        objects = tray.call("/org/moss/CloudProvider",
                            "org.freedesktop.DBus.ObjectManager.GetManagedObjects")
        for word in ("'Name': <'me@home.test'>", "'Path': <'%s'>" % HOME,
                     "'StatusDetails': <'Everything is in sync'>"):
            if word not in objects:
                raise Failed("no %s in %s" % (word, objects))


def survives_netd():
    """A netd that comes back within seconds makes no flicker; one that stays away hides it."""
    with Tray() as tray:
        tray.netd.process.kill()
        tray.netd.process.wait()
        time.sleep(1)
        if tray.get("Title") != "'Everything is in sync'":
            raise Failed("it flickers: " + tray.get("Title"))
        tray.wait(lambda: tray.get("Status") == "'Passive'", "hidden when nobody knows")
        again = Netd(tray.desktop)
        again.tell("mount %s mounted" % HOME, SYNCING)
        tray.wait(lambda: tray.get("Title") == "'Syncing 3 of 12'", "it is back")


def tells_what_needs_a_person():
    with Tray() as tray:
        tray.desktop.start_shell()
        monitor = tray.desktop.spawn(
            ["dbus-monitor", "--session", "interface='org.freedesktop.Notifications'"],
            stdout=subprocess.PIPE)
        lines = Lines(monitor.stdout)
        time.sleep(0.5)
        tray.netd.tell(CONFLICTS, CONFLICT)
        lines.expect('   string "notes.txt has two versions"')
        tray.netd.tell(FULL)
        lines.expect('   string "A host is full"')
        tray.netd.tell("received Laptop %s/map.png" % HOME)
        lines.expect('   string "map.png came from Laptop"')
        lines.expect('      string "open"')
        time.sleep(0.7)
        tray.desktop.shot("tray-notices")


if __name__ == "__main__":
    run(says_what_is_going_on, menu_does_what_it_says, account_in_sidebars, survives_netd,
        tells_what_needs_a_person)
