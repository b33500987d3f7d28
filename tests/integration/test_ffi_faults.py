#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad providers and bad callers through the real broker: whoever behaves gets the answer."""
import json
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hosts"))
import tap  # noqa: E402
import test_ffi_broker as broker_test  # noqa: E402
from test_ffi_broker import BUILD, UPPER, wait  # noqa: E402

HOSTILE = os.path.join(BUILD, "tests/integration/ffi-hostile")
# For a machine on which ten others want the processor; a second otherwise.
PATIENCE_S = 90
SERVED_S = 20
HURT = os.path.join(BUILD, "tests/unit/bridges/hurt.so")


class World(broker_test.World):
    """Its broker has one bridge, which means harm."""

    def prepare(self):
        bridges = os.path.join(self.folder, "bridges")
        os.mkdir(bridges)
        shutil.copy(HURT, bridges)
        self.env.update(MOSS_FFI_BRIDGES=bridges,
                        MOSS_LIBEXECDIR=os.path.abspath(os.path.join(BUILD, "ffi-broker/worker")))

    def run(self, *argv):
        """Starts a program with an end of its own."""
        self.programs.append(subprocess.Popen(argv, env=self.env, stdout=subprocess.PIPE, text=True,
                                              stderr=subprocess.DEVNULL))
        return self.programs[-1]

    def hostile(self, *argv):
        return subprocess.run([HOSTILE, *argv], env=self.env, check=True, timeout=60, text=True,
                              stdout=subprocess.PIPE).stdout.split()

    def call(self, request):
        """The answer, the provider, and the seconds that it took."""
        began = time.monotonic()
        out = os.path.join(self.folder, "out")
        how = json.loads(self.moss("call", request, "-", "-o", out, "--json", data=b"abc").stdout)
        with open(out, "rb") as file:
            return file.read(), how["provider"], time.monotonic() - began

    def measured(self, request, n, sizes=3):
        try:
            return wait(f"{n} measured", lambda: n == len([
                one for one in self.list_offers(request) or [] if len(one["curve"]) >= sizes]), PATIENCE_S)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.list_offers(request)}") from error


def rivals(world, name, bad, steady="steady", sizes=3):
    """Two that do the same: one takes 30 ms, the other less until it turns. Returns the request.
    sizes: that each is measured with; who is much slower than the other is tried with one."""
    request = f"transform {name}(text/plain) -> text/plain"
    world.env["MOSS_TEST_TURN"] = os.path.join(world.folder, name)
    world.start("process:steady-" + name, "1", f"{steady}@{name}")
    bad(request)
    world.measured(request, 2, sizes)
    wait("the bad one is chosen", lambda: world.call(request)[:2] == (b"ABC", "process:bad-" + name))
    return request


def turn(world, name, what):
    """A call while a provider turns bad, then those after it. Returns the first one's seconds."""
    request = rivals(world, name, lambda _: world.start("process:bad-" + name, "1", "turn@" + name))
    with open(world.env["MOSS_TEST_TURN"], "w", encoding="utf-8") as file:
        file.write(what)
    answer, provider, seconds = world.call(request)
    assert (answer, provider) == (b"ABC", "process:steady-" + name), (answer, provider)
    overtaken(world, request, "process:steady-" + name)
    return request, seconds


def overtaken(world, request, provider):
    """After few calls it is chosen at once: nobody was tried in vain."""
    for _ in range(8):
        answer, who, seconds = world.call(request)
        assert answer == b"ABC"
        explained = json.loads(world.moss("explain", request, "--bytes", "3", "--json").stdout)
        if who == provider and explained["direct"][0]["offer"]["provider"] == provider:
            return
    raise AssertionError(explained["direct"])


def test_who_turns_slow_is_overtaken(world):
    turn(world, "slow", "slow")


def test_who_says_that_it_is_cheap_is_not_believed(world):
    request = rivals(world, "cheap", lambda request: world.run(
        HOSTILE, "offer", "process:bad-cheap", request, "cheap"), "think", sizes=1)
    with open(world.env["MOSS_TEST_TURN"], "w", encoding="utf-8"):
        pass
    overtaken(world, request, "process:steady-cheap")


def test_who_hangs_is_given_up(world):
    _, seconds = turn(world, "hang", "hang")
    assert seconds < 5, seconds


def test_who_crashes_is_replaced(world):
    request, _ = turn(world, "crash", "crash")
    assert [one["provider"] for one in world.list_offers(request) if one["present"]
            ] == ["process:steady-crash"]


def test_who_answers_something_else_is_replaced(world):
    turn(world, "wrong", "wrong")


