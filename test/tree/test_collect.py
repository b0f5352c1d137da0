# SPDX-License-Identifier: LGPL-2.1-or-later
"""collect: what a crash left becomes a report, once, whatever happens in between."""

import json
import os
import shutil
import stat
import subprocess
import time
import zlib

import pytest

import tree as machine
from tree import ARCHIVE, FOLDER, PSTORE, TIME, Tree, oops_text, panic_text, stamp

NAME = f"steamos-FVAA12345678-gaben.{stamp(TIME)}.zip"


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path / "tree")


def report_of(path):
    return json.loads(Tree.members(path)["report.json"])


def as_root(*command):
    return subprocess.run(["unshare", "-m", *command], capture_output=True, check=False)


def mounted(script):
    """A command in front of another, in a mount namespace of its own that this script has set up;
    skips the test where that is not permitted."""
    done = as_root("sh", "-c", script)
    if done.returncode != 0:
        pytest.skip(f"no mounts here: {done.stderr.decode().strip()}")
    return ["unshare", "-m", "sh", "-c", script + ' && exec "$@"', "sh"]


# --- what a report is

def test_members(tree):
    tree.panic()
    assert tree.collect() == [NAME]
    assert tree.records() == []
    members = tree.members(tree.folder / NAME)
    assert sorted(members) == ["build", "crash_summary", "dmesg-pstore-0", "dmesg-pstore-1",
                               "dmidecode", "report.html", "report.json", "version"]
    assert members["dmesg-pstore-0"].decode() == oops_text(1)
    assert members["dmesg-pstore-1"].decode() == panic_text(1)
    assert members["version"].splitlines()[0] == b"6.1.52-valve1"
    assert b"6.1.99-valve9" in members["version"]
    assert b"BUILD_ID=20260101.1" in members["build"]
    assert b"Jupiter" in members["dmidecode"]
    assert b"NULL pointer dereference" in members["crash_summary"]
    report = json.loads(members["report.json"])
    collected = report["collected"]
    assert "crash_it" in report["reports"][report["primary"]]["title"]
    assert (collected["time"], collected["steamid"], collected["serial"]) == (
        TIME, "76561197960287930", "FVAA12345678")
    assert [dump["reason"] for dump in collected["dumps"]] == ["Oops", "Panic"]


def test_member_names_have_the_stamp(tree):
    import zipfile
    tree.panic()
    tree.collect()
    with zipfile.ZipFile(tree.folder / NAME) as z:
        assert set(z.namelist()) == {
            f"{name}.{stamp(TIME)}{end}" for name, end in [
                ("dmesg-pstore", "-0"), ("dmesg-pstore", "-1"), ("crash_summary", ""),
                ("build", ""), ("version", ""), ("dmidecode", ""), ("report", ".json"),
                    ("report", ".html")]}
        assert all(entry.external_attr >> 16 & 0o777 == 0o600 for entry in z.infolist())


def test_console_and_pmsg(tree):
    tree.panic()
    tree.record("console-ramoops-0", "the console")
    tree.record("pmsg-ramoops-0", b"\x01\x00bytes")
    tree.record("ftrace-ramoops-0", "traces")
    tree.collect()
    members = tree.members(tree.folder / NAME)
    assert members["console"] == b"the console" and members["pmsg"] == b"\x01\x00bytes"
    assert tree.records() == []


