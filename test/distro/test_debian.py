# SPDX-License-Identifier: LGPL-2.1-or-later
"""A Debian machine's life with the package: systemd, firmware and GRUB are real.

One machine, few boots, and in each as much as it has to tell; the tests look at what was noted.
"""

import json
import re

import pytest

import image
import machine
import story as stories
from story import FAST, FOLDER, PANIC, UNITS, UNPACK

MESSAGE = "584b942a0d344e338bb4a40e3ef5d24a"
HOME = f"PARTUUID={image.PARTUUID[image.HOME]}"
NO_HOME = "PARTUUID=00000000-0000-4000-8000-000000000000"
SYSCTLS = "cd /proc/sys/kernel && grep -s . panic panic_on_oops softlockup_panic hardlockup_panic panic_print; true"


def first_boot(s):
    """Installed, looked at, configured; then the test's crash."""
    s.note("sysctl before", SYSCTLS)
    s.note("installed", f"{UNPACK} && dpkg -i first.deb 2>&1", 300)
    s.guest.put("/etc/default/kdump.d/10-server.conf", f"POST_URL={s.server}\n"
                "MIN_FREE_SPACE=0\nSAME_CRASH_PER_DAY=0")  # /home is small; all die of the same
    s.note("enabled", f"systemctl is-enabled {' '.join(UNITS)}")
    s.note("active", "systemctl is-active kdump-steamos.service; "
           "systemctl --failed --no-legend | grep kdump; true")
    s.note("sysctl", "cat /proc/sys/kernel/panic /proc/sys/kernel/panic_on_oops")
    s.note("files", "man -w kdump-steamos 2>/dev/null; ls /usr/share/bash-completion/completions/"
           "kdump-steamos; id kdump-steamos")
    s.status("armed")
    s.note("again", "for i in 1 2; do systemctl restart kdump-steamos.service && systemctl start "
           "kdump-steamos.service kdump-steamos-collect.service || exit 1; done; "
           "systemctl --failed --no-legend | grep kdump")
    s.note("failure", "systemctl status --no-pager --failed 'kdump-steamos*'; true")
    s.status("still armed")
    s.settled()
    s.guest.reboots("kdump-steamos test --yes")


def after_the_test(s):
    """Collected, sent, proven; the journal knows of it."""
    s.sent(1, by_itself=True)
    s.status("proven")
    s.records("records after the test")
    s.reports("reports after the test")
    s.note("list", "kdump-steamos list --json")
    s.note("journal", f"journalctl -b -o json MESSAGE_ID={MESSAGE}")
    s.note("catalog", f"journalctl -b -x --no-pager MESSAGE_ID={MESSAGE}")
    s.note("submit journal", "journalctl -b -u kdump-steamos-submit.service -o cat")
    s.note("arm journal", "journalctl -b -u kdump-steamos.service -u kdump-steamos-collect.service "
           "-o short-monotonic")
    s.note("report", f"kdump-steamos report {FOLDER}/sent_logs/*.zip")
    s.note("settled", "systemctl is-system-running --wait", machine.BOOT_TIMEOUT)
    s.note("failed units", "systemctl --failed --no-legend; systemctl status --no-pager --failed")
    # Of ramoops systemd-pstore sees nothing, wherever it stands (test_other_boots.py has the variables).
    s.guest.check("systemctl mask systemd-pstore.service")
    # Home is not there at the next boot.
    s.guest.check(f"sed -i 's/{HOME} .*/{NO_HOME} \\/home ext4 "
                  "rw,nofail,x-systemd.device-timeout=5s 0 2/' /etc/fstab")
    s.guest.reboots(PANIC)


def without_home(s):
    """The record waits, and is collected when /home is mounted after all."""
    s.note("settled without home", "systemctl is-system-running --wait", machine.BOOT_TIMEOUT)
    s.note("home is missing", "mountpoint /home")
    s.records("records without home")
    s.note("nothing below the mount point", f"find {FOLDER}")
    s.note("collect without home", "systemctl is-active kdump-steamos-collect.service; "
           "systemctl is-active kdump-steamos.service")
    s.guest.check(f"sed -i 's/{NO_HOME}/{HOME}/; s/device-timeout=5s/device-timeout=60s/' /etc/fstab"
                  " && systemctl daemon-reload")
    s.note("home mounted late", "systemctl start home.mount")
    s.sent(2)
    s.records("records with home")
    s.reports("reports with home")
    read_only_and_full(s)
    s.guest.check("systemctl unmask systemd-pstore.service")
    s.guest.reboots("systemctl reboot")


