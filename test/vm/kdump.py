# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine with a crash kernel: a target disk, and what was captured on it.

ArmedMachine is armed by the program itself, with the kdump folder on the target: image, command line
and all. KdumpMachine gets an image that is made here, for what the program would not make: targets
that are not there, programs that fail.
"""

import dataclasses
import gzip
import os
import re
import subprocess

import disks
import guest as guests
import handheld
import qemu

CAPTURE = os.path.join(guests.BUILD, "src", "capture", "capture")
READER = os.path.join(guests.BUILD, "tools", "vmcore-log", "vmcore-log")
FOLDER = ".steamos/offload/var/kdump"
COMMAND_LINE = ("console=ttyS0 panic=1 nr_cpus=1 reset_devices no_timer_check tsc=reliable "
                "initcall_blacklist=tracer_init_tracefs")
CRASHKERNEL = "96M"
SAID = re.compile(r"^\[ *(\d+\.\d+)\] kdump-steamos: (.*)$", re.MULTILINE)


def loader():
    """Path of kexec_load, built when its source is newer."""
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "kexec_load.c")
    target = os.path.join(guests.OUTPUT, "kexec_load")
    if not os.path.exists(target) or os.path.getmtime(target) < os.path.getmtime(source):
        os.makedirs(guests.OUTPUT, exist_ok=True)
        guests.run(["cc", "-Os", "-s", "-static", "-o", target + ".new", source])
        os.rename(target + ".new", target)
    return target


def program_files(program):
    """A program of the host and its libraries: name in the image → content."""
    path = os.path.realpath(guests.which(program))
    done = subprocess.run(["ldd", path], capture_output=True, text=True, check=False)
    names = [match.lstrip("/") for match in re.findall(r"(/\S+) \(0x", done.stdout)]
    files = {"usr/bin/" + program: path} | {name: "/" + name for name in names}
    content = {}
    for name, source in files.items():
        with open(source, "rb") as file:
            content[name] = file.read()
    return content


def make_image(kernel, configuration, modules, files=None, crashme=None):
    """A capture image as `kdump-steamos initrd` would make it; modules in the order to load. crashme:
    this module comes before them, with these parameters."""
    archive = guests.Cpio()
    content = {"kdump.conf": "".join(f"{key}={value}\n" for key, value in
                                     configuration.items()).encode()}
    content.update(files or {})
    names = []
    for path in guests.module_files(kernel, modules):
        names.append("modules/" + guests.module_name(path) + ".ko")
        content[names[-1]] = guests.read_module(os.path.join(kernel.modules, path))
    if crashme:
        with open(kernel.crashme(), "rb") as file:
            content["modules/crashme.ko"] = file.read()
        names.insert(0, "modules/crashme.ko " + crashme)
    content["modules.list"] = "".join(f"/{name}\n" for name in names).encode()
    with open(CAPTURE, "rb") as file:
        content["init"] = file.read()
    folders = {"dev", "proc", "sys"}
    for name in content:
        while "/" in name:
            name = os.path.dirname(name)
            folders.add(name)
    for name in sorted(folders):
        archive.add(name, 0o040755)
    archive.add("dev/console", 0o020600, device=(5, 1))
    for name, data in content.items():
        archive.add(name, 0o100755 if name == "init" or name.startswith(("usr/", "lib", "bin/")) else 0o100644,
                    data)
    return gzip.compress(archive.finish(), 6)


class Crash:
    """Parameters of a machine that crashes once into its crash kernel, and comes back. configuration:
    the image's /kdump.conf, or of an ArmedMachine /etc/default/kdump."""

    def __init__(self, name, *, bus="virtio", fstype="ext4", crashkernel=CRASHKERNEL, kind="null",
                 by="UUID", configuration=None, modules=None, files=None, full=False, before="",
                 cmdline="", capture_cmdline="", disk=None, qemu_args=(), fast=True, ram=512,
                 read_only=False, spoil=None, programs=(), image=None, options="", subvolume="",
                 crashme=None, faults=None):
        self.__dict__.update({key: value for key, value in locals().items() if key != "self"})


