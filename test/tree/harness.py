# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs of test/harness around whole verbs. They run with the plain build: a sanitizer makes
system calls of its own, and runs that are repeated at each one have to be quick."""

import concurrent.futures
import os
import pathlib
import shutil

import pytest

import tree as machine
from tree import TOP

WORKERS = 2


def folder():
    return pathlib.Path(os.environ.get("HARNESS") or TOP / "build/main/test/harness")


def missing(what):
    """A test that vanishes proves nothing: whoever has no plain build says so."""
    if os.environ.get("KDUMP_SKIP_PLAIN") == "1":
        pytest.skip(what)
    pytest.fail(f"{what} (make); KDUMP_SKIP_PLAIN=1 leaves such tests out")


def need(*programs):
    """What a test runs beside the program. A test that vanishes proves nothing: missing is failed."""
    for name in programs:
        if not shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/usr/lib/systemd:/lib/systemd"):
            pytest.fail(f"{name} is not installed (tools/setup)")


def tool(name):
    path = folder() / name
    if not path.exists():
        missing(f"needs {name} of the plain build")
    return str(path)


def plain():
    """The program that was built beside the tools."""
    path = folder().parent.parent / "src/kdump-steamos"
    if not path.exists():
        missing("needs the plain build")
    return str(path)


@pytest.fixture(scope="module")
def plain_build():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "program", plain)
        yield


def run_killed(tree, number, *arguments, exit=False, env=None):
    """Runs a verb, killed at its call with this number, 0: never. Calls are counted from the open of
    the kdump folder on. Gives the number of calls that it made if it came to its end, else None."""
    log = tree.path.parent / (tree.path.name + ".calls")
    done = tree.run(*arguments, env=env,
                    wrapper=[tool("kill_at"), *(["--exit"] if exit else []), f"--log={log}",
                             "--from=kdump", str(number)])
    word, count = log.read_text().split()
    log.unlink()
    if word == "killed":
        assert done.returncode == 137 and int(count) == number
        return None
    assert word == "ended" and done.returncode in (0, 1), done.stderr
    return int(count)


def count_calls(tree, *arguments):
    count = run_killed(tree, 0, *arguments)
    assert count
    return count


def in_parallel(jobs, work):
    """work(worker's number, job) for all jobs; the first failure ends it."""
    jobs = list(jobs)

    def share(worker):
        for job in jobs[worker::WORKERS]:
            work(worker, job)

    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        for future in [pool.submit(share, worker) for worker in range(WORKERS)]:
            future.result()
