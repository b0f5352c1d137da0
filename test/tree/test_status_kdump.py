# SPDX-License-Identifier: LGPL-2.1-or-later
"""status: what it says of the crash kernel and of what is reserved for it."""

import json

import pytest

from test_collect import mounted
from test_collect_kdump import kdump_text
from test_status import NOT_ARMED, arm, status, tree  # noqa: F401
from tree import FOLDER, TIME, stamp

LINE = 'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT crashkernel=112M" # kdump-steamos\n'


@pytest.fixture
def kdump(tree):  # noqa: F811
    """A crash kernel is wanted, and this kernel can load one."""
    tree.config(USE_PSTORE_RAM="0")
    tree.kexec = lambda loaded, mib: (
        tree.write("sys/kernel/kexec_crash_loaded", f"{loaded}\n"),
        tree.write("sys/kernel/kexec_crash_size", f"{mib << 20}\n"))
    tree.kexec(0, 0)
    return tree


def advice(tree):  # noqa: F811
    return "\n".join(status(tree)[1]["advice"])


def test_armed(kdump):
    kdump.kexec(1, 96)
    kdump.write(f"{FOLDER}/kdump-initrd-6.1.99-valve9.img", b"x" * (1 << 20))
    code, found = status(kdump)
    assert (code, found["armed"], found["mode"]) == (0, True, "kdump")
    assert (found["kdump"]["reserved"], found["kdump"]["needed"]) == (96 << 20, 88 << 20)
    assert "armed: a crash starts the crash kernel (kdump): 96 MiB reserved, some 88 MiB needed " \
           "with the capture image of 1 MiB\n" in kdump.run("status").stdout
    arm(kdump)
    out = kdump.run("status").stdout
    assert out.startswith("armed: a crash starts") and "\nbesides: ramoops" in out


def test_an_image_that_is_kept_for_this_boot(kdump):
    """Where the kdump folder took none."""
    kdump.kexec(1, 96)
    kdump.write("run/kdump-steamos/kdump-initrd-6.1.99-valve9.img", b"x" * (1 << 20))
    kdump.write(f"{FOLDER}/kdump-initrd-6.1.99-valve9.img", b"x" * (2 << 20))
    found = status(kdump)[1]
    assert (found["kdump"]["image"], found["kdump"]["image_in_run"]) == (1 << 20, True)
    assert found["write_error"] == ""  # there is room for a report, but there was none for the image
    assert "the capture image is in /run/kdump-steamos, for this boot alone" in advice(kdump)
    (kdump.path / "run/kdump-steamos/kdump-initrd-6.1.99-valve9.img").unlink()
    assert status(kdump)[1]["kdump"]["image_in_run"] is False and "this boot alone" not in advice(kdump)


@pytest.mark.parametrize("script, words", [
    ("mount --bind {0} {0} && mount -o remount,bind,ro {0}",
     "takes no report (Read-only file system); mount it read-write"),
    ("mount -t tmpfs -o size=2m,mode=700 none {0} && head -c 1500000 /dev/zero >{0}/x",
     "takes no report (No space left on device); make room there"),
    ("mount -t tmpfs -o size=2m,mode=700,nr_inodes=2 none {0} && >{0}/x",
     "takes no report (No space left on device); make room there"),
    ("mount -t tmpfs -o size=2m,mode=700 none {0}", None)])
@pytest.mark.parametrize("there", [True, False])
def test_a_folder_that_takes_nothing(kdump, script, words, there):
    """Or one that is not there yet, and its parent takes nothing."""
    place = kdump.folder if there else kdump.folder.parent.parent
    place.mkdir(parents=True)
    found = kdump.run("status", wrapper=mounted(script.format(place))).stdout
    error = json.loads(kdump.run("status", "--json", wrapper=mounted(script.format(place))).stdout)["write_error"]
    assert f"({error})" in found if words else error == ""
    assert (words or "reports: ") in found and ("takes no report" in found) == bool(words)


