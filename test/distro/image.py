# SPDX-License-Identifier: LGPL-2.1-or-later
"""The disk of a whole Debian machine: systemd, GRUB for UEFI, a root and a /home of their own.

Made from the distribution's own packages by mmdebstrap; nothing of the host's is in it and nothing
on the host is mounted. Partitions: the EFI system partition, the root, /home, and /var where the
machine has one. What takes long is kept below build/distro.
"""

import hashlib
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
CACHE = TOP / "build/distro"

SUITE = "bookworm"
MIRROR = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")
PACKAGES = """
    systemd-sysv udev dbus kmod e2fsprogs iproute2 ca-certificates strace
    linux-image-amd64 initramfs-tools zstd grub-efi-amd64
    dmidecode makedumpfile libcurl4 libarchive13 libjansson4 libkmod2 libmount1
    pacman-package-manager makepkg sudo man-db crash python3-drgn
""".split()
# What a handheld's system starts besides, as SteamOS does, up to its owner's session. What shows
# pictures wants a GPU.
HANDHELD = """
    network-manager wpasupplicant bluez avahi-daemon polkitd udisks2 upower rtkit accountsservice
    power-profiles-daemon systemd-timesyncd systemd-resolved systemd-oomd
    libpam-systemd dbus-user-session pipewire pipewire-pulse wireplumber
""".split()
# Of the image's 700 MB nobody reads these.
LEFT_OUT = ["/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/man/*", "/usr/share/info/*"]
# Drivers that no virtual machine has; half of all modules.
UNUSED_DRIVERS = ["gpu", "media", "infiniband", "net/wireless", "net/ethernet", "staging", "isdn",
                  "iio", "scsi", "hid", "input", "usb", "mtd", "platform", "thunderbolt"]

# What makes a disk of them; tools/setup --distro installs it.
TOOLS = ("mmdebstrap", "mkfs.ext4", "mkfs.vfat", "mcopy", "sfdisk", "grub-mkimage")

MIB = 1 << 20
ESP, ROOT, HOME, VAR = 1, 2, 3, 4
SIZES = {ESP: 64 * MIB, ROOT: 1600 * MIB, HOME: 256 * MIB, VAR: 256 * MIB}
# Known beforehand, so that fstab and the kernel's command line can name them.
PARTUUID = {number: f"6b64756d-7000-4000-8000-00000000000{number}" for number in SIZES}
TYPES = {ESP: "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
         ROOT: "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709",
         HOME: "933AC7E1-2EB4-4F13-B844-0E14E2AEF915",
         VAR: "4D21B016-B534-45C2-A9FB-5C16E091FD2D"}

FSTAB = f"""\
PARTUUID={PARTUUID[ROOT]} / ext4 rw,noatime 0 1
PARTUUID={PARTUUID[HOME]} /home ext4 rw,noatime,nofail,x-systemd.device-timeout=60s 0 2
PARTUUID={PARTUUID[ESP]} /boot/efi vfat noauto 0 0
"""

# A root shell on the second serial line: what the tests type into.
AGENT = """\
[Unit]
Description=A shell for the tests
DefaultDependencies=no
After=sysinit.target
Conflicts=shutdown.target

[Service]
ExecStart=/bin/sh
StandardInput=tty-force
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS1
TTYReset=no
# What makes a shell go; it would let an orderly shutdown wait for a minute and a half.
KillSignal=SIGHUP
TimeoutStopSec=5s
Environment=HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C TERM=dumb PS1= PS2=
Restart=always
RestartSec=0

[Install]
WantedBy=sysinit.target
"""

EMULATED = "console=ttyS0 no_timer_check tsc=reliable"
# mem= makes a RAM buffer, from there to the next multiple of 64 MiB: far below the RAM's top, where
# the firmware has its own. Without the EFI variables, ramoops is what pstore gets.
KERNEL = f"{EMULATED} audit=0 mem=720M efi_pstore.pstore_disable=1"
GRUB_DEFAULTS = f"""\
# If you change this file, run 'update-grub' afterwards to update
# /boot/grub/grub.cfg.
GRUB_DEFAULT=0
GRUB_TIMEOUT=0
GRUB_DISTRIBUTOR=`lsb_release -i -s 2> /dev/null || echo Debian`
GRUB_CMDLINE_LINUX_DEFAULT="quiet"
GRUB_CMDLINE_LINUX="{KERNEL}"
GRUB_TERMINAL=console
GRUB_DISABLE_OS_PROBER=true
"""

