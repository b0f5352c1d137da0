# SPDX-License-Identifier: LGPL-2.1-or-later
"""A power cut in a town: the machines do not ask the server in step. bench/fleet has more of them."""

import pathlib
import sys

from fleet import Fixed, Ours, simulate
from harness import tool

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from receiver import Receiver  # noqa: E402

MACHINES = 500
PER_SECOND = MACHINES / 500


NOBODY = 300  # seconds in which the server has no power, either


def run(client, store, **options):
    try:
        with Receiver(store) as receiver:
            result = simulate(client, receiver, MACHINES, PER_SECOND, **options)
            assert len(receiver.finished()) == len(result.taken) == MACHINES
            assert len({u["fields"]["crash_time"] for u in receiver.finished()}) == MACHINES
            return result
    finally:
        client.close()


def test_a_power_cut_in_a_town(tmp_path):
    ours = run(Ours(tool("schedule")), tmp_path / "ours")
    fixed = run(Fixed(60), tmp_path / "fixed")
    # the first wave, which no server has answered yet, is spread over minutes
    assert fixed.peak(1) > 12 * PER_SECOND
    assert ours.peak(1) < 8 * PER_SECOND and ours.peak(60) < 2 * PER_SECOND * 60
    # the second wave: hardly more than the server can take, where the fixed sleep brings all again
    assert fixed.peak(60, Fixed.behind) > 4 * PER_SECOND * 60
    assert ours.peak(60, Ours.behind) < 1.5 * PER_SECOND * 60
    assert ours.peak(1, Ours.behind) * 3 < fixed.peak(1, Fixed.behind)
    assert len(ours.starts) * 3 < len(fixed.starts)
    assert ours.all_in < 3600


def test_the_server_had_no_power_either(tmp_path):
    """It comes back behind the machines, who wait for it: not in step."""
    ours = run(Ours(tool("schedule")), tmp_path / "ours", nobody_until=NOBODY)
    fixed = run(Fixed(10), tmp_path / "fixed", nobody_until=NOBODY)
    assert min(ours.starts) >= NOBODY
    assert ours.peak(1) * 3 < fixed.peak(1) and ours.peak(10) * 4 < fixed.peak(10)
    assert len(ours.starts) * 3 < len(fixed.starts) and ours.all_in < 5400


def test_the_timer_is_what_it_says():
    """What the simulation has of the unit."""
    ours = Ours(tool("schedule"))
    ours.close()
    assert (ours.boot, ours.inactive, ours.delay) == (180, 900, 600)
    assert (ours.network_tries, ours.network_seconds) == (99, 900)
