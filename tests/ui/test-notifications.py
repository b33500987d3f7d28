# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell shows what apps say, keeps it, and tells them what came of it."""

import subprocess

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
               "['open', 'Open', 'later', 'Later']", timeout=4000)
        desktop.wait_change(empty, "what is shown", "380x240+890+0", 5000)
        desktop.shot("notify-shown")
        desktop.wait_same(empty, "its end", "380x240+890+0", 500)
        desktop.key("super+n")
        desktop.wait_change(empty, "the list with it", "380x240+890+0", 5000)
        desktop.shot("notify-list")


def hostile_markup_is_harmless():
    with Desktop(session=False) as desktop:
        for body in ("<b>bold", "</b></i>", "a < b & c", "<a href='x'>y</a>", "<b><i>x</b></i>",
                     "&#0; &bogus;", "x" * 100000, "<" * 3000):
            notify(desktop, "S" * 500, body)
        desktop.settle()
        desktop.shot("notify-hostile")
        desktop.check_alive()


def actions_and_reasons():
    with Desktop(session=False) as desktop:
        # gdbus leaves the bus after each call, so the signals are watched for everybody.
        monitor = desktop.spawn(["dbus-monitor", "--session",
                                 "interface='org.freedesktop.Notifications'"],
                                stdout=subprocess.PIPE)
        lines = Lines(monitor.stdout)
        empty = desktop.shot("notify-empty")
        first = notify(desktop, "Question", "Yes or no?", "['yes', 'Yes', 'no', 'No']",
                       timeout=0)
        desktop.wait_change(empty, "the question", "380x240+890+0", 5000)
        desktop.settle()
        desktop.shot("notify-question")
        desktop.click(970, 131)
        while "ActionInvoked" not in lines.expect("signal", 10):
            pass
        second = notify(desktop, "Gone soon", "", timeout=0)
        if second == first:
            raise Failed("an id was used twice")
        call(desktop, "CloseNotification", str(second))
        while "NotificationClosed" not in lines.expect("signal", 10):
            pass


def find_red(desktop, picture):
    for x in range(600, 900):
        red, green, blue = desktop.pixel(picture, x, 757)
        if red > 240 and green < 20 and blue < 20:
            return x
    return None


def tray_items_live_in_the_dock():
    with Desktop() as desktop:
        desktop.tell("tray")
        desktop.wait_until("a red square in the dock", lambda: find_red(desktop, desktop.shot("tray-item")))
        desktop.settle()
        x = find_red(desktop, desktop.shot("tray-item")) + 8
        shown = desktop.shot("tray-shown")
        desktop.click(x, 757)
        desktop.calls.expect("tray activate")
        desktop.click(x, 757, button=3)
        desktop.wait_change(shown, "its menu", least=2000)
        desktop.settle()
        desktop.shot("tray-menu")
        desktop.key("Down", "Return")
        desktop.calls.expect("tray event 3")
        desktop.session.terminate()
        desktop.session.wait()
        desktop.wait_until("the item's end with its program",
                           lambda: find_red(desktop, desktop.shot("tray-gone")) is None)
        desktop.check_alive()


run(tray_items_live_in_the_dock, shows_and_expires, hostile_markup_is_harmless, actions_and_reasons)
