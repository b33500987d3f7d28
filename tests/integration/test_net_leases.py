#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks on /net between two machines of a person, with flock(1) and a program that uses fcntl: who
has one, who waits, and what becomes of it when a program, a netd or a whole machine goes. The
laptop's clock is an hour ahead."""
import calendar
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hosts"))
import desk  # noqa: E402
import hosts  # noqa: E402
import tap  # noqa: E402

HOME = "/net/me@example.org"
FILE = HOME + "/shared.txt"
FILES = ("org.moss.Net1", "/org/moss/Files")
AHEAD_S = 3600
PYTHON = "/usr/bin/python3"

# fcntl: argv: file, first byte, length, "w" or "wait"; says what became of it; then a line a command.
RANGE = """
import errno, fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
kind = {"w": fcntl.LOCK_EX | fcntl.LOCK_NB, "wait": fcntl.LOCK_EX}
try:
    fcntl.lockf(fd, kind[sys.argv[4]], int(sys.argv[3]), int(sys.argv[2]))
    print("locked", flush=True)
except OSError as error:
    print(errno.errorcode[error.errno], flush=True)
for line in sys.stdin:
    word, _, text = line.strip().partition(" ")
    if word == "write":
        os.pwrite(fd, text.encode(), 0)
        os.fsync(fd)
    elif word == "dup":
        os.close(os.open(sys.argv[1], os.O_RDWR))
    elif word == "unlock":
        fcntl.lockf(fd, fcntl.LOCK_UN, int(sys.argv[3]), int(sys.argv[2]))
    print("done", flush=True)
"""


class Ranger:
    """A program that locks bytes."""

    def __init__(self, machine, how, first=0, length=1):
        self.process = machine.popen([PYTHON, "-c", RANGE, FILE, str(first), str(length), how],
                                     text=True, stdin=-1, stdout=-1)

    def heard(self):
        return self.process.stdout.readline().strip()

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        assert self.heard() == "done", line

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(10) == 0


class World:
    def __init__(self):
        self.lab = hosts.Lab(os.environ.get("MOSS_BUILD", "build/dev"))
        self.desktop, self.laptop = self.lab.machine("desktop"), self.lab.machine("laptop")
        try:
            self.begin()
        except BaseException:
            self.lab.close()
            raise

    def begin(self):
        for machine, ahead in ((self.desktop, 0), (self.laptop, AHEAD_S)):
            machine.start_sandboxd()
            machine.start_session(env={"MOSS_TEST_CLOCK_OFFSET": str(ahead)})
        self.desktop.moss("identity", "create", "me@example.org", "--no-passphrase")
        hosts.pair_by_code(self.desktop, self.laptop)
        for machine in (self.desktop, self.laptop):
            hosts.wait_until(f"{HOME} on {machine.name}", lambda m=machine: os.path.isdir(m.path(HOME)), 30)
        self.desktop.run(["sh", "-c", f"echo before >{FILE}"])
        hosts.wait_until("the file on the laptop", lambda: read(self.laptop) == "before\n", 20)


def read(machine, path=FILE):
    try:
        with open(machine.path(path), encoding="utf-8") as file:
            return file.read()
    except OSError:
        return None


def hold(machine, *options):
    """flock(1) with the file locked, until its input ends."""
    process = machine.popen(["flock", *options, FILE, "sh", "-c", "echo locked; cat"],
                            text=True, stdin=-1, stdout=-1)
    assert process.stdout.readline() == "locked\n"
    return process


def let_go(process):
    process.stdin.close()
    assert process.wait(10) == 0


def attempt(machine, *options):
    """Whether flock(1) gets it, and how long that took."""
    begin = time.monotonic()
    result = machine.run(["flock", *options, FILE, "true"], check=False, timeout=60)
    assert result.returncode in (0, 1), result
    return result.returncode == 0, time.monotonic() - begin


def lease(machine):
    return os.getxattr(machine.path(FILE), "user.moss.lease").decode()


def seconds_left(machine, ahead=0):
    name, _, end = lease(machine).partition(" until ")
    assert end, (machine.name, name)
    return calendar.timegm(time.strptime(end, "%Y-%m-%dT%H:%M:%SZ")) - time.time() - ahead


def test_one_at_a_time(world):
    desktop, laptop = world.desktop, world.laptop
    holder = hold(desktop)
    got, took = attempt(laptop, "-n")
    assert not got and took < 2, took
    hosts.wait_until("the laptop knows who has it", lambda: lease(laptop).startswith("desktop until "), 5)
    assert 15 < seconds_left(laptop, AHEAD_S) <= 31 and 15 < seconds_left(desktop) <= 31
    assert "'lease': <'desktop'>" in laptop.call(*FILES, "org.moss.Files1.Info", f"['{FILE}']")
    waiter = laptop.popen(["flock", FILE, "true"])
    time.sleep(1.5)
    assert waiter.poll() is None
    begin = time.monotonic()
    let_go(holder)
    assert waiter.wait(5) == 0
    print(f"# given on after {(time.monotonic() - begin) * 1000:.0f} ms")
    hosts.wait_until("it is free", lambda: lease(desktop) == lease(laptop) == "", 5)
    times = sorted(attempt(desktop, "-n")[1] for _ in range(5))
    print(f"# flock(1) on a free file takes {times[2] * 1000:.0f} ms")


