#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves, snapshots and log-outs of real apps, through two whole sessions and the command line."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hosts"))
import desk as desks  # noqa: E402
import hosts  # noqa: E402
import tap  # noqa: E402

BUILD = os.environ.get("MOSS_BUILD", "build/dev")
SESSION = ("org.moss.Session1", "/org/moss/Session")


def count(machine, nonce=None):
    """The counter on a machine: its number and how far it is, or None."""
    for text in desks.inside(machine, "/home/moss/count"):
        fields = text.split()
        if len(fields) == 2 and nonce in (None, fields[0]):
            return fields[0], int(fields[1])
    return None


def start_counter(machine):
    sandbox = desks.run_app(machine, "/bin/sh", "-c", desks.COUNTER)
    nonce, _ = hosts.wait_until("the counter counts", lambda: count(machine), seconds=20)
    return sandbox, nonce


def assert_counts(machine, nonce, above):
    hosts.wait_until(f"it counts on on {machine.name}",
                     lambda: (count(machine, nonce) or ("", 0))[1] > above, seconds=10)


def end(desk, sandbox):
    for machine in desk.machines():
        machine.run(["moss", "close", "--force", sandbox], check=False)
    hosts.wait_until("it is gone", lambda: not any(desks.sandboxed(one) for one in desk.machines()),
                     seconds=15)
    for machine in desk.machines():
        machine.run(["moss", "discard", "--force", sandbox], check=False)


def pair_of(desk):
    return desk.lab.machine("desktop"), desk.lab.machine("laptop")


def test_counter_goes_and_comes_back(desk):
    desktop, laptop = pair_of(desk)
    sandbox, nonce = start_counter(desktop)
    before = count(desktop, nonce)[1]
    report = desk.send(desktop, sandbox)
    assert_counts(laptop, nonce, before)
    assert desks.state(desktop, sandbox) == "away", desks.sandboxes(desktop)
    assert desks.state(laptop, sandbox) == "running"
    assert count(desktop, nonce) is None
    assert 0 < report["freeze-ms"] < 5000, report
    assert report["bytes-sent"] > 0 and report["image-bytes"] > 0, report
    assert {"dump", "compare", "there-restore"} <= {name for name, _ in report["stages"]}, report
    for machine in (desktop, laptop):
        hosts.wait_until(f"{machine.name} shows the report", seconds=5, check=lambda one=machine:
                         desks.sandboxes(one)[sandbox].get("report") == report)
    before = count(laptop, nonce)[1]
    desktop.moss("bring", sandbox)
    assert_counts(desktop, nonce, before)
    assert desks.state(laptop, sandbox) in ("", "away")
    end(desk, sandbox)


def test_a_list_too_long_for_a_message(desk):
    """It goes as objects then; here messages are said to be small."""
    desktop, laptop = pair_of(desk)
    sandbox, nonce = start_counter(desktop)
    for machine in (desktop, laptop):
        desk.arm(machine, "parcel.small:fail")
    before = count(desktop, nonce)[1]
    desk.send(desktop, sandbox)
    assert_counts(laptop, nonce, before)
    before = count(laptop, nonce)[1]
    desktop.moss("bring", sandbox)
    assert_counts(desktop, nonce, before)
    for machine in (desktop, laptop):
        desk.disarm(machine)
    end(desk, sandbox)


def test_way_back_is_short(desk):
    """What both know does not travel again."""
    desktop, laptop = pair_of(desk)
    sandbox = desks.run_app(desktop, "gtk4-widget-factory")
    hosts.wait_until("it runs", lambda: any(name.startswith("gtk4-widget")
                                            for _, name in desks.sandboxed(desktop)), seconds=20)
    time.sleep(3)
    desk.send(desktop, sandbox)
    time.sleep(2)
    report = desk.send(laptop, sandbox)
    assert report["bytes-sent"] <= 0.10 * report["image-bytes"], report
    end(desk, sandbox)


def test_differing_libraries_travel(desk):
    """The app goes on with the files that it was started with."""
    desktop, laptop = pair_of(desk)
    sandbox = desks.run_app(desktop, "gtk4-widget-factory")
    time.sleep(3)
    mapped = mapped_files(desktop, "gtk4-widget-fac")
    desk.send(desktop, sandbox)
    after = mapped_files(laptop, "gtk4-widget-fac")
    assert mapped and mapped == after, (len(mapped), len(after), mapped ^ after)
    end(desk, sandbox)


