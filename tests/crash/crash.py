#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves with a fault in each: at most one copy ever runs, and once both machines are up and linked
again exactly one does, with its state; the person is told in a sentence.

crash.py [--build DIR] [--rounds N] [--seed S] [--only TEXT] [--tap]

200 rounds are one whole deck (faults.py): each step of a move with each kind of fault in it.
"""
import argparse
import collections
import os
import random
import subprocess
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "hosts"), HERE]
import desk as desks  # noqa: E402
import faults  # noqa: E402
import hosts  # noqa: E402

SETTLE_S = 40


class Round:
    """One move with one fault."""

    def __init__(self, desk, number, fault, source):
        self.desk, self.number, self.fault = desk, number, fault
        self.source, self.target = source, desk.other(source)
        self.wrong = []
        self.outcome = "?"
        self.said = ""
        self.seconds = 0

    def play(self):
        """Plays it. Whatever goes wrong, in Moss or here, the next round starts from a whole desk."""
        try:
            self.begin()
            self.move()
            self.clean_up()
        except hosts.Failure as failure:
            self.wrong.append(str(failure))
        except Exception:  # pylint: disable=broad-except
            self.wrong.append(traceback.format_exc())
        if self.outcome == "?":
            self.make_whole()

    def begin(self):
        self.sandbox = desks.run_app(self.source, "/bin/sh", "-c", desks.COUNTER)
        hosts.wait_until("the counter counts", lambda: self.count() > 3, seconds=20, pause=0.03)
        self.nonce = desks.inside(self.source, "/home/moss/count")[-1].split()[0]

    def move(self):
        watch = desks.Watch(self.desk)
        monitors = [self.listen(machine) for machine in self.desk.machines()]
        began = time.monotonic()
        try:
            self.fault.arm(self.desk, self.source, self.target)
            self.strike_and_send()
            self.fault.heal()
            self.settle(watch)
        finally:
            self.seconds = time.monotonic() - began
            watch.stop()
            self.wrong += watch.overlaps(self.nonce)
            notices = self.end_listening(monitors)
        self.judge_words(notices)

    def count(self):
        texts = [text.split() for text in desks.inside(self.source, "/home/moss/count")]
        return max([int(text[1]) for text in texts if len(text) == 2] or [0])

    def listen(self, machine):
        """Collects the notices of a machine's session."""
        return machine.popen(["gdbus", "monitor", "--session", "--dest", "org.moss.Session1"],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def strike_and_send(self):
        peer = self.desk.ids[self.target.name]
        sending = self.source.popen(["moss", "send", self.sandbox, peer], stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE, text=True)
        self.fault.strike()
        end = time.monotonic() + SETTLE_S
        while sending.poll() is None and time.monotonic() < end:
            self.revive()
            time.sleep(0.1)
        if sending.poll() is None:
            self.wrong.append(f"moss send hung for {SETTLE_S} s")
            self.source.kill("moss")
            sending.kill()
        _, self.said = sending.communicate()
        self.sent = sending.returncode == 0

    def revive(self):
        """What an init system does: starts again what died."""
        for machine in self.desk.machines():
            try:
                if machine.pids("moss-session") and machine.pids("moss-sandboxd"):
                    continue
                self.desk.disarm(machine)  # it struck; the next one is to live
                self.desk.start(machine)
            except hosts.Failure as failure:
                self.wrong.append(str(failure))

    def settle(self, watch):
        """Waits until both are up and linked and one copy runs, or none may."""
        end = time.monotonic() + SETTLE_S
        while True:
            self.revive()
            running = watch.running(self.nonce)
            if len(running) == 1 and all(self.desk.linked(one) for one in self.desk.machines()):
                time.sleep(1.2)
                running = watch.running(self.nonce)
                if len(running) == 1:
                    self.outcome = "arrived" if running[0] == self.target.name else "stayed"
                    return
            if self.fault.may_end and self.ended_everywhere():
                self.outcome = "ended"
                return
            if time.monotonic() > end:
                self.outcome = "lost" if not running else "both"
                states = {one.name: desks.state(one, self.sandbox) for one in self.desk.machines()}
                self.wrong.append(f"after {SETTLE_S} s it runs at {running or 'no machine'}; {states}")
                return
            time.sleep(0.2)

    def ended_everywhere(self):
        """Nobody has it running; one may still point to where it ended."""
        states = [desks.state(one, self.sandbox) for one in self.desk.machines()]
        return (all(state in ("", "ended", "stored", "away") for state in states)
                and states != ["away", "away"])

    def end_listening(self, monitors):
        notices = []
        for monitor in monitors:
            monitor.kill()
        for machine in self.desk.machines():
            machine.kill("gdbus")
        for monitor in monitors:
            text, _ = monitor.communicate()
            notices += [line for line in text.splitlines() if "Session1.Notice" in line]
        return notices

    def judge_words(self, notices):
        """When it didn't simply arrive, somebody must have said so, in one sentence."""
        words = self.said.strip()
        if self.sent and self.outcome == "arrived":
            return
        if not words and not notices:
            self.wrong.append(f"it {self.outcome} and nobody was told")
        if words.count("\n") > 1:
            self.wrong.append(f"not one sentence: {words!r}")

    def clean_up(self):
        """Closes it; one that is just settled after a crash may say first that it can't be closed yet."""
        deadline = time.monotonic() + 10
        while True:
            closed = {one.name: one.run(["moss", "close", "--force", self.sandbox], check=False).stderr
                      for one in self.desk.machines()}
            time.sleep(0.3)
            left = {one.name: desks.sandboxed(one) for one in self.desk.machines()}
            if not any(left.values()):
                break
            if time.monotonic() > deadline:
                self.wrong.append(f"processes are left over: {left}; closing it: {closed}")
                for machine in self.desk.machines():
                    for pid, name in desks.sandboxed(machine):
                        if name == "moss-init":
                            os.kill(pid, 9)
                break
        for machine in self.desk.machines():
            machine.run(["moss", "discard", self.sandbox], check=False)
        self.fault.tidy()

    def make_whole(self):
        """After a round that broke off: nothing of it may reach into the next."""
        for machine in self.desk.machines():
            self.desk.disarm(machine)
            self.desk.lab.restore(machine.name)
            for pid, name in desks.sandboxed(machine):
                if name == "moss-init":
                    os.kill(pid, 9)
        for machine in self.desk.machines():
            faults.restart(self.desk, machine)

    def line(self):
        missed = " (missed)" if self.fault.struck is False else ""
        return (f"{self.source.name} → {self.target.name}, {self.fault.text}{missed}: "
                f"{self.outcome}, {self.seconds:.1f} s")


def say(tap, number, one):
    if tap:
        print(f"{'not ok' if one.wrong else 'ok'} {number} - {one.line()}")
    else:
        print(f"{number}: {one.line()}{' WRONG' if one.wrong else ''}")
    if one.said.strip() and one.outcome != "arrived":
        print(f"#   said: {one.said.strip()}")
    for wrong in one.wrong:
        for text in wrong.splitlines():
            print(f"#   {text}")
    sys.stdout.flush()


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=os.environ.get("MOSS_BUILD", "build/dev"))
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--only", default="", help="faults with this text in their description")
    parser.add_argument("--tap", action="store_true")
    return parser.parse_args()


