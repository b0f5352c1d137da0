# SPDX-License-Identifier: LGPL-2.1-or-later
"""submit against a real server that misbehaves: a report is never lost, and arrives once."""

import json
import os
import random
import re
import subprocess
import time
import urllib.parse

import pytest

import tree as machine
from receiver import Receiver, make_ca, make_cert
from tree import FOLDER, NAME, NOWHERE, TIME, Tree, oops_text, panic_text, stamp


@pytest.fixture
def tree(collected, server, tmp_path):
    made = collected.copy(tmp_path / "tree")
    made.config(POST_URL=server.url, SAME_CRASH_PER_DAY="0")  # they are all the same here
    return made


def attempt(tree, name=NAME):
    return json.loads((tree.folder / "state" / f"{name}.json").read_text())


def sent(tree, done, name=NAME):
    assert done.returncode == 0, done.stderr
    assert tree.zips() == [] and name in tree.zips("sent_logs")
    assert tree.attempts() == [] and tree.leftovers() == []
    return True


def waits(tree, done, *words, name=NAME):
    assert done.returncode == 1, done.stderr
    for word in words:
        assert word in done.stderr
    assert tree.zips() == [name] and tree.zips("sent_logs") == []
    assert attempt(tree, name)["next_try"] > time.time() - 5
    return True


def refused(tree, done, *words, name=NAME):
    assert done.returncode == 1, done.stderr
    for word in words:
        assert word in done.stderr
    assert tree.zips() == [] and tree.zips("failed_logs") == [name]
    return True


# --- the way through

def test_sent(tree, server):
    tree.config(SCRUB="0")  # else what arrives is made anew
    content = (tree.folder / NAME).read_bytes()
    assert sent(tree, tree.run("submit"))
    assert server.steps() == ["start", "put", "finish"]
    (upload,) = server.arrived()
    assert upload["zip"].read_bytes() == content
    assert (upload["puts"], upload["finishes"]) == (1, 1)
    fields = upload["fields"]
    assert fields["steamid"] == "76561197960287930" and fields["crash_time"] == str(TIME)
    assert fields["build"] == "20260101.1" and fields["version"] == "6.1.52-valve1"
    assert fields["product"] == "holo" and fields["dump_file_size"] == str(len(content))
    assert "write_it+0x20/0x40 [crashme]\n" in fields["stack"] and "[   " not in fields["stack"]
    assert "NULL pointer dereference" in fields["note"]
    assert (tree.folder / "sent_logs" / NAME).read_bytes() == content


def test_again_does_nothing(tree, server):
    tree.run("submit")
    before = len(server.new())
    assert tree.run("submit").returncode == 0
    assert tree.run("submit", NAME).returncode == 0
    assert len(server.new()) == before


def test_nothing_to_send(tmp_path):
    tree = Tree(tmp_path)
    done = tree.run("submit")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not tree.folder.exists()


def test_oldest_first(tree, server):
    for boot in range(2, 5):
        tree.panic(boot=boot, time=TIME + boot * 7200)
        tree.collect()
    assert sent(tree, tree.run("submit"))
    times = [int(upload["fields"]["crash_time"]) for upload in server.arrived()]
    assert len(times) == 4 and times == sorted(times)


def test_fields_arrive_intact(tree, server):
    note = "comm: a+b&c=d%20%zz;#? \"quoted\" 'x' ünï ☃ \U0001f4a5\tend"
    text = panic_text(7).replace("RIP: 0010:crash_it", f"{note}\n<4>[   99.000007] RIP: 0010:crash_it")
    tree.write("etc/os-release", 'BUILD_ID="2026+1&2 %41"\n')
    tree.record("dmesg-ramoops-0", "Panic#1 Part1\n" + text, TIME + 7200)
    assert len(tree.collect()) == 1
    assert tree.run("submit").returncode == 0
    fields = server.arrived()[-1]["fields"]
    assert note in fields["note"]
    assert fields["build"] == "2026+1&2 %41"
    assert fields["stack"].count("\n") >= 2 and "+0x" in fields["stack"]


