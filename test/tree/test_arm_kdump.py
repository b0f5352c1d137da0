# SPDX-License-Identifier: LGPL-2.1-or-later
"""arm and disarm where a crash kernel or reserved memory is needed: plans on trees, and edits of a
GRUB configuration that is mounted over the machine's own."""

import os
import re
import subprocess

import pytest

from test_arm import Machine, program

DROPIN = "etc/default/grub.d/kdump-steamos.cfg"
DEFAULTS = 'GRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX_DEFAULT="quiet"\n'
OOPS = "reserve_mem=5M:4096:oops ramoops.mem_name=oops"


def kernel_image(release):
    head = bytearray(64 << 10)
    head[0x202:0x206] = b"HdrS"
    head[0x20f] = 2
    text = f"{release} (a@b) #1 SMP".encode()
    head[0x400:0x400 + len(text)] = text
    return bytes(head)


class KdumpMachine(Machine):
    """Without a RAM buffer, with GRUB as Debian has it and a kernel that can load another one."""

    def __init__(self, path):
        super().__init__(path)
        self.write("proc/iomem", "00001000-0009fbff : System RAM\n")
        self.write("proc/meminfo", "MemTotal:       16240372 kB\n")
        self.write("sys/kernel/kexec_crash_loaded", "0\n")
        self.write("sys/kernel/kexec_crash_size", "0\n")
        self.write("etc/default/grub", DEFAULTS)
        self.write("boot/grub/grub.cfg", "linux /vmlinuz quiet\n")
        self.write("usr/sbin/grub-mkconfig", "for x in ${sysconfdir}/default/grub.d/*.cfg ; do\n")
        self.write("usr/sbin/update-grub", "#!/bin/sh\n")
        (path / "boot/vmlinuz-6.1.0-56-amd64").write_bytes(kernel_image("6.1.0-56-amd64"))

    def config(self, text):
        self.write("etc/default/kdump", text)


@pytest.fixture
def machine(tmp_path):
    return KdumpMachine(tmp_path)


def test_reserves_for_a_crash_kernel(machine):
    before = machine.files()
    status, text = machine.run("arm")
    assert status == 3
    assert f"by /{DROPIN}: crashkernel=112M" in text and "/usr/sbin/update-grub" in text
    assert machine.files() == before


def test_reserves_for_ramoops_where_the_kernel_can(machine):
    machine.write("proc/sys/kernel/osrelease", "6.12.0\n")
    status, text = machine.run("arm", "--dry-run")
    assert status == 3 and f"by /{DROPIN}: {OOPS}\n" in text


def test_where_grub_reads_no_folder(machine):
    machine.write("usr/sbin/grub-mkconfig", "#!/bin/sh\n")
    assert "by /etc/default/grub: crashkernel=112M" in machine.run("arm")[1]


@pytest.mark.parametrize("settings, size", [
    ("CRASHKERNEL=200M\n", 200), ("FULL_COREDUMP=1\n", 128),
    ("USE_PSTORE_RAM=0\nCRASHKERNEL=1000K\n", 1)])
def test_sizes(machine, settings, size):
    machine.config(settings)
    assert f"crashkernel={size}M\n" in machine.run("arm")[1]


def test_never_where_forbidden(machine):
    machine.config("GRUB_AUTOSET=0\n")
    status, text = machine.run("arm")
    assert status == 3 and "GRUB_AUTOSET=0 forbids" in text
    assert "add to the kernel's command line" in text and "crashkernel=112M" in text


@pytest.mark.parametrize("verb", ["arm", "disarm"])
def test_our_own_line_goes_where_new_ones_are_forbidden(machine, verb):
    machine.config("GRUB_AUTOSET=0\n")
    machine.write("proc/iomem", "1e000000-1fffffff : RAM buffer\n")
    machine.write(DROPIN, "GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT crashkernel=96M\""
                          " # kdump-steamos\n")
    status, text = machine.run(verb)
    assert status == 0 and f"take out of /{DROPIN}: crashkernel=96M" in text, text


def test_a_users_own_reservation_stays(machine):
    for name, content in [
            ("etc/default/grub", DEFAULTS + 'GRUB_CMDLINE_LINUX="crashkernel=256M"\n'),
            ("etc/default/grub.d/mine.cfg", "GRUB_CMDLINE_LINUX='crashkernel=256M'\n"),
            ("proc/cmdline", "quiet crashkernel=256M\n")]:
        machine.write(name, content)
        status, text = machine.run("arm")
        assert status == 3 and "command line, by" not in text
        machine.write(name, DEFAULTS if name == "etc/default/grub" else "")


