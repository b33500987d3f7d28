#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A person's files on three machines and one host, with ordinary tools, as ordinary users: an
identity is made, two devices are paired by code, a source tree with its history is copied into /net
on one machine and built on another, a file is edited on both sides while they can't see each other,
the conflict is resolved, an old version is read, the host is unplugged, a device is revoked."""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "hosts"))
import hosts  # noqa: E402
import tap  # noqa: E402

BUILD = os.environ.get("MOSS_BUILD", "build/dev")
TOP = os.path.dirname(os.path.dirname(HERE))
PERSON = "me@example.org"
HOME = "/net/" + PERSON
HOST_PORT = 8420
# What is built: C that needs nothing but the C library, and the translations.
PROGRAM = "tests/integration/state-keeper.c"


def until(what, check, seconds=30):
    return hosts.wait_until(what, check, seconds, pause=0.05)


def shell(machine, script, **options):
    """A shell of the machine's ordinary user."""
    return machine.run(["sh", "-ec", script], **options)


def reads(machine, path):
    """What a file says there, or None."""
    done = machine.run(["cat", path], check=False)
    return done.stdout if done.returncode == 0 else None


class Life:
    """The machines, and what the tests hand on to each other."""

    def __init__(self, lab):
        self.lab = lab
        self.desktop, self.laptop, self.tablet, self.box = (
            lab.machine(name) for name in ("desktop", "laptop", "tablet", "host"))
        self.devices = [self.desktop, self.laptop, self.tablet]

    def start(self):
        for machine in self.devices:
            machine.start_sandboxd()
            machine.start_session()

    def away(self, machine):
        """True when no other device of the person is linked with it."""
        return '"linked"' not in machine.moss("device", "list", "--json")

    def kept(self, path):
        """True when a host has what the desktop's file says now."""
        return "'hosts': <uint32 1>" in self.desktop.call(
            "org.moss.Net1", "/org/moss/Files", "org.moss.Files1.Info", f"['{path}']")

    def linked(self, machine, count):
        return machine.moss("device", "list", "--json").count('"linked"') == count


def test_identity(life):
    life.desktop.moss("identity", "create", PERSON, "--no-passphrase")
    until("/net on the desktop", lambda: life.desktop.run(["test", "-d", HOME], check=False).returncode == 0)
    shell(life.desktop, f"echo hello >{HOME}/hello.txt; sync {HOME}/hello.txt")
    assert "hello" in reads(life.desktop, HOME + "/hello.txt")


def test_pair(life):
    hosts.pair_by_code(life.desktop, life.laptop)
    hosts.pair_by_code(life.desktop, life.tablet)
    for machine in life.devices:
        until(f"{machine.name} sees the others", lambda: life.linked(machine, 2))
    for machine in (life.laptop, life.tablet):
        until(f"hello.txt on {machine.name}", lambda: reads(machine, HOME + "/hello.txt") == "hello\n")


def test_others_see_nothing(life):
    """Another user of the machine, who isn't the person."""
    done = life.desktop.run(["ls", HOME], uid=1234, check=False)
    assert done.returncode != 0 and done.stdout == "", done


def test_host(life):
    shown = life.desktop.moss("identity", "show")
    person = next(word for word in shown.split() if word.startswith("~"))
    life.box.start("host", ["moss-host", "--listen", f"{life.box.address}:{HOST_PORT}",
                               "--state", "/home/user/kept", "--admit", person])
    life.desktop.moss("identity", "hosts", f"http://{life.box.address}:{HOST_PORT}")
    until("the host keeps everything",
          lambda: '"synced"' in life.desktop.moss("net", "status", "--json"))
    kept = life.box.run(["grep", "-rl", "hello", "/home/user/kept"], check=False).stdout
    assert kept == "", f"the host can read: {kept}"


