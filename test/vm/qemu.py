# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a guest in QEMU: over its crashes and reboots, to its power-off."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time

import guest as guests

# Where the RAM buffer comes from: with mem= below the RAM's end the kernel calls what lies between
# that address and the next multiple of 64 MiB "RAM buffer" (e820__reserve_resources_late). It ends
# 32 MiB below the RAM's top, because at each reset QEMU writes the initial file system and the
# firmware its tables there.
RAM_MIB = 544
MEM_PARAMETER = "480M"

OVMF_CODE = ["/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/edk2/x64/OVMF_CODE.4m.fd"]
OVMF_VARS = ["/usr/share/OVMF/OVMF_VARS_4M.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"]

STALL = 90  # seconds without a word on the serial line


class MachineError(Exception):
    """The machine did not do what it should; the text ends with its last words."""


class Remains:
    """The files of a machine that is down, taken out of its /home."""

    def __init__(self, folder):
        self.folder = folder
        self.home = os.path.join(folder, "home")

    def read(self, name):
        """A file of the guest's /home, as text."""
        with open(os.path.join(self.home, name), encoding="utf-8", errors="replace") as file:
            return file.read()

    def reports(self):
        """The report ZIPs in the guest's kdump folder, pending or sent."""
        folder = os.path.join(self.home, ".steamos/offload/var/kdump")
        return sorted(os.path.join(path, name) for path, _, names in os.walk(folder)
                      for name in names if name.endswith(".zip"))


