# SPDX-License-Identifier: GPL-3.0-or-later
"""The Functions page, as a program and as a sheet of the shell, with the broker that the bus starts and
with real bridges: found and read as a screen reader does, used by pointer and keys."""

import os
import shutil
import signal
import struct
import subprocess
import zlib

from desktop import BUILD, Desktop, Failed, run

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
BROKER = os.path.join(BUILD, "ffi-broker/broker/moss-ffi-broker")
MOSS = os.path.join(BUILD, "session/cli/moss")
SLOW = os.path.join(BUILD, "tests/integration/ffi-slow")
BRIDGE = os.path.join(BUILD, "ffi-broker/bridges/pixbuf.so")
ONCE = "generate once() -> application/x-moss-value,type=s"
FUNCTIONS = "moss-functions"
ENCODE = "encode → image/png"


def picture(path, width=640, height=480):
    """A PNG with a gradient."""
    rows = b"".join(b"\0" + bytes(value for x in range(width) for value in (x % 256, y % 256, 99))
                    for y in range(height))
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for name, data in ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
                           (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
            file.write(struct.pack(">I", len(data)) + name + data
                       + struct.pack(">I", zlib.crc32(name + data)))


class Functions(Desktop):
    """A desktop on which D-Bus can start the broker, which has gdk-pixbuf and gzip."""

    def __init__(self, shell=False, environment=None, **keywords):
        given = {"GTK_A11Y": "atspi", "GIO_USE_VFS": "local", "GIO_USE_VOLUME_MONITOR": "unix",
                 "MOSS_LIBEXECDIR": os.path.join(BUILD, "ffi-broker/worker")}
        given.update(environment or {})
        super().__init__(session=shell, shell=shell, environment=given, **keywords)

    def prepare(self):
        """Before there is a bus."""
        share = os.path.join(self.folder, "share")
        bridges = os.path.join(self.folder, "bridges")
        services = os.path.join(self.folder, "data/dbus-1/services")
        manifests = os.path.join(share, "moss/functions")
        self.broker_link = os.path.join(self.folder, "moss-ffi-broker")
        for folder in (bridges, manifests):
            os.makedirs(folder)
        for name in ("pixbuf", "exec"):
            shutil.copy(os.path.join(BUILD, "ffi-broker/bridges", name + ".so"), bridges)
        shutil.copy(os.path.join(SOURCE, "data/mossfn/gzip.mossfn"), manifests)
        os.mkdir(os.path.join(share, "applications"))
        shutil.copy(os.path.join(SOURCE, "data/org.moss.Functions.desktop.in"),
                    os.path.join(share, "applications/org.moss.Functions.desktop"))
        with open(os.path.join(services, "org.moss.FunctionBroker1.service"), "w",
                  encoding="utf-8") as file:
            file.write("[D-BUS Service]\nName=org.moss.FunctionBroker1\nExec=%s\n" % self.broker_link)
        os.symlink(BROKER, self.broker_link)
        self.environment.update(MOSS_FFI_BRIDGES=bridges, XDG_DATA_DIRS=share + ":/usr/share",
                                PATH=os.path.join(BUILD, "shell") + ":" + self.environment["PATH"])

    def open_page(self, *options):
        log = open(os.path.join(self.folder, "shell.log"), "a", encoding="utf-8")
        self.shell = self.spawn([os.path.join(BUILD, "shell/moss-functions"), *options], stderr=log,
                                stdout=log)
        log.close()
        self.wait_for(ENCODE, FUNCTIONS, seconds=30)

    def broker(self):
        """Its process, or None."""
        out = subprocess.run(["gdbus", "call", "--session", "--dest", "org.freedesktop.DBus",
                              "--object-path", "/org/freedesktop/DBus", "--method",
                              "org.freedesktop.DBus.GetConnectionUnixProcessID",
                              "org.moss.FunctionBroker1"], env=self.environment,
                             capture_output=True, text=True, check=False).stdout
        return int(out.split()[1].rstrip(",)")) if out else None

    def bench(self, request):
        """Has it measured now, however busy the computer is."""
        subprocess.run([MOSS, "fn", "bench", request], env=self.environment, check=True, timeout=60,
                       stdout=subprocess.DEVNULL)

    def kill_broker(self):
        os.kill(self.broker(), signal.SIGKILL)

    def close(self):
        process = self.broker() if "DBUS_SESSION_BUS_ADDRESS" in self.environment else None
        if process is not None:
            os.kill(process, signal.SIGTERM)
        super().close()


def lists_searches_and_shows_costs():
    with Functions() as desktop:
        desktop.open_page()
        desktop.press("What do you need?", FUNCTIONS)
        desktop.type("encode png")
        desktop.key("Return")
        desktop.wait_for(ENCODE, FUNCTIONS, count=2)  # as a title, too
        desktop.wait_for("gdk-pixbuf", FUNCTIONS)
        desktop.bench("encode(video/x-raw) -> image/png")
        desktop.wait_for("Costs by size", FUNCTIONS)
        desktop.settle()
        found = desktop.shot("functions-costs")
        desktop.type(" qqq")
        desktop.wait_change(found, "that nobody offers this", "220x60+20+100", 100)
        desktop.shot("functions-nobody")
        desktop.no_warnings()


def a_dropped_file_is_worked_on():
    with Functions() as desktop:
        source = os.path.join(desktop.folder, "panorama.png")
        picture(source)
        desktop.open_page()
        desktop.bench("encode(video/x-raw) -> image/png")  # which makes samples of the other
        desktop.bench("decode(image/png) -> video/x-raw")
        desktop.bench("encode(video/x-raw) -> image/jpeg")
        manager = desktop.spawn([os.path.join(BUILD, "tests/ui/drag-file"), source])
        window = desktop.find_window("drag-file")
        desktop.xdotool("windowmove", "--sync", window, 1000, 500)
        desktop.drag([(1120, 560), (1000, 500), (700, 400), (600, 300)], hold=0.5, release=False)
        desktop.shot("functions-drag")
        desktop.release()
        desktop.wait_for("What can be done with “panorama.png”", FUNCTIONS)
        desktop.wait_for("JPEG image", FUNCTIONS)
        desktop.wait_for("about ", FUNCTIONS)
        desktop.settle()
        desktop.shot("functions-file")
        desktop.press("JPEG image", FUNCTIONS)
        desktop.wait_for("is there.", FUNCTIONS, seconds=30)
        desktop.shot("functions-made")
        made = [name for name in os.listdir(desktop.folder) if name.startswith("panorama.j")]
        with open(os.path.join(desktop.folder, (made or ["panorama.png"])[0]), "rb") as file:
            if file.read(3) != b"\xff\xd8\xff":
                raise Failed("it made no JPEG: %s" % made)
        manager.terminate()
        desktop.no_warnings()


def a_running_call_is_cancelled():
    with Functions() as desktop:
        desktop.open_page()
        desktop.spawn([SLOW, "offer", "slowly", "60000"], stderr=subprocess.DEVNULL)
        desktop.wait_for("generate once", FUNCTIONS)
        caller = desktop.spawn([MOSS, "fn", "call", ONCE], stderr=subprocess.PIPE,
                               stdin=subprocess.DEVNULL)
        desktop.wait_for("generate once", FUNCTIONS, count=2)
        desktop.shot("functions-running")
        desktop.press("Cancel", FUNCTIONS)
        try:
            said = caller.communicate(timeout=10)[1]
        except subprocess.TimeoutExpired:
            raise Failed("the call goes on after Cancel") from None
        if caller.returncode == 0 or "ancel" not in said:
            raise Failed("moss ended with %d: %s" % (caller.returncode, said))
        desktop.wait_for_end("Cancel", FUNCTIONS)
        desktop.no_warnings()


def says_when_the_broker_is_gone_and_comes_back():
    with Functions() as desktop:
        desktop.open_page("--color-scheme", "dark")
        os.unlink(desktop.broker_link)
        desktop.kill_broker()
        desktop.wait_for("can't be started", FUNCTIONS)
        desktop.wait_for_end(ENCODE, FUNCTIONS)
        desktop.shot("functions-gone")
        os.symlink(BROKER, desktop.broker_link)
        desktop.press("Try again", FUNCTIONS)
        desktop.wait_for(ENCODE, FUNCTIONS)
        dead = desktop.broker()
        desktop.kill_broker()
        desktop.wait_until("another broker", lambda: desktop.broker() not in (dead, None))
        desktop.wait_for(ENCODE, FUNCTIONS)
        desktop.no_warnings()


def a_file_is_opened_by_keys():
    with Functions() as desktop:
        source = os.path.join(desktop.folder, "panorama.png")
        picture(source)
        desktop.open_page()
        desktop.press("What do you need?", FUNCTIONS)
        desktop.key("ctrl+o")
        dialog = desktop.find_window("Open a file")
        desktop.xdotool("windowfocus", "--sync", dialog)
        desktop.type(source)
        desktop.key("Return")
        desktop.wait_for("What can be done with “panorama.png”", FUNCTIONS)
        desktop.press("Back", FUNCTIONS)
        desktop.wait_for_end("What can be done with", FUNCTIONS)
        desktop.no_warnings()


def a_sheet_of_the_shell():
    with Functions(shell=True) as desktop:
        desktop.key("super+a")
        desktop.type("functions")
        desktop.wait_for("Functions", "moss-shell")
        desktop.settle()
        desktop.key("Return")
        desktop.press("encode → image/jpeg", "moss-shell")
        desktop.wait_for("gdk-pixbuf", "moss-shell")
        desktop.settle()
        desktop.shot("functions-sheet")
        desktop.key("Escape")
        desktop.wait_for_end(ENCODE, "moss-shell")


def from_right_to_left():
    with Functions(environment={"LANGUAGE": "ar"}) as desktop:
        desktop.open_page()
        desktop.bench("encode(video/x-raw) -> image/png")
        desktop.press(ENCODE, FUNCTIONS)
        desktop.wait_for("gdk-pixbuf", FUNCTIONS)
        desktop.settle()
        desktop.shot("functions-ar")
        side = next(one for one in desktop.seen(FUNCTIONS) if one["name"] == ENCODE)
        if side["x"] < 600:
            raise Failed("the list is not at the right: %s" % side)
        desktop.no_warnings()


if not os.path.exists(BRIDGE):
    print("# SKIP built without gdk-pixbuf")
else:
    run(lists_searches_and_shows_costs, a_dropped_file_is_worked_on, a_running_call_is_cancelled,
        says_when_the_broker_is_gone_and_comes_back, a_file_is_opened_by_keys, a_sheet_of_the_shell,
        from_right_to_left)
