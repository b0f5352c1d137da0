# SPDX-License-Identifier: LGPL-2.1-or-later
"""What submit notes on its way: where an upload goes, the last exchange that failed; and how it waits
for a network."""

import json
import os
import socket
import subprocess
import time

import pytest

import tree as machine
from harness import plain, tool
from receiver import Receiver
from tree import NAME, Tree


@pytest.fixture
def tree(server, tmp_path):
    made = Tree(tmp_path / "tree")
    made.panic()
    made.config(POST_URL=server.url)
    assert made.collect() == [NAME]
    return made


def note(tree, suffix=".json"):
    return tree.folder / "state" / (NAME + suffix)


def attempt(tree):
    return json.loads(note(tree).read_text())


def is_sent(tree):
    return tree.zips("sent_logs") == [NAME] and tree.attempts() == [] and tree.leftovers() == []


# --- an upload that was begun

@pytest.mark.parametrize("fault", ["put:cut", "put:status:503", "put:status:500"])
def test_a_put_is_repeated_to_the_same_place(tree, server, fault):
    server.set_faults(fault + ":1")
    assert tree.run("submit").returncode == 1
    begun = attempt(tree)
    assert begun["phase"] == "started" and begun["version"] == 1
    assert note(tree, ".upload").stat().st_mode & 0o777 == 0o600
    assert tree.run("submit", "--now").returncode == 0
    assert server.steps() == ["start", "put", "put", "finish"]
    assert is_sent(tree) and begun["gid"] in [u["gid"] for u in server.finished()]


@pytest.mark.parametrize("status", [400, 403, 404, 410])
def test_a_place_that_is_gone_is_asked_for_again(tree, server, status):
    server.set_faults("put:status:503:1")
    assert tree.run("submit").returncode == 1
    server.set_faults(f"put:status:{status}:1")
    assert tree.run("submit", "--now").returncode == 0
    assert server.steps() == ["start", "put", "put", "start", "put", "finish"] and is_sent(tree)


def test_a_refused_put_is_refused(tree, server):
    server.set_faults("put:status:403:1")
    assert tree.run("submit").returncode == 1
    assert tree.zips("failed_logs") == [NAME] and not note(tree, ".upload").exists()


def test_what_is_sent_has_changed_meanwhile(tree, server):
    server.set_faults("put:status:503:1")
    assert tree.run("submit").returncode == 1
    tree.config(SCRUB="0")
    assert tree.run("submit", "--now").returncode == 0
    assert server.steps() == ["start", "put", "start", "put", "finish"] and is_sent(tree)


@pytest.mark.parametrize("content", ["", "{}", '{"response": {"url": "file:///etc/passwd", "gid": "1"}}', None])
def test_a_note_that_is_spoilt(tree, server, content):
    server.set_faults("put:status:503:1")
    assert tree.run("submit").returncode == 1
    if content is None:
        note(tree, ".upload").unlink()
    else:
        note(tree, ".upload").write_text(content)
    assert tree.run("submit", "--now").returncode == 0
    assert server.steps() == ["start", "put", "start", "put", "finish"] and is_sent(tree)


def test_a_note_of_a_newer_version_is_left_alone(tree, server):
    """After an update that was taken back: the newer program will go on with it."""
    (tree.folder / "state").mkdir(exist_ok=True)
    newer = json.dumps({"version": 2, "phase": "paused", "secret": 1})
    note(tree).write_text(newer)
    done = tree.run("submit")
    assert done.returncode == 1 and "newer version" in done.stderr
    assert note(tree).read_text() == newer and tree.zips() == [NAME] and server.steps() == []


# --- the last exchange

def exchange(tree, suffix=".exchange"):
    path = note(tree, suffix)
    assert path.stat().st_mode & 0o777 == 0o600
    return path.read_text()


def test_what_a_server_said_is_kept(tree, server):
    server.set_faults("start:status:503:1")
    done = tree.run("submit")
    assert done.returncode == 1 and f"state/{NAME}.exchange" in done.stderr
    text = exchange(tree)
    assert text.splitlines()[1].startswith("POST http://127.0.0.1:") and "Start" in text
    assert "\nHTTP 503\n" in text and "content-length: " in text.lower()
    assert tree.run("submit", "--now").returncode == 0 and is_sent(tree)


def test_the_newest_replaces_it(tree, server):
    server.set_faults("start:status:503:1")
    assert tree.run("submit").returncode == 1
    server.set_faults("put:status:500:1")
    assert tree.run("submit", "--now").returncode == 1
    assert "HTTP 500" in exchange(tree) and "503" not in exchange(tree)
    assert "\nPUT http" in exchange(tree)


