# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs of others that figures stand beside. dracut is installed by tools/setup --bench; kexec-tools,
which would put itself into the machine's boot, is unpacked below build/ from Debian's package. A peer
that cannot be had is said, never left out in silence."""

import glob
import os
import shutil
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDER = os.path.join(TOP, "build", "bench-peers")


def _unpack(package):
    """The package's files; they are fetched once."""
    target = os.path.join(FOLDER, package)
    if os.path.isdir(target):
        return target
    os.makedirs(FOLDER, exist_ok=True)
    try:
        subprocess.run(["apt-get", "download", "-q", package], cwd=FOLDER, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    except subprocess.CalledProcessError as error:
        print(f"bench: cannot fetch {package}: {error.stderr.strip()}", file=sys.stderr)
        return None
    (archive,) = glob.glob(os.path.join(FOLDER, f"{package}_*.deb"))
    subprocess.run(["dpkg-deb", "-x", archive, target + ".new"], check=True)
    os.unlink(archive)
    os.rename(target + ".new", target)
    return target


def _which(program):
    return shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")


def vmcore_dmesg():
    """Path of kexec-tools' reader of logs, or None."""
    path = _which("vmcore-dmesg")
    if not path and _which("apt-get"):
        tree = _unpack("kexec-tools")
        path = os.path.join(tree, "sbin/vmcore-dmesg") if tree else None
    return path


def dracut(*arguments):
    """Runs dracut; False where there is none."""
    path = _which("dracut")
    if path:
        subprocess.run([path, *arguments], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
    return bool(path)


def missing(name, package):
    """Says which row is not there."""
    print(f"    {name:34} not measured: there is no {package} here (tools/setup --bench)", flush=True)
