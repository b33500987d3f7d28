#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person's programs do on /net, at random, and what they were promised, a line each on stdout:

  w N      file N was written and closed        s N      its fsync returned
  - N      file N is about to be removed        k K N    slot K was replaced by the text of N
  d K N    and its directory fsynced            a N      line N of the log was written
  A N      its fsync returned                   m N      N was msynced in a mapped file
  b J N    N was written at place J and fsynced
  x WHAT   an operation failed, and how         t S      the longest any of them took, at the end

files_worker.py FOLDER SEED SECONDS
"""
import errno
import mmap
import os
import random
import sys
import time

SLOTS = 6
PLACES = 16
PLACE_BYTES = 4000


def text_of(number, seed):
    """What file NUMBER holds. Some are long."""
    chance = random.Random(f"{seed} {number}")
    length = chance.randrange(1, 3000)
    if number % 11 == 0:
        length = chance.randrange(100_000, 700_000)
    return (b"%d:" % number) + chance.randbytes(length)


class Worker:
    def __init__(self, seed):
        self.seed, self.chance = seed, random.Random(seed)
        self.number = self.lines = 0
        self.longest = 0.0
        self.files = []
        self.folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
        self.log = os.open("log", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        self.held_text = text_of(7, seed)
        self.held = os.open("held", os.O_CREAT | os.O_RDWR, 0o600)
        os.write(self.held, self.held_text)
        os.unlink("held")
        self.block = os.open("block", os.O_CREAT | os.O_RDWR, 0o600)
        os.ftruncate(self.block, PLACES * PLACE_BYTES)
        mapped = os.open("mapped", os.O_CREAT | os.O_RDWR, 0o600)
        os.ftruncate(mapped, 65536)
        self.map = mmap.mmap(mapped, 65536)
        os.fsync(self.folder)

    def say(self, *words):
        os.write(1, (" ".join(map(str, words)) + "\n").encode())

    def write_whole(self, name, text, sync):
        each = sync and len(text) < 100_000 and self.chance.random() < 0.3
        fd = os.open(name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | (os.O_DSYNC if each else 0), 0o600)
        try:
            for at in range(0, len(text), 200_000):
                os.write(fd, text[at:at + 200_000])
            if sync and not each:
                self.sync_again(fd, text)
        finally:
            os.close(fd)

    def sync_again(self, fd, text):
        """Long writes may be lost with the one who served them: then fsync says so, once each."""
        for _ in range(4):
            try:
                os.fsync(fd)
                return
            except OSError as error:
                if error.errno != errno.EIO or len(text) < 100_000:
                    raise
                self.say("x", "long-write-lost")
                os.pwrite(fd, text, 0)
        os.fsync(fd)

    def new_file(self):
        number, sync = self.next(), self.chance.random() < 0.6
        text = text_of(number, self.seed)
        self.write_whole(f"f{number}", text, sync)
        self.say("w" if len(text) < 100_000 or sync else "l", number)
        if sync:
            self.say("s", number)
        self.files.append(number)

    def next(self):
        self.number += 1
        return self.number

    def remove(self):
        if self.files:
            number = self.files.pop(self.chance.randrange(len(self.files)))
            self.say("-", number)
            os.unlink(f"f{number}")

    def replace(self):
        number, slot = self.next(), self.chance.randrange(SLOTS)
        self.write_whole(f"part{slot}", text_of(number, self.seed), True)
        os.rename(f"part{slot}", f"slot{slot}")
        self.say("k", slot, number)
        if self.chance.random() < 0.5:
            os.fsync(self.folder)
            self.say("d", slot, number)

    def append(self):
        os.write(self.log, b"%08d\n" % self.lines)
        self.say("a", self.lines)
        self.lines += 1
        if self.chance.random() < 0.5:
            os.fsync(self.log)
            self.say("A", self.lines - 1)

    def overwrite(self):
        number, place = self.next(), self.chance.randrange(PLACES)
        os.pwrite(self.block, (b"%08d" % number) * (PLACE_BYTES // 8), place * PLACE_BYTES)
        os.fsync(self.block)
        self.say("b", place, number)

    def write_mapped(self):
        number = self.next()
        self.map[:8] = b"%08d" % number
        self.map.flush()
        self.say("m", number)

    def read_held(self):
        """A file without a name, open all the time."""
        if os.pread(self.held, len(self.held_text) + 1, 0) != self.held_text:
            self.say("x", "held", "differs")

    def make_folder(self):
        name = f"folder{self.next()}"
        os.mkdir(name)
        os.rename(name, name + ".moved")
        os.rmdir(name + ".moved")

    def step(self):
        act = self.chance.choices(
            (self.new_file, self.remove, self.replace, self.append, self.overwrite,
             self.write_mapped, self.read_held, self.make_folder),
            (6, 3, 3, 6, 2, 1, 1, 1))[0]
        began = time.monotonic()
        try:
            act()
        except OSError as error:
            self.say("x", act.__name__, errno.errorcode.get(error.errno, error.errno))
            time.sleep(0.02)
        self.longest = max(self.longest, time.monotonic() - began)


def main():
    os.chdir(sys.argv[1])
    worker = Worker(int(sys.argv[2]))
    end = time.monotonic() + float(sys.argv[3])
    while time.monotonic() < end:
        worker.step()
        time.sleep(worker.chance.random() * 0.004)
    worker.say("t", round(worker.longest, 3))


if __name__ == "__main__":
    main()
