# SPDX-License-Identifier: LGPL-2.1-or-later
"""The units follow the configuration where it names other folders."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

from harness import need
from tree import TOP, Tree, program

GENERATOR = pathlib.Path(program()).parent / "generator/kdump-steamos-generator"
UNITS = TOP / "data"


DEFAULT = "/home/.steamos/offload/var/kdump"
SYSTEMD = "/lib/systemd/systemd"
WANTED = ("collect.service", "reserve.service", "submit.path")


def generate(tree, status=0):
    """What comes out: name → text of a drop-in, target of a link."""
    out = tree.path / "run/systemd/generator"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    done = subprocess.run([GENERATOR, "/run/systemd/generator", "/run/early", "/run/late"],
                          env=os.environ | {"KDUMP_STEAMOS_ROOT": str(tree.path)},
                          capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    return {str(path.relative_to(out)): os.readlink(path) if path.is_symlink() else path.read_text()
            for path in out.rglob("*") if not path.is_dir()}


def enable(tree, *names):
    wants = tree.path / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    for name in names:
        (wants / f"kdump-steamos-{name}").symlink_to(f"/usr/lib/systemd/system/kdump-steamos-{name}")


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


def check_device(made):
    """The links below /dev, by which a device is found, are there; the devices stay closed."""
    for name in ("collect", "settled", "submit"):
        assert made.pop(f"kdump-steamos-{name}.service.d/50-device.conf") == \
            "[Service]\nPrivateDevices=no\nDevicePolicy=closed\n"
    return made


def check_folder(made, folder):
    assert made.keys() == {f"kdump-steamos-{name}.d/50-folder.conf" for name in
                           ("collect.service", "submit.service", "submit.path",
                            "reserve.service")}
    assert made["kdump-steamos-collect.service.d/50-folder.conf"] == \
        f"[Unit]\nRequiresMountsFor={folder}\nConditionPathExistsGlob=|{folder}/crash/[0-9]*\n" \
        f"[Service]\nReadWritePaths=-{folder}\n"
    assert made["kdump-steamos-submit.service.d/50-folder.conf"] == \
        f"[Unit]\nRequiresMountsFor={folder}\nConditionPathExistsGlob=|{folder}/steamos-*.zip\n" \
        f"[Service]\nBindPaths=-{folder}\n"
    assert made["kdump-steamos-submit.path.d/50-folder.conf"] == \
        f"[Path]\nPathChanged=\nPathChanged={folder}\n"
    assert made["kdump-steamos-reserve.service.d/50-folder.conf"] == \
        f"[Unit]\nRequiresMountsFor={folder}\n"


def test_the_default_is_told_like_any_other(tree):
    check_folder(generate(tree), DEFAULT)
    os.unlink(tree.path / "etc/default/kdump")
    check_folder(generate(tree), DEFAULT)


def test_another_folder(tree):
    tree.config(KDUMP_FOLDER="/var/lib/crashes")
    check_folder(generate(tree), "/var/lib/crashes")


def test_another_tools_folder_takes_a_privilege(tree):
    handover = "kdump-steamos-submit.service.d/50-handover.conf"
    tree.config(HANDOVER_FOLDER="/var/lib/steamos-log-submitter/pending/kdump")
    privileges = "[Service]\nAmbientCapabilities=CAP_DAC_OVERRIDE\n" \
                 "CapabilityBoundingSet=CAP_DAC_OVERRIDE\n"
    assert generate(tree)[handover] == privileges
    tree.config(HANDOVER_FOLDER="/srv/other")
    assert generate(tree)[handover] == privileges + "BindPaths=-/srv/other\n"


def test_a_device_that_fstab_knows(tree):
    """Then its folder is one like others."""
    tree.config(MOUNT_DEVNODE="/dev/disk/by-partsets/shared/home", KDUMP_FOLDER="/.steamos/kdump")
    tree.write("etc/fstab", "/dev/disk/by-partsets/self/rootfs / btrfs ro 0 1\n"
               "/dev/disk/by-partsets/shared/home /home ext4 defaults,nofail 0 2\n")
    check_folder(check_device(generate(tree)), "/home/.steamos/kdump")
    tree.config(MOUNT_DEVNODE="UUID=7", KDUMP_FOLDER="kdump")
    tree.write("etc/fstab", "/dev/disk/by-uuid/7 / ext4 rw 0 1\n")
    check_folder(check_device(generate(tree)), "/kdump")


def test_a_device_that_may_come_anywhere(tree):
    """A card that the desktop mounts: no one folder can be named, and nothing tells of its mount, so
    that the timer looks for it."""
    tree.config(MOUNT_DEVNODE="LABEL=card", KDUMP_FOLDER="crashes")
    enable(tree, "collect.service")
    made = check_device(generate(tree))
    for name in ("collect.service", "submit.service"):
        text = made[f"kdump-steamos-{name}.d/50-folder.conf"]
        assert "\nReadWritePaths=-/home -/var -/srv -/mnt -/media -/run/media -/opt\n" in text
        assert "RequiresMountsFor" not in text
    text = made["kdump-steamos-submit.service.d/50-folder.conf"]
    assert "AmbientCapabilities=CAP_DAC_OVERRIDE\n" in text and "TemporaryFileSystem=\n" in text
    assert "ConditionPathExistsGlob=|/run/media/*/*/crashes/crash/[0-9]*\n" in \
        made["kdump-steamos-collect.service.d/50-places.conf"]
    assert "ConditionPathExistsGlob=|/run/media/*/*/crashes/steamos-*.zip\n" in \
        made["kdump-steamos-submit.service.d/50-places.conf"]
    assert made["kdump-steamos-settled.service.d/50-folder.conf"] == \
        "[Unit]\nOnSuccess=kdump-steamos-collect.service\n"
    (tree.path / "etc/systemd/system/multi-user.target.wants/kdump-steamos-collect.service").unlink()
    assert "kdump-steamos-settled.service.d/50-folder.conf" not in generate(tree)


def test_a_mount_starts_what_is_enabled(tree):
    """Whichever part of the folder's path it is for, and whoever mounts it."""
    tree.config(KDUMP_FOLDER="/run/media/deck/My-Card/kdump")
    enable(tree, "collect.service", "submit.path")
    links = {name: to for name, to in generate(tree).items() if ".wants/" in name}
    mounts = ["run", "run-media", "run-media-deck", r"run-media-deck-My\x2dCard",
              r"run-media-deck-My\x2dCard-kdump"]
    assert links.keys() == {f"{mount}.mount.wants/kdump-steamos-{name}" for mount in mounts
                            for name in ("collect.service", "submit.path")}
    for name, to in links.items():
        assert to.startswith("/") and to.endswith(f"/system/{name.partition('/')[2]}")


