# SPDX-License-Identifier: LGPL-2.1-or-later
"""A Debian machine's life with the package, as its user has it who follows README (newcomer.py): systemd,
firmware and GRUB are real.

One machine, few boots, and in each as much as it has to tell; the tests look at what was noted.
"""

import json
import re
import time

import pytest

import machine
import newcomer
import readme
import story as stories
import symbols
from newcomer import FIRMWARE, NEW_FIRMWARE, PROVEN
from story import FAST, FOLDER, UNITS

CHAPTERS = (newcomer.first_boot, newcomer.after_the_test, newcomer.removal) if FAST else (
    newcomer.first_boot, newcomer.after_the_test, newcomer.without_home, newcomer.nothing_to_do,
    newcomer.kept_here, newcomer.crash_kernel, newcomer.opened, newcomer.upgrade, newcomer.removal,
    newcomer.purge, newcomer.from_the_tree)


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    stories.need("dpkg-buildpackage", "apt-get")
    folder = tmp_path_factory.mktemp("debian")
    files, options = {"first.deb": stories.build("deb", "first")[0]}, {}
    if not FAST:
        files |= {"second.deb": stories.build("deb", "second", "0.1.99")[0],
                  "tree.tar": newcomer.tree_as_installed(folder)}
        options = {"extra": symbols.options(machine.ready_disk("ready")), "ram": newcomer.RAM}
    with stories.life(folder, CHAPTERS, files, firmware=FIRMWARE, **options) as told:
        yield told


def has_line(text, line):
    return re.search(readme.form(line), text, re.MULTILINE)


def test_installed_is_armed(story):
    story.output("installed")
    assert "uid=" in story.output("files") and "completions/kdump-steamos" in story.output("files")
    assert story.output("enabled").split() == ["enabled"] * len(UNITS)
    assert story.output("active").split() == ["active"]
    assert story.output("sysctl").split() == ["-1", "1"]
    code, status = story.told("armed")
    assert (code, status["armed"], status["backend"]["name"]) == (0, True, "ramoops")
    assert not status["proven"]["holds"] and status["advice"] == []


def test_the_manual_has_every_verb_and_key(story):
    verbs = re.findall(r"^  (\w+)(?: \[.*|  .*|)$", story.output("help").split("Options:")[0], re.MULTILINE)
    manual, of_configuration = story.output("man"), story.output("man of the configuration")
    assert {"arm", "list", "prune"} <= set(verbs)
    assert [verb for verb in verbs if not re.search(rf"^ +{verb}\b", manual, re.MULTILINE)] == []
    keys = story.output("keys").split()
    assert "LOG_SUBMISSION" in keys
    assert [key for key in keys if not re.search(rf"^ +{key}\b", of_configuration, re.MULTILINE)] == []
    (promised,) = re.findall(r"has the details \(([A-Z ]+)\)", readme.step("Get a vmcore"))
    assert re.search(rf"^{promised}$", manual, re.MULTILINE)


def test_status_is_as_readme_shows_it(story):
    words = story.output("looked at")
    assert len(newcomer.LOOKS) == 5
    assert [line for line in newcomer.LOOKS if not has_line(words, line)] == [], words
    assert len(words.splitlines()) == len(newcomer.LOOKS)


def test_starting_again_changes_nothing(story):
    assert story.told("again") == (0, "")
    assert story.told("still armed")[1] == story.told("armed")[1]


def test_the_test_says_and_asks(story):
    for words in (story.output("not now", 1), story.output("said")):
        assert "recorded by ramoops" in words
        assert "This crashes the machine, now and on purpose" in words and "reboots by itself" in words
        assert "Type yes to crash this machine: " in words
    assert "nothing was done" in story.output("not now", 1) and "nothing was done" not in story.output("said")


def test_the_test_is_the_proof(story):
    code, status = story.told("proven object")
    assert code == 0
    proven = status["proven"]
    assert proven["holds"] and proven["proof"]["test"]
    assert (proven["proof"]["mechanism"], proven["proof"]["firmware"]) == ("ramoops", FIRMWARE)
    assert not proven["test_awaited"] and not proven["test_failed"]
    words = story.output("proven")
    assert has_line(words, PROVEN) and FIRMWARE in words
    assert has_line(words, "reports: 0 pending, 1 sent, 0 kept, 0 failed, in " + FOLDER)


