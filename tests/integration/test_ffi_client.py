#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Callers and providers as real processes with a broker of their own: the tutorials as they stand,
other languages, providers that die, a broker that is killed during a thousand calls."""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hosts"))
import tap  # noqa: E402

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("MOSS_BUILD", "build/dev"))
CLIENT = os.path.join(BUILD, "ffi-broker", "client")
SOURCE = os.path.join(TOP, "ffi-broker", "client")
PYTHON = "/usr/bin/python3"
BLOCK = re.compile(r"^```(\w+)(?: ([\w.]+))?\n(.*?)^```$", re.M | re.S)
PATIENCE = 30


class Desk:
    """A bus, a broker and a home folder; ended with everything that was started there."""

    def __init__(self):
        self.home = tempfile.mkdtemp(prefix="moss-ffi-")
        self.started = []
        self.env = {name: value for name, value in os.environ.items()
                    if not name.startswith(("DBUS_", "XDG_", "MOSS_"))}
        self.env.update(HOME=self.home, XDG_RUNTIME_DIR=self.home, GSETTINGS_BACKEND="memory",
                        XDG_DATA_HOME=self.home + "/data", XDG_CONFIG_HOME=self.home + "/config",
                        XDG_STATE_HOME=self.home + "/state", XDG_CACHE_HOME=self.home + "/cache",
                        MOSS_FFI_SOCKET=self.home + "/ffi", MOSS_FFI_BRIDGES=self.home + "/bridges",
                        GI_TYPELIB_PATH=CLIENT, LD_LIBRARY_PATH=CLIENT,
                        PYTHONPATH=SOURCE + "/python", PYTHONDONTWRITEBYTECODE="1",
                        PKG_CONFIG_PATH=self.home, MOSS_LIBEXECDIR=self.home + "/libexec",
                        PATH=BUILD + "/session/cli:" + os.environ["PATH"])
        self.copy_worker()
        self.write_pkg_config()
        bus = subprocess.Popen(["dbus-daemon", "--session", "--nofork", "--print-address=1"],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                               env=self.env, start_new_session=True)
        self.started.append(bus)
        self.env["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().strip()
        self.broker = None

    def copy_worker(self):
        """Without the other bridges, which would only be measured meanwhile. Copies: a worker may
        read its own folder, and not where links lead."""
        os.makedirs(self.home + "/libexec")
        os.makedirs(self.home + "/bridges")
        shutil.copy(os.path.join(BUILD, "ffi-broker/worker/moss-ffi-worker"), self.home + "/libexec")
        shutil.copy(os.path.join(BUILD, "ffi-broker/bridges/exec.so"), self.home + "/bridges")

    def write_pkg_config(self):
        """What is installed with the library, for the build folder."""
        os.symlink(SOURCE, self.home + "/moss-ffi")
        with open(self.home + "/moss-ffi.pc", "w", encoding="utf-8") as file:
            file.write(f"Name: moss-ffi\nDescription: Functions\nVersion: 1.0\nRequires: gio-2.0\n"
                       f"Cflags: -I{self.home}/moss-ffi\nLibs: -L{CLIENT} -lmoss-ffi\n")

    def start(self, *argv):
        process = subprocess.Popen(argv, cwd=self.home, env=self.env, start_new_session=True)
        self.started.append(process)
        return process

    def start_broker(self):
        self.broker = self.start(os.path.join(BUILD, "ffi-broker", "broker", "moss-ffi-broker"))
        self.wait("the broker listens", lambda: os.path.exists(self.home + "/ffi"))

    def kill_broker(self):
        os.unlink(self.home + "/ffi")
        self.broker.kill()
        self.broker.wait()

    def write(self, name, text):
        with open(os.path.join(self.home, name), "w", encoding="utf-8") as file:
            file.write(text)

    def run(self, *argv, check=True, seconds=60):
        return subprocess.run(argv, cwd=self.home, env=self.env, check=check, timeout=seconds,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout

    def wait(self, what, true):
        end = time.monotonic() + PATIENCE
        while not true():
            if time.monotonic() > end:
                raise AssertionError(f"waited {PATIENCE} s in vain: {what}")
            time.sleep(0.1)

    def provide(self, text, name="provider"):
        """Starts a provider in Python and waits until it is called."""
        self.write(name + ".py", "import os, time, moss_ffi\n" + text + "\nmoss_ffi.run()\n")
        return self.start(PYTHON, name + ".py")

    def ask(self, text):
        self.write("asker.py", "import moss_ffi\n" + text)
        return self.run(PYTHON, "asker.py", check=False)

    def expect(self, text, expected):
        """A provider that was just started is there in a moment."""
        last = [""]

        def right():
            last[0] = self.ask(text)
            return last[0] == expected
        try:
            self.wait("answer", right)
        except AssertionError as error:
            raise AssertionError(f"expected {expected!r}, got {last[0]!r}") from error

    def end(self):
        for process in reversed(self.started):
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        shutil.rmtree(self.home, ignore_errors=True)


def with_desk(test):
    def run():
        desk = Desk()
        try:
            desk.start_broker()
            test(desk)
        finally:
            desk.end()
    run.__name__ = test.__name__
    return run


def follow(desk, name):
    """Does what a tutorial says; what it says is printed must be printed. A block of the shell that
    begins with a program that isn't installed here is left out."""
    with open(os.path.join(TOP, "docs", "tutorials", name), encoding="utf-8") as file:
        blocks = BLOCK.findall(file.read())
    assert len(blocks) >= 4, blocks
    command = output = None
    for kind, name_or_tool, text in blocks:
        if kind == "text" and command:
            def printed():
                nonlocal output
                if output != text:
                    output = desk.run("sh", "-ec", command, check=False)
                return output == text
            try:
                desk.wait("output", printed)
            except AssertionError as error:
                raise AssertionError(f"{command}\nprints {output!r}, not {text!r}") from error
        elif kind == "sh":
            command = None
            if name_or_tool and not shutil.which(name_or_tool):
                continue
            command, output = text, None
            if text.rstrip().endswith("&"):
                desk.start("sh", "-ec", text + "wait")
                first = text.strip().splitlines()[:-1]
                desk.wait("compiled", lambda lines=first: all(
                    os.path.exists(os.path.join(desk.home, line.split(" ")[2])) for line in lines
                    if line.startswith("cc ")))
                command = None
            elif text.startswith("cc "):
                *compile_lines, command = text.strip().splitlines()
                desk.run("sh", "-ec", "\n".join(compile_lines))
            elif text.startswith("mkdir "):
                desk.run("sh", "-ec", text)
                command = None
        elif name_or_tool:
            desk.write(name_or_tool, text)


