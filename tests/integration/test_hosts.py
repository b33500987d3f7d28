#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test machines are what tests about moving rely on: two machines, and not one twice."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hosts"))
import hosts  # noqa: E402
import roots  # noqa: E402
import tap  # noqa: E402


def test_machines_reach_each_other(lab):
    for one, other in (("desktop", "laptop"), ("laptop", "desktop")):
        lab.machine(one).run(["ping", "-c1", "-W2", lab.machine(other).address])


def test_cut_cable_stops_everything(lab):
    desktop, laptop = lab.machine("desktop"), lab.machine("laptop")
    lab.cut("laptop")
    assert desktop.run(["ping", "-c1", "-W1", laptop.address], check=False).returncode != 0
    lab.restore("laptop")
    hosts.wait_until("the link is back", lambda: desktop.run(
        ["ping", "-c1", "-W1", laptop.address], check=False).returncode == 0, seconds=10)


def test_roots_share_no_inode(lab):
    for path in ("/usr/bin/foot", "/lib/x86_64-linux-gnu/libc.so.6", "/usr/bin/mousepad"):
        path = path.replace("x86_64-linux-gnu", f"{os.uname().machine}-linux-gnu")
        pair = [os.stat(lab.machine(name).path(path)) for name in ("desktop", "laptop")]
        assert (pair[0].st_dev, pair[0].st_ino) != (pair[1].st_dev, pair[1].st_ino), path
        assert pair[0].st_dev != pair[1].st_dev, path


def test_mapped_packages_differ(lab):
    mapped = {name: libraries_of(lab.machine(name), "/usr/bin/mousepad") for name in lab.machines}
    installed = {name: roots.versions(lab.machine(name).path("")) for name in lab.machines}
    differing = [package for package in mapped["desktop"] & mapped["laptop"]
                 if installed["desktop"].get(package) != installed["laptop"].get(package)]
    assert len(differing) >= 2, differing


def libraries_of(machine, program):
    """The packages of the libraries that a program maps at its start."""
    lines = machine.run(["ldd", program]).stdout.splitlines()
    names = [line.split()[2].split("/")[-1] for line in lines if "=> /" in line]
    owners = machine.run(["dpkg", "-S", *[f"*/{name}" for name in names]], check=False).stdout
    return {line.split(":")[0] for line in owners.splitlines()}


def test_ordinary_user(lab):
    uids = {lab.machine(name).run(["id", "-u"]).stdout.strip() for name in lab.machines}
    assert uids == {"1001", "1002"}, uids
    for name in lab.machines:
        assert "moss" in lab.machine(name).run(["id", "-Gn"]).stdout.split()
        assert lab.machine(name).run(["hostname"]).stdout.strip() == name
        status = lab.machine(name).run(["cat", "/proc/self/status"]).stdout
        assert "CapEff:\t0000000000000000" in status


def test_machines_see_only_themselves(lab):
    for name in lab.machines:
        shown = lab.machine(name).run(["ps", "-e", "-o", "comm="]).stdout.split()
        assert len(shown) < 10, shown


if __name__ == "__main__":
    tap.need_root()
    with hosts.Lab() as test_lab:
        tap.run(globals(), test_lab)
