#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the private display and the shell cost: runs their two programs and puts their lines into one file."""
import argparse
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def display_lines(build, idle_seconds):
    program = os.path.join(build, "tests", "bench", "display", "bench-display")
    host = os.path.join(build, "session", "display", "moss-display-host")
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "display.json")
        subprocess.run([program, host, out, "--app", "mousepad", "--idle", str(idle_seconds)],
                       check=True, env=dict(os.environ, HOME=folder))
        with open(out, encoding="utf-8") as file:
            return file.read().splitlines()


def shell_lines(build, rounds, idle_seconds):
    result = subprocess.run([sys.executable, os.path.join(HERE, "shell", "shell.py"),
                             "--rounds", str(rounds), "--idle", str(idle_seconds)],
                            check=True, stdout=subprocess.PIPE, text=True,
                            env=dict(os.environ, MOSS_BUILD=build))
    return [line for line in result.stdout.splitlines() if line.startswith("{")]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build/dev")
    parser.add_argument("--out", default="build/bench/display.json")
    parser.add_argument("--quick", action="store_true", help="two rounds: does it still run?")
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    build = os.path.abspath(arguments.build)
    rounds, idle = (2, 3) if arguments.quick else (arguments.rounds, 30)
    lines = display_lines(build, idle) + shell_lines(build, rounds, idle)
    os.makedirs(os.path.dirname(os.path.abspath(arguments.out)), exist_ok=True)
    with open(arguments.out, "w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines)
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
