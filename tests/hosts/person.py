# SPDX-License-Identifier: GPL-3.0-or-later
"""One person's whole Moss on this computer, without a test machine: moss-sandboxd as root, the rest
as an ordinary user, in mount namespaces of their own (see enter()), with /net and with all the
programs of this computer. For tests and benches of the files."""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

USER = 65534
HOME = "/net/me@example.org"
MARK = "MOSS_PERSON_INSIDE"


def enter():
    """Runs the script again in a mount namespace of its own."""
    if MARK not in os.environ:
        os.environ[MARK] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable,
                              *sys.argv])


def as_user():
    os.setgroups([])
    os.setresgid(USER, USER, USER)
    os.setresuid(USER, USER, USER)


class Person:
    """Makes an identity and has its /net mounted. top: an empty folder on the disk to use."""

    def __init__(self, build, top, env=None):
        self.top, self.processes = top, []
        self.runtime = os.path.join(top, "runtime")
        os.mkdir(self.runtime)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", self.runtime], check=True)
        self.bin = os.path.join(top, "bin")
        os.mkdir(self.bin)
        for name in ("session/manager/moss-session", "session/sandbox/moss-sandboxd", "session/cli/moss",
                     "session/sandbox/init/moss-init", "core/moss-agent", "vfs/moss-netd"):
            shutil.copy(os.path.join(build, name), self.bin)
        self.state = os.path.join(top, "state")
        for folder in (self.runtime, self.state):
            os.makedirs(folder, exist_ok=True)
            os.chown(folder, USER, USER)
            os.chmod(folder, 0o700)
        self.env = {"PATH": self.bin + ":/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": self.state,
                    "XDG_RUNTIME_DIR": self.runtime, "XDG_DATA_HOME": self.state, "MOSS_NO_SHELL": "1",
                    "MOSS_LIBEXECDIR": self.bin, "MOSS_STATE_DIR": self.state, "G_DEBUG": "fatal-warnings",
                    "DBUS_SESSION_BUS_ADDRESS": f"unix:path={self.runtime}/bus",
                    "MOSS_SANDBOXD_SOCKET": top + "/run/sandboxd.sock", **(env or {})}
        self.start()

    def popen(self, name, argv, user=True):
        with open(os.path.join(self.top, name + ".log"), "wb") as log:
            self.processes.append(subprocess.Popen(
                argv, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=as_user if user else None))

    def start(self):
        self.start_services()
        self.wait(lambda: subprocess.run(
            [self.bin + "/moss", "identity", "create", "me@example.org", "--no-passphrase"], env=self.env,
            preexec_fn=as_user, capture_output=True, check=False).returncode == 0)
        self.wait(lambda: os.path.ismount("/net"))
        self.wait(lambda: os.path.isdir("/net/me@example.org"))

    def start_services(self):
        run_dir = os.path.join(self.top, "run")
        self.popen("sandboxd", [self.bin + "/moss-sandboxd", "--run", run_dir, "--state", self.top + "/boxes",
                                "--libexec", self.bin, "--allow-uid", str(USER)], user=False)
        self.popen("bus", ["dbus-daemon", "--session", "--nofork", "--nopidfile",
                           "--address=" + self.env["DBUS_SESSION_BUS_ADDRESS"]])
        self.wait(lambda: os.path.exists(self.runtime + "/bus")
                  and os.path.exists(run_dir + "/sandboxd.sock"))
        self.popen("session", [self.bin + "/moss-session", "--no-shell", "--netd-option=--listen",
                               "--netd-option=127.0.0.1", "--netd-option=--port", "--netd-option=0"])

    def wait(self, check):
        end = time.monotonic() + 20
        while not check():
            if time.monotonic() > end:
                print(self.log("sandboxd") + self.log("session"), file=sys.stderr)
                raise TimeoutError("/net does not come up")
            time.sleep(0.1)

    def log(self, name):
        with open(os.path.join(self.top, name + ".log"), encoding="utf-8") as log:
            return log.read()

    def run(self, argv, check=True, user=True, **options):
        """Runs a program as the person (or as root); returns what subprocess.run() does."""
        done = subprocess.run(argv, env=self.env, preexec_fn=as_user if user else None,
                              capture_output=True, text=True, timeout=60, check=False, **options)
        assert done.returncode == 0 or not check, f"{argv}: {done.returncode}: {done.stderr}"
        return done

    def call(self, method, *arguments):
        """A call of netd's."""
        return self.run(["gdbus", "call", "--session", "-d", "org.moss.Net1", "-o", "/org/moss/Files",
                         "-m", method, *arguments]).stdout

    def kill_netd(self, number=signal.SIGKILL):
        pid = self.netd_pid()
        assert pid > 1, "there is no moss-netd\n" + self.log("session")
        os.kill(pid, number)

    def netd_pid(self):
        path = os.path.join(self.bin, "moss-netd")
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink(f"/proc/{pid}/exe") == path:
                    return int(pid)
            except OSError:
                continue
        return 0

    def private_mib(self):
        with open(f"/proc/{self.netd_pid()}/smaps_rollup", encoding="ascii") as file:
            return sum(int(line.split()[1]) for line in file if line.startswith("Private_")) / 1024

    def switches(self):
        total = 0
        for task in os.listdir(f"/proc/{self.netd_pid()}/task"):
            with open(f"/proc/{self.netd_pid()}/task/{task}/status", encoding="ascii") as file:
                total += sum(int(line.split()[1]) for line in file if "ctxt_switches" in line)
        return total

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
            process.wait()
        subprocess.run(["umount", "-l", self.runtime], check=False)


def make_top(prefix):
    top = tempfile.mkdtemp(prefix=prefix, dir="/var/tmp")
    os.chmod(top, 0o755)
    return top
