#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the form of code, texts and contracts; one TAP line a rule. Run by ./dev lint."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "hosts"))
import tap  # noqa: E402

CODE_COLUMNS = 100
SCRIPT_COLUMNS = 110
FUNCTION_LIMIT = 150
FILE_LIMIT = 1000
# Protocol texts of others stand as their authors wrote them.
FOREIGN = ("session/display/protocols/", "LICENSES/")
CODE = (".c", ".h", ".py", ".build", ".css", ".ui", ".sh", ".in")


class Found(Exception):
    """What a rule found, one line each."""

    def __str__(self):
        return "\n".join(self.args[0][:40])


def tracked():
    """Files of the tree that are ours; without git, all but build/."""
    git = subprocess.run(["git", "-C", TOP, "ls-files", "-co", "--exclude-standard"],
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    names = git.stdout.splitlines() if git.returncode == 0 else list(walk())
    return [name for name in names if not name.startswith(FOREIGN)
            and os.path.isfile(os.path.join(TOP, name))]


def walk():
    for base, folders, names in os.walk(TOP):
        folders[:] = [name for name in folders if name not in (".git", "build", "__pycache__")]
        for name in names:
            yield os.path.relpath(os.path.join(base, name), TOP)


FILES = tracked()


def ending(*endings):
    return [name for name in FILES if name.endswith(endings)]


def lines_of(name):
    with open(os.path.join(TOP, name), encoding="utf-8", errors="replace") as file:
        return file.read().splitlines()


def is_shell(name):
    if "." in os.path.basename(name).lstrip("."):
        return name.endswith(".sh")
    lines = lines_of(name)
    return bool(lines) and lines[0].startswith("#!/bin/sh")


def report(found):
    if found:
        raise Found(found)


def check_each(tool, names, *argv):
    """Runs a checker over each file; what it says is found."""
    if not names:
        raise tap.Skip("no such files")
    if not shutil.which(tool):
        raise tap.Skip(f"{tool} is not installed")
    found = []
    for name in names:
        result = subprocess.run([tool, *argv, name], cwd=TOP, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, check=False)
        if result.returncode:
            found += [name + ": " + line for line in result.stdout.splitlines()] or [name]
    report(found)


def test_every_source_names_its_licence():
    names = ending(*CODE) + [name for name in FILES if is_shell(name)]
    report([name for name in names if not any(
        "SPDX-License-Identifier:" in line for line in lines_of(name)[:4])])


def test_lines_are_short():
    limits = {name: CODE_COLUMNS for name in ending(".c", ".h")}
    limits.update({name: SCRIPT_COLUMNS for name in FILES if name.endswith(".py") or is_shell(name)})
    report([f"{name}:{number}: {len(line)} columns" for name, limit in limits.items()
            for number, line in enumerate(lines_of(name), 1) if len(line) > limit])


def test_no_trailing_blanks():
    names = ending(".c", ".h", ".py", ".build", ".md", ".xml")
    report([f"{name}:{number}" for name in names
            for number, line in enumerate(lines_of(name), 1) if line != line.rstrip()])


def test_functions_are_short():
    found = []
    for name in ending(".c"):
        start = 0
        for number, line in enumerate(lines_of(name), 1):
            if line == "{":
                start = number
            elif line == "}" and start:
                if number - start > FUNCTION_LIMIT:
                    found.append(f"{name}:{start}: {number - start} lines")
                start = 0
    report(found)


def test_files_have_one_subject():
    report([f"{name}: {len(lines_of(name))} lines" for name in ending(".c", ".h", ".py")
            if len(lines_of(name)) > FILE_LIMIT])


def test_no_banned_calls():
    banned = re.compile(r"\b(strcpy|strcat|sprintf|gets|system|popen|mktemp|tmpnam)\s*\(")
    report([f"{name}:{number}: {line.strip()}" for name in ending(".c") if "tests/" not in name
            for number, line in enumerate(lines_of(name), 1)
            if banned.search(line) and not line.lstrip().startswith(("*", "/*", "//"))])


def test_contracts_are_well_formed():
    check_each("xmllint", ending(".xml", ".ui"), "--noout", "--nonet")


def test_translations():
    check_each("msgfmt", ending(".po"), "-c", "-o", os.devnull)


def test_desktop_entries():
    """Before translation; not the log-in session's, whose keys the tool doesn't know."""
    with tempfile.TemporaryDirectory() as folder:
        entries = []
        for name in ending(".desktop.in"):
            if not name.startswith("data/login/"):
                entries.append(os.path.join(folder, os.path.basename(name)[:-len(".in")]))
                shutil.copy(os.path.join(TOP, name), entries[-1])
        check_each("desktop-file-validate", entries)


def test_manual_pages():
    check_each("mandoc", ending(".1", ".5", ".8"), "-T", "lint", "-W", "error")


def test_wrong_arguments_of_dev():
    """Are refused before anything is installed or built."""
    dev = os.path.join(TOP, "dev")
    for words in (["install", "--x"], ["install", "here"], ["demo", "--kep"], ["bench", "nothing"],
                  ["test", "nothing"], ["test", "unit", "--rounds", "3"], ["nothing"]):
        answer = subprocess.run([dev, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                timeout=20)
        if answer.returncode == 0 or "./dev: " not in answer.stderr:
            raise Found([f"./dev {' '.join(words)}: {answer}"])
    helped = subprocess.run([dev, "lint", "--help"], stdout=subprocess.PIPE, text=True, timeout=20)
    if helped.returncode != 0 or "./dev uninstall" not in helped.stdout:
        raise Found([f"./dev lint --help: {helped}"])


def test_shell_scripts():
    check_each("shellcheck", [name for name in FILES if is_shell(name)], "-s", "sh")


def test_python():
    found = []
    for name in ending(".py"):
        try:
            compile("\n".join(lines_of(name)), name, "exec")
        except SyntaxError as error:
            found.append(f"{name}:{error.lineno}: {error.msg}")
    report(found)


if __name__ == "__main__":
    tap.run(globals())
