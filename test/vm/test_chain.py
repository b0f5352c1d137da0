# SPDX-License-Identifier: LGPL-2.1-or-later
"""The whole chain, once for each way a kernel dies: arm, crash, reboot, collect, submit.

One machine goes through all of them: boot N collects and submits what crash N - 1 left, arms again,
and dies of crash N.
"""

import dataclasses
import json
import os
import re
import shutil

import pytest

import handheld
import qemu
from receiver import Receiver
from scenario import uses


@dataclasses.dataclass(frozen=True)
class Kind:
    """One way to die (test/vm/rootfs/usr/bin/crash), and what its log must say."""
    name: str
    panic: str     # of the line Kernel panic - not syncing: …
    cause: str     # a line before it; '' where the panic is all
    function: str  # in the trace of the crash


KINDS = [
    Kind("sysrq", "sysrq triggered crash", "sysrq: Trigger a crash", "sysrq_handle_crash"),
    Kind("null", "Fatal exception", "BUG: kernel NULL pointer dereference", "crash_null"),
    Kind("bug", "Fatal exception", "kernel BUG at ", "crash_bug"),
    Kind("warn", "kernel: panic_on_warn set", "crashme: a warning, asked for", "crash_warn"),
    Kind("gpf", "Fatal exception", "general protection fault", "crash_gpf"),
    Kind("divide", "Fatal exception", "divide error", "crash_divide"),
    Kind("stack", "Fatal exception in interrupt", "stack guard page was hit", "recurse"),
    Kind("softlockup", "softlockup: hung tasks", "watchdog: BUG: soft lockup", "crash_softlockup"),
    Kind("hardlockup", "NMI: Not continuing", "NMI received for unknown reason",
         "crash_hardlockup"),
    Kind("irq", "crashme: panic in interrupt, asked for", "", "timer_fired"),
    Kind("oom", "Out of memory: ", "invoked oom-killer", "out_of_memory"),
    Kind("hung", "hung_task: blocked tasks", "blocked for more than", "crash_hung"),
]
BOOTS = len(KINDS) + 1


@dataclasses.dataclass
class Chain:
    """What a machine and the server had in the end."""
    machine: qemu.Machine
    uploads: list

    def boot_after(self, kind):
        """The boot that collected this crash."""
        return KINDS.index(kind) + 2

    def report(self, kind):
        """The one report of a crash."""
        paths = handheld.new_reports(self.machine, self.boot_after(kind))
        assert len(paths) == 1, f"reports of crash {kind.name}: {paths}"
        return handheld.Report(paths[0])


def all_kinds(guest):
    """A life of twelve crashes, and a last boot that looks around and disarms."""
    name = "chain-" + guest.kernel.series
    store = os.path.join(os.path.dirname(guest.initramfs), "..", name + ".server")
    with Receiver(_fresh(store)) as server:
        setup = handheld.configure(server.url)
        jobs = ["boot-services\ncrash " + kind.name for kind in KINDS]
        jobs[0] = setup + jobs[0]
        jobs.append("boot-services\n"
                    "kdump-steamos status --json >/home/out/$BOOT/status.json\n"
                    "kdump-steamos list --json >/home/out/$BOOT/list.json\n"
                    "kdump-steamos disarm\n"
                    "echo $? >/home/out/$BOOT/disarm.status\n"
                    "cat /sys/module/pstore/parameters/backend >/home/out/$BOOT/backend\n"
                    "kdump-steamos status\n"
                    "echo $? >/home/out/$BOOT/disarmed.status\n")
        machine = qemu.Machine(guest, name, jobs, files=handheld.FILES, fast=True,
                               serial_number=handheld.SERIAL)
        machine.run(timeout=900)
        return Chain(machine, server.finished())


def _fresh(folder):
    folder = os.path.normpath(folder)
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def each_kind(function):
    return uses(all_kinds)(pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)(
        function))


@each_kind
def test_report_has_the_whole_crash(outcome, kind):
    text = outcome.report(kind).dmesg()
    assert f"Kernel panic - not syncing: {kind.panic}" in text
    assert kind.cause in text
    assert kind.function in text
    assert f"Linux version {outcome.machine.guest.kernel.version}" in text


