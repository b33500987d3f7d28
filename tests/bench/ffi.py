#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of functions: one JSON line each, with its goal, from the programs that measure them."""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

BROKER = "ffi-broker/broker/moss-ffi-broker"
BEST = "tests/bench/bench-ffi-best"
ASK = "tests/bench/bench-ffi-ask"
TENSOR = "application/x-moss-tensor,dtype=i32"
SORT = f"transform sort({TENSOR}) -> {TENSOR}"
# libvips' is the last of what is asked for.
SHARPEN = "filter sharpen video/x-raw -> video/x-raw"

PROGRAMS = [
    "tests/bench/bench-ffi-call",
    BEST,
    "tests/bench/ffi-replay",
]

PICTURE = "tests/bench/bench-ffi-picture"  # when libvips was there to build it


# What a program's line has of the thing it compares with, and what to call that.
BASELINES = {
    "decision": ("asked_us", "asking the broker on D-Bus"),
    "empty-call-vs-gdbus": ("theirs_us", "a GDBus call, peer to peer"),
    "memfd-16mib-vs-bare-fd": ("theirs_us", "a bare descriptor"),
    "argument-16mib-pooled-vs-fresh": ("theirs_us", "a new memfd for each call"),
    "call-best-overhead": ("plain_ns", "the plain call"),
    "call-best-overhead-with-broker": ("plain_ns", "the plain call"),
    "picture-job-vs-best": ("direct_us", "the best provider called directly"),
}
# Ratios to the best that could have been chosen.
OF_THE_ORACLE = ("replay-total", "replay-geometric", "replay-worst", "replay-after-change", "closed-gap")


def complete(line, asked_us):
    """With the fields that every line of build/bench has."""
    figure = json.loads(line)
    if figure["name"] == "decision":
        figure["asked_us"] = asked_us
    if figure["name"] in OF_THE_ORACLE:
        figure.update(baseline=1, baseline_name="the oracle")
    else:
        key, name = BASELINES[figure["name"]]
        figure.update(baseline=figure[key], baseline_name=name)
    figure.setdefault("better", "lower")
    figure.setdefault("n", figure.get("rounds", 1))
    return json.dumps(figure)


def environment(build, folder):
    """Of a person who has nothing: no broker, no offers, no bus."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("DBUS_", "XDG_", "MOSS_FFI"))}
    return dict(kept, HOME=folder, XDG_RUNTIME_DIR=folder, GSETTINGS_BACKEND="memory",
                MOSS_FFI_SOCKET=os.path.join(folder, "ffi"), MOSS_BUILD=build)


def run(build, program, flags):
    with tempfile.TemporaryDirectory() as folder:
        result = subprocess.run([os.path.join(build, program), *flags], check=True,
                                stdout=subprocess.PIPE, text=True, env=environment(build, folder))
        return [line for line in result.stdout.splitlines() if line.startswith("{")]


def run_with_broker(build, program, flags, awaited, bridges="none", others=()):
    """With a broker of its own, bridges or other providers, and a bus that starts nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        env = environment(build, folder)
        del env["MOSS_FFI_SOCKET"]
        env.update(MOSS_FFI_BRIDGES=os.path.join(build, bridges),
                   MOSS_LIBEXECDIR=os.path.join(build, "ffi-broker/worker"),
                   XDG_DATA_DIRS=os.path.join(folder, "share"))
        bus = subprocess.Popen(["dbus-daemon", "--session", "--nofork", "--print-address"],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env)
        env["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().strip()
        started = [subprocess.Popen([os.path.join(build, BROKER)], env=env)]
        try:
            wait_for("the broker", lambda: os.path.exists(os.path.join(folder, "moss/ffi")))
            started += [subprocess.Popen([os.path.join(build, name), *arguments], env=env)
                        for name, *arguments in others]
            wait_for_offer(build, env, awaited)
            result = subprocess.run([os.path.join(build, program), *flags], check=True,
                                    stdout=subprocess.PIPE, text=True, env=env)
        finally:
            for process in (*reversed(started), bus):
                process.terminate()
                process.wait()
        return [line for line in result.stdout.splitlines() if line.startswith("{")]


def wait_for(what, check):
    for _ in range(120):
        if check():
            return
        time.sleep(0.5)
    raise RuntimeError(f"waited for {what} in vain")


def wait_for_offer(build, env, request):
    """Until it has been measured."""
    def is_measured():
        result = subprocess.run([os.path.join(build, "session/cli/moss"), "fn", "list", request, "--json"],
                                check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                env=env)
        return result.returncode == 0 and any(offer["trust"] == "measured"
                                              for offer in json.loads(result.stdout))
    wait_for(request, is_measured)


def run_best_with_broker(build, flags):
    """The hot path while somebody else could be asked, too."""
    lines = run_with_broker(build, BEST, flags, SORT,
                            others=[["tests/integration/ffi-provider", "process:radix", "1", "sort"]])
    return [line.replace("call-best-overhead", "call-best-overhead-with-broker") for line in lines]


def ask_by_dbus(build, flags):
    """Microseconds of the choice that is a question on D-Bus."""
    [line] = run_with_broker(build, ASK, [SORT, *flags], SORT,
                             others=[["tests/integration/ffi-provider", "process:radix", "1", "sort"]])
    return json.loads(line)["us"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build/dev")
    parser.add_argument("--out", default="build/bench/ffi.json")
    parser.add_argument("--quick", action="store_true", help="few rounds: does it still run?")
    arguments = parser.parse_args()
    build = os.path.abspath(arguments.build)
    flags = ["--quick"] if arguments.quick else []
    lines = []
    for program in PROGRAMS:
        lines += run(build, program, flags)
    if os.path.exists(os.path.join(build, PICTURE)):
        lines += run_with_broker(build, PICTURE, flags, SHARPEN, "ffi-broker/bridges")
    lines += run_best_with_broker(build, flags)
    asked_us = ask_by_dbus(build, flags)
    lines = [complete(line, asked_us) for line in lines]
    os.makedirs(os.path.dirname(os.path.abspath(arguments.out)), exist_ok=True)
    with open(arguments.out, "w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines)
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
