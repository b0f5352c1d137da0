# SPDX-License-Identifier: LGPL-2.1-or-later
"""Builds what the test machine boots: an initial file system and a root disk for one kernel.

The initial file system holds busybox and the modules that mount the root disk. The root disk is an
ext4 image with busybox, kmod, dmidecode, what `meson install` of build/main installs, the libraries
of all these, the kernel modules named below with their dependencies, and test/vm/rootfs. Nothing
here needs root.
"""

import dataclasses
import fcntl
import gzip
import lzma
import os
import re
import shutil
import subprocess
import tempfile

import kernels

TOP = kernels.TOP
OUTPUT = os.path.join(TOP, "build", "vm")
BUILD = os.path.join(TOP, "build", "main")
ROOTFS = os.path.join(kernels.HERE, "rootfs")

# Modules that find the root disk, in the initial file system too.
DISK_MODULES = ["virtio_pci", "virtio_blk", "crc32c_generic", "crc32c_intel", "ext4"]
ROOT_MODULES = DISK_MODULES + ["virtio_net", "virtio_rng", "ramoops", "efi_pstore", "i6300esb"]
# Other disks and file systems, for targets of a crash kernel.
ROOT_MODULES += ["nvme", "ahci", "sd_mod", "crc32_generic", "btrfs", "f2fs", "xfs", "vfat", "nls_cp437",
                 "nls_ascii", "xhci_pci", "usb_storage", "sdhci_pci", "mmc_block"]
# busybox has applets of these names too: the real ones come first.
KMOD_LINKS = ["modprobe", "insmod", "rmmod", "lsmod", "modinfo", "depmod"]
# Programs of the host that the guest has when the host has them.
OPTIONAL_PROGRAMS = ["dmidecode", "strace", "bash", "makedumpfile", "btrfs"]

os.environ["PATH"] += ":/usr/sbin:/sbin"


class GuestError(Exception):
    """The guest cannot be built."""


@dataclasses.dataclass(frozen=True)
class Guest:
    """What QEMU needs to boot one kernel."""
    kernel: kernels.Kernel
    initramfs: str
    root: str  # ext4 image; machines share it, their writes go to a temporary file


def run(command, **kwargs):
    """Run a command quietly; GuestError with its output if it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **kwargs)
    if done.returncode != 0:
        raise GuestError(f"{' '.join(command)}: exit status {done.returncode}\n"
                         + done.stdout[-3000:])
    return done.stdout


def which(program):
    """Path of a program of the host; GuestError if there is none."""
    path = shutil.which(program)
    if not path:
        raise GuestError(f"{program} is not installed; tools/setup installs what is missing")
    return path


# ---- kernel modules ----

def module_name(path):
    """kernel/fs/ext4/ext4.ko.xz → ext4, with one spelling of dashes."""
    return re.sub(r"\.ko(\.\w+)?$", "", os.path.basename(path)).replace("-", "_")


def module_files(kernel, names):
    """Paths below the modules directory of the named modules and all that they depend on, each
    after its dependencies. Built-in modules, and those that the kernel does not have, are left
    out: which driver is a module differs from kernel to kernel."""
    depends = {}
    with open(os.path.join(kernel.modules, "modules.dep"), encoding="ascii") as file:
        for line in file:
            path, _, needs = line.partition(":")
            # Right to left is the order to load in.
            depends[module_name(path)] = (path, needs.split()[::-1])
    files = []
    for name in names:
        if name in depends:
            path, needs = depends[name]
            files += [file for file in [*needs, path] if file not in files]
    return files


def read_module(path):
    """A module's bytes, decompressed."""
    if path.endswith(".xz"):
        with lzma.open(path) as file:
            return file.read()
    if path.endswith(".gz"):
        with gzip.open(path) as file:
            return file.read()
    if path.endswith(".zst"):
        return subprocess.run(["zstd", "-dcq", path], stdout=subprocess.PIPE, check=True).stdout
    with open(path, "rb") as file:
        return file.read()


# ---- initial file system ----

