#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of functions: one JSON line each, with its goal, from the programs that measure them."""
import argparse
import os
import subprocess
import sys
import tempfile

PROGRAMS = [
    "tests/bench/bench-ffi-call",
    "tests/bench/bench-ffi-best",
    "tests/bench/ffi-replay",
]


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
    os.makedirs(os.path.dirname(os.path.abspath(arguments.out)), exist_ok=True)
    with open(arguments.out, "w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines)
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
