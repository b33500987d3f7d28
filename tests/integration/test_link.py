#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices on one machine, each with its own state and session bus: the real moss-netd and
moss-agent, linked over 127.0.0.1. A session is played by net-tool (echo, wait, fail)."""

import glob
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

BUILD = os.environ.get("MOSS_BUILD", "build/dev")
TOOL = os.path.join(BUILD, "tests/integration/net-tool")
NETD = os.path.join(BUILD, "vfs/moss-netd")
AGENT = os.path.join(BUILD, "core/moss-agent")
SLOW = 4 if os.environ.get("MOSS_TEST_SLOW") else 1  # a sanitizer build: more time, less to carry
NET = ["--session", "-d", "org.moss.Net1", "-o", "/org/moss/Net", "-m"]


def wait_for(what, condition, seconds=10.0):
    end = time.monotonic() + seconds * SLOW
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s in vain for: {what}")


class Device:
    def __init__(self, base, name, port, listen="127.0.0.1"):
        self.name, self.port = name, port
        self.listen = ["--listen", listen] if listen else []
        self.dir = os.path.join(base, name)
        os.mkdir(self.dir)
        self.state = os.path.join(self.dir, "state")
        self.env = dict(os.environ, LC_ALL="C.UTF-8")
        out = subprocess.run(["dbus-daemon", "--session", "--fork", "--print-address=1",
                              "--print-pid=1"], stdout=subprocess.PIPE, text=True, check=True,
                             stderr=subprocess.DEVNULL).stdout.split()
        self.env["DBUS_SESSION_BUS_ADDRESS"], self.bus_pid = out[0], int(out[1])
        self.log = open(os.path.join(self.dir, "log"), "w")
        self.parts = {}
        self.run("agent", [AGENT, "--state", self.state])
        self.run("session", [TOOL, "serve"])
        self.start()

    def run(self, part, command, **env):
        self.parts[part] = subprocess.Popen(command, env=dict(self.env, **env),
                                            stderr=self.log, stdout=self.log)

    def start(self, **env):
        self.run_netd(**env)
        wait_for(f"netd of {self.name}", lambda: self.property("DeviceId"))
        self.id = self.property("DeviceId")
        wait_for("its signing key", lambda: os.path.exists(self.state + "/net/signing"))

    def run_netd(self, **env):
        self.run("netd", [NETD, "--state", self.state, "--port", str(self.port), "--name",
                          self.name, *self.listen], G_MESSAGES_DEBUG="moss-netd", **env)

    def stop(self, part="netd", how=signal.SIGTERM):
        process = self.parts.pop(part)
        process.send_signal(how)
        code = process.wait(30)
        if how == signal.SIGTERM and part == "netd":
            assert code == 0, f"{part} of {self.name} ended with {code}"

    def close(self):
        try:
            for part in list(self.parts):
                self.parts[part].send_signal(signal.SIGCONT)
                self.stop(part)
        finally:
            os.kill(self.bus_pid, signal.SIGTERM)
            self.log.close()

    def gdbus(self, method, *arguments):
        return subprocess.run(["gdbus", "call", *NET, "org.moss.Net1." + method, *arguments],
                              env=self.env, capture_output=True, text=True)

    def property(self, name):
        out = subprocess.run(["gdbus", "call", *NET, "org.freedesktop.DBus.Properties.Get",
                              "org.moss.Net1", name], env=self.env, capture_output=True,
                             text=True).stdout
        found = re.search(r"<'([^']*)'>|<uint16 (\d+)>", out)
        return found and (found.group(1) or found.group(2))

    def add(self, other, address=None, fingerprint=None):
        return self.gdbus("AddDevice", "" if address is None else address,
                          fingerprint or other.id)

    def device(self, other):
        """What this one says about the other: a dict, or None."""
        for entry in self.gdbus("Devices").stdout.split("}"):
            if f"'id': <'{other.id}'>" in entry:
                fields = re.findall(r"'([\w-]+)': <(?:\w+ )?(\"[^\"]*\"|'[^']*'|[\w.]+)>", entry)
                return {key: value.strip("'\"") for key, value in fields}
        return None

    def state_of(self, other):
        return (self.device(other) or {}).get("state")

    def tool(self, *arguments, text=""):
        out = subprocess.run([TOOL, *map(str, arguments)], env=self.env, input=text,
                             capture_output=True, text=True).stdout.splitlines()
        answer = json.loads(out[-1]) if out else {}
        answer["refs"] = "\n".join(out[:-1]) + "\n"
        return answer

    def call(self, other, method, text="x", timeout_ms=5000):
        return self.tool("call", other.id, method, text, timeout_ms)

    def sent(self, other):
        return int(re.search(r"uint64 (\d+)", self.gdbus("LinkBytes", other.id).stdout)[1])

    def received(self, other):
        return int(re.search(r", (?:uint64 )?(\d+)", self.gdbus("LinkBytes", other.id).stdout)[1])


def wait_linked(a, b, seconds=5):
    wait_for("a link", lambda: a.state_of(b) == "linked" and b.state_of(a) == "linked", seconds)


def connections(a, b):
    """Established TCP connections between two devices, counted at the listening ends."""
    count = 0
    for line in open("/proc/net/tcp").read().splitlines()[1:]:
        fields = line.split()
        port = int(fields[1].split(":")[1], 16)
        if port in (a.port, b.port) and fields[3] == "01":
            count += 1
    return count


def test_refused_until_known(a, b):
    assert a.add(b, f"127.0.0.1:{b.port}").returncode == 0
    wait_for("the refusal", lambda: a.state_of(b) == "refused")
    assert "doesn't know this device" in a.device(b)["reason"]
    assert b.device(a) is None, "a stranger became known by knocking"
    answer = a.call(b, "echo")
    assert answer["error"] == "org.moss.Error.Refused", answer


def test_link(a, b):
    assert b.add(a).returncode == 0
    wait_linked(a, b, 8)
    assert b.device(a)["name"] == a.name and a.device(b)["name"] == b.name
    assert b.device(a)["signing-suite"] == "1"
    assert b.device(a)["address"] == f"127.0.0.1:{a.port}", "the way back is not remembered"


def test_bad_fingerprints(a, b):
    assert "0–9 and a–f" in a.add(b, "", "123").stderr
    assert "own fingerprint" in a.add(a, "").stderr
    wrong = ("f" if b.id[0] != "f" else "0") + b.id[1:]
    assert a.add(b, f"127.0.0.1:{b.port}", wrong).returncode == 0
    stranger = type("Stranger", (), {"id": wrong})
    wait_for("another device noticed", lambda: "Another device answers" in
             a.device(stranger)["reason"])
    assert a.state_of(stranger) == "refused"
    assert a.gdbus("RemoveDevice", wrong).returncode == 0
    assert a.device(stranger) is None
    spelled = ":".join(b.id[i:i + 4].upper() for i in range(0, 64, 4))
    assert b.id in a.add(b, f"127.0.0.1:{b.port}", spelled).stdout


def test_calls(a, b):
    assert a.call(b, "echo", "hello")["reply"] == "'hello'"
    assert b.call(a, "echo", "ça va")["reply"] == "'ça va'"
    assert b.call(a, "device")["reply"] == f"'{b.id}'"
    answer = a.call(b, "fail")
    assert answer["error"] == "org.moss.Error.Blocked", answer
    assert answer["text"] == "it has /dev/dri/card0 open", answer
    answer = a.call(b, "wait", timeout_ms=500)
    assert answer["error"] == "org.moss.Error.Timeout", answer
    times = sorted(a.call(b, "echo")["ms"] for _ in range(21))
    print(f"# a call: {times[10]} ms (median of 21)")
    b.stop("session")
    answer = a.call(b, "echo")
    assert answer["error"] == "org.moss.Error.Away" and "logged in" in answer["text"], answer
    b.run("session", [TOOL, "serve"])
    wait_for("the session", lambda: "reply" in a.call(b, "echo"))


def test_put_get(a, b):
    put = a.tool("put", 60 // SLOW, 1, "")
    got = b.tool("get", a.id, text=put["refs"])
    assert got["sha256"] == put["sha256"] and got["bytes"] == 60 // SLOW << 20
    assert put["stored"] < got["fetched"] < put["stored"] * 1.01 + 65536
    again = b.tool("get", "", text=put["refs"])
    assert again["sha256"] == put["sha256"] and again["fetched"] == 0
    same = a.tool("put", 60 // SLOW, 1, "")
    assert same["stored"] == 0 and same["refs"] == put["refs"]
    print(f"# {60 // SLOW} MiB: put {put['ms']} ms, get over the link {got['ms']} ms "
          f"({got['mb_per_s']} MB/s), get from the store {again['ms']} ms "
          f"({again['mb_per_s']} MB/s)")


def test_push(a, b):
    """What is pushed ahead is not sent a second time, though the get comes at once."""
    before = a.sent(b)
    put = a.tool("put", 40 // SLOW, 2, b.id)
    got = b.tool("get", a.id, text=put["refs"])
    assert got["sha256"] == put["sha256"]
    sent = a.sent(b) - before
    assert sent < put["stored"] * 1.02 + 65536, (sent, put["stored"])
    before = a.sent(b)
    a.tool("put", 40 // SLOW, 2, b.id)
    assert a.sent(b) - before < 65536, "known objects were sent again"
    print(f"# {40 // SLOW} MiB pushed: put {put['ms']} ms, then get {got['ms']} ms")


def test_calls_go_first(a, b):
    put = subprocess.Popen([TOOL, "put", str(150 // SLOW), "3", b.id], env=a.env,
                           stdout=subprocess.DEVNULL)
    worst = 0
    while put.poll() is None:
        worst = max(worst, a.call(b, "echo")["ms"], b.call(a, "echo")["ms"])
    print(f"# the slowest call during a transfer: {worst} ms")
    assert worst < 500 * SLOW


def test_missing(a, b):
    nowhere = "ab" * 32 + " " + "cd" * 32 + "\n"
    answer = b.tool("get", a.id, text=nowhere)
    assert answer["error"] == "org.moss.Error.Missing" and "ab" * 32 in answer["text"], answer
    answer = b.tool("get", "", text=nowhere)
    assert answer["error"] == "org.moss.Error.Missing", answer
    ids = "[[" + ",".join(["byte 0xab"] + ["0xab"] * 31) + "]]"
    failed = b.gdbus("SetRoot", "move/1", ids)
    assert "org.moss.Error.Missing" in failed.stderr, failed.stderr
    assert b.gdbus("Missing", ids).stdout.count("0xab") == 32


def test_killed(a, b):
    put = a.tool("put", 5, 4, "")
    b.stop(how=signal.SIGKILL)
    wait_for("the loss", lambda: a.state_of(b) == "away", 2)
    answer = a.call(b, "echo")
    assert answer["error"] == "org.moss.Error.Away", answer
    begin = time.monotonic()
    b.start()
    wait_linked(a, b, 2)
    print(f"# linked again {time.monotonic() - begin:.2f} s after a start")
    got = b.tool("get", a.id, text=put["refs"])
    assert got["sha256"] == put["sha256"]


def test_one_connection(a, b):
    """Both dial when both appear at once; one connection stays, and it is the same for both."""
    for _ in range(3):
        a.stop()
        b.stop()
        a.run_netd()
        b.run_netd()
        wait_linked(a, b)
        wait_for("one connection", lambda: connections(a, b) == 1, 5)
        assert "reply" in a.call(b, "echo") and "reply" in b.call(a, "echo")


def test_hangs(a, b):
    """The other side's kernel is there, but nobody answers."""
    begin = time.monotonic()
    b.parts["netd"].send_signal(signal.SIGSTOP)
    answer = a.call(b, "echo", timeout_ms=60000)
    busy = time.monotonic() - begin
    b.parts["netd"].send_signal(signal.SIGCONT)
    assert answer["error"] == "org.moss.Error.Away", answer
    wait_linked(a, b, 8)
    time.sleep(1)
    begin = time.monotonic()
    b.parts["netd"].send_signal(signal.SIGSTOP)
    wait_for("the silence to be noticed", lambda: a.state_of(b) != "linked", 15)
    idle = time.monotonic() - begin
    b.parts["netd"].send_signal(signal.SIGCONT)
    print(f"# a dead link is noticed in {busy:.1f} s with a request open, else {idle:.1f} s")
    assert busy < 4.0 and idle < 10.5
    wait_linked(a, b, 8)


