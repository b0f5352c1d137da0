# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Sentry and the directory back end, against servers and folders that misbehave."""

import calendar
import gzip
import io
import json
import os
import pathlib
import ssl
import sys
import time
import zipfile

import pytest

from local_server import Handler, LocalServer
from tree import TIME, johns_brick, killed_runs, stamp

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from receiver import Receiver, make_ca, make_cert  # noqa: E402

NAME = f"steamos-FVAA12345678-gaben.{stamp(TIME)}.zip"
FOLDER = "var/lib/steamos-log-submitter/pending/kdump"


class Sentry(LocalServer):
    """Takes envelopes; answers has (status, headers) for the next ones, then 200. pair: the
    (certificate, key) of a server that speaks TLS."""

    def __init__(self, pair=None):
        outer = self
        self.answers, self.requests, self.text = [], [], b"{}"

        class Envelopes(Handler):
            def do_POST(self):
                outer.requests.append((self.path, dict(self.headers), self.body()))
                status, headers = outer.answers.pop(0) if outer.answers else (200, {})
                self.answer(status, outer.text, headers)

        super().__init__(Envelopes)
        if pair:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*pair)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)
        self.dsn = f"http{'s' if pair else ''}://0a1b2c3d@127.0.0.1:{self.server.server_port}/x/42"

    def envelopes(self):
        return [parse_envelope(body) for _, _, body in self.requests]


def parse_envelope(body):
    """(header, [(item header, payload)]), by the lengths."""
    file = io.BytesIO(gzip.decompress(body))
    header, items = json.loads(file.readline()), []
    while line := file.readline():
        item = json.loads(line)
        payload = file.read(item["length"])
        assert len(payload) == item["length"] and file.read(1) == b"\n"
        items.append((item, payload))
    return header, items


@pytest.fixture
def sentry():
    with Sentry() as one:
        yield one


@pytest.fixture
def tree(tmp_path):
    tree = johns_brick(tmp_path / "tree", " \xff")
    tree.config(POST_URL="", HANDOVER_FOLDER="/nowhere")
    assert tree.collect() == [NAME]
    tree.config(HANDOVER_FOLDER="")
    return tree


def state(tree, name):
    return json.loads((tree.folder / "state" / name).read_text())


def attempt(tree):
    (name,) = [n for n in tree.attempts() if NAME in n]
    return state(tree, name)


def test_sentry_gets_event_and_files(tree, sentry):
    tree.config(SENTRY_DSN=sentry.dsn)
    local = tree.members(tree.folder / NAME)
    done = tree.run("submit")
    assert done.returncode == 0, done.stderr
    assert tree.zips("sent_logs") == [NAME] and tree.zips() == []
    ((path, headers, body),) = sentry.requests
    assert path == "/x/api/42/envelope/"
    assert headers["Content-Type"] == "application/x-sentry-envelope"
    assert "sentry_key=0a1b2c3d" in headers["X-Sentry-Auth"]
    header, items = parse_envelope(body)
    assert [item["type"] for item, _ in items] == ["event"] + ["attachment"] * len(local)
    event = json.loads(items[0][1])
    report = json.loads(local["report.json"])["reports"][0]
    assert event["event_id"] == header["event_id"]
    assert event["fingerprint"] == [report["signature"]]
    assert event["timestamp"] == TIME and event["release"] == "20260101.1"
    files = {item["filename"].split(".")[0]: data for item, data in items[1:]}
    assert set(files) == {"dmesg-pstore", "crash_summary", "build", "version", "dmidecode",
                          "report"}
    assert {item["filename"].rpartition(".")[2]: item["content_type"] for item, _ in items[1:]
            if item["filename"].startswith("report.")} == {"json": "application/json",
                                                           "html": "text/html"}
    text = b"".join(data for _, data in items)
    assert not [word for word in (b"Johns-Brick", b"10.1.2.3", b"FVAA12345678", b"gaben",
                                  b"76561197960287930") if word in text]
    assert b"<host-1> at <ip-1>" in files["dmesg-pstore"]
    # the device is known by a hash that its serial does not give
    assert len(event["user"]["id"]) == 32
    assert state(tree, "device.json")["salt"] not in text.decode(errors="replace")


def test_sentry_gets_a_report_twice_under_one_id(tree, sentry):
    """Cut off before it was noted that the report was taken: Sentry tells it by its id."""
    tree.config(SENTRY_DSN=sentry.dsn)
    content = (tree.folder / NAME).read_bytes()
    assert tree.run("submit").returncode == 0
    (tree.folder / "sent_logs" / NAME).unlink()
    (tree.folder / NAME).write_bytes(content)
    assert tree.run("submit").returncode == 0
    first, second = sentry.envelopes()
    assert first[0]["event_id"] == second[0]["event_id"]


