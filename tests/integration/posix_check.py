#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What POSIX (and Linux) says of names, modes, links, times and content, tried in a folder.

    posix_check.py FOLDER [UID]

Prints "ok NAME" or "not ok NAME: why" a check and "N of M". As root, with the uid of somebody who
owns FOLDER, it tries what only root can, too. The same file run in a folder of another file system
says whether a check is right."""
import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import random
import shutil
import stat
import sys
import time

LIBC = ctypes.CDLL(None, use_errno=True)
RENAME_NOREPLACE, RENAME_EXCHANGE = 1, 2
FALLOC_KEEP, FALLOC_PUNCH, FALLOC_ZERO = 1, 2, 16
OTHER = 12345


@contextlib.contextmanager
def fails(*numbers):
    try:
        yield
    except OSError as error:
        names = [errno.errorcode[number] for number in numbers]
        assert error.errno in numbers, f"{errno.errorcode.get(error.errno)}, not {names}"
    else:
        raise AssertionError(f"no error, not {[errno.errorcode[n] for n in numbers]}")


@contextlib.contextmanager
def as_user(uid):
    os.setegid(uid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def write(name, data=b"content", mode=0o644):
    fd = os.open(name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode)
    try:
        while data:
            data = data[os.write(fd, data):]
    finally:
        os.close(fd)


def read(name):
    with open(name, "rb") as file:
        return file.read()


def mode_of(name):
    return stat.S_IMODE(os.lstat(name).st_mode)


def rename2(old, new, flags):
    at = -100
    if LIBC.renameat2(at, old.encode(), at, new.encode(), flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def fallocate(fd, mode, offset, length):
    size = ctypes.c_int64
    if LIBC.fallocate(fd, mode, size(offset), size(length)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def changed(name, act, which="st_ctime_ns"):
    """Whether act() moves a time of name forward."""
    before = getattr(os.lstat(name), which)
    time.sleep(0.012)
    act()
    return getattr(os.lstat(name), which) > before


# --- open -------------------------------------------------------------------------------------

def check_open_flags():
    with fails(errno.ENOENT):
        os.open("a", os.O_RDONLY)
    os.close(os.open("a", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    assert mode_of("a") == 0o600
    with fails(errno.EEXIST):
        os.open("a", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    os.mkdir("d")
    with fails(errno.EISDIR):
        os.open("d", os.O_WRONLY)
    with fails(errno.ENOTDIR):
        os.open("a", os.O_DIRECTORY)
    with fails(errno.ENOTDIR):
        os.open("a/b", os.O_RDONLY)
    os.symlink("a", "l")
    with fails(errno.ELOOP):
        os.open("l", os.O_NOFOLLOW)
    os.symlink("missing", "dangling")
    with fails(errno.EEXIST):
        os.open("dangling", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    os.close(os.open("dangling", os.O_CREAT | os.O_WRONLY))
    assert os.path.exists("missing")


def check_open_trunc_and_append():
    write("a", b"0123456789")
    fd = os.open("a", os.O_WRONLY | os.O_APPEND)
    os.lseek(fd, 0, os.SEEK_SET)
    os.write(fd, b"ab")
    os.close(fd)
    assert read("a") == b"0123456789ab"
    other = os.open("a", os.O_RDONLY)
    os.close(os.open("a", os.O_WRONLY | os.O_TRUNC))
    assert os.fstat(other).st_size == 0 and os.read(other, 10) == b""
    os.close(other)


def check_append_by_two():
    one = os.open("a", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    other = os.open("a", os.O_WRONLY | os.O_APPEND)
    for number in range(50):
        os.write(one if number % 2 else other, b"%03d\n" % number)
    assert read("a") == b"".join(b"%03d\n" % number for number in range(50))
    os.close(one)
    os.close(other)


def check_access_modes():
    write("a")
    fd = os.open("a", os.O_RDONLY)
    with fails(errno.EBADF):
        os.write(fd, b"x")
    os.close(fd)
    fd = os.open("a", os.O_WRONLY)
    with fails(errno.EBADF):
        os.read(fd, 1)
    os.close(fd)


def check_umask():
    old = os.umask(0o027)
    try:
        os.close(os.open("a", os.O_CREAT | os.O_WRONLY, 0o777))
        os.mkdir("d", 0o777)
        os.mkfifo("p", 0o666)
    finally:
        os.umask(old)
    assert (mode_of("a"), mode_of("d"), mode_of("p")) == (0o750, 0o750, 0o640)


# --- names ------------------------------------------------------------------------------------

def check_long_names():
    name = "n" * 255
    write(name)
    assert os.listdir(".") == [name]
    os.rename(name, "m" * 255)
    for act in (write, os.mkdir, os.mkfifo, os.stat, os.unlink, os.rmdir):
        with fails(errno.ENAMETOOLONG):
            act("n" * 256)
    with fails(errno.ENAMETOOLONG):
        os.symlink("x", "n" * 256)
    with fails(errno.ENAMETOOLONG):
        os.rename("m" * 255, "n" * 256)
    with fails(errno.ENAMETOOLONG):
        os.link("m" * 255, "n" * 256)
    assert os.pathconf(".", "PC_NAME_MAX") == 255
    assert os.statvfs(".").f_namemax == 255


def check_odd_names():
    names = [b" ", b"\n", b"\xff\xfe", "日本語".encode(), b"-rf", b"a\\b", b"*", b"..."]
    for name in names:
        write(name, name)
    assert sorted(os.listdir(b".")) == sorted(names)
    for name in names:
        assert read(name) == name
        os.unlink(name)
    assert os.listdir(".") == []


def check_case_matters():
    write("a", b"1")
    write("A", b"2")
    assert read("a") == b"1" and read("A") == b"2"


def check_loops():
    os.symlink("b", "a")
    os.symlink("a", "b")
    for act in (os.stat, lambda name: os.open(name, os.O_RDONLY), os.listdir,
                lambda name: os.chmod(name, 0o600)):
        with fails(errno.ELOOP):
            act("a")
    with fails(errno.ELOOP):
        os.mkdir("a/x")


def check_mkdir_and_rmdir():
    links = os.stat(".").st_nlink
    assert changed(".", lambda: os.mkdir("d", 0o755), "st_mtime_ns")
    assert os.stat("d").st_nlink == 2 and os.stat(".").st_nlink == links + 1
    with fails(errno.EEXIST):
        os.mkdir("d")
    with fails(errno.ENOENT):
        os.mkdir("x/y")
    write("d/a")
    with fails(errno.ENOTEMPTY, errno.EEXIST):
        os.rmdir("d")
    with fails(errno.ENOTDIR):
        os.rmdir("d/a")
    with fails(errno.EISDIR, errno.EPERM):
        os.unlink("d")
    with fails(errno.EINVAL):
        os.rmdir("d/.")
    os.unlink("d/a")
    assert changed(".", lambda: os.rmdir("d"))
    assert os.stat(".").st_nlink == links
    with fails(errno.ENOENT):
        os.rmdir("d")


def check_removed_directory_is_empty():
    os.mkdir("d")
    fd = os.open("d", os.O_RDONLY)
    os.rmdir("d")
    with fails(errno.ENOENT, errno.ESTALE):
        os.open("x", os.O_CREAT | os.O_WRONLY, dir_fd=fd)
    os.close(fd)


def check_nameless_things_have_attributes():
    os.mkfifo("p")
    pipe = os.open("p", os.O_RDWR)
    os.unlink("p")
    assert stat.S_ISFIFO(os.fstat(pipe).st_mode) and os.fstat(pipe).st_nlink == 0
    assert os.write(pipe, b"on") == 2 and os.read(pipe, 2) == b"on"
    os.close(pipe)
    os.mkdir("d")
    fd = os.open("d", os.O_RDONLY)
    os.rmdir("d")
    assert stat.S_ISDIR(os.fstat(fd).st_mode) and os.fstat(fd).st_nlink == 0
    os.close(fd)


def check_many_entries():
    names = {f"file-{number:05}" for number in range(3000)}
    for name in names:
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
    assert set(os.listdir(".")) == names
    with os.scandir(".") as entries:
        for number, entry in enumerate(entries):
            if number % 3 == 0:
                os.unlink(entry.name)
                names.discard(entry.name)
    assert set(os.listdir(".")) == names


# --- links ------------------------------------------------------------------------------------

def check_hard_links():
    write("a", b"1")
    os.mkdir("d")
    assert changed("a", lambda: os.link("a", "d/b"))
    one, other = os.stat("a"), os.stat("d/b")
    assert one.st_ino == other.st_ino and one.st_nlink == other.st_nlink == 2
    write("d/b", b"other content")
    os.chmod("d/b", 0o600)
    assert read("a") == b"other content" and mode_of("a") == 0o600
    with fails(errno.EEXIST):
        os.link("a", "d/b")
    with fails(errno.EPERM):
        os.link("d", "e")
    with fails(errno.ENOENT):
        os.link("missing", "e")
    assert changed("d/b", lambda: os.unlink("a"))
    assert os.stat("d/b").st_nlink == 1 and read("d/b") == b"other content"


def check_symlinks():
    for target in ("a", "../x/y", "/absolute", "t" * 1000, "日本語"):
        os.symlink(target, "l")
        assert os.readlink("l") == target
        assert os.lstat("l").st_size == len(target.encode()) and stat.S_ISLNK(os.lstat("l").st_mode)
        with fails(errno.EEXIST):
            os.symlink("z", "l")
        os.unlink("l")
    write("a")
    with fails(errno.EINVAL):
        os.readlink("a")
    os.mkdir("d")
    os.symlink("d", "l")
    write("l/b")
    assert os.listdir("d") == ["b"]
    os.link("l", "hard", follow_symlinks=False)
    assert os.readlink("hard") == "d" and os.lstat("l").st_nlink == 2


def check_special_files():
    os.mkfifo("p", 0o644)
    assert stat.S_ISFIFO(os.stat("p").st_mode)
    import socket
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        assert stat.S_ISSOCK(os.stat("s").st_mode)
    reader = os.open("p", os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open("p", os.O_WRONLY)
    os.write(writer, b"through")
    assert os.read(reader, 10) == b"through"
    os.close(reader)
    os.close(writer)
    with fails(errno.EEXIST):
        os.mkfifo("p")


# --- rename -----------------------------------------------------------------------------------

def check_rename_matrix():
    """Every kind over every kind: what POSIX allows, and the error where it doesn't."""
    kinds = {"file": lambda name: write(name, name.encode()), "link": lambda n: os.symlink("x", n),
             "fifo": os.mkfifo, "empty": os.mkdir, "nothing": lambda name: None,
             "full": lambda name: (os.mkdir(name), write(name + "/inside"))}
    for old, make_old in kinds.items():
        for new, make_new in kinds.items():
            if old == "nothing":
                continue
            os.mkdir("case")
            make_old("case/old")
            make_new("case/new")
            ino = os.lstat("case/old").st_ino
            is_dir = old in ("empty", "full")
            if new == "nothing" or (new in ("file", "link", "fifo") and not is_dir) or \
                    (new == "empty" and is_dir):
                os.rename("case/old", "case/new")
                assert os.lstat("case/new").st_ino == ino, (old, new)
                assert os.listdir("case") == ["new"], (old, new)
            else:
                wanted = (errno.ENOTEMPTY, errno.EEXIST) if new == "full" and is_dir else \
                    (errno.EISDIR,) if not is_dir else (errno.ENOTDIR,)
                with fails(*wanted):
                    os.rename("case/old", "case/new")
                assert sorted(os.listdir("case")) == ["new", "old"], (old, new)
            shutil.rmtree("case")


