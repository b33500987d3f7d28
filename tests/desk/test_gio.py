#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""moss: leads to /net in every program that uses GIO, and nothing else changes in any of them."""

import os
import shutil
import subprocess
from urllib.parse import quote

from net import BUILD, HOME, SYNCED, Failed, Folders, Lines, Netd, private, run
from test_dialogs import NAME, desktop, modes


def gio(on, *words, status=0, **environment):
    done = subprocess.run(["gio", *words], env=dict(on.environment, G_DEBUG="fatal-criticals",
                                                    **environment),
                          capture_output=True, text=True, timeout=30, check=False)
    if (done.returncode == 0) != (status == 0):
        raise Failed("gio %s: %s%s" % (" ".join(words), done.stdout, done.stderr))
    return done.stdout if status == 0 else done.stderr


def scheme_leads_to_the_path():
    with desktop() as on, Folders():
        with open(HOME + "/a b.txt", "w", encoding="utf-8") as file:
            file.write("hello")
        for mode, environment in modes("3"):
            for uri in ("moss://me@home.test/a%20b.txt", "moss:///me@home.test/a%20b.txt",
                        "MOSS:me%40home.test/./a b.txt"):
                if gio(on, "cat", uri, **environment) != "hello":
                    raise Failed("%s, %s" % (mode, uri))
            info = gio(on, "info", "moss://me@home.test/a%20b.txt", **environment)
            if "uri: file:///net/me@home.test/a%20b.txt" not in info:
                raise Failed(info)
            for uri in ("moss://x/../../etc/passwd", "moss:///%2e%2e/etc/passwd", "moss://x%00y",
                        "moss://x?y", "moss://" + "x" * 9000):
                said = gio(on, "info", uri, status=1, **environment)
                if "upported" not in said:
                    raise Failed("%s: %s" % (uri, said))


def gvfs_stays_what_it_is():
    """Metadata, its schemes, and its own mounts, which it shows only when it is the default."""
    with desktop() as on:
        path = os.path.join(on.folder, "file.txt")
        with open(path, "w", encoding="utf-8") as file:
            file.write("x")
        gio(on, "set", path, "metadata::moss", "green")
        if "metadata::moss: green" not in gio(on, "info", path):
            raise Failed("no metadata")
        archive = os.path.join(on.folder, "things.zip")
        shutil.make_archive(archive[:-4], "zip", on.folder, "file.txt")
        escaped = "archive://" + quote(quote("file://" + archive, safe=""), safe="")
        gio(on, "mount", escaped)
        if gio(on, "cat", escaped + "/file.txt") != "x":
            raise Failed("gvfs' own scheme")
        listed = gio(on, "mount", "-l")
        if "things.zip" not in listed:
            raise Failed("gvfs' mount is not shown: " + listed)


def mount_is_listed():
    with desktop() as on, Folders():
        netd = Netd(on)
        netd.tell("mount %s mounted" % HOME, SYNCED)
        process = on.spawn(["gio", "mount", "-o"], stdout=subprocess.PIPE)
        lines = Lines(process.stdout)
        lines.expect("Mount added:        '%s'" % NAME)
        netd.tell("mount - none")
        while "Mount removed" not in lines.expect("Mount"):
            pass


def without_a_bus():
    """No bus, no runtime folder: it works, starts nothing, and says nothing."""
    with desktop() as on, Folders():
        environment = {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent",
                       "GIO_MODULE_DIR": "/nonexistent/modules"}
        gio(on, "mount", "-l", **environment)
        if gio(on, "info", "-a", "standard::name", "moss://me@home.test", **environment) == "":
            raise Failed("nothing")


if not os.path.exists(os.path.join(BUILD, "vfs/gio/libgiomoss.so")):
    raise SystemExit("no module")
private()
run(scheme_leads_to_the_path, gvfs_stays_what_it_is, mount_is_listed, without_a_bus)
