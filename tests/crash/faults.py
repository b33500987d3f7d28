# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults of the crash suite: each is armed before a move, may strike during it, and is healed."""
import os
import re
import signal
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
POINT = re.compile(r'moss_fault(?:_error)?\s*\(\s*"(move\.(source|target)\.[a-z.-]+)"')
KILLED = ("moss-sandboxd", "moss-session", "moss-netd", "moss-agent", "criu")
LONGEST_DELAY_S = 0.7


def points():
    """(name, side) of the fault points of a move that stand in the source."""
    found = set()
    for folder in ("session", "vfs", "core"):
        for base, _, names in os.walk(os.path.join(TOP, folder)):
            for name in names:
                if name.endswith(".c"):
                    with open(os.path.join(base, name), encoding="utf-8") as file:
                        found.update(POINT.findall(file.read()))
    return sorted(found)


class Fault:
    """One fault. may_stay: the app may rightly stay at the source. may_end: it may be gone."""

    may_end = False

    def __init__(self, text):
        self.text = text

    def arm(self, desk, source, target):
        """Before the move."""

    def strike(self):
        """As the move begins; returns at once."""

    def heal(self):
        """After the move has ended or its time is over."""


class Nothing(Fault):
    """No fault: the move must arrive."""


class AtPoint(Fault):
    """A process dies, or a step fails, exactly at a fault point."""

    def __init__(self, name, side, action):
        super().__init__(f"{action} at {name}")
        self.name, self.side, self.action = name, side, action

    def arm(self, desk, source, target):
        self.desk, self.machine = desk, source if self.side == "source" else target
        desk.arm(self.machine, f"{self.name}:{self.action}")

    def heal(self):
        self.desk.disarm(self.machine)


class Timed(Fault):
    """Something happens some time after the move began."""

    def __init__(self, text, delay_s):
        super().__init__(f"{text} after {delay_s * 1000:.0f} ms")
        self.delay_s = delay_s

    def strike(self):
        self.timer = threading.Timer(self.delay_s, self.happen)
        self.timer.start()

    def heal(self):
        self.timer.join()


class Kill(Timed):
    """SIGKILL of a process on one side."""

    def __init__(self, program, side, delay_s):
        super().__init__(f"SIGKILL {program} at the {side}", delay_s)
        self.program, self.side = program, side
        self.may_end = program == "moss-init"

    def arm(self, desk, source, target):
        self.machine = source if self.side == "source" else target

    def happen(self):
        self.machine.kill(self.program, signal.SIGKILL)


class Cut(Timed):
    """The cable is pulled and put back some time later."""

    def __init__(self, delay_s, length_s):
        super().__init__(f"link cut for {length_s:.1f} s", delay_s)
        self.length_s = length_s

    def arm(self, desk, source, target):
        self.lab, self.name = desk.lab, target.name

    def happen(self):
        self.lab.cut(self.name)
        time.sleep(self.length_s)
        self.lab.restore(self.name)


class DiskFull(Fault):
    """The target's disk has next to no room left."""

    def __init__(self):
        super().__init__("target's disk full")

    def arm(self, desk, source, target):
        self.file = target.path("/var/filler")
        space = os.statvfs(target.path("/var"))
        room = space.f_bavail * space.f_frsize
        # What root may use beyond that goes too: the root helper writes as root.
        room = max(room, space.f_bfree * space.f_frsize)
        with open(self.file, "wb") as file:
            while room > 0:
                try:
                    os.posix_fallocate(file.fileno(), 0, room)
                    break
                except OSError:  # the file system keeps some for itself
                    room -= 1 << 20

    def heal(self):
        os.unlink(self.file)


class LowerCpu(Fault):
    """The target's processor lacks instructions that the app may have chosen at its start."""

    def __init__(self):
        super().__init__("target of a lower CPU level")

    def arm(self, desk, source, target):
        self.desk, self.target = desk, target
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            text = re.sub(r" (avx\w*|fma|bmi[12]|sse4_2|popcnt)(?= |$)", "", file.read(), flags=re.M)
        with open(target.path("/run/cpuinfo"), "w", encoding="utf-8") as file:
            file.write(text)
        target.root_run(["mount", "--bind", "/run/cpuinfo", "/proc/cpuinfo"])
        restart(desk, target)

    def heal(self):
        self.target.root_run(["umount", "/proc/cpuinfo"])
        restart(self.desk, self.target)


class LacksProgram(Fault):
    """The target does not have the program that the app is: it has to come along."""

    FILE = "/usr/bin/dash"

    def __init__(self):
        super().__init__("target without the app's program")

    def arm(self, desk, source, target):
        self.target = target
        os.rename(target.path(self.FILE), target.path(self.FILE + ".away"))

    def heal(self):
        os.rename(self.target.path(self.FILE + ".away"), self.target.path(self.FILE))


def restart(desk, machine):
    """As after a log-in: helper and session anew."""
    for program in ("moss-session", "moss-netd", "moss-agent", "moss-sandboxd"):
        machine.kill(program, signal.SIGKILL)
    time.sleep(0.2)
    desk.start(machine)
    desk.wait_linked()


def draw(random, target_has_small_disk):
    """A fault, drawn by chance; points and timed kills most of all."""
    def delay():
        return random.uniform(0, LONGEST_DELAY_S)

    kind = random.choices(["point", "kill", "cut", "init", "full", "cpu", "lacks", "none"],
                          [40, 30, 14, 4, 4, 3, 3, 2])[0]
    known = points()
    if kind == "point" and known:
        name, side = random.choice(known)
        return AtPoint(name, side, random.choice(["kill", "kill", "fail"]))
    if kind == "cut":
        return Cut(delay(), random.choice([0.3, 2.0, 4.0]))
    if kind == "init":
        return Kill("moss-init", random.choice(["source", "target"]), delay())
    if kind == "full" and target_has_small_disk:
        return DiskFull()
    if kind == "cpu":
        return LowerCpu()
    if kind == "lacks":
        return LacksProgram()
    if kind == "none":
        return Nothing("no fault")
    return Kill(random.choice(KILLED), random.choice(["source", "target"]), delay())
