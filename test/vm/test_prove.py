# SPDX-License-Identifier: LGPL-2.1-or-later
"""kdump-steamos test: the machine crashes because it was asked to, and the next boot has the proof."""

import json

import handheld
import qemu
from scenario import uses

STATUS = ("kdump-steamos status --json >/home/out/$BOOT/json\n"
          f"cp {handheld.FOLDER}/state/*.json /home/out/$BOOT/ 2>/dev/null\n")


def proven_by_test(guest):
    """Asked without an answer, answered with no, then with yes; the next boot proves it."""
    ask = "kdump-steamos test </dev/null >/home/out/1/eof 2>&1; echo $? >>/home/out/1/eof\n" \
          "echo no | kdump-steamos test >/home/out/1/no 2>&1; echo $? >>/home/out/1/no\n"
    jobs = ["boot-services\n" + STATUS + ask + "echo yes | kdump-steamos test\n",
            "boot-services\n" + STATUS]
    return qemu.Machine(guest, "prove-" + guest.kernel.series, jobs, fast=True).run(timeout=120)


def proven(machine, boot):
    return json.loads(machine.read(f"out/{boot}/json"))["proven"]


@uses(proven_by_test)
def test_no_answer_is_no_crash(outcome):
    for name in ("eof", "no"):
        text = outcome.read(f"out/1/{name}")
        assert "This crashes the machine" in text
        assert text.endswith("nothing was done\n1\n")


@uses(proven_by_test)
def test_the_next_boot_proves_it(outcome):
    assert proven(outcome, 1)["proof"] is None
    found = proven(outcome, 2)
    assert found["holds"] and not found["test_failed"]
    assert found["proof"]["test"] and found["proof"]["mechanism"] == "ramoops"
    assert found["proof"]["kernel"] == outcome.guest.kernel.version
    (path,) = handheld.new_reports(outcome, 2)
    assert "sysrq triggered crash" in handheld.Report(path).dmesg()
