#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files on /net while what serves them dies: moss-netd and moss-host are killed, at random or at one of
their steps, their disk fails or is full, and the power is cut. What a program was promised must hold,
moss-fsck must find nothing, and programs that run have /net again within a second.

files.py [--build DIR] [--rounds N] [--seed S] [--only TEXT] [--tap]
"""
import argparse
import collections
import fcntl
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "hosts"), HERE]
import person  # noqa: E402
from files_worker import PLACE_BYTES, PLACES, SLOTS, text_of  # noqa: E402
from person import HOME  # noqa: E402
from waiting import wait_until  # noqa: E402

ROUNDS_A_WORLD = 25
DISK_BYTES = 400 << 20
SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN
WITHOUT_LOG = 2
BACK_S = 5.0  # a second when the computer does nothing else; what it was is told
NETD_STEPS = ("journal-write", "journal-sync", "store-append", "tree-commit", "tree-head",
              "tree-head-written", "tree-seal", "tree-build")
NETD_FAILS = ("journal-write", "journal-sync", "store-append", "tree-head", "tree-seal", "tree-build")
HOST_STEPS = ("host-put", "host-sync", "host-cell", "host-commit")


class World(person.Person):
    """A person's Moss and a host, each on a disk of its own that can lose its power or be full."""

    def __init__(self, build, top):
        self.build, self.loops = build, []
        self.host = None
        self.host_state = os.path.join(top, "host")
        self.faults = os.path.join(top, "faults")
        super().__init__(build, top)

    def start(self):
        shutil.copy(os.path.join(self.build, "vfs", "moss-host"), self.bin)
        shutil.copy(os.path.join(HERE, "files_worker.py"), self.bin)
        os.mkdir(self.host_state)
        for name, folder in (("state", self.state), ("host", self.host_state)):
            self.make_disk(name, folder)
        self.arm("")
        self.env["MOSS_FAULT_FILE"] = self.faults
        super().start()
        self.identity = next(word for word in self.run([self.bin + "/moss", "identity", "show"])
                             .stdout.split() if word.startswith("~"))
        self.port = 20000 + os.getpid() % 20000
        self.start_host()
        self.run([self.bin + "/moss", "identity", "hosts", f"http://127.0.0.1:{self.port}"])

    def make_disk(self, name, folder):
        image = os.path.join(self.top, name + ".img")
        with open(image, "wb") as file:
            file.truncate(DISK_BYTES)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
        self.mount_disk(image, folder)
        os.chown(folder, person.USER, person.USER)
        os.chmod(folder, 0o700)

    def mount_disk(self, image, folder):
        subprocess.run(["mount", "-o", "loop", image, folder], check=True)
        self.loops.append(folder)

    def arm(self, plan):
        """The host sees nothing outside its state."""
        for path in (self.faults, os.path.join(self.host_state, "faults")):
            with open(path + ".new", "w", encoding="ascii") as file:
                file.write(plan)
            os.chmod(path + ".new", 0o644)
            os.rename(path + ".new", path)

    def start_host(self):
        """It warns of a disk that fails, and goes on."""
        self.host = len(self.processes)
        faults = os.path.join(self.host_state, "faults")
        self.popen("moss-host", ["env", "-u", "G_DEBUG", "MOSS_FAULT_FILE=" + faults,
                                 self.bin + "/moss-host", "--listen", f"127.0.0.1:{self.port}",
                                 "--state", self.host_state, "--admit", self.identity])

    def host_process(self):
        return self.processes[self.host]

    def revive_host(self):
        """What an init system does."""
        if self.host_process().poll() is not None:
            self.processes.pop(self.host)
            self.start_host()

    def pids(self, program):
        found, path = [], os.path.join(self.bin, program)
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink(f"/proc/{pid}/exe") == path:
                    found.append(int(pid))
            except OSError:
                pass
        return found

    def kill(self, program):
        for pid in self.pids(program):
            os.kill(pid, signal.SIGKILL)

    def cut_power(self, folder):
        """What isn't on the disk is gone, here and now."""
        disk = os.open(folder, os.O_RDONLY)
        try:
            fcntl.ioctl(disk, SHUTDOWN, WITHOUT_LOG.to_bytes(4, "little"))
        finally:
            os.close(disk)

    def mount_again(self, name, folder):
        """A copy, since some namespace may still hold the disk that lost its power."""
        image = os.path.join(self.top, name + ".img")
        subprocess.run(["umount", "-l", folder], check=True)
        self.loops.remove(folder)
        subprocess.run(["cp", "--sparse=always", image, image + ".new"], check=True)
        os.rename(image + ".new", image)
        self.mount_disk(image, folder)

    def boot(self):
        """After a power cut of the person's machine."""
        for program in ("moss-session", "moss-netd", "moss-agent", "moss-sandboxd"):
            self.kill(program)
        keep = self.processes[self.host]
        for process in self.processes:
            if process is not keep:
                process.kill()
                process.wait()
        subprocess.run(["umount", "-l", "/net"], check=False)
        for name in ("bus",):
            os.unlink(os.path.join(self.runtime, name))
        shutil.rmtree(self.top + "/run", ignore_errors=True)
        self.processes = [keep]
        self.host = 0
        wait_until("everything ended", lambda: not self.pids("moss-netd") + self.pids("moss-agent"))
        self.mount_again("state", self.state)
        self.start_services()

    def mounted(self):
        return os.path.ismount("/net") and os.path.isdir(HOME)

    def copy_of(self, folder, program):
        """As it is now on the disk; the program that writes it holds still meanwhile."""
        copy = os.path.join(self.top, "copy")
        shutil.rmtree(copy, ignore_errors=True)
        pids = self.pids(program)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            subprocess.run(["cp", "-a", "--sparse=always", folder, copy], check=True)
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        return copy

    def fsck(self, *options):
        return self.run([os.path.join(self.build_copy(), "moss-fsck"), *options], check=False)

    def build_copy(self):
        target = os.path.join(self.bin, "moss-fsck")
        if not os.path.exists(target):
            shutil.copy(os.path.join(self.build, "vfs", "moss-fsck"), target)
        return self.bin

    def stop(self):
        super().stop()
        subprocess.run(["umount", "-l", "/net"], check=False, stderr=subprocess.DEVNULL)
        for folder in reversed(self.loops):
            subprocess.run(["umount", "-l", folder], check=False)


