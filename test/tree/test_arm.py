# SPDX-License-Identifier: LGPL-2.1-or-later
"""arm and disarm on captured machines: what is planned, and that nothing is done to any machine."""

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
FOLDER = "home/.steamos/offload/var/kdump"
BOOT_ID = "11111111-2222-3333-4444-555555555555"

IOMEM = """\
00001000-0009fbff : System RAM
0009fc00-0009ffff : Reserved
00100000-1dffffff : System RAM
  01000000-01e02346 : Kernel code
1e000000-1fffffff : RAM buffer
fd000000-fdffffff : 0000:00:02.0
"""


def program():
    return os.environ.get("KDUMP_STEAMOS") or str(TOP / "build/main/src/kdump-steamos")


class Machine:
    """A tree that is a handheld with a 6.1 kernel, pstore mounted and nothing registered."""

    def __init__(self, path):
        self.path = path
        self.write("proc/sys/kernel/osrelease", "6.1.0-56-amd64\n")
        self.write("proc/sys/kernel/random/boot_id", BOOT_ID + "\n")
        self.write("proc/sys/kernel/panic_print", "2\n")
        self.write("proc/loadavg", "0.20 0.18 0.12 1/80 11206\n")
        self.write("proc/cmdline", "quiet splash\n")
        self.write("proc/iomem", IOMEM)
        self.write("proc/self/mounts", "pstore /sys/fs/pstore pstore rw,nosuid 0 0\n")
        self.write("sys/module/pstore/parameters/backend", "(null)\n")
        self.write("sys/module/pstore/parameters/compress", "deflate\n")
        (path / "sys/fs/pstore").mkdir(parents=True)
        (path / FOLDER).mkdir(parents=True)

    def write(self, name, text):
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def read(self, name):
        return (self.path / name).read_text()

    def ramoops(self, **parameters):
        """ramoops as the kernel shows it once it is registered."""
        values = {"mem_address": 0x1e000000, "mem_size": 0x440000, "record_size": 0x100000,
                  "console_size": 0x40000, "ftrace_size": 0, "pmsg_size": 0, "ecc": 0,
                  "max_reason": 2} | parameters
        for name, value in values.items():
            self.write(f"sys/module/ramoops/parameters/{name}", f"{value}\n")
        self.write("sys/module/pstore/parameters/backend", "ramoops\n")

    def marker(self, **members):
        content = {"boot_id": BOOT_ID, "kernel": "6.1.0-56-amd64", "phase": "armed", "deaths": 0,
                   "time": 1700000000, "loaded_ramoops": True, "panic_print_found": -1,
                   "panic_print_set": -1} | members
        self.write(f"{FOLDER}/state/boot-marker.json", json.dumps(content))

    def files(self):
        """Everything in the tree: what must not change."""
        return {str(file): file.read_bytes() for file in sorted(self.path.rglob("*"))
                if file.is_file()}

    def run(self, *arguments):
        done = subprocess.run([program(), f"--root={self.path}", *arguments], capture_output=True,
                              text=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


@pytest.mark.parametrize("arguments", [["arm"], ["arm", "--dry-run"], ["arm", "--force"]])
def test_a_tree_gets_a_plan_and_no_deeds(machine, arguments):
    before = machine.files()
    status, text = machine.run(*arguments)
    assert status == 0, text
    assert ("plan: load ramoops mem_address=0x1e000000 mem_size=0x840000 record_size=0x100000 "
            "console_size=0x40000 ftrace_size=0x0 pmsg_size=0x0") in text
    assert "a RAM buffer at 0x1e000000, 32 MiB" in text
    assert "8 records of 1 MiB, 256 KiB console" in text
    assert "armed:" not in text
    assert machine.files() == before


def test_configured_sizes(machine):
    machine.write("etc/default/kdump", "RAMOOPS_RECORD_SIZE=256K\nRAMOOPS_CONSOLE_SIZE=64K\n")
    status, text = machine.run("arm")
    assert status == 0, text
    assert "record_size=0x40000 console_size=0x10000" in text


def test_reserved_memory(machine):
    machine.write("proc/sys/kernel/osrelease", "6.12.117+deb12-amd64\n")
    machine.write("proc/cmdline", "quiet reserve_mem=5M:4096:oops ramoops.mem_name=oops\n")
    status, text = machine.run("arm")
    assert status == 0, text
    assert "plan: load ramoops record_size=" in text
    assert "reserve_mem=, 5 MiB" in text


def test_registered_ramoops_is_described(machine):
    machine.ramoops()
    status, text = machine.run("arm")
    assert status == 0, text
    assert ("plan: leave what is registered: ramoops at 0x1e000000, 4.25 MiB of RAM buffer: "
            "4 records of 1 MiB (compressed); survives a reboot") in text
    machine.write("proc/consoles", "tty0  -WU (EC  p  )    4:1\nramoops-1  -W- (EC  p a)\n")
    assert "(compressed), 256 KiB console; survives" in machine.run("arm")[1]


def test_efi_is_accepted(machine):
    machine.write("sys/module/pstore/parameters/backend", "efi_pstore\n")
    status, text = machine.run("arm")
    assert status == 0, text
    assert "leave what is registered: efi_pstore" in text


@pytest.mark.parametrize("change, reason", [
    ({"proc/iomem": "00001000-0009fbff : System RAM\n"}, "no RAM buffer"),
    ({"proc/iomem": "1e000000-1e3fffff : RAM buffer\n"}, "only 4 MiB"),
    ({"proc/iomem": "00000000-00000000 : RAM buffer\n"}, "run this as root"),
    ({"etc/default/kdump": "USE_PSTORE_RAM=0\n"}, "USE_PSTORE_RAM is off"),
    ({"lib/modules/6.1.0-56-amd64/modules.builtin": "kernel/fs/pstore/ramoops.ko\n"}, "built in"),
])
def test_why_a_machine_is_not_armed(machine, change, reason):
    for name, text in change.items():
        machine.write(name, text)
    before = machine.files()
    status, text = machine.run("arm")
    assert status == 3
    assert "plan: nothing" in text and reason in text
    assert machine.files() == before


def test_no_pstore_at_all(tmp_path):
    done = subprocess.run([program(), f"--root={tmp_path}", "arm"], capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert "no pstore" in done.stdout


def test_settled_fits_the_task_dump(machine):
    """--settled writes what is in the tree: one sysctl and the marker."""
    machine.ramoops()
    machine.write("proc/cmdline", "quiet log_buf_len=4M\n")
    machine.marker()
    assert machine.run("arm", "--settled") == (0, "")
    assert machine.read("proc/sys/kernel/panic_print").strip() == "3"
    marker = json.loads(machine.read(f"{FOLDER}/state/boot-marker.json"))
    assert marker["phase"] == "settled"
    assert (marker["panic_print_found"], marker["panic_print_set"]) == (2, 3)
    machine.write("proc/loadavg", "9.00 9.00 9.00 1/1800 11206\n")
    assert machine.run("arm", "--settled") == (0, "")
    assert machine.read("proc/sys/kernel/panic_print").strip() == "130"


def test_settled_notes_consent_when_it_changes(machine):
    noted = machine.path / FOLDER / "state/consent.json"
    machine.marker(phase="settled")
    for value, expected in [("1", [True]), ("1", [True]), ("0", [True, False]), ("1", [True, False, True])]:
        machine.write("etc/default/kdump", f"LOG_SUBMISSION={value}\n")
        assert machine.run("arm", "--settled") == (0, "")
        assert [change["submission"] for change in json.loads(noted.read_text())["changes"]] == expected
    for turn in range(40):
        machine.write("etc/default/kdump", f"LOG_SUBMISSION={turn % 2}\n")
        assert machine.run("arm", "--settled") == (0, "")
    changes = json.loads(noted.read_text())["changes"]
    assert len(changes) == 32 and changes[-1]["submission"]


def test_a_marker_of_early_boot_is_taken_over(machine):
    """Armed before the kdump folder's file system was there."""
    machine.marker(boot_id="another", phase="armed", deaths=1)
    state, run = (machine.path / folder / "boot-marker.json"
                  for folder in (f"{FOLDER}/state", "run/kdump-steamos"))
    marker = json.loads(state.read_text()) | {"boot_id": BOOT_ID, "loaded_ramoops": True, "deaths": 0}
    machine.write("run/kdump-steamos/boot-marker.json", json.dumps(marker))
    machine.ramoops()
    assert "would unload module ramoops" in machine.run("disarm")[1]
    assert run.exists() and json.loads(state.read_text())["boot_id"] == "another"
    assert machine.run("arm", "--settled") == (0, "")
    assert not run.exists()
    taken = json.loads(state.read_text())
    assert (taken["boot_id"], taken["phase"], taken["loaded_ramoops"]) == (BOOT_ID, "settled", True)


def test_settled_of_another_boot_changes_nothing(machine):
    machine.ramoops()
    machine.write("proc/cmdline", "quiet log_buf_len=4M\n")
    machine.marker(boot_id="another")
    machine.write(f"{FOLDER}/state/consent.json", '{"changes": [{"since": 1, "submission": true}]}')
    before = machine.files()
    assert machine.run("arm", "--settled") == (0, "")
    assert machine.files() == before


def test_settled_does_not_write_what_is_so_already(machine):
    machine.ramoops()
    machine.marker(phase="settled")
    marker = machine.path / FOLDER / "state/boot-marker.json"
    before = marker.stat().st_mtime_ns, marker.stat().st_ino
    assert machine.run("arm", "--settled") == (0, "")
    assert (marker.stat().st_mtime_ns, marker.stat().st_ino) == before


@pytest.mark.parametrize("name,count", [("dmesg-efi-1", 1), ("170/001/dmesg-efi_pstore-17000001", 1),
                                        ("console-ramoops-0", 0), (None, 0)])
def test_what_systemd_archived_is_durable_first(machine, tmp_path_factory, name, count):
    """It copies without fsync and erases the record: until then a power cut loses both."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    if name:
        machine.write(f"var/lib/systemd/pstore/{name}", "Panic#1 Part1\n")
    trace = tmp_path_factory.mktemp("trace") / "trace"
    for option, expected in (("--early", count), ("--late", 0)):
        subprocess.run(["strace", "-y", "-o", trace, "-e", "trace=syncfs", program(),
                        f"--root={machine.path}", "arm", option], capture_output=True, check=False)
        synced = re.findall(r"^syncfs\(\d+<(.*)>\) += 0$", trace.read_text(), re.MULTILINE)
        assert synced == [f"{machine.path}/var/lib/systemd/pstore"] * expected


def test_disarm_of_a_tree_does_nothing(machine):
    machine.ramoops()
    machine.marker()
    before = machine.files()
    status, text = machine.run("disarm")
    assert status == 0, text
    assert "would unload module ramoops" in text
    assert machine.files() == before


def test_disarm_leaves_what_others_armed(machine):
    machine.ramoops()
    status, text = machine.run("disarm")
    assert status == 0, text
    assert "left as it is" in text


def test_a_damaged_marker_is_no_obstacle(machine):
    machine.write(f"{FOLDER}/state/boot-marker.json", "{")
    status, text = machine.run("arm", "--settled")
    assert status == 0
    assert "boot marker" in text


def test_usage(machine):
    for arguments in (["arm", "now"], ["arm", "--settled", "--force"], ["arm", "--what"],
                      ["disarm", "now"]):
        status, text = machine.run(*arguments)
        assert status == 2, (arguments, text)
