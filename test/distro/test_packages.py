# SPDX-License-Identifier: LGPL-2.1-or-later
"""Both kinds of packages: built from this tree, looked into, installed into trees."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BOTH = {"usr/bin/kdump-steamos", "etc/default/kdump", "etc/default/kdump.d/",
        "usr/lib/systemd/system-generators/kdump-steamos-generator", "usr/lib/sysctl.d/60-kdump-steamos.conf",
        "usr/lib/sysusers.d/kdump-steamos.conf", "usr/lib/systemd/catalog/kdump-steamos.catalog",
        "usr/share/man/man8/kdump-steamos.8.gz", "usr/share/man/man5/kdump-steamos.conf.5.gz",
        "usr/share/man/man1/kdump-steamos-report.1.gz",
        "usr/share/bash-completion/completions/kdump-steamos",
        "usr/share/fish/vendor_completions.d/kdump-steamos.fish"}
UNITS = {"kdump-steamos.service", "kdump-steamos-settled.service", "kdump-steamos-settled.timer",
         "kdump-steamos-collect.service", "kdump-steamos-reserve.service",
         "kdump-steamos-submit.service",
         "kdump-steamos-submit.path", "kdump-steamos-submit.timer"}


def run(*words, **options):
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout
    return done.stdout


def need(*tools):
    for tool in tools:
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed; tools/setup --distro does it")


def build(kind, folder=None, version=None):
    words = [TOP / "package/build", kind, *([folder] if folder else [])]
    made = [pathlib.Path(line) for line in run(
        *words, env=os.environ | ({"VERSION": version} if version else {})).splitlines()]
    (package,) = [path for path in made if "-dbg" not in path.name and "-debug" not in path.name]
    (debug,) = set(made) - {package}
    return package, debug


@pytest.fixture(scope="module")
def deb():
    need("dpkg-buildpackage", "dh", "fakeroot")
    return build("deb")


@pytest.fixture(scope="module")
def arch():
    need("makepkg", "pacman", "fakeroot", "bsdtar")
    return build("arch")


def deb_files(path):
    listing = run("dpkg-deb", "-c", path)
    return {line.split()[5].removeprefix("./"): line.split()[:2] for line in listing.splitlines()}


def arch_files(path):
    listing = run("bsdtar", "-tvf", path)
    return {line.split()[8]: [line.split()[0], "/".join(line.split()[2:4])]
            for line in listing.splitlines()}


def check_files(files, unit_folder, zsh_folder):
    assert BOTH <= files.keys()
    assert {f"{unit_folder}/{unit}" for unit in UNITS} <= files.keys()
    assert f"usr/share/zsh/{zsh_folder}/_kdump-steamos" in files
    for name, (mode, owner) in files.items():
        assert owner in ("root/root", "0/0"), name
        assert mode[8] != "w" and "s" not in mode, name
        assert not re.search(r"home/|/work/|/build/|usr/local|\.so", name), name
    assert files["etc/default/kdump"][0] == "-rw-r--r--"
    assert files["usr/bin/kdump-steamos"][0] == "-rwxr-xr-x"


def test_deb_files(deb):
    files = deb_files(deb[0])
    folder = run("pkg-config", "--variable=systemdsystemunitdir", "systemd").strip().lstrip("/")
    check_files(files, folder, "vendor-completions")
    assert not any("atomic-update" in name for name in files)
    assert "etc/default/kdump" in [line.lstrip("/") for line in run(
        "dpkg-deb", "-I", deb[0], "conffiles").split()]
    assert any(name.endswith(".debug") for name in deb_files(deb[1]))


def test_deb_lintian(deb):
    need("lintian")
    words = run("lintian", "--allow-root", "--fail-on", "error,warning", deb[0])
    assert "E:" not in words


def test_deb_depends_on_what_it_loads(deb):
    """Libraries that are loaded at run time are in no ELF header."""
    depends = run("dpkg-deb", "-f", deb[0], "Depends")
    for name in re.findall(r'"lib(\w+)\.so\.\d+"', "\n".join(
            path.read_text() for path in (TOP / "src").rglob("*.c"))):
        assert f"lib{name}" in depends, name


def test_arch_files(arch):
    files = arch_files(arch[0])
    check_files(files, "usr/lib/systemd/system", "site-functions")
    assert "etc/atomic-update.conf.d/kdump-steamos.conf" in files
    outside = {name for name in files if not name.startswith((".", "usr/")) and name[-1] != "/"}
    assert outside == {"etc/default/kdump", "etc/atomic-update.conf.d/kdump-steamos.conf"}
    info = run("bsdtar", "-xOf", arch[0], ".PKGINFO")
    assert "\nbackup = etc/default/kdump\n" in info
    assert "\nconflict = kdumpst\n" in info
    debug = arch_files(arch[1])
    assert "usr/lib/debug/usr/bin/kdump-steamos.debug" in debug


def test_shipped_program_is_stripped(arch, tmp_path):
    run("bsdtar", "-C", tmp_path, "-xf", arch[0], "usr/bin/kdump-steamos")
    sections = run("readelf", "-SW", tmp_path / "usr/bin/kdump-steamos")
    assert ".debug_info" not in sections and ".gnu_debuglink" in sections
    assert "BIND_NOW" in run("readelf", "-dW", tmp_path / "usr/bin/kdump-steamos")


def pacman(tree, *words):
    (tree / "var/lib/pacman").mkdir(parents=True, exist_ok=True)
    config = tree / "pacman.conf"
    config.write_text("[options]\nArchitecture = auto\nSigLevel = Never\n")
    return run("pacman", "--config", config, "--root", tree, "--noconfirm", "--noscriptlet",
               "--hookdir", tree / "no-hooks", *words)


def test_pacman_installs_upgrades_removes(arch, tmp_path):
    """The configuration of the user and the reports survive all three."""
    if os.geteuid() != 0:
        pytest.skip("pacman wants root")
    tree = tmp_path / "tree"
    newer, _ = build("arch", TOP / "build/package/newer", "0.1.99")
    pacman(tree, "-U", "-dd", arch[0])
    assert run(tree / "usr/bin/kdump-steamos", "--version") == "kdump-steamos 0.1.0\n"
    config = tree / "etc/default/kdump"
    config.write_text("LOG_SUBMISSION=0\n")
    report = tree / "home/.steamos/offload/var/kdump/steamos-0-0.202601020304.zip"
    report.parent.mkdir(parents=True)
    report.write_text("a report")
    pacman(tree, "-U", "-dd", newer)
    assert run(tree / "usr/bin/kdump-steamos", "--version") == "kdump-steamos 0.1.99\n"
    assert config.read_text() == "LOG_SUBMISSION=0\n"
    pacman(tree, "-R", "kdump-steamos")
    assert not (tree / "usr/bin/kdump-steamos").exists()
    assert not config.exists()
    assert config.with_name("kdump.pacsave").read_text() == "LOG_SUBMISSION=0\n"
    assert report.read_text() == "a report"
    assert not [path for path in (tree / "usr").rglob("*kdump-steamos*") if path.is_file()]


def scriptlet(tmp_path, function, running):
    """Runs a function of the pacman package's script; the commands that it gave."""
    tools, log = tmp_path / "bin", tmp_path / "log"
    tools.mkdir(exist_ok=True)
    log.write_text("")
    for tool in ("systemctl", "systemd-sysusers", "kdump-steamos", "systemd-sysctl"):
        (tools / tool).write_text(f'#!/bin/sh\necho "{tool} $*" >>{log}\n')
        (tools / tool).chmod(0o755)
    text = (TOP / "package/arch/kdump-steamos.install").read_text()
    text = text.replace("[ -d /run/systemd/system ]", "true" if running else "false")
    text = re.sub(r"\[ ! -e \S+ \]", "false", text)
    text = text.replace("/usr/lib/systemd/systemd-sysctl", "systemd-sysctl")
    run("sh", "-euc", f"{text}\n{function} 0.1.0", env={"PATH": f"{tools}:/usr/bin:/bin"})
    return log.read_text().splitlines()