def test_only_root_may_read(tree):
    tree.panic()
    done = tree.run("collect", wrapper=["sh", "-c", 'umask 0; exec "$@"', "sh"])
    assert done.returncode == 0, done.stderr
    for path in [tree.folder, *tree.folder.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_efi_parts(tree):
    tree.efi_panic(parts=7)
    assert tree.collect() == [NAME]
    members = tree.members(tree.folder / NAME)
    assert members["dmesg-pstore-0"].decode() == panic_text(1)
    assert "dmesg-pstore-1" not in members
    assert tree.records() == []


def test_two_boots_are_two_reports(tree):
    tree.panic(boot=1)
    tree.panic(boot=2, time=TIME + 7200, first=2)
    assert tree.collect() == [NAME, f"steamos-FVAA12345678-gaben.{stamp(TIME + 7200)}.zip"]
    for boot, name in enumerate(tree.zips(), 1):
        assert f"in boot {boot}" in tree.members(tree.folder / name)["dmesg-pstore-1"].decode()


def test_undecoded(tree):
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    compressed = raw.compress(b"Panic#1 Part1\n" + panic_text(1).encode()) + raw.flush()
    tree.record("dmesg-ramoops-0.enc.z", compressed)
    tree.record("dmesg-erst-1.enc.z", b"\x28\xb5\x2f\xfdnot deflate", TIME + 7200)
    assert len(tree.collect()) == 2
    first, second = (tree.members(tree.folder / name) for name in tree.zips())
    assert first["dmesg-pstore-0"].decode() == panic_text(1)
    assert second["dmesg-pstore-0.enc.z"] == b"\x28\xb5\x2f\xfdnot deflate"
    assert tree.records() == []


def test_systemd_archive(tree):
    """systemd-pstore came first, and was told to leave the originals."""
    tree.panic()
    tree.panic(where=ARCHIVE, time=TIME + 500)
    for part, text in ((1, "the end\n"), (2, "the start\n")):
        tree.record(f"dmesg-efi-{((TIME + 7200) * 100 + part) * 1000 + 1}",
                    f"Panic#1 Part{part}\n{text}", where=f"{ARCHIVE}/{TIME + 7200}/001")
    tree.record("dmesg.txt", "the start\nthe end\n", where=f"{ARCHIVE}/{TIME + 7200}/001")
    assert len(tree.collect()) == 2
    members = tree.members(tree.folder / tree.zips()[1])
    assert members["dmesg-pstore-0"] == b"the start\nthe end\n"
    assert tree.records() == []
    assert list((tree.path / ARCHIVE).iterdir()) == []


def test_orderly_shutdown_is_no_crash(tree):
    for n, reason in enumerate(["Shutdown", "Restart", "Halt", "Poweroff"]):
        tree.record(f"dmesg-ramoops-{n}", f"{reason}#1 Part1\n<6>[   55.00000{n}] reboot: bye\n",
                    TIME + n * 9000)
    assert tree.collect() == [] and tree.records() == []


def test_other_records_stay(tree):
    tree.panic()
    tree.record("mce-erst-5", "a machine check")
    tree.record("notes", "mine")
    assert tree.collect() == [NAME]
    assert tree.records() == [f"{PSTORE}/mce-erst-5", f"{PSTORE}/notes"]


# --- names and times

def test_crashes_of_one_minute(tree):
    for boot in range(1, 5):
        tree.panic(boot=boot, time=TIME + (boot > 3))
        names = tree.collect()
        expected = [NAME] + [f"steamos-FVAA12345678-gaben.{stamp(TIME + s, True)}.zip"
                             for s in (0, 1, 2)]
        assert names == [expected[boot - 1]]
    texts = [tree.members(path)["dmesg-pstore-1"].decode() for path in tree.all_zips()]
    assert sorted(texts) == sorted(panic_text(boot) for boot in range(1, 5))


@pytest.mark.parametrize("state", ["", "sent_logs", "not_sent_logs", "failed_logs"])
def test_nothing_is_overwritten(tree, state):
    precious = tree.write(f"{FOLDER}/{state}/{NAME}".replace("//", "/"), "precious")
    tree.panic()
    assert tree.collect() == [f"steamos-FVAA12345678-gaben.{stamp(TIME, True)}.zip"]
    assert precious.read_text() == "precious"


@pytest.mark.parametrize("time", [0, 253402300800 * 2])
def test_a_record_without_a_time(tree, time):
    """An id that no clock has made: the report gets the time of the collection."""
    record = f"dmesg-efi-{(time * 100 + 1) * 1000 + 1}"
    tree.record(record, "Panic#1 Part1\n" + panic_text(1))
    (name,) = tree.collect()
    assert name.split(".")[1][:4] >= "2024"
    assert tree.records() == []
    # an interruption before the record was removed, and a minute later
    tree.record(record, "Panic#1 Part1\n" + panic_text(1))
    os.rename(tree.folder / name, tree.folder / NAME)
    assert tree.collect() == [] and tree.records() == []


def test_the_event_has_the_records_time_and_kernel(tree):
    tree.record("dmesg-ramoops-0", "Panic#1 Part1\n" + panic_text(1, "5.13.0-valve36"), TIME + 59)
    (name,) = tree.collect()
    assert stamp(TIME + 59) in name
    collected = report_of(tree.folder / name)["collected"]
    assert collected["crashed_kernel"] == "5.13.0-valve36"
    assert collected["running_kernel"] == "6.1.99-valve9"


# --- nothing to do

def test_second_collect_does_nothing(tree):
    tree.panic()
    tree.collect()
    before = {path: path.stat().st_mtime_ns for path in tree.path.rglob("*")}
    took = []
    for _ in range(5):
        start = time.monotonic()
        done = tree.run("collect")
        took.append(time.monotonic() - start)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {path: path.stat().st_mtime_ns for path in tree.path.rglob("*")} == before
    # a sanitized build on a busy machine; bench measures what an installation takes
    assert min(took) < 0.5


@pytest.mark.parametrize("records", [[], ["console-ramoops-0", "pmsg-ramoops-0", "mce-erst-1"]])
def test_nothing_to_collect_touches_nothing(tree, records):
    """The console of a clean reboot is there every time: it is not even read."""
    for name in records:
        tree.record(name, "text")
    trace = tree.path / "trace"
    done = tree.run("collect", wrapper=["strace", "-f", "-o", trace, "-e", "trace=%file,%process"])
    assert done.returncode == 0 and not tree.folder.exists()
    assert "console-ramoops" not in trace.read_text()
    assert "libarchive" not in trace.read_text() and "libmount" not in trace.read_text()


def test_no_child_process(tree):
    tree.panic()
    trace = tree.path / "trace"
    done = tree.run("collect", wrapper=["strace", "-f", "-o", trace, "-e", "trace=%process"])
    assert done.returncode == 0 and tree.zips() == [NAME]
    text = trace.read_text()
    assert text.count("execve(") == 1
    assert not any(f"{call}(" in text for call in ("fork", "vfork", "clone", "clone3"))


def test_usage(tree):
    assert tree.run("collect", "now").returncode == 2
    assert tree.run("collect", "--what").returncode == 2


def test_a_file_system_that_is_still_to_come(tree):
    """Nothing is made where its mount would hide it; the records wait."""
    tree.panic()
    tree.write("etc/fstab", "UUID=1 / ext4 rw 0 1\nUUID=2 /home ext4 nofail 0 2\n")
    tree.write("proc/self/mountinfo", "20 1 259:4 / / rw - ext4 /dev/vda2 rw\n")
    records = tree.records()
    done = tree.run("collect")
    assert done.returncode == 3 and "/etc/fstab, is not mounted" in done.stderr
    assert tree.records() == records and not tree.folder.exists()
    tree.write("proc/self/mountinfo", "20 1 259:4 / / rw - ext4 /dev/vda2 rw\n"
               "30 20 259:8 / /home rw - ext4 /dev/vda3 rw\n")
    assert tree.collect() == [NAME]


# --- interruptions

def expect_whole(tree, crashes):
    """A run in peace: afterwards there is one report per crash, and nothing else."""
    for path in tree.leftovers():
        os.utime(path, (TIME, TIME))  # in state/ only what is old is known to be of nobody at work
    done = tree.run("collect")
    assert done.returncode == 0, done.stderr
    assert tree.records() == []
    assert tree.leftovers() == []
    texts = []
    for path in tree.all_zips():
        members = tree.members(path)
        texts.append("".join(members[name].decode() for name in sorted(members)
                             if name.startswith("dmesg-pstore")))
    assert sorted(texts) == sorted(crashes)


def crashed_tree(tmp_path):
    """Two crashes: one of ramoops, two records and a console; one of EFI, three parts."""
    original = Tree(tmp_path / "original")
    original.panic(boot=1)
    original.record("console-ramoops-0", "console")
    original.efi_panic(boot=2, time=TIME + 7200, parts=3)
    numbers = iter(range(100000))
    return lambda: original.copy(tmp_path / f"tree{next(numbers)}")


CRASHES = [oops_text(1) + panic_text(1), panic_text(2)]


@pytest.mark.parametrize("call", ["write", "fsync", "renameat2", "unlinkat", "mkdir,mkdirat", "openat2",
                                  "flock", "close"])
def test_killed_at_any_call(tmp_path, call):
    kills = 0
    for tree, _, number in machine.killed_runs(crashed_tree(tmp_path), "collect", calls=[call]):
        kills += 1
        expect_whole(tree, CRASHES)
    assert kills >= {"renameat2": 2, "unlinkat": 6, "flock": 1, "fsync": 6}.get(call, 3)


@pytest.mark.parametrize("left", [
    ["dmesg-ramoops-1"], ["dmesg-ramoops-0", "dmesg-ramoops-1"], ["efi 1"], ["efi 1", "efi 2"],
])
def test_what_an_interruption_left_is_not_a_crash(tree, left):
    """The report is there, and some of its records are."""
    tree.panic()
    tree.efi_panic(boot=2, time=TIME + 7200, parts=3)
    contents = {path: (tree.path / path).read_bytes() for path in tree.records()}
    times = {path: (tree.path / path).stat().st_mtime for path in contents}
    assert len(tree.collect()) == 2
    # and the sender has been at work
    (tree.folder / "sent_logs").mkdir(exist_ok=True)
    for name in tree.zips():
        os.rename(tree.folder / name, tree.folder / "sent_logs" / name)
    for path, content in contents.items():
        name = os.path.basename(path)
        if name in left or any(f"0{part[-1]}001" in name[-5:] for part in left if "efi" in part):
            tree.write(path, content, times[path])
    assert len(tree.records()) == len(left)
    assert tree.collect() == [] and tree.records() == []
    assert len(tree.all_zips()) == 2


def test_leftovers_of_a_killed_writer_are_removed(tree):
    junk = [tree.write(f"{FOLDER}/.tmp-0123456789abcdef", "half a ZIP"),
            tree.write(f"{FOLDER}/not_sent_logs/.tmp-fedcba9876543210", "half a ZIP")]
    tree.panic()
    tree.collect()
    assert not any(path.exists() for path in junk)


def test_two_runs_at_once(tree):
    for boot in range(1, 6):
        tree.panic(boot=boot, time=TIME + boot * 7200, first=boot * 2)
    env = {k: v for k, v in os.environ.items()}
    runs = [subprocess.Popen([machine.program(), f"--root={tree.path}", "collect"], env=env,
                             stderr=subprocess.PIPE) for _ in range(4)]
    for run in runs:
        assert run.wait(machine.TIMEOUT) == 0, run.stderr.read()
        run.stderr.close()
    assert len(tree.all_zips()) == 5 and tree.records() == []


def test_a_lock_that_is_held_is_waited_for(tree):
    """Another run of ours is in the folder for a second."""
    tree.panic()
    lock = tree.write(f"{FOLDER}/state/lock", "")
    holder = subprocess.Popen(["flock", lock, "sleep", "1"])
    time.sleep(0.3)
    assert tree.collect() == [NAME]
    holder.wait()


# --- file systems that fail

def refuses(tree, done, *words, status=1):
    assert done.returncode == status, done.stderr
    for word in words:
        assert word in done.stderr
    assert len(tree.records()) == 2 and tree.all_zips() == []
    return True


def test_no_space(tree):
    tree.panic()
    tree.record("dmesg-ramoops-1", "Panic#2 Part1\n" + panic_text(1) + os.urandom(300000).hex())
    tree.folder.mkdir(parents=True)
    wrapper = mounted(f"mount -t tmpfs -o size=64k,mode=700 none {tree.folder}")
    done = tree.run("collect", wrapper=wrapper)
    assert refuses(tree, done, "No space left", "make room", "records stay", str(FOLDER))
    assert tree.run("collect").returncode == 0
    assert len(tree.all_zips()) == 1 and tree.records() == []


def test_no_space_leaves_no_litter(tree):
    tree.panic()
    tree.record("dmesg-ramoops-1", "Panic#2 Part1\n" + panic_text(1) + os.urandom(300000).hex())
    tree.folder.mkdir(parents=True)
    wrapper = mounted(f"mount -t tmpfs -o size=64k,mode=700 none {tree.folder}")
    done = tree.run("collect", wrapper=[*wrapper, "sh", "-c", f'"$@"; ls -A {tree.folder}', "sh"])
    assert done.stdout.split() == ["state"]


def test_read_only(tree):
    tree.panic()
    tree.folder.mkdir(parents=True)
    wrapper = mounted(f"mount --bind -o ro {tree.folder} {tree.folder} && "
                      f"mount -o remount,bind,ro {tree.folder}")
    done = tree.run("collect", wrapper=wrapper)
    assert refuses(tree, done, "Read-only file system", "read-write", "stays where it is")
    assert tree.run("collect").returncode == 0


@pytest.mark.parametrize("call, error", [
    ("write", "ENOSPC"), ("write", "EIO"), ("fsync", "EIO"), ("fsync", "ENOSPC"),
    ("renameat2", "EIO"), ("renameat2", "EDQUOT"), ("mkdir,mkdirat", "EACCES"), ("openat", "EROFS"),
])
def test_every_write_may_fail(tree, call, error):
    """Every n-th call fails: either the report is there, or the records are, and it is said."""
    tree.record("dmesg-ramoops-0", "Panic#1 Part1\n" + panic_text(1))
    pristine = tree.copy(tree.path.parent / "pristine")
    failures = 0
    for number in range(1, 60):
        tree = pristine.copy(tree.path.parent / f"tree{number}")
        trace = tree.path / "trace"
        # library loads are openat, too: only what is done in the tree shall fail
        wrapper = ["strace", "-f", "-o", trace, "-e", f"trace={call}", "-e",
                   f"inject={call}:error={error}:when={number}"]
        done = tree.run("collect", wrapper=wrapper)
        if "INJECTED" not in trace.read_text():
            assert done.returncode == 0
            break
        if done.returncode == 127 or "cannot open shared object" in done.stderr:
            continue  # the loader's
        if done.returncode != 0:
            failures += 1
            assert len(tree.records()) == 1 or len(tree.all_zips()) == 1
            assert done.stderr
        assert done.returncode in (0, 1), done.stderr
        if not tree.all_zips():
            assert len(tree.records()) == 1 and done.returncode == 1, done.stderr
        expect_whole(tree, [panic_text(1)])
    assert failures >= 1


@pytest.mark.parametrize("call", ["unlink,unlinkat"])
def test_records_that_cannot_be_removed(tree, call):
    tree.panic()
    wrapper = ["strace", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e",
               f"inject={call}:error=EPERM"]
    done = tree.run("collect", wrapper=wrapper)
    assert done.returncode == 1 and "cannot remove" in done.stderr
    done = tree.run("collect", wrapper=wrapper)
    assert done.returncode == 1 and tree.zips() == [NAME]
    assert tree.collect() == [] and tree.records() == [] and tree.zips() == [NAME]


def test_an_unreadable_record_does_not_stop_the_others(tree):
    tree.panic()
    tree.record("dmesg-ramoops-7", "Panic#1 Part1\n" + panic_text(3), TIME + 7200)
    bad = tree.path / PSTORE / "dmesg-ramoops-7"
    done = tree.run("collect", wrapper=["strace", "-f", "-o", "/dev/null", "-P", bad, "-e",
                                        "trace=read", "-e", "inject=read:error=EIO"])
    assert done.returncode == 1 and "dmesg-ramoops-7" in done.stderr
    assert tree.zips() == [NAME]
    assert tree.records() == [f"{PSTORE}/dmesg-ramoops-7"]
    assert len(tree.collect()) == 1


@pytest.mark.parametrize("where", ["home", FOLDER, f"{FOLDER}/state"])
def test_a_file_where_a_folder_should_be(tree, where):
    tree.panic()
    if where == "home":
        (tree.path / "home").rename(tree.path / "elsewhere")
    tree.write(where, "a file")
    assert refuses(tree, tree.run("collect"), "stays where it is")


def test_links_do_not_lead_out_of_the_tree(tree, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    tree.panic()
    tree.folder.parent.mkdir(parents=True)
    tree.folder.symlink_to(outside)
    tree.run("collect")
    assert list(outside.iterdir()) == []


def test_device_that_is_not_mounted(tree):
    tree.panic()
    tree.config(MOUNT_DEVNODE="nvme9n1p8", KDUMP_FOLDER="/var/kdump")
    tree.write("proc/self/mountinfo", "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n")
    assert refuses(tree, tree.run("collect"), "MOUNT_DEVNODE=nvme9n1p8 is not mounted",
                   "stays where it is", status=3)


def test_the_journal_is_told_once_that_a_device_is_not_there(tree, tmp_path):
    """A timer asks every few minutes; a person at a terminal has an answer each time."""
    tree.panic()
    tree.config(MOUNT_DEVNODE="nvme0n1p8", KDUMP_FOLDER="/var/kdump")
    absent = "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
    present = absent + "22 21 259:8 / /home rw - ext4 /dev/nvme0n1p8 rw\n"

    def journal():
        with open(tmp_path / "journal", "w+") as file:
            st = os.fstat(file.fileno())
            subprocess.run([machine.program(), f"--root={tree.path}", "collect"], stderr=file, timeout=60,
                           check=False, env=os.environ | {"JOURNAL_STREAM": f"{st.st_dev}:{st.st_ino}"})
            file.seek(0)
            return file.read()

    tree.write("proc/self/mountinfo", absent)
    assert journal().startswith("<3>MOUNT_DEVNODE=nvme0n1p8 is not mounted")
    assert journal() == ""
    assert refuses(tree, tree.run("collect"), "MOUNT_DEVNODE=nvme0n1p8 is not mounted", status=3)
    tree.write("proc/self/mountinfo", present)
    assert "is not mounted" not in journal() and tree.records() == []
    tree.panic(2)
    tree.write("proc/self/mountinfo", absent)
    assert "is not mounted" in journal()
    # another boot
    shutil.rmtree(tree.path / "run/kdump-steamos")
    assert "is not mounted" in journal() and journal() == ""


def test_device_that_is_mounted(tree):
    tree.panic()
    tree.config(MOUNT_DEVNODE="nvme0n1p8", KDUMP_FOLDER="/var/kdump")
    tree.write("proc/self/mountinfo", "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
               "22 21 259:8 / /home rw - ext4 /dev/nvme0n1p8 rw\n")
    done = tree.run("collect")
    assert done.returncode == 0, done.stderr
    assert (tree.path / "home/var/kdump" / NAME).exists() and tree.records() == []


# --- consent

@pytest.mark.parametrize("settings", [{"LOG_SUBMISSION": "0"}, {"POST_URL": ""}])
def test_without_submission_reports_are_kept(tree, settings):
    tree.config(**settings)
    tree.panic()
    tree.collect()
    assert tree.zips() == [] and tree.zips("not_sent_logs") == [NAME]


@pytest.mark.parametrize("changes, now, state, noted", [
    ([(-100, False)], "1", "not_sent_logs", False),
    ([(-100, True), (100, False)], "1", ".", True),
    ([(-100, True), (-50, False), (100, True)], "1", "not_sent_logs", False),
    ([(-100, True)], "0", "not_sent_logs", True),
    ([(100, False)], "1", ".", None),
])
def test_consent_is_that_of_the_crash(tree, changes, now, state, noted):
    tree.panic()
    tree.config(LOG_SUBMISSION=now)
    (tree.folder / "state").mkdir(parents=True)
    (tree.folder / "state/consent.json").write_text(json.dumps({"changes": [
        {"since": TIME + delta, "submission": submission} for delta, submission in changes]}))
    tree.collect()
    (name,) = tree.zips(state)
    assert report_of(tree.folder / state / name)["collected"].get("submission") == noted


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"changes": 1}', '{"changes": [1, {}, null]}'])
def test_consent_that_cannot_be_read(tree, text):
    tree.panic()
    (tree.folder / "state").mkdir(parents=True)
    (tree.folder / "state/consent.json").write_text(text)
    tree.collect()
    assert len(tree.zips() + tree.zips("not_sent_logs")) == 1


# --- facts

@pytest.mark.parametrize("vendor, product, board, known", [
    ("Valve", "Jupiter", "Jupiter", True), ("Valve", "Galileo", "Galileo", True),
    ("Valve", "Fremont", "Fremont", True),
    ("ASUSTeK COMPUTER INC.", "ROG Ally RC71L_RC71L", "RC71L", True),
    ("ASUSTeK COMPUTER INC.", "ROG Xbox Ally X RC73XA_RC73XA", "RC73XA", True),
    ("LENOVO", "83E1", "LNVNB161216", True),
    ("Micro-Star International Co., Ltd.", "Claw A1M", "MS-1T41", True),
    ("LENOVO", "20XW", "20XW", False), ("Valve", "", "", False), ("Valve", "Jupiter2", "", False),
    ("Acme", "Jupiter", "Jupiter", False), ("", "Galileo", "Galileo", False),
    ("ASUSTeK COMPUTER INC.", "ROG STRIX", "PRIME", False),
])
def test_serials_of_handhelds_only(tree, vendor, product, board, known):
    tree.dmi(sys_vendor=vendor, product_name=product, board_name=board)
    tree.panic()
    (name,) = tree.collect()
    assert name.startswith("steamos-FVAA12345678-" if known else "steamos-0-")
    everything = b"".join(tree.members(tree.folder / name).values())
    assert (b"FVAA12345678" in everything) == known


@pytest.mark.parametrize("serial, expected", [
    ("../../../etc/passwd", "etcpasswd"), ("", "0"), ("  \t ", "0"), ("a b;c`d$e", "abcde"),
    (b"\xff\xfe\x00\n", "0"), ("x" * 300, None), ("-rf", "-rf"), ("A.B", "AB"), ("\x1b[31mX", "31mX"),
    ("ü" * 10, "0"), ("first\nsecond", "first"),
])
def test_hostile_serials(tree, serial, expected):
    tree.dmi(product_serial=serial)
    tree.panic()
    (name,) = tree.collect()
    part = name.removeprefix("steamos-").removesuffix(f"-gaben.{stamp(TIME)}.zip")
    assert part == expected if expected is not None else len(part) <= 64
    assert len(list(tree.folder.glob("*.zip"))) == 1


def test_serial_of_the_board(tree):
    tree.dmi(product_serial="", board_serial="B123")
    tree.panic()
    assert tree.collect() == [f"steamos-B123-gaben.{stamp(TIME)}.zip"]


def test_firmware_that_speaks_no_utf8(tree):
    """Odd bytes in names must not cost the report."""
    tree.dmi(sys_vendor=b"Val\xffve\n", product_name=b"\xc3\x28\n", board_name=b"\x01\x02\n",
             bios_version=b"\x80")
    tree.write("etc/os-release", b"BUILD_ID=\xff\xfe\n\0\0")
    tree.write("proc/sys/kernel/osrelease", b"6.1\xff\n")
    tree.record("dmesg-ramoops-0", b"Panic#1 Part1\n" + panic_text(1).encode() +
                b"<4>[  101.000000] comm \xff\xfe\x00\x01\xc3\x28\n")
    (name,) = tree.collect()
    members = tree.members(tree.folder / name)
    assert json.loads(members["report.json"])["collected"]["product"] == "?("
    assert b"\xff\xfe\x00\x01\xc3\x28" in members["dmesg-pstore-0"]


def test_a_bare_machine(tree):
    """No facts at all."""
    for name in ("etc/os-release", "etc/passwd", "proc/sys/kernel/osrelease"):
        (tree.path / name).unlink()
    subprocess.run(["rm", "-r", tree.path / "sys/class"], check=True)
    tree.record("dmesg-ramoops-0", "")
    (name,) = tree.collect()
    assert name == f"steamos-0-0.{stamp(TIME)}.zip"
    assert report_of(tree.folder / name)["primary"] in (None, -1)


def test_dmi_strings_that_are_too_long(tree):
    tree.dmi(product_name="J" * 5000, bios_version="x" * 70000)
    tree.panic()
    assert len(tree.collect()) == 1


# --- the account

VDF = "home/deck/.local/share/Steam/config/loginusers.vdf"


def test_account_of_another_place(tree):
    content = (tree.path / VDF).read_text().replace("gaben", "other")
    (tree.path / VDF).unlink()
    tree.write("opt/users.vdf", content)
    tree.config(LOGINVDF="/opt/users.vdf")
    tree.panic()
    assert tree.collect() == [NAME.replace("gaben", "other")]


def test_account_of_another_home(tree):
    tree.write("etc/passwd", "a:x:1001:1::/x:\ndeck:x:1000:1000:Name:/var/home/d:/bin/sh\n")
    tree.write("var/home/d/.steam/steam/config/loginusers.vdf",
               (tree.path / VDF).read_text().replace("gaben", "d"))
    tree.panic()
    assert tree.collect() == [NAME.replace("gaben", "d")]


def hostile_vdf(tree, kind):
    path = tree.path / VDF
    good = path.read_text()
    path.unlink()
    if kind == "symlink":
        tree.write("root/secret.vdf", good.replace("gaben", "stolen"))
        path.symlink_to("/root/secret.vdf")
    elif kind == "symlinked folder":
        tree.write("root/config/loginusers.vdf", good.replace("gaben", "stolen"))
        path.parent.rmdir()
        path.parent.symlink_to("/root/config")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "huge":
        path.write_text(good)
        os.truncate(path, 1 << 33)
    elif kind == "other owner":
        path.write_text(good)
        os.chown(path, 1234, 1234)
    elif kind == "malformed":
        path.write_text('"users" { "765" { "AccountName" "x\n' * 3)
    elif kind == "nesting":
        path.write_text('"a" {' * 100000)
    elif kind == "binary":
        path.write_bytes(os.urandom(10000))
    elif kind == "empty":
        path.write_text("")
    elif kind == "traversal":
        path.write_text(good.replace("gaben", "../../../../tmp/x"))
    elif kind == "none":
        pass


@pytest.mark.parametrize("kind, says", [
    ("symlink", None), ("symlinked folder", None), ("fifo", "cannot read"),
    ("directory", "cannot read"), ("huge", "cannot read"), ("other owner", "cannot read"),
    ("malformed", "malformed"), ("nesting", "malformed"), ("binary", None), ("empty", None),
    ("none", None),
])
def test_hostile_loginusers(tree, kind, says):
    hostile_vdf(tree, kind)
    tree.panic()
    done = tree.run("collect")
    assert done.returncode == 0, done.stderr
    assert tree.zips() == [NAME.replace("gaben", "0")]
    assert says is None or says in done.stderr
    assert report_of(tree.folder / tree.zips()[0])["collected"]["steamid"] == "0"
    assert tree.records() == []


def test_account_names_are_reduced(tree):
    hostile_vdf(tree, "traversal")
    tree.panic()
    assert tree.collect() == [NAME.replace("gaben", "tmpx")]


def test_the_users_own_file(tree):
    os.chown(tree.path / VDF, 1000, 1000)
    tree.panic()
    assert tree.collect() == [NAME]


# --- retention

@pytest.mark.parametrize("settings", [{"POST_URL": ""}, {"LOG_SUBMISSION": "0"}])
def test_keep_reports(tree, settings):
    tree.config(KEEP_REPORTS="3", **settings)
    for boot in range(1, 8):
        tree.panic(boot=boot, time=TIME + boot * 7200)
        tree.collect()
    assert tree.zips("not_sent_logs") == \
        [f"steamos-FVAA12345678-gaben.{stamp(TIME + n * 7200)}.zip" for n in (5, 6, 7)]


def test_what_is_to_be_sent_is_kept(tree):
    """As long as there is room; then it goes last, and it is told."""
    tree.config(KEEP_REPORTS="2")
    for boot in range(1, 6):
        tree.panic(boot=boot, time=TIME + boot * 7200)
        tree.collect()
    for n in range(2):
        tree.write(f"{FOLDER}/sent_logs/steamos-0-0.20250101000{n}.zip", "zip")
    assert len(tree.zips()) == 5
    status = json.loads(tree.run("status", "--json").stdout)
    assert status["unsent"] == 0 and "unsent:" not in tree.run("status").stdout
    tree.config(MIN_FREE_SPACE="1024T")
    done = tree.run("prune")
    assert done.returncode == 0 and done.stderr.count("was not sent yet") == 4
    assert [path.name for path in tree.all_zips()] == \
        [f"steamos-FVAA12345678-gaben.{stamp(TIME + 5 * 7200)}.zip"]
    assert done.stderr.index("202501010000") < done.stderr.index("was not sent yet")
    assert json.loads(tree.run("status", "--json").stdout)["unsent"] == 4
    assert "unsent:  4 removed before they were sent" in tree.run("status").stdout


def test_what_state_has_of_a_report_goes_with_it(tree):
    """All of it: where an upload goes may be a secret."""
    gone, there = "steamos-0-0.202501010000.zip", NAME
    tree.panic()
    assert tree.collect() == [NAME]
    suffixes = (".json", ".upload", ".exchange", ".sentry.json", ".sentry.exchange", ".directory.json")
    for name in (gone, there):
        for suffix in suffixes:
            tree.write(f"{FOLDER}/state/{name}{suffix}", "{}")
    tree.write(f"{FOLDER}/state/{gone}.mine", "mine")
    assert tree.run("prune").returncode == 0
    assert sorted(path.name for path in (tree.folder / "state").glob("steamos-*")) == \
        sorted([f"{gone}.mine", *(there + suffix for suffix in suffixes)])


def test_keep_reports_of_each_state(tree):
    tree.config(KEEP_REPORTS="2")
    for state in ("sent_logs", "not_sent_logs", "failed_logs"):
        for n in range(4):
            tree.write(f"{FOLDER}/{state}/steamos-0-0.20250101000{n}.zip", "zip")
    tree.write(f"{FOLDER}/state/steamos-0-0.202501010000.zip.json", "{}")
    tree.write(f"{FOLDER}/sent_logs/notes.txt", "mine")
    tree.panic()
    assert tree.collect() == [NAME]
    for state in ("sent_logs", "not_sent_logs", "failed_logs"):
        assert tree.zips(state) == ["steamos-0-0.202501010002.zip", "steamos-0-0.202501010003.zip"]
    assert tree.attempts() == [] and (tree.folder / "sent_logs/notes.txt").exists()


def test_min_free_space(tree):
    """More than there is: all go but the newest, and vmcores before."""
    tree.config(MIN_FREE_SPACE="1024T")
    for n in range(4):
        tree.write(f"{FOLDER}/sent_logs/steamos-0-0.20250101000{n}.zip", "zip")
    tree.write(f"{FOLDER}/crash/vmcore.202501010000", "core")
    tree.panic()
    assert tree.collect() == [NAME]
    assert [path.name for path in tree.all_zips()] == [NAME]
    assert not (tree.folder / "crash/vmcore.202501010000").exists()


def test_many_crashes_at_once(tree):
    for boot in range(1, 41):
        tree.panic(boot=boot, time=TIME + boot * 600, first=2 * boot)
    done = tree.run("collect")
    assert done.returncode == 0, done.stderr
    assert len(tree.zips()) == 40 and tree.records() == []


@pytest.mark.parametrize("seed", range(8))
def test_noise(tree, seed):
    """Bytes of any kind under names of any kind: it ends, and what is no record stays."""
    import random
    rng = random.Random(seed)
    heads = [b"Panic#1 Part1\n", b"Oops#4294967295 Part4294967295\n", b"#1 Part1\n", b"====1.1-C\n",
             b"====1767323045.123456-D\n", b"Panic#0 Part0\n", b""]
    names = ["dmesg-ramoops-%d", "dmesg-efi-%d", "dmesg-efi_pstore-%d", "dmesg-erst-%d.enc.z",
             "console-ramoops-%d", "pmsg-ramoops-%d", "dmesg-a-b-c-%d", "ftrace-ramoops-%d"]
    for _ in range(60):
        content = rng.choice(heads) + (panic_text(rng.randrange(5)).encode() if rng.random() < .5
                                       else b"")
        content += rng.randbytes(rng.choice([0, 10, 5000]))
        where = rng.choice([PSTORE, ARCHIVE, f"{ARCHIVE}/1/2"])
        tree.record(rng.choice(names) % rng.choice([rng.randrange(20), rng.randrange(1 << 60)]),
                    content, rng.choice([1, TIME, TIME + rng.randrange(10 ** 6), 1 << 33]), where)
    done = tree.run("collect")
    assert done.returncode == 0, done.stderr
    assert tree.records() == []
    for path in tree.all_zips():
        tree.members(path)
