# SPDX-License-Identifier: LGPL-2.1-or-later
"""initrd: the capture image of machines of many kinds, from real module trees."""

import functools
import gzip
import lzma
import os
import pathlib
import re
import shutil
import stat
import subprocess
import tempfile
import time

import pytest

from test_collect import mounted
from tree import FOLDER, Tree

KERNEL = "6.1.99-valve9"
DEPMOD = shutil.which("depmod", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
PCI = "sys/devices/pci0000:00"
UUID = "11111111-2222-3333-4444-555555555555"

# name of the disk → (its directory in sysfs below the PCI root, ((directory, module of the driver) …))
DISKS = {
    "vda3": ("0000:00:03.0/virtio1/block/vda/vda3",
             [("0000:00:03.0", "virtio_pci"), ("0000:00:03.0/virtio1", "virtio_blk")]),
    "nvme0n1p8": ("0000:00:01.2/0000:02:00.0/nvme/nvme0/nvme0n1/nvme0n1p8",
                  [("0000:00:01.2/0000:02:00.0", "nvme")]),
    "sda4": ("0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda/sda4",
             [("0000:00:1f.2", "ahci"),
              ("0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0", "sd_mod")]),
    "sdb1": ("0000:00:14.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0/block/sdb/sdb1",
             [("0000:00:14.0", "xhci_pci"), ("0000:00:14.0/usb2/2-1/2-1:1.0", "uas"),
              ("0000:00:14.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0", "sd_mod")]),
    "mmcblk0p8": ("0000:00:10.0/mmc_host/mmc0/mmc0:0001/block/mmcblk0/mmcblk0p8",
                  [("0000:00:10.0", "sdhci_pci"),
                   ("0000:00:10.0/mmc_host/mmc0/mmc0:0001", "mmc_block")]),
    # with NVMe's own multipath
    "nvme1n1p2": ("../virtual/nvme-subsystem/nvme-subsys1/nvme1n1/nvme1n1p2",
                  [("0000:00:01.3/0000:03:00.0", "nvme")]),
}
# module → the driver of another name that sysfs does not link to it
UNOWNED = {"mmc_block": "mmcblk"}

# module → what it depends on
MODULES = {
    "virtio": [], "virtio_ring": ["virtio"], "virtio_pci": ["virtio", "virtio_ring"],
    "virtio_blk": ["virtio", "virtio_ring"], "nvme_core": [], "nvme": ["nvme_core"],
    "scsi_mod": [], "libata": ["scsi_mod"], "libahci": ["libata"], "ahci": ["libahci", "libata"],
    "sd_mod": ["scsi_mod"], "usbcore": [], "xhci_hcd": ["usbcore"], "xhci_pci": ["xhci_hcd"],
    "usb_storage": ["usbcore", "scsi_mod"], "uas": ["usb_storage"], "mmc_core": [],
    "sdhci": ["mmc_core"], "sdhci_pci": ["sdhci"], "mmc_block": ["mmc_core"], "crc16": [],
    "mbcache": [], "jbd2": [], "ext4": ["crc16", "mbcache", "jbd2"], "crc32c_generic": [],
    "sp5100_tco": [], "lpc_ich": [], "iTCO_wdt": [], "raid6_pq": [], "xor": [], "btrfs": ["raid6_pq", "xor"], "f2fs": [], "unused": [],
}
SUFFIXES = [".ko", ".ko.gz", ".ko.xz", ".ko.zst"]


def assembled(name):
    """A module as depmod sees it: it exports a symbol and asks for those of what it needs."""
    lines = [f'.section __ksymtab_strings,"a"\n.asciz "{name}_symbol"\n',
             f'.section .modinfo,"a"\n.asciz "name={name}"\n.asciz "license=GPL"\n']
    if name == "ext4":
        lines.append('.asciz "softdep=pre: crc32c_generic"\n')
    lines.append(".text\n" + "".join(f".quad {need}_symbol\n" for need in MODULES[name]))
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "module.ko")
        subprocess.run(["as", "-o", out, "-"], input="".join(lines).encode(), check=True)
        return pathlib.Path(out).read_bytes()