def check_rename_details():
    write("a", b"1")
    os.link("a", "b")
    os.rename("a", "b")  # two names of one file: nothing happens
    assert sorted(os.listdir(".")) == ["a", "b"]
    os.mkdir("d")
    os.mkdir("d/e")
    with fails(errno.EINVAL):
        os.rename("d", "d/e/f")
    with fails(errno.ENOENT):
        os.rename("missing", "x")
    with fails(errno.EBUSY, errno.EINVAL, errno.ENOTEMPTY, errno.EEXIST):
        os.rename("d/.", "x")
    os.rename("d/e", "e")
    assert os.stat("d").st_nlink == 2
    assert os.stat("e/..").st_ino == os.stat(".").st_ino
    before = os.stat("b").st_ctime_ns
    time.sleep(0.012)
    os.rename("b", "c")
    assert os.stat("c").st_ctime_ns > before


def check_rename_flags():
    write("a", b"1")
    os.mkdir("d")
    write("d/b", b"2")
    with fails(errno.EEXIST):
        rename2("a", "d/b", RENAME_NOREPLACE)
    rename2("a", "d", RENAME_EXCHANGE)
    assert read("d") == b"1" and read("a/b") == b"2"
    with fails(errno.ENOENT):
        rename2("a", "missing", RENAME_EXCHANGE)
    rename2("a", "new", RENAME_NOREPLACE)
    assert read("new/b") == b"2"


