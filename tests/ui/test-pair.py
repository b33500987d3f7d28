# SPDX-License-Identifier: GPL-3.0-or-later
"""The person's devices in the shell, by keyboard: begin, add a device by its code, revoke it;
and the page that shows a code. Behind it are the real services, and a second set of them is the
other device."""

import os
import subprocess
import sys
import time

from desktop import BUILD, Desktop, Failed, run

MOSS = os.path.join(BUILD, "session/cli/moss")
PASSPHRASE = "correct horse"


def moss(environment, *words):
    return subprocess.run([MOSS, *words], env=environment, capture_output=True, text=True)


def wait_for(what, condition, seconds=15):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    raise Failed("in vain: " + what)


def start_services(desktop, environment, part, name):
    """Gives back where its netd listens."""
    state = os.path.join(desktop.folder, part)
    for words in (["core/moss-agent", "--state", state],
                  ["vfs/moss-netd", "--state", state, "--name", name, "--port", "0", "--listen",
                   "127.0.0.1"]):
        desktop.processes.append(subprocess.Popen([os.path.join(BUILD, words[0])] + words[1:],
                                                  env=environment, stderr=subprocess.DEVNULL))
    wait_for("the services", lambda: moss(environment, "identity", "show").returncode == 0)
    with open(os.path.join(state, "net/port"), encoding="utf-8") as port:
        return "127.0.0.1:" + port.read().strip()


