#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a hostile caller of moss-sandboxd and a hostile app try: each must cost only themselves."""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hosts"))
import hosts  # noqa: E402
import tap  # noqa: E402
from test_sandbox import ALICE, LOOP, STRANGER, Daemon, folder  # noqa: E402

SECRET = "nobody but root may read this"


def as_user(uid, *argv):
    return subprocess.run(["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *argv],
                          capture_output=True, text=True, timeout=30, check=False)


def result_of(daemon, program, *options):
    """Runs a python program in a sandbox that writes ~/result, and returns that and the sandbox."""
    name = daemon.create("/usr/bin/python3", "-c", program, options=options)
    hosts.wait_until("the app has tried", lambda: daemon.read(name, "result").endswith("\n"), seconds=60)
    return daemon.read(name, "result").strip(), name


def end(daemon, name):
    daemon.ctl("Kill", name)
    daemon.ctl("Remove", name)


# ---- a hostile caller ----------------------------------------------------------------------


def test_root_reads_nothing_for_a_caller(one):
    """Extra files of a dump are read by root: only those that everybody may read."""
    with tempfile.TemporaryDirectory(prefix="moss-secret-", dir="/var") as closed:
        with open(f"{closed}/file", "w", encoding="utf-8") as file:
            file.write(SECRET)
        os.symlink(f"{closed}/file", "/var/moss-secret-link")
        try:
            name = one.create("/bin/sh", "-c", LOOP)
            one.goes_on(name)
            for path in ("/etc/shadow", f"{closed}/file", f"/usr/..{closed}/file", "/var/moss-secret-link"):
                place = folder(one, "dump")
                error = one.refused("Dump", name, place, path)
                assert "may not be read by everybody" in error, (path, error)
                assert not os.path.exists(f"{place}/layer-content")
                one.goes_on(name)
            os.chmod(closed, 0o755)
            os.chmod(f"{closed}/file", 0o640)
            assert "may not be read" in one.refused("Dump", name, folder(one, "dump"), f"{closed}/file")
            os.chmod(f"{closed}/file", 0o644)
            place = folder(one, "dump")
            one.ctl("Dump", name, place, f"{closed}/file", "/etc/no-such-file")
            with open(f"{place}/layer-content", "rb") as content:
                assert SECRET.encode() in content.read()
            end(one, name)
        finally:
            os.unlink("/var/moss-secret-link")


def test_errors_are_text_whatever_they_quote(one):
    """A name that is cut in the middle of a character is no UTF-8, which D-Bus can't carry."""
    ident = "0" * 8 + "-0000-0000-0000-" + "0" * 12
    for argv in (["--env", "x" + "ä" * 40 + "=1"], ["--variant", "x" + "ä" * 40, "'1'"]):
        error = one.refused("Create", ident, *argv, "--", "/bin/true")
        assert "xää" in error and "Invalid UTF-8" not in error, error


def test_an_old_id_is_not_taken_again(one):
    """Files of an app that ended before a restart: neither replaced nor removed by a new Create."""
    name = one.create("/bin/sh", "-c", "echo precious >~/letter")
    hosts.wait_until("it ended", lambda: one.state(name) == "dead", seconds=20)
    one.stop()
    one.start()
    assert "already" in one.refused("Create", name, "--", "/bin/true")
    assert one.read(name, "letter") == "precious\n"
    place = folder(one, "files")
    with open(f"{place}/more", "w", encoding="utf-8") as file:
        file.write("more")
    assert "letter (2)" in one.ctl("WriteFile", name, "letter", place, "more").stdout
    one.ctl("Remove", name)


def test_who_runs_what_is_told_to_nobody(one):
    name = one.create("/bin/sh", "-c", LOOP, options=["--name", "a very private program"])
    found = as_user(STRANGER, "grep", "-r", "a very private program", f"{one.top}/run")
    assert found.stdout == "", found.stdout
    one.stop(9)
    one.start()
    assert one.state(name) == "running"
    assert "a very private program is running" in one.refused("Remove", name)
    end(one, name)


def rooms_of(daemon):
    """Bytes that are in use where the rooms of ALICE lie, seen where the daemon sees them."""
    place = f"/proc/{daemon.process.pid}/root{daemon.top}/run/private/rooms/{ALICE}"
    if not os.path.isdir(place):
        return 0
    space = os.statvfs(place)
    return (space.f_blocks - space.f_bfree) * space.f_frsize


def traveller(daemon):
    """An app that was dumped and ended here: its id and the folder with its images."""
    name = daemon.create("/bin/sh", "-c", LOOP)
    daemon.goes_on(name)
    place = folder(daemon, "dump")
    daemon.ctl("Dump", name, place)
    end(daemon, name)
    return name, place


def test_pages_in_a_room_are_fixed(one):
    name, place = traveller(one)
    for how, why in (("open", "can still be changed"), ("itself", "can still be changed"),
                     ("mapped", "can still be changed"), ("smaller", "not of the size"),
                     ("larger", "not of the size"), ("foreign", "not a sealed memfd"),
                     ("other", "not a sealed memfd"), ("twice", "not a sealed memfd")):
        error = one.refused("Restore", name, place, "--room", how)
        assert why in error, (how, error)
        assert one.state(name) != "running", how
    # Nothing of all that spoiled it for the right one, which can't be used a second time.
    one.ctl("Restore", name, place, "--room", "right")
    one.ctl("Thaw", name)
    one.goes_on(name)
    assert "running here already" in one.refused("Restore", name, place, "--room", "right")
    end(one, name)
    hosts.wait_until("its memory is given back", lambda: rooms_of(one) == 0, seconds=10)


def test_rooms_take_bounded_memory(one):
    """Held after they were spent, and written to beyond their size."""
    name, place = traveller(one)
    ident = "10000000-0000-4000-8000-000000000000"
    count, size = one.ctl("Hoard", ident).stdout.split()
    assert int(count) < 16 and 0 < int(size) <= 1 << 30, (count, size)
    # Its caller has died: what it held is free again, for others it always was.
    hosts.wait_until("the memory is given back", lambda: rooms_of(one) == 0, seconds=10)
    one.ctl("Restore", name, place, "--room", "right")
    one.ctl("Thaw", name)
    one.goes_on(name)
    end(one, name)
    for number in range(3):
        one.ctl("Remove", f"{ident[:-2]}{number:02x}")


def children_of(daemon):
    found = subprocess.run(["pgrep", "-P", str(daemon.process.pid), "criu"], check=False,
                           capture_output=True, text=True)
    return found.stdout.split()


def test_a_room_ends_with_its_caller(one):
    """Also the CRIU that waits with it."""
    ident = "20000000-0000-4000-8000-000000000000"
    one.ctl("MakeRoom", ident)
    hosts.wait_until("its room is gone", lambda: rooms_of(one) == 0 and not children_of(one),
                     seconds=10)
    one.ctl("Remove", ident)


# ---- a hostile app -------------------------------------------------------------------------


def test_sizes_that_add_up_to_little(one):
    """Sizes of sparse files whose sum is more than 64 bits hold: an overflow would be written to."""
    with tempfile.TemporaryDirectory(prefix="moss-huge-", dir="/dev/shm") as top:
        os.chmod(top, 0o755)
        daemon = Daemon(top, "huge")
        try:
            tried, name = result_of(daemon, """
import os
for name in ("a", "b"):
    with open(os.path.expanduser("~/") + name, "wb") as file:
        os.ftruncate(file.fileno(), 2**63 - 1)
        os.pwrite(file.fileno(), b"X" * 4096, 1 << 33)
with open(os.path.expanduser("~/result"), "w") as file: print("made", file=file)
import time
time.sleep(1000)
""")
            assert tried == "made", tried
            for method in ("Dump", "ReadLayer"):
                error = daemon.refused(method, name, folder(daemon, "dump"))
                assert "too large" in error, error
            assert daemon.state(name) == "running"
            end(daemon, name)
        finally:
            daemon.stop()


def test_sockets_only_of_known_families(one):
    tried, name = result_of(one, """
import os, socket
found = set()
for family in list(range(0, 64)) + [1 << 8, 1 << 16, (1 << 31) - 1]:
    for kind in (1, 2, 3, 5):
        try:
            socket.socket(family, kind).close()
            found.add(family)
        except OSError:
            pass
with open(os.path.expanduser("~/result"), "w") as file: print(sorted(found), file=file)
""")
    assert tried == "[1, 2, 10, 16]", tried
    end(one, name)


INOTIFY = """
import ctypes, os, time
libc, n = ctypes.CDLL(None, use_errno=True), 0
while libc.inotify_init1(0) >= 0: n += 1
with open(os.path.expanduser("~/result"), "w") as file: print(n, file=file)
time.sleep(1000)
"""


def inotify_limit():
    with open("/proc/sys/fs/inotify/max_user_instances", encoding="utf-8") as file:
        return int(file.read())


def test_inotify_of_root_is_left_to_root(one):
    """Instances are counted for who made the user namespace, too: that is root."""
    tried, name = result_of(one, INOTIFY)
    assert 8 <= int(tried) <= inotify_limit() // 4, tried
    end(one, name)


def test_limits_hold_after_a_move(one):
    script = INOTIFY.replace("while", "\nwhile not os.path.exists(os.path.expanduser('~/go')): "
                             "time.sleep(0.05)\nwhile", 1)
    name = one.create("/usr/bin/python3", "-c", "import os; "
                      "open(os.path.expanduser('~/up'), 'w').write('x')\n" + script)
    hosts.wait_until("it is up", lambda: one.read(name, "up"), seconds=20)
    place = folder(one, "dump")
    one.ctl("Dump", name, place)
    end(one, name)
    one.ctl("Restore", name, place)
    one.ctl("Thaw", name)
    with open(f"{place}/go", "w", encoding="utf-8"):
        pass
    one.ctl("WriteFile", name, "go", place, "go")
    hosts.wait_until("it has tried", lambda: one.read(name, "result").endswith("\n"), seconds=20)
    assert int(one.read(name, "result")) <= inotify_limit() // 4
    end(one, name)


def test_a_flood_of_processes_ends(one):
    tried, name = result_of(one, """
import os, time
n = 0
try:
    while n < 5000:
        if os.fork() == 0:
            time.sleep(1000)
        n += 1
except OSError:
    pass
with open(os.path.expanduser("~/result"), "w") as file: print(n, file=file)
time.sleep(1000)
""")
    assert 200 < int(tried) <= 2048, tried
    one.ctl("Connect", name)
    end(one, name)


def test_queued_signals_of_root_are_left_to_root(one):
    tried, name = result_of(one, """
import ctypes, os, signal, time
libc, n = ctypes.CDLL(None), 0
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
while n < 50000 and libc.sigqueue(os.getpid(), int(signal.SIGRTMIN), ctypes.c_void_p(0)) == 0: n += 1
with open(os.path.expanduser("~/result"), "w") as file: print(n, file=file)
time.sleep(1000)
""")
    assert int(tried) <= 1024, tried
    end(one, name)


def test_terminals_in_the_place_of_memory(one):
    """A descriptor that is a memfd when it is looked at and a terminal when it is opened."""
    tried, name = result_of(one, """
import os, pty, threading
outer, inner = pty.openpty()
memory = os.memfd_create("x")
os.write(memory, b"y" * 4096)
spot = os.dup(memory)
def flip():
    while True:
        os.dup2(inner, spot)
        os.dup2(memory, spot)
with open(os.path.expanduser("~/result"), "w") as file: print("flips", file=file)
flip()
""")
    place = folder(one, "memory")
    for _ in range(20):
        one.ctl("ReadMemory", name, "pages", cwd=place)
        one.ctl("Inspect", name)
    with open(f"/proc/{one.process.pid}/stat", encoding="utf-8") as file:
        terminal = file.read().rsplit(")", 1)[1].split()[4]
    assert tried == "flips" and terminal == "0", terminal
    end(one, name)


if __name__ == "__main__":
    tap.need_root()
    with tempfile.TemporaryDirectory(prefix="moss-attacks-") as a_top:
        os.chmod(a_top, 0o755)
        # As a service manager does it: a daemon without a terminal can be given one.
        if os.getsid(0) != os.getpid():
            os.setsid()
        a_daemon = Daemon(a_top, "one")
        try:
            tap.run(globals(), a_daemon)
        finally:
            a_daemon.stop()