@pytest.mark.parametrize("folder", ["/a b", "/a%n", '/a"b', "/a\\b", "relative", "/a/../../etc", "/",
                                    "/x\nExecStart=/bin/sh", "/ö"])
def test_no_setting_can_be_smuggled_in(tree, folder):
    tree.write("etc/default/kdump", f"KDUMP_FOLDER='{folder}'\n")
    assert generate(tree, 1) == {}
    tree.write("etc/default/kdump", f"HANDOVER_FOLDER='{folder}'\n")
    check_folder(generate(tree, 1), DEFAULT)


@pytest.mark.parametrize("key", ["KDUMP_FOLDER", "HANDOVER_FOLDER"])
def test_status_says_that_the_units_do_not_know_yet(tree, key):
    def told():
        return "systemctl daemon-reload" in tree.run("status").stdout

    tree.config(**{key: "/var/lib/other"})
    assert not told()  # no systemd, or not ours
    tree.config(**{key: "" if key == "HANDOVER_FOLDER" else DEFAULT})
    generate(tree)
    assert not told()
    tree.config(**{key: "/var/lib/other"})
    assert told()
    generate(tree)
    assert not told()


def lay_out(tree, units):
    """The units as systemd would find them, with a mount unit for each place."""
    for path in UNITS.glob("kdump-steamos*.*"):
        if path.suffix in (".in", ".path", ".timer"):
            (units / path.name.removesuffix(".in")).write_text(
                path.read_text().replace("@sbindir@/kdump-steamos", "/bin/true"))
    for place in ("home", "var-lib", "run-media-deck-card"):
        (units / f"{place}.mount").write_text(
            f"[Unit]\n[Mount]\nWhat=/dev/null\nWhere=/{place.replace('-', '/')}\n")
    (units / "all.target").write_text(
        "[Unit]\nWants=kdump-steamos-collect.service kdump-steamos-submit.service "
        "kdump-steamos-reserve.service kdump-steamos-submit.path\n")
    for name, text in generate(tree).items():
        (units / name).parent.mkdir(exist_ok=True)
        if text.startswith("/"):
            (units / name).symlink_to(units / pathlib.Path(text).name)
        else:
            (units / name).write_text(text)


