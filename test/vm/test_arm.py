# SPDX-License-Identifier: LGPL-2.1-or-later
"""Arming in other machines: hundreds of tasks, reserved memory, no memory, a boot loop, EFI."""

import re

import handheld
import qemu
from scenario import uses

def only_report(machine, boot):
    paths = handheld.new_reports(machine, boot)
    assert len(paths) == 1, paths
    return handheld.Report(paths[0])


LOAD = "modprobe crashme\n"
PANIC_PRINT = "cat /proc/sys/kernel/panic_print >/home/out/$BOOT/panic_print\n"


def tasks(count):
    """Shell text that starts that many kernel threads."""
    return LOAD + f"echo tasks {count} >/proc/crashme\n"


def many_tasks(guest):
    """Hundreds of tasks on a kernel with the usual small log buffer: there before arming, or come
    later."""
    jobs = [
        tasks(400) + "boot-services\n" + PANIC_PRINT + "crash sysrq",
        "boot-services\n" + tasks(400) + PANIC_PRINT + "crash null",
        "boot-services",
    ]
    machine = qemu.Machine(guest, "tasks-" + guest.kernel.series, jobs, fast=True)
    return machine.run(timeout=240)


def check_crash(report, panic, function):
    """What led to the panic, and the panic, are there."""
    assert f"Kernel panic - not syncing: {panic}" in report.dmesg()
    assert function in report.dmesg()
    assert function in report.summary()


@uses(many_tasks)
def test_crash_survives_hundreds_of_tasks(outcome):
    check_crash(only_report(outcome, 2), "sysrq triggered crash", "sysrq_handle_crash")
    check_crash(only_report(outcome, 3), "Fatal exception", "crash_null")
    # The small buffer has no room for a list of tasks, and none was asked for.
    assert int(outcome.read("out/1/panic_print")) & 1 == 0
    assert int(outcome.read("out/2/panic_print")) & 1 == 0


def roomy_log(guest):
    """A kernel with room for a list of tasks: as many as fit; more, seen by the timer's visit; more,
    and the machine dies before the visit, of an oops, whose own record has no list."""
    settle = "kdump-steamos arm --settled\n"
    jobs = [
        "boot-services\n" + tasks(400) + settle + PANIC_PRINT + "crash sysrq",
        "boot-services\n" + PANIC_PRINT + tasks(900) + settle +
        PANIC_PRINT.replace("panic_print\n", "panic_print.later\n") + "crash sysrq",
        "boot-services\n" + tasks(1900) + PANIC_PRINT + "crash null",
        "boot-services",
    ]
    machine = qemu.Machine(guest, "roomy-" + guest.kernel.series, jobs, fast=True,
                           cmdline="log_buf_len=4M")
    return machine.run(timeout=300)


@uses(roomy_log)
def test_tasks_are_listed_where_there_is_room(outcome):
    assert int(outcome.read("out/1/panic_print")) & 1 == 1
    report = only_report(outcome, 2)
    check_crash(report, "sysrq triggered crash", "sysrq_handle_crash")
    assert "crashme_0" in report.dmesg() and "crashme_399" in report.dmesg()


@uses(roomy_log)
def test_tasks_that_came_later_are_not_listed(outcome):
    assert int(outcome.read("out/2/panic_print")) & 1 == 1
    assert int(outcome.read("out/2/panic_print.later")) & 1 == 0
    check_crash(only_report(outcome, 3), "sysrq triggered crash", "sysrq_handle_crash")


@uses(roomy_log)
def test_oops_survives_whatever_the_panic_prints(outcome):
    assert int(outcome.read("out/3/panic_print")) & 1 == 1
    report = only_report(outcome, 4)
    assert "BUG: kernel NULL pointer dereference" in report.dmesg()
    assert "crash_null" in report.summary()


def reserve_mem(guest):
    """Memory that the command line reserves by name (since 6.12); no RAM buffer."""
    jobs = ["boot-services\ncrash null", "boot-services"]
    machine = qemu.Machine(guest, "reserve-" + guest.kernel.series, jobs, mem="",
                           cmdline="reserve_mem=5M:4096:oops")
    return machine.run(timeout=120)


@uses(reserve_mem, series="6.12")
def test_reserved_memory_is_used(outcome):
    status, text = handheld.verb(outcome, 1, "arm")
    assert status == 0, text
    report = only_report(outcome, 2)
    assert "Kernel panic - not syncing: Fatal exception" in report.dmesg()
    assert "crash_null" in report.summary()
    assert outcome.read("out/2/pstore") == ""


def nothing_to_arm_with(guest):
    """Neither a RAM buffer nor reserved memory nor EFI."""
    return qemu.Machine(guest, "bare-" + guest.kernel.series, ["boot-services"], mem="", ram=512,
                        fast=True).run(timeout=60)


