# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kernel logs and their reports: test/data/klog has them side by side."""

import gzip
import json
import re
import subprocess

import pytest

from tree import TOP, program

DATA = TOP / "test/data/klog"
REAL = TOP / "test/data/klog-real"
TIMEOUT = 60  # seconds; what hangs, hangs for longer


def report(data):
    done = subprocess.run([program(), "report", "--json", "-"], input=data, capture_output=True,
                          timeout=TIMEOUT, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def primary(found):
    return found["reports"][found["primary"]]


@pytest.mark.parametrize("log", sorted(DATA.glob("*.log")), ids=lambda path: path.stem)
def test_case(log):
    assert report(log.read_bytes()) == json.loads(log.with_suffix(".json").read_text())


def test_every_log_has_its_report():
    assert {path.stem for path in DATA.glob("*.log")} == {path.stem for path in DATA.glob("*.json")}
    assert len(list(DATA.glob("*.log"))) >= 35


WHOLE = ["null-panic", "null-no-level", "null-bare", "null-caller", "null-crlf", "null-ansi",
         "null-journal", "null-iso-journal", "null-parts", "null-nul"]


@pytest.mark.parametrize("name", WHOLE)
def test_one_crash_in_each_form_is_one_crash(name):
    """Prefixes, colours, line ends, other tasks' lines, parts in any order: the same report."""
    first, other = (primary(json.loads((DATA / f"{n}.json").read_text())) for n in (WHOLE[0], name))
    for key in ("title", "signature", "stack", "comm", "pid", "cpu", "kernel_release", "taint_flags",
                "registers", "modules", "rip", "hardware"):
        assert other[key] == first[key], key


# How a line gets to a file: what stands before its text, by its seconds since the boot.
PREFIXES = {
    "dmesg -T": lambda t: "[Sat Oct  5 05:40:01 2024] ",
    "dmesg -T, German": lambda t: "[Sa Okt  5 05:40:01 2024] ",
    "dmesg -T, with callers": lambda t: "[Sat Oct  5 05:40:01 2024] [ T1742] ",
    "dmesg -e": lambda t: "[Oct 5 05:40] " if t == 42.0 else "[  +0.000012] ",
    "dmesg -d": lambda t: f"[{t:12.6f} <    0.000010>] ",
    "dmesg -x": lambda t: f"kern  :warn  : [{t:12.6f}] ",
    "dmesg -x -T": lambda t: "kern  :emerg : [Sat Oct  5 05:40:01 2024] ",
    "dmesg, ISO": lambda t: "2024-10-05T05:40:01,123456+02:00 ",
    "dmesg, ISO, with callers": lambda t: "2024-10-05T05:40:01,123456+02:00 [ T1742] ",
    "nanoseconds": lambda t: f"[{t:15.9f}] ",
    "journal, short-full": lambda t: "Sat 2024-10-05 05:40:01 CEST steamdeck kernel: ",
    "journal, short-precise": lambda t: "Oct 05 05:40:01.123456 steamdeck kernel: ",
    "journal, short-monotonic": lambda t: f"[{t:12.6f}] steamdeck kernel: ",
    "journal, short-unix": lambda t: "1728106801.123456 steamdeck kernel: ",
    "journal, German": lambda t: "Okt 05 05:40:01 steamdeck kernel: ",
    "journal, French": lambda t: "oct. 05 05:40:01 steamdeck kernel: ",
    "journal, Japanese": lambda t: "10月 05 05:40:01 steamdeck kernel: ",
    "syslog": lambda t: f"Oct  5 05:40:01 steamdeck kernel: [{t:12.6f}] ",
    "syslog, priority": lambda t: "<4>Oct  5 05:40:01 steamdeck kernel: ",
    "console server": lambda t: f"[2024-10-05 05:40:01.123] [{t:12.6f}] ",
    "vendor's caller": lambda t: f"[{t:12.6f}][3:gamescope-wl: 1742] ",
    "vendor's caller, apart": lambda t: f"[{t:12.6f}]  [3:  gamescope-wl: 1742] ",
}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_any_prefix_is_taken_off(prefix):
    lines = re.findall(r"^<\d>\[ *([0-9.]+)\] (.*)$", (DATA / "null-panic.log").read_text(), re.M)
    first = json.loads((DATA / "null-panic.json").read_text())
    found = report("".join(f"{PREFIXES[prefix](float(t))}{text}\n" for t, text in lines).encode())
    assert len(found["reports"]) == len(first["reports"])
    for key in ("title", "signature", "stack", "note", "comm", "registers", "modules", "panic_message"):
        assert primary(found)[key] == primary(first)[key], key


def test_a_bracket_is_not_always_a_prefix():
    """What only looks like a time or a caller stays in the text."""
    texts = ["[drm:amdgpu_job_timedout] *ERROR* 05:40", "[0000:03:00.0] link is down", "[1:2] x"]
    oops = re.sub(r"(?m)^<\d>\[ *[0-9.]+\] ", "", (DATA / "null-panic.log").read_text())
    head, header, tail = oops.partition("BUG: kernel NULL pointer dereference, address: 0000000000000018\n")
    assert header
    for text in texts:
        note = primary(report(f"{head}{header}{text}\n{tail}".encode()))["note"]
        assert note.splitlines()[1] == text


def test_a_lost_beginning_is_still_a_crash():
    """As long as a call trace and its end are there, wherever the log begins."""
    text = (DATA / "gpf.log").read_bytes()
    for offset in range(20, text.index(b" wheel_remove") - 20, 20):
        found = report(text[offset:])
        assert len(found["reports"]) == 1, offset
        assert primary(found)["corrupted"] or offset < text.index(b"general protection fault"), offset
        assert primary(found)["crash_function"] == "wheel_remove", offset


def test_different_bugs_differ():
    signatures = {}
    for path in sorted(DATA.glob("*.json")):
        found = json.loads(path.read_text())
        if found["primary"] is not None and not path.stem.startswith("null-"):
            signatures.setdefault(primary(found)["signature"], []).append(path.stem)
    assert [names for names in signatures.values() if len(names) > 1] == []


def rebuilt(text):
    """The same crash on another machine with another build of the kernel."""
    for old, new in [("0x2c/0xa0", "0x31/0xb0"), ("0x61/0x110", "0x70/0x130"), ("CPU: 3", "CPU: 11"),
                     ("PID: 1742", "PID: 9"), ("ffff8c0a", "ffff9d1b"), ("6.11.11", "6.11.12"),
                     ("spiwheel_poll+", "spiwheel_poll.isra.0+"), ("Galileo", "Jupiter"),
                     ("[   42.", "[99142."), ("gamescope-wl", "steam")]:
        assert old in text, old
        text = text.replace(old, new)
    return text


def test_signature_is_of_the_bug_alone():
    text = (DATA / "null-panic.log").read_text()
    first, other = (primary(report(t.encode())) for t in (text, rebuilt(text)))
    assert first["stack"] != other["stack"]
    assert (first["title"], first["signature"]) == (other["title"], other["signature"])


def test_signature_has_no_hash_of_a_build():
    text = (DATA / "rust.log").read_text()
    other = text.replace("17h0123456789abcdefE", "17hfedcba9876543210E").replace("Cs1234567890a_", "CsZZ_")
    assert other.count("fedcba9876543210") == 1 and "CsZZ_" in other
    first, second = primary(report(text.encode())), primary(report(other.encode()))
    assert first["stack"] != second["stack"]
    assert (first["title"], first["signature"]) == (second["title"], second["signature"])


WHO = "CPU: 1 PID: 777 Comm: game Not tainted 6.11.11-valve1 #1 0123abc\n"
NULL = "BUG: kernel NULL pointer dereference, address: 0000000000000008\nOops: 0000 [#1] SMP\n" + WHO
LOCKUP = "watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [game:777]\n" + WHO
SYSCALL = " vfs_write+0x100/0x400\n ksys_write+0x6d/0xf0\n{}do_syscall_64+0x82/0x190\n" \
          " entry_SYSCALL_64_after_hwframe+0x76/0x7e\n </TASK>\n"
IN_IRQ = " <IRQ>\n spiwheel_timer+0x55/0x90 [spiwheel]\n call_timer_fn+0x24/0x130\n"


def oops(head, rip, trace):
    return head + f"RIP: 0010:{rip}+0x12/0x40 [spiwheel]\nRAX: 0000000000000000\nCall Trace:\n{trace}" \
        "---[ end trace 0000000000000000 ]---\n"


def in_task(frames, between=" "):
    return " <TASK>\n" + "".join(f" {name}+0x1/0x9 [spiwheel]\n" for name in frames) + SYSCALL.format(between)


def over(mark, *frames):
    """A crash in an interrupt, with the task that it interrupted."""
    return IN_IRQ + mark + "".join(f" {name}+0x12/0x40\n" for name in frames) + " </TASK>\n"


IDLE = over(" </IRQ>\n <TASK>\n", "asm_sysvec_apic_timer_interrupt", "cpuidle_enter_state", "do_idle")
FAULT = over(" </IRQ>\n <TASK>\n", "asm_sysvec_apic_timer_interrupt", "shmem_fault", "handle_mm_fault")
SAME_BUG = {
    "a system call, in a kernel with one function more": (
        oops(NULL, "spiwheel_read", in_task(["spiwheel_ioctl"])),
        oops(NULL, "spiwheel_read", in_task(["spiwheel_ioctl"], " x64_sys_call+0x1/0x2\n "))),
    "a loop that is caught in two places": (
        oops(LOCKUP, "inner_a", in_task(["step_one", "spiwheel_write"])),
        oops(LOCKUP, "inner_b", in_task(["step_two", "step_three", "spiwheel_write"]))),
    "a loop that is caught in its own function": (
        oops(LOCKUP, "inner_a", in_task(["step_one", "spiwheel_write"])),
        oops(LOCKUP, "spiwheel_write", in_task([]))),
    "an interrupt of two tasks": (oops(NULL, "spiwheel_irq", IDLE), oops(NULL, "spiwheel_irq", FAULT)),
    "an interrupt, as old kernels print it": (
        oops(NULL, "spiwheel_irq", IN_IRQ + " <EOI>  apic_wait+0x1/0x2\n f+0x1/0x2\n"),
        oops(NULL, "spiwheel_irq", IN_IRQ + " <EOI>  shmem_fault+0x1/0x2\n g+0x1/0x2\n")),
    "another compiler": (
        oops(NULL, "spiwheel_read", in_task(["spiwheel_ioctl"])),
        oops(NULL, "spiwheel_read", in_task(["spiwheel_ioctl.llvm.1234"]))),
}


@pytest.mark.parametrize("name", SAME_BUG)
def test_one_bug_has_one_signature(name):
    first, other = (primary(report(text.encode())) for text in SAME_BUG[name])
    assert first["title"] == other["title"] and not first["corrupted"]
    assert first["stack"] != other["stack"]
    assert first["signature"] == other["signature"]


DIFFERENT = {
    "callers in the interrupt": [IN_IRQ, IN_IRQ.replace("spiwheel_timer", "spiwheel_retry")],
    "callers in the task": [in_task(["spiwheel_ioctl"]), in_task(["spiwheel_open"])],
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_another_way_has_another_signature(name):
    first, other = (primary(report(oops(NULL, "spiwheel_read", t).encode())) for t in DIFFERENT[name])
    assert first["title"] == other["title"]
    assert first["signature"] != other["signature"]


def test_hard_lockups_differ_by_what_hung():
    """Before it, the NMI's frames are the same in all of them."""
    nmi = "Kernel panic - not syncing: Hard LOCKUP\n" + WHO + "Call Trace:\n <NMI>\n panic+0x1/0x2\n" \
        " nmi_panic+0x1/0x2\n watchdog_hardlockup_check+0x1/0x2\n </NMI>\n"
    first, other = (primary(report((nmi + in_task([name])).encode())) for name in ("spin_a", "spin_b"))
    assert first["title"] == other["title"]
    assert first["signature"] != other["signature"]


# --- traces of others

def test_traces_say_whose_they_are():
    """A dump inside a trace is the trace's; one of another CPU is of the trace behind it."""
    text = oops(NULL, "spiwheel_irq", IN_IRQ + " </IRQ>\n <TASK>\n asm_common_interrupt+0x26/0x40\n"
                "RIP: 0010:cpuidle_enter_state+0xdc/0x410\nRAX: 0000000000000007\n"
                " cpuidle_enter+0x2d/0x40\n </TASK>\n").replace("---[ end", "NMI backtrace for cpu 5\n"
                "CPU: 5 PID: 12 Comm: kworker/5:0 Not tainted 6.11.11-valve1 #1\n"
                "RIP: 0010:spin+0x1/0x2\nRDX: 0000000000000009\nCall Trace:\n waiter+0x1/0x2\n"
                "task:steam state:D stack:0 pid:99 tgid:99 ppid:1\nCall Trace:\n schedule+0x1/0x2\n---[ end")
    found = primary(report(text.encode()))
    own, nmi, task = found["stacktraces"]
    assert (own["cpu"], own["pid"], own["comm"]) == (1, 777, "game")
    assert own["rip"]["function_name"] == "cpuidle_enter_state"
    assert own["registers"] == {"rax": "0x0000000000000007"}
    assert (nmi["cpu"], nmi["pid"], nmi["comm"]) == (5, 12, "kworker/5:0")
    assert nmi["rip"]["function_name"] == "spin" and nmi["registers"] == {"rdx": "0x0000000000000009"}
    assert (task.get("cpu"), task["pid"], task["comm"]) == (None, 99, "steam")
    assert found["rip"]["function_name"] == "spiwheel_irq"
    assert found["registers"] == {"rax": "0x0000000000000000"}
    assert found["kernel_build"] == "#1 0123abc"


@pytest.mark.parametrize("line, address", [
    ("BUG: kernel NULL pointer dereference, address: 0000000000000018", 0x18),
    ("BUG: unable to handle page fault for address: ffffb0a0c0a3fd80", 0xffffb0a0c0a3fd80),
    ("BUG: unable to handle kernel NULL pointer dereference at           (null)", 0),
    ("BUG: unable to handle kernel paging request at ffffeb04", 0xffffeb04),
    ("Unable to handle kernel paging request at virtual address dfff800000000000", 0xdfff800000000000),
    ("Oops: general protection fault, probably for non-canonical address 0xdead000000000122: 0000 [#1]",
     0xdead000000000122)])
def test_fault_address(line, address):
    found = primary(report((line + "\n" + WHO + "RIP: 0010:f+0x1/0x2\nCall Trace:\n g+0x1/0x2\n").encode()))
    assert int(found["fault_address"], 16) == address


# --- the nasty: no crash, no hang

NASTY = {
    "nothing": b"",
    "one-newline": b"\n",
    "nuls": bytes(1 << 20),
    "all-bytes": bytes(range(256)) * 2000,
    "one-long-line": b"BUG: " + b"a" * (4 << 20),
    "one-long-frame": b"Call Trace:\n " + b"f" * (1 << 20) + b"+0x1/0x2\n",
    "newlines": b"\n" * (4 << 20),
    "headers": b"BUG: unable to handle page fault for address: 0\n" * 40000,
    "panics": b"Kernel panic - not syncing: " * 60000,
    "panic-lines": b"Kernel panic - not syncing: Fatal exception\n" * 40000,
    "hard-lockups": b"Watchdog detected hard LOCKUP on cpu 1\nKernel panic - not syncing: Hard LOCKUP\n" * 20000,
    "traces": b"Call Trace:\n f+0x1/0x2\n" * 60000,
    "frames": b"BUG: kernel NULL pointer dereference, address: 0\nCall Trace:\n" + b" f+0x1/0x2\n" * 200000,
    "modules": b"BUG: kernel NULL pointer dereference, address: 0\nModules linked in:" + b" m(OE)" * 300000,
    "callers": b"".join(b"[    1.000000][ T%d] BUG: scheduling while atomic: a/1/2\n" % i for i in range(30000)),
    "parts": b"".join(b"Panic#1 Part%d\n[    1.0" % (i % 50 + 1) for i in range(30000)),
    "escapes": b"\x1b[" * 500000,
    "registers": b"Oops: 0000 [#1]\nRIP: 0010:f+0x1/0x2\n" + b"RAX: 1 " * 300000,
    "brackets": b"[" * (2 << 20),
    "colons": b"WARNING: " * 300000,
}


@pytest.mark.parametrize("name", NASTY)
def test_nasty(name):
    found = report(NASTY[name])
    assert len(found["reports"]) <= 1024


@pytest.mark.parametrize("path", sorted(REAL.glob("*.log.gz")), ids=lambda path: path.name[:-7])
def test_any_cut_of_a_real_log(path):
    log = gzip.decompress(path.read_bytes())
    for part in range(1, 12):
        report(log[:len(log) * part // 12])
        report(log[len(log) * part // 12:])