def test_what_changes_after_it_was_handed_over(world):
    """The caller has a copy: of three calls none differs from itself."""
    request = rivals(world, "change", lambda request: world.run(
        HOSTILE, "offer", "process:bad-change", request, "change"))
    with open(world.env["MOSS_TEST_TURN"], "w", encoding="utf-8"):
        pass
    caller = subprocess.run([broker_test.CALLER, "20", "1", request, "3"], env=world.env,
                            stdout=subprocess.PIPE, text=True, timeout=60, check=True)
    done, failed, _ = map(int, caller.stdout.split())
    assert (done, failed) == (20, 0), caller.stdout


def test_who_eats_memory_is_bounded_and_named(world):
    eat = "generate eat() -> application/x-moss-value,type=i"
    wait("the bridge", lambda: world.offer(eat).get("present"))
    eaten = json.loads(world.moss("call", eat, "--json").stdout)
    assert eaten["value"] < 16, eaten  # of 256 MiB
    crash = world.moss("call", eat.replace("eat", "crash"), check=False)
    assert crash.returncode != 0 and b"hurt" in crash.stderr, crash.stderr
    assert world.moss("call", UPPER, data=b"abc").stdout == b"ABC"


def test_bad_buffers_are_refused(world):
    wait("the good one", lambda: world.offer(UPPER).get("present"))
    for how, name in (("unsealed", "Unsealed"), ("short", "BadBuffer"), ("huge", "BadBuffer")):
        assert world.hostile("call", UPPER, how) == ["org.moss.Error." + name], how
    assert world.hostile("call", UPPER, "fine") == ["result"]


def test_who_waits_for_others_is_told(world):
    """One provider that does one call after the other, and one that is slower but free."""
    request = "transform queue(text/plain) -> text/plain"
    world.start("process:single", "1", "think@queue")
    world.start("process:free", "1", "doze@queue")
    world.measured(request, 2, sizes=1)
    busy = world.run(broker_test.CALLER, "12", "6", request, "3")
    seen = set()
    while busy.poll() is None:
        direct = json.loads(world.moss("explain", request, "--bytes", "3", "--json").stdout)["direct"]
        seen |= {one["offer"]["provider"] for one in direct if one["offer"]["queue-us"] > 0
                 and "waiting for other calls" in one["why"]}
    assert "process:single" in seen, direct
    assert all(one["calls"] > 0 for one in world.list_offers(request)), direct
    wait("the queue is over", lambda: not any(one["queue-us"] for one in world.list_offers(request)))


def served(world):
    """Seconds of a call while others are a nuisance."""
    began = time.monotonic()
    assert world.moss("call", UPPER, data=b"abc").stdout == b"ABC"
    return time.monotonic() - began


def test_who_floods_with_frames(world):
    flood = world.run(HOSTILE, "flood", "2")
    time.sleep(0.3)
    assert served(world) < SERVED_S
    assert int(flood.communicate(timeout=30)[0]) > 100


def test_who_floods_the_bus(world):
    flood = world.run(HOSTILE, "flood-bus", "4000")
    time.sleep(0.3)
    assert served(world) < SERVED_S
    refused = int(flood.communicate(timeout=60)[0])
    assert 0 < refused < 4000, refused


def test_an_app_is_named_and_takes_nobodys_name(world):
    request = "transform shout(text/plain) -> text/plain"
    world.run(HOSTILE, "adopt", "org.example.App", "process:good", request, "cheap")
    wait("the app's offer", lambda: world.offer(request).get("present"))
    offer = world.offer(request)
    assert (offer["app"], offer["provider"]) == ("org.example.App", "app:org.example.App/process:good")
    assert world.offer(UPPER)["app"] == "" and world.offer(UPPER)["provider"] == "process:good"
    assert b"org.example.App" in world.moss("list", request).stdout
    explained = world.moss("explain", request).stdout
    assert b"offered by the app org.example.App" in explained, explained


def test_one_connection_may_announce_so_much(world):
    assert world.hostile("announce", "51") == ["50", "org.moss.Error.Busy"]


def test_ten_thousand_offers(world):
    for i in range(3):
        world.start(f"process:many-{i}", "1", f"many=3300@many-{i}")
    for i in range(3):
        wait("all are taken", lambda i=i: world.offer(
            f"transform many-{i}-3299(text/plain) -> text/plain").get("present"), PATIENCE_S)
    nanoseconds, offers, _ = map(int, world.hostile("decide", UPPER))
    assert offers > 9900 and nanoseconds <= 2000, (offers, nanoseconds)
    assert served(world) < SERVED_S


def main():
    world = World()
    world.start("process:good", "1", "upper")
    try:
        tap.run({name: value for name, value in globals().items() if name.startswith("test_")
                 and callable(value)}, world)
    finally:
        world.close()


if __name__ == "__main__":
    main()