# Who uses the machine: no root, but a member of sudo.
OWNER = "gordon"

NETWORK = "[Match]\nName=en*\n[Network]\nDHCP=yes\n"

FILES = {
    "etc/fstab": FSTAB,
    "etc/hostname": "handheld\n",
    "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 handheld\n",
    "etc/default/grub": GRUB_DEFAULTS,
    "etc/systemd/system/test-shell.service": AGENT,
    "etc/systemd/network/20-wired.network": NETWORK,
    # Small and quick to unpack: the disk's driver and the file system, not every driver there is.
    "etc/initramfs-tools/conf.d/small": "MODULES=list\nCOMPRESS=zstd\n",
    "etc/initramfs-tools/modules": "virtio_pci\nvirtio_blk\next4\n",
    "etc/systemd/journald.conf.d/test.conf": "[Journal]\nStorage=persistent\n",
    "etc/sudoers.d/owner": f"{OWNER} ALL=(ALL) NOPASSWD: ALL\n",
}
SHELL = {"sysinit.target.wants/test-shell.service": "../test-shell.service"}
NETWORKD = {"multi-user.target.wants/systemd-networkd.service":
                "/lib/systemd/system/systemd-networkd.service"}
# Boots are many, and no test needs these.
MASKED = ["apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service",
          "fstrim.timer", "getty@tty1.service", "serial-getty@ttyS0.service", "man-db.timer",
          "systemd-networkd-wait-online.service"]


def fingerprint(more=()):
    """Changes with whatever a disk is made from."""
    made_of = (pathlib.Path(__file__).read_text(encoding="utf-8"), *more)
    return hashlib.sha256(repr(made_of).encode()).hexdigest()[:12]


def run(*command, **options):
    """A command that must succeed; its words are told where it does not."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False, **options)
    if done.returncode != 0:
        words = done.stdout.decode(errors="replace")[-3000:]
        raise RuntimeError(f"{command[0]} failed with status {done.returncode}:\n{words}")
    return done.stdout


def base_archive(packages):
    """The distribution's packages, unpacked and configured, as a tar file."""
    key = hashlib.sha256(repr((SUITE, packages, LEFT_OUT)).encode()).hexdigest()[:12]
    archive = CACHE / f"base-{SUITE}-{key}.tar"
    if not archive.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        partial = archive.with_suffix(".partial.tar")
        run("mmdebstrap", "--variant=minbase", "--include=" + ",".join(packages),
            '--aptopt=APT::Install-Recommends "false"',
            *[f"--dpkgopt=path-exclude={path}" for path in LEFT_OUT], SUITE, partial, MIRROR)
        partial.rename(archive)
    return archive


def _write(tree, name, content):
    path = tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def _unpack_root(tree, files, handheld):
    with tarfile.open(base_archive(PACKAGES + HANDHELD * handheld)) as archive:
        archive.extractall(tree, numeric_owner=True)
    # What was left out of the image is not left out of what is installed in the machine.
    (tree / "etc/dpkg/dpkg.cfg.d/99mmdebstrap").unlink()
    run("chroot", tree, "useradd", "-m", "-s", "/bin/bash", OWNER)
    for drivers in tree.glob("lib/modules/*/kernel/drivers"):
        for name in UNUSED_DRIVERS:
            shutil.rmtree(drivers / name, ignore_errors=True)
    for name, content in (FILES | files).items():
        _write(tree, name, content)
    units = tree / "etc/systemd/system"
    for name, target in (SHELL if handheld else SHELL | NETWORKD).items():
        (units / name).parent.mkdir(parents=True, exist_ok=True)
        (units / name).symlink_to(target)
    for name in [] if handheld else MASKED:
        (units / name).unlink(missing_ok=True)
        (units / name).symlink_to("/dev/null")
    if handheld:
        _write(tree, f"var/lib/systemd/linger/{OWNER}", "")  # as if the owner were logged in by itself
    (tree / "etc/machine-id").write_text("")
    (tree / "home").mkdir(exist_ok=True)
    (tree / "boot/efi").mkdir(parents=True, exist_ok=True)


