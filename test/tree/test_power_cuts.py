# SPDX-License-Identifier: LGPL-2.1-or-later
"""Power cuts, by the order in which collect and submit write: in every state that a file system may
be left in, the next run brings all to its end. write_order.py has the model."""

import json
import subprocess
import sys
import urllib.parse
import zipfile

import pytest

from harness import plain_build  # noqa: F401
from local_server import Handler, LocalServer
from test_backends import FOLDER as HANDOVER, Sentry, as_the_other_tool_reads
from test_collect_kills import expect_whole, kdump_tree, pstore_tree
from test_submit_kills import NAME, pending_tree, until_quiet
from tree import Tree
from write_order import WriteOrder

pytestmark = pytest.mark.usefixtures("plain_build")


class Uploads(LocalServer):
    """The three steps of the submission API, with a memory that can be set back to what it was after
    any request: what the server knows of is not lost with the client's power."""

    def __init__(self):
        outer = self
        self.uploads, self.history = {}, [{}]

        class Steps(Handler):
            def answer(self, *arguments):
                outer.history.append({gid: dict(upload) for gid, upload in outer.uploads.items()})
                super().answer(*arguments)

            def do_POST(self):
                form = urllib.parse.parse_qs(self.body().decode())
                self.answer(*(outer.start() if "/Start" in self.path
                              else outer.finish(form["gid"][0])))

            def do_PUT(self):
                upload = outer.uploads.get(self.path.rpartition("/")[2], {})
                upload["size"] = len(self.body())
                self.answer(200 if "finished" in upload else 403)

        super().__init__(Steps)
        self.url = f"{self.top}/ACTIONCrashUpload/v1"

    def start(self):
        gid = str(len(self.uploads) + 1)
        self.uploads[gid] = {"size": 0, "finished": False}
        return 200, json.dumps({"response": {"url": f"{self.top}/put/{gid}", "gid": gid,
                                             "headers": {"pairs": []}}}).encode()

    def finish(self, gid):
        upload = self.uploads.get(gid)
        if not upload or not upload["size"]:
            return 404, b"no such upload"
        upload["finished"] = True
        return 200, b"{}"

    def set_back(self, requests):
        self.uploads = {gid: dict(upload) for gid, upload in self.history[requests].items()}

    def finished(self):
        return sum(upload["finished"] for upload in self.uploads.values())


def count_requests(data, count):
    return (count or 0) + data.startswith((b"POST ", b"PUT "))


def built(original, state, path):
    """A tree as the power cut left it."""
    state.build(path)
    tree = object.__new__(type(original))
    tree.__dict__ |= original.__dict__ | {"path": path, "settings": dict(original.settings),
                                          "folder": path / original.folder.relative_to(original.path)}
    return tree


# --- collect

def cut_collect(tmp_path, make, without_sync=False):
    """How many states there were; fails at the first that does not end well."""
    tree, crashes, cores = make(tmp_path / "original")
    order = WriteOrder(tree, without_sync=without_sync)
    done = tree.run("collect", wrapper=order.wrapper)
    assert done.returncode == 0, done.stderr
    n = 0
    for n, state in enumerate(order.states(), 1):
        expect_whole(built(tree, state, tmp_path / f"cut{n}"), crashes, cores, str(state))
    return n


@pytest.mark.parametrize("make, least", [(pstore_tree, 25), (kdump_tree, 30)])
def test_collect(tmp_path, make, least):
    count = cut_collect(tmp_path, make)
    print(count, "states")
    assert count >= least


@pytest.mark.parametrize("make", [pstore_tree, kdump_tree])
def test_collect_without_fsync_is_found_out(tmp_path, make):
    with pytest.raises((AssertionError, zipfile.BadZipFile)):
        cut_collect(tmp_path, make, without_sync=True)


# --- submit

@pytest.fixture(scope="module")
def pending(tmp_path_factory, plain_build):
    return pending_tree(tmp_path_factory)


def event_ids(sentry):
    return {header["event_id"] for header, _ in sentry.envelopes()}


def cut_submit(pending, tmp_path, backends, without_sync=False, faults=()):
    with Uploads() as server, Sentry() as sentry:
        tree = pending.copy(tmp_path / "original")
        tree.config(SAME_CRASH_PER_DAY="0", POST_URL=server.url if "steam" in backends else "",
                    SENTRY_DSN=sentry.dsn if "sentry" in backends else "",
                    HANDOVER_FOLDER=f"/{HANDOVER}" if "directory" in backends else "")
        sentry.answers = list(faults)
        order = WriteOrder(tree, without_sync=without_sync)
        done = tree.run("submit", wrapper=order.wrapper)
        assert done.returncode == bool(faults), done.stderr
        (first_id,) = event_ids(sentry) or {None}
        assert len(server.history) == (4 if "steam" in backends else 1)
        n = 0
        for n, state in enumerate(order.states(count_requests), 1):
            where = str(state)
            cut = built(tree, state, tmp_path / f"cut{n}")
            # requests to Sentry are counted with the others, and come behind them
            requests, history = state.context or 0, list(server.history)
            server.set_back(min(requests, len(history) - 1))
            sentry.requests.clear()
            until_quiet(cut, where)
            server.history = history
            if "sentry" in backends:
                # another id is none of a second report where the first never left
                assert event_ids(sentry) <= {first_id} or requests < len(history), where
            assert cut.zips() == [] and cut.zips("sent_logs") == [NAME], where
            assert len(cut.all_zips()) == 1, where
            assert cut.leftovers() == [] and cut.attempts() == [], where
            assert server.finished() == ("steam" in backends), where
            given = list((cut.path / HANDOVER).iterdir())
            assert len(given) == ("directory" in backends), where
            for path in given:
                as_the_other_tool_reads(path)
        return n