# --- faults -----------------------------------------------------------------------------------

class Fault:
    """Strikes once while programs work. may_fail: operations may fail, promises may not.
    cut: what was not synced may be gone."""
    may_fail = cut = missed = False
    work_s = 1.2

    def __init__(self, text, chance):
        self.text = text
        self.after_s = chance.uniform(0.05, 0.9)

    def arm(self, world):
        """Before programs begin."""

    def strike(self, world):
        """Some time after that."""

    def heal(self, world):
        """When the programs have ended."""
        world.arm("")
        world.revive_host()


class KillNetd(Fault):
    def strike(self, world):
        world.kill("moss-netd")


class KillNetdAtStep(Fault):
    """Armed until it has struck."""
    work_s = 2.4

    def __init__(self, text, chance, step):
        super().__init__(text, chance)
        self.step = step

    def strike(self, world):
        before = world.pids("moss-netd")
        world.arm(f"{self.step}:kill")
        end = time.monotonic() + 1.4
        while time.monotonic() < end and world.pids("moss-netd") == before:
            time.sleep(0.002)
        world.arm("")
        self.missed = world.pids("moss-netd") == before


class FailStep(Fault):
    may_fail = True

    def __init__(self, text, chance, step):
        super().__init__(text, chance)
        self.step, self.for_s = step, chance.uniform(0.02, 0.4)

    def strike(self, world):
        world.arm(f"{self.step}:fail")
        time.sleep(self.for_s)
        world.arm("")


class FillDisk(Fault):
    may_fail = True

    def strike(self, world):
        path = os.path.join(world.state, "filler")
        fd = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
        disk = os.statvfs(path)
        try:
            os.posix_fallocate(fd, 0, max(1, disk.f_bfree * disk.f_frsize - (64 << 10)))
        except OSError:
            pass
        os.close(fd)
        time.sleep(0.5)
        os.unlink(path)


