# SPDX-License-Identifier: LGPL-2.1-or-later
"""The corpus of real kernel logs, where it lies beside the checkout: what was reached stays reached."""

import re
import shutil
import subprocess
import sys

import pytest

from tree import TOP

CORPUS = TOP.parent / "shared/corpus"
SCORER = CORPUS / "score.py"
PLAIN = TOP / "build/main/src/kdump-steamos"

# Percent, of all groups but the foreign architectures; the score is of 100.
FLOORS = {
    "title": 99.3, "type": 100, "function": 100, "intact flag": 99.6, "panicked": 100,
    "negative": 100, "corrupted flag": 98.4, "corrupted head": 100, "frame recall": 99.96,
    "frame precision": 99.97, "stack text": 98.86, "fields": 99.7, "note recall": 99.56,
    "signature same": 100, "signature apart": 100, "variant title": 100, "survived": 100,
}
SCORE = 99.65


@pytest.fixture(scope="module")
def figures():
    if not SCORER.exists():
        pytest.skip("no corpus beside this checkout")
    if not PLAIN.exists():
        pytest.skip("needs the plain build: the scorer's time limits are not for sanitizers")
    done = subprocess.run([sys.executable, str(SCORER), str(CORPUS), "--", str(PLAIN), "report",
                           "--json"], capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", FLOORS)
def test_floor(figures, name):
    last = re.findall(rf"^ +{name} +([0-9.]+) %", figures.rpartition("all but other arch:")[2],
                      re.MULTILINE)
    assert last and float(last[0]) >= FLOORS[name], figures


def test_score(figures):
    assert float(re.search(r"^score ([0-9.]+)$", figures, re.MULTILINE)[1]) >= SCORE


def test_memory_is_bounded_by_the_log(tmp_path):
    """At most four times the log, and what the program itself needs."""
    lines = "".join(f"<6>[{i // 1000:5}.{i % 1000:06}] device {i}: something that is said often\n"
                    for i in range(140000))
    log = tmp_path / "dmesg"
    log.write_text(lines + "<1>[  200.000000] BUG: kernel NULL pointer dereference, address: 0\n"
                   "<4>[  200.000001] RIP: 0010:f+0x1/0x2\n<4>[  200.000002] Call Trace:\n"
                   "<4>[  200.000003]  g+0x1/0x2\n")
    if not PLAIN.exists() or not shutil.which("time"):
        pytest.skip("needs the plain build and GNU time")

    def peak(*arguments):
        """GNU time, for what is started from here inherits this interpreter's own peak."""
        done = subprocess.run(["/usr/bin/time", "-f", "%M", str(PLAIN), *arguments],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True)
        return int(done.stderr.splitlines()[-1]) << 10

    base = peak("--version")
    out = str(tmp_path / "out")
    assert peak("report", "--json", "-o", out, str(log)) - base <= 4 * log.stat().st_size
    assert peak("report", "--text", "-o", out, str(log)) - base <= 4 * log.stat().st_size