@functools.lru_cache
def module(name):
    return assembled(name)


def packed(name, suffix):
    data = module(name)
    if suffix == ".ko.gz":
        return gzip.compress(data, mtime=0)
    if suffix == ".ko.xz":
        return lzma.compress(data, check=lzma.CHECK_CRC32)
    if suffix == ".ko.zst":
        return subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout
    return data


class Machine(Tree):
    """A tree with a disk, a kernel's modules and the capture program."""

    def __init__(self, path, disk="vda3", fstype="ext4", root="/", options="rw", place="/home",
                 kernel=KERNEL):
        super().__init__(path)
        self.folder.mkdir(parents=True, mode=0o700)
        self.disk = disk
        where, drivers = DISKS[disk]
        device = self.path / PCI / where
        device = pathlib.Path(os.path.normpath(device))
        device.mkdir(parents=True)
        (device / "dev").write_text("259:8\n")
        (device / "partition").write_text(f"{disk[-1]}\n")
        for parent, module in drivers:
            self.driver(self.path / PCI / parent, module)
        if "nvme-subsystem" in where:
            controller = self.path / PCI / drivers[0][0] / "nvme/nvme1"
            controller.mkdir(parents=True)
            self.link(device.parent.parent / "nvme1", controller)
        self.link("sys/dev/block/259:8", device)
        self.link(f"sys/class/block/{disk}", device)
        number = "0:42" if fstype == "btrfs" else "259:8"
        self.write("proc/self/mountinfo",
                   f"20 1 259:4 / / rw - ext4 /dev/other rw\n"
                   f"30 20 {number} {root} {place} rw,noatime - {fstype} /dev/{disk} {options}\n")
        self.write("run/udev/data/b259:8", f"S:x\nE:ID_FS_UUID={UUID}\n"
                   f"E:ID_PART_ENTRY_UUID=aaaaaaaa-0001\n")
        self.modules(kernel)
        self.write("usr/lib/kdump-steamos/capture", "the capture program")

    def link(self, name, target):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(os.path.relpath(target, path.parent))

    def driver(self, device, module):
        where = self.path / "sys/bus/x/drivers" / UNOWNED.get(module, module)
        where.mkdir(parents=True, exist_ok=True)
        target = self.path / "sys/module" / module
        target.mkdir(parents=True, exist_ok=True)
        if module not in UNOWNED and not (where / "module").is_symlink():
            self.link(os.path.relpath(where / "module", self.path), target)
        self.link(os.path.relpath(device / "driver", self.path), where)

    def modules(self, kernel, suffixes=SUFFIXES):
        tree = self.path / f"usr/lib/modules/{kernel}"
        for name in MODULES:
            self.write(tree / f"kernel/{name}.ko", module(name))
        for name in ("modules.order", "modules.builtin"):
            self.write(tree / name, "")
        if not (self.path / "lib").is_symlink():
            (self.path / "lib").symlink_to("usr/lib")
        subprocess.run([DEPMOD, "-b", str(self.path), kernel], check=True, capture_output=True)
        # Not every depmod can read compressed modules: they are renamed in its index afterwards, to
        # names of the same length.
        index = (tree / "modules.dep.bin").read_bytes()
        for number, name in enumerate(MODULES):
            suffix = suffixes[number % len(suffixes)]
            if suffix == ".ko":
                continue
            folder = "kernel"[:6 - (len(suffix) - 3)]
            self.write(tree / f"{folder}/{name}{suffix}", packed(name, suffix))
            (tree / f"kernel/{name}.ko").unlink()
            index = re.sub(rb"kernel/%s\.ko(?=[: \0\n])" % name.encode(),
                           f"{folder}/{name}{suffix}".encode(), index)
        (tree / "modules.dep.bin").write_bytes(index)

    def image(self, kernel=KERNEL):
        return self.folder / f"kdump-initrd-{kernel}.img"

    def build(self, *arguments, status=0):
        done = self.run("initrd", *arguments)
        assert done.returncode == status, done.stderr
        return done


