# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an installation puts where, and what systemd says of it."""

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from harness import need
from tree import TOP, program

SYSTEM = "usr/lib/systemd/system"
BUILD = pathlib.Path(program()).resolve().parent.parent
# Exposure as systemd rates it, at most; 10 is a service without any sandbox.
# Of the first, the boot's cost is the limit.
EXPOSURE = {"kdump-steamos.service": 4.9, "kdump-steamos-reserve.service": 3.6,
            "kdump-steamos-settled.service": 2.5,
            "kdump-steamos-collect.service": 2.5, "kdump-steamos-submit.service": 2.0}


def run(*words, **options):
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A tree with what `make install` gives, from the build that is tested."""
    tree = tmp_path_factory.mktemp("installed")
    run("meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", tree)
    prefixes = [path for path in ("usr", "usr/local") if (tree / path / "lib/systemd").exists()]
    if prefixes == ["usr/local"]:  # a developer's build
        shutil.move(tree / "usr/local", tree / "moved")
        shutil.rmtree(tree / "usr")
        shutil.move(tree / "moved", tree / "usr")
        if (tree / "usr/etc").exists():
            shutil.move(tree / "usr/etc", tree / "etc")
    return tree


@pytest.fixture(scope="module")
def units(installed, tmp_path_factory):
    """The units, with a program that is there."""
    folder = tmp_path_factory.mktemp("units")
    for unit in (installed / SYSTEM).glob("kdump-steamos*"):
        text = re.sub(r"/\S+/kdump-steamos(?= )", program(), unit.read_text())
        (folder / unit.name).write_text(text)
    return folder


def test_files(installed):
    found = {str(path.relative_to(installed)) for path in installed.rglob("*") if path.is_file()}
    for name in ["etc/default/kdump", "usr/lib/sysctl.d/60-kdump-steamos.conf",
                 "usr/lib/sysusers.d/kdump-steamos.conf",
                 "usr/lib/systemd/catalog/kdump-steamos.catalog",
                 "usr/lib/systemd/system-preset/80-kdump-steamos.preset",
                 f"{SYSTEM}/kdump-steamos.service", f"{SYSTEM}/kdump-steamos-collect.service"]:
        assert name in found
    outside = {name for name in found if not name.startswith("usr/")}
    assert outside <= {"etc/default/kdump", "etc/atomic-update.conf.d/kdump-steamos.conf"}


def test_steamos_keeps_what_the_user_and_the_program_write():
    """Below /etc SteamOS replaces all that is on no list."""
    def defined(name, file):
        return re.search(rf'#define {name} "(.*)"', (TOP / file).read_text())[1]

    text = (TOP / "data/atomic-update.conf").read_text()
    config = defined("DEFAULT_FILE", "src/config/config.c")
    dropin = defined("GRUB_DROPINS", "src/arm/reserve.h") + "/" + \
        defined("GRUB_DROPIN", "src/arm/reserve.h")
    assert [line for line in text.splitlines() if not line.startswith("#")] == \
        [config, f"{config}.d/**", dropin]


def test_systemd_accepts_the_units(units):
    need("systemd-analyze")
    words = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no",
                *sorted(units.iterdir()), env=dict(os.environ, SYSTEMD_UNIT_PATH=f"{units}:"))
    assert not [line for line in words.splitlines() if "kdump-steamos" in line], words


def test_what_is_noted_for_one_boot(units):
    """Each run of a boot finds what an earlier one has noted."""
    text = (TOP / "src/spool/spool.h").read_text()
    folder, late = (re.search(rf'#define {name} "(.*?)"', text)[1] for name in ("RUN_DIR", "RUN_LATE"))
    collect = (units / "kdump-steamos-collect.service").read_text()
    assert f"\nRuntimeDirectory={folder.removeprefix('/run/')}\nRuntimeDirectoryMode=0700\n" \
           "RuntimeDirectoryPreserve=yes\n" in collect
    reserve = (units / "kdump-steamos-reserve.service").read_text()
    assert f"\nConditionPathExists={folder}/{late}\n" in reserve


def test_exposure(units):
    need("systemd-analyze")
    services = {path.name for path in units.glob("*.service")}
    assert services <= EXPOSURE.keys()
    for name in services:
        words = run("systemd-analyze", "security", "--offline=yes", "--no-pager", units / name)
        (level,) = re.findall(r"Overall exposure level for \S+ ([\d.]+)", words)
        assert float(level) <= EXPOSURE[name], words


def test_what_waits_for_the_network_sees_what_it_brings(units):
    """A bound file stays the one of the service's start; resolv.conf, hosts and certificates are
    replaced by a rename, and resolv.conf may be a link into /run."""
    unit = (units / "kdump-steamos-submit.service").read_text()
    for key, values in re.findall(r"^(TemporaryFileSystem|Bind\w*Paths|InaccessiblePaths)=(.*)$", unit,
                                  re.MULTILINE):
        for path in values.split():
            path = path.lstrip("-").partition(":")[0]
            if key != "InaccessiblePaths":
                assert not re.match(r"/(etc|run)(/|$)", path), path
            assert path not in ("/etc", "/run", "/etc/ssl", "/etc/default", "/run/systemd")


def test_what_is_writable_is(units):
    """Of a path that ProtectSystem= makes read-only, ReadWritePaths= of the very same path is no
    exception (systemd 252): GRUB's configuration could not be written."""
    protected = {"yes": {"/usr", "/boot", "/efi"}, "full": {"/usr", "/boot", "/efi", "/etc"}}
    for path in units.glob("*.service"):
        text = path.read_text()
        level = re.search(r"^ProtectSystem=(\w+)$", text, re.MULTILINE)
        wanted = " ".join(re.findall(r"^ReadWritePaths=(.*)$", text, re.MULTILINE)).split()
        assert not {name.lstrip("-") for name in wanted} & protected.get(
            level[1] if level else "", set()), path.name


