# SPDX-License-Identifier: LGPL-2.1-or-later
"""Power cuts while a crash is being collected: the report is made once, and whole."""

import os
import time

import handheld
import qemu
from scenario import uses

# Seconds between the start of collect and the cut; collect takes some tenths of one here.
CUTS = [0.0, 0.03, 0.06, 0.1, 0.14, 0.18, 0.23, 0.28, 0.34, 0.4]
ARM = "kdump-steamos arm\nkdump-steamos arm --settled\nsync\n"


def cuts(guest):
    """A crash, then boots that lose their power during collect, then a boot in peace."""
    jobs = ["boot-services\ncrash null"]
    jobs += [ARM + "echo vm: collecting in $BOOT\nkdump-steamos collect\n"
             "echo vm: collected in $BOOT\nsleep 30"] * len(CUTS)
    jobs.append("boot-services\nkdump-steamos list >/home/out/$BOOT/list\n"
                "find /home/.steamos >/home/out/$BOOT/files")
    machine = qemu.Machine(guest, "cuts-" + guest.kernel.series, jobs, fast=True)
    machine.start()
    try:
        for number, delay in enumerate(CUTS, 2):
            machine.wait_for(f"vm: collecting in {number}", timeout=60)
            time.sleep(delay)
            machine.qmp("system_reset")
        return machine.wait(timeout=60)
    finally:
        machine.stop()


@uses(cuts, series="6.1")
def test_cut_collect_gives_one_whole_report(outcome):
    reports = outcome.reports()
    assert len(reports) == 1, reports
    report = handheld.Report(reports[0])
    assert "Kernel panic - not syncing: Fatal exception" in report.dmesg()
    assert "crash_null" in report.summary()
    last = len(CUTS) + 2
    assert outcome.read(f"out/{last}/pstore") == ""
    left = [path for path in handheld.lines_of(outcome, f"out/{last}/files")
            if os.path.basename(path).startswith(".tmp-")]
    assert left == []


@uses(cuts, series="6.1")
def test_cuts_hit_before_and_after_the_end(outcome):
    """Else the test above proves less than it says."""
    words = outcome.serial()
    ended = [number for number in range(2, len(CUTS) + 2) if f"vm: collected in {number}\n" in words]
    assert 0 < len(ended) < len(CUTS)
