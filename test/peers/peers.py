# SPDX-License-Identifier: LGPL-2.1-or-later
"""Servers of others, run for tests: npm packages with pinned versions, unpacked below build/peers.

    with Peer("s3", folder) as s3:
        url = presigned(s3.port, "reports", "name.zip")
"""

import base64
import datetime
import hashlib
import hmac
import os
import pathlib
import shutil
import subprocess
import threading
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
BUILD = TOP / "build" / "peers"
START_TIMEOUT = 60  # seconds
INSTALL_TIMEOUT = 300


class Missing(Exception):
    """There is no Node, or no registry to install from: nothing to test with."""


def install():
    """Brings build/peers to what package-lock.json says. Does nothing where it is so."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        raise Missing("node and npm are not installed (tools/setup)")
    wanted = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    stamp = BUILD / "installed"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    BUILD.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, BUILD / name)
    done = subprocess.run([npm, "ci", "--no-fund", "--no-audit", "--omit=dev", "--ignore-scripts"],
                          cwd=BUILD, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=INSTALL_TIMEOUT, check=False)
    if done.returncode != 0:
        raise Missing(f"npm ci: {done.stderr.strip().splitlines()[-1:]}")
    stamp.write_text(wanted)


class Peer:
    """A context manager around peers.mjs KIND FOLDER; port is where it listens."""

    def __init__(self, kind, folder):
        self.kind, self.folder, self.port = kind, pathlib.Path(folder), None

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        environment["NODE_PATH"] = str(BUILD / "node_modules")
        self.process = subprocess.Popen(["node", HERE / "peers.mjs", self.kind, self.folder],
                                        env=environment, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.ready = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()
        if not self.ready.wait(START_TIMEOUT) or not self.port:
            self.__exit__()
            raise RuntimeError(f"the peer {self.kind} does not start")
        return self

    def _read(self):
        for line in self.process.stdout:
            if line.startswith("ready "):
                self.port = int(line.split()[1])
                self.ready.set()
        self.ready.set()

    def __exit__(self, *exception):
        self.process.stdin.close()
        try:
            self.process.wait(START_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def presigned_v2(port, bucket, key, method="PUT", expires=600, headers=None):
    """As Signature Version 2 wants it, which is the one that s3rver checks."""
    access = secret = "S3RVER"
    until = int(datetime.datetime.now(datetime.timezone.utc).timestamp()) + expires
    lower = {k.lower(): v for k, v in (headers or {}).items()}
    amz = "".join(f"{k}:{lower[k]}\n" for k in sorted(lower) if k.startswith("x-amz-"))
    path = f"/{bucket}/{urllib.parse.quote(key)}"
    text = f"{method}\n\n{lower.get('content-type', '')}\n{until}\n{amz}{path}"
    signature = base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest())
    return f"http://127.0.0.1:{port}{path}?" + urllib.parse.urlencode(
        {"AWSAccessKeyId": access, "Expires": until, "Signature": signature.decode()})


def presigned(port, bucket, key, method="PUT", expires=600, when=None, headers=None):
    """A URL signed as AWS Signature Version 4 wants it in a query; headers are signed, too."""
    access = secret = "S3RVER"
    when = when or datetime.datetime.now(datetime.timezone.utc)
    date, stamp = when.strftime("%Y%m%d"), when.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{date}/us-east-1/s3/aws4_request"
    signed = {"host": f"127.0.0.1:{port}"} | {k.lower(): v for k, v in (headers or {}).items()}
    names = ";".join(sorted(signed))
    path = f"/{bucket}/{urllib.parse.quote(key)}"
    query = urllib.parse.urlencode(sorted({
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": f"{access}/{scope}",
        "X-Amz-Date": stamp, "X-Amz-Expires": str(expires), "X-Amz-SignedHeaders": names,
    }.items()), quote_via=urllib.parse.quote)
    canonical = "\n".join([method, path, query,
                           "".join(f"{k}:{signed[k]}\n" for k in sorted(signed)), names,
                           "UNSIGNED-PAYLOAD"])
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope,
                      hashlib.sha256(canonical.encode()).hexdigest()])
    sign = ("AWS4" + secret).encode()
    for part in (date, "us-east-1", "s3", "aws4_request"):
        sign = hmac.new(sign, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(sign, text.encode(), hashlib.sha256).hexdigest()
    return f"http://127.0.0.1:{port}{path}?{query}&X-Amz-Signature={signature}"
