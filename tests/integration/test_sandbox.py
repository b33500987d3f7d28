#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""moss-sandboxd as an ordinary user meets it: sandboxes, what they can't do, and moves by hand."""
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hosts"))
import hosts  # noqa: E402
import tap  # noqa: E402

BUILD = os.path.abspath(os.environ.get("MOSS_BUILD", "build/dev"))
CRIU = hosts.criu()
ALICE, MALLORY, STRANGER = 61001, 61002, 61003
FIRST_ID = 1900019712
LOOP = "i=0; while :; do i=$((i+1)); echo $i >~/count.new; mv ~/count.new ~/count; sleep 0.02; done"


class Daemon:
    """One moss-sandboxd with folders of its own, and callers as ordinary users."""

    def __init__(self, top, name, *options):
        self.top = os.path.join(top, name)
        self.options = options
        self.socket = os.path.join(self.top, "sock")
        self.process = None
        os.makedirs(self.top)
        self.start()

    def start(self, fault=""):
        self.process = subprocess.Popen(
            [f"{BUILD}/session/sandbox/moss-sandboxd", "--socket", self.socket,
             "--state", f"{self.top}/state", "--run", f"{self.top}/run", "--criu", CRIU,
             "--libexec", f"{BUILD}/session/sandbox/init", "--group", "no-such-group",
             "--allow-uid", str(ALICE), "--allow-uid", str(MALLORY), *self.options],
            env={"MOSS_FAULT": fault})
        hosts.wait_until("moss-sandboxd listens", lambda: self.answers(), seconds=10)

    def answers(self):
        assert self.process.poll() is None, "moss-sandboxd ended"
        return self.ctl("List", check=False).returncode == 0

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(timeout=10)

    def clear(self):
        """Ends what a failed test left."""
        for name in re.findall(r"'id': <'([0-9a-f-]{36})'>", self.ctl("List").stdout):
            self.end(name)

    def ctl(self, *argv, uid=ALICE, check=True, cwd=None):
        """Calls as an ordinary user; the text of the answer or of the error."""
        answer = subprocess.run(
            ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups",
             f"{BUILD}/tests/integration/sandboxctl", self.socket, *argv],
            capture_output=True, text=True, timeout=90, check=False, cwd=cwd or self.top)
        if check:
            assert answer.returncode == 0, f"{argv}: {answer.stderr}"
        return answer

    def refused(self, *argv, **options):
        answer = self.ctl(*argv, check=False, **options)
        assert answer.returncode != 0, f"{argv} was not refused: {answer.stdout}"
        return answer.stderr

    def create(self, *argv, options=(), name=None):
        name = name or str(uuid.uuid4())
        self.ctl("Create", name, *options, "--", *argv)
        return name

    def home(self, name, uid=ALICE):
        return f"{self.top}/state/{uid}/{name}/upper/home/moss"

    def read(self, name, file):
        try:
            with open(f"{self.home(name)}/{file}", encoding="utf-8") as text:
                return text.read()
        except OSError:
            return ""

    def count(self, name):
        return int(self.read(name, "count") or 0)

    def state(self, name):
        for entry in re.findall(r"\{[^}]*\}", self.ctl("List").stdout):
            if name in entry:
                return re.search(r"'state': <'(\w+)'>", entry).group(1)
        return None

    def end(self, name):
        self.ctl("Kill", name)
        self.ctl("Remove", name)

    def goes_on(self, name):
        before = self.count(name)
        hosts.wait_until("it goes on", lambda: self.count(name) > before, seconds=5)

    def stands_still(self, name):
        before = self.count(name)
        time.sleep(0.2)
        return self.count(name) == before


def folder(daemon, name):
    """A folder in which the caller may write."""
    path = f"{daemon.top}/{name}-{uuid.uuid4()}"
    os.mkdir(path)
    os.chown(path, ALICE, ALICE)
    return path


# ---- life ----------------------------------------------------------------------------------


def test_a_sandbox_lives_and_dies(one, other):
    name = one.create("/bin/sh", "-c", LOOP)
    one.goes_on(name)
    assert one.state(name) == "running"
    assert "connected" in one.ctl("Connect", name).stdout
    one.ctl("Freeze", name)
    assert one.state(name) == "frozen" and one.stands_still(name)
    one.ctl("Thaw", name)
    one.ctl("Thaw", name)
    one.goes_on(name)
    one.ctl("Kill", name)
    one.ctl("Kill", name)
    assert one.state(name) == "dead" and one.stands_still(name)
    one.ctl("Remove", name)
    one.ctl("Remove", name)
    assert one.state(name) is None
    assert not os.path.exists(f"{one.top}/state/{ALICE}/{name}")


