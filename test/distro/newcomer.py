# SPDX-License-Identifier: LGPL-2.1-or-later
"""What somebody does who has README and nothing else: chapters of a machine's story (story.py).

What README says to type is taken out of it, and typed by who uses the machine; what is no command there,
or cannot be waited for, is done by root."""

import re

import image
import machine
import readme
import symbols
from readme import code, step
from story import FOLDER, HOME, NO_HOME, PANIC, UNITS, UNPACK

MESSAGE = "584b942a0d344e338bb4a40e3ef5d24a"
SYSCTLS = "cd /proc/sys/kernel && grep -s . panic panic_on_oops softlockup_panic hardlockup_panic panic_print; true"
CONFIG = "/etc/default/kdump"
OWNERS = f"/home/{image.OWNER}"
COUNT_GRUB = "grep -rc crashkernel= /etc/default/grub /etc/default/grub.d /boot/grub/grub.cfg"
FIRMWARE, NEW_FIRMWARE = "F7A0000", "F7A0116"
# crash and drgn want more than the machine has otherwise. A RAM buffer is above this, too.
RAM, MEM = 2048, "mem=1424M"

OVERVIEW = readme.section("How it works")
HELP, FILE = code(OVERVIEW, "kdump-steamos --help"), code(OVERVIEW, "kdump-steamos report FILE")
INSTALL, BY_MAKE = code(step("Install"), "sudo apt install"), code(step("Install"), "sudo make install enable")
STATUS = code(step("Look"), "sudo kdump-steamos status")
LOOKS = readme.lines(step("Look"), "armed: ")
TEST = code(step("Prove it"), "sudo kdump-steamos test")
PROVEN, UNPROVEN = code(step("Prove it"), "proven: "), code(step("Prove it"), "unproven since:")
LIST, REPORT, HTML, AS_SENT, JOURNAL_LOG, JOURNAL = (code(step("Read the report"), beginning) for beginning in (
    "sudo kdump-steamos list", "sudo kdump-steamos report REPORT", "--html", "--as-sent",
    "sudo journalctl -k", "sudo journalctl -x"))
KEEP, KEPT = code(step("Keep reports here"), "LOG_SUBMISSION="), code(step("Keep reports here"), "not_sent_logs")
CONFIGURED, *FULL_COREDUMP = readme.lines(step("Get a vmcore"), "# /etc/default/")
RESTART = code(step("Get a vmcore"), "sudo systemctl restart")
FORBIDDEN, ARM = (code(step("Get a vmcore"), beginning) for beginning in ("GRUB_AUTOSET=", "sudo kdump-steamos arm"))
SYMBOLS, CRASH, DRGN = readme.lines(step("Get a vmcore"), "cd ")
VMCORE = re.search(r"vmcore\.\d{12}", CRASH)[0]
REMOVE, UNMAKE = code(step("Uninstall"), "sudo apt remove"), code(step("Uninstall"), "sudo make uninstall")
MAN, MAN_CONFIG = (code(step("Uninstall"), f"man {page}") for page in ("kdump-steamos", "kdump-steamos.conf"))
# For building it, which is done on the host, and for pacman's systems (test_steamos.py).
NOT_HERE = {"make", "make deb", "make arch", "tools/setup --build", code(step("Install"), "sudo pacman -U"),
            code(step("Uninstall"), "sudo pacman -R"), "sudo steamos-readonly disable"}


def sets(s, *lines):
    """What a person does in /etc/default/kdump with an editor."""
    for line in lines:
        key, _, value = line.partition("=")
        s.guest.check(f"grep -q '^#*{key}=' {CONFIG} && sed -i 's/^#*{key}=.*/{key}={value}/' {CONFIG}")


def tested(s, name):
    """The test's crash; and what it had said before."""
    s.guest.reboots(s.typing(TEST, answer="yes\n", end=" >said 2>&1"))
    s.waits_for("mountpoint -q /home")
    s.note(name, f"cat {OWNERS}/said")


