# SPDX-License-Identifier: LGPL-2.1-or-later
"""The kdump folder belongs to the user that submits, who needs no privileges then."""

import os
import pathlib
import re
import shutil
import sys
import tempfile

import pytest

from tree import TIME, Tree, stamp

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from receiver import Receiver  # noqa: E402

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
USER = 4242
NAME = f"steamos-FVAA12345678-gaben.{stamp(TIME)}.zip"
OTHERS = "root:x:0:0::/root:/bin/sh\ndeck:x:1000:1000::/home/deck:/bin/sh\n"
PASSWD = OTHERS + f"kdump-steamos:x:{USER}:{USER + 1}::/:/usr/sbin/nologin\n"


@pytest.fixture
def tree():
    """Where everybody may go, other than below pytest's own folders."""
    folder = pathlib.Path(tempfile.mkdtemp(dir="/var/tmp", prefix="kdump-owner-"))
    folder.chmod(0o755)
    made = Tree(folder / "tree")
    made.write("etc/passwd", PASSWD)
    yield made
    shutil.rmtree(folder)


def owners(tree):
    """Path → (user, group, mode) of the kdump folder and all below it."""
    paths = [tree.folder, *tree.folder.rglob("*")]
    stats = {str(path.relative_to(tree.folder)): path.lstat() for path in paths}
    return {name: (st.st_uid, st.st_gid, st.st_mode & 0o777) for name, st in stats.items()}


def check_owners(tree):
    found = owners(tree)
    for name, (user, group, mode) in found.items():
        mine = name.startswith(("crash", "kdump-initrd"))
        assert (user, group) == ((0, 0) if mine else (USER, USER + 1)), name
        assert mode & 0o077 == 0, name
    return found


def as_the_user(tree, *words, user=USER):
    return tree.run(*words, wrapper=["setpriv", f"--reuid={user}", f"--regid={user + 1}",
                                     "--clear-groups", "--bounding-set=-all", "--no-new-privs"])


def test_what_root_collects_is_the_users(tree):
    tree.panic()
    tree.collect()
    assert {".", "state", NAME} <= check_owners(tree).keys()


def test_a_folder_of_before_is_given_away(tree):
    """What an earlier version left as root's. What is not ours to give stays: another user's file, a
    link, a file with a second name, captures and capture images."""
    tree.panic()
    tree.write("etc/passwd", OTHERS)
    tree.collect()
    assert {user for user, _, _ in owners(tree).values()} == {0}
    for name in ("sent_logs", "crash/20260101000000", "failed_logs"):
        (tree.folder / name).mkdir(parents=True, mode=0o700)
        (tree.folder / name / "file").write_text("x")
        (tree.folder / name / "file").chmod(0o600)
    (tree.folder / "kdump-initrd-6.1.0.img").write_text("x")
    (tree.folder / "kdump-initrd-6.1.0.img").chmod(0o600)
    for path in [tree.folder / "crash", *(tree.folder / "crash").rglob("*")]:
        path.chmod(0o700)
    check = tree.folder.parent / "secret"
    check.write_text("root's")
    os.link(check, tree.folder / "state/second-name")
    os.symlink(check, tree.folder / "sent_logs/link")
    tree.write("etc/passwd", PASSWD)
    tree.record("dmesg-ramoops-0", "Panic#1 Part1\n<0>[  1.0] Kernel panic - not syncing: 2\n")
    tree.collect()
    assert check.stat().st_uid == 0
    (tree.folder / "state/second-name").unlink()
    (tree.folder / "sent_logs/link").unlink()
    check_owners(tree)


def test_cut_off_it_is_done_again(tree):
    tree.panic()
    tree.collect()
    os.chown(tree.folder, 0, 0)
    os.chown(tree.folder / NAME, 0, 0)
    tree.record("dmesg-ramoops-0", "Panic#1 Part1\n<0>[  1.0] Kernel panic - not syncing: 2\n")
    tree.collect()
    check_owners(tree)


def test_the_user_sends_without_privileges(tree, tmp_path):
    tree.panic()
    with Receiver(tmp_path / "store", faults=["start:status:500:1"]) as server:
        tree.config(POST_URL=server.url)
        tree.collect()
        assert as_the_user(tree, "submit").returncode == 1
        check_owners(tree)
        # A person, as root, in between: the user can still go on.
        server.set_faults("put:status:500:1")
        assert tree.run("submit", "--now").returncode == 1
        check_owners(tree)
        done = as_the_user(tree, "submit", "--now")
        assert done.returncode == 0, done.stderr
        assert len(server.finished()) == 1
    assert tree.zips("sent_logs") == [NAME]
    check_owners(tree)


def test_what_root_sends_is_still_the_users(tree, tmp_path):
    tree.panic()
    with Receiver(tmp_path / "store") as server:
        tree.config(POST_URL=server.url)
        tree.collect()
        assert tree.run("submit").returncode == 0
    assert "sent_logs" in check_owners(tree)


def test_others_are_told_to_be_root(tree):
    """The folder is not theirs to read: never "no reports", and what to do."""
    tree.panic()
    (name,) = tree.collect()
    for words in (["list"], ["report", name], ["report", str(tree.folder / name)], ["prune"]):
        done = as_the_user(tree, *words, user=USER + 7)
        assert done.returncode == 1 and done.stdout == "", words
        assert "; run this as root: Permission denied" in done.stderr, words
    said = as_the_user(tree, "status", user=USER + 7).stdout
    assert re.search(r"^reports: unknown, in /home/\S+\nlast crash: unknown$", said, re.MULTILINE)
    assert "Permission denied; run this as root" in said and "none recorded" not in said
