# SPDX-License-Identifier: LGPL-2.1-or-later
"""A crash, the crash kernel, and what it saved: on buses and file systems, and when all goes wrong.

The matrix, the full dumps and the smallest reservation are the program's own doing, from `initrd`
on; where something is to go wrong, the image is made here. The whole matrix runs with KDUMP_MATRIX=1
(make check-vm), otherwise a part of it that has every bus, file system and kernel.
"""

import datetime
import os
import re
import shutil

import pytest

import disks
import kdump
from scenario import uses

WHOLE = os.environ.get("KDUMP_MATRIX") == "1"
SOME = {("virtio", "ext4", "6.12"), ("nvme", "btrfs", "6.1"), ("ahci", "f2fs", "6.1"),
        ("nvme_multipath", "ext4", "6.12"), ("usb", "xfs", "6.1"), ("sd", "vfat", "6.12")}
# The crash kernel is started by the oops, before the panic that would follow it says a word.
DIED = "BUG: kernel NULL pointer dereference"
PANIC = "Kernel panic - not syncing"


def scenario(**parameters):
    """A scenario of one crash."""
    def run(guest):
        return kdump.run(guest, kdump.Crash(**parameters))
    run.__name__ = "kdump-" + parameters["name"]
    return run


def armed(**parameters):
    """The same, armed by the program."""
    def run(guest):
        return kdump.run(guest, kdump.Crash(**parameters), machine=kdump.ArmedMachine)
    run.__name__ = "kdump-" + parameters["name"]
    return run


def said(machine):
    """What the capture program said, as one text."""
    return "\n".join(text for _, text in machine.said())


def need(*programs):
    """Other readers of cores, which not every distribution has."""
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"no {program} here")


def check_came_back(machine):
    assert "vm: boot 2," in machine.serial()


def check_log(machine, last=DIED):
    """The captured log is the kernel's own log at the moment of the crash, and what followed."""
    text = machine.dmesg().decode()
    before = machine.read("out/1/before").splitlines()
    lines = text.splitlines()
    assert last in text
    assert lines[:len(before)] == before
    modes = {path: mode for mode, _, path in
             (line.split(" ", 2) for line in machine.read("out/2/list").splitlines())}
    name = os.path.basename(machine.capture())
    if machine.crash.fstype != "vfat":  # it has no modes
        assert {mode for path, mode in modes.items() if path.endswith((".txt", "vmcore"))} == {"600"}
        assert modes["./crash"] == modes[f"./crash/{name}"] == "700"
    stamps = [datetime.datetime.strptime(text, "%Y%m%d%H%M%S")
              for text in (machine.read("out/1/time").strip(), name)]
    assert 0 <= (stamps[1] - stamps[0]).total_seconds() < 60
    check_came_back(machine)


# ---- buses and file systems ----

def matrix():
    places = [(bus, fstype) for bus in ("virtio", "nvme", "ahci")
              for fstype in ("ext4", "btrfs", "f2fs")]
    places += [("usb", "xfs"), ("usb", "ext4"), ("sd", "vfat"), ("sd", "ext4"), ("nvme", "xfs"),
               ("virtio", "vfat"), ("nvme_multipath", "ext4")]
    for bus, fstype in places:
        run = armed(name=f"{bus}-{fstype}", bus=bus, fstype=fstype,
                    disk={"mib": 512} if fstype == "xfs" else None)
        for series in ("6.1", "6.12"):
            if WHOLE or (bus, fstype, series) in SOME:
                yield f"{bus}_{fstype}_{series.replace('.', '_')}", run, series


def check_armed(machine):
    """All that the program did before the crash went well."""
    for verb in ("initrd", "arm", "status"):
        assert machine.read(f"out/1/{verb}.status").strip() == "0", machine.read(f"out/1/{verb}")
    assert "armed: a crash starts the crash kernel (kdump)" in machine.read("out/1/arm")
    assert machine.read("out/1/loaded").strip() == "1"


