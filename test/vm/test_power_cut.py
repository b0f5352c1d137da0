# SPDX-License-Identifier: LGPL-2.1-or-later
"""Power cuts while a crash is being collected: the report is made once, and whole."""

import os
import re
import time

import handheld
import qemu
from scenario import uses

# Each boot gives collect a little more time before the cut, until it has changed something; then the
# count starts anew, for collect has less to do. What makes things durable is drawn out, and what
# removes them even more, so that cuts fall between any two such calls.
FIRST, STEP = 0.2, 0.1  # seconds
DURABLE = "fsync,fdatasync,rename,renameat,renameat2,linkat"
REMOVING = "unlink,unlinkat"
MOST_BOOTS = 40

JOB = f"""
kdump-steamos arm
kdump-steamos arm --settled
if [ -n "$(ls -A /sys/fs/pstore)" ]; then
    sync
    echo "vm: $(ls /sys/fs/pstore | wc -l) records, $(find /home/.steamos -name '*.zip' | wc -l)" \\
        "reports in $BOOT"
    echo "vm: collecting in $BOOT"
    strace -o /dev/null -e trace={DURABLE},{REMOVING} -e inject={DURABLE}:delay_exit=80000 \\
        -e inject={REMOVING}:delay_exit=300000 kdump-steamos collect
    echo "vm: collected in $BOOT"
    sleep 60
fi
echo "vm: in peace in $BOOT"
boot-services
echo $BOOT >/home/out/last
find /home/.steamos >/home/out/files
"""


def cuts(guest):
    """A crash, then boots that lose their power during collect, then a boot in peace."""
    jobs = ["boot-services\ncrash null"] + [JOB] * MOST_BOOTS
    machine = qemu.Machine(guest, "cuts-" + guest.kernel.series, jobs, fast=True)
    machine.start()
    try:
        state, steps = None, 0
        for boot in range(2, MOST_BOOTS):
            machine.wait_for(f"vm: collecting in {boot}\n", f"vm: in peace in {boot}\n", timeout=60)
            words = machine.serial()
            if f"vm: in peace in {boot}\n" in words:
                break
            now = re.search(rf"vm: (\d+ records, \d+ reports) in {boot}\n", words)[1]
            state, steps = now, (steps + 1 if now == state else 0)
            time.sleep(FIRST + STEP * steps)
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
    assert "BUG: kernel NULL pointer dereference" in report.dmesg()
    assert "crash_null" in report.summary()


@uses(cuts, series="6.1")
def test_cut_collect_leaves_nothing_behind(outcome):
    last = int(outcome.read("out/last"))
    assert outcome.read(f"out/{last}/pstore") == ""
    left = [path for path in handheld.lines_of(outcome, "out/files")
            if os.path.basename(path).startswith(".tmp-")]
    assert left == []


@uses(cuts, series="6.1")
def test_cuts_hit_it_at_work(outcome):
    """Else the tests above prove less than they say."""
    states = re.findall(r"vm: (\d+ records, \d+ reports) in ", outcome.serial())
    assert "2 records, 0 reports" in states
    assert "2 records, 1 reports" in states
    # The oops's record was gone and the panic's was not.
    assert "1 records, 1 reports" in states
