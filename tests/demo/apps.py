# SPDX-License-Identifier: GPL-3.0-or-later
"""The apps of the demo: what is done in each before the move, and how it is found out afterwards
that its state came along. Files are read from inside the sandbox, not from a picture."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hosts"))
import desk as desks  # noqa: E402
import hosts  # noqa: E402
import screen as screens  # noqa: E402


class App:
    """One app of the demo. before() and after() use the screen like a person does."""

    name = ""
    argv = ()

    def __init__(self):
        self.sandbox = None

    def start(self, machine):
        self.sandbox = desks.run_app(machine, *self.argv)

    def before(self, screen, window):
        """Brings it into a state that is worth keeping."""

    def after(self, screen, window):
        """Types on, and says whether the state was kept: (bool, what was seen)."""
        raise NotImplementedError


def read(machine, path):
    """A file of the home in any of the machine's sandboxes, or ""."""
    return next(iter(desks.inside(machine, "/home/moss/" + path)), "")


class Terminal(App):
    """A shell with a running counter and a half-typed line."""

    name = "foot"
    argv = ("foot", "bash", "--norc")
    counter = ("(while sleep 0.2; do i=$((i+1)); echo $i >~/counter; "
               "printf '\\0337\\033[1;50H[ %5d ]\\0338' $i; done) &")

    def read_count(self, screen):
        """The counter; a moment in which the shell has just emptied the file is waited out."""
        for _ in range(50):
            text = read(screen.machine, "counter").strip()
            if text:
                return int(text)
            time.sleep(0.05)
        return 0

    def before(self, screen, window):
        screen.click_in(window, 0.5, 0.5)
        screen.type(f"PS1='desk$ '; {self.counter}", delay_ms=8)
        screen.key("Return")
        time.sleep(1.5)
        screen.type("echo half-typed ")
        time.sleep(0.5)
        self.count = self.read_count(screen)

    def after(self, screen, window):
        arrived = self.read_count(screen)
        screen.click_in(window, 0.5, 0.5)
        screen.type("and finished > ~/line")
        screen.key("Return")
        time.sleep(1.0)
        line = read(screen.machine, "line").strip()
        later = self.read_count(screen)
        kept = line == "half-typed and finished" and 0 < self.count <= arrived < later
        return kept, f"counter {self.count} → {arrived} → {later}, line {line!r}"


class Editor(App):
    """A text editor with unsaved text, saved at the other side."""

    text = ""
    file = ""

    def before(self, screen, window):
        screen.click_in(window, 0.5, 0.5)
        screen.type(self.text)
        time.sleep(0.5)

    def after(self, screen, window):
        screen.click_in(window, 0.5, 0.5)
        screen.key("ctrl+End")
        screen.type(" Written on at the laptop.")
        screen.key("ctrl+s")
        dialog = hosts.wait_until("the dialog to save", lambda: screen.dialog(self.sandbox), 10)
        time.sleep(0.7)
        if not (screen.dialog(self.sandbox) or dialog)["active"]:
            screen.click(*dialog["grab"])
        screen.key("ctrl+a")
        # As fast as a person: both dialogs complete what is typed, and may take the first Return
        # for the completion.
        screen.type("/home/moss/" + self.file, delay_ms=60)
        for _ in range(2):
            time.sleep(0.5)
            if screen.dialog(self.sandbox):
                screen.key("Return")
        time.sleep(1.0)
        saved = read(screen.machine, self.file).strip()
        return saved == self.text + " Written on at the laptop.", f"saved {saved!r}"


class Mousepad(Editor):
    name = "mousepad"
    argv = ("mousepad",)
    text = "Unsaved words of the desktop."
    file = "note.txt"


class FeatherPad(Editor):
    name = "featherpad"
    argv = ("featherpad", "--standalone")
    text = "Qt words, not saved yet."
    file = "qt.txt"


class WidgetFactory(App):
    """Text typed into an entry: seen by the pixels that typing changed."""

    name = "gtk4-widget-factory"
    argv = ("gtk4-widget-factory",)

    entry = (0.17, 0.285)

    def around_entry(self, window):
        """The screen area around the entry, where nothing else moves."""
        x, y, _, height = window["content"]
        return [int(x) + 12, int(y + height * 0.268), 300, 28]

    def before(self, screen, window):
        screen.click_in(window, *self.entry)
        screen.key("ctrl+a")
        screen.key("Delete")
        empty = screen.settle(self.around_entry(window))
        screen.type("travels well")
        self.typed = screen.settle(self.around_entry(window))
        self.changed = screens.mask(empty, self.typed)
        if len(self.changed) < 60:
            raise hosts.Failure("typing into the widget factory changed nothing that can be seen")

    def after(self, screen, window):
        area = self.around_entry(window)
        now = screen.settle(area)
        if len(now) != len(self.typed):
            return False, "the entry is not on the screen"
        same = sum(1 for index in self.changed if abs(now[index] - self.typed[index]) <= 24)
        share = same / len(self.changed)
        screen.click_in(window, *self.entry)
        screen.key("End")
        screen.type(" and on")
        grown = screens.differing(now, screen.settle(area)) > 20
        return share > 0.9 and grown, f"{share:.0%} of the typed pixels are there; types on: {grown}"


ALL = (Terminal, WidgetFactory, Mousepad, FeatherPad)
