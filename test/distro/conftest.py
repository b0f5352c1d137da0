# SPDX-License-Identifier: LGPL-2.1-or-later
"""One run at a time, as for test/vm: two machines want the whole computer."""

import fcntl
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # receiver.py


def pytest_configure(config):
    """The run, not each of its workers (-n), has the lock."""
    if not hasattr(config, "workerinput"):
        folder = HERE.parent.parent / "build"
        folder.mkdir(exist_ok=True)
        config.distro_lock = open(folder / "distro.lock", "w", encoding="utf-8")
        fcntl.flock(config.distro_lock, fcntl.LOCK_EX)