def check_rename_over_open_file():
    write("a", b"old content")
    write("b", b"new")
    fd = os.open("a", os.O_RDWR)
    os.rename("b", "a")
    assert read("a") == b"new"
    assert os.pread(fd, 20, 0) == b"old content" and os.fstat(fd).st_nlink == 0
    os.pwrite(fd, b"OLD", 0)
    assert os.pread(fd, 20, 0) == b"OLD content" and read("a") == b"new"
    os.close(fd)


def check_unlinked_but_open():
    fd = os.open("a", os.O_CREAT | os.O_RDWR)
    os.unlink("a")
    os.write(fd, b"x" * 300000)
    assert os.fstat(fd).st_size == 300000 and os.fstat(fd).st_nlink == 0
    os.ftruncate(fd, 10)
    os.fchmod(fd, 0o600)
    assert os.pread(fd, 100, 0) == b"x" * 10
    os.close(fd)
    assert os.listdir(".") == []


# --- attributes -------------------------------------------------------------------------------

def check_chmod():
    write("a")
    for mode in (0, 0o444, 0o644, 0o7755, 0o1777, 0o4711):
        os.chmod("a", mode)
        assert mode_of("a") == mode, oct(mode)
    assert changed("a", lambda: os.chmod("a", 0o644))
    os.mkdir("d", 0o700)
    os.chmod("d", 0o1755)
    assert mode_of("d") == 0o1755
    with fails(errno.ENOENT):
        os.chmod("missing", 0o644)