class KdumpMachine(qemu.Machine):
    """A machine with the target disk of a Crash beside the others."""

    def __init__(self, guest, crash):
        name = f"kdump-{crash.name}-{guest.kernel.series}"
        folder = os.path.join(guests.OUTPUT, name)
        self.crash = crash
        self.devices, _, self.partition = disks.BUSES[crash.bus]
        options = {"table": "mbr" if crash.bus == "ahci" else "gpt"} | (crash.disk or {})
        # The constructor of a machine empties its folder.
        os.makedirs(guests.OUTPUT, exist_ok=True)
        self.disk = disks.Disk(folder + ".target", crash.fstype, **options)
        if crash.spoil:
            crash.spoil(self.disk)
        files = self._files(guest)
        super().__init__(guest, name, [self._job(), self._look()], files=files, mem="",
                         ram=crash.ram, fast=crash.fast, home_mib=1024 if crash.full else 256,
                         cmdline=f"crashkernel={crash.crashkernel} {crash.cmdline}")
        os.rename(folder + ".target", os.path.join(self.folder, "target.img"))
        self.disk.path = os.path.join(self.folder, "target.img")

    def _files(self, guest):
        """What the first boot needs: the crash kernel, its image, and what loads both."""
        crash = self.crash
        configuration = {
            "TARGET": f"UUID={self.disk.uuid}" if crash.by == "UUID"
                      else f"PARTUUID={self.disk.partuuid}",
            "FSTYPE": crash.fstype, "SUBDIR": FOLDER, "FULL_COREDUMP": int(crash.full),
            "WAIT_SECONDS": 5,
        } | (crash.configuration or {})
        modules = crash.modules
        if modules is None:
            modules = disks.BUSES[crash.bus][1] + disks.FILE_SYSTEMS[crash.fstype][1]
        files = dict(crash.files or {})
        for program in crash.programs:
            files |= program_files(program)
        # image: bytes of one that was made otherwise
        image = crash.image or make_image(guest.kernel, configuration, modules, files,
                                           crash.crashme)
        self.image_size = len(image)
        with open(guest.kernel.image, "rb") as file:
            files = {"k/vmlinuz": file.read(), "k/image": image}
        with open(loader(), "rb") as file:
            return files | {"k/kexec_load": file.read()}

    def _job(self):
        crash = self.crash
        load = (f"cp /home/k/kexec_load /tmp\nchmod +x /tmp/kexec_load\n"
                f"/tmp/kexec_load /home/k/vmlinuz /home/k/image "
                f"'{COMMAND_LINE} {crash.capture_cmdline}'")
        return (f"modprobe crashme\n{crash.before}\n"
                f"{load} >/home/out/1/load 2>&1\necho $? >/home/out/1/load.status\n"
                "cat /home/out/1/load\n"
                "cat /sys/kernel/kexec_crash_loaded >/home/out/1/loaded\ndmesg >/home/out/1/before\n"
                f"date -u +%Y%m%d%H%M%S >/home/out/1/time\nsync\ncrash {crash.kind}\n")

    def _modules(self):
        names = disks.BUSES[self.crash.bus][1] + disks.FILE_SYSTEMS[self.crash.fstype][1]
        return "".join(f"modprobe {name} 2>/dev/null\n" for name in names)

    def _mount(self, options, place):
        """Commands. USB disks come late; a btrfs on two disks has to be told of the other."""
        if self.disk.second:
            options += ",device=/dev/vdd"
        return (f"for i in $(seq 100); do [ ! -b {self.partition} ] || break; sleep 0.1; done\n"
                f"mkdir -p {place}\nmount -t {self.crash.fstype} -o {options} {self.partition} {place}"
                " || echo vm: the target does not mount\n")

    def _look(self):
        """What the second boot does: everything in the folder goes where the host can read it."""
        options = f"ro,subvol={self.crash.subvolume}" if self.crash.subvolume else "ro"
        return (self._modules() + self._mount(options, "/tmp/t") +
                f": >/home/out/2/list; if cd /tmp/t/{FOLDER}; then\n"
                "find . -exec stat -c '%a %s %n' {} + >/home/out/2/list\n"
                "cp -r . /home/out/2/kdump\ncd /\nfi\numount /tmp/t\n")

    def command(self, interactive=False):
        command = super().command(interactive)
        access = ",readonly=on" if self.crash.read_only else ""
        path = f"{self.folder}/target.img"
        if self.crash.faults:
            path = f"blkdebug:{self._write_faults()}:{path}"
        command += ["-drive", f"if=none,id=target,format=raw,file={path}{access},werror=report"]
        for device in self.devices:
            command += ["-device", device]
        if self.disk.second:
            command += ["-drive", f"if=none,id=second,format=raw,file={self.disk.second}",
                        "-device", "virtio-blk-pci,drive=second"]
        return command + list(self.crash.qemu_args)

    def _write_faults(self):
        """The configuration of QEMU's blkdebug: writes that touch one of these blocks fail."""
        path = os.path.join(self.folder, "faults")
        with open(path, "w", encoding="ascii") as file:
            for block in self.crash.faults(self.disk):
                file.write('[inject-error]\nevent = "write_aio"\nerrno = "5"\nonce = "off"\n'
                           f'sector = "{disks.START + block * (disks.BLOCK // disks.SECTOR)}"\n')
        return path

    # ---- afterwards ----

    def repaired(self):
        """The files of an ext4 target as the next fsck leaves it: their folder."""
        part, tree = os.path.join(self.folder, "part.img"), os.path.join(self.folder, "part")
        self.disk.extract(part)
        guests.extract_ext4(part, tree)
        return tree

    def said(self):
        """What the capture program said: [(seconds since its kernel started, text)]."""
        return [(float(stamp), text) for stamp, text in SAID.findall(self.serial())]

    def captures(self):
        """{name of the capture: folder on the host}."""
        folder = os.path.join(self.home, "out/2/kdump/crash")
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        return {name: os.path.join(folder, name) for name in names}

    def capture(self):
        """The only capture's folder."""
        found = self.captures()
        assert len(found) == 1, (found, self.said())
        return next(iter(found.values()))

    def dmesg(self):
        """The captured log, bytes."""
        with open(os.path.join(self.capture(), "dmesg.txt"), "rb") as file:
            return file.read()


