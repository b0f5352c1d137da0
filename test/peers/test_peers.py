# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reports go to servers that others wrote: S3 by a presigned URL, Sentry's envelopes to Spotlight."""

import base64
import datetime
import json
import os
import pathlib
import sys
import urllib.parse
import urllib.request

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent),
                str(pathlib.Path(__file__).resolve().parent.parent / "tree")]
import peers  # noqa: E402
from local_server import Handler, LocalServer  # noqa: E402
from tree import TIME, johns_brick, panic_text, stamp  # noqa: E402

NAME = f"steamos-FVAA12345678-gaben.{stamp(TIME)}.zip"


@pytest.fixture(scope="session", autouse=True)
def installed():
    try:
        peers.install()
    except peers.Missing as missing:
        # A test that vanishes proves nothing: whoever has no registry says so.
        if os.environ.get("KDUMP_SKIP_PEERS") == "1":
            pytest.skip(str(missing))
        pytest.fail(f"{missing}; KDUMP_SKIP_PEERS=1 leaves these tests out")


@pytest.fixture(scope="session")
def s3(tmp_path_factory, installed):
    with peers.Peer("s3", tmp_path_factory.mktemp("s3")) as peer:
        yield peer


@pytest.fixture(scope="session")
def spotlight(tmp_path_factory, installed):
    with peers.Peer("sentry", tmp_path_factory.mktemp("sentry")) as peer:
        peer.seen = lambda: [json.loads((peer.folder / f"{i}.json").read_text())
                             for i in range(len(list(peer.folder.glob("*.json"))))]
        yield peer


class StartAndFinish(LocalServer):
    """The two steps of the API beside the PUT: hands out a URL, and is told that it was used."""

    def __init__(self, url, headers):
        outer = self
        self.forms = []

        class Steps(Handler):
            def do_POST(self):
                outer.forms.append((self.path, dict(urllib.parse.parse_qsl(self.body().decode()))))
                pairs = [{"name": k, "value": v} for k, v in headers.items()]
                self.answer(200, json.dumps({"response": {"url": url, "gid": "77", "headers":
                                                          {"pairs": pairs}}} if "Start" in self.path
                                            else {"response": {}}).encode())

        super().__init__(Steps)
        self.post_url = f"{self.top}/ACTIONCrashUpload/v1"


@pytest.fixture
def tree(tmp_path):
    tree = johns_brick(tmp_path / "tree")
    assert tree.collect() == [NAME]
    return tree


def stored(s3, key):
    url = peers.presigned(s3.port, "reports", key, method="GET")
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read(), answer.headers


@pytest.mark.parametrize("presign", [peers.presigned, peers.presigned_v2])
@pytest.mark.parametrize("headers", [{}, {"Content-Type": "application/zip",
                                          "x-amz-meta-gid": "77"}])
def test_put_to_s3(s3, tree, tmp_path, headers, presign):
    key = f"2026/{len(headers)} {presign.__name__}.zip"
    url = presign(s3.port, "reports", key, headers=headers)
    with StartAndFinish(url, headers) as api:
        tree.config(POST_URL=api.post_url)
        done = tree.run("submit")
    assert done.returncode == 0, done.stderr
    assert [path for path, _ in api.forms] == ["/StartCrashUpload/v1", "/FinishCrashUpload/v1"]
    assert api.forms[1][1] == {"gid": "77"}
    data, answered = stored(s3, key)
    assert len(data) == int(api.forms[0][1]["dump_file_size"])
    (tmp_path / "got.zip").write_bytes(data)
    members = tree.members(tmp_path / "got.zip")
    assert b"Kernel panic" in members["dmesg-pstore-0"]
    assert b"Johns-Brick" not in members["dmesg-pstore-0"]
    if headers:
        assert answered["Content-Type"] == "application/zip" and answered["x-amz-meta-gid"] == "77"
    assert tree.zips("sent_logs") == [NAME]


