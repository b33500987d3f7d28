#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A person with the pointer in Nautilus, on two whole machines: Versions…, Keep here, Send to and
Convert to of a file on /net do what they say."""
import json
import os
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "hosts"))
import desk as desks  # noqa: E402
import hosts  # noqa: E402
import lend  # noqa: E402
import tap  # noqa: E402

BUILD = os.environ.get("MOSS_BUILD", "build/dev")
SHOTS = os.environ.get("MOSS_SHOTS")
NAME = "me@example.org"
HOME = "/net/" + NAME
CARD = "320x110+940+50"  # where the laptop's shell shows what there is to know


class Screen:
    """A display of the desktop with a window manager, and what it shows: see look.py."""

    def __init__(self, desk, machine):
        self.machine = machine
        self.display = desk.lab.start_display("1000x800")
        self.env = {"DISPLAY": self.display, "GDK_BACKEND": "x11", "GSK_RENDERER": "cairo"}
        self.start("openbox", "openbox")
        self.start("a11y", "/usr/libexec/at-spi-bus-launcher", "--launch-immediately")
        hosts.wait_until("the bus of assistive technology", lambda: machine.has_name("org.a11y.Bus"), 20)
        said = machine.call("org.a11y.Bus", "/org/a11y/bus", "org.a11y.Bus.GetAddress")
        address = said.split("'")[1].replace("unix:path=", "unix:path=" + machine.path("")).split(",")[0]
        self.looker = subprocess.Popen(
            ["/usr/bin/python3", os.path.join(HERE, "look.py")], text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env=dict(os.environ, AT_SPI_BUS_ADDRESS=address),
            preexec_fn=hosts._die_with_parent)

    def start(self, label, *argv):
        self.machine.start(label, list(argv), env=self.env)

    def look(self, what):
        """Where it is in its window, or None."""
        self.looker.stdin.write(what + "\n")
        self.looker.stdin.flush()
        said = self.looker.stdout.readline()
        if not said:
            raise hosts.Failure("look.py ended")
        return None if said == "none\n" else tuple(int(word) for word in said.split())

    def windows(self):
        """(x, y, width, height) of the windows that can be seen."""
        listed = subprocess.run(["xdotool", "search", "--onlyvisible", ".*"], text=True, check=False,
                                env=dict(os.environ, DISPLAY=self.display), capture_output=True).stdout
        for window in listed.split():
            said = subprocess.run(["xdotool", "getwindowgeometry", "--shell", window], text=True, check=False,
                                  env=dict(os.environ, DISPLAY=self.display), capture_output=True).stdout
            box = dict(line.split("=") for line in said.splitlines())
            if "X" in box:
                yield tuple(int(box[key]) for key in ("X", "Y", "WIDTH", "HEIGHT"))

    def middle(self, what):
        """Where on the screen the middle of it is, or None: its window is the one of that size, which
        may have a frame around."""
        found = self.look(what)
        if not found:
            return None
        x, y, width, height, wide, high = found
        for left, top, outer, upper in self.windows():
            if 0 <= outer - wide == upper - high <= 60:
                edge = (outer - wide) // 2
                return left + edge + x + width // 2, top + edge + y + height // 2
        return None

    def resting(self, what, seconds=20):
        """The same as soon as it is there and stays there."""
        last = [None]

        def settled():
            before, last[0] = last[0], self.middle(what)
            return last[0] if last[0] == before else None
        return self.until(f"“{what}” is shown", settled, seconds)

    def until(self, what, check, seconds=20):
        """hosts.wait_until() with a picture of what there was instead."""
        try:
            return hosts.wait_until(what, check, seconds)
        except hosts.Failure:
            self.shot("nautilus-failed")
            raise

    def click(self, what, button=1):
        x, y = self.resting(what)
        hosts.xdotool(self.display, "mousemove", str(x), str(y), "click", str(button))

    def shot(self, name):
        if SHOTS:
            hosts.screenshot(self.display, os.path.join(SHOTS, name + ".png"))

    def rest_pointer(self):
        """Off the file: GTK takes a click for a menu only from a pointer that came there."""
        hosts.xdotool(self.display, "mousemove", "10", "790")

    def menu(self, file, item, seconds=40):
        """Presses the right button on a file until its menu has the row: it learns what there is to offer
        by and by."""
        def offered():
            self.click(f"table cell: {file}", 3)
            self.resting("menu item: Properties")
            if self.look(f"menu item: {item}"):
                return True
            hosts.xdotool(self.display, "key", "Escape")
            hosts.wait_until("the menu goes", lambda: not self.look("menu item: Properties"), 10)
            self.rest_pointer()
            return False
        hosts.wait_until(f"“{item}” for {file}", offered, seconds)
        self.shot("nautilus-menu-" + file)
        self.click(f"menu item: {item}")
        self.rest_pointer()


def info(machine, name):
    return machine.call("org.moss.Net1", "/org/moss/Files", "org.moss.Files1.Info", f"['{HOME}/{name}']")


def is_pinned(machine, name):
    return "'pinned': <true>" in info(machine, name)


def test_versions(screen):
    screen.menu("notes.txt", "Versions…")
    screen.resting("frame: Versions of notes.txt")
    screen.resting("push button: Bring back: *")
    screen.shot("nautilus-versions")
    screen.click("push button: Bring back: *")
    screen.until("the first version is back", lambda: screen.machine.run(
        ["cat", HOME + "/notes.txt"]).stdout == "one\n", 10)
    screen.shot("nautilus-versions-back")
    hosts.xdotool(screen.display, "key", "alt+F4")
    screen.until("its window goes", lambda: not screen.look("frame: Versions of notes.txt"), 10)


def test_keep_here(screen):
    assert not is_pinned(screen.machine, "notes.txt")
    screen.menu("notes.txt", "Keep here")
    screen.until("it is kept", lambda: is_pinned(screen.machine, "notes.txt"), 10)
    screen.menu("notes.txt", "Keep here no longer")
    screen.until("it is no longer", lambda: not is_pinned(screen.machine, "notes.txt"), 10)


def test_send_to(screen):
    """It is kept on the laptop, whose shell says so; a click on that opens it there."""
    laptop = screen.laptop
    before = laptop_card(screen, "before")
    screen.menu("notes.txt", "Send to")
    screen.resting("menu item: laptop")
    screen.shot("nautilus-send-to")
    screen.click("menu item: laptop")
    screen.until("it is kept on the laptop", lambda: is_pinned(laptop, "notes.txt"), 20)
    assert not is_pinned(screen.machine, "notes.txt")
    screen.until("the laptop's shell says so", lambda: differ(before, laptop_card(screen, "card")), 20)
    assert not laptop.pids("mousepad")
    x, y = (int(word) for word in CARD.split("+")[1:])
    hosts.xdotool(screen.laptop_display, "mousemove", str(x + 100), str(y + 40), "click", "1")
    screen.until("the file is open there", lambda: opened(laptop, "notes.txt"), 20)
    laptop_card(screen, "opened")


def laptop_card(screen, name):
    path = os.path.join(SHOTS or screen.folder, f"nautilus-laptop-{name}.png")
    hosts.screenshot(screen.laptop_display, path)
    return path


def differ(one, other):
    cut = ["-crop", CARD, "+repage"]
    for path in (one, other):
        subprocess.run(["convert", path, *cut, path + ".cut.png"], check=True)
    said = subprocess.run(["compare", "-metric", "AE", "-fuzz", "3%", one + ".cut.png", other + ".cut.png",
                           "null:"], capture_output=True, text=True, check=False).stderr
    for path in (one, other):
        os.unlink(path + ".cut.png")
    return int(float(said.split()[0])) > 1000


def opened(machine, name):
    """The text editor runs there with it, in a sandbox."""
    for pid in machine.pids("mousepad"):
        with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
            if file.read().rstrip("\0").endswith("/" + name):
                return True
    return False


def test_convert_to(screen):
    machine = screen.machine
    screen.menu("picture.png", "Convert to", 60)
    screen.resting("menu item: TIFF image")
    screen.shot("nautilus-convert-to")
    screen.click("menu item: TIFF image")
    screen.until("the converted picture", lambda: machine.run(
        ["head", "-c", "2", HOME + "/picture.tif"], check=False).stdout == "II", 20)
    screen.resting("table cell: picture.tif")
    screen.shot("nautilus-converted")


def prepare(machine):
    """The files that the tests use."""
    machine.moss("identity", "create", NAME, "--no-passphrase")
    hosts.wait_until("/net is mounted", lambda: json.loads(
        machine.moss("net", "--json"))["mount-state"] == "mounted", 20)
    subprocess.run(["convert", "-size", "64x48", "gradient:red-blue", machine.path("/tmp/picture.png")],
                   check=True)
    machine.run(["sh", "-ec", f"cp /tmp/picture.png {HOME}; printf 'one\\n' >{HOME}/notes.txt"])
    hosts.wait_until("a version of it", lambda: json.loads(
        machine.moss("net", "versions", "--json", HOME + "/notes.txt")), 10)
    machine.run(["sh", "-c", f"printf 'two\\n' >{HOME}/notes.txt"])
    hosts.wait_until("another one", lambda: len(json.loads(
        machine.moss("net", "versions", "--json", HOME + "/notes.txt"))) >= 2, 10)


def choose_editor(machine):
    """As a person does once, in any file manager."""
    machine.run(["sh", "-ec", "mkdir -p ~/.config; printf '[Default Applications]\\n"
                 "text/plain=org.xfce.mousepad.desktop\\n' >~/.config/mimeapps.list"])


if __name__ == "__main__":
    tap.need_root()
    if not shutil.which("nautilus") or not os.path.exists(os.path.join(
            BUILD, "vfs/nautilus/libmoss-nautilus.so")):
        print("1..0 # SKIP there is no Nautilus here")
        sys.exit(77)
    with desks.Desk(BUILD, shells="1280x800") as test_desk:
        desktop, laptop = test_desk.lab.machine("desktop"), test_desk.lab.machine("laptop")
        prepare(desktop)
        hosts.pair_by_code(desktop, laptop)
        choose_editor(laptop)
        lend.lend(desktop, "nautilus", "nautilus-data", "at-spi2-core", "openbox")
        desktop.root_run(["ldconfig"])
        desktop.start("broker", [desktop.libexec("moss-ffi-broker")])
        test_screen = Screen(test_desk, desktop)
        test_screen.folder = test_desk.lab.folder
        test_screen.laptop = laptop
        test_screen.laptop_display = test_desk.displays["laptop"]
        test_screen.start("nautilus", "nautilus", "--new-window", HOME)
        tap.run(globals(), test_screen)
