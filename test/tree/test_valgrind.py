# SPDX-License-Identifier: LGPL-2.1-or-later
"""The program as it is installed, under valgrind: no error, no leak, no descriptor left open."""

import pathlib
import re
import shutil
import sys

import pytest

import tree as machine
from tree import TOP, Tree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from receiver import Receiver  # noqa: E402

# The plain build: valgrind and the sanitizers exclude each other.
PLAIN = TOP / "build/main/src/kdump-steamos"
ERROR = 99

VALGRIND = ["valgrind", "--quiet", "--leak-check=full", "--show-leak-kinds=definite,possible",
            "--errors-for-leak-kinds=definite,possible", "--track-fds=yes",
            "--child-silent-after-fork=yes", f"--error-exitcode={ERROR}"]


@pytest.fixture
def tree(tmp_path, monkeypatch):
    if not shutil.which("valgrind") or not PLAIN.exists():
        pytest.skip("needs valgrind and the plain build")
    monkeypatch.setattr(machine, "program", lambda: str(PLAIN))
    monkeypatch.delenv("ASAN_OPTIONS", raising=False)
    made = Tree(tmp_path / "tree")
    made.write("proc/self/mounts", "pstore /sys/fs/pstore pstore rw,nosuid 0 0\n")
    made.write("proc/cmdline", "quiet\n")
    made.write("proc/iomem", "00100000-1dffffff : System RAM\n1e000000-1fffffff : RAM buffer\n")
    made.write("proc/sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555\n")
    made.write("sys/module/pstore/parameters/backend", "(null)\n")
    return made


def clean(tree, *arguments, status=(0,)):
    done = tree.run(*arguments, wrapper=VALGRIND)
    assert done.returncode in status, done.stderr
    opened = re.findall(r"Open file descriptor (\d+):", done.stderr)
    assert [fd for fd in opened if int(fd) > 2] == [], done.stderr
    return done


def test_arm(tree):
    clean(tree, "arm")
    clean(tree, "disarm")


def test_collect(tree):
    clean(tree, "collect")
    tree.panic()
    tree.efi_panic(boot=2, time=machine.TIME + 7200)
    clean(tree, "collect")
    assert len(tree.zips()) == 2
    assert tree.records() == []


def test_status_and_list(tree):
    clean(tree, "status", status=(3,))
    tree.panic()
    tree.collect()
    clean(tree, "status", "--json", status=(3,))
    clean(tree, "list")
    clean(tree, "prune")


@pytest.mark.parametrize("form", ["--text", "--json"])
def test_report(tree, form):
    tree.panic()
    (name,) = tree.collect()
    clean(tree, "report", form, str(tree.folder / name))


def test_submit(tree, tmp_path):
    tree.panic()
    tree.collect()
    with Receiver(tmp_path / "server") as server:
        tree.config(POST_URL=server.url)
        clean(tree, "submit")
    assert len(tree.zips("sent_logs")) == 1


def test_submit_refused(tree):
    tree.panic()
    tree.collect()
    clean(tree, "submit", status=(0, 1))
    assert len(tree.zips()) == 1