def test_the_preset_enables_what_can_be_enabled(installed, units):
    preset = installed / "usr/lib/systemd/system-preset/80-kdump-steamos.preset"
    named = set(re.findall(r"^enable (\S+)$", preset.read_text(), re.MULTILINE))
    can = {path.name for path in units.iterdir() if "\n[Install]\n" in path.read_text()}
    assert can <= named
    assert named <= can | {"kdump-steamos-submit.path", "kdump-steamos-submit.timer"}


def test_enabling(installed, tmp_path):
    need("systemctl")
    tree = tmp_path / "tree"
    shutil.copytree(installed / "usr/lib/systemd", tree / "usr/lib/systemd")
    (tree / "etc/systemd/system").mkdir(parents=True)
    run("systemctl", f"--root={tree}", "preset", "kdump-steamos.service",
        "kdump-steamos-settled.timer", "kdump-steamos-collect.service")
    links = {str(path.relative_to(tree / "etc/systemd/system"))
             for path in (tree / "etc/systemd/system").rglob("*") if path.is_symlink()}
    assert links >= {"sysinit.target.wants/kdump-steamos.service",
                     "timers.target.wants/kdump-steamos-settled.timer",
                     "multi-user.target.wants/kdump-steamos-collect.service",
                     "home.mount.wants/kdump-steamos-collect.service"}
    run("systemctl", f"--root={tree}", "disable", "kdump-steamos.service",
        "kdump-steamos-settled.timer", "kdump-steamos-collect.service")
    assert not [path for path in (tree / "etc/systemd/system").rglob("*") if path.is_symlink()]


def make(*words, tree):
    """make, with the build that is tested."""
    return run("make", "-C", TOP, f"BUILD={BUILD}", f"DESTDIR={tree}", *words)


@pytest.fixture
def by_make(tmp_path):
    """`make install enable` as README has it, into a tree."""
    need("systemctl")
    options = json.loads(run("meson", "introspect", "--buildoptions", BUILD))
    if [one["value"] for one in options if one["name"] == "prefix"] != ["/usr"]:
        pytest.skip("a developer's build, for /usr/local")
    tree = tmp_path / "tree"
    make("install", "enable", tree=tree)
    return tree


