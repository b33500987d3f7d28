#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast /net is on one machine, beside gocryptfs and the plain disk, all three on the same disk in
the same run, in turn.

The whole of Moss serves it: moss-sandboxd as root, moss-session, moss-agent and moss-netd as an
ordinary user, in mount namespaces of their own. "Cold" is after dropping the kernel's caches; what
is cached was read three times before, a second ago at least. How fast it is between two machines
measures net_link.py, first. Writes OUT: one line of JSON a figure.

net.py --build DIR --out FILE [--quick] [--rounds N] [--only NAME,...]

--only: nothing but these, of what is measured beside gocryptfs and the plain disk.
"""
import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "hosts"))
import person  # noqa: E402
from person import USER, as_user  # noqa: E402

PASSWORD = "bench"
CHUNK = 1 << 20
NAMES = ["write-fsync", "read-cold", "read-cached", "randread-cold", "randread-cached", "create-3000",
         "untar", "cat-tree", "ls-lR", "rm-r", "git-clone", "git-status"]


def drop_caches():
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
        file.write("3")


def run(argv, **options):
    return subprocess.run(argv, check=True, preexec_fn=as_user, stdout=subprocess.DEVNULL, **options)


class Gocryptfs:
    def __init__(self, top):
        self.cipher, self.plain = os.path.join(top, "cipher"), os.path.join(top, "plain")
        for folder in (self.cipher, self.plain):
            os.mkdir(folder)
            os.chown(folder, USER, USER)
        password = os.path.join(top, "password")
        with open(password, "w", encoding="ascii") as file:
            file.write(PASSWORD)
        os.chmod(password, 0o644)
        run(["gocryptfs", "-q", "-init", "-scryptn", "10", "-passfile", password, self.cipher])
        run(["gocryptfs", "-q", "-passfile", password, self.cipher, self.plain])

    def stop(self):
        subprocess.run(["umount", "-l", self.plain], check=False)


# --- what is measured -------------------------------------------------------------------------

class Place:
    """One of the three, and the times of what was done there."""

    def __init__(self, name, folder, sources, quick):
        self.name, self.folder, self.sources = name, folder, sources
        self.size = (64 if quick else 256) << 20
        self.reads = 2000 if quick else 8000
        self.times = {}

    def path(self, name):
        return os.path.join(self.folder, name)

    def measure(self, name, act):
        """In a process of the user's, which says how long it took."""
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                as_user()
                os.chdir(self.folder)
                start = time.monotonic()
                act()
                os.write(writing, repr(time.monotonic() - start).encode())
                os._exit(0)
            except BaseException as error:  # the parent reports it
                print(f"{self.name}: {name}: {error}", file=sys.stderr, flush=True)
                os._exit(1)
        os.close(writing)
        text = os.read(reading, 100)
        os.close(reading)
        if os.waitpid(pid, 0)[1] != 0:
            sys.exit(f"net: {self.name}: {name} failed")
        if name:
            self.times.setdefault(name, []).append(float(text))

    def write_fsync(self):
        block = random.randbytes(CHUNK)
        fd = os.open("big", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644)
        for number in range(self.size // CHUNK):
            os.write(fd, number.to_bytes(8, "little") + block[8:])
        os.fsync(fd)
        os.close(fd)

    def read(self):
        buffer = bytearray(CHUNK)
        fd = os.open("big", os.O_RDONLY)
        while os.readv(fd, [buffer]):
            pass
        os.close(fd)

    def randread(self):
        chance, count = random.Random(1), self.size // 4096
        fd = os.open("big", os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
        for _ in range(self.reads):
            os.pread(fd, 4096, chance.randrange(count) * 4096)
        os.close(fd)

    def randread_cached(self):
        for _ in range(4):
            self.randread()

    def create(self):
        os.mkdir("many")
        for number in range(3000):
            fd = os.open(f"many/file-{number}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
            os.write(fd, b"a small file\n" * 20)
            os.close(fd)

    def shell(self, *argv):
        def act():
            subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           env={"PATH": os.environ["PATH"], "LANG": "C", "HOME": "/nonexistent",
                                "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory",
                                "GIT_CONFIG_VALUE_0": "*"})
        return act

    def round(self, names):
        """What names are measured, and what they need before."""
        def wants(*some):
            return not names.isdisjoint(some)
        if wants(*(name for name in NAMES if "read" in name or name == "write-fsync")):
            self.round_big()
        if wants("create-3000"):
            self.measure("create-3000", self.create)
        if wants("untar", "ls-lR", "cat-tree", "rm-r"):
            self.round_tree(names)
        if wants("git-clone", "git-status"):
            self.round_git()
        drop_caches()
        if wants("untar", "ls-lR", "cat-tree", "rm-r"):
            self.measure("rm-r", self.shell("rm", "-r", "tree"))
        self.measure("", self.shell("rm", "-rf", "clone", "many", "big"))

    def round_big(self):
        self.measure("write-fsync", self.write_fsync)
        drop_caches()
        self.measure("read-cold", self.read)
        drop_caches()
        self.measure("randread-cold", self.randread)
        for _ in range(3):
            self.measure("", self.read)
        time.sleep(1.5)
        for _ in range(3):
            self.measure("read-cached", self.read)
        for _ in range(3):
            self.measure("randread-cached", self.randread_cached)

    def round_tree(self, names):
        self.measure("", self.shell("cat", self.sources + ".tar"))  # or the first one alone reads it
        self.measure("untar", self.shell("tar", "-xf", self.sources + ".tar"))
        drop_caches()
        if "ls-lR" in names:
            self.measure("ls-lR", self.shell("ls", "-lR", "tree"))
            drop_caches()
        if "cat-tree" in names:
            self.measure("cat-tree", self.shell("sh", "-c", "find tree -type f -print0 | xargs -0 cat"))

    def round_git(self):
        self.measure("git-clone", self.shell("git", "clone", "-q", "--no-local",
                                             self.sources + ".git", "clone"))
        drop_caches()
        self.measure("git-status", self.shell("git", "-C", "clone", "status", "--short"))


def make_sources(top, quick):
    """A tree of ordinary files and a git repository of them, the same for all."""
    base = os.path.join(top, "sources")
    tree = os.path.join(top, "tree")
    os.mkdir(tree)
    for name in ("linux", "glib-2.0", "x86_64-linux-gnu") if quick else ("",):
        source = os.path.join("/usr/include", name)
        if os.path.isdir(source):
            shutil.copytree(source, os.path.join(tree, name or "include"), symlinks=True,
                            ignore_dangling_symlinks=True)
    subprocess.run(["tar", "-C", top, "-cf", base + ".tar", "tree"], check=True)
    git = ["git", "-c", "user.name=Bench", "-c", "user.email=bench@example.org", "-C", tree]
    for argv in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        subprocess.run(git + argv, check=True)
    subprocess.run(["git", "clone", "-q", "--bare", tree, base + ".git"], check=True)
    subprocess.run(["chown", "-R", str(USER), base + ".git"], check=True)
    os.chmod(base + ".tar", 0o644)
    shutil.rmtree(tree)
    return base


def ratio_rows(places, names):
    """Times of a round of one place by those of the same round of another."""
    moss, other, plain = places["moss"], places["gocryptfs"], places["native"]

    def row(name, one, two, goal, title):
        values = [a / b for a, b in zip(one.times[name], two.times[name])]
        return {"name": title, "value": round(statistics.median(values), 4), "unit": "ratio",
                "better": "lower", "goal": goal, "n": len(values),
                "ms": round(1000 * statistics.median(one.times[name]), 1),
                "baseline": round(1000 * statistics.median(two.times[name]), 1),
                "baseline_name": f"{two.name}, ms"}
    rows = [row(name, moss, other, 1, name + "-vs-gocryptfs") for name in NAMES if name in names]
    rows += [row(name, moss, plain, goal, name + "-vs-native")
             for name, goal in (("read-cached", 1.11), ("untar", 3)) if name in names]
    return rows


def idle_row(moss):
    time.sleep(5)
    before = moss.switches()
    time.sleep(20)
    return {"name": "netd-idle-switches-unlinked", "value": round((moss.switches() - before) / 20, 3),
            "unit": "per second", "better": "lower", "goal": 0.1, "n": 1}


def measure(options, top):
    sources = make_sources(top, options.quick)
    moss, other = person.Person(options.build, top), Gocryptfs(top)
    plain = os.path.join(top, "native")
    os.mkdir(plain)
    os.chown(plain, USER, USER)
    folders = {"moss": person.HOME, "gocryptfs": other.plain, "native": plain}
    places = {name: Place(name, folder, sources, options.quick) for name, folder in folders.items()}
    names = set(options.only or NAMES)
    try:
        for number in range(options.rounds or (2 if options.quick else 5)):
            for place in places.values():
                place.round(names)
            print(f"  round {number + 1}: " + ", ".join(
                f"{name} {places['moss'].times[name][-1] / places['gocryptfs'].times[name][-1]:.2f}"
                for name in NAMES if name in names), flush=True)
        rows = ratio_rows(places, names)
        return rows if options.only else rows + [idle_row(moss)]
    finally:
        other.stop()
        moss.stop()


def measure_memory(options, top):
    """What netd takes of its own with many files known: all were listed since it started. And right
    after they were made, when what is to be committed was there, too."""
    moss = person.Person(options.build, top)
    many = 10 if options.quick else 200
    try:
        run(["sh", "-ec", f"for d in $(seq {many}); do mkdir d$d; (cd d$d; seq 1000 | sed 's/$/ words/' |"
             " split -l1 -a3 - f); done; sync -f ."], cwd=person.HOME)
        time.sleep(10)
        made, pid = moss.private_mib(), moss.netd_pid()
        moss.kill_netd(signal.SIGTERM)
        moss.wait(lambda: moss.netd_pid() not in (0, pid))
        run(["ls", "-lR", person.HOME])
        time.sleep(2)
        common = {"unit": "MiB", "better": "lower", "baseline": 1000 * many,
                  "baseline_name": "files known", "n": 1}
        return [{"name": "netd-private-mib", "value": round(moss.private_mib(), 1), "goal": 60, **common},
                {"name": "netd-private-mib-made", "value": round(made, 1), "goal": None, **common}]
    finally:
        moss.stop()


def in_place(measure_it, options):
    """On a disk folder of its own, that goes afterwards."""
    top = person.make_top("moss-bench-net-")
    try:
        return measure_it(options, top)
    finally:
        shutil.rmtree(top, ignore_errors=True)


def measure_link(options, out):
    """Between two machines: in a process of its own, which needs this one's namespaces as they were."""
    quick = ["--quick"] if options.quick else []
    subprocess.run([sys.executable, os.path.join(HERE, "net_link.py"), "--build", options.build,
                    "--out", out, *quick], check=True)


def take_rows(path):
    with open(path, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    os.unlink(path)
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--only", type=lambda text: text.split(","))
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("net: needs root (drops caches, starts moss-sandboxd)")
    link = options.out + ".link"
    if person.MARK not in os.environ and not options.only:
        measure_link(options, link)
    person.enter()
    if options.only:
        rows = in_place(measure, options)
    else:
        rows = in_place(measure_memory, options) + in_place(measure, options) + take_rows(link)
    with open(options.out, "w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(row) + "\n")
            print(f"{row['name']:32} {row['value']:10} {row['unit']}  (goal {row['goal']})")


if __name__ == "__main__":
    main()
