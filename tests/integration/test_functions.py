#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Functions on two machines: a picture goes through a planned chain; a C program's own sort gives way to
a better one and comes back; C, Python and the shell call each other; a busy machine lets an idle one
work."""
import json
import os
import re
import shutil
import struct
import sys
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hosts"))
import hosts  # noqa: E402
import tap  # noqa: E402

BUILD = os.environ.get("MOSS_BUILD", "build/dev")
TENSOR = "application/x-moss-tensor,dtype=i32"
SORT = f"transform sort({TENSOR}) -> {TENSOR}"
THINK = "transform think(text/plain) -> text/plain"
UPPER = "transform upper(text/plain) -> text/plain"
REVERSE = "transform reverse(text/plain) -> text/plain"
WEBP = "convert(image/png) -> image/webp"
NUMBERS = 5_000_000
SORTED_S = 180  # a round takes half a second, and many when ten others want the processor
LOCAL = {"MOSS_TEST_LOAD": "/tmp/load", "MOSS_FFI_BRIDGES": "/tmp/bridges",
         "XDG_DATA_DIRS": "/tmp/share:/usr/share"}
OFFERING = f'''
import moss_ffi
@moss_ffi.function("{REVERSE}", pure=True)
def reverse(text):
    return text[::-1]
moss_ffi.run()
'''
CALLING = f'import moss_ffi; print(moss_ffi.call("{UPPER}", "from python"), end="")'
SCRIPT = f'''#!/bin/sh
printf "from a shell" | moss fn call "{UPPER}"
printf "größer" | moss fn call "{REVERSE}"
'''


def png(width, height):
    """A picture with a gradient, as RGB."""
    rows = b"".join(b"\0" + bytes(value for x in range(width) for value in (x % 256, y % 256, 99))
                    for y in range(height))
    chunks = b""
    for name, data in ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
                       (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        chunks += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return b"\x89PNG\r\n\x1a\n" + chunks


class World:
    """Two machines that know each other, each with a broker that is told how busy it is."""

    def __init__(self):
        self.lab = hosts.Lab(BUILD)
        try:
            self.desktop, self.laptop = (self.lab.machine(name) for name in ("desktop", "laptop"))
            for machine in (self.desktop, self.laptop):
                self.begin(machine)
            hosts.pair(self.desktop, self.laptop)
        except BaseException:
            self.close()
            raise

    def begin(self, machine):
        machine.start_sandboxd()
        machine.start_bus()
        for program in ("ffi-provider", "ffi-caller", "ffi-best"):
            shutil.copy(os.path.join(BUILD, "tests/integration", program), machine.path("/usr/local/bin"))
        self.bring_bridges(machine)
        self.busy(machine, 0)
        machine.start("broker", [machine.libexec("moss-ffi-broker")], env=LOCAL)
        hosts.wait_until("the broker", lambda: machine.has_name("org.moss.FunctionBroker1"))
        machine.start_session()
        hosts.wait_until("netd", lambda: machine.has_name("org.moss.Net1"), 20)

    def bring_bridges(self, machine):
        """gdk-pixbuf and a part of ImageMagick, on the desktop: so a chain is needed, and little else
        is measured."""
        os.makedirs(machine.path("/tmp/bridges"))
        os.makedirs(machine.path("/tmp/share/moss/functions"))
        if machine.name != "desktop":
            return
        for name in ("pixbuf", "exec"):
            shutil.copy(os.path.join(BUILD, f"ffi-broker/bridges/{name}.so"), machine.path("/tmp/bridges"))
        with open(machine.path(f"{machine.prefix}/share/moss/functions/imagemagick.mossfn"),
                  encoding="utf-8") as file:
            groups = re.split(r"\n(?=\[)", file.read())
        write(machine, "/tmp/share/moss/functions/imagemagick.mossfn",
              "\n".join(group for group in groups if re.match(r"#|\[Provider|\[Function encode-webp", group)))

    def busy(self, machine, load):
        with open(machine.path("/tmp/load"), "w", encoding="utf-8") as file:
            file.write(f"{load}\n")

    def close(self):
        self.lab.close()


def write(machine, path, text):
    with open(machine.path(path), "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())


def offers(machine, request):
    return json.loads(machine.moss("fn", "list", request, "--json"))


def wait_for_offer(machine, request):
    hosts.wait_until(f"an offer of {request}", lambda: any(
        one["present"] for one in offers(machine, request)))


def call(machine, request, source, *options):
    """Calls a function on a file of the machine; returns how it came about."""
    return json.loads(machine.moss("fn", "call", request, source, "-o", "/tmp/out", "--json", *options))


def python(script):
    return ["/usr/bin/python3", "-B", "-c", script]


def test_a_picture_goes_through_a_chain(world):
    desktop = world.desktop
    write(desktop, "/tmp/a.png", png(300, 200))
    hosts.wait_until("both offer", lambda: desktop.moss("fn", "explain", WEBP, "--lossy", check=False)
                     .count("→") >= 2)
    steps = call(desktop, WEBP, "/tmp/a.png", "--lossy")["steps"]
    assert len(steps) == 2 and "x-raw" in steps[0]["out"], steps
    with open(desktop.path("/tmp/out"), "rb") as file:
        made = file.read()
    assert made[:4] == b"RIFF" and made[8:12] == b"WEBP", made[:16]


def test_languages_call_each_other(world):
    desktop = world.desktop
    desktop.start("python", python(OFFERING))
    desktop.start("upper", ["ffi-provider", "process:upper", "1", "upper"])
    wait_for_offer(desktop, REVERSE)
    wait_for_offer(desktop, UPPER)
    assert desktop.run(["ffi-caller", "5", "2", REVERSE, "100"]).stdout.split()[:2] == ["5", "0"]
    assert desktop.run(python(CALLING)).stdout == "FROM PYTHON"
    write(desktop, "/tmp/script", SCRIPT)
    assert desktop.run(["sh", "/tmp/script"]).stdout == "FROM A SHELLreßörg"


def sorted_by(machine):
    """Who sorted few numbers and many, in the last round of the program: "own" or "other"."""
    rounds = [line.split() for line in machine.log("best").splitlines()]
    assert ["wrong"] not in rounds
    return rounds[-1] if rounds else None


def wait_sorted(machine, what, few, many):
    """Until these sort few numbers and many; says what was known of them when they don't."""
    try:
        hosts.wait_until(what, lambda: sorted_by(machine) == [few, many], SORTED_S)
    except hosts.Failure as error:
        known = [(one["provider"], one["calls"], one["present"], one["trust"], one["reason"], one["curve"])
                 for one in offers(machine, SORT)]
        raise hosts.Failure(f"{error}: {sorted_by(machine)}, {known}") from error


