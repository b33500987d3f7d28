#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real apps that go to and fro twenty times."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hosts"))
import desk as desks  # noqa: E402
import tap  # noqa: E402
from test_move import BUILD, end, pair_of  # noqa: E402

HOPS = int(os.environ.get("MOSS_TEST_HOPS", "20"))


def test_twenty_hops(desk):
    for argv in (["/bin/sh", "-c", desks.COUNTER], ["foot"]):
        source, target = pair_of(desk)
        sandbox = desks.run_app(source, *argv)
        time.sleep(2)
        for hop in range(HOPS):
            desk.send(source, sandbox)
            assert desks.state(target, sandbox) == "running", f"hop {hop} of {argv[0]}"
            assert desks.sandboxed(target) and not desks.sandboxed(source), f"hop {hop}"
            source, target = target, source
        end(desk, sandbox)


if __name__ == "__main__":
    tap.need_root()
    with desks.Desk(BUILD) as test_desk:
        tap.run({"test_twenty_hops": test_twenty_hops}, test_desk)