class Cpio:
    """A newc archive in memory (the kernel's Documentation/driver-api/early-userspace)."""

    def __init__(self):
        self.data = bytearray()
        self.count = 0

    def add(self, name, mode, content=b"", device=(0, 0)):
        """One entry; the mode has the file type's bits."""
        self.count += 1
        raw = name.encode() + b"\0"
        fields = [self.count, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(raw), 0]
        self.data += b"070701" + b"".join(b"%08x" % field for field in fields) + raw
        self.data += bytes(-len(self.data) % 4)
        self.data += content
        self.data += bytes(-len(self.data) % 4)

    def finish(self):
        """The archive's bytes."""
        self.add("TRAILER!!!", 0)
        return bytes(self.data)


def make_initramfs(kernel, target):
    """Busybox, modules and a script that mounts the root disk."""
    archive = Cpio()
    for name in ("bin", "dev", "proc", "root", "m"):
        archive.add(name, 0o040755)
    archive.add("dev/console", 0o020600, device=(5, 1))
    with open(which("busybox"), "rb") as file:
        archive.add("bin/busybox", 0o100755, file.read())
    loads = []
    for path in module_files(kernel, DISK_MODULES):
        name = module_name(path) + ".ko"
        archive.add("m/" + name, 0o100644, read_module(os.path.join(kernel.modules, path)))
        loads.append(f"$b insmod /m/{name} 2>/dev/null\n")
    # A module that fails is for hardware that is not there; a root disk that fails is the end.
    script = ("#!/bin/busybox sh\n"
              "b=/bin/busybox\n"
              "$b mount -t devtmpfs dev /dev\n" + "".join(loads) +
              "$b mount -t ext4 /dev/vda /root || {\n"
              "    echo 'vm: the root disk does not mount'\n"
              "    $b poweroff -f\n"
              "}\n"
              "$b mount -t proc proc /root/proc\n"
              "$b mount --move /dev /root/dev\n"
              "exec $b switch_root /root /usr/lib/vm/init\n")
    archive.add("init", 0o100755, script.encode())
    with open(target, "wb") as file:
        file.write(archive.finish())


# ---- root disk ----

def copy_program(root, source, target):
    """A program of the host, and the shared libraries that it is linked to."""
    place = os.path.join(root, target.lstrip("/"))
    os.makedirs(os.path.dirname(place), exist_ok=True)
    if not os.path.exists(place):
        shutil.copy(source, place)
    copy_libraries(root, source)


def copy_libraries(root, program):
    """What ldd says of a program, at the same paths; a static one has none."""
    done = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    for path in re.findall(r"(/\S+) \(0x", done.stdout):
        place = os.path.join(root, path.lstrip("/"))
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if not os.path.exists(place):
            shutil.copy(os.path.realpath(path), place)


def copy_loaded_libraries(root, program):
    """The libraries that a program names in itself, to load them when it needs them."""
    with open(program, "rb") as file:
        names = set(re.findall(rb"\0(lib[a-z]+\.so\.\d+)\0", file.read()))
    cache = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True)
    for path in re.findall(r"=> (/\S+)$", cache.stdout, re.MULTILINE):
        if os.path.basename(path).encode() in names:
            copy_program(root, os.path.realpath(path), path)


def install_project(root):
    """What an installation of the built project puts into the system; nothing before a build."""
    if not os.path.exists(os.path.join(BUILD, "build.ninja")):
        return
    run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet"],
        env=dict(os.environ, DESTDIR=root))
    program = os.path.join(root, "usr", "bin", "kdump-steamos")
    if os.path.exists(program):
        copy_libraries(root, program)
        copy_loaded_libraries(root, program)


