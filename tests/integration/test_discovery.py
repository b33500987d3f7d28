#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two devices find each other through a real Avahi, in network and mount namespaces of the
test's own, on a system bus of its own. Skipped where there is no avahi-daemon or no root."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={0}/system-bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/>
<allow own="*"/><allow user="*"/></policy></busconfig>"""
AVAHI = """[server]
use-ipv6=no
allow-interfaces=left
[wide-area]
enable-wide-area=no
[publish]
publish-hinfo=no
publish-workstation=no
"""


def skip(reason):
    print(f"1..0 # SKIP {reason}")
    sys.exit(0)


def start_network(base):
    for command in ("ip link set lo up", "ip link add left type veth peer name right",
                    "ip addr add 10.91.0.1/24 dev left", "ip link set left up",
                    "ip link set right up", "mount -t tmpfs none /run"):
        subprocess.run(command.split(), check=True)
    for name, text in (("bus.conf", BUS.format(base)), ("avahi.conf", AVAHI)):
        with open(os.path.join(base, name), "w") as file:
            file.write(text)
    os.makedirs("/run/avahi-daemon")
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={base}/system-bus"
    bus = subprocess.Popen(["dbus-daemon", f"--config-file={base}/bus.conf", "--nofork"],
                           stderr=subprocess.DEVNULL)
    while not os.path.exists(f"{base}/system-bus"):
        time.sleep(0.02)
    return bus


def start_avahi(base):
    return subprocess.Popen(["avahi-daemon", "-f", f"{base}/avahi.conf", "--no-drop-root",
                             "--no-chroot", "--no-rlimits", "--no-proc-title"],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def run(base):
    import test_link as link

    bus = start_network(base)
    a, b = link.Device(base, "desktop", 42117, None), link.Device(base, "laptop", 42118, None)
    avahi = None
    try:
        print("1..4")
        time.sleep(0.3)
        assert a.device(b) is None
        avahi = start_avahi(base)  # after them: they have waited for it
        link.wait_for("discovery", lambda: a.device(b) and b.device(a), 20)
        seen = a.device(b)
        assert seen["paired"] == "false" and seen["name"] == "laptop", seen
        assert seen["address"] == "10.91.0.1:42118", seen
        print("ok 1 - seen, and not dialled")
        assert a.add(b).returncode == 0 and b.add(a).returncode == 0
        link.wait_linked(a, b)
        print("ok 2 - linked without an address given")
        avahi.send_signal(signal.SIGTERM)
        avahi.wait()
        avahi = None
        assert "reply" in a.call(b, "echo")
        b.stop()
        link.wait_for("the loss", lambda: a.state_of(b) == "away")
        b.start()
        link.wait_linked(a, b)
        print("ok 3 - remembered without Avahi")
        avahi = start_avahi(base)
        a.stop()
        b.stop()
        a.port, b.port = 42119, 42120  # as after a move to another network: nothing remembered is right
        a.start()
        b.start()
        link.wait_linked(a, b, 20)
        print("ok 4 - found at a new address")
    finally:
        a.close()
        b.close()
        if avahi is not None:
            avahi.terminate()
            avahi.wait()
        bus.terminate()
        bus.wait()
    return 0


def main():
    if shutil.which("avahi-daemon") is None or os.geteuid() != 0:
        skip("needs avahi-daemon and root")
    if os.environ.get("MOSS_TEST_INSIDE") is None:
        code = subprocess.run(["unshare", "--net", "--mount", sys.executable, __file__],
                              env=dict(os.environ, MOSS_TEST_INSIDE="1")).returncode
        sys.exit(code)
    base = tempfile.mkdtemp(prefix="moss-discovery-", dir="/tmp")
    try:
        sys.exit(run(base))
    finally:
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    main()
