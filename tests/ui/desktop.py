# SPDX-License-Identifier: GPL-3.0-or-later
"""A desktop of its own for one test: X server, bus, folders, a fixture for the session, and
the real shell in front of it, driven by real pointer and key events."""

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hosts"))
from waiting import Failure as Failed, wait_until  # noqa: E402

BUILD = os.environ.get("MOSS_BUILD", os.path.join(os.getcwd(), "build/dev"))
SHOTS = os.environ.get("MOSS_SHOTS")


class Lines:
    """The lines that a process writes, with waiting."""

    def __init__(self, stream):
        self.seen = []
        self.queue = queue.Queue()
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream):
        for line in stream:
            self.queue.put(line.rstrip("\n"))

    def expect(self, start, seconds=5):
        """The next line that begins so; earlier ones are skipped."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                line = self.queue.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                break
            self.seen.append(line)
            if line.startswith(start):
                return line
        raise Failed("no line “%s”; the last were: %s" % (start, self.seen[-8:]))

    def until(self, start, check, what, seconds=10):
        """The first of the lines that begin so for which check (line) is true."""
        end = time.monotonic() + seconds
        line = None
        try:
            while True:
                line = self.expect(start, max(0.05, end - time.monotonic()))
                if check(line):
                    return line
        except Failed:
            raise Failed("%s; the last was: %s" % (what, line)) from None

    def never(self, start, seconds=0.5):
        time.sleep(seconds)
        while not self.queue.empty():
            line = self.queue.get()
            self.seen.append(line)
            if line.startswith(start):
                raise Failed("unexpected: " + line)


class Desktop:
    def __init__(self, options=(), size="1280x800", locale="C.UTF-8", environment=None,
                 session=True, shell=True, direction=None):
        self.folder = tempfile.mkdtemp(prefix="moss-ui-")
        self.processes = []
        self.options = list(options)
        self.size = size
        self.shell = None
        self.environment = dict(os.environ)
        for name in ("WAYLAND_DISPLAY", "XDG_CURRENT_DESKTOP", "DBUS_SESSION_BUS_ADDRESS",
                     "LC_ALL", "LANGUAGE"):
            self.environment.pop(name, None)
        for name, part in (("XDG_RUNTIME_DIR", "run"), ("XDG_CONFIG_HOME", "config"),
                           ("XDG_DATA_HOME", "data"), ("XDG_CACHE_HOME", "cache"),
                           ("XDG_STATE_HOME", "state")):
            path = os.path.join(self.folder, part)
            os.mkdir(path, 0o700)
            self.environment[name] = path
        self._refuse_portals()
        self.environment.update({
            "LANG": locale, "GDK_BACKEND": "x11", "GSK_RENDERER": "cairo",
            "GSETTINGS_BACKEND": "memory", "GTK_A11Y": "none", "NO_AT_BRIDGE": "1",
            "MOSS_LOCALEDIR": os.path.join(BUILD, "po"),
            "G_DEBUG": os.environ.get("G_DEBUG", "fatal-criticals"), "TZ": "UTC",
        })
        self.environment.update(environment or {})
        self.reader = None
        self.layout_path = os.path.join(self.folder, "layout.json")
        self.environment["MOSS_SHELL_LAYOUT"] = self.layout_path
        self.prepare()
        try:
            self._start_display()
            self._start_bus()
            if session:
                self._start_session()
            if shell:
                self.start_shell()
        except BaseException:
            self.close()
            raise

    # ---- starting

    def _refuse_portals(self):
        """Keeps the machine's portals off the private bus: the document portal would mount a file
        system into the runtime folder, whose size a file dialog cannot always ask for."""
        services = os.path.join(self.folder, "data/dbus-1/services")
        os.makedirs(services)
        for name in ("org.freedesktop.portal.Desktop", "org.freedesktop.portal.Documents"):
            with open(os.path.join(services, name + ".service"), "w", encoding="utf-8") as file:
                file.write("[D-BUS Service]\nName=%s\nExec=/bin/false\n" % name)

    def prepare(self):
        """What a test puts into the folders before anything is started."""

    def spawn(self, command, **keywords):
        process = subprocess.Popen(command, env=self.environment, text=True, **keywords)
        self.processes.append(process)
        return process

    def _start_display(self):
        read, write = os.pipe()
        self.spawn(["Xvfb", "-displayfd", str(write), "-screen", "0", self.size + "x24",
                    "-nolisten", "tcp", "-noreset"], pass_fds=[write],
                   stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as stream:
            number = stream.readline().strip()
        if not number:
            raise Failed("Xvfb did not start")
        self.environment["DISPLAY"] = ":" + number

    def _start_bus(self):
        bus = self.spawn(["dbus-daemon", "--session", "--nofork", "--print-address"],
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.environment["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().strip()

    def _start_session(self):
        self.session = self.spawn([os.path.join(BUILD, "tests/ui/fake-session")],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.calls = Lines(self.session.stdout)
        self.calls.expect("ready")

    def start_shell(self):
        log = open(os.path.join(self.folder, "shell.log"), "a")
        self.shell = self.spawn([os.path.join(BUILD, "shell/moss-shell")] + self.options,
                                stderr=log, stdout=log)
        log.close()
        self.wait_for_window()

    def wait_for_window(self, seconds=15):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.shell.poll() is not None:
                raise Failed("the shell ended: " + self.log())
            found = subprocess.run(["xdotool", "search", "--onlyvisible", "--class",
                                    "moss-shell"], env=self.environment,
                                   capture_output=True, text=True)
            if found.stdout.split():
                self.window = found.stdout.split()[0]
                time.sleep(0.4)
                self.settle()
                return
            time.sleep(0.05)
        raise Failed("no window of the shell: " + self.log())

    def log(self):
        with open(os.path.join(self.folder, "shell.log")) as stream:
            return stream.read()

    # ---- doing

    def tell(self, *lines):
        for line in lines:
            self.session.stdin.write(line + "\n")
        self.session.stdin.flush()
        time.sleep(0.15)

    def xdotool(self, *words):
        subprocess.run(["xdotool"] + [str(word) for word in words], env=self.environment,
                       check=True)

    def move(self, x, y):
        self.xdotool("mousemove", x, y)
        time.sleep(0.05)

    def click(self, x, y, button=1):
        self.move(x, y)
        self.xdotool("click", button)
        time.sleep(0.25)

    def drag(self, points, hold=0.0, release=True):
        """Presses at the first point, goes through the others in small steps."""
        (x, y) = points[0]
        self.move(x, y)
        self.xdotool("mousedown", 1)
        for (to_x, to_y) in points[1:]:
            for step in range(1, 11):
                self.xdotool("mousemove", int(x + (to_x - x) * step / 10),
                             int(y + (to_y - y) * step / 10))
                time.sleep(0.012)
            (x, y) = (to_x, to_y)
        time.sleep(hold)
        if release:
            self.release()

    def release(self):
        self.xdotool("mouseup", 1)
        time.sleep(0.3)

    def key(self, *names):
        self.xdotool("key", *names)
        time.sleep(0.25)

    def type(self, text):
        self.xdotool("type", "--delay", 25, text)
        time.sleep(0.3)

    def start_app(self, sandbox, app, name, command, state="running"):
        """A real program on a real private display, shown as this sandbox."""
        folder = os.path.join(self.folder, "display-" + sandbox)
        os.mkdir(folder, 0o700)
        host = self.spawn([os.path.join(BUILD, "session/display/moss-display-host"), folder],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        line = host.stdout.readline()
        if not line.startswith("ready"):
            raise Failed("no display: " + line)
        threading.Thread(target=host.stdout.read, daemon=True).start()
        environment = dict(self.environment)
        environment.pop("DISPLAY")
        environment.update({"WAYLAND_DISPLAY": os.path.join(folder, "wayland-0"),
                            "GDK_BACKEND": "wayland", "QT_QPA_PLATFORM": "wayland",
                            "SDL_VIDEODRIVER": "wayland",
                            "XDG_RUNTIME_DIR": folder, "G_DEBUG": ""})
        program = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL)
        self.processes.append(program)
        self.tell("viewer %s %s" % (sandbox, os.path.join(folder, "viewer")),
                  "app %s %s %s %s" % (sandbox, app, name, state))
        self.calls.expect("connect " + sandbox)
        return program

    # ---- waiting: for what shall come about, never for a time

    def wait_until(self, what, check, seconds=15):
        """What check () gives as soon as that is true."""
        return wait_until(what, check, seconds, pause=0.05)

    def settle(self, seconds=15):
        """Until two looks at the screen, some frames apart, are the same."""
        pictures = [b""]

        def same():
            pictures.append(subprocess.run(["xwd", "-silent", "-root"], env=self.environment,
                                           capture_output=True, check=True).stdout)
            time.sleep(0.1)
            return pictures[-1] == pictures.pop(0)
        self.wait_until("a screen at rest", same, seconds)

    def wait_change(self, before, what, area=None, least=1, seconds=10):
        """A picture that differs from an earlier one by so many pixels."""
        path = os.path.join(self.folder, "waited.png")
        self.wait_until(what, lambda: self.differ(before, self._take(path), area) >= least, seconds)
        return path

    def wait_same(self, before, what, area=None, most=0, seconds=10):
        path = os.path.join(self.folder, "waited.png")
        self.wait_until(what, lambda: self.differ(before, self._take(path), area) <= most, seconds)
        return path

    def window_of(self, sandbox):
        """A window of the sandbox as the shell shows it now: x, y, w, h, active; or None."""
        try:
            with open(self.layout_path, encoding="utf-8") as stream:
                windows = json.load(stream)["windows"]
        except OSError:
            return None
        found = [one for one in windows if one["id"] == sandbox and one["live"]]
        return found[0] if found else None

    def wait_window(self, sandbox, check=lambda window: True, what="a window"):
        """A window that is drawn where the shell says."""
        def find():
            window = self.window_of(sandbox)
            return window if window is not None and check(window) else None
        window = self.wait_until("%s of %s" % (what, sandbox), find)
        self.settle()
        return window

    # ---- what a screen reader is told

    def seen(self, program):
        """All that a program shows, with place in its window; see accessible.py."""
        if self.reader is None:
            self.reader = self.spawn(["/usr/bin/python3", os.path.join(
                os.path.dirname(os.path.abspath(__file__)), "accessible.py")],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.reader.stdin.write(program + "\n")
        self.reader.stdin.flush()
        found = json.loads(self.reader.stdout.readline() or "[]")
        return [one for one in found if "visible" in one["states"] and one["w"] > 0]

    def named(self, text, program):
        """What has this text; best what is nothing but it."""
        found = [one for one in self.seen(program) if text in one["name"]]
        return sorted(found, key=lambda one: one["name"] != text)

    def wait_for(self, text, program, seconds=15, count=1):
        return self.wait_until("“%s”" % text, lambda: (lambda found: found if len(found) >= count
                                                       else None)(self.named(text, program)), seconds)

    def wait_for_end(self, text, program, seconds=15):
        self.wait_until("the end of “%s”" % text, lambda: not self.named(text, program), seconds)

    def press(self, text, program):
        """A click on what has this text."""
        one = self.wait_for(text, program)[0]
        self.click(one["x"] + one["w"] // 2, one["y"] + one["h"] // 2)

    def find_window(self, name, seconds=15):
        """The X window that is called so."""
        def find():
            return subprocess.run(["xdotool", "search", "--onlyvisible", "--name", "^%s$" % name],
                                  env=self.environment, capture_output=True, text=True,
                                  check=False).stdout.split()
        return self.wait_until("the window “%s”" % name, find, seconds)[0]

    # ---- looking

    def shot(self, name):
        """A screenshot; kept in $MOSS_SHOTS when that is set. Gives back its path."""
        folder = SHOTS or self.folder
        os.makedirs(folder, exist_ok=True)
        return self._take(os.path.join(folder, name + ".png"))

    def _take(self, path):
        subprocess.run("xwd -silent -root | convert xwd:- png:" + path, shell=True,
                       env=self.environment, check=True)
        return path

    def pixel(self, path, x, y):
        out = subprocess.run(["convert", path, "-format",
                              "%%[fx:int(255*p{%d,%d}.r)] %%[fx:int(255*p{%d,%d}.g)] "
                              "%%[fx:int(255*p{%d,%d}.b)]" % (x, y, x, y, x, y), "info:"],
                             capture_output=True, text=True, check=True).stdout
        return tuple(int(value) for value in out.split())

    def differ(self, one, other, area=None):
        """How many pixels differ visibly, in the whole or in a WxH+X+Y area."""
        crop = ["-crop", area, "+repage"] if area else []
        pictures = []
        for index, path in enumerate((one, other)):
            cut = os.path.join(self.folder, "cut-%d.png" % index)
            subprocess.run(["convert", path] + crop + [cut], check=True)
            pictures.append(cut)
        out = subprocess.run(["compare", "-metric", "AE", "-fuzz", "3%"] + pictures
                             + ["null:"], capture_output=True, text=True).stderr
        return int(float(out.split()[0]))

    # ---- ending

    def no_warnings(self):
        log = self.log()
        if "WARNING" in log or "CRITICAL" in log:
            raise Failed(log[:400])

    def check_alive(self):
        if self.shell.poll() is not None:
            raise Failed("the shell ended: " + self.log())

    def close(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(5)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *unused):
        if kind is not None and SHOTS:
            self.shot("failed-" + os.path.basename(self.folder))
        self.close()


DEVICES = ("device aa11 Laptop laptop linked 0.18 8",
           "device bb22 Workstation desktop linked 0.05 32",
           "device cc33 Cluster server linked 0.64 96",
           "device dd44 Tablet tablet away 0 8",
           "answer aa11 travels 200 3000000 58000000",
           "answer bb22 travels 400 61000000 0",
           "answer cc33 refuses 0 0 0 Can't travel: it uses the graphics card.")


def run(*tests):
    """Runs each function, says what failed, ends the program."""
    failed = 0
    for test in tests:
        try:
            test()
            print("ok", test.__name__, flush=True)
        except Failed as error:
            failed += 1
            print("not ok", test.__name__, "-", error, flush=True)
    sys.exit(1 if failed else 0)


signal.signal(signal.SIGTERM, lambda *unused: sys.exit(1))
