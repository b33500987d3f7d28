# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell shows what apps say, keeps it, and tells them what came of it."""

import subprocess
import time

from desktop import Desktop, Failed, Lines, run

NAME = ["--session", "--dest", "org.freedesktop.Notifications", "--object-path",
        "/org/freedesktop/Notifications", "--method"]


def call(desktop, method, *arguments):
    out = subprocess.run(["gdbus", "call"] + NAME
                         + ["org.freedesktop.Notifications." + method, "--"]
                         + list(arguments),
                         env=desktop.environment, capture_output=True, text=True)
    if out.returncode != 0:
        raise Failed(method + ": " + out.stderr)
    return out.stdout.strip()


def notify(desktop, summary, body, actions="[]", hints="{}", replaces=0, timeout=-1):
    answer = call(desktop, "Notify", "Mail", str(replaces), "mail-unread", summary, body,
                  actions, hints, str(timeout))
    return int(answer.split()[1].rstrip(",)"))


def shows_and_expires():
    with Desktop(session=False) as desktop:
        empty = desktop.shot("notify-none")
        capabilities = call(desktop, "GetCapabilities")
        for word in ("actions", "body", "body-markup"):
            if word not in capabilities:
                raise Failed("no capability " + word)
        notify(desktop, "Two letters", "From <b>home</b> &amp; work <img src='x'>",
               "['open', 'Open', 'later', 'Later']", timeout=1500)
        time.sleep(0.5)
        shown = desktop.shot("notify-shown")
        if desktop.differ(empty, shown, "380x240+890+0") < 5000:
            raise Failed("nothing is shown")
        time.sleep(1.8)
        if desktop.differ(empty, desktop.shot("notify-expired"), "380x240+890+0") > 500:
            raise Failed("it does not go")
        desktop.key("super+n")
        if desktop.differ(empty, desktop.shot("notify-list"), "380x240+890+0") < 5000:
            raise Failed("it is not in the list")


def hostile_markup_is_harmless():
    with Desktop(session=False) as desktop:
        for body in ("<b>bold", "</b></i>", "a < b & c", "<a href='x'>y</a>", "<b><i>x</b></i>",
                     "&#0; &bogus;", "x" * 100000, "<" * 3000):
            notify(desktop, "S" * 500, body)
        time.sleep(0.5)
        desktop.shot("notify-hostile")
        desktop.check_alive()


def actions_and_reasons():
    with Desktop(session=False) as desktop:
        # gdbus leaves the bus after each call, so the signals are watched for everybody.
        monitor = desktop.spawn(["dbus-monitor", "--session",
                                 "interface='org.freedesktop.Notifications'"],
                                stdout=subprocess.PIPE)
        lines = Lines(monitor.stdout)
        time.sleep(0.3)
        first = notify(desktop, "Question", "Yes or no?", "['yes', 'Yes', 'no', 'No']",
                       timeout=0)
        time.sleep(0.5)
        desktop.shot("notify-question")
        desktop.click(970, 131)
        while "ActionInvoked" not in lines.expect("signal", 3):
            pass
        second = notify(desktop, "Gone soon", "", timeout=0)
        if second == first:
            raise Failed("an id was used twice")
        call(desktop, "CloseNotification", str(second))
        while "NotificationClosed" not in lines.expect("signal", 3):
            pass


def find_red(desktop, picture):
    for x in range(600, 900):
        red, green, blue = desktop.pixel(picture, x, 757)
        if red > 240 and green < 20 and blue < 20:
            return x
    raise Failed("no red square in the dock")


def tray_items_live_in_the_dock():
    with Desktop() as desktop:
        desktop.tell("tray")
        time.sleep(0.8)
        x = find_red(desktop, desktop.shot("tray-item")) + 8
        desktop.click(x, 757)
        desktop.calls.expect("tray activate")
        desktop.click(x, 757, button=3)
        time.sleep(0.5)
        desktop.shot("tray-menu")
        desktop.key("Down", "Return")
        desktop.calls.expect("tray event 3")
        desktop.session.terminate()
        desktop.session.wait()
        time.sleep(0.5)
        desktop.check_alive()
        try:
            find_red(desktop, desktop.shot("tray-gone"))
        except Failed:
            return
        raise Failed("the item outlives its program")


run(tray_items_live_in_the_dock, shows_and_expires, hostile_markup_is_harmless, actions_and_reasons)
