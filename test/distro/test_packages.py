# SPDX-License-Identifier: LGPL-2.1-or-later
"""Both kinds of packages: built from this tree, looked into, installed into trees."""

import os
import pathlib
import re
import subprocess

import pytest

from story import build, need

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


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """What somebody has who takes a release's tar file; where nobody may enter as well."""
    run("make", "-C", TOP, "dist")
    folder = tmp_path_factory.mktemp("dist")
    for path in (folder, *folder.parents[:2]):
        path.chmod(0o755)
    run("tar", "-C", folder, "-xzf", TOP / "build/kdump-steamos-0.1.0.tar.gz")
    (tree,) = folder.iterdir()
    assert tree.name == "kdump-steamos-0.1.0"
    return tree


@pytest.fixture(scope="module")
def deb():
    need("dpkg-buildpackage", "dh", "fakeroot")
    return build("deb", "first")


@pytest.fixture(scope="module")
def arch():
    need("makepkg", "pacman", "fakeroot", "bsdtar")
    return build("arch", "arch")


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
    assert "\nconflict = kdumpst\n" in info and "\nreplaces = kdumpst\n" in info
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


def test_pacman_installs_upgrades_removes(arch, unpacked, tmp_path):
    """The configuration of the user and the reports survive all three. The newer package is one that
    was built from a release's tar file."""
    assert os.geteuid() == 0, "pacman wants root"
    tree = tmp_path / "tree"
    newer, _ = build("arch", "of-a-release", "0.1.99", unpacked)
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


TOOLS = ("systemctl", "systemd-sysusers", "kdump-steamos", "systemd-sysctl", "update-grub")
SHELL_EDIT = "crashkernel=192M crash_kexec_post_notifiers "
UNITS_ENABLED = {"kdump-steamos.service", "kdump-steamos-settled.timer", "kdump-steamos-collect.service",
                 "kdump-steamos-reserve.service", "kdump-steamos-submit.path",
                 "kdump-steamos-submit.timer"}


def scriptlet(tmp_path, function, running, *versions, later="", grub=None):
    """Runs a function of the pacman package's script on a machine below tmp_path; the commands that
    it gave, and what /etc/default/grub was afterwards."""
    need("vercmp")
    tools, log, etc = tmp_path / "bin", tmp_path / "log", tmp_path / "etc"
    tools.mkdir(exist_ok=True)
    etc.mkdir(exist_ok=True)
    log.write_text("")
    (etc / "grub").write_text(grub or "")
    for tool in TOOLS:
        (tools / tool).write_text(f'#!/bin/sh\necho "{tool} $*" >>{log}\n')
        (tools / tool).chmod(0o755)
    text = (TOP / "package/arch/kdump-steamos.install").read_text()
    text = text.replace("[ -d /run/systemd/system ]", "true" if running else "false")
    text = re.sub(r"\[ ! -e /usr/lib/systemd/system/\S+ \]", "false", text)
    text = text.replace("/usr/lib/systemd/systemd-sysctl", "systemd-sysctl")
    text = text.replace("/etc/systemd/system", str(etc)).replace("/etc/default/grub", f"{etc}/grub")
    text = text.replace("_later=''", f"_later='{later}'")
    run("sh", "-euc", f"{text}\n{function} {' '.join(versions or ['1:0.1.0-1'])}",
        env={"PATH": f"{tools}:/usr/bin:/bin"})
    return log.read_text().splitlines(), (etc / "grub").read_text()


def enabled(commands):
    return {line.removeprefix("systemctl -q enable ") for line in commands if " enable " in line}


def test_pacman_scripts(tmp_path):
    image, _ = scriptlet(tmp_path, "post_install", False)
    assert enabled(image) == UNITS_ENABLED
    assert all(line.startswith("systemctl -q enable ") for line in image)
    live, _ = scriptlet(tmp_path, "post_install", True)
    assert live.index("systemctl daemon-reload") < live.index(
        "systemctl -q start kdump-steamos.service")
    assert live.index("kdump-steamos -q arm --installing") < live.index(
        "systemd-sysctl 60-kdump-steamos.conf")
    removed, _ = scriptlet(tmp_path, "pre_remove", True)
    assert removed[-1] == "kdump-steamos disarm --removing"
    assert {f"systemctl -q disable --now {unit}" for unit in UNITS_ENABLED} <= set(removed)
    image, _ = scriptlet(tmp_path, "pre_remove", False)
    assert not any("disarm" in line or "--now" in line for line in image)