def test_bytes_that_are_no_text(tree, server):
    """What a server would refuse is not sent: a report must not fail for a stray byte."""
    tree.write("etc/os-release", b"BUILD_ID=\xff\xfe1\n")
    text = panic_text(7, "6.1.\xc3").encode("latin-1")
    text = text.replace(b"CPU: 0", b"\x00\x01\xff\xed\xa0\x80\xf4\x90\x80\x80\xc0\xaf CPU: 0")
    tree.record("dmesg-ramoops-0", b"Panic#1 Part1\n" + text, TIME + 7200)
    assert len(tree.collect()) == 1
    done = tree.run("submit")
    assert done.returncode == 0, done.stderr


def test_long_texts_are_bounded(tree, server):
    frames = "".join(f"<4>[   99.000007]  f{n}+0x1/0x2\n" for n in range(3000))
    text = panic_text(7).replace("<4>[   99.000007]  vfs_write", frames + "<4>[   99.000007]  vfs_write")
    tree.record("dmesg-ramoops-0", "Panic#1 Part1\n" + text, TIME + 7200)
    assert len(tree.collect()) == 1
    assert tree.run("submit").returncode == 0
    fields = server.arrived()[-1]["fields"]
    assert 0 < len(fields["stack"]) <= 4096 and 0 < len(fields["note"]) <= 16384


def test_large_report(tree, server):
    tree.record("dmesg-ramoops-0", b"Panic#1 Part1\n" + os.urandom(4 << 20), TIME + 7200)
    assert len(tree.collect()) == 1
    assert tree.run("submit").returncode == 0
    assert server.arrived()[-1]["size"] > 4 << 20


def test_two_at_once(tree, server):
    for boot in range(2, 5):
        tree.panic(boot=boot, time=TIME + boot * 7200)
        tree.collect()
    runs = [subprocess.Popen([machine.program(), f"--root={tree.path}", "submit"],
                             stderr=subprocess.DEVNULL) for _ in range(3)]
    assert [run.wait(machine.TIMEOUT) for run in runs].count(0) >= 1
    tree.run("submit")
    assert len(server.arrived()) == 4 and len(server.new("start")) == 4


def test_no_child_process(tree, server):
    trace = tree.path / "trace"
    done = tree.run("submit", wrapper=["strace", "-f", "-o", trace, "-e", "trace=%process"])
    assert sent(tree, done)
    text = trace.read_text()
    assert text.count("execve(") == 1 and "fork(" not in text
    # libcurl's resolver may have a thread
    assert all("CLONE_THREAD" in line for line in text.splitlines()
               if re.search(r"\bclone3?\(", line))


# --- consent

def test_submission_off_keeps_what_is_pending(tree, server):
    tree.config(LOG_SUBMISSION="0")
    done = tree.run("submit")
    assert done.returncode == 0, done.stderr
    assert tree.zips() == [] and tree.zips("not_sent_logs") == [NAME]
    # and it is not sent later by itself
    tree.config(LOG_SUBMISSION="1")
    assert tree.run("submit").returncode == 0
    assert tree.run("submit", "--now").returncode == 0
    assert server.new() == [] and tree.zips("not_sent_logs") == [NAME]


def test_submission_turned_off_between_two_reports(tree, server):
    """The configuration is read again before each: as the first is under way it changes."""
    for boot in (2, 3):
        tree.panic(boot=boot, time=TIME + boot * 7200)
        tree.collect()
    server.set_faults("finish*1:delay:3000")
    running = subprocess.Popen([machine.program(), f"--root={tree.path}", "submit"],
                               stderr=subprocess.PIPE, text=True)
    while "put" not in server.steps():
        assert running.poll() is None
        time.sleep(0.02)
    tree.config(LOG_SUBMISSION="0")
    _, err = running.communicate(timeout=machine.TIMEOUT)
    assert running.returncode == 0 and err.count("submission is off") == 2, err
    assert tree.zips("sent_logs") == [NAME] and len(tree.zips("not_sent_logs")) == 2
    assert len(server.new("start")) == 1


def test_the_configuration_that_is_named_is_read_again(tree, server):
    tree.config(POST_URL="")
    tree.write("other.conf", f"POST_URL='{server.url}'\nMIN_FREE_SPACE=0\n")
    assert sent(tree, tree.run("--config=/other.conf", "submit"))


@pytest.mark.parametrize("by", ["name", "path"])
def test_a_named_report_is_sent(tree, server, by):
    tree.config(LOG_SUBMISSION="0")
    tree.run("submit")
    path = tree.folder / "not_sent_logs" / NAME
    assert sent(tree, tree.run("submit", NAME if by == "name" else str(path)))
    assert len(server.arrived()) == 1 and tree.zips("not_sent_logs") == []


