# SPDX-License-Identifier: LGPL-2.1-or-later
"""report on a vmcore: the log is read out of the crashed kernel's memory."""

import re
import struct
import subprocess

import pytest
import tree as trees

PHYSICAL, DIRECT, TEXT = 16 << 20, 0xffff888001000000, 0xffffffff80000000
TABLE = re.compile(r"^<\d>\[ *(\d+)\.(\d+)\] (.*)$")


def records(text):
    """The record log of kernels before 5.10 that holds these lines."""
    log = b""
    for line in text.splitlines():
        seconds, fraction, line = TABLE.match(line).groups()
        data = line.encode("latin-1")
        size = (16 + len(data) + 3) & ~3
        log += struct.pack("<QHHHBB", int(seconds) * 10**9 + int(fraction) * 1000, size, len(data), 0,
                           0, 0) + data.ljust(size - 16, b"\0")
    return log


def core(text):
    """An ELF core of 64 KiB of memory: symbols at its start, then the log."""
    log = records(text)
    info = (f"OSRELEASE=4.19.0\nNUMBER(phys_base)={PHYSICAL}\nSYMBOL(log_buf)={TEXT:x}\n"
            f"SYMBOL(log_buf_len)={TEXT + 8:x}\nSYMBOL(log_first_idx)={TEXT + 12:x}\n"
            f"SYMBOL(log_next_idx)={TEXT + 16:x}\nSIZE(printk_log)=16\n"
            "OFFSET(printk_log.ts_nsec)=0\nOFFSET(printk_log.len)=8\n"
            "OFFSET(printk_log.text_len)=10\n").encode()
    note = struct.pack("<III", 11, len(info), 0) + b"VMCOREINFO\0\0" + info
    ram = (struct.pack("<QIII", DIRECT + 64, 1 << 16, 0, len(log)).ljust(64, b"\0") + log).ljust(
        (1 << 16) + 64, b"\0")
    elf = b"\x7fELF\2\1\1".ljust(16, b"\0") + struct.pack("<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64,
                                                         56, 2, 0, 0, 0)
    headers = (struct.pack("<IIQQQQQQ", 4, 0, 4096, 0, 0, len(note), len(note), 0) +
               struct.pack("<IIQQQQQQ", 1, 7, 8192, DIRECT, PHYSICAL, len(ram), len(ram), 0))
    return (elf + headers).ljust(4096, b"\0") + note.ljust(4096, b"\0") + ram


def report(path):
    return subprocess.run([trees.program(), "report", str(path)], capture_output=True, text=True,
                          timeout=trees.TIMEOUT, check=False)


def test_core_is_explained(tmp_path):
    path = tmp_path / "vmcore"
    path.write_bytes(core(trees.panic_text(1)))
    done = report(path)
    assert done.returncode == 0, done.stderr
    assert "NULL pointer dereference in crash_it" in done.stdout
    assert "6.1.52-valve1" in done.stdout


@pytest.mark.parametrize("size", [4, 100, 5000, 8192, 8300])
def test_cut_core_is_refused(tmp_path, size):
    path = tmp_path / "vmcore"
    path.write_bytes(core(trees.panic_text(1))[:size])
    done = report(path)
    assert done.returncode == 1
    assert str(path) in done.stderr


@pytest.mark.parametrize("magic", [b"KDUMP   ", b"makedumpfile\0"])
def test_filtered_core_says_what_opens_it(tmp_path, magic):
    path = tmp_path / "vmcore"
    path.write_bytes(magic.ljust(4096, b"\0"))
    done = report(path)
    assert done.returncode == 1
    assert "crash and drgn open it" in done.stderr