def other_device(desktop):
    bus = desktop.spawn(["dbus-daemon", "--session", "--nofork", "--print-address"],
                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    environment = dict(desktop.environment, LANG="C.UTF-8", LANGUAGE="C",
                       DBUS_SESSION_BUS_ADDRESS=bus.stdout.readline().strip())
    address = start_services(desktop, environment, "other", "Laptop")
    desktop.other_address, desktop.other_netd = address, desktop.processes[-1]
    return environment, address


class Pairing(Desktop):
    """A desktop with a real agent and netd."""

    def __init__(self, suffix="", add=(1212, 433), **options):
        super().__init__(session=False, shell=False, **options)
        self.suffix, self.add = suffix, add
        # The button of what it says about the identity.
        self.your_devices = (858 if add[0] > 640 else 1280 - 858, 682)
        self.address = start_services(self, self.environment, "own", "Desktop")
        self.english = dict(self.environment, LANG="C.UTF-8", LANGUAGE="C")
        self.start_shell()
        time.sleep(0.5)
        self.click(*add)
        time.sleep(0.8)

    def picture(self, name):
        time.sleep(0.4)
        return self.shot("pair-" + name + self.suffix)

    def create(self):
        self.picture("start")
        self.key("Return")  # the first device
        self.type("me@example.org")
        self.key("Tab")
        self.type(PASSPHRASE)
        self.key("Tab")
        self.type(PASSPHRASE[:-1])
        self.key("Tab", "Tab", "Return")
        self.picture("differ")
        self.key("shift+Tab", "shift+Tab")
        self.key("ctrl+a")
        self.type(PASSPHRASE)
        self.key("Tab", "Tab", "Return")
        wait_for("the identity", lambda: "me@example.org" in self.show())

    def show(self):
        return moss(self.english, "identity", "show").stdout

    def check(self):
        self.check_alive()
        log = self.log()
        if "WARNING" in log or "CRITICAL" in log:
            raise Failed(log[:600])


def begin_add_and_revoke(**options):
    with Pairing(**options) as desktop:
        other, address = other_device(desktop)
        desktop.create()
        desktop.picture("alone")
        process = subprocess.Popen([MOSS, "device", "pair", "--no-passphrase"], env=other,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        desktop.processes.append(process)
        code = process.stdout.readline().strip().replace(" ", "")
        desktop.key("Return")  # add a device
        desktop.type(address)
        desktop.key("Tab")
        desktop.type("%08d" % ((int(code) + 1) % 10 ** 8))
        desktop.key("Return")
        desktop.picture("wrong")
        desktop.key("ctrl+a")
        desktop.type(code[:4] + " " + code[4:])
        desktop.picture("typed")
        desktop.key("Return")
        wait_for("it is paired", lambda: "Laptop" in desktop.show())
        wait_for("the other one knows", lambda: "Desktop" in moss(other, "identity",
                                                                  "show").stdout)
        time.sleep(1)
        desktop.picture("list")
        desktop.key("shift+Tab", "shift+Tab", "shift+Tab", "Return")
        desktop.picture("revoke")
        desktop.key("Return")
        wait_for("it is revoked", lambda: "revoked" in desktop.show())
        desktop.picture("revoked")
        desktop.check()


def names_hosts(**options):
    with Pairing(**options) as desktop:
        desktop.create()
        desktop.picture("no-host")
        desktop.key("shift+Tab", "shift+Tab", "Return")
        desktop.picture("hosts-empty")
        desktop.type("http//wrong one")
        desktop.key("Return")
        desktop.picture("hosts-wrong")
        for host in ("keeps.example.org", "http://10.1.2.3:8420"):
            desktop.key("ctrl+a")
            desktop.type(host)
            desktop.key("Return")
            wait_for("it is a host", lambda: host in desktop.show())
            time.sleep(0.5)
        desktop.picture("hosts")
        desktop.key("shift+Tab", "Return")
        desktop.picture("hosts-remove")
        desktop.key("Return")
        wait_for("it is none any more", lambda: "10.1.2.3" not in desktop.show())
        if "wrong" in desktop.show() or "https://keeps.example.org" not in desktop.show():
            raise Failed(desktop.show())
        desktop.check()


def chain_of(environment):
    return subprocess.run(
        ["gdbus", "call", "--session", "--dest", "org.moss.Agent1", "--object-path", "/org/moss/Agent",
         "--method", "org.freedesktop.DBus.Properties.Get", "org.moss.Agent1", "Chain"],
        env=environment, capture_output=True, text=True, check=True).stdout.split("<")[1].split(">")[0]


def changed_in_two_ways(**options):
    """Another device changed the identity while nobody saw it: a person says which way holds."""
    with Pairing(**options) as desktop:
        other, _ = other_device(desktop)
        desktop.create()
        desktop.key("Escape")
        process = subprocess.Popen([MOSS, "device", "pair", "--no-passphrase"], env=other,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        desktop.processes.append(process)
        code = process.stdout.readline().strip().replace(" ", "")
        paired = moss(desktop.english, "device", "pair", desktop.other_address, code)
        if paired.returncode:
            raise Failed(paired.stderr)
        wait_for("both know", lambda: "Desktop" in moss(other, "identity", "show").stdout)
        desktop.other_netd.kill()
        desktop.other_netd.wait()
        for environment, host in ((desktop.english, "one"), (other, "two")):
            moss(environment, "identity", "hosts", "https://%s.example" % host)
        before = desktop.picture("before-fork")
        subprocess.run(["gdbus", "call", "--session", "--dest", "org.moss.Agent1", "--object-path",
                        "/org/moss/Agent", "--method", "org.moss.Agent1.TakeChain", chain_of(other)],
                       env=desktop.environment, capture_output=True)
        wait_for("it is known", lambda: desktop.differ(before, desktop.picture("forked-toast")) > 500)
        desktop.click(*desktop.your_devices)
        time.sleep(0.6)
        desktop.picture("forked")
        desktop.key("shift+Tab", "shift+Tab", "shift+Tab", "shift+Tab", "Return")
        wait_for("the other way holds", lambda: "two.example" in desktop.show())
        time.sleep(0.5)
        desktop.picture("settled")
        desktop.check()


def shows_a_code(**options):
    with Pairing(**options) as desktop:
        other, _ = other_device(desktop)
        made = moss(other, "identity", "create", "me", "--no-passphrase")
        if made.returncode:
            raise Failed(made.stderr)
        desktop.key("Tab", "Return")
        desktop.type(PASSPHRASE)
        desktop.key("Tab")
        desktop.type(PASSPHRASE)
        desktop.key("Tab", "Tab")
        desktop.picture("seal")
        desktop.key("Return")
        time.sleep(2.5)
        shown = desktop.picture("code")
        wrong = moss(other, "device", "pair", desktop.address, "12345678")
        if "not the code" not in wrong.stderr:
            raise Failed(wrong.stderr)
        tried = desktop.picture("tried")
        if desktop.differ(shown, tried) < 200:
            raise Failed("nothing is said about the wrong code")
        for _ in range(2):
            moss(other, "device", "pair", desktop.address, "12345678")
        desktop.picture("used-up")
        desktop.key("Escape")
        late = moss(other, "device", "pair", desktop.address, "12345678")
        if late.returncode == 0:
            raise Failed("a code that was closed still pairs")
        desktop.check()


def locked_after_a_login(**options):
    """It says so, and the button leads to where the passphrase is asked for."""
    with Pairing(**options) as desktop:
        desktop.create()
        desktop.key("Escape")
        before = desktop.picture("unlocked")
        if moss(desktop.english, "identity", "lock").returncode:
            raise Failed("it can't be locked")
        time.sleep(0.5)
        after = desktop.picture("locked")
        if desktop.differ(before, after, "500x120+390+600") < 500:
            raise Failed("nobody is told that it is locked")
        desktop.click(*desktop.add)
        time.sleep(0.6)
        desktop.type(PASSPHRASE)
        desktop.picture("unlock")
        desktop.key("Return")
        wait_for("it is unlocked", lambda: "unlocked" in desktop.show())
        desktop.picture("unlocked-again")
        desktop.check()


def dark():
    begin_add_and_revoke(suffix="-dark", options=["--color-scheme", "dark"])


def right_to_left():
    begin_add_and_revoke(suffix="-rtl", add=(68, 433),
                         environment={"GTK_DEBUG": "invert-text-dir"})


def light():
    begin_add_and_revoke()


def hosts():
    names_hosts()


def hosts_dark():
    names_hosts(suffix="-dark", options=["--color-scheme", "dark"])


def hosts_arabic():
    names_hosts(suffix="-ar", add=(68, 433), environment={"LANGUAGE": "ar"})


def ways():
    changed_in_two_ways()


def ways_dark():
    changed_in_two_ways(suffix="-dark", options=["--color-scheme", "dark"])


def ways_arabic():
    changed_in_two_ways(suffix="-ar", add=(68, 433), environment={"LANGUAGE": "ar"})


def code():
    shows_a_code()


def locked():
    locked_after_a_login()


TESTS = {"light": light, "code": code, "locked": locked, "hosts": hosts, "ways": ways, "dark": dark,
         "rtl": right_to_left, "hosts-dark": hosts_dark, "hosts-ar": hosts_arabic,
         "ways-dark": ways_dark, "ways-ar": ways_arabic}
USUAL = (light, code, locked, hosts, ways)

if __name__ == "__main__":
    run(*([TESTS[name] for name in sys.argv[1:]] or USUAL))
