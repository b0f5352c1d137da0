#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs every fuzz target with libFuzzer: run.py [SECONDS each, default 60] [TARGET ...].

What it finds lies in build/fuzz/findings; the grown corpora stay in build/fuzz/corpus, seeded from
test/data and from shared kernel logs where there are any.
"""

import glob
import gzip
import os
import shutil
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(TOP, "build", "fuzz")


DATA = os.path.join(TOP, "test", "data")
# Beside seeds/NAME: what tests have, and kernel logs beside the checkout.
SEEDS = {"fuzz_klog": [os.path.join(DATA, "klog"), os.path.join(DATA, "klog-real"),
                       os.path.join(os.path.dirname(TOP), "shared", "corpus")]}


def seed(folder, corpus):
    """Copies a folder's logs (and seeds of other names) into a corpus, unpacked."""
    for path, _, names in os.walk(folder):
        for name in names:
            source = os.path.join(path, name)
            target = os.path.join(corpus, os.path.relpath(source, folder).replace(os.sep, "-"))
            if name.endswith(".log.gz"):
                with gzip.open(source) as packed, open(target[:-3], "wb") as log:
                    log.write(packed.read())
            elif not name.endswith((".json", ".md", ".py", ".bin")):
                shutil.copy(source, target)


def main():
    arguments = sys.argv[1:]
    seconds = int(arguments.pop(0)) if arguments and arguments[0].isdigit() else 60
    if not os.path.exists(os.path.join(BUILD, "build.ninja")):
        subprocess.run(["meson", "setup", BUILD, "-Dfuzz=true", "-Db_sanitize=address,undefined",
                        "-Dtests=false", "-Dreceiver=false"], check=True, cwd=TOP,
                       env=dict(os.environ, CC="clang"))
    # Of one target only what it needs.
    subprocess.run(["ninja", "-C", BUILD, *[f"test/fuzz/{name}" for name in arguments]], check=True)
    targets = sorted(t for t in glob.glob(os.path.join(BUILD, "test", "fuzz", "fuzz_*"))
                     if os.access(t, os.X_OK) and not os.path.isdir(t))
    failed = []
    ran = 0
    for target in targets:
        name = os.path.basename(target)
        if arguments and name not in arguments:
            continue
        ran += 1
        corpus = os.path.join(BUILD, "corpus", name)
        findings = os.path.join(BUILD, "findings", name, "")
        os.makedirs(corpus, exist_ok=True)
        os.makedirs(findings, exist_ok=True)
        seeds = os.path.join(TOP, "test", "fuzz", "seeds", name)
        for folder in [seeds] + SEEDS.get(name, []):
            if os.path.isdir(folder):
                seed(folder, corpus)
        print(f"== {name}: {seconds} s", flush=True)
        run = subprocess.run([target, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048",
                              "-print_final_stats=1", "-verbosity=0", f"-artifact_prefix={findings}",
                              corpus], env=dict(os.environ, UBSAN_OPTIONS="halt_on_error=1"))
        if run.returncode:
            failed.append(name)
    print("fuzz: %d targets, %d failed%s" % (ran, len(failed),
                                             ": " + " ".join(failed) if failed else ""))
    return 1 if failed or not ran else 0


if __name__ == "__main__":
    sys.exit(main())
