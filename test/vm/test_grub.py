# SPDX-License-Identifier: LGPL-2.1-or-later
"""Firmware and GRUB are real: what arm puts on the next boots' command line is there at the next
boot, records a crash, and is gone after disarm.

The machine has two more disks: one that the firmware starts GRUB from, and /boot, with the kernel
and the grub.cfg that the guest's own grub-mkconfig writes.
"""

import os
import shutil
import subprocess
import tempfile

import guest as guests
import handheld
import kdump
import qemu
from scenario import uses

PROGRAMS = ["grub-probe", "grub-script-check", "grub-mkrelpath"]
WORDS = "console=ttyS0 panic=1 no_timer_check tsc=reliable audit=0 loglevel=5"
ENTRY = """#!/bin/sh
cat <<END
set timeout=0
search --no-floppy --set=root --file /vmlinuz
linux /vmlinuz $GRUB_CMDLINE_LINUX $GRUB_CMDLINE_LINUX_DEFAULT
initrd /initramfs
boot
END
"""
EARLY = "search --no-floppy --set=root --file /grub/grub.cfg\nconfigfile /grub/grub.cfg\n"
DEFAULTS = f"GRUB_TIMEOUT=0\nGRUB_CMDLINE_LINUX='{WORDS}'\nGRUB_CMDLINE_LINUX_DEFAULT=quiet\n"


def make_esp(path):
    """A disk with GRUB on it, which reads the grub.cfg of /boot."""
    with tempfile.TemporaryDirectory(dir=os.path.dirname(path)) as work:
        early, program = os.path.join(work, "early.cfg"), os.path.join(work, "grub.efi")
        with open(early, "w", encoding="ascii") as file:
            file.write(EARLY)
        guests.run([guests.which("grub-mkstandalone"), "-O", "x86_64-efi", "-o", program,
                    "--install-modules=search ext2 linux configfile normal echo test part_gpt "
                    "search_fs_file", "--locales=", "--fonts=", "--themes=",
                    f"boot/grub/grub.cfg={early}"])
        with open(path, "wb") as file:
            file.truncate(64 << 20)
        guests.run([guests.which("mkfs.vfat"), path])
        guests.run([guests.which("mmd"), "-i", path, "::EFI", "::EFI/BOOT"])
        guests.run([guests.which("mcopy"), "-i", path, program, "::EFI/BOOT/BOOTX64.EFI"])


def make_boot(guest, path):
    """/boot, as the machine finds it at its first boot."""
    with tempfile.TemporaryDirectory(dir=os.path.dirname(path)) as tree:
        os.mkdir(os.path.join(tree, "grub"))
        shutil.copy(guest.kernel.image, os.path.join(tree, "vmlinuz"))
        shutil.copy(guest.initramfs, os.path.join(tree, "initramfs"))
        config = subprocess.run(["sh", "-c", ENTRY], stdout=subprocess.PIPE, check=True, text=True,
                                env={"PATH": os.environ["PATH"], "GRUB_CMDLINE_LINUX": WORDS,
                                     "GRUB_CMDLINE_LINUX_DEFAULT": "quiet"}).stdout
        with open(os.path.join(tree, "grub/grub.cfg"), "w", encoding="ascii") as file:
            file.write(config)
        guests.make_ext4(tree, path, 96)


def grub_files():
    """GRUB's tools with their libraries, as a distribution installs them."""
    files = {}
    for program in PROGRAMS:
        content = kdump.program_files(program)
        found = content.pop("usr/bin/" + program)
        files |= content | {"usr/sbin/" + program: found, "usr/bin/" + program: found}
    for name in ["/usr/sbin/grub-mkconfig", "/usr/share/grub/grub-mkconfig_lib"]:
        with open(name, "rb") as file:
            files[name[1:]] = file.read()
    return files | {"etc/grub.d/10_machine": ENTRY, "etc/default/grub": DEFAULTS}


class GrubMachine(qemu.Machine):
    """A machine without a kernel of QEMU's own."""

    def __init__(self, guest, name, jobs):
        files = {"g/" + name: content for name, content in grub_files().items()}
        super().__init__(guest, name, jobs, files=files, mem="", ram=768, uefi=True)
        self.esp, self.boot = (os.path.join(self.folder, name) for name in ("esp.img", "boot.img"))
        make_esp(self.esp)
        make_boot(guest, self.boot)

    def command(self, interactive=False):
        words = super().command(interactive)
        for name in ("-kernel", "-initrd", "-append"):
            at = words.index(name)
            del words[at:at + 2]
        for name in ("esp", "boot"):
            words += ["-drive", f"if=none,id={name},format=raw,file={getattr(self, name)}",
                      "-device", f"virtio-blk-pci,drive={name},bootindex={1 if name == 'esp' else 2}"]
        return words


