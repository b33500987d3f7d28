# SPDX-License-Identifier: GPL-3.0-or-later
"""Apps are found by name and by keyword, started by key and by click."""

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
    opens_by_click_and_super)
