#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""/net on one computer: what POSIX promises, old versions, git and a compiler on it, and that
programs go on when moss-netd is killed or hangs under them."""
import os
import re
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "hosts"), HERE]
import person  # noqa: E402
import tap  # noqa: E402
from person import HOME  # noqa: E402
from waiting import wait_until  # noqa: E402

APPENDER = """
import os, sys, time
fd = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
number, longest = 0, 0
while not os.path.exists(sys.argv[1] + ".stop"):
    start = time.monotonic()
    os.write(fd, b"%08d\\n" % number)
    os.fsync(fd)
    if number % 5 == 0:
        open(sys.argv[1] + ".part", "w").write(str(number))
        os.rename(sys.argv[1] + ".part", sys.argv[1] + ".whole")
    longest = max(longest, time.monotonic() - start)
    number += 1
    time.sleep(0.002)
print(number, round(longest, 3))
"""
MAKE = """
cd "$1" && git init -q src && cd src &&
printf 'int twice (int);\\nint main (void) { return twice (21) != 42; }\\n' >main.c &&
printf 'int twice (int n) { return 2 * n; }\\n' >twice.c &&
git add . && git -c user.name=Me -c user.email=me@example.org commit -qm first &&
git clone -q . ../clone && cd ../clone && git fsck --strict && git status --short &&
printf 'all: main\\nmain: main.o twice.o\\n\\tcp main.o $@\\n' >Makefile &&
mv twice.c renamed.c && git add -A && git -c user.name=Me -c user.email=me@example.org commit -qm second &&
git gc -q && git fsck --strict && git log --oneline --follow renamed.c | wc -l
"""


def shell(moss, script, *arguments, **options):
    return moss.run(["sh", "-c", script, "sh", *arguments], **options)


def copy_in(moss, name, text=None):
    place = os.path.join(moss.top, name)
    if text is None:
        shutil.copy(os.path.join(HERE, name), place)
    else:
        with open(place, "w", encoding="utf-8") as file:
            file.write(text)
    os.chmod(place, 0o755)
    return place


def answers(moss):
    """Asks moss-netd itself: most else the kernel knows."""
    return moss.run(["timeout", "5", "stat", "-f", HOME], check=False).returncode == 0


def test_an_identity_has_its_files_on_net(moss):
    shell(moss, "echo words >$1/a && cat $1/a && test $(stat -c %a /net) = 700", HOME)
    assert shell(moss, "ls /net", check=True).stdout.split() == ["me@example.org"]
    home = moss.call("org.freedesktop.DBus.Properties.Get", "org.moss.Files1", "Home")
    assert "me@example.org" in home, home


def test_posix_for_its_owner(moss):
    script = copy_in(moss, "posix_check.py")
    shell(moss, "mkdir $1/posix", HOME)
    done = moss.run(["/usr/bin/python3", script, HOME + "/posix"], check=False)
    assert done.returncode == 0, done.stdout


def test_posix_for_root(moss):
    shell(moss, "mkdir $1/root", HOME)
    script = os.path.join(moss.top, "posix_check.py")
    done = moss.run(["/usr/bin/python3", script, HOME + "/root", str(person.USER)], user=False,
                    check=False)
    assert done.returncode == 0, done.stdout


def test_nobody_else_gets_in(moss):
    done = moss.run(["setpriv", "--reuid=1234", "--clear-groups", "ls", "/net"], user=False,
                    check=False)
    assert done.returncode != 0 and "Permission denied" in done.stderr, done


def test_old_versions_are_files(moss):
    def versions():
        return shell(moss, "ls $1/.versions/v.txt", HOME).stdout.split()

    shell(moss, "echo one >$1/v.txt", HOME)
    wait_until("one version", versions, 10)
    # Moments are named by the second: the next one, when the tree has it for certain.
    moment = shell(moss, "sleep 1; date -u +%Y-%m-%dT%H:%M:%SZ; sleep 1").stdout.strip()
    shell(moss, "echo two >$1/v.txt", HOME)
    wait_until("two versions", lambda: len(versions()) >= 2, 10)
    contents = shell(moss, "cat $1/.versions/v.txt/*", HOME).stdout.split()
    assert "one" in contents and contents[-1] == "two", contents
    assert shell(moss, "cat $1/.at/$2/v.txt", HOME, moment).stdout == "one\n"
    for act in ("echo x >$1/.versions/v.txt/new", "rm $1/.at/$2/v.txt", "mkdir $1/.at/x"):
        assert shell(moss, act, HOME, moment, check=False).returncode != 0, act
    assert ".at" not in shell(moss, "ls -a $1", HOME).stdout.split()
    listed = moss.call("org.moss.Files1.Versions", HOME + "/v.txt")
    numbers = [int(number) for number in re.findall(r"'version': <uint64 (\d+)>", listed)]
    moss.call("org.moss.Files1.Restore", HOME + "/v.txt", str(min(numbers)))
    wait_until("the old content is back",
                     lambda: shell(moss, "cat $1/v.txt", HOME).stdout == "one\n", 5)


def test_versions_of_a_file_by_each_of_its_names(moss):
    def names(name):
        return shell(moss, "ls $1/.versions/$2", HOME, name).stdout.split()

    shell(moss, "echo one >$1/n1", HOME)
    wait_until("one version", lambda: names("n1"), 10)
    shell(moss, "ln $1/n1 $1/n2 && mv $1/n1 $1/n3", HOME)
    for name in ("n2", "n3", "n2"):
        assert names(name) and all(version.endswith("-" + name) for version in names(name)), names(name)
        assert "one\n" in shell(moss, "cat $1/.versions/$2/*-$2", HOME, name).stdout


def test_ordinary_tools_read_the_past(moss):
    """cp, diff and tar of a whole folder as it was; nobody may write there."""
    shell(moss, "mkdir -p $1/past/sub && cd $1/past && seq 5000 >a && ln -s a link && echo b >sub/b "
          "&& chmod 640 a && ln a sub/hard && cp -a . $2 && sync . && sleep 1.3", HOME,
          moss.top + "/runtime/was")
    moment = shell(moss, "date -u +%Y-%m-%dT%H:%M:%SZ").stdout.strip()
    shell(moss, "cd $1/past && sleep 1.1 && echo changed >a && rm -r sub && sleep 1.2", HOME)
    past = f"{HOME}/.at/{moment}/past"
    for act in ("diff -r --no-dereference $1 $2", "cp -a $1 $3/copy && diff -r --no-dereference $3/copy $2",
                "tar -C $1 -cf $3/past.tar . && mkdir $3/out && tar -C $3/out -xf $3/past.tar "
                "&& diff -r --no-dereference $3/out $2",
                "test $(stat -c %a $1/a $3/copy/a $3/out/a | uniq) = 440",
                "find $1 -type f -links 2 | wc -l | grep -qx 2",
                "ls -lR $1 >$3/list && grep -q hard $3/list"):
        shell(moss, act, past, moss.top + "/runtime/was", moss.top + "/runtime")
    assert shell(moss, "diff -r $1 $2", past, HOME + "/past", check=False).returncode == 1
    newest = shell(moss, "ls $1/.versions/past/a | tail -1", HOME).stdout.strip()
    shell(moss, "cp $1/.versions/past/a/$2 $3/newest && diff $3/newest $1/past/a", HOME, newest,
          moss.top + "/runtime")


def test_what_a_file_costs_is_known_before(moss):
    ask = ("import os, sys; print({n: os.getxattr(sys.argv[1], 'user.moss.' + n).decode() for n in"
           " ('state', 'bytes-missing', 'cost-ms', 'version', 'hosts', 'suite', 'pinned', 'lease')})")
    told = moss.run(["/usr/bin/python3", "-c", ask, HOME + "/a"]).stdout
    assert "'bytes-missing': '0'" in told and "'pinned': '0'" in told, told
    assert "'here'" in told or "'waiting'" in told, told
    keep = "import os, sys; os.setxattr(sys.argv[1], 'user.moss.pinned', b'1')"
    moss.run(["/usr/bin/python3", "-c", keep, HOME + "/a"])
    assert "'pinned': '1'" in moss.run(["/usr/bin/python3", "-c", ask, HOME + "/a"]).stdout
    info = moss.call("org.moss.Files1.Info", f"['{HOME}/a', '{HOME}/missing', '/etc/passwd']")
    assert "'pinned': <true>" in info and info.count("{}") + info.count("@a{sv} {}") >= 2, info


def test_what_is_kept_with_its_folder(moss):
    def net(*words):
        return moss.run([moss.bin + "/moss", "net", *words], check=False).stderr

    shell(moss, "mkdir $1/kept && echo k >$1/kept/k", HOME)
    assert net("keep", HOME + "/kept") == ""
    assert "with a folder" in net("keep", "--off", HOME + "/kept/k")
    assert net("keep", "--off", HOME + "/kept") == net("keep", "--off", HOME + "/kept/k") == ""
    assert "not below /net" in net("keep", "/etc/passwd")


def test_git_and_its_checks(moss):
    shell(moss, "mkdir $1/work", HOME)
    assert shell(moss, MAKE, HOME + "/work").stdout.split()[-1] == "2"


def test_programs_go_on_when_netd_is_killed(moss):
    script = copy_in(moss, "appender.py", APPENDER)
    shell(moss, "mkdir $1/kill; echo gone >$1/kill/unlinked; sync $1/kill $1/kill/unlinked", HOME)
    pipes = {"text": True, "stdin": -1, "stdout": -1, "stderr": -1, "preexec_fn": person.as_user}
    writers = [subprocess.Popen(["/usr/bin/python3", script, f"{HOME}/kill/log{n}"], **pipes)
               for n in range(2)]
    reader = subprocess.Popen(["sh", "-c", 'exec 3<"$0"; rm "$0"; read line; cat <&3',
                               HOME + "/kill/unlinked"], **pipes)
    wait_until("it is unlinked", lambda: not os.path.exists(HOME + "/kill/unlinked"), 10)
    for number in range(3):
        time.sleep(0.7)
        moss.kill_netd()
        start = time.monotonic()
        wait_until("/net answers", lambda: answers(moss), 15)
        print(f"# kill {number}: {time.monotonic() - start:.2f} s", flush=True)
    shell(moss, "touch $1/kill/log0.stop $1/kill/log1.stop", HOME)
    for number, writer in enumerate(writers):
        out, err = writer.communicate(timeout=20)
        assert writer.returncode == 0, err
        count, longest = out.split()
        lines = shell(moss, "cat $1", f"{HOME}/kill/log{number}").stdout.split()
        assert lines == ["%08d" % one for one in range(int(count))], \
            f"{len(lines)} lines of {count}"
        print(f"# writer {number}: {count} lines, longest wait {longest} s", flush=True)
    out, _ = reader.communicate("go\n", timeout=10)
    assert out == "gone\n", out


def test_a_netd_that_hangs_is_ended(moss):
    shell(moss, "mkdir $1/hang", HOME)
    moss.kill_netd(signal.SIGSTOP)
    start = time.monotonic()
    shell(moss, "echo x >$1/hang/a", HOME)
    took = time.monotonic() - start
    print(f"# it took {took:.1f} s", flush=True)
    assert 2 < took < 30, took
    assert shell(moss, "cat $1/hang/a", HOME).stdout == "x\n"


def test_nobody_waits_for_ever(moss):
    """When the next one hangs, too, whoever waits gets an error, and /net is mounted anew."""
    stopped = {moss.netd_pid()}
    moss.kill_netd(signal.SIGSTOP)
    start = time.monotonic()
    waiting = subprocess.Popen(["touch", HOME + "/hang/b"], preexec_fn=person.as_user,
                               stderr=subprocess.DEVNULL)
    while waiting.poll() is None:
        pid = moss.netd_pid()
        if pid not in stopped | {0}:
            os.kill(pid, signal.SIGSTOP)
            stopped.add(pid)
        assert time.monotonic() - start < 60, "it waits for ever"
        time.sleep(0.002)
    print(f"# an error after {time.monotonic() - start:.1f} s", flush=True)
    assert waiting.returncode != 0 and len(stopped) > 1, (waiting.returncode, stopped)
    if moss.netd_pid() in stopped:
        moss.kill_netd()
    wait_until("/net is back", lambda: answers(moss) and shell(
        moss, "echo y >$1/hang/c && cat $1/hang/a $1/hang/c", HOME, check=False).stdout == "x\ny\n", 30)


def main():
    tap.need_root()
    person.enter()
    top = person.make_top("moss-test-net-")
    moss = None
    try:
        moss = person.Person(os.environ["MOSS_BUILD"], top, {"MOSS_NET_HANGS_MS": "3000"})
        tap.run(globals(), moss)
    finally:
        if moss is not None:
            for line in moss.log("session").splitlines():
                print("# " + line)
            moss.stop()
        shutil.rmtree(top, ignore_errors=True)


if __name__ == "__main__":
    main()