def mapped_files(machine, program):
    pids = [pid for pid, name in desks.sandboxed(machine) if name == program]
    with open(f"/proc/{pids[0]}/maps", encoding="utf-8") as maps:
        rows = [line.split() for line in maps]
    return {row[5] for row in rows if len(row) > 5 and row[5].startswith("/usr/")}


def test_blocker_is_named_and_it_runs_on(desk):
    desktop, _ = pair_of(desk)
    script = "ipcmk -Q; while :; do n=$((n + 1)); echo $n >/home/moss/n; sleep 0.05; done"
    sandbox = desks.run_app(desktop, "/bin/sh", "-c", script)
    time.sleep(1.5)
    result = desktop.run(["moss", "send", sandbox, desk.ids["laptop"]], check=False)
    assert result.returncode == 4, result
    assert result.stderr.strip().count("\n") <= 1 and "message queue" in result.stderr, result.stderr
    assert desks.state(desktop, sandbox) == "running"
    first = desks.inside(desktop, "/home/moss/n")
    time.sleep(0.5)
    assert desks.inside(desktop, "/home/moss/n") != first
    end(desk, sandbox)


def test_what_can_travel_is_kept_fresh(desk):
    """While somebody looks at the list, it says within half a minute what keeps an app here."""
    desktop, _ = pair_of(desk)
    sandbox = desks.run_app(desktop, "/bin/sh", "-c", "sleep 7; ipcmk -Q; sleep 1000")
    hosts.wait_until("it runs", lambda: desks.state(desktop, sandbox) == "running", seconds=10)
    time.sleep(4)
    assert desks.sandboxes(desktop)[sandbox]["travels"] is True
    hosts.wait_until("the list says that it can't travel", seconds=45, pause=2, check=lambda:
                     "message queue" in " ".join(desks.sandboxes(desktop)[sandbox]["blockers"]))
    assert desks.sandboxes(desktop)[sandbox]["travels"] is False
    end(desk, sandbox)


def test_preflight_answers_at_once(desk):
    desktop, _ = pair_of(desk)
    sandbox, _ = start_counter(desktop)
    answer = desktop.call(*SESSION, "org.moss.Session1.Preflight", sandbox, desk.ids["laptop"])
    assert "'travels': <true>" in answer, answer
    time.sleep(0.5)
    answer = desktop.call(*SESSION, "org.moss.Session1.Preflight", sandbox, desk.ids["laptop"])
    assert "'exact': <true>" in answer and "'bytes': <uint64 0>" not in answer, answer
    end(desk, sandbox)


def test_cancel_keeps_it_here(desk):
    desktop, laptop = pair_of(desk)
    sandbox, nonce = start_counter(desktop)
    desk.arm(desktop, "move.source.copied-ahead:sleep=1000")
    sending = desktop.popen(["moss", "send", sandbox, desk.ids["laptop"]])
    hosts.wait_until("it is leaving", lambda: desks.state(desktop, sandbox) == "leaving", seconds=10)
    desktop.call(*SESSION, "org.moss.Session1.Cancel", sandbox)
    assert sending.wait(timeout=20) != 0
    desk.disarm(desktop)
    before = count(desktop, nonce)[1]
    assert_counts(desktop, nonce, before)
    assert desks.state(desktop, sandbox) == "running"
    hosts.wait_until("the target forgets it", lambda: desks.state(laptop, sandbox) == "", seconds=10)
    end(desk, sandbox)


def cancel_at(desk, machine, point):
    """Cancels a move that waits for somebody at a step; how long that takes."""
    desktop, laptop = pair_of(desk)
    sandbox, nonce = start_counter(desktop)
    desk.arm(machine, f"{point}:sleep=6000")
    sending = desktop.popen(["moss", "send", sandbox, desk.ids["laptop"]])
    time.sleep(1.5)
    assert sending.poll() is None, point
    began = time.monotonic()
    desktop.call(*SESSION, "org.moss.Session1.Cancel", sandbox)
    assert sending.wait(timeout=20) != 0
    before = count(desktop, nonce)[1]
    assert_counts(desktop, nonce, before)
    took = time.monotonic() - began
    desk.disarm(machine)
    assert desks.state(desktop, sandbox) == "running", point
    hosts.wait_until("the target forgets it", lambda: desks.state(laptop, sandbox) == ""
                     and not desks.sandboxed(laptop), seconds=15)
    end(desk, sandbox)
    return took


