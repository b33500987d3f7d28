#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Functions on three machines: calls spread over those that are about as good, who is late is not waited
for, and nobody calls where the owner says never."""
import json
import os
import shutil
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "hosts"))
import hosts  # noqa: E402
import tap  # noqa: E402

BUILD = os.environ.get("MOSS_BUILD", "build/dev")
PONDER = "transform ponder(text/plain) -> text/plain"
BROKER = "org.moss.FunctionBroker1"
LOCAL = {"MOSS_TEST_LOAD": "/tmp/load", "MOSS_FFI_BRIDGES": "/tmp"}


class World:
    """A desktop that calls, a laptop and a tablet that offer the same."""

    def __init__(self):
        self.lab = hosts.Lab(BUILD, names=("desktop", "laptop", "tablet"))
        try:
            self.desktop, self.laptop, self.tablet = (
                self.lab.machine(name) for name in ("desktop", "laptop", "tablet"))
            for machine in (self.desktop, self.laptop, self.tablet):
                self.begin(machine)
            for machine in (self.laptop, self.tablet):
                hosts.pair(self.desktop, machine)
                machine.start("ponder", ["ffi-provider", "process:ponder", "1", "turn@ponder"],
                              env={"MOSS_TEST_TURN": "/tmp/turn"})
            write(self.desktop, "/tmp/text", "abc")
            hosts.wait_until("both offer it", lambda: len(offers(self.desktop)) == 2, 40)
        except BaseException:
            self.close()
            raise

    def begin(self, machine):
        machine.start_sandboxd()
        machine.start_bus()
        for program in ("ffi-provider", "ffi-caller"):
            shutil.copy(os.path.join(BUILD, "tests/integration", program), machine.path("/usr/local/bin"))
        write(machine, "/tmp/load", "0\n")
        write(machine, "/tmp/turn", "think")
        machine.start("broker", [machine.libexec("moss-ffi-broker")], env=LOCAL)
        hosts.wait_until("the broker", lambda: machine.has_name(BROKER))
        machine.start_session()
        hosts.wait_until("netd", lambda: machine.has_name("org.moss.Net1"), 20)

    def close(self):
        self.lab.close()


def write(machine, path, text):
    with open(machine.path(path), "w", encoding="utf-8") as file:
        file.write(text)


def offers(machine):
    """Those of others that can be called now."""
    return [one for one in json.loads(machine.moss("fn", "list", PONDER, "--json"))
            if one["present"] and one["kind"] == "remote" and one["trust"] == "measured"]


def share(machine, how):
    machine.call(BROKER, "/org/moss/FunctionBroker", "org.freedesktop.DBus.Properties.Set", BROKER,
                 "Sharing", f"<'{how}'>")


def calls_of(world):
    return {one["device-name"]: one["calls"] for one in offers(world.desktop)}


def test_calls_spread_over_equals(world):
    """Each waits for its turn on a machine, so that the other is taken, too."""
    out = world.desktop.run(["ffi-caller", "16", "4", PONDER, "3"]).stdout
    assert out.split()[:2] == ["16", "0"], out
    calls = calls_of(world)
    assert len(calls) == 2 and min(calls.values()) >= 2, calls


def favourite(world):
    """Whom one call goes to."""
    before = calls_of(world)
    world.desktop.moss("fn", "call", PONDER, "/tmp/text")
    hosts.wait_until("it is counted", lambda: calls_of(world) != before)
    [name] = [name for name, calls in calls_of(world).items() if calls != before[name]]
    return world.lab.machine(name)


def test_who_is_late_is_not_waited_for(world):
    """A pure call is sent to another machine, too; the first answer counts, the other is cancelled."""
    machine = favourite(world)
    write(machine, "/tmp/turn", "slow")
    for _ in range(3):
        began = time.monotonic()
        answer = world.desktop.moss("fn", "call", PONDER, "/tmp/text")
        assert answer == "ABC" and time.monotonic() - began < 2.5, (answer, time.monotonic() - began)
    hosts.wait_until("the late one is cancelled",
                     lambda: os.path.exists(machine.path("/tmp/turn.cancelled")), 5)
    write(machine, "/tmp/turn", "think")


def test_never_is_never(world):
    for machine in (world.laptop, world.tablet):
        share(machine, "never")
    hosts.wait_until("nobody offers it", lambda: not offers(world.desktop), 15)
    refused = world.desktop.run(["moss", "fn", "call", PONDER, "/tmp/text"], check=False)
    assert refused.returncode != 0 and refused.stdout == "", refused
    share(world.tablet, "always")
    hosts.wait_until("one does again", lambda: [
        one["device-name"] for one in offers(world.desktop)] == ["tablet"], 15)
    assert world.desktop.moss("fn", "call", PONDER, "/tmp/text") == "ABC"


def test_a_machine_whose_broker_is_gone(world):
    """Whoever calls hears it, and doesn't hang."""
    world.tablet.kill("moss-ffi-broker")
    began = time.monotonic()
    refused = world.desktop.run(["moss", "fn", "call", PONDER, "/tmp/text"], check=False)
    assert refused.returncode != 0 and time.monotonic() - began < 30, refused


if __name__ == "__main__":
    tap.need_root()
    the_world = World()
    try:
        tap.run(globals(), the_world)
    finally:
        the_world.close()
