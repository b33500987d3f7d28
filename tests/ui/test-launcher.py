# SPDX-License-Identifier: GPL-3.0-or-later
"""Apps are found by name and by keyword, started by key and by click."""

import os
import random

from desktop import DEVICES, Desktop, Failed, run


def open_launcher(desktop):
    idle = desktop.shot("launcher-before")
    desktop.key("super+a")
    desktop.wait_change(idle, "the launcher", least=5000)
    desktop.settle()


def finds_by_name_and_starts():
    with Desktop() as desktop:
        desktop.tell(*DEVICES)
        open_launcher(desktop)
        everything = desktop.shot("launcher-all")
        desktop.type("mouse")
        desktop.wait_change(everything, "typing that searches", least=2000)
        desktop.settle()
        desktop.shot("launcher-found")
        desktop.key("Return")
        desktop.calls.expect("run org.xfce.mousepad.desktop")


def finds_by_keyword():
    with Desktop() as desktop:
        open_launcher(desktop)
        desktop.type("terminal")
        desktop.settle()
        desktop.key("Return")
        if "foot" not in desktop.calls.expect("run "):
            raise Failed("“terminal” does not find foot: %s" % desktop.calls.seen[-1])


def says_when_there_is_nothing():
    with Desktop() as desktop:
        open_launcher(desktop)
        desktop.type("qqqq")
        desktop.settle()
        desktop.shot("launcher-empty")
        desktop.key("Return")
        desktop.calls.never("run ")
        closed = desktop.shot("launcher-still-open")
        desktop.key("Escape")
        desktop.wait_change(closed, "Escape that closes the launcher", least=5000)


class Crowded(Desktop):
    """More apps than fit, in groups that have a word in common."""

    def prepare(self):
        apps = os.path.join(self.folder, "data/applications")
        os.makedirs(apps)
        icons = ("text-editor", "utilities-terminal", "system-file-manager", "org.gnome.Settings",
                 "none", "web-browser")
        words = ("Alpha", "Beta", "Gamma", "Editor", "Terminal", "Mouse", "Music", "Files", "Paint",
                 "Map", "Mail", "Term", "Text", "Tool")
        chance = random.Random(3)
        for i in range(120):
            with open(os.path.join(apps, "a%d.desktop" % i), "w", encoding="utf-8") as file:
                file.write("[Desktop Entry]\nType=Application\nName=%s %d\nExec=true\nIcon=%s\n"
                           % (" ".join(chance.sample(words, 2)), i, icons[i % 6]))


def typing_and_erasing_leaves_no_tile_empty():
    with Crowded() as desktop:
        open_launcher(desktop)
        everything = desktop.shot("launcher-many")
        for word in ("term", "mu", "alpha"):
            desktop.type(word)
            desktop.wait_change(everything, "typing that searches", least=2000)
            desktop.settle()
            desktop.xdotool("key", *["BackSpace"] * len(word))
            # Without the first tile, which is chosen, or one under the pointer is.
            desktop.wait_same(everything, "all the tiles again", "470x130+460+245", 200)
        if "WARNING" in desktop.log():
            raise Failed(desktop.log())


def opens_by_click_and_super():
    with Desktop() as desktop:
        idle = desktop.shot("launcher-idle")
        desktop.key("Super_L")
        desktop.wait_change(idle, "Super alone that opens the launcher", least=5000)
        desktop.settle()
        desktop.shot("launcher-super")
        desktop.click(40, 40)
        desktop.wait_same(idle, "a click beside it that closes the launcher", "1280x700+0+0", 500)


run(finds_by_name_and_starts, finds_by_keyword, says_when_there_is_nothing,
    typing_and_erasing_leaves_no_tile_empty, opens_by_click_and_super)