def test_pacman_upgrades_within_this_version(tmp_path):
    """What somebody has disabled stays that; a unit that is new in between is enabled."""
    assert scriptlet(tmp_path, "post_upgrade", False, "1:0.2.0-1", "1:0.1.0-1")[0] == []
    live, grub = scriptlet(tmp_path, "post_upgrade", True, "1:0.2.0-1", "1:0.1.0-1",
                           grub=f'GRUB_CMDLINE_LINUX_DEFAULT="{SHELL_EDIT}quiet"\n')
    assert enabled(live) == set() and SHELL_EDIT in grub
    assert "systemctl -q try-restart kdump-steamos.service" in live
    later = "1:0.2.0-1=new.timer 1:0.1.0-1=old.timer"
    live, _ = scriptlet(tmp_path, "post_upgrade", True, "1:0.3.0-1", "1:0.1.0-1", later=later)
    assert enabled(live) == {"new.timer"} and "systemctl -q start new.timer" in live
    image, _ = scriptlet(tmp_path, "post_upgrade", False, "1:0.3.0-1", "1:0.1.5-1", later=later)
    assert image == ["systemctl -q enable new.timer"]


def test_pacman_upgrades_from_the_shell_version(tmp_path):
    """It is an installation: nothing of ours was enabled before."""
    link, other = tmp_path / "etc/a.wants/kdump-init.service", tmp_path / "etc/a.wants/sshd.service"
    link.parent.mkdir(parents=True)
    link.symlink_to("/usr/lib/systemd/system/kdump-init.service")
    other.symlink_to("/nowhere")
    live, grub = scriptlet(tmp_path, "post_upgrade", True, "1:0.1.0-1", "0.7-1",
                           grub=f'A=1\nGRUB_CMDLINE_LINUX_DEFAULT="{SHELL_EDIT * 2}quiet splash"\nB=2\n')
    assert enabled(live) == UNITS_ENABLED
    assert "systemctl -q start kdump-steamos.service" in live and "update-grub " in live
    assert grub == 'A=1\nGRUB_CMDLINE_LINUX_DEFAULT="quiet splash"\nB=2\n'
    assert not link.is_symlink() and other.is_symlink()


@pytest.mark.parametrize("line", [
    'GRUB_CMDLINE_LINUX_DEFAULT="crashkernel=192M quiet"', 'GRUB_CMDLINE_LINUX_DEFAULT="crashkernel=256M quiet"',
    f'GRUB_CMDLINE_LINUX_DEFAULT="quiet {SHELL_EDIT}"', f'GRUB_CMDLINE_LINUX="{SHELL_EDIT}quiet"',
    f'#GRUB_CMDLINE_LINUX_DEFAULT="{SHELL_EDIT}quiet"', f"GRUB_CMDLINE_LINUX_DEFAULT='{SHELL_EDIT}quiet'"])
def test_what_may_be_the_users_own_stays(tmp_path, line):
    commands, grub = scriptlet(tmp_path, "post_install", True, grub=line + "\n")
    assert grub == line + "\n" and "update-grub " not in commands


def test_debian_scripts():
    """Stops before it disarms; notes the sysctls before it sets them."""
    prerm, postinst = ((TOP / f"package/debian/kdump-steamos.{name}").read_text()
                       for name in ("prerm", "postinst"))
    assert prerm.index("#DEBHELPER#") < prerm.index("kdump-steamos disarm --removing")
    assert postinst.index("arm --installing") < postinst.index("$systemd_sysctl 60-kdump")


@pytest.mark.parametrize("kind", ["deb", "arch"])
def test_make_installs_what_it_takes(kind, tmp_path):
    """`make deb` and `make arch` are what README says to type."""
    log = tmp_path / "log"
    (tmp_path / "tools").mkdir()
    (tmp_path / "package").mkdir()
    for name in ("tools/setup", "package/build"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho "{name} $*" >>{log}\n')
        (tmp_path / name).chmod(0o755)
    run("make", "-C", tmp_path, "-f", TOP / "Makefile", kind)
    assert log.read_text().splitlines() == [f"tools/setup --{kind}", f"package/build {kind}"]
    run(TOP / "tools/setup", f"--{kind}", env=os.environ | {"NO_INSTALL": "1"})