def test_another_file_of_that_name_is_not_sent(tree, server, tmp_path):
    """Nor the report in its place."""
    other = tmp_path / "elsewhere" / NAME
    other.parent.mkdir()
    other.write_bytes(b"another")
    done = tree.run("submit", str(other))
    assert done.returncode == 1 and "another file" in done.stderr
    done = tree.run("submit", str(other.parent / "nothing" / NAME))
    assert done.returncode == 1
    (tree.folder / NAME).unlink()
    done = tree.run("submit", str(other))
    assert done.returncode == 1 and str(other) in done.stderr and "not_sent_logs" in done.stderr
    assert server.new() == [] and other.read_bytes() == b"another"


def test_only_what_is_named(tree, server):
    tree.panic(boot=2, time=TIME + 7200)
    (other,) = tree.collect()
    assert tree.run("submit", other).returncode == 0
    assert tree.zips() == [NAME] and tree.zips("sent_logs") == [other]


@pytest.mark.parametrize("name", ["steamos-0-0.202001010000.zip", "notes.txt", "../../etc/passwd", "", "."])
def test_names_of_nothing(tree, server, name):
    done = tree.run("submit", name)
    assert done.returncode == 1 and done.stderr
    assert server.new() == []


def test_no_server(tree, server):
    tree.config(POST_URL="")
    done = tree.run("submit")
    assert done.returncode == 0 and tree.zips() == [NAME]


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/ACTION", "http://127.0.0.1/", "ACTION",
                                 "file:///etc/ACTION", "https://" + "x" * 3000 + "/ACTION"])
def test_urls_that_cannot_be(tree, url):
    tree.config(POST_URL=url)
    done = tree.run("submit")
    assert done.returncode == 1 and "POST_URL" in done.stderr
    assert tree.zips() == [NAME]


# --- what the server says

STATUSES = {  # of each class
    400: "refused", 401: "refused", 403: "refused", 404: "refused", 409: "refused",
    413: "refused", 422: "refused", 451: "refused", 499: "refused",
    408: "waits", 425: "waits", 429: "waits", 500: "waits", 502: "waits", 503: "waits",
    504: "waits", 599: "waits", 300: "waits", 304: "waits", 307: "waits",
}


@pytest.mark.parametrize("status, outcome", STATUSES.items())
@pytest.mark.parametrize("step", ["start", "put", "finish"])
def test_statuses(tree, server, step, status, outcome):
    server.set_faults(f"{step}:status:{status}:1")
    done = tree.run("submit")
    if (step, status) == ("finish", 404):
        # the upload is forgotten there: from the start
        outcome = "waits"
    {"refused": refused, "waits": waits}[outcome](tree, done, str(status))
    if outcome == "refused":
        # what was refused for good is not tried again by itself, but when it is asked for
        assert tree.run("submit").returncode == 0
        count = len(server.new())
        assert sent(tree, tree.run("submit", NAME))
        assert len(server.new()) == count + 3
    else:
        assert attempt(tree)["last_status"] == status
        assert sent(tree, tree.run("submit", "--now"))
    assert len(server.arrived()) == 1


@pytest.mark.parametrize("status", [200, 201, 204, 299])
@pytest.mark.parametrize("step", ["put", "finish"])
def test_every_2xx_is_a_yes(tree, server, step, status):
    server.set_faults(f"{step}:status:{status}")
    assert sent(tree, tree.run("submit"))


def test_back_off_is_kept(tree, server):
    server.set_faults("start:status:503")
    for tries in range(1, 5):
        assert waits(tree, tree.run("submit", "--now"))
        noted = attempt(tree)
        assert noted["tries"] == tries and 0 < noted["next_try"] - time.time() <= 60 * 2 ** tries
    noted["next_try"] = int(time.time()) + 1000
    tree.write(f"{FOLDER}/state/{NAME}.json", json.dumps(noted))
    server.set_faults()
    before = len(server.new())
    done = tree.run("submit")
    assert done.returncode == 1 and len(server.new()) == before
    # a clock that jumped back holds nothing up for more than a day
    noted["next_try"] = int(time.time()) + 100 * 86400
    tree.write(f"{FOLDER}/state/{NAME}.json", json.dumps(noted))
    assert sent(tree, tree.run("submit"))