def test_its_end_is_told_with_its_status(one, other):
    waiter = subprocess.Popen(
        ["setpriv", f"--reuid={ALICE}", "--clear-groups", f"{BUILD}/tests/integration/sandboxctl",
         one.socket, "Wait"], stdout=subprocess.PIPE, text=True)
    assert waiter.stdout.readline() == "waiting\n"
    name = one.create("/bin/sh", "-c", "sleep 0.3; exit 7")
    assert waiter.communicate(timeout=10)[0].strip() == f"('{name}', 7)"
    one.ctl("Remove", name)


def test_what_cannot_start_says_why(one, other):
    name = str(uuid.uuid4())
    assert "no-such-program" in one.refused("Create", name, "--", "no-such-program")
    assert one.state(name) is None
    assert not os.path.exists(f"{one.top}/state/{ALICE}/{name}")


def test_the_last_process_counts_and_not_the_first(one, other):
    name = one.create("/bin/sh", "-c", f"({LOOP}) & exit 0")
    hosts.wait_until("the child counts", lambda: one.count(name) > 5, seconds=5)
    assert one.state(name) == "running"
    one.end(name)


# ---- what an app can't do ------------------------------------------------------------------

PROBE = r"""
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    ctypes.set_errno(0)
    libc.syscall(number, *arguments)
    return ctypes.get_errno()
def opens(path):
    try:
        os.close(os.open(path, os.O_RDONLY))
        return "yes"
    except OSError as error:
        return os.strerror(error.errno)
facts = {
    "ids": (os.getuid(), os.getgid(), os.getgroups()),
    "top": sorted(os.listdir("/")),
    "homes": os.listdir("/home"),
    "tmp": os.listdir("/tmp"), "mnt": os.path.exists("/mnt"), "srv": os.path.exists("/srv"),
    "shadow": opens("/etc/shadow"), "sda": os.path.exists("/dev/vda"),
    "dev": sorted(os.listdir("/dev")),
    "mounts": [line.split()[4] for line in open("/proc/self/mountinfo")],
    "status": [line.split()[1] for line in open("/proc/self/status")
               if line.startswith(("CapEff", "CapBnd", "NoNewPrivs", "Seccomp:"))],
    "unshare": call(272, 0x10000000), "clone": call(56, 0x10000000 | 17, 0, 0, 0, 0),
    "clone3": call(435, 0, 0), "io_uring": call(425, 1, 0), "userfaultfd": call(323, 0),
    "mount": call(165, 0, 0, 0, 0, 0), "bpf": call(321, 0, 0, 0), "keyctl": call(250, 0, 0),
    "perf": call(298, 0, 0, 0, 0, 0), "setns": call(308, 0, 0), "personality": call(135, 0x400000),
    "mknod": call(133, b"/tmp/disk", 0o60666, 0xfe00),
    "init": opens("/proc/1/environ"), "control": opens("/run/moss/display"),
    "accounts": len(open("/etc/passwd").readlines()),
    "interfaces": [name for _, name in socket.if_nameindex()],
    "write usr": os.access("/usr/bin", os.W_OK),
    "bus": opens("/run/dbus/system_bus_socket"),
}
print(repr(facts), file=open(os.path.expanduser("~/facts"), "w"))
"""


def test_an_app_sees_and_may_little(one, other):
    eperm, enosys = 1, 38
    name = one.create("/usr/bin/python3", "-c", PROBE)
    hosts.wait_until("the probe is done", lambda: one.state(name) == "dead", seconds=20)
    text = one.read(name, "facts")
    assert text, one.read(name, ".cache/moss-app.log")
    facts = eval(text)  # our own repr
    assert facts["ids"] == (1000, 1000, []), facts["ids"]
    allowed = {"bin", "dev", "etc", "home", "lib", "lib32", "lib64", "libx32", "net", "opt", "proc",
               "root", "run", "sbin", "sys", "tmp", "usr", "var"}
    assert set(facts["top"]) <= allowed, facts["top"]
    assert facts["homes"] == ["moss"] and not facts["mnt"] and not facts["srv"]
    assert facts["tmp"] == [".X11-unix"], facts["tmp"]
    assert facts["shadow"] == "Permission denied" and not facts["sda"]
    assert facts["mounts"] == ["/", "/proc", "/dev/pts"], facts["mounts"]
    assert facts["status"] == ["0" * 16, "0" * 16, "1", "2"], facts["status"]
    assert set(facts["dev"]) == {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts",
                                 "shm", "fd", "stdin", "stdout", "stderr"}, facts["dev"]
    for what in ("unshare", "clone", "mount", "bpf", "keyctl", "perf", "setns", "personality",
                 "mknod"):
        assert facts[what] == eperm, (what, facts[what])
    for what in ("clone3", "io_uring", "userfaultfd"):
        assert facts[what] == enosys, (what, facts[what])
    assert facts["init"] == "Permission denied" and facts["control"] == "Permission denied"
    assert facts["accounts"] == 3 and facts["interfaces"] == ["lo"]
    assert not facts["write usr"] and facts["bus"] == "No such file or directory"
    one.ctl("Remove", name)