def test_a_limit_is_kept_over_boots(tree, sentry):
    tree.config(SENTRY_DSN=sentry.dsn)
    sentry.answers = [(429, {"X-Sentry-Rate-Limits": "120:transaction:key, 600:error:organization",
                             "Retry-After": "30"})]
    assert tree.run("submit").returncode == 1
    left = state(tree, "sentry.json")["until"] - time.time()
    assert 540 < left <= 600
    assert attempt(tree)["next_try"] - time.time() > 540
    before = attempt(tree)
    done = tree.run("submit", "--now")
    assert done.returncode == 1 and "wants nothing" in done.stderr
    assert attempt(tree) == before  # nothing was tried, so nothing has failed
    assert len(sentry.requests) == 1
    (tree.folder / "state/sentry.json").write_text('{"until": %d}' % (time.time() - 1))
    assert tree.run("submit", "--now").returncode == 0


def test_a_limit_beside_a_yes(tree, sentry):
    tree.config(SENTRY_DSN=sentry.dsn)
    sentry.answers = [(200, {"X-Sentry-Rate-Limits": "60::organization"})]
    assert tree.run("submit").returncode == 0
    assert 0 < state(tree, "sentry.json")["until"] - time.time() <= 60


@pytest.mark.parametrize("headers", [{}, {"X-Sentry-Rate-Limits": "60:replay:organization"}])
def test_a_refusal_without_a_limit_for_us(tree, sentry, headers):
    tree.config(SENTRY_DSN=sentry.dsn)
    sentry.answers = [(429, headers)]
    assert tree.run("submit").returncode == 1
    assert 30 < state(tree, "sentry.json")["until"] - time.time() <= 60


def test_too_large_goes_without_files(tree, sentry):
    tree.config(SENTRY_DSN=sentry.dsn)
    sentry.answers = [(413, {})]
    assert tree.run("submit").returncode == 0
    first, second = sentry.envelopes()
    assert len(first[1]) > 5 and [item["type"] for item, _ in second[1]] == ["event"]
    assert first[0]["event_id"] == second[0]["event_id"]


@pytest.mark.parametrize("status, left", [(503, ""), (500, ""), (408, ""), (403, "failed_logs"),
                                          (400, "failed_logs"), (302, "")])
def test_sentry_says_no(tree, sentry, status, left):
    tree.config(SENTRY_DSN=sentry.dsn)
    sentry.answers = [(status, {"Location": "file:///etc/passwd"})]
    done = tree.run("submit")
    assert done.returncode == 1 and str(status) in done.stderr
    assert tree.zips(left) == [NAME] and len(sentry.requests) == 1


def test_sentry_talks_without_end(tree, sentry):
    """Behind a yes, nothing that it says matters."""
    tree.config(SENTRY_DSN=sentry.dsn)
    sentry.text = b"x" * (1 << 20)
    assert tree.run("submit").returncode == 0
    assert tree.zips("sent_logs") == [NAME] and len(sentry.requests) == 1


@pytest.mark.parametrize("what", ["right", "wrong host", "expired", "other authority", "no authority"])
def test_sentry_over_tls(tree, tmp_path, what):
    ca = make_ca(tmp_path / "authority")
    host = "example.org" if what == "wrong host" else "localhost"
    pair = make_cert(tmp_path / "authority", host, ca, expired=what == "expired",
                     san=None if what == "wrong host" else "IP:127.0.0.1")
    trust = {"other authority": make_ca(tmp_path / "another")[0],
             "no authority": "/nonexistent"}.get(what, ca[0])
    with Sentry(pair) as secure:
        tree.config(SENTRY_DSN=secure.dsn)
        done = tree.run("submit", f"--cacert={trust}")
        if what == "right":
            assert done.returncode == 0 and tree.zips("sent_logs") == [NAME], done.stderr
            assert len(secure.envelopes()) == 1
        else:
            assert done.returncode == 1 and tree.zips() == [NAME], done.stderr
            assert secure.requests == []
            assert attempt(tree)["tries"] == 1


def test_a_dsn_that_is_none(tree):
    tree.config(SENTRY_DSN="https://sentry.example.org/1")
    done = tree.run("submit")
    assert "SENTRY_DSN" in done.stderr and tree.zips() == [NAME]


