#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""/net as a person meets it on a whole machine: the real netd, session and shell, file dialogs beside
Moss and in a sandbox, versions from the command line, and a hang of netd."""
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hosts"))
import desk as desks  # noqa: E402
import hosts  # noqa: E402
import tap  # noqa: E402

BUILD = os.environ.get("MOSS_BUILD", "build/dev")
SHOTS = os.environ.get("MOSS_SHOTS")
NAME = "me@example.org"
HOME = "/net/" + NAME
PATIENCE_MS = 400
CLICK_MS = 1000


class Dialog:
    """A file dialog of GTK on a machine, beside Moss."""

    def __init__(self, machine, display, gtk, *words):
        self.machine, self.gtk, self.display = machine, gtk, display
        self.process = machine.popen(
            [f"/usr/local/bin/dialog-gtk{gtk}", NAME, *words], uid=machine.uid, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
            env={"DISPLAY": display, "GDK_BACKEND": "x11", "GSK_RENDERER": "cairo"})
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.strip())

    def expect(self, start, seconds=20):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                line = self.lines.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                break
            if line.startswith(start):
                return line
        raise hosts.Failure(f"the dialog did not say “{start}”")

    def gap(self):
        self.expect("gap")
        return int(self.expect("gap").split()[1])

    def close(self):
        self.machine.kill(f"dialog-gtk{self.gtk}")
        self.process.wait()


def majors():
    return [gtk for gtk in "34" if os.path.exists(os.path.join(BUILD, "tests/desk/dialog-gtk" + gtk))]


def shot(desk, name):
    if SHOTS:
        hosts.screenshot(desk.displays["desktop"], os.path.join(SHOTS, name + ".png"))


def test_status_is_the_trees(desk):
    machine = desk.lab.machine("desktop")
    said = json.loads(machine.moss("net", "--json"))
    assert said["mount-state"] == "none" and said["home"] == "", said
    machine.moss("identity", "create", NAME, "--no-passphrase")
    hosts.wait_until("/net is mounted", lambda: json.loads(
        machine.moss("net", "--json"))["mount-state"] == "mounted", 20)
    assert machine.moss("net").splitlines()[0] == HOME


def test_versions_come_back(desk):
    machine = desk.lab.machine("desktop")
    path = HOME + "/notes.txt"
    for text in ("one", "two", "three"):
        machine.run(["sh", "-c", f"printf {text} >{path}"], uid=machine.uid)
        time.sleep(1.2)  # a commit each
    listed = json.loads(machine.moss("net", "versions", "--json", path))
    assert len(listed) >= 2, listed
    older = [one for one in listed if one["size"] == 3 and
             machine.run(["cat", one["path"]], uid=machine.uid).stdout.strip() == "one"]
    assert older, listed
    machine.moss("net", "restore", path, str(older[0]["version"]))
    hosts.wait_until("the first version is back", lambda: machine.run(
        ["cat", path], uid=machine.uid).stdout == "one", 5)
    # What was newest becomes a version with the next commit.
    hosts.wait_until("what was newest is a version", lambda: "three" in [
        machine.run(["cat", one["path"]], uid=machine.uid).stdout for one in
        json.loads(machine.moss("net", "versions", "--json", path))], 5)
    machine.moss("net", "keep", path)
    machine.moss("net", "keep", "--off", path)
    assert machine.run(["moss", "net", "versions", HOME + "/nothing"], uid=machine.uid,
                       check=False).returncode == 3


def test_dialogs_beside_moss(desk):
    machine = desk.lab.machine("desktop")
    dialogs = [Dialog(machine, desk.displays["desktop"], gtk) for gtk in majors()]
    try:
        for dialog in dialogs:
            dialog.expect("row " + NAME)
        shot(desk, "real-dialog")
        netd = machine.pids("moss-netd")[0]
        os.kill(netd, signal.SIGSTOP)
        try:
            gaps = [dialog.gap() for dialog in dialogs]
        finally:
            os.kill(netd, signal.SIGCONT)
        print(f"# stood still for {gaps} ms at most while netd hung")
        assert max(gaps) <= PATIENCE_MS, gaps
    finally:
        for dialog in dialogs:
            dialog.close()


def test_dialogs_in_a_sandbox(desk):
    """No service of the session is there to ask; /net is, and any program opens what is on it."""
    machine = desk.lab.machine("desktop")
    for gtk in majors():
        sandbox = desks.run_app(machine, "/bin/sh", "-c",
                                f"/usr/local/bin/dialog-gtk{gtk} /net >~/rows 2>&1")
        hosts.wait_until(f"a dialog of GTK {gtk} in a sandbox has the row", lambda: any(
            "row /net" in text for text in desks.inside(machine, "/home/moss/rows")), 25)
        shot(desk, "real-sandbox-gtk" + gtk)
        machine.moss("close", "--force", sandbox)


def test_tray_item(desk):
    machine = desk.lab.machine("desktop")
    said = machine.run(
        ["gdbus", "call", "--session", "--dest", "org.kde.StatusNotifierWatcher", "--object-path",
         "/StatusNotifierWatcher", "--method", "org.freedesktop.DBus.Properties.Get",
         "org.kde.StatusNotifierWatcher", "RegisteredStatusNotifierItems"], uid=machine.uid).stdout
    assert "org.kde.StatusNotifierItem-" in said, said
    shot(desk, "real-tray")


def pair(old, new):
    process = new.popen(["moss", "device", "pair", "--no-passphrase"], stdout=subprocess.PIPE,
                        stderr=subprocess.DEVNULL, text=True)
    code = process.stdout.readline().strip()
    old.moss("device", "pair", new.address, code)
    assert process.wait(20) == 0


def test_sent_file_is_told_there(desk):
    desktop, laptop = desk.lab.machine("desktop"), desk.lab.machine("laptop")
    pair(desktop, laptop)
    hosts.wait_until("/net is on the laptop", lambda: json.loads(
        laptop.moss("net", "--json"))["mount-state"] == "mounted", 20)
    watch = laptop.popen(["dbus-monitor", "--session", "interface='org.freedesktop.Notifications'"],
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    told = []
    threading.Thread(target=lambda: told.extend(watch.stdout), daemon=True).start()
    desktop.run(["sh", "-c", f"echo for the laptop >{HOME}/map.txt"])
    hosts.wait_until("the file is on the laptop", lambda: laptop.run(
        ["cat", HOME + "/map.txt"], check=False).stdout == "for the laptop\n", 20)
    desktop.moss("net", "send", HOME + "/map.txt", "laptop")
    hosts.wait_until("the laptop tells", lambda: any(
        "map.txt came from desktop" in line for line in told), 20)
    hosts.wait_until("the desktop says that all is in sync", lambda: json.loads(
        desktop.moss("net", "--json"))["state"] == "synced", 20)
    shot(desk, "real-synced")
    laptop.kill("dbus-monitor")


def test_dialogs_while_the_other_machine_is_unplugged(desk):
    """The bytes of the files are only there; nobody has noticed yet that it is gone. The types of files
    without an ending are found by reading them, which doesn't keep the dialog waiting."""
    desktop, laptop = desk.lab.machine("desktop"), desk.lab.machine("laptop")
    folder = HOME + "/films"
    desktop.run(["sh", "-ec", f"mkdir {folder}; for name in one two three; do"
                 f" head -c 3000000 /dev/urandom >{folder}/$name; done; sync {folder}/*"])
    hosts.wait_until("the laptop knows the files", lambda: laptop.run(
        ["ls", folder], check=False).stdout.split() == ["one", "three", "two"], 20)
    displays = {gtk: desk.lab.start_display("900x560") for gtk in majors()}
    desk.lab.cut("desktop")
    try:
        dialogs = [Dialog(laptop, displays[gtk], gtk, "open", folder) for gtk in majors()]
        for dialog in dialogs:
            dialog.expect("files 3")
        waits = [take_last(dialog, folder) for dialog in dialogs]
        gaps = [dialog.gap() for dialog in dialogs]
    finally:
        desk.lab.restore("desktop")
    print(f"# answered a click after {waits} ms, stood still for {gaps} ms at most")
    assert max(waits) <= CLICK_MS and max(gaps) <= PATIENCE_MS, (waits, gaps)
    for dialog in dialogs:
        dialog.close()


def take_last(dialog, folder):
    """Clicks on the last file and takes it; returns how many milliseconds that took."""
    if SHOTS:
        hosts.screenshot(dialog.display, os.path.join(SHOTS, f"unplugged-gtk{dialog.gtk}.png"))
    began = time.monotonic()
    hosts.xdotool(dialog.display, "mousemove", "300", "136", "click", "1", "key", "Return")
    assert dialog.expect("taken") == f"taken {folder}/two"
    return round(1000 * (time.monotonic() - began))


if __name__ == "__main__":
    tap.need_root()
    with desks.Desk(BUILD, shells="1280x800") as test_desk:
        for one in test_desk.machines():
            for major in majors():
                shutil.copy(os.path.join(BUILD, "tests/desk/dialog-gtk" + major),
                            one.path("/usr/local/bin/dialog-gtk" + major))
        tap.run(globals(), test_desk)