@with_desk
def test_the_c_tutorial_does_what_it_says(desk):
    follow(desk, "c.md")


@with_desk
def test_the_python_tutorial_does_what_it_says(desk):
    follow(desk, "python.md")


@with_desk
def test_the_tutorial_for_executables_does_what_it_says(desk):
    follow(desk, "executable.md")


REVERSE = '''
@moss_ffi.function("transform reverse(text/plain) -> text/plain", pure={pure})
def reverse(text):
    {body}
    return text[::-1]
'''
ASK = 'print(moss_ffi.call("transform reverse(text/plain) -> text/plain", "moss"))'


@with_desk
def test_a_vala_program_calls(desk):
    if not shutil.which("valac") or not shutil.which("vapigen"):
        raise tap.Skip("valac is not installed")
    desk.provide(REVERSE.format(pure=True, body="pass"))
    desk.expect(ASK, "ssom\n")
    desk.write("turn.vala", """
int main () {
  try {
    MossFfi.Buffer[] inputs = { new MossFfi.Buffer ("text/plain", new GLib.Bytes ("moss".data)) };
    var result = MossFfi.Client.get_default ().call (
      "transform reverse(text/plain) -> text/plain", inputs, null, null);
    stdout.write (result.get_buffer (0).get_bytes ().get_data ());
  } catch (Error error) {
    stderr.printf ("%s\\n", error.message);
    return 1;
  }
  return 0;
}
""")
    desk.run("vapigen", "--library", "MossFfi-1.0", "--pkg", "gio-2.0", CLIENT + "/MossFfi-1.0.gir")
    desk.run("valac", "--vapidir", ".", "--pkg", "MossFfi-1.0", "--pkg", "gio-2.0", "-X",
             "-I" + desk.home, "-X", "-L" + CLIENT, "-X", "-lmoss-ffi", "turn.vala", "-o", "turn")
    assert desk.run("./turn") == "ssom"


@with_desk
def test_a_lua_program_calls(desk):
    lua = next((name for name in ("lua5.4", "lua5.3", "lua5.2", "lua5.1", "lua", "luajit")
                if shutil.which(name)), None)
    if lua is None:
        raise tap.Skip("Lua is not installed")
    desk.provide(REVERSE.format(pure=True, body="pass"))
    desk.expect(ASK, "ssom\n")
    desk.write("turn.lua", """
local lgi = require 'lgi'
local MossFfi = lgi.require ('MossFfi', '1.0')
local input = MossFfi.Buffer.new ('text/plain', lgi.GLib.Bytes ('moss'))
local result = MossFfi.Client.get_default ():call ('transform reverse(text/plain) -> text/plain',
                                                   { input }, nil, nil)
io.write (result:get_buffer (0):get_bytes ().data)
""")
    assert desk.run(lua, "turn.lua") == "ssom"


@with_desk
def test_a_pure_call_survives_its_providers_death(desk):
    desk.provide(REVERSE.format(pure=True, body="os._exit(1)"), "dies")
    desk.provide(REVERSE.format(pure=True, body="pass"), "lives")
    desk.expect(ASK, "ssom\n")
    for _ in range(3):
        assert desk.ask(ASK) == "ssom\n"