class ArmedMachine(KdumpMachine):
    """A machine whose owner mounts the target disk, has the kdump folder on it, and arms."""

    def _files(self, guest):
        return {}

    def _job(self):
        crash = self.crash
        settings = {"USE_PSTORE_RAM": "0", "KDUMP_FOLDER": f"/mnt/{FOLDER}", "LOG_SUBMISSION": "0"}
        options = crash.options or "rw"
        mount = self._mount(options, "/mnt")
        if crash.subvolume:
            mount += (f"btrfs -q subvolume create /mnt/{crash.subvolume}\numount /mnt\n" +
                      self._mount(f"{options},subvol={crash.subvolume}", "/mnt"))
        return (self._modules() + mount + f"mkdir -p /mnt/{FOLDER}\n" +
                handheld.configure("http://127.0.0.1:9", **settings | (crash.configuration or {})) +
                f"modprobe crashme\n{crash.before}\n"
                "for verb in initrd arm status; do\n"
                "kdump-steamos $verb >/home/out/1/$verb 2>&1\necho $? >/home/out/1/$verb.status\n"
                "sed \"s/^/vm: $verb: /\" /home/out/1/$verb\ndone\n"
                "cp /proc/kallsyms /home/out/1/\n"
                "cat /sys/kernel/kexec_crash_loaded >/home/out/1/loaded\ndmesg >/home/out/1/before\n"
                f"date -u +%Y%m%d%H%M%S >/home/out/1/time\nsync\ncrash {crash.kind}\n")


def run(guest, crash, timeout=600, machine=KdumpMachine):
    """The machine after its crash and its second boot."""
    if not os.path.exists(CAPTURE):
        raise guests.GuestError("the capture program is not built; make does that")
    return machine(guest, crash).run(timeout=timeout)


