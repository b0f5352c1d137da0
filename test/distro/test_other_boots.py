# SPDX-License-Identifier: LGPL-2.1-or-later
"""Boots of a machine that are not as the story's (test_debian.py): pstore in the firmware's variables,
with systemd-pstore and without; a server that can be reached only after a while; a /home that is
read-only, full, or waits for who opens it.

Every crash is a real panic, and every boot goes by firmware and GRUB.
"""

import re

import pytest

import image
import machine
import story as stories
from receiver import make_ca, make_cert
from story import ARCHIVE, FOLDER, HOME, NO_HOME, PANIC, PSTORE, SENDING, UNPACK

pytestmark = pytest.mark.skipif(stories.FAST, reason="not in the fast form")

NAME = "reports.example"
# What os-prober does, and more than one of its ways to be refused.
PROBER = f"""\
#!/bin/sh
set -e
exec 3>/root/probed
modprobe vfat
mkdir -p /var/lib/os-prober/mount
unshare -m sh -ec '
    mount -t vfat -o ro /dev/disk/by-partuuid/{image.PARTUUID[image.ESP]} /var/lib/os-prober/mount
    ls /var/lib/os-prober/mount/EFI/BOOT >&3
    umount /var/lib/os-prober/mount'
temporary=$(mktemp)
rm "$temporary"
grub-probe --target=fs /boot >&3
echo "# nothing else here"
echo done >&3
"""
SUBMIT = "kdump-steamos-submit.service"
LINE = "rw,noatime,nofail,x-systemd.device-timeout=300s"  # a busy computer is slow


def home_as(s, options, device=HOME):
    """What fstab says of /home at the next boot."""
    s.guest.check(f"sed -i 's#^PARTUUID.* /home .*#{device} /home ext4 {options} 0 2#' /etc/fstab && "
                  f"grep -q '^{device} /home ext4 {options} ' /etc/fstab")


def the_boot(s, name):
    """systemd's verdict, what failed, and how long arming took."""
    s.note(f"{name}: settled", "systemctl is-system-running --wait; systemctl --failed --plain "
           "--no-legend | cut -d ' ' -f 1", machine.BOOT_TIMEOUT)
    s.note(f"{name}: arming", "systemctl show -p ActiveState -p ExecMainStatus -p "
           "ExecMainStartTimestampMonotonic -p ExecMainExitTimestampMonotonic kdump-steamos.service; "
           "journalctl -b -o cat -u kdump-steamos.service")


def installed(s):
    """The variables are there at the next boot, and all of the memory."""
    s.guest.check(f"{UNPACK} && dpkg -i first.deb 2>&1", 300)
    s.guest.put("/etc/default/kdump.d/10-server.conf",
                f"POST_URL={s.server}\nMIN_FREE_SPACE=0\nSAME_CRASH_PER_DAY=0")
    s.guest.check("sed -i 's/ mem=720M//; s/ efi_pstore.pstore_disable=1//' /boot/grub/grub.cfg && "
                  "systemctl unmask systemd-pstore.service && systemctl enable systemd-pstore.service")
    s.guest.reboots("systemctl reboot")
    s.status("efi armed")
    s.settled()
    s.guest.reboots(PANIC)


def archived_first(s):
    """systemd-pstore has the records; the server is not there yet."""
    s.collected(1)
    s.note("pstore unit", "systemctl is-enabled systemd-pstore.service; systemctl show -p ActiveState "
           "-p ConditionResult systemd-pstore.service; journalctl -b -o cat -t systemd-pstore")
    s.records("records after systemd-pstore")
    s.note("archive after systemd-pstore", f"find {ARCHIVE} -mindepth 1")
    s.reports("reports after systemd-pstore")
    s.note("archived report", f"kdump-steamos report {FOLDER}/steamos-*.zip")
    late_server(s)
    s.settled()
    s.guest.check("systemctl mask systemd-pstore.service")
    s.guest.reboots(PANIC)


def late_server(s):
    """Name and certificate come by rename while the service waits."""
    show = f"systemctl show -p ActiveState -p InvocationID {SUBMIT}"
    s.waits_for(f"systemctl show -p ActiveState {SUBMIT} | grep -q activating")
    s.note("submit waits", f"{show}; journalctl -b -o cat -u {SUBMIT}")
    s.guest.check("cp /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/new")
    s.guest.put("/root/ca.pem", s.ca)
    s.guest.check("cat /root/ca.pem >>/etc/ssl/certs/new && mv /etc/ssl/certs/new "
                  "/etc/ssl/certs/ca-certificates.crt; cp /etc/hosts /etc/hosts.new; "
                  f"echo 10.0.2.2 {NAME} >>/etc/hosts.new; mv /etc/hosts.new /etc/hosts")
    s.waits_for(f"ls {FOLDER}/sent_logs/*.zip", SENDING)
    s.note("submit sent", f"{show}; journalctl -b -o cat -u {SUBMIT}")


