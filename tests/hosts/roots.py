# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes and caches the root file systems of the test machines.

Two roots of the host's own Debian release (programs built here run in them): "desktop" is a
directory, "laptop" an ext4 image, so that they share no inode, and some packages that apps map
have another version on the laptop: another one that the mirrors offer, or else the same one
repacked with its libraries changed.
"""
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
PACKAGES = os.path.join(TOP, "data", "debian-packages")
FORMAT = "3"
USERS = {"desktop": 1001, "laptop": 1002}
GROUP_MOSS = 990
IMAGE_BYTES = 4 << 30
# Source packages whose libraries every GTK or Qt app maps, tried in this order.
DIFFERING = ["glib2.0", "expat", "libpng1.6", "pcre2", "libxml2", "glibc"]
EXCLUDED = ["man/*", "doc/*", "locale/*", "info/*", "fonts/truetype/noto/*"]
INCLUDED = ["fonts/truetype/noto/NotoSans-*", "fonts/truetype/noto/NotoSansArabic-*"]


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(*argv, **options):
    return subprocess.run(argv, check=True, **options)


def output(*argv):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout


def cache_dir():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.environ.get("MOSS_DEV_CACHE") or os.path.join(base, "moss")


def codename():
    with open("/etc/os-release", encoding="utf-8") as release:
        fields = dict(line.rstrip("\n").split("=", 1) for line in release if "=" in line)
    return fields["VERSION_CODENAME"].strip('"')


def apt_sources():
    """The one-line sources of Debian itself in apt's configuration, with their keys."""
    stanzas = output("apt-get", "indextargets", "Created-By: Packages", "Origin: Debian")
    lines = []
    for stanza in stanzas.split("\n\n"):
        field = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line)
        if not field:
            continue
        signed = field.get("Signed-By", "")
        options = f"[signed-by={signed}] " if signed.startswith("/") else ""
        line = f"deb {options}{field['Repo-URI']} {field['Release']} {field['Component']}"
        if line not in lines:
            lines.append(line)
    if not lines:
        sys.exit("apt's configuration names no Debian mirror with package lists: run apt-get update")
    return lines


def wanted_packages():
    """The packages of kinds "run" and "machine", as this release names them."""
    known = set(output("apt-cache", "pkgnames").split())
    names = []
    with open(PACKAGES, encoding="utf-8") as listing:
        for line in listing:
            kind, _, rest = line.partition(" ")
            if kind in ("run", "machine"):
                choices = rest.strip().split("|")
                names.append(next((name for name in choices if name in known), choices[0]))
    return names


def make_desktop(root):
    options = ["--mode=root", "--variant=minbase", "--format=directory"]
    options += [f"--dpkgopt=path-exclude=/usr/share/{path}" for path in EXCLUDED]
    options += [f"--dpkgopt=path-include=/usr/share/{path}" for path in INCLUDED]
    options += ["--dpkgopt=force-unsafe-io", "--aptopt=APT::Install-Recommends false",
                "--aptopt=Acquire::Languages none", "--include=" + ",".join(wanted_packages())]
    run("mmdebstrap", *options, codename(), root, "-",
        input="\n".join(apt_sources()) + "\n", text=True)


def add_user(root, uid):
    """The ordinary user of a machine, in the group that may ask the root helper."""
    run("chroot", root, "groupadd", "--gid", str(GROUP_MOSS), "moss")
    run("chroot", root, "useradd", "--uid", str(uid), "--user-group", "--groups", "moss",
        "--create-home", "--shell", "/bin/bash", "user")


def set_user(root, uid):
    run("chroot", root, "groupmod", "--gid", str(uid), "user")
    run("chroot", root, "usermod", "--uid", str(uid), "--gid", str(uid), "user")
    run("chroot", root, "chown", "-R", "user:user", "/home/user")


def versions(root):
    """package → (source, version) of what is installed in a root."""
    listing = output("dpkg-query", f"--admindir={root}/var/lib/dpkg", "-W",
                     "-f=${db:Status-Status} ${Package} ${source:Package} ${Version}\n")
    rows = (line.split(" ") for line in listing.splitlines())
    return {row[1]: (row[2], row[3]) for row in rows if row[0] == "installed"}