@pytest.fixture
def units():
    """Where anybody may read: systemd tests nothing as root."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield pathlib.Path(name)


SETTINGS = [({}, {"home"}),
            ({"KDUMP_FOLDER": "/var/lib/crashes"}, {"var-lib"}),
            ({"KDUMP_FOLDER": "/run/media/deck/card/x"}, {"run-media-deck-card"}),
            ({"MOUNT_DEVNODE": "LABEL=data", "KDUMP_FOLDER": "crashes"}, {"var-lib"}),
            ({"MOUNT_DEVNODE": "LABEL=card", "KDUMP_FOLDER": "crashes"}, set())]


@pytest.mark.parametrize("settings,mounts", SETTINGS)
def test_systemd_waits_for_the_folders_mount_and_no_other(tree, units, settings, mounts):
    """As systemd itself adds it up, which knows of dependencies that no drop-in takes away."""
    need("systemd")
    tree.config(**settings)
    tree.write("etc/fstab", "LABEL=data /var/lib ext4 nofail 0 2\n")
    enable(tree, *WANTED)
    lay_out(tree, units)
    nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    done = subprocess.run(
        [SYSTEMD, "--test", "--system", "--unit=all.target", "--no-pager"], capture_output=True,
        text=True, check=False, env={"SYSTEMD_UNIT_PATH": f"{units}:", "SYSTEMD_LOG_TARGET": "console",
                                     "PATH": os.environ["PATH"]}, **nobody)
    assert done.returncode == 0, done.stderr
    assert "kdump" not in done.stderr
    words = dict(re.findall(r"^\t?-> Unit (\S+):\n(.*?)(?=^\t?-> |\Z)", done.stdout,
                            re.MULTILINE | re.DOTALL))
    for name in (*WANTED, "submit.service"):
        required = set(re.findall(r"^\t*Requires: (\S+)\.mount ", words[f"kdump-steamos-{name}"],
                                  re.MULTILINE))
        assert required == mounts, name
    for mount in mounts - {"home"}:
        wanted = set(re.findall(r"^\t*Wants: kdump-steamos-(\S+) ", words[f"{mount}.mount"], re.MULTILINE))
        assert wanted == set(WANTED)


@pytest.mark.parametrize("settings", [settings for settings, _ in SETTINGS])
def test_systemd_accepts_the_drop_ins(tree, units, settings):
    need("systemd-analyze")
    tree.config(**settings)
    enable(tree, *WANTED)
    lay_out(tree, units)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no",
         *[path for path in units.iterdir() if path.is_file()]],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        env=dict(os.environ, SYSTEMD_UNIT_PATH=f"{units}:"))
    assert done.returncode == 0 and "kdump" not in done.stdout, done.stdout
