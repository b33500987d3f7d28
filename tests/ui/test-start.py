# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell starts with and without its services, and can be killed and started again."""

import os
import signal

from desktop import DEVICES, Desktop, Failed, run


def starts_alone():
    with Desktop(session=False) as desktop:
        picture = desktop.shot("start-alone")
        sky, hill = desktop.pixel(picture, 300, 20), desktop.pixel(picture, 300, 780)
        if sky == hill or sum(sky) < sum(hill):
            raise Failed("no wallpaper: %s %s" % (sky, hill))
        desktop.check_alive()


def services_may_go_and_come():
    with Desktop() as desktop:
        empty = desktop.shot("start-empty")
        desktop.tell(*DEVICES)
        desktop.wait_change(empty, "the devices", "110x400+1170+190", 2000)
        desktop.settle()
        with_devices = desktop.shot("start-devices")
        desktop.session.terminate()
        desktop.session.wait()
        desktop.wait_change(with_devices, "the end of a dead service's devices", "110x400+1170+190",
                            2000)
        desktop.settle()
        desktop.shot("start-no-session")
        desktop._start_session()
        desktop.tell(*DEVICES)
        desktop.wait_same(with_devices, "the devices again", "110x400+1170+190", 200)


def who_is_found_becomes_a_device_when_paired():
    with Desktop() as desktop:
        desktop.tell(*DEVICES[:1])
        desktop.settle()
        alone = desktop.shot("start-stranger")
        desktop.tell(DEVICES[1] + " stranger")
        desktop.settle()
        desktop.wait_same(alone, "the stranger is no card", "110x400+1170+190", 200)
        desktop.tell(DEVICES[1])
        desktop.wait_change(alone, "the new device's card", "110x400+1170+190", 2000)


def window_is_called_by_its_machine():
    with Desktop() as desktop:
        desktop.find_window("Desktop – Moss")
        desktop.session.terminate()
        desktop.find_window("Moss")


def killed_shell_finds_its_windows():
    with Desktop() as desktop:
        desktop.tell(*DEVICES)
        desktop.start_app("a1", "foot.desktop", "Terminal",
                          ["foot", "sh", "-c", "printf before; exec cat"])
        desktop.wait_window("a1")
        desktop.drag([(560, 108), (460, 200)])
        window = desktop.wait_window("a1", lambda window: window["x"] < 200, "another place")
        before = desktop.shot("start-before-kill")
        desktop.shell.send_signal(signal.SIGKILL)
        desktop.shell.wait()
        os.unlink(desktop.layout_path)
        desktop.start_shell()
        desktop.calls.expect("connect a1")
        desktop.wait_same(before, "the window at %d, %d" % (window["x"], window["y"]),
                          "900x650+100+40", 3000)
        desktop.settle()
        after = desktop.shot("start-after-kill")
        desktop.type("after")
        desktop.wait_change(after, "keys for the app after a restart", "400x100+150+180")


run(starts_alone, services_may_go_and_come, who_is_found_becomes_a_device_when_paired,
    window_is_called_by_its_machine, killed_shell_finds_its_windows)