def test_the_test_was_collected_and_sent(story):
    assert story.output("records after the test", 1) == ""
    (report,) = story.output("reports after sending").split()
    assert re.fullmatch(r"\./sent_logs/steamos-TESTSERIAL-0\.\d{12}\.zip", report)
    assert "sent steamos-TESTSERIAL" in story.output("submit journal")
    assert len(story.uploads) == (1 if FAST else 4)


def test_the_report_is_explained(story):
    (name,) = re.findall(r"steamos-\S+\.zip", story.output("reports after the test"))
    assert name in story.output("list") and "sysrq" in story.output("list")
    assert "sysrq triggered crash" in story.output("report")
    assert story.output("page").lower().startswith("<!doctype html>") and "sysrq" in story.output("page")
    assert "would go to http" in story.output("as sent") and "sysrq triggered crash" in story.output("as sent")
    assert "No crash was found in this log. It ends:" in story.output("journal's log")


def test_the_journal_has_fields_and_an_explanation(story):
    entry = json.loads(story.output("journal's fields").splitlines()[0])
    assert "sysrq" in entry["KDUMP_TITLE"] and entry["KDUMP_MECHANISM"] == "ramoops"
    assert entry["_SYSTEMD_UNIT"] == "kdump-steamos-collect.service"
    assert entry["KDUMP_REPORT"] in story.output("reports after the test")
    assert f"{FOLDER}/{entry['KDUMP_REPORT']}" in story.output("journal")
    assert story.output("collect journal").count("is recorded") == 1


def test_the_boot_is_well(story):
    assert story.output("settled").splitlines()[0] == "running", story.output("settled")


def test_without_home_the_record_waits(story):
    assert story.output("settled without home").strip() == "running"
    assert story.told("home is missing")[0] != 0
    assert story.output("records without home").startswith("dmesg-")
    assert "No such file or directory" in story.output("nothing below the mount point", 1)
    assert story.output("collect without home", 0).split() == ["inactive", "active"]


def test_home_mounted_late_starts_the_collection(story):
    assert story.output("home mounted late") == ""
    assert story.output("records with home", 1) == ""
    assert len(story.output("reports with home").split()) == 2


def test_read_only_and_full(story):
    assert "mount it read-write" in story.output("read-only")
    assert story.output("records read-only").strip() == "dmesg-ramoops-0"
    assert "make room there" in story.output("full")
    assert story.output("records full").strip() == "dmesg-ramoops-0"
    assert story.output("records with room", 1) == ""
    assert len(story.output("reports with room").split()) == 3


def test_nothing_waits_for_us_but_for_arming(story):
    assert story.output("settled idle").strip() == "running"
    chain = re.findall(r"kdump\S+", story.output("chain"))
    assert set(chain) <= {"kdump-steamos.service"}


def test_nothing_is_started_where_nothing_is_to_be_done(story):
    """What that costs is in test_boot_cost.py."""
    for conditions in story.output("conditions").strip().split("\n\n"):
        assert "ConditionResult=no" in conditions and "Monotonic=0\n" not in conditions + "\n"


def test_another_firmware_is_not_proven(story):
    """It says since what, and what was proven before."""
    (line,) = re.findall("^.*proven.*$", story.output("unproven"), re.MULTILINE)
    assert line.startswith(newcomer.UNPROVEN) and f"{FIRMWARE}" in line and NEW_FIRMWARE in line
    assert re.search(readme.form(PROVEN.replace("by a test", "by a crash"))[1:], line)


def test_reports_can_be_kept_here(story):
    """And the crash was a proof, for the firmware of now."""
    (name,) = story.output("kept").split()
    words = story.output("status when kept")
    assert "submission: off" in words and has_line(words, "reports: 0 pending, 3 sent, 1 kept, 0 failed, in " + FOLDER)
    assert has_line(words, PROVEN.replace("by a test", "by a crash")) and NEW_FIRMWARE in words
    assert f"./{newcomer.KEPT}{name}" in story.output("reports after purge").split()
    minutes = [time.strftime("%Y%m%d%H%M", time.gmtime(int(upload["fields"]["crash_time"])))
               for upload in story.uploads]
    assert len(minutes) == 4 and not [minute for minute in minutes if f".{minute}." in name]