def other_version(packages, present):
    """A version beside the present one that the mirrors have for all of the packages, or None."""
    common = None
    for package in packages:
        listing = output("apt-cache", "madison", package).splitlines()
        offered = {line.split("|")[1].strip() for line in listing if "Packages" in line}
        common = offered if common is None else common & offered
    others = sorted((common or set()) - {present})
    return others[0] if others else None


def download(folder, names):
    os.makedirs(folder)
    run("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *names, cwd=folder,
        stdout=subprocess.DEVNULL)
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder))]


def repack(package, folder):
    """The same package under another version, its libraries changed by a few bytes at their end."""
    [deb] = download(folder, [package])
    tree = os.path.join(folder, "tree")
    run("dpkg-deb", "-R", deb, tree)
    control = os.path.join(tree, "DEBIAN", "control")
    run("sed", "-i", "s/^Version: .*/&+moss1/", control)
    for base, _, names in os.walk(os.path.join(tree, "usr", "lib")):
        for path in (os.path.join(base, name) for name in names if ".so." in name):
            if not os.path.islink(path):
                with open(path, "ab") as library:
                    library.write(b"changed for a test machine" * 200)
    run("dpkg-deb", "-b", "--root-owner-group", tree, deb, stdout=subprocess.DEVNULL)
    return [deb]


def change_versions(root, work):
    """Gives a root other versions of some packages that apps map; returns the packages' names."""
    installed = versions(root)
    changed = []
    for source in DIFFERING:
        packages = [name for name in installed if installed[name][0] == source]
        if not packages:
            continue
        other = other_version(packages, installed[packages[0]][1])
        folder = os.path.join(work, source)
        if other:
            debs = download(folder, [f"{name}={other}" for name in packages])
        elif len(changed) < 2:
            debs = repack(next(name for name in packages if name.startswith("lib")), folder)
        else:
            continue
        inside = os.path.join(root, "var", "cache", "debs")
        os.makedirs(inside)
        for deb in debs:
            shutil.copy(deb, inside)
        names = [os.path.join("/var/cache/debs", os.path.basename(deb)) for deb in debs]
        run("chroot", root, "dpkg", "--force-downgrade", "--force-depends", "--force-unsafe-io",
            "-i", *names, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shutil.rmtree(inside)
        changed.append(source)
    return changed


def make_laptop(desktop, image, work):
    root = os.path.join(work, "laptop")
    run("cp", "-a", desktop, root)
    changed = change_versions(root, os.path.join(work, "debs"))
    set_user(root, USERS["laptop"])
    run("mke2fs", "-q", "-t", "ext4", "-L", "laptop", "-d", root, image, f"{IMAGE_BYTES >> 10}k",
        stdout=subprocess.DEVNULL)
    shutil.rmtree(root)
    return changed


def make_all(target):
    work = tempfile.mkdtemp(prefix="making-", dir=os.path.dirname(target))
    desktop = os.path.join(work, "desktop")
    try:
        began = time.monotonic()
        say("Making the test machines' root file systems (once; two to three minutes) ...")
        say("  desktop: Debian and the apps, with mmdebstrap ...")
        make_desktop(desktop)
        add_user(desktop, USERS["desktop"])
        say("  laptop: the same with other package versions, as an ext4 image ...")
        changed = make_laptop(desktop, os.path.join(work, "laptop.img"), work)
        say(f"  done in {time.monotonic() - began:.0f} s; other versions of: {', '.join(changed)}")
        shutil.rmtree(os.path.join(work, "debs"), ignore_errors=True)
        os.rename(work, target)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise


def ensure():
    """Returns the folder with "desktop/" and "laptop.img", making it first when there is none."""
    with open(PACKAGES, "rb") as listing:
        content = [line for line in listing if line.startswith((b"run ", b"machine "))]
    key = hashlib.sha256(b"".join(content) + FORMAT.encode()).hexdigest()[:12]
    machines = os.path.join(cache_dir(), "machines")
    os.makedirs(machines, exist_ok=True)
    target = os.path.join(machines, f"{codename()}-{key}")
    if os.path.isdir(target):  # it appears there whole; others may be making another
        return target
    with open(os.path.join(machines, "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(target):
            make_all(target)
    return target


if __name__ == "__main__":
    print(ensure())
