# SPDX-License-Identifier: LGPL-2.1-or-later
"""A Debian machine's life with the package: systemd, firmware and GRUB are real.

One machine, few boots, and in each as much as it has to tell; the tests look at what was noted.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import time

import pytest

import image
import machine
from receiver import Receiver

FOLDER = "/home/.steamos/offload/var/kdump"
PSTORE = "/sys/fs/pstore"
ARCHIVE = "/var/lib/systemd/pstore"
SENDING = 420  # seconds; the first try of a boot is at any time of its first five minutes
MESSAGE = "584b942a0d344e338bb4a40e3ef5d24a"
HOME = f"PARTUUID={image.PARTUUID[image.HOME]}"
NO_HOME = "PARTUUID=00000000-0000-4000-8000-000000000000"
RECORD = ("Panic#1 Part1\n<5>[    0.000000] Linux version 6.1.0-99-{0} (a@b) #1 SMP\n"
          "<0>[   10.000000] Kernel panic - not syncing: {0}\n")


def build(kind, folder, version=None):
    words = [str(image.TOP / "package/build"), kind, str(folder)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True,
                          env=os.environ | ({"VERSION": version} if version else {}))
    (path,) = [line for line in done.stdout.splitlines() if "-dbgsym_" not in line and "-debug-" not in line]
    return pathlib.Path(path)


SYSCTLS = "cd /proc/sys/kernel && grep -s . panic panic_on_oops softlockup_panic hardlockup_panic panic_print; true"


class Story:
    """What happened, by name, for the tests below."""

    def __init__(self, guest, server):
        self.guest = guest
        self.server = server
        self.seen = {}

    def note(self, name, script, timeout=120):
        """(status, output) of a script, remembered."""
        start = time.monotonic()
        self.seen[name] = self.guest.run(script, timeout)
        print(f"--- {name} ({time.monotonic() - start:.1f} s): {self.seen[name]}")
        return self.seen[name]

    def told(self, name):
        """What was noted; in the fast form the story is shorter."""
        if FAST and name not in self.seen:
            pytest.skip("not in the fast form")
        return self.seen[name]

    def status(self, name):
        self.note(name + " words", "kdump-steamos status")
        code, text = self.note(name, "kdump-steamos status --json")
        self.seen[name] = (code, json.loads(text))

    def waits_for(self, script, timeout=90):
        """Until the script succeeds in the machine, or the time is over."""
        end = time.monotonic() + timeout
        while self.guest.run(script)[0] != 0 and time.monotonic() < end:
            time.sleep(1)

    def records(self, name):
        self.note(name, f"ls {PSTORE} {ARCHIVE} 2>/dev/null | grep ^dmesg")

    def reports(self, name):
        self.note(name, f"cd {FOLDER} && find . -name 'steamos-*.zip' | sort")

    def record_waits(self, word):
        """A record of a crash as systemd-pstore keeps it."""
        self.guest.check(f"mkdir -p {ARCHIVE}")
        self.guest.put(f"{ARCHIVE}/dmesg-ramoops-0", RECORD.format(word))


def first_boot(s):
    """Installed, looked at, configured; then the test's crash."""
    s.note("sysctl before", SYSCTLS)
    s.note("installed", "mkdir -p /root/p && cd /root/p && tar -xf /dev/vdb && "
           "dpkg -i first.deb 2>&1", 300)
    s.guest.put("/etc/default/kdump.d/10-server.conf", f"POST_URL={s.server}\n"
                "MIN_FREE_SPACE=0\nSAME_CRASH_PER_DAY=0")  # /home is small; all die of the same
    s.note("enabled", "systemctl is-enabled kdump-steamos.service kdump-steamos-settled.timer "
           "kdump-steamos-collect.service kdump-steamos-reserve.service kdump-steamos-submit.path "
           "kdump-steamos-submit.timer")
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
    s.guest.run("systemctl start kdump-steamos-settled.service")
    s.guest.reboots("kdump-steamos test --yes")


