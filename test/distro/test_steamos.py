# SPDX-License-Identifier: LGPL-2.1-or-later
"""The pacman package's life on a machine as SteamOS is (steamos.py): part of an image whose root nobody
writes to, upgraded by a developer who does, replaced by the next image, removed and installed again.
"""

import re

import pytest

import image
import steamos
import story as stories
from readme import code, step
from story import FAST, FOLDER, UNITS

DROPIN = "/etc/default/kdump.d/20-kdump.conf"
UNPACK = "mkdir -p /home/p && cd /home/p && tar -xf /dev/vdb"
WRITABLE, INSTALL = (code(step("Install"), beginning) for beginning in ("sudo steamos-readonly", "sudo pacman -U"))
REMOVE = code(step("Uninstall"), "sudo pacman -R")
# Of the distribution's libraries this pacman knows nothing.
NO_DEPENDENCIES = " -dd"
LOADED = "[ $(cat /sys/kernel/kexec_crash_loaded) = 1 ]"
COUNT = f"grep -c crashkernel= {steamos.CONFIG}"
OWNERS = f"/home/{image.OWNER}/build/package/arch"
# What lies below the overlay, as an image's builder sees it.
BUILDER = ("mount -o remount,rw / && mount --bind / /mnt && pacman --root /mnt --config /mnt/etc/pacman.conf "
           f"--dbpath /mnt{steamos.DATABASE} --noconfirm -U -dd /home/p/{{}} 2>&1; code=$?; "
           "touch -c /mnt/usr; umount /mnt; "  # as pacman's hook has it, for systemd's ConditionNeedsUpdate=
           "mount -o remount,ro /; exit $code")
# What an update of the image does: of /etc, all that was written is gone but for what is listed (and the
# system's own list, which has accounts and the like), and the new slot's grub.cfg is made of that.
UPDATE = f"""
cd {steamos.UPPER}
listed=$(sed '/^#/d' /etc/atomic-update.conf.d/*.conf)
mkdir /var/kept
set -f
for name in $listed /etc/machine-id /etc/passwd /etc/group /etc/shadow; do
    name=${{name%/\\*\\*}}
    [ ! -e ".${{name#/etc}}" ] || cp -a --parents ".${{name#/etc}}" /var/kept
done
set +f
rm -rf ./* && cp -a /var/kept/. . && find . -type f && sync && echo 2 >/proc/sys/vm/drop_caches
"""


def developer(s, name, command, end=""):
    """As README has it, by who owns the machine."""
    s.types(name, WRITABLE, command, answer="y\n", end=end, timeout=300)
    s.guest.check("steamos-readonly enable || true")  # something may still write; the next boot does not


def image_with_it(s):
    """The image's builder installs it: nothing is running there."""
    s.guest.check(f"{UNPACK}; mkdir -p {OWNERS} && cp second.pkg.tar.zst {OWNERS}/kdump-steamos-1:0.1.99-1.pkg.tar.zst")
    s.note("built", BUILDER.format("first.pkg.tar.zst"), 300)
    s.guest.reboots("systemctl reboot")
    s.note("root", "findmnt -n -o OPTIONS /; findmnt -n -o FSTYPE /etc; touch /usr/file")
    s.note("settled", "systemctl is-system-running --wait; systemctl --failed --no-legend", 300)
    s.note("enabled", f"systemctl is-enabled {' '.join(UNITS)}")
    s.note("sysctl", "cat /proc/sys/kernel/panic /proc/sys/kernel/panic_on_oops")
    s.guest.put("/etc/default/kdump.d/10-server.conf",
                f"POST_URL={s.server}\nMIN_FREE_SPACE=0\nSAME_CRASH_PER_DAY=0")
    s.status("armed")
    s.settled()
    s.guest.reboots("kdump-steamos test --yes")


def collected(s):
    s.sent(1, by_itself=True)
    s.status("proven")
    s.reports("reports")
    s.note("list", "kdump-steamos list --json")
    s.note("report", f"kdump-steamos report {FOLDER}/sent_logs/*.zip")


def crash_kernel(s):
    """GRUB's configuration lies on the ESP, and the image's root takes no file."""
    s.guest.put(DROPIN, "USE_PSTORE_RAM=0\nFULL_COREDUMP=1")
    s.note("reserved", "systemctl restart kdump-steamos.service kdump-steamos-reserve.service; "
           f"journalctl -b -o cat -u kdump-steamos-reserve.service; {COUNT}", 300)
    s.note("defaults", "grep -r '^GRUB.*crashkernel=' /etc/default")
    s.guest.reboots("systemctl reboot")
    s.waits_for(LOADED)
    s.status("kdump armed")
    s.note("target", f"zcat {FOLDER}/kdump-initrd-*.img | grep -a -o -e 'TARGET=[A-Z]*=[0-9a-f-]*' "
           "-e '^SUBDIR=.*'")
    s.settled()
    s.guest.reboots("kdump-steamos test --yes")
    s.sent(2)
    s.waits_for(LOADED)
    s.status("kdump proven")
    s.note("kdump report", f"cd {FOLDER}/sent_logs && kdump-steamos report $(ls -t *.zip | head -1)")
    s.note("vmcore", f"ls {FOLDER}/crash")