def without_systemd_pstore(s):
    s.collected(2)
    s.records("records without systemd-pstore")
    s.note("archive without systemd-pstore", f"find {ARCHIVE} -mindepth 1")
    s.reports("reports without systemd-pstore")
    s.settled()
    s.guest.check("systemctl unmask systemd-pstore.service")
    home_as(s, LINE.replace("rw", "ro"))
    s.guest.reboots(PANIC)


def read_only(s):
    the_boot(s, "read-only")
    s.note("archive read-only", f"find {PSTORE} {ARCHIVE} -name 'dmesg*'")
    s.note("collect read-only", "journalctl -b -o cat -u kdump-steamos-collect.service")
    s.guest.check("mount -o remount,rw /home && systemctl start kdump-steamos-collect.service")
    s.collected(3)
    s.note("archive writable", f"find {PSTORE} {ARCHIVE} -name 'dmesg*'")
    s.reports("reports writable")
    home_as(s, LINE)
    s.settled()
    s.guest.check("dd if=/dev/zero of=/home/full bs=1M; sync; dd if=/dev/zero of=/home/full2 bs=1k; "
                  "sync; true", 300)
    s.guest.reboots(PANIC)


def full(s):
    the_boot(s, "full")
    s.note("archive full", f"find {PSTORE} {ARCHIVE} -name 'dmesg*'")
    s.note("collect full", "journalctl -b -o cat -u kdump-steamos-collect.service")
    s.guest.check("rm /home/full /home/full2; systemctl start kdump-steamos-collect.service")
    s.collected(4)
    s.sent(4)
    s.note("archive with room", f"find {PSTORE} {ARCHIVE} -name 'dmesg*'")
    s.reports("reports with room")
    edited_by_the_service(s)
    on_a_partset(s)
    s.settled()
    home_as(s, "nofail,x-systemd.automount,x-systemd.device-timeout=45s", NO_HOME)
    s.guest.reboots("systemctl reboot")


def edited_by_the_service(s):
    """GRUB's configuration is made by the distribution's tool, with what it does beside that."""
    s.guest.put("/etc/grub.d/35_other_systems", PROBER)
    s.guest.check("chmod 755 /etc/grub.d/35_other_systems")
    again = "systemctl restart kdump-steamos.service kdump-steamos-reserve.service"
    count = "grep -c crashkernel= /boot/grub/grub.cfg"
    s.guest.put("/etc/default/kdump.d/20-kdump.conf", "USE_PSTORE_RAM=0")
    s.note("reserved", f"{again}; journalctl -b -o cat -u kdump-steamos-reserve.service; {count}", 300)
    s.note("probed", "cat /root/probed; rm /root/probed")
    s.guest.check("rm /etc/default/kdump.d/20-kdump.conf")
    s.note("given back", f"{again}; {count}", 300)


def on_a_partset(s):
    """SteamOS's name of a partition, which fstab does not have here, as if a desktop had mounted it."""
    s.guest.check("mkdir -p /dev/disk/by-partsets/shared && "
                  "ln -s ../../../vda3 /dev/disk/by-partsets/shared/home")
    s.guest.put("/etc/default/kdump.d/30-partset.conf",
                f"MOUNT_DEVNODE=/dev/disk/by-partsets/shared/home\nKDUMP_FOLDER={FOLDER[5:]}")
    s.guest.check("systemctl daemon-reload")
    s.record_waits("partset")
    s.note("partset image", "kdump-steamos -q initrd -o /root/image >/dev/null && zcat /root/image | "
           "grep -a -o -e 'TARGET=[A-Z]*=[0-9a-f-]*' -e '^SUBDIR=.*'")
    s.settled()
    s.sent(5)
    s.note("partset collected", "journalctl -b -o cat -u kdump-steamos-collect.service; "
           f"ls {FOLDER}/sent_logs/*.zip | wc -l; rm /etc/default/kdump.d/30-partset.conf; "
           "systemctl daemon-reload")