def check_permissions_are_enforced():
    if os.geteuid() == 0:
        return
    write("a")
    os.chmod("a", 0)
    with fails(errno.EACCES):
        os.open("a", os.O_RDONLY)
    os.mkdir("d")
    write("d/b")
    os.chmod("d", 0o500)
    with fails(errno.EACCES):
        write("d/c")
    with fails(errno.EACCES):
        os.unlink("d/b")
    os.chmod("d", 0o600)
    with fails(errno.EACCES):
        os.stat("d/b")
    os.chmod("d", 0o700)
    with fails(errno.EPERM):
        os.chown("a", 0, -1)


def check_writing_drops_set_user_id():
    if os.geteuid() == 0:
        return
    for act in (lambda: write_in_place("a"), lambda: os.truncate("a", 3),
                lambda: os.chown("a", -1, os.getegid())):
        write("a", b"12345")
        os.chmod("a", 0o6755)
        act()
        assert mode_of("a") == 0o755, oct(mode_of("a"))
        os.unlink("a")


def write_in_place(name):
    fd = os.open(name, os.O_WRONLY)
    os.pwrite(fd, b"x", 0)
    os.close(fd)


def check_utimens():
    write("a")
    for atime, mtime in ((1, 2), (1234567890123456789, 987654321987654321), (-5 * 10 ** 9, 0),
                         (4 * 10 ** 18, 3 * 10 ** 18 + 999999999)):
        os.utime("a", ns=(atime, mtime))
        st = os.stat("a")
        assert (st.st_atime_ns, st.st_mtime_ns) == (atime, mtime), (st.st_atime_ns, st.st_mtime_ns)
    os.utime("a")
    assert abs(os.stat("a").st_mtime - time.time()) < 10
    os.symlink("a", "l")
    os.utime("l", ns=(5, 6), follow_symlinks=False)
    assert os.lstat("l").st_mtime_ns == 6 and os.stat("a").st_mtime_ns != 6


