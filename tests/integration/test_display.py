#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real programs on a private display, seen and used through a scripted viewer."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hosts"))
import hosts  # noqa: E402
import tap  # noqa: E402

BUILD = os.path.abspath(os.environ.get("MOSS_BUILD", "build/dev"))
HOST = os.path.join(BUILD, "session", "display", "moss-display-host")
FRAMES = os.path.join(BUILD, "tests", "integration", "gl-frames")
SHOT = os.path.join(BUILD, "tests", "integration", "moss-viewer-shot")
KEYS = {"enter": 28, "ctrl": 29, "a": 30, "c": 46, "v": 47, "h": 35, "i": 23, "y": 21, "esc": 1}


class Viewer:
    """One moss-viewer-shot; say() sends a command and gives back what it answered."""

    def __init__(self, display):
        self.process = subprocess.Popen([SHOT, display.path("viewer")], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, bufsize=1)

    def say(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().rstrip("\n")
        if not answer.startswith("ok"):
            raise AssertionError(f"{command}: {answer or 'the viewer ended'}")
        return answer[3:]

    def state(self):
        return json.loads(self.say("state"))

    def keys(self, *names):
        for name in names:
            self.say(f"key {KEYS[name]}")

    def control(self, name):
        self.say(f"down {KEYS['ctrl']}")
        self.keys(name)
        self.say(f"up {KEYS['ctrl']}")

    def until(self, what, seconds=10):
        """Waits until what(state) is true and gives back that state."""
        end = time.monotonic() + seconds
        while True:
            state = self.state()
            if what(state):
                return state
            if time.monotonic() > end:
                raise AssertionError(f"still {json.dumps(state)}")
            self.say("wait 50")

    def kill(self):
        self.process.kill()
        self.process.wait()


class Display:
    """A display with its clients; everything ends with it."""

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="moss-display-")
        os.chmod(self.directory, 0o700)
        self.log = open(self.path("log"), "w", encoding="utf-8")
        self.host = subprocess.Popen([HOST, self.directory], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, stderr=self.log, text=True)
        assert self.host.stdout.readline() == "ready\n"
        self.apps = []
        self.viewers = []
        return self

    def __exit__(self, *error):
        for viewer in self.viewers:
            viewer.kill()
        for app in self.apps:
            try:
                os.killpg(app.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            app.wait()
        self.host.terminate()
        status = self.host.wait(10)
        self.host.stdout.close()
        self.log.close()
        if error[0] or status != 0:
            with open(self.path("log"), encoding="utf-8") as log:
                sys.stdout.write("".join("# " + line for line in log))
        self.remove()
        if not error[0] and status != 0:
            raise AssertionError(f"the display ended with {status}")

    def remove(self):
        """The portals of an app's bus mount their documents in the folder, and end a moment later."""
        documents = self.path("doc")

        def is_gone():
            subprocess.run(["umount", "--lazy", documents], capture_output=True, check=False)
            shutil.rmtree(self.directory, ignore_errors=True)
            return not os.path.lexists(self.directory)

        hosts.wait_until(f"{self.directory} is gone", is_gone, seconds=10)

    def path(self, name):
        return os.path.join(self.directory, name)

    def viewer(self):
        self.viewers.append(Viewer(self))
        return self.viewers[-1]

    def start(self, *argv, pass_fds=(), **more):
        if not shutil.which(argv[0]):
            raise tap.Skip(f"{argv[0]} is not installed")
        env = {name: value for name, value in os.environ.items()
               if name not in ("DISPLAY", "WAYLAND_SOCKET", "G_DEBUG")}
        env.update(XDG_RUNTIME_DIR=self.directory, WAYLAND_DISPLAY="wayland-0",
                   GDK_BACKEND="wayland", QT_QPA_PLATFORM="wayland", SDL_VIDEODRIVER="wayland",
                   GSK_RENDERER="cairo", LIBGL_ALWAYS_SOFTWARE="1", NO_AT_BRIDGE="1",
                   GTK_A11Y="none", HOME=self.directory, LC_ALL="C.UTF-8")
        env.update(more)
        app = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=self.log,
                               stderr=self.log, start_new_session=True, pass_fds=pass_fds)
        self.apps.append(app)
        return app


def start_mousepad(display):
    viewer = display.viewer()
    display.start("dbus-run-session", "--", "mousepad")
    viewer.say("windows 1")
    viewer.until(lambda state: state["text_input"]["enabled"])
    return viewer


