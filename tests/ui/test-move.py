# SPDX-License-Identifier: GPL-3.0-or-later
"""A window is dragged to another device, by pointer, menu and key; and comes back."""

import time

from desktop import DEVICES, Desktop, Failed, run

TITLE = (500, 108)
LAPTOP = (1150, 242)


def terminal(desktop):
    desktop.tell(*DEVICES)
    desktop.start_app("a1", "foot.desktop", "Terminal",
                      ["foot", "sh", "-c", "printf hello; exec cat"])
    desktop.calls.expect("geometry a1")
    desktop.wait_window("a1")


def dragged_to_a_device():
    with Desktop() as desktop:
        terminal(desktop)
        tiles = desktop.shot("move-tiles")
        desktop.drag([TITLE, (800, 200), LAPTOP], hold=0.7, release=False)
        cards = desktop.shot("move-cards")
        if desktop.differ(tiles, cards, "280x400+990+190") < 20000:
            raise Failed("the rail did not open")
        desktop.release()
        desktop.calls.expect("picture a1")
        desktop.calls.expect("send a1 aa11")
        desktop.wait_change(tiles, "the window's end", "500x300+300+150", 50000)
        desktop.settle()
        desktop.shot("move-gone")
        desktop.click(734, 694)  # Bring back
        desktop.calls.expect("bring a1")


def too_short_at_the_edge_stays():
    with Desktop() as desktop:
        terminal(desktop)
        desktop.drag([TITLE, (800, 200), LAPTOP], hold=0.0)
        desktop.calls.never("send")
        desktop.shot("move-stayed")


def escape_takes_it_back():
    with Desktop() as desktop:
        terminal(desktop)
        before = desktop.shot("move-before-escape")
        desktop.drag([TITLE, (800, 200), LAPTOP], hold=0.6, release=False)
        desktop.key("Escape")
        desktop.wait_same(before, "its old place", "600x400+250+100", 2000)
        desktop.release()
        desktop.calls.never("send")


def a_refusal_is_a_sentence():
    with Desktop() as desktop:
        terminal(desktop)
        desktop.drag([TITLE, (800, 300), (1150, 432)], hold=0.7, release=False)
        desktop.shot("move-refused")
        desktop.release()
        desktop.calls.never("send")
        desktop.shot("move-refused-toast")


def sent_by_menu():
    with Desktop() as desktop:
        terminal(desktop)
        desktop.click(*TITLE, button=3)
        desktop.shot("move-menu")
        desktop.key("Right")
        desktop.shot("move-submenu")
        desktop.key("Down", "Return")
        desktop.calls.expect("send a1 bb22")


def sent_by_key():
    with Desktop() as desktop:
        terminal(desktop)
        desktop.key("super+m")
        desktop.shot("move-picker")
        desktop.key("Return")
        desktop.calls.expect("send a1 aa11")
        desktop.settle()
        desktop.key("super+b")
        desktop.calls.expect("bring a1")


def snapshot_and_restore():
    with Desktop() as desktop:
        terminal(desktop)
        desktop.key("super+s")
        desktop.calls.expect("snapshot a1")
        desktop.shot("move-snapshot")
        desktop.click(*TITLE, button=3)
        desktop.key("Down", "Down", "Right")
        desktop.shot("move-restore")
        desktop.key("Return")
        desktop.calls.expect("restore s0 copy=0")


def what_stopped_goes_on_by_the_dock():
    with Desktop() as desktop:
        terminal(desktop)
        desktop.tell("app a1 foot.desktop Terminal stored")
        desktop.settle()
        desktop.key("super+1")
        desktop.settle()
        desktop.shot("move-stopped")
        desktop.key("Right")
        desktop.shot("move-goes-on")
        desktop.key("Return")
        desktop.calls.expect("restore s0 copy=0")


def nested_uses_other_keys():
    with Desktop(options=["--nested"]) as desktop:
        terminal(desktop)
        desktop.key("super+s")
        desktop.calls.never("snapshot")
        desktop.key("ctrl+alt+s")
        desktop.calls.expect("snapshot a1")


def arrives_as_a_picture():
    with Desktop() as desktop:
        terminal(desktop)
        live = desktop.shot("move-live")
        desktop.key("super+m", "Return")
        desktop.calls.expect("send a1 aa11")
        desktop.wait_change(live, "its leaving", "400x300+400+200", 20000)
        desktop.settle()
        desktop.tell("app a1 foot.desktop Terminal arriving aa11 0.4")
        desktop.wait_same(live, "its picture where it was", "400x300+400+200", 3000)
        desktop.tell("app a1 foot.desktop Terminal running")
        desktop.calls.expect("connect a1")
        desktop.wait_window("a1")
        desktop.wait_same(live, "itself where it was", "600x400+250+120", 3000)


run(dragged_to_a_device, too_short_at_the_edge_stays, escape_takes_it_back,
    a_refusal_is_a_sentence, sent_by_menu, sent_by_key, snapshot_and_restore,
    what_stopped_goes_on_by_the_dock,
    nested_uses_other_keys, arrives_as_a_picture)
