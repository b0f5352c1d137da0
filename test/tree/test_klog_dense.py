# SPDX-License-Identifier: LGPL-2.1-or-later
"""Logs full of reports: the newest crash is never lost, and neither time nor memory runs away.

Time is counted in instructions (callgrind's), which a loaded machine does not change."""

import re
import shutil
import subprocess

import pytest

from test_klog import primary, report
from tree import TOP, program

PLAIN = TOP / "build/main/src/kdump-steamos"  # sanitizers cost time and memory of their own
CALLGRIND = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]

OOPS = ["BUG: kernel NULL pointer dereference, address: 0000000000000018",
        "Oops: 0000 [#1] PREEMPT SMP NOPTI",
        "CPU: 1 PID: 777 Comm: game Not tainted 6.11.11-valve1 #1 0123abc",
        "Hardware name: Valve Jupiter/Jupiter, BIOS F7A0131 01/30/2024",
        "RIP: 0010:spiwheel_read_axis+0x12/0x40 [spiwheel]",
        "RSP: 0018:ffffb0a0c0a3fd80 EFLAGS: 00010246",
        "RAX: 0000000000000000 RBX: ffff8a0140a3e000 RCX: 0000000000000000",
        "Call Trace:", " <TASK>", " spiwheel_poll+0x55/0x90 [spiwheel]", " ? __pfx_worker+0x10/0x10",
        " __x64_sys_ioctl+0x94/0xd0", " do_syscall_64+0x82/0x190",
        " entry_SYSCALL_64_after_hwframe+0x76/0x7e", " </TASK>",
        "Modules linked in: " + " ".join(f"module_{i}(OE)" for i in range(80)),
        "---[ end trace 0000000000000000 ]---"]
PANIC = "Kernel panic - not syncing: Fatal exception"
TASK = ["Call Trace:", " <TASK>", " __schedule+0x3e4/0x14b0", " ? __mod_timer+0x286/0x3d0",
        " schedule+0x27/0xf0", " schedule_timeout+0x9e/0x170", " worker_thread+0x30f/0x450",
        " ? __pfx_worker_thread+0x10/0x10", " kthread+0xd2/0x100", " ret_from_fork+0x34/0x50",
        " ret_from_fork_asm+0x1a/0x30", " </TASK>"]


def stamped(lines, caller=""):
    return "".join(f"<4>[{100 + i // 10000:5}.{i % 10000 * 100:06}]{caller} {line}\n"
                   for i, line in enumerate(lines))


def task_dump(n):
    """What panic_print leaves behind a panic: every task and where it waits."""
    return stamped(OOPS + [PANIC] + sum(
        ([f"task:worker/{i} state:S stack:0 pid:{100 + i} tgid:{100 + i} ppid:2", *TASK]
         for i in range(n)), []))


def oopses(n):
    return stamped((OOPS + [f"usb 1-1.{i}: a line of a driver" for i in range(120)]) * n)


def boot_log(n):
    return stamped([f"usb 1-1: device number {i} using xhci_hcd" for i in range(n)] + OOPS + [PANIC])


def same_caller(n):
    """A header with a caller does not end the text of the one before it."""
    return stamped(["BUG: KASAN: x in f+0x1/0x2"] * n, "[    T1]")


def many_callers(n):
    return "".join(f"[    1.000000][ T{i}] BUG: scheduling while atomic: a/1/2\n" for i in range(n))


def nmi_lines(n):
    """From this line on, the lines of all CPUs are of every report."""
    return "".join(f"[    1.000000][   C{i % 64}] WARNING: CPU: 1 PID: 7 at a.c:1 f+0x1/0x2\n"
                   "[    1.000000][    C0] Sending NMI from CPU 1 to CPUs 2:\n" for i in range(n))


def warnings(n):
    return stamped([f"WARNING: CPU: 1 PID: 7 at fs/x.c:{i % 99} f{i % 7}+0x1/0x2" for i in range(n)])


def instructions(log, *arguments):
    done = subprocess.run([*CALLGRIND, str(PLAIN), *arguments, str(log)], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, check=True)
    return int(re.search(r"Collected : (\d+)", done.stderr)[1])


@pytest.fixture(name="measure")
def measure_(tmp_path):
    if not shutil.which("valgrind") or not PLAIN.exists():
        pytest.skip("needs valgrind and the plain build")
    empty = tmp_path / "empty"
    empty.write_text("nothing\n")

    def measure(text, form):
        log = tmp_path / "log"
        log.write_text(text)
        return instructions(log, "report", form) - instructions(empty, "report", form)

    return measure