class Machine(Remains):
    """One virtual machine. jobs are shell scripts, one for each boot; files (name → text or bytes)
    are put into its /home, below deck/ as user 1000's. What it leaves is in folder: serial.log and
    home/ once it is down. fast leaves out the firmware's and the decompressor's part of a boot."""

    def __init__(self, guest, name, jobs=(), *, files=None, cmdline="", mem=MEM_PARAMETER,
                 ram=RAM_MIB, uefi=False, home_mib=512, serial_number="TESTSERIAL",
                 product="Jupiter", fast=False):
        super().__init__(os.path.join(guests.OUTPUT, name))
        self.guest = guest
        self.serial_log = os.path.join(self.folder, "serial.log")
        self.cmdline = cmdline
        self.mem = mem
        self.ram = ram
        self.uefi = uefi
        self.image = guest.kernel.vmlinux() if fast and not uefi else guest.kernel.image
        self.product = product
        self.serial_number = serial_number
        self.process = None
        self.monitor = None
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        self._make_home(jobs, files or {}, home_mib)

    def _make_home(self, jobs, files, size):
        self._home_image = os.path.join(self.folder, "home.img")
        content = {f"job/{number}": job for number, job in enumerate(jobs, 1)}
        content.update(files)
        with tempfile.TemporaryDirectory(dir=self.folder) as tree:
            os.makedirs(os.path.join(tree, "deck"))
            for name, data in content.items():
                path = os.path.join(tree, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb") as file:
                    file.write(data if isinstance(data, bytes) else data.encode())
            guests.make_ext4(tree, self._home_image, size, {"/deck": 1000})

    def command(self, interactive=False):
        """The QEMU command line."""
        kvm = os.environ.get("KVM") == "1"
        serial = "mon:stdio" if interactive else "file:" + self.serial_log
        words = ["console=ttyS0", "panic=1", "no_timer_check", "tsc=reliable", "audit=0", "loglevel=5"]
        if self.mem:
            words.append("mem=" + self.mem)
        if self.cmdline:
            words.append(self.cmdline)
        command = [
            guests.which("qemu-system-x86_64"), "-no-user-config", "-nodefaults", "-display", "none",
            "-machine", "q35", "-accel", "kvm" if kvm else "tcg",
            "-cpu", "host" if kvm else "qemu64,+rdrand",
            "-m", f"{self.ram}M", "-smp", "1",
            "-kernel", self.image, "-initrd", self.guest.initramfs,
            "-append", " ".join(words), "-serial", serial,
            "-drive", f"if=none,id=root,format=raw,snapshot=on,file={self.guest.root}",
            "-device", "virtio-blk-pci,drive=root",
            "-drive", f"if=none,id=home,format=raw,file={self._home_image}",
            "-device", "virtio-blk-pci,drive=home",
            "-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile=",
            "-device", "i6300esb", "-action", "watchdog=inject-nmi",
            "-smbios", "type=0,vendor=Test,version=F7A0000",
            "-smbios", f"type=1,manufacturer=Valve,product={self.product},version=1,"
                       f"serial={self.serial_number}",
            "-smbios", f"type=2,manufacturer=Valve,product={self.product},version=1,"
                       f"serial=BOARD{self.serial_number}",
        ]
        if self.uefi:
            code = next((path for path in OVMF_CODE if os.path.exists(path)), None)
            variables = next((path for path in OVMF_VARS if os.path.exists(path)), None)
            if not code or not variables:
                raise MachineError("no OVMF firmware found; tools/setup installs it")
            own = os.path.join(self.folder, "vars.fd")
            shutil.copy(variables, own)
            command += ["-drive", f"if=pflash,format=raw,readonly=on,file={code}",
                        "-drive", f"if=pflash,format=raw,file={own}"]
        return command

    # ---- running ----

    def start(self):
        """Switch the machine on."""
        self._sockets, other = socket.socketpair()
        command = self.command() + ["-chardev", f"socket,id=qmp,fd={other.fileno()}",
                                    "-mon", "chardev=qmp,mode=control"]
        with open(os.path.join(self.folder, "qemu.log"), "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, pass_fds=[other.fileno()])
        other.close()
        self.monitor = self._sockets.makefile("rw", encoding="utf-8")
        self.qmp("qmp_capabilities")
        return self

    def qmp(self, name):
        """One command to QEMU itself, such as system_reset (a power cut) or inject-nmi."""
        print(json.dumps({"execute": name}), file=self.monitor, flush=True)
        for line in self.monitor:
            answer = json.loads(line)
            if "error" in answer:
                raise MachineError(f"QEMU refuses {name}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]
        raise MachineError("QEMU has ended: " + self._qemu_log())

    def _qemu_log(self):
        with open(os.path.join(self.folder, "qemu.log"), encoding="utf-8",
                  errors="replace") as file:
            return file.read()

    def serial(self):
        """All that the machine has said so far."""
        try:
            with open(self.serial_log, encoding="utf-8", errors="replace") as file:
                return file.read().replace("\r", "")
        except FileNotFoundError:
            return ""

    def fail(self, what):
        """A MachineError with the last lines of the serial log."""
        tail = "\n".join("    " + line for line in self.serial().splitlines()[-25:])
        return MachineError(f"{what}\nserial log, {self.serial_log}, ends in\n{tail}")

    def wait(self, timeout, watch=None):
        """Wait for the power-off, and get the files out. watch(text) sees what the serial line
        says, as it comes."""
        start = last = time.monotonic()
        size = 0
        while self.process.poll() is None:
            time.sleep(0.1)
            now = time.monotonic()
            text = self.serial()
            if len(text) != size:
                if watch:
                    watch(text[size:])
                size, last = len(text), now
            if now - start > timeout:
                self.stop()
                raise self.fail(f"still running after {timeout} s")
            if now - last > STALL:
                self.stop()
                raise self.fail(f"silent for {STALL} s")
        if watch:
            watch(self.serial()[size:])
        if self.process.returncode != 0:
            raise self.fail(f"QEMU ended with {self.process.returncode}: {self._qemu_log()}")
        guests.extract_ext4(self._home_image, self.home)
        return self

    def wait_for(self, *texts, timeout):
        """Wait until the serial line has said one of these."""
        deadline = time.monotonic() + timeout
        while not any(text in self.serial() for text in texts):
            if self.process.poll() is not None:
                raise self.fail(f"QEMU ended before {texts}: {self._qemu_log()}")
            if time.monotonic() > deadline:
                raise self.fail(f"nothing of {texts} within {timeout} s")
            time.sleep(0.02)

    def stop(self):
        """Switch it off, as it is."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def run(self, timeout=120, watch=None):
        """start and wait."""
        self.start()
        try:
            return self.wait(timeout, watch)
        finally:
            self.stop()
