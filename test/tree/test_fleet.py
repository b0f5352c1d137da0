# SPDX-License-Identifier: LGPL-2.1-or-later
"""A power cut in a town: the machines do not ask the server in step. bench/fleet has more of them."""

import pathlib
import sys

from fleet import BOOT, Fixed, Ours, simulate
from harness import tool

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from receiver import Receiver  # noqa: E402

MACHINES = 500
PER_SECOND = MACHINES / 500
BEHIND = BOOT[1] + 30  # the first requests come as the machines boot


def run(client, store):
    try:
        with Receiver(store) as receiver:
            result = simulate(client, receiver, MACHINES, PER_SECOND)
            assert len(receiver.finished()) == len(result.taken) == MACHINES
            assert len({u["fields"]["crash_time"] for u in receiver.finished()}) == MACHINES
            return result
    finally:
        client.close()


def test_a_power_cut_in_a_town(tmp_path):
    ours = run(Ours(tool("schedule")), tmp_path / "ours")
    fixed = run(Fixed(60), tmp_path / "fixed")
    # the second wave: hardly more than the server can take, where the fixed sleep brings all again
    assert fixed.peak(60, BEHIND) > 4 * PER_SECOND * 60
    assert ours.peak(60, BEHIND) < 1.5 * PER_SECOND * 60
    assert ours.peak(1, BEHIND) * 3 < fixed.peak(1, BEHIND)
    assert len(ours.starts) * 3 < len(fixed.starts)
    assert ours.all_in < 3600


def test_the_timer_is_what_it_says():
    """What the simulation has of the unit."""
    ours = Ours(tool("schedule"))
    ours.close()
    assert (ours.boot, ours.inactive, ours.delay) == (180, 900, 600)
