# SPDX-License-Identifier: LGPL-2.1-or-later
"""report --as-sent: what it shows is what leaves, byte for byte."""

import html
import json
import pathlib
import sys

import pytest

from test_scrub import PRIVATE, leaks, panic_with, private_log, tree  # noqa: F401 (a fixture)

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


@pytest.mark.parametrize("as_pstore", [False, True])
def test_a_log_is_as_the_report_that_it_would_be(tree, as_pstore):  # noqa: F811
    """Title, signature, page: the same whether the log lies in a report or not, although the title is of
    the scrubbed log, and the signature is the report's own."""
    text = private_log() + panic_with("NFS: {host} lost {mac} for {user} of {mail}")
    tree.record("dmesg-ramoops-0", "Panic#1 Part1\n" + text)
    (name,) = tree.collect()
    tree.record("dmesg-ramoops-0", "Panic#1 Part1\n" + text)
    source = tree.path / "sys/fs/pstore" if as_pstore else tree.write("log", text)
    shown = {form: tree.run("-q", "report", "--as-sent", form, source).stdout
             for form in ("--json", "--html", "--text")}
    report = tree.folder / name
    sent = json.loads(tree.run("-q", "report", "--as-sent", "--json", report).stdout)
    local = json.loads(tree.run("-q", "report", "--json", report).stdout)
    log = json.loads(shown["--json"])
    for form, text in shown.items():  # the account is known from a report's own notes only
        assert set(leaks(text)) <= {"account"}, form
    for one, other, mine in zip(log["reports"], sent["reports"], local["reports"], strict=True):
        assert one["signature"] == other["signature"] == mine["signature"]
        assert one["title"] == other["title"] and one.get("stack") == other.get("stack")
    primary = log["reports"][log["primary"]]
    assert primary["title"] in shown["--text"] and primary["signature"] in shown["--text"]
    assert primary["signature"] in shown["--html"]
    assert html.escape(primary["title"]) in shown["--html"]
    text = tree.run("-q", "report", "--as-sent", report).stdout
    assert local["reports"][local["primary"]]["signature"] in text
