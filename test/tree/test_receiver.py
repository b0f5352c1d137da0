# SPDX-License-Identifier: LGPL-2.1-or-later
"""The receiver itself: a server that forgives what it should refuse would make every test of the
client worthless."""

import http.client
import io
import json
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import time
import urllib.parse
import zipfile
import zlib

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from receiver import Receiver, binary, make_ca, make_cert  # noqa: E402

FORM = "application/x-www-form-urlencoded"
TIMEOUT = 20


def make_zip(size=3000):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_STORED) as z:
        z.writestr("dmesg-pstore.202411231200-0", os.urandom(size))
    return data.getvalue()


ZIP = make_zip()
FIELDS = {
    "steamid": "76561197960287930", "have_dump_file": "1", "dump_file_size": str(len(ZIP)),
    "product": "holo", "build": "20241101.1", "version": "6.1.52-valve1", "platform": "linux",
    "crash_time": "1700000000", "stack": "die+0x33/0x80\n a&b=c+d%20 é\n",
    "note": "Kernel panic - not syncing: sysrq\nmore", "format": "json",
}


def encode(fields):
    pairs = fields.items() if isinstance(fields, dict) else fields
    return "&".join(f"{k}={urllib.parse.quote(v, safe='')}" for k, v in pairs)


class Client:
    """What a correct client does, step by step."""

    def __init__(self, server, context=None):
        self.server = server
        self.context = context
        self.read_at_most = None

    def request(self, method, target, body=None, headers=None):
        kind = http.client.HTTPSConnection if self.context else http.client.HTTPConnection
        extra = {"context": self.context} if self.context else {}
        c = kind(self.server.address, self.server.port, timeout=TIMEOUT, **extra)
        try:
            c.request(method, target, body=body, headers=headers or {})
            answer = c.getresponse()
            answer.text = answer.read(self.read_at_most)
            return answer
        finally:
            c.close()

    def post(self, url, body, content_type=FORM):
        headers = {"Content-Type": content_type} if content_type else {}
        return self.request("POST", urllib.parse.urlsplit(url).path, body, headers)

    def start(self, fields=None, **changes):
        answer = self.post(self.server.start_url(), encode(fields or dict(FIELDS, **changes)))
        answer.response = json.loads(answer.text)["response"] if answer.status == 200 else None
        return answer

    def put(self, response, body=ZIP, headers=None):
        url = urllib.parse.urlsplit(response["url"])
        if headers is None:
            headers = {h["name"]: h["value"] for h in response["headers"]["pairs"]}
        return self.request("PUT", f"{url.path}?{url.query}", body, headers)

    def finish(self, gid):
        return self.post(self.server.finish_url(), encode({"gid": gid}))

    def all_steps(self):
        response = self.start().response
        assert self.put(response).status == 200
        assert self.finish(response["gid"]).status == 200
        return response


@pytest.fixture
def server(tmp_path):
    with Receiver(tmp_path / "store") as running:
        yield running


@pytest.fixture
def client(server):
    return Client(server)


def refused(answer, *words, status=400):
    text = answer.text.decode()
    assert answer.status == status, text
    for word in words:
        assert word in text
    return True


def test_whole_way(server, client):
    response = client.start().response
    assert response["url"].startswith(f"http://127.0.0.1:{server.port}/")
    assert response["gid"].isdigit()
    assert [sorted(pair) for pair in response["headers"]["pairs"]] == [["name", "value"]] * 3
    assert server.finished() == []
    assert client.put(response).status == 200
    assert server.finished() == []
    answer = client.finish(response["gid"])
    assert answer.status == 200 and json.loads(answer.text) == {"response": {}}

    (upload,) = server.finished()
    assert upload["fields"] == FIELDS
    assert upload["zip"].read_bytes() == ZIP
    assert upload["gid"] == response["gid"]
    assert upload["size"] == len(ZIP)
    assert upload["crc32"] == f"{zlib.crc32(ZIP):08x}"
    assert (upload["puts"], upload["finishes"]) == (1, 1)
    times = upload["times"]
    assert 0 < times["started"] <= times["uploaded"] <= times["finished"] <= time.time() * 1000
    for pair in response["headers"]["pairs"]:
        assert pair in upload["headers"]
    assert [(r["step"], r["status"], r["gid"]) for r in server.requests()] == [
        (step, 200, response["gid"]) for step in ("start", "put", "finish")]
    assert server.requests("put")[0]["bytes"] == len(ZIP)
    assert not list(server.store.glob("*/.*"))
    server.stop()
    assert (f"received gid={response['gid']} {len(ZIP)} bytes, product holo, version "
            "6.1.52-valve1, Kernel panic - not syncing: sysrq\n") in server.output.decode()


