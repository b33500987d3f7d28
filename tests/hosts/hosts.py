# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole test machines on one computer, made of namespaces.

    with hosts.Lab() as lab:
        desktop, laptop = lab.machine("desktop"), lab.machine("laptop")
        desktop.run(["ping", "-c1", "laptop"])

A machine has its own root file system (see roots.py), process ids, network on a switch, host name,
/run, bus and state. Everything but the root helper runs as its ordinary user. A Lab needs root; all
of it is gone when its process ends, however that happens: each machine's pid 1 dies with it, and with
that its processes, mounts and network.
"""
import fcntl
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import roots  # noqa: E402
from waiting import DEADLINE_S, Failure, wait_until  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
ADDRESSES = {"desktop": "10.91.0.1", "laptop": "10.91.0.2", "tablet": "10.91.0.3", "host": "10.91.0.4"}
LINKED = ("desktop", "host")  # their roots are links to the cached one of the desktop


def _die_with_parent():
    """Between fork and exec: SIGKILL when the process that made the Lab ends."""
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _cgroup_base():
    with open("/proc/mounts", encoding="utf-8") as mounts:
        for line in mounts:
            fields = line.split()
            if fields[2] == "cgroup2":
                return fields[1]
    raise Failure("there is no cgroup v2 file system here; the test machines need one")


def criu():
    """The criu program that ./dev found or built, else the system's."""
    program = os.environ.get("MOSS_CRIU") or shutil.which("criu")
    if not program:
        raise Failure("there is no CRIU here: run the test through ./dev test, or set MOSS_CRIU")
    return program


def build_option(build, name):
    """A meson option of the build folder."""
    listing = subprocess.run(["meson", "introspect", "--buildoptions", build], check=True,
                             stdout=subprocess.PIPE, text=True).stdout
    return next(option["value"] for option in json.loads(listing) if option["name"] == name)


class Lab:
    """Machines on one switch. build: the folder with a built Moss to install into them, or None."""

    def __init__(self, build=None, names=("desktop", "laptop")):
        if os.geteuid() != 0:
            raise Failure("the test machines need root (namespaces and mounts): use ./dev test")
        self.build = os.path.abspath(build) if build else None
        self.machines = {}
        self.displays = []
        self.cached = roots.ensure()
        if not os.path.isdir("/tmp/.X11-unix"):
            os.mkdir("/tmp/.X11-unix")
            os.chmod("/tmp/.X11-unix", 0o1777)
        self.folder = self._make_folder()
        self.switch = self._start_switch()
        try:
            for name in names:
                Machine(self, name)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def machine(self, name):
        return self.machines[name]

    def _make_folder(self):
        """A folder for this run beside the cache (links need one file system); old ones go."""
        runs = os.path.join(os.path.dirname(self.cached), "runs")
        os.makedirs(runs, mode=0o711, exist_ok=True)
        for old in os.listdir(runs):
            if old.endswith(".lock"):
                _remove_if_dead(os.path.join(runs, old[:-5]))
        while True:
            folder = tempfile.mkdtemp(prefix="run-", dir=runs)
            os.chmod(folder, 0o711)
            self.lock = open(folder + ".lock", "w", encoding="utf-8")
            fcntl.flock(self.lock, fcntl.LOCK_EX)
            if os.path.exists(folder):  # another run that began just then may have taken it for dead
                return folder

    def _start_switch(self):
        switch = subprocess.Popen(["unshare", "--net", "--kill-child", "--fork", "sleep", "infinity"],
                                  preexec_fn=_die_with_parent)
        self.switch_pid = wait_until("the switch", lambda: _child(switch.pid))
        self._in_switch("ip", "link", "add", "br0", "type", "bridge", "forward_delay", "0")
        self._in_switch("ip", "link", "set", "br0", "up")
        return switch

    def _in_switch(self, *argv):
        subprocess.run(["nsenter", "-t", str(self.switch_pid), "-n", *argv], check=True)

    def plug(self, machine):
        """Connects a machine's eth0 to the switch; its other end is named like the machine."""
        port = machine.name
        self._in_switch("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0",
                        "netns", str(machine.pid))
        self._in_switch("ip", "link", "set", port, "master", "br0", "up")
        machine.root_run(["ip", "address", "add", machine.address + "/24", "dev", "eth0"])
        machine.root_run(["ip", "link", "set", "eth0", "up"])

    def cut(self, name):
        """Pulls a machine's cable: nothing gets through, nobody is told."""
        self._in_switch("ip", "link", "set", name, "nomaster")

    def restore(self, name):
        self._in_switch("ip", "link", "set", name, "master", "br0")

    def limit(self, name, rate, burst="256k"):
        """Bandwidth towards a machine, such as "100mbit"; "" lifts it."""
        if rate:
            self._in_switch("tc", "qdisc", "replace", "dev", name, "root", "tbf", "rate", rate,
                            "burst", burst, "latency", "200ms")
        else:
            self._in_switch("tc", "qdisc", "del", "dev", name, "root")

    def start_display(self, size="1600x1000"):
        """Starts an Xvfb of this lab and returns its name, such as ":77"."""
        read_end, write_end = os.pipe()
        server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write_end), "-screen", "0", size + "x24", "-nolisten", "tcp",
             "-ac", "-noreset"], pass_fds=[write_end], stderr=subprocess.DEVNULL,
            preexec_fn=_die_with_parent)
        os.close(write_end)
        with os.fdopen(read_end, encoding="utf-8") as pipe:
            number = pipe.readline().strip()
        if not number:
            raise Failure("Xvfb did not start")
        self.displays.append(server)
        return ":" + number

    def close(self):
        for machine in self.machines.values():
            machine.stop()
        for process in self.displays + [self.switch]:
            process.kill()
            process.wait()
        self.displays = []
        shutil.rmtree(self.folder, ignore_errors=True)
        try:
            os.unlink(self.folder + ".lock")
        except FileNotFoundError:
            pass


