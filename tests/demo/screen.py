# SPDX-License-Identifier: GPL-3.0-or-later
"""What the demo and the ui tests see and do on a machine's screen: the shell's layout, pictures of
windows, real pointer and key events."""
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hosts"))
import hosts  # noqa: E402


class Screen:
    """The X display of one machine, with moss-shell on it."""

    def __init__(self, machine, display):
        self.machine, self.display = machine, display

    def layout(self):
        """What the shell says about where things are (MOSS_SHELL_LAYOUT), or {} before it did."""
        try:
            with open(self.machine.path(f"/run/user/{self.machine.uid}/layout.json"),
                      encoding="utf-8") as file:
                return json.load(file)
        except (OSError, ValueError):
            return {}

    def windows(self):
        return self.layout().get("windows", [])

    def window(self, sandbox):
        """The first window of a sandbox: its main one."""
        return next((one for one in self.windows() if one["id"] == sandbox), None)

    def dialog(self, sandbox):
        """Another window of it, in front of the first."""
        own = [one for one in self.windows() if one["id"] == sandbox]
        return own[-1] if len(own) > 1 else None

    def free_grab(self, window):
        """A point of the title bar that no window in front covers, or None."""
        windows = self.windows()
        places = [(one["x"], one["y"], one["w"], one["h"]) for one in windows]
        above = places[windows.index(window) + 1:] if window in windows else []
        y = window["grab"][1]
        for x in range(max(0, window["x"]) + 60, window["x"] + window["w"] // 3, 8):
            if not any(left <= x < left + width and top <= y < top + height
                       for left, top, width, height in above):
                return x, y
        return None

    def raise_window(self, sandbox):
        """Puts a window in front of all others: by its title bar, or by Alt+Tab."""
        for steps in range(1, 9):
            window = self.window(sandbox)
            point = self.free_grab(window)
            if point:
                self.click(*point)
                time.sleep(0.4)
                return
            hosts.xdotool(self.display, "keydown", "alt")
            for _ in range(steps):
                self.key("Tab")
            hosts.xdotool(self.display, "keyup", "alt")
            time.sleep(0.6)
        raise hosts.Failure(f"{window['title']} can't be brought to the front")

    def tile(self, device):
        return next((one for one in self.layout().get("tiles", []) if one["device"] == device), None)

    def wait_window(self, sandbox, seconds=30):
        return hosts.wait_until(f"a window of {sandbox} on {self.machine.name}",
                                lambda: self.window(sandbox), seconds)

    def shoot(self, path):
        hosts.screenshot(self.display, path)

    def pixels(self, area):
        """The grey pixels of an area [x, y, w, h], as bytes."""
        x, y, width, height = (int(value) for value in area)
        return subprocess.run(
            ["import", "-display", self.display, "-window", "root", "-crop",
             f"{width}x{height}+{x}+{y}", "+repage", "-depth", "8", "gray:-"],
            check=True, stdout=subprocess.PIPE).stdout

    def settle(self, area, seconds=5):
        """Waits until an area doesn't change any more, and returns its pixels."""
        end = time.monotonic() + seconds
        before = self.pixels(area)
        while time.monotonic() < end:
            time.sleep(0.4)
            now = self.pixels(area)
            if differing(before, now) < 40:
                return now
            before = now
        return before

    def click(self, x, y, button=1):
        hosts.xdotool(self.display, "mousemove", str(int(x)), str(int(y)))
        time.sleep(0.1)
        hosts.xdotool(self.display, "click", str(button))
        time.sleep(0.2)

    def click_in(self, window, x_share, y_share):
        x, y, width, height = window["content"]
        self.click(x + width * x_share, y + height * y_share)

    def type(self, text, delay_ms=15):
        hosts.xdotool(self.display, "type", "--delay", str(delay_ms), text)
        time.sleep(0.2)

    def key(self, *keys):
        hosts.xdotool(self.display, "key", "--delay", "40", *keys)
        time.sleep(0.2)

    def drag_to_tile(self, window, device, during=None):
        """Drags a window by its title bar onto a device's tile; during() is called over it."""
        tile = self.tile(device)
        if not tile:
            raise hosts.Failure(f"{self.machine.name} shows no tile of {device}")
        start = self.free_grab(window) or window["grab"]
        hosts.xdotool(self.display, "mousemove", str(int(start[0])), str(int(start[1])))
        time.sleep(0.2)
        hosts.xdotool(self.display, "mousedown", "1")
        self.glide(start, self.middle(tile))
        time.sleep(1.0)
        wide = self.tile(device) or tile
        self.glide(self.middle(tile), self.middle(wide), steps=6)
        time.sleep(0.8)
        if during:
            during()
        hosts.xdotool(self.display, "mouseup", "1")

    def middle(self, box):
        return box["x"] + box["w"] / 2, box["y"] + box["h"] / 2

    def glide(self, start, end, steps=30):
        for step in range(1, steps + 1):
            x = start[0] + (end[0] - start[0]) * step / steps
            y = start[1] + (end[1] - start[1]) * step / steps
            hosts.xdotool(self.display, "mousemove", str(round(x)), str(round(y)))
            time.sleep(0.015)


def differing(one, other, tolerance=24):
    """How many pixels of two grey pictures differ by more than the tolerance."""
    if len(one) != len(other):
        return max(len(one), len(other))
    return sum(1 for a, b in zip(one, other) if abs(a - b) > tolerance)


def mask(before, after, tolerance=24):
    """Indices of the pixels that something changed."""
    return [index for index, (a, b) in enumerate(zip(before, after)) if abs(a - b) > tolerance]