@pytest.mark.parametrize("header, least, most", [
    ("retry-after:5000", 5000, 6250), ("retry-after:99999999", 86400, 108000),
    ("header:Retry-After: Fri, 31 Dec 9999 23:59:59 GMT", 86400, 108000),
    ("header:Retry-After: Thu, 01 Jan 1970 00:00:00 GMT", 0, 60),
    ("header:Retry-After: soon", 0, 60), ("header:Retry-After: -5", 0, 60),
    ("header:retry-after:4000", 4000, 5000),
])
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after(tree, server, header, least, most, status):
    server.set_faults(f"start:status:{status}", f"start:{header}")
    assert waits(tree, tree.run("submit"))
    assert least - 5 <= attempt(tree)["next_try"] - time.time() <= most + 1


def test_retry_after_as_a_date(tree, server):
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 3000))
    server.set_faults("put:status:503", f"put:header:Retry-After: {date}")
    assert waits(tree, tree.run("submit"))
    assert 2990 <= attempt(tree)["next_try"] - time.time() <= 3751


# --- answers that make no sense

@pytest.mark.parametrize("fault", [
    "not-json", "wrong-type", "truncate", "endless", "headers:21", "headers:10000",
    "header-inject", "userinfo", r"gid:a\r\nb", "gid:" + "x" * 65, "gid:a b", r"gid:\xff",
    "url:file:///etc/passwd", "url:ftp://127.0.0.1/x", "url:/relative", "url:http://",
    "url:http://a@127.0.0.1/", r"url:http://127.0.0.1/\r\nX: y", "url:http:///x", "url:gopher://x/",
    "url:http://127.0.0.1/" + "x" * 3000, "url:http://127.0.0.1 /",
    "json:", "json:{}", "json:[]", "json:null", 'json:{"response": {}}', 'json:{"response": []}',
    'json:{"response": {"url": "http://127.0.0.1:9/", "gid": -1}}',
    'json:{"response": {"url": "http://127.0.0.1:9/", "gid": "5", "headers": 7}}',
    'json:{"response": {"url": "http://127.0.0.1:9/", "gid": "5", "gid": "6"}}',
    'json:{"response": {"url": "http://127.0.0.1:9/", "gid": "5", "headers": {"pairs": '
    '[{"name": "Transfer-Encoding", "value": "chunked"}]}}}',
    'json:{"response": {"url": "http://127.0.0.1:9/", "gid": "5", "headers": {"pairs": '
    '[{"name": "Host", "value": "x"}]}}}',
    'json:{"response": {"url": "http://127.0.0.1:9/", "gid": "5", "headers": {"pairs": '
    r'[{"name": "A", "value": "a\u0000b"}]}}}',
    "json:" + "[" * 5000,
])
def test_starts_answer_is_not_trusted(tree, server, fault):
    server.set_faults(f"start*1:{fault}")
    assert waits(tree, tree.run("submit"), "Start")
    assert server.new("put") == []
    assert sent(tree, tree.run("submit", "--now"))
    assert len(server.arrived()) == 1


def test_nonsense_is_given_up(tree, server):
    server.set_faults("start:not-json")
    for _ in range(4):
        assert waits(tree, tree.run("submit", "--now"))
    assert refused(tree, tree.run("submit", "--now"), "cannot be used")


@pytest.mark.parametrize("gid", ["0", "abc-DEF_1", "a&b=c+d%20", "x" * 64, "~!@#$%^&*()"])
def test_gids(tree, server, gid):
    server.set_faults(f"start*1:gid:{gid}")
    assert sent(tree, tree.run("submit"))
    assert server.arrived()[0]["gid"] == gid


@pytest.mark.parametrize("n", [0, 1, 20])
def test_headers_are_passed_on(tree, server, n):
    server.set_faults(f"start:headers:{n}")
    assert sent(tree, tree.run("submit"))


@pytest.mark.parametrize("fault", ["not-json", "wrong-type", "slow:1", "content-type:text/html", "endless"])
@pytest.mark.parametrize("step", ["put", "finish"])
def test_what_they_say_beside_yes_is_nothing_to_us(tree, server, step, fault):
    """Endless: what is not wanted is not read."""
    server.set_faults(f"{step}:{fault}")
    assert sent(tree, tree.run("submit"))
    assert len(server.arrived()) == 1


