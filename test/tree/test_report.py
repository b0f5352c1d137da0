# SPDX-License-Identifier: LGPL-2.1-or-later
"""report --text: what a person reads. test/data/klog-real has some of the screens beside the logs."""

import gzip
import os
import pty
import re
import subprocess

import pytest

from tree import TOP, Tree, oops_text, panic_text, program

REAL = TOP / "test/data/klog-real"
SCREENS = sorted(REAL.glob("*.txt"))


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path / "tree")


def text(source, *options, **more):
    done = subprocess.run([program(), "report", *options, str(source)], capture_output=True,
                          timeout=60, check=False, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


@pytest.mark.parametrize("screen", SCREENS, ids=lambda path: path.stem)
def test_screen(screen):
    """The whole screen, but for the signature: how that is made is for other tests."""
    log = gzip.decompress(screen.with_suffix(".log.gz").read_bytes())
    shown = text("-", input=log)
    assert re.sub(r"signature  \S+", "signature  …", shown) == screen.read_text()


def test_there_are_screens():
    assert len(SCREENS) >= 6


@pytest.mark.parametrize("seconds,words", [
    ("    4.250000", "4.2 s after"), ("  192.000000", "3 min 12 s after"),
    (" 7995.500000", "2 h 13 min after"), ("97200.000000", "1 day 3 h after")])
def test_uptime(tmp_path, seconds, words):
    log = tmp_path / "dmesg"
    log.write_text(re.sub(r"\[ *\d+\.\d+\]", f"[{seconds}]", panic_text(1)))
    assert words in text(log)


def on_terminal(log, **env):
    """What a terminal is given."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([program(), "report", str(log)], stdout=theirs, stderr=subprocess.DEVNULL,
                          env={"PATH": os.environ["PATH"], **env}) as running:
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 65536):
                shown += chunk
        except OSError:  # the other end is closed
            pass
        assert running.wait(60) == 0
    os.close(ours)
    return shown


def test_colours_are_for_terminals(tmp_path):
    log = tmp_path / "dmesg"
    log.write_text(panic_text(1))
    assert b"\x1b[1;31m" in on_terminal(log, TERM="xterm")
    for env in ({"TERM": "dumb"}, {"TERM": "xterm", "NO_COLOR": "1"}, {}):
        shown = on_terminal(log, **env)
        assert b"crash_it" in shown and b"\x1b" not in shown, env
    assert "\x1b" not in text(log)


OOM = """[   90.000000] Mem-Info:
[   90.000001] Node 0 DMA32 free:4000kB boost:0kB min:92kB
[   90.000002] 100000 pages RAM
[   90.000003] 4000 pages reserved
[   90.000004] Tasks state (memory values in pages):
[   90.000005] [  pid  ]   uid  tgid total_vm      rss rss_anon pgtables_bytes swapents oom_score_adj name
[   90.000006] [    300]  1000   300   90000    51200    51000    40960        0             0 chrome tab
[   90.000007] [     12]     0    12     646     2560        0    40960        0             0 systemd
[   90.000008] [    301]  1000   301   90000    25600    25600    40960        0             0 game
[   90.000009] [    302]  1000   302   90000      512      512    40960        0             0 small
[   90.000010] Kernel panic - not syncing: Out of memory: system-wide panic_on_oom is enabled
[   90.000011] CPU: 0 PID: 301 Comm: game Not tainted 6.11.11-valve1 #1
[   90.000012] Call Trace:
[   90.000013]  <TASK>
[   90.000014]  panic+0x344/0x3a0
[   90.000015]  out_of_memory+0xe7/0x520
[   90.000016]  </TASK>
"""


def test_the_biggest_tasks_of_a_lack_of_memory(tmp_path):
    log = tmp_path / "dmesg"
    log.write_text(OOM)
    flat = " ".join(text(log).split())
    assert "the biggest tasks were chrome tab (300, 200 MiB), game (301, 100 MiB), systemd (12, 10 MiB)" in flat
    assert "of 375 MiB free" in flat


@pytest.mark.parametrize("module,flags,words", [
    ("wl", "POE", "a module that is not the kernel's own"), ("amdgpu", "", "that is the graphics driver"),
    ("nvme", "", "that is the disk's driver")])
def test_advice_by_module(tmp_path, module, flags, words):
    log = tmp_path / "dmesg"
    body = re.sub(r"(crash_it\+0x\w+/0x\w+)( \[\w+\])?", rf"\1 [{module}]", panic_text(1))
    log.write_text(body.replace("Modules linked in:", f"Modules linked in: {module}({flags})" if flags
                                else f"Modules linked in: {module}"))
    if "Modules linked in" not in body:
        log.write_text(log.read_text().replace(
            "Kernel panic", f"Modules linked in: {module}{'(' + flags + ')' if flags else ''}\n<0>[  100.000000] Kernel panic"))
    assert words in " ".join(text(log).split())


def test_a_dump_of_the_memory_is_named(tree, tmp_path):
    folder = tmp_path / "crash/20260102030405"
    folder.mkdir(parents=True)
    (folder / "dmesg.txt").write_text(panic_text(1))
    assert "vmcore" not in text(folder / "dmesg.txt")
    (folder / "vmcore").write_bytes(b"")
    assert f"the memory is in {folder}/vmcore" in " ".join(text(folder / "dmesg.txt").split())
    tree.panic()
    (name,) = tree.collect()
    stamp = name.split(".")[1]
    (tree.folder / "crash").mkdir(exist_ok=True)
    (tree.folder / "crash" / f"vmcore.{stamp}").write_bytes(b"")
    assert f"crash/vmcore.{stamp}" in text(tree.folder / name)
    sent = tree.run("report", "--as-sent", str(tree.folder / name))
    assert "vmcore" not in sent.stdout


def test_output_is_its_owners_and_whole(tmp_path):
    log, out = tmp_path / "dmesg", tmp_path / "out.txt"
    log.write_text(oops_text(1))
    out.write_text("old")
    out.chmod(0o644)
    assert text(log, "-o", str(out)) == ""
    assert out.read_text() == text(log) and out.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dmesg", "out.txt"]
