# SPDX-License-Identifier: LGPL-2.1-or-later
"""report --as-sent: what it shows is what leaves, byte for byte."""

import json
import pathlib
import sys

import pytest

from test_scrub import PRIVATE, leaks, private_log, tree  # noqa: F401 (a fixture)

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from receiver import Receiver  # noqa: E402


@pytest.fixture
def report(tree):  # noqa: F811
    (name,) = tree.collect()
    return tree.folder / name


def members(tree, path):  # noqa: F811
    return tree.members(path)


def test_the_zip_is_what_the_server_gets(tree, report, tmp_path):  # noqa: F811
    with Receiver(tmp_path / "receiver") as server:
        tree.config(POST_URL=server.url)
        shown = tree.run("report", "--as-sent", "-o", tmp_path / "shown.zip", report)
        assert shown.returncode == 0, shown.stderr
        assert "replaced: " in shown.stderr and server.url in shown.stderr
        assert tree.run("submit").returncode == 0
        (upload,) = server.finished()
        assert members(tree, tmp_path / "shown.zip") == members(tree, upload["zip"])
    for name, data in members(tree, tmp_path / "shown.zip").items():
        assert leaks(data) == {}, name


@pytest.mark.parametrize("form, member", [("--json", "report.json"), ("--html", "report.html")])
def test_forms_are_the_files(tree, report, tmp_path, form, member):  # noqa: F811
    assert tree.run("report", "--as-sent", "-o", tmp_path / "s.zip", report).returncode == 0
    shown = tree.run("-q", "report", "--as-sent", form, report)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.encode() == members(tree, tmp_path / "s.zip")[member]
    assert leaks(shown.stdout) == {}


def test_text(tree, report):  # noqa: F811
    shown = tree.run("report", "--as-sent", report)
    assert shown.returncode == 0 and "crash_it" in shown.stdout
    assert leaks(shown.stdout) == {} and str(report) not in shown.stdout


def test_a_log(tree, report):  # noqa: F811
    """Not in a ZIP: scrubbed by forms and by what this machine is called."""
    log = tree.write("log", private_log())
    shown = tree.run("report", "--as-sent", "--html", log)
    assert shown.returncode == 0, shown.stderr
    # account and steamid are known from a report's own notes only
    assert set(leaks(shown.stdout)) <= {"account"}
    plain = json.loads(tree.run("report", "--json", log).stdout)
    sent = json.loads(tree.run("report", "--as-sent", "--json", log).stdout)
    for key in ("title", "signature", "stack", "stacktraces"):
        assert sent["reports"][0].get(key) == plain["reports"][0].get(key)


def test_a_pstore_directory(tree):  # noqa: F811
    shown = tree.run("report", "--as-sent", tree.path / "sys/fs/pstore")
    assert shown.returncode == 0 and "<mac-" in shown.stdout or "crash_it" in shown.stdout
    assert PRIVATE["mac"] not in shown.stdout


def test_scrub_off(tree, report, tmp_path):  # noqa: F811
    tree.config(SCRUB="0")
    assert tree.run("report", "--as-sent", "-o", tmp_path / "s.zip", report).returncode == 0
    assert (tmp_path / "s.zip").read_bytes() == report.read_bytes()


def test_nothing_is_altered(tree, report):  # noqa: F811
    def state():
        return {str(f): f.read_bytes() for f in sorted(tree.path.rglob("*")) if f.is_file()}

    before = state()
    assert tree.run("report", "--as-sent", report).returncode == 0
    assert state() == before