def test_its_files_belong_to_nobody_of_the_machine(one, other):
    name = one.create("/bin/sh", "-c", "echo mine >~/mine; chmod 666 ~/mine; sleep 60")
    hosts.wait_until("it wrote", lambda: one.read(name, "mine"), seconds=5)
    assert os.stat(f"{one.home(name)}/mine").st_uid == FIRST_ID + 1000
    assert stat.S_IMODE(os.stat(f"{one.top}/state/{ALICE}").st_mode) == 0o700
    seen = subprocess.run(["setpriv", f"--reuid={ALICE}", "--clear-groups", "cat",
                           f"{one.home(name)}/mine"], capture_output=True, check=False)
    assert seen.returncode != 0
    one.end(name)


# ---- who may call --------------------------------------------------------------------------


TAKER = r"""
import os, socket, sys, time
listener = socket.socket(socket.AF_UNIX)
listener.bind("/home/moss/door")
listener.listen()
peer, _ = listener.accept()
held = socket.recv_fds(peer, 1, 8)[1] if sys.argv[1] == "take" else None
count = 0
while True:
    count += 1
    with open("/home/moss/count.new", "w") as file:
        print(count, file=file)
    os.rename("/home/moss/count.new", "/home/moss/count")
    time.sleep(0.02)
"""


def outer_pid(text):
    """The process with this in its command line."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", encoding="utf-8") as line:
                if text in line.read() and int(pid) != os.getpid():
                    return pid
        except OSError:
            pass
    raise AssertionError(f"nobody runs {text}")


def test_what_leads_out_is_said_before_a_freeze(one, other):
    """A socket to the host, a socket of the host, a device and a namespace: a friend outside must have
    handed them in."""
    for way, blockers in (("keep", ["python3 can't travel: it has a socket open that leads outside"]),
                          ("take", ["python3 can't travel: it has a socket open that leads outside",
                                    "python3 can't travel: it has /dev/fuse open",
                                    "python3 can't travel: it holds a namespace open"])):
        name = one.create("/usr/bin/python3", "-c", TAKER, way)
        door = f"{one.home(name)}/door"
        hosts.wait_until("the door", lambda at=door: os.path.exists(at), seconds=10)
        assert "'blockers': <@as []>" in one.ctl("Inspect", name).stdout
        with (socket.socket(socket.AF_UNIX) as friend, open("/dev/fuse", "rb") as device,
              open("/proc/self/ns/net", "rb") as namespace, socket.socket() as tcp):
            friend.connect(f"/proc/{outer_pid('home/moss/door')}/root/home/moss/door")
            fds = [one.fileno() for one in (device, namespace, tcp)]
            socket.send_fds(friend, [b"x"], fds)
            hosts.wait_until("it counts", lambda at=name: one.count(at) > 0, seconds=10)
            answer = one.ctl("Inspect", name).stdout
            for blocker in blockers:
                assert blocker in answer, answer
            one.goes_on(name)
        one.end(name)


LISTENER = r"""
import os, socket, time
os.mkdir("/tmp/place")
listener = socket.socket(socket.AF_UNIX)
listener.bind("/tmp/place/s")
listener.listen()
open("/home/moss/ready", "w").close()
while not os.path.exists("/home/moss/go"):
    time.sleep(0.02)
