#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Functions between languages, and a picture through a chain of two providers: C and Python call each
other, a shell script calls both. On a bus of its own, with the broker, its workers and bridges."""
import os
import shutil
import struct
import subprocess
import sys
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "hosts"))
import tap  # noqa: E402
import test_ffi_broker as broker_test  # noqa: E402

SOURCE = os.path.join(HERE, "..", "..")
BUILD = os.path.abspath(broker_test.BUILD)
CLIENT = os.path.join(BUILD, "ffi-broker/client")
REVERSE = "transform reverse(text/plain) -> text/plain"
PYTHON = "/usr/bin/python3"
OFFERING = f'''
import moss_ffi
@moss_ffi.function("{REVERSE}", pure=True)
def reverse(text):
    return text[::-1]
moss_ffi.run()
'''
CALLING = f'import moss_ffi; print(moss_ffi.call("{broker_test.UPPER}", "from python"), end="")'


def png(width, height):
    """A picture with a gradient, as RGB."""
    rows = b"".join(b"\0" + bytes(value for x in range(width) for value in (x % 256, y % 256, 99))
                    for y in range(height))
    chunks = b""
    for name, data in ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
                       (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        chunks += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return b"\x89PNG\r\n\x1a\n" + chunks


class World(broker_test.World):
    """With gdk-pixbuf and ffmpeg alone, so that a chain is needed."""

    def prepare(self):
        os.makedirs(self.folder + "/none")
        os.makedirs(self.folder + "/share/moss/functions")
        for name in ("pixbuf", "exec"):
            if not os.path.exists(f"{BUILD}/ffi-broker/bridges/{name}.so"):
                continue
            shutil.copy(f"{BUILD}/ffi-broker/bridges/{name}.so", self.folder + "/none")
        shutil.copy(SOURCE + "/data/mossfn/ffmpeg.mossfn", self.folder + "/share/moss/functions")
        self.env.update(MOSS_LIBEXECDIR=BUILD + "/ffi-broker/worker", LD_LIBRARY_PATH=CLIENT,
                        GI_TYPELIB_PATH=CLIENT, PYTHONPATH=SOURCE + "/ffi-broker/client/python",
                        XDG_DATA_DIRS=self.folder + "/share:/usr/share")

    def python(self, script):
        return subprocess.Popen([PYTHON, "-c", script], env=self.env, stdout=subprocess.PIPE, text=True)


def test_a_picture_goes_through_a_chain(world):
    if not os.path.exists(BUILD + "/ffi-broker/bridges/pixbuf.so") or not os.path.exists("/usr/bin/ffmpeg"):
        raise tap.Skip("gdk-pixbuf or ffmpeg is not here")
    request = "convert(image/png) -> image/webp"
    broker_test.wait("both offer", lambda: world.moss("explain", request, "--lossy", check=False).stdout
                     .count("→".encode()) >= 2, seconds=30)
    result = world.moss("call", request, "--lossy", data=png(300, 200))
    assert result.stdout[:4] == b"RIFF" and result.stdout[8:12] == b"WEBP", result


def test_shell_and_c_call_python(world):
    world.programs.append(world.python(OFFERING))
    broker_test.wait("it offers", lambda: world.offer(REVERSE).get("present"))
    assert world.moss("call", REVERSE, data="größer".encode()).stdout.decode() == "reßörg"
    called = subprocess.run([broker_test.CALLER, "5", "2", REVERSE, "100"], env=world.env, check=True,
                            stdout=subprocess.PIPE, text=True, timeout=30)
    assert called.stdout.split()[:2] == ["5", "0"], called


def test_python_and_shell_call_c(world):
    world.start("process:good", "1", "upper")
    broker_test.wait("it offers", lambda: world.offer(broker_test.UPPER).get("present"))
    assert world.python(CALLING).communicate(timeout=30)[0] == "FROM PYTHON"
    assert world.moss("call", broker_test.UPPER, data=b"from a shell").stdout == b"FROM A SHELL"


if __name__ == "__main__":
    broker_test.main(World, globals())
