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

PROGRAMS = [
    "tests/bench/bench-ffi-call",
    "tests/bench/bench-ffi-best",
    "tests/bench/ffi-replay",
]

PICTURE = "tests/bench/bench-ffi-picture"  # when libvips was there to build it


# What a program's line has of the thing it compares with, and what to call that.
BASELINES = {
    "empty-call-vs-gdbus": ("theirs_us", "a GDBus call, peer to peer"),
    "memfd-16mib-vs-bare-fd": ("theirs_us", "a bare descriptor"),
    "call-best-overhead": ("plain_ns", "the plain call"),
    "picture-job-vs-best": ("direct_us", "the best provider called directly"),
}


def complete(line):
    """With the fields that every line of build/bench has."""
    figure = json.loads(line)
    key, name = BASELINES.get(figure["name"], (None, "the oracle"))
    figure.setdefault("better", "lower")
    figure.setdefault("baseline", figure.get(key, 1))
    figure.setdefault("baseline_name", name)
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


def run_with_broker(build, program, flags):
    """With a broker of its own, the bridges of this build, and a bus that starts nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        env = environment(build, folder)
        del env["MOSS_FFI_SOCKET"]
        env.update(MOSS_FFI_BRIDGES=os.path.join(build, "ffi-broker/bridges"),
                   MOSS_LIBEXECDIR=os.path.join(build, "ffi-broker/worker"),
                   XDG_DATA_DIRS=os.path.join(folder, "share"))
        bus = subprocess.Popen(["dbus-daemon", "--session", "--nofork", "--print-address"],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env)
        env["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().strip()
        broker = subprocess.Popen([os.path.join(build, "ffi-broker/broker/moss-ffi-broker")], env=env)
        try:
            wait_for_offers(build, env)
            result = subprocess.run([os.path.join(build, program), *flags], check=True,
                                    stdout=subprocess.PIPE, text=True, env=env)
        finally:
            for process in (broker, bus):
                process.terminate()
                process.wait()
        return [line for line in result.stdout.splitlines() if line.startswith("{")]


def wait_for_offers(build, env):
    """Until libvips' sharpening has been measured: it's the last of what is asked for."""
    moss = os.path.join(build, "session/cli/moss")
    for _ in range(120):
        result = subprocess.run([moss, "fn", "list"], check=False, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, text=True, env=env)
        if "filter sharpen" in result.stdout:
            return
        time.sleep(0.5)
    raise RuntimeError("the bridges have not announced what they offer")


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
        lines += run_with_broker(build, PICTURE, flags)
    lines = [complete(line) for line in lines]
    os.makedirs(os.path.dirname(os.path.abspath(arguments.out)), exist_ok=True)
    with open(arguments.out, "w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines)
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