def peer_dmesg(program, core, work):
    """The log as makedumpfile or vmcore-dmesg reads it out of a core, bytes."""
    if program == "vmcore-dmesg":
        return subprocess.run([guests.which(program), core], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, check=True).stdout
    target = os.path.join(work, "peer.dmesg")
    if os.path.exists(target):
        os.unlink(target)
    subprocess.run([guests.which(program), "--dump-dmesg", core, target], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(target, "rb") as file:
        return file.read()


def callers_dmesg(core):
    """The log with the callers that its records hold."""
    return subprocess.run([READER, "--callers", core], stdout=subprocess.PIPE, check=True).stdout


def vmcoreinfo(core):
    """A core's VMCOREINFO, as text: it lies in the first bytes."""
    with open(core, "rb") as file:
        start = file.read(1 << 20)
    start = start[start.index(b"OSRELEASE="):]
    return start[:start.index(b"\0")].decode()


def crash_osrelease(core):
    """The kernel's version as crash(8) finds it in a core."""
    return subprocess.run([guests.which("crash"), "--osrelease", core], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=True).stdout.strip()


# crash(8) starts only where the kernel's file has types; what it prints here needs none of them.
CRASH_TYPES = """
struct list_head { struct list_head *next, *prev; };
struct mm_struct { void *mmap, *pgd; } init_mm;
struct thread_info { unsigned long flags; };
struct task_struct { struct thread_info thread_info; void *stack; struct list_head tasks; int pid;
                     char comm[16]; struct mm_struct *mm; } init_task;
"""


def crash_namelist(kernel, kallsyms, work):
    """The kernel's file as crash(8) takes it: Debian's has no symbols. They are what the kernel said,
    which lay where its file says (a machine that is `fast` has no KASLR)."""
    path = {name: os.path.join(work, name) for name in
            ("types.c", "types.o", "types", "options", "namelist")}
    sections = [(match[1], int(match[2], 16), int(match[3], 16)) for match in
                re.finditer(r"\] (\S+) +\w+BITS +(f{8}\w{8}) \w+ (\w+)",
                            guests.run(["readelf", "-SW", kernel.vmlinux()]))]
    lines = []
    with open(kallsyms, encoding="ascii") as file:
        for value, kind, name, *module in map(str.split, file):
            for section, start, size in sections if not module and kind in "TtDdBbRr" else []:
                if start <= int(value, 16) < start + size:
                    lines.append(f"--add-symbol {name}={section}:{int(value, 16) - start:#x},global\n")
                    if name == "init_mm":
                        place = value
    with open(path["types.c"], "w", encoding="ascii") as file:
        file.write(CRASH_TYPES)
    guests.run(["gcc", "-gdwarf-4", "-c", "-o", path["types.o"], path["types.c"]])
    guests.run(["ld", "-e", "0", "-Tbss=0x" + place, "-o", path["types"], path["types.o"]])
    for part in ("info", "abbrev", "str", "line", "aranges"):
        content = f"{path['types']}.{part}"
        guests.run(["objcopy", "-O", "binary", "--only-section=.debug_" + part,
                    f"--set-section-flags=.debug_{part}=alloc", path["types"], content])
        lines.append(f"--add-section .debug_{part}={content}\n")
    with open(path["options"], "w", encoding="ascii") as file:
        file.writelines(lines)
    guests.run(["objcopy", "@" + path["options"], kernel.vmlinux(), path["namelist"]])
    return path["namelist"]


def crash_banner(core, namelist):
    """linux_banner, as crash(8) reads it out of the core's memory."""
    done = subprocess.run([guests.which("crash"), "--minimal", "-s", namelist, core],
                          input="rd -a linux_banner\nq\n", stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=True,
                          env=dict(os.environ, HOME="/nonexistent"))
    return "".join(re.findall(r"^[0-9a-f]{16}:  (.*)$", done.stdout, re.M))


DRGN = """
import sys, drgn
program = drgn.Program()
program.set_core_dump(sys.argv[1])
# struct new_utsname: the third of its strings of 65 bytes.
print(program.read(int(sys.argv[2], 16) + 2 * 65, 65).split(b"\\0")[0].decode())
"""


def drgn_release(core):
    """The kernel's version where the running kernel kept it, read by drgn out of its memory."""
    info = vmcoreinfo(core)
    symbol = re.search(r"^SYMBOL\(init_uts_ns\)=(\w+)$", info, re.M)[1]
    offset = re.search(r"^OFFSET\(uts_namespace.name\)=(\d+)$", info, re.M)[1]
    return subprocess.run(["/usr/bin/python3", "-c", DRGN, core,
                           f"{int(symbol, 16) + int(offset):x}"], stdout=subprocess.PIPE, text=True,
                          check=True).stdout.strip()


class BareMachine(qemu.Machine):
    """The capture image as the initial file system of a normal boot, for one boot."""

    def command(self, interactive=False):
        return super().command(interactive) + ["-no-reboot"]


def without_crash(guest):
    """What the machine says when somebody boots the capture image."""
    image = os.path.join(guests.OUTPUT, "kdump-image-" + guest.kernel.series)
    with open(image, "wb") as file:
        file.write(make_image(guest.kernel, {}, []))
    machine = BareMachine(dataclasses.replace(guest, initramfs=image),
                          "kdump-bare-" + guest.kernel.series, mem="", fast=True)
    machine.run(timeout=60)
    return machine.serial()


def run_with_program(guest, name, source, **parameters):
    """PID 1 of the crash kernel starts this C program for makedumpfile."""
    path = os.path.join(guests.OUTPUT, name + ".c")
    os.makedirs(guests.OUTPUT, exist_ok=True)
    with open(path, "w", encoding="ascii") as file:
        file.write(source)
    guests.run(["cc", "-Os", "-s", "-static", "-o", path[:-2], path])
    with open(path[:-2], "rb") as file:
        files = {"usr/bin/" + name: file.read()}
    return run(guest, Crash(name, full=True, files=files, disk={"mib": 128},
                            configuration={"MAKEDUMPFILE": name}, **parameters))


def program_fault(guest):
    """PID 1 gets the signal of a fault."""
    return run_with_program(guest, "fault", "#include <signal.h>\n#include <unistd.h>\n"
                            "int main(void) { kill(1, SIGSEGV); sleep(60); return 0; }\n")


def program_stuck(guest):
    """PID 1 stands still, as in a driver that does not return."""
    return run_with_program(guest, "stuck", "#include <sys/ptrace.h>\n#include <unistd.h>\n"
                            "int main(void) { ptrace(PTRACE_ATTACH, 1, 0, 0); sleep(60); return 0; }\n",
                            capture_cmdline="kdump_limit=5")