@with_desk
def test_any_other_call_ends_with_a_sentence(desk):
    dies = desk.provide(REVERSE.format(pure=False, body='open("called", "a").write("x"); os._exit(1)'))
    said = [""]

    def called():
        said[0] = desk.ask("from gi.repository import GLib\ntry:\n    " + ASK +
                           "\nexcept GLib.Error as error:\n    print('ERROR', error.message)")
        return os.path.exists(os.path.join(desk.home, "called"))
    desk.wait("the function was called", called)
    assert said[0].startswith("ERROR") and "hung up" in said[0], said
    dies.wait()
    with open(os.path.join(desk.home, "called"), encoding="utf-8") as file:
        assert file.read() == "x"  # once, not again


@with_desk
def test_a_function_that_fails_says_why(desk):
    desk.provide(REVERSE.format(pure=True, body='raise ValueError("not today")'))
    text = "from gi.repository import GLib\ntry:\n    " + ASK + \
           "\nexcept GLib.Error as error:\n    print('not today' in error.message)"
    desk.expect(text, "True\n")


ODD = """from __future__ import annotations
import sys
import moss_ffi
def hinted(first_name: str, loud: bool = False) -> str:
    return first_name.upper() if loud else first_name
moss_ffi.function("generate odd")(hinted)
for name in ("list[str]", "bytes", "None"):
    try:
        exec(f"def wrong(one: {name}) -> str: pass\\nmoss_ffi.function('generate wrong')(wrong)")
    except TypeError as error:
        print(error, flush=True)
for name, result in {"number": 5, "nothing": None, "array": bytearray(b"ok")}.items():
    moss_ffi.function(f"transform odd-{name}(text/plain) -> text/plain")(lambda text, one=result: one)
@moss_ffi.function("transform odd-end(text/plain) -> text/plain")
def end(text):
    sys.exit(3)
moss_ffi.run()
"""


@with_desk
def test_odd_functions_in_python(desk):
    """Hints of any notation, defaults and results of other types; each mistake is named."""
    desk.write("odd.py", ODD)
    with open(desk.home + "/odd.log", "w+", encoding="utf-8") as log:
        desk.started.append(subprocess.Popen([PYTHON, "odd.py"], cwd=desk.home, env=desk.env, stdout=log,
                                             start_new_session=True))
        desk.wait("the functions", lambda: "odd-end" in desk.run("moss", "fn", "list", "odd"))
        log.seek(0)
        assert log.read().count("generate wrong: the argument one has the hint") == 3
    odd = "generate odd() -> application/x-moss-value,type=s"
    assert desk.run("moss", "fn", "call", odd, "first-name=joe") == "joe\n"
    assert desk.run("moss", "fn", "call", odd, "first-name=joe", "loud=true") == "JOE\n"
    desk.write("text", "abc")
    for name, said in (("number", "int is no text/plain"), ("nothing", "NoneType is no text/plain"),
                       ("end", "SystemExit"), ("array", "ok")):
        told = desk.run("moss", "fn", "call", f"transform odd-{name}(text/plain) -> text/plain", "text",
                        check=False)
        assert said in told, (name, told)


@with_desk
def test_the_broker_is_killed_during_a_thousand_calls(desk):
    desk.provide(REVERSE.format(pure=True, body="pass"))
    desk.expect(ASK, "ssom\n")
    desk.write("many.py", """
import threading, moss_ffi
from gi.repository import GLib
done, failed, wrong = [], [], []

def calls():
    for i in range(250):
        try:
            text = moss_ffi.call("transform reverse(text/plain) -> text/plain", f"{i:05}")
            (done if text == f"{i:05}"[::-1] else wrong).append(i)
        except GLib.Error as error:
            failed.append(error.message)
        if i == 50:
            print("begun", flush=True)

threads = [threading.Thread(target=calls) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(done) + len(failed), len(wrong), len(failed), *failed[:3])
""")
    caller = subprocess.Popen([PYTHON, "many.py"], cwd=desk.home, env=desk.env, text=True,
                              stdout=subprocess.PIPE)
    try:
        assert caller.stdout.readline() == "begun\n"
        desk.kill_broker()
        desk.start_broker()
        rest = caller.communicate(timeout=60)[0].replace("begun\n", "")
    finally:
        caller.kill()
        caller.wait()
    print("# " + rest.strip())
    assert rest == "1000 0 0\n", rest  # pure calls wait for the broker that comes
    desk.expect(ASK, "ssom\n")  # the provider has announced itself again


if __name__ == "__main__":
    if not os.path.exists(os.path.join(CLIENT, "MossFfi-1.0.typelib")):
        print("1..0 # SKIP built without GObject-introspection")
        sys.exit(0)
    tap.run(globals())
