# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is known to work: proofs, what ends them, tests that are awaited, and the journal's entry."""

import json
import os
import socket

import pytest

from tree import TIME, Tree


@pytest.fixture
def tree(tmp_path):
    made = Tree(tmp_path)
    made.write("proc/sys/kernel/random/boot_id", "boot-2\n")
    return made


def state(tree, name):
    path = tree.folder / "state" / name
    return json.loads(path.read_text()) if path.exists() else None


def status(tree):
    done = tree.run("status", "--json")
    assert done.returncode in (0, 3), done.stderr
    return json.loads(done.stdout)


def awaited(tree, time, boot="boot-1", kernel="6.1.52-valve1"):
    """As the verb test leaves it right before the crash."""
    tree.write("home/.steamos/offload/var/kdump/state/test.json", json.dumps(
        {"time": time, "boot_id": boot, "kernel": kernel, "firmware": "F7A0116",
         "mechanism": "ramoops", "test": True}))


def test_a_crash_is_a_proof(tree):
    assert "proven: not yet" in tree.run("status").stdout
    tree.panic()
    tree.collect()
    proof = state(tree, "proof.json")
    assert proof == {"time": TIME, "boot_id": "boot-2", "kernel": "6.1.52-valve1",
                     "firmware": "F7A0116", "mechanism": "ramoops", "test": False}
    tree.write("proc/sys/kernel/osrelease", "6.1.52-valve1\n")
    out = tree.run("status").stdout
    assert "\nproven: 2026-01-02 03:04 UTC on Linux 6.1.52-valve1 (ramoops, firmware F7A0116, " \
           "by a crash)\n" in out
    assert status(tree)["proven"]["holds"] is True


@pytest.mark.parametrize("change,words", [
    (lambda t: t.write("proc/sys/kernel/osrelease", "6.2.0\n"), "Linux 6.2.0"),
    (lambda t: t.dmi(bios_version="F7A0117"), "firmware F7A0117")])
def test_what_ends_a_proof(tree, change, words):
    tree.panic()
    tree.collect()
    tree.write("proc/sys/kernel/osrelease", "6.1.52-valve1\n")
    change(tree)
    assert f"\nunproven since: {words}; proven: 2026" in tree.run("status").stdout
    found = status(tree)["proven"]
    assert (found["holds"], found["changes"]) == (False, words)


def test_a_test_is_fulfilled(tree):
    awaited(tree, TIME - 20)
    tree.panic()
    tree.collect()
    assert state(tree, "test.json") is None
    assert state(tree, "proof.json")["test"] is True
    assert "by a test" in tree.run("status").stdout


def test_an_older_crash_is_not_the_tests(tree):
    awaited(tree, TIME + 5000)
    tree.panic()
    tree.collect()
    assert state(tree, "test.json") is not None
    assert state(tree, "proof.json")["test"] is False


def test_a_test_that_left_nothing(tree):
    awaited(tree, TIME)
    assert tree.run("collect").returncode == 0
    found = status(tree)
    assert found["proven"]["test_failed"] and not found["proven"]["holds"]
    assert any("2026-01-02 03:04 UTC left no report" in line for line in found["advice"])


def test_a_test_of_this_boot_is_still_awaited(tree):
    awaited(tree, TIME, boot="boot-2")
    found = status(tree)
    assert found["proven"]["test_awaited"] and not found["proven"]["test_failed"]
    assert not any("left no report" in line for line in found["advice"])


def test_an_older_crash_does_not_replace_a_newer_proof(tree):
    tree.panic(boot=1)
    tree.collect()
    tree.panic(boot=2, time=TIME - 100000)
    tree.collect()
    assert state(tree, "proof.json")["time"] == TIME


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"time": "x"}', '{"time": -5}', "\0" * 100,
                                  '{"time": 1, "kernel": "%s"}' % ("k" * 5000)])
def test_damaged_files_cost_nothing(tree, text):
    for name in ("proof.json", "test.json"):
        tree.write(f"home/.steamos/offload/var/kdump/state/{name}", text)
    assert "proven: not yet" in tree.run("status").stdout
    tree.panic()
    assert len(tree.collect()) == 1
    assert state(tree, "proof.json")["time"] == TIME


def test_firmware_may_say_anything(tree):
    tree.dmi(bios_version=b"\xff\xfe weird\n")
    tree.panic()
    assert len(tree.collect()) == 1
    assert state(tree, "proof.json")["firmware"] == "?? weird"
    assert status(tree)["proven"]["proof"]["firmware"] == "?? weird"


def test_the_journal_is_told(tree):
    (tree.path / "run/systemd/journal").mkdir(parents=True)
    here = os.getcwd()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        os.chdir(tree.path / "run/systemd/journal")
        journal.bind("socket")
        os.chdir(here)
        journal.settimeout(10)
        tree.panic()
        (name,) = tree.collect()
        fields = dict(line.split("=", 1) for line in journal.recv(65536).decode().splitlines())
    assert fields["MESSAGE_ID"] == "584b942a0d344e338bb4a40e3ef5d24a"
    assert fields["KDUMP_REPORT"] == name
    assert fields["KDUMP_TITLE"] == "BUG: unable to handle kernel NULL pointer dereference in crash_it"
    assert fields["KDUMP_KERNEL"] == "6.1.52-valve1"
    assert fields["KDUMP_MECHANISM"] == "ramoops"
    assert fields["KDUMP_STATE"] == "pending"
    assert len(fields["KDUMP_SIGNATURE"]) >= 8
    assert fields["PRIORITY"] == "5"
