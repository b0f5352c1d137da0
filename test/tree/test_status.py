# SPDX-License-Identifier: LGPL-2.1-or-later
"""status, list, report and prune: what a person and a program are told about a machine."""

import gzip
import json
import os
import pathlib
import zipfile

import pytest

from tree import FOLDER, TIME, TOP, Tree, panic_text, stamp

NOT_ARMED = 3
POLICY = {"panic": 5, "panic_on_oops": 1, "softlockup_panic": 1, "hardlockup_panic": 1}
REAL_LOGS = sorted((TOP / "test/data/klog-real").glob("*.log.gz"))


@pytest.fixture
def tree(tmp_path):
    made = Tree(tmp_path / "tree")
    made.write("proc/self/mounts", "pstore /sys/fs/pstore pstore rw,nosuid 0 0\n")
    made.write("proc/cmdline", "quiet\n")
    made.write("proc/iomem", "00100000-1dffffff : System RAM\n1e000000-1fffffff : RAM buffer\n")
    made.write("sys/module/pstore/parameters/backend", "(null)\n")
    made.write("sys/module/pstore/parameters/compress", "deflate\n")
    for name, value in POLICY.items():
        made.write(f"proc/sys/kernel/{name}", f"{value}\n")
    return made


def arm(tree):
    """The tree's kernel has ramoops registered."""
    values = {"mem_address": 0x1e000000, "mem_size": 0x440000, "record_size": 0x100000,
              "console_size": 0x40000, "ftrace_size": 0, "pmsg_size": 0, "ecc": 0, "max_reason": 2}
    for name, value in values.items():
        tree.write(f"sys/module/ramoops/parameters/{name}", f"{value}\n")
    tree.write("sys/module/pstore/parameters/backend", "ramoops\n")


def status(tree):
    done = tree.run("status", "--json")
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def test_not_armed(tree):
    code, found = status(tree)
    assert (code, found["armed"], found["blocked"]) == (NOT_ARMED, False, False)
    assert found["last"] is None
    assert any("kdump-steamos arm" in line for line in found["advice"])
    done = tree.run("status")
    assert done.returncode == NOT_ARMED
    assert done.stdout.startswith("not armed: ")
    assert "last crash: none recorded" in done.stdout


def test_armed(tree):
    arm(tree)
    code, found = status(tree)
    assert (code, found["armed"], found["advice"]) == (0, True, [])
    backend = found["backend"]
    assert (backend["name"], backend["mem_address"], backend["records"]) == ("ramoops", 0x1e000000, 4)
    done = tree.run("status")
    assert (done.returncode, done.stderr) == (0, "")
    assert "armed: ramoops at 0x1e000000" in done.stdout
    assert "4 records of 1 MiB" in done.stdout


def test_efi_is_armed_too(tree):
    tree.write("sys/module/pstore/parameters/backend", "efi_pstore\n")
    code, found = status(tree)
    assert (code, found["backend"]["name"]) == (0, "efi_pstore")


def test_pstore_that_is_not_mounted_is_told(tree):
    arm(tree)
    tree.write("proc/self/mounts", "")
    assert any("mount -t pstore" in line for line in status(tree)[1]["advice"])


@pytest.mark.parametrize("name", POLICY)
def test_a_panic_policy_that_hides_crashes_is_told(tree, name):
    arm(tree)
    tree.write(f"proc/sys/kernel/{name}", "0\n")
    (line,) = status(tree)[1]["advice"]
    assert f"sysctl kernel.{name}=" in line


def test_a_crash_that_waits_is_told(tree):
    arm(tree)
    tree.panic()
    assert any("kdump-steamos collect" in line for line in status(tree)[1]["advice"])
    tree.collect()
    assert not any("kdump-steamos collect" in line for line in status(tree)[1]["advice"])


