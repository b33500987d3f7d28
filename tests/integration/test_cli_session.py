#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs of moss that one machine needs, with the real session, helper and apps, as an ordinary user."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hosts"))
import hosts  # noqa: E402
import tap  # noqa: E402

BUILD = os.environ.get("MOSS_BUILD", "build/dev")


def sandboxes(machine):
    return {row["id"]: row for row in json.loads(machine.moss("ps", "--json"))}


def start(machine, *argv):
    ident = machine.moss("run", *argv).strip()
    hosts.wait_until(f"{argv} runs", lambda: sandboxes(machine)[ident]["state"] == "running")
    return ident


def wait_gone(machine, ident):
    """Ended and nothing left; or ended with files, which keep it in the list."""
    hosts.wait_until(f"{ident} ended", lambda: sandboxes(machine).get(
        ident, {"state": "ended"})["state"] == "ended")


def test_nothing_runs(machine):
    result = machine.run(["moss", "ps"])
    assert "No app is running" in result.stderr and result.stdout == "", result
    assert machine.moss("ps", "--json") == "[]\n"


def test_run_and_close(machine):
    ident = start(machine, "--", "sh", "-c", "echo 'a  b' >~/one.txt; exec sleep 1000")
    row = sandboxes(machine)[ident]
    assert row["argv"][0].endswith("sh") and row["app"], row
    assert ident[:8] in machine.moss("ps")
    hosts.wait_until("its file", lambda: machine.run(
        ["moss", "cat", ident, "one.txt"], check=False).stdout == "a  b\n")
    machine.moss("close", "--force", ident[:8])
    wait_gone(machine, ident)


def test_a_closed_app_comes_back_by_its_name(machine):
    ident = start(machine, "--", "sleep", "1000")
    machine.moss("snapshot", ident, "kept")
    machine.moss("close", "--force", ident)
    hosts.wait_until("its end", lambda: ident not in sandboxes(machine))
    assert "kept" in machine.moss("snapshots", "sleep")
    assert machine.moss("restore", "sleep").strip() == ident
    hosts.wait_until("it runs again", lambda: sandboxes(machine)[ident]["state"] == "running")
    machine.moss("close", "--force", ident)
    machine.moss("snapshots", "--delete", "kept")


def test_program_that_does_not_exist(machine):
    before = set(sandboxes(machine))
    result = machine.run(["moss", "run", "no-such-program"], check=False)
    assert result.stderr == "moss: There is no app “no-such-program” on this computer\n", result
    assert result.returncode == 3, result
    assert set(sandboxes(machine)) == before


def test_files_in_and_out(machine):
    machine.run(["sh", "-c", "printf inside >~/'a b.txt'"])
    ident = start(machine, "--with", "/home/user/a b.txt", "--", "sh", "-c",
                  'cat "$0" >~/copied.txt; exec sleep 1000')
    hosts.wait_until("the copy", lambda: machine.run(
        ["moss", "cat", ident, "copied.txt"], check=False).stdout == "inside")
    names = machine.moss("files", ident).splitlines()
    assert "copied.txt" in names, names
    machine.moss("save-out", ident, "copied.txt", "/home/user/out.txt")
    assert machine.run(["cat", "/home/user/out.txt"]).stdout == "inside"
    missing = machine.run(["moss", "cat", ident, "nothing"], check=False)
    assert missing.returncode == 3 and "nothing" in missing.stderr, missing
    outside = machine.run(["moss", "cat", ident, "../../etc/passwd"], check=False)
    assert outside.returncode != 0 and outside.stdout == "", outside
    machine.moss("close", "--force", ident)
    wait_gone(machine, ident)
    kept = machine.run(["moss", "discard", ident], check=False)
    assert kept.returncode == 1 and "moss save-out" in kept.stderr, kept
    machine.moss("discard", "--force", ident)
    assert ident not in sandboxes(machine)


def test_names(machine):
    ident = start(machine, "sleep", "1234")
    assert sandboxes(machine)[ident]["argv"][-1] == "1234"
    assert ident in machine.moss("complete", "sandboxes").splitlines()
    machine.moss("close", "--force", "sleep")
    wait_gone(machine, ident)
    gone = machine.run(["moss", "close", "no-such-app"], check=False)
    assert gone.returncode == 3, gone


def test_messages_are_sentences(machine):
    for argv in (["cancel", "ffff"], ["snapshot", "zzzz"], ["restore", "zzzz"], ["send", "zzzz", "zzzz"]):
        result = machine.run(["moss", *argv], check=False)
        assert result.returncode in (1, 3) and result.stderr.startswith("moss: "), result
        assert "GDBus" not in result.stderr and "org.moss" not in result.stderr, result


if __name__ == "__main__":
    tap.need_root()
    with hosts.Lab(build=BUILD, names=("desktop",)) as lab:
        desktop = lab.machine("desktop")
        desktop.start_sandboxd()
        desktop.start_session()
        try:
            tap.run(globals(), desktop)
        finally:
            if os.environ.get("MOSS_TEST_LOGS"):
                print(desktop.log("session"), desktop.log("sandboxd"), file=sys.stderr)
