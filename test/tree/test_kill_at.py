# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tool that kills at a system call: it does so at that one, before or behind it, in threads and
children, too."""

import subprocess
import sys

import pytest

from harness import tool

CHILDREN = ["sh", "-c", ": <marker; mkdir a; mkdir b; mkdir c"]
THREADS = [sys.executable, "-c", """
import os, threading
open("marker").close()
for name in "abc":
    thread = threading.Thread(target=os.mkdir, args=[name])
    thread.start()
    thread.join()
"""]


def run(path, command, number, *options):
    """(status, what it says, the folders that were made)"""
    path.mkdir()
    (path / "marker").touch()
    done = subprocess.run([tool("kill_at"), *options, f"--log={path}.log", "--from=marker",
                           str(number), *command], cwd=path, check=False)
    made = sorted(entry.name for entry in path.iterdir() if entry.is_dir())
    word, count = path.with_name(path.name + ".log").read_text().split()
    return done.returncode, word, int(count), made


@pytest.mark.parametrize("command", [CHILDREN, THREADS], ids=["children", "threads"])
@pytest.mark.parametrize("options", [(), ("--exit",)], ids=["entry", "exit"])
def test_kills(tmp_path, command, options):
    status, word, calls, made = run(tmp_path / "whole", command, 0)
    assert (status, word, made) == (0, "ended", ["a", "b", "c"]) and calls > 10
    seen = []
    step = max(1, calls // 40)
    for number in range(1, calls + 1, step):
        status, word, count, made = run(tmp_path / str(number), command, number, *options)
        if word == "killed":  # threads that wait for each other make more calls, or less
            assert status == 137 and count == number
            seen.append(made)
    assert len(seen) > calls // step // 2
    assert {len(made) for made in seen} >= {0, 1, 2} and seen[0] == []


def test_entry_and_exit(tmp_path):
    """The call itself is made, or is not."""
    command = [sys.executable, "-c", 'import os; os.open("marker", os.O_RDONLY); os.mkdir("a")']
    before, behind = ([run(tmp_path / f"{len(options)}-{number}", command, number, *options)[3]
                       for number in (1, 2)] for options in ((), ("--exit",)))
    assert before == [[], []] and behind == [[], ["a"]]


def test_own_end(tmp_path):
    for command, status in ((["sh", "-c", "exit 7"], 7), (["sh", "-c", "kill -TERM $$"], 143)):
        number = tmp_path / str(status)
        assert run(number, command, 5)[:3] == (status, "ended", 0)
    nothing = [tool("kill_at"), "--from=x", "1", "/no/such/program"]
    assert subprocess.run(nothing, check=False, stderr=subprocess.DEVNULL).returncode == 3
    assert subprocess.run(nothing[:2], check=False).returncode == 2