def read_only_and_full(s):
    s.record_waits("readonly")
    s.guest.check("systemctl stop kdump-steamos-submit.path kdump-steamos-submit.timer 2>/dev/null;"
                  "mount -o remount,ro /home")
    s.note("read-only", "systemctl start kdump-steamos-collect.service; "
           "journalctl -b -u kdump-steamos-collect.service -o cat | tail -5")
    s.records("records read-only")
    s.guest.check("mount -o remount,rw /home; dd if=/dev/zero of=/home/full bs=1M; sync; "
                  "dd if=/dev/zero of=/home/full2 bs=4k; sync; true", 300)
    s.note("full", "df /home | tail -1; systemctl start kdump-steamos-collect.service; "
           "journalctl -b -u kdump-steamos-collect.service -o cat | tail -5")
    s.records("records full")
    s.guest.check("rm /home/full /home/full2; systemctl start kdump-steamos-collect.service")
    s.records("records with room")
    s.reports("reports with room")


def nothing_to_do(s):
    """What a boot costs that has nothing to collect."""
    s.note("settled idle", "systemctl is-system-running --wait", machine.BOOT_TIMEOUT)
    s.note("time", "systemd-analyze time")
    s.note("conditions", "for unit in collect reserve; do systemctl show -p ConditionResult -p "
           "ConditionTimestampMonotonic kdump-steamos-$unit.service; echo; done")
    s.note("blame", "systemd-analyze blame --no-pager | grep -E 'kdump|multi-user'; true")
    s.note("chain", "systemd-analyze critical-chain --no-pager multi-user.target")


def crash_kernel(s):
    """As README says: two lines of configuration, two services, one reboot, and a crash."""
    s.guest.put("/etc/default/kdump.d/20-kdump.conf", "USE_PSTORE_RAM=0\nFULL_COREDUMP=1")
    s.note("kdump wanted", "systemctl restart kdump-steamos.service kdump-steamos-reserve.service; "
           "journalctl -b -o cat -u kdump-steamos.service -u kdump-steamos-reserve.service | tail -12",
           300)
    s.status("kdump before the reboot")
    s.note("grub edited", "grep -rhc crashkernel= /etc/default/grub /etc/default/grub.d "
           "/boot/grub/grub.cfg")
    s.guest.reboots("systemctl reboot")
    s.waits_for("[ $(cat /sys/kernel/kexec_crash_loaded) = 1 ]")
    s.note("kdump journal", "journalctl -b -o cat -u kdump-steamos.service -u "
           "kdump-steamos-reserve.service | tail -12")
    s.status("kdump armed")
    s.note("reserved", "cat /sys/kernel/kexec_crash_loaded /sys/kernel/kexec_crash_size; "
           f"ls -l {FOLDER}")
    s.settled()
    s.guest.reboots("kdump-steamos test --yes")
    s.sent(4)
    s.status("kdump proven")
    s.note("kdump list", "kdump-steamos list --json")
    s.reports("reports after kdump")
    s.note("vmcore", f"cd {FOLDER}/crash && ls -l && makedumpfile --dump-dmesg vmcore.* /root/dmesg "
           "&& grep panic /root/dmesg", 300)
    s.note("kdump report", f"cd {FOLDER}/sent_logs && kdump-steamos report $(ls -t *.zip | head -1)")


