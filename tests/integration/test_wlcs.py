#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The display against the Wayland conformance suite: what passed once passes still."""
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "hosts"))
import tap  # noqa: E402

BUILD = os.path.abspath(os.environ.get("MOSS_BUILD", "build/dev"))
PLUGIN = os.path.join(BUILD, "tests", "integration", "libwlcs-moss.so")
LINE = re.compile(r"^\[ +(RUN|OK|SKIP|FAILED) +\] ([^ ,]+)")


def find_runner():
    answer = subprocess.run(["pkg-config", "--variable=test_runner", "wlcs"],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                            check=False)
    runner = answer.stdout.strip()
    if not runner or not os.path.exists(runner):
        raise tap.Skip("the package wlcs is not installed")
    return runner


def environment():
    """The runner is a plain build: a sanitizer in our plugin must be loaded before it."""
    libraries = subprocess.run(["ldd", PLUGIN], stdout=subprocess.PIPE, text=True, check=True).stdout
    sanitizers = re.findall(r"=> (\S*/lib(?:asan|ubsan)\S*)", libraries)
    # The runner's own leaks are not ours to judge.
    return dict(os.environ, LD_PRELOAD=" ".join(sanitizers), ASAN_OPTIONS="detect_leaks=0")


def run(runner, names):
    """What became of each of the tests, and how the runner ended."""
    suite = subprocess.run([runner, PLUGIN, "--gtest_filter=" + ":".join(names)], env=environment(),
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                           errors="replace", timeout=150, check=False)
    became = {}
    for line in suite.stdout.splitlines():
        match = LINE.match(line)
        if match and match.group(2) in names:
            became[match.group(2)] = match.group(1)
    return became, suite.returncode


def test_conformance():
    runner = find_runner()
    with open(os.path.join(HERE, "wlcs-passes.txt"), encoding="utf-8") as file:
        names = {line.strip() for line in file if not line.startswith("#")}
    became, code = run(runner, names)
    bad = sorted(name for name, end in became.items() if end != "OK")
    print(f"# {len(became) - len(bad)} of {len(names)} passed, "
          f"{len(names) - len(became)} are not in this version of the suite")
    # A suite that ended early, or has other names for everything, proves nothing.
    assert not bad and code == 0, f"runner ended with {code}; not passed: {bad}"
    assert len(became) > len(names) // 2, f"only {len(became)} of {len(names)} tests ran"


if __name__ == "__main__":
    tap.run(globals())
