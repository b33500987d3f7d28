#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""One person's files on three machines and a host: the whole of Moss on each, as ordinary users."""
import hashlib
import json
import os
import re
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hosts"))
import hosts  # noqa: E402
import tap  # noqa: E402

BUILD = os.environ.get("MOSS_BUILD", "build/dev")
HOME = "/net/me@example.org"
URL = "http://10.91.0.4:42118"
FILES = ("org.moss.Net1", "/org/moss/Files")


class World:
    """Made once for all tests: three devices of one identity, linked, and a host before which a liar
    stands that is honest until it is told otherwise."""

    def __init__(self):
        self.liar = None
        self.lab = hosts.Lab(BUILD, names=("desktop", "laptop", "tablet", "host"))
        try:
            self.devices = [self.lab.machine(name) for name in ("desktop", "laptop", "tablet")]
            self.host = self.lab.machine("host")
            self.begin()
        except BaseException:
            self.tell()
            self.close()
            raise

    def tell(self):
        """What the machines have to say, when a test failed."""
        for machine in self.lab.machines.values():
            for label in ("session", "host", "liar"):
                if os.path.exists(os.path.join(machine.logs, label + ".log")):
                    text = machine.log(label)[-4000:].replace("\n", "\n# ")
                    print(f"# --- {machine.name} {label}:\n# {text}")
        for device in self.devices:
            print(f"# {device.name}: {device.call(*FILES, 'org.moss.Files1.Status', check=False)}")

    def begin(self):
        for device in self.devices:
            device.start_sandboxd()
            device.start_session()
        desktop, laptop, tablet = self.devices
        desktop.moss("identity", "create", "me@example.org", "--no-passphrase")
        self.identity = re.search(r"~[a-z2-7]{52}", desktop.moss("identity", "show"))[0]
        for device in (laptop, tablet):
            self.pair(desktop, device)
        hosts.pair(laptop, tablet)
        for device in self.devices:
            hosts.wait_until(f"{HOME} on {device.name}", lambda d=device: os.path.isdir(d.path(HOME)), 30)
        self.start_host()
        desktop.moss("identity", "hosts", URL)
        for device in self.devices:
            hosts.wait_until(f"{device.name} knows the host",
                             lambda d=device: self.host_state(d) == "linked", 30)

    def pair(self, old, new):
        process = new.popen(["moss", "device", "pair", "--no-passphrase"], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        code = process.stdout.readline().strip()
        old.moss("device", "pair", new.address, code)
        assert process.wait(30) == 0, process.stderr.read()

    def start_host(self):
        """The real one, and before it the liar, a program of this computer in the host's network."""
        self.mode = os.path.join(self.lab.folder, "mode")
        self.lie("honest")
        self.server = self.host.start("host", [
            self.host.prefix + "/bin/moss-host", "--listen", "127.0.0.1:42119", "--state", "/home/user/host",
            "--name", "10.91.0.4:42118", "--admit", self.identity])
        with open(os.path.join(self.host.logs, "liar.log"), "wb") as log:
            self.liar = subprocess.Popen(
                ["nsenter", "-t", str(self.host.pid), "-n", sys.executable,
                 os.path.join(hosts.HERE, "evil.py"), "10.91.0.4", "42118", "42119", self.mode],
                stdout=log, stderr=log)

    def lie(self, mode):
        with open(self.mode + ".new", "w", encoding="utf-8") as file:
            file.write(mode)
        os.rename(self.mode + ".new", self.mode)

    def status(self, device):
        return device.call(*FILES, "org.moss.Files1.Status")

    def field(self, device, name):
        found = re.search(rf"'{name}': <(?:\w+ )?(\"[^\"]*\"|'[^']*'|[\w.]+)>", self.status(device))
        return found and found[1].strip("'\"")

    def host_entry(self, device):
        text = self.status(device)
        part = text[text.index("'url': <"):] if "'url': <" in text else ""
        return dict((key, value.strip("'\"")) for key, value in re.findall(
            r"'([\w-]+)': <(?:\w+ )?(\"[^\"]*\"|'[^']*'|[\w.]+)>", part))

    def host_state(self, device):
        return self.host_entry(device).get("state")

    def wait_synced(self, seconds=30):
        for device in self.devices:
            hosts.wait_until(f"{device.name} is synced: {self.status(device)}",
                             lambda d=device: self.field(d, "state") == "synced", seconds)

    def close(self):
        if self.liar is not None:
            self.liar.kill()
            self.liar.wait()
        self.lab.close()


def inside(device, *names):
    return device.path(os.path.join(HOME, *names))


def write(device, name, data):
    device.run(["sh", "-c", f"cat > '{HOME}/{name}.new' && mv '{HOME}/{name}.new' '{HOME}/{name}'"],
               data=data)


def read(device, name):
    try:
        with open(inside(device, name), "rb") as file:
            return file.read()
    except OSError:
        return None


def wait_read(device, name, data, seconds=15):
    """Looks for it as a person does: in the folder."""
    hosts.wait_until(f"{name} on {device.name}", lambda: name in os.listdir(inside(device)) and
                     read(device, name) == data, seconds, 0.02)


def test_saved_here_read_there(world):
    desktop, laptop, tablet = world.devices
    times = []
    for turn in range(9):
        data = f"turn {turn}\n" * 100
        write(desktop, "note.txt", data)
        begin = time.monotonic()
        wait_read(laptop, "note.txt", data.encode())
        times.append((time.monotonic() - begin) * 1000)
    wait_read(tablet, "note.txt", data.encode())
    print(f"# saved on one, readable on the other after {statistics.median(times):.0f} ms (median of 9)")
    write(tablet, "back.txt", "from the tablet")
    wait_read(desktop, "back.txt", b"from the tablet")
    wait_read(laptop, "back.txt", b"from the tablet")
    assert statistics.median(times) < 2000


def latest(device):
    """What a person is told of the latest changes: name → what became of it."""
    found = re.findall(r"'/net/[^']*/([^/']+)', '(\w+)', int64|\('/net/[^']*/([^/']+)', '(\w+)', \d+",
                       device.call(*FILES, "org.moss.Files1.Status"))
    return {one or other: what or what_other for one, what, other, what_other in found}


def test_what_went_and_came_is_told(world):
    desktop, laptop, tablet = world.devices
    try:
        for device in (laptop, tablet):
            world.lab.cut(device.name)
        world.lab.cut("host")
        write(desktop, "told.txt", "told")
        hosts.wait_until("saved", lambda: latest(desktop).get("told.txt") == "saved", 5)
    finally:
        for name in ("laptop", "tablet", "host"):
            world.lab.restore(name)
    hosts.wait_until(f"it went out: {latest(desktop)}", lambda: latest(desktop).get("told.txt") == "sent", 60)
    hosts.wait_until(f"it came: {latest(laptop)}", lambda: latest(laptop).get("told.txt") == "came", 30)
    laptop.run(["rm", HOME + "/told.txt"])
    hosts.wait_until("it was removed", lambda: latest(desktop).get("told.txt") == "removed", 30)
    assert "told.txt was removed" in desktop.moss("net", "status")


def test_nothing_waits_for_who_is_unplugged(world):
    """A file dialog lists, looks at, and asks about what it knows, and no cable is needed for that."""
    desktop, laptop, tablet = world.devices
    folder = HOME + "/schemas-there"
    desktop.run(["sh", "-c", f"mkdir {folder}; for i in 1 2 3 4 5 6 7 8; do echo $i >{folder}/$i; done"])
    hosts.wait_until("all is there", lambda: os.path.isdir(laptop.path(folder)) and
                     len(os.listdir(laptop.path(folder))) == 8, 20)
    try:
        for name in ("desktop", "tablet", "host"):
            world.lab.cut(name)
        begin = time.monotonic()
        for name in os.listdir(laptop.path(folder)):
            path = laptop.path(folder + "/" + name)
            os.stat(path)
            assert os.getxattr(path, "user.moss.state") in (b"here", b"elsewhere", b"partly")
        os.statvfs(laptop.path(folder))
        laptop.call(*FILES, "org.moss.Files1.Info", f"['{folder}/1']")
        spent = time.monotonic() - begin
        print(f"# with all others unplugged it took {spent * 1000:.0f} ms")
        assert spent < 1
    finally:
        for name in ("desktop", "tablet", "host"):
            world.lab.restore(name)
    world.wait_synced(90)


def test_a_tree_is_copied(world):
    desktop, laptop, _ = world.devices
    desktop.run(["sh", "-c", f"cp -r /usr/share/glib-2.0/schemas {HOME}/tree"
                 f" && ln -s schemas {HOME}/tree/link && chmod 750 {HOME}/tree"])
    script = "find . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum; stat -c %a .; readlink link"
    want = desktop.run(["sh", "-c", f"cd {HOME}/tree && {script}"]).stdout
    hosts.wait_until("the tree on the laptop", lambda: laptop.run(
        ["sh", "-c", f"cd {HOME}/tree && {script}"], check=False).stdout == want, 30)


def test_both_change_a_file_offline(world):
    desktop, laptop, tablet = world.devices
    write(desktop, "both.txt", "before")
    for device in world.devices:
        wait_read(device, "both.txt", b"before")
    world.lab.cut("laptop")
    write(desktop, "both.txt", "desktop's")
    write(laptop, "both.txt", "laptop's")
    write(laptop, "alone.txt", "made alone")
    wait_read(tablet, "both.txt", b"desktop's")
    hosts.wait_until("offline", lambda: world.field(laptop, "state") == "offline", 40)
    world.lab.restore("laptop")
    wait_read(desktop, "alone.txt", b"made alone", 40)
    for device in world.devices:
        hosts.wait_until(f"the conflict on {device.name}",
                         lambda d=device: world.field(d, "conflicts") == "1", 30)
        names = [name for name in os.listdir(inside(device)) if name.startswith("both")]
        contents = {read(device, name) for name in names}
        assert contents == {b"desktop's", b"laptop's"}, (device.name, names, contents)
    assert "both.txt" in tablet.moss("net", "conflicts")
    tablet.call(*FILES, "org.moss.Files1.Resolve", HOME + "/both.txt", "mine")
    kept = read(tablet, "both.txt")
    for device in world.devices:
        hosts.wait_until(f"no conflict on {device.name}",
                         lambda d=device: world.field(d, "conflicts") == "0", 30)
        assert [read(device, name) for name in os.listdir(inside(device))
                if name.startswith("both")] == [kept]


def test_the_host_alone_brings_it(world):
    """Two devices that are never on at the same time meet at the host."""
    desktop, laptop, tablet = world.devices
    world.wait_synced()
    data = os.urandom(3 << 20)
    try:
        for device in (laptop, tablet):
            world.lab.cut(device.name)
        with open(inside(desktop, "later.bin"), "wb") as file:
            file.write(data)
        wait_on_host(desktop, "later.bin")
        world.lab.cut("desktop")
        world.lab.restore("laptop")
        wait_read(laptop, "later.bin", data, 40)
    finally:
        for device in world.devices:
            world.lab.restore(device.name)
    wait_read(tablet, "later.bin", data, 40)


def test_without_the_host_all_goes_on(world):
    desktop, laptop, _ = world.devices
    try:
        world.lab.cut("host")
        write(desktop, "unplugged.txt", "no host")
        wait_read(laptop, "unplugged.txt", b"no host")
    finally:
        world.lab.restore("host")
    world.wait_synced(90)


def test_only_what_is_read_comes(world):
    desktop, laptop, tablet = world.devices
    size = 64 << 20
    with open(inside(desktop, "big.bin"), "wb") as file:
        for _ in range(size >> 20):
            file.write(os.urandom(1 << 20))
    hosts.wait_until("big.bin", lambda: os.path.exists(inside(laptop, "big.bin")) and
                     os.stat(inside(laptop, "big.bin")).st_size == size, 60)
    before = received(laptop)
    with open(inside(laptop, "big.bin"), "rb") as file:
        file.seek(size - 1)
        last = file.read(1)
    fetched = received(laptop) - before
    with open(inside(desktop, "big.bin"), "rb") as file:
        file.seek(size - 1)
        assert file.read(1) == last
    print(f"# the last byte of {size >> 20} MiB took {fetched / 1048576:.2f} MiB")
    assert fetched < 2 << 20


def wait_on_host(device, name, seconds=30):
    """fsync says that it is here; this, that a host has it, too."""
    hosts.wait_until(f"{name} is on the host", lambda: re.search(r"'hosts': <uint32 [1-9]", device.call(
        *FILES, "org.moss.Files1.Info", f"['{HOME}/{name}']")), seconds)


def received(device):
    """Bytes that came over the links of a machine."""
    total = 0
    for entry in device.call("org.moss.Net1", "/org/moss/Net", "org.moss.Net1.Devices").split("'id': <'")[1:]:
        answer = device.call("org.moss.Net1", "/org/moss/Net", "org.moss.Net1.LinkBytes", entry[:64])
        total += int(re.findall(r"uint64 (\d+)|(\d+)", answer)[1][0] or re.findall(r"\d+", answer)[-1])
    return total


def only_the_host(world, device, others):
    """What a device has to fetch, it has to fetch from the host."""
    for other in others:
        world.lab.cut(other.name)
    hosts.wait_until("the links are gone", lambda: "linked" not in device.call(
        "org.moss.Net1", "/org/moss/Net", "org.moss.Net1.Devices"), 40)


def lie_about_objects(world, mode, words):
    desktop, laptop, tablet = world.devices
    world.wait_synced(90)
    only_the_host(world, laptop, [desktop, tablet])
    data = os.urandom(300 << 10)
    name = f"for-{mode}.bin"
    try:
        world.lab.cut("laptop")
        world.lab.restore("desktop")
        with open(inside(desktop, name), "wb") as file:
            file.write(data)
        wait_on_host(desktop, name, 60)
        world.lab.cut("desktop")
        world.lie(mode)
        world.lab.restore("laptop")
        hosts.wait_until(f"“{words}”: {world.status(laptop)}",
                         lambda: re.search(words, world.status(laptop)), 90)
        assert read(laptop, name) in (None, b""), "what a liar gave was believed"
    finally:
        world.lie("honest")
        for device in (desktop, tablet):
            world.lab.restore(device.name)
    wait_read(laptop, name, data, 60)


def test_a_host_that_flips_bits(world):
    lie_about_objects(world, "flip", "something else for object")


def test_a_host_that_truncates(world):
    lie_about_objects(world, "truncate", "torn|something else")


def test_a_host_that_withholds(world):
    lie_about_objects(world, "withhold", "not all of what belongs to it")


def test_a_host_that_is_slow(world):
    lie_about_objects(world, "slow", "too slowly")


def test_a_host_that_shows_two_views(world):
    """To one device the newest, to the other what was: found out as the devices tell each other."""
    desktop, laptop, _ = world.devices
    write(desktop, "views.txt", "one view")
    world.wait_synced(90)
    try:
        world.lie("split " + laptop.moss("device", "id").split()[0])
        write(desktop, "views.txt", "another view")
        # Which of the two it is depends on how far the laptop had seen the other view.
        hosts.wait_until("the laptop names it", seconds=60, check=lambda: any(
            words in world.status(laptop) for words in ("but has taken", "but has shown")))
        wait_read(laptop, "views.txt", b"another view")
        entry = world.host_entry(laptop)
        assert entry["state"] == "refused" and entry["url"] == URL and "desktop" in entry["reason"], entry
        assert URL in laptop.moss("net", "status")
        assert world.host_state(desktop) == "linked", "it told the desktop no lie"
    finally:
        world.lie("honest")


def test_a_host_that_goes_back(world):
    """The last one: what it did stays written down on the desktop."""
    desktop, laptop, tablet = world.devices
    write(desktop, "newer.txt", "newer")
    world.wait_synced(90)
    try:
        world.lie("old")
        write(desktop, "newest.txt", "newest")
        hosts.wait_until("it is named", lambda: "has shown" in world.status(desktop), 60)
        wait_read(laptop, "newest.txt", b"newest")
        assert world.host_state(desktop) == "refused"
    finally:
        world.lie("honest")


def test_a_device_is_revoked(world):
    desktop, laptop, tablet = world.devices
    desktop.moss("device", "revoke", "tablet")
    hosts.wait_until("the tablet is cut off", lambda: "linked" not in tablet.call(
        "org.moss.Net1", "/org/moss/Net", "org.moss.Net1.Devices"), 30)
    write(desktop, "secret.txt", "not for the tablet")
    wait_read(laptop, "secret.txt", b"not for the tablet")
    time.sleep(2)
    assert read(tablet, "secret.txt") is None


def main():
    tap.need_root()
    world = World()
    chosen = {name: value for name, value in globals().items()
              if not sys.argv[1:] or any(word in name for word in sys.argv[1:])}
    try:
        tap.run(chosen, world)
    except SystemExit:
        world.tell()
        raise
    finally:
        world.close()


if __name__ == "__main__":
    main()
