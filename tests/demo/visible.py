# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo on the person's own display: two shells as two windows, and the person drags.

The test machines' users are other accounts, so for Wayland a relay hands their connections on to
the compositor; for X11 a copy of the X authority file is enough."""
import array
import os
import select
import shutil
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hosts"))
import desk as desks  # noqa: E402
import hosts  # noqa: E402

CHUNK = 64 << 10
MOST_FDS = 64


def relay(listener, address):
    """Hands every connection on, file descriptors included."""
    while True:
        client, _ = listener.accept()
        server = socket.socket(socket.AF_UNIX)
        server.connect(address)
        for one, other in ((client, server), (server, client)):
            threading.Thread(target=pump, args=(one, other), daemon=True).start()


def pump(one, other):
    try:
        while True:
            data, fds, _, _ = socket.recv_fds(one, CHUNK, MOST_FDS)
            if not data:
                break
            rest = data
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
            sent = other.sendmsg([rest], rights)
            if sent < len(rest):
                other.sendall(rest[sent:])
            for fd in fds:
                os.close(fd)
    except OSError:
        pass
    for end in (one, other):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def wayland(machine):
    """Environment with which a machine's shell reaches the person's Wayland compositor."""
    name = os.environ["WAYLAND_DISPLAY"]
    address = name if name.startswith("/") else os.path.join(os.environ["XDG_RUNTIME_DIR"], name)
    inside = "/run/displays-wayland-0"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(machine.path(inside))
    os.chown(machine.path(inside), machine.uid, machine.uid)
    listener.listen(8)
    threading.Thread(target=relay, args=(listener, address), daemon=True).start()
    return {"WAYLAND_DISPLAY": inside, "GDK_BACKEND": "wayland"}


def x11(machine):
    environment = {"DISPLAY": os.environ["DISPLAY"], "GDK_BACKEND": "x11"}
    authority = os.environ.get("XAUTHORITY") or os.path.expanduser("~/.Xauthority")
    if os.path.exists(authority):
        shutil.copy(authority, machine.path("/run/xauthority"))
        os.chown(machine.path("/run/xauthority"), machine.uid, machine.uid)
        environment["XAUTHORITY"] = "/run/xauthority"
    return environment


def wait_for_the_person(shells):
    """Until Return, or until the last window is closed; where nobody can type, that alone."""
    watched = [sys.stdin]
    while any(shell.poll() is None for shell in shells):
        if select.select(watched, [], [], 0.5)[0]:
            if sys.stdin.readline():
                return
            watched = []


def run(build):
    connect = wayland if os.environ.get("WAYLAND_DISPLAY") else x11
    with desks.Desk(build) as desk:
        shells = [machine.start("shell", ["moss-shell"], env=connect(machine))
                  for machine in desk.machines()]
        desktop = desk.lab.machine("desktop")
        # The largest first: it must not hide the others.
        for program in ("gtk4-widget-factory", "mousepad", "foot"):
            try:
                desks.run_app(desktop, program)
            except hosts.Failure as failure:
                print(failure)
        print("Two desktops are on your screen. Drag a window by its title bar onto the tile of the\n"
              "other machine at the right edge; Esc takes it back. Return ends the demo.")
        wait_for_the_person(shells)
    return 0
