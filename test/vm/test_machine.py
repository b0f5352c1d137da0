# SPDX-License-Identifier: LGPL-2.1-or-later
"""The test machine itself, without our program: it boots, dies, comes back, and its RAM with it."""

import os

import qemu
from scenario import uses

LOAD = """
start=$(sed -n 's/^ *\\([0-9a-f]*\\)-.*: RAM buffer$/\\1/p' /proc/iomem)
modprobe ramoops mem_address=0x$start mem_size=0x500000 record_size=0x100000
mkdir -p /home/out/$BOOT/pstore
for record in /sys/fs/pstore/*; do
    [ ! -f "$record" ] || cp "$record" /home/out/$BOOT/pstore/
done
"""


def crash_and_return(guest):
    """A panic with ramoops loaded by hand, and the boot after it."""
    jobs = [LOAD + "crash sysrq", LOAD + "dmidecode -s system-serial-number >/home/out/2/serial"]
    return qemu.Machine(guest, "machine-" + guest.kernel.series, jobs).run(timeout=120)


def records(machine):
    """The dmesg records that the second boot found, as one text."""
    folder = os.path.join(machine.home, "out/2/pstore")
    return "".join(machine.read("out/2/pstore/" + name) for name in sorted(os.listdir(folder)))


@uses(crash_and_return)
def test_panics_and_comes_back_by_itself(outcome):
    words = outcome.serial()
    assert "Kernel panic - not syncing: sysrq triggered crash" in words
    assert words.index("vm: boot 1,") < words.index("Kernel panic") < words.index("vm: boot 2,")
    assert "vm: boot 3," not in words


@uses(crash_and_return)
def test_boots_the_kernel_asked_for(outcome):
    assert f"vm: boot 1, {outcome.guest.kernel.version}," in outcome.serial()


@uses(crash_and_return)
def test_ram_buffer_survives_the_reset(outcome):
    text = records(outcome)
    assert text.startswith("Panic#1 Part1\n")
    assert "Kernel panic - not syncing: sysrq triggered crash" in text
    # The beginning of the boot is in it too, so nothing was cut.
    assert f"Linux version {outcome.guest.kernel.version}" in text


@uses(crash_and_return)
def test_firmware_names_a_handheld(outcome):
    assert outcome.read("out/2/serial").strip() == "TESTSERIAL"
