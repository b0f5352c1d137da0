# SPDX-License-Identifier: LGPL-2.1-or-later
"""collect, killed at each of its system calls: every crash becomes one report, with all that was
recorded of it, and nothing is left lying about."""

import os
import random
import shutil

import pytest

from harness import count_calls, in_parallel, plain_build, run_killed  # noqa: F401
from test_collect_kdump import CORE, KdumpTree, kdump_text
from tree import TIME, oops_text, panic_text

SLACK = 12  # calls that one run may make and another not

pytestmark = pytest.mark.usefixtures("plain_build")


def pstore_tree(path):
    """A panic in ramoops, with a console; another of EFI, two hours later."""
    tree = KdumpTree(path)
    tree.panic(boot=1)
    tree.record("console-ramoops-0", "console")
    tree.efi_panic(boot=2, time=TIME + 7200, parts=3)
    return tree, {"dmesg-pstore": [oops_text(1) + panic_text(1), panic_text(2)]}, 0


def kdump_tree(path):
    """Two captures with their memory; the panic of the second is in pstore, too: one crash."""
    tree = KdumpTree(path)
    tree.capture(boot=1, vmcore=CORE)
    tree.capture(boot=2, time=TIME + 7200, vmcore=CORE, name="vmcore-incomplete")
    tree.panic(boot=2, time=TIME + 7195)
    return tree, {"dmesg-kdump": [kdump_text(1), kdump_text(2)],
                  "dmesg-pstore": [oops_text(2) + panic_text(2)]}, 2


def expect_whole(tree, crashes, cores, where):
    """Brings it to its end in peace, then looks. What was left in state/ goes when it is old, with
    the next run that applies the limits: a collect with nothing to do is none."""
    for path in tree.leftovers():
        os.utime(path, (TIME, TIME))
    done = tree.run("collect")
    assert done.returncode == 0, f"{where}: {done.stderr}"
    assert all("/state/" in path for path in tree.leftovers()), where
    assert tree.run("prune").returncode == 0, where
    assert tree.records() == [] and tree.leftovers() == [], where
    found = {kind: [] for kind in crashes}
    for path in tree.all_zips():
        members = tree.members(path)
        for kind, texts in found.items():
            text = "".join(members[name].decode() for name in sorted(members)
                           if name.startswith(kind))
            texts += [text] if text else []
    assert {kind: sorted(texts) for kind, texts in found.items()} == \
        {kind: sorted(texts) for kind, texts in crashes.items()}, where
    assert len(tree.all_zips()) == 2, where
    kept = tree.crash() if (tree.folder / "crash").exists() else []
    assert len(kept) == cores, where
    assert all((tree.folder / "crash" / name).read_bytes() == CORE for name in kept), where


@pytest.mark.parametrize("make", [pstore_tree, kdump_tree])
@pytest.mark.parametrize("times", [1, 4])
def test_killed_at_every_call(tmp_path, make, times):
    """times: how many runs in a row are killed; one: at every call, more: at any."""
    original, crashes, cores = make(tmp_path / "original")
    calls = count_calls(original.copy(tmp_path / "counted"), "collect")
    choose = random.Random(times)
    killed = []

    def kill(worker, job):
        number, later = job
        tree = original.copy(tmp_path / f"tree{number}")
        for at in [number, *later]:
            if run_killed(tree, at, "collect") is None:
                killed.append(at)
        expect_whole(tree, crashes, cores, f"killed at {[number, *later]} of {calls}")
        shutil.rmtree(tree.path)

    last = calls + SLACK
    in_parallel([(number, [choose.randrange(1, calls) for _ in range(times - 1)])
                 for number in range(1, last, 1 if times == 1 else 6)], kill)
    assert len(killed) > (calls * 9 // 10 if times == 1 else calls // 6)