@pytest.mark.parametrize("place", [f"{FOLDER}/state", "run/kdump-steamos"])
def test_blocked_after_a_boot_loop(tree, place):
    """In /run where the kdump folder did not take it."""
    tree.write(f"{FOLDER}/state/here", "")
    tree.write(f"{place}/boot-marker.json", json.dumps({
        "boot_id": "11111111-2222-3333-4444-555555555555", "kernel": "6.1.99-valve9",
        "phase": "blocked", "deaths": 2, "time": TIME, "loaded_ramoops": True,
        "panic_print_found": -1, "panic_print_set": -1}))
    os.chmod(tree.folder, 0o700)
    os.chmod(tree.folder / "state", 0o700)
    code, found = status(tree)
    assert (code, found["blocked"]) == (NOT_ARMED, True)
    assert any("arm --force" in line for line in found["advice"])


def test_reports_are_counted_by_state(tree):
    arm(tree)
    for boot in range(4):
        tree.panic(boot=boot, time=TIME + 3600 * boot)
        tree.collect()
    names = tree.zips()
    for state, name in zip(["sent_logs", "not_sent_logs", "failed_logs"], names):
        (tree.folder / state).mkdir(mode=0o700, exist_ok=True)
        os.rename(tree.folder / name, tree.folder / state / name)
    found = status(tree)[1]
    assert set(found["reports"].values()) == {1}
    assert found["last"]["name"] == names[3]
    assert "crash_it" in found["last"]["title"]
    assert "1 pending, 1 sent, 1 kept, 1 failed" in tree.run("status").stdout


def test_submission_off_is_said(tree):
    tree.config(LOG_SUBMISSION="0")
    assert "submission: off (LOG_SUBMISSION=0)" in tree.run("status").stdout
    assert status(tree)[1]["submission"] is False


def test_a_folder_that_cannot_be_read_is_said(tree):
    tree.folder.parent.mkdir(parents=True)
    tree.folder.write_text("no folder")
    assert any("cannot be read" in line for line in status(tree)[1]["advice"])


def test_list(tree):
    assert tree.run("list", "--json").stdout == "[]\n"
    assert "No reports" in tree.run("list").stdout
    tree.panic(time=TIME)
    tree.collect()
    tree.panic(boot=2, time=TIME + 60)
    tree.collect()
    entries = json.loads(tree.run("list", "--json").stdout)
    assert [entry["name"] for entry in entries] == [
        f"steamos-FVAA12345678-gaben.{stamp(time)}.zip" for time in (TIME + 60, TIME)]
    first, second = entries
    assert (first["state"], first["signature"]) == ("pending", second["signature"])
    assert first["size"] == (tree.folder / first["name"]).stat().st_size
    text = tree.run("list").stdout
    assert all(entry["name"] in text and entry["title"] in text for entry in entries)


def test_list_survives_what_is_no_report(tree):
    tree.panic()
    (name,) = tree.collect()
    tree.write(f"{FOLDER}/steamos-X-Y.202601020305.zip", "no ZIP")
    tree.write(f"{FOLDER}/steamos-X-Y.202601020306.zip", b"PK\x05\x06" + bytes(18))
    tree.write(f"{FOLDER}/holiday.jpg", "")
    os.symlink(name, tree.folder / "steamos-X-Y.202601020307.zip")
    done = tree.run("list", "--json")
    entries = {entry["name"]: entry for entry in json.loads(done.stdout)}
    assert done.returncode == 0
    assert "crash_it" in entries[name]["title"]
    assert "holiday.jpg" not in entries
    assert "steamos-X-Y.202601020307.zip" not in entries
    assert entries["steamos-X-Y.202601020305.zip"]["title"] == ""


@pytest.mark.parametrize("verb", [["status", "--yaml"], ["list", "all"], ["prune", "now"],
                                  ["report"], ["report", "a", "b"], ["report", "--pdf", "a"]])
def test_usage(tree, verb):
    assert tree.run(*verb).returncode == 2


# --- report: every kind of source says the same

def report_json(tree, *source, **options):
    done = tree.run("report", "--json", *source, **options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def primary(report):
    return report["reports"][report["primary"]]


def test_report_of_each_source_agrees(tree, tmp_path):
    tree.panic()
    log = tmp_path / "dmesg"
    log.write_text(panic_text(1))
    from_log = primary(report_json(tree, str(log)))
    from_folder = primary(report_json(tree, str(tree.path / "sys/fs/pstore")))
    from_stdin = primary(report_json(tree, "-", input=log.read_text(), stdin=None))
    (name,) = tree.collect()
    from_zip = primary(report_json(tree, str(tree.folder / name)))
    assert "crash_it" in from_log["title"]
    for other in (from_folder, from_stdin, from_zip):
        assert (other["title"], other["signature"], other["stack"]) == (
            from_log["title"], from_log["signature"], from_log["stack"])


def test_report_says_what_cannot_be_read(tree, tmp_path):
    for source in (tmp_path / "missing", tmp_path):
        done = tree.run("report", str(source))
        assert (done.returncode, done.stdout) == (1, "")
        assert str(source) in done.stderr
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"PK\x03\x04" + bytes(100))
    assert tree.run("report", str(broken)).returncode == 1


