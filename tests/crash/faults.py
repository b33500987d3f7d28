# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults of the crash suite: each is armed before a move, may strike during it, and is healed."""
import os
import re
import signal
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
POINT = re.compile(r'moss_fault(_error)?\s*\(\s*"((?:move|sandboxd)\.[a-z.-]+)"')
# Whoever passes a point of the session, these may die on either side meanwhile.
OTHERS = ("moss-sandboxd", "moss-netd", "moss-agent")
CUTS_S = (0.3, 2.0, 4.0)
LONGEST_DELAY_S = 0.5
LONGEST_WORK_S = 0.06
REACH_S = 8.0


class Point:
    """A fault point in the source: where a move's step begins or ends."""

    def __init__(self, name, can_fail):
        self.name, self.can_fail = name, can_fail
        if name.startswith("move."):
            self.program, self.side = "moss-session", name.split(".")[1]
        else:
            self.program = "moss-sandboxd"
            self.side = "source" if name.startswith("sandboxd.dump.") else "target"


def points():
    """The fault points of a move, in the order of their names."""
    found = {}
    for base, _, names in os.walk(os.path.join(TOP, "session")):
        for name in names:
            if name.endswith(".c"):
                with open(os.path.join(base, name), encoding="utf-8") as file:
                    for error, point in POINT.findall(file.read()):
                        found[point] = Point(point, bool(error))
    return [found[name] for name in sorted(found)]


class Fault:
    """One fault. may_end: the app may be gone afterwards. struck: None when that isn't known."""

    may_end = False
    small_disk = False  # the target must be the machine with the small disk
    struck = None

    def __init__(self, text):
        self.text = text

    def arm(self, desk, source, target):
        """Before the move."""

    def strike(self):
        """As the move begins; returns at once."""

    def heal(self):
        """After the move has ended or its time is over: what broke is whole again."""

    def tidy(self):
        """After the app is gone."""


class Nothing(Fault):
    """No fault: the move must arrive."""


class AtPoint(Fault):
    """A process dies, or a step fails, exactly at a fault point."""

    def __init__(self, point, action):
        super().__init__(f"{action} at {point.name}")
        self.point, self.action = point, action

    def arm(self, desk, source, target):
        self.desk, self.machine = desk, source if self.point.side == "source" else target
        self.pids = self.machine.pids(self.point.program)
        desk.arm(self.machine, f"{self.point.name}:{self.action}")

    def heal(self):
        self.desk.disarm(self.machine)
        if self.action == "kill":
            self.struck = self.machine.pids(self.point.program) != self.pids


class Held(Fault):
    """The process that comes to a fault point is held there while something happens."""

    def __init__(self, text, point):
        super().__init__(f"{text} at {point.name}")
        self.point = point

    def arm(self, desk, source, target):
        self.desk, self.source, self.target = desk, source, target
        self.machine = source if self.point.side == "source" else target
        self.pids = self.machine.pids(self.point.program)
        desk.arm(self.machine, f"{self.point.name}:stop")

    def strike(self):
        self.struck = False
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.lie_in_wait, daemon=True)
        self.thread.start()

    def lie_in_wait(self):
        """Until the move is over: on a busy machine it may take long to come here."""
        while not self.over.is_set():
            stopped = [pid for pid in self.pids if is_stopped(pid)]
            if stopped:
                self.desk.disarm(self.machine)
                try:
                    self.happen()
                    self.struck = True
                finally:
                    proceed(stopped)
                self.afterwards()
                return
            time.sleep(0.002)

    def happen(self):
        """While it is held."""

    def afterwards(self):
        """When it goes on."""

    def heal(self):
        self.desk.disarm(self.machine)
        self.over.set()
        self.thread.join()
        proceed(pid for pid in self.pids if is_stopped(pid))


def is_stopped(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] == "T"
    except OSError:
        return False


