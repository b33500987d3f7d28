#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long and how much a move takes, between two test machines on this computer.

The app is gtk4-widget-factory with an animating page. A viewer on each machine (commit-clock) notes
when its window changes; a freeze is the time from the last change before to the first after it.
The plain way (plain.py) is measured in the same run. Writes OUT: one line of JSON a figure.

move.py --build DIR --out FILE [--quick] [--rounds N]
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "hosts"), HERE]
import desk as desks  # noqa: E402
import hosts  # noqa: E402
import plain  # noqa: E402

APP = "gtk4-widget-factory"
HOP_APPS = {"foot": ["foot", "sh", "-c", desks.COUNTER], APP: [APP], "mousepad": ["mousepad"],
            "featherpad": ["featherpad", "--standalone"]}
USE_S = 10


class Clock:
    """commit-clock on one machine, for one sandbox."""

    def __init__(self, machine, sandbox):
        self.times = []
        self.process = machine.popen(["/usr/local/bin/commit-clock", sandbox], text=True,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            what, when = line.split()
            if what == "commit":
                self.times.append(int(when))

    def say(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def stop(self):
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()


class Bench:
    def __init__(self, desk, rounds):
        self.desk, self.rounds = desk, rounds
        self.here, self.there = desk.lab.machine("desktop"), desk.lab.machine("laptop")
        self.figures = {}

    def add(self, name, value):
        self.figures.setdefault(name, []).append(value)

    def forget(self):
        """Empties both machines' stores, so that the next move is a first one."""
        for machine in self.desk.machines():
            for program in ("moss-session", "moss-netd", "moss-agent"):
                machine.kill(program)
            for base, folders, _ in os.walk(machine.path("/home/user/.local/share/moss")):
                if "store" in folders:
                    shutil.rmtree(os.path.join(base, "store"))
        time.sleep(0.3)
        for machine in self.desk.machines():
            self.desk.start(machine)
        self.desk.wait_linked()

    def close(self, sandbox):
        for machine in self.desk.machines():
            machine.run(["moss", "close", "--force", sandbox], check=False)
        hosts.wait_until("the app is gone", lambda: not any(
            desks.sandboxed(machine) for machine in self.desk.machines()), 20)
        for machine in self.desk.machines():
            machine.run(["moss", "discard", sandbox], check=False)

    def freeze(self, clocks, source, target, sandbox):
        """Moves it, and returns (milliseconds between the pictures, report)."""
        before = len(clocks[target].times)
        report = self.desk.send(source, sandbox)
        hosts.wait_until("a picture at the target", lambda: len(clocks[target].times) > before, 20)
        first = clocks[target].times[before]
        last = max(when for when in clocks[source].times if when < first)
        return (first - last) / 1000, report

    def animate(self, clock):
        """Turns to a page that moves by itself."""
        hosts.wait_until("the first picture", lambda: clock.times, 20)
        time.sleep(1)
        before = len(clock.times)
        time.sleep(1)
        if len(clock.times) - before > 10:
            return
        clock.say("click 480 24")
        time.sleep(1.5)
        before = len(clock.times)
        time.sleep(1)
        if len(clock.times) - before < 5:
            raise hosts.Failure("no page of gtk4-widget-factory animates")

    def there_and_back(self):
        self.forget()
        sandbox = desks.run_app(self.here, APP)
        clocks = {machine: Clock(machine, sandbox) for machine in self.desk.machines()}
        try:
            self.animate(clocks[self.here])
            if not self.figures.get("preflight"):
                self.preflight(sandbox)
            milliseconds, _ = self.freeze(clocks, self.here, self.there, sandbox)
            self.add("freeze-first", milliseconds)
            time.sleep(USE_S)
            milliseconds, report = self.freeze(clocks, self.there, self.here, sandbox)
            self.add("freeze-back", milliseconds)
            self.add("bytes-back-share", report["bytes-sent"] / report["image-bytes"])
        finally:
            for clock in clocks.values():
                clock.stop()
        self.close(sandbox)

    def preflight(self, sandbox):
        answer = self.here.run(["/usr/local/bin/commit-clock", "--preflight", sandbox,
                                self.desk.ids["laptop"], "20"]).stdout
        self.figures["preflight"] = [int(line) / 1000 for line in answer.split()]

    def plain(self):
        sandbox = desks.run_app(self.here, APP)
        time.sleep(3)
        seconds, _ = plain.move(self.here, self.there)
        self.add("plain", seconds * 1000)
        self.close(sandbox)

    def hops(self, hops):
        """20 hops of each app of the demo; counts those after which it did not run."""
        for name, argv in HOP_APPS.items():
            sandbox = desks.run_app(self.here, *argv)
            time.sleep(2)
            lost, source = 0, self.here
            for _ in range(hops):
                try:
                    self.desk.send(source, sandbox)
                except hosts.Failure as failure:
                    lost += 1
                    print(f"    {name}: {failure}")
                    continue
                source = self.desk.other(source)
                programs = {program for _, program in desks.sandboxed(source)}
                if argv[0][:15] not in programs:
                    lost += 1
            print(f"  {name}: {lost} of {hops} hops lost", flush=True)
            self.figures.setdefault("hops-lost", []).append(lost)
            self.close(sandbox)


def lines(figures, hops):
    """The figures as they stand in the file: name, value, unit, goal, n."""
    median = {name: statistics.median(values) for name, values in figures.items()}
    rows = [("freeze-first", median["freeze-first"], "ms", 300),
            ("freeze-back", median["freeze-back"], "ms", 300),
            ("freeze-first-vs-plain", median["freeze-first"] / median["plain"], "ratio", 0.5),
            ("freeze-back-vs-plain", median["freeze-back"] / median["plain"], "ratio", 0.25),
            ("bytes-back-share", median["bytes-back-share"], "ratio", 0.10),
            ("hops-lost", sum(figures["hops-lost"]), f"of {hops} hops for each of {len(HOP_APPS)} apps", 0),
            ("preflight", median["preflight"], "ms", 50)]
    for name, value, unit, goal in rows:
        key = name.replace("-vs-plain", "")
        line = {"name": name, "value": round(value, 4), "unit": unit, "better": "lower", "goal": goal}
        if key.startswith("freeze"):
            line["baseline"] = round(median["plain"], 1)
            line["baseline_name"] = "criu dump, tar, copy, restore (ms)"
        line["n"] = len(figures[key]) if key in figures and key != "hops-lost" else hops
        if len(figures.get(key, [])) > 3 and key == name and name != "hops-lost":
            line["quartiles"] = [round(one, 4) for one in statistics.quantiles(figures[key], n=4)]
        yield line


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=os.environ.get("MOSS_BUILD", "build/dev"))
    parser.add_argument("--out", default="build/bench/move.json")
    parser.add_argument("--quick", action="store_true", help="two rounds: does it still run?")
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    rounds = 2 if arguments.quick else arguments.rounds
    with desks.Desk(arguments.build) as desk:
        for machine in desk.machines():
            shutil.copy(os.path.join(arguments.build, "tests", "bench", "commit-clock"),
                        machine.path("/usr/local/bin/commit-clock"))
        bench = Bench(desk, rounds)
        for number in range(rounds):
            bench.there_and_back()
            bench.plain()
            print(f"  round {number + 1} of {rounds}: first {bench.figures['freeze-first'][-1]:.0f} ms, "
                  f"back {bench.figures['freeze-back'][-1]:.0f} ms, "
                  f"plain {bench.figures['plain'][-1]:.0f} ms", flush=True)
        bench.hops(rounds)
    os.makedirs(os.path.dirname(os.path.abspath(arguments.out)), exist_ok=True)
    with open(arguments.out, "w", encoding="utf-8") as file:
        for line in lines(bench.figures, rounds):
            file.write(json.dumps(line) + "\n")
            print(json.dumps(line))
    return 0


if __name__ == "__main__":
    sys.exit(main())