@pytest.mark.parametrize("fault, kept", [
    ("not-json", "Welcome to the hotel's network"),
    ('json:{"error": "maintenance until noon"}', "maintenance until noon"),
    ('json:{"response": {"url": "https://a/b?X-Amz-Signature=5ec7e7", "gid": "a b", "headers": '
     '{"pairs": [{"name": "x-token", "value": "5ec7e7"}]}}}', '"gid":"a b"'),
    ('json:{"response": {"url": "https://a/b?X-Amz-Signature=5ec7e7", "headers": [', "left out"),
    ("json:see https://u:5ec7e7@a/b?c=5ec7e7", "https://a/b?(left out)")])
def test_an_answer_that_made_no_sense_is_kept(tree, server, fault, kept):
    """Of a yes, too: it is the only clue. But no secret of it."""
    server.set_faults(f"start*1:{fault}")
    assert tree.run("submit").returncode == 1
    text = exchange(tree)
    assert "\nHTTP 200\n" in text and "cannot be used" in text
    assert kept in text and "5ec7e7" not in text


def test_nobody_was_there(tree):
    tree.config(POST_URL="http://127.0.0.1:9/ACTION")
    assert tree.run("submit").returncode == 1
    assert "error: " in exchange(tree) and "HTTP" not in exchange(tree).split("error: ")[1]


def test_no_secret_is_kept(tree, server):
    """Of the user, of a presigned URL, of a cookie, of Sentry's key."""
    url = server.url.replace("http://", "http://user:pass-word@") + "?token=start-secret"
    tree.config(POST_URL=url, SENTRY_DSN=f"http://5e47e7@127.0.0.1:{server.port}/42")
    server.set_faults("start:status:500:1")
    assert tree.run("submit").returncode == 1
    text = exchange(tree) + exchange(tree, ".sentry.exchange")
    for secret in ("pass-word", "start-secret", "5e47e7", "steamid=", "gaben"):
        assert secret not in text, secret


def test_refused_for_good_keeps_it(tree, server):
    server.set_faults("start:status:400:1")
    assert tree.run("submit").returncode == 1
    assert tree.zips("failed_logs") == [NAME] and "HTTP 400" in exchange(tree)


def test_it_goes_with_the_report(tree, server):
    server.set_faults("start:status:503:1")
    assert tree.run("submit").returncode == 1
    (tree.folder / NAME).unlink()
    tree.run("submit")
    assert tree.attempts() == []


# --- servers that take their time

def hurried(tree, rate, *arguments):
    """Seconds of patience pass so many times as fast."""
    start = time.monotonic()
    done = subprocess.run([plain(), f"--root={tree.path}", "submit", *arguments], capture_output=True,
                          text=True, timeout=machine.TIMEOUT, check=False,
                          env=os.environ | {"LD_PRELOAD": tool("libclock.so"), "CLOCK_RATE": str(rate)})
    return done, (time.monotonic() - start) * rate


@pytest.mark.parametrize("step, fault", [
    ("start", "slow:200"), ("start", "delay:60000"), ("put", "delay:60000"), ("put", "slow:5000"),
    ("finish", "delay:60000"), ("finish", "slow:200")])
def test_a_slow_server_is_given_up(tree, server, step, fault):
    """A byte now and then, or nothing at all: after a minute, and the report is not lost."""
    server.set_faults(f"{step}*1:{fault}")
    done, took = hurried(tree, 40)
    assert done.returncode == 1 and tree.zips() == [NAME], done.stderr
    # libcurl looks once a second by the machine's clock
    assert 55 < took < 300 and ("too slow" in done.stderr or "timed out" in done.stderr), done.stderr
    assert tree.run("submit", "--now").returncode == 0 and is_sent(tree)


def test_a_slow_server_is_given_up_in_all(tree, server):
    """Fast enough not to stall, and yet it would take ten minutes: a POST has one."""
    server.set_faults("start:slow:1", "start:json:" + "x" * 9000)
    done, took = hurried(tree, 8)
    assert done.returncode == 1 and "timed out" in done.stderr, done.stderr
    assert 55 < took < 80 and tree.zips() == [NAME]


# --- the network

def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_offline_is_no_failure(tree):
    tree.config(POST_URL=f"http://127.0.0.1:{free_port()}/ACTION")
    start = time.monotonic()
    done = tree.run("submit", "--wait=3")
    assert done.returncode == 1 and "no server is there" in done.stderr
    assert time.monotonic() - start >= 1.5  # the halves of 1 s, and of 2 s
    assert tree.zips() == [NAME] and tree.attempts() == []