def proceed(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass


class KillAt(Held):
    """SIGKILL of a process, at either side, while a step is taken."""

    def __init__(self, program, side, point):
        super().__init__(f"SIGKILL {program} of the {side}", point)
        self.program, self.side = program, side

    def happen(self):
        (self.source if self.side == "source" else self.target).kill(self.program)


class CutAt(Held):
    """The cable is pulled while a step is taken and put back some time later."""

    def __init__(self, length_s, point):
        super().__init__(f"link cut for {length_s:.1f} s", point)
        self.length_s = length_s

    def happen(self):
        self.desk.lab.cut(self.target.name)

    def afterwards(self):
        time.sleep(self.length_s)
        self.desk.lab.restore(self.target.name)


class Timed(Fault):
    """Something happens some time after the move began."""

    def __init__(self, text, delay_s):
        super().__init__(f"{text} after {delay_s * 1000:.0f} ms")
        self.delay_s = delay_s

    def strike(self):
        self.timer = threading.Timer(self.delay_s, self.happen)
        self.timer.start()

    def happen(self):
        """In a thread of its own."""

    def heal(self):
        self.timer.join()


class Kill(Timed):
    """SIGKILL of a process on one side."""

    def __init__(self, program, side, delay_s):
        super().__init__(f"SIGKILL {program} of the {side}", delay_s)
        self.program, self.side = program, side
        self.may_end = program == "moss-init"

    def arm(self, desk, source, target):
        self.machine = source if self.side == "source" else target

    def happen(self):
        self.struck = self.machine.kill(self.program) > 0


class KillWorking(Fault):
    """SIGKILL of CRIU, which works for an instant only, some time after it began.

    One that is killed while its code runs in the app's processes may take the app along; nobody but
    root can do that, and when memory runs out the kernel takes others first."""

    def __init__(self, program, side, delay_s):
        super().__init__(f"SIGKILL {program} of the {side} {delay_s * 1000:.0f} ms after it began")
        self.program, self.side, self.delay_s = program, side, delay_s
        self.may_end = side == "source"

    def arm(self, desk, source, target):
        self.machine = source if self.side == "source" else target

    def strike(self):
        self.struck = False
        self.thread = threading.Thread(target=self.lie_in_wait, daemon=True)
        self.thread.start()

    def lie_in_wait(self):
        end = time.monotonic() + REACH_S
        while time.monotonic() < end and not self.machine.pids(self.program):
            time.sleep(0.002)
        time.sleep(self.delay_s)
        self.struck = self.machine.kill(self.program) > 0

    def heal(self):
        self.thread.join()


class Cut(Timed):
    """The cable is pulled and put back some time later."""

    def __init__(self, length_s, delay_s):
        super().__init__(f"link cut for {length_s:.1f} s", delay_s)
        self.length_s = length_s

    def arm(self, desk, source, target):
        self.lab, self.name = desk.lab, target.name

    def happen(self):
        self.lab.cut(self.name)
        time.sleep(self.length_s)
        self.lab.restore(self.name)


def fill_disk(machine):
    """Takes all the room there is, root's reserve too: the helper writes as root."""
    path = machine.path("/var/filler")
    space = os.statvfs(machine.path("/var"))
    room = space.f_bfree * space.f_frsize
    with open(path, "wb") as file:
        while room > 0:
            try:
                os.posix_fallocate(file.fileno(), 0, room)
                break
            except OSError:  # the file system keeps some for itself
                room -= 1 << 20
    return path


class DiskFull(Fault):
    """The target's disk has next to no room left."""

    small_disk = True

    def __init__(self):
        super().__init__("target's disk full")

    def arm(self, desk, source, target):
        self.file = fill_disk(target)
        self.struck = True

    def heal(self):
        os.unlink(self.file)


class DiskFullAt(Held):
    """The target's disk gets full while a step is taken."""

    small_disk = True
    file = None

    def __init__(self, point):
        super().__init__("target's disk full", point)

    def happen(self):
        self.file = fill_disk(self.target)

    def heal(self):
        super().heal()
        if self.file is not None:
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
        self.struck = True
        restart(desk, target)

    def heal(self):
        self.target.root_run(["umount", "/proc/cpuinfo"])
        restart(self.desk, self.target)


class LacksProgram(Fault):
    """The target does not have the program that the app is: it has to come along.

    It stays away as long as the app lives: a runtime does not change under a mounted overlay."""

    FILE = "/usr/bin/dash"

    def __init__(self):
        super().__init__("target without the app's program")

    def arm(self, desk, source, target):
        self.target = target
        os.rename(target.path(self.FILE), target.path(self.FILE + ".away"))
        self.struck = True

    def tidy(self):
        os.rename(self.target.path(self.FILE + ".away"), self.target.path(self.FILE))


def restart(desk, machine):
    """As after a log-in: helper and session anew."""
    for program in ("moss-session", "moss-netd", "moss-agent", "moss-sandboxd"):
        machine.kill(program)
    time.sleep(0.2)
    desk.start(machine)
    desk.wait_linked()


def kills_at(point):
    """Everybody else who may die while a point is passed."""
    for side in ("source", "target"):
        for program in OTHERS:
            yield KillAt(program, side, point)
    yield KillAt("moss-session", "target" if point.side == "source" else "source", point)


def deck(random):
    """Every step of a move with every kind of fault, and some at times of chance, shuffled."""
    def delay():
        return random.uniform(0, LONGEST_DELAY_S)

    cards = []
    known = points()
    for point in known:
        cards.append(AtPoint(point, "kill"))
        cards.append(CutAt(random.choice(CUTS_S), point))
        if point.can_fail:
            cards.append(AtPoint(point, "fail"))
        if point.program == "moss-session":
            cards.extend(kills_at(point))
    for side in ("source", "target"):
        for program in ("moss-init", "moss-init", "moss-init", "moss-session", *OTHERS):
            cards.append(Kill(program, side, delay()))
        cards += [KillWorking("criu", side, random.uniform(0, LONGEST_WORK_S)) for _ in range(3)]
    cards += [Cut(length, delay()) for length in CUTS_S]
    cards += [DiskFull() for _ in range(3)]
    cards += [DiskFullAt(point) for point in known
              if point.name in ("move.source.offered", "move.source.copied-ahead",
                                "move.source.frozen", "move.target.fetched")]
    cards += [kind() for kind in (LowerCpu, LacksProgram) for _ in range(3)]
    cards += [Nothing("no fault"), Nothing("no fault")]
    random.shuffle(cards)
    return cards


def draw(random, rounds, only=""):
    """The faults of so many rounds: whole decks, and of the last what is needed."""
    drawn = []
    while len(drawn) < rounds:
        cards = [card for card in deck(random) if only in card.text]
        if not cards:
            raise ValueError(f"no fault is called {only!r}")
        drawn += cards
    return drawn[:rounds]
