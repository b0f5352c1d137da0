# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the package costs a boot that has nothing to do for it, against the same guest without it.

Time is counted in instructions, so that nothing here depends on how fast the computer is. Waiting for
the disk is not: two boots of one guest differ by half a percent, hence the quickest of a few. What grows
from boot to boot (the journal) is the same for both: one half of the boots without it is before, one
after those with it."""

import pytest

import machine
import story as stories
from story import UNPACK

pytestmark = pytest.mark.skipif(stories.FAST, reason="not in the fast form")
# Of the boot, on one core of 125 MIPS that has nothing else to do: no other core takes over. The aim is
# a hundredth; what is measured is 1.4 of them, and more than half of that is the kernel's loading of ramoops,
# with the events of devices that it makes. What comes on top shall not grow.
LIMIT = 0.016
BOOTS = 2


def boots(s, name, times):
    """After an installation some of systemd's own has work to do: the first one does not count."""
    s.guest.reboots("systemctl reboot")
    s.guest.settle()
    s.seen[name] = []
    for _ in range(times):
        s.guest.reboots("systemctl reboot")
        s.seen[name].append(machine.boot_seconds(s.guest)[1])
        s.note(f"{name} units", "systemd-analyze blame --no-pager | grep -E 'kdump'; "
               "systemctl show -p CPUUsageNSec kdump-steamos.service")
    print(f"{name}: {s.seen[name]}", flush=True)


def before(s):
    boots(s, "before", BOOTS)


def installed(s):
    s.guest.check(f"{UNPACK} && dpkg -i first.deb 2>&1", 300)
    boots(s, "installed", 2 * BOOTS)
    s.status("armed")


def removed(s):
    s.guest.check("dpkg -r kdump-steamos 2>&1", 300)
    boots(s, "removed", BOOTS)


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    stories.need("dpkg-buildpackage")
    with stories.life(tmp_path_factory.mktemp("cost"), (before, installed, removed),
                      {"first.deb": stories.build("deb", "first")[0]}, counted=True) as told:
        yield told


def test_a_boot_with_nothing_to_do(story):
    assert story.told("armed")[1]["armed"]
    first, second = story.told("installed")[:BOOTS], story.told("installed")[BOOTS:]
    ours = (min(first) + min(second)) / 2
    others = (min(story.told("before")) + min(story.told("removed"))) / 2
    print(f"boot: {ours:.2f} s with the package, {others:.2f} s without: {100 * (ours / others - 1):+.2f} %")
    assert ours <= others * (1 + LIMIT)
