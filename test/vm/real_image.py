# SPDX-License-Identifier: LGPL-2.1-or-later
"""The capture image for a tree with a virtio disk and a real kernel's modules: its size, its cost."""

import os
import pathlib
import resource
import shutil
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(1, str(TOP / "test/tree"))
os.environ.setdefault("KDUMP_STEAMOS", str(TOP / "build/main/src/kdump-steamos"))

import test_initrd  # noqa: E402

MOST_BYTES = 1500000
MOST_SECONDS = 0.3  # of CPU


class RealKernel(test_initrd.Machine):
    """A machine with a virtio disk, ext4, and the modules of a real kernel."""

    def __init__(self, path, kernel):
        self.source = kernel.modules
        super().__init__(path, kernel=kernel.version)
        shutil.copy(TOP / "build/main/src/capture/capture", self.path / "usr/lib/kdump-steamos/capture")

    def modules(self, kernel, suffixes=()):
        target = self.path / "usr/lib/modules" / kernel
        target.parent.mkdir(parents=True)
        subprocess.run(["cp", "-a", "--reflink=auto", self.source, target], check=True)


def build(folder, kernel):
    """A machine in this folder, and the command that builds its image."""
    machine = RealKernel(pathlib.Path(folder) / "tree", kernel)
    return machine, [os.environ["KDUMP_STEAMOS"], f"--root={machine.path}", "initrd", "--force",
                     f"--kernel={kernel.version}"]


def cpu(command):
    """Seconds of CPU, of all its processes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
