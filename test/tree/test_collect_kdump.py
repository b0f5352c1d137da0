# SPDX-License-Identifier: LGPL-2.1-or-later
"""collect: what the capture kernel saved becomes a report, once, and its vmcore gets a name."""

import json
import subprocess

import pytest

import tree as machine
from test_collect import mounted, report_of
from tree import FOLDER, TIME, Tree, panic_text, stamp

NAME = f"steamos-FVAA12345678-gaben.{stamp(TIME)}.zip"
CORE = b"KDUMP   " + bytes(range(256)) * 16


def kdump_text(boot=1):
    """The kernel's own form: as in pstore, but for the levels in front."""
    lines = panic_text(boot).splitlines(keepends=True)
    return "".join(line.split(">", 1)[1] for line in lines)


class KdumpTree(Tree):
    def capture(self, boot=1, time=TIME, suffix="", text=None, vmcore=None, name="vmcore",
                log="dmesg.txt"):
        folder = f"{FOLDER}/crash/{stamp(time, seconds=True)}{suffix}"
        (self.path / folder).mkdir(parents=True, mode=0o700)
        self.write(f"{folder}/{log}", kdump_text(boot) if text is None else text)
        if vmcore is not None:
            self.write(f"{folder}/{name}", vmcore)

    def copy(self, path):
        other = super().copy(path)
        other.__class__ = KdumpTree
        return other

    def crash(self):
        """What is below crash/: paths of files and empty folders."""
        top = self.folder / "crash"
        return sorted(str(path.relative_to(top)) for path in top.rglob("*")
                      if path.is_file() or not any(path.iterdir()))


@pytest.fixture
def tree(tmp_path):
    return KdumpTree(tmp_path / "tree")


def test_members(tree):
    tree.capture()
    assert tree.collect() == [NAME]
    assert tree.crash() == []
    members = tree.members(tree.folder / NAME)
    assert sorted(members) == ["build", "crash_summary", "dmesg-kdump", "dmidecode", "report.html",
                               "report.json", "version"]
    assert members["dmesg-kdump"].decode() == kdump_text()
    report = json.loads(members["report.json"])
    assert "crash_it" in report["reports"][report["primary"]]["title"]
    assert report["collected"]["time"] == TIME
    assert [dump["backend"] for dump in report["collected"]["dumps"]] == ["kdump"]


def test_same_report_as_from_pstore(tree, tmp_path):
    other = Tree(tmp_path / "other")
    other.panic()
    other.collect()
    tree.capture()
    tree.collect()
    ours, theirs = (report_of(t.folder / NAME) for t in (tree, other))
    for report in (ours, theirs):
        del report["collected"]["dumps"]
    keys = ["title", "signature", "kind"]
    assert [[r.get(k) for k in keys] for r in ours["reports"]] == \
        [[r.get(k) for k in keys] for r in theirs["reports"]][-len(ours["reports"]):]


def test_two_captures(tree):
    tree.capture(boot=1)
    tree.capture(boot=2, suffix="-1")
    tree.capture(boot=3, time=TIME + 7200)
    assert len(tree.collect()) == 3 and tree.crash() == []
    texts = {tree.members(path)["dmesg-kdump"].decode() for path in tree.all_zips()}
    assert texts == {kdump_text(boot) for boot in (1, 2, 3)}


@pytest.mark.parametrize("name", ["vmcore", "vmcore-incomplete"])
def test_vmcore(tree, name):
    tree.capture(vmcore=CORE, name=name)
    done = tree.run("collect")
    assert done.returncode == 0
    assert tree.crash() == [f"{name}.{stamp(TIME)}"]
    assert (tree.folder / "crash" / f"{name}.{stamp(TIME)}").read_bytes() == CORE
    assert ("as far as it was written" in done.stderr) == (name != "vmcore")
    assert not [member for member in tree.members(tree.folder / NAME) if "vmcore" in member]


