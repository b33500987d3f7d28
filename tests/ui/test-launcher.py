# SPDX-License-Identifier: GPL-3.0-or-later
"""Apps are found by name and by keyword, started by key and by click."""

from desktop import DEVICES, Desktop, Failed, run


def finds_by_name_and_starts():
    with Desktop() as desktop:
        desktop.tell(*DEVICES)
        desktop.key("super+a")
        everything = desktop.shot("launcher-all")
        desktop.type("mouse")
        found = desktop.shot("launcher-found")
        if desktop.differ(everything, found) < 2000:
            raise Failed("typing does not search")
        desktop.key("Return")
        desktop.calls.expect("run org.xfce.mousepad.desktop")


def finds_by_keyword():
    with Desktop() as desktop:
        desktop.key("super+a")
        desktop.type("terminal")
        desktop.key("Return")
        if "foot" not in desktop.calls.expect("run "):
            raise Failed("“terminal” does not find foot: %s" % desktop.calls.seen[-1])


def says_when_there_is_nothing():
    with Desktop() as desktop:
        desktop.key("super+a")
        desktop.type("qqqq")
        desktop.shot("launcher-empty")
        desktop.key("Return")
        desktop.calls.never("run ")
        closed = desktop.shot("launcher-still-open")
        desktop.key("Escape")
        if desktop.differ(closed, desktop.shot("launcher-closed")) < 5000:
            raise Failed("Escape does not close the launcher")


def opens_by_click_and_super():
    with Desktop() as desktop:
        idle = desktop.shot("launcher-idle")
        desktop.key("Super_L")
        if desktop.differ(idle, desktop.shot("launcher-super")) < 5000:
            raise Failed("Super alone does not open the launcher")
        desktop.click(40, 40)
        if desktop.differ(idle, desktop.shot("launcher-beside"), "1280x700+0+0") > 500:
            raise Failed("a click beside it does not close the launcher")


run(finds_by_name_and_starts, finds_by_keyword, says_when_there_is_nothing,
    opens_by_click_and_super)