def test_source_tree(life):
    """Copied in on the desktop, history and all; built on the laptop."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = os.path.join(folder, "source.bundle")
        subprocess.run(["git", "-c", "safe.directory=*", "-C", TOP, "bundle", "create", "-q", bundle,
                        "HEAD"], check=True)
        with open(bundle, "rb") as file:
            data = file.read()
    with open(life.desktop.path("/tmp/source.bundle"), "wb") as file:
        file.write(data)
    os.chmod(life.desktop.path("/tmp/source.bundle"), 0o644)
    shell(life.desktop, f"git clone -q /tmp/source.bundle /tmp/source; cp -a /tmp/source {HOME}/source;"
          f"git -C {HOME}/source fsck --strict; git -C {HOME}/source status --porcelain >/tmp/status;"
          "test ! -s /tmp/status", timeout=180)
    head = life.desktop.run(["git", "-C", HOME + "/source", "rev-parse", "HEAD"]).stdout
    until("the tree is on the laptop", lambda: life.laptop.run(
        ["git", "-C", HOME + "/source", "rev-parse", "HEAD"], check=False).stdout == head, 60)
    shell(life.laptop, f"cd {HOME}/source; git fsck --strict; test -z \"$(git status --porcelain)\";"
          f"mkdir built; tcc -D_GNU_SOURCE -D_Thread_local= -c -o built/keeper.o {PROGRAM};"
          "test -s built/keeper.o;"
          "for po in po/*.po; do msgfmt -o built/$(basename $po .po).mo $po; done", timeout=180)
    built = life.laptop.run(["cksum", HOME + "/source/built/de.mo"]).stdout
    until("what was built is on the desktop", lambda: life.desktop.run(
        ["cksum", HOME + "/source/built/de.mo"], check=False).stdout == built)


def test_conflict(life):
    """The same file edited on both sides offline: both are kept, then one is chosen."""
    note = HOME + "/note.txt"
    shell(life.desktop, f"echo first >{note}")
    until("the note is on the laptop", lambda: reads(life.laptop, note) == "first\n")
    life.lab.cut("laptop")
    until("the laptop is away", lambda: life.away(life.laptop))
    shell(life.desktop, f"echo 'of the desktop' >{note}")
    shell(life.laptop, f"echo 'of the laptop' >{note}")
    life.lab.restore("laptop")
    for machine in (life.desktop, life.laptop):
        until(f"the conflict is shown on {machine.name}",
              lambda: note in machine.moss("net", "conflicts"))
    both = shell(life.desktop, f"cat {HOME}/note*.txt").stdout
    assert "of the desktop" in both and "of the laptop" in both, both
    life.desktop.moss("net", "resolve", note, "theirs")
    for machine in (life.desktop, life.laptop):
        until(f"it is resolved on {machine.name}",
              lambda: note not in machine.moss("net", "conflicts")
              and shell(machine, f"ls {HOME}").stdout.count("note") == 1)
    assert reads(life.desktop, note) == reads(life.laptop, note)


def test_old_version(life):
    note = HOME + "/note.txt"
    shell(life.desktop, f"cp {note} /tmp/before; echo newest >{note}")
    listing = life.desktop.moss("net", "versions", note)
    assert len(listing.splitlines()) >= 4, listing
    shell(life.desktop, f"cat {HOME}/.versions/note.txt/* >/tmp/all; grep -q first /tmp/all;"
          f"grep -q newest /tmp/all; ! (echo x >{HOME}/.versions/note.txt/mine) 2>/dev/null")


def test_the_tree_as_it_was(life):
    """By the clock: what the whole tree was at a second that is over by now."""
    note, moment = HOME + "/note.txt", "date +%Y-%m-%dT%H:%M:%S"
    before = reads(life.desktop, note)
    until("the laptop has that", lambda: reads(life.laptop, note) == before)
    then = shell(life.desktop, f"sync {note}; {moment}").stdout.strip()
    until("that second is over", lambda: shell(life.desktop, moment).stdout.strip() > then)
    shell(life.desktop, f"echo later >{note}; echo later >{HOME}/later.txt; sync {note} {HOME}/later.txt")
    assert reads(life.desktop, f"{HOME}/.at/{then}/note.txt") == before
    assert reads(life.desktop, note) == "later\n"
    shell(life.desktop, f"cd {HOME}/.at/{then}; test ! -e later.txt; cmp hello.txt {HOME}/hello.txt;"
          f"git -C {HOME}/.at/{then}/source log -1 --format=%H >/tmp/then; ! touch mine 2>/dev/null")
    assert shell(life.desktop, "cat /tmp/then").stdout == life.desktop.run(
        ["git", "-C", HOME + "/source", "rev-parse", "HEAD"]).stdout
    until("the laptop has the new one", lambda: reads(life.laptop, HOME + "/later.txt") == "later\n")
    assert reads(life.laptop, f"{HOME}/.at/{then}/later.txt") is None


def test_host_unplugged(life):
    life.lab.cut("host")
    shell(life.desktop, f"echo 'without a host' >{HOME}/alone.txt; sync {HOME}/alone.txt; ls -la {HOME}",
          timeout=10)
    until("the laptop has it from the desktop",
          lambda: reads(life.laptop, HOME + "/alone.txt") == "without a host\n")
    life.lab.restore("host")
    until("the host has it, too", lambda: '"synced"' in
          life.desktop.moss("net", "status", "--json"), 60)


def test_host_serves(life):
    """The tablet gets a file from the host while the other two are off."""
    life.lab.cut("tablet")
    shell(life.desktop, f"echo 'by way of the host' >{HOME}/host.txt")
    until("the host has it", lambda: life.kept(HOME + "/host.txt"), 90)
    life.lab.cut("desktop")
    life.lab.cut("laptop")
    life.lab.restore("tablet")
    until("the tablet reads it", lambda: reads(life.tablet, HOME + "/host.txt") == "by way of the host\n", 90)
    life.lab.restore("desktop")
    life.lab.restore("laptop")
    until("all are linked again", lambda: life.linked(life.desktop, 2), 60)


def test_revoke(life):
    life.desktop.moss("device", "revoke", "tablet")
    until("the tablet is cut off", lambda: life.away(life.tablet))
    shell(life.desktop, f"echo secret >{HOME}/after.txt")
    until("the laptop reads on", lambda: reads(life.laptop, HOME + "/after.txt") == "secret\n")
    assert reads(life.tablet, HOME + "/after.txt") is None


if __name__ == "__main__":
    tap.need_root()
    with hosts.Lab(build=BUILD, names=("desktop", "laptop", "tablet", "host")) as lab:
        test_life = Life(lab)
        test_life.start()
        tap.run(globals(), test_life)
