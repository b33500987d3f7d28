# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts test results of meson's testlog.json.

count.py SUITE LOG prints "SUITE passed failed skipped"; a suite that ran nothing counts as failed. Where
LOG.first stands beside it, LOG is the second try of what failed in it.
count.py --failed LOG prints the names of the tests that failed, for meson.
count.py --total FILE adds such lines up, prints "N passed, N failed, N skipped" and fails if any failed.
"""
import json
import os
import re
import sys

CASE = re.compile(r"^(not )?ok \d+(.*)$", re.MULTILINE)


def count_test(test):
    """Returns (passed, failed, skipped) of one meson test; single cases when it speaks TAP."""
    result = test["result"]
    cases = CASE.findall(test.get("stdout") or "")
    skipped = sum(1 for bad, rest in cases if re.search(r"#\s*skip", rest, re.IGNORECASE))
    failed = sum(1 for bad, rest in cases if bad and not re.search(r"#\s*todo", rest, re.IGNORECASE))
    if result == "SKIP":
        return 0, 0, max(1, len(cases))
    if result not in ("OK", "EXPECTEDFAIL"):
        return max(0, len(cases) - skipped - failed), max(1, failed), skipped
    return (len(cases) - skipped if cases else 1), 0, skipped


def read_log(path):
    """Returns the tests of a log by name, the second try in place of the first."""
    tests = {}
    for name in (path + ".first", path):
        if os.path.exists(name):
            with open(name, encoding="utf-8") as log:
                tests.update((test["name"], test) for test in map(json.loads, log))
    return tests


def failed_tests(path):
    return [name for name, test in read_log(path).items() if count_test(test)[1]]


def print_failed(path):
    """A name in meson's log is "project:suite / test"; meson takes "project:test"."""
    print(" ".join(name.split(":")[0] + ":" + name.rsplit(" / ", 1)[-1] if ":" in name
                   else name.rsplit(" / ", 1)[-1] for name in failed_tests(path)))


def count_log(suite, path):
    totals = [0, 0, 0]
    for test in read_log(path).values():
        totals = [a + b for a, b in zip(totals, count_test(test))]
    if totals[0] + totals[1] == 0:
        print(f"the suite {suite} ran nothing: that counts as a failure", file=sys.stderr)
        totals[1] += 1
    print(suite, *totals)


def print_total(path):
    totals = [0, 0, 0]
    with open(path, encoding="utf-8") as results:
        for line in results:
            suite, *numbers = line.split()
            totals = [a + int(b) for a, b in zip(totals, numbers)]
            print("%-12s %s passed, %s failed, %s skipped" % (suite + ":", *numbers))
    print()
    print("%d passed, %d failed, %d skipped" % tuple(totals))
    return 1 if totals[1] or not totals[0] else 0


if __name__ == "__main__":
    if sys.argv[1] == "--total":
        sys.exit(print_total(sys.argv[2]))
    if sys.argv[1] == "--failed":
        print_failed(sys.argv[2])
        sys.exit(0)
    count_log(sys.argv[1], sys.argv[2])
