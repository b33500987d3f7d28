# SPDX-License-Identifier: GPL-3.0-or-later
"""Input that games and drags want, with real programs: an SDL 2 window that locks the pointer, text
dragged from one app to another, dead keys."""

import os
import subprocess
import time

from desktop import BUILD, Desktop, Failed, run

POINTER = os.path.join(BUILD, "tests/ui/sdl-pointer")


def last(path, start):
    with open(path, encoding="utf-8") as stream:
        found = [line.split()[1:] for line in stream if line.startswith(start)]
    return found[-1] if found else None


def where(desktop):
    out = subprocess.run(["xdotool", "getmouselocation", "--shell"], env=desktop.environment,
                         capture_output=True, text=True, check=True).stdout
    return dict(line.split("=") for line in out.split())


def a_game_locks_the_pointer():
    if not os.path.exists(POINTER):
        print("# SKIP built without SDL 2")
        return
    with Desktop() as desktop:
        log = os.path.join(desktop.folder, "pointer.log")
        desktop.start_app("a1", "pointer", "Pointer", ["sh", "-c", f"exec {POINTER} >{log}"])
        time.sleep(2)
        shot = desktop.shot("input-game")
        if desktop.pixel(shot, 640, 400) != (30, 60, 90):
            raise Failed("the game's window is not in the middle: %s" % (desktop.pixel(shot, 640, 400),))
        desktop.click(640, 400)
        time.sleep(0.5)
        if last(log, "locked") != ["0"]:
            raise Failed("SDL could not lock the pointer: %s" % last(log, "locked"))
        for _ in range(200):
            desktop.xdotool("mousemove_relative", "--", 7, -3)
            time.sleep(0.01)
        time.sleep(0.5)
        moved = last(log, "moved")
        if moved is None or not (1330 <= int(moved[0]) <= 1400 and -600 <= int(moved[1]) <= -570):
            raise Failed("200 steps of 7, -3 made %s" % moved)
        place = where(desktop)
        if abs(int(place["X"]) - 640) > 210 or abs(int(place["Y"]) - 400) > 160:
            raise Failed("the pointer left the game: %s" % place)
        desktop.key("a")
        time.sleep(0.5)
        before = last(log, "moved")
        desktop.move(30, 30)
        desktop.move(60, 60)
        if where(desktop)["X"] != "60" or last(log, "moved") != before:
            raise Failed("the pointer is not free again")


def editor(desktop, sandbox):
    desktop.start_app(sandbox, "org.xfce.mousepad.desktop", "Mousepad",
                      ["mousepad", "--disable-server"])
    time.sleep(2)


def text_of(desktop):
    """All text of the focused editor."""
    desktop.key("ctrl+a", "ctrl+c")
    time.sleep(0.6)
    return subprocess.run(["xclip", "-selection", "clipboard", "-o"], text=True, check=False,
                          env=desktop.environment, capture_output=True, timeout=5).stdout


def drag_slowly(desktop, start, end):
    desktop.move(*start)
    desktop.xdotool("mousedown", 1)
    for step in range(1, 41):
        desktop.xdotool("mousemove", start[0] + (end[0] - start[0]) * step // 40,
                        start[1] + (end[1] - start[1]) * step // 40)
        time.sleep(0.03)
    desktop.shot("input-dragging")
    time.sleep(0.4)
    desktop.release()
    time.sleep(1)


# The first line of text in a mousepad that fills the left half, below its warning of root.
TEXT = (40, 106)


def text_is_dragged_to_another_app():
    with Desktop() as desktop:
        editor(desktop, "a1")
        desktop.key("super+Left")
        time.sleep(0.8)
        desktop.type("dragged words")
        editor(desktop, "a2")
        desktop.key("super+Right")
        time.sleep(0.8)
        desktop.click(300, 400)
        desktop.key("ctrl+a")
        drag_slowly(desktop, TEXT, (760, 306))
        desktop.shot("input-dropped")
        desktop.click(800, 500)
        text = text_of(desktop)
        if text.strip() != "dragged words":
            raise Failed("the other editor has “%s”" % text)


def text_is_dragged_inside_an_app():
    with Desktop() as desktop:
        editor(desktop, "a1")
        desktop.key("super+Left")
        time.sleep(0.8)
        desktop.type("moved stays")
        desktop.key("Return", "Return", "Return")
        desktop.move(20, TEXT[1])
        desktop.xdotool("click", "--repeat", 2, "--delay", 80, 1)
        time.sleep(0.4)
        drag_slowly(desktop, (20, TEXT[1]), (300, 500))
        desktop.shot("input-inside")
        text = text_of(desktop)
        if text.rstrip() != " stays\n\n\nmoved":
            raise Failed("the editor has “%s”" % text)


if __name__ == "__main__":
    run(a_game_locks_the_pointer, text_is_dragged_to_another_app,
        text_is_dragged_inside_an_app)
