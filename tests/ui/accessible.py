#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a screen reader is told of a program: reads the name of one a line, writes all that it shows as a
JSON array of {role, name, x, y, w, h, states}, in coordinates of its window. Needs python3-gi, which is
installed for the system's interpreter; see Desktop.seen()."""

import json
import sys

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

ACCESSIBLE = "org.a11y.atspi.Accessible"
ROOT = ("org.a11y.atspi.Registry", "/org/a11y/atspi/accessible/root")
WINDOW = 1  # coordinates are of the window
STATES = {1: "active", 4: "checked", 8: "enabled", 12: "focused", 23: "selected", 25: "showing",
          30: "visible"}
LIMIT_MS = 4000


class Bus:
    def __init__(self):
        session = Gio.bus_get_sync(Gio.BusType.SESSION)
        address = session.call_sync("org.a11y.Bus", "/org/a11y/bus", "org.a11y.Bus", "GetAddress", None,
                                    None, 0, 10000).unpack()[0]
        self.bus = Gio.DBusConnection.new_for_address_sync(
            address, Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
            | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None)

    def call(self, node, interface, method, arguments=None):
        return self.bus.call_sync(*node, interface, method, arguments, None, 0, LIMIT_MS).unpack()

    def name(self, node):
        return self.call(node, "org.freedesktop.DBus.Properties", "Get",
                         GLib.Variant("(ss)", (ACCESSIBLE, "Name")))[0]

    def children(self, node):
        return self.call(node, ACCESSIBLE, "GetChildren")[0]

    def describe(self, node):
        bits = self.call(node, ACCESSIBLE, "GetState")[0]
        states = [name for bit, name in STATES.items() if bits[bit // 32] >> (bit % 32) & 1]
        try:
            box = self.call(node, "org.a11y.atspi.Component", "GetExtents", GLib.Variant("(u)", (WINDOW,)))[0]
        except GLib.Error:
            box = (0, 0, 0, 0)
        return {"role": self.call(node, ACCESSIBLE, "GetRoleName")[0], "name": self.name(node),
                "states": states, **dict(zip("xywh", box))}

    def walk(self, node, found):
        about = self.describe(node)
        found.append(about)
        if "visible" in about["states"]:
            for child in self.children(node):
                self.walk(tuple(child), found)

    def program(self, name):
        found = []
        for node in map(tuple, self.children(ROOT)):
            if self.name(node) == name:
                for window in self.children(node):
                    self.walk(tuple(window), found)
        return found


def main():
    bus = Bus()
    for line in sys.stdin:
        try:
            found = bus.program(line.strip())
        except GLib.Error:  # something went while it was looked at
            found = []
        print(json.dumps(found), flush=True)


main()