def test_readers_together(world):
    reader = hold(world.desktop, "-s")
    assert attempt(world.laptop, "-s", "-n")[0]
    assert not attempt(world.laptop, "-n")[0]
    let_go(reader)
    assert attempt(world.laptop, "-w", "5")[0]


def test_bytes(world):
    desktop, laptop = world.desktop, world.laptop
    first, second = Ranger(desktop, "w", 0, 10), Ranger(desktop, "w", 10, 10)
    assert first.heard() == second.heard() == "locked", "bytes of one file on one machine"
    overlap = Ranger(desktop, "w", 5, 1)
    assert overlap.heard() == "EAGAIN"
    overlap.end()
    far = Ranger(laptop, "w", 30, 1)
    assert far.heard() == "EAGAIN", "a lease is of the whole file"
    far.end()
    waiter = Ranger(laptop, "wait", 0, 1)
    second.tell("unlock")
    first.tell("dup")  # POSIX: this ends the process's locks
    assert waiter.heard() == "locked"
    for program in (first, second, waiter):
        program.end()
    assert attempt(desktop, "-w", "5")[0]


def test_whoever_is_killed_lets_go(world):
    desktop, laptop = world.desktop, world.laptop
    holder = Ranger(desktop, "w")
    assert holder.heard() == "locked"
    waiter = Ranger(laptop, "wait")
    time.sleep(0.5)
    victim = next(pid for pid in desktop.pids("python3")
                  if RANGE[:20].encode() in open(f"/proc/{pid}/cmdline", "rb").read())
    os.kill(victim, 9)
    holder.process.wait()
    assert waiter.heard() == "locked"
    waiter.end()
    impatient = hold(desktop)
    begin = time.monotonic()
    assert not attempt(laptop, "-w", "1")[0] and time.monotonic() - begin < 5, "a signal ends the wait"
    let_go(impatient)


def test_netd_is_killed(world):
    """The program keeps its lock, the person's other device still respects it."""
    desktop, laptop = world.desktop, world.laptop
    holder, other = hold(desktop), Ranger(laptop, "w")
    assert other.heard() == "EAGAIN", "a lease is for both, fcntl and flock"
    other.end()
    for machine in (desktop, laptop):
        assert machine.kill("moss-netd") == 1
        hosts.wait_until(f"/net goes on on {machine.name}", lambda m=machine: m.run(
            ["timeout", "2", "cat", FILE], check=False).returncode == 0, 20)
        wait_linked(world)
        hosts.wait_until("both know who has it", lambda: all(
            lease(m).startswith("desktop until") for m in (desktop, laptop)), 20)
        assert not attempt(laptop, "-n")[0] and not attempt(desktop, "-n")[0]
    waiter = laptop.popen(["flock", FILE, "true"])
    time.sleep(0.5)
    assert laptop.kill("moss-netd") == 1, "it dies with somebody waiting"
    time.sleep(0.5)
    let_go(holder)
    assert waiter.wait(40) == 0
    wait_linked(world)


APP = f"""
exec 9<>{FILE}; flock 9
while [ ! -e {HOME}/enough ]; do i=$((i+1)); echo "line $i" >&9; sleep 0.05; done
flock -u 9; sleep 1000
"""


def test_a_lock_moves_with_its_app(world):
    """The file it has open and locked is there as it left it, and locked, before it runs on."""
    desktop, laptop = world.desktop, world.laptop
    desktop.run(["sh", "-c", f": >{FILE}"])
    sandbox = desk.run_app(desktop, "/bin/sh", "-c", APP)
    hosts.wait_until("it writes", lambda: "line 5\n" in (read(desktop) or ""), 20)
    assert lease(desktop).startswith("desktop until") and not attempt(laptop, "-n")[0]
    desktop.moss("send", sandbox, "laptop", timeout=60)
    there = len(read(laptop).splitlines())
    hosts.wait_until("it writes there", lambda: len(read(laptop).splitlines()) > there + 3, 20)
    hosts.wait_until("the laptop has it", lambda: all(
        lease(machine).startswith("laptop until") for machine in (desktop, laptop)), 10)
    assert not attempt(desktop, "-n")[0] and not attempt(laptop, "-n")[0]
    lines = read(laptop).splitlines()
    assert lines == [f"line {number}" for number in range(1, len(lines) + 1)], lines
    assert not conflicts(laptop)
    laptop.run(["touch", HOME + "/enough"])
    assert attempt(desktop, "-w", "10")[0], "it gave it back"
    laptop.moss("close", "--force", sandbox)
    hosts.wait_until("it is closed", lambda: not desk.sandboxed(laptop), 20)
    desktop.run(["sh", "-c", f"echo after >{FILE}"])