def test_a_slow_answer(tree, server):
    server.set_faults("start:slow:1", "put:delay:300", "finish:delay:300")
    assert sent(tree, tree.run("submit"))


@pytest.mark.parametrize("step", ["start", "put", "finish"])
def test_redirects_are_not_followed(tree, server, step, tmp_path):
    with Receiver(tmp_path / "other") as other:
        server.set_faults(f"{step}*1:redirect:{other.start_url()}")
        assert waits(tree, tree.run("submit"), "302")
        assert other.requests() == []
    assert sent(tree, tree.run("submit", "--now"))
    assert len(server.arrived()) == 1


@pytest.mark.parametrize("how", ["file:///etc/passwd", "307", "308"])
@pytest.mark.parametrize("step", ["start", "put", "finish"])
def test_redirects_to_files_are_not_followed(tree, server, step, how):
    """Nothing is opened that is not the client's own: what it would send or show is the file's."""
    if how.startswith("file:"):
        server.set_faults(f"{step}*1:redirect:{how}")
    else:
        server.set_faults(f"{step}*1:status:{how}", f"{step}*1:header:Location: file:///etc/passwd")
    trace = tree.path / "trace"
    done = tree.run("submit", wrapper=["strace", "-f", "-o", trace, "-e", "trace=open,openat"])
    assert waits(tree, done, how if how.isdigit() else "302")
    opened = re.findall(r'"(/etc/passwd)"', trace.read_text())
    assert len(opened) == 0
    assert sent(tree, tree.run("submit", "--now")) and len(server.arrived()) == 1


def test_a_servers_words_do_not_steer_a_terminal(tree, server):
    server.set_faults("start:status:500", "start:json:\x1b[31m\x07 red")
    done = tree.run("submit")
    assert waits(tree, done)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", done.stderr)


# --- cuts

@pytest.mark.parametrize("fault", ["cut", "store-then-cut", "truncate"])
@pytest.mark.parametrize("step", ["start", "put", "finish"])
def test_cuts(tree, server, step, fault):
    server.set_faults(f"{step}:{fault}:1")
    done = tree.run("submit")
    if done.returncode == 0:
        assert fault == "truncate" and step != "start"
    else:
        assert waits(tree, done)
        assert sent(tree, tree.run("submit", "--now"))
    assert len(server.arrived()) == 1
    assert tree.zips("sent_logs") == [NAME]


OFFSETS_SEED = random.randrange(1 << 32)
ANYWHERE = random.Random(OFFSETS_SEED)


@pytest.mark.parametrize("bytes", [0, 1, 500, 100000,
                                   *(pytest.param(None, id=f"random{n}") for n in range(4))])
def test_cut_during_the_upload(tree, server, bytes):
    if bytes is None:
        bytes = ANYWHERE.randrange(1 << 20)
        print(f"cut after {bytes} bytes (seed {OFFSETS_SEED})")
    tree.record("dmesg-ramoops-0", b"Panic#1 Part1\n" + os.urandom(1 << 20), TIME + 7200)
    (other,) = tree.collect()
    (tree.folder / NAME).unlink()
    server.set_faults(f"put:cut-after:{bytes}:1")
    assert waits(tree, tree.run("submit"), "PUT", name=other)
    assert sent(tree, tree.run("submit", "--now"), name=other)
    assert len(server.arrived()) == 1


@pytest.mark.parametrize("fault", ["cut", "store-then-cut", "status:503", "status:307"])
def test_a_lost_finish_is_resumed(tree, server, fault):
    """Nothing but the finish is repeated, and of the same upload."""
    server.set_faults(f"finish:{fault}:2")
    for _ in range(2):
        assert waits(tree, tree.run("submit", "--now"))
    assert attempt(tree)["phase"] == "finishing"
    assert sent(tree, tree.run("submit", "--now"))
    assert server.steps() == ["start", "put", "finish", "finish", "finish"]
    # The receiver's record of a request that it treats badly has no gid.
    assert len({request["gid"] for request in server.new() if "gid" in request}) == 1
    (upload,) = server.arrived()
    assert upload["puts"] == 1