def test_pacman_scripts(tmp_path):
    image = scriptlet(tmp_path, "post_install", running=False)
    assert "systemctl -q enable kdump-steamos.service" in image
    assert all(line.startswith("systemctl -q enable ") for line in image)
    live = scriptlet(tmp_path, "post_install", running=True)
    assert live.index("systemctl daemon-reload") < live.index(
        "systemctl -q start kdump-steamos.service")
    assert "systemd-sysctl 60-kdump-steamos.conf" in live
    removed = scriptlet(tmp_path, "pre_remove", running=True)
    assert removed[0] == "kdump-steamos disarm"
    assert "systemctl -q disable --now kdump-steamos.service" in removed
    image = scriptlet(tmp_path, "pre_remove", running=False)
    assert "kdump-steamos disarm" not in image and not any("--now" in line for line in image)
    assert scriptlet(tmp_path, "post_upgrade", running=False) == []


def test_dist(tmp_path):
    """The tar file of a release builds by itself: it has what the packages are made from."""
    run("make", "-C", TOP, "dist")
    names = run("tar", "-tf", TOP / "build/kdump-steamos.tar.gz").split()
    for name in ("meson.build", "package/debian/rules", "package/arch/PKGBUILD", "doc/generate.c"):
        assert f"kdump-steamos-0.1.0/{name}" in names
