# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the package costs a boot that has nothing to do for it, against the same guest without it: a guest
with the services that a handheld's system starts.

Time is counted in instructions, so that nothing here depends on how fast the computer is: on one core of
250 MIPS that has nothing else to do, no other core takes over, and no disk is waited for. Two boots of
one guest differ by a few tenths of a percent all the same, hence the mean of some. What grows from boot to
boot (the journal) is the same for both: one half of the boots without it is before, one after those with
it."""

import statistics

import pytest

import machine
import story as stories
from story import UNPACK

pytestmark = pytest.mark.skipif(stories.FAST, reason="not in the fast form")
LIMIT = 0.01  # of the boot
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
    s.note("services", "systemctl list-units --type=service --state=active --plain --no-legend | wc -l")
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
    disk = machine.ready_disk("handheld", handheld=True)
    with stories.life(tmp_path_factory.mktemp("cost"), (before, installed, removed),
                      {"first.deb": stories.build("deb", "first")[0]}, disk=disk, counted=True,
                      boot=machine.without_grub(disk)) as told:
        yield told


def test_a_boot_with_nothing_to_do(story):
    assert story.told("armed")[1]["armed"]
    ours = statistics.mean(story.told("installed"))
    others = statistics.mean(story.told("before") + story.told("removed"))
    print(f"boot: {ours:.2f} s with the package, {others:.2f} s without: {100 * (ours / others - 1):+.2f} %")
    assert ours <= others * (1 + LIMIT)