def test_foot_takes_keys():
    with Display() as display:
        viewer = display.viewer()
        said = display.path("said")
        display.start("foot", "sh", "-c", f"read line; echo $line > {said}; read line")
        viewer.say("windows 1")
        viewer.say("settle 300")
        viewer.keys("h", "i", "enter")
        viewer.until(lambda state: os.path.exists(said) and os.path.getsize(said) == 3)
        window = viewer.state()["windows"][0]
        assert window["app_id"] == "foot" and window["server_decorated"], window


def test_foot_is_resized_and_closed():
    with Display() as display:
        viewer = display.viewer()
        app = display.start("foot")
        viewer.say("windows 1")
        viewer.say("configure 0 900 620 1")
        viewer.until(lambda state: state["windows"][0]["geometry"][2:] == [900, 620])
        viewer.say("close 0")
        viewer.say("windows 0")
        app.wait(5)


def test_the_host_keyboard_layout_counts():
    with Display() as display:
        viewer = start_mousepad(display)
        viewer.keys("y")
        viewer.say("keymap de")
        viewer.keys("y")
        viewer.until(lambda state: state["text_input"]["surrounding"] == "yz")


def test_gtk4_opens_a_menu_and_keeps_its_shadow():
    with Display() as display:
        viewer = display.viewer()
        display.start("gtk4-widget-factory")
        viewer.say("windows 1")
        viewer.say("wait 1500")
        window = viewer.state()["windows"][0]
        assert window["geometry"][0] > 0 and not window["server_decorated"], window
        viewer.say("move 118 378")
        viewer.say("wait 200")
        viewer.say("click")
        popup = viewer.until(lambda state: state["popups"])["popups"][0]
        assert popup["grabs"] and popup["parent"] == window["id"], popup
        viewer.keys("esc")
        viewer.until(lambda state: not state["popups"])


def test_gtk4_drags_its_own_title_bar():
    with Display() as display:
        viewer = display.viewer()
        display.start("gtk4-widget-factory")
        viewer.say("windows 1")
        viewer.say("wait 1500")
        viewer.say("move 200 64")
        viewer.say("wait 100")
        viewer.say("press 272")
        for step in range(1, 6):
            viewer.say(f"move {200 + 10 * step} 64")
        viewer.until(lambda state: "move" in state["requests"])


def test_gtk3_text_clipboard_and_input_method():
    with Display() as display:
        viewer = start_mousepad(display)
        viewer.keys("h", "i")
        viewer.until(lambda state: state["text_input"]["surrounding"] == "hi")
        viewer.say("offer 0 'text/plain;charset=utf-8' ' pasted'")
        viewer.control("v")
        viewer.say("wait 500")  # GTK 3 says what is there now only when a key follows
        viewer.control("a")
        viewer.until(lambda state: state["text_input"]["surrounding"] == "hi pasted")
        viewer.control("c")
        viewer.until(lambda state: "UTF8_STRING" in (state["clipboard"] or []))
        assert viewer.say("paste 0 UTF8_STRING") == "hi pasted"
        viewer.say("text grüße")
        viewer.until(lambda state: state["text_input"]["surrounding"] == "grüße")


def test_gtk3_takes_a_drop():
    with Display() as display:
        viewer = start_mousepad(display)
        assert viewer.say("drop 300 250 'text/plain;charset=utf-8' dropped") == "1"
        viewer.until(lambda state: "dropped" in state["text_input"]["surrounding"])


def test_qt_types_and_copies():
    with Display() as display:
        viewer = display.viewer()
        display.start("dbus-run-session", "--", "featherpad", "--standalone")
        viewer.say("windows 1")
        viewer.say("wait 1500")
        viewer.keys("h", "i")
        viewer.say("wait 200")
        viewer.control("a")
        viewer.control("c")
        viewer.until(lambda state: "text/plain" in (state["clipboard"] or []))
        assert viewer.say("paste 0 text/plain") == "hi"


def test_wl_clipboard_both_ways():
    with Display() as display:
        viewer = display.viewer()
        viewer.say("wait 100")
        display.start("wl-copy", "copied text")
        viewer.until(lambda state: "text/plain" in (state["clipboard"] or []))
        assert viewer.say("paste 0 text/plain") == "copied text"
        viewer.say("offer 0 text/plain hosttext")
        viewer.say("wait 100")
        paste = display.start("sh", "-c", "exec wl-paste -n -t text/plain > $HOME/pasted")
        paste.wait(10)
        with open(display.path("pasted"), encoding="utf-8") as pasted:
            assert pasted.read() == "hosttext"


