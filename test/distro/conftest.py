# SPDX-License-Identifier: LGPL-2.1-or-later
"""One run at a time, as for test/vm: machines want the whole computer."""

import fcntl
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # receiver.py


@pytest.fixture(scope="session")
def one_at_a_time():
    folder = HERE.parent.parent / "build"
    folder.mkdir(exist_ok=True)
    with open(folder / "distro.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
