#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real moss-host over 127.0.0.1, with people and devices played by host-tool."""
import hashlib
import http.client
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hosts"))
import tap  # noqa: E402

BUILD = os.environ.get("MOSS_BUILD", "build/dev")
HOST = os.path.join(BUILD, "vfs/moss-host")
TOOL = os.path.join(BUILD, "tests/integration/host-tool")
READ, WRITE, DELETE = 1, 2, 3
RANDOM = random.Random(7)


def make_object(size=5000):
    """Bytes that look like an object to those who hold no key, and their id."""
    data = b"\x01" + RANDOM.randbytes(size - 1)
    return data, hashlib.blake2b(data, digest_size=32).hexdigest()


def digest(data):
    return hashlib.blake2b(data, digest_size=32).hexdigest()


class People:
    def __init__(self):
        self.process = subprocess.Popen([TOOL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lock = threading.Lock()

    def ask(self, *words):
        with self.lock:
            self.process.stdin.write(" ".join(map(str, words)) + "\n")
            self.process.stdin.flush()
            return self.process.stdout.readline().strip()


class Server:
    def __init__(self, state, *options, env=None, listen="127.0.0.1:0"):
        self.state, self.options, self.env, self.listen = state, options, env or {}, listen
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [HOST, "--state", self.state, "--listen", self.listen, *self.options],
            stderr=subprocess.PIPE, text=True, env=dict(os.environ, G_DEBUG="fatal-criticals", **self.env))
        self.log = []
        for line in self.process.stderr:
            self.log.append(line)
            if "listening at" in line:
                break
        else:
            raise AssertionError("moss-host did not start: " + "".join(self.log))
        self.port = int(line.rsplit(":", 1)[1])
        self.name = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._drain, args=(self.process,), daemon=True).start()

    def _drain(self, process):
        for line in process.stderr:
            self.log.append(line)

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(15)

    def ask(self, method, path, body=None, token=None, headers=None, timeout=20):
        """→ status, headers, body"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        headers = dict(headers or {})
        if token:
            headers["Authorization"] = token
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()


class World:
    """One host with two people admitted: one (0) with a device, two (1); three (2) is not."""

    def __init__(self, *options, env=None):
        self.base = tempfile.mkdtemp(prefix="moss-host-")
        self.people = People()
        self.ids = [self.people.ask("person", name + "@example.org") for name in ("one", "two", "three")]
        self.admit = [word for i in self.ids[:2] for word in ("--admit", i)]
        self.server = Server(os.path.join(self.base, "state"), *self.admit, "--domain", "example.org",
                             *options, env=env)
        for person in (0, 1):
            self.show_chain(person, 204)
        self.tree = digest(b"tree of one")

    def show_chain(self, person, expected, change=None):
        chain = bytes.fromhex(self.people.ask("chain", person, *([change] if change is not None else [])))
        status, _, text = self.server.ask("PUT", "/id/" + self.ids[person], chain)
        assert status == expected, (status, text)
        return chain

    def token(self, verb=WRITE, person=0, slot=1, tree=None, seconds=3600, host=None, body=None):
        return self.people.ask("token", person, slot, host or self.server.name, verb, tree or self.tree,
                               seconds, *([digest(body)] if body is not None else []))

    def put(self, data, name, expected=201, **options):
        tree = options.get("tree") or self.tree
        status, headers, text = self.server.ask("PUT", f"/o/{tree}/{name}", data, self.token(**options))
        assert status == expected, (status, text)
        return headers

    def get(self, name, **headers):
        return self.server.ask("GET", f"/o/{self.tree}/{name}", None, self.token(READ), headers)

    def post(self, what, body, token=None, expected=200):
        status, _, answer = self.server.ask("POST", f"/o/{self.tree}/{what}", body, token or self.token())
        assert status == expected, (status, answer[:200])
        return answer

    def close(self):
        if self.server.process.poll() is None:
            assert self.server.stop() == 0, "".join(self.server.log)
        assert "CRITICAL" not in "".join(self.server.log), "".join(self.server.log)
        self.people.process.kill()
        self.people.process.wait()
        shutil.rmtree(self.base)


def bundle(objects):
    return b"".join(struct.pack("<I", len(data)) + data for data in objects)


def unbundle(body):
    at, objects = 0, []
    while at < len(body):
        (length,) = struct.unpack_from("<I", body, at)
        objects.append(body[at + 4:at + 4 + length])
        at += 4 + length
    return objects


def test_put_get_range(world):
    data, name = make_object()
    world.put(data, name)
    world.put(data, name, expected=200)
    status, headers, body = world.get(name)
    assert (status, body) == (200, data), status
    status, headers, body = world.get(name, Range="bytes=100-199")
    assert (status, body) == (206, data[100:200]), status
    assert headers["Content-Range"] == f"bytes 100-199/{len(data)}", headers
    status, headers, body = world.get(name, Range="bytes=1-2,5-6,7-")
    assert (status, body) == (200, data), "several ranges at once are not for us"
    assert world.get(name, Range="bytes=99999-")[0] == 416
    status, headers, body = world.server.ask("HEAD", f"/o/{world.tree}/{name}", None, world.token(READ))
    assert (status, int(headers["Content-Length"]), body) == (200, len(data), b""), (status, headers)
    assert world.get(make_object()[1])[0] == 404
    assert int(headers["Moss-Used"]) >= len(data)


def test_another_object_is_refused(world):
    data, _ = make_object()
    _, other = make_object()
    world.put(data, other, expected=400)
    assert world.get(other)[0] == 404
    world.put(b"\x09" + data[1:], digest(data), expected=400)
    world.put(b"x", digest(b"x"), expected=400)


def test_many_missing_fetch_list_delete(world):
    objects = [make_object(RANDOM.randrange(100, 20000)) for _ in range(300)]
    ids = [name for _, name in objects]
    wanted = b"".join(bytes.fromhex(name) for name in ids)
    assert world.post("missing", wanted) == wanted
    answer = world.post("many", bundle(data for data, _ in objects))
    assert answer == wanted
    assert world.post("missing", wanted) == b""
    got = unbundle(world.post("fetch", wanted))
    assert got == [data for data, _ in objects][:len(got)] and len(got) > 100
    listed = []
    while True:
        after = listed[-1] if listed else ""
        _, _, body = world.server.ask("GET", f"/o/{world.tree}?limit=97&after={after}", None,
                                      world.token(READ))
        page = [body[i:i + 32].hex() for i in range(0, len(body), 36)]
        if not page:
            break
        listed += page
    assert listed == sorted(set(listed)) and set(ids) <= set(listed)
    used = int(world.get(ids[0])[1]["Moss-Used"])
    gone = wanted[:32 * 100]
    spent = world.token(DELETE, body=gone, seconds=300)
    world.post("delete", wanted[:64], spent, expected=403)
    spent = world.token(DELETE, body=gone, seconds=300)
    world.post("delete", gone, spent, expected=204)
    world.post("delete", gone, spent, expected=403)
    assert world.post("missing", wanted) == gone
    assert int(world.get(ids[200])[1]["Moss-Used"]) < used
    world.post("delete", gone, world.token(WRITE), expected=403)
    world.post("delete", gone, world.token(DELETE, body=gone, seconds=7200), expected=400)


def test_bundles_of_nonsense(world):
    data, name = make_object()
    world.post("many", bundle([data])[:-1], expected=400)
    world.post("many", b"\xff\xff\xff\xff" + data, expected=400)
    world.post("many", bundle([data, b""]), expected=400)
    world.post("missing", b"x" * 33, expected=400)
    world.post("fetch", b"x" * 31, expected=400)


def test_cell_is_swapped_once(world):
    path = "/cell/" + world.tree
    assert world.server.ask("GET", path, None, world.token(READ))[0] == 404
    status, headers, _ = world.server.ask("PUT", path, b"root 0", world.token(), {"If-None-Match": "*"})
    assert status == 204, status
    assert world.server.ask("PUT", path, b"other", world.token(), {"If-None-Match": "*"})[0] == 412
    assert world.server.ask("PUT", path, b"other", world.token())[0] == 400
    won = []

    def race(number, etag):
        token = world.token()
        body = b"root %d by %d" % (len(won), number)
        if world.server.ask("PUT", path, body, token, {"If-Match": etag})[0] == 204:
            won.append(body)

    for turn in range(10):
        status, headers, body = world.server.ask("GET", path, None, world.token(READ))
        assert headers["ETag"] == f'"{digest(body)}"'
        before = len(won)
        racers = [threading.Thread(target=race, args=(n, headers["ETag"])) for n in range(8)]
        for thread in racers:
            thread.start()
        for thread in racers:
            thread.join()
        assert len(won) == before + 1, f"turn {turn}: {len(won) - before} won"
        assert world.server.ask("GET", path, None, world.token(READ))[2] == won[-1]
    assert world.server.ask("PUT", path, b"x" * 65537, world.token(), {"If-Match": headers["ETag"]})[0] == 413


def test_waiting_for_a_cell(world):
    path = "/cell/" + world.tree
    _, headers, _ = world.server.ask("GET", path, None, world.token(READ))
    known = {"If-None-Match": headers["ETag"]}
    assert world.server.ask("GET", path, None, world.token(READ), known)[0] == 304
    begin = time.monotonic()
    status, _, _ = world.server.ask("GET", path, None, world.token(READ), dict(known, Prefer="wait=1"))
    assert status == 304 and 0.7 < time.monotonic() - begin < 3
    answers = []

    def wait():
        answer = world.server.ask("GET", path, None, world.token(READ), dict(known, Prefer="wait=30"))
        answers.append((time.monotonic(), answer[0], answer[2]))

    waiters = [threading.Thread(target=wait) for _ in range(3)]
    for thread in waiters:
        thread.start()
    time.sleep(0.5)
    changed = time.monotonic()
    assert world.server.ask("PUT", path, b"pushed", world.token(), {"If-Match": headers["ETag"]})[0] == 204
    for thread in waiters:
        thread.join()
    assert [(status, body) for _, status, body in answers] == [(200, b"pushed")] * 3, answers
    late = max(at for at, _, _ in answers) - changed
    print(f"# a changed cell is told {late * 1000:.0f} ms after it was put")
    assert late < 1


def test_tokens(world):
    data, name = make_object()
    path = f"/o/{world.tree}/{name}"

    def status(token):
        return world.server.ask("PUT", path, data, token)[0]

    good = world.token()
    assert status(None) == 401 and status("Moss AAAA") == 400 and status("Basic AAAA") == 400
    assert status(world.token(seconds=-1)) == 401, "expired"
    assert status(world.token(seconds=90000)) == 400, "for longer than a day"
    assert status(world.token(READ)) == 403
    assert status(world.token(host="another.example:1")) == 403
    assert status(world.token(tree=digest(b"other"))) == 403
    assert status(world.token(person=2)) == 403, "not admitted"
    flipped = bytearray(good.encode())
    flipped[-10] ^= 1
    assert status(flipped.decode()) in (400, 403)
    assert status(good) == 201


def test_foreign_trees(world):
    data, name = make_object()
    mine = digest(b"tree of two")
    world.put(data, name, person=1, tree=mine)
    path = f"/o/{mine}/{name}"
    for verb in (READ, WRITE):
        status, _, _ = world.server.ask("GET", path, None, world.token(verb, tree=mine))
        assert status == 403, "one reads from two's tree"
    assert world.server.ask("PUT", path, data, world.token(tree=mine))[0] == 403
    assert world.server.ask("GET", f"/cell/{mine}", None, world.token(READ, tree=mine))[0] == 403
    assert world.server.ask("GET", path, None, world.token(READ, person=1, tree=mine))[0] == 200


def test_revoked_device(world):
    slot = int(world.people.ask("add", 0))
    data, name = make_object()
    world.put(data, name, slot=slot, expected=403)
    world.show_chain(0, 204)
    world.put(data, name, slot=slot)
    token = world.token(slot=slot)
    world.people.ask("revoke", 0, slot)
    assert world.server.ask("GET", f"/o/{world.tree}/{name}", None, token)[0] == 200
    world.show_chain(0, 204)
    assert world.server.ask("GET", f"/o/{world.tree}/{name}", None, token)[0] == 403
    world.show_chain(0, 409, change=1)
    world.show_chain(0, 200)


def test_directory(world):
    path = "/.well-known/webfinger?resource=acct:one%40example.org"
    status, headers, body = world.server.ask("GET", path)
    answer = json.loads(body)
    assert status == 200 and headers["Content-Type"] == "application/jrd+json"
    assert answer["subject"] == "acct:one@example.org"
    chain = next(link["href"] for link in answer["links"] if link["rel"] == "urn:moss:chain")
    assert chain == "/id/" + world.ids[0]
    assert world.server.ask("GET", chain)[2] == bytes.fromhex(world.people.ask("chain", 0))
    for wrong in ("acct:three@example.org", "acct:one@other.org"):
        assert world.server.ask("GET", "/.well-known/webfinger?resource=" + wrong)[0] == 404
    assert world.server.ask("GET", "/.well-known/webfinger")[0] == 400
    assert world.server.ask("PUT", "/id/" + world.ids[2], bytes.fromhex(
        world.people.ask("chain", 2)))[0] == 403, "a chain of somebody not admitted"
    assert world.server.ask("PUT", "/id/" + world.ids[1], bytes.fromhex(
        world.people.ask("chain", 0)))[0] == 400, "another's chain"
    assert world.server.ask("PUT", "/id/" + world.ids[1], b"nonsense")[0] == 400


def test_sizes_and_methods(world):
    data, name = make_object()
    path = f"/o/{world.tree}/{name}"
    too_long = b"\x01" + bytes(1200000)
    assert world.server.ask("PUT", path, too_long, world.token())[0] == 413
    assert world.server.ask("PUT", path, iter([data]), world.token())[0] == 411, "chunked"
    assert world.server.ask("PATCH", path, data, world.token())[0] == 405
    assert world.server.ask("GET", "/o/../../etc/passwd")[0] in (400, 404)
    assert world.server.ask("GET", "/nothing")[0] == 404
    with socket.create_connection(("127.0.0.1", world.server.port)) as raw:
        try:
            raw.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 200000 + b"\r\n\r\n")
            answer = raw.recv(100)
        except ConnectionError:
            answer = b""
        assert not answer.startswith(b"HTTP/1.1 200"), answer
    with socket.create_connection(("127.0.0.1", world.server.port)) as raw:
        raw.sendall(RANDOM.randbytes(3000) + b"\r\n\r\n")
        raw.shutdown(socket.SHUT_WR)
        raw.recv(1000)
    assert world.server.ask("GET", "/")[0] == 200


def test_slow_and_many(world):
    """Who says nothing is cut off; one address can't take all connections; others are served."""
    begin = time.monotonic()
    mute = [socket.create_connection(("127.0.0.1", world.server.port)) for _ in range(60)]
    mute[0].sendall(b"GET / HTTP/1.1\r\nHo")
    assert world.server.ask("GET", "/")[0] == 200
    more = [socket.create_connection(("127.0.0.1", world.server.port)) for _ in range(20)]
    refused = 0
    for extra in more:
        extra.settimeout(2)
        try:
            refused += extra.recv(1) == b""
        except OSError as error:
            refused += not isinstance(error, socket.timeout)
        extra.close()
    assert refused >= 10, refused
    for quiet in mute:
        quiet.settimeout(max(0.1, 40 - (time.monotonic() - begin)))
        assert quiet.recv(100) == b"", "a mute connection was kept"
        quiet.close()
    print(f"# mute connections were cut after {time.monotonic() - begin:.0f} s")
    assert world.server.ask("GET", "/")[0] == 200