def add_matrix():
    """A test function for each place of the matrix: a scenario's tests are told apart by marks."""
    for place, run, series in matrix():
        def test(outcome):
            check_armed(outcome)
            check_log(outcome)
            assert not os.path.exists(os.path.join(outcome.capture(), "vmcore"))
        test.__name__ = "test_log_is_saved_" + place
        globals()[test.__name__] = uses(run, series=series)(test)


add_matrix()

subvolume = armed(name="subvolume", bus="nvme", fstype="btrfs", subvolume="@home",
                  options="rw,compress=zstd")
two_disks = armed(name="two-disks", fstype="btrfs", disk={"second": True})
# An identifier of the partition, in both kinds of tables, for an image that knows no other.
gpt_entry = scenario(name="gpt-entry", bus="nvme", by="PARTUUID", disk={"table": "gpt"})
mbr_entry = scenario(name="mbr-entry", bus="ahci", by="PARTUUID", disk={"table": "mbr"})


@uses(subvolume, series="6.1")
def test_log_is_saved_in_the_subvolume_that_was_mounted(outcome):
    check_armed(outcome)
    check_log(outcome)


@uses(two_disks, series="6.12")
def test_log_is_saved_on_a_btrfs_of_two_disks(outcome):
    check_armed(outcome)
    check_log(outcome)


@uses(gpt_entry, series="6.12")
def test_target_by_its_entry_in_a_gpt(outcome):
    check_log(outcome)


@uses(mbr_entry, series="6.1")
def test_target_by_its_entry_in_an_mbr(outcome):
    check_log(outcome)


# ---- full dumps ----

# With the default filter, in the default reservations.
full_ext4 = armed(name="full-ext4", configuration={"FULL_COREDUMP": "1"}, full=True,
                  disk={"mib": 512})
full_btrfs = armed(name="full-btrfs", configuration={"FULL_COREDUMP": "1"}, full=True,
                   disk={"mib": 512}, fstype="btrfs", bus="nvme", crashkernel="112M")


def check_full(machine):
    check_armed(machine)
    check_log(machine)
    core = os.path.join(machine.capture(), "vmcore")
    assert os.path.getsize(core) < 200 << 20
    release = machine.read("out/1/before").split("Linux version ")[1].split()[0]
    if shutil.which("makedumpfile"):
        assert kdump.peer_dmesg("makedumpfile", core, machine.folder) == machine.dmesg()
    if shutil.which("crash"):
        assert kdump.crash_osrelease(core) == release
        namelist = kdump.crash_namelist(machine.guest.kernel, machine.home + "/out/1/kallsyms",
                                        machine.folder)
        assert kdump.crash_banner(core, namelist).startswith(f"Linux version {release} ")
    if shutil.which("drgn"):
        assert kdump.drgn_release(core) == release


@uses(full_ext4, series="6.1")
def test_full_dump_to_ext4_in_96_mib(outcome):
    check_full(outcome)


@uses(full_btrfs, series="6.12")
def test_full_dump_to_btrfs_in_the_default_reservation(outcome):
    check_full(outcome)


# ---- the log as other tools read it ----

ODD_LINES = r"""
i=0
while [ $i -lt 4000 ]; do
    echo "filler $i: the ring has less room than these lines need, so it wraps around its end"
    i=$((i + 1))
done >/tmp/filler
echo on >/proc/sys/kernel/printk_devkmsg
while read -r line; do echo "$line"; done </tmp/filler >/dev/kmsg
printf 'odd: caf\303\251 \251 \033[1m\177 back\\slash' >/dev/kmsg
printf 'odd: first\nodd: second\n\tthird' >/dev/kmsg
"""
# Its makedumpfile is not there: the core is copied as it is.
wrapped = scenario(name="wrapped", full=True, before=ODD_LINES, fast=False, disk={"mib": 1024},
                   configuration={"MAKEDUMPFILE": "makedumpfile -l"})
five_levels = scenario(name="five-levels", full=True, fast=False, disk={"mib": 1024}, fstype="btrfs",
                       before=ODD_LINES, qemu_args=["-cpu", "qemu64,+rdrand,+la57"])