def upgrade_and_removal(s):
    """The configuration and the reports survive both, and nothing is left of what was armed."""
    s.guest.check("echo SCRUB=1 >>/etc/default/kdump")
    s.note("upgraded", "cd /root/p && dpkg -i --force-confold second.deb 2>&1", 300)
    s.note("version", "kdump-steamos --version")
    s.status("armed after upgrade")
    s.note("images before", f"ls {FOLDER}/kdump-initrd-*")
    # Nothing new may be put into GRUB's configuration; what is ours there goes all the same.
    s.guest.put("/etc/default/kdump.d/30-grub.conf", "GRUB_AUTOSET=0")
    s.note("removed", "dpkg -r kdump-steamos 2>&1; echo --; ls /sys/module/ramoops/parameters "
           "2>/dev/null; cat /sys/module/pstore/parameters/backend; "
           "systemctl list-units --all --no-legend 'kdump-steamos*'", 300)
    s.note("left", "cat /etc/default/kdump.d/10-server.conf; tail -1 /etc/default/kdump; "
           "grep -rc crashkernel= /etc/default/grub /etc/default/grub.d /boot/grub/grub.cfg")
    s.note("sysctl after", SYSCTLS)
    s.note("of arming", f"ls {FOLDER}/kdump-initrd-* {FOLDER}/state/boot-marker.json "
           f"{FOLDER}/state/sysctl-found.json 2>/dev/null")
    s.reports("reports after removal")
    s.note("purged", "dpkg -P kdump-steamos 2>&1; echo --; ls /etc/default/kdump /usr/bin/kdump-steamos "
           "/etc/systemd/system/*/kdump-steamos* 2>/dev/null", 300)
    s.reports("reports after purge")
    s.guest.check("rm /etc/default/kdump.d/20-kdump.conf /etc/default/kdump.d/30-grub.conf")


def by_pacman(s):
    """The other kind of package, in a machine without crash kernel again. The libraries are the
    distribution's own, of which this pacman knows nothing."""
    s.guest.reboots("systemctl reboot")
    s.guest.settle()
    s.guest.put("/root/pacman.conf", "[options]\nArchitecture = auto\nSigLevel = Never")
    s.note("pacman installed", "mkdir -p /var/lib/pacman; pacman --config /root/pacman.conf --noconfirm "
           "-U -dd /root/p/first.pkg.tar.zst 2>&1", 300)
    s.note("pacman enabled", f"systemctl is-enabled {' '.join(UNITS)}")
    s.status("pacman armed")
    s.settled()
    s.guest.reboots("kdump-steamos test --yes")
    s.sent(5)
    s.status("pacman proven")
    s.note("pacman removed", "pacman --config /root/pacman.conf --noconfirm -R kdump-steamos 2>&1; "
           "echo --; ls /sys/module/ramoops/parameters 2>/dev/null; systemctl list-units --all --no-legend "
           "'kdump-steamos*'; find /etc /usr -name '*kdump-steamos*'", 300)
    s.reports("reports after pacman")


CHAPTERS = (first_boot, after_the_test) if FAST else (
    first_boot, after_the_test, without_home, nothing_to_do, crash_kernel, upgrade_and_removal, by_pacman)


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    stories.need("dpkg-buildpackage", "makepkg")
    packages = {"first.deb": stories.build("deb", "first")[0],
                "second.deb": stories.build("deb", "second", "0.1.99")[0],
                "first.pkg.tar.zst": stories.build("arch", "arch")[0]}
    with stories.life(tmp_path_factory.mktemp("debian"), CHAPTERS, packages) as told:
        yield told


def test_installed_is_armed(story):
    story.output("installed")
    assert "uid=" in story.output("files") and "completions/kdump-steamos" in story.output("files")
    assert story.output("enabled").split() == ["enabled"] * len(UNITS)
    assert story.output("active").split() == ["active"]
    assert story.output("sysctl").split() == ["-1", "1"]
    code, status = story.told("armed")
    assert (code, status["armed"], status["backend"]["name"]) == (0, True, "ramoops")
    assert not status["proven"]["holds"] and status["advice"] == []


def test_starting_again_changes_nothing(story):
    assert story.told("again") == (1, "")
    assert story.told("still armed")[1] == story.told("armed")[1]


def test_the_test_is_the_proof(story):
    code, status = story.told("proven")
    assert code == 0
    proven = status["proven"]
    assert proven["holds"] and proven["proof"]["test"]
    assert (proven["proof"]["mechanism"], proven["proof"]["firmware"]) == ("ramoops", "F7A0000")
    assert not proven["test_awaited"] and not proven["test_failed"]
    assert re.search(r"^proven: \d{4}-.* on Linux 6\.\S+ \(ramoops, firmware F7A0000, by a test\)$",
                     story.output("proven words"), re.MULTILINE)


