#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every verb of moss against a session whose apps are only names, on a bus of its own."""
import json
import os
import pty
import select
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hosts"))
import tap  # noqa: E402

BUILD = os.path.abspath(os.environ.get("MOSS_BUILD", "build/dev"))
MOSS = os.path.join(BUILD, "session", "cli", "moss")
FAKE = os.path.join(BUILD, "tests", "integration", "fake-session")
FOOT = "aaaa1111-0000-4000-8000-000000000001"
FOOT_AWAY = "aaaa2222-0000-4000-8000-000000000002"
PAD = "bbbb3333-0000-4000-8000-000000000003"
GPU = "cccc4444-0000-4000-8000-000000000004"
LAPTOP = "1" * 64


class Bus:
    """A session bus, and perhaps the session on it."""

    def __init__(self, *options, session=True):
        self.env = dict(os.environ, LANG="C.UTF-8", LC_ALL="C.UTF-8", LANGUAGE="")
        self.daemon = subprocess.Popen(
            ["dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address=1"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.env["DBUS_SESSION_BUS_ADDRESS"] = self.daemon.stdout.readline().strip()
        self.session = None
        if session:
            self.session = subprocess.Popen([FAKE, *options], env=self.env, stdout=subprocess.PIPE)
            self.wait_call("ready")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        for process in (self.session, self.daemon):
            if process:
                process.kill()
                process.wait()
                process.stdout.close()

    def moss(self, *argv, status=0, cwd=None, text=True):
        result = subprocess.run([MOSS, *argv], env=self.env, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=30,
                                text=text, cwd=cwd, check=False)
        assert result.returncode == status, (argv, result)
        assert status == 0 or (result.stderr[:6] in ("moss: ", b"moss: ")), result.stderr
        said = result.stdout if status == 0 else result.stderr
        # Sizes have a space that doesn't break between the number and the unit.
        return said.replace("\u00a0", " ") if text else said

    def calls(self):
        """What the session was asked since the last time."""
        text = b""
        while select.select([self.session.stdout], [], [], 0.1)[0]:
            more = os.read(self.session.stdout.fileno(), 65536)
            if not more:
                break
            text += more
        return text.decode().splitlines()

    def wait_call(self, start):
        end = time.monotonic() + 20
        while not any(line.startswith(start) for line in self.calls()):
            assert time.monotonic() < end, f"no {start} came"

    def last(self):
        return self.calls()[-1]


def test_run():
    with Bus() as bus, tempfile.TemporaryDirectory() as folder:
        name = os.path.join(folder, "a b.txt")
        with open(name, "w", encoding="utf-8") as file:
            file.write("inside")
        assert bus.moss("run", "--", "foot", "-e", "sh", "-c", "a  b") == FOOT + "\n"
        assert bus.calls() == ["Run ('foot', [b'-e', b'sh', b'-c', b'a  b'], [], {})"]
        bus.moss("run", "-n", "--x11", "--cwd=/tmp", "--env", "LANG=de_DE.UTF-8", "--with", name, "foot")
        call, content = bus.calls()
        assert "[(b'a b.txt', 0)]" in call, call
        for option in ("'network': <true>", "'x11': <true>", "'cwd': <b'/tmp'>",
                       "'env': <['LANG=de_DE.UTF-8']>"):
            assert option in call, (option, call)
        assert content == "content inside"


def test_run_refuses():
    with Bus() as bus, tempfile.TemporaryDirectory() as folder:
        fifo = os.path.join(folder, "fifo")
        os.mkfifo(fifo)
        assert "is not a regular file" in bus.moss("run", "--with", fifo, "foot", status=1)
        assert "No such file" in bus.moss("run", "--with", fifo + "x", "foot", status=3)
        bus.moss("run", status=2)
        bus.moss("run", "--env", "NOVALUE", "foot", status=2)
        assert bus.calls() == []
        assert bus.moss("run", "nothing", status=3) == "moss: no program is called 'nothing'\n"


def test_ps():
    with Bus() as bus:
        listing = json.loads(bus.moss("ps", "--json"))
        assert [row["id"][:4] for row in listing] == ["aaaa", "aaaa", "bbbb", "cccc", "dddd"]
        assert listing[0]["argv"] == ["foot"] and listing[0]["files"] == 2
        assert listing[0]["travels"] is True and listing[3]["blockers"] == ["it uses the graphics card"]
        table = bus.moss("ps")
        assert "\033" not in table and "it uses the graphics card" in table, table
        rows = table.splitlines()
        assert len(rows) == 6 and rows[0].split() == ["ID", "APP", "NAME", "STATE", "WHERE", "NOTE"]
        assert rows[2].split()[:5] == ["aaaa2222", "foot", "Foot", "away", "laptop"], rows[2]
        column = rows[0].index("STATE")
        assert all(row[column - 1] == " " and row[column] != " " for row in rows), table


def test_ps_without_netd():
    with Bus("--without-net") as bus:
        assert "11111111" in bus.moss("ps").splitlines()[2]
        assert "moss-netd is not running" in bus.moss("device", status=1)
        assert "moss-netd is not running" in bus.moss("device", "id", status=1)
        assert "moss-netd is not running" in bus.moss("status")


def test_send():
    with Bus() as bus:
        said = bus.moss("send", "aaaa1", "laptop")
        assert said == "Foot runs on laptop. It stood still for 0.21 s; 1.2 MB travelled.\n", said
        assert bus.last() == f"Send ('{FOOT}', '{LAPTOP}')"
        assert bus.moss("send", "foot", "1111", "--quiet") == ""
        assert bus.last() == f"Send ('{FOOT}', '{LAPTOP}')"
        report = json.loads(bus.moss("send", "foot", "laptop", "--json"))
        assert report["freeze-ms"] == 210.0 and report["bytes-sent"] == 1200000
        error = bus.moss("send", "glxgears", "laptop", status=4)
        assert error == "moss: Gears can't travel: it uses the graphics card\n", error


def test_send_refuses():
    with Bus() as bus:
        error = bus.moss("send", "foot", "lap", status=3)
        assert error == ("moss: no device is called 'lap'. Known: laptop, shelf. Add one with: "
                         "moss device pair\n"), error
        assert "moss device pair" in bus.moss("send", "foot", "stranger", status=3)
        assert "no app is called 'xyz'" in bus.moss("send", "xyz", "laptop", status=3)
        assert FOOT_AWAY in bus.moss("send", "aaaa", "laptop", status=3)
        bus.moss("send", "foot", status=2)
        assert not [call for call in bus.calls() if call.startswith("Send")]


def test_preflight():
    with Bus() as bus:
        said = bus.moss("preflight", "foot", "laptop")
        assert said == ("Foot can travel to laptop: about 0.40 s, 12.0 MB to send, "
                        "3.0 MB already there.\n"), said
        assert json.loads(bus.moss("preflight", "--json", "foot", "laptop"))["time-ms"] == 400
        error = bus.moss("preflight", "glxgears", "laptop", status=4)
        assert error == "moss: Gears uses the graphics card\n", error
        assert not [call for call in bus.calls() if call.startswith("Send")]


def test_interrupt():
    with Bus() as bus:
        process = subprocess.Popen([MOSS, "send", PAD, "laptop"], env=bus.env, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        bus.wait_call("Send")
        process.send_signal(signal.SIGINT)
        said, error = process.communicate(timeout=20)
        assert process.returncode == 1 and said == "", (process.returncode, said)
        assert "the move was given up" in error and "\033" not in error, error
        assert bus.last() == f"Cancel ('{PAD}',)"


def test_progress_on_a_terminal():
    with Bus() as bus:
        outer, inner = pty.openpty()
        with subprocess.Popen([MOSS, "send", PAD, "laptop"], env=bus.env, stdout=inner, stderr=inner,
                              stdin=inner) as process:
            os.close(inner)
            seen, end = b"", time.monotonic() + 20
            while b"sending memory" not in seen and time.monotonic() < end:
                seen += os.read(outer, 4096)
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=20)
        os.close(outer)
        assert "→ laptop  ██████████░░░░░░░░░░  50 %  sending memory".encode() in seen, seen
        assert b"\033[2J" not in seen, seen


def test_bring_and_cancel():
    with Bus() as bus:
        assert bus.moss("bring", "foot").startswith("Foot runs on this device.")
        assert bus.last() == f"Bring ('{FOOT_AWAY}',)"
        bus.moss("cancel", "mousepad")
        assert bus.last() == f"Cancel ('{PAD}',)"


def test_snapshots():
    with Bus() as bus:
        assert bus.moss("snapshot", "foot", "a label") == "eeee3333\n"
        assert bus.last() == f"Snapshot ('{FOOT}', 'a label')"
        rows = bus.moss("snapshots").splitlines()
        assert len(rows) == 3 and "lunch" in rows[1] and "5.0 MB" in rows[1], rows
        assert len(json.loads(bus.moss("snapshots", "aaaa1", "--json"))) == 2
        assert bus.last() == f"Snapshots ('{FOOT}',)"
        bus.moss("snapshots", "--delete", "lunch")
        assert bus.last() == "DeleteSnapshot ('eeee1111-0000-4000-8000-000000000001',)"


def test_restore():
    with Bus() as bus:
        assert bus.moss("restore", "eeee2") == FOOT + "\n"
        assert bus.last() == "Restore ('eeee2222-0000-4000-8000-000000000002', false)"
        assert bus.moss("restore", "--copy", "lunch") == PAD + "\n"
        assert bus.last() == "Restore ('eeee1111-0000-4000-8000-000000000001', true)"
        bus.moss("restore", "aaaa1")
        assert bus.last() == "Restore ('eeee1111-0000-4000-8000-000000000001', false)"
        assert "no snapshot is called 'zzz'" in bus.moss("restore", "zzz", status=3)
        assert "no snapshot of this app" in bus.moss("restore", "mousepad", status=3)


def test_close_and_discard():
    with Bus() as bus:
        bus.moss("close", "foot")
        assert bus.last() == f"Close ('{FOOT}', false)"
        bus.moss("close", "--force", "aaaa1")
        assert bus.last() == f"Close ('{FOOT}', true)"
        assert "has not ended" in bus.moss("discard", "mousepad", status=1)
        error = bus.moss("discard", "gimp", status=1)
        assert "still keeps 1 file" in error and "moss save-out dddd5555" in error, error
        assert not [call for call in bus.calls() if call.startswith("Discard")]
        bus.moss("discard", "--force", "gimp")
        assert bus.last() == "Discard ('dddd5555-0000-4000-8000-000000000005',)"


def test_files_and_cat():
    with Bus() as bus:
        assert bus.moss("files", "aaaa1", text=False) == b"notes.txt\ndeep/er/odd\xffname\n"
        listing = json.loads(bus.moss("files", "aaaa1", "--json"))
        assert [row["path"] for row in listing] == ["notes.txt", "deep/er/odd\ufffdname"]
        assert "notes.txt" in bus.moss("files", "-l", "aaaa1")
        assert bus.moss("cat", "aaaa1", "notes.txt") == "hello\n"
        assert bus.last() == f"ReadFile ('{FOOT}', b'notes.txt')"
        assert "moss: missing: Foot keeps no file" in bus.moss("cat", "aaaa1", "missing", status=3)


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def test_save_out():
    with Bus() as bus, tempfile.TemporaryDirectory() as folder:
        bus.moss("save-out", "aaaa1", "deep/notes.txt", cwd=folder)
        assert read(folder, "notes.txt") == "hello\n"
        with open(os.path.join(folder, "notes.txt"), "w", encoding="utf-8") as file:
            file.write("mine")
        assert "is there already" in bus.moss("save-out", "aaaa1", "notes.txt", folder, status=1)
        assert read(folder, "notes.txt") == "mine"
        assert bus.moss("save-out", "-q", "--force", "aaaa1", "notes.txt", folder) == ""
        assert read(folder, "notes.txt") == "hello\n"
        bus.moss("save-out", "aaaa1", "notes.txt", os.path.join(folder, "other.txt"))
        assert read(folder, "other.txt") == "hello\n"
        assert "can't write" in bus.moss("save-out", "aaaa1", "x", os.path.join(folder, "no/x"), status=1)
        assert sorted(os.listdir(folder)) == ["notes.txt", "other.txt"]


def test_save_out_all():
    with Bus() as bus, tempfile.TemporaryDirectory() as folder:
        target = os.path.join(folder, "new")
        bus.moss("save-out", "aaaa1", "--into", target, text=False)
        assert read(target, "notes.txt") == "hello\n"
        assert os.listdir(os.path.join(target, "deep/er").encode()) == [b"odd\xffname"]
        error = bus.moss("save-out", "aaaa1", "--into", target, status=1, text=False)
        assert b"2 of 2 files were not saved" in error, error


def test_save_out_hostile_names():
    with Bus() as bus, tempfile.TemporaryDirectory() as folder:
        target = os.path.join(folder, "a", "b")
        error = bus.moss("save-out", "mousepad", "--into", target, status=1)
        assert "5 of 6 files were not saved" in error, error
        found = [os.path.join(base, name) for base, _, names in os.walk(folder) for name in names]
        assert found == [os.path.join(target, "good")], found
        assert not os.path.exists("/tmp/escaped")


def test_device():
    with Bus() as bus:
        assert bus.moss("device", "id") == "2" * 64 + "\n"
        rows = bus.moss("device", "list").splitlines()
        assert len(rows) == 4 and "not paired" in rows[3], rows
        assert rows[1].split() == ["1" * 16, "laptop", "linked", "25", "%", "10.0.0.2"], rows
        assert json.loads(bus.moss("device", "list", "--json"))[1]["name"] == "shelf"
        assert bus.moss("device", "add", "10.0.0.2", LAPTOP) == LAPTOP + "\n"
        assert bus.last() == f"AddDevice ('10.0.0.2', '{LAPTOP}')"
        bus.moss("device", "add", "", *["11:11"] * 16)
        assert bus.last() == f"AddDevice ('', '{' '.join(['11:11'] * 16)}')"
        assert "64 digits" in bus.moss("device", "add", "10.0.0.2", "12", status=1)
        bus.moss("device", "remove", "shelf")
        assert bus.last() == f"RemoveDevice ('{'3' * 64}',)"
        for words in (["frob"], ["add"], ["add", "x"], ["remove"], ["id", "x"]):
            bus.moss("device", *words, status=2)


def test_status_and_logout():
    with Bus() as bus:
        said = bus.moss("status")
        assert "Apps: 3 here, 1 away, 1 ended or stored" in said, said
        assert "This device: desktop, " + "2" * 64 in said and "2 known, 1 linked" in said, said
        status = json.loads(bus.moss("status", "--json"))
        assert status["device-id"] == "2" * 64 and len(status["sandboxes"]) == 5
        bus.moss("logout")
        assert bus.session.wait(timeout=10) == 0
        assert "no Moss session is running here" in bus.moss("ps", status=1)


def test_session_that_dies():
    with Bus() as bus:
        assert "ended before it answered" in bus.moss("run", "crash", status=1)


def test_no_session_and_no_bus():
    with Bus(session=False) as bus:
        for verb in (["ps"], ["run", "foot"], ["send", "foot", "laptop"], ["logout"], ["status"]):
            assert "no Moss session is running here" in bus.moss(*verb, status=1)
        bus.env.pop("DBUS_SESSION_BUS_ADDRESS")
        bus.env["XDG_RUNTIME_DIR"] = "/nonexistent"
        assert "there is no session bus here" in bus.moss("ps", status=1)


def test_help_and_version():
    with Bus(session=False) as bus:
        assert bus.moss("version").startswith("moss ")
        assert bus.moss("--version") == bus.moss("version")
        verbs = [line.split()[1] for line in bus.moss("help").splitlines() if line.startswith("  moss ")]
        assert len(verbs) >= 18 and "send" in verbs and "complete" not in verbs
        for verb in verbs:
            assert f"moss {verb}" in bus.moss("help", verb), verb
            assert bus.moss("help", verb) == bus.moss(verb, "--help"), verb
        assert bus.moss() == bus.moss("help")
        assert "there is no verb 'frob'" in bus.moss("frob", status=2)


def test_completion():
    here = os.path.dirname(os.path.abspath(__file__))
    script = os.path.join(here, "..", "..", "data", "completions", "moss")
    ask = ('PATH="$1:$PATH"; . "$2"; shift 2; COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); '
           '_moss; printf "%s\\n" "${COMPREPLY[@]}"')

    def complete(bus, *words):
        out = subprocess.run(["bash", "-c", ask, "bash", os.path.dirname(MOSS), script, "moss", *words],
                             env=bus.env, stdout=subprocess.PIPE, text=True, check=True, timeout=30)
        return out.stdout.split()

    with Bus() as bus:
        assert complete(bus, "snap") == ["snapshot", "snapshots"]
        assert set(complete(bus, "send", "a")) == {FOOT, FOOT_AWAY}
        assert complete(bus, "send", "mou") == ["mousepad"]
        assert complete(bus, "send", FOOT, "l") == ["laptop"]
        assert complete(bus, "restore", "eeee2") == ["eeee2222-0000-4000-8000-000000000002"]
        assert "--copy" in complete(bus, "restore", "--")
        assert complete(bus, "device", "a") == ["add"]
        assert complete(bus, "device", "remove", "sh") == ["shelf"]


if __name__ == "__main__":
    tap.run(globals())