def hand_over(tree):
    tree.config(HANDOVER_FOLDER=f"/{FOLDER}")
    folder = tree.path / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def as_the_other_tool_reads(path):
    """What steamos-log-submitter's kdump helper does with a ZIP: anything that is not so ends its
    whole run."""
    name, extension = os.path.splitext(path.name)
    assert extension == ".zip" and not name.startswith(".")
    when = calendar.timegm(time.strptime(name.split("-")[-1], "%Y%m%d%H%M"))
    members = {}
    with zipfile.ZipFile(path) as z:
        for member in z.namelist():
            text = z.read(member).decode()  # strictly UTF-8
            members[member.split(".")[0]] = text
    assert "Kernel panic -" in members["dmesg-pstore"]
    assert "\n" not in members["version"].strip() and members["version"].startswith("6.1.52-valve1")
    assert "BUILD_ID=20260101.1" in members["build"]
    return when, members


def test_handed_over(tree):
    folder = hand_over(tree)
    done = tree.run("submit")
    assert done.returncode == 0, done.stderr
    (given,) = folder.iterdir()
    when, members = as_the_other_tool_reads(given)
    assert when == TIME - TIME % 60
    assert "FVAA" not in given.name and "gaben" not in given.name
    assert given.stat().st_mode & 0o777 == 0o640
    assert "Johns-Brick" not in "".join(members.values())
    assert tree.zips("sent_logs") == [NAME]


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("refused, mode", [(False, 0o640), (True, 0o644)])
def test_handed_over_to_a_group(tree, refused, mode):
    folder = hand_over(tree)
    os.chown(folder, 12345, 23456)
    wrapper = ["strace", "-f", "-o", "/dev/null", "-e", "trace=fchown", "-e",
               "inject=fchown:error=EPERM"] if refused else []
    assert tree.run("submit", wrapper=wrapper).returncode == 0
    (given,) = folder.iterdir()
    assert given.stat().st_mode & 0o777 == mode
    assert given.stat().st_gid == (0 if refused else 23456)


def test_handed_over_once(tree):
    folder = hand_over(tree)
    content = (tree.folder / NAME).read_bytes()
    for _ in range(2):
        (tree.folder / NAME).write_bytes(content)
        assert tree.run("submit").returncode == 0
        (tree.folder / "sent_logs" / NAME).unlink()
    assert len(list(folder.iterdir())) == 1


def test_two_crashes_of_one_minute(tree):
    folder = hand_over(tree)
    tree.panic(boot=2, time=TIME + 10)
    assert tree.collect()
    assert tree.run("submit").returncode == 0
    given = list(folder.iterdir())
    assert len(given) == 2 and all(as_the_other_tool_reads(g)[0] == TIME - TIME % 60 for g in given)


def test_the_folder_is_not_there(tree):
    tree.config(HANDOVER_FOLDER=f"/{FOLDER}")
    done = tree.run("submit")
    assert done.returncode == 1 and "no such folder" in done.stderr and tree.zips() == [NAME]


def test_the_folder_is_a_link(tree):
    tree.config(HANDOVER_FOLDER=f"/{FOLDER}/")
    (tree.path / FOLDER).parent.mkdir(parents=True)
    (tree.path / "elsewhere").mkdir()
    (tree.path / FOLDER).symlink_to("/elsewhere")
    done = tree.run("submit")
    assert done.returncode == 1 and "not followed" in done.stderr
    assert tree.zips() == [NAME] and list((tree.path / "elsewhere").iterdir()) == []


def test_nobody_takes_them(tree):
    folder = hand_over(tree)
    for i in range(64):
        (folder / f"kdump-{i}-{stamp(TIME)}.zip").write_bytes(b"")
    done = tree.run("submit")
    assert done.returncode == 1 and "nobody seems to take them" in done.stderr
    assert tree.zips() == [NAME] and len(list(folder.iterdir())) == 64


def test_a_full_disk(tree):
    folder = hand_over(tree)
    done = tree.run("submit", wrapper=["strace", "-f", "-o", "/dev/null", "-P", folder, "-e",
                                       "trace=renameat2", "-e",
                                       "inject=renameat2:error=ENOSPC"])
    assert done.returncode == 1 and "No space left" in done.stderr
    assert tree.zips() == [NAME] and list(folder.iterdir()) == []


@pytest.mark.parametrize("call", ["openat", "write", "fsync", "renameat2", "unlinkat", "fchmod"])
def test_killed_while_handing_over(tree, tmp_path, call):
    """At each call: the other tool gets it once and whole, and nothing is left lying about."""
    hand_over(tree)
    numbers = iter(range(10000))
    kills = 0
    for one, _, _ in killed_runs(lambda: tree.copy(tmp_path / f"copy{next(numbers)}"), "submit",
                                 calls=[call]):
        kills += 1
        for path in (one.path / FOLDER).glob("[!.]*"):
            as_the_other_tool_reads(path)
        assert one.run("submit", "--now").returncode == 0
        (given,) = (one.path / FOLDER).iterdir()
        as_the_other_tool_reads(given)
        assert one.zips("sent_logs") == [NAME] and one.zips() == []
    assert kills