def unpack(image, folder):
    """The image as the kernel unpacks it."""
    folder.mkdir()
    data = gzip.decompress(image.read_bytes())
    subprocess.run(["cpio", "-idm", "--quiet", "--no-absolute-filenames"], input=data, cwd=folder,
                   check=True, capture_output=True)
    return folder


def conf(folder):
    lines = (folder / "kdump.conf").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def loaded(folder):
    names = [line.split()[0] for line in (folder / "modules.list").read_text().splitlines()]
    assert all(name.startswith("/modules/") for name in names)
    assert sorted(name[9:] for name in names) == sorted(p.name for p in (folder / "modules").iterdir())
    return [name[9:-3] for name in names]


@pytest.mark.parametrize("disk", DISKS)
def test_each_kind_of_disk(tmp_path, disk):
    machine = Machine(tmp_path / "tree", disk)
    machine.build()
    folder = unpack(machine.image(), tmp_path / "image")
    assert conf(folder) == {"TARGET": "PARTUUID=aaaaaaaa-0001", "FSTYPE": "ext4", "MOUNTOPTS": "",
                            "SUBDIR": ".steamos/offload/var/kdump", "FULL_COREDUMP": "0",
                            "WAIT_SECONDS": "30"}
    order = loaded(folder)
    wanted = {module for _, module in DISKS[disk][1]} | {"ext4", "crc32c_generic"}
    assert wanted <= set(order) and "unused" not in order
    for name in order:
        assert all(order.index(need) < order.index(name) for need in MODULES[name])
        assert (folder / f"modules/{name}.ko").read_bytes() == module(name)
    assert (folder / "init").read_text() == "the capture program"
    assert os.access(folder / "init", os.X_OK)
    assert {"dev", "proc", "sys"} <= {path.name for path in folder.iterdir()}


def test_module_parameters_come_along(tmp_path):
    """The capture program loads modules without modprobe, which would look for them."""
    machine = Machine(tmp_path / "tree", "nvme0n1p8")
    machine.write("usr/lib/modprobe.d/a.conf", "options ext4 never=1\n")
    machine.write("etc/modprobe.d/a.conf", "options nvme poll_queues=2\\\n io_queue_depth=64\n"
                  "options unused x=1\noptions crc16\n")
    machine.write("etc/modprobe.d/b.conf", f"options mbcache long={'x' * 1000}\n")
    machine.write("proc/cmdline", "quiet nvme_core.default_ps_max_latency_us=0 nvme-core.multipath "
                  "nvme.poll_queues=2 nvme.poll_queues=3 jbd2.text=\"two words\" nvme.=1\n")
    assert "mbcache is too long" in machine.build().stderr
    folder = unpack(machine.image(), tmp_path / "image")
    lines = (folder / "modules.list").read_text().splitlines()
    assert {line.split()[0][9:-3]: line.partition(" ")[2] for line in lines if " " in line} == {
        "nvme": "poll_queues=2 io_queue_depth=64 poll_queues=3",
        "nvme_core": "default_ps_max_latency_us=0 multipath", "jbd2": 'text="two words"'}
    machine.write("etc/modprobe.d/a.conf", "options nvme poll_queues=1\n")
    assert "what is set for the module nvme has changed" in machine.build().stdout
    machine.write("proc/cmdline", "quiet\n")
    machine.write("usr/lib/modprobe.d/a.conf", "")
    machine.write("etc/modprobe.d/a.conf", "")
    assert "is not needed any more" in machine.build().stdout
    assert " " not in (unpack(machine.image(), tmp_path / "none") / "modules.list").read_text()


def test_image_is_its_owners_alone(tmp_path):
    machine = Machine(tmp_path / "tree")
    machine.build()
    assert machine.image().stat().st_mode & 0o777 == 0o600