def check_times_move():
    write("a")
    assert changed("a", lambda: write("a", b"other"), "st_mtime_ns")
    assert changed("a", lambda: os.truncate("a", 100), "st_mtime_ns")
    fd = os.open("a", os.O_WRONLY)
    assert changed("a", lambda: os.pwrite(fd, b"x", 0), "st_mtime_ns")
    os.close(fd)
    assert changed(".", lambda: write("b"), "st_mtime_ns")
    assert changed(".", lambda: os.unlink("b"), "st_mtime_ns")
    assert not changed("a", lambda: read("a"), "st_mtime_ns")


def check_xattrs():
    write("a")
    with fails(errno.ENODATA):
        os.getxattr("a", "user.none")
    os.setxattr("a", "user.one", b"1")
    os.setxattr("a", "user.big", b"x" * 4000)
    os.setxattr("a", "user.empty", b"")
    assert os.getxattr("a", "user.one") == b"1" and os.getxattr("a", "user.empty") == b""
    assert sorted(os.listxattr("a")) == ["user.big", "user.empty", "user.one"]
    with fails(errno.EEXIST):
        os.setxattr("a", "user.one", b"2", os.XATTR_CREATE)
    with fails(errno.ENODATA):
        os.setxattr("a", "user.two", b"2", os.XATTR_REPLACE)
    os.setxattr("a", "user.one", b"2", os.XATTR_REPLACE)
    assert os.getxattr("a", "user.one") == b"2"
    os.removexattr("a", "user.one")
    with fails(errno.ENODATA):
        os.removexattr("a", "user.one")
    os.mkdir("d")
    os.setxattr("d", "user.dir", b"yes")
    assert os.getxattr("d", "user.dir") == b"yes"


# --- content ----------------------------------------------------------------------------------

def check_truncate():
    write("a", b"0123456789")
    os.truncate("a", 5)
    assert read("a") == b"01234"
    os.truncate("a", 8)
    assert read("a") == b"01234\0\0\0"
    os.truncate("a", 0)
    os.truncate("a", 5 << 20)
    assert os.stat("a").st_size == 5 << 20 and set(read("a")) == {0}
    with fails(errno.EINVAL):
        os.truncate("a", -1)
    os.mkdir("d")
    with fails(errno.EISDIR):
        os.truncate("d", 0)


def check_sparse():
    fd = os.open("a", os.O_CREAT | os.O_RDWR)
    os.pwrite(fd, b"end", 1 << 32)
    st = os.fstat(fd)
    assert st.st_size == (1 << 32) + 3 and st.st_blocks * 512 < 1 << 24, st.st_blocks
    assert os.pread(fd, 10, 1 << 31) == bytes(10) and os.pread(fd, 10, 1 << 32) == b"end"
    assert os.lseek(fd, 0, os.SEEK_DATA) > 0
    assert os.lseek(fd, 0, os.SEEK_HOLE) == 0
    with fails(errno.ENXIO):
        os.lseek(fd, 1 << 40, os.SEEK_DATA)
    os.close(fd)


def check_fallocate():
    write("a", b"x" * 300000)
    fd = os.open("a", os.O_RDWR)
    fallocate(fd, FALLOC_PUNCH | FALLOC_KEEP, 100000, 100000)
    assert read("a") == b"x" * 100000 + bytes(100000) + b"x" * 100000
    fallocate(fd, 0, 0, 400000)
    assert os.fstat(fd).st_size == 400000
    fallocate(fd, FALLOC_KEEP, 0, 500000)
    assert os.fstat(fd).st_size == 400000
    fallocate(fd, FALLOC_ZERO, 0, 10)
    assert read("a")[:11] == bytes(10) + b"x"
    os.close(fd)


