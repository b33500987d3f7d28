#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""moss-sandboxd moves a sandbox between two machines whose roots differ, by hand and both ways."""
import filecmp
import glob
import os
import shutil
import subprocess
import sys
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hosts"))
import hosts  # noqa: E402
import tap  # noqa: E402

BUILD = os.environ.get("MOSS_BUILD", "build/dev")
SOCKET = "/run/moss/sandboxd.sock"
LOOP = "i=0; while :; do i=$((i+1)); echo $i >~/count.new; mv ~/count.new ~/count; sleep 0.05; done"


def ctl(machine, *argv, check=True):
    # A tool of the tests that leaves its memory to the end of its process.
    return machine.run(["/usr/local/bin/sandboxctl", SOCKET, *argv], check=check,
                       env={"ASAN_OPTIONS": "detect_leaks=0"})


def sandboxed(machine):
    """Outer ids of the processes that live in a user namespace of their own."""
    ours = os.readlink("/proc/self/ns/user")
    found = []
    for pid, _ in machine.processes():
        try:
            if os.readlink(f"/proc/{pid}/ns/user") != ours:
                found.append(pid)
        except OSError:
            pass
    return found


def count(machine):
    try:
        with open(f"/proc/{sandboxed(machine)[0]}/root/home/moss/count", encoding="utf-8") as file:
            return int(file.read() or 0)
    except (OSError, IndexError):
        return 0


def differing_files(source, target):
    """Runtime files that the app maps and that are not the same on the target."""
    paths = set()
    for pid in sandboxed(source):
        try:
            with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
                fields = (line.split() for line in maps)
                paths |= {row[5] for row in fields if len(row) > 5 and row[5].startswith("/usr/")}
        except OSError:
            pass
    return [path for path in sorted(paths) if not os.path.exists(target.path(path))
            or not filecmp.cmp(source.path(path), target.path(path), shallow=False)]


def other_library(source, target):
    """A library that both machines have, in different versions: it may be any."""
    for path in sorted(glob.glob(source.path("/usr/lib/*-linux-gnu/lib*.so.*"))):
        inside = path[len(source.path("")):]
        if not os.path.islink(path) and os.path.isfile(target.path(inside)) and not filecmp.cmp(
                path, target.path(inside), shallow=False):
            return inside
    raise hosts.Failure("the two roots have no library that differs")


def start_loop(source, target):
    """An app that has such a library loaded, whatever it is linked to; its name."""
    name = str(uuid.uuid4())
    ctl(source, "Create", name, "--", "/usr/bin/env", "LD_PRELOAD=" + other_library(source, target),
        "/bin/sh", "-c", LOOP)
    hosts.wait_until("the loop counts", lambda: count(source) > 1)
    return name


def dump(source, target, name, extra):
    """Dumps on one machine and carries the files to the other."""
    folder = f"/tmp/dump-{uuid.uuid4()}"
    source.run(["mkdir", folder])
    ctl(source, "Dump", name, folder, *extra)
    shutil.copytree(source.path(folder), target.path(folder))
    subprocess.run(["chown", "-R", f"{target.uid}:{target.uid}", target.path(folder)], check=True)
    return folder


def test_refuses_other_libraries(lab):
    desktop, laptop = lab.machine("desktop"), lab.machine("laptop")
    name = start_loop(desktop, laptop)
    folder = dump(desktop, laptop, name, [])
    answer = ctl(laptop, "Restore", name, folder, check=False)
    assert answer.returncode != 0 and "another version" in answer.stderr, answer.stderr
    assert not sandboxed(laptop)
    before = count(desktop)
    ctl(desktop, "Thaw", name)
    hosts.wait_until("the source goes on", lambda: count(desktop) > before, seconds=5)
    for machine in (desktop, laptop):
        ctl(machine, "Kill", name)
        ctl(machine, "Remove", name)


def test_goes_there_and_back(lab):
    source, target = lab.machine("desktop"), lab.machine("laptop")
    name = start_loop(source, target)
    for _ in range(4):
        folder = dump(source, target, name, differing_files(source, target))
        before = count(source)
        time.sleep(0.2)
        assert count(source) == before, "it ran on while it was frozen"
        ctl(target, "Restore", name, folder)
        restored = count(target)
        time.sleep(0.2)
        assert before <= restored == count(target), "it runs before it was thawed"
        ctl(target, "Thaw", name)
        ctl(source, "Kill", name)
        ctl(source, "Remove", name)
        hosts.wait_until("it goes on at the target", lambda: count(target) > restored, seconds=5)
        assert not sandboxed(source)
        source, target = target, source
    ctl(source, "Kill", name)


if __name__ == "__main__":
    tap.need_root()
    with hosts.Lab(build=BUILD) as test_lab:
        for a_machine in test_lab.machines.values():
            shutil.copy(os.path.join(BUILD, "tests", "integration", "sandboxctl"),
                        a_machine.path("/usr/local/bin/sandboxctl"))
            a_machine.start_sandboxd()
        tap.run(globals(), test_lab)
