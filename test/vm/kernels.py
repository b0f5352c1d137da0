#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The kernels that the test machine boots, and the crashme module built for each.

On Debian the newest kernel of each series that the distribution offers is downloaded as a package
and unpacked below build/kernels, never installed. On Arch what lies in /usr/lib/modules is used.
As a script, it prepares all kernels and prints what it has; KERNELS names series to use instead of
the default ones, for example KERNELS="linux-image-6.12-amd64".
"""

import dataclasses
import fcntl
import glob
import lzma
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
CACHE = os.path.join(TOP, "build", "kernels")
CRASHME = os.path.join(HERE, "crashme")
DEBIAN_SERIES = ["linux-image-amd64", "linux-image-6.12-amd64"]


class KernelError(Exception):
    """A kernel cannot be had; the text says what to do."""


@dataclasses.dataclass(frozen=True)
class Kernel:
    """One bootable kernel: where its image, its modules and its build tree are."""
    version: str
    image: str    # bzImage
    modules: str  # …/lib/modules/VERSION, with modules.dep
    build: str    # tree to build modules in, '' if there is none

    @property
    def series(self):
        """6.1 for 6.1.0-56-amd64: what test names use."""
        return ".".join(self.version.split(".")[:2])

    def crashme(self):
        """Path of crashme.ko for this kernel, built when the sources are newer."""
        return _build_crashme(self)

    def vmlinux(self):
        """The kernel proper, taken out of the compressed image: an emulator boots it (by PVH) in
        half the time, but at its link address. The image itself if it cannot be taken out."""
        return _extract_vmlinux(self)


def _run(command, **kwargs):
    """Run a command quietly; its output is part of the error if it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **kwargs)
    if done.returncode != 0:
        raise KernelError(f"{' '.join(command)}: exit status {done.returncode}\n"
                          + done.stdout[-3000:])
    return done.stdout


class _Lock:
    """Two test runs in one tree must not unpack or build the same thing at once."""

    def __enter__(self):
        os.makedirs(CACHE, exist_ok=True)
        self.file = open(os.path.join(CACHE, ".lock"), "w", encoding="ascii")
        fcntl.flock(self.file, fcntl.LOCK_EX)

    def __exit__(self, *_exception):
        self.file.close()


# ---- Debian ----

def _apt_depends(package):
    """Names that the newest version of a package depends on; none when apt does not know it."""
    done = subprocess.run(["apt-cache", "depends", package], capture_output=True, text=True,
                          check=False)
    return re.findall(r"^ +\|?Depends: (\S+)", done.stdout, re.MULTILINE)


def _debian_resolve(series):
    """linux-image-amd64 → 6.1.0-56-amd64, '' when the distribution has no such series."""
    for name in _apt_depends(series):
        match = re.fullmatch(r"linux-image-(\d.*)", name)
        if match:
            return match.group(1)
    return ""


def _debian_packages(version):
    """The image, and what building a module for it needs."""
    headers = "linux-headers-" + version
    common = [name for name in _apt_depends(headers)
              if re.match(r"linux-(headers|kbuild)-", name)]
    return ["linux-image-" + version, headers, *common]