def test_a_vmcore_is_never_overwritten(tree):
    tree.write(f"{FOLDER}/crash/vmcore.{stamp(TIME)}", "another")
    tree.capture(vmcore=CORE)
    tree.collect()
    assert tree.crash() == [f"vmcore.{stamp(TIME)}", f"vmcore.{stamp(TIME, seconds=True)}"]
    assert (tree.folder / "crash" / f"vmcore.{stamp(TIME)}").read_text() == "another"


def test_keep_vmcores(tree):
    for n in range(5):
        name = "vmcore-incomplete" if n == 1 else "vmcore"
        tree.capture(boot=n, time=TIME + n * 3600, vmcore=CORE, name=name)
    tree.config(KEEP_VMCORES="2")
    assert len(tree.collect()) == 5
    assert tree.crash() == [f"vmcore.{stamp(TIME + n * 3600)}" for n in (3, 4)]
    tree.config(KEEP_VMCORES="0")
    assert tree.run("prune").returncode == 0
    assert tree.crash() == []


def test_vmcore_without_a_log(tree):
    tree.capture(vmcore=CORE)
    (tree.folder / "crash" / stamp(TIME, seconds=True) / "dmesg.txt").unlink()
    assert tree.collect() == []
    assert tree.crash() == [f"vmcore.{stamp(TIME)}"]


def test_a_log_that_was_cut_off(tree):
    tree.capture(log=".tmp-dmesg.txt", text=kdump_text()[:300])
    assert tree.collect() == [NAME] and tree.crash() == []
    assert tree.members(tree.folder / NAME)["dmesg-kdump"].decode() == kdump_text()[:300]


def test_what_is_no_capture_stays(tree):
    for name in ["2026010203040", "202601020304055", "20260102030405-", "20260102030405-x",
                 "20261302030405", "notes", "20260102030405-123456"]:
        tree.write(f"{FOLDER}/crash/{name}/dmesg.txt", "mine")
    tree.write(f"{FOLDER}/crash/20260102030406", "a file")
    before = tree.crash()
    assert tree.collect() == [] and tree.crash() == before


def test_what_else_lies_in_a_capture_stays(tree):
    tree.capture()
    tree.write(f"{FOLDER}/crash/{stamp(TIME, seconds=True)}/notes", "mine")
    assert tree.collect() == [NAME]
    assert tree.crash() == [f"{stamp(TIME, seconds=True)}/notes"]
    assert tree.collect() == []


def test_links_are_not_followed(tree):
    secret = tree.write("etc/shadow", "root:x")
    folder = tree.folder / "crash" / stamp(TIME, seconds=True)
    folder.mkdir(parents=True)
    (folder / "dmesg.txt").symlink_to(secret)
    (tree.folder / "crash" / stamp(TIME + 1, seconds=True)).symlink_to(tree.path / "etc")
    assert tree.collect() == [] and secret.exists()


# --- a crash that pstore has, too (crash_kexec_post_notifiers)

@pytest.mark.parametrize("later", [0, 3, 3600])
def test_one_event(tree, later):
    tree.panic()
    tree.panic(boot=2, time=TIME - 7200, first=2)
    tree.capture(time=TIME + later, vmcore=CORE)
    assert len(tree.collect()) == 2
    assert tree.records() == [] and tree.crash() == [f"vmcore.{stamp(TIME + later)}"]
    members = tree.members(tree.folder / f"steamos-FVAA12345678-gaben.{stamp(TIME + later)}.zip")
    assert members["dmesg-kdump"].decode() == kdump_text()
    assert members["dmesg-pstore-1"].decode() == panic_text(1)


def test_two_events(tree):
    """At the same time, but of another boot."""
    tree.panic(boot=1)
    tree.capture(boot=2)
    assert len(tree.collect()) == 2 and tree.records() == [] and tree.crash() == []


# --- whatever happens in between

