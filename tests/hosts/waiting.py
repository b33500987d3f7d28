# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for what shall come about, never for a time."""
import time

DEADLINE_S = 60


class Failure(Exception):
    """A command or a wait failed; the text says what and why."""


def wait_until(what, check, seconds=DEADLINE_S, pause=0.1):
    """Calls check() until it is true and returns its value; raises Failure after the time."""
    end = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"waited {seconds} s in vain: {what}")
        time.sleep(pause)
