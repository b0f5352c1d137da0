# SPDX-License-Identifier: LGPL-2.1-or-later
"""Power cuts while a crash is being collected: the report is made once, and whole."""

import os
import re

import handheld
import qemu
from scenario import uses

# Where the power goes, by what is there when collect begins: before which call of a kind, one cut for
# each boot. Cuts leave temporary files, which the next collect unlinks before the records: each such
# call gets its cut until one has left a whole report beside the records. A state without a cut left
# is one to finish in peace.
CUTS = {
    "2 records, 0 reports": ["fsync:1", "fsync:1", "renameat2:1", "fsync:2", "unlinkat:1",
                             "unlinkat:2", "unlinkat:3", "unlinkat:4", "unlinkat:5"],
    "2 records, 1 reports": ["unlinkat:1", "unlinkat:2", "unlinkat:3", "unlinkat:4"],
    "1 records, 1 reports": ["unlinkat:1", "unlinkat:2"],
}

# sysrq b resets without a sync: what was not durable is lost.
JOB = """
kdump-steamos arm
kdump-steamos arm --settled
if [ -n "$(ls -A /sys/fs/pstore)" ]; then
    state="$(ls /sys/fs/pstore | wc -l) records, $(find /home/.steamos -name '*.zip' | wc -l) reports"
    echo "vm: $state in $BOOT"
    cuts="/home/cuts/$state"
    cut=$(head -n 1 "$cuts")
    sed -i 1d "$cuts"
    sync
    if [ -n "$cut" ]; then
        strace -o /dev/null -e trace=${cut%:*} -e inject=${cut%:*}:signal=KILL:when=${cut#*:} \\
            kdump-steamos collect
        [ $? -gt 128 ] && echo "vm: cut before $cut in $BOOT" && echo b >/proc/sysrq-trigger
    fi
fi
boot-services
echo $BOOT >/home/out/last
# In state/ others may be writing: there a leftover goes when it is old.
find /home/.steamos -path '*/state/.tmp-*' -exec touch -d '2026-01-01 00:00' {} +
kdump-steamos prune
find /home/.steamos >/home/out/files
"""


def cuts(guest):
    """A crash, then boots that lose their power during collect, then a boot in peace."""
    planned = {f"cuts/{state}": "".join(cut + "\n" for cut in calls)
               for state, calls in CUTS.items()}
    boots = sum(len(calls) for calls in CUTS.values()) + 1
    machine = qemu.Machine(guest, "cuts-" + guest.kernel.series,
                           ["boot-services\ncrash null"] + [JOB] * boots, files=planned, fast=True)
    return machine.run(timeout=600)


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
    words = outcome.serial()
    assert set(re.findall(r"vm: (\d+ records, \d+ reports) in ", words)) >= set(CUTS)
    made = set(re.findall(r"vm: cut before (\S+) in ", words))
    assert made >= {"fsync:1", "renameat2:1", "fsync:2", "unlinkat:1", "unlinkat:2"}
