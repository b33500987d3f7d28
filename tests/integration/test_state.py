#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""State of programs without a window over several moves: the program itself (state-keeper) looks
whether all of it is still there. What can't travel says so before anything is frozen."""
import os
import shutil
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hosts"))
import desk as desks  # noqa: E402
import hosts  # noqa: E402
import tap  # noqa: E402

BUILD = os.environ.get("MOSS_BUILD", "build/dev")
HOPS = 3
KINDS = ["threads", "children", "task", "memory", "sysv", "files", "inotify", "channels", "events",
         "clocks", "unix", "inet"]


def said(machine, kind):
    """What a keeper wrote: ("ok", looks), or (what is broken, 0)."""
    for text in desks.inside(machine, f"/home/moss/state/{kind}"):
        words = text.strip().split(" ")
        if words[0] == "ok":
            return "ok", int(words[1])
        return text.strip(), 0
    return "", 0


def keep(machine, *kinds):
    sandbox = desks.run_app(machine, "/usr/local/bin/state-keeper", *kinds)
    for kind in kinds:
        hosts.wait_until(f"{kind} began", lambda one=kind: said(machine, one)[0], seconds=15)
    return sandbox


def end(desk, sandbox):
    for machine in desk.machines():
        machine.run(["moss", "close", "--force", sandbox], check=False)
    hosts.wait_until("it is gone", lambda: not any(desks.sandboxed(one) for one in desk.machines()),
                     seconds=15)
    for machine in desk.machines():
        machine.run(["moss", "discard", "--force", sandbox], check=False)


def assert_kept(machine, kinds, before):
    """Each has looked again since and found nothing broken."""
    deadline = time.monotonic() + 15
    late = set(kinds)
    while late and time.monotonic() < deadline:
        late = {kind for kind in late if said(machine, kind)[0] == "ok"
                and said(machine, kind)[1] <= before[kind] + 2}
        time.sleep(0.1)
    broken = {kind: said(machine, kind) for kind in kinds if said(machine, kind)[0] != "ok"}
    assert not broken and not late, (broken, late)


def hop_thrice(desk, sandbox):
    source, target = desk.lab.machine("desktop"), desk.lab.machine("laptop")
    assert_kept(source, KINDS, {kind: 0 for kind in KINDS})
    for _ in range(HOPS):
        before = {kind: said(source, kind)[1] for kind in KINDS}
        desk.send(source, sandbox)
        assert_kept(target, KINDS, before)
        source, target = target, source


def test_state_is_kept_over_moves(desk):
    sandbox = keep(desk.lab.machine("desktop"), *KINDS)
    try:
        hop_thrice(desk, sandbox)
    finally:
        end(desk, sandbox)


def assert_named(desk, kind, *words):
    """The pre-flight says why, sending is refused, and the app runs on."""
    desktop = desk.lab.machine("desktop")
    sandbox = keep(desktop, kind)
    try:
        assert_refused(desktop, desk.ids["laptop"], sandbox, kind, words)
    finally:
        end(desk, sandbox)


def assert_refused(desktop, device, sandbox, kind, words):
    hosts.wait_until("the pre-flight knows", lambda: desktop.run(
        ["moss", "preflight", sandbox, device], check=False).returncode == 4, seconds=5)
    result = desktop.run(["moss", "send", sandbox, device], check=False)
    assert result.returncode != 0 and all(word in result.stderr for word in words), result.stderr
    assert_kept(desktop, [kind], {kind: said(desktop, kind)[1]})


def test_message_queue_is_named(desk):
    assert_named(desk, "msgqueue", "message queue")


def test_posix_message_queue_is_named(desk):
    assert_named(desk, "mqueue", "message queue")


def test_aio_is_named(desk):
    assert_named(desk, "aio", "asynchronous")


def test_counting_event_is_named(desk):
    """Newer kernels tell which event descriptors count; older ones don't."""
    with open("/proc/sys/kernel/osrelease", encoding="utf-8") as release:
        major, minor = (int(part) for part in release.read().split(".")[:2])
    if (major, minor) < (6, 7):
        raise tap.Skip("this kernel does not tell")
    assert_named(desk, "semaphore", "event")


def test_a_crowd_travels(desk):
    """100 processes and 300 threads: more images than a message carries descriptors."""
    desktop, laptop = desk.lab.machine("desktop"), desk.lab.machine("laptop")
    sandbox = keep(desktop, "many")
    try:
        for source, target in ((desktop, laptop), (laptop, desktop)):
            before = {"many": said(source, "many")[1]}
            desk.send(source, sandbox)
            assert_kept(target, ["many"], before)
    finally:
        end(desk, sandbox)


if __name__ == "__main__":
    tap.need_root()
    with desks.Desk(BUILD) as test_desk:
        for one in test_desk.machines():
            shutil.copy(os.path.join(BUILD, "tests/integration/state-keeper"),
                        one.path("/usr/local/bin/state-keeper"))
        tap.run(globals(), test_desk)