def test_a_c_program_finds_a_better_sort_and_comes_back(world):
    """Both measure with whatever else runs, so that the broker has to know how busy it really is."""
    desktop = world.desktop
    os.unlink(desktop.path("/tmp/load"))
    desktop.start("best", ["ffi-best", str(NUMBERS)])
    wait_sorted(desktop, "it sorts", "own", "own")
    desktop.start("radix", ["ffi-provider", "process:radix", "1", "sort"],
                  env={"MOSS_TEST_SLOW": "/tmp/slow"})
    wait_sorted(desktop, "the better one sorts the many alone", "own", "other")
    [own] = [one for one in offers(desktop, SORT) if one["kind"] == "in-process"]
    assert own["provider"] == "own:ffi-best" and own["present"] and len(own["curve"]) == 2, own
    write(desktop, "/tmp/slow", "40\n")
    wait_sorted(desktop, "its own routine is better again", "own", "own")
    explained = json.loads(desktop.moss("fn", "explain", SORT, "--bytes", str(NUMBERS * 4), "--json"))
    assert "own:ffi-best" in [one["offer"]["provider"] for one in explained["direct"]], explained
    assert any(one["provider"] == "process:radix" and (
        one["outcome"] == "killed" or one["measured-us"] > 2 * one["predicted-us"])
               for one in explained["last"]), explained
    desktop.kill("ffi-best")
    hosts.wait_until("nobody offers it any more", lambda: not any(
        one["present"] for one in offers(desktop, SORT) if one["kind"] == "in-process"))
    world.busy(desktop, 0)


def test_a_busy_machine_lets_an_idle_one_work(world):
    desktop, laptop = world.desktop, world.laptop
    write(desktop, "/tmp/text", "abc\n" * 100)
    for machine in (laptop, desktop):
        machine.start("think", ["ffi-provider", "process:think", "1", "think"])
    hosts.wait_until("the offer of the laptop", lambda: {
        one["kind"] for one in offers(desktop, THINK) if one["trust"] == "measured" and one["present"]
    } == {"local", "remote"}, 40)
    device = lambda: call(desktop, THINK, "/tmp/text")["device"]  # noqa: E731
    world.busy(desktop, 1)
    hosts.wait_until("the call goes to the laptop", lambda: device() != "", 15)
    with open(desktop.path("/tmp/out"), encoding="utf-8") as file:
        assert file.read() == "ABC\n" * 100
    world.busy(laptop, 1)
    hosts.wait_until("the laptop's owner comes back", lambda: not any(
        one["present"] for one in offers(desktop, THINK) if one["kind"] == "remote"), 15)
    assert device() == ""


if __name__ == "__main__":
    tap.need_root()
    the_world = World()
    try:
        tap.run(globals(), the_world)
    finally:
        the_world.close()
