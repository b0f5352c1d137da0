# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks with one partition and a file system, made without root."""

import os
import re
import struct
import uuid
import zlib

import guest as guests

SECTOR = 512
START = 2048  # first sector of the partition
BLOCK = 4096  # of the file systems whose blocks are asked for
BACKUP = 33   # sectors of the GPT's copy at the end

# How QEMU attaches a disk, the modules that drive it, and the partition's name in the guest.
BUSES = {
    "virtio": (["virtio-blk-pci,drive=target"], ["virtio_pci", "virtio_blk"], "/dev/vdc1"),
    "nvme": (["nvme,drive=target,serial=1"], ["nvme"], "/dev/nvme0n1p1"),
    # A drive that says it may have more than one controller: the kernel puts a device of its own
    # above its paths, which has no parent.
    "nvme_multipath": (["nvme-subsys,id=subsystem", "nvme,subsys=subsystem,serial=1",
                        "nvme-ns,drive=target"], ["nvme"], "/dev/nvme0n1p1"),
    "ahci": (["ide-hd,drive=target,bus=ide.0"], ["ahci", "sd_mod"], "/dev/sda1"),
    "usb": (["qemu-xhci,id=xhci", "usb-storage,bus=xhci.0,drive=target"],
            ["xhci_pci", "usb_storage", "sd_mod"], "/dev/sda1"),
    "sd": (["sdhci-pci", "sd-card,drive=target"], ["sdhci_pci", "mmc_block"], "/dev/mmcblk0p1"),
}

# mkfs and its options; the UUID and the image come behind them. The kernel's crc32c is asked for by
# name, which no module depends on.
FILE_SYSTEMS = {
    "ext4": (["mkfs.ext4", "-q", "-F", "-U"], ["crc32c_generic", "ext4"]),
    "btrfs": (["mkfs.btrfs", "-q", "-f", "-U"],
              ["crc32c_generic", "xxhash_generic", "blake2b_generic", "sha256_generic", "btrfs"]),
    "f2fs": (["mkfs.f2fs", "-q", "-f", "-U"], ["crc32_generic", "crc32_pclmul", "f2fs"]),
    "xfs": (["mkfs.xfs", "-q", "-f", "-m"], ["crc32c_generic", "xfs"]),
    "vfat": (["mkfs.vfat", "-i"], ["nls_cp437", "nls_ascii", "vfat"]),
}

MODULES = sorted({module for _, modules, _ in BUSES.values() for module in modules} |
                 {module for _, modules in FILE_SYSTEMS.values() for module in modules})


def _gpt(sectors, part_uuid):
    """The primary GPT (UEFI 2.10, 5.3) of a disk with one partition: sectors 0 to 33."""
    entry = (uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4").bytes_le + part_uuid.bytes_le +
             struct.pack("<QQQ", START, sectors - BACKUP - 1 - 1, 0) + "target".encode("utf-16-le"))
    entries = entry.ljust(128, b"\0") + bytes(127 * 128)

    def header(crc):
        return struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, crc, 0, 1, sectors - 1, 34,
                           sectors - BACKUP - 1, uuid.uuid4().bytes_le, 2, 128, 128,
                           zlib.crc32(entries))

    plain = header(0)
    sealed = plain[:16] + struct.pack("<I", zlib.crc32(plain)) + plain[20:]
    protective = bytes(446) + struct.pack("<BBBBBBBBII", 0, 0, 2, 0, 0xee, 255, 255, 255, 1,
                                          sectors - 1) + bytes(48) + b"\x55\xaa"
    return protective + sealed.ljust(SECTOR, b"\0") + entries


def _mbr(sectors, signature):
    return (bytes(440) + struct.pack("<IH", signature, 0) +
            struct.pack("<BBBBBBBBII", 0, 0, 2, 0, 0x83, 255, 255, 255, START, sectors - START) +
            bytes(48) + b"\x55\xaa")


class Disk:
    """A raw image: .path, and the partition's .uuid and .partuuid. second: a btrfs has another
    disk, .second, without a partition table."""

    def __init__(self, path, fstype, *, mib=256, table="gpt", mkfs=(), second=False):
        self.path, self.fstype = path, fstype
        self.size = mib << 20
        sectors = self.size // SECTOR
        self.uuid = "5EED-F00D" if fstype == "vfat" else str(uuid.uuid4())
        if table == "gpt":
            part = uuid.uuid4()
            self.partuuid, head = str(part), _gpt(sectors, part)
        else:
            self.partuuid, head = "1badcafe-01", _mbr(sectors, 0x1badcafe)
        command = list(FILE_SYSTEMS[fstype][0])
        image = path + ".part"
        with open(image, "wb") as file:
            file.truncate(self.size - (START + BACKUP) * SECTOR)
        name = {"xfs": "uuid=" + self.uuid, "vfat": self.uuid.replace("-", "")}.get(fstype, self.uuid)
        program = guests.which(command[0])
        self.second = path + ".second" if second else None
        more = []
        if second:
            more = [self.second]
            with open(self.second, "wb") as file:
                file.truncate(self.size)
        guests.run([program, *command[1:], name, *mkfs, image, *more])
        with open(path, "wb") as disk, open(image, "rb") as part:
            disk.truncate(self.size)
            disk.write(head)
            disk.seek(START * SECTOR)
            self._copy_sparse(part, disk)
        os.unlink(image)

    @staticmethod
    def _copy_sparse(source, target):
        while True:
            block = source.read(1 << 16)
            if not block:
                return
            if block.count(0) == len(block):
                target.seek(len(block), os.SEEK_CUR)
            else:
                target.write(block)

    def patch(self, offset, data):
        """Overwrite bytes of the partition."""
        with open(self.path, "r+b") as file:
            file.seek(START * SECTOR + offset)
            file.write(data)

    def extract(self, target):
        """The partition as a file."""
        with open(self.path, "rb") as disk, open(target, "wb") as part:
            part.truncate(self.size - (START + BACKUP) * SECTOR)
            disk.seek(START * SECTOR)
            self._copy_sparse(disk, part)

    def _look(self, *command):
        part = self.path + ".look"
        self.extract(part)
        try:
            return guests.run([*command, part])
        finally:
            os.unlink(part)

    def journal_blocks(self):
        """The blocks of an ext4's journal behind its first, which is the journal's superblock."""
        lines = self._look("debugfs", "-R", "blocks <8>").splitlines()
        return [int(block) for block in lines[-1].split()[1:]]

    def free_blocks(self):
        """The blocks of an ext4 that nothing uses: what is written later goes there."""
        blocks = []
        for ranges in re.findall(r"^  Free blocks: (.+)$", self._look("dumpe2fs"), re.M):
            for text in ranges.split(", "):
                first, _, last = text.partition("-")
                blocks += range(int(first), int(last or first) + 1)
        return blocks
