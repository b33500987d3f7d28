# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts test results of meson's testlog.json.

count.py SUITE LOG prints "SUITE passed failed skipped"; a suite that ran nothing counts as failed.
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
    return max(1, len(cases)) - skipped if len(cases) != skipped else 0, 0, skipped


def count_log(suite, path):
    totals = [0, 0, 0]
    if os.path.exists(path):
        with open(path, encoding="utf-8") as log:
            for line in log:
                totals = [a + b for a, b in zip(totals, count_test(json.loads(line)))]
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
    count_log(sys.argv[1], sys.argv[2])
