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


if __name__ == "__main__":
    tap.need_root()
    with tempfile.TemporaryDirectory(prefix="moss-attacks-") as a_top:
        os.chmod(a_top, 0o755)
        a_daemon = Daemon(a_top, "one")
        try:
            tap.run(globals(), a_daemon)
        finally:
            a_daemon.stop()
