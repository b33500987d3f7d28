# SPDX-License-Identifier: GPL-3.0-or-later
"""Light and dark, high contrast, a right-to-left language: each differs as it should, and
nothing warns."""

import time

from desktop import DEVICES, Desktop, Failed, run


def fill(desktop):
    desktop.tell(*DEVICES)
    desktop.start_app("a1", "foot.desktop", "Terminal",
                      ["foot", "sh", "-c", "printf 'hello\\n'; exec cat"])
    desktop.wait_window("a1")
    desktop.tell("app a2 org.xfce.mousepad.desktop Mousepad away aa11")
    time.sleep(0.3)
    desktop.settle()


def light_and_dark():
    brightness = []
    for scheme in ("light", "dark"):
        with Desktop(options=["--color-scheme", scheme]) as desktop:
            fill(desktop)
            picture = desktop.shot("looks-" + scheme)
            desktop.drag([(500, 108), (800, 200), (1150, 242)], hold=0.7, release=False)
            desktop.shot("looks-drag-" + scheme)
            desktop.key("Escape")
            desktop.release()
            desktop.key("super+a")
            desktop.settle()
            desktop.shot("looks-launcher-" + scheme)
            brightness.append(sum(desktop.pixel(picture, 40, 300))
                              + sum(desktop.pixel(picture, 660, 736)))
            desktop.no_warnings()
    if brightness[0] < 2.5 * brightness[1]:
        raise Failed("light %d, dark %d" % tuple(brightness))


def mirrored():
    with Desktop(environment={"GTK_DEBUG": "invert-text-dir"}) as desktop:
        fill(desktop)
        picture = desktop.shot("looks-rtl")
        with Desktop() as other:
            fill(other)
            plain = other.shot("looks-ltr")
            left = desktop.differ(picture, plain, "110x400+0+190")
            right = desktop.differ(picture, plain, "110x400+1170+190")
        if left < 5000 or right < 5000:
            raise Failed("the rail is not mirrored (%d, %d)" % (left, right))
        # The end edge is at the left now: there the window is offered.
        desktop.drag([(700, 108), (500, 200), (130, 242)], hold=0.7, release=False)
        desktop.shot("looks-rtl-drag")
        desktop.release()
        desktop.calls.expect("send a1 aa11")
        desktop.no_warnings()


def dialogs():
    with Desktop() as desktop:
        desktop.tell("files a1 letter.txt drawing.svg")
        fill(desktop)
        desktop.key("super+o")
        desktop.settle()
        desktop.shot("looks-save-out")
        desktop.key("Escape")
        desktop.click(741, 757)
        desktop.shot("looks-this-device")
        desktop.key("Escape")
        desktop.click(1224, 242)
        desktop.shot("looks-device-menu")
        desktop.key("Escape")
        desktop.no_warnings()


def empty_rail_says_what_to_do():
    with Desktop() as desktop:
        desktop.shot("looks-empty-rail")
        desktop.click(1212, 433)
        desktop.settle()
        desktop.key("Tab", "Tab", "Return")  # by fingerprint: shows this device's
        desktop.settle()
        desktop.key("Tab", "Tab", "Return")  # “Add a device”, after address and fingerprint
        desktop.settle()
        desktop.shot("looks-add-device")
        desktop.type("laptop.local")
        desktop.key("Tab")
        desktop.type("3fa9 27c1 d0b5 4e86 a1f2 c3d4 e5f6 0718 293a 4b5c 6d7e 8f90 a1b2 c3d4 "
                     "e5f6 0718")
        desktop.key("Return")
        line = desktop.calls.expect("add-device laptop.local ")
        if not line.endswith("3fa927c1d0b54e86a1f2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718"):
            raise Failed(line)


run(light_and_dark, mirrored, dialogs, empty_rail_says_what_to_do)