def check_mmap():
    write("a", b"x" * 8192)
    fd = os.open("a", os.O_RDWR)
    with mmap.mmap(fd, 8192) as shared, mmap.mmap(fd, 8192, mmap.MAP_PRIVATE) as private:
        shared[100:105] = b"HELLO"
        private[0:4] = b"mine"
        assert os.pread(fd, 5, 100) == b"HELLO"
        os.pwrite(fd, b"WRITE", 200)
        assert shared[200:205] == b"WRITE"
        shared.flush()
    os.close(fd)
    assert read("a")[:105] == b"x" * 100 + b"HELLO"


def all_views(fd, mapped):
    """A file as read, as mapped, as sent, and as a descriptor of its own reads it."""
    size = os.fstat(fd).st_size
    yield os.pread(fd, size + 1, 0)
    yield bytes(mapped[:size])
    sent = os.open("sent", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    os.sendfile(sent, fd, 0, size)
    yield os.pread(sent, size + 1, 0)
    os.close(sent)
    yield read("new")


def check_new_file_is_one_for_all():
    """Who makes a file and only writes it writes the same file that others read, write and map."""
    chance, model = random.Random(4), bytearray()
    maker = os.open("new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    other = os.open("new", os.O_RDWR)
    os.ftruncate(other, 40000)
    with mmap.mmap(other, 40000) as mapped:
        os.ftruncate(maker, 0)
        for _ in range(150):
            at, data = chance.randrange(20000), chance.randbytes(chance.randrange(1, 12000))
            kind = chance.randrange(5)
            if kind == 4:
                os.ftruncate(maker, at)
                model = bytearray(bytes(model).ljust(at, b"\0")[:at])
            elif kind == 3 and at + len(data) <= len(model):
                mapped[at:at + len(data)] = data
                mapped.flush()
                model[at:at + len(data)] = data
            else:
                os.pwrite(maker if kind < 2 else other, data, at)
                model = model.ljust(at, b"\0")
                model[at:at + len(data)] = data
            for view in all_views(other, mapped):
                assert view == model, f"{len(view)} bytes, not {len(model)}, or others"
        os.close(maker)
        os.pwrite(other, b"after", 10)
        model[10:15] = b"after"
        assert read("new") == bytes(mapped[:len(model)]) == model
    os.close(other)
    assert read("new") == model


def check_new_file_is_followed():
    """Whoever reads what another writes sees whole lines up to the size, never zeros."""
    pid = os.fork()
    if pid == 0:
        fd = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        for number in range(4000):
            os.write(fd, b"%011d\n" % number)
        os._exit(0)
    text, ended = b"", False
    while not os.path.exists("log"):
        time.sleep(0.001)
    fd = os.open("log", os.O_RDONLY)
    while not ended:
        ended = os.waitpid(pid, os.WNOHANG)[0] != 0
        text += os.pread(fd, os.fstat(fd).st_size - len(text), len(text))
    os.close(fd)
    assert text == b"".join(b"%011d\n" % number for number in range(4000))
    assert read("log") == text


def check_random_io():
    """Reads, writes, maps and truncates at random against the same done in memory."""
    for seed in range(4):
        chance, model = random.Random(seed), bytearray()
        fd = os.open(f"a{seed}", os.O_CREAT | os.O_RDWR)
        for step in range(400):
            act = chance.randrange(6)
            at, length = chance.randrange(1 << 19), chance.randrange(1, 1 << 17)
            if act < 2:
                data = chance.randbytes(length)
                assert os.pwrite(fd, data, at) == length
                model.extend(bytes(max(0, at + length - len(model))))
                model[at:at + length] = data
            elif act == 2:
                os.ftruncate(fd, at)
                del model[at:]
                model.extend(bytes(at - len(model)))
            elif act == 3 and model:
                at %= len(model)
                data = chance.randbytes(min(length, len(model) - at))
                with mmap.mmap(fd, len(model)) as mapped:
                    mapped[at:at + len(data)] = data
                model[at:at + len(data)] = data
            elif act == 4 and step % 7 == 0:
                os.close(fd)
                fd = os.open(f"a{seed}", os.O_RDWR)
            else:
                assert os.pread(fd, length, at) == model[at:at + length], (seed, step)
            assert os.fstat(fd).st_size == len(model), (seed, step)
        os.fsync(fd)
        os.close(fd)
        assert read(f"a{seed}") == model, seed


def check_locks():
    write("a")
    one, other = os.open("a", os.O_RDWR), os.open("a", os.O_RDWR)
    fcntl.flock(one, fcntl.LOCK_EX)
    with fails(errno.EAGAIN):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(one, fcntl.LOCK_UN)
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.lockf(one, fcntl.LOCK_EX, 10, 0)
    pid = os.fork()
    if pid == 0:
        code = 1
        with contextlib.suppress(BaseException), fails(errno.EAGAIN, errno.EACCES):
            fcntl.lockf(other, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 5)
            code = 2
        fcntl.lockf(other, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 20)
        os._exit(0 if code == 1 else code)
    assert os.waitpid(pid, 0)[1] == 0
    os.close(one)
    os.close(other)


# --- as root ----------------------------------------------------------------------------------

def root_check_chown(user):
    write("a")
    os.chmod("a", 0o6755)
    assert changed("a", lambda: os.chown("a", OTHER, OTHER + 1))
    st = os.stat("a")
    assert (st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)) == (OTHER, OTHER + 1, 0o755)
    os.symlink("a", "l")
    os.lchown("l", user, user)
    assert os.lstat("l").st_uid == user and os.stat("a").st_uid == OTHER
    with as_user(user), fails(errno.EPERM):
        os.chown("a", user, user)
    with as_user(user), fails(errno.EPERM):
        os.chmod("a", 0o777)


def root_check_sticky_bit(user):
    os.mkdir("d")
    os.chmod("d", 0o1777)
    write("d/a")
    os.chown("d/a", OTHER, OTHER)
    with as_user(user):
        write("d/mine")
        for act in (os.unlink, lambda name: os.rename(name, "d/x")):
            with fails(errno.EPERM, errno.EACCES):
                act("d/a")
        with fails(errno.EPERM, errno.EACCES):
            os.rename("d/mine", "d/a")
        os.unlink("d/mine")


def root_check_groups_are_inherited(user):
    os.mkdir("d")
    os.chown("d", user, OTHER)
    os.chmod("d", 0o2775)
    with as_user(user):
        write("d/a")
        os.mkdir("d/e")
    assert os.stat("d/a").st_gid == OTHER and os.stat("d/e").st_gid == OTHER
    assert os.stat("d/e").st_mode & stat.S_ISGID


def root_check_devices_do_nothing(user):
    os.mknod("n", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    st = os.stat("n")
    assert stat.S_ISCHR(st.st_mode) and st.st_rdev == os.makedev(1, 3)
    if os.statvfs(".").f_flag & 4:  # ST_NODEV
        with fails(errno.EACCES):
            os.open("n", os.O_RDONLY)


def run(folder, checks):
    passed = 0
    for name, check in checks:
        place = os.path.join(folder, name)
        os.mkdir(place)
        os.chmod(place, 0o755)
        os.chdir(place)
        try:
            check()
            passed += 1
            print("ok " + name, flush=True)
        except Exception as error:  # one line each
            line = error.__traceback__
            while line.tb_next and line.tb_next.tb_frame.f_code.co_filename == __file__:
                line = line.tb_next
            print(f"not ok {name}: {type(error).__name__} {error} (line {line.tb_lineno})",
                  flush=True)
        finally:
            os.chdir(folder)
        shutil.rmtree(place)
    print(f"{passed} of {len(checks)}")
    return passed == len(checks)


def main():
    folder = os.path.abspath(sys.argv[1])
    checks = [(name[6:], value) for name, value in globals().items()
              if name.startswith("check_")]
    if os.geteuid() == 0:
        user = int(sys.argv[2])
        checks += [(name[11:], lambda value=value: value(user)) for name, value
                   in globals().items() if name.startswith("root_check_")]
    os.umask(0o022)
    sys.exit(0 if run(folder, checks) else 1)


if __name__ == "__main__":
    main()