def test_it_waits_for_the_server(tree, tmp_path):
    """Which comes up meanwhile; a person's own run is not held up by one that waits."""
    port = free_port()
    tree.config(POST_URL=f"http://127.0.0.1:{port}/ICrashReportService/ACTIONCrashUpload/v1")
    waiting = subprocess.Popen([machine.program(), f"--root={tree.path}", "submit", "--wait=99"],
                               stderr=subprocess.PIPE, text=True)
    time.sleep(1)
    assert "another submission" not in tree.run("submit").stderr
    note(tree).unlink()
    with Receiver(tmp_path / "late", listen=f"127.0.0.1:{port}") as late:
        assert waiting.wait(60) == 0, waiting.stderr.read()
        assert len(late.finished()) == 1
    waiting.stderr.close()
    assert is_sent(tree)


def waiting_run(tree, tries=20):
    return subprocess.Popen([machine.program(), f"--root={tree.path}", "submit", f"--wait={tries}"],
                            stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("change", [{"LOG_SUBMISSION": "0"}, {"POST_URL": ""}])
def test_submission_turned_off_while_it_waits(tree, tmp_path, change):
    """Then the server comes up."""
    port = free_port()
    tree.config(POST_URL=f"http://127.0.0.1:{port}/ICrashReportService/ACTIONCrashUpload/v1")
    waiting = waiting_run(tree)
    time.sleep(1)
    tree.config(**change)
    with Receiver(tmp_path / "late", listen=f"127.0.0.1:{port}") as late:
        _, err = waiting.communicate(timeout=60)
        assert late.requests() == [], err
    if "LOG_SUBMISSION" in change:
        assert waiting.returncode == 0 and tree.zips("not_sent_logs") == [NAME], err
    else:
        assert tree.zips() == [NAME], err
    assert tree.zips("sent_logs") == []


def test_another_server_is_named_while_it_waits(tree, server):
    url = tree.settings["POST_URL"]
    tree.config(POST_URL=f"http://127.0.0.1:{free_port()}/ACTION")
    waiting = waiting_run(tree)
    time.sleep(1)
    tree.config(POST_URL=url)
    _, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, err
    assert server.steps() == ["start", "put", "finish"] and is_sent(tree)


# --- the first try of a boot

def test_the_first_try_of_a_boot_is_put_off(tree, server):
    """By the service, with this seed for 243 s; a person's own run is not, and has the report sent."""
    tree.write("proc/uptime", "0.07 0.01\n")
    waiting = subprocess.Popen(
        [plain(), f"--root={tree.path}", "submit", "--wait=5"], stderr=subprocess.PIPE, text=True,
        env=os.environ | {"LD_PRELOAD": tool("libclock.so"), "RANDOM_SEED": "3"})
    time.sleep(2)
    assert waiting.poll() is None and server.steps() == []
    assert tree.run("submit").returncode == 0 and is_sent(tree)
    waiting.kill()
    waiting.communicate()


@pytest.mark.parametrize("uptime", ["299.99 1.0\n", "300.00 1.0\n", "86400.11 1.0\n", "", "x", "-5.0"])
def test_later_in_a_boot_nothing_is_put_off(tree, server, uptime):
    tree.write("proc/uptime", uptime)
    start = time.monotonic()
    assert tree.run("submit", "--wait=5").returncode == 0 and is_sent(tree)
    assert time.monotonic() - start < 20


def test_one_that_is_there_is_not_held_up(tree, server):
    """By another that is not; nor a folder of this machine."""
    folder = tree.path / "srv/other"
    folder.mkdir(parents=True)
    tree.config(SENTRY_DSN=f"http://k@127.0.0.1:{free_port()}/42", HANDOVER_FOLDER="/srv/other")
    assert tree.run("submit", "--wait=99").returncode == 1
    assert server.steps() == ["start", "put", "finish"] and len(list(folder.iterdir())) == 1
    assert "sentry" not in "".join(tree.attempts())
    tree.config(POST_URL="")
    assert tree.run("submit", "--wait=1").returncode == 1 and tree.zips() == [NAME]


def test_nothing_is_waited_for_where_nothing_is_pending(tree):
    tree.config(POST_URL=f"http://127.0.0.1:{free_port()}/ACTION")
    (tree.folder / NAME).unlink()
    start = time.monotonic()
    assert tree.run("submit", "--wait=99").returncode == 0
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("tries", ["0", "100", "x", ""])
def test_how_often(tree, tries):
    assert tree.run("submit", f"--wait={tries}").returncode == 2