def test_confined(world):
    with open(f"/proc/{world.server.process.pid}/status", encoding="utf-8") as status:
        fields = dict(line.split(":", 1) for line in status)
    assert fields["Seccomp"].strip() == "2" and fields["NoNewPrivs"].strip() == "1", fields
    with open(f"/proc/{world.server.process.pid}/limits", encoding="utf-8") as limits:
        core = next(line for line in limits if line.startswith("Max core"))
    assert core.split()[4] == "0", core


def test_strangers_are_slowed(world):
    statuses = [world.server.ask("GET", "/nothing")[0] for _ in range(400)]
    assert statuses.count(429) > 50 and statuses[0] == 404, statuses.count(429)
    data, name = make_object()
    world.put(data, name)  # who has a token is not


def test_quota(_world):
    world = World("--quota", "100K")
    try:
        for _ in range(4):
            world.put(*make_object(20000))
        data, name = make_object(30000)
        status, _, text = world.server.ask("PUT", f"/o/{world.tree}/{name}", data, world.token())
        assert status == 507 and b"quota" in text, (status, text)
        headers = world.put(*make_object(10000))
        assert int(headers["Moss-Quota"]) == 102400 and int(headers["Moss-Used"]) > 90000
        assert world.server.ask("PUT", "/cell/" + world.tree, b"root", world.token(),
                                {"If-None-Match": "*"})[0] == 204, "the root goes on"
    finally:
        world.close()