class KillHost(Fault):
    def strike(self, world):
        world.host_process().kill()
        world.host_process().wait()
        world.revive_host()


class KillHostAtStep(Fault):
    work_s = 2.4

    def __init__(self, text, chance, step):
        super().__init__(text, chance)
        self.step = step

    def strike(self, world):
        world.arm(f"{self.step}:kill")
        end = time.monotonic() + 1.8
        while time.monotonic() < end and world.host_process().poll() is None:
            time.sleep(0.005)
        world.arm("")
        self.missed = world.host_process().poll() is None
        world.revive_host()


class FailHost(FailStep):
    may_fail = False

    def heal(self, world):
        """Nobody can tell what is on a disk after a failed fsync: the host takes nothing more until
        somebody has looked and starts it again."""
        world.host_process().kill()
        world.host_process().wait()
        super().heal(world)


class CutHost(Fault):
    def strike(self, world):
        world.cut_power(world.host_state)
        world.host_process().kill()
        world.host_process().wait()
        world.mount_again("host", world.host_state)
        world.revive_host()


class CutPower(Fault):
    may_fail = cut = True

    def strike(self, world):
        world.cut_power(world.state)


def draw(chance, rounds, only):
    deck = []
    while len(deck) < rounds:
        one = [KillNetd("netd is killed", chance) for _ in range(6)]
        one += [KillNetdAtStep(f"netd is killed at {step}", chance, step) for step in NETD_STEPS]
        one += [FailStep(f"{step} fails", chance, step) for step in NETD_FAILS]
        one += [CutPower("the power is cut", chance) for _ in range(8)]
        one += [KillHost("the host is killed", chance) for _ in range(2)]
        one += [KillHostAtStep(f"the host is killed at {step}", chance, step) for step in HOST_STEPS]
        one += [FailHost(f"the host's {step} fails", chance, step) for step in HOST_STEPS]
        one += [FillDisk("the disk is full", chance) for _ in range(2)]
        one += [CutHost("the host's power is cut", chance)]
        chance.shuffle(one)
        deck += [fault for fault in one if only in fault.text]
        if not deck:
            sys.exit(f"no fault has “{only}” in its description")
    return deck[:rounds]


# --- what was promised ------------------------------------------------------------------------

class Promises:
    """From the lines of a worker."""

    def __init__(self, lines):
        self.written, self.synced = set(), set()
        self.slots, self.durable_slots = {}, {}
        self.places = {}
        self.log = self.durable_log = self.mapped = -1
        self.failed, self.longest = [], None
        for line in lines:
            kind, *words = line.split()
            getattr(self, "on_" + {"-": "remove", "A": "durable"}.get(kind, kind))(*words)

    def on_w(self, number):
        self.written.add(int(number))

    def on_l(self, number):
        """Long and not synced: nothing is promised."""

    def on_s(self, number):
        self.synced.add(int(number))

    def on_remove(self, number):
        self.written.discard(int(number))
        self.synced.discard(int(number))

    def on_k(self, slot, number):
        self.slots[int(slot)] = int(number)

    def on_d(self, slot, number):
        self.durable_slots[int(slot)] = int(number)

    def on_a(self, number):
        self.log = int(number)

    def on_durable(self, number):
        self.durable_log = int(number)

    def on_m(self, number):
        self.mapped = int(number)

    def on_b(self, place, number):
        self.places[int(place)] = int(number)

    def on_x(self, *words):
        self.failed.append(" ".join(words))

    def on_t(self, seconds):
        self.longest = float(seconds)


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        return error


def differs(found, wanted):
    if isinstance(found, OSError):
        return f"is gone ({found.strerror})"
    at = next((i for i, (a, b) in enumerate(zip(found, wanted)) if a != b), min(len(found), len(wanted)))
    return f"has {len(found)} bytes, not {len(wanted)}; they differ from {at} on"


