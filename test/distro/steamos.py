# SPDX-License-Identifier: LGPL-2.1-or-later
"""The disk of a machine as SteamOS has it, of Debian's packages: a root that is read-only, /etc as an
overlay whose upper side lies in /var, partitions by the names of their set, GRUB's configuration on the
ESP, pacman's database in the image, and folders of /var and of root's that lie in /home.
"""

import pathlib

import image
import machine

SETS = {"self/efi": image.ESP, "self/rootfs": image.ROOT, "self/var": image.VAR, "shared/home": image.HOME}
OFFLOAD = "home/.steamos/offload"
CONFIG = "/efi/EFI/steamos/grub.cfg"
DATABASE = "/usr/lib/holo/pacmandb"
UPPER = "/var/lib/overlays/etc/upper"

FSTAB = f"""\
/dev/disk/by-partsets/self/rootfs / ext4 ro,noatime 0 1
/dev/disk/by-partsets/self/var /var ext4 rw 0 0
/dev/disk/by-partsets/self/efi /efi vfat rw,umask=0077,noauto,x-systemd.automount,x-systemd.idle-timeout=1min 0 0
/dev/disk/by-partsets/shared/home /home ext4 rw,noatime,nofail,x-systemd.device-timeout=300s 0 2
tmpfs /tmp tmpfs rw,nosuid,nodev 0 0
/{OFFLOAD}/root /root none bind,nofail,x-systemd.requires-mounts-for=/home 0 0
/{OFFLOAD}/var/log /var/log none bind,nofail,x-systemd.requires-mounts-for=/home 0 0
"""

RULES = "".join(f'SUBSYSTEM=="block", ENV{{ID_PART_ENTRY_UUID}}=="{image.PARTUUID[number]}", '
                f'SYMLINK+="disk/by-partsets/{name}"\n' for name, number in SETS.items())

# In the initramfs, for systemd and its generators read /etc first of all.
OVERLAY = f"""\
#!/bin/sh
[ "$1" != prereqs ] || exit 0
mount -t ext4 /dev/disk/by-partuuid/{image.PARTUUID[image.VAR]} "$rootmnt/var"
mkdir -p "$rootmnt{UPPER}" "$rootmnt{UPPER}/../work"
mount -t overlay -o "lowerdir=$rootmnt/etc,upperdir=$rootmnt{UPPER},workdir=$rootmnt{UPPER}/../work" \\
    etc "$rootmnt/etc"
"""

LOGINUSERS = """\
"users"
{
	"76561197960265729"
	{
		"AccountName"		"gabe"
		"MostRecent"		"1"
	}
}
"""

FILES = {
    "etc/fstab": FSTAB,
    "etc/udev/rules.d/90-partsets.rules": RULES,
    "etc/initramfs-tools/scripts/local-bottom/etc-overlay": OVERLAY,
    "etc/initramfs-tools/modules": "virtio_pci\nvirtio_blk\next4\noverlay\n",
    "etc/pacman.conf": f"[options]\nArchitecture = auto\nSigLevel = Never\nDBPath = {DATABASE}\n",
    "usr/sbin/update-grub": f'#!/bin/sh\nexec grub-mkconfig -o {CONFIG} "$@"\n',
    "usr/bin/steamos-readonly": """#!/bin/sh
case $1 in
disable) exec mount -o remount,rw / ;;
enable) exec mount -o remount,ro / ;;
esac
exit 1
""",
    f"home/{image.OWNER}/.local/share/Steam/config/loginusers.vdf": LOGINUSERS,
}


def prepare(tree):
    """What is no plain file."""
    for name in ("etc/initramfs-tools/scripts/local-bottom/etc-overlay", "usr/sbin/update-grub",
                 "usr/bin/steamos-readonly"):
        (tree / name).chmod(0o755)
    for name in ("efi", DATABASE[1:], OFFLOAD + "/root", OFFLOAD + "/var/log"):
        (tree / name).mkdir(parents=True)
    image.run("chroot", tree, "chown", "-R", f"{image.OWNER}:", f"/home/{image.OWNER}")


def disk():
    """Ready to be used; its first boot made grub.cfg."""
    source = pathlib.Path(__file__).read_text(encoding="utf-8")
    return machine.ready_disk("steamos", (source,), "update-grub 2>&1", files=FILES, prepare=prepare,
                              own_var=True, config="/EFI/steamos/grub.cfg")