def test_watchdog_driver_comes_along(tmp_path):
    """Else a watchdog that runs would end the capture."""
    machine = Machine(tmp_path / "tree")
    device = machine.path / "sys/devices/platform/sp5100-tco"
    device.mkdir(parents=True)
    machine.driver(device, "sp5100_tco")
    machine.link("sys/class/watchdog/watchdog0/device", device)
    machine.build()
    assert "sp5100_tco" in loaded(unpack(machine.image(), tmp_path / "image"))


def test_what_a_watchdog_hangs_on_comes_along(tmp_path):
    """Another driver makes its device, and is loaded before it."""
    machine = Machine(tmp_path / "tree")
    device = machine.path / PCI / "0000:00:1f.0/iTCO_wdt.1.auto"
    device.mkdir(parents=True)
    machine.driver(device.parent, "lpc_ich")
    machine.driver(device, "iTCO_wdt")
    machine.link("sys/class/watchdog/watchdog0/device", device)
    machine.build()
    order = loaded(unpack(machine.image(), tmp_path / "image"))
    assert order.index("lpc_ich") < order.index("iTCO_wdt")


def test_btrfs_subvolume(tmp_path):
    machine = Machine(tmp_path / "tree", "nvme0n1p8", "btrfs", "/@home",
                      "rw,ssd,space_cache=v2,subvolid=257,subvol=/@home")
    machine.build()
    found = conf(unpack(machine.image(), tmp_path / "image"))
    assert (found["TARGET"], found["FSTYPE"]) == (f"UUID={UUID}", "btrfs")
    assert found["MOUNTOPTS"] == "subvol=/@home"
    assert found["SUBDIR"] == ".steamos/offload/var/kdump"


def test_bound_folder(tmp_path):
    """The offload folder is bound from elsewhere on its file system."""
    machine = Machine(tmp_path / "tree", root="/keep it/var", place="/home/.steamos/offload/var")
    text = (machine.path / "proc/self/mountinfo").read_text()
    machine.write("proc/self/mountinfo", text.replace("/keep it/var", "/keep\\040it/var"))
    machine.build()
    assert conf(unpack(machine.image(), tmp_path / "image"))["SUBDIR"] == "keep it/var/kdump"