def test_strangers(a, b, base):
    c = Device(base, "stranger", a.port + 2)
    try:
        c.add(a, f"127.0.0.1:{a.port}")
        wait_for("the refusal", lambda: c.state_of(a) == "refused")
        assert a.device(c) is None
    finally:
        c.close()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    raw = socket.create_connection(("127.0.0.1", a.port))
    try:  # no certificate of its own
        with context.wrap_socket(raw) as tls:
            tls.send(b"\x09\0\0\0\x03" + bytes(8))
            assert tls.recv(100) == b"", "a stranger got an answer"
    except (ssl.SSLError, ConnectionError):
        pass
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    raw = socket.create_connection(("127.0.0.1", a.port))
    try:
        with context.wrap_socket(raw):
            raise AssertionError("TLS 1.2 was spoken")
    except (ssl.SSLError, ConnectionError):
        pass
    many = [socket.create_connection(("127.0.0.1", a.port)) for _ in range(100)]
    many[0].send(os.urandom(4096))
    for s in many:
        s.close()
    assert "reply" in a.call(b, "echo")


def flip_bit(device, ref):
    """In the middle of one object, found by its id in the pack's record."""
    object_id = bytes.fromhex(ref.split()[0])
    for path in glob.glob(device.state + "/net/store/pack-*"):
        data = open(path, "rb").read()
        at = data.find(b"MOB1")
        while at >= 0:
            if data[at + 8:at + 40] == object_id:
                with open(path, "r+b") as file:
                    file.seek(at + 80 + 5000)
                    file.write(bytes([data[at + 80 + 5000] ^ 8]))
                return
            at = data.find(b"MOB1", at + 4)
    raise AssertionError("the object is in no pack")


