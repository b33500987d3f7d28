#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast /net is between two machines on a link of 1 Gbit/s, without a host: both are on this
computer, each with its own network, processes and disk image, and share its processors.

visible              from the close of a file on one until the other reads what was written
last-byte-fetched    what comes over the link when the last byte of a large file is read
ls-10000-cold        the first `ls -l` of a folder of 10,000 files that came from the other machine
bulk-link-share      a large file read from the other machine: its bits a second, by the link's
netd-idle-switches   voluntary context switches of a netd that is linked and has nothing to do

net_link.py --build DIR --out FILE [--quick]
"""
import argparse
import json
import os
import re
import statistics
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "hosts"))
import hosts  # noqa: E402

HOME = "/net/me@example.org"
FILES = ("org.moss.Net1", "/org/moss/Files", "org.moss.Files1.Status")
NET = ("org.moss.Net1", "/org/moss/Net")
LINK_BITS = 1_000_000_000
MIB = 1 << 20


class Pair:
    def __init__(self, lab, quick):
        self.lab, self.quick = lab, quick
        self.desktop, self.laptop = lab.machine("desktop"), lab.machine("laptop")
        self.large = (256 if quick else 1024) * MIB

    def start(self):
        for machine in (self.desktop, self.laptop):
            machine.start_sandboxd()
            machine.start_session()
        self.desktop.moss("identity", "create", "me@example.org", "--no-passphrase")
        hosts.pair_by_code(self.desktop, self.laptop)
        for machine in (self.desktop, self.laptop):
            hosts.wait_until("/net", lambda m=machine: os.path.isdir(m.path(HOME)), 30)
            self.lab.limit(machine.name, "1gbit", "1m")
            read_ahead(machine)
        self.wait_quiet()

    def wait_quiet(self):
        for machine in (self.desktop, self.laptop):
            hosts.wait_until(f"{machine.name} is synced",
                             lambda m=machine: "'state': <'synced'>" in m.call(*FILES), 120)
        time.sleep(1)

    def path(self, machine, name):
        return machine.path(f"{HOME}/{name}")

    def read(self, name):
        try:
            with open(self.path(self.laptop, name), encoding="ascii") as file:
                return file.read()
        except OSError:
            return None

    def visible(self):
        times = []
        self.desktop.run(["touch", HOME + "/note"])
        for turn in range(15 if self.quick else 40):
            text = f"turn {turn}\n" * 50
            with open(self.path(self.desktop, "note"), "w", encoding="ascii") as file:
                file.write(text)
            begin = time.monotonic()
            while self.read("note") != text:
                assert time.monotonic() - begin < 30, "it didn't come"
                time.sleep(0.001)
            times.append(1000 * (time.monotonic() - begin))
            time.sleep(0.3)
        return [row("visible", statistics.median(times), "ms", 200, len(times)),
                row("visible-worst", max(times), "ms", None, len(times))]

    def received(self):
        """Bytes that came to the laptop."""
        device = re.search(r"'id': <'([0-9a-f]{64})'>", self.laptop.call(*NET, "org.moss.Net1.Devices"))[1]
        answer = self.laptop.call(*NET, "org.moss.Net1.LinkBytes", device)
        return int(re.findall(r"\d+", answer.replace("uint64", ""))[-1])

    def make_large(self):
        self.desktop.run(["sh", "-c", f"head -c {self.large} /dev/urandom >{HOME}/large"], timeout=300)
        self.wait_quiet()
        hosts.wait_until("the large file", lambda: os.path.exists(self.path(self.laptop, "large")) and
                         os.stat(self.path(self.laptop, "large")).st_size == self.large, 120)

    def last_byte(self):
        before = self.received()
        begin = time.monotonic()
        self.laptop.run(["sh", "-c", f"tail -c 1 {HOME}/large >/dev/null"])
        spent = 1000 * (time.monotonic() - begin)
        return [row("last-byte-fetched", (self.received() - before) / MIB, "MiB", 2, 1),
                row("last-byte-time", spent, "ms", None, 1)]

    def bulk(self):
        begin = time.monotonic()
        self.laptop.run(["sh", "-c", f"cat {HOME}/large >/dev/null"], timeout=600)
        share = 8 * self.large / (time.monotonic() - begin) / LINK_BITS
        return [row("bulk-link-share", share, "share", 0.6, 1, "higher")]

    def listing(self):
        self.desktop.run(["sh", "-c", f"mkdir {HOME}/many && cd {HOME}/many && "
                          "seq -f 'file-%05.0f' 10000 | xargs touch"], timeout=120)
        self.wait_quiet()
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
            file.write("3")
        begin = time.monotonic()
        listed = self.laptop.run(["sh", "-c", f"ls -l {HOME}/many | wc -l"], timeout=60).stdout
        spent = 1000 * (time.monotonic() - begin)
        assert int(listed) == 10001, listed
        return [row("ls-10000-cold", spent, "ms", 500, 1)]

    def idle(self):
        self.wait_quiet()
        time.sleep(60)  # a link that nobody has used for so long pauses its pings
        seconds = 30 if self.quick else 90
        before = [switches(machine) for machine in (self.desktop, self.laptop)]
        time.sleep(seconds)
        rates = [(switches(machine) - old) / seconds
                 for machine, old in zip((self.desktop, self.laptop), before)]
        return [row("netd-idle-switches", max(rates), "per second", 0.1, 2)]


def read_ahead(machine):
    """What moss-sandboxd sets where /sys can be written, as on any machine but these."""
    device = os.stat(machine.path(HOME)).st_dev
    with open(f"/sys/class/bdi/0:{os.minor(device)}/read_ahead_kb", "w", encoding="ascii") as file:
        file.write("1024")


def switches(machine):
    """Of all threads of its netd so far."""
    (pid,) = machine.pids("moss-netd")
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status", encoding="ascii") as file:
            total += int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", file.read(), re.M)[1])
    return total


def row(name, value, unit, goal, count, better="lower"):
    return {"name": name, "value": round(value, 3), "unit": unit, "better": better, "goal": goal, "n": count}


def measure(build, quick):
    with hosts.Lab(build=build) as lab:
        pair = Pair(lab, quick)
        pair.start()
        rows = pair.visible()
        pair.make_large()
        rows += pair.last_byte() + pair.bulk() + pair.listing() + pair.idle()
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("net_link: needs root (makes machines of network namespaces)")
    rows = measure(options.build, options.quick)
    with open(options.out, "w", encoding="utf-8") as out:
        for one in rows:
            out.write(json.dumps(one) + "\n")
            print(f"{one['name']:32} {one['value']:10} {one['unit']}  (goal {one['goal']})", flush=True)


if __name__ == "__main__":
    main()