def test_without_udev_the_device_tells(tmp_path):
    machine = Machine(tmp_path / "tree")
    (machine.path / "run/udev/data/b259:8").unlink()
    disk = machine.path / "dev/vda3"
    disk.parent.mkdir()
    with open(disk, "wb") as file:
        file.truncate(8 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-U", UUID, str(disk)], check=True,
                   env=dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/sbin"))
    machine.build()
    assert conf(unpack(machine.image(), tmp_path / "image"))["TARGET"] == f"UUID={UUID}"


def refused(machine, word):
    done = machine.build(status=1)
    assert word in done.stderr
    assert not machine.image().exists()
    assert machine.leftovers() == []


def test_encrypted_disk_is_refused(tmp_path):
    machine = Machine(tmp_path / "tree")
    machine.write(f"{PCI}/{os.path.dirname(DISKS['vda3'][0])}/dm/uuid", "CRYPT-LUKS2-0123-home\n")
    refused(machine, "encrypted")


def test_encrypted_btrfs_is_refused_by_its_reason(tmp_path, monkeypatch):
    """A btrfs has no device number, and the name of its device is a link's."""
    monkeypatch.setitem(DISKS, "dm-3", ("../virtual/block/dm-3", []))
    machine = Machine(tmp_path / "tree", "dm-3", "btrfs", "/@home", "rw,subvol=/@home")
    machine.write("sys/devices/virtual/block/dm-3/dm/uuid", "CRYPT-LUKS2-0123-home\n")
    (machine.path / "sys/devices/virtual/block/dm-3/partition").unlink()
    text = (machine.path / "proc/self/mountinfo").read_text()
    machine.write("proc/self/mountinfo", text.replace("/dev/dm-3", "/dev/mapper/luks-home"))
    (machine.path / "dev").mkdir()
    try:
        os.mknod(machine.path / "dev/dm-3", stat.S_IFBLK | 0o600, os.makedev(259, 8))
    except PermissionError:
        pytest.skip("no device files here")
    machine.link("dev/mapper/luks-home", machine.path / "dev/dm-3")
    refused(machine, "encrypted")


def test_raid_is_refused(tmp_path):
    machine = Machine(tmp_path / "tree")
    (machine.path / PCI / os.path.dirname(DISKS["vda3"][0]) / "md").mkdir()
    refused(machine, "RAID")


@pytest.mark.parametrize("device", ["bcache0", "nbd0", "zram1"])
def test_what_software_makes_is_refused(tmp_path, monkeypatch, device):
    monkeypatch.setitem(DISKS, device, (f"../virtual/block/{device}", []))
    refused(Machine(tmp_path / "tree", device), "made by software")


def test_network_disks_are_refused(tmp_path, monkeypatch):
    where = "../platform/host3/session1/target3:0:0/3:0:0:0"
    monkeypatch.setitem(DISKS, "sdc1", (f"{where}/block/sdc/sdc1", [(where, "sd_mod")]))
    refused(Machine(tmp_path / "iscsi", "sdc1"), "iSCSI")
    fabrics = "../virtual/nvme-fabrics/ctl"
    monkeypatch.setitem(DISKS, "nvme1n1p2", (DISKS["nvme1n1p2"][0], [(fabrics, "nvme")]))
    refused(Machine(tmp_path / "fabrics", "nvme1n1p2"), "no controller in this machine")


@pytest.mark.parametrize("drivers", [[], [("0000:00:01.2", "pcieport")]])
def test_disk_without_a_driver_is_refused(tmp_path, monkeypatch, drivers):
    monkeypatch.setitem(DISKS, "odd1", ("0000:00:01.2/0000:02:00.0/block/odd/odd1", drivers))
    refused(Machine(tmp_path / "tree", "odd1"), "no driver of odd1")


def test_network_file_system_is_refused(tmp_path):
    machine = Machine(tmp_path / "tree")
    machine.write("proc/self/mountinfo", "30 20 0:55 / /home rw - nfs4 server:/home rw\n")
    refused(machine, "no local disk")


def test_no_name_that_stays_is_refused(tmp_path):
    machine = Machine(tmp_path / "tree")
    (machine.path / "run/udev/data/b259:8").unlink()
    refused(machine, "no name that stays")


def test_missing_kernel_is_said(tmp_path):
    machine = Machine(tmp_path / "tree")
    assert "9.9.9" in machine.build("--kernel=9.9.9", status=1).stderr
    assert machine.build("--kernel=../../etc", status=1).returncode == 1


def test_missing_capture_program_is_said(tmp_path):
    machine = Machine(tmp_path / "tree")
    (machine.path / "usr/lib/kdump-steamos/capture").unlink()
    refused(machine, "install the package again")


def test_same_bytes_for_the_same_input(tmp_path):
    machine = Machine(tmp_path / "tree")
    machine.build()
    first = machine.image().read_bytes()
    machine.build("--force")
    assert machine.image().read_bytes() == first
    machine.build("-o", str(tmp_path / "copy.img"))
    assert (tmp_path / "copy.img").read_bytes() == first


def test_made_anew_only_when_something_changed(tmp_path):
    machine = Machine(tmp_path / "tree")
    assert "there was none" in machine.build().stdout
    before = machine.image().stat()
    assert "up to date" in machine.build().stdout
    assert machine.image().stat().st_ino == before.st_ino
    changes = [
        ("kdump.conf has changed", lambda: machine.config(FULL_COREDUMP="1")),
        ("capture has changed", lambda: machine.write("usr/lib/kdump-steamos/capture", "newer")),
        ("jbd2", lambda: machine.write(next((machine.path / f"usr/lib/modules/{KERNEL}").glob("*/jbd2*")), module("jbd2"))),
        ("there was none", machine.image().unlink),
        ("not known", lambda: machine.image().write_bytes(b"cut off")),
        # The crash kernel runs it as root, and the folder is the submitting user's.
        ("somebody else's", lambda: machine.image().chmod(0o620)),
    ]
    if os.geteuid() == 0:
        changes.append(("somebody else's", lambda: os.chown(machine.image(), 4242, 4242)))
    for word, change in changes:
        change()
        said = machine.build().stdout
        assert word in said, (word, said)
        assert "up to date" in machine.build().stdout


def test_what_is_loaded_stays_until_arm(tmp_path):
    machine = Machine(tmp_path / "tree")
    assert "still starts" not in machine.build().stderr
    machine.write("sys/kernel/kexec_crash_loaded", "1\n")
    assert "still starts" not in machine.build().stderr
    assert "to load the new image: kdump-steamos arm" in machine.build("--force").stderr
    machine.modules("6.1.100-valve1")
    assert "still starts" not in machine.build("--kernel=6.1.100-valve1").stderr


def test_images_of_kernels_that_are_gone_go(tmp_path):
    """But not at once: it may be the other system's of two that take turns."""
    machine = Machine(tmp_path / "tree")
    long_ago = time.time() - 61 * 86400
    machine.modules("6.1.100-valve1")
    machine.build("--kernel=6.1.100-valve1")
    machine.build()
    alien = machine.write(f"{FOLDER}/initramfs-linux.img", "somebody else's")
    shutil.rmtree(machine.path / "usr/lib/modules/6.1.100-valve1")
    os.utime(machine.image(), (long_ago, long_ago))
    machine.build()
    assert machine.image("6.1.100-valve1").exists()
    assert machine.image().stat().st_mtime > time.time() - 86400  # it is in use
    os.utime(machine.image("6.1.100-valve1"), (long_ago, long_ago))
    # a kernel of which that cannot be told
    (machine.path / "usr/lib/modules/6.1.101").symlink_to("6.1.101")
    loop = machine.write(f"{FOLDER}/kdump-initrd-6.1.101.img", "ours", long_ago)
    assert "removed the capture image of 6.1.100-valve1" in machine.build().stderr
    assert loop.exists()
    loop.unlink()
    assert not machine.image("6.1.100-valve1").exists()
    assert machine.image().exists() and alien.exists()
    notes = sorted(path.name for path in (machine.folder / "state").glob("kdump-initrd-*"))
    assert notes == [f"kdump-initrd-{KERNEL}.json"]


def test_killed_at_any_call_leaves_a_whole_image_or_none(tmp_path):
    template = Machine(tmp_path / "tree")
    for number in range(1, 40):
        machine = template.copy(tmp_path / f"tree{number}")
        done = machine.run("initrd", wrapper=[
            "strace", "-f", "-o", "/dev/null", "-e", "trace=write,fsync,renameat,renameat2", "-e",
            f"inject=write,fsync,renameat,renameat2:signal=KILL:when={number}"])
        if done.returncode == 0:
            break
        image = machine.folder / f"kdump-initrd-{KERNEL}.img"
        if image.exists():
            gzip.decompress(image.read_bytes())
        assert machine.run("initrd").returncode == 0
        assert "070701" in gzip.decompress(image.read_bytes())[:6].decode()
    assert number > 2


@pytest.mark.skipif(not shutil.which("makedumpfile", path="/usr/bin:/usr/sbin"), reason="no makedumpfile")
def test_makedumpfile_with_its_libraries(tmp_path):
    """The image has all that the program needs: it runs in there."""
    machine = Machine(tmp_path / "tree")
    machine.config(FULL_COREDUMP="1")  # the default command is what Debian's can do
    real = os.path.realpath(shutil.which("makedumpfile", path="/usr/bin:/usr/sbin"))
    for name in [real, *(line.split()[-2] for line in subprocess.run(
            ["ldd", real], capture_output=True, text=True, check=True).stdout.splitlines()
            if "/" in line)]:
        target = machine.path / name.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(os.path.realpath(name), target)
    machine.build()
    folder = unpack(machine.image(), tmp_path / "image")
    command = conf(folder)["MAKEDUMPFILE"].split()
    assert command[1:] == ["-l", "-d", "31"]
    if os.geteuid() == 0:
        done = subprocess.run(["chroot", str(folder), command[0], "-v"], capture_output=True, text=True,
                              check=False)
        assert done.returncode == 0 and "makedumpfile: version" in done.stdout + done.stderr


def test_libraries_of_32_bits_are_passed_over(tmp_path):
    """Where Steam runs, /usr/lib has them, and /usr/lib64 the others."""
    machine = Machine(tmp_path / "tree")
    machine.config(FULL_COREDUMP="1", MAKEDUMPFILE_COREDUMP_CMD="true")
    for name in ["/usr/bin/true", *(line.split()[-2] for line in subprocess.run(
            ["ldd", "/usr/bin/true"], capture_output=True, text=True, check=True).stdout.splitlines()
            if "/" in line)]:
        data = bytearray(pathlib.Path(name).read_bytes())
        if name == "/usr/bin/true" or "ld-" in name:
            machine.write(name[1:], data)
            continue
        machine.write(f"usr/lib64/{os.path.basename(name)}", data)
        data[4] = 1  # ELFCLASS32
        machine.write(f"usr/lib/{os.path.basename(name)}", data)
    done = machine.build()
    assert "whole" not in done.stderr
    folder = unpack(machine.image(), tmp_path / "image")
    assert (folder / "usr/lib64/libc.so.6").exists() and not (folder / "usr/lib/libc.so.6").exists()


def test_missing_library_is_said(tmp_path):
    machine = Machine(tmp_path / "tree")
    machine.config(FULL_COREDUMP="1", MAKEDUMPFILE_COREDUMP_CMD="/usr/bin/true")
    target = machine.path / "usr/bin/true"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy("/usr/bin/true", target)
    done = machine.build()
    assert "is missing" in done.stderr and "will be saved whole" in done.stderr
    assert "MAKEDUMPFILE" not in conf(unpack(machine.image(), tmp_path / "image"))
    # every boot looks whether the image is up to date
    assert machine.build().stderr == ""
    assert "will be saved whole" in machine.build("--force").stderr
    assert "will be saved whole" in machine.build("-o", str(tmp_path / "copy.img")).stderr


def test_what_an_option_costs_is_said_once(tmp_path):
    machine = Machine(tmp_path / "tree")
    machine.config(FULL_COREDUMP="1", MAKEDUMPFILE_COREDUMP_CMD="makedumpfile --num-threads 4 -d 31")
    # an ELF header, with program headers of 56 bytes each and none of them: it needs no library
    machine.write("usr/bin/makedumpfile", b"\x7fELF\x02\x01\x01" + bytes(47) + b"\x38" + bytes(9))
    assert "many times slower" in machine.build().stderr
    assert machine.build().stderr == ""
    machine.config(MAKEDUMPFILE_COREDUMP_CMD="makedumpfile --num-threads 2 -d 31")
    assert "many times slower" in machine.build().stderr


@pytest.mark.parametrize("script, words", [
    ("mount --bind {0} {0} && mount -o remount,bind,ro {0}", "mount it read-write"),
    ("mount -t tmpfs -o size=4k,mode=700 none {0} && mkdir {0}/state && head -c 4096 /dev/zero >{0}/x",
     "make room there")])
def test_a_folder_that_takes_nothing(tmp_path, script, words):
    """An image that is asked for is for the boots to come: nothing is kept for this one instead."""
    machine = Machine(tmp_path / "tree")
    done = machine.run("initrd", wrapper=mounted(script.format(machine.folder)))
    assert done.returncode == 1 and words in done.stderr, done.stderr
    assert not (machine.path / "run/kdump-steamos").exists()
    machine.build()
    if "remount" in script:  # what is there is up to date
        done = machine.run("initrd", wrapper=mounted(script.format(machine.folder)))
        assert done.returncode == 0 and "up to date" in done.stdout, done.stderr


def test_usage(tmp_path):
    machine = Machine(tmp_path / "tree")
    assert machine.run("initrd", "now").returncode == 2
    assert machine.run("initrd", "--what").returncode == 2