def check_peers(machine):
    """Byte for byte, but for bytes above 0x7f: ours are the kernel's."""
    core = os.path.join(machine.capture(), "vmcore")
    ours = machine.dmesg()
    assert rb"odd: caf\xc3\xa9 \xa9 \x1b[1m\x7f back\slash" in ours
    assert re.search(rb"^(\[ *\d+\.\d{6}\] )odd: first\n {15,}odd: second\n {15,}\tthird$", ours, re.M)
    need("makedumpfile")
    for program in filter(shutil.which, ("makedumpfile", "vmcore-dmesg")):
        theirs = kdump.peer_dmesg(program, core, machine.folder)
        assert theirs.count(b"\n") == ours.count(b"\n")
        theirs = re.sub(rb"\\xffffff([89a-f][0-9a-f])", rb"\\x\1", theirs)
        if program == "vmcore-dmesg":
            ours = re.sub(rb"^ {15,}", b"", ours, flags=re.M)  # it drops the indentation
        assert theirs == ours, program


def check_callers(machine):
    """These kernels do not show who said what, but note it: who died says so itself."""
    ours = machine.dmesg()
    shown = kdump.callers_dmesg(os.path.join(machine.capture(), "vmcore"))
    plain = re.sub(rb"^(\[ *\d+\.\d{6}\])\[ *[TC]\d+\]", rb"\1", shown, flags=re.M)
    # Further lines of a record begin where its text does.
    assert re.sub(rb"^ +", b"", plain, flags=re.M) == re.sub(rb"^ +", b"", ours, flags=re.M)
    (pid,) = set(re.findall(rb"CPU: 0 (?:UID: 0 )?PID: (\d+) Comm: ", ours))
    assert re.search(rb"^\[ *\d+\.\d+\]\[ *T%s\] %s" % (pid, DIED.encode()), shown, re.M)


@uses(wrapped, series=None if WHOLE else "6.12")
def test_wrapped_log_equals_other_tools(outcome):
    assert "ended with status 127" in said(outcome)
    ours = outcome.dmesg().decode()
    assert "Linux version" not in ours and "filler 3999" in ours and DIED in ours
    check_peers(outcome)
    check_callers(outcome)


@uses(five_levels, series="6.1")
def test_five_level_paging(outcome):
    assert "NUMBER(pgtable_l5_enabled)=1" in kdump.vmcoreinfo(
        os.path.join(outcome.capture(), "vmcore"))
    check_peers(outcome)


# ---- memory ----

smallest = armed(name="smallest", crashkernel="88M")
too_small = armed(name="too-small", crashkernel="72M")


@uses(smallest, series="6.1")
def test_log_is_saved_in_88_mib(outcome):
    check_armed(outcome)
    check_log(outcome)


@uses(too_small, series="6.1")
def test_too_little_memory_still_reboots(outcome):
    """The crash kernel starts, has no memory for its image, panics of that, and so reboots."""
    assert outcome.read("out/1/loaded").strip() == "1"
    before, after = outcome.serial().split("vm: crash null")
    crash_kernel = after.split("vm: boot 2,")[0]
    assert DIED in crash_kernel
    panic = crash_kernel.split(DIED)[1]
    assert "Linux version 6.1" in panic
    assert "Out of memory and no killable processes" in panic
    assert "Kernel panic - not syncing: System is deadlocked on memory" in panic
    assert "kdump-steamos:" not in panic
    check_came_back(outcome)
    assert not outcome.captures()


# ---- targets that fail ----

def spoil_groups(disk):
    """The group descriptors of an ext4, behind a superblock that is good."""
    block = 1024 if disk.size < 512 << 20 else 4096
    disk.patch(2048 if block == 1024 else 4096, b"\xa5" * block)


FILL = ("modprobe ext4; mkdir /tmp/f; mount /dev/vdc1 /tmp/f; mkdir -p /tmp/f/%s\n"
        "dd if=/dev/zero of=/tmp/f/big bs=64k 2>/dev/null; dd if=/dev/zero of=/tmp/f/rest bs=1k "
        "2>/dev/null; umount /tmp/f\n" % kdump.FOLDER)
