#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three machines of one person on one switch, everything as ordinary users: they pair by code,
one is unplugged, revoked meanwhile, and comes back."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hosts"))
import hosts  # noqa: E402
import tap  # noqa: E402

BUILD = os.environ.get("MOSS_BUILD", "build/dev")
LAB = None


def machines():
    return [LAB.machine(name) for name in ("desktop", "laptop", "tablet")]


def show(machine):
    return machine.moss("identity", "show", check=False)


def state_of(machine, name):
    for line in machine.moss("device", "list").splitlines():
        if f" {name} " in line:
            return line
    return ""


def wait_linked(one, other):
    hosts.wait_until(f"{one.name} and {other.name} are linked",
                     lambda: " linked " in state_of(one, other.name)
                     and " linked " in state_of(other, one.name), 30)


def test_pair():
    desktop, laptop, tablet = machines()
    desktop.moss("identity", "create", "me@example.org", data="a long passphrase\n")
    hosts.pair_by_code(desktop, laptop)
    wait_linked(desktop, laptop)
    hosts.pair_by_code(laptop, tablet)  # any device of the person can
    for one, other in ((desktop, laptop), (laptop, tablet)):
        wait_linked(one, other)
    assert "revoked" not in show(desktop)
    for machine in machines():
        assert show(machine).count("yours") == 2, show(machine)
    ids = {show(machine).splitlines()[1] for machine in machines()}
    assert len(ids) == 1 and ids.pop().startswith("~")


def test_third_finds_the_first():
    """Who was paired elsewhere is let in by the chain alone, and laptop says where they are."""
    desktop, _, tablet = machines()
    wait_linked(desktop, tablet)


def test_revoked_while_away():
    desktop, laptop, tablet = machines()
    LAB.cut("tablet")
    desktop.moss("device", "revoke", "tablet")
    for machine in (desktop, laptop):
        hosts.wait_until(f"{machine.name} knows it", lambda: "revoked" in show(machine))
    LAB.restore("tablet")
    hosts.wait_until("tablet is told", lambda: "Pair again?" in state_of(tablet, "laptop")
                     or "Pair again?" in state_of(tablet, "desktop"), 30)
    time.sleep(1)
    for machine in (desktop, laptop):
        assert " linked " not in state_of(machine, "tablet"), state_of(machine, "tablet")
    wait_linked(desktop, laptop)


def test_pair_again():
    desktop, _, tablet = machines()
    tablet.moss("identity", "leave")
    hosts.pair_by_code(desktop, tablet)
    wait_linked(desktop, tablet)
    assert show(tablet).count("tablet") == 2, show(tablet)


if __name__ == "__main__":
    with hosts.Lab(build=BUILD, names=("desktop", "laptop", "tablet")) as LAB:
        for each in machines():
            each.start_bus()
            each.start("agent", [each.libexec("moss-agent")])
            each.start("netd", [each.libexec("moss-netd"), "--name", each.name])
            hosts.wait_until(f"netd of {each.name}", lambda: each.has_name("org.moss.Net1") and
                             each.has_name("org.moss.Agent1"))
        tap.run(globals())