def test_killed(_world):
    """SIGKILL at any moment: what was acknowledged is there, the cell is one that was put."""
    world = World()
    acknowledged, cells = {}, [None]
    stop = threading.Event()

    def write():
        token, etag = world.token(), None
        while not stop.is_set():
            objects = [make_object(RANDOM.randrange(100, 50000)) for _ in range(5)]
            try:
                status, _, _ = world.server.ask("POST", f"/o/{world.tree}/many",
                                                bundle(d for d, _ in objects), token)
                if status == 200:
                    acknowledged.update((name, data) for data, name in objects)
                condition = {"If-Match": etag} if etag else {"If-None-Match": "*"}
                body = RANDOM.randbytes(200)
                cells.append(body)
                if world.server.ask("PUT", "/cell/" + world.tree, body, token, condition)[0] == 204:
                    del cells[:-1]
                    etag = f'"{digest(body)}"'
            except (OSError, http.client.HTTPException):
                return

    try:
        for turn in range(6):
            stop.clear()
            _, headers, _ = world.server.ask("GET", "/cell/" + world.tree, None, world.token(READ))
            writer = threading.Thread(target=write)
            writer.start()
            time.sleep(0.1 + RANDOM.random() * 0.4)
            world.server.stop(signal.SIGKILL)
            stop.set()
            writer.join()
            world.server.start()
            status, _, body = world.server.ask("GET", "/cell/" + world.tree, None, world.token(READ))
            assert status == 404 or body in cells, f"turn {turn}: a cell that nobody put"
            break_cell(world, cells)
        lost = [name for name, data in acknowledged.items() if world.get(name)[2] != data]
        print(f"# {len(acknowledged)} objects were acknowledged over 6 kills")
        assert len(acknowledged) > 30 and not lost, f"{len(lost)} of {len(acknowledged)} are lost"
    finally:
        world.close()