BACKENDS = [["steam"], ["sentry"], ["directory"], ["steam", "sentry", "directory"]]


@pytest.mark.parametrize("backends", BACKENDS, ids="+".join)
def test_submit(pending, tmp_path, backends):
    count = cut_submit(pending, tmp_path, backends)
    print(count, "states")
    assert count >= 20


def test_submit_of_what_failed(pending, tmp_path):
    """One back end has it, and one that wants it later."""
    assert cut_submit(pending, tmp_path, BACKENDS[-1], faults=[(503, {})]) >= 20


def test_submit_without_fsync_is_found_out(pending, tmp_path):
    with pytest.raises(AssertionError, match="power cut after call"):
        cut_submit(pending, tmp_path, ["steam"], without_sync=True)


def test_each_fsync_that_matters_is_missed(pending, tmp_path):
    """Left out one at a time: of the notes and their folder, and of the folders of reports.
    What comes behind the server's last yes may get lost: asked again, it says so again. So may the
    note that the PUT is through, as long as the one of where it goes is there: it is made again."""
    missed = []
    for number in range(1, 100):
        place = tmp_path / str(number)
        place.mkdir()
        try:
            cut_submit(pending, place, ["steam"], without_sync={number})
        except AssertionError as e:
            assert "power cut after call" in str(e)
            missed.append(number)
        if (place / "original.strace").read_text().count(" fsync(") <= number:
            break
    print(missed, "of", number)
    assert len(missed) >= 4


# --- the model itself

PLANTED = """
import os, sys
folder = os.open(sys.argv[1] + "/new", os.O_RDONLY)
source = os.open(sys.argv[1] + "/old", os.O_RDONLY)
fd = os.open("temporary", os.O_WRONLY | os.O_CREAT | os.O_EXCL, dir_fd=folder)
os.write(fd, b"all that ")
os.write(fd, b"is known")
for step in sys.argv[2].split():
    if step == "sync-file":
        os.fsync(fd)
    elif step == "sync-folder":
        os.fsync(folder)
    elif step == "rename":
        os.rename("temporary", "report", src_dir_fd=folder, dst_dir_fd=folder)
    elif step == "remove":
        os.unlink("record", dir_fd=source)
"""


@pytest.mark.parametrize("steps, fine", [
    ("sync-file rename sync-folder remove", True),
    ("rename sync-file sync-folder remove", False),  # a name before there are bytes
    ("rename sync-folder remove", False),
    ("sync-file rename remove", False),
    ("sync-file rename remove sync-folder", False),
    ("sync-file remove rename sync-folder", False),
    ("sync-file sync-folder rename remove", False),
])
def test_planted_bugs_are_found(tmp_path, steps, fine):
    """A program that makes a report of a record: in each state there is one or the other, whole."""
    tree = object.__new__(Tree)
    tree.path = tmp_path / "tree"
    tree.write("old/record", "all that is known")
    (tree.path / "new").mkdir()
    order = WriteOrder(tree)
    subprocess.run([*order.wrapper, sys.executable, "-c", PLANTED, tree.path, steps], check=True)
    lost = []
    for n, state in enumerate(order.states()):
        place = tmp_path / f"cut{n}"
        state.build(place)
        report, record = place / "new/report", place / "old/record"
        if report.exists() and report.read_bytes() != b"all that is known":
            lost.append(f"{state}: {report.read_bytes()}")
        if not report.exists() and not record.exists():
            lost.append(f"{state}: nothing is left")
    assert (lost == []) is fine, lost


def test_pstore_forgets_at_once(tmp_path):
    """What is removed there is gone, whatever the disk has."""
    tree = object.__new__(Tree)
    tree.path = tmp_path / "tree"
    tree.write("old/record", "all that is known")
    (tree.path / "new").mkdir()
    order = WriteOrder(tree, firmware=["old"])
    subprocess.run([*order.wrapper, sys.executable, "-c", PLANTED, tree.path, "rename remove"],
                   check=True)
    left = [set(state.files) for state in order.states()]
    assert {"old", "new"} in left and {"old", "new", "new/temporary"} in left