def test_a_new_viewer_sees_the_same():
    with Display() as display:
        viewer = start_mousepad(display)
        viewer.keys("h", "i")
        viewer.until(lambda state: state["text_input"]["surrounding"] == "hi")
        viewer.say("settle 700")
        before = viewer.state()["windows"][0]
        viewer.kill()
        time.sleep(0.3)
        second = display.viewer()
        second.say("windows 1")
        after = second.state()["windows"][0]
        for what in ("id", "title", "app_id", "geometry", "buffer"):
            assert after[what] == before[what], (what, before, after)
        second.until(lambda state: state["text_input"]["surrounding"] == "hi")
        second.keys("y")
        second.until(lambda state: state["text_input"]["surrounding"] == "hiy")


def test_without_a_viewer_nothing_is_drawn():
    """Frame callbacks stop: an app that animates all the time uses next to no CPU."""
    with Display() as display:
        viewer = display.viewer()
        app = display.start("gtk4-widget-factory")
        viewer.say("windows 1")
        viewer.say("wait 1000")
        viewer.say("frames")
        viewer.say("wait 1000")
        assert int(viewer.say("frames")) > 10
        viewer.kill()
        time.sleep(1)

        def cpu():
            with open(f"/proc/{app.pid}/stat", encoding="utf-8") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

        before = cpu()
        time.sleep(3)
        assert cpu() - before < 0.15, cpu() - before


def test_a_killed_app_takes_only_its_window():
    with Display() as display:
        viewer = display.viewer()
        display.start("foot")
        viewer.say("windows 1")
        second = display.start("foot")
        viewer.say("windows 2")
        os.killpg(second.pid, signal.SIGKILL)
        viewer.say("windows 1")
        viewer.keys("h")


def test_a_hung_app_holds_up_nobody():
    with Display() as display:
        viewer = display.viewer()
        hung = display.start("foot")
        viewer.say("windows 1")
        os.killpg(hung.pid, signal.SIGSTOP)
        for x in range(2000):
            viewer.say(f"move {100 + x % 300} 100") if x % 100 == 0 else None
        viewer.say("close 0")
        display.start("foot")
        viewer.say("windows 2")
        viewer.until(lambda state: not state["windows"][0]["responsive"])
        assert viewer.state()["windows"][1]["responsive"]


def test_a_game_needs_no_quick_viewer():
    """Software GL has four buffers of a window, and crashes when all are kept from it."""
    with Display() as display:
        viewer = display.viewer()
        game = display.start(FRAMES)
        viewer.say("windows 1")

        def frames():
            with open(display.path("log"), encoding="utf-8") as log:
                told = [line.split()[1] for line in log if line.startswith("frames ")]
            return int(told[-1]) if told else 0

        hosts.wait_until("the game draws", lambda: frames() > 200)
        os.kill(viewer.process.pid, signal.SIGSTOP)
        before = frames()
        hosts.wait_until("it draws on", lambda: game.poll() is not None or frames() > before + 500)
        os.kill(viewer.process.pid, signal.SIGCONT)
        before = frames()
        hosts.wait_until("and on", lambda: game.poll() is not None or frames() > before + 500)
        assert game.poll() is None, f"the game ended with {game.returncode}"
        viewer.say(f"shot {display.path('game.png')}")


def test_xwayland_shows_one_window():
    if not shutil.which("Xwayland"):
        raise tap.Skip("Xwayland is not installed")
    with Display() as display:
        viewer = display.viewer()
        read_end, write_end = os.pipe()
        display.start("Xwayland", "-displayfd", str(write_end), "-noreset", pass_fds=[write_end])
        os.close(write_end)
        with os.fdopen(read_end, encoding="ascii") as pipe:
            number = pipe.readline().strip()
        assert number, "Xwayland did not start"
        display.start("mousepad", GDK_BACKEND="x11", DISPLAY=f":{number}",
                      DBUS_SESSION_BUS_ADDRESS="disabled:")
        viewer.say("windows 1")
        state = viewer.until(lambda state: state["windows"])
        assert state["windows"][0]["server_decorated"], state
        viewer.say("wait 1500")
        viewer.say(f"shot {display.path('x.png')}")
        assert os.path.getsize(display.path("x.png")) > 3000


if __name__ == "__main__":
    os.environ.pop("WAYLAND_DEBUG", None)
    tap.run(dict(globals()))