def test_loads_what_is_reserved(machine):
    machine.write("proc/cmdline", "BOOT_IMAGE=/boot/vmlinuz-6.1.0-56-amd64 root=UUID=1 ro quiet "
                                  "console=ttyS0 crashkernel=256M\n")
    machine.write("sys/kernel/kexec_crash_size", f"{256 << 20}\n")
    status, text = machine.run("arm")
    assert status == 0
    assert "load the crash kernel" in text and "command line: console=ttyS0 nr_cpus=1" in text
    assert "root=" not in text and "crashkernel=" not in text


def test_what_the_command_line_has_no_room_for_is_said(machine):
    machine.write("proc/cmdline", f"console=ttyS0 pci=noacpi long={'x' * 1900} crashkernel=256M\n")
    machine.write("sys/kernel/kexec_crash_size", f"{256 << 20}\n")
    status, text = machine.run("arm")
    assert status == 0 and "command line: console=ttyS0 pci=noacpi nr_cpus=1" in text
    assert "it would be too long: long\n" in text


def test_what_early_boot_leaves_for_late(machine):
    """Where the capture image lies on a file system that was not mounted, the crash kernel is
    missing; where it is loaded, or pstore records, nothing is left to do."""
    machine.write("sys/kernel/kexec_crash_size", f"{256 << 20}\n")
    machine.config("USE_PSTORE_RAM=0\n")
    assert "load the crash kernel" in machine.run("arm", "--late")[1]
    assert "load the crash kernel" in machine.run("arm", "--early")[1]
    machine.write("sys/kernel/kexec_crash_loaded", "1\n")
    assert "load" not in machine.run("arm", "--late")[1]
    machine.write("sys/kernel/kexec_crash_loaded", "0\n")
    machine.config("")
    machine.write("sys/module/pstore/parameters/backend", "ramoops\n")
    machine.write("sys/module/ramoops/parameters/mem_address", "503316480\n")
    assert "load" not in machine.run("arm", "--late")[1]


def test_pstore_comes_first(machine):
    machine.write("proc/iomem", "1e000000-1fffffff : RAM buffer\n")
    machine.write("sys/kernel/kexec_crash_size", f"{256 << 20}\n")
    status, text = machine.run("arm")
    assert status == 0 and "load ramoops" in text and "crash kernel" not in text
    machine.config("USE_PSTORE_RAM=0\n")
    status, text = machine.run("arm")
    assert status == 0 and "load the crash kernel" in text and "ramoops" not in text


def test_another_back_end_records_until_the_reboot(machine):
    """USE_PSTORE_RAM=0, and EFI's pstore is there."""
    machine.config("USE_PSTORE_RAM=0\n")
    machine.write("sys/module/pstore/parameters/backend", "efi_pstore\n")
    status, text = machine.run("arm")
    assert status == 0 and "no memory is reserved" in text and "leave what is registered" in text
    assert "command line, by" in text
    assert set(re.findall(r"crashkernel=\w+", text)) == {"crashkernel=112M"}
    machine.config("USE_PSTORE_RAM=0\nFULL_COREDUMP=1\n")
    assert set(re.findall(r"crashkernel=\w+", machine.run("arm")[1])) == {"crashkernel=128M"}


def test_another_programs_crash_kernel(machine):
    machine.write("sys/kernel/kexec_crash_size", f"{256 << 20}\n")
    machine.write("sys/kernel/kexec_crash_loaded", "1\n")
    status, text = machine.run("arm")
    assert status == 0 and "another program has loaded" in text


def test_going_back_to_pstore(machine):
    line = 'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT crashkernel=96M" # kdump-steamos\n'
    machine.write(DROPIN, line)
    machine.write("proc/iomem", "1e000000-1fffffff : RAM buffer\n")
    status, text = machine.run("arm")
    assert status == 0 and f"take out of /{DROPIN}: crashkernel=96M" in text
    status, text = machine.run("disarm")
    assert status == 0 and f"take out of /{DROPIN}: crashkernel=96M" in text


def test_memory_that_lost_a_test(machine):
    machine.write("proc/iomem", "1e000000-1fffffff : RAM buffer\n")
    machine.write("sys/class/dmi/id/bios_version", "F7\n")
    machine.write("home/.steamos/offload/var/kdump/state/ramoops-lost.json",
                  '{"time": 1, "firmware": "F7"}')
    status, text = machine.run("arm")
    assert status == 3 and "does not survive" in text and "crashkernel=112M" in text
    machine.write("sys/class/dmi/id/bios_version", "F8\n")
    assert "load ramoops" in machine.run("arm")[1]


# --- the running machine, with another /etc/default, /boot and /proc/cmdline mounted over its own