def automount(s):
    """Whoever opens /home waits for 45 seconds, and there is nothing then."""
    s.note("automount", "grep ' /home ' /proc/self/mountinfo")
    the_boot(s, "automount")
    s.note("automount: guard", "ls /run/kdump-steamos")


CHAPTERS = (installed, archived_first, without_systemd_pstore, read_only, full, automount)


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    stories.need("dpkg-buildpackage")
    folder = tmp_path_factory.mktemp("other")
    ca = make_ca(folder / "ca")

    def begin(told):
        told.ca = ca[0].read_text()

    with stories.life(folder, (begin, *CHAPTERS), {"first.deb": stories.build("deb", "first")[0]},
                      server=lambda url: re.sub(r"//[^:/]+", f"//{NAME}", url),
                      tls=make_cert(folder / "ca", NAME, ca)) as told:
        yield told


def arming_seconds(text):
    times = dict(re.findall(r"^ExecMain(\w+)TimestampMonotonic=(\d+)$", text, re.MULTILINE))
    return (int(times["Exit"]) - int(times["Start"])) / 1e6


def test_the_variables_record(story):
    code, status = story.told("efi armed")
    assert (code, status["armed"], status["backend"]["name"]) == (0, True, "efi"), status


def test_systemd_pstore_was_there_first(story):
    """It moves the parts, and they become one report; nothing of them is left."""
    words = story.output("pstore unit")
    assert words.startswith("enabled\nActiveState=active\nConditionResult=yes\n")
    assert len(re.findall(r"moved to", words)) > 1
    assert story.output("records after systemd-pstore", 1) == ""
    assert story.output("archive after systemd-pstore") == ""
    assert len(story.output("reports after systemd-pstore").split()) == 1
    assert "sysrq triggered crash" in story.output("archived report")


def test_the_service_sees_what_the_network_brings(story):
    """The same run of it that began without the server's name and certificate has sent."""
    before, after = story.output("submit waits"), story.output("submit sent")
    assert before.startswith("ActiveState=activating\n") and "sent steamos" not in before
    assert re.search(r"^InvocationID=(\w+)$", before, re.MULTILINE)[1] == \
        re.search(r"^InvocationID=(\w+)$", after, re.MULTILINE)[1]
    assert "sent steamos-TESTSERIAL" in after


def test_without_systemd_pstore_nothing_is_lost(story):
    assert story.output("records without systemd-pstore", 1) == ""
    assert story.output("archive without systemd-pstore") == ""
    assert len(story.output("reports without systemd-pstore").split()) == 2


@pytest.mark.parametrize("name,advice,then,count", [
    ("read-only", "mount it read-write", "writable", 3), ("full", "make room there", "with room", 4)])
def test_a_boot_with_a_home_that_takes_nothing(story, name, advice, then, count):
    """It is armed, nothing but the collection fails, and the record is collected later."""
    verdict, *failed = story.output(f"{name}: settled").split()
    assert (verdict, failed) == ("degraded", ["kdump-steamos-collect.service"])
    arming = story.output(f"{name}: arming")
    assert "ActiveState=active\n" in arming and "ExecMainStatus=0\n" in arming
    assert advice in story.output(f"collect {name}")
    assert "dmesg-efi" in story.output(f"archive {name}")
    assert story.output(f"archive {then}") == ""
    assert len(story.output(f"reports {then}").split()) == count


def test_the_sandbox_lets_the_distributions_tool_work(story):
    words = story.output("reserved")
    assert int(words.split()[-1]) > 0, words
    assert story.output("probed").split() == ["BOOTX64.EFI", "ext2", "done"]
    assert story.output("given back", 1).split()[-1] == "0"


def test_an_automount_holds_up_nothing(story):
    assert "autofs" in story.output("automount")
    arming = story.output("automount: arming")
    assert "ActiveState=active\n" in arming and "ExecMainStatus=0\n" in arming
    assert "boot-marker.json" in story.output("automount: guard")
    assert arming_seconds(arming) < 15
    assert story.output("automount: settled").split()[0] == "running"


def test_a_partset_is_a_device_like_others(story):
    """The image names the partition by what stays, and the timer finds its file system mounted."""
    target, folder = story.output("partset image").split()
    assert target == f"TARGET=PARTUUID={image.PARTUUID[image.HOME]}"
    assert folder == f"SUBDIR={FOLDER[6:]}"
    words = story.output("partset collected")
    assert "Linux version" not in words and "is recorded: " in words and words.split()[-1] == "5"


def test_all_was_sent(story):
    assert len(story.uploads) == 5