def test_newest_crash_is_not_lost_behind_a_flood():
    flood = ["WARNING: CPU: 1 PID: 7 at drivers/x.c:9 warn_f+0x1/0x2", "Call Trace:", " a+0x1/0x2",
             " b+0x1/0x2", " c+0x1/0x2"] * 1500
    found = report(stamped(flood + OOPS + [PANIC]).encode())
    assert primary(found)["title"] == \
        "BUG: unable to handle kernel NULL pointer dereference in spiwheel_read_axis"
    assert primary(found)["panic_message"] == "Fatal exception"
    assert primary(found)["stacktraces"][0]["frames"]
    assert len(found["reports"]) == 1024
    assert found["reports_left_out"] == 1501 - 1024
    assert found["reports"][0]["first_line"] == 1


def test_old_oopses_stay_and_old_warnings_go():
    warn = ["WARNING: CPU: 1 PID: 7 at drivers/x.c:9 warn_f+0x1/0x2", "Call Trace:", " a+0x1/0x2",
            " b+0x1/0x2", " c+0x1/0x2"]
    found = report(stamped(warn * 100 + OOPS + warn * 2000).encode())
    assert "NULL pointer" in primary(found)["title"]
    assert found["reports_left_out"] == 2101 - 1024
    assert found["reports"][-1]["last_line"] >= len(warn) * 2100 + len(OOPS) - 1


@pytest.mark.parametrize("make, n", [(same_caller, 250), (many_callers, 300), (nmi_lines, 200),
                                     (warnings, 250), (task_dump, 200), (oopses, 5)],
                         ids=lambda x: getattr(x, "__name__", None))
def test_twice_the_log_is_twice_the_work(measure, make, n):
    assert measure(make(2 * n), "--json") <= 2.6 * measure(make(n), "--json")


# Of 2 MiB. Some 70 are 100 MB/s on a CPU of 3 GHz.
@pytest.mark.parametrize("make, n, most", [(boot_log, 34000, 45), (task_dump, 3600, 75)],
                         ids=lambda x: getattr(x, "__name__", None))
@pytest.mark.parametrize("form", ["--json", "--text"])
def test_instructions_for_a_byte(measure, make, n, most, form):
    text = make(n)
    assert measure(text, form) / len(text) <= most


@pytest.mark.parametrize("make, n", [(task_dump, 3500), (oopses, 270), (warnings, 30000),
                                     (nmi_lines, 17000), (same_caller, 40000)],
                         ids=lambda x: getattr(x, "__name__", None))
@pytest.mark.parametrize("form", ["--json", "--text"])
def test_peak_memory_of_a_dense_log(tmp_path, make, n, form):
    if not shutil.which("time") or not PLAIN.exists():
        pytest.skip("needs GNU time and the plain build")
    log = tmp_path / "log"
    log.write_text(make(n))

    def peak(*arguments):
        """GNU time, for what is started from here inherits this interpreter's own peak."""
        done = subprocess.run(["/usr/bin/time", "-f", "%M", str(PLAIN), *arguments],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True)
        return int(done.stderr.splitlines()[-1]) << 10

    used = peak("report", form, "-o", str(tmp_path / "out"), str(log)) - peak("--version")
    assert used <= 4 * log.stat().st_size


@pytest.mark.parametrize("how", ["file", "pipe"])
def test_of_a_log_that_is_too_long_the_end_is_read(tmp_path, how):
    """A crash is at the end of a log; the lines before the last 64 MiB are not read."""
    log = tmp_path / "log"
    line = b"<6>[    1.000000] " + b"x" * 4077 + b"\n"
    with log.open("wb") as out:
        out.write(stamped(OOPS).encode().replace(b"spiwheel_read_axis", b"lost_in_the_mist"))
        for _ in range(50):
            out.write(line * 700)  # 143 MB: a pipe's bytes are moved twice
        out.write(stamped(OOPS + [PANIC]).encode())
    command = [program(), "report", "--text", "-" if how == "pipe" else str(log)]
    with log.open("rb") as data:
        cat = subprocess.Popen(["cat"], stdin=data, stdout=subprocess.PIPE)
        done = subprocess.run(command, stdin=cat.stdout, capture_output=True, check=True, timeout=120)
        cat.stdout.close()
        cat.wait()
    assert b"in spiwheel_read_axis" in done.stdout
    assert b"lost_in_the_mist" not in done.stdout
    assert b"only its end is read" in done.stderr
