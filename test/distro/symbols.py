# SPDX-License-Identifier: LGPL-2.1-or-later
"""The debug symbols of the machine's kernel, as Debian has them, on a read-only drive.

The package is half a dozen times as large as the whole disk: it is got once, and of it only vmlinux is
kept, below build/distro."""

import re
import shutil

import image

MOUNTED = "/usr/lib/debug/boot"
SLACK = 32  # MiB; what a file system takes for itself


def of_kernel(path):
    """(release, Debian's version) of a kernel, as its header names them (Documentation/arch/x86/boot.rst)."""
    data = path.read_bytes()
    start = int.from_bytes(data[0x20e:0x210], "little") + 0x200
    text = data[start:data.index(b"\0", start)].decode()
    return text.split()[0], re.search(r" Debian (\S+) ", text)[1]


def _download(package, folder):
    """By apt, with folders of its own: the host's lists and sources stay as they are."""
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "sources.list").write_text(f"deb {image.MIRROR} {image.SUITE} main\n")
    (folder / "status").touch()
    options = {"Dir::State": folder / "state", "Dir::State::status": folder / "status",
               "Dir::Cache": folder / "cache", "Dir::Etc::sourcelist": folder / "sources.list",
               "Dir::Etc::sourceparts": "-", "APT::Sandbox::User": "root", "APT::Architecture": "amd64"}
    apt = ["apt-get", "-q", *[word for key, value in options.items() for word in ("-o", f"{key}={value}")]]
    image.run(*apt, "update")
    image.run(*apt, "download", package, cwd=folder)
    (file,) = folder.glob("*.deb")
    return file


def drive(disk):
    """An ext4 image with vmlinux-RELEASE of the kernel that this disk boots."""
    release, version = of_kernel(disk.parent / "boot/vmlinuz")
    path = image.CACHE / f"symbols-{version}.img"
    if not path.exists():
        folder = image.CACHE / "symbols.partial"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        package = _download(f"linux-image-{release}-dbg={version}", folder)
        name = f".{MOUNTED}/vmlinux-{release}"
        image.run("sh", "-euc", 'dpkg-deb --fsys-tarfile "$0" | tar -x -C "$1" "$2"', package, folder, name)
        package.unlink()
        size = (folder / name).stat().st_size // image.MIB + SLACK
        partial = folder / "drive.img"
        image.run("mkfs.ext4", "-q", "-O", "^has_journal", "-m", "0", "-d", folder / f".{MOUNTED}", partial, f"{size}M")
        partial.rename(path)
        shutil.rmtree(folder)
    return path


def options(disk):
    """QEMU's, for that drive; it is the third one, after the disk and the packages."""
    return ["-drive", f"if=none,id=symbols,format=raw,readonly=on,file={drive(disk)}",
            "-device", "virtio-blk-pci,drive=symbols"]


MOUNT = f"mkdir -p {MOUNTED} && mount -o ro /dev/vdc {MOUNTED}"