def first_boot(s):
    """Installed, looked at, tested."""
    s.note("sysctl before", SYSCTLS)
    s.guest.check(f"{UNPACK}; mkdir -p {OWNERS}/build/package/deb && cp first.deb "
                  f"{OWNERS}/build/package/deb/kdump-steamos_0.1.0_amd64.deb && chown -R {image.OWNER}: {OWNERS}")
    s.types("installed", INSTALL, timeout=300)
    s.types("help", HELP)
    s.types("man", MAN)
    s.types("man of the configuration", MAN_CONFIG)
    s.note("keys", f"sed -n 's/^#\\([A-Z_]*\\)=.*/\\1/p' {CONFIG}")
    s.note("enabled", f"systemctl is-enabled {' '.join(UNITS)}")
    s.note("active", "systemctl is-active kdump-steamos.service; "
           "systemctl --failed --no-legend | grep kdump; true")
    s.note("sysctl", "cat /proc/sys/kernel/panic /proc/sys/kernel/panic_on_oops")
    s.note("files", "ls /usr/share/bash-completion/completions/kdump-steamos; id kdump-steamos")
    s.types("looked at", STATUS)
    s.guest.put("/etc/default/kdump.d/10-server.conf", f"POST_URL={s.server}\n"
                "MIN_FREE_SPACE=0\nSAME_CRASH_PER_DAY=0")  # /home is small; all die of the same
    s.status("armed")
    s.note("again", "for i in 1 2; do systemctl restart kdump-steamos.service && systemctl start "
           "kdump-steamos.service kdump-steamos-collect.service || exit 1; done; "
           "systemctl status --no-pager --failed 'kdump-steamos*'")
    s.status("still armed")
    s.settled()
    s.types("not now", TEST, answer="no\n")
    tested(s, "said")


def after_the_test(s):
    """Collected, read, sent, proven; the journal knows of it."""
    s.collected(1)
    name = s.reports("reports after the test")[1].strip().rpartition("/")[2]
    s.types("list", LIST)
    this = [("REPORT", name)]
    s.types("report", REPORT, replaced=this)
    s.types("page", REPORT, replaced=this, end=f" {HTML} >page.html && head -c 15 page.html && grep sysrq page.html "
            "| cut -c 1-1000")
    s.types("as sent", REPORT, replaced=this, end=f" {AS_SENT}")
    s.types("journal's log", JOURNAL_LOG)
    s.types("journal", JOURNAL)
    s.note("journal's fields", f"journalctl -b -o json MESSAGE_ID={MESSAGE}")
    s.sent(1, by_itself=True)
    s.types("proven", STATUS)
    s.status("proven object")
    s.records("records after the test")
    s.reports("reports after sending")
    s.note("submit journal", "journalctl -b -u kdump-steamos-submit.service -o cat")
    s.note("collect journal", "journalctl -b -u kdump-steamos.service -u kdump-steamos-collect.service -o cat")
    s.note("settled", "systemctl is-system-running --wait; systemctl --failed --no-legend; "
           "systemctl status --no-pager --failed", machine.BOOT_TIMEOUT)


def without_home(s):
    """The record waits, and is collected when /home is mounted after all."""
    # Only fstab says what /home is: not that the partition is of its type, which would make it needed.
    s.guest.check("mkdir -p /etc/systemd/system-generators && "
                  "ln -s /dev/null /etc/systemd/system-generators/systemd-gpt-auto-generator")
    # Of ramoops systemd-pstore sees nothing, wherever it stands (test_other_boots.py has the variables).
    s.guest.check("systemctl mask systemd-pstore.service")
    s.guest.check(f"sed -i 's/{HOME} .*/{NO_HOME} \\/home ext4 "
                  "rw,nofail,x-systemd.device-timeout=5s 0 2/' /etc/fstab")
    s.guest.reboots(PANIC)
    s.note("settled without home", "systemctl is-system-running --wait; systemctl --failed --no-legend",
           machine.BOOT_TIMEOUT)
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