os.unlink("/tmp/place/s")
os.rmdir("/tmp/place")
open("/home/moss/count", "w").write("1")
time.sleep(1000)
"""


def test_a_listener_without_a_folder_is_said_before_a_freeze(one, other):
    name = one.create("/usr/bin/python3", "-c", LISTENER)
    hosts.wait_until("it listens", lambda: os.path.exists(f"{one.home(name)}/ready"), seconds=10)
    assert "'blockers': <@as []>" in one.ctl("Inspect", name).stdout
    with open(f"/proc/{outer_pid('/tmp/place')}/root/home/moss/go", "wb"):
        pass
    hosts.wait_until("the folder is gone", lambda: one.count(name) == 1, seconds=10)
    answer = one.ctl("Inspect", name).stdout
    assert "it listens at a socket whose folder is gone (/tmp/place/s)" in answer, answer
    one.end(name)


RENAMER = r"""
import os, socket
os.mkdir("/tmp/place")
listener = socket.socket(socket.AF_UNIX)
listener.bind("/tmp/place/s")
listener.listen()
os.rename("/tmp/place/s", "/tmp/server")
os.rmdir("/tmp/place")
count = 0
open("/home/moss/count", "w").write("0")
while True:
    caller = socket.socket(socket.AF_UNIX)
    caller.connect("/tmp/server")
    listener.accept()[0].close()
    count += 1
    open("/home/moss/count.new", "w").write(str(count))
    os.rename("/home/moss/count.new", "/home/moss/count")
"""


def test_a_renamed_listener_moves(one, other):
    """What Qt's local servers do."""
    name = one.create("/usr/bin/python3", "-c", RENAMER)
    one.goes_on(name)
    assert "'blockers': <@as []>" in one.ctl("Inspect", name).stdout
    source, target = one, other
    for _ in range(2):
        place = folder(one, "dump")
        source.ctl("Dump", name, place)
        source.ctl("Thaw", name)
        source.goes_on(name)
        source.ctl("Dump", name, place)
        target.ctl("Prepare", name, place)
        target.ctl("Restore", name, place)
        source.end(name)
        target.ctl("Thaw", name)
        target.goes_on(name)
        source, target = target, source
    source.end(name)


def test_strangers_stay_outside(one, other):
    assert one.ctl("List", uid=STRANGER, check=False).returncode == 4
    name = one.create("/bin/sh", "-c", LOOP)
    assert name not in one.ctl("List", uid=MALLORY).stdout
    for method in ("Connect", "Kill", "Freeze", "Thaw", "Inspect", "ListFiles"):
        assert "There is no sandbox" in one.refused(method, name, uid=MALLORY), method
    one.ctl("Remove", name, uid=MALLORY)
    one.goes_on(name)
    one.end(name)


def test_malformed_requests_are_refused(one, other):
    good = str(uuid.uuid4())
    for name in ("", "../../etc", good.upper() if good.upper() != good else "X", good + "x"):
        assert "UUID" in one.refused("Create", name, "--", "/bin/true"), name
    for options, word in (
            (["--env", "LD_PRELOAD=/tmp/x.so"], "LD_PRELOAD"),
            (["--env", "DBUS_SESSION_BUS_ADDRESS=unix:path=/x"], "DBUS_SESSION_BUS_ADDRESS"),
            (["--env", "WAYLAND_DISPLAY"], "WAYLAND_DISPLAY"),
            (["--env", "LANG=C", "--env", "LANG=C"], "twice"),
            (["--variant", "root", "'/'"], "unknown"),
            (["--variant", "network", "'yes'"], "type"),
            (["--variant", "cwd", "b'relative'"], "cwd"),
            (["--name", "a\nb"], "name"),
            (["--name", "x" * 65], "name")):
        error = one.refused("Create", good, *options, "--", "/bin/true")
        assert word in error, (options, error)
    assert "aay" in one.refused("Create", good, "--variant", "argv", "'text'")
    assert "argv" in one.refused("Create", good, "--")
    assert "argv" in one.refused("Create", good, "--", *["x"] * 400)
    assert "argv" in one.refused("Create", good, "--", "x" * 100000)
    assert one.state(good) is None


def test_an_id_is_taken_once(one, other):
    name = one.create("/bin/sh", "-c", LOOP)
    assert "already" in one.refused("Create", name, "--", "/bin/true")
    assert "running" in one.refused("Remove", name)
    one.ctl("Kill", name)
    assert "already" in one.refused("Create", name, "--", "/bin/true")
    one.ctl("Remove", name)


