#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell beside an empty GTK4 window: time to the window, memory, and wakeups at rest.

Prints one JSON object a line. MOSS_BUILD is the build folder; arguments: --rounds N (20),
--idle SECONDS (30), --settle SECONDS (20)."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../ui"))
from desktop import BUILD, DEVICES, Desktop, Failed  # noqa: E402


def emit(name, value, unit, goal, n, baseline=None, baseline_name=None):
    line = {"name": name, "value": round(value, 3), "unit": unit, "better": "lower",
            "goal": goal, "n": n}
    if baseline is not None:
        line["baseline"] = round(baseline, 3)
        line["baseline_name"] = baseline_name
    print(json.dumps(line), flush=True)


def private_kib(pid):
    """Memory that goes when the process goes, and its share of what others use, too."""
    with open("/proc/%d/smaps_rollup" % pid) as stream:
        for line in stream:
            if line.startswith("Pss:"):
                return int(line.split()[1])
    raise Failed("no Pss of %d" % pid)


def switches(pid):
    total = 0
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/status" % (pid, task)) as stream:
            for line in stream:
                if line.startswith("voluntary_ctxt_switches"):
                    total += int(line.split()[1])
    return total


def start(desktop, command):
    """Seconds until the window is mapped, and the memory a second later."""
    watcher = subprocess.Popen(["stdbuf", "-oL", "xev", "-root", "-event", "substructure"], text=True,
                               env=desktop.environment, stdout=subprocess.PIPE)
    time.sleep(0.3)
    begin = time.monotonic()
    process = subprocess.Popen(command, env=desktop.environment)
    for line in watcher.stdout:
        if line.startswith("MapNotify"):
            break
    seconds = time.monotonic() - begin
    watcher.terminate()
    watcher.wait()
    time.sleep(1.0)
    memory = private_kib(process.pid)
    process.terminate()
    process.wait(10)
    return seconds, memory


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--idle", type=float, default=30)
    parser.add_argument("--settle", type=float, default=20)
    options = parser.parse_args()
    shell = [os.path.join(BUILD, "shell/moss-shell")]
    empty = [os.path.join(BUILD, "tests/ui/empty-window")]
    times = {"shell": [], "empty": []}
    memory = {"shell": [], "empty": []}

    with Desktop(shell=False) as desktop:
        desktop.tell(*DEVICES)
        start(desktop, empty)  # the first start reads from disk
        start(desktop, shell)
        for _ in range(options.rounds):
            for key, command in (("empty", empty), ("shell", shell)):
                seconds, kib = start(desktop, command)
                times[key].append(seconds)
                memory[key].append(kib)
    median = {key: statistics.median(values) for key, values in times.items()}
    emit("shell-start-ratio", median["shell"] / median["empty"], "ratio", 2.5,
         options.rounds, median["empty"], "empty GTK4 window, s")
    middle = {key: statistics.median(values) for key, values in memory.items()}
    emit("shell-memory-ratio", middle["shell"] / middle["empty"], "ratio", 2.5,
         options.rounds, middle["empty"] / 1024, "empty GTK4 window, MiB")

    with Desktop() as desktop:
        desktop.tell(*DEVICES)
        desktop.start_app("a1", "foot.desktop", "Terminal", ["foot", "sleep", "600"])
        time.sleep(options.settle)
        before = switches(desktop.shell.pid)
        time.sleep(options.idle)
        after = switches(desktop.shell.pid)
    emit("idle-switches-shell", (after - before) / options.idle, "1/s", 2, 1)


main()
