# SPDX-License-Identifier: LGPL-2.1-or-later
"""submit, killed at each of its system calls: the report arrives once, and is in sent_logs/ at the
end. The server is told about each report once. What it cannot know is documented here:

- Start that was answered, or not, and not noted: the next run starts again. The first upload is
  never finished, which for the server is no report.
- A Sentry envelope that was taken, and not noted: it comes again under the same event_id, which is
  what Sentry knows doubles by.
"""

import json
import os
import pathlib
import random
import shutil
import sys
import threading

import pytest

from harness import WORKERS, count_calls, in_parallel, plain_build, run_killed  # noqa: F401
from tree import TIME, Tree, stamp
from test_backends import FOLDER as HANDOVER, Sentry, as_the_other_tool_reads, hand_over

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from receiver import Receiver  # noqa: E402

NAME = f"steamos-FVAA12345678-gaben.{stamp(TIME)}.zip"
MOST_RUNS = 6  # that a test makes of one report, before it is quiet
SLACK = 24  # calls that one run may make and another not: polls, signals, memory
LONG_AGO = TIME

pytestmark = pytest.mark.usefixtures("plain_build")


class Side:
    """One worker's servers, so that what arrives is known to be of its tree."""

    def __init__(self, path):
        self.receiver = Receiver(path)
        self.sentry = Sentry()
        self.seen = set()

    def __enter__(self):
        self.receiver.start()
        self.sentry.__enter__()
        return self

    def __exit__(self, *exception):
        self.sentry.__exit__(*exception)
        assert self.receiver.stop() == 0

    def finished(self):
        """How many uploads have been finished since the last call."""
        new = {entry.name for entry in os.scandir(self.receiver.store) if entry.is_dir()} - self.seen
        self.seen |= new
        return sum('"finished":true' in "".join(
            (self.receiver.store / name / "receipt.json").read_text().split()) for name in new)


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    path = tmp_path_factory.mktemp("servers")
    made = [Side(path / str(n)) for n in range(WORKERS)]
    for side in made:
        side.__enter__()
    yield made
    for side in made:
        side.__exit__(None, None, None)


def pending_tree(tmp_path_factory):
    """A report waits, and the other tool's folder is there."""
    tree = Tree(tmp_path_factory.mktemp("pending") / "tree")
    tree.panic()
    assert tree.collect() == [NAME]
    hand_over(tree)
    return tree


@pytest.fixture(scope="module")
def pending(tmp_path_factory, plain_build):
    tree = pending_tree(tmp_path_factory)
    tree.config(HANDOVER_FOLDER="")
    return tree


def configure(tree, side, backends):
    tree.config(MAX_REPORTS_PER_DAY="0", SAME_CRASH_PER_DAY="0",
                POST_URL=side.receiver.url if "steam" in backends else "",
                SENTRY_DSN=side.sentry.dsn if "sentry" in backends else "",
                HANDOVER_FOLDER=f"/{HANDOVER}" if "directory" in backends else "")


def until_quiet(tree, where):
    """Runs in peace, as the timer would have them. What an interrupted writer left in state/ goes
    when it is old."""
    for path in tree.leftovers():
        os.utime(path, (LONG_AGO, LONG_AGO))
    for _ in range(3):
        done = tree.run("submit", "--now")
        if done.returncode == 0:
            return
    raise AssertionError(f"{where}: {done.stderr}")


def arrived_once(tree, side, backends, where):
    assert tree.zips() == [] and tree.zips("sent_logs") == [NAME], where
    assert len(tree.all_zips()) == 1 and tree.leftovers() == [] and tree.attempts() == [], where
    assert side.finished() == (1 if "steam" in backends else 0), where
    if "sentry" in backends:
        ids = {header["event_id"] for header, _ in side.sentry.envelopes()}
        assert len(ids) == 1 and 1 <= len(side.sentry.requests) <= 1 + MOST_RUNS, where
        side.sentry.requests.clear()
    given = list((tree.path / HANDOVER).iterdir())
    assert len(given) == (1 if "directory" in backends else 0), where
    for path in given:
        as_the_other_tool_reads(path)


class Kills:
    """Runs that are killed, each on a new copy of a tree."""

    def __init__(self, pending, sides, tmp_path, backends):
        self.pending, self.sides, self.path, self.backends = pending, sides, tmp_path, backends
        self.lock = threading.Lock()
        self.killed = self.ended = self.made = 0

    def copy(self, worker):
        with self.lock:
            self.made += 1
            number = self.made
        tree = self.pending.copy(self.path / f"tree{number}")
        configure(tree, self.sides[worker], self.backends)
        return tree

    def count(self):
        tree = self.copy(0)
        calls = count_calls(tree, "submit")
        arrived_once(tree, self.sides[0], self.backends, "not killed")
        return calls

    def at(self, worker, numbers, exit=False, fault=None):
        """One report's way, with a run killed at each of the numbers, one after the other, while the
        server misbehaves."""
        tree = self.copy(worker)
        where = f"killed at {'exit of ' * exit}{numbers} with {fault}"
        receiver = self.sides[worker].receiver
        if fault:
            receiver.set_faults(fault)
        for number in numbers:
            killed = run_killed(tree, number, "submit", "--now", exit=exit) is None
            with self.lock:
                self.killed += killed
                self.ended += not killed
            assert len(tree.all_zips()) == 1, where
        if fault:
            receiver.set_faults()
        until_quiet(tree, where)
        arrived_once(tree, self.sides[worker], self.backends, where)
        shutil.rmtree(tree.path)


