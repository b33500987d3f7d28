#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Functions on two machines: a provider that is better takes over and gives back, a busy machine lets
an idle one work."""
import json
import os
import random
import shutil
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hosts"))
import hosts  # noqa: E402
import tap  # noqa: E402

BUILD = os.environ.get("MOSS_BUILD", "build/dev")
TENSOR = "application/x-moss-tensor,dtype=i32"
SORT = f"transform sort({TENSOR}) -> {TENSOR}"
THINK = "transform think(text/plain) -> text/plain"
NUMBERS = 5_000_000


class World:
    """Two machines that know each other, each with a broker that is told how busy it is."""

    def __init__(self):
        self.lab = hosts.Lab(BUILD)
        try:
            self.desktop, self.laptop = (self.lab.machine(name) for name in ("desktop", "laptop"))
            for machine in (self.desktop, self.laptop):
                self.begin(machine)
            hosts.pair(self.desktop, self.laptop)
        except BaseException:
            self.close()
            raise

    def begin(self, machine):
        machine.start_sandboxd()
        machine.start_bus()
        shutil.copy(os.path.join(BUILD, "tests/integration/ffi-provider"), machine.path("/usr/local/bin"))
        self.busy(machine, 0)
        machine.start("broker", [machine.libexec("moss-ffi-broker")], env={
            "MOSS_TEST_LOAD": "/tmp/load", "MOSS_FFI_BRIDGES": "/nowhere"})  # nobody else is measured
        hosts.wait_until("the broker", lambda: machine.has_name("org.moss.FunctionBroker1"))
        machine.start_session()
        hosts.wait_until("netd", lambda: machine.has_name("org.moss.Net1"), 20)

    def busy(self, machine, load):
        with open(machine.path("/tmp/load"), "w", encoding="utf-8") as file:
            file.write(f"{load}\n")

    def close(self):
        self.lab.close()


def offers(machine, request):
    return json.loads(machine.moss("fn", "list", request, "--json"))


def call(machine, request, source, *options):
    """Calls a function on a file of the machine; returns how it came about."""
    return json.loads(machine.moss("fn", "call", request, source, "-o", "/tmp/out", "--json", *options))


def measured(machine, request, providers):
    return {one["provider"] for one in offers(machine, request)
            if len(one["curve"]) >= 3 and one["present"]} >= set(providers)


def assert_goes_to(machine, provider):
    """Within some calls, for a time can be wrong by chance."""
    for _ in range(8):
        if call(machine, SORT, "/tmp/numbers", "--local")["provider"] == provider:
            return
    raise AssertionError(machine.moss("fn", "explain", SORT, "--bytes", str(NUMBERS * 4)))


def test_a_better_provider_takes_over_and_gives_back(world):
    desktop = world.desktop
    numbers = random.Random(1).choices(range(-2**31, 2**31), k=NUMBERS)
    with open(desktop.path("/tmp/numbers"), "wb") as file:
        file.write(struct.pack(f"<{NUMBERS}i", *numbers))
    desktop.start("native", ["ffi-provider", "process:native", "1", "qsort"])
    hosts.wait_until("native is measured", lambda: measured(desktop, SORT, ["process:native"]), 60)
    assert call(desktop, SORT, "/tmp/numbers", "--local")["provider"] == "process:native"
    desktop.start("radix", ["ffi-provider", "process:radix", "1", "sort"],
                  env={"MOSS_TEST_SLOW": "/tmp/slow"})
    hosts.wait_until("radix is measured", lambda: measured(desktop, SORT, ["process:radix"]), 60)
    assert_goes_to(desktop, "process:radix")
    with open(desktop.path("/tmp/out"), "rb") as file:
        assert file.read() == struct.pack(f"<{NUMBERS}i", *sorted(numbers))
    with open(desktop.path("/tmp/slow"), "w", encoding="utf-8") as file:
        file.write("40\n")
    assert_goes_to(desktop, "process:native")
    explained = json.loads(desktop.moss("fn", "explain", SORT, "--bytes", str(NUMBERS * 4), "--json"))
    assert explained["direct"][0]["offer"]["provider"] == "process:native", explained
    assert any(one["provider"] == "process:radix" and one["outcome"] == "killed" or
               one["measured-us"] > 2 * one["predicted-us"] for one in explained["last"]), explained


def test_a_busy_machine_lets_an_idle_one_work(world):
    desktop, laptop = world.desktop, world.laptop
    with open(desktop.path("/tmp/text"), "w", encoding="utf-8") as file:
        file.write("abc\n" * 100)
    for machine in (laptop, desktop):
        machine.start("think", ["ffi-provider", "process:think", "1", "think"])
    hosts.wait_until("the offer of the laptop", lambda: {
        one["kind"] for one in offers(desktop, THINK) if one["trust"] == "measured" and one["present"]
    } == {"local", "remote"}, 40)
    device = lambda: call(desktop, THINK, "/tmp/text")["device"]  # noqa: E731
    world.busy(desktop, 1)
    hosts.wait_until("the call goes to the laptop", lambda: device() != "", 15)
    with open(desktop.path("/tmp/out"), encoding="utf-8") as file:
        assert file.read() == "ABC\n" * 100
    world.busy(laptop, 1)
    hosts.wait_until("the laptop's owner comes back", lambda: not any(
        one["present"] for one in offers(desktop, THINK) if one["kind"] == "remote"), 15)
    assert device() == ""


if __name__ == "__main__":
    tap.need_root()
    the_world = World()
    try:
        tap.run(globals(), the_world)
    finally:
        the_world.close()
