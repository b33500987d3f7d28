# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows of real programs: moved, resized, maximised, snapped, minimised, switched, and
written to."""

import re
import subprocess

from desktop import DEVICES, Desktop, Failed, run


def read_place(line):
    """x, y, width, height, flags"""
    return [int(n) for n in re.search(r"\[\((.*?)\)", line).group(1)
            .replace("uint32", "").split(",")][1:]


def wait_place(desktop, what, check):
    """The place that the session was told, as soon as check (place) is true of it, and the window is
    drawn there: while a window moves or an app takes up its size the session hears of several."""
    place = read_place(desktop.calls.until("geometry a1", lambda line: check(read_place(line)), what))
    desktop.wait_window("a1", lambda window: [window["x"], window["y"]] == place[:2]
                        or place[4] != 0)
    return place


def with_terminal(desktop, text="printf hello; exec cat"):
    desktop.tell(*DEVICES)
    desktop.start_app("a1", "foot.desktop", "Terminal", ["foot", "sh", "-c", text])
    return wait_place(desktop, "no place", lambda place: place[2:] == [700, 500, 0])


def moved_by_title():
    with Desktop() as desktop:
        x, y, width, height, _ = with_terminal(desktop)
        desktop.drag([(x + 200, y + 20), (x + 100, y + 80)])
        wait_place(desktop, "not moved by -100,60 from %d,%d" % (x, y),
                   lambda place: place[:2] == [x - 100, y + 60])
        desktop.drag([(x + 100, y + 80), (x, y)], release=False)
        desktop.key("Escape")
        desktop.release()
        desktop.calls.never("geometry a1 (1, [(1, %d" % (x - 200))


def resized_at_edges():
    with Desktop() as desktop:
        x, y, width, height, _ = with_terminal(desktop)
        desktop.drag([(x + width + 4, y + 200), (x + width + 84, y + 200)])
        place = wait_place(desktop, "+80 at the right of %d" % width,
                           lambda place: width + 60 <= place[2] <= width + 84)
        desktop.shot("windows-wider")
        desktop.drag([(x - 4, y + 200), (x - 64, y + 200)])
        wait_place(desktop, "the right edge of %s went along" % place,
                   lambda left: x - 64 <= left[0] <= x - 40
                   and abs(left[0] + left[2] - x - place[2]) <= 1)
        desktop.shot("windows-wider-left")


def maximised_and_snapped():
    with Desktop() as desktop:
        x, y, width, height, _ = with_terminal(desktop)
        desktop.key("super+Up")
        wait_place(desktop, "Super+Up does not maximise", lambda place: place[4] & 15 == 1)
        desktop.shot("windows-maximised")
        desktop.key("super+Up")
        wait_place(desktop, "it did not come back to its place",
                   lambda place: place == [x, y, width, height, 0])
        free = desktop.shot("windows-free")
        desktop.drag([(x + 200, y + 20), (x + 200, 300), (2, 300)], release=False)
        desktop.wait_change(free, "a preview of the left half", "100x100+60+60", 9000)
        preview = desktop.shot("windows-preview")
        if desktop.pixel(preview, 100, 100) == desktop.pixel(preview, 700, 100):
            raise Failed("no preview of the left half")
        desktop.release()
        wait_place(desktop, "the left edge does not snap", lambda place: place[4] & 15 == 2)
        desktop.wait_change(preview, "another left half", "300x100+100+60", 2000)
        desktop.settle()
        desktop.drag([(200, 24), (500, 300)])
        wait_place(desktop, "pulling it off does not give its size back",
                   lambda place: place[4] == 0 and place[2] == width)


def double_click_maximises():
    with Desktop() as desktop:
        x, y, width, height, _ = with_terminal(desktop)
        desktop.move(x + 300, y + 20)
        desktop.xdotool("click", "--repeat", 2, "--delay", 80, 1)
        wait_place(desktop, "a double click does not maximise", lambda place: place[4] & 15 == 1)


def minimised_and_back():
    with Desktop() as desktop:
        x, y, width, height, _ = with_terminal(desktop)
        shown = desktop.shot("windows-shown")
        area = "400x300+400+200"
        desktop.click(x + width - 92, y + 20)
        desktop.wait_change(shown, "minimising", area, 50000)
        desktop.settle()
        desktop.key("super+1")
        desktop.wait_same(shown, "coming back", area, 1000)


def keys_reach_the_focused_one():
    with Desktop() as desktop:
        with_terminal(desktop)
        desktop.start_app("a2", "org.xfce.mousepad.desktop", "Mousepad", ["mousepad"])
        desktop.wait_window("a2", lambda window: window["active"], "an active window")
        before = desktop.shot("windows-two")
        desktop.type("to the editor")
        desktop.wait_change(before, "the new window's keys", least=100)
        desktop.settle()
        typed = desktop.shot("windows-typed")
        desktop.xdotool("keydown", "alt", "key", "Tab")
        desktop.wait_change(typed, "the switcher", least=1000)
        desktop.shot("windows-switcher")
        desktop.xdotool("keyup", "alt")
        desktop.wait_window("a1", lambda window: window["active"], "an active window")
        switched = desktop.shot("windows-switched")
        desktop.type("to the terminal")
        desktop.wait_change(switched, "keys of the terminal after Alt+Tab", "300x60+230+110")


def clipboard(desktop):
    return subprocess.run(["xclip", "-selection", "clipboard", "-o"], text=True, check=False,
                          env=desktop.environment, capture_output=True, timeout=10).stdout.strip()


def offer(desktop, text):
    """The host has it to paste."""
    feed = desktop.spawn(["xclip", "-selection", "clipboard", "-i", "-quiet"], stdin=subprocess.PIPE,
                         stderr=subprocess.DEVNULL)
    feed.stdin.write(text)
    feed.stdin.close()
    desktop.wait_until("the host's own copy", lambda: clipboard(desktop) == text)


def copies_between_apps_and_host():
    with Desktop() as desktop:
        desktop.start_app("a2", "org.xfce.mousepad.desktop", "Mousepad", ["mousepad"])
        desktop.wait_window("a2", lambda window: window["active"], "an active window")
        desktop.type("moss and stone")
        desktop.key("ctrl+a", "ctrl+c")
        desktop.wait_until("the app's text on the host", lambda: clipboard(desktop) == "moss and stone")
        offer(desktop, "from the host")
        # It is written out twice, so that it differs from what the host has itself.
        desktop.wait_until("the app's new offer", lambda: (
            desktop.key("ctrl+a", "ctrl+v", "ctrl+v", "ctrl+a", "ctrl+c"),
            clipboard(desktop) == "from the host" * 2)[1] or offer(desktop, "from the host"))


run(moved_by_title, resized_at_edges, maximised_and_snapped, double_click_maximises,
    minimised_and_back, keys_reach_the_focused_one, copies_between_apps_and_host)
