# SPDX-License-Identifier: GPL-3.0-or-later
"""Lends a test machine programs of this computer that its root has no room for: both are of the same
Debian release."""
import os
import subprocess

SKIPPED = ("/usr/share/doc/", "/usr/share/man/", "/usr/share/locale/", "/usr/share/dbus-1/services/")


def _files(package):
    listed = subprocess.run(["dpkg", "-L", package], check=True, stdout=subprocess.PIPE, text=True).stdout
    return [path for path in listed.splitlines()
            if not path.startswith(SKIPPED) and (os.path.islink(path) or os.path.isfile(path))]


def _libraries(path):
    """Those that a program is linked with, as the loader finds them."""
    listed = subprocess.run(["ldd", path], check=False, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True).stdout
    words = (line.split() for line in listed.splitlines())
    return [line[2] for line in words if len(line) > 2 and line[2].startswith("/")]


def _is_program(path):
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def lend(machine, *packages):
    """Copies what packages install, and the libraries that it needs, where the machine lacks it."""
    wanted = {path for package in packages for path in _files(package)}
    for path in sorted(wanted):
        if not os.path.islink(path) and _is_program(path):
            wanted.update(_libraries(path))
    missing = [path for path in wanted if not os.path.lexists(machine.path(path))]
    missing += [os.path.realpath(path) for path in missing if os.path.islink(path)]
    packed = subprocess.Popen(["tar", "-c", "-P", "--no-recursion", "-T", "-"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    unpacked = subprocess.Popen(["tar", "-x", "-P", "--transform=s,^/,,", "--skip-old-files", "-C",
                                 machine.path("/")], stdin=packed.stdout)
    packed.stdin.write("\n".join(missing).encode())
    packed.stdin.close()
    if packed.wait() or unpacked.wait():
        raise OSError(f"{machine.name}: {', '.join(packages)} can't be copied")
    machine.root_run(["glib-compile-schemas", "/usr/share/glib-2.0/schemas"])