def show_logs(desk):
    for machine in desk.machines():
        for label in ("sandboxd", "session"):
            print(f"=== {machine.name} {label}\n{machine.log(label)[-6000:]}")


def choose_source(desk, chance, fault):
    source = chance.choice(desk.machines())
    return desk.lab.machine("desktop") if fault.small_disk else source


def main():
    arguments = parse()
    chance = random.Random(arguments.seed)
    drawn = faults.draw(chance, arguments.rounds, arguments.only)
    if arguments.tap:
        print(f"TAP version 13\n1..{len(drawn)}")
    print(f"# seed {arguments.seed}; {len(faults.points())} fault points", flush=True)
    outcomes, wrong, missed = collections.Counter(), 0, 0
    with desks.Desk(arguments.build) as desk:
        for number, fault in enumerate(drawn, 1):
            one = Round(desk, number, fault, choose_source(desk, chance, fault))
            one.play()
            outcomes[one.outcome] += 1
            wrong += bool(one.wrong)
            missed += fault.struck is False
            say(arguments.tap, number, one)
            if one.wrong and os.environ.get("MOSS_CRASH_STOP"):
                show_logs(desk)
                break
    counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
    print(f"# {sum(outcomes.values())} rounds with seed {arguments.seed}: {counts}; "
          f"{missed} faults missed; {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root: run it through ./dev test")
        sys.exit(77)
    sys.exit(main())