def test_bit_flip(a, b):
    put = a.tool("put", 6, 5, "")
    refs = put["refs"].splitlines()
    a.stop()
    flip_bit(a, refs[3])
    a.start()
    wait_linked(a, b)
    answer = a.tool("get", "", text=put["refs"])
    assert answer["error"] == "org.moss.Error.Corrupt", answer
    assert refs[3].split()[0] in answer["text"], answer
    good = b.tool("get", a.id, text="\n".join(refs[:3] + refs[4:]) + "\n")
    assert good["bytes"] == 5 << 20
    answer = b.tool("get", a.id, text=put["refs"])
    assert answer["error"] == "org.moss.Error.Missing", answer
    assert refs[3].split()[0] in answer["text"], answer


def test_heals(a, b):
    """Damaged here, whole on the other device: fetched from there."""
    put = a.tool("put", 6, 6, b.id)
    assert b.tool("get", a.id, text=put["refs"])["sha256"] == put["sha256"]
    flip_bit(a, put["refs"].splitlines()[2])
    got = a.tool("get", b.id, text=put["refs"])
    assert got["sha256"] == put["sha256"] and 0 < got["fetched"] < 2 << 20, got
    assert a.tool("get", "", text=put["refs"])["sha256"] == put["sha256"]


def test_broken_transfer(a, b):
    """The sender dies in the middle: a clear error, and the rest comes later."""
    put = a.tool("put", 200 // SLOW, 8, "")
    before = b.received(a)
    get = subprocess.Popen([TOOL, "get", a.id], env=b.env, stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE, text=True)
    get.stdin.write(put["refs"])
    get.stdin.close()
    wait_for("some of it", lambda: b.received(a) > before + (40 // SLOW << 20))
    a.stop(how=signal.SIGKILL)
    answer = json.loads(get.stdout.read())
    get.wait()
    a.start()
    wait_linked(a, b)
    got = b.tool("get", a.id, text=put["refs"])
    assert got["sha256"] == put["sha256"]
    if "error" in answer:
        assert answer["error"] == "org.moss.Error.Away", answer
        assert got["fetched"] < put["stored"], "what had come was fetched again"


def test_removed(a, b):
    assert b.gdbus("RemoveDevice", a.id).returncode == 0
    wait_for("the refusal", lambda: a.state_of(b) == "refused", 8)
    assert b.device(a) is None
    assert "org.moss.Error.Refused" in a.call(b, "echo")["error"]


def main():
    base = tempfile.mkdtemp(prefix="moss-link-")
    port = 43000 + os.getpid() % 2000
    tests = [value for name, value in globals().items() if name.startswith("test_")]
    a, b = Device(base, "desktop", port), Device(base, "laptop", port + 1)
    failed = 0
    print(f"1..{len(tests)}")
    try:
        for number, test in enumerate(tests, 1):
            extra = (base,) if test is test_strangers else ()
            begin = time.monotonic()
            try:
                test(a, b, *extra)
                print(f"ok {number} - {test.__name__[5:]} # {time.monotonic() - begin:.1f} s")
            except Exception as error:  # a test that fails must not hide the others
                failed += 1
                print(f"not ok {number} - {test.__name__[5:]}: {error!r}")
            sys.stdout.flush()
    finally:
        for device in (a, b):
            try:
                device.close()
            except Exception as error:
                failed += 1
                print(f"# {error}")
            log = open(os.path.join(device.dir, "log")).read()
            bad = re.findall(r".*(?:Sanitizer|runtime error|CRITICAL|WARNING).*", log)
            if bad or failed:
                failed += bool(bad)
                print(f"# --- log of {device.name}:\n# " + log[-6000:].replace("\n", "\n# "))
        shutil.rmtree(base)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
