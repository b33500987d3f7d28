#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The broker of functions under bad providers, too many offers, and SIGKILL. On a bus of its own."""
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hosts"))
import tap  # noqa: E402

BUILD = os.environ.get("MOSS_BUILD", "build/dev")
BROKER = os.path.join(BUILD, "ffi-broker/broker/moss-ffi-broker")
MOSS = os.path.join(BUILD, "session/cli/moss")
PROVIDER = os.path.join(BUILD, "tests/integration/ffi-provider")
CALLER = os.path.join(BUILD, "tests/integration/ffi-caller")
SLOW = os.path.join(BUILD, "tests/integration/ffi-slow")
BEST = os.path.join(BUILD, "tests/integration/ffi-best")
SORT = "transform sort(application/x-moss-tensor,dtype=i32) -> application/x-moss-tensor,dtype=i32"
UPPER = "transform upper(text/plain) -> text/plain"


class World:
    """A bus, a broker that is started again when it is killed, and the programs of a test."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="moss-ffi-")
        self.env = dict(os.environ, XDG_RUNTIME_DIR=self.folder, HOME=self.folder, LANG="C.UTF-8",
                        XDG_DATA_HOME=self.folder + "/data", XDG_DATA_DIRS=self.folder + "/share",
                        MOSS_FFI_BRIDGES=self.folder + "/none", G_DEBUG="fatal-warnings")
        self.env.pop("MOSS_FFI_SOCKET", None)
        self.prepare()
        self.bus = subprocess.Popen(["dbus-daemon", "--session", "--nofork", "--print-address"], text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=self.env)
        self.env["DBUS_SESSION_BUS_ADDRESS"] = self.bus.stdout.readline().strip()
        self.programs = []
        self.broker = None
        self.start_broker()

    def prepare(self):
        """What is there before the broker is."""

    def start_broker(self):
        self.broker = subprocess.Popen([BROKER], env=self.env)
        wait("the broker", lambda: self.list_offers() is not None)

    def kill_broker(self):
        self.broker.send_signal(signal.SIGKILL)
        self.broker.wait()

    def start(self, *argv):
        self.programs.append(subprocess.Popen([PROVIDER, *argv], env=self.env, stderr=subprocess.DEVNULL))
        return self.programs[-1]

    def moss(self, *argv, data=None, check=True):
        return subprocess.run([MOSS, "fn", *argv], env=self.env, input=data, check=check,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)

    def list_offers(self, request=""):
        result = self.moss("list", "--json", *([request] if request else []), check=False)
        return json.loads(result.stdout) if result.returncode == 0 else None

    def offer(self, request):
        return (self.list_offers(request) or [{}])[0]

    def close(self):
        for program in self.programs + [self.broker, self.bus]:
            program.kill()
            program.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def wait(what, check, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = check()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"{what} did not come about in {seconds} s")


def test_a_new_offer_is_measured(world):
    world.start("process:good", "1", "upper", "sort")
    wait("measuring", lambda: len(world.offer(UPPER).get("curve", [])) >= 3)
    assert world.moss("call", UPPER, data=b"abc").stdout == b"ABC"


def test_who_is_never_called_is_tried_with_what_others_are(world):
    """A guess from small inputs, right or wrong, would stand for ever."""
    slow = os.path.join(world.folder, "slow")
    with open(slow, "w", encoding="utf-8") as file:
        file.write("40")
    world.env["MOSS_TEST_SLOW"] = slow
    world.start("process:lame", "1", "sort")
    del world.env["MOSS_TEST_SLOW"]
    world.programs.append(subprocess.Popen([BEST, "500000"], env=world.env, stdout=subprocess.DEVNULL))

    def tried():
        [lame] = [one for one in world.list_offers(SORT) if one["provider"] == "process:lame"] or [{}]
        return any(bytes_in == 1 << 21 for bytes_in, _, _ in lame.get("curve", [])) and lame
    assert wait("trying it", tried, 40)["calls"] == 0
    world.programs.pop().kill()


def test_what_was_learned_survives(world):
    for _ in range(3):
        world.moss("call", UPPER, data=b"abc" * 999)
    time.sleep(1)
    before = world.offer(UPPER)
    assert before["calls"] >= 3, before
    world.kill_broker()
    world.start_broker()
    wait("the provider announces again", lambda: world.offer(UPPER).get("present"))
    after = world.offer(UPPER)
    assert after["curve"] == before["curve"] and after["calls"] == before["calls"], (before, after)
    assert after["offer"] == before["offer"]


def test_bad_ones_are_barred(world):
    world.start("process:wrong", "1", "wrong")
    world.start("process:crash", "1", "crash")
    wrong = "transform wrong(text/plain) -> text/plain"
    wait("barring", lambda: world.offer(wrong).get("trust") == "barred")
    assert "promises" in world.offer(wrong)["reason"], world.offer(wrong)
    refused = world.moss("call", wrong, data=b"abc", check=False)
    assert refused.returncode == 1 and refused.stdout == b"", refused
    assert world.broker.poll() is None


def test_a_hanging_one_is_given_up(world):
    world.start("process:hang", "1", "hang")
    hang = "transform hang(text/plain) -> text/plain"
    wait("giving up", lambda: "three times" in world.offer(hang).get("reason", ""))
    assert world.moss("call", UPPER, data=b"x").stdout == b"X"


def test_a_deadline_is_kept(world):
    """Who can't make it isn't begun; who doesn't make it is cancelled; both say so."""
    world.env["MOSS_TEST_TURN"] = os.path.join(world.folder, "turn")
    think, lazy = (f"transform {what}(text/plain) -> text/plain" for what in ("think", "lazy"))
    world.start("process:think", "1", "think")
    world.start("process:lazy", "1", "turn@lazy")
    for request in (think, lazy):
        wait("measuring", lambda what=request: len(world.offer(what).get("curve", [])) >= 3)
    with open(world.env["MOSS_TEST_TURN"], "w", encoding="utf-8") as file:
        file.write("slow")
    for request, milliseconds, said in ((think, 20, "would take 0."), (lazy, 150, "longer than it may")):
        late = subprocess.run([CALLER, "1", "1", request, "2000", str(milliseconds)], env=world.env,
                              check=True, text=True, timeout=30, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
        done, failed, longest_ms = map(int, late.stdout.split())
        assert (done, failed) == (0, 1) and longest_ms < 2000 and said in late.stderr, late
    kept = subprocess.run([CALLER, "1", "1", think, "2000", "9000"], env=world.env, check=True, text=True,
                          timeout=30, stdout=subprocess.PIPE)
    assert kept.stdout.split()[:2] == ["1", "0"], kept


HEAD = """[Provider]
Id=head
Program=/usr/bin/head
[Function first]
Capability=transform first-lines(text/plain;n:i) -> text/plain
Arguments=-n;{n}
Range-n=1;9
"""


def test_a_manifest_comes_and_goes(world):
    """And comes back as it was. Who gives a wrong option learns what would be right."""
    request = "transform first-lines(text/plain) -> text/plain"
    manifest = os.path.join(world.folder, "data/moss/functions/head.mossfn")
    os.makedirs(world.env["MOSS_FFI_BRIDGES"], exist_ok=True)
    shutil.copy(os.path.join(BUILD, "ffi-broker/bridges/exec.so"), world.env["MOSS_FFI_BRIDGES"])
    world.env["PATH"] = os.path.abspath(os.path.join(BUILD, "ffi-broker/worker")) + ":" + os.environ["PATH"]
    world.kill_broker()
    world.start_broker()
    with open(manifest, "w", encoding="utf-8") as file:
        file.write(HEAD)
    wait("the offer", lambda: world.offer("first-lines").get("present"))
    for options, said in ((["n=10"], b"a number from 1 to 9"), (["m=1", "n=1"], b"has no option m"),
                          ([], b"needs the option n:i")):
        refused = world.moss("call", request, *options, data=b"a\nb\n", check=False)
        assert refused.returncode == 1 and said in refused.stderr, refused
        assert b"--lossy" not in refused.stderr, refused
    os.rename(manifest, manifest + "~")
    wait("its end", lambda: not world.offer("first-lines").get("present"))
    os.rename(manifest + "~", manifest)
    wait("its return", lambda: world.offer("first-lines").get("present"))
    pipe = os.path.join(world.folder, "pipe")
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        world.moss("call", request, "n=1", "-o", pipe, data=b"a\nb\n")
        assert reader.communicate(timeout=20)[0] == b"a\n"
    assert not os.path.isfile(pipe)
    os.unlink(manifest)


def test_absurd_requests(world):
    for request in ("", "convert(((((", "hash sha256(" + "a/b," * 900 + ") -> x/y", "\x01\x02 -> ",
                    "é(ü) -> ß"):
        assert world.moss("explain", request, check=False).returncode != 0, request
    assert world.broker.poll() is None


def test_the_broker_killed_during_a_thousand_calls(world):
    """Callers get a result or an error, and none hangs."""
    caller = subprocess.Popen([CALLER, "1000", "4", UPPER, "20000"], env=world.env,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for _ in range(3):
        time.sleep(0.05)
        world.kill_broker()
        world.start_broker()
    out, _ = caller.communicate(timeout=60)
    done, failed, longest_ms = map(int, out.split())
    assert done + failed == 1000 and longest_ms < 15000, out
    assert done >= 900, out


def read_terminal(terminal, word, seconds=20):
    """What is written to a terminal, up to a word."""
    text = b""
    end = time.monotonic() + seconds
    while word not in text and time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            text += os.read(terminal, 4096)
    assert word in text, text
    return text


def is_running(world, text):
    return text in subprocess.run(
        ["gdbus", "call", "--session", "-d", "org.moss.FunctionBroker1", "-o", "/org/moss/FunctionBroker",
         "-m", "org.moss.FunctionBroker1.Running"], env=world.env, capture_output=True, text=True,
        check=True).stdout


def test_a_call_says_how_far_it_is(world):
    """Nothing is predicted of it: whatever is shown was said by the provider."""
    once = "generate once() -> application/x-moss-value,type=s"
    world.programs.append(subprocess.Popen([SLOW, "offer", "tell", "4000"], env=world.env,
                                           stderr=subprocess.DEVNULL))
    wait("an offer", lambda: world.offer(once).get("present"))
    terminal, end = pty.openpty()
    with subprocess.Popen([MOSS, "fn", "call", once], env=world.env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=end) as call:
        wait("the broker hears of it", lambda: is_running(world, "'fraction': <0.") or call.poll() == 0)
        assert call.poll() is None
        assert call.stdout.read() == b"tell\n" and call.wait(20) == 0
    os.close(end)
    shown = [int(percent) for percent in re.findall(rb"(\d+) %", read_terminal(terminal, b" %"))]
    assert shown == sorted(shown) and any(0 < percent < 100 for percent in shown), shown
    os.close(terminal)
    world.programs.pop().kill()
    wait("its end", lambda: not world.offer(once).get("present"))


def test_a_terminal_shows_progress_and_ctrl_c_cancels(world):
    once = "generate once() -> application/x-moss-value,type=s"
    world.programs.append(subprocess.Popen([SLOW, "offer", "late", "60000"], env=world.env,
                                           stderr=subprocess.DEVNULL))
    wait("an offer", lambda: world.offer(once).get("present"))
    terminal, end = pty.openpty()
    call = subprocess.Popen([MOSS, "fn", "call", once], env=world.env, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=end)
    read_terminal(terminal, b"once")
    call.send_signal(signal.SIGINT)
    read_terminal(terminal, b"Cancelled")
    assert call.wait(20) == 130 and call.stdout.read() == b"", call
    wait("the end of the call", lambda: is_running(world, "[]"))
    refused = subprocess.Popen([MOSS, "fn", "call", "image/webp", MOSS], env=world.env, stdout=end,
                               stderr=subprocess.PIPE)
    assert b"-o FILE" in refused.communicate(timeout=20)[1] and refused.returncode == 1
    os.close(terminal)
    os.close(end)


def test_ten_thousand_offers(world):
    for name in ("few", "many"):
        world.start("process:" + name, "1", "many=4950@" + name)
    for name in ("few", "many"):
        last = f"transform {name}-4949(text/plain) -> text/plain"
        wait("all are taken", lambda last=last: world.offer(last).get("present"), seconds=40)
    began = time.monotonic()
    assert world.moss("call", UPPER, data=b"abc").stdout == b"ABC"
    assert time.monotonic() - began < 5
    world.start("process:more", "1", "many=200")
    time.sleep(1)
    assert world.broker.poll() is None
    assert len(world.list_offers()) <= 10000


def main(world_type, namespace):
    world = world_type()
    try:
        tap.run(namespace, world)
    finally:
        world.close()


if __name__ == "__main__":
    main(World, globals())