def whole(tree, crashes):
    """After a run that was cut off: the next one brings all to its end, and nothing twice."""
    assert tree.run("collect").returncode == 0
    assert tree.records() == []
    # other writers may be at work in state/: what is left there goes an hour later
    assert not [name for name in tree.leftovers() if "/state/" not in name]
    texts = []
    for path in tree.all_zips():
        members = tree.members(path)
        texts.append(members["dmesg-kdump"].decode())
    assert sorted(texts) == sorted(kdump_text(boot) for boot in crashes)
    assert len(tree.crash()) == 2
    for name in tree.crash():
        assert (tree.folder / "crash" / name).read_bytes() == CORE


@pytest.mark.parametrize("call", ["renameat2", "unlinkat", "fsync", "write"])
def test_killed_at_any_call(tmp_path, call):
    count = iter(range(1000))

    def make():
        tree = KdumpTree(tmp_path / f"tree{next(count)}")
        tree.capture(boot=1, vmcore=CORE)
        tree.capture(boot=2, time=TIME + 7200, vmcore=CORE, name="vmcore-incomplete")
        tree.panic(boot=2, time=TIME + 7195)
        return tree

    kills = 0
    for tree, _, number in machine.killed_runs(make, "collect", calls=[call]):
        kills += 1
        whole(tree, [1, 2])
    assert kills >= {"renameat2": 4, "unlinkat": 6}.get(call, 3)


@pytest.mark.parametrize("call, error", [
    ("write", "ENOSPC"), ("fsync", "EIO"), ("renameat2", "EROFS"), ("unlinkat", "EROFS"),
])
def test_every_call_may_fail(tree, tmp_path, call, error):
    tree.capture(vmcore=CORE)
    failures = 0
    for number in range(1, 40):
        one = tree.copy(tmp_path / f"tree{number}")
        trace = tmp_path / "trace"
        done = one.run("collect", wrapper=["strace", "-f", "-o", trace, "-e", f"trace={call}", "-e",
                                           f"inject={call}:error={error}:when={number}"])
        if "INJECTED" not in trace.read_text():
            break
        # the log or the report is there, and the dump, whatever failed
        assert one.all_zips() or any(name.endswith("dmesg.txt") for name in one.crash()), done.stderr
        assert [name for name in one.crash() if "vmcore" in name], done.stderr
        failures += done.returncode != 0
        assert one.run("collect").returncode == 0
        assert len(one.all_zips()) == 1 and one.crash() == [f"vmcore.{stamp(TIME)}"]
    else:
        raise AssertionError("no end of it")
    assert failures >= 1


def test_full_file_system(tree):
    tree.capture(text=kdump_text() + "[  100.000002] x\n" * 20000)
    size = "size=400k,mode=700"
    copy = tree.path.parent / "crash"
    (tree.folder / "crash").rename(copy)
    wrapper = mounted(f"mount -t tmpfs -o {size} none {tree.folder} && cp -r {copy} {tree.folder} && "
                      f"(dd if=/dev/zero of={tree.folder}/fill bs=1k || true) 2>/dev/null")
    done = tree.run("collect", wrapper=wrapper)
    assert done.returncode == 1 and "No space left" in done.stderr and "crash/" in done.stderr


def test_read_only(tree):
    tree.capture(vmcore=CORE)
    before = tree.crash()
    wrapper = mounted(f"mount --bind -o ro {tree.folder} {tree.folder} && "
                      f"mount -o remount,bind,ro {tree.folder}")
    done = tree.run("collect", wrapper=wrapper)
    assert done.returncode == 1 and "Read-only file system" in done.stderr
    assert tree.crash() == before
    assert tree.run("collect").returncode == 0


def test_nothing_is_made_where_nothing_is(tree):
    assert tree.run("collect").returncode == 0
    assert not tree.folder.exists()
    done = subprocess.run(["find", str(tree.path), "-name", "state"], capture_output=True, check=True)
    assert done.stdout == b""