@pytest.mark.parametrize("status", [400, 404, 409, 410])
@pytest.mark.parametrize("fault", ["store-then-cut", "status:502", "status:504"])
def test_a_finish_whose_answer_was_lost(tree, server, fault, status):
    """And then the server has closed the upload: it has the report, which is not sent again."""
    server.set_faults(f"finish:{fault}:1")
    assert waits(tree, tree.run("submit"))
    server.set_faults(f"finish:status:{status}:1")
    done = tree.run("submit", "--now")
    assert sent(tree, done) and str(status) in done.stderr
    assert server.steps() == ["start", "put", "finish", "finish"]
    assert len(server.arrived()) == (fault == "store-then-cut")


@pytest.mark.parametrize("status, outcome", [(401, refused), (403, refused), (413, refused)])
def test_a_finish_that_was_lost_and_is_refused_for_another_reason(tree, server, status, outcome):
    server.set_faults("finish:cut:1")
    assert waits(tree, tree.run("submit"))
    server.set_faults(f"finish:status:{status}:1")
    assert outcome(tree, tree.run("submit", "--now"), str(status))


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_finish_that_the_server_itself_did_not_take(tree, server, status):
    """That answer was not lost: what it then does not know is begun anew."""
    server.set_faults(f"finish:status:{status}:1")
    assert waits(tree, tree.run("submit"))
    server.set_faults("finish:status:404:1")
    assert waits(tree, tree.run("submit", "--now"), "404")
    assert sent(tree, tree.run("submit", "--now")) and len(server.arrived()) == 1


def test_an_upload_that_the_server_forgot(tree, server, tmp_path):
    """Finish says 404: begun anew."""
    server.set_faults("finish:status:503:1")
    assert waits(tree, tree.run("submit"))
    with Receiver(tmp_path / "other") as other:
        tree.config(POST_URL=other.url)
        assert waits(tree, tree.run("submit", "--now"), "404")
        assert sent(tree, tree.run("submit", "--now"))
        assert len(other.finished()) == 1


# --- nobody there

def connects(trace):
    return [line for line in trace.read_text().splitlines() if "AF_INET" in line]


def test_offline(tree, server):
    """One attempt, whatever the number of reports."""
    for boot in range(2, 6):
        tree.panic(boot=boot, time=TIME + boot * 7200)
        tree.collect()
    tree.config(POST_URL=NOWHERE)
    trace = tree.path / "trace"
    done = tree.run("submit", wrapper=["strace", "-f", "-o", trace, "-e", "trace=connect"])
    assert done.returncode == 1 and len(tree.zips()) == 5
    assert len(connects(trace)) == 1 and len(tree.attempts()) == 1
    tree.config(POST_URL=server.url)
    done = tree.run("submit", "--now")
    assert done.returncode == 0 and len(server.arrived()) == 5


@pytest.mark.parametrize("url", ["http://no-such-host.invalid/ACTION", "http://127.0.0.1:9/ACTION",
                                 "https://127.0.0.1:9/ACTION", "http://[::1]:9/ACTION"])
def test_unreachable(tree, url):
    tree.config(POST_URL=url)
    assert waits(tree, tree.run("submit"))


@pytest.mark.parametrize("error", ["ENETUNREACH", "EHOSTUNREACH", "ETIMEDOUT", "EPERM"])
def test_a_network_that_is_not_up(tree, server, error):
    tree.panic(boot=2, time=TIME + 7200)
    tree.collect()
    trace = tree.path / "trace"
    done = tree.run("submit", wrapper=["strace", "-f", "-o", trace, "-e", "trace=connect", "-e",
                                       f"inject=connect:error={error}"])
    assert done.returncode == 1 and len(tree.zips()) == 2 and len(tree.attempts()) == 1


# --- TLS

@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    directory = tmp_path_factory.mktemp("authority")
    return directory, make_ca(directory)


def test_tls(tree, tmp_path):
    with Receiver(tmp_path / "store", tls=True) as secure:
        tree.config(POST_URL=secure.url)
        assert secure.url.startswith("https://")
        assert waits(tree, tree.run("submit"), "certificate")
        assert secure.uploads() == []
        assert sent(tree, tree.run("submit", "--now", f"--cacert={secure.ca}"))
        assert len(secure.finished()) == 1