def test_each_upload_has_its_own(server, client):
    first, second = client.start().response, client.start().response
    assert first["gid"] != second["gid"] and first["url"] != second["url"]
    assert refused(client.put(second, headers={
        h["name"]: h["value"] for h in first["headers"]["pairs"]}), "X-Upload-Token")
    assert client.put(second).status == 200
    assert refused(client.finish(first["gid"]), "PUT", status=409)
    assert client.finish(second["gid"]).status == 200
    assert [u["gid"] for u in server.finished()] == [second["gid"]]


def test_sent_twice_shows(server, client):
    response = client.start().response
    assert [client.put(response).status for _ in range(2)] == [200, 200]
    assert [client.finish(response["gid"]).status for _ in range(3)] == [200, 200, 200]
    (upload,) = server.finished()
    assert (upload["puts"], upload["finishes"]) == (2, 3)
    assert refused(client.put(response), "finished", status=409)
    assert server.uploads()[0]["puts"] == 2


@pytest.mark.parametrize("name", FIELDS)
def test_start_wants_every_field_once(client, name):
    left = {k: v for k, v in FIELDS.items() if k != name}
    assert refused(client.start(left), name, "missing")
    assert refused(client.start([*FIELDS.items(), (name, FIELDS[name])]), name, "twice")


@pytest.mark.parametrize("name, value", [
    ("steamid", "null"), ("steamid", ""), ("steamid", "-1"), ("steamid", "1 "),
    ("steamid", "0x10"), ("steamid", "18446744073709551616"),
    ("have_dump_file", "0"), ("have_dump_file", "true"),
    ("dump_file_size", "0"), ("dump_file_size", "1.5"), ("crash_time", "0"),
    ("crash_time", "2024-11-23"), ("product", ""), ("version", ""), ("platform", "windows"),
    ("format", "xml"), ("note", "a\0b"),
])
def test_start_checks_values(client, name, value):
    assert refused(client.start(**{name: value}), name)


@pytest.mark.parametrize("name, value", [
    ("steamid", "0"), ("steamid", "18446744073709551615"), ("build", ""), ("stack", ""),
    ("note", ""), ("note", "\t é ☃ \U0001f4a5 ~*!'()"),
])
def test_start_accepts(server, client, name, value):
    assert client.start(**{name: value}).status == 200
    assert server.uploads()[0]["fields"][name] == value


@pytest.mark.parametrize("body, words", [
    ("", "steamid"), ("&", "without"), (encode(FIELDS) + "&", "without"),
    (encode(FIELDS) + "&extra=1", "unknown field extra"), (encode(FIELDS) + "&flag", "without ="),
    (encode(FIELDS) + "&=x", "without a name"), ("note=100%", "note: byte 3 (0x25)"),
    ("note=%4", "percent escape"), ("note=%zz", "percent escape"),
    ("note=a b", "0x20) is not percent-encoded"), ("note=a\nb", "(0x0a)"),
    ("note=<x>", "(0x3c)"), (b"note=\xff", "(0xff)"), ("note=%ff", "UTF-8"),
    ("note=%ed%a0%80", "UTF-8"), ("no%te=1", "name"), ("product=a=b", "(0x3d)"),
])
def test_start_reads_the_form_strictly(server, client, body, words):
    assert refused(client.post(server.start_url(), body), words)
    assert server.uploads() == []
    assert words in server.requests()[-1]["refused"]


def test_plus_is_a_blank(server, client):
    body = encode(dict(FIELDS, note="")) .replace("note=", "note=a+b%2Bc")
    assert client.post(server.start_url(), body).status == 200
    assert server.uploads()[0]["fields"]["note"] == "a b+c"