def test_make_install_and_enable(by_make):
    """All that a package's scripts do: links, and the explanations in the journal."""
    links = {path.name for path in (by_make / "etc/systemd/system").rglob("*") if path.is_symlink()}
    preset = (by_make / "usr/lib/systemd/system-preset/80-kdump-steamos.preset").read_text()
    assert links == set(re.findall(r"^enable (\S+)$", preset, re.MULTILINE))
    assert (by_make / "var/lib/systemd/catalog/database").stat().st_size > 500


def test_make_install_again_keeps_the_configuration(by_make):
    config = by_make / "etc/default/kdump"
    shipped = config.read_text()
    make("install", tree=by_make)
    assert not config.with_name("kdump.new").exists()
    config.write_text("LOG_SUBMISSION=0\n")
    assert "stays as it is" in make("install", tree=by_make)
    assert config.read_text() == "LOG_SUBMISSION=0\n"
    assert config.with_name("kdump.new").read_text() == shipped


def test_make_uninstall(by_make):
    """Nothing is left but the user's."""
    report = by_make / "home/.steamos/offload/var/kdump/steamos-0-0.202601020304.zip"
    report.parent.mkdir(parents=True)
    report.write_text("a report")
    make("uninstall", tree=by_make)
    left = {str(path.relative_to(by_make)) for path in by_make.rglob("*")
            if path.is_symlink() or path.is_file()}
    assert left == {"etc/default/kdump", "var/lib/systemd/catalog/database",
                    str(report.relative_to(by_make))}


def test_the_boot_waits_for_arming_only(units):
    """A target waits for what it wants only where both have default dependencies."""
    for path in units.glob("*.service"):
        text = path.read_text()
        if "[Install]" in text:
            assert "\nDefaultDependencies=no\n" in text, path.name
        if path.name != "kdump-steamos.service":
            assert not re.search(r"^Before=(?!shutdown.target$)", text, re.MULTILINE), path.name
        assert re.search(r"^TimeoutStartSec=\d+(s|min)$", text, re.MULTILINE), path.name


def test_stopped_is_not_failed(units):
    """Those that may run when the package is removed: a failed unit would stay behind."""
    for name in ("settled", "submit"):
        text = (units / f"kdump-steamos-{name}.service").read_text()
        assert re.search(r"^SuccessExitStatus=.*\bSIGTERM$", text, re.MULTILINE), name


def test_the_catalog(installed, tmp_path):
    """Compiles, and tells of fields that the program sends."""
    need("journalctl")
    catalog = installed / "usr/lib/systemd/catalog/kdump-steamos.catalog"
    source = (TOP / "src/collect/collect.c").read_text()
    assert set(re.findall(r"@(KDUMP_\w+)@", catalog.read_text())) <= \
        set(re.findall(r'"(KDUMP_\w+)"', source))
    (ident,) = re.findall(r"^-- ([0-9a-f]{32})$", catalog.read_text(), re.MULTILINE)
    assert f'"{ident}"' in source
    (tmp_path / "usr/lib/systemd/catalog").mkdir(parents=True)
    (tmp_path / "var/lib/systemd/catalog").mkdir(parents=True)
    shutil.copy(catalog, tmp_path / "usr/lib/systemd/catalog")
    run("journalctl", f"--root={tmp_path}", "--update-catalog")
    assert (tmp_path / "var/lib/systemd/catalog/database").stat().st_size > 500


def test_the_user(installed, tmp_path):
    need("systemd-sysusers")
    (tmp_path / "etc").mkdir()
    run("systemd-sysusers", f"--root={tmp_path}",
        installed / "usr/lib/sysusers.d/kdump-steamos.conf")
    (line,) = (tmp_path / "etc/passwd").read_text().splitlines()
    assert re.fullmatch(r"kdump-steamos:x:\d+:\d+:[^:]*:/:(/usr)?/s?bin/nologin", line)