def test_relative_folder(tree):
    tree.config(HANDOVER_FOLDER="var/x")
    done = tree.run("submit")
    assert "HANDOVER_FOLDER" in done.stderr and tree.zips() == [NAME]


@pytest.fixture
def server(tmp_path):
    with Receiver(tmp_path / "receiver") as one:
        yield one


def all_three(tree, server, sentry):
    tree.config(POST_URL=server.url, SENTRY_DSN=sentry.dsn)
    return hand_over(tree)


def test_all_back_ends_get_it(tree, server, sentry):
    folder = all_three(tree, server, sentry)
    done = tree.run("submit")
    assert done.returncode == 0, done.stderr
    assert len(server.finished()) == len(sentry.requests) == len(list(folder.iterdir())) == 1
    assert tree.zips("sent_logs") == [NAME] and tree.attempts() == []
    assert done.stderr.count("sent steamos") == 1


def test_only_the_missing_one_is_tried_again(tree, server, sentry):
    folder = all_three(tree, server, sentry)
    sentry.answers = [(503, {})]
    assert tree.run("submit").returncode == 1
    assert tree.zips() == [NAME] and len(tree.attempts()) == 3
    done = tree.run("submit")  # not due yet
    assert done.returncode == 1 and len(sentry.requests) == 1
    assert tree.run("submit", "--now").returncode == 0
    assert len(server.finished()) == len(list(folder.iterdir())) == 1
    assert len(server.requests("start")) == 1 and len(sentry.requests) == 2
    assert tree.zips("sent_logs") == [NAME] and tree.attempts() == []


def test_one_refuses(tree, server, sentry):
    all_three(tree, server, sentry)
    sentry.answers = [(403, {})]
    done = tree.run("submit")
    assert done.returncode == 1 and "sentry refuses" in done.stderr
    assert tree.zips("sent_logs") == [NAME]
    # Why stays known, until the report goes.
    for _ in range(2):
        assert "refused by sentry: Sentry: the server says 403" in tree.run("list").stdout
        (listed,) = json.loads(tree.run("list", "--json").stdout)
        assert [(way["backend"], way["phase"]) for way in listed["ways"]] == [("sentry", "refused")]
        assert tree.attempts() == [f"{NAME}.sentry.json"]
        assert tree.run("submit").returncode == 0 and len(sentry.requests) == 1
    (tree.folder / "sent_logs" / NAME).unlink()
    assert tree.run("submit").returncode == 0 and tree.attempts() == []


def test_all_refuse_and_a_person_asks_again(tree, server, sentry):
    tree.config(POST_URL=server.url, SENTRY_DSN=sentry.dsn)
    sentry.answers = [(403, {})]
    server.set_faults("start:status:403:1")
    assert tree.run("submit").returncode == 1
    assert tree.zips("failed_logs") == [NAME] and len(tree.attempts()) == 2
    assert tree.run("submit").returncode == 0 and len(sentry.requests) == 1
    assert tree.run("submit", NAME).returncode == 0
    assert tree.zips("sent_logs") == [NAME] and tree.attempts() == []
    assert len(server.finished()) == 1 and len(sentry.requests) == 2


def test_one_that_is_away_holds_up_no_other(tree, sentry):
    """And is tried with one report only."""
    tree.panic(boot=2, time=TIME + 600)
    tree.config(POST_URL="http://127.0.0.1:9/ACTIONCrashUpload/v1", SENTRY_DSN=sentry.dsn)
    assert tree.collect()
    done = tree.run("submit")
    assert done.returncode == 1 and done.stderr.count("is not sent yet") == 1
    assert len(sentry.requests) == 2 and len(tree.zips()) == 2


@pytest.mark.parametrize("call", ["openat", "fsync", "renameat2", "unlinkat", "sendto"])
def test_killed_between_back_ends(tree, server, sentry, tmp_path, call):
    """Nobody is left out, and nobody counts it twice."""
    all_three(tree, server, sentry)
    numbers = iter(range(10000))
    kills = 0
    for one, _, _ in killed_runs(lambda: tree.copy(tmp_path / f"copy{next(numbers)}"), "submit",
                                 calls=[call]):
        kills += 1
        assert one.run("submit", "--now").returncode == 0
        assert one.zips("sent_logs") == [NAME] and one.zips() == [] and one.attempts() == []
        assert len(list((one.path / FOLDER).iterdir())) == 1
        ids = {header["event_id"] for header, _ in sentry.envelopes()}
        assert len(ids) == 1
        sentry.requests.clear()
    assert kills