def test_start_wants_a_form(server, client):
    for content_type in (None, "application/json", "application/x-www-form-urlencodedX"):
        assert refused(client.post(server.start_url(), encode(FIELDS), content_type), status=415)
    for content_type in (FORM + "; charset=UTF-8", FORM.upper()):
        assert client.post(server.start_url(), encode(FIELDS), content_type).status == 200


def test_limits(tmp_path):
    with Receiver(tmp_path / "store", arguments=[f"--max-size={len(ZIP)}"]) as server:
        client = Client(server)
        assert refused(client.start(dump_file_size=str(len(ZIP) + 1)), "dump_file_size", status=413)
        response = client.start().response
        assert client.put(response).status == 200
        raw = raw_request(server, f"PUT {target(response)} HTTP/1.1\r\nHost: x\r\n"
                          f"Content-Length: {len(ZIP) + 1}\r\n\r\n")
        assert b" 413 " in raw
        raw = raw_request(server, "POST /ICrashReportService/StartCrashUpload/v1 HTTP/1.1\r\n"
                          f"Host: x\r\nContent-Type: {FORM}\r\nContent-Length: 1048577\r\n\r\n")
        assert b" 413 " in raw


def target(response):
    url = urllib.parse.urlsplit(response["url"])
    return f"{url.path}?{url.query}"


def raw_request(server, text, then_close=False):
    with socket.create_connection((server.address, server.port), timeout=TIMEOUT) as s:
        s.sendall(text.encode() if isinstance(text, str) else text)
        if then_close:
            return b""
        data = b""
        while chunk := s.recv(65536):
            data += chunk
            if b"\r\n\r\n" in data and b"HTTP/1.1 100" not in data:
                break
        return data


def test_nothing_elsewhere(server, client):
    response = client.start().response
    path = urllib.parse.urlsplit(server.start_url()).path
    assert refused(client.request("GET", "/"), status=404)
    assert refused(client.request("GET", path), "POST", status=405)
    assert client.request("HEAD", path).status == 405
    assert refused(client.request("PUT", path, b"x"), status=405)
    assert refused(client.request("GET", target(response)), "PUT", status=405)
    assert refused(client.post("/" + path, encode(FIELDS)), status=404)
    assert refused(client.post(path.replace("Start", "ACTION"), encode(FIELDS)), status=404)
    # The query is part of the address: not shortened, not decoded, not normalized.
    for change in (("%2B", "+"), ("%2f", "%2F"), ("&v=1", ""), ("Signature=", "signature=")):
        assert change[0] in response["url"]
        altered = dict(response, url=response["url"].replace(*change))
        assert refused(client.put(altered), status=404)
    assert client.put(response).status == 200


def test_put_checks_headers(server, client):
    response = client.start().response
    good = {h["name"]: h["value"] for h in response["headers"]["pairs"]}
    for name in good:
        assert refused(client.put(response, headers={k: v for k, v in good.items() if k != name}),
                       name, "missing")
        assert refused(client.put(response, headers=dict(good, **{name: good[name] + "x"})),
                       name, "another value")
        assert refused(client.put(response, headers=dict(good, **{name.lower(): good[name]})),
                       name, "more than once")
    assert refused(client.put(response, headers=dict(good, Cookie="a=b")), "Cookie", "handed out")
    assert not list(server.store.glob("*/upload.zip"))
    assert client.put(response, headers={k.lower(): v for k, v in good.items()}).status == 200