def after_the_test(s):
    """Collected, sent, proven; the journal knows of it."""
    s.waits_for(f"ls {FOLDER}/sent_logs/*.zip", SENDING)
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
    s.guest.reboots("sync; echo c >/proc/sysrq-trigger")


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
    s.waits_for(f"[ $(ls {FOLDER}/sent_logs/*.zip | wc -l) = 2 ]", SENDING)
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
    s.guest.run("systemctl start kdump-steamos-settled.service")
    s.guest.reboots("kdump-steamos test --yes")
    s.waits_for(f"[ $(ls {FOLDER}/sent_logs/*.zip | wc -l) = 4 ]", SENDING)
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
    s.note("pacman enabled", "systemctl is-enabled kdump-steamos.service kdump-steamos-settled.timer "
           "kdump-steamos-collect.service kdump-steamos-reserve.service kdump-steamos-submit.path "
           "kdump-steamos-submit.timer")
    s.status("pacman armed")
    s.guest.run("systemctl start kdump-steamos-settled.service")
    s.guest.reboots("kdump-steamos test --yes")
    s.waits_for(f"[ $(ls {FOLDER}/sent_logs/*.zip | wc -l) = 5 ]", SENDING)
    s.status("pacman proven")
    s.note("pacman removed", "pacman --config /root/pacman.conf --noconfirm -R kdump-steamos 2>&1; "
           "echo --; ls /sys/module/ramoops/parameters 2>/dev/null; systemctl list-units --all --no-legend "
           "'kdump-steamos*'; find /etc /usr -name '*kdump-steamos*'", 300)
    s.reports("reports after pacman")


FAST = bool(os.environ.get("FAST"))
CHAPTERS = (first_boot, after_the_test) if FAST else (
    first_boot, after_the_test, without_home, nothing_to_do, crash_kernel, upgrade_and_removal, by_pacman)


@pytest.fixture(scope="module")
def story(one_at_a_time, tmp_path_factory):
    lacking = image.missing_tools() + [tool for tool in ("dpkg-buildpackage", "makepkg",
                                                           "qemu-system-x86_64")
                                       if not shutil.which(tool)]
    if lacking:
        pytest.skip(f"missing: {', '.join(lacking)}; tools/setup --distro installs them")
    folder = tmp_path_factory.mktemp("debian")
    packages = folder / "packages.tar"
    with tarfile.open(packages, "w") as tar:
        tar.add(build("deb", image.CACHE / "first"), "first.deb")
        tar.add(build("deb", image.CACHE / "second", "0.1.99"), "second.deb")
        tar.add(build("arch", image.CACHE / "arch"), "first.pkg.tar.zst")
    disk = machine.ready_disk("ready")
    extra = ["-drive", f"if=none,id=packages,format=raw,readonly=on,file={packages}",
             "-device", "virtio-blk-pci,drive=packages"]
    with Receiver(folder / "server") as server:
        with machine.Machine(disk, folder / "machine", extra=extra) as guest:
            told = Story(guest, server.url.replace("127.0.0.1", "10.0.2.2"))
            guest.settle()
            for chapter in CHAPTERS:
                start = time.monotonic()
                chapter(told)
                print(f"=== {chapter.__name__}: {time.monotonic() - start:.0f} s")
            guest.power_off()
        told.uploads = server.finished()
        yield told


def output(story, name, status=0):
    code, text = story.told(name)
    assert code == status, text
    return text


def test_installed_is_armed(story):
    output(story, "installed")
    assert "uid=" in output(story, "files") and "completions/kdump-steamos" in output(story, "files")
    assert output(story, "enabled").split() == ["enabled"] * 6
    assert output(story, "active").split() == ["active"]
    assert output(story, "sysctl").split() == ["-1", "1"]
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
                     output(story, "proven words"), re.MULTILINE)


def test_the_test_was_collected_and_sent(story):
    assert output(story, "records after the test", 1) == ""
    (report,) = output(story, "reports after the test").split()
    assert re.fullmatch(r"\./sent_logs/steamos-TESTSERIAL-0\.\d{12}\.zip", report)
    (entry,) = json.loads(output(story, "list"))
    assert "sysrq" in entry["title"]
    assert "sysrq triggered crash" in output(story, "report")
    assert "sent steamos-TESTSERIAL" in output(story, "submit journal")
    assert len(story.uploads) >= 1


def test_the_journal_has_fields_and_an_explanation(story):
    entry = json.loads(output(story, "journal").splitlines()[0])
    assert "sysrq" in entry["KDUMP_TITLE"] and entry["KDUMP_MECHANISM"] == "ramoops"
    assert entry["_SYSTEMD_UNIT"] == "kdump-steamos-collect.service"
    assert entry["KDUMP_REPORT"] in output(story, "reports after the test")
    assert f"{FOLDER}/{entry['KDUMP_REPORT']}" in output(story, "catalog")
    assert output(story, "arm journal").count("is recorded") == 1