def test_too_little(kdump):
    kdump.kexec(1, 64)
    kdump.write(f"{FOLDER}/kdump-initrd-6.1.99-valve9.img", b"x" * (1 << 20))
    assert "set CRASHKERNEL=96M" in advice(kdump)


def test_what_to_do(kdump):
    code, found = status(kdump)
    assert (code, found["mode"]) == (NOT_ARMED, "none")
    assert "reserve memory for a crash kernel, and reboot: kdump-steamos arm" in advice(kdump)
    kdump.write("etc/default/grub.d/kdump-steamos.cfg", LINE)
    assert "reboot: the next boot reserves memory for crashes (crashkernel=112M, by " \
           "/etc/default/grub.d/kdump-steamos.cfg)" in advice(kdump)
    assert status(kdump)[1]["kdump"]["next_boot"] == "crashkernel=112M"
    kdump.write("proc/cmdline", "quiet crashkernel=112M\n")
    assert "could not reserve crashkernel=112M" in advice(kdump)
    kdump.kexec(0, 112)
    assert "load the crash kernel: kdump-steamos arm" in advice(kdump)
    kdump.write("run/kdump-steamos/late", "")
    assert "kdump-steamos-reserve.service loads the crash kernel; where that has failed or is " \
           "disabled: kdump-steamos arm" in advice(kdump)
    assert "load the crash kernel:" not in advice(kdump) and status(kdump)[1]["kdump"]["late"]
    kdump.kexec(1, 112)
    assert "crash kernel" not in advice(kdump)
    assert "\nkdump: " not in kdump.run("status").stdout


def test_the_line_in_the_file_of_all(kdump):
    kdump.write("etc/default/grub", "A=1\n" + LINE)
    assert "by /etc/default/grub)" in advice(kdump)


def test_captures(kdump):
    kdump.write(f"{FOLDER}/crash/vmcore.{stamp(TIME)}", "core")
    kdump.write(f"{FOLDER}/crash/vmcore-incomplete.{stamp(TIME)}", "core")
    found = status(kdump)[1]["kdump"]
    assert (found["vmcores"], found["uncollected"]) == (2, False)
    kdump.write(f"{FOLDER}/crash/{stamp(TIME, seconds=True)}/dmesg.txt", "text")
    assert status(kdump)[1]["kdump"]["uncollected"]
    assert "what the crash kernel saved waits in crash/" in advice(kdump)


def test_pstore_is_enough(tree):  # noqa: F811
    arm(tree)
    code, found = status(tree)
    assert (code, found["mode"], found["kdump"]["supported"]) == (0, "pstore", False)
    assert "crash kernel" not in json.dumps(found["advice"])
    assert "kdump:" not in tree.run("status").stdout


# --- report

@pytest.mark.parametrize("name", ["vmcore", "vmcore-incomplete"])
def test_report_says_how_to_open_a_vmcore(kdump, name):
    folder = f"{FOLDER}/crash/{stamp(TIME, seconds=True)}"
    kdump.write(f"{folder}/dmesg.txt", kdump_text())
    kdump.write(f"{folder}/{name}", "core")
    kdump.panic()
    (report,) = kdump.collect()
    done = kdump.run("report", str(kdump.folder / report))
    path = f"/{FOLDER}/crash/{name}.{stamp(TIME)}"
    assert f"crash VMLINUX {path}" in done.stderr and f"drgn -c {path}" in done.stderr
    assert ("as far as it was written" in done.stderr) == (name != "vmcore")
    # pstore's dumps are part of what the crash kernel saved
    assert done.stdout.count("in boot 1") <= 2
    text = kdump.run("report", "--json", str(kdump.folder / report)).stdout
    assert len(json.loads(text)["reports"]) == len(json.loads(
        kdump.members(kdump.folder / report)["report.json"])["reports"])
    (kdump.path / path[1:]).unlink()
    assert "VMLINUX" not in kdump.run("report", str(kdump.folder / report)).stderr
