# SPDX-License-Identifier: LGPL-2.1-or-later
"""submit on a file system that is full or broken: what cannot be noted is not sent, so that nothing is
sent again and again; with room again it arrives, once."""

import json
import os
import subprocess

import pytest

import tree as machine
from tree import FOLDER, NAME, TIME
from test_backends import FOLDER as HANDOVER, Sentry, hand_over


RUNS = 3

# In a mount namespace of its own: the kdump folder on a small tmpfs, runs on it, then room, and one
# more run. What is in the folder is printed after the runs, and copied back at the end.
SCRIPT = """
set -e
folder=$1 options=$2 runs=$3
shift 3
cp -a "$folder" "$folder.save"
mount -t tmpfs -o "$options,mode=0700" tmpfs "$folder"
cp -a "$folder.save/." "$folder"
n=0
while [ $n -lt $runs ]; do
    if "$@"; then echo "ended 0"; else echo "ended $?"; fi
    find "$folder" -name 'steamos-*' -printf 'has %P\\n'
    echo "$n" >> "$COUNT"
    while [ -e "$COUNT" ]; do sleep 0.02; done
    n=$((n + 1))
done
mount -o remount,size=16m,nr_inodes=1000 "$folder"
if "$@"; then echo "ended 0"; else echo "ended $?"; fi
rm -rf "$folder.save"
cp -a "$folder" "$folder.save"
umount "$folder"
rm -rf "$folder"
mv "$folder.save" "$folder"
"""


@pytest.fixture
def tree(collected, server, tmp_path):
    made = collected.copy(tmp_path / "tree")
    made.config(POST_URL=server.url)
    return made


def used(folder):
    """Inodes, and bytes in whole pages, of all below it and itself."""
    files = [folder, *folder.rglob("*")]
    return len(files), sum(-(-file.stat().st_size // 4096) * 4096 for file in files if file.is_file())


def let_it_be_due(tree):
    """No try waits for its time: as if hours went by between the runs."""
    for path in (tree.folder / "state").glob("*.json"):
        note = json.loads(path.read_text())
        if note.get("next_try"):
            path.write_text(json.dumps(note | {"next_try": 0}))


def run_full(tree, options, between):
    """between() is called after each run but the last."""
    count = tree.path / "count"
    process = subprocess.Popen(
        ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"]), "sh", "-c", SCRIPT,
         "sh", tree.folder, options, str(RUNS), machine.program(), f"--root={tree.path}", "submit", "--now"],
        env=os.environ | {"COUNT": str(count)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(RUNS):
            while not count.exists():
                assert process.poll() is None, process.communicate()
            between()
            count.unlink()
        out, err = process.communicate(timeout=machine.TIMEOUT)
    finally:
        process.kill()
    assert process.returncode == 0, err
    return [line.split()[1] for line in out.splitlines() if line.startswith("ended")], err


@pytest.mark.parametrize("room", ["0 inodes", "1 inodes", "2 inodes", "3 inodes", "6 inodes", "0 pages",
                                  "4 pages", "66 pages", "70 pages"])
@pytest.mark.parametrize("backends", [["steam"], ["steam", "sentry", "directory"]], ids="+".join)
def test_a_folder_that_is_full(tree, server, room, backends):
    """With --now: back-off is not what keeps it from being sent again."""
    hand_over(tree)
    with Sentry() as sentry:
        tree.config(HANDOVER_FOLDER=f"/{HANDOVER}" if "directory" in backends else "",
                    SENTRY_DSN=sentry.dsn if "sentry" in backends else "")
        inodes, size = used(tree.folder)
        number = int(room.split()[0])
        options = f"nr_inodes={inodes + number},size=16m" if "inodes" in room else \
            f"nr_inodes=1000,size={size + number * 4096}"
        seen = []

        def between():
            seen.append((len(server.arrived()), len(sentry.requests),
                         len(list((tree.path / HANDOVER).iterdir()))))

        status, err = run_full(tree, options, between)
        # never more than once, and with room in the end
        assert all(steam <= 1 and other <= 1 and given <= 1 for steam, other, given in seen), (seen, err)
        assert len(server.arrived()) == 1, (status, err)
        assert len(sentry.requests) == ("sentry" in backends), (status, err)
        assert len(list((tree.path / HANDOVER).iterdir())) == ("directory" in backends)
        assert status[-1] == "0" and tree.zips() == [] and tree.zips("sent_logs") == [NAME], err
        assert tree.attempts() == [] and tree.leftovers() == []
        if number == 0:
            assert seen[-1] == (0, 0, 0) and "No space left" in err


@pytest.mark.parametrize("call, error", [
    ("fsync", "EIO"), ("fsync", "ENOSPC"), ("rename,renameat", "ENOSPC"), ("renameat2", "EIO"),
    ("renameat2", "ENOSPC"), ("unlinkat", "EROFS"), ("mkdirat", "ENOSPC"), ("fallocate", "ENOSPC"),
    ("fallocate", "EOPNOTSUPP")])
def test_writes_that_fail(tree, server, call, error):
    """All of a kind, in each of three runs; then none."""
    tree.config(HANDOVER_FOLDER=f"/{HANDOVER}")
    hand_over(tree)
    with Sentry() as sentry:
        tree.config(SENTRY_DSN=sentry.dsn)
        for _ in range(RUNS):
            done = tree.run("submit", wrapper=["strace", "-f", "-o", "/dev/null", "-e", f"trace={call}",
                                               "-e", f"inject={call}:error={error}"])
            assert done.returncode in (0, 1)
            let_it_be_due(tree)
            assert len(tree.all_zips()) == 1
            assert len(server.arrived()) <= 1 and len(sentry.requests) <= 1
        for path in tree.leftovers():
            os.utime(path, (TIME, TIME))
        done = tree.run("submit", "--now")
        assert done.returncode == 0, done.stderr
        assert len(server.arrived()) == 1 == len(sentry.requests)
        assert len(list((tree.path / HANDOVER).iterdir())) == 1
        assert tree.zips("sent_logs") == [NAME] and tree.leftovers() == []


@pytest.mark.parametrize("when", range(1, 14))
def test_a_disk_that_breaks_on_the_way(tree, server, when):
    """From one write on nothing reaches it: the server may have the report, or may not, and never has
    it twice."""
    for _ in range(RUNS):
        tree.run("submit", wrapper=["strace", "-f", "-o", "/dev/null", "-e", "trace=fsync",
                                    "-e", f"inject=fsync:error=EIO:when={when}+"])
        let_it_be_due(tree)
        assert len(server.arrived()) <= 1
    for path in tree.leftovers():
        os.utime(path, (TIME, TIME))
    assert tree.run("submit", "--now").returncode == 0
    assert len(server.arrived()) == 1 and tree.zips("sent_logs") == [NAME]


@pytest.mark.parametrize("error", ["EIO", "EACCES"])
def test_a_note_that_cannot_be_read(tree, server, error):
    """It may say that the server has the report."""
    server.set_faults("finish:status:503:1")
    assert tree.run("submit").returncode == 1
    note = tree.folder / "state" / f"{NAME}.json"
    done = tree.run("submit", "--now",
                    wrapper=["strace", "-f", "-o", "/dev/null", "-P", note, "-e", "trace=read",
                             "-e", f"inject=read:error={error}"])
    assert done.returncode == 1 and "cannot read in" in done.stderr and tree.zips() == [NAME]
    assert server.steps() == ["start", "put", "finish"]
    assert tree.run("submit", "--now").returncode == 0
    assert server.steps() == ["start", "put", "finish", "finish"] and len(server.arrived()) == 1
