#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tray item in our own shell, light, dark and mirrored, and in another desktop's panel."""

import os
import shutil
import subprocess
import time

from net import CONFLICTS, SHOTS, SYNCED, SYNCING, Failed, run
from test_tray import Tray

# Texts are translated in any locale but C; this one is what the machine has.
ARABIC = "C.UTF-8"
PANEL = """<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-panel" version="1.0">
  <property name="configver" type="int" value="2"/>
  <property name="panels" type="array">
    <value type="int" value="1"/>
    <property name="panel-1" type="empty">
      <property name="position" type="string" value="p=6;x=0;y=0"/>
      <property name="length" type="uint" value="100"/>
      <property name="size" type="uint" value="32"/>
      <property name="plugin-ids" type="array">
        <value type="int" value="1"/><value type="int" value="2"/><value type="int" value="3"/>
      </property>
    </property>
  </property>
  <property name="plugins" type="empty">
    <property name="plugin-1" type="string" value="applicationsmenu"/>
    <property name="plugin-2" type="string" value="separator">
      <property name="expand" type="bool" value="true"/>
    </property>
    <property name="plugin-3" type="string" value="systray"/>
  </property>
</channel>
"""


def find_item(tray, before, after, area):
    """Where the two pictures differ, in an area WxH+X+Y: the middle of it."""
    x, y = (int(word) for word in area.split("+")[1:])
    for index, path in enumerate((before, after)):
        subprocess.run(["convert", path, "-crop", area, "+repage",
                        os.path.join(tray.desktop.folder, "part-%d.png" % index)], check=True)
    said = subprocess.run(
        ["convert", os.path.join(tray.desktop.folder, "part-0.png"),
         os.path.join(tray.desktop.folder, "part-1.png"), "-compose", "difference", "-composite",
         "-threshold", "5%", "-trim", "-format", "%w %h %X %Y", "info:"],
        capture_output=True, text=True, check=True).stdout.replace("+", " ").split()
    width, height, left, top = (int(word) for word in said)
    if width < 4:
        raise Failed("nothing is there")
    return x + left + width // 2, y + top + height // 2


def shell_shows_it():
    for name, options, locale in (("light", ["--color-scheme=light"], ""),
                                  ("dark", ["--color-scheme=dark"], ""),
                                  ("arabic", ["--color-scheme=light"], "ar")):
        if name != "light" and not SHOTS:
            continue
        environment = {} if not locale else {
            "LANGUAGE": "ar", "LANG": ARABIC}
        with Tray(options=options, environment=environment) as tray:
            desktop = tray.desktop
            desktop.start_shell()
            time.sleep(1)
            without = desktop.shot("shell-tray-synced-" + name)
            tray.netd.tell(SYNCING)
            time.sleep(1)
            shown = desktop.shot("shell-tray-" + name)
            where = find_item(tray, without, shown, "900x60+190+728")
            tray.netd.tell(CONFLICTS, SYNCED.replace("{'state': <'synced'>", "{'conflicts': <uint32 1>, "
                           + SYNCING[len("status {"):-1]))
            time.sleep(0.6)
            desktop.click(*where)
            time.sleep(0.8)
            opened = desktop.shot("shell-files-" + name)
            if desktop.differ(shown, opened, "700x420+300+300") < 5000:
                raise Failed("no menu of the files")


def panel_of_another_desktop():
    if not shutil.which("xfce4-panel"):
        return
    with Tray() as tray:
        desktop = tray.desktop
        config = os.path.join(desktop.folder, "config", "xfce4", "xfconf", "xfce-perchannel-xml")
        os.makedirs(config)
        with open(os.path.join(config, "xfce4-panel.xml"), "w", encoding="utf-8") as file:
            file.write(PANEL)
        desktop.spawn(["openbox"], stderr=subprocess.DEVNULL)
        desktop.spawn(["xfce4-panel", "--disable-wm-check"], stderr=subprocess.DEVNULL)
        # The panel's watcher takes our item when it is up.
        end = time.monotonic() + 20
        while "RegisteredStatusNotifierItems" not in watcher(tray):
            if time.monotonic() > end:
                raise Failed("no watcher: " + watcher(tray))
            time.sleep(0.2)
        tray.wait(lambda: tray.name in watcher(tray) or "StatusNotifierItem" in watcher(tray),
                  "the panel has the item", 10)
        time.sleep(1)
        without = desktop.shot("panel-synced")
        tray.netd.tell(SYNCING)
        time.sleep(1)
        shown = desktop.shot("panel")
        where = find_item(tray, without, shown, "1280x40+0+0")
        desktop.click(*where, button=3)
        time.sleep(1)
        opened = desktop.shot("panel-menu")
        if desktop.differ(shown, opened, "600x500+680+0") < 3000:
            raise Failed("no menu in the panel")


def watcher(tray):
    out = subprocess.run(["gdbus", "call", "--session", "--dest", "org.kde.StatusNotifierWatcher",
                          "--object-path", "/StatusNotifierWatcher", "--method",
                          "org.freedesktop.DBus.Properties.GetAll", "org.kde.StatusNotifierWatcher"],
                         env=tray.desktop.environment, capture_output=True, text=True, check=False)
    return out.stdout + out.stderr


if __name__ == "__main__":
    run(shell_shows_it, panel_of_another_desktop)