def test_put_checks_the_body(server, client):
    def put(body, size=None):
        return client.put(client.start(dump_file_size=str(size or len(body))).response, body)

    assert refused(put(ZIP[:-1], len(ZIP)), "Content-Length", "dump_file_size")
    assert refused(put(ZIP + b"x", len(ZIP)), "Content-Length")
    for body, word in ((b"PK", "too short"), (b"x" * 3000, "begin"), (ZIP[:-1], "no end"),
                       (ZIP + b"x", "no end"), (b"x" + ZIP[1:], "begin"), (ZIP[:1000], "no end"),
                       (ZIP[:500] + ZIP[501:], "directory")):
        assert refused(put(body), "no ZIP", word)
    assert server.finished() == [] and not list(server.store.glob("*/upload.zip"))
    # The refused body's file is removed when the request has ended, which is after its answer.
    deadline = time.monotonic() + 5
    while list(server.store.glob("*/.put-*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not list(server.store.glob("*/.put-*"))
    with io.BytesIO() as data:
        with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as z:
            z.writestr("a", "b" * 100000)
            z.comment = b"PK\5\6 in a comment" * 100
        assert put(data.getvalue()).status == 200


def test_put_wants_a_length(server, client):
    response = client.start().response
    headers = "".join(f"{h['name']}: {h['value']}\r\n" for h in response["headers"]["pairs"])
    head = f"PUT {target(response)} HTTP/1.1\r\nHost: x\r\n{headers}"
    assert b" 411 " in raw_request(server, head + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    assert b" 411 " in raw_request(server, head + "\r\n")


def test_client_that_goes_away_leaves_nothing(server, client):
    response = client.start().response
    headers = "".join(f"{h['name']}: {h['value']}\r\n" for h in response["headers"]["pairs"])
    head = (f"PUT {target(response)} HTTP/1.1\r\nHost: x\r\n{headers}"
            f"Content-Length: {len(ZIP)}\r\n\r\n")
    raw_request(server, head.encode() + ZIP[:1000], then_close=True)
    deadline = time.monotonic() + TIMEOUT
    while not server.requests("put") and time.monotonic() < deadline:
        time.sleep(0.02)
    (line,) = server.requests("put")
    assert line["status"] == 0 and line["how"] == "the client went away"
    assert refused(client.finish(response["gid"]), status=409)
    server.stop()
    assert not list(server.store.glob("*/.put-*"))


def test_broken_requests(server, client):
    """No request of this kind may stop it, or leak (the sanitizers would end it with a failure)."""
    path = urllib.parse.urlsplit(server.start_url()).path
    for text in ("\r\n\r\n\r\n", "x\r\n\r\n", f"POST {path} HTTP/9.9\r\n\r\n", f"POST {path}\r\n\r\n",
                 f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                 f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
                 f"POST {path} HTTP/1.1\r\nno colon\r\n\r\n", f"POST {path}?%zz HTTP/1.1\r\n\r\n",
                 f"{'P' * 5000} {path} HTTP/1.1\r\nHost: x\r\n\r\n", f"POST {path} HTTP/1.1\r\nX: "
                 + "y" * 70000 + "\r\n\r\n", b"POST /\xff\x01 HTTP/1.1\r\nHost: \xff\r\n\r\n",
                 b"\x16\x03\x01\x02\x00\x01\x00", f"POST {path} HTTP/1.1\r\nHost: x\r\nConte"):
        raw_request(server, text, then_close=True)
        with socket.create_connection((server.address, server.port), timeout=TIMEOUT) as s:
            s.sendall(text.encode() if isinstance(text, str) else text)
            s.shutdown(socket.SHUT_WR)
            try:
                assert b" 200 " not in s.recv(4096)
            except ConnectionResetError:
                pass
    client.all_steps()
    assert len(server.uploads()) == 1


def test_expect_continue(server, client):
    """Refused before the body is sent, when the client waits for that."""
    response = client.start().response
    head = (f"PUT {target(response)} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
            f"Content-Length: {len(ZIP)}\r\n")
    assert raw_request(server, head + "\r\n").startswith(b"HTTP/1.1 400")
    headers = "".join(f"{h['name']}: {h['value']}\r\n" for h in response["headers"]["pairs"])
    with socket.create_connection((server.address, server.port), timeout=TIMEOUT) as s:
        s.sendall((head + headers + "\r\n").encode())
        assert s.recv(4096).startswith(b"HTTP/1.1 100")
        s.sendall(ZIP)
        assert s.recv(4096).startswith(b"HTTP/1.1 200")


def test_finish(server, client):
    assert refused(client.finish("1"), "never", status=404)
    assert refused(client.finish(""), "gid")
    assert refused(client.post(server.finish_url(), "gid=1&more=2"), "more")
    response = client.start().response
    assert refused(client.finish(response["gid"]), status=409)
    assert server.finished() == []


def test_host_of_the_request_is_in_the_url(server):
    path = urllib.parse.urlsplit(server.start_url()).path
    body = encode(FIELDS)

    def ask(host):
        return raw_request(server, f"POST {path} HTTP/1.1\r\n{host}Content-Type: {FORM}\r\n"
                           f"Content-Length: {len(body)}\r\n\r\n{body}")

    assert b'"http://10.0.2.2:8080/put/' in ask("Host: 10.0.2.2:8080\r\n")
    assert b'"http://[::1]:8080/put/' in ask("Host: [::1]:8080\r\n")
    assert b" 400 " in ask("Host: a@b\r\n")
    assert b" 400 " in ask("")


# --- misbehaviour ------------------------------------------------------------------------------

STEPS = ("start", "put", "finish")


def run_to(client, step):
    """Goes the way up to this step, and gives its outcome: an answer or an exception."""
    response = None
    if step != "start":
        response = client.start().response
    if step == "finish":
        assert client.put(response).status == 200
    try:
        return {"start": lambda: client.start(),
                "put": lambda: client.put(response),
                "finish": lambda: client.finish(response["gid"])}[step]()
    except (OSError, http.client.HTTPException) as problem:
        return problem


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("code", [302, 304, 400, 401, 403, 404, 408, 409, 410, 413, 418, 425, 429,
                                  451, 500, 501, 502, 503, 504, 520, 599])
def test_status(server, client, step, code):
    server.set_faults(f"{step}:status:{code}:1", f"{step}:retry-after:17:1")
    answer = run_to(client, step)
    assert answer.status == code and answer.getheader("Retry-After") == "17"
    assert server.requests(step)[-1]["status"] == code
    assert server.finished() == []
    client.all_steps()
    assert len(server.finished()) == 1


@pytest.mark.parametrize("step", STEPS)
def test_status_2xx_does_the_work(server, client, step):
    server.set_faults(f"{step}:status:202")
    assert run_to(client, step).status == 202
    upload = server.uploads()[0]
    assert {"start": True, "put": upload["puts"] == 1, "finish": upload["finished"]}[step]
    server.set_faults(f"{step}:status:204")
    answer = run_to(client, step)
    assert answer.status == 204 and answer.text == b""


@pytest.mark.parametrize("step", STEPS)
def test_cut(server, client, step):
    server.set_faults(f"{step}:cut")
    assert isinstance(run_to(client, step), (http.client.HTTPException, OSError))
    line = server.requests(step)[-1]
    assert line["status"] == 0 and line["how"] == "cut"
    assert server.finished() == []
    assert [u["puts"] for u in server.uploads()] == {"start": [], "put": [0], "finish": [1]}[step]


@pytest.mark.parametrize("step", STEPS)
def test_store_then_cut(server, client, step):
    server.set_faults(f"{step}:store-then-cut:1")
    assert isinstance(run_to(client, step), (http.client.HTTPException, OSError))
    (upload,) = server.uploads()
    assert upload["puts"] == (0 if step == "start" else 1)
    assert upload["finished"] == (step == "finish")
    assert server.requests(step)[-1]["how"] == "stored, then cut"


@pytest.mark.parametrize("limit", [0, 1, 1000, len(ZIP) - 1])
def test_cut_after(server, client, limit):
    server.set_faults(f"put:cut-after:{limit}:1")
    assert isinstance(run_to(client, "put"), (http.client.HTTPException, OSError))
    line = server.requests("put")[-1]
    assert line["status"] == 0 and line["bytes"] >= limit
    assert server.uploads()[0]["puts"] == 0


def test_cut_after_stops_soon(server, client):
    """A big body is not read to its end first."""
    body = make_zip(40 << 20)
    server.set_faults("put:cut-after:1000000")
    response = client.start(dump_file_size=str(len(body))).response
    with pytest.raises((http.client.HTTPException, OSError)):
        client.put(response, body)
    assert 1000000 <= server.requests("put")[-1]["bytes"] < 8 << 20


@pytest.mark.parametrize("step", STEPS)
def test_delay(server, client, step):
    server.set_faults(f"{step}:delay:700")
    began = time.monotonic()
    assert run_to(client, step).status == 200
    assert time.monotonic() - began >= 0.7


@pytest.mark.parametrize("step", STEPS)
def test_truncate(server, client, step):
    server.set_faults(f"{step}:truncate")
    problem = run_to(client, step)
    assert isinstance(problem, http.client.IncompleteRead)
    assert problem.expected > 0


@pytest.mark.parametrize("step", STEPS)
def test_endless(server, client, step):
    server.set_faults(f"{step}:endless")
    client.read_at_most = 3 << 20
    if step == "start":
        answer = client.post(server.start_url(), encode(FIELDS))
    else:
        answer = run_to(client, step)
    assert answer.getheader("Content-Length") is None
    assert len(answer.text) == 3 << 20
    server.set_faults()
    client.all_steps()


def test_slow(server, client):
    server.set_faults("finish:slow:100")
    began = time.monotonic()
    answer = run_to(client, "finish")
    assert json.loads(answer.text) == {"response": {}}
    assert time.monotonic() - began >= 0.1 * len(answer.text)


def test_slow_is_a_byte_a_second_by_itself_and_does_not_hold_the_stop(server, client):
    server.set_faults("start:slow", "finish:delay:600000")
    path = urllib.parse.urlsplit(server.start_url()).path
    body = encode(FIELDS)
    with socket.create_connection((server.address, server.port), timeout=TIMEOUT) as s:
        s.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\n"
                  f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
        data = s.recv(4096)
        began = time.monotonic()
        while len(data.partition(b"\r\n\r\n")[2]) < 2:
            data += s.recv(1)
        assert time.monotonic() - began > 0.8
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("step", STEPS)
def test_content(server, client, step):
    server.set_faults(f"{step}*1:json:{{\"a:b\": [1,  2]}}", f"{step}:not-json:1",
                      f"{step}:wrong-type:1", f"{step}*4:content-type:text/odd:1")
    bodies = []
    for _ in range(3):
        answer = (client.post(server.start_url(), encode(FIELDS)) if step == "start"
                  else run_to(client, step))
        assert answer.status == 200 and answer.getheader("Content-Type") == "text/odd:1"
        bodies.append(answer.text)
    assert bodies[0] == b'{"a:b": [1,  2]}'
    with pytest.raises(ValueError):
        json.loads(bodies[1])
    wrong = json.loads(bodies[2])
    if step == "start":
        assert not isinstance(wrong["response"]["url"], str)
        assert not isinstance(wrong["response"]["gid"], str)
        assert not isinstance(wrong["response"]["headers"]["pairs"], list)
    else:
        assert wrong != {"response": {}}


@pytest.mark.parametrize("n", [0, 1, 3, 20, 21, 1000])
def test_headers(server, client, n):
    server.set_faults(f"start:headers:{n}")
    response = client.start().response
    assert len(response["headers"]["pairs"]) == n
    if n <= 21:  # http.client itself has a limit of 100
        assert client.put(response).status == 200
    if 0 < n <= 21:
        headers = {h["name"]: h["value"] for h in response["headers"]["pairs"][:-1]}
        assert refused(client.put(response, headers=headers), "missing")


def test_header_inject(server, client):
    server.set_faults("start:header-inject")
    response = client.start().response
    pairs = {h["name"]: h["value"] for h in response["headers"]["pairs"]}
    (evil,) = [v for v in pairs.values() if "\r\n" in v]
    head = "".join(f"{k}: {v}\r\n" for k, v in pairs.items())
    raw = raw_request(server, f"PUT {target(response)} HTTP/1.1\r\nHost: x\r\n{head}Content-Length: "
                      f"{len(ZIP)}\r\n\r\n".encode() + ZIP)
    assert b" 400 " in raw.splitlines()[0]


@pytest.mark.parametrize("step", STEPS)
def test_redirect(server, client, step):
    server.set_faults(f"{step}*1:redirect:file:///etc/passwd", f"{step}:status:307:1",
                      f"{step}*2:header:Location: http://127.0.0.2:1/x")
    answer = run_to(client, step)
    assert answer.status == 302
    assert "file:///etc/passwd" in answer.headers.get_all("Location")
    answer = run_to(client, step)
    assert answer.status == 307 and answer.getheader("Location") == "http://127.0.0.2:1/x"
    assert server.finished() == []


@pytest.mark.parametrize("spec, gid", [
    ("../../etc/passwd", "../../etc/passwd"), ("a&b=c d%20+", "a&b=c d%20+"), ("é☃", "é☃"),
    (r"a\r\nX: y\x01\\", "a\r\nX: y\x01\\"), ("x" * 5000, "x" * 5000), ("/", "/"), (".", "."),
])
def test_gid(server, client, spec, gid):
    server.set_faults(f"start:gid:{spec}")
    for _ in range(2):
        response = client.start().response
        assert response["gid"] == gid
        assert client.put(response).status == 200
        assert client.finish(gid).status == 200
    assert [u["gid"] for u in server.finished()] == [gid, gid]
    assert {p.parent for p in server.store.rglob("receipt.json")} <= set(server.store.iterdir())


def test_url(server, client):
    server.set_faults("start*1:url:ftp://example.invalid/x", "start:userinfo:1",
                      r"start*1:url:http://a/\r\nb")
    assert client.start().response["url"] == "ftp://example.invalid/x"
    response = client.start().response
    assert f"://user:pw@127.0.0.1:{server.port}/put/" in response["url"]
    assert client.put(response).status == 200
    assert client.start().response["url"] == "http://a/\r\nb"


def test_counts_and_order(server, client):
    server.set_faults("finish:ok:1", "finish:status:503:2", "finish:status:429:1",
                      "finish:retry-after:5:3")
    response = client.start().response
    client.put(response)
    answers = [client.finish(response["gid"]) for _ in range(6)]
    assert [a.status for a in answers] == [200, 503, 503, 429, 200, 200]
    assert [a.getheader("Retry-After") for a in answers] == ["5"] * 3 + [None] * 3
    assert [f["hits"] for f in server.fault_list()] == [1, 2, 1, 3]
    assert [f["left"] for f in server.fault_list()] == [0, 0, 0, 0]
    assert server.finished()[0]["finishes"] == 3


def test_faults_of_the_command_line(tmp_path):
    with Receiver(tmp_path / "store", faults=["start:status:500:1", "put:cut"],
                  control=False) as server:
        client = Client(server)
        assert [client.start().status for _ in range(2)] == [500, 200]
        assert isinstance(run_to(client, "put"), (http.client.HTTPException, OSError))
        assert refused(client.request("GET", "/_control/faults"), status=404)
        assert refused(client.request("DELETE", "/_control/faults"), status=404)


@pytest.mark.parametrize("bad", [
    "x", "start", "start:", "start:no-such", "middle:cut", "start:status", "start:status:",
    "start:status:99", "start:status:600", "start:status:1x", "start:status:500:0",
    "start:status:500:1:1", "start:cut:x", "start*0:cut", "start*:cut", "start:cut-after:1",
    "put:headers:1", "start:json", r"start:gid:a\q", r"start:gid:a\x0", r"start:gid:a\x00",
    "start:slow:0", "start:delay:99999999",
])
def test_bad_faults(server, tmp_path, bad):
    with pytest.raises(ValueError, match="fault"):
        server.add_faults("put:cut", bad)
    assert server.fault_list() == []
    run = subprocess.run([binary(), f"--store={tmp_path}/other", f"--fault={bad}"],
                         capture_output=True, text=True, timeout=TIMEOUT)
    assert run.returncode == 2 and "--fault" in run.stderr


def test_every_kind_is_tested():
    shown = subprocess.run([binary(), "--help"], capture_output=True, text=True, check=True).stdout
    kinds = [line.split()[0].partition(":")[0].partition("[")[0]
             for line in shown.partition("The kinds:\n")[2].splitlines()]
    tested = pathlib.Path(__file__).read_text()
    assert len(kinds) == 21
    assert [kind for kind in kinds if f":{kind}" not in tested] == []


# --- the program -------------------------------------------------------------------------------


def test_options(tmp_path):
    def run(*arguments):
        return subprocess.run([binary(), *arguments], capture_output=True, text=True,
                              timeout=TIMEOUT)

    shown = run("--help")
    assert shown.returncode == 0 and "--store=DIR" in shown.stdout and "put:" not in shown.stderr
    store = f"--store={tmp_path}/s"
    for arguments in ((), ("--nonsense",), (store, "x"), (store, "--cert=x"), (store, "--path=/x"),
                      (store, "--max-size=big"), (store, "--expect-header=x")):
        assert run(*arguments).returncode == 2
    for arguments in ((store, "--listen=nowhere:1"), (store, "--listen=127.0.0.1:99999"),
                      (store, "--listen=1"), (store, "--cert=/none", "--key=/none"),
                      (store, "--listen=192.0.2.1:0"), ("--store=/none/s",),
                      (store, "--port-file=/none/p")):
        failed = run(*arguments)
        assert failed.returncode == 1 and failed.stderr.startswith("receiver: ")


def test_once_and_port_file_and_path_and_expected_header(tmp_path):
    with Receiver(tmp_path / "store", arguments=[
            "--once", f"--port-file={tmp_path}/port", "--path=/a/ACTION/ACTIONUpload",
            "--expect-header=X-Mine: a: b"]) as server:
        assert int((tmp_path / "port").read_text()) == server.port
        assert server.start_url().endswith("/a/Start/StartUpload")
        client = Client(server)
        response = client.start().response
        assert {"name": "X-Mine", "value": "a: b"} in response["headers"]["pairs"]
        client.put(response)
        assert server.process.poll() is None
        assert client.finish(response["gid"]).status == 200
        assert server.wait() == 0
    assert len(server.finished()) == 1


def test_ipv6(tmp_path):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with Receiver(tmp_path / "store", listen="[::1]:0") as server:
        assert server.url.startswith(f"http://[::1]:{server.port}/")
        assert Client(server).start().response["url"].startswith("http://[::1]:")


def test_store_is_kept_over_a_restart(tmp_path):
    for n in (1, 2):
        with Receiver(tmp_path / "store", faults=["start:gid:same"]) as server:
            Client(server).all_steps()
        assert len(server.finished()) == n and len(server.requests()) == 3 * n


def test_many_at_once(server):
    """Connections do not wait for each other: one that hangs holds nobody."""
    import threading
    server.set_faults("start:delay:3000:1")
    hanging = threading.Thread(target=Client(server).start)
    hanging.start()
    while not server.fault_list()[0]["hits"]:
        time.sleep(0.02)
    threads = [threading.Thread(target=Client(server).all_steps) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.finished()) == 20
    hanging.join()
    assert len(server.uploads()) == 21
    assert all(len(u["zip"].read_bytes()) == len(ZIP) for u in server.finished())


def test_tls(tmp_path):
    with Receiver(tmp_path / "store", tls=True) as server:
        assert server.url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=str(server.ca))
        response = Client(server, context).all_steps()
        assert response["url"].startswith("https://")
        with pytest.raises(ssl.SSLCertVerificationError):
            Client(server, ssl.create_default_context()).start()
        server.set_faults("start:cut:1")
        with pytest.raises((http.client.HTTPException, OSError)):
            Client(server, context).start()
        assert len(server.finished()) == 1


@pytest.mark.parametrize("name, extra, why", [
    ("localhost", {"expired": True, "san": "IP:127.0.0.1"}, "expired"),
    ("elsewhere.example", {}, "mismatch"),
])
def test_bad_certificates(tmp_path, name, extra, why):
    ca = make_ca(tmp_path / "ca")
    pair = make_cert(tmp_path / "cert", name, ca, **extra)
    with Receiver(tmp_path / "store", tls=pair) as server:
        with pytest.raises(ssl.SSLCertVerificationError, match=why):
            Client(server, ssl.create_default_context(cafile=str(ca[0]))).start()
        assert server.requests() == []


def test_key_that_does_not_fit(tmp_path):
    ca = make_ca(tmp_path / "ca")
    cert, _ = make_cert(tmp_path / "one", "localhost", ca)
    run = subprocess.run([binary(), f"--store={tmp_path}/s", f"--cert={cert}", f"--key={ca[1]}"],
                         capture_output=True, text=True, timeout=TIMEOUT)
    assert run.returncode == 1 and "--key" in run.stderr
