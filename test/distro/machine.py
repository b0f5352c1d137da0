# SPDX-License-Identifier: LGPL-2.1-or-later
"""A running distribution in QEMU: boots by firmware and GRUB, and has a shell for the tests."""

import fcntl
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time

import image

OVMF_CODE = ["/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/edk2/x64/OVMF_CODE.4m.fd"]
OVMF_VARS = ["/usr/share/OVMF/OVMF_VARS_4M.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"]
BOOT_TIMEOUT = 300  # seconds; firmware, GRUB, kernel and systemd under emulation on a busy machine

FIRST_BOOT = "mount -o remount,rw / && update-grub 2>&1"


class MachineError(Exception):
    """The machine did not do what it should; the text ends with its last words."""


class Machine:
    """A reboot is a new QEMU with the old one's memory: in the old one, firmware that writes over
    pages of which code was translated takes minutes for what it does in seconds.

    disk: an image of image.make_disk(). The machine gets a copy of it in folder, so that many
    start from one disk; keep=True: the disk itself. counted=True: its clock counts instructions (4 ns
    each), so that what takes time in it takes the same time at every run, whatever the host does. A
    string instruction counts once for each of its steps: without ERMS those are words, not bytes (a
    processor clears 32 bytes at a time, or more). boot: what
    command() is told, for each boot of it."""

    def __init__(self, disk, folder, ram=1024, keep=False, serial_number="TESTSERIAL",
                 product="Jupiter", firmware="F7A0000", extra=(), counted=False, boot=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ram = ram
        self.serial_number = serial_number
        self.product = product
        self.firmware = firmware  # its version; another one from the next boot on, where a test sets it
        self.extra = list(extra) + (["-icount", "shift=2,sleep=on"] if counted else [])
        self.threads = "single" if counted else "multi"
        self.cpu = "max,pcid=off,la57=off" + (",erms=off,fsrm=off" if counted else "")
        self.console = self.folder / "serial.log"
        self.process = None
        self.memory = pathlib.Path("/dev/shm" if os.path.isdir("/dev/shm") else folder,
                                   f"kdump-distro-{os.getpid()}-{id(self):x}.ram")
        self._boot = boot or {}
        self._shell = None
        self._count = 0
        self._pending = b""
        self.disk = pathlib.Path(disk)
        if not keep:
            copy = self.folder / "disk.img"
            image.run("cp", "--sparse=always", "--reflink=auto", self.disk, copy)
            self.disk = copy
        self.variables = self.folder / "vars.fd"
        shutil.copy(_first(OVMF_VARS), self.variables)

    def command(self, kernel=None, initramfs=None, cmdline=""):
        """QEMU's command line; with a kernel, firmware's boot order and GRUB are left out."""
        kvm = os.environ.get("KVM") == "1"
        words = [
            "qemu-system-x86_64", "-no-user-config", "-nodefaults", "-display", "none",
            "-machine", "q35", "-accel", "kvm" if kvm else f"tcg,thread={self.threads}",
            "-cpu", "host" if kvm else self.cpu, "-m", f"{self.ram}M", "-smp", "1",
            "-object", f"memory-backend-file,id=ram,size={self.ram}M,mem-path={self.memory},share=on",
            "-machine", "memory-backend=ram", "-action", "reboot=shutdown",
            "-chardev", f"file,id=console,path={self.console},append=on",
            "-serial", "chardev:console", "-chardev", f"socket,id=shell,path={self._socket()},"
            "server=on,wait=off", "-serial", "chardev:shell",
            "-drive", f"if=none,id=disk,format=raw,file={self.disk}",
            "-device", "virtio-blk-pci,drive=disk" + ("" if kernel else ",bootindex=0"),
            "-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile=",
            "-smbios", f"type=0,vendor=Test,version={self.firmware}",
            "-smbios", f"type=1,manufacturer=Valve,product={self.product},version=1,"
                       f"serial={self.serial_number}",
            "-smbios", f"type=2,manufacturer=Valve,product={self.product},version=1,serial=B1",
            *self.extra]
        if kernel:
            words += ["-kernel", str(kernel), "-initrd", str(initramfs), "-append", cmdline]
        else:
            words += ["-drive", f"if=pflash,format=raw,readonly=on,file={_first(OVMF_CODE)}",
                      "-drive", f"if=pflash,format=raw,file={self.variables}"]
        return words

    def _socket(self):
        return f"/tmp/kdump-distro-{os.getpid()}-{id(self):x}.sock"

    def start(self):
        """Switches it on and waits for the shell."""
        self.console.write_bytes(b"")
        self._power_on()
        self.wait_for_shell()
        return self

    def _power_on(self):
        """A new process; back when GRUB, or QEMU itself, has loaded a kernel."""
        boot, boots = self._boot, self._boots()
        if self._shell:
            self._shell.close()
        with open(self.folder / "qemu.log", "wb") as log:
            self.process = subprocess.Popen(self.command(**boot), stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        end = time.monotonic() + 20
        self._shell = socket.socket(socket.AF_UNIX)
        while self._shell.connect_ex(self._socket()) != 0:
            if time.monotonic() > end or self.process.poll() is not None:
                raise MachineError((self.folder / "qemu.log").read_text())
            time.sleep(0.05)
        os.unlink(self._socket())
        # Firmware takes what it reads from a serial port for keys that were pressed: nothing is
        # typed until GRUB has loaded the kernel.
        while not boot.get("kernel") and self._boots() == boots:
            if time.monotonic() > end + BOOT_TIMEOUT or self.process.poll() is not None:
                raise MachineError("no kernel is started\n" + self.words())
            time.sleep(0.5)

    def _read_until(self, pattern, timeout, poke=None):
        """What the shell says up to a match of pattern; poke is typed again and again until then, the
        longer the rarer: what nobody reads yet must fit into the terminal's 4096 bytes."""
        start, next_poke = time.monotonic(), 0
        end = start + timeout
        while True:
            found = re.search(pattern, self._pending)
            if found:
                before, self._pending = self._pending[:found.start()], self._pending[found.end():]
                return before, found
            now = time.monotonic()
            if now > end:
                raise MachineError(f"nothing like {pattern} within {timeout} s\n" + self.words())
            if self.process.poll() is not None:
                raise MachineError("the machine is off\n" + self.words())
            try:
                if poke and now > next_poke:
                    self._shell.settimeout(10)  # on a busy computer QEMU may not listen for a while
                    next_poke = now + max(1, (now - start) / 20)
                    self._shell.sendall(poke)
                self._shell.settimeout(0.5)
                self._pending += self._shell.recv(65536)
            except (TimeoutError, ConnectionError):
                pass

    def wait_for_shell(self, timeout=BOOT_TIMEOUT):
        """Until the shell of this boot answers; the boot itself may still go on."""
        self._count += 1
        word = f"here{self._count}"
        self._pending = b""
        # The tty echoes what is typed: the answer is told apart by what the shell makes of it.
        self._read_until(rf"\n{word}-42\r?\n".encode(), timeout,
                         poke=f"stty -echo; echo; echo {word}-$((6*7))\n".encode())
        time.sleep(0.2)
        self.run("true")

    def run(self, script, timeout=120):
        """(exit status, output) of a shell script."""
        self._count += 1
        mark = f"done{self._count}"
        script = script.strip()
        self._shell.sendall(f"( {script}\n) </dev/null; echo \"{mark}:$?\"\n".encode())
        before, found = self._read_until(rf"{mark}:(\d+)\r?\n".encode(), timeout)
        return int(found[1]), before.decode(errors="replace").replace("\r", "")

    def check(self, script, timeout=120):
        """The output of a script that must succeed."""
        status, text = self.run(script, timeout)
        if status != 0:
            raise MachineError(f"{script!r} failed with status {status}:\n{text}")
        return text

    def settle(self, timeout=BOOT_TIMEOUT):
        """Until systemd calls the boot finished; its verdict: running, degraded, …"""
        return self.run("systemctl is-system-running --wait", timeout)[1].strip()

    def reboots(self, script, timeout=BOOT_TIMEOUT):
        """A script that brings the machine down; back when the next boot's shell answers."""
        before = self.check("cat /proc/sys/kernel/random/boot_id").strip()
        self._shell.sendall(f"{script}\n".encode())
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise MachineError("it does not reboot\n" + self.words()) from None
        self._power_on()
        self.wait_for_shell(timeout)
        if self.check("cat /proc/sys/kernel/random/boot_id").strip() == before:
            raise MachineError("it did not reboot\n" + self.words())

    def _boots(self):
        """How often GRUB has started a kernel since the machine was switched on."""
        return self.console.read_bytes().count(b"Loading initial ramdisk")

    def put(self, path, content):
        """A small text file in the machine."""
        self.check(f"cat >'{path}' <<'END-OF-FILE'\n{content}\nEND-OF-FILE")

    def power_off(self, timeout=120):
        """A clean shutdown."""
        self._shell.sendall(b"systemctl poweroff\n")
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.stop()
            raise MachineError("it does not shut down\n" + self.words()) from None

    def stop(self):
        """Switches it off, whatever it does."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self._shell:
            self._shell.close()
        self.memory.unlink(missing_ok=True)

    def words(self):
        """The last of what it said on the console."""
        text = self.console.read_bytes().decode(errors="replace") if self.console.exists() else ""
        return "its last words:\n" + text[-3000:]

    def __enter__(self):
        try:
            return self.start()
        except BaseException:  # __exit__ is not called then
            self.stop()
            raise

    def __exit__(self, *exception):
        self.stop()


def without_grub(disk, parameters=f"ro quiet {image.KERNEL}"):
    """For a Machine's boot: the kernel of a made disk without firmware and GRUB, by default with what
    GRUB would tell it."""
    kernel, initramfs = image.boot_files(disk)
    return {"kernel": kernel, "initramfs": initramfs,
            "cmdline": f"root=PARTUUID={image.PARTUUID[image.ROOT]} {parameters}"}


def boot_seconds(guest):
    """What systemd says of this boot, once it is at its end: (kernel, all)."""
    guest.settle()
    # Until the last job is done, systemd-analyze has no answer.
    end = time.monotonic() + BOOT_TIMEOUT
    while True:
        status, text = guest.run("systemd-analyze time")
        found = re.search(r"finished in (.*?) \(kernel\).* = (.*?) ?\n", text)
        if status == 0 and found:
            return tuple(_seconds(part) for part in found.groups())
        if time.monotonic() > end:
            raise MachineError(f"the boot does not end: {text}")
        time.sleep(1)


def _seconds(text):
    """"1min 5.640s", "800ms"."""
    units = {"min": 60, "s": 1, "ms": 0.001, "us": 0.000001}
    return sum(float(number) * units[unit]
               for number, unit in re.findall(r"([\d.]+)(min|ms|us|s)", text))


def _first(paths):
    for path in paths:
        if os.path.exists(path):
            return path
    raise MachineError(f"no firmware: none of {', '.join(paths)} is here; tools/setup installs it")


def ready_disk(name, made_of=(), first_boot=FIRST_BOOT, **options):
    """A disk whose grub.cfg is made, by the guest's own update-grub in a first boot; options are
    make_disk()'s, and made_of what they stand for."""
    name = f"{name}-{image.fingerprint(made_of)}"
    disk = image.CACHE / name / "disk.img"
    image.CACHE.mkdir(parents=True, exist_ok=True)
    with open(image.CACHE / "disks.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not disk.exists():
            _make_ready(disk, image.CACHE / (name + ".partial"), first_boot, **options)
    return disk


def _make_ready(disk, partial, first_boot, **options):
    shutil.rmtree(partial, ignore_errors=True)
    image.make_disk(partial / "disk.img", **options)
    boot = without_grub(partial / "disk.img", f"rw quiet {image.EMULATED}")
    with Machine(partial / "disk.img", partial, keep=True, boot=boot) as machine:
        machine.settle()
        machine.check(first_boot, timeout=300)
        machine.power_off()
    partial.rename(disk.parent)