def test_the_crash_kernel_is_reserved_by_the_service(story):
    assert newcomer.CONFIGURED.split()[-1] == newcomer.CONFIG
    assert set(re.findall(r":(\d+)$", story.output("grub when forbidden", 1), re.MULTILINE)) == {"0"}
    assert set(re.findall(r"crashkernel=\w+", story.output("forbidden"))) == {"crashkernel=112M"}
    assert "forbids" in story.output("forbidden")
    story.output("kdump wanted")
    assert any(int(count) > 0 for count in re.findall(r":(\d+)$", story.output("grub edited"), re.MULTILINE))
    code, status = story.told("kdump before the reboot")
    assert status["armed"] and status["backend"]["name"] == "ramoops", status
    code, status = story.told("kdump armed")
    assert (code, status["armed"]) == (0, True), story.output("kdump journal")
    assert re.search("^armed: .*kdump", story.output("status of kdump"), re.MULTILINE)
    loaded, size, *files = story.output("reserved").split("\n", 2)
    assert loaded == "1" and 64 << 20 <= int(size) <= 256 << 20
    assert re.search(r"kdump-initrd-6\.\S+\.img", files[0])


def test_the_crash_kernel_is_proven(story):
    code, status = story.told("kdump proven")
    proof = status["proven"]["proof"]
    assert (code, status["proven"]["holds"], proof["mechanism"], proof["test"]) == \
        (0, True, "kdump", True)
    assert "recorded by kdump" in story.output("said of kdump")
    assert len(story.output("reports after kdump").split()) == 5
    assert len(json.loads(story.output("kdump list"))) == 5
    assert "sysrq triggered crash" in story.output("kdump report")


def test_the_vmcore_is_opened(story):
    assert re.search(r"^vmcore\.\d{12}$", story.output("vmcore"), re.MULTILINE)
    assert "sysrq triggered crash" in story.output("vmcore")
    assert "sysrq triggered crash" in story.output("report of a log")
    for name in ("crash", "drgn"):
        assert "sysrq_handle_crash" in story.output(name)
    words = story.output("crash")
    assert re.search("^ +PANIC: .*sysrq triggered crash", words, re.MULTILINE)
    assert re.search(r"^\[.*Kernel panic - not syncing: sysrq triggered crash", words, re.MULTILINE)
    (release,) = re.findall(r"^ +RELEASE: (\S+)$", words, re.MULTILINE)
    assert f'"{release}"' in story.output("drgn")
    assert int(re.search(r"tasks: (\d+)", story.output("drgn"))[1]) > 20
    assert max(upload["size"] for upload in story.uploads) < 1 << 20  # no vmcore


def test_upgrade(story):
    story.output("upgraded")
    assert story.output("version") == "kdump-steamos 0.1.99\n"
    assert story.told("armed after upgrade")[1]["armed"]


def test_removal(story):
    assert "disarmed: " in story.output("removed")
    assert "ramoops" not in story.output("disarmed")
    for line in story.output("disarmed").splitlines():
        assert line == "(null)" or "not-found inactive dead" in line
    left = story.output("left", 1)
    assert "POST_URL=" in left
    assert set(re.findall(r":(\d+)$", left, re.MULTILINE)) == {"0"}
    assert story.output("sysctl after") == story.output("sysctl before")
    assert story.output("of arming", 2) == ""
    assert len(story.output("reports after removal").split()) == (1 if FAST else 5)


def test_the_configuration_survives_upgrade_and_removal(story):
    assert "kdump-initrd-" in story.output("images before")
    left = story.output("left", 1)
    assert {"SCRUB=1", *newcomer.FULL_COREDUMP, newcomer.FORBIDDEN} <= set(left.splitlines())


def test_purge(story):
    assert story.output("purged", 2).split("--\n")[-1] == ""
    assert len(story.output("reports after purge").split()) == 5


def test_from_the_tree(story):
    story.output("enabled by make")
    assert story.output("units by make").split() == ["enabled"] * len(UNITS) + ["active"]
    assert story.output("status by make").startswith("armed: ramoops")
    assert "disarmed: " in story.output("disabled by make")
    left = story.told("left by make")[1].splitlines()
    assert [line for line in left if "not-found inactive dead" not in line] == []
    assert story.output("sysctl after make") == story.output("sysctl before")
    assert len(story.output("reports after make").split()) == 5


def test_all_that_readme_has_typed_was_typed(story):
    if FAST:
        pytest.skip("not in the fast form")
    assert readme.commands() - story.typed == newcomer.NOT_HERE
