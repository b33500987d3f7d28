# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows of real programs: moved, resized, maximised, snapped, minimised, switched, and
written to."""

import re
import time

from desktop import DEVICES, Desktop, Failed, run

TITLE_Y = 128  # foot's 700x500 window in the middle of the work area
LEFT, TOP, RIGHT, BOTTOM = 236, 88, 936, 628


def with_terminal(desktop, text="printf hello; exec cat"):
    desktop.tell(*DEVICES)
    desktop.start_app("a1", "foot.desktop", "Terminal", ["foot", "sh", "-c", text])
    place = get_place(desktop)
    time.sleep(0.8)
    return place


def get_place(desktop, flags=None):
    line = desktop.calls.expect("geometry a1")
    numbers = [int(n) for n in re.search(r"\[\((.*?)\)", line).group(1)
               .replace("uint32", "").split(",")]
    return numbers[1:]


def moved_by_title():
    with Desktop() as desktop:
        x, y, width, height, _ = with_terminal(desktop)
        desktop.drag([(x + 200, y + 20), (x + 100, y + 80)])
        place = get_place(desktop)
        if place[:2] != [x - 100, y + 60]:
            raise Failed("moved by -100,60 from %d,%d to %s" % (x, y, place[:2]))
        desktop.drag([(x + 100, y + 80), (x, y)], release=False)
        desktop.key("Escape")
        desktop.release()
        desktop.calls.never("geometry a1 (1, [(1, %d" % (x - 200))


def resized_at_edges():
    with Desktop() as desktop:
        x, y, width, height, _ = with_terminal(desktop)
        desktop.drag([(x + width + 4, y + 200), (x + width + 84, y + 200)])
        time.sleep(0.5)
        wider = desktop.shot("windows-wider")
        place = get_place(desktop)
        if not width + 60 <= place[2] <= width + 84:
            raise Failed("width %d after +80 at the right of %d" % (place[2], width))
        desktop.drag([(x - 4, y + 200), (x - 64, y + 200)])
        time.sleep(0.5)
        left = get_place(desktop)
        if not x - 64 <= left[0] <= x - 40 or abs(left[0] + left[2] - x - place[2]) > 1:
            raise Failed("the right edge went along: %s to %s" % (place, left))
        desktop.differ(wider, desktop.shot("windows-wider-left"))


def maximised_and_snapped():
    with Desktop() as desktop:
        x, y, width, height, _ = with_terminal(desktop)
        desktop.key("super+Up")
        if get_place(desktop)[4] & 15 != 1:
            raise Failed("Super+Up does not maximise")
        desktop.shot("windows-maximised")
        desktop.key("super+Up")
        if get_place(desktop) != [x, y, width, height, 0]:
            raise Failed("it did not come back to its place")
        desktop.drag([(x + 200, y + 20), (x + 200, 300), (2, 300)], release=False)
        time.sleep(0.3)
        preview = desktop.shot("windows-preview")
        if desktop.pixel(preview, 100, 100) == desktop.pixel(preview, 700, 100):
            raise Failed("no preview of the left half")
        desktop.release()
        time.sleep(0.5)
        if desktop.differ(preview, desktop.shot("windows-left"), "300x100+100+60") < 2000:
            raise Failed("the left half looks as before")
        if get_place(desktop)[4] & 15 != 2:
            raise Failed("the left edge does not snap")
        desktop.drag([(200, 24), (500, 300)])
        time.sleep(0.4)
        place = get_place(desktop)
        if place[4] != 0 or place[2] != width:
            raise Failed("pulling it off does not give its size back: %s" % place)


def double_click_maximises():
    with Desktop() as desktop:
        x, y, width, height, _ = with_terminal(desktop)
        desktop.move(x + 300, y + 20)
        desktop.xdotool("click", "--repeat", 2, "--delay", 80, 1)
        if get_place(desktop)[4] & 15 != 1:
            raise Failed("a double click does not maximise")


def minimised_and_back():
    with Desktop() as desktop:
        x, y, width, height, _ = with_terminal(desktop)
        shown = desktop.shot("windows-shown")
        desktop.click(x + width - 92, y + 20)
        area = "400x300+400+200"
        if desktop.differ(shown, desktop.shot("windows-minimised"), area) < 50000:
            raise Failed("it is still there")
        desktop.key("super+1")
        time.sleep(0.4)
        if desktop.differ(shown, desktop.shot("windows-back"), area) > 1000:
            raise Failed("it did not come back")


def keys_reach_the_focused_one():
    with Desktop() as desktop:
        with_terminal(desktop)
        desktop.start_app("a2", "org.xfce.mousepad.desktop", "Mousepad", ["mousepad"])
        time.sleep(2)
        before = desktop.shot("windows-two")
        desktop.type("to the editor")
        typed = desktop.shot("windows-typed")
        if desktop.differ(before, typed) < 100:
            raise Failed("the new window got no keys")
        desktop.xdotool("keydown", "alt", "key", "Tab")
        time.sleep(0.4)
        desktop.shot("windows-switcher")
        desktop.xdotool("keyup", "alt")
        time.sleep(0.4)
        switched = desktop.shot("windows-switched")
        desktop.type("to the terminal")
        if desktop.differ(switched, desktop.shot("windows-terminal"), "300x60+230+110") == 0:
            raise Failed("after Alt+Tab the terminal got no keys")


def copies_between_apps_and_host():
    with Desktop() as desktop:
        desktop.start_app("a2", "org.xfce.mousepad.desktop", "Mousepad", ["mousepad"])
        time.sleep(2)
        desktop.type("moss and stone")
        desktop.key("ctrl+a", "ctrl+c")
        time.sleep(0.5)
        import subprocess
        out = subprocess.run(["xclip", "-selection", "clipboard", "-o"], text=True,
                             env=desktop.environment, capture_output=True, timeout=5)
        if out.stdout.strip() != "moss and stone":
            raise Failed("the host reads “%s”" % out.stdout)
        feed = subprocess.Popen(["xclip", "-selection", "clipboard", "-i", "-quiet"],
                                stdin=subprocess.PIPE, env=desktop.environment,
                                stderr=subprocess.DEVNULL)
        desktop.processes.append(feed)
        feed.stdin.write(b"from the host")
        feed.stdin.close()
        time.sleep(0.5)
        desktop.key("ctrl+a", "ctrl+v")
        time.sleep(0.5)
        desktop.key("ctrl+a", "ctrl+c")
        time.sleep(0.5)
        out = subprocess.run(["xclip", "-selection", "clipboard", "-o"], text=True,
                             env=desktop.environment, capture_output=True, timeout=5)
        if out.stdout.strip() != "from the host":
            raise Failed("the app pasted “%s”" % out.stdout)


run(moved_by_title, resized_at_edges, maximised_and_snapped, double_click_maximises,
    minimised_and_back, keys_reach_the_focused_one, copies_between_apps_and_host)
