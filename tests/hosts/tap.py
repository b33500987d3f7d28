# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the test_ functions of a script and reports in TAP, which meson and ./dev test count."""
import os
import sys
import time
import traceback


class Skip(Exception):
    """Raised by a test that can't run here; the text says why."""


def run(namespace, *arguments):
    """Calls every function named test_... with the arguments, in the order of the file."""
    tests = [(name, value) for name, value in namespace.items()
             if name.startswith("test_") and callable(value)]
    print("TAP version 13")
    print(f"1..{len(tests)}", flush=True)
    failed = 0
    for number, (name, test) in enumerate(tests, 1):
        title = name[5:].replace("_", " ")
        began = time.monotonic()
        try:
            test(*arguments)
            print(f"ok {number} - {title} # {time.monotonic() - began:.1f} s", flush=True)
        except Skip as reason:
            print(f"ok {number} - {title} # SKIP {reason}", flush=True)
        except Exception:  # every failure is one line and its trace
            failed += 1
            print(f"not ok {number} - {title}", flush=True)
            traceback.print_exc()  # meson prints that of what failed, and keeps the other for itself
    sys.stdout.flush()
    if failed:
        sys.exit(1)


def need_root():
    """Skips the whole script when it isn't root (and says so); test machines need root."""
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root: run it through ./dev test")
        sys.exit(77)
