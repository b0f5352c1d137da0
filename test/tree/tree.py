# SPDX-License-Identifier: LGPL-2.1-or-later
"""A directory tree that is a machine, for tests of whole verbs on it.

    tree = Tree(tmp_path)
    tree.panic(boot=1)
    assert tree.run("collect").returncode == 0
    (report,) = tree.zips()
"""

import datetime
import os
import pathlib
import re
import shutil
import subprocess
import zipfile

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
FOLDER = "home/.steamos/offload/var/kdump"
PSTORE = "sys/fs/pstore"
ARCHIVE = "var/lib/systemd/pstore"
TIME = 1767323045  # 2026-01-02 03:04:05 UTC
NOWHERE = "http://127.0.0.1:9/ACTIONCrashUpload/v1"  # discard: nobody listens
TIMEOUT = 120  # seconds; a sanitized program on a busy machine


def program():
    return os.environ.get("KDUMP_STEAMOS") or str(TOP / "build/main/src/kdump-steamos")


def stamp(time, seconds=False):
    format = "%Y%m%d%H%M%S" if seconds else "%Y%m%d%H%M"
    return datetime.datetime.fromtimestamp(time, datetime.timezone.utc).strftime(format)


NAME = f"steamos-FVAA12345678-gaben.{stamp(TIME)}.zip"  # of a crash then, on the machine of Tree


def oops_text(boot, kernel="6.1.52-valve1"):
    """What the log holds when the oops is dumped; boot makes it unlike that of others."""
    return (f"<5>[    0.000000] Linux version {kernel} (a@b) #1 SMP boot {boot}\n"
            f"<6>[   10.{boot:06}] the machine is up\n"
            f"<1>[   99.{boot:06}] BUG: kernel NULL pointer dereference, address: 0000000000000000\n"
            f"<4>[   99.{boot:06}] CPU: 0 PID: 99 Comm: sh Not tainted {kernel} #1\n"
            f"<4>[   99.{boot:06}] RIP: 0010:crash_it+0x5/0x10 [crashme]\n"
            f"<4>[   99.{boot:06}] Call Trace:\n"
            f"<4>[   99.{boot:06}]  <TASK>\n"
            f"<4>[   99.{boot:06}]  write_it+0x20/0x40 [crashme]\n"
            f"<4>[   99.{boot:06}]  vfs_write+0xb9/0x3f0\n"
            f"<4>[   99.{boot:06}]  </TASK>\n"
            f"<4>[   99.{boot:06}] ---[ end trace 0000000000000000 ]---\n")


def panic_text(boot, kernel="6.1.52-valve1"):
    return (oops_text(boot, kernel) +
            f"<0>[  100.{boot:06}] Kernel panic - not syncing: Fatal exception in boot {boot}\n"
            f"<0>[  100.{boot:06}] ---[ end Kernel panic - not syncing: Fatal exception ]---\n")