def read_only_and_full(s):
    s.record_waits("readonly")
    # Nobody writes there just now.
    s.guest.check("systemctl stop kdump-steamos-submit.path kdump-steamos-submit.timer "
                  "kdump-steamos-submit.service kdump-steamos-settled.timer kdump-steamos-settled.service; "
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
    s.sent(3)


def nothing_to_do(s):
    """What a boot costs that has nothing to collect; but the firmware is another one now."""
    s.guest.firmware = NEW_FIRMWARE
    s.guest.reboots("systemctl reboot")
    s.note("settled idle", "systemctl is-system-running --wait; systemctl --failed --no-legend", machine.BOOT_TIMEOUT)
    s.note("conditions", "for unit in collect reserve; do systemctl show -p ConditionResult -p "
           "ConditionTimestampMonotonic kdump-steamos-$unit.service; echo; done")
    s.note("chain", "systemd-analyze critical-chain --no-pager multi-user.target")
    s.types("unproven", STATUS)


def kept_here(s):
    """A crash of which nobody is told."""
    sets(s, KEEP)
    s.settled()
    s.guest.reboots(PANIC)
    s.collected(4)
    s.guest.settle()
    s.note("submits nothing", "kdump-steamos submit")
    s.note("kept", f"ls {FOLDER}/{KEPT}")
    s.types("status when kept", STATUS)
    sets(s, KEEP.replace("0", "1"))


def crash_kernel(s):
    """Two lines of configuration, a command, one reboot, and a crash."""
    s.guest.check(f"sed -i 's/ mem=720M/ {MEM}/' /etc/default/grub")
    sets(s, *FULL_COREDUMP, FORBIDDEN)
    s.types("forbidden", ARM)
    s.note("grub when forbidden", COUNT_GRUB)
    sets(s, FORBIDDEN.replace("0", "1"))
    s.types("kdump wanted", RESTART, timeout=300)
    s.status("kdump before the reboot")
    s.note("grub edited", COUNT_GRUB)
    s.guest.reboots("systemctl reboot")
    s.waits_for("[ $(cat /sys/kernel/kexec_crash_loaded) = 1 ]")
    s.note("kdump journal", "journalctl -b -o cat -u kdump-steamos.service -u "
           "kdump-steamos-reserve.service | tail -12")
    s.types("status of kdump", STATUS)
    s.status("kdump armed")
    s.note("reserved", "cat /sys/kernel/kexec_crash_loaded /sys/kernel/kexec_crash_size; "
           f"ls -l {FOLDER}")
    s.settled()
    tested(s, "said of kdump")
    s.sent(4, kept=1)
    s.waits_for("[ $(cat /sys/kernel/kexec_crash_loaded) = 1 ]")
    s.status("kdump proven")
    s.note("kdump list", "kdump-steamos list --json")
    s.reports("reports after kdump")
    s.note("kdump report", f"cd {FOLDER}/sent_logs && kdump-steamos report $(ls -t *.zip | head -1)")


def opened(s):
    """The memory of the crashed kernel, by a person who has its debug symbols."""
    s.guest.check(symbols.MOUNT)
    s.note("vmcore", f"cd {FOLDER}/crash && ls && makedumpfile --dump-dmesg vmcore.* {OWNERS}/log && "
           f"chown {image.OWNER} {OWNERS}/log && grep panic {OWNERS}/log", 300)
    s.types("report of a log", FILE, replaced=[("FILE", "log")])
    this = [(VMCORE, re.search(r"vmcore\.\d{12}", s.seen["vmcore"][1])[0])]
    s.types("crash", SYMBOLS, CRASH, replaced=this, answer="bt\nlog\nquit\n", timeout=1200)
    s.types("drgn", SYMBOLS, DRGN, replaced=this, timeout=1200,
            answer="print(prog['init_uts_ns'].name.release)\nprint(prog.crashed_thread().stack_trace())\n"
            "print('tasks:', len(list(for_each_task(prog))))\n")


def upgrade(s):
    """The configuration stays as its owner has altered it."""
    sets(s, "SCRUB=1")
    s.guest.check(f"cp /root/p/second.deb {OWNERS}/build/package/deb/kdump-steamos_0.1.99_amd64.deb")
    s.types("upgraded", INSTALL, answer="y\n", timeout=300)
    s.note("version", "kdump-steamos --version")
    s.status("armed after upgrade")
    # Nothing new may be put into GRUB's configuration; what is ours there goes all the same.
    s.note("images before", f"ls {FOLDER}/kdump-initrd-*")
    sets(s, FORBIDDEN)


def removal(s):
    """Nothing is left of what was armed."""
    s.types("removed", REMOVE, answer="y\n", timeout=300)
    s.note("disarmed", "ls /sys/module/ramoops/parameters 2>/dev/null; cat /sys/module/pstore/parameters/backend; "
           "systemctl list-units --all --no-legend 'kdump-steamos*'", 300)
    s.note("left", f"cat {CONFIG}.d/10-server.conf; cat {CONFIG}; {COUNT_GRUB}")
    s.note("sysctl after", SYSCTLS)
    s.note("of arming", f"ls {FOLDER}/kdump-initrd-* {FOLDER}/state/boot-marker.json "
           f"{FOLDER}/state/sysctl-found.json 2>/dev/null")
    s.reports("reports after removal")


def purge(s):
    s.note("purged", "dpkg -P kdump-steamos 2>&1; echo --; ls /etc/default/kdump /usr/bin/kdump-steamos "
           "/etc/systemd/system/*/kdump-steamos* 2>/dev/null", 300)
    s.reports("reports after purge")


def from_the_tree(s):
    """`make install` is the host's; what the other two targets run is the machine's."""
    s.guest.check(f"tar -C / --no-same-owner -xf /root/p/tree.tar && chown -R {image.OWNER}: {OWNERS}")
    s.typed.update({BY_MAKE, UNMAKE})
    s.note("enabled by make", s.typing(f"sudo {made_by('enable')}") + " 2>&1", 300)
    s.types("status by make", STATUS)
    s.note("units by make", f"systemctl is-enabled {' '.join(UNITS)}; systemctl is-active kdump-steamos.service")
    # It has the lowest priority, and is still at work when it is stopped.
    s.guest.check("systemctl start --no-block kdump-steamos-settled.service")
    s.note("disabled by make", s.typing(f"sudo {made_by('uninstall')}") + " 2>&1", 300)
    s.note("left by make", "find /etc /usr -name '*kdump-steamos*'; ls /sys/module/ramoops/parameters 2>/dev/null; "
           "systemctl list-units --all --no-legend 'kdump-steamos*'")
    s.note("sysctl after make", SYSCTLS)
    s.reports("reports after make")


def made_by(target):
    """What a target of the Makefile runs."""
    return image.run("make", "-n", "--no-print-directory", "-C", image.TOP, target).decode().strip()


def tree_as_installed(folder):
    """What `make install` puts into a machine, and what it and the tree have for the other targets: a tar
    file, in which the log of the installation names the files as they are in the machine."""
    root, log = folder / "root", "build/main/meson-logs/install-log.txt"
    image.run("make", "-C", image.TOP, "install", f"DESTDIR={root}")
    for name in ("tools/service", log):
        copy = root / OWNERS[1:] / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text((image.TOP / name).read_text().replace(f"\n{root}/", "\n/"))
        copy.chmod(0o755)
    image.run("tar", "-C", root, "-cf", folder / "tree.tar", ".")
    return folder / "tree.tar"
