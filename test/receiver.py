# SPDX-License-Identifier: LGPL-2.1-or-later
"""A running receiver (tools/receiver) for tests, and certificates for its TLS.

    with Receiver(tmp_path / "server", faults=["put:status:503:1"]) as server:
        run_the_client(POST_URL=server.url)
        assert len(server.finished()) == 1
"""

import http.client
import json
import os
import pathlib
import subprocess
import threading

TOP = pathlib.Path(__file__).resolve().parent.parent
START_TIMEOUT = 20  # seconds; a sanitized binary on a busy machine


def binary():
    return os.environ.get("RECEIVER") or str(TOP / "build/main/tools/receiver/receiver")


class Receiver:
    """A context manager. store: a folder, made if missing. tls: False, True (a private CA and a
    certificate for 127.0.0.1 and localhost are made below the store's parent), or a pair of files
    (certificate, key). control lets set_faults() change the misbehaviour at run time. arguments go
    to the receiver as they are."""

    def __init__(self, store, faults=(), tls=False, control=True, listen="127.0.0.1:0",
                 arguments=()):
        self.store = pathlib.Path(store)
        self.faults = list(faults)
        self.listen = listen
        self.control = control
        self.arguments = list(arguments)
        self.tls = tls
        self.ca = None  # the file to trust, when tls is True
        self.process = None
        self.url = None  # the POST_URL, with the word ACTION in it
        self.address = None
        self.port = None
        self.output = b""  # what it printed, complete after stop()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exception):
        status = self.stop()
        if exception == (None, None, None):
            assert status == 0, f"the receiver ended with status {status}"

    def start(self):
        command = [binary(), f"--store={self.store}", f"--listen={self.listen}", *self.arguments]
        command += [f"--fault={fault}" for fault in self.faults]
        if self.control:
            command.append("--control")
        if self.tls is True:
            made = self.store.parent / (self.store.name + ".tls")
            self.ca, ca_key = make_ca(made)
            self.tls = make_cert(made, "localhost", (self.ca, ca_key),
                                 san="DNS:localhost,IP:127.0.0.1")
        if self.tls:
            command += [f"--cert={self.tls[0]}", f"--key={self.tls[1]}"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self._greeted = threading.Event()
        self._reader = threading.Thread(target=self._read_output, daemon=True)
        self._reader.start()
        self._greeted.wait(START_TIMEOUT)
        if self.output.count(b"\n") < 2:
            self.stop()
            raise RuntimeError(f"the receiver does not start: {self.output!r}")
        first, second = self.output.decode().splitlines()[:2]
        self.url = second.removeprefix("POST_URL=")
        self.address, _, port = first.rpartition("/")[2].rpartition(":")
        self.address = self.address.strip("[]")
        self.port = int(port)

    def _read_output(self):
        """All the time: a pipe that is full would stop it. Its greeting has two lines."""
        with self.process.stdout as pipe:
            while line := pipe.readline():
                self.output += line
                if self.output.count(b"\n") == 2:
                    self._greeted.set()
        self._greeted.set()

    def stop(self):
        """Ends it if it still runs; its exit status."""
        self.process.terminate()
        return self.wait()

    def wait(self, timeout=START_TIMEOUT):
        """For its own end, with --once; its exit status (-9: it had to be killed)."""
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join()
        return self.process.returncode

    def start_url(self):
        return self.url.replace("ACTION", "Start")

    def finish_url(self):
        return self.url.replace("ACTION", "Finish")

    def _control(self, method, body=None):
        connection = http.client.HTTPConnection(self.address, self.port, timeout=START_TIMEOUT)
        if self.tls:
            connection = http.client.HTTPSConnection(
                self.address, self.port, timeout=START_TIMEOUT,
                context=http.client.ssl._create_unverified_context())
        try:
            connection.request(method, "/_control/faults", body=body and body.encode())
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        if answer.status != 200:
            raise ValueError(text.strip())
        return json.loads(text)

    def set_faults(self, *faults):
        """Replaces all faults; without any, it behaves from now on."""
        self._control("DELETE")
        return self._control("POST", "\n".join(faults)) if faults else []

    def add_faults(self, *faults):
        return self._control("POST", "\n".join(faults))

    def fault_list(self):
        """[{"fault", "left" (-1: always), "hits"}]"""
        return self._control("GET")

    def requests(self, step=None):
        """What was asked, in order: time, method, path, step, status (0: cut, no answer), bytes,
        and where it applies gid, how, refused. Control requests are left out."""
        lines = (self.store / "requests.log").read_text().splitlines()
        entries = [json.loads(line) for line in lines]
        return [e for e in entries
                if e["step"] != "control" and (step is None or e["step"] == step)]

    def uploads(self):
        """All that were started, oldest first: the receipt (gid, size, crc32, puts, finishes,
        finished, times), with fields, headers (None before the PUT) and zip, a path."""
        found = []
        for receipt in self.store.glob("*/receipt.json"):
            folder = receipt.parent
            upload = json.loads(receipt.read_text())
            upload["fields"] = json.loads((folder / "fields.json").read_text())
            headers = folder / "headers.json"
            upload["headers"] = json.loads(headers.read_text()) if headers.exists() else None
            upload["zip"] = folder / "upload.zip"
            found.append(upload)
        return sorted(found, key=lambda upload: upload["times"]["started"])

    def finished(self):
        """Those uploads that went through all three steps."""
        return [upload for upload in self.uploads() if upload["finished"]]


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def make_ca(directory, name="Test CA"):
    """A private CA: (certificate, key), files in directory."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    cert, key = directory / "ca.pem", directory / "ca.key"
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-subj", f"/CN={name}", "-days", "30", "-keyout", key, "-out", cert,
            "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    return cert, key


def make_cert(directory, cn, ca, san=None, days=30, expired=False):
    """A server's (certificate, key), signed by ca, a pair as of make_ca(). san as in openssl's
    subjectAltName, by default DNS:cn. expired: it was good for a day, long ago."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    name = cn.replace("*", "_") + (".expired" if expired else "")
    cert, key, request = (directory / f"{name}.{end}" for end in ("pem", "key", "csr"))
    extensions = directory / f"{name}.ext"
    extensions.write_text(f"subjectAltName={san or 'DNS:' + cn}\n"
                          "basicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\n")
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-subj", f"/CN={cn}", "-keyout", key, "-out", request)
    if expired:
        _sign_expired(directory, request, extensions, cert, ca)
    else:
        openssl("x509", "-req", "-in", request, "-CA", ca[0], "-CAkey", ca[1], "-CAcreateserial",
                "-days", days, "-extfile", extensions, "-out", cert)
    return cert, key


def _sign_expired(directory, request, extensions, cert, ca):
    """Only `openssl ca` takes a start date of the past."""
    config = directory / "expired.cnf"
    (directory / "index.txt").write_text("")
    config.write_text(
        "[ca]\ndefault_ca=own\n[own]\n"
        f"database={directory}/index.txt\nnew_certs_dir={directory}\nrand_serial=yes\n"
        "default_md=sha256\npolicy=any\nunique_subject=no\n[any]\ncommonName=supplied\n")
    openssl("ca", "-batch", "-config", config, "-cert", ca[0], "-keyfile", ca[1], "-in", request,
            "-out", cert, "-notext", "-extfile", extensions,
            "-startdate", "20200101000000Z", "-enddate", "20200102000000Z")