def read_only_home(s):
    """The image has to be made anew, and the folder takes none; the crash kernel mounts by itself."""
    s.settled()
    s.guest.check(f"rm {FOLDER}/kdump-initrd-* && sed -i 's#/home ext4 rw#/home ext4 ro#' /etc/fstab && "
                  "grep -q '/home ext4 ro,' /etc/fstab")
    s.guest.reboots("systemctl reboot")
    # Whether /home is mounted before the machine is armed is not said: either run may load it.
    s.waits_for(f"{LOADED} && [ ! -e /run/kdump-steamos/late ] && journalctl --sync")
    s.note("image in memory", f"journalctl -b -o cat -u kdump-steamos.service -u kdump-steamos-reserve.service; ls -1 /run/kdump-steamos "
           f"{FOLDER}; findmnt -n -o OPTIONS /home")
    s.status("armed with a read-only home")
    s.settled()
    s.guest.reboots("echo c >/proc/sysrq-trigger")
    s.waits_for("systemctl is-failed kdump-steamos-collect.service")
    s.note("failed", "systemctl --failed --no-legend; journalctl -b -o cat -u kdump-steamos-settled.service")
    s.note("waits", f"journalctl -b -o cat -u kdump-steamos-collect.service; ls -1 {FOLDER}/crash")
    s.guest.check("sed -i 's#/home ext4 ro#/home ext4 rw#' /etc/fstab && mount -o remount,rw /home && "
                  "mount -o remount,bind,rw /root && mount -o remount,bind,rw /var/log && systemctl start kdump-steamos-collect.service")
    s.sent(3)
    s.reports("reports of a read-only home")
    s.note("report of a read-only home", f"cd {FOLDER}/sent_logs && kdump-steamos report $(ls -t *.zip | head -1)")


def upgraded(s):
    """By a developer, who has altered the configuration and switched one unit off."""
    s.guest.check("echo SCRUB=1 >>/etc/default/kdump && systemctl disable kdump-steamos-submit.timer")
    developer(s, "upgraded", INSTALL, NO_DEPENDENCIES)
    s.note("version", "kdump-steamos --version; tail -1 /etc/default/kdump; "
           f"systemctl is-enabled {' '.join(UNITS)}")
    s.status("armed after the upgrade")


def next_image(s):
    """It has the version that it has, and of /etc only what is listed stays."""
    s.guest.check("systemctl enable kdump-steamos-submit.timer")
    s.note("next image", BUILDER.format("first.pkg.tar.zst"), 300)
    s.note("kept", UPDATE)
    s.note("new slot", f"rm {steamos.CONFIG} && update-grub 2>&1; {COUNT}", 300)
    s.guest.reboots("sync; reboot -f")
    s.note("settled again", "systemctl is-system-running --wait; systemctl --failed --no-legend", 300)
    s.note("version of the image", "kdump-steamos --version; tail -1 /etc/default/kdump; "
           f"cat {DROPIN}; systemctl is-enabled {' '.join(UNITS)}")
    s.waits_for(LOADED)
    s.status("armed in the next image")
    s.reports("reports in the next image")


def removed(s):
    developer(s, "removed", REMOVE)
    s.note("left", "ls /sys/module/ramoops/parameters 2>/dev/null; systemctl list-units --all --no-legend "
           "'kdump-steamos*'; find /usr /etc -name '*kdump*' ! -name 'libkdumpfile*'; " + COUNT)
    s.note("disarmed", f"cat /sys/kernel/kexec_crash_loaded; ls {FOLDER}/kdump-initrd-* 2>/dev/null; true")
    s.reports("reports after the removal")


def installed_live(s):
    s.guest.check(f"rm {DROPIN}")
    developer(s, "installed", INSTALL, NO_DEPENDENCIES)
    s.note("enabled live", f"systemctl is-enabled {' '.join(UNITS)}; id kdump-steamos")
    s.status("armed live")


CHAPTERS = (image_with_it, collected) if FAST else (
    image_with_it, collected, crash_kernel, read_only_home, upgraded, next_image, removed, installed_live)


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    stories.need("makepkg")
    packages = {"first.pkg.tar.zst": stories.build("arch", "arch")[0],
                "second.pkg.tar.zst": stories.build("arch", "newer", "0.1.99")[0]}
    with stories.life(tmp_path_factory.mktemp("steamos"), CHAPTERS, packages, disk=steamos.disk()) as told:
        yield told


