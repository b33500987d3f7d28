#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""check-filter.py MAKE-FILTER ARCH HEADER: is the header what the rules give?"""
import subprocess
import sys

made = subprocess.run(sys.argv[1:3], check=True, capture_output=True, text=True).stdout
with open(sys.argv[3], encoding="utf-8") as file:
    kept = file.read()
print("1..1")
if made.splitlines()[1] != kept.splitlines()[1]:
    print("ok 1 # SKIP", made.splitlines()[1].strip("/* "), "here")
else:
    print("ok 1" if made == kept else "not ok 1 - the rules changed: see filter.h")