class Mounted:
    """The program without --root, in a mount namespace. GRUB's tool is a stand-in that writes
    grub.cfg as grub-mkconfig does: through a file of another name."""

    TOOL = """#!/bin/sh
set -e
. /etc/default/grub
for x in /etc/default/grub.d/*.cfg; do test ! -e "$x" || . "$x"; done
echo run >>/boot/runs
test ! -e /boot/fail || exit 1
echo "linux /vmlinuz $GRUB_CMDLINE_LINUX_DEFAULT" >/boot/grub/grub.cfg.new
mv /boot/grub/grub.cfg.new /boot/grub/grub.cfg
"""

    def __init__(self, path):
        self.path = path
        (path / "default/grub.d").mkdir(parents=True)
        (path / "boot/grub").mkdir(parents=True)
        (path / "sbin").mkdir()
        self.grub = path / "default/grub"
        self.grub.write_text(DEFAULTS)
        (path / "default/kdump").write_text(
            f"USE_PSTORE_RAM=0\nCRASHKERNEL=80M\nKDUMP_FOLDER={path}/kdump\n")
        (path / "boot/grub/grub.cfg").write_text("linux /vmlinuz quiet\n")
        (path / "sbin/update-grub").write_text(self.TOOL)
        (path / "sbin/update-grub").chmod(0o755)
        (path / "sbin/grub-mkconfig").write_text("/default/grub.d/*.cfg\n")
        (path / "cmdline").write_text("quiet\n")
        (path / "loaded").write_text("0\n")
        kernel = path / "kernel"
        kernel.mkdir()
        (kernel / "kexec_crash_loaded").write_text("0\n")
        (kernel / "kexec_crash_size").write_text("0\n")

    def run(self, *arguments, before="", wrapper=()):
        script = (f"mount --bind {self.path}/default /etc/default && "
                  f"mount --bind {self.path}/boot /boot && mount --bind {self.path}/sbin /usr/sbin && "
                  f"mount --bind {self.path}/cmdline /proc/cmdline && "
                  f"mount --bind {self.path}/kernel /sys/kernel")
        if subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True,
                          check=False).returncode:
            pytest.skip("no mounts here")
        environment = dict(os.environ)
        if wrapper and "ASAN_OPTIONS" in environment:
            environment["ASAN_OPTIONS"] += ":detect_leaks=0"
        done = subprocess.run(["unshare", "-m", "sh", "-c", f'{script}{before} && exec "$@"', "sh",
                               *wrapper, os.path.abspath(program()), *arguments],
                              capture_output=True, text=True, timeout=60, check=False,
                              env=environment)
        return done.returncode, done.stdout + done.stderr

    def config(self):
        return (self.path / "boot/grub/grub.cfg").read_text()

    def runs(self):
        file = self.path / "boot/runs"
        return len(file.read_text().split()) if file.exists() else 0


@pytest.fixture
def mounted(tmp_path):
    return Mounted(tmp_path)


def state_of(mounted):
    return {str(file): (file.read_bytes(), file.stat().st_mode) for file in
            sorted((mounted.path / "default").rglob("*")) if file.is_file()}


@pytest.mark.parametrize("dropins", [True, False])
def test_reservation_comes_and_goes(mounted, dropins):
    if not dropins:
        (mounted.path / "sbin/grub-mkconfig").write_text("#!/bin/sh\n")
    mounted.grub.chmod(0o640)
    before = state_of(mounted)
    status, text = mounted.run("arm", "--late")
    assert status == 0 and "reboot to record crashes" in text, text
    assert "crashkernel=80M" in mounted.config() and "quiet" in mounted.config()
    assert (mounted.path / "default/grub.d/kdump-steamos.cfg").exists() == dropins
    assert mounted.grub.stat().st_mode & 0o777 == 0o640
    assert mounted.run("arm", "--late") == (0, "")
    assert mounted.runs() == 1
    status, text = mounted.run("disarm")
    assert status == 0 and "crashkernel=80M" in text, text
    assert "crashkernel" not in mounted.config() and mounted.runs() == 2
    assert state_of(mounted) == before
    assert list(mounted.path.rglob(".tmp-*")) == []


def test_nothing_half_done(mounted):
    before = state_of(mounted)
    (mounted.path / "boot/fail").touch()
    status, text = mounted.run("arm", "--late")
    assert status == 1 and "update-grub failed with status 1" in text, text
    assert state_of(mounted) == before
    (mounted.path / "boot/fail").unlink()
    assert mounted.run("arm", "--late")[0] == 0
    assert "crashkernel=80M" in mounted.config()


@pytest.mark.parametrize("folder", ["/etc/default", "/etc/default/grub.d"])
def test_read_only(mounted, folder):
    before = state_of(mounted)
    status, text = mounted.run(
        "arm", "--late",
        before=f" && mount --bind {folder} {folder} && mount -o remount,bind,ro {folder}")
    assert status == 1 and "Read-only file system" in text and "make it writable" in text, text
    assert state_of(mounted) == before and mounted.runs() == 0


