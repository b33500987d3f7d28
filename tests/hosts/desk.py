# SPDX-License-Identifier: GPL-3.0-or-later
"""Two test machines with running, paired Moss sessions: what tests of moves, the demo and the
benchmarks start from."""
import json
import os
import re
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import hosts  # noqa: E402

# An app whose state is only in its memory: a number that only it knows, and a count.
COUNTER = ("n=$(cat /proc/sys/kernel/random/uuid); i=0; while :; do i=$((i+1)); "
           'echo "$n $i" >~/count.new; mv ~/count.new ~/count; sleep 0.03; done')
FAULT_FILE = "/run/moss-fault"


class Desk:
    """A Lab in which moss-sandboxd and moss-session run on every machine and all are paired."""

    def __init__(self, build, shells=None, env=None):
        """shells: the size of a virtual display for each machine with moss-shell on it, or None."""
        self.lab = hosts.Lab(build=build)
        self.displays = {}
        self.env = dict(env or {}, MOSS_FAULT_FILE=FAULT_FILE)
        self.ids = {}
        try:
            for machine in self.machines() if shells else []:
                self.displays[machine.name] = self.lab.start_display(shells)
            for machine in self.machines():
                self.disarm(machine)
                self.start(machine)
            for machine in self.machines():
                self.ids[machine.name] = device_id(machine)
            self.pair()
        except BaseException:
            self.lab.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.lab.close()

    def machines(self):
        return list(self.lab.machines.values())

    def other(self, machine):
        return next(one for one in self.machines() if one is not machine)

    def start(self, machine):
        """Starts what isn't running of a machine's helper and session."""
        if not machine.pids("moss-sandboxd"):
            machine.start_sandboxd(env={"MOSS_FAULT_FILE": FAULT_FILE})
        if not machine.pids("moss-session"):
            machine.start_session(env=self.env)
            hosts.wait_until(f"moss-netd on {machine.name}",
                             lambda: machine.has_name("org.moss.Net1"), 20)
        if self.displays and not machine.pids("moss-shell"):
            self.start_shell(machine)

    def start_shell(self, machine):
        """moss-shell on the machine's virtual display; it says where things are in layout.json."""
        layout = f"/run/user/{machine.uid}/layout.json"
        machine.start("shell", ["moss-shell"], env={
            "DISPLAY": self.displays[machine.name], "GDK_BACKEND": "x11", "GSK_RENDERER": "cairo",
            "MOSS_SHELL_LAYOUT": layout, "MOSS_SHELL_FULLSCREEN": "1"})

    def pair(self):
        for machine in self.machines():
            peer = self.other(machine)
            machine.moss("device", "add", peer.address, self.ids[peer.name])
        self.wait_linked()

    def linked(self, machine):
        """Whether the machine says so; one whose moss-netd just starts again isn't."""
        peer = self.ids[self.other(machine).name]
        try:
            listed = devices(machine)
        except hosts.Failure:
            return False
        return any(device["id"] == peer and device["state"] == "linked" for device in listed)

    def wait_linked(self, seconds=20):
        for machine in self.machines():
            hosts.wait_until(f"{machine.name} is linked", lambda one=machine: self.linked(one), seconds)

    def send(self, machine, sandbox, timeout=60):
        """Sends a sandbox to the other machine; returns moss's report."""
        answer = machine.moss("send", "--json", sandbox, self.ids[self.other(machine).name],
                              timeout=timeout)
        return json.loads(answer)

    def arm(self, machine, plan):
        """Arms fault points of the machine's running processes, e.g. "move.source.frozen:kill"."""
        path = machine.path(FAULT_FILE)
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(plan)
        os.chmod(path + ".new", 0o644)
        os.rename(path + ".new", path)

    def disarm(self, machine):
        self.arm(machine, "")


def device_id(machine):
    return machine.moss("device", "id").split()[-1]


def devices(machine):
    return json.loads(machine.moss("device", "list", "--json") or "[]")


def sandboxes(machine):
    """The session's list: id → entry."""
    return {entry["id"]: entry for entry in json.loads(machine.moss("ps", "--json") or "[]")}


def state(machine, sandbox):
    return sandboxes(machine).get(sandbox, {}).get("state", "")


def run_app(machine, *argv, options=()):
    """moss run; returns the sandbox's id."""
    answer = machine.moss("run", *options, "--", *argv)
    found = re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", answer)
    if not found:
        raise hosts.Failure(f"moss run printed no id: {answer!r}")
    return found.group(0)


_OUR_USER_NS = os.readlink("/proc/self/ns/user")


def sandboxed(machine):
    """(outer pid, program) of the processes inside sandboxes: they have their own user namespace."""
    found = []
    for pid, name in machine.processes():
        try:
            if os.readlink(f"/proc/{pid}/ns/user") != _OUR_USER_NS:
                found.append((pid, name))
        except OSError:
            pass
    return found


def inside_each(machine, path):
    """(pid, contents) of a file inside the machine's sandboxes, as the apps see it."""
    texts = []
    for pid, name in sandboxed(machine):
        if name == "moss-init":
            try:
                with open(f"/proc/{pid}/root{path}", encoding="utf-8") as file:
                    texts.append((pid, file.read()))
            except OSError:
                pass
    return texts


def inside(machine, path):
    """The same without the pids."""
    return [text for _, text in inside_each(machine, path)]


class Watch(threading.Thread):
    """Looks at the counters on all machines all the time and remembers who counted when.

    A copy runs where its counter grows while its pid 1 stays the same: another try of a restore
    brings a newer file and has not run. changes: (time, machine name, nonce, count)."""

    def __init__(self, desk, pause=0.01):
        super().__init__(daemon=True)
        self.desk = desk
        self.pause = pause
        self.changes = []
        self.last = {}
        self.ending = threading.Event()
        self.start()

    def run(self):
        while not self.ending.is_set():
            for machine in self.desk.machines():
                for pid, text in inside_each(machine, "/home/moss/count"):
                    self.note(machine.name, pid, text.split())
            time.sleep(self.pause)

    def note(self, name, pid, fields):
        if len(fields) != 2:
            return
        nonce, count = fields[0], int(fields[1])
        before = self.last.get((name, pid, nonce))
        self.last[(name, pid, nonce)] = count
        if before is not None and count != before:
            self.changes.append((time.monotonic(), name, nonce, count))

    def stop(self):
        self.ending.set()
        self.join()

    def of(self, nonce):
        return [change for change in self.changes if change[2] == nonce]

    def overlaps(self, nonce):
        """Times somebody counted on after the other had begun, and counts that went backwards."""
        found = []
        order = []
        highest = 0
        for when, name, _, count in self.of(nonce):
            if not order or order[-1] != name:
                if name in order:
                    found.append(f"{name} counts again at {when:.3f} after {order[-1]} did")
                order.append(name)
            if count < highest:
                found.append(f"{name} counts {count} after {highest} was reached")
            highest = max(highest, count)
        return found

    def running(self, nonce, within=1.0):
        """Names of the machines where it counted in the last seconds."""
        since = time.monotonic() - within
        return sorted({name for when, name, _, _ in self.of(nonce) if when >= since})