@each_kind
def test_summary_explains_it(outcome, kind):
    summary = outcome.report(kind).summary()
    assert kind.function in summary
    assert kind.panic in summary or kind.cause in summary


@each_kind
def test_nothing_stays_in_pstore(outcome, kind):
    assert outcome.machine.read(f"out/{outcome.boot_after(kind)}/pstore") == ""


@each_kind
def test_server_has_the_report(outcome, kind):
    report = outcome.report(kind)
    found = [upload for upload in outcome.uploads
             if int(upload["fields"]["crash_time"]) == report.facts()["collected"]["time"]]
    assert len(found) == 1
    # What leaves is scrubbed: the same members, the same crash, and the serial in none of them.
    sent = handheld.Report(found[0]["zip"])
    assert sorted(sent.members) == sorted(report.members)
    assert [r["title"] for r in sent.facts()["reports"]] == [r["title"] for r in
                                                            report.facts()["reports"]]
    assert handheld.SERIAL not in "".join(map(str, sent.members.values()))
    assert os.path.basename(os.path.dirname(report.path)) == "sent_logs"
    fields = found[0]["fields"]
    assert fields["steamid"] == handheld.STEAM_ID
    assert kind.function in fields["stack"]
    # The stack is the functions of the crash and nothing else: no registers, no code bytes.
    assert "RAX" not in fields["stack"] and "Code:" not in fields["stack"]


@pytest.mark.parametrize("boot", range(1, BOOTS + 1))
@uses(all_kinds)
def test_every_boot_arms_quietly(outcome, boot):
    for name in ("arm", "collect", "submit", "status", "settled"):
        status, text = handheld.verb(outcome.machine, boot, name)
        assert status == 0, f"{name} in boot {boot}: {text}"
    kernel_log = outcome.machine.read(f"out/{boot}/dmesg.armed")
    assert "pstore: Registered ramoops as persistent store backend" in kernel_log
    noise = re.findall(r".*(?:WARNING|allocation failure|Failed .* allocation|BUG).*", kernel_log)
    assert not noise


@uses(all_kinds)
def test_report_is_named_after_machine_and_owner(outcome):
    for kind in KINDS:
        name = outcome.report(kind).name
        assert re.fullmatch(rf"steamos-{handheld.SERIAL}-{handheld.ACCOUNT}\.\d{{12}}(\d\d)?\.zip",
                            name), name


@uses(all_kinds)
def test_an_oops_and_its_panic_are_one_report(outcome):
    assert len(outcome.machine.reports()) == len(KINDS)
    text = outcome.report(next(kind for kind in KINDS if kind.name == "null")).dmesg()
    assert text.count("Linux version ") >= 1
    assert "Oops" in text and "Kernel panic" in text


@uses(all_kinds)
def test_report_has_the_machines_facts(outcome):
    report = outcome.report(KINDS[0])
    assert "VERSION_ID=3.7.0" in report.one(r"build\..*")
    assert outcome.machine.guest.kernel.version in report.one(r"version\..*")
    smbios = report.one(r"dmidecode\..*")
    assert "Jupiter" in smbios and handheld.SERIAL in smbios
    assert isinstance(report.facts(), dict)


@uses(all_kinds)
def test_first_boot_finds_nothing_to_collect(outcome):
    assert handheld.new_reports(outcome.machine, 1) == []


@uses(all_kinds)
def test_status_and_list_for_programs(outcome):
    assert isinstance(json.loads(outcome.machine.read(f"out/{BOOTS}/status.json")), dict)
    listed = outcome.machine.read(f"out/{BOOTS}/list.json")
    json.loads(listed)
    for kind in KINDS:
        assert outcome.report(kind).name in listed


@uses(all_kinds)
def test_disarm_undoes_it(outcome):
    assert outcome.machine.read(f"out/{BOOTS}/disarm.status").strip() == "0"
    assert "ramoops" not in outcome.machine.read(f"out/{BOOTS}/backend")
    assert outcome.machine.read(f"out/{BOOTS}/disarmed.status").strip() == "3"
