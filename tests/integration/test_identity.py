#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices of one person, each with its own state and session bus: the real moss-netd, moss-agent
and moss, over 127.0.0.1. They pair by code, are stopped at every step of it, and are revoked."""

import os
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import test_link  # noqa: E402
from test_link import BUILD, Device, wait_for  # noqa: E402

MOSS = os.path.join(BUILD, "session/cli/moss")
AGENT_CALL = ["gdbus", "call", "--session", "-d", "org.moss.Agent1", "-o", "/org/moss/Agent", "-m"]
ID = re.compile(r"~[a-z2-7]{52}")


class Person(Device):
    """A device with the command line."""

    def moss(self, *arguments, text="", check=True):
        done = subprocess.run([MOSS, *arguments], env=self.env, input=text, capture_output=True,
                              text=True, timeout=60)
        if check and done.returncode:
            raise AssertionError(f"{self.name}: moss {arguments}: {done.stderr}")
        return done

    def show(self):
        return self.moss("identity", "show").stdout

    def members(self):
        """name → state of the devices of the identity."""
        lines = self.show().splitlines()
        head = next((n for n, line in enumerate(lines) if line.lstrip().startswith("SLOT")), None)
        if head is None:
            return {}
        found = {}  # of one that came again the newest state
        for line in lines[head + 1:]:
            fields = re.split(r"\s{2,}", line.strip())
            found[fields[1]] = fields[2]
        return found

    def agent(self, method, *arguments):
        return subprocess.run([*AGENT_CALL, "org.moss.Agent1." + method, *arguments], env=self.env,
                              capture_output=True, text=True)

    def tree_keys(self):
        return self.agent("TreeKeys").stdout.strip()

    def restart_agent(self, **env):
        self.stop("agent")
        self.run("agent", [test_link.AGENT, "--state", self.state], **env)
        wait_for("the agent", lambda: self.agent("TreeKeys").returncode == 0 or
                 "ServiceUnknown" not in self.agent("TreeKeys").stderr)

    def show_code(self, *options):
        """Starts “moss device pair” and returns it with the code."""
        process = subprocess.Popen([MOSS, "device", "pair", *(options or ("--no-passphrase",))],
                                   env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   stdin=subprocess.DEVNULL, text=True)
        code = process.stdout.readline().strip()
        if not code:
            raise AssertionError(process.communicate()[1])
        return process, code

    def type_code(self, other, code, check=True):
        return self.moss("device", "pair", f"127.0.0.1:{other.port}", code, check=check)


def pair(old, new):
    process, code = new.show_code()
    old.type_code(new, code)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert f"Paired with {old.name}" in err or "belongs to" in err, err


def wait_linked(a, b):
    wait_for(f"{a.name} and {b.name} are linked",
             lambda: a.state_of(b) == "linked" and b.state_of(a) == "linked", 20)


def test_create(a, b, c):
    assert "no identity yet" in a.moss("identity", "show").stderr
    nothing = a.moss("net", "status")
    assert "No files" in nothing.stdout and "moss device pair" in nothing.stderr, nothing
    assert a.agent("TreeKeys").returncode != 0
    for name in ("../me", "me@", "@example.org", "me@example.org@example.org", "~me"):
        bad = a.moss("identity", "create", name, "--no-passphrase", check=False)
        assert bad.returncode != 0 and "can't be a name" in bad.stderr, bad.stderr
    # A name that was a mistake can be taken back.
    a.moss("identity", "create", "mistake", "--no-passphrase")
    refused = a.moss("identity", "leave", check=False)
    assert refused.returncode != 0 and "--force" in refused.stderr, refused.stderr
    again = a.moss("identity", "create", "other", text="not asked for\n", check=False)
    assert again.returncode != 0 and "belongs to mistake already" in again.stderr, again.stderr
    assert "not sealed" in a.show()
    a.moss("identity", "leave", "--force")
    a.moss("identity", "create", "me@example.org", text="correct horse battery\n")
    assert "me@example.org" in a.show() and ID.search(a.show())
    assert "sealed by a passphrase, unlocked" in a.show()
    assert a.members() == {"desktop": "this device"}
    for address in ("http://", "ftp://example.org", "http://a b", "example.org"):
        bad = a.moss("identity", "hosts", address, check=False)
        assert bad.returncode == 2 and "not the address of a host" in bad.stderr, bad.stderr


def test_lock(a, b, c):
    keys = a.tree_keys()
    a.moss("identity", "lock")
    assert "locked" in a.show()
    refused = a.agent("TreeKeys")
    assert "org.moss.Error.Locked" in refused.stderr
    assert "org.moss.Error.Locked" in a.agent("Sign", "moss-snapshot-1", "b'x'").stderr
    wrong = a.moss("identity", "unlock", text="not the right one\n", check=False)
    assert wrong.returncode != 0 and "not the right one" in wrong.stderr, wrong.stderr
    a.restart_agent()
    assert "org.moss.Error.Locked" in a.agent("TreeKeys").stderr
    a.moss("identity", "unlock", text="correct horse battery\n")
    assert a.tree_keys() == keys


def test_keyring(a, b, c):
    """A real keyring on the tablet's bus: it opens the keys at every start, and can be shut."""
    if not shutil.which("gnome-keyring-daemon"):
        print("# no gnome-keyring here")
        return
    home = os.path.join(c.dir, "home")
    os.makedirs(os.path.join(home, "run"), 0o700)
    env = dict(c.env, HOME=home, XDG_DATA_HOME=home + "/data", XDG_RUNTIME_DIR=home + "/run")
    keyring = subprocess.Popen(["gnome-keyring-daemon", "--foreground", "--components=secrets",
                                "--unlock"], env=env, stdin=subprocess.PIPE,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    keyring.stdin.write(b"login")
    keyring.stdin.close()
    try:
        wait_for("the keyring", lambda: subprocess.run(
            ["gdbus", "call", "--session", "-d", "org.freedesktop.DBus", "-o", "/", "-m",
             "org.freedesktop.DBus.NameHasOwner", "org.freedesktop.secrets"], env=c.env,
            capture_output=True, text=True).stdout.startswith("(true"))
        sealed = c.agent("Seal", "keyring", "")
        assert sealed.returncode == 0, sealed.stderr
        assert c.agent("Lock").returncode == 0
        assert "org.moss.Error.Locked" in c.agent("Sign", "moss-snapshot-1", "b'x'").stderr
        assert c.agent("Unlock", "").returncode == 0
        c.restart_agent()
        wait_for("it opens by itself",
                 lambda: c.agent("Sign", "moss-snapshot-1", "b'x'").returncode == 0)
        assert c.agent("Seal", "none", "").returncode == 0
    finally:
        keyring.terminate()
        keyring.wait()
    gone = c.agent("Seal", "keyring", "")
    assert gone.returncode != 0 and "Choose a passphrase" in gone.stderr, gone.stderr
    assert c.agent("Sign", "moss-snapshot-1", "b'x'").returncode == 0


def test_wrong_codes(a, b, c):
    nothing = a.type_code(b, "1234 5678", check=False)
    assert nothing.returncode != 0 and "shows no code" in nothing.stderr, nothing.stderr
    process, code = b.show_code()
    process.terminate()  # as Ctrl-C does: what it showed is worth nothing then
    process.communicate()
    time.sleep(0.5)
    gone = a.type_code(b, code, check=False)
    assert gone.returncode != 0 and "shows no code" in gone.stderr, gone.stderr
    short = a.type_code(b, "1234", check=False)
    assert "8 digits" in short.stderr, short.stderr
    process, code = b.show_code()
    wrong = "%08d" % ((int(code.replace(" ", "")) + 1) % 10 ** 8)
    for _ in range(3):
        answer = a.type_code(b, wrong, check=False)
        assert answer.returncode != 0, "a wrong code paired"
        assert "not the code" in answer.stderr, answer.stderr
    _, err = process.communicate(timeout=10)
    assert process.returncode != 0 and "three times" in err, err
    # The old device doesn't help anybody to guess either.
    process, code = b.show_code()
    late = a.type_code(b, code, check=False)
    assert late.returncode != 0 and "three times" in late.stderr, late.stderr
    process.terminate()
    process.communicate()
    assert a.members() == {"desktop": "this device"}
    a.stop()  # rather than wait two minutes
    a.start()


def test_pair(a, b, c):
    pair(a, b)
    wait_linked(a, b)
    assert a.members() == {"desktop": "this device", "laptop": "yours"}
    assert b.members() == {"desktop": "yours", "laptop": "this device"}
    assert a.tree_keys() == b.tree_keys() and "uint32 1" in a.tree_keys()
    assert ID.search(a.show())[0] == ID.search(b.show())[0]
    second = b.moss("device", "pair", check=False)
    assert second.returncode != 0 and "identity leave" in second.stderr


def test_stops(a, b, c):
    """Either side is killed at each step; then the chain has the device, or not, on both."""
    for side, point in ((a, "pairing-before-add"), (a, "pairing-after-add"),
                        (c, "pairing-before-agree"), (c, "pairing-after-agree")):
        side.stop()
        side.start(MOSS_FAULT=point + ":kill")
        process, code = c.show_code()
        done = a.type_code(c, code, check=False)
        wait_for("it stopped", lambda: side.parts["netd"].poll() is not None)
        side.parts.pop("netd")
        side.start()
        if point == "pairing-after-add":
            _, err = process.communicate(timeout=30)
            assert process.returncode == 0 and "belongs to me" in err, err
        process.terminate()  # in the others the code would be good for two minutes
        process.communicate()
        if point.endswith("before-add") or point.endswith("before-agree"):
            assert done.returncode != 0
            assert a.members().get("tablet") in (None, "revoked"), (point, a.members())
            assert c.members() == {}, (point, c.members())
            continue
        # a has it in its chain and finds it again when it knows where; c lets a in meanwhile.
        wait_for(f"{point}: it has joined", lambda: c.members().get("tablet") == "this device", 30)
        assert a.show().count("tablet") == a.show().count("revoked") + 1
        assert c.tree_keys() == a.tree_keys()
        wait_linked(a, c)
        a.moss("device", "revoke", "tablet")
        c.moss("identity", "leave", "--force")  # it may not know yet
    wait_for("tablet has left", lambda: c.members() == {})


def test_third(a, b, c):
    """A device that was added on one is known to all, also after it was revoked once."""
    pair(a, c)
    wait_linked(a, c)
    wait_for("laptop knows of it", lambda: b.members().get("tablet") == "yours")
    assert a.tree_keys() == c.tree_keys() == b.tree_keys()


def test_revoke(a, b, c):
    before = a.tree_keys()
    wait_linked(a, b)
    a.moss("device", "revoke", "laptop")
    wait_for("laptop is cut off", lambda: a.state_of(b) != "linked", 3)
    assert a.members()["laptop"] == "revoked"
    wait_for("tablet knows it", lambda: c.members().get("laptop") == "revoked")
    wait_for("laptop is told what it is", lambda: b.state_of(a) == "refused", 15)
    assert "doesn't know this device any more. Pair again?" in b.device(a)["reason"], b.device(a)
    # The new generation is there for those that are left, and for nobody else.
    assert a.tree_keys() == c.tree_keys() != before
    assert a.tree_keys().count("uint32") == before.count("uint32") + 1 or "(2" in a.tree_keys()
    assert b.tree_keys() == before
    # It doesn't come in again by its fingerprint, nor after a restart.
    by_hand = a.add(b)
    assert by_hand.returncode != 0 and "revoked" in by_hand.stderr
    a.stop()
    a.start()
    wait_linked(a, c)
    assert a.state_of(b) in (None, "away") and b.state_of(a) != "linked"


def test_refused_at_tls(a, b, c):
    """With the revoked device's own key: the server ends the handshake, no byte is read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(b.state + "/net/certificate.pem")
    with socket.create_connection(("127.0.0.1", a.port), 5) as plain:
        try:
            with context.wrap_socket(plain) as tls:
                tls.settimeout(5)
                heard = tls.recv(1)
                assert heard == b"", "it was let in"
        except (ssl.SSLError, ConnectionError):
            pass


def offer(device, chain):
    """Gives an agent a chain, as another device or a host would."""
    return device.agent("TakeChain", "[" + ", ".join("byte 0x%02x" % x for x in chain) + "]")


def chain_of(device):
    with open(device.state + "/identity/chain", "rb") as file:
        return file.read()


def test_revoked_signs(a, b, c):
    """The revoked device goes on signing; nobody takes it, and it learns what became of it."""
    assert b.agent("SetHosts", "['host.example:1']").returncode == 0
    answer = offer(a, chain_of(b))
    assert answer.returncode != 0 and "Revoked" in answer.stderr, answer.stderr
    assert "laptop, which was revoked" in answer.stderr, answer.stderr
    assert a.moss("identity", "show").stderr == ""
    assert offer(b, chain_of(a)).returncode == 0
    assert "revoked by another" in b.moss("identity", "show").stderr
    assert b.agent("SetHosts", "['host.example:2']").returncode != 0


def test_fork(a, b, c):
    """Two devices change the identity while they don't see each other."""
    a.stop()
    c.stop()
    assert a.agent("SetHosts", "['one.example:1']").returncode == 0
    assert c.agent("SetHosts", "['two.example:2']").returncode == 0
    a.start()
    c.start()
    for one in (a, c):
        wait_for(f"{one.name} says it", lambda: "moss identity resolve here" in
                 one.moss("identity", "show").stderr)
    assert "one.example" in a.show() and "two.example" in c.show()
    a.restart_agent()  # it is not forgotten
    a.moss("identity", "unlock", text="correct horse battery\n")
    assert "two ways" in a.moss("identity", "show").stderr
    a.moss("identity", "resolve", "here")
    c.moss("identity", "resolve", "elsewhere")
    for one in (a, c):
        wait_for("it is settled", lambda: "one.example" in one.show() and
                 one.moss("identity", "show").stderr == "")
    wait_linked(a, c)


def test_rollback(a, b, c):
    """A chain that was cut back on the disk is not used, and said."""
    path = c.state + "/identity/chain"
    whole = open(path, "rb").read()
    length = struct.unpack_from("<H", whole, 4)[0]
    c.stop("agent")
    with open(path, "wb") as file:
        file.write(whole[:length])
    c.run("agent", [test_link.AGENT, "--state", c.state])
    wait_for("it is said", lambda: "holds the newer ones back" in
             c.moss("identity", "show", check=False).stderr)
    assert c.agent("TreeKeys").returncode != 0
    c.stop("agent")
    with open(path, "wb") as file:
        file.write(whole)
    c.run("agent", [test_link.AGENT, "--state", c.state])
    wait_for("it is used again", lambda: c.tree_keys() == a.tree_keys())


def test_pair_again(a, b, c):
    """“Pair again?”: it leaves, and comes back with a new slot and both generations."""
    b.moss("identity", "leave")
    pair(a, b)
    wait_linked(a, b)
    assert b.tree_keys() == a.tree_keys()
    assert a.show().count("laptop") == 2
    only = a.moss("device", "revoke", "desktop", check=False)
    assert only.returncode != 0 and "revoke itself" in only.stderr, only.stderr


def test_revoked_unawares(a, b, c):
    """One that was revoked, wasn't told and went on with its identity can still be paired again."""
    a.moss("device", "revoke", "laptop")
    wait_for("it is refused", lambda: "Pair again?" in b.moss("device", "list").stdout)
    for port in range(1, 4):
        b.moss("identity", "hosts", f"http://127.0.0.1:{port}")
    b.moss("identity", "leave", "--force")
    pair(a, b)
    wait_linked(a, b)
    assert b.tree_keys() == a.tree_keys()
    a.moss("identity", "hosts", "none")


def test_meddler_on_the_port(a, b, c):
    """Rubbish in every form at the port that pairs; the code still works afterwards."""
    c.stop("netd")
    shutil.rmtree(c.state)
    c.stop("agent")
    c.run("agent", [test_link.AGENT, "--state", c.state])
    c.start()
    process, code = c.show_code()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(b.state + "/net/certificate.pem")
    context.set_alpn_protocols(["moss-pair/1"])
    for rubbish in (b"", b"\xff" * 8, struct.pack("<I", 1 << 30), struct.pack("<I", 0),
                    struct.pack("<I", 5) + b"12345"):
        with socket.create_connection(("127.0.0.1", c.port), 5) as plain:
            with context.wrap_socket(plain) as tls:
                tls.settimeout(20)
                tls.sendall(rubbish)
                if rubbish and rubbish[:4] != b"\xff" * 4:
                    try:
                        tls.recv(16)
                    except (ConnectionError, ssl.SSLError):
                        pass
    a.type_code(c, code)
    process.communicate(timeout=20)
    wait_for("it has joined", lambda: "this device" in c.members().values())


TESTS = [test_create, test_lock, test_keyring, test_wrong_codes, test_pair, test_stops, test_third,
         test_revoke, test_refused_at_tls, test_revoked_signs, test_fork, test_rollback, test_pair_again,
         test_revoked_unawares, test_meddler_on_the_port]


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def main():
    base = tempfile.mkdtemp(prefix="moss-identity-")
    ports = free_ports(3)
    devices = []
    failed = False
    print(f"1..{len(TESTS)}", flush=True)
    try:
        for name, port in zip(("desktop", "laptop", "tablet"), ports):
            devices.append(Person(base, name, port))
        for number, test in enumerate(TESTS, 1):
            try:
                test(*devices)
                print(f"ok {number} {test.__name__}", flush=True)
            except Exception as error:  # pylint: disable=broad-except
                failed = True
                print(f"# {type(error).__name__}: {error}\nnot ok {number} {test.__name__}",
                      flush=True)
                if os.environ.get("MOSS_KEEP"):
                    break
    finally:
        for device in devices:
            try:
                device.close()
            except Exception as error:  # pylint: disable=broad-except
                print(f"# {error}")
        for device in devices if failed else ():
            print("".join(f"# {device.name}: {line}" for line in
                          open(os.path.join(device.dir, "log")).readlines()[-30:]))
        shutil.rmtree(base, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
