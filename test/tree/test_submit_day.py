# SPDX-License-Identifier: LGPL-2.1-or-later
"""A day of crashes while the servers come and go: the timer's runs of submit, every quarter of an
hour by a clock that the test moves, some of them killed. At its end every report has arrived, once.
"""

import json
import pathlib
import random
import re
import sys
import time

import pytest

from harness import plain_build, run_killed, tool  # noqa: F401
from test_backends import Sentry
from tree import NOWHERE, Tree, panic_text

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from receiver import Receiver  # noqa: E402

BEGIN = 1800000000  # 2027-01-15 08:00:00 UTC, later than whenever this runs
TICK, DAY = 900, 86400
CRASHES = 60
KINDS = 12  # of crashes, each with a signature of its own
UNLIMITED = {"KEEP_REPORTS": "1000", "MAX_REPORTS_PER_DAY": "0", "SAME_CRASH_PER_DAY": "0"}
CALLS = 700  # about what a run makes that sends one report

pytestmark = pytest.mark.usefixtures("plain_build")

# What a server, or the way to it, can do: faults of the receiver, or another POST_URL.
STEAM_OUTAGES = {
    "overloaded": ["start:status:503", "start:retry-after:1800"],
    "rate limit": ["start:status:429", "start:retry-after:600"],
    "broken": ["start:status:500", "put:status:500", "finish:status:500"],
    "storage is full": ["put:status:507"],
    "accounting is down": ["finish:status:502"],
    "gateway": ["start:status:504", "start:header:Retry-After: soon"],
    "cut": ["start:cut", "put:cut-after:1000", "finish:cut"],
    "cut at the end": ["finish:store-then-cut"],
    "cut in the middle": ["put:store-then-cut"],
    "cut at the start": ["start:store-then-cut"],
    "truncated": ["start:truncate", "finish:truncate"],
    "every other": ["start:status:503:1", "start:ok:1", "start:status:503:1",
                    "finish:store-then-cut:1"],
    "slow": ["start:slow:2", "put:delay:50", "finish:slow:2"],
    "captive portal": ["start:not-json", "put:not-json", "finish:not-json"],
    "nobody listens": NOWHERE,
    "no name server": "http://crash-upload.invalid/ACTIONCrashUpload/v1",
}
SENTRY_OUTAGES = {
    "rate limit": (429, {"Retry-After": "1200"}),
    "limits": (429, {"X-Sentry-Rate-Limits": "900::organization"}),
    "down": (503, {}),
    "gateway": (502, {"Retry-After": "300"}),
}


class Outages:
    """One after the other with calm between; each once, in an order that the seed decides, and long
    ones only where they cannot make a report be given up."""

    def __init__(self, choose, kinds):
        self.plan, ticks = [], DAY // TICK
        names = sorted(kinds)
        choose.shuffle(names)
        space = ticks // len(names)
        for n, name in enumerate(names):
            length = 3 if name == "captive portal" else choose.randrange(2, space + 1)
            start = n * space
            self.plan.append((start, start + length, name))

    def at(self, tick):
        return next((name for start, end, name in self.plan if start <= tick < end), None)