@uses(nothing_to_arm_with, series="6.1")
def test_says_that_there_is_nothing_to_arm_with(outcome):
    status, text = handheld.verb(outcome, 1, "arm")
    assert status == 3
    assert "not armed" in text
    assert handheld.verb(outcome, 1, "status")[0] == 3
    assert handheld.verb(outcome, 1, "collect")[0] == 0
    assert "Registered ramoops" not in outcome.read("out/1/dmesg.armed")


def boot_loop(guest):
    """Boots that die soon after they were armed. The third must not arm; the fourth, forced, does."""
    crash = "boot-services unsettled\ncrash sysrq"
    jobs = [crash, crash, "boot-services unsettled\nreboot -f",
            "kdump-steamos arm --force\necho $? >/home/out/$BOOT/forced\nboot-services"]
    return qemu.Machine(guest, "loop-" + guest.kernel.series, jobs, fast=True).run(timeout=120)


@uses(boot_loop, series="6.1")
def test_two_early_deaths_stop_arming(outcome):
    assert handheld.verb(outcome, 1, "arm")[0] == 0
    assert handheld.verb(outcome, 2, "arm")[0] == 0
    status, text = handheld.verb(outcome, 3, "arm")
    assert status in (1, 3)
    assert "died" in text and "--force" in text
    assert "Registered ramoops" not in outcome.read("out/3/dmesg.armed")
    assert handheld.verb(outcome, 3, "status")[0] == 3


@uses(boot_loop, series="6.1")
def test_guard_can_be_overruled(outcome):
    assert outcome.read("out/4/forced").strip() == "0"
    assert "Registered ramoops" in outcome.read("out/4/dmesg.armed")
    assert handheld.verb(outcome, 4, "status")[0] == 0


def efi(guest):
    """No RAM buffer, but UEFI firmware that keeps variables: efi_pstore, one panic after an oops."""
    jobs = ["modprobe efi_pstore pstore_disable=0\nboot-services\ncrash null",
            "modprobe efi_pstore pstore_disable=0\nmkdir /home/out/2/records\n"
            "cp /sys/fs/pstore/* /home/out/2/records/\nboot-services"]
    return qemu.Machine(guest, "efi-" + guest.kernel.series, jobs, mem="", uefi=True).run(
        timeout=180)


@uses(efi, series="6.1")
def test_efi_counts_as_armed(outcome):
    status, text = handheld.verb(outcome, 1, "arm")
    assert status == 0, text
    assert "efi" in text
    assert handheld.verb(outcome, 1, "status")[0] == 0


@uses(efi, series="6.1")
def test_efi_parts_become_one_report(outcome):
    text = only_report(outcome, 2).dmesg()
    panic = text.index("Kernel panic - not syncing: Fatal exception")
    oops = text.index("BUG: kernel NULL pointer dereference")
    assert oops < panic
    stamps = [float(stamp) for stamp in re.findall(r"^(?:<\d+>)?\[ *(\d+\.\d+)\]", text, re.M)]
    assert len(stamps) > 50
    assert outcome.read("out/2/pstore") == ""


def disarm(guest):
    """Armed, disarmed, crashed: no record. Then armed and disarmed twice over a record that waits."""
    state = "{ cat /sys/module/pstore/parameters/backend /proc/sys/kernel/panic_print; ls %s; }" % (
        "/sys/fs/pstore /home/.steamos/offload/var/kdump/state")
    save = f"{state} >/home/out/$BOOT/%s 2>&1\n"
    jobs = [
        "kdump-steamos arm\n" + save % "armed" +
        "kdump-steamos disarm\necho $? >/home/out/$BOOT/disarm.status\n" + save % "disarmed" +
        "dmesg >/home/out/$BOOT/dmesg.both\ncrash sysrq",
        "kdump-steamos arm\n" + save % "armed" + "crash null",
        "for i in 1 2; do kdump-steamos arm; kdump-steamos disarm; done\nkdump-steamos arm\n" +
        save % "armed" + "boot-services",
    ]
    return qemu.Machine(guest, "disarm-" + guest.kernel.series, jobs, fast=True,
                        cmdline="log_buf_len=4M").run(timeout=180)


@uses(disarm)
def test_disarm_undoes_what_arm_did(outcome):
    armed, disarmed = (outcome.read(f"out/1/{name}").split() for name in ("armed", "disarmed"))
    assert armed[:2] == ["ramoops", "3"]
    assert "boot-marker.json" in armed
    assert outcome.read("out/1/disarm.status").strip() == "0"
    assert disarmed[:2] == ["(null)", "2"]
    assert "boot-marker.json" not in disarmed
    assert not re.search("WARNING|BUG:|allocation failure", outcome.read("out/1/dmesg.both"))
    # The crash that followed was recorded by nobody.
    assert "dmesg-ramoops" not in outcome.read("out/2/armed")


@uses(disarm)
def test_a_waiting_record_outlives_disarming(outcome):
    names = outcome.read("out/3/armed")
    assert "dmesg-ramoops-0" in names and "dmesg-ramoops-1" in names
    paths = outcome.reports()
    assert len(paths) == 1, paths
    assert "crash_null" in handheld.Report(paths[0]).summary()