def test_the_test_was_collected_and_sent(story):
    assert story.output("records after the test", 1) == ""
    (report,) = story.output("reports after the test").split()
    assert re.fullmatch(r"\./sent_logs/steamos-TESTSERIAL-0\.\d{12}\.zip", report)
    (entry,) = json.loads(story.output("list"))
    assert "sysrq" in entry["title"]
    assert "sysrq triggered crash" in story.output("report")
    assert "sent steamos-TESTSERIAL" in story.output("submit journal")
    assert len(story.uploads) >= 1


def test_the_journal_has_fields_and_an_explanation(story):
    entry = json.loads(story.output("journal").splitlines()[0])
    assert "sysrq" in entry["KDUMP_TITLE"] and entry["KDUMP_MECHANISM"] == "ramoops"
    assert entry["_SYSTEMD_UNIT"] == "kdump-steamos-collect.service"
    assert entry["KDUMP_REPORT"] in story.output("reports after the test")
    assert f"{FOLDER}/{entry['KDUMP_REPORT']}" in story.output("catalog")
    assert story.output("arm journal").count("is recorded") == 1


def test_the_boot_is_well(story):
    assert story.output("settled").strip() == "running", story.output("failed units")


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


def test_the_crash_kernel_is_reserved_by_the_service(story):
    assert any(int(count) > 0 for count in story.output("grub edited", 0).split())
    code, status = story.told("kdump before the reboot")
    assert status["armed"] and status["backend"]["name"] == "ramoops", status
    code, status = story.told("kdump armed")
    assert (code, status["armed"]) == (0, True), story.output("kdump journal")
    loaded, size, *files = story.output("reserved").split("\n", 2)
    assert loaded == "1" and 64 << 20 <= int(size) <= 256 << 20
    assert re.search(r"kdump-initrd-6\.\S+\.img", files[0])


def test_the_crash_kernel_is_proven(story):
    code, status = story.told("kdump proven")
    proof = status["proven"]["proof"]
    assert (code, status["proven"]["holds"], proof["mechanism"], proof["test"]) == \
        (0, True, "kdump", True)
    assert len(story.output("reports after kdump").split()) == 4
    assert len(json.loads(story.output("kdump list"))) == 4
    assert re.search(r" vmcore\.\d{12}\n", story.output("vmcore"))
    assert "sysrq triggered crash" in story.output("vmcore")
    assert "sysrq triggered crash" in story.output("kdump report")


def test_upgrade_and_removal(story):
    story.output("upgraded")
    assert story.output("version") == "kdump-steamos 0.1.99\n"
    assert story.told("armed after upgrade")[1]["armed"]
    removed = story.output("removed")
    assert "disarmed: " in removed and "ramoops" not in removed.split("--\n")[-1]
    for line in removed.split("--\n")[-1].splitlines():
        assert line == "(null)" or "not-found inactive dead" in line
    left = story.output("left", 1)
    assert "POST_URL=" in left and "SCRUB=1" in left
    assert set(re.findall(r":(\d+)$", left, re.MULTILINE)) == {"0"}
    assert story.output("sysctl after") == story.output("sysctl before")
    assert "kdump-initrd-" in story.output("images before") and story.output("of arming", 2) == ""
    assert len(story.output("reports after removal").split()) == 4
    assert story.output("purged", 2).split("--\n")[-1] == ""
    assert len(story.output("reports after purge").split()) == 4


def test_the_pacman_package(story):
    story.output("pacman installed")
    assert story.output("pacman enabled").split() == ["enabled"] * len(UNITS)
    assert story.told("pacman armed")[1]["backend"]["name"] == "ramoops"
    assert story.told("pacman proven")[1]["proven"]["holds"]
    assert story.told("pacman proven")[1]["proven"]["proof"]["mechanism"] == "ramoops"
    words, left = story.output("pacman removed").split("--\n")
    assert "disarmed: " in words
    assert [line for line in left.splitlines() if "not-found inactive dead" not in line] == []
    assert len(story.output("reports after pacman").split()) == 5