def test_cancel_acts_at_every_step(desk):
    """Also while the other device is at it, and while the app stands still."""
    _, laptop = pair_of(desk)
    took = {point: cancel_at(desk, laptop, point) for point in
            ("move.target.offered", "move.target.ahead", "move.target.manifest",
             "move.target.fetched", "move.target.restored")}
    assert max(took.values()) < 1.5, took


def test_bringing_back_can_be_cancelled(desk):
    desktop, laptop = pair_of(desk)
    sandbox, nonce = start_counter(desktop)
    desk.send(desktop, sandbox)
    desk.arm(desktop, "move.target.ahead:sleep=6000")
    bringing = desktop.popen(["moss", "bring", sandbox])
    time.sleep(1.5)
    assert bringing.poll() is None
    began = time.monotonic()
    desktop.call(*SESSION, "org.moss.Session1.Cancel", sandbox)
    assert bringing.wait(timeout=20) != 0 and time.monotonic() - began < 1.5
    desk.disarm(desktop)
    assert_counts(laptop, nonce, count(laptop, nonce)[1])
    hosts.wait_until("it is shown as away again", seconds=15,
                     check=lambda: desks.state(desktop, sandbox) == "away")
    end(desk, sandbox)


def test_cancel_over_a_slow_link(desk):
    desktop, _ = pair_of(desk)
    sandbox = desks.run_app(desktop, "sh", "-c",
                            "kept=$(head -c 20000000 /dev/urandom | base64); sleep 1000")
    time.sleep(1.5)
    desk.lab.limit("laptop", "4mbit")
    try:
        sending = desktop.popen(["moss", "send", sandbox, desk.ids["laptop"]])
        time.sleep(3)
        assert sending.poll() is None
        began = time.monotonic()
        desktop.call(*SESSION, "org.moss.Session1.Cancel", sandbox)
        assert sending.wait(timeout=20) != 0 and time.monotonic() - began < 1.5
        assert desks.state(desktop, sandbox) == "running"
    finally:
        desk.lab.limit("laptop", "")
    end(desk, sandbox)


def test_snapshot_go_back_and_copy(desk):
    desktop, _ = pair_of(desk)
    sandbox, nonce = start_counter(desktop)
    saved = desktop.moss("snapshot", sandbox, "here").split()[-1]
    at = count(desktop, nonce)[1]
    time.sleep(2)
    assert count(desktop, nonce)[1] > at + 15
    later = count(desktop, nonce)[1]
    desktop.moss("restore", saved)
    assert count(desktop, nonce)[1] < later, "it did not go back"
    assert_counts(desktop, nonce, at)
    kinds = [one["kind"] for one in json.loads(desktop.moss("snapshots", "--json", sandbox))]
    assert kinds.count("undo") == 1 and kinds.count("manual") == 1, kinds
    copy = desktop.moss("restore", "--copy", saved).split()[-1]
    assert copy != sandbox
    hosts.wait_until("both run", lambda: len(desks.inside(desktop, "/home/moss/count")) == 2,
                     seconds=10)
    desktop.moss("close", "--force", copy)
    end(desk, sandbox)


def test_logout_and_login(desk):
    desktop, _ = pair_of(desk)
    sandbox, nonce = start_counter(desktop)
    desktop.call(*SESSION, "org.moss.Session1.SetGeometry", sandbox, "<(10, 20, 300, 200)>")
    desktop.moss("logout")
    hosts.wait_until("nothing of it runs", lambda: not desks.sandboxed(desktop), seconds=10)
    hosts.wait_until("the session ended", lambda: not desktop.pids("moss-session"), seconds=10)
    desk.start(desktop)
    hosts.wait_until("it is back", lambda: desks.state(desktop, sandbox) == "running", seconds=20)
    assert_counts(desktop, nonce, 0)
    told = desktop.call(*SESSION, "org.moss.Session1.Describe", sandbox)
    assert "(10, 20, 300, 200)" in told, told
    desk.wait_linked()
    end(desk, sandbox)


def test_killed_app_is_offered_from_its_snapshot(desk):
    desktop, _ = pair_of(desk)
    sandbox, nonce = start_counter(desktop)
    desktop.moss("snapshot", sandbox)
    for pid, name in desks.sandboxed(desktop):
        if name == "moss-init":
            os.kill(pid, 9)
    hosts.wait_until("it is offered", lambda: desks.state(desktop, sandbox) == "stored", seconds=10)
    assert desks.sandboxes(desktop)[sandbox]["text"], "nothing is said"
    desktop.moss("restore", sandbox)
    assert_counts(desktop, nonce, 0)
    end(desk, sandbox)