def test_s3_refuses_a_forged_signature(s3, tree):
    """403: for good, as the API's servers give a URL once; the reason is S3's own."""
    url = peers.presigned_v2(s3.port, "reports", "other.zip").replace("other.zip", "forged.zip")
    with StartAndFinish(url, {}) as api:
        tree.config(POST_URL=api.post_url)
        done = tree.run("submit")
    assert done.returncode == 1 and "403" in done.stderr
    assert tree.zips("failed_logs") == [NAME]
    assert [path for path, _ in api.forms] == ["/StartCrashUpload/v1"]


def test_s3_refuses_an_url_that_is_too_old(s3, tree):
    old = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=2)
    url = peers.presigned(s3.port, "reports", "old.zip", when=old)
    with StartAndFinish(url, {}) as api:
        tree.config(POST_URL=api.post_url)
        assert tree.run("submit").returncode == 1
    assert tree.zips("sent_logs") == []


def test_sentry(spotlight, tree):
    """The event and its files, as Sentry's own library reads them."""
    before = len(spotlight.seen())
    report = json.loads(tree.members(tree.folder / NAME)["report.json"])["reports"][0]
    tree.config(POST_URL="", SENTRY_DSN=f"http://spotlight@127.0.0.1:{spotlight.port}/0")
    done = tree.run("submit")
    assert done.returncode == 0, done.stderr
    (seen,) = spotlight.seen()[before:]
    items = seen["items"]
    assert seen["spotlight"] == [item["header"]["type"] for item in items]
    assert [item["category"] for item in items] == ["error"] + ["attachment"] * (len(items) - 1)
    event = items[0]["event"]
    assert event["event_id"] == seen["header"]["event_id"] and len(event["event_id"]) == 32
    assert event["platform"] == "native" and event["level"] == "fatal"
    assert event["release"] == "20260101.1" and event["environment"] == "steamdeck"
    assert event["fingerprint"] == [report["signature"]]
    (exception,) = event["exception"]["values"]
    assert exception["value"] == report["title"]
    frames = exception["stacktrace"]["frames"]
    assert [frame["function"] for frame in frames] == ["vfs_write", "write_it", "crash_it"]
    assert [frame["package"] for frame in frames] == ["vmlinux", "crashme", "crashme"]
    assert event["contexts"]["os"] == {"name": "SteamOS", "version": "3.6", "build": "20260101.1",
                                       "kernel_version": "6.1.52-valve1"}
    assert event["contexts"]["device"] == {"manufacturer": "Valve", "model": "Jupiter",
                                           "model_id": "Jupiter"}
    assert event["tags"]["kernel"] == "6.1.52-valve1" and event["tags"]["panicked"] == "yes"
    files = {item["header"]["filename"].split(".")[0]: base64.b64decode(item["data"])
             for item in items[1:]}
    assert b"<host-1> at <ip-1>" in files["dmesg-pstore"] and b"BUILD_ID" in files["build"]
    assert all(item["header"]["length"] == len(base64.b64decode(item["data"]))
               for item in items[1:])
    text = json.dumps(seen) + b"".join(files.values()).decode(errors="replace")
    for private in ("Johns-Brick", "10.1.2.3", "FVAA12345678", "gaben", "76561197960287930"):
        assert private not in text


def test_sentry_registers(spotlight, tree):
    """Of a log with a register dump."""
    before = len(spotlight.seen())
    text = panic_text(2).replace("RIP: 0010", "RSP: 0018:ffffbd6348347ba0 EFLAGS: 00010206\n"
                                 "<4>[   99.000002] RAX: 00000000000329a0 RBX: 0000000000000001\n"
                                 "<4>[   99.000002] RIP: 0010")
    tree.record("dmesg-ramoops-0", "Panic#1 Part1\n" + text, time=TIME + 600)
    tree.config(HANDOVER_FOLDER="/nowhere")
    assert tree.collect()
    tree.config(POST_URL="", HANDOVER_FOLDER="",
                SENTRY_DSN=f"http://spotlight@127.0.0.1:{spotlight.port}/0")
    assert tree.run("submit").returncode == 0
    events = [seen["items"][0]["event"] for seen in spotlight.seen()[before:]]
    assert len({event["event_id"] for event in events}) == 2
    assert len({event["user"]["id"] for event in events}) == 1
    registers = events[1]["exception"]["values"][0]["stacktrace"]["registers"]
    assert registers["rax"] == "0x00000000000329a0"
