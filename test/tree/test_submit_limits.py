# SPDX-License-Identifier: LGPL-2.1-or-later
"""What goes over the network in a day: so many reports, so many bytes, and of one crash only a few;
the others are counted, and the number arrives."""

import json

import pytest

from tree import FOLDER, NOWHERE, TIME, Tree, killed_runs


DAY = 24 * 3600


def crash(kind, number):
    """A panic of which only the function tells the kind."""
    return (f"<4>[   10.000000] Linux version 6.1.0 boot {number}\n"
            "<1>[   11.000000] BUG: kernel NULL pointer dereference, address: 0000000000000010\n"
            "<4>[   11.000100] CPU: 0 PID: 1 Comm: x Not tainted 6.1.0 #1\n"
            f"<4>[   11.000200] RIP: 0010:kind_{kind}_write+0x1a/0x40\n"
            "<4>[   11.000300] Call Trace:\n<4>[   11.000400]  <TASK>\n"
            f"<4>[   11.000500]  kind_{kind}_caller+0x10/0x20\n<4>[   11.000600]  </TASK>\n"
            "<0>[   11.000700] Kernel panic - not syncing: Fatal exception\n")


class Looping(Tree):
    """A machine that crashes again and again."""

    def __init__(self, path):
        super().__init__(path)
        self.crashes = 0

    def crash(self, kind="a", times=1):
        for _ in range(times):
            self.crashes += 1
            self.record("dmesg-ramoops-0", "Panic#1 Part1\n" + crash(kind, self.crashes),
                        TIME + 60 * self.crashes)
            assert len(self.collect()) == 1

    def ledger(self):
        return json.loads((self.folder / "state/limits.json").read_text())

    def a_day_goes_by(self, seconds=DAY + 1):
        """For the ledger: all that was noted is so much older."""
        ledger = self.ledger()
        for entry in ledger["begun"]:
            entry["time"] -= seconds
        for entry in ledger["sent"]:
            entry["hour"] -= -(-seconds // 3600)
        self.write(f"{FOLDER}/state/limits.json", json.dumps(ledger))

    def counts(self):
        return tuple(len(self.zips(folder)) for folder in ("", "sent_logs", "not_sent_logs"))


@pytest.fixture
def tree(server, tmp_path):
    made = Looping(tmp_path / "tree")
    made.config(POST_URL=server.url, KEEP_REPORTS="1000")
    return made


def test_a_crash_loop_is_counted(tree, server):
    tree.crash(times=20)
    done = tree.run("submit")
    assert done.returncode == 0, done.stderr
    assert tree.counts() == (0, 3, 17) and len(server.notes()) == 3
    assert not any("counted" in note for note in server.notes())
    status = tree.run("status", "--json")
    assert json.loads(status.stdout)["counted"] == 17
    assert "counted: 17 more" in tree.run("status").stdout
    # The next one of them, a day later, tells; another crash does not.
    tree.a_day_goes_by()
    tree.crash("b")
    tree.crash()
    assert tree.run("submit").returncode == 0
    assert tree.counts() == (0, 5, 17) and len(server.notes()) == 5
    (told,) = [note for note in server.notes() if "counted" in note]
    assert told.startswith("17 more of the same crash since 20") and "kind_a_write" in told
    assert tree.ledger()["counted"] == []
    assert json.loads(tree.run("status", "--json").stdout)["counted"] == 0
    tree.crash()
    assert tree.run("submit").returncode == 0
    assert not any("counted" in note for note in server.notes()[5:])


def test_different_crashes_are_not_the_same(tree, server):
    for kind in "abcdef":
        tree.crash(kind, 2)
    assert tree.run("submit").returncode == 0
    assert tree.counts() == (0, 12, 0)


def test_reports_of_a_day(tree, server):
    tree.config(MAX_REPORTS_PER_DAY="4")
    for kind in "abcdefg":
        tree.crash(kind)
    done = tree.run("submit")
    assert done.returncode == 1 and "MAX_REPORTS_PER_DAY" in done.stderr
    assert tree.counts() == (3, 4, 0)
    assert [name.split(".")[1] for name in tree.zips("sent_logs")] == \
        sorted(name.split(".")[1] for name in tree.zips("sent_logs") + tree.zips())[:4]
    assert tree.attempts() == []  # waiting is no failure
    assert tree.run("submit").returncode == 1 and tree.counts() == (3, 4, 0)
    tree.a_day_goes_by()
    assert tree.run("submit").returncode == 0 and tree.counts() == (0, 7, 0)


def test_bytes_of_a_day(tree, server):
    for kind in "abc":
        tree.crash(kind)
    size = max(path.stat().st_size for path in tree.all_zips())
    # with the forms that go with it a report takes somewhat more
    tree.config(MAX_SIZE_PER_DAY=str(5 * size // 2))
    assert tree.run("submit").returncode == 1 and tree.counts() == (1, 2, 0)
    tree.a_day_goes_by()
    # One that is larger than a day's size goes alone.
    tree.config(MAX_SIZE_PER_DAY=str(size // 2))
    tree.crash("d")
    assert tree.run("submit").returncode == 1 and tree.counts() == (1, 3, 0)


@pytest.mark.parametrize("way", ["now", "named"])
def test_a_person_decides(tree, server, way):
    tree.config(MAX_REPORTS_PER_DAY="1", SAME_CRASH_PER_DAY="1")
    tree.crash(times=3)
    assert tree.run("submit").returncode == 0 and tree.counts() == (0, 1, 2)
    tree.crash("b", 2)
    assert tree.run("submit").returncode == 1 and tree.counts() == (2, 1, 2)
    if way == "now":
        assert tree.run("submit", "--now").returncode == 0 and tree.counts() == (0, 3, 2)
    else:
        kept = tree.zips("not_sent_logs")[0]
        assert tree.run("submit", kept, tree.zips()[0]).returncode == 0
        assert tree.counts() == (1, 3, 1)


def test_no_limits(tree, server):
    tree.config(MAX_REPORTS_PER_DAY="0", SAME_CRASH_PER_DAY="0", MAX_SIZE_PER_DAY="0")
    tree.crash(times=8)
    assert tree.run("submit").returncode == 0 and tree.counts() == (0, 8, 0)


def test_what_was_begun_goes_on(tree, server):
    """Retries are no new reports, and nobody else takes their place."""
    tree.config(MAX_REPORTS_PER_DAY="2")
    for kind in "abcd":
        tree.crash(kind)
    server.set_faults("put:status:500")
    assert tree.run("submit").returncode == 1
    assert len(tree.ledger()["begun"]) == 2 and len(tree.attempts()) == 2
    server.set_faults()
    for name in tree.attempts():
        path = tree.folder / "state" / name
        path.write_text(json.dumps(json.loads(path.read_text()) | {"next_try": 0}))
    assert tree.run("submit").returncode == 1
    assert tree.counts() == (2, 2, 0)


def spent(tree):
    return sum(entry["bytes"] for entry in tree.ledger()["sent"])


def make_due(tree):
    for name in tree.attempts():
        path = tree.folder / "state" / name
        path.write_text(json.dumps(json.loads(path.read_text()) | {"next_try": 0}))


def test_bytes_count_whenever_they_go(tree, server, one_server):
    """Each transfer, of whichever server, by what went over the wire."""
    before = len(one_server.requests())
    tree.crash()
    server.set_faults("put:status:503:2", "finish:status:503:1")
    for tries in range(1, 4):
        assert tree.run("submit").returncode == 1
        assert spent(tree) == sum(r["bytes"] for r in one_server.requests()[before:])
        make_due(tree)
    assert tree.run("submit").returncode == 0
    assert [r["step"] for r in one_server.requests()[before:]] == \
        ["start", "put", "put", "put", "finish", "finish"]
    assert spent(tree) == sum(r["bytes"] for r in one_server.requests()[before:])


def test_what_was_begun_waits_where_the_day_is_full(tree, server, one_server):
    """It is not lost, nor begun again; its finish, which is short, does not wait."""
    before = len(one_server.requests())
    steps = lambda: [r["step"] for r in one_server.requests()[before:]]
    tree.crash()
    size = tree.all_zips()[0].stat().st_size
    tree.config(MAX_SIZE_PER_DAY=str(5 * size // 2))
    server.set_faults("put:status:503:2", "finish:status:503:1")
    for _ in range(3):
        assert tree.run("submit").returncode == 1
        make_due(tree)
    done = tree.run("submit")
    assert done.returncode == 1 and "MAX_SIZE_PER_DAY" in done.stderr
    assert steps() == ["start", "put", "put"]
    tree.a_day_goes_by()
    assert tree.run("submit").returncode == 1 and steps()[3:] == ["put", "finish"]
    make_due(tree)
    tree.config(MAX_SIZE_PER_DAY="1")
    assert tree.run("submit").returncode == 0 and steps()[5:] == ["finish"]
    assert tree.counts() == (0, 1, 0)


def test_a_report_of_yesterday_counts_today(tree, server):
    """If it is sent today."""
    tree.config(MAX_REPORTS_PER_DAY="1")
    tree.crash("a")
    server.set_faults("put:status:503")
    assert tree.run("submit").returncode == 1
    tree.a_day_goes_by()
    make_due(tree)
    server.set_faults()
    tree.crash("b")
    assert tree.run("submit").returncode == 1 and tree.counts() == (1, 1, 0)
    assert tree.run("submit").returncode == 1 and tree.counts() == (1, 1, 0)
    tree.a_day_goes_by()
    assert tree.run("submit").returncode == 0 and tree.counts() == (0, 2, 0)


@pytest.mark.parametrize("settings", [{"POST_URL": NOWHERE}, {"POST_URL": "http://no-such-host.invalid/ACTION"}])
def test_what_never_left_is_not_counted(tree, settings):
    tree.config(MAX_REPORTS_PER_DAY="1", **settings)
    tree.crash()
    assert tree.run("submit").returncode == 1
    assert tree.ledger()["begun"] == [] and spent(tree) == 0


def test_a_number_that_grows_under_way(tree, server):
    """The server was told of none as the upload began: those that are counted before it is finished go
    with the next one."""
    tree.config(SAME_CRASH_PER_DAY="1")
    tree.crash()
    server.set_faults("finish:status:503:1")
    assert tree.run("submit").returncode == 1
    tree.crash(times=2)
    assert tree.run("submit").returncode == 1 and tree.counts() == (1, 0, 2)
    make_due(tree)
    assert tree.run("submit").returncode == 0 and tree.counts() == (0, 1, 2)
    assert not any("counted" in note for note in server.notes())
    tree.a_day_goes_by()
    tree.crash()
    assert tree.run("submit").returncode == 0
    (told,) = [note for note in server.notes() if "counted" in note]
    assert told.startswith("2 more of the same crash") and tree.ledger()["counted"] == []


def test_a_number_is_told_once(tree, server):
    """Two reports under way at once do not both speak for the counted ones, and a number that did not
    arrive is told again."""
    tree.config(SAME_CRASH_PER_DAY="2")
    tree.crash(times=6)
    assert tree.run("submit").returncode == 0 and tree.counts() == (0, 2, 4)
    tree.a_day_goes_by()
    server.set_faults("finish:status:500")
    tree.crash(times=2)
    assert tree.run("submit").returncode == 1
    assert [entry["tally"] for entry in tree.ledger()["begun"]] == [4, 0]
    server.set_faults()
    assert tree.run("submit", "--now").returncode == 0
    assert sum("counted" in note for note in server.notes()) == 1
    assert tree.ledger()["counted"] == []


def test_a_clock_that_was_set_back(tree, server):
    tree.config(MAX_REPORTS_PER_DAY="1")
    tree.crash("a")
    tree.crash("b")
    assert tree.run("submit").returncode == 1
    tree.a_day_goes_by(-1000 * DAY)
    assert tree.run("submit").returncode == 1 and tree.counts() == (1, 1, 0)
    tree.crash("c")
    assert tree.run("submit", "--now").returncode == 0  # writes the ledger, with times of now
    tree.crash("d")
    tree.a_day_goes_by()
    assert tree.run("submit").returncode == 0 and tree.counts() == (0, 4, 0)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"begun": 3, "counted": {}}',
                                  '{"begun": [1, {}, {"report": 4}, {"report": "x", "time": "y"}]}',
                                  '{"counted": [{"signature": "s", "count": -5, "last": 1}]}',
                                  '{"begun": [' + ",".join(['{"report": "r"}'] * 3) + "]}"])
def test_a_broken_ledger(tree, server, text):
    tree.crash()
    tree.write(f"{FOLDER}/state/limits.json", text)
    assert tree.run("submit").returncode == 0 and tree.counts() == (0, 1, 0)
    assert len(tree.ledger()["begun"]) in (1, 2)


def test_a_ledger_that_is_full(tree, server):
    tree.config(MAX_REPORTS_PER_DAY="0")
    tree.crash()
    tree.write(f"{FOLDER}/state/limits.json", json.dumps({
        "begun": [{"report": f"r{n}", "time": 4000000000, "signature": "s"} for n in range(700)],
        "counted": [{"signature": f"s{n}", "last": "r", "count": 1} for n in range(100)]}))
    assert tree.run("submit").returncode == 0
    ledger = tree.ledger()
    assert len(ledger["begun"]) == 512 and ledger["begun"][-1]["report"].startswith("steamos-")
    assert len(ledger["counted"]) == 64


def test_the_other_tool_gets_all(tree, server):
    """HANDOVER_FOLDER needs no network."""
    folder = tree.path / "srv/other"
    folder.mkdir(parents=True)
    tree.config(HANDOVER_FOLDER="/srv/other", SAME_CRASH_PER_DAY="1", MAX_REPORTS_PER_DAY="2")
    tree.crash(times=3)
    for kind in "bc":
        tree.crash(kind)
    assert tree.run("submit").returncode == 1
    assert tree.counts() == (1, 2, 2) and len(list(folder.glob("*.zip"))) == 5
    tree.config(POST_URL="")
    tree.crash(times=4)
    assert tree.run("submit").returncode == 0
    assert len(list(folder.glob("*.zip"))) == 9


@pytest.mark.parametrize("call", ["rename,renameat,renameat2", "fsync", "unlinkat", "openat", "sendto"])
def test_killed_at_any_call(server, tmp_path, call):
    """Each crash is sent or counted, and never both."""
    trees = iter(range(1000))
    original = Looping(tmp_path / "original")
    original.config(POST_URL=server.url, SAME_CRASH_PER_DAY="1")
    original.crash(times=3)

    def make():
        return original.copy(tmp_path / f"tree{next(trees)}")

    kills = 0
    for tree, _, _ in killed_runs(make, "submit", calls=[call]):
        kills += 1
        assert tree.run("submit").returncode in (0, 1)
        assert tree.run("submit", "--now").returncode == 0
        assert tree.counts()[0] == 0 and sum(tree.counts()) == 3
        counted = sum(entry["count"] for entry in tree.ledger()["counted"])
        assert counted == tree.counts()[2]
    assert kills > (2 if call != "sendto" else 1)


def test_nothing_is_counted_offline(tree):
    """A server that is not there is no reason to keep less."""
    tree.config(POST_URL=NOWHERE)
    tree.crash(times=5)
    assert tree.run("submit").returncode == 1
    assert tree.counts() == (5, 0, 0)