def test_no_room(mounted):
    before = state_of(mounted)
    status, text = mounted.run(
        "arm", "--late",
        before=" && mount -t tmpfs -o nr_inodes=2 none /etc/default/grub.d && touch "
               "/etc/default/grub.d/full")
    assert status == 1 and "No space left" in text, text
    assert state_of(mounted) == before and mounted.runs() == 0


@pytest.mark.parametrize("verb", [["arm", "--late"], ["disarm"]])
def test_killed_at_any_call(tmp_path, verb):
    """The next run brings it to its end, and the other way takes exactly the edit out."""
    kills = 0
    for call in ["renameat,renameat2,unlinkat", "fsync", "openat2", "clone,clone3,fork,vfork"]:
        for number in range(1, 90, 7 if call == "openat2" else 1):
            path = tmp_path / f"{call[:5]}{number}"
            path.mkdir()
            mounted = Mounted(path)
            before = state_of(mounted)
            if verb == ["disarm"]:
                assert mounted.run("arm", "--late")[0] == 0
            status, _ = mounted.run(*verb, wrapper=[
                "strace", "-o", "/dev/null", "-e", f"trace={call}", "-e",
                f"inject={call}:signal=KILL:when={number}"])
            if status not in (137, -9):
                break
            kills += 1
            # grub.cfg is whole, and one of the two
            assert mounted.config().split() in (["linux", "/vmlinuz", "quiet"],
                                                ["linux", "/vmlinuz", "quiet", "crashkernel=80M"])
            assert mounted.run(*verb)[0] == 0
            assert ("crashkernel=80M" in mounted.config()) == (verb != ["disarm"])
            assert mounted.run("disarm")[0] == 0
            assert mounted.config().split() == ["linux", "/vmlinuz", "quiet"]
            found = {name: what for name, what in state_of(mounted).items() if ".tmp-" not in name}
            assert found == before
    assert kills > 8


def test_what_a_killed_run_left_goes(mounted):
    folder = mounted.path / "default/grub.d"
    names = {".tmp-0123456789abcdef": False, ".tmp-fedcba9876543210": True, ".tmp-mine": True,
             ".tmp-0123456789abcdef0": True}
    for name in names:
        (folder / name).touch()
        if name != ".tmp-fedcba9876543210":  # somebody is writing it
            os.utime(folder / name, (1700000000, 1700000000))
    assert mounted.run("arm", "--late")[0] == 0
    assert {name: (folder / name).exists() for name in names} == names


def test_an_interrupted_edit_is_finished(mounted):
    """Killed while the tool ran: the file has it, grub.cfg not."""
    assert mounted.run("arm", "--late")[0] == 0
    (mounted.path / "boot/grub/grub.cfg").write_text("linux /vmlinuz quiet\n")
    assert mounted.run("arm", "--late")[0] == 0
    assert "crashkernel=80M" in mounted.config() and mounted.runs() == 2
    # and the other way: the file has it no more, grub.cfg still has
    (mounted.path / "default/grub.d/kdump-steamos.cfg").unlink()
    (mounted.path / "kdump/state/grub-pending").touch()
    (mounted.path / "default/kdump").write_text(
        f"USE_PSTORE_RAM=0\nKDUMP_FOLDER={mounted.path}/kdump\n")
    assert mounted.run("disarm")[0] == 0
    assert "crashkernel" not in mounted.config()
    assert not (mounted.path / "kdump/state/grub-pending").exists()


def test_a_test_that_did_not_come_back(machine):
    """What a boot notes when it settles, and what the next one makes of it."""
    state = "home/.steamos/offload/var/kdump/state"
    machine.write("proc/iomem", "1e000000-1fffffff : RAM buffer\n")
    machine.write("sys/class/dmi/id/bios_version", "F7\n")
    test = ('{"time": 1700000000, "boot_id": "%s", "kernel": "6.1", "firmware": "F7", '
            '"mechanism": "%s", "test": true}')
    lost = machine.path / state / "ramoops-lost.json"
    for boot, mechanism in [("11111111-2222-3333-4444-555555555555", "ramoops"), ("x", "efi")]:
        machine.write(f"{state}/test.json", test % (boot, mechanism))
        assert machine.run("arm", "--settled")[0] == 0 and not lost.exists()
    machine.write(f"{state}/test.json", test % ("x", "ramoops"))
    machine.write("sys/fs/pstore/dmesg-ramoops-0", "Panic#1 Part1\n")  # collect will have it
    assert machine.run("arm", "--settled")[0] == 0 and not lost.exists()
    (machine.path / "sys/fs/pstore/dmesg-ramoops-0").unlink()
    assert machine.run("arm", "--settled")[0] == 0 and lost.exists()
    assert "does not survive" in machine.run("arm")[1]