def broken(folder, promises, seed, cut):
    """Sentences about what didn't hold."""
    wrong = []
    for number in sorted(promises.synced if cut else promises.written | promises.synced):
        text, wanted = read(f"{folder}/f{number}"), text_of(number, seed)
        if text != wanted:
            wrong.append(f"f{number}, {'fsynced' if number in promises.synced else 'written'}, "
                         + differs(text, wanted))
    for slot, number in (promises.durable_slots if cut else promises.slots).items():
        text = read(f"{folder}/slot{slot}")
        there = -1 if isinstance(text, OSError) or b":" not in text else int(text.split(b":")[0])
        if there < number or text != text_of(there, seed):
            wrong.append(f"slot{slot} has {there}, promised was {number}: "
                         + differs(text, text_of(number, seed)))
    lines = read(f"{folder}/log")
    wanted = promises.durable_log if cut else promises.log
    if wanted >= 0 and (isinstance(lines, OSError) or lines != b"".join(
            b"%08d\n" % n for n in range(len(lines) // 9)) or len(lines) // 9 <= wanted):
        wrong.append(f"the log, {wanted + 1} lines promised, {differs(lines, b'0' * 9 * (wanted + 1))}")
    block = read(f"{folder}/block")
    for place, number in promises.places.items():
        text = b"" if isinstance(block, OSError) else block[place * PLACE_BYTES:][:PLACE_BYTES]
        if len(text) != PLACE_BYTES or text != text[:8] * (PLACE_BYTES // 8) or int(text[:8]) < number:
            wrong.append(f"place {place} has {text[:8]}, promised was {number}")
    mapped = read(f"{folder}/mapped")
    if promises.mapped >= 0 and (isinstance(mapped, OSError) or int(mapped[:8]) < promises.mapped):
        wrong.append(f"what was mapped has {mapped[:8]}, promised was {promises.mapped}")
    return wrong


# --- a round ----------------------------------------------------------------------------------

class Round:
    def __init__(self, world, number, fault, seed):
        self.world, self.number, self.fault, self.seed = world, number, fault, seed
        self.folder = f"{HOME}/round{number}"
        self.wrong, self.longest, self.promised = [], None, 0
        self.seconds = 0

    def play(self):
        began = time.monotonic()
        try:
            self.work()
            self.look()
        except Exception:  # pylint: disable=broad-except
            self.wrong.append(traceback.format_exc())
        self.seconds = time.monotonic() - began

    def work(self):
        world = self.world
        world.run(["mkdir", self.folder])
        self.fault.arm(world)
        process = subprocess.Popen(
            ["/usr/bin/python3", os.path.join(world.bin, "files_worker.py"), self.folder,
             str(self.seed), str(self.fault.work_s)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=person.as_user)
        collected = [b""]
        thread = threading.Thread(target=lambda: collected.__setitem__(0, process.stdout.read()))
        thread.start()
        time.sleep(self.fault.after_s + 0.15)  # python starts
        self.fault.strike(world)
        if self.fault.cut:
            process.kill()
        try:
            process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            self.wrong.append("a program hangs for 40 s")
            process.kill()
        if self.fault.cut:
            world.boot()
        thread.join(timeout=10)
        whole = collected[0].decode().rpartition("\n")[0].splitlines()
        errors = process.stderr.read().decode().strip()
        if errors and not self.fault.may_fail:
            self.wrong.append(errors)
        self.promises = Promises(whole)
        self.promised = len(whole)
        self.fault.heal(world)

    def look(self):
        world, promises = self.world, self.promises
        if not self.fault.may_fail:
            self.wrong += [f"failed: {one}" for one in promises.failed if one != "long-write-lost"]
        self.longest = promises.longest
        if not self.fault.cut and not self.fault.may_fail and (self.longest is None
                                                               or self.longest > BACK_S):
            self.wrong.append(f"a program waited {self.longest} s")
        wait_until("/net is there", world.mounted)
        self.wrong += broken(self.folder, promises, self.seed, self.fault.cut or self.fault.may_fail)
        if "host" in self.fault.text:
            self.look_at_host()
        self.check()
        world.run(["rm", "-rf", self.folder])

    def look_at_host(self):
        status = [self.world.bin + "/moss", "net", "status"]
        try:
            wait_until("everything is on the host", lambda: "in sync" in self.world.run(
                status, check=False).stdout, 30)
        except TimeoutError:
            self.wrong.append("not all is on the host: " + self.world.run(status, check=False).stdout)
        copy = self.world.copy_of(self.world.host_state, "moss-host")
        trees = os.listdir(copy + "/trees")
        if not trees:
            self.wrong.append("the host keeps nothing")
        for tree in trees:
            done = self.world.fsck("--store", f"{copy}/trees/{tree}", "--tree", "none")
            if done.returncode != 0:
                self.wrong.append(f"the host's store: {done.stdout[-2000:]}{done.stderr[-500:]}")
        shutil.rmtree(copy)

    def check(self):
        copy = self.world.copy_of(self.world.state, "moss-netd")
        done = self.world.fsck("--complete", "--state", copy)
        if done.returncode != 0:
            self.wrong.append(f"moss-fsck: {done.stdout[-2000:]}{done.stderr[-500:]}")
        shutil.rmtree(copy)

    def line(self):
        waited = "" if self.longest is None else f", longest wait {self.longest:.2f} s"
        missed = " (missed)" if self.fault.missed else ""
        return f"{self.fault.text}{missed}: {self.promised} promises{waited}, {self.seconds:.1f} s"


def say(tap, number, one):
    if tap:
        print(f"{'not ok' if one.wrong else 'ok'} {number} - {one.fault.text}")
        print(f"#   {one.line()}")
    else:
        print(f"{number}: {one.line()}{' WRONG' if one.wrong else ''}")
    for wrong in one.wrong:
        for text in wrong.splitlines():
            print(f"#   {text}")
    sys.stdout.flush()


def play_all(arguments, faults, chance):
    """Worlds are made anew now and then, since what a tree keeps of the past grows."""
    world, wrong, waits, outcomes = None, 0, [], collections.Counter()
    top = None
    try:
        for number, fault in enumerate(faults, 1):
            if world is None:
                top = person.make_top("moss-crash-files-")
                world = World(arguments.build, top)
            one = Round(world, number, fault, chance.randrange(1 << 30))
            one.play()
            wrong += bool(one.wrong)
            outcomes["promises"] += one.promised
            if one.longest is not None and not fault.may_fail:
                waits.append(one.longest)
            say(arguments.tap, number, one)
            if one.wrong:
                for line in (world.log("session") + world.log("moss-host")).splitlines()[-60:]:
                    print("# " + line)
                if arguments.stop:
                    break
            if one.wrong or number % ROUNDS_A_WORLD == 0:
                world.stop()
                shutil.rmtree(top, ignore_errors=True)
                world = None
    finally:
        if world is not None:
            world.stop()
        if top is not None:
            shutil.rmtree(top, ignore_errors=True)
    return wrong, waits, outcomes


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=os.environ.get("MOSS_BUILD", "build/dev"))
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--only", default="", help="faults with this text in their description")
    parser.add_argument("--stop", action="store_true", help="at the first round that goes wrong")
    parser.add_argument("--tap", action="store_true")
    arguments = parser.parse_args()
    person.enter()
    chance = random.Random(arguments.seed)
    faults = draw(chance, arguments.rounds, arguments.only)
    if arguments.tap:
        print(f"TAP version 13\n1..{len(faults)}")
    print(f"# seed {arguments.seed}", flush=True)
    wrong, waits, outcomes = play_all(arguments, faults, chance)
    waited = (f"; the longest wait of a round: median {statistics.median(waits):.2f} s, most "
              f"{max(waits):.2f} s" if waits else "")
    print(f"# {len(faults)} rounds with seed {arguments.seed}: {outcomes['promises']} promises, "
          f"{wrong} rounds wrong{waited}")
    return 1 if wrong else 0


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root: run it through ./dev test")
        sys.exit(77)
    sys.exit(main())