def test_it_is_a_machine_as_steamos_is(story):
    words = story.output("root", 1).split("\n")
    assert words[0].split(",")[0] == "ro" and words[1] == "overlay" and "Read-only" in words[2]


def test_in_an_image_it_is_enabled_and_arms(story):
    story.output("built")
    assert story.output("enabled").split() == ["enabled"] * len(UNITS)
    assert story.output("settled").strip() == "running"
    assert story.output("sysctl").split() == ["-1", "1"]
    code, status = story.told("armed")
    assert (code, status["armed"], status["backend"]["name"], status["advice"]) == (0, True, "ramoops", [])


def test_the_crash_is_collected_sent_and_proof(story):
    assert story.told("proven")[1]["proven"]["holds"]
    (name,) = story.output("reports").split()
    assert re.fullmatch(r"\./sent_logs/steamos-TESTSERIAL-gabe\.\d{12}\.zip", name)
    assert "sysrq triggered crash" in story.output("report")


def test_memory_is_reserved_on_the_esp(story):
    assert int(story.output("reserved").split()[-1]) > 0
    assert story.output("defaults").startswith("/etc/default/grub.d/kdump-steamos.cfg:")
    code, status = story.told("kdump armed")
    assert (code, status["armed"], status["mode"]) == (0, True, "kdump")


def test_the_crash_kernel_finds_the_partset(story):
    target, folder = story.output("target").split()
    assert target == f"TARGET=PARTUUID={image.PARTUUID[image.HOME]}" and folder == f"SUBDIR={FOLDER[6:]}"
    proof = story.told("kdump proven")[1]["proven"]
    assert proof["holds"] and proof["proof"]["mechanism"] == "kdump"
    assert story.told("kdump proven")[1]["armed"]
    assert "sysrq triggered crash" in story.output("kdump report")
    assert re.fullmatch(r"vmcore\.\d{12}\n", story.output("vmcore"))


def test_a_read_only_home_keeps_no_crash_from_being_recorded(story):
    words = story.output("image in memory")
    assert words.split()[-1].startswith("ro,") and "is kept in /run/kdump-steamos" in words
    assert len(re.findall(r"^kdump-initrd-\S+\.img$", words, re.MULTILINE)) == 1
    status = story.told("armed with a read-only home")[1]
    assert status["armed"] and status["mode"] == "kdump"
    assert "mount it read-write" in story.output("waits") and re.search(r"^\d{14}$", story.output("waits"), re.MULTILINE)
    assert len(story.output("reports of a read-only home").split()) == 3
    assert "sysrq triggered crash" in story.output("report of a read-only home")


def test_an_upgrade_keeps_what_the_user_has_set(story):
    story.output("upgraded")
    version, last, *states = story.output("version").splitlines()
    assert (version, last) == ("kdump-steamos 0.1.99", "SCRUB=1")
    assert dict(zip(UNITS, states)) == \
        {unit: "disabled" if unit.endswith("submit.timer") else "enabled" for unit in UNITS}
    status = story.told("armed after the upgrade")[1]
    assert status["armed"] and status["mode"] == "kdump"


def test_the_next_image_keeps_the_configuration(story):
    story.output("next image")
    assert "./default/kdump\n" in story.output("kept")
    words = story.output("version of the image").splitlines()
    assert words == ["kdump-steamos 0.1.0", "SCRUB=1", "USE_PSTORE_RAM=0", "FULL_COREDUMP=1",
                     *["enabled"] * len(UNITS)]
    assert story.output("settled again").strip() == "running"
    assert int(story.output("new slot").split()[-1]) > 0
    status = story.told("armed in the next image")[1]
    assert status["armed"] and status["mode"] == "kdump" and status["proven"]["holds"]
    assert len(story.output("reports in the next image").split()) == 3


def test_a_removal_leaves_reports_and_nothing_else(story):
    assert "disarmed: " in story.output("removed")
    left = [line for line in story.output("left", 1).splitlines() if "not-found inactive dead" not in line]
    assert set(left) == {"/etc/default/kdump.pacsave", "/etc/default/kdump.d", DROPIN, "0"}, left
    assert story.output("disarmed").split() == ["0"]
    assert len(story.output("reports after the removal").split()) == 3


def test_installed_in_the_running_system(story):
    story.output("installed")
    assert story.output("enabled live").split()[:len(UNITS)] == ["enabled"] * len(UNITS)
    status = story.told("armed live")[1]
    assert status["armed"] and status["backend"]["name"] == "ramoops"
