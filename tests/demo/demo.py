#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo: two machines, "desktop" and "laptop"; apps are dragged from one to the other.

Without a display (or with --headless) two virtual ones are used and a script drags with real
pointer events, types on at the other side, and writes OUT/report.json and screenshots. With one,
both shells open as windows on it, and the dragging is yours.
"""
import argparse
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "hosts"), HERE]
import apps  # noqa: E402
import desk as desks  # noqa: E402
import hosts  # noqa: E402
import letter  # noqa: E402
import screen as screens  # noqa: E402
import visible  # noqa: E402

SIZE = "1600x1000"


class Demo:
    """One run of the demo on two virtual displays."""

    def __init__(self, desk, out, names):
        self.desk, self.out = desk, out
        self.source, self.target = desk.lab.machine("desktop"), desk.lab.machine("laptop")
        self.screens = {machine: screens.Screen(machine, desk.displays[machine.name])
                        for machine in (self.source, self.target)}
        self.apps = [kind() for kind in apps.ALL if not names or kind.name in names]
        self.results = []

    def shoot(self, moment):
        for machine, screen in self.screens.items():
            screen.shoot(os.path.join(self.out, f"{moment}-{machine.name}.png"))

    def wait_tiles(self):
        for machine, screen in self.screens.items():
            peer = self.desk.ids[self.desk.other(machine).name]
            hosts.wait_until(f"{machine.name} shows the other machine",
                             lambda s=screen, p=peer: s.tile(p), 30)

    def start_app(self, app):
        screen = self.screens[self.source]
        print(f"  starting {app.name}", flush=True)
        app.start(self.source)
        screen.wait_window(app.sandbox)
        time.sleep(1.5)
        app.before(screen, screen.window(app.sandbox))

    def try_to_move(self, app):
        """move(), with a line that says what went wrong instead of an end of the demo."""
        print(f"  dragging {app.name} to the laptop", flush=True)
        try:
            line = self.move(app)
        except hosts.Failure as failure:
            line = {"app": app.name, "moved": False, "state_kept": False, "freeze_ms": -1,
                    "bytes_sent": -1, "seen": str(failure)}
            self.shoot(f"{self.file_name(app)}-9-failed")
        print("    " + json.dumps(line), flush=True)
        return line

    def file_name(self, app):
        return app.name.replace(" ", "-").replace("/", "")

    def move(self, app):
        """Drags one app over; returns its line of the report."""
        screen = self.screens[self.source]
        screen.raise_window(app.sandbox)
        screen.drag_to_tile(screen.window(app.sandbox), self.desk.ids[self.target.name],
                            during=lambda: self.shoot(f"{self.file_name(app)}-2-during"))
        there = self.screens[self.target]
        hosts.wait_until(f"{app.name} runs on the laptop",
                         lambda: desks.state(self.target, app.sandbox) == "running", 60)
        there.wait_window(app.sandbox)
        time.sleep(1.5)
        there.raise_window(app.sandbox)
        self.shoot(f"{self.file_name(app)}-3-after")
        kept, seen = app.after(there, there.window(app.sandbox))
        report = hosts.wait_until("the move's report", lambda: desks.sandboxes(self.target).get(
            app.sandbox, {}).get("report"), 10)
        return {"app": app.name, "moved": True, "state_kept": kept, "seen": seen,
                "freeze_ms": round(report["freeze-ms"], 1), "bytes_sent": report["bytes-sent"]}

    def run(self):
        self.wait_tiles()
        self.shoot("0-empty")
        for app in self.apps:
            self.start_app(app)
        self.shoot("1-before")
        for app in self.apps:
            self.results.append(self.try_to_move(app))
        self.shoot("4-all-moved")
        self.bring_back()
        self.shoot("5-brought-back")
        self.share_files()
        return self.results

    def share_files(self):
        """Both machines become one person's: a letter is on both, and its editor travels."""
        app = letter.Letter(self.target)
        print("  making both machines one person's, with files on /net", flush=True)
        letter.join(self.source, self.target)
        self.start_app(app)
        self.shoot("6-letter")
        self.results.append(self.try_to_move(app))

    def bring_back(self):
        """The last app comes back through the toast or, when that has gone, moss bring."""
        app = self.apps[-1]
        before = self.source
        print(f"  bringing {app.name} back", flush=True)
        toast = self.screens[before].layout().get("toast")
        if toast:
            self.screens[before].click(*toast)
            time.sleep(5)
        if desks.state(before, app.sandbox) != "running":
            before.moss("bring", app.sandbox, timeout=60)
        hosts.wait_until("it runs here again",
                         lambda: desks.state(before, app.sandbox) == "running", 60)
        self.screens[before].wait_window(app.sandbox)
        time.sleep(1.5)
        self.results[-1]["brought_back"] = True


def headless(arguments):
    with desks.Desk(arguments.build, shells=SIZE) as desk:
        demo = Demo(desk, arguments.out, arguments.apps)
        try:
            results = demo.run()
        except BaseException:
            demo.shoot("9-failed")
            keep_logs(desk, arguments.out)
            raise
        keep_logs(desk, arguments.out)
    with open(os.path.join(arguments.out, "report.json"), "w", encoding="utf-8") as file:
        json.dump({"apps": results}, file, indent=2)
        file.write("\n")
    good = all(one["moved"] and one["state_kept"] for one in results)
    print("\nEvery app moved and kept its state." if good else "\nNot every app moved with its state.")
    return 0 if good else 1


def keep_logs(desk, out):
    for machine in desk.machines():
        with open(os.path.join(out, machine.name + "-processes.txt"), "w", encoding="utf-8") as file:
            file.write(machine.root_run(["ps", "-eo", "pid,ppid,stat,uid,comm,args"]).stdout)
        for name in os.listdir(machine.logs):
            with open(os.path.join(out, f"{machine.name}-{name}"), "w", encoding="utf-8") as file:
                file.write(machine.log(name[:-4]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build/dev")
    parser.add_argument("--out", default="build/demo")
    parser.add_argument("--headless", action="store_true", help="virtual displays, also with a real one")
    parser.add_argument("--apps", nargs="*", help="only these")
    arguments = parser.parse_args()
    os.makedirs(arguments.out, exist_ok=True)
    for name in os.listdir(arguments.out):
        os.unlink(os.path.join(arguments.out, name))
    has_display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if has_display and not arguments.headless and not os.environ.get("CI"):
        return visible.run(arguments.build)
    return headless(arguments)


if __name__ == "__main__":
    sys.exit(main())