INSTALL = """cd /home/g && find . -type f | while read -r f; do
    [ -e "/$f" ] || { mkdir -p "/$(dirname "$f")" && cp "$f" "/$f"; }
done
cd / && chmod +x /usr/sbin/grub-* /usr/bin/grub-* /etc/grub.d/*
cp /etc/default/grub /home/out/1/defaults
"""
START = "mkdir -p /boot && mount -t ext4 /dev/vdd /boot\n"
LOOK = """cat /proc/cmdline >/home/out/$BOOT/cmdline
cat /sys/kernel/kexec_crash_size >/home/out/$BOOT/crash_size
cp /boot/grub/grub.cfg /home/out/$BOOT/grub.cfg
cat /etc/default/grub >/home/out/$BOOT/defaults
cat /etc/default/grub.d/* >/home/out/$BOOT/dropins 2>/dev/null
"""


def verb(name, *arguments):
    """Shell text that runs a verb, as boot-services does."""
    words = " ".join((name, *arguments))
    return (f"kdump-steamos {words} >/home/out/$BOOT/{name} 2>&1\n"
            f"echo $? >/home/out/$BOOT/{name}.status\nsed 's/^/vm: {name}: /' /home/out/$BOOT/{name}\n")


def run(guest, name, **settings):
    """Reserve; crash in what is reserved; collect and disarm; look."""
    settings = handheld.configure("http://127.0.0.1:9", LOG_SUBMISSION="0", **settings)
    jobs = [
        START + INSTALL + settings + verb("arm") + LOOK + "sync\numount /boot\nreboot -f\n",
        START + verb("arm") + verb("status") + LOOK + "sync\ncrash null\n",
        START + verb("arm") + verb("collect") + verb("disarm") + LOOK +
        "sync\numount /boot\nreboot -f\n",
        START + LOOK,
    ]
    return GrubMachine(guest, f"grub-{name}-{guest.kernel.series}", jobs).run(timeout=420)


def kdump_by_grub(guest):
    return run(guest, "kdump", USE_PSTORE_RAM="0", CRASHKERNEL="112M")


def ramoops_by_grub(guest):
    return run(guest, "ramoops")


def check(machine, params):
    """The parameters are there in the boots between arm and disarm, and the crash was recorded."""
    assert "reboot to record crashes" in machine.read("out/1/arm")
    there = [params in machine.read(f"out/{boot}/cmdline") for boot in (1, 2, 3, 4)]
    assert there == [False, True, True, False]
    in_config = [params in machine.read(f"out/{boot}/grub.cfg") for boot in (1, 2, 3, 4)]
    assert in_config == [True, True, False, False]
    assert machine.read("out/2/arm.status").strip() == "0", machine.read("out/2/arm")
    assert machine.read("out/2/status").startswith("armed: ")
    assert machine.read("out/3/collect.status").strip() == "0", machine.read("out/3/collect")
    assert machine.read("out/3/disarm.status").strip() == "0", machine.read("out/3/disarm")
    assert machine.read("out/1/defaults") == machine.read("out/4/defaults") == DEFAULTS
    assert params in machine.read("out/2/dropins") and machine.read("out/4/dropins") == ""
    (report,) = [handheld.Report(path) for path in machine.reports()]
    assert "crash_null" in report.summary()
    return report


@uses(kdump_by_grub, series="6.1")
def test_reservation_for_a_crash_kernel(outcome):
    report = check(outcome, "crashkernel=112M")
    assert "BUG: kernel NULL pointer dereference" in report.one(r"dmesg-kdump\..*")
    sizes = [int(outcome.read(f"out/{boot}/crash_size")) >> 20 for boot in (1, 2, 4)]
    assert sizes == [0, 112, 0]


@uses(ramoops_by_grub, series="6.12")
def test_reservation_for_ramoops(outcome):
    report = check(outcome, "reserve_mem=5M:4096:oops ramoops.mem_name=oops")
    assert "Fatal exception" in report.dmesg()
    assert "5 MiB" in outcome.read("out/2/arm")