@pytest.mark.parametrize("backends", [["steam"], ["sentry", "directory"]], ids="+".join)
def test_killed_at_every_call(pending, sides, tmp_path, backends):
    kills = Kills(pending, sides, tmp_path, backends)
    calls = kills.count()
    assert calls > 300  # it did all its work under the harness
    in_parallel(range(1, calls + SLACK), lambda worker, number: kills.at(worker, [number]))
    assert kills.killed > calls * 9 // 10


def test_killed_after_a_call(pending, sides, tmp_path):
    """At the exit of calls: for the disk that is the entry of the next, but the server may be in the
    middle of its answer."""
    kills = Kills(pending, sides, tmp_path, ["steam", "sentry", "directory"])
    calls = kills.count()
    in_parallel(range(3, calls, 11), lambda worker, number: kills.at(worker, [number], exit=True))
    assert kills.killed >= calls // 11 - SLACK


FAULTS = ["start:status:503", "start:store-then-cut", "put:store-then-cut", "put:cut-after:2000",
          "finish:store-then-cut", "finish:status:502", "finish:truncate", None]


def test_killed_again_and_again(pending, sides, tmp_path):
    """The runs that are to mend it are killed as well, four in a row, and the server is of no help."""
    kills = Kills(pending, sides, tmp_path, ["steam", "sentry", "directory"])
    calls = kills.count()
    choose = random.Random(5)
    jobs = [([choose.randrange(1, calls) for _ in range(4)], fault) for fault in FAULTS * 8]
    in_parallel(jobs, lambda worker, job: kills.at(worker, job[0], fault=job[1]))
    assert kills.killed > len(jobs)


EACH = 9  # calls apart
# What does not end in sent_logs/: how the tree and its server are made so, and where the report goes.
ELSEWHERE = {
    "refused": ({}, "start:status:400", "failed_logs"),
    "refused at the end": ({}, "finish:status:403", "failed_logs"),
    "nonsense for the fifth time": ({}, "start:not-json", "failed_logs"),
    "submission is off": ({"LOG_SUBMISSION": "0"}, None, "not_sent_logs"),
}


@pytest.mark.parametrize("case", ELSEWHERE, ids=lambda case: case.replace(" ", "-"))
def test_killed_on_its_way_elsewhere(pending, sides, tmp_path, case):
    """At calls so far apart that none of the steps is missed, each of which makes some ten: the report is
    in its folder at the end, and nothing has arrived."""
    settings, fault, folder = ELSEWHERE[case]
    kills = Kills(pending, sides, tmp_path, ["steam"])

    def prepared(worker):
        tree = kills.copy(worker)
        tree.config(**settings)
        sides[worker].receiver.set_faults(*([fault] if fault else []))
        if "fifth" in case:
            assert tree.run("submit", "--now").returncode == 1
            note = tree.folder / "state" / f"{NAME}.json"
            note.write_text(json.dumps(json.loads(note.read_text()) | {"protocol_errors": 4}))
        return tree

    def is_there(tree, where):
        assert tree.zips(folder) == [NAME] and len(tree.all_zips()) == 1, where
        assert tree.leftovers() == [], where

    tree = prepared(0)
    calls = count_calls(tree, "submit", "--now")
    is_there(tree, "not killed")
    killed = []

    def work(worker, number):
        tree = prepared(worker)
        where = f"killed at {number} of {case}"
        killed.append(run_killed(tree, number, "submit", "--now") is None)
        assert len(tree.all_zips()) == 1, where
        for path in tree.leftovers():
            os.utime(path, (LONG_AGO, LONG_AGO))
        tree.run("submit", "--now")
        is_there(tree, where)
        assert sides[worker].finished() == 0, where
        shutil.rmtree(tree.path)

    each = EACH if calls > 150 else 1
    in_parallel(range(1 + calls % each, calls, each), work)
    for side in sides:
        side.receiver.set_faults()
        side.finished()
    assert sum(killed) >= calls // each - SLACK // each - 1 and calls > 60


def test_killed_as_it_resumes_a_place_that_is_gone(pending, sides, tmp_path):
    """A PUT was cut; at its next try the place is gone, and all begins anew."""
    kills = Kills(pending, sides, tmp_path, ["steam"])

    def prepared(worker):
        tree = kills.copy(worker)
        sides[worker].receiver.set_faults("put:status:503:1", "put:status:404:1")
        assert tree.run("submit").returncode == 1
        return tree

    calls = count_calls(prepared(0), "submit", "--now")
    sides[0].finished()

    def work(worker, number):
        tree = prepared(worker)
        where = f"killed at {number}"
        run_killed(tree, number, "submit", "--now")
        until_quiet(tree, where)
        arrived_once(tree, sides[worker], ["steam"], where)
        shutil.rmtree(tree.path)

    in_parallel(range(2, calls, 2 * EACH), work)
    for side in sides:
        side.receiver.set_faults()