def fill_root(root, kernel):
    """The tree of the root disk."""
    for name in ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "etc", "dev", "proc", "sys", "run",
                 "tmp", "home", "root", "var/lib/systemd/pstore"):
        os.makedirs(os.path.join(root, name))
    for name in ("bin", "sbin", "lib", "lib64"):
        os.symlink("usr/" + name, os.path.join(root, name))
    shutil.copytree(ROOTFS, root, dirs_exist_ok=True)
    install_project(root)

    copy_program(root, which("kmod"), "/usr/bin/kmod")
    for name in KMOD_LINKS:
        os.symlink("../bin/kmod", os.path.join(root, "usr/sbin", name))
    for name in OPTIONAL_PROGRAMS:
        path = shutil.which(name)
        if path:
            copy_program(root, os.path.realpath(path), "/usr/sbin/" + name)
    # busybox's own shell prefers its applets to what PATH says.
    copy_program(root, os.path.realpath(which("sh")), "/usr/bin/sh")
    busybox = which("busybox")
    copy_program(root, busybox, "/usr/bin/busybox")
    taken = set(os.listdir(os.path.join(root, "usr/bin"))) | \
        set(os.listdir(os.path.join(root, "usr/sbin")))
    for name in run([busybox, "--list"]).split():
        if name not in taken:
            os.symlink("busybox", os.path.join(root, "usr/bin", name))

    modules = os.path.join(root, "usr/lib/modules", kernel.version)
    for path in module_files(kernel, ROOT_MODULES):
        os.makedirs(os.path.dirname(os.path.join(modules, path)), exist_ok=True)
        shutil.copy(os.path.join(kernel.modules, path), os.path.join(modules, path))
    os.makedirs(os.path.join(modules, "updates"))
    shutil.copy(kernel.crashme(), os.path.join(modules, "updates"))
    shutil.copy(kernel.image, os.path.join(modules, "vmlinuz"))  # for arming a crash kernel
    for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        shutil.copy(os.path.join(kernel.modules, name), modules)
    run(["depmod", "-b", root, kernel.version])


def make_ext4(tree, image, megabytes, owners=None):
    """An ext4 image of a tree, without root. All belongs to root in it but the paths in owners
    ({"/deck": 1000}), with what lies below them."""
    owners = owners or {}
    if os.path.exists(image):
        os.unlink(image)
    run(["mkfs.ext4", "-q", "-F", "-E", "root_owner=0:0,lazy_itable_init=1", "-d", tree, image,
         f"{megabytes}M"])
    commands = []
    for folder, _, files in os.walk(tree):
        for path in [folder, *(os.path.join(folder, name) for name in files)]:
            inner = "/" + os.path.relpath(path, tree)
            wanted = next((uid for prefix, uid in owners.items()
                           if inner == prefix or inner.startswith(prefix + "/")), 0)
            if os.lstat(path).st_uid != wanted and inner != "/.":
                commands += [f'sif "{inner}" {field} {wanted}' for field in ("uid", "gid")]
    if commands:
        run(["debugfs", "-w", "-f", "-", image], input="\n".join(commands) + "\n")


def extract_ext4(image, tree):
    """The files of an image after its machine has ended, as a new tree."""
    shutil.rmtree(tree, ignore_errors=True)
    os.makedirs(tree)
    # A machine that died leaves a journal to replay; 1 says that this was done.
    done = subprocess.run(["e2fsck", "-fy", image], capture_output=True, text=True, check=False)
    if done.returncode > 2:
        raise GuestError(f"the guest's file system is broken:\n{done.stdout}")
    run(["debugfs", "-R", f"rdump / {tree}", image])


def build(kernel):
    """The guest for a kernel, as build/main is now."""
    folder = os.path.join(OUTPUT, "guest-" + kernel.version)
    os.makedirs(folder, exist_ok=True)
    guest = Guest(kernel, os.path.join(folder, "initramfs.cpio"), os.path.join(folder, "root.img"))
    with open(os.path.join(folder, ".lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with tempfile.TemporaryDirectory(prefix="build-", dir=folder) as work:
            root = os.path.join(work, "root")
            os.mkdir(root)
            fill_root(root, kernel)
            make_ext4(root, os.path.join(work, "root.img"), 128)
            make_initramfs(kernel, os.path.join(work, "initramfs.cpio"))
            # A machine that runs now keeps the files that it has open.
            os.rename(os.path.join(work, "root.img"), guest.root)
            os.rename(os.path.join(work, "initramfs.cpio"), guest.initramfs)
    return guest