class Day:
    def __init__(self, path, receiver, sentry, seed, settings):
        self.choose = random.Random(seed)
        self.receiver, self.sentry = receiver, sentry
        self.steam_outages = Outages(self.choose, STEAM_OUTAGES)
        self.sentry_outages = Outages(self.choose, SENTRY_OUTAGES)
        self.tree = Tree(path)
        self.tree.config(POST_URL=receiver.url, SENTRY_DSN=sentry.dsn, **settings)
        self.crashes = sorted(self.choose.randrange(DAY) for _ in range(CRASHES))
        self.kills = self.runs = self.failures = 0
        self.taken = []  # event_ids that Sentry said yes to

    def env(self, seconds):
        return {"LD_PRELOAD": tool("libclock.so"), "RANDOM_SEED": str(self.choose.getrandbits(60)),
                "CLOCK_OFFSET": str(BEGIN + seconds - int(time.time()))}

    def weather(self, tick):
        outage = STEAM_OUTAGES.get(self.steam_outages.at(tick), [])
        elsewhere = isinstance(outage, str)
        self.receiver.set_faults(*([] if elsewhere else outage))
        self.tree.config(POST_URL=outage if elsewhere else self.receiver.url)
        outage = SENTRY_OUTAGES.get(self.sentry_outages.at(tick))
        self.sentry.answers = [outage] * 1000 if outage else []
        return bool(outage)

    def crash(self, number, seconds):
        """As early boot finds it."""
        text = panic_text(number).replace("crash_it", f"crash_it_{number % KINDS}")
        self.tree.record("dmesg-ramoops-0", "Panic#1 Part1\n" + text, BEGIN + seconds)
        done = self.tree.run("collect", env=self.env(seconds + 30))
        assert done.returncode == 0, done.stderr

    def submit(self, tick, may_die=True):
        sentry_says_no = self.weather(tick)
        before = len(self.sentry.requests)
        env = self.env(tick * TICK)
        if may_die and self.choose.random() < 0.1:
            dead = run_killed(self.tree, self.choose.randrange(1, CALLS), "submit", env=env) is None
            self.kills += dead
        else:
            done = self.tree.run("submit", env=env)
            assert done.returncode in (0, 1), done.stderr
            self.failures += done.returncode
        self.runs += 1
        if not sentry_says_no:
            self.taken += self.sentry.envelopes()[before:]

    def pass_by(self):
        crashes = list(enumerate(self.crashes, 1))
        for tick in range(DAY // TICK):
            while crashes and crashes[0][1] <= tick * TICK:
                self.crash(*crashes.pop(0))
            self.submit(tick)
        for number, seconds in crashes:
            self.crash(number, seconds)

    def calm_down(self, days=2):
        """The night after; how many quarters of an hour it took until all was sent."""
        first = DAY // TICK
        for tick in range(first, (1 + days) * first):
            if not self.tree.zips():
                return tick - first
            self.submit(tick, may_die=False)
        raise AssertionError(f"{len(self.tree.zips())} still wait after {days} days")


@pytest.fixture
def receiver(tmp_path):
    with Receiver(tmp_path / "receiver") as one:
        yield one


@pytest.mark.parametrize("seed", [1, 2])
def test_a_day_of_outages(tmp_path, receiver, seed):
    with Sentry() as sentry:
        day = Day(tmp_path / "tree", receiver, sentry, seed, UNLIMITED)
        day.pass_by()
        waiting = len(day.tree.zips())
        ticks = day.calm_down()
        tree = day.tree
        print(f"{day.runs} runs, {day.failures} with something left, {day.kills} killed, {waiting} "
              f"wait at midnight, all sent {ticks * TICK // 60} min later; "
              f"{len(receiver.requests())} requests, {len(sentry.requests)} envelopes")
        assert day.kills >= 2 and day.failures > 20
        assert tree.zips("failed_logs") == tree.zips("not_sent_logs") == []
        assert len(tree.zips("sent_logs")) == CRASHES == len(tree.all_zips())
        assert tree.attempts() == []
        arrived = [int(upload["fields"]["crash_time"]) - BEGIN for upload in receiver.finished()]
        assert sorted(arrived) == day.crashes
        ids = [header["event_id"] for header, _ in day.taken]
        # a run that was killed behind Sentry's yes sends it again under the same id
        assert len(set(ids)) == CRASHES <= len(ids) <= CRASHES + day.kills
        # and it was not achieved by asking all the time
        assert len(receiver.requests()) < 12 * CRASHES


def told(receiver):
    """How many crashes those that arrived speak for, by their notes."""
    found = [re.match(r"(\d+) more of the same crash", upload["fields"]["note"])
             for upload in receiver.finished()]
    return sum(int(match[1]) for match in found if match)


def test_a_day_with_the_default_limits(tmp_path, receiver):
    """Retries, kills and limits together: each crash has arrived once, or was counted once."""
    with Sentry() as sentry:
        day = Day(tmp_path / "tree", receiver, sentry, 3, {})
        day.pass_by()
        ticks = day.calm_down(days=3)
        tree = day.tree
        counted = tree.zips("not_sent_logs")
        arrived = [int(upload["fields"]["crash_time"]) - BEGIN for upload in receiver.finished()]
        print(f"{day.runs} runs, {day.kills} killed, {len(arrived)} sent, {len(counted)} counted, all "
              f"done {ticks * TICK // 60} min later")
        assert day.kills >= 2 and day.failures > 20
        assert len(set(arrived)) == len(arrived) and set(arrived) <= set(day.crashes)
        assert len(arrived) + len(counted) == CRASHES and counted
        assert tree.zips("failed_logs") == [] == tree.attempts()
        ledger = json.loads((tree.folder / "state/limits.json").read_text())
        assert told(receiver) + sum(entry["count"] for entry in ledger["counted"]) == len(counted)
        ids = {header["event_id"] for header, _ in day.taken}
        assert len(ids) == len(arrived)
        assert json.loads(tree.run("status", "--json").stdout)["unsent"] == 0
