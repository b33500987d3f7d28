#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""An app in a sandbox asks for functions, and moves while calls are under way: a pure call is asked
again at the target, another one gets an error, and nothing hangs."""
import os
import shutil
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hosts"))
import desk as desks  # noqa: E402
import hosts  # noqa: E402
import tap  # noqa: E402

BUILD = os.environ.get("MOSS_BUILD", "build/dev")
TOOL = "/usr/local/bin/ffi-slow"
LOG = "/home/moss/log"


def lines(machine):
    """What the app has written: (function, number, answer)."""
    found = []
    for text in desks.inside(machine, LOG):
        for line in text.splitlines():
            fields = line.split(" ", 2)
            if len(fields) == 3:
                found.append((fields[0], int(fields[1]), fields[2]))
    return found


def answers(machine, function, name):
    return sum(1 for what, _, answer in lines(machine) if what == function and answer == name)


def give_tool(desk):
    for machine in desk.machines():
        shutil.copy(os.path.join(BUILD, "tests/integration/ffi-slow"), machine.path(TOOL))
        machine.start("offer", [TOOL, "offer", machine.name])
        hosts.wait_until("its functions are offered", seconds=20, check=lambda one=machine:
                         "generate once" in one.moss("fn", "list"))


def wait_answers(machine, name, count, seconds=20):
    for function in ("turn", "once"):
        hosts.wait_until(f"{count} answers of {name} for {function}",
                         lambda one=function: answers(machine, one, name) >= count, seconds)


def test_functions_in_a_sandbox(desk):
    desktop = desk.lab.machine("desktop")
    desk.sandbox = desks.run_app(desktop, TOOL, "ask", LOG)
    wait_answers(desktop, "desktop", 2)
    assert not [one for one in lines(desktop) if one[2].startswith("error")], lines(desktop)


def test_move_during_calls(desk):
    desktop, laptop = desk.lab.machine("desktop"), desk.lab.machine("laptop")
    for source, target in ((desktop, laptop), (laptop, desktop)):
        before = len(lines(source))
        done = answers(source, "turn", target.name)
        time.sleep(0.3)  # calls take 0.7 s and follow one another: both are under way
        desk.send(source, desk.sandbox)
        wait_answers(target, target.name, done + 2)
        after = lines(target)[before:]
        errors = [one for one in after if one[2].startswith("error")]
        assert all(one[0] == "once" for one in errors), errors
        assert 1 <= len(errors) <= 3, after
        numbers = [number for what, number, _ in lines(target) if what == "turn"]
        assert numbers == list(range(1, len(numbers) + 1)), "each call has one answer"


def test_broker_killed(desk):
    """Those who wait get an answer or an error, and it goes on."""
    desktop = desk.lab.machine("desktop")
    done = answers(desktop, "turn", "desktop")
    for pid in desktop.pids("moss-ffi-broker"):
        os.kill(pid, 9)
    wait_answers(desktop, "desktop", done + 2)


if __name__ == "__main__":
    tap.need_root()
    with desks.Desk(BUILD) as test_desk:
        give_tool(test_desk)
        tap.run(globals(), test_desk)