def test_the_looks_of_the_desktop_arrive(one, other):
    keyfile = ".config/glib-2.0/settings/keyfile"
    script = ("while sleep 0.1; do gsettings get org.gnome.desktop.interface color-scheme >~/s.new; "
              "mv ~/s.new ~/scheme; done")
    name = one.create("/bin/sh", "-c", script)
    if not shutil.which("gsettings"):
        one.end(name)
        raise tap.Skip("no gsettings here")
    one.ctl("Setting", name, "color-scheme", "prefer-dark")
    one.ctl("Setting", name, "font-name", "Cantarell 12")
    one.ctl("Setting", name, "no-such-key", "x")
    one.ctl("Setting", name, "font-name", "evil'\n[x]\ny=1")
    text = one.read(name, keyfile)
    assert "color-scheme='prefer-dark'" in text and "font-name='Cantarell 12'" in text, text
    assert "evil" not in text and "no-such" not in text
    status = os.stat(f"{one.home(name)}/{keyfile}")
    assert status.st_uid == FIRST_ID + 1000 and stat.S_IMODE(status.st_mode) == 0o600
    hosts.wait_until("an app sees it", lambda: "prefer-dark" in one.read(name, "scheme"), seconds=10)
    place = folder(one, "dump")
    one.ctl("Dump", name, place)
    other.ctl("Restore", name, place)
    one.end(name)
    other.ctl("Thaw", name)
    other.ctl("Setting", name, "color-scheme", "default")
    hosts.wait_until("it sees the other desktop's",
                     lambda: "default" in other.read(name, "scheme"), seconds=10)
    other.end(name)


ASK = """
bus() { gdbus call --session -d org.freedesktop.DBus -o /org/freedesktop/DBus \
  -m org.freedesktop.DBus.$1 $2 $3 2>&1; }
bus StartServiceByName org.xfce.Xfconf 0 >~/started
bus StartServiceByName org.freedesktop.systemd1 0 >~/refused
i=0; while i=$((i+1)); do
  echo $i $(bus GetConnectionUnixProcessID org.xfce.Xfconf) >~/p; mv ~/p ~/service
done
"""


def test_a_message_starts_a_service_that_travels(one, other):
    service = "/usr/share/dbus-1/services/org.xfce.Xfconf.service"
    if not shutil.which("gdbus") or not os.path.exists(service):
        raise tap.Skip("no gdbus or no xfconf here")
    marker = str(uuid.uuid4())
    name = one.create("/bin/sh", "-c", ASK, marker)
    hosts.wait_until("the service runs", lambda: "uint32" in one.read(name, "service"), seconds=20)
    assert "(uint32 1,)" in one.read(name, "started"), one.read(name, "started")
    assert "ServiceUnknown" in one.read(name, "refused"), one.read(name, "refused")
    place = folder(one, "dump")
    one.ctl("Dump", name, place)
    count, pid = one.read(name, "service").split(" ", 1)
    other.ctl("Restore", name, place)
    one.end(name)
    other.ctl("Thaw", name)
    hosts.wait_until("somebody answers there",
                     lambda: other.read(name, "service").split(" ")[0] != count, seconds=20)
    assert other.read(name, "service").split(" ", 1)[1] == pid, "another service answers"
    subprocess.run(["pkill", "-KILL", "-f", f"^/bin/sh -c .*{marker}$"], check=True)
    hosts.wait_until("the service ends with its app", lambda: other.state(name) == "dead",
                     seconds=20)
    other.ctl("Remove", name)


# ---- files ---------------------------------------------------------------------------------


def test_files_come_in_and_go_out(one, other):
    place = folder(one, "files")
    with open(f"{place}/letter", "w", encoding="utf-8") as file:
        file.write("dear reader")
    name = str(uuid.uuid4())
    assert "/home/moss/a letter.txt" in one.ctl("WriteFile", name, "a letter.txt", place,
                                                "letter").stdout
    one.create("/bin/sh", "-c", "cp ~/*.txt ~/copy; ln -s /etc/passwd ~/link; mkfifo ~/fifo; "
               "mkdir ~/sub; echo x >~/sub/y; echo x >~/.hidden; echo done >~/done; sleep 60",
               name=name)
    hosts.wait_until("the app is done", lambda: one.read(name, "done"), seconds=5)
    assert "a letter (2).txt" in one.ctl("WriteFile", name, "a letter.txt", place, "letter").stdout
    listed = one.ctl("ListFiles", name).stdout
    for path in ("a letter.txt", "a letter (2).txt", "copy", "sub/y"):
        assert f"b'{path}'" in listed, listed
    for path in ("hidden", "link", "fifo", "cache"):
        assert path not in listed, listed
    one.ctl("ReadFile", name, "copy", "out", cwd=place)
    with open(f"{place}/out", encoding="utf-8") as file:
        assert file.read() == "dear reader"
    for path in ("link", "fifo", "sub", "../../etc/passwd", "/etc/passwd", "sub/../copy2", ""):
        one.refused("ReadFile", name, path, "out", cwd=place)
    for bad in ("../x", "a/b", "", ".hidden", "a\nb", "x" * 300):
        one.refused("WriteFile", name, bad, place, "letter")
    one.end(name)


