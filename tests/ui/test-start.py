# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell starts with and without its services, and can be killed and started again."""

import signal
import time

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
        desktop.tell(*DEVICES)
        with_devices = desktop.shot("start-devices")
        desktop.session.terminate()
        desktop.session.wait()
        time.sleep(0.5)
        without = desktop.shot("start-no-session")
        if desktop.differ(with_devices, without, "110x400+1170+190") < 2000:
            raise Failed("devices of a dead service are still shown")
        desktop._start_session()
        desktop.tell(*DEVICES)
        time.sleep(0.5)
        again = desktop.shot("start-session-again")
        if desktop.differ(with_devices, again, "110x400+1170+190") > 200:
            raise Failed("the devices did not come back")


def killed_shell_finds_its_windows():
    with Desktop() as desktop:
        desktop.tell(*DEVICES)
        desktop.start_app("a1", "foot.desktop", "Terminal",
                          ["foot", "sh", "-c", "printf before; exec cat"])
        desktop.calls.expect("geometry a1")
        desktop.drag([(560, 108), (460, 200)])
        place = desktop.calls.expect("geometry a1")
        before = desktop.shot("start-before-kill")
        desktop.shell.send_signal(signal.SIGKILL)
        desktop.shell.wait()
        time.sleep(0.3)
        desktop.start_shell()
        desktop.calls.expect("connect a1")
        time.sleep(1)
        after = desktop.shot("start-after-kill")
        changed = desktop.differ(before, after, "900x650+100+40")
        if changed > 3000:
            raise Failed("%d pixels differ after a restart (%s)" % (changed, place))
        desktop.type("after")
        if desktop.differ(after, desktop.shot("start-typed"), "400x100+150+180") == 0:
            raise Failed("the app gets no keys after a restart")


run(starts_alone, services_may_go_and_come, killed_shell_finds_its_windows)