def wait_linked(world):
    hosts.wait_until("they are linked", lambda: all("'state': <'linked'>" in machine.call(
        "org.moss.Net1", "/org/moss/Net", "org.moss.Net1.Devices")
        for machine in (world.desktop, world.laptop)), 40)


def conflicts(machine):
    return [name for name in os.listdir(machine.path(HOME)) if "conflict of" in name]


def settle(machine, file, beside):
    """Both versions are there and called a conflict; the last to look takes the copy away."""
    def is_so():
        copies = [read(machine, HOME + "/" + name)[:len(beside)] for name in conflicts(machine)]
        return (read(machine) or "").startswith(file) and copies == [beside]

    hosts.wait_until(f"“{beside}” beside “{file}” on {machine.name}", is_so, 20)
    assert "shared.txt" in machine.moss("net", "conflicts")
    if machine.name == "laptop":
        machine.call(*FILES, "org.moss.Files1.Resolve", FILE, "mine")
        hosts.wait_until("no conflict", lambda: not conflicts(machine), 10)


def test_a_lost_lease(world):
    """Cut off, a lease ends; the other takes it and writes; what the first writes then, not knowing, is
    beside what it wrote over."""
    desktop, laptop = world.desktop, world.laptop
    holder = Ranger(desktop, "w", 0, 100)
    assert holder.heard() == "locked"
    hosts.wait_until("the laptop knows", lambda: lease(laptop).startswith("desktop until"), 5)
    world.lab.cut("laptop")
    begin = time.monotonic()
    other = Ranger(laptop, "wait", 0, 100)
    assert other.heard() == "locked"
    print(f"# a machine that is gone had it for {time.monotonic() - begin:.0f} s")
    assert 15 < time.monotonic() - begin < 40
    assert lease(laptop) == "laptop alone"
    hosts.wait_until("the desktop says so, too", lambda: lease(desktop) == "desktop alone", 20)
    other.tell("write the laptop's")
    other.end()
    world.lab.restore("laptop")
    hosts.wait_until("the laptop's words on the desktop", seconds=40,
                     check=lambda: (read(desktop) or "").startswith("the laptop's"))
    hosts.wait_until("the desktop has it again", lambda: lease(laptop).startswith("desktop until"), 20)
    holder.tell("write the desktop's")
    holder.end()
    for machine in (desktop, laptop):
        settle(machine, "the desktop's", "the laptop's")


def test_two_locked_it_alone(world):
    """Both locked it while they were cut off: one keeps the lease, the other's next write loses nothing."""
    desktop, laptop = world.desktop, world.laptop
    hosts.wait_until("nobody's lease holds any more", lambda: all(
        "until" not in lease(machine) for machine in (desktop, laptop)), 60)
    world.lab.cut("laptop")
    hosts.wait_until("cut off", lambda: all("'state': <'linked'>" not in m.call(
        "org.moss.Net1", "/org/moss/Net", "org.moss.Net1.Devices") for m in (desktop, laptop)), 60)
    programs = {}
    for machine in (desktop, laptop):
        begin = time.monotonic()
        programs[machine.name] = Ranger(machine, "w", 0, 100)
        assert programs[machine.name].heard() == "locked" and time.monotonic() - begin < 3
        assert lease(machine) == machine.name + " alone"
    world.lab.restore("laptop")
    hosts.wait_until("one has it", lambda: "until" in lease(desktop) and
                     lease(desktop).split()[0] == lease(laptop).partition(" ")[0], 40)
    winner = lease(desktop).split()[0]
    loser = "laptop" if winner == "desktop" else "desktop"
    print(f"# the {winner} keeps it")
    machines = {"desktop": desktop, "laptop": laptop}
    programs[winner].tell("write by the winner")
    hosts.wait_until("the winner's words there",
                     lambda: (read(machines[loser]) or "").startswith("by the winner"), 20)
    programs[loser].tell("write by the loser!")
    for program in programs.values():
        program.end()
    for machine in (desktop, laptop):
        settle(machine, "by the loser!", "by the winner")
    assert attempt(laptop, "-w", "10")[0]


def main():
    tap.need_root()
    world = World()
    chosen = {name: value for name, value in globals().items()
              if not sys.argv[1:] or any(word in name for word in sys.argv[1:])}
    try:
        tap.run(chosen, world)
    except SystemExit:
        for machine in world.lab.machines.values():
            print("# --- " + machine.name + "\n# " + machine.log("session")[-4000:].replace("\n", "\n# "))
        raise
    finally:
        world.lab.close()


if __name__ == "__main__":
    main()