def test_deeply_nested_folders_can_be_removed(one, other):
    script = "import os\nfor i in range(3000):\n  os.mkdir('d'); os.chdir('d')\n"
    name = one.create("/usr/bin/python3", "-c", script)
    hosts.wait_until("the app is done", lambda: one.state(name) == "dead", seconds=20)
    one.ctl("ListFiles", name)
    one.ctl("Remove", name)
    assert not os.path.exists(f"{one.top}/state/{ALICE}/{name}")


# ---- looking -------------------------------------------------------------------------------


def test_inspect_names_files_and_memory(one, other):
    place = folder(one, "memory")
    script = "x = bytearray(b'moss' * 1024 * 1024 * 2)\nimport time; time.sleep(60)"
    name = one.create("/usr/bin/python3", "-c", script)
    hosts.wait_until("it has memory", lambda: int(re.search(
        r"'memory-bytes': <uint64 (\d+)>", one.ctl("Inspect", name).stdout).group(1)) > 8 << 20,
        seconds=10)
    answer = one.ctl("Inspect", name).stdout
    assert "'blockers': <@as []>" in answer, answer
    assert "/usr/bin/python3" in answer and "/usr/bin/dbus-daemon" in answer
    one.ctl("ReadMemory", name, "pages", cwd=place)
    size = os.path.getsize(f"{place}/pages")
    assert size % 4096 == 0 and 8 << 20 < size < 64 << 20, size
    with open(f"{place}/pages", "rb") as file:
        assert file.read().count(b"moss" * 1024) >= 2000
    one.end(name)


# ---- moves ---------------------------------------------------------------------------------


def test_a_move_to_another_daemon_and_back(one, other):
    name = one.create("/bin/sh", "-c", LOOP)
    one.goes_on(name)
    source, target = one, other
    for _ in range(3):
        place = folder(one, "dump")
        source.ctl("Dump", name, place)
        frozen = source.count(name)
        assert source.state(name) == "frozen" and source.stands_still(name)
        target.ctl("Prepare", name, place)
        target.ctl("Restore", name, place)
        assert target.state(name) == "frozen" and target.stands_still(name)
        assert target.count(name) == frozen and source.count(name) == frozen
        assert "frozen" in target.refused("Dump", name, place)
        assert "connected" in target.ctl("Connect", name).stdout
        source.end(name)
        target.ctl("Thaw", name)
        target.goes_on(name)
        source, target = target, source
    source.end(name)


def test_a_crowd_of_processes_moves(one, other):
    """More images than a message carries descriptors: the small ones come in one."""
    name = one.create("/bin/sh", "-c", "for i in 1 2 3 4 5 6 7 8; do for j in 1 2 3 4 5 6 7; do "
                      "sleep 1000 & done; done; " + LOOP)
    one.goes_on(name)
    place = folder(one, "dump")
    one.ctl("Dump", name, place)
    assert os.path.exists(f"{place}/image-packed.img")
    spoilt = f"{place}-spoilt"
    shutil.copytree(place, spoilt)
    with open(f"{spoilt}/image-packed.img", "r+b") as file:
        file.seek(16 + 16)
        file.write(b"../../evil.img\0")
    subprocess.run(["chown", "-R", str(ALICE), spoilt], check=True)
    assert "holds what is no image" in other.refused("Restore", name, spoilt)
    other.ctl("Restore", name, place)
    frozen = other.count(name)
    one.end(name)
    other.ctl("Thaw", name)
    other.goes_on(name)
    assert other.count(name) > frozen
    other.end(name)


def test_an_aborted_move_goes_on_at_the_source(one, other):
    name = one.create("/bin/sh", "-c", LOOP)
    one.goes_on(name)
    place = folder(one, "dump")
    one.ctl("Dump", name, place)
    other.ctl("Restore", name, place)
    other.end(name)
    one.ctl("Thaw", name)
    one.goes_on(name)
    one.ctl("Dump", name, place)
    one.ctl("Thaw", name)
    one.goes_on(name)
    one.end(name)


