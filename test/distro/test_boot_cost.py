# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the package costs a boot that has nothing to do for it, against the same guest without it.

Time is counted in instructions: two boots of one guest differ by a part in a thousand. Nothing here
depends on how fast the computer is."""

import os
import shutil
import tarfile

import pytest

import image
import machine
from test_packages import build

pytestmark = pytest.mark.skipif(bool(os.environ.get("FAST")), reason="not in the fast form")
# Of the boot, on one slow core.
LIMIT = 0.01


@pytest.fixture(scope="module")
def boots(one_at_a_time, tmp_path_factory):
    lacking = image.missing_tools() + [tool for tool in ("dpkg-buildpackage", "qemu-system-x86_64")
                                       if not shutil.which(tool)]
    if lacking:
        pytest.skip(f"missing: {', '.join(lacking)}; tools/setup --distro installs them")
    folder = tmp_path_factory.mktemp("cost")
    packages = folder / "packages.tar"
    with tarfile.open(packages, "w") as tar:
        tar.add(build("deb", image.CACHE / "first")[0], "first.deb")
    extra = ["-drive", f"if=none,id=packages,format=raw,readonly=on,file={packages}",
             "-device", "virtio-blk-pci,drive=packages"]
    found = {}

    def measure(guest, name):
        guest.reboots("systemctl reboot")
        found[name] = machine.boot_seconds(guest)
        found[name + " units"] = guest.run(
            "systemd-analyze blame --no-pager | grep -E 'kdump'; systemctl show -p CPUUsageNSec "
            "kdump-steamos.service")[1]
        print(f"{name}: {found[name]}\n{found[name + ' units']}", flush=True)

    with machine.Machine(machine.ready_disk("ready"), folder / "machine", extra=extra,
                         counted=True) as guest:
        guest.settle()
        guest.check("mkdir -p /root/p && cd /root/p && tar -xf /dev/vdb && dpkg -i first.deb 2>&1", 300)
        guest.reboots("systemctl reboot")  # after an installation some of systemd's own has work to do
        guest.settle()
        measure(guest, "with")
        armed = guest.run("kdump-steamos status --json")
        assert armed[0] == 0 and '"armed": true' in armed[1]
        guest.check("dpkg -r kdump-steamos 2>&1", 300)
        guest.reboots("systemctl reboot")
        guest.settle()
        measure(guest, "without")
        guest.power_off()
    return found


def test_a_boot_with_nothing_to_do(boots):
    with_it, without = boots["with"][1], boots["without"][1]
    print(f"boot: {with_it:.2f} s with the package, {without:.2f} s without: "
          f"{100 * (with_it / without - 1):+.2f} %")
    assert with_it <= without * (1 + LIMIT)