LEAVE = FILL.replace("dd if=", "dd if=/dev/zero of=/tmp/f/hole bs=1k count=20 2>/dev/null; dd if=",
                     1).replace("umount", "rm /tmp/f/hole; umount")
missing = scenario(name="missing", configuration={"TARGET": "UUID=00000000-0000-0000-0000-000000000000",
                                                  "WAIT_SECONDS": "2"})
full_target = scenario(name="full-target", before=FILL, disk={"mib": 32})
nearly_full = scenario(name="nearly-full", before=LEAVE, disk={"mib": 32})
read_only = scenario(name="read-only", read_only=True)
corrupt = scenario(name="corrupt", spoil=spoil_groups)

SMALL = {"mib": 32, "mkfs": ["-b", str(disks.BLOCK)]}
turns_read_only = scenario(name="turns-read-only", disk=SMALL, faults=disks.Disk.journal_blocks)
bad_blocks = scenario(name="bad-blocks", disk=SMALL, faults=disks.Disk.free_blocks)
bad_dump = scenario(name="bad-dump", full=True, disk={"mib": 512, "mkfs": SMALL["mkfs"]},
                    programs=["makedumpfile"], configuration={"MAKEDUMPFILE": "makedumpfile -l -d 31"},
                    faults=lambda disk: disk.free_blocks()[4096::256])


def check_console(machine):
    """The whole log is on the console, and the machine came back."""
    text = machine.serial()
    start = text.index("the log of the crashed kernel follows")
    log = text[start:text.index("end of the log", start)]
    for line in machine.read("out/1/before").splitlines():
        assert line in log
    assert DIED in log
    check_came_back(machine)
    assert not machine.captures()


def left(machine):
    """The files on the target as the next fsck leaves it: {name: path}."""
    return {name: os.path.join(folder, name) for folder, _, names in os.walk(machine.repaired())
            for name in names}


@uses(missing, series="6.1")
def test_missing_target(outcome):
    assert "no such device came in time" in said(outcome)
    stamps = [stamp for stamp, _ in outcome.said()]
    assert 2 < stamps[-1] - stamps[0] < 30
    check_console(outcome)


@uses(full_target, series="6.1")
def test_full_target(outcome):
    assert "No space left on device" in said(outcome)
    check_console(outcome)


@uses(nearly_full, series="6.1")
def test_end_of_the_log_where_there_is_no_room_for_all(outcome):
    note, *lines = outcome.dmesg().decode().splitlines()
    assert "no room for the log's beginning" in note
    assert any(DIED in line for line in lines)
    assert "CR2: " in lines[-1]
    check_came_back(outcome)


@uses(read_only, series="6.1")
def test_read_only_target(outcome):
    assert "cannot mount" in said(outcome)
    check_console(outcome)


@uses(turns_read_only, series="6.1")
def test_target_that_turns_read_only_behind_its_mount(outcome):
    """The journal cannot be written: ext4 stops all writes."""
    assert "cannot mount" not in said(outcome)
    assert "Remounting filesystem read-only" in outcome.serial()
    assert re.search(r"cannot (write|make a folder|open the folder).*Read-only file system",
                     said(outcome))
    check_console(outcome)
    assert not left(outcome)


@uses(bad_blocks, series="6.12")
def test_target_that_cannot_be_written_to(outcome):
    """The blocks for new files are bad: the log's file is taken back."""
    assert "cannot mount" not in said(outcome)
    assert re.search(r"cannot write crash/\d+/dmesg.txt: (Input/output error|I/O error)", said(outcome))
    check_console(outcome)
    assert not left(outcome)