def _remove_if_dead(folder):
    """Removes what a killed run left: its folder and its empty control groups."""
    try:
        with open(folder + ".lock", encoding="utf-8") as lock:
            if not _try_lock(lock):
                return
            shutil.rmtree(folder, ignore_errors=True)
            for group in glob.glob(f"{_cgroup_base()}/moss-lab-{os.path.basename(folder)}-*"):
                _remove_groups(group)
            os.unlink(folder + ".lock")
    except FileNotFoundError:
        pass


def _remove_groups(top):
    for base, _, _ in os.walk(top, topdown=False):
        _rmdir(base)


def _try_lock(file):
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False


def _child(pid):
    """The first child of a process, or 0."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as children:
            return int((children.read().split() or [0])[0])
    except FileNotFoundError:
        return 0


class Machine:
    """One machine of a Lab. Made by it; its processes' ids below are those of the outer computer."""

    def __init__(self, lab, name):
        self.lab = lab
        self.name = name
        lab.machines[name] = self
        self.address = ADDRESSES[name]
        self.uid = roots.USERS["desktop" if name in LINKED else "laptop"]
        self.started = []
        self.root_dir = os.path.join(lab.folder, name)
        self.logs = os.path.join(lab.folder, name + "-logs")
        os.makedirs(self.logs)
        self.cgroup = os.path.join(_cgroup_base(), "moss-lab-" + os.path.basename(lab.folder) + "-" + name)
        os.makedirs(self.cgroup, exist_ok=True)
        source = self._copy_root()
        self.prefix = "/usr/local"
        init = os.path.join(HERE, "machine-init")
        enter = f'echo $$ >"{self.cgroup}/cgroup.procs" && exec "$@"'
        self.outer = subprocess.Popen(
            ["sh", "-c", enter, "sh", "unshare", "--mount", "--pid", "--net", "--ipc", "--uts",
             "--cgroup", "--propagation", "unchanged", "--fork", "--kill-child",
             "python3", os.path.join(HERE, "enter.py"), "private", init, name, self.root_dir, source,
             self.address, os.environ.get("MOSS_LAB_DISPLAYS", "")], preexec_fn=_die_with_parent)
        self.pid = wait_until(f"{name} starts", lambda: self._running() and _child(self.outer.pid))
        wait_until(f"{name} is up", lambda: self._running() and
                   os.path.exists(f"/proc/{self.pid}/root/run/machine-up"))
        lab.plug(self)
        for path, owner, mode in ((f"/run/user/{self.uid}", self.uid, 0o700), ("/run/moss", 0, 0o755),
                                  ("/var/lib/moss", 0, 0o700)):
            real = self.path(path)
            os.makedirs(real, exist_ok=True)
            os.chmod(real, mode)
            os.chown(real, owner, owner)
        if lab.build:
            self.install(lab.build)

    def _running(self):
        if self.outer.poll() is not None:
            raise Failure(f"{self.name} did not come up (status {self.outer.returncode})")
        return True

    def _copy_root(self):
        """Hard links to the cached folder, or a sparse copy of the cached image of the laptop."""
        if self.name in LINKED:
            subprocess.run(["cp", "-al", os.path.join(self.lab.cached, "desktop"), self.root_dir],
                           check=True)
            home = os.path.join(self.root_dir, "home")
            shutil.rmtree(home)
            subprocess.run(["cp", "-a", os.path.join(self.lab.cached, "desktop", "home"), home], check=True)
            return ""
        os.makedirs(self.root_dir)
        image = self.root_dir + ".img"
        subprocess.run(["cp", "--sparse=always", os.path.join(self.lab.cached, "laptop.img"), image],
                       check=True)
        return image

    def path(self, inside):
        """The outer path of a path inside the machine."""
        return f"/proc/{self.pid}/root{inside}"

    def install(self, build):
        """Installs Moss and CRIU."""
        self.prefix = build_option(build, "prefix")
        subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir",
                        self.path("/")], check=True, stdout=subprocess.DEVNULL)
        os.makedirs(self.path(self.libexec()), exist_ok=True)
        shutil.copy(criu(), self.path(self.libexec("criu")))
        self.root_run(["ldconfig"])
        schemas = self.path(f"{self.prefix}/share/glib-2.0/schemas")
        if os.path.isdir(schemas):
            self.root_run(["glib-compile-schemas", f"{self.prefix}/share/glib-2.0/schemas"])

    def libexec(self, name=""):
        return os.path.join(self.prefix, "libexec", "moss", name)

    # Commands

    def _argv(self, argv, uid, env):
        base = {"PATH": f"{self.prefix}/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
                "LANG": "C.UTF-8", "HOME": "/root", "USER": "root", "LOGNAME": "root"}
        if uid:
            runtime = f"/run/user/{self.uid}"
            base.update(HOME="/home/user", USER="user", LOGNAME="user", XDG_RUNTIME_DIR=runtime,
                        DBUS_SESSION_BUS_ADDRESS=f"unix:path={runtime}/bus", NO_AT_BRIDGE="1",
                        XDG_DATA_DIRS=f"{self.prefix}/share:/usr/local/share:/usr/share")
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                base[name] = os.environ[name]
        base.update(env or {})
        enter = f'echo $$ >"{self.cgroup}/cgroup.procs" && exec "$@"'
        line = ["sh", "-c", enter, "sh", "nsenter", "-t", str(self.pid), "--mount", "--pid", "--net",
                "--ipc", "--uts", "--cgroup", "--root", "--wd", "--"]
        if uid:
            line += ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--init-groups", "--inh-caps=-all"]
        return line + ["env", "-i"] + [f"{key}={value}" for key, value in base.items()] + list(argv)

    def popen(self, argv, uid=None, env=None, **options):
        """Starts a command as the ordinary user (or as uid; 0 is root) and returns the Popen."""
        argv = self._argv(argv, self.uid if uid is None else uid, env)
        return subprocess.Popen(argv, preexec_fn=_die_with_parent, **options)

    def run(self, argv, uid=None, env=None, timeout=DEADLINE_S, check=True, data=None):
        """Runs a command and returns its CompletedProcess with text output."""
        argv_all = self._argv(argv, self.uid if uid is None else uid, env)
        result = subprocess.run(argv_all, input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, timeout=timeout, check=False,
                                stdin=subprocess.DEVNULL if data is None else None)
        if check and result.returncode:
            raise Failure(f"{self.name}: {' '.join(argv)}: status {result.returncode}: "
                          f"{result.stdout}{result.stderr}")
        return result

    def root_run(self, argv, **options):
        return self.run(argv, uid=0, **options)

    def moss(self, *argv, **options):
        """The command line of Moss; returns what it printed."""
        return self.run(["moss", *argv], **options).stdout

    def start(self, label, argv, uid=None, env=None):
        """Starts a long-running command with its output in the log of this label."""
        with open(os.path.join(self.logs, label + ".log"), "ab") as log:
            process = self.popen(argv, uid=uid, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.started.append(process)
        return process

    def log(self, label):
        with open(os.path.join(self.logs, label + ".log"), encoding="utf-8", errors="replace") as log:
            return log.read()

    # Processes

    def processes(self):
        """(outer pid, program name) of all processes of the machine, those in sandboxes included."""
        found = []
        for base, _, names in os.walk(self.cgroup):
            if "cgroup.procs" not in names:
                continue
            try:
                with open(os.path.join(base, "cgroup.procs"), encoding="utf-8") as procs:
                    pids = [int(line) for line in procs if line.strip() != "0"]
            except OSError:
                continue
            for pid in pids:
                try:
                    with open(f"/proc/{pid}/comm", encoding="utf-8") as comm:
                        found.append((pid, comm.read().strip()))
                except OSError:
                    pass
        return found

    def pids(self, program):
        """Outer ids of the processes with this program name (as the kernel keeps it, 15 letters)."""
        return [pid for pid, name in self.processes() if name == program[:15]]

    def kill(self, program, number=signal.SIGKILL):
        """Kills all processes of a program; returns how many."""
        pids = self.pids(program)
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
        return len(pids)

    # Moss

    def start_sandboxd(self, *options, env=None):
        socket = self.path("/run/moss/sandboxd.sock")
        if os.path.exists(socket):
            os.unlink(socket)
        process = self.start("sandboxd", [self.libexec("moss-sandboxd"), "--criu", self.libexec("criu"),
                                          *options], uid=0, env=env)
        wait_until(f"moss-sandboxd on {self.name}", lambda: self._alive(process, "sandboxd") and
                   os.path.exists(socket))
        return process

    def start_bus(self):
        address = f"unix:path=/run/user/{self.uid}/bus"
        process = self.start("bus", ["dbus-daemon", "--session", "--nofork", "--nopidfile",
                                     f"--address={address}"])
        wait_until(f"the bus of {self.name}", lambda: self._alive(process, "bus") and
                   os.path.exists(self.path(f"/run/user/{self.uid}/bus")))

    def start_session(self, env=None, **options):
        """Starts the bus and moss-session; the shell is started apart."""
        environment = dict({"MOSS_CRIU": self.libexec("criu"), "MOSS_NO_SHELL": "1"}, **(env or {}))
        if not os.path.exists(self.path(f"/run/user/{self.uid}/bus")):
            self.start_bus()
        process = self.start("session", [self.libexec("moss-session")], env=environment, **options)
        wait_until(f"moss-session on {self.name}", lambda: self._alive(process, "session") and
                   self.has_name("org.moss.Session1"))
        return process

    def has_name(self, name):
        """True when somebody owns a name on the machine's session bus."""
        reply = self.call("org.freedesktop.DBus", "/org/freedesktop/DBus",
                          "org.freedesktop.DBus.NameHasOwner", name, check=False)
        return "true" in reply

    def call(self, name, path, method, *arguments, check=True, timeout=DEADLINE_S):
        """A D-Bus call on the session bus with gdbus; returns its printed reply."""
        return self.run(["gdbus", "call", "--session", "--dest", name, "--object-path", path, "--timeout",
                         str(timeout), "--method", method, "--", *arguments],
                        check=check, timeout=timeout + 5).stdout

    def _alive(self, process, label):
        if process.poll() is not None:
            raise Failure(f"{self.name}: {label} ended with status {process.returncode}:\n"
                          + self.log(label)[-3000:])
        return True

    def stop(self):
        """Kills every process of the machine; its mounts and network go with the last one."""
        try:
            with open(os.path.join(self.cgroup, "cgroup.kill"), "w", encoding="utf-8") as kill:
                kill.write("1")
        except OSError:
            self.outer.kill()
        self.outer.wait()
        for process in self.started:
            process.wait()
        end = time.monotonic() + 5
        while os.path.isdir(self.cgroup) and time.monotonic() < end:
            _remove_groups(self.cgroup)
            time.sleep(0.02)


def _rmdir(path):
    try:
        os.rmdir(path)
    except OSError:
        pass


def pair(one, other, port=None):
    """Makes the sessions of two machines know each other, each by the other's fingerprint."""
    ids = {machine: machine.moss("device", "id").split()[0] for machine in (one, other)}
    for machine, peer in ((one, other), (other, one)):
        machine.moss("device", "add", peer.address + (f":{port}" if port else ""), ids[peer])


def pair_by_code(old, new):
    """Makes the new machine a device of the old one's person: it shows a code, which is typed there."""
    for machine in (old, new):
        wait_until(f"moss-netd on {machine.name}", lambda m=machine: m.has_name("org.moss.Net1"))
    process = new.popen(["moss", "device", "pair", "--no-passphrase"], stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    code = process.stdout.readline().strip()
    old.moss("device", "pair", new.address, code)
    _, complaint = process.communicate(timeout=30)
    if process.returncode:
        raise Failure(f"{new.name} was not paired: {complaint}")


def screenshot(display, path):
    """A PNG of a whole X display."""
    subprocess.run(["import", "-display", display, "-window", "root", path], check=True)


def xdotool(display, *argv):
    """Real pointer and key events on an X display; returns xdotool's output."""
    result = subprocess.run(["xdotool", *argv], env=dict(os.environ, DISPLAY=display),
                            stdout=subprocess.PIPE, text=True, check=True)
    return result.stdout


def drag(display, start, end, steps=24, pause=0.02):
    """Presses at start, moves in steps and releases at end."""
    xdotool(display, "mousemove", str(start[0]), str(start[1]))
    time.sleep(pause)
    xdotool(display, "mousedown", "1")
    for step in range(1, steps + 1):
        x = round(start[0] + (end[0] - start[0]) * step / steps)
        y = round(start[1] + (end[1] - start[1]) * step / steps)
        xdotool(display, "mousemove", str(x), str(y))
        time.sleep(pause)
    time.sleep(0.3)
    xdotool(display, "mouseup", "1")