def break_cell(world, cells):
    """Begins the next turn with a cell that this test knows."""
    status, headers, _ = world.server.ask("GET", "/cell/" + world.tree, None, world.token(READ))
    condition = {"If-None-Match": "*"} if status == 404 else {"If-Match": headers["ETag"]}
    world.server.ask("PUT", "/cell/" + world.tree, b"between", world.token(), condition)
    cells[:] = [b"between"]


def test_full_disk(_world):
    """ENOSPC at each kind of write: a refusal that says so, nothing acknowledged is lost."""
    world = World(env={"MOSS_FAULT": "store-append:fail@4"})
    try:
        objects = [make_object() for _ in range(8)]
        answers = [world.server.ask("PUT", f"/o/{world.tree}/{name}", data, world.token())[::2]
                   for data, name in objects]
        assert [status for status, _ in answers] == [201] * 3 + [507] + [201] * 4, answers
        assert b"full" in answers[3][1]
        for (data, name), (status, _) in zip(objects, answers):
            assert (world.get(name)[2] == data) == (status == 201)
        world.server.stop()
        world.server.env = {"MOSS_FAULT": "host-commit:fail@1"}
        world.server.start()
        assert world.server.ask("PUT", "/cell/" + world.tree, b"a", world.token(),
                                {"If-None-Match": "*"})[0] == 500
        assert world.server.ask("GET", "/cell/" + world.tree, None, world.token(READ))[0] == 404
        assert world.server.ask("PUT", "/cell/" + world.tree, b"a", world.token(),
                                {"If-None-Match": "*"})[0] == 204
        world.server.stop()
        world.server.env = {"MOSS_FAULT": "host-sync:fail@1"}
        world.server.start()
        data, name = make_object()
        assert world.server.ask("PUT", f"/o/{world.tree}/{name}", data, world.token())[0] == 500
        assert world.server.ask("PUT", f"/o/{world.tree}/{name}", data, world.token())[0] == 500, \
            "a disk that lost a sync is not trusted until a restart"
        assert world.get(objects[0][1])[0] == 200
    finally:
        world.close()


if __name__ == "__main__":
    shared = World()
    try:
        tap.run(globals(), shared)
    finally:
        shared.close()