class Tree:
    """The machine is a handheld with a user who plays; config() and write() make it another one."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.folder = self.path / FOLDER
        self.write("proc/sys/kernel/osrelease", "6.1.99-valve9\n")
        self.write("etc/os-release", 'NAME="SteamOS"\nID=steamos\nBUILD_ID=20260101.1\n')
        self.write("etc/passwd", "root:x:0:0::/root:/bin/sh\ndeck:x:1000:1000::/home/deck:/bin/sh\n")
        self.dmi(sys_vendor="Valve", product_name="Jupiter", board_name="Jupiter",
                 product_serial="FVAA12345678", bios_version="F7A0116")
        self.write("home/deck/.local/share/Steam/config/loginusers.vdf",
                   '"users"\n{\n\t"76561197960287930"\n\t{\n\t\t"AccountName"\t\t"gaben"\n'
                   '\t\t"MostRecent"\t\t"1"\n\t\t"Timestamp"\t\t"1700000000"\n\t}\n}\n')
        self.settings = {"POST_URL": NOWHERE, "MIN_FREE_SPACE": "0"}
        self.config()
        (self.path / PSTORE).mkdir(parents=True)

    def write(self, name, content, time=None):
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        if time is not None:
            os.utime(file, (time, time))
        return file

    def config(self, **settings):
        """Sets keys of /etc/default/kdump, beside those set before."""
        self.settings |= settings
        self.write("etc/default/kdump", "".join(f"{k}='{v}'\n" for k, v in self.settings.items()))

    def dmi(self, **names):
        for name, value in names.items():
            self.write(f"sys/class/dmi/id/{name}", value if isinstance(value, bytes)
                       else value + "\n")

    def record(self, name, content, time=TIME, where=PSTORE):
        return self.write(f"{where}/{name}", content, time)

    def panic(self, boot=1, time=TIME, first=0, where=PSTORE):
        """What ramoops has of an oops and the panic that follows from it: two records."""
        self.record(f"dmesg-ramoops-{first}", "Oops#1 Part1\n" + oops_text(boot), time - 1, where)
        self.record(f"dmesg-ramoops-{first + 1}", "Panic#2 Part1\n" + panic_text(boot), time, where)

    def efi_panic(self, boot=1, time=TIME, parts=4):
        """What EFI has of a panic: parts that are cut at any byte, the newest with number 1; the
        last two are written a second later."""
        text = panic_text(boot)
        size = -(-len(text) // parts)
        for part in range(parts, 0, -1):
            start = (parts - part) * size
            when = time + (part > parts - 2)
            self.record(f"dmesg-efi_pstore-{(when * 100 + part) * 1000 + 1}",
                        f"Panic#1 Part{part}\n" + text[start:start + size])

    def records(self):
        """What is left in pstore and in systemd-pstore's archive: paths below the tree."""
        return sorted(str(file.relative_to(self.path)) for place in (PSTORE, ARCHIVE)
                      for file in (self.path / place).rglob("*") if not file.is_dir())

    def zips(self, state=""):
        """Names of the reports in a state's folder, as sent_logs; "" are the pending ones."""
        return sorted(file.name for file in (self.folder / state).glob("steamos-*.zip"))

    def all_zips(self):
        """Paths of all reports."""
        return sorted(self.folder.rglob("steamos-*.zip"))

    def leftovers(self):
        return [str(file) for file in self.path.rglob(".tmp-*")]

    def attempts(self):
        """What is noted of the reports' ways to a server: file names in state/. What goes with such a
        note is not in it, unless the note has gone without it."""
        names = sorted(file.name for file in (self.folder / "state").glob("steamos-*"))
        return [name for name in names if name.endswith(".json") or
                name.removesuffix(".exchange").removesuffix(".upload") + ".json" not in names]

    @staticmethod
    def members(report):
        """The ZIP's members: name without the time stamp → bytes. Fails where it is damaged."""
        found = {}
        with zipfile.ZipFile(report) as z:
            assert z.testzip() is None
            for name in z.namelist():
                key, n = re.subn(r"\.\d{12}(\d{2})?(?=[.-]|$)", "", name)
                assert n == 1 and key not in found, name
                found[key] = z.read(name)
        return found

    def run(self, *arguments, wrapper=(), env=None, **options):
        """Runs a verb; wrapper is a command in front of it, as strace."""
        environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        environment |= env or {}
        if wrapper and "ASAN_OPTIONS" in environment:
            # the leak checker wants to trace, too
            environment["ASAN_OPTIONS"] += ":detect_leaks=0"
        return subprocess.run([*wrapper, program(), f"--root={self.path}", *arguments],
                              env=environment, capture_output=True, text=True, timeout=TIMEOUT,
                              check=False, **{"stdin": subprocess.DEVNULL} | options)

    def collect(self):
        """A run that must succeed; the names of the new pending reports."""
        before = set(self.zips())
        done = self.run("collect")
        assert done.returncode == 0, done.stderr
        return sorted(set(self.zips()) - before)

    def copy(self, path):
        """Another tree with the same content."""
        shutil.copytree(self.path, path, symlinks=True)
        other = object.__new__(type(self))
        other.__dict__ |= self.__dict__ | {"path": pathlib.Path(path),
                                           "folder": pathlib.Path(path) / FOLDER}
        other.settings = dict(self.settings)
        return other


def killed_runs(make, *arguments, calls, most=400):
    """Runs a verb on a new tree of make() again and again, killed at its first, second, … call of
    each kind of system call, until it comes to its end. Gives (tree, call, number) after each kill;
    what is done with the tree is the caller's."""
    for call in calls:
        for number in range(1, most):
            tree = make()
            done = tree.run(*arguments, wrapper=["strace", "-f", "-o", "/dev/null", "-e",
                                                 f"trace={call}", "-e",
                                                 f"inject={call}:signal=KILL:when={number}"])
            if done.returncode not in (137, -9):
                assert done.returncode in (0, 1), done.stderr
                break
            yield tree, call, number
        else:
            raise AssertionError(f"{call}: no end of it")


def johns_brick(path, more=""):
    """A handheld that has a name, which its log tells with an address, and more in that line."""
    tree = Tree(path)
    tree.write("etc/os-release", 'NAME="SteamOS"\nVERSION_ID=3.6\nBUILD_ID=20260101.1\n'
               'VARIANT_ID=steamdeck\n')
    tree.write("proc/sys/kernel/hostname", "Johns-Brick\n")
    tree.record("dmesg-ramoops-0", f"Panic#1 Part1\n<6>[    1.000000] Johns-Brick at 10.1.2.3{more}\n"
                + panic_text(1))
    return tree