def test_the_boot_is_well(story):
    assert output(story, "settled").strip() == "running", output(story, "failed units")


def test_without_home_the_record_waits(story):
    assert output(story, "settled without home").strip() == "running"
    assert story.told("home is missing")[0] != 0
    assert output(story, "records without home").startswith("dmesg-")
    assert "No such file or directory" in output(story, "nothing below the mount point", 1)
    assert output(story, "collect without home", 0).split() == ["inactive", "active"]


def test_home_mounted_late_starts_the_collection(story):
    assert output(story, "home mounted late") == ""
    assert output(story, "records with home", 1) == ""
    assert len(output(story, "reports with home").split()) == 2


def test_read_only_and_full(story):
    assert "mount it read-write" in output(story, "read-only")
    assert output(story, "records read-only").strip() == "dmesg-ramoops-0"
    assert "make room there" in output(story, "full")
    assert output(story, "records full").strip() == "dmesg-ramoops-0"
    assert output(story, "records with room", 1) == ""
    assert len(output(story, "reports with room").split()) == 3


def test_nothing_waits_for_us_but_for_arming(story):
    assert output(story, "settled idle").strip() == "running"
    chain = re.findall(r"kdump\S+", output(story, "chain"))
    assert set(chain) <= {"kdump-steamos.service"}


def test_nothing_is_started_where_nothing_is_to_be_done(story):
    """What that costs is in test_boot_cost.py."""
    for conditions in output(story, "conditions").strip().split("\n\n"):
        assert "ConditionResult=no" in conditions and "Monotonic=0\n" not in conditions + "\n"


def test_the_crash_kernel_is_reserved_by_the_service(story):
    assert any(int(count) > 0 for count in output(story, "grub edited", 0).split())
    code, status = story.told("kdump before the reboot")
    assert status["armed"] and status["backend"]["name"] == "ramoops", status
    code, status = story.told("kdump armed")
    assert (code, status["armed"]) == (0, True), output(story, "kdump journal")
    loaded, size, *files = output(story, "reserved").split("\n", 2)
    assert loaded == "1" and 64 << 20 <= int(size) <= 256 << 20
    assert re.search(r"kdump-initrd-6\.\S+\.img", files[0])


def test_the_crash_kernel_is_proven(story):
    code, status = story.told("kdump proven")
    proof = status["proven"]["proof"]
    assert (code, status["proven"]["holds"], proof["mechanism"], proof["test"]) == \
        (0, True, "kdump", True)
    assert len(output(story, "reports after kdump").split()) == 4
    assert len(json.loads(output(story, "kdump list"))) == 4
    assert re.search(r" vmcore\.\d{12}\n", output(story, "vmcore"))
    assert "sysrq triggered crash" in output(story, "vmcore")
    assert "sysrq triggered crash" in output(story, "kdump report")


def test_upgrade_and_removal(story):
    output(story, "upgraded")
    assert output(story, "version") == "kdump-steamos 0.1.99\n"
    assert story.told("armed after upgrade")[1]["armed"]
    removed = output(story, "removed")
    assert "disarmed: " in removed and "ramoops" not in removed.split("--\n")[-1]
    for line in removed.split("--\n")[-1].splitlines():
        assert line == "(null)" or "not-found inactive dead" in line
    left = output(story, "left", 1)
    assert "POST_URL=" in left and "SCRUB=1" in left
    assert set(re.findall(r":(\d+)$", left, re.MULTILINE)) == {"0"}
    assert output(story, "sysctl after") == output(story, "sysctl before")
    assert "kdump-initrd-" in output(story, "images before") and output(story, "of arming", 2) == ""
    assert len(output(story, "reports after removal").split()) == 4
    assert output(story, "purged", 2).split("--\n")[-1] == ""
    assert len(output(story, "reports after purge").split()) == 4


def test_the_pacman_package(story):
    output(story, "pacman installed")
    assert output(story, "pacman enabled").split() == ["enabled"] * 6
    assert story.told("pacman armed")[1]["backend"]["name"] == "ramoops"
    assert story.told("pacman proven")[1]["proven"]["holds"]
    assert story.told("pacman proven")[1]["proven"]["proof"]["mechanism"] == "ramoops"
    words, left = output(story, "pacman removed").split("--\n")
    assert "disarmed: " in words
    assert [line for line in left.splitlines() if "not-found inactive dead" not in line] == []
    assert len(output(story, "reports after pacman").split()) == 5
