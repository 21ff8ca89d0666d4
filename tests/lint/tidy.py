#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs clang-tidy over the C files of a build that are in these folders, on all cores, and prints what it complains of.

Usage: tests/lint/tidy.py BUILD FOLDER...

What was clean is not looked at again as long as it stays what it was: the cache has the sums of clean files, each of the
whole text that the compiler sees with comments and macros, the settings and clang-tidy's version. Ends with 1 when
something was complained of.
"""
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CACHE = os.path.join(os.environ.get("TBK_TEST_CACHE", "/var/cache/torrust-backup-tests"), "tidy")
COMPLAINT = re.compile(r"(error|warning):")
KEPT_DAYS = 30


def settings_and_version():
    names = subprocess.run(["git", "ls-files", "--", "*.clang-tidy"], cwd=ROOT, capture_output=True, check=True).stdout
    parts = [subprocess.run(["clang-tidy", "--version"], capture_output=True, check=True).stdout]
    for name in sorted(names.split()):
        with open(os.path.join(ROOT.encode(), name), "rb") as file:
            parts += [name, file.read()]
    return b"\0".join(parts)


def sum_of(entry, settings):
    """Of all that the result depends on; nothing when the file cannot be read as the compiler reads it."""
    words = shlex.split(entry["command"])
    flags = [word for word in words[1:] if word not in ("-c", "-o", entry["file"]) and not word.endswith(".o")]
    done = subprocess.run(["clang", "-E", "-C", "-dD", "-w", *flags, entry["file"]], cwd=entry["directory"],
                          capture_output=True, check=False)
    if done.returncode != 0:
        return None
    text = done.stdout.replace(ROOT.encode(), b".")
    return hashlib.sha256(b"\0".join([settings, shlex.join(flags).replace(ROOT, ".").encode(), text])).hexdigest()


def look_at(entry, build, settings):
    """The lines of complaint about a file."""
    name = sum_of(entry, settings)
    known = os.path.join(CACHE, name) if name else None
    if known and os.path.exists(known):
        os.utime(known)
        return []
    done = subprocess.run(["clang-tidy", "-p", build, "--quiet", entry["file"]], capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if COMPLAINT.search(line)]
    if done.returncode != 0 and not lines:
        lines = [f"{entry['file']}: clang-tidy ended with {done.returncode}: {done.stderr[-200:]}"]
    if known and not lines:
        try:
            os.makedirs(CACHE, exist_ok=True)
            with open(known, "wb"):
                pass
        except OSError:
            pass  # a cache that cannot be written saves no time, and that is all
    return lines


def main():
    build, folders = os.path.abspath(sys.argv[1]), tuple(os.path.join(ROOT, folder, "") for folder in sys.argv[2:])
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        entries = {entry["file"]: entry for entry in json.load(file) if entry["file"].startswith(folders)}
    subprocess.run(["find", CACHE, "-type", "f", "-mtime", f"+{KEPT_DAYS}", "-delete"], stderr=subprocess.DEVNULL, check=False)
    settings = settings_and_version()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(lambda name: look_at(entries[name], build, settings), sorted(entries))
        lines = sorted({line for lines in found for line in lines})
    print("\n".join(lines))
    return 1 if lines or not entries else 0


if __name__ == "__main__":
    sys.exit(main())
