#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tray shows the sign of an app in a sandbox, lets it be used, and the sign goes with the app
to another device."""
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hosts"))
import desk as desks  # noqa: E402
import hosts  # noqa: E402
import tap  # noqa: E402

BUILD = os.environ.get("MOSS_BUILD", "build/dev")
SHOTS = os.environ.get("MOSS_SHOTS")
WIDTH, HEIGHT = 1280, 800


def picture(desk, machine, name):
    path = os.path.join(SHOTS or desk.lab.folder, f"{name}-{machine.name}.png")
    hosts.screenshot(desk.displays[machine.name], path)
    return path


def red_square(desk, machine, name="app-tray"):
    """Where the app's sign is on the machine's screen, or None."""
    rows = subprocess.run(["convert", picture(desk, machine, name), "-crop", f"{WIDTH}x80+0+{HEIGHT - 80}",
                           "+repage", "-fill", "white", "+opaque", "#ff0000", "-trim", "-format",
                           "%w %h %X %Y", "info:"], capture_output=True, text=True, check=True).stdout
    width, height, x, y = (int(word) for word in rows.replace("+", " ").split())
    if not 10 <= width <= 40 or not 10 <= height <= 40:
        return None
    return x + width // 2, HEIGHT - 80 + y + height // 2


def told(machine):
    return "".join(desks.inside(machine, "/home/moss/tray")).strip()


def click(desk, machine, where, button=1):
    display = desk.displays[machine.name]
    hosts.xdotool(display, "mousemove", str(where[0]), str(where[1]))
    hosts.xdotool(display, "click", str(button))


def use(desk, machine, expected, menu=False):
    where = hosts.wait_until(f"the sign on {machine.name}", lambda: red_square(desk, machine), 20)
    time.sleep(0.3)
    click(desk, machine, where, 3 if menu else 1)
    if menu:
        time.sleep(0.7)
        picture(desk, machine, "app-tray-menu")
        hosts.xdotool(desk.displays[machine.name], "key", "Down", "Return")
    hosts.wait_until(f"it is told “{expected}” on {machine.name}", lambda: told(machine) == expected, 10)


def test_sign_goes_with_the_app(desk):
    desktop, laptop = desk.lab.machine("desktop"), desk.lab.machine("laptop")
    sandbox = desks.run_app(desktop, "/usr/local/bin/tray-app")
    use(desk, desktop, "activated 1 menu 0")
    use(desk, desktop, "activated 1 menu 1", menu=True)
    assert red_square(desk, laptop) is None
    desk.send(desktop, sandbox)
    use(desk, laptop, "activated 2 menu 1")
    use(desk, laptop, "activated 2 menu 2", menu=True)
    hosts.wait_until("it is gone from the desktop", lambda: red_square(desk, desktop) is None, 10)
    desktop.moss("bring", sandbox)
    use(desk, desktop, "activated 3 menu 2")
    desktop.moss("close", "--force", sandbox)
    hosts.wait_until("it is gone with the app", lambda: red_square(desk, desktop) is None, 10)


if __name__ == "__main__":
    tap.need_root()
    with desks.Desk(BUILD, shells=f"{WIDTH}x{HEIGHT}") as test_desk:
        for one in test_desk.machines():
            shutil.copy(os.path.join(BUILD, "tests/desk/tray-app"), one.path("/usr/local/bin/tray-app"))
        tap.run(globals(), test_desk)