def test_one_that_was_ended_is_restored_in_its_place(one, other):
    """Its files stand there, newer than the snapshot; and as often as one likes."""
    name = one.create("/bin/sh", "-c", "mkdir ~/d; echo old >~/d/f; echo old >/etc/mine; " + LOOP)
    one.goes_on(name)
    place = folder(one, "dump")
    one.ctl("Dump", name, place)
    frozen = one.count(name)
    one.ctl("Thaw", name)
    one.goes_on(name)
    for _ in range(3):
        one.ctl("Kill", name)
        shutil.rmtree(f"{one.home(name)}/d")
        one.ctl("Restore", name, place)
        assert one.count(name) == frozen and one.read(name, "d/f") == "old\n"
        one.ctl("Thaw", name)
        one.goes_on(name)
    one.end(name)


def test_damaged_images_are_refused(one, other):
    name = one.create("/bin/sh", "-c", LOOP)
    place = folder(one, "dump")
    one.ctl("Dump", name, place)
    one.end(name)
    for change in ("image-pstree.img", "image-core-1.img", "layer-index"):
        damaged = f"{place}-{change}"
        shutil.copytree(place, damaged)
        path = f"{damaged}/{change}"
        with open(path, "r+b") as file:
            file.truncate(os.path.getsize(path) // 2)
        subprocess.run(["chown", "-R", str(ALICE), damaged], check=True)
        one.refused("Restore", name, damaged)
        assert one.state(name) in (None, "dead")
        one.ctl("Remove", name)
    shutil.copy(f"{place}/image-pstree.img", f"{place}/image-..img")
    os.chown(f"{place}/image-..img", ALICE, ALICE)
    assert "no name of an image" in one.refused("Restore", name, place)
    one.ctl("Remove", name)


NET = """
import socket, time
while True:
    try:
        connection = socket.create_connection(("{address}", {port}), 1)
        text = connection.recv(5).decode()
    except OSError as error:
        text = error.strerror or "timeout"
    with open("/home/moss/new", "w") as file:
        file.write(text)
    __import__("os").rename("/home/moss/new", "/home/moss/net")
    time.sleep(0.05)
"""


def test_the_network_is_off_until_asked_for_and_follows(one, other):
    route = subprocess.run(["ip", "-4", "-o", "route", "get", "198.51.100.1"],
                           capture_output=True, text=True, check=False).stdout
    address = re.search(r"src (\S+)", route)
    if not address or not shutil.which("pasta"):
        raise tap.Skip("no default route or no pasta here")
    with socket.create_server((address.group(1), 0)) as server, \
            socket.create_server(("127.0.0.1", 0)) as private:
        threading.Thread(target=greet, args=(server,), daemon=True).start()
        threading.Thread(target=greet, args=(private,), daemon=True).start()
        script = NET.format(address=address.group(1), port=server.getsockname()[1])
        name = one.create("/usr/bin/python3", "-c", script)
        hosts.wait_until("it tried", lambda: one.read(name, "net"), seconds=5)
        assert "unreachable" in one.read(name, "net")
        one.end(name)

        name = one.create("/usr/bin/python3", "-c", script, options=["--network"])
        hosts.wait_until("it is greeted", lambda: one.read(name, "net") == "hello", seconds=10)
        place = folder(one, "dump")
        one.ctl("Dump", name, place)
        other.ctl("Restore", name, place, "--network")
        one.end(name)
        os.unlink(f"{other.home(name)}/net")
        other.ctl("Thaw", name)
        hosts.wait_until("it is greeted there", lambda: other.read(name, "net") == "hello",
                         seconds=10)
        other.end(name)

        script = NET.format(address="10.0.2.2", port=private.getsockname()[1])
        name = one.create("/usr/bin/python3", "-c", script, options=["--network"])
        hosts.wait_until("it tried", lambda: one.read(name, "net"), seconds=5)
        assert one.read(name, "net") != "hello", "the machine's loopback is reachable"
        one.end(name)


def greet(server):
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        connection.sendall(b"hello")
        connection.close()


# ---- crashes -------------------------------------------------------------------------------


def test_a_killed_daemon_costs_no_app(one, other):
    running = one.create("/bin/sh", "-c", LOOP)
    frozen = one.create("/bin/sh", "-c", LOOP)
    one.goes_on(running)
    one.goes_on(frozen)
    one.ctl("Dump", frozen, folder(one, "dump"))
    one.stop(signal.SIGKILL)
    one.goes_on(running)
    assert one.stands_still(frozen)
    one.start()
    assert one.state(running) == "running" and one.state(frozen) == "frozen"
    assert one.stands_still(frozen)
    assert "connected" in one.ctl("Connect", running).stdout
    one.ctl("Thaw", frozen)
    one.goes_on(frozen)
    place = folder(one, "dump")
    one.ctl("Dump", running, place)
    one.end(running)
    other.ctl("Restore", running, place)
    other.ctl("Thaw", running)
    other.goes_on(running)
    other.stop(signal.SIGKILL)
    other.start()
    other.goes_on(running)
    other.end(running)
    one.end(frozen)


def processes_of(daemon):
    """Processes in the control groups of this daemon."""
    run = os.stat(f"{daemon.top}/run")
    found = []
    for folder_path, _, files in os.walk("/sys/fs/cgroup"):
        if f"moss-{run.st_dev:x}-{run.st_ino:x}/" in folder_path and "cgroup.procs" in files:
            with open(f"{folder_path}/cgroup.procs", encoding="utf-8") as text:
                found += text.read().split()
    return found


def test_what_is_half_restored_never_runs(one, other):
    if not faults_are_compiled_in():
        raise tap.Skip("built without fault points")
    name = one.create("/bin/sh", "-c", LOOP)
    one.goes_on(name)
    place = folder(one, "dump")
    one.ctl("Dump", name, place)
    for point in ("sandboxd.restore.layer", "sandboxd.restore.frozen"):
        other.stop()
        other.start(fault=f"{point}:kill")
        other.refused("Restore", name, place)
        other.process.wait(timeout=10)
        assert other.stands_still(name)
        other.start()
        assert not processes_of(other) and other.state(name) == "dead", point
        other.ctl("Restore", name, place)
        assert processes_of(other)
        other.end(name)
    for point in ("sandboxd.dump.detached", "sandboxd.dump.frozen", "sandboxd.dump.done"):
        one.ctl("Thaw", name)
        one.goes_on(name)
        one.stop()
        one.start(fault=f"{point}:kill")
        one.refused("Dump", name, place)
        one.process.wait(timeout=10)
        one.start()
        assert one.state(name) in ("running", "frozen"), point
        one.ctl("Thaw", name)
        one.goes_on(name)
    one.end(name)


def faults_are_compiled_in():
    with open(f"{BUILD}/session/sandbox/moss-sandboxd", "rb") as program:
        return b"MOSS_FAULT_FILE" in program.read()


def test_a_daemon_started_elsewhere_finds_them(one, other):
    name = one.create("/bin/sh", "-c", LOOP)
    one.goes_on(name)
    one.stop(signal.SIGKILL)
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        top = next(line.split()[4] for line in mounts if " - cgroup2 " in line)
    with open("/proc/self/cgroup", encoding="utf-8") as own:
        own = next(line[3:].strip() for line in own if line.startswith("0::"))
    place = f"{top}/moss-test-{uuid.uuid4()}"
    os.mkdir(place)
    with open(f"{place}/cgroup.procs", "w", encoding="utf-8") as procs:
        procs.write(str(os.getpid()))
    try:
        one.start()
    finally:
        with open(f"{top}{own}/cgroup.procs", "w", encoding="utf-8") as procs:
            procs.write(str(os.getpid()))
    assert one.state(name) == "running"
    one.end(name)
    one.stop()
    hosts.wait_until("its place is empty", lambda: not os.rmdir(place), seconds=5)
    one.start()


def test_only_one_daemon_a_run_folder(one, other):
    second = subprocess.run(
        [f"{BUILD}/session/sandbox/moss-sandboxd", "--socket", f"{one.top}/second",
         "--state", f"{one.top}/state2", "--run", f"{one.top}/run"],
        capture_output=True, text=True, timeout=10, check=False)
    assert second.returncode == 1 and "Another moss-sandboxd" in second.stderr, second.stderr


if __name__ == "__main__":
    tap.need_root()
    with tempfile.TemporaryDirectory(prefix="moss-sandbox-") as a_top:
        os.chmod(a_top, 0o755)
        a_daemon, another = Daemon(a_top, "one"), Daemon(a_top, "other")
        try:
            tap.run(globals(), a_daemon, another)
        finally:
            for a_daemon in (a_daemon, another):
                a_daemon.clear()
                a_daemon.stop()