def test_report_writes_a_file_for_its_owner_only(tree, tmp_path):
    out = tmp_path / "report.json"
    log = tmp_path / "dmesg"
    log.write_text(panic_text(1))
    done = tree.run("report", "--json", "-o", str(out), str(log))
    assert (done.returncode, done.stdout) == (0, "")
    assert out.stat().st_mode & 0o777 == 0o600
    assert "crash_it" in primary(json.loads(out.read_text()))["title"]


def test_a_log_does_not_steer_the_terminal(tree, tmp_path):
    log = tmp_path / "dmesg"
    log.write_text(panic_text(1).replace("Comm: sh", "Comm: \x1b]0;owned\x07\x1b[2J"))
    assert "\x1b" not in tree.run("report", str(log)).stdout


@pytest.mark.parametrize("path", REAL_LOGS, ids=lambda path: path.name.split(".log")[0])
def test_real_logs(tree, tmp_path, path):
    """What the test machines' kernels left: the crash that was asked for is the one that is told."""
    log = tmp_path / "dmesg"
    log.write_bytes(gzip.decompress(path.read_bytes()))
    kind = path.name.split(".log")[0].split("-")[-1]
    report = report_json(tree, str(log))
    assert report["reports"], path
    event = primary(report)
    if (b"crash_" + kind.encode()) in log.read_bytes():
        assert f"crash_{kind}" in event["stack"] + event["title"] + json.dumps(event), event["title"]
    assert event["title"] in tree.run("report", str(log)).stdout


# --- prune

def test_prune_keeps_the_newest(tree):
    tree.config(KEEP_REPORTS="3", POST_URL="")
    names = []
    for boot in range(5):
        tree.panic(boot=boot, time=TIME + 3600 * boot)
        assert tree.run("collect").returncode == 0
        names.append(f"steamos-FVAA12345678-gaben.{stamp(TIME + 3600 * boot)}.zip")
    assert tree.run("prune").returncode == 0
    assert tree.zips("not_sent_logs") == names[2:]


def test_prune_without_a_folder(tree):
    assert tree.run("prune").returncode == 0
    assert not tree.folder.exists()


def test_prune_leaves_what_is_not_ours(tree):
    tree.config(KEEP_REPORTS="1", POST_URL="")
    for boot in range(3):
        tree.panic(boot=boot, time=TIME + 3600 * boot)
        assert tree.run("collect").returncode == 0
    alien = tree.write(f"{FOLDER}/holiday.jpg", "sun")
    assert tree.run("prune").returncode == 0
    assert alien.read_text() == "sun"
    assert len(tree.zips("not_sent_logs")) == 1


def test_zip_is_for_any_reader(tree):
    tree.panic()
    (name,) = tree.collect()
    with zipfile.ZipFile(tree.folder / name) as archive:
        for info in archive.infolist():
            assert pathlib.PurePosixPath(info.filename).name == info.filename


def test_report_by_its_name(tree):
    """As the journal names it; only a report's name is looked up, in whatever state it is."""
    tree.panic()
    (name,) = tree.collect()
    assert "crash_it" in tree.run("report", name).stdout
    (tree.folder / "sent_logs").mkdir(exist_ok=True)
    (tree.folder / name).rename(tree.folder / "sent_logs" / name)
    assert "crash_it" in tree.run("report", name).stdout
    (tree.folder / "state/secret").write_text("BUG: x")
    for other in ("state/secret", "../kdump/state/secret", "steamos-0-0.209901010000.zip", "secret"):
        done = tree.run("report", other)
        assert done.returncode == 1 and "cannot read" in done.stderr
