# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's last part: the two machines become one person's, a letter on /net is written in an
editor on the desktop, read on the laptop a moment later, and the editor that has it open is dragged
over."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hosts"))
import apps  # noqa: E402
import hosts  # noqa: E402

PERSON = "me@example.org"
LETTER = f"/net/{PERSON}/letter.txt"
FIRST = "Written at the desktop."
SECOND = " Written on at the laptop."


def content(machine):
    """What the letter says on a machine, to a plain program of its user."""
    return machine.run(["cat", LETTER], check=False).stdout.strip()


def save(screen, window, text):
    screen.click_in(window, 0.5, 0.5)
    screen.key("ctrl+End")
    screen.type(text)
    time.sleep(0.3)
    screen.key("ctrl+s")
    return time.monotonic()


def wait_for(machine, text):
    hosts.wait_until(f"the letter says “{text}” on {machine.name}",
                     lambda: content(machine) == text, 20, pause=0.02)
    return time.monotonic()


class Letter(apps.App):
    """An editor that has a file of /net open."""

    name = "mousepad on /net"
    argv = ("mousepad", LETTER)

    def __init__(self, reader):
        super().__init__()
        self.reader = reader
        self.seen_ms = -1.0

    def before(self, screen, window):
        saved = save(screen, window, FIRST)
        self.seen_ms = (wait_for(self.reader, FIRST) - saved) * 1000

    def after(self, screen, window):
        save(screen, window, SECOND)
        try:
            wait_for(screen.machine, FIRST + SECOND)
        except hosts.Failure:
            pass
        said = content(screen.machine)
        return said == FIRST + SECOND, f"after {self.seen_ms:.0f} ms on the laptop; then {said!r}"


def join(desktop, laptop):
    """Makes both machines devices of one person, with an empty letter in their files."""
    desktop.moss("identity", "create", PERSON, "--no-passphrase")
    hosts.pair_by_code(desktop, laptop)
    home = os.path.dirname(LETTER)
    for machine in (desktop, laptop):
        hosts.wait_until(f"{home} on {machine.name}", lambda m=machine: m.run(
            ["test", "-d", home], check=False).returncode == 0, 30)
    desktop.run(["touch", LETTER])
    hosts.wait_until("the letter is on the laptop", lambda: laptop.run(
        ["test", "-f", LETTER], check=False).returncode == 0, 30)
