#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the windows of a display say and where, as assistive technology is told of it. A line
"ROLE: NAME" of its input is answered by "X Y WIDTH HEIGHT OF_WIDTH OF_HEIGHT": where in the window or
menu that has it, and how large that is; or by "none". NAME may end with "*". Debian's own Python has
what this needs."""
import sys

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, GLib  # noqa: E402

MAX_DEPTH = 60
# Nothing that a test clicks is below these.
LEAVES = {"tool bar", "scroll bar", "push button", "image", "label", "menu item"}


def children(thing):
    for index in range(thing.get_child_count()):
        child = thing.get_child_at_index(index)
        if child is not None:
            yield child


def walk(thing, frame=None, depth=0):
    """(thing, the window or menu that it is in) of all that is below."""
    for child in children(thing):
        role = child.get_role_name()
        around = child if role in ("frame", "menu", "dialog") else frame
        yield child, role, around
        if depth < MAX_DEPTH and role not in LEAVES:
            yield from walk(child, around, depth + 1)


def is_named(thing, name):
    said = thing.get_name()
    return said.startswith(name[:-1]) if name.endswith("*") else said == name


def place(thing, frame):
    box, around = (one.get_extents(Atspi.CoordType.WINDOW) for one in (thing, frame))
    if box.width < 4 or box.height < 4:
        return None
    x, y = (0, 0) if thing == frame else (box.x - around.x, box.y - around.y)
    return f"{x} {y} {box.width} {box.height} {around.width} {around.height}"


def find(role, name):
    """Windows come and go while we look: then it is not there yet, or no longer."""
    for application in children(Atspi.get_desktop(0)):
        try:
            for thing, its_role, frame in walk(application):
                found = its_role == role and is_named(thing, name) and place(thing, frame)
                if found:
                    return found
        except GLib.Error:
            continue
    return "none"


if __name__ == "__main__":
    for line in sys.stdin:
        wanted, _, text = line.rstrip("\n").partition(": ")
        Atspi.get_desktop(0).clear_cache()
        print(find(wanted, text), flush=True)