def _debian_unpack(version):
    """Download and unpack a kernel into CACHE/VERSION, as a whole or not at all."""
    target = os.path.join(CACHE, version)
    work = tempfile.mkdtemp(prefix=".unpack-", dir=CACHE)
    try:
        archives = os.path.join(work, "archives")
        tree = os.path.join(work, "tree")
        os.mkdir(archives)
        _run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download",
              *_debian_packages(version)], cwd=archives)
        for archive in sorted(glob.glob(os.path.join(archives, "*.deb"))):
            _run(["dpkg-deb", "-x", archive, tree])
        # The build tree names its other half by the absolute path of an installation.
        for makefile in glob.glob(os.path.join(tree, "usr/src/linux-headers-*/Makefile")):
            with open(makefile, encoding="utf-8") as file:
                text = file.read()
            moved = re.sub(r"^include /usr/src/", "include " + os.path.join(target, "usr/src") + "/",
                           text, flags=re.MULTILINE)
            if moved != text:
                with open(makefile, "w", encoding="utf-8") as file:
                    file.write(moved)
        if not os.path.isdir(os.path.join(tree, "lib")):
            os.symlink("usr/lib", os.path.join(tree, "lib"))
        _run(["depmod", "-b", tree, version])
        os.rename(tree, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _debian_kernel(version):
    root = os.path.join(CACHE, version)
    kernel = Kernel(version, os.path.join(root, "boot", "vmlinuz-" + version),
                    os.path.join(root, "lib", "modules", version),
                    os.path.join(root, "usr", "src", "linux-headers-" + version))
    return kernel if os.path.exists(kernel.image) else None


def _debian_cached():
    """Versions unpacked before, newest last."""
    found = [os.path.basename(path) for path in glob.glob(os.path.join(CACHE, "[0-9]*"))]
    return sorted(found, key=lambda text: [int(n) for n in re.findall(r"\d+", text)])


def _debian_all():
    wanted = os.environ.get("KERNELS", "").split()
    kernels = []
    for series in wanted or DEBIAN_SERIES:
        version = _debian_resolve(series)
        if not version:
            continue
        if not _debian_kernel(version):
            try:
                _debian_unpack(version)
            except KernelError as error:
                # Without network, what an earlier run unpacked will do.
                same = [old for old in _debian_cached()
                        if old.split(".")[:2] == version.split(".")[:2]]
                if not same:
                    raise KernelError(f"cannot fetch kernel {version}; is there network, and are "
                                      f"apt's lists new (apt-get update)?\n{error}") from error
                version = same[-1]
        kernel = _debian_kernel(version)
        if kernel not in kernels:
            kernels.append(kernel)
    return kernels


# ---- Arch ----

def _arch_all():
    kernels = []
    for image in sorted(glob.glob("/usr/lib/modules/*/vmlinuz")):
        modules = os.path.dirname(image)
        build = os.path.join(modules, "build")
        kernels.append(Kernel(os.path.basename(modules), image, modules,
                              build if os.path.isdir(build) else ""))
    return kernels


# ---- for everybody ----

def available():
    """The kernels of the test matrix, fetched if need be; KernelError when there is none."""
    with _Lock():
        kernels = _debian_all() if shutil.which("apt-cache") else _arch_all()
    if not kernels:
        raise KernelError("no kernel to test with: apt knows none of " + ", ".join(DEBIAN_SERIES)
                          + ", and /usr/lib/modules has none")
    return kernels


def _decompress(payload):
    """The kernel in a bzImage's payload, or None."""
    if payload.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMADecompressor().decompress(payload)
    if payload.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(31).decompress(payload)
    if payload.startswith(b"\x28\xb5\x2f\xfd"):
        # The last four bytes are the size, for the kernel's own decompressor.
        return subprocess.run(["zstd", "-dcq"], input=payload[:-4], stdout=subprocess.PIPE,
                              check=False).stdout
    return None


def _extract_vmlinux(kernel):
    target = os.path.join(CACHE, "vmlinux-" + kernel.version)
    with _Lock():
        if os.path.exists(target) and os.path.getmtime(target) >= os.path.getmtime(kernel.image):
            return target
        with open(kernel.image, "rb") as file:
            image = file.read()
        # Documentation/arch/x86/boot.rst: setup_sects, payload_offset, payload_length.
        start = ((image[0x1f1] or 4) + 1) * 512
        offset, length = struct.unpack_from("<II", image, 0x248)
        vmlinux = _decompress(image[start + offset:start + offset + length])
        if not vmlinux or not vmlinux.startswith(b"\x7fELF"):
            return kernel.image
        with open(target + ".new", "wb") as file:
            file.write(vmlinux)
        os.rename(target + ".new", target)
    return target


def _build_crashme(kernel):
    sources = [os.path.join(CRASHME, name) for name in ("crashme.c", "Kbuild")]
    work = os.path.join(CACHE, "crashme-" + kernel.version)
    module = os.path.join(work, "crashme.ko")
    with _Lock():
        if os.path.exists(module) and \
                os.path.getmtime(module) > max(os.path.getmtime(path) for path in sources):
            return module
        if not kernel.build:
            raise KernelError(f"kernel {kernel.version} has no build tree: install its headers")
        os.makedirs(work, exist_ok=True)
        for path in sources:
            shutil.copy(path, work)
        # No type information: it would need pahole, and tells the tests nothing.
        _run(["make", "-C", kernel.build, f"M={work}", "CONFIG_DEBUG_INFO_BTF_MODULES=", "modules"],
             env=dict(os.environ, MAKEFLAGS=""))
    return module


def main():
    try:
        for kernel in available():
            print(kernel.version, kernel.image, kernel.crashme(), sep="\n    ")
    except KernelError as error:
        print(f"kernels: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
