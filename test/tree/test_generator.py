# SPDX-License-Identifier: LGPL-2.1-or-later
"""The units follow the configuration where it names other folders."""

import os
import pathlib
import shutil
import subprocess

import pytest

from tree import TOP, Tree, program

GENERATOR = pathlib.Path(program()).parent / "generator/kdump-steamos-generator"
UNITS = TOP / "data"


def generate(tree, status=0):
    """The drop-ins that come out: name → text."""
    out = tree.path / "run/generator"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    done = subprocess.run([GENERATOR, "/run/generator", "/run/early", "/run/late"],
                          env=os.environ | {"KDUMP_STEAMOS_ROOT": str(tree.path)},
                          capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    return {str(path.relative_to(out)): path.read_text() for path in out.rglob("*.conf")}


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


def test_nothing_for_the_defaults(tree):
    assert generate(tree) == {}
    tree.config(KDUMP_FOLDER="/home/.steamos/offload/var/kdump")
    assert generate(tree) == {}
    os.unlink(tree.path / "etc/default/kdump")
    assert generate(tree) == {}


def test_another_tools_folder_takes_a_privilege(tree):
    tree.config(HANDOVER_FOLDER="/var/lib/steamos-log-submitter/pending/kdump")
    (text,) = generate(tree).values()
    assert text == "[Service]\nAmbientCapabilities=CAP_DAC_OVERRIDE\n" \
                   "CapabilityBoundingSet=CAP_DAC_OVERRIDE\n"


def test_another_folder(tree):
    tree.config(KDUMP_FOLDER="/var/lib/crashes", HANDOVER_FOLDER="/srv/other")
    made = generate(tree)
    assert made.keys() == {f"kdump-steamos-{name}.d/50-folder.conf" for name in
                           ("collect.service", "submit.service", "submit.path",
                            "reserve.service")} | \
        {"kdump-steamos-submit.service.d/50-handover.conf"}
    collect = made["kdump-steamos-collect.service.d/50-folder.conf"]
    assert collect == "[Unit]\nRequiresMountsFor=/var/lib/crashes\n" \
                      "ConditionPathExistsGlob=|/var/lib/crashes/crash/[0-9]*\n" \
                      "[Service]\nReadWritePaths=-/var/lib/crashes\n"
    submit = made["kdump-steamos-submit.service.d/50-folder.conf"]
    assert "\nConditionPathExistsGlob=|/var/lib/crashes/steamos-*.zip\n" in submit
    assert submit.endswith("\nBindPaths=-/var/lib/crashes\n")
    assert made["kdump-steamos-submit.path.d/50-folder.conf"] == \
        "[Path]\nPathChanged=/var/lib/crashes\n"
    assert "BindPaths=-/srv/other\n" in made["kdump-steamos-submit.service.d/50-handover.conf"]


def test_a_device(tree):
    """Where it is mounted is not known yet: no one folder can be named."""
    tree.config(MOUNT_DEVNODE="LABEL=home", KDUMP_FOLDER=".steamos/offload/var/kdump")
    made = generate(tree)
    assert "\nConditionPathExistsGlob=\n" in made["kdump-steamos-collect.service.d/50-folder.conf"]
    text = made["kdump-steamos-submit.service.d/50-folder.conf"]
    assert "AmbientCapabilities=CAP_DAC_OVERRIDE\n" in text
    assert "TemporaryFileSystem=\n" in text and "ReadWritePaths=-/home " in text


@pytest.mark.parametrize("folder", ["/a b", "/a%n", '/a"b', "/a\\b", "relative", "/a/../../etc", "/",
                                    "/x\nExecStart=/bin/sh", "/ö"])
def test_no_setting_can_be_smuggled_in(tree, folder):
    tree.write("etc/default/kdump", f"KDUMP_FOLDER='{folder}'\n")
    assert generate(tree, 1) == {}
    tree.write("etc/default/kdump", f"HANDOVER_FOLDER='{folder}'\n")
    assert generate(tree, 1) == {}


@pytest.mark.parametrize("settings", [{"KDUMP_FOLDER": "/var/lib/crashes"},
                                      {"MOUNT_DEVNODE": "LABEL=home"}])
def test_systemd_accepts_the_drop_ins(tree, tmp_path, settings):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    tree.config(**settings)
    units = tmp_path / "units"
    units.mkdir()
    for path in UNITS.glob("kdump-steamos*.*"):
        if path.suffix in (".in", ".path", ".timer"):
            (units / path.name.removesuffix(".in")).write_text(
                path.read_text().replace("@sbindir@/kdump-steamos", program()))
    for name, text in generate(tree).items():
        (units / name).parent.mkdir(exist_ok=True)
        (units / name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no",
         *[path for path in units.iterdir() if path.is_file()]],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        env=dict(os.environ, SYSTEMD_UNIT_PATH=f"{units}:"))
    assert done.returncode == 0 and "kdump" not in done.stdout, done.stdout