@uses(bad_dump, series="6.1")
def test_dump_that_cannot_be_written_is_not_called_whole(outcome):
    assert re.search(r"vmcore: not saved: (Input/output error|I/O error)", said(outcome))
    check_came_back(outcome)
    files = left(outcome)
    assert sorted(files) == ["dmesg.txt", "vmcore-incomplete"]
    with open(files["dmesg.txt"], encoding="ascii") as file:
        text = file.read()
    assert DIED in text and text.splitlines()[0] == outcome.read("out/1/before").splitlines()[0]


@uses(corrupt, series="6.1")
def test_corrupt_target(outcome):
    assert "cannot mount" in said(outcome)
    check_console(outcome)


# ---- ways to die ----

# The watchdog that sent the NMI runs on: the crash kernel has its driver, and pets it.
hardlockup = scenario(name="hardlockup", kind="hardlockup",
                      modules=["virtio_pci", "virtio_blk", "crc32c_generic", "ext4", "i6300esb"])
softlockup = scenario(name="softlockup", kind="softlockup")
second_panic = scenario(name="second-panic", capture_cmdline="rdinit=/missing")


# A driver that does not return, and one whose caller dies of it, before there is a target.
stuck_early = scenario(name="stuck-early", crashme="hang=3600", capture_cmdline="kdump_limit=10")
fault_early = scenario(name="fault-early", crashme="signal=11")
no_vmcoreinfo = scenario(name="no-vmcoreinfo", kind="noinfo", full=True, disk={"mib": 1024})


@uses(stuck_early, series="6.1")
def test_guardian_gives_out_the_log_where_pid_1_did_not(outcome):
    words = said(outcome)
    assert "no progress within the time limit, and the log is not saved" in words
    assert "no progress within the time limit; rebooting" in words
    check_console(outcome)


@uses(fault_early, series="6.12")
def test_guardian_gives_out_the_log_where_pid_1_failed(outcome):
    assert "the capture program failed" in outcome.serial()
    assert "no progress" not in said(outcome)
    check_console(outcome)


@uses(no_vmcoreinfo, series="6.1")
def test_memory_is_saved_where_nothing_says_what_it_is(outcome):
    words = said(outcome)
    assert "/proc/vmcore makes no sense: without VMCOREINFO" in words
    assert "copying up to" in words
    check_came_back(outcome)
    assert os.listdir(outcome.capture()) == ["vmcore"]
    with open(os.path.join(outcome.capture(), "vmcore"), "rb") as file:
        assert DIED.encode() in file.read()


@uses(hardlockup, series="6.1")
def test_panic_in_an_nmi(outcome):
    check_log(outcome, PANIC)
    assert b"NMI" in outcome.dmesg()
    after = outcome.serial()[outcome.serial().rindex("vm: crash hardlockup"):]
    assert "i6300ESB" in after.split("vm: boot 2")[0].split("kdump-steamos: Linux")[1]


@uses(softlockup, series="6.12")
def test_panic_of_a_soft_lockup(outcome):
    check_log(outcome, PANIC)
    assert b"soft lockup" in outcome.dmesg()


@uses(second_panic, series="6.1")
def test_panic_of_the_crash_kernel_reboots(outcome):
    assert PANIC in outcome.serial()
    check_came_back(outcome)


@uses(kdump.without_crash, series="6.1")
def test_started_without_a_crash(outcome):
    assert "cannot open /proc/vmcore" in outcome and "rebooting" in outcome


@uses(kdump.program_fault, series="6.1")
def test_fault_of_the_program_reboots(outcome):
    assert "the capture program failed; rebooting" in outcome.serial()
    check_came_back(outcome)
    check_log(outcome)


@uses(kdump.program_stuck, series="6.1")
def test_guardian_reboots_when_pid_1_stands_still(outcome):
    assert "no progress within the time limit; rebooting" in outcome.serial()
    check_came_back(outcome)
    check_log(outcome)


if not WHOLE:
    # Others in this part are near to them.
    del test_fault_of_the_program_reboots, test_read_only_target, test_full_target
    del test_guardian_gives_out_the_log_where_pid_1_failed, test_target_by_its_entry_in_a_gpt
    del test_dump_that_cannot_be_written_is_not_called_whole
