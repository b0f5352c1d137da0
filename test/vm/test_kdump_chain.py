# SPDX-License-Identifier: LGPL-2.1-or-later
"""The whole chain by a crash kernel: image, arm, crash, capture, reboot, collect, submit."""

import dataclasses
import os
import re
import shutil

import guest as guests
import handheld
import kdump
import qemu
from receiver import Receiver
from scenario import uses


@dataclasses.dataclass
class Chain:
    """What a machine and the server had in the end."""
    machine: qemu.Machine
    uploads: list


def run(guest, name, cmdline, before="", after="", mem="", **settings):
    """Two boots and the crash between them; before, after: what is done before arming and after it."""
    name = f"kdump-{name}-{guest.kernel.series}"
    store = os.path.join(guests.OUTPUT, name + ".server")
    shutil.rmtree(store, ignore_errors=True)
    with Receiver(store) as server:
        configure = handheld.configure(server.url, **{"USE_PSTORE_RAM": "0"} | settings)
        jobs = [configure + before + "kdump-steamos initrd >/home/out/1/initrd 2>&1\n"
                "echo $? >/home/out/1/initrd.status\ncat /home/out/1/initrd\nboot-services\n" + after + "crash null",
                "boot-services\nkdump-steamos initrd >/home/out/2/initrd 2>&1\n"
                "ls -R /home/.steamos/offload/var/kdump/crash >/home/out/2/crash"]
        machine = qemu.Machine(guest, name, jobs, files=handheld.FILES, mem=mem, cmdline=cmdline,
                               home_mib=512, fast=True)
        return Chain(machine.run(timeout=240), server.finished())


# While a crash kernel is read and loaded, the kernel does not say what is reserved.
LOADING = """
cat /sys/kernel/kexec_crash_size >/home/out/1/reserved
(for i in 1 2 3 4; do sync; echo 3 >/proc/sys/vm/drop_caches; kdump-steamos arm; done) >/home/out/1/arming 2>&1 &
arming=$!
(while kill -0 $arming; do read size </sys/kernel/kexec_crash_size || echo busy; done) >/home/out/1/busy 2>/dev/null &
while kill -0 $arming; do
    kdump-steamos status --json | grep -e '"loaded"' -e '"reserved"'
done >/home/out/1/loading
"""


def kdump_log(guest):
    return run(guest, "chain", "crashkernel=96M")


def kdump_vmcore(guest):
    return run(guest, "chain-full", "crashkernel=112M", after=LOADING, FULL_COREDUMP="1")


def ramoops_fails(guest):
    """There is a RAM buffer, and the module cannot be loaded: the reserved memory is used."""
    return run(guest, "fallback", "crashkernel=96M", mem=qemu.MEM_PARAMETER, USE_PSTORE_RAM="1",
               before="for file in $(find /lib/modules/ -name 'ramoops.ko*'); do\n"
                      "mount --bind /dev/null $file\ndone\n")


def check_chain(chain):
    machine = chain.machine
    assert machine.read("out/1/initrd.status").strip() == "0", machine.read("out/1/initrd")
    assert handheld.verb(machine, 1, "arm")[0] == 0, handheld.verb(machine, 1, "arm")[1]
    assert handheld.verb(machine, 1, "status")[0] == 0, handheld.verb(machine, 1, "status")[1]
    assert handheld.verb(machine, 2, "collect")[0] == 0, handheld.verb(machine, 2, "collect")[1]
    reports = [handheld.Report(path) for path in machine.reports()]
    assert len(reports) == 1, machine.serial()[-3000:]
    log = reports[0].one(r"dmesg-kdump\..*")
    assert "BUG: kernel NULL pointer dereference" in log and "Linux version" in log
    assert "crash_null" in reports[0].summary()
    assert len(chain.uploads) == 1
    assert "dmesg.txt" not in machine.read("out/2/crash")


@uses(kdump_log)
def test_crash_is_reported(outcome):
    check_chain(outcome)
    assert "is up to date" in outcome.machine.read("out/2/initrd")


@uses(kdump_vmcore, series="6.1")
def test_crash_is_reported_and_its_vmcore_kept(outcome):
    check_chain(outcome)
    folder = os.path.join(outcome.machine.home, kdump.FOLDER, "crash")
    cores = [name for name in os.listdir(folder) if name.startswith("vmcore")]
    assert len(cores) == 1 and re.fullmatch(r"vmcore\.\d{12,14}", cores[0]), cores
    core = os.path.join(folder, cores[0])
    (report,) = outcome.machine.reports()
    log = handheld.Report(report).one(r"dmesg-kdump\..*")
    assert log.encode() == kdump.peer_dmesg("makedumpfile", core, outcome.machine.folder)
    release = outcome.machine.read("out/1/dmesg.armed").split("Linux version ")[1].split()[0]
    assert kdump.crash_osrelease(core) == release


@uses(kdump_vmcore, series="6.1")
def test_what_is_reserved_is_known_while_a_crash_kernel_is_loaded(outcome):
    told = set(outcome.machine.read("out/1/loading").splitlines())
    reserved = outcome.machine.read("out/1/reserved").strip()
    assert told == {'  "loaded": true,', f'  "reserved": {reserved},'}
    assert "busy" in outcome.machine.read("out/1/busy")


@uses(ramoops_fails, series="6.1")
def test_where_ramoops_fails_the_crash_kernel_is_used_in_the_same_boot(outcome):
    check_chain(outcome)
    said = handheld.verb(outcome.machine, 1, "arm")[1]
    assert "not armed by pstore" in said and "armed: a crash starts the crash kernel" in said