def _initramfs(tree):
    """Made anew with FILES' short list of modules."""
    (version,) = [path.name for path in (tree / "lib/modules").iterdir()]
    run("chroot", tree, "depmod", version)
    run("chroot", tree, "update-initramfs", "-u", "-k", version)


def _grub(folder, path):
    """GRUB as one EFI program that reads the configuration of this name, whatever partition has it."""
    config = folder / "grub-early.cfg"
    config.write_text(f"search --no-floppy --set=root --file {path}\n"
                      f"set prefix=($root){os.path.dirname(path)}\nconfigfile {path}\n")
    program = folder / "grub.efi"
    run("grub-mkimage", "-O", "x86_64-efi", "-o", program, "-p", "/boot/grub", "-c", config,
        "part_gpt", "ext2", "fat", "normal", "linux", "search", "search_fs_file", "search_fs_uuid",
        "search_label", "configfile", "echo", "test", "gzio", "loadenv", "all_video", "sleep",
        "reboot", "halt", "true", "minicmd", "gfxterm", "efi_gop")
    return program


def _esp(folder, path, config):
    with open(path, "wb") as file:
        file.truncate(SIZES[ESP])
    run("mkfs.vfat", "-n", "ESP", path)
    run("mmd", "-i", path, "::EFI", "::EFI/BOOT", "::EFI/steamos")
    run("mcopy", "-i", path, _grub(folder, config), "::EFI/BOOT/BOOTX64.EFI")


def _assemble(disk, partitions):
    """GPT and the partitions' content, each at a MiB's border."""
    start, lines = MIB, ["label: gpt"]
    places = {}
    for number in partitions:
        lines.append(f"start={start // 512}, size={SIZES[number] // 512}, type={TYPES[number]}, "
                     f"uuid={PARTUUID[number]}")
        places[number] = start
        start += SIZES[number]
    with open(disk, "wb") as file:
        file.truncate(start + MIB)
    run("sfdisk", disk, input="\n".join(lines).encode())
    for number, path in partitions.items():
        run("dd", f"if={path}", f"of={disk}", "bs=1M", f"seek={places[number] // MIB}",
            "conv=notrunc,sparse")


def _ext4(path, label, number, content):
    run("mkfs.ext4", "-q", "-L", label, "-d", content, path, f"{SIZES[number] // 1024}k")
    return path


def boot_files(disk):
    """(kernel, initramfs) of a disk that was made, beside it: for a boot without firmware and GRUB."""
    return disk.parent / "boot/vmlinuz", disk.parent / "boot/initrd.img"


def make_disk(disk, files=None, prepare=None, own_var=False, config="/boot/grub/grub.cfg", handheld=False):
    """Writes a disk image; files are put into the root, prepare(tree) does what else is to be done
    with it. own_var: /var is a partition. handheld: with all that such a machine starts. The first
    boot has to make GRUB's configuration: config is what GRUB looks for, on all partitions."""
    disk = pathlib.Path(disk)
    disk.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=disk.parent) as name:
        folder = pathlib.Path(name)
        tree = folder / "root"
        tree.mkdir()
        _unpack_root(tree, files or {}, handheld)
        if prepare:
            prepare(tree)
        _initramfs(tree)
        for path, pattern in zip(boot_files(disk), ("boot/vmlinuz-*", "boot/initrd.img-*")):
            path.parent.mkdir(exist_ok=True)
            (found,) = tree.glob(pattern)
            shutil.copy(found, path)
        partitions = {ESP: folder / "esp.img", ROOT: folder / "root.img", HOME: folder / "home.img"}
        _esp(folder, partitions[ESP], config)
        for label, number in [("home", HOME)] + [("var", VAR)] * own_var:
            (tree / label).rename(folder / label)
            (tree / label).mkdir()
            partitions[number] = _ext4(folder / f"{label}.img", label, number, folder / label)
        _ext4(partitions[ROOT], "root", ROOT, tree)
        _assemble(disk, partitions)


if __name__ == "__main__":
    make_disk(CACHE / "try/disk.img")