@pytest.mark.parametrize("what", ["wrong host", "expired", "other authority", "no authority"])
def test_tls_that_is_not_right(tree, tmp_path, authority, what):
    directory, ca = authority
    trust = ca[0]
    if what == "wrong host":
        pair = make_cert(directory, "example.org", ca)
    elif what == "expired":
        pair = make_cert(directory, "localhost", ca, san="IP:127.0.0.1", expired=True)
    else:
        pair = make_cert(directory, "localhost", ca, san="IP:127.0.0.1")
        trust = make_ca(tmp_path / "another")[0] if what == "other authority" else "/nonexistent"
    with Receiver(tmp_path / "store", tls=pair, control=False) as secure:
        tree.config(POST_URL=secure.url)
        assert waits(tree, tree.run("submit", f"--cacert={trust}"))
        assert secure.uploads() == []


def test_https_does_not_become_http(tree, tmp_path, server):
    with Receiver(tmp_path / "store", tls=True,
                  faults=[f"start*1:url:http://127.0.0.1:{server.port}/upload/1"]) as secure:
        tree.config(POST_URL=secure.url)
        assert waits(tree, tree.run("submit", f"--cacert={secure.ca}"), "not https")
        assert server.new() == []


# --- files that are not as they should be

def test_what_is_no_report(tree, server):
    tree.write(f"{FOLDER}/{NAME}", "PK and no more")
    assert refused(tree, tree.run("submit"), "no whole report")
    assert server.new() == []


def test_foreign_files_are_not_sent(tree, server):
    (tree.folder / NAME).unlink()
    tree.write("root/secret", "secret")
    tree.write(f"{FOLDER}/notes.zip", "mine")
    (tree.folder / NAME).symlink_to("/root/secret")
    os.mkfifo(tree.folder / "steamos-0-0.202001010000.zip")
    (tree.folder / "steamos-0-0.202001010001.zip").mkdir()
    assert tree.run("submit").returncode == 0
    assert server.new() == [] and (tree.folder / "notes.zip").exists()


def test_a_report_of_that_name_was_sent_before(tree, server):
    """Nothing is overwritten."""
    old = tree.write(f"{FOLDER}/sent_logs/{NAME}", "old")
    done = tree.run("submit")
    assert done.returncode == 1 and "cannot move" in done.stderr
    assert old.read_text() == "old" and tree.zips() == [NAME]
    # it is not sent again and again
    tree.run("submit", "--now")
    assert len(server.new("start")) == 1


@pytest.mark.parametrize("content", ["", "{", "[]", '{"phase": "finishing"}', "\0" * 100])
def test_damaged_notes_are_a_new_attempt(tree, server, content):
    tree.write(f"{FOLDER}/state/{NAME}.json", content)
    assert sent(tree, tree.run("submit"))


def test_old_litter_is_removed(tree, server):
    old = tree.write(f"{FOLDER}/state/.tmp-0123456789abcdef", "", time=TIME)
    new = tree.write(f"{FOLDER}/state/.tmp-fedcba9876543210", "")  # somebody is writing it
    assert tree.run("submit").returncode == 0
    assert not old.exists() and new.exists()


def test_accepted_but_not_moved(tree, server):
    tree.write(f"{FOLDER}/state/{NAME}.json", '{"phase": "accepted", "gid": "5"}')
    assert sent(tree, tree.run("submit"))
    assert server.new() == []


# --- interruptions

@pytest.mark.parametrize("call", ["connect", "sendto", "recvfrom", "fsync", "rename,renameat",
                                  "renameat2", "unlinkat", "pread64", "socket"])
def test_killed_at_any_call(collected, server, tmp_path, call):
    """A report arrives once, under one gid, and is in sent_logs at the end."""
    trees = iter(range(100000))

    def make():
        made = collected.copy(tmp_path / f"tree{next(trees)}")
        made.config(POST_URL=server.url)
        return made

    kills = 0
    count = len(server.finished())
    for tree, _, number in machine.killed_runs(make, "submit", calls=[call]):
        kills += 1
        assert len(tree.all_zips()) == 1
        done = tree.run("submit", "--now")
        assert done.returncode == 0, (call, number, done.stderr)
        assert tree.zips() == [] and tree.zips("sent_logs") == [NAME] and tree.attempts() == []
        finished = len(server.finished())
        assert finished - count == 1, (call, number)
        count = finished
    assert kills >= {"connect": 3, "sendto": 3, "recvfrom": 3, "rename,renameat": 2,
                     "renameat2": 1, "unlinkat": 1, "fsync": 6, "pread64": 1}.get(call, 1)


def test_usage(tree):
    assert tree.run("submit", "--what").returncode == 2
    assert tree.run("submit", "--cacert").returncode == 2