def test_files_come_in_as_arguments(desk):
    desktop, _ = pair_of(desk)
    desktop.run(["sh", "-c", "echo from outside >~/note.txt"])
    script = 'cat "$1" >copy; while :; do sleep 1; done'
    with_file = desktop.run(["sh", "-c", "cd && exec moss run --with note.txt -- /bin/sh -c \"$1\" sh", "sh",
                             script]).stdout.split()[-1]
    hosts.wait_until("it read the file",
                     lambda: desks.inside(desktop, "/home/moss/copy") == ["from outside\n"], seconds=10)
    end(desk, with_file)


def test_settings_reach_apps(desk):
    desktop, _ = pair_of(desk)
    sandbox = desks.run_app(desktop, "foot")
    time.sleep(1)
    desktop.call(*SESSION, "org.moss.Session1.SetSettings", "{'color-scheme': <'prefer-dark'>}")
    hosts.wait_until("the app's settings say so", lambda: "prefer-dark" in "".join(
        desks.inside(desktop, "/home/moss/.config/glib-2.0/settings/keyfile")), seconds=10)
    later = desks.run_app(desktop, "foot")
    hosts.wait_until("those of a later one too", lambda: "".join(desks.inside(
        desktop, "/home/moss/.config/glib-2.0/settings/keyfile")).count("prefer-dark") >= 2, seconds=10)
    desktop.moss("close", "--force", later)
    end(desk, sandbox)


def test_files_are_not_lost(desk):
    desktop, _ = pair_of(desk)
    sandbox = desks.run_app(desktop, "/bin/sh", "-c", "echo hello >letter.txt")
    hosts.wait_until("it ended", lambda: desks.state(desktop, sandbox) == "ended", seconds=10)
    assert desks.sandboxes(desktop)[sandbox]["files"] == 1
    desktop.run(["sh", "-c", f"cd && rm -f letter.txt && moss save-out {sandbox} letter.txt ."])
    with open(desktop.path("/home/user/letter.txt"), encoding="utf-8") as letter:
        assert letter.read() == "hello\n"
    desktop.moss("discard", "--force", sandbox)
    assert desks.state(desktop, sandbox) == ""
    quiet = desks.run_app(desktop, "true")
    hosts.wait_until("one without files goes", lambda: desks.state(desktop, quiet) == "", seconds=10)


def test_app_closed_there_is_not_away_here(desk):
    """The source learns that what it sent has ended."""
    desktop, laptop = pair_of(desk)
    sandbox, _ = start_counter(desktop)
    desk.send(desktop, sandbox)
    laptop.moss("close", "--force", sandbox)
    hosts.wait_until("the source knows",
                     lambda: "closed" in desks.sandboxes(desktop)[sandbox]["text"], seconds=15)
    laptop.moss("discard", "--force", sandbox)
    hosts.wait_until("nothing is left", lambda: desks.state(desktop, sandbox) == "", seconds=15)


def test_what_keeps_an_app_with_files_on_net_here(desk):
    """The last one: from here on the desktop has an identity, and its apps have /net."""
    desktop, _ = pair_of(desk)
    home = "/net/me@example.org"
    desktop.moss("identity", "create", "me@example.org", "--no-passphrase")
    hosts.wait_until("/net is there", lambda: desktop.run(["touch", home + "/doc"], check=False)
                     .returncode == 0, seconds=20)
    refused = {}
    for script in ("sleep 1000", f"exec 3<{home}/doc; rm {home}/doc; sleep 1000"):
        sandbox = desks.run_app(desktop, "/bin/sh", "-c", script)
        time.sleep(1)
        result = desktop.run(["moss", "send", sandbox, desk.ids["laptop"]], check=False)
        assert result.returncode != 0 and result.stderr.strip().count("\n") <= 1, result
        assert desks.state(desktop, sandbox) == "running"
        refused[script] = result.stderr
        answer = desktop.call(*SESSION, "org.moss.Session1.Preflight", sandbox, desk.ids["laptop"])
        assert "'travels': <false>" in answer and "/net" in answer, answer
        end(desk, sandbox)
    first, second = refused.values()
    assert "it has /net, and that device has none" in first, first
    assert f"{home}/doc open, which was removed from /net" in second, second


if __name__ == "__main__":
    tap.need_root()
    with desks.Desk(BUILD) as test_desk:
        tap.run(globals(), test_desk)
