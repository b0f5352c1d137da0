#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs every test of every kind and ends in one line: N passed, M failed.

Unit tests and fuzz replays run from the sanitizer build (build/check), whole verbs run on directory
trees with that build's program and send reports to servers of others (npm packages, below
build/peers), libFuzzer looks for half a minute for a log that breaks its reader, and virtual machines
run what an installation would have (build/main). --fast leaves the virtual machines out; further
arguments go to pytest.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CHECK = os.path.join(TOP, "build", "check")
MAIN = os.path.join(TOP, "build", "main")
FUZZ_SECONDS = "30"
TAP_LINE = re.compile(r"^(ok|not ok) \d+(.*)$", re.MULTILINE)


def run_meson():
    """All of meson's tests; a cmocka program counts by its TAP lines, any other as one."""
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP")
    subprocess.run(["ninja", "-C", CHECK], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["meson", "test", "-C", CHECK, "--no-rebuild", "--print-errorlogs"], env=env)
    passed = failed = skipped = 0
    with open(os.path.join(CHECK, "meson-logs", "testlog.json"), encoding="utf-8") as log:
        for entry in map(json.loads, log):
            lines = TAP_LINE.findall(entry.get("stdout") or "")
            bad = sum(1 for word, rest in lines if word == "not ok")
            skip = sum(1 for word, rest in lines if "# SKIP" in rest)
            if lines:
                passed += len(lines) - bad - skip
                failed += bad
                skipped += skip
            if entry["result"] == "SKIP":
                skipped += 1
            elif entry["result"] != "OK" and bad == 0:
                failed += 1  # died, or a sanitizer spoke
            elif not lines:
                passed += 1
    return passed, failed, skipped


def run_pytest(path, arguments, env):
    """One pytest run, counted by its JUnit report, so that a run that dies counts as failed."""
    report = os.path.join(TOP, "build", f"pytest-{os.path.basename(path)}.xml")
    if os.path.exists(report):
        os.unlink(report)
    status = subprocess.run(
        ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}",
         os.path.join("test", path), *arguments], cwd=TOP, env=dict(os.environ, **env)).returncode
    try:
        suite = ElementTree.parse(report).getroot().find("testsuite")
        total, failures, errors, skipped = (
            int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped"))
    except (OSError, ElementTree.ParseError, AttributeError):
        return 0, 1, 0
    failed = failures + errors
    if status != 0 and failed == 0:
        failed = 1
    return total - failures - errors - skipped, failed, skipped


def run_fuzz():
    """libFuzzer on the reader of kernel logs, with the corpus beside the checkout as its seeds."""
    if not shutil.which("clang"):
        print("fuzz: skipped, there is no clang")
        return 0, 0, 1
    status = subprocess.run(["/usr/bin/python3", os.path.join(TOP, "test", "fuzz", "run.py"),
                             FUZZ_SECONDS, "fuzz_klog"], cwd=TOP).returncode
    return int(status == 0), int(status != 0), 0


def main():
    arguments = sys.argv[1:]
    fast = "--fast" in arguments
    arguments = [a for a in arguments if a != "--fast"]
    sanitized = {
        "KDUMP_STEAMOS": os.path.join(CHECK, "src", "kdump-steamos"),
        "RECEIVER": os.path.join(CHECK, "tools", "receiver", "receiver"),
        "ASAN_OPTIONS": "abort_on_error=1",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    }
    installed = {
        "KDUMP_STEAMOS": os.path.join(MAIN, "src", "kdump-steamos"),
        "RECEIVER": os.path.join(MAIN, "tools", "receiver", "receiver"),
    }
    stages = [("units", run_meson), ("fuzz", run_fuzz),
              ("trees", lambda: run_pytest("tree", arguments, sanitized)),
              ("peers", lambda: run_pytest("peers", arguments, sanitized))]
    if not fast:
        stages.append(("machines", lambda: run_pytest("vm", arguments, installed)))
    totals = [0, 0, 0]
    summary = []
    for name, stage in stages:
        start = time.monotonic()
        result = stage()
        totals = [a + b for a, b in zip(totals, result)]
        summary.append("%-9s %4d passed, %d failed, %d skipped, %.0f s"
                       % (name + ":", *result, time.monotonic() - start))
    print()
    print("\n".join(summary))
    print("%d passed, %d failed" % (totals[0], totals[1]) +
          (", %d skipped" % totals[2] if totals[2] else ""))
    return 1 if totals[1] or not totals[0] else 0


if __name__ == "__main__":
    sys.exit(main())
