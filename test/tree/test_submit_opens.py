# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the submitter touches of the machine: the kdump folder, its configuration, what a TLS client
and its libraries read, and nothing else."""

import pathlib
import re
import sys

import pytest

import tree as machine
from harness import missing
from tree import FOLDER, NOWHERE, TOP, Tree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from receiver import Receiver  # noqa: E402
from test_backends import FOLDER as HANDOVER, Sentry, hand_over  # noqa: E402

# The plain build: sanitizers read files of their own.
PLAIN = TOP / "build/main/src/kdump-steamos"

CALLS = ("connect,socket,bind,listen,accept4,open,openat,openat2,creat,mkdir,mkdirat,unlink,unlinkat,rename,renameat,renameat2,link,"
         "linkat,symlink,symlinkat,truncate,execve,execveat,chdir,chroot,mount,ptrace,init_module,"
         "finit_module,kexec_load,kexec_file_load,bpf")
WRITES = ("O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND", "O_TMPFILE")
# Of the machine that the test runs on; of the tree, below.
MAY_READ = re.compile(
    r"/(usr/)?lib(32|64|x32)?/|/usr/local/lib/|/etc/(ld\.so\.(cache|preload)|localtime|nsswitch\.conf|"
    r"host\.conf|resolv\.conf|hosts|gai\.conf|services|protocols|passwd|group)$|"
    r"/etc/(ssl|pki|ca-certificates|gnutls|crypto-policies)(/|$)|"
    r"/usr/share/(ca-certificates|zoneinfo|locale)/|"
    r"/proc/(self|thread-self)/|/proc/sys/(crypto|vm)/|/dev/(null|urandom|random)$|"
    r"/sys/(devices/system/cpu|fs/cgroup)(/|$)")
MAY_READ_IN_TREE = re.compile(
    rf"{FOLDER}(/|$)|{HANDOVER}(/|$)|proc/uptime$|etc/default(/kdump(\.d(/.*)?)?)?$|etc/os-release$|usr/lib/os-release$|"
    r"proc/self/mountinfo$")
MAY_WRITE_IN_TREE = re.compile(rf"({FOLDER}|{HANDOVER})/")


def calls(trace):
    """Of each call that succeeded: its name, the whole line, and the path that it came to."""
    for line in trace.read_text(errors="replace").splitlines():
        found = re.match(r"\d+\s+(\w+)\((.*)\) = (\d+)(?:<([^>]*)>)?", line)
        if found:
            yield found[1], line, found[4]


def written_paths(line):
    """The names in a call that has no file of its own: 'dirfd<path>, "name"'."""
    for folder, name in re.findall(r'(?:<([^>]*)>, )?"([^"]*)"', line):
        yield name if name.startswith("/") else f"{folder}/{name}"


@pytest.fixture(scope="module", params=["steam", "all back ends", "refused", "submission off", "nobody there"])
def traced(request, tmp_path_factory):
    """Runs of each kind, all of whose calls are given, and the ports that they may go to."""
    if not PLAIN.exists():
        missing("needs the plain build")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "program", lambda: str(PLAIN))
        return trace_two_runs(tmp_path_factory.mktemp("opens"), request.param)


def trace_two_runs(path, kind):
    tree = Tree(path / "tree")
    tree.panic()
    assert len(tree.collect()) == 1
    traces = []
    fault = "start:status:400" if kind == "refused" else "finish:status:503:1"
    with Receiver(path / "store", tls=True, faults=[fault]) as server, Sentry() as sentry:
        ports = {server.port}
        tree.config(POST_URL=server.url)
        if kind == "all back ends":
            hand_over(tree)
            tree.config(SENTRY_DSN=sentry.dsn, HANDOVER_FOLDER=f"/{HANDOVER}")
            ports.add(int(re.search(r":(\d+)/", sentry.dsn)[1]))
        elif kind == "submission off":
            tree.config(LOG_SUBMISSION="0")
            ports = set()
        elif kind == "nobody there":
            tree.config(POST_URL=NOWHERE)
            ports = {9}
        expected = {"refused": (1, 0), "submission off": (0, 0), "nobody there": (1, 1)}
        for number, status in enumerate(expected.get(kind, (1, 0))):
            traces.append(path / f"trace{number}")
            done = tree.run("submit", *(["--wait=2"] if kind == "nobody there" else ["--now"]),
                            f"--cacert={server.ca}",
                            wrapper=["strace", "-f", "-y", "-s", "4096", "-o", traces[-1], "-e",
                                     f"trace={CALLS}"])
            assert done.returncode == status, done.stderr
        ca = server.ca
    where = {"refused": "failed_logs", "submission off": "not_sent_logs", "nobody there": ""}
    assert len(tree.zips(where.get(kind, "sent_logs"))) == 1
    return Traced(tree, [call for trace in traces for call in calls(trace)], str(ca), ports,
                  "".join(trace.read_text(errors="replace") for trace in traces))


class Traced:
    def __init__(self, tree, made, ca, ports, text):
        self.tree, self.made, self.ca, self.ports, self.text = tree, made, ca, ports, text

    def __iter__(self):
        return iter((self.tree, self.made, self.ca))


def in_tree(tree, path):
    """The path below the tree; None: it is the machine's."""
    top = str(tree.path)
    return None if not path.startswith(top) else path[len(top):].lstrip("/")


def test_reads_nothing_else(traced):
    tree, made, ca = traced
    opened = [(line, path) for call, line, path in made if call.startswith("open") and path]
    assert len(opened) > 5 + 15 * bool(traced.ports)
    for line, path in opened:
        inside = in_tree(tree, path)
        if inside is None:
            assert MAY_READ.match(path) or path in (ca, "/"), line
        else:
            # The way down to a file is opened as a place, not to be read.
            assert inside == "" or MAY_READ_IN_TREE.match(inside) or "O_PATH" in line or \
                ("O_DIRECTORY" in line and any(where.startswith(inside)
                                               for where in (FOLDER, HANDOVER))), line


def test_writes_into_the_folder_only(traced):
    tree, made, _ = traced
    renames = 0
    for call, line, path in made:
        if call.startswith(("open", "creat")):
            if any(flag in line for flag in WRITES) and path != "/dev/null":
                assert path and MAY_WRITE_IN_TREE.match(in_tree(tree, path) or ""), line
        elif call.startswith(("mkdir", "unlink", "rename", "link", "symlink", "truncate")):
            names = list(written_paths(line))
            renames += call.startswith("rename")
            assert names
            for name in names:
                assert MAY_WRITE_IN_TREE.match(in_tree(tree, name) or ""), line
    assert renames >= (2 if traced.ports - {9} else 1 if not traced.ports else 0)


def test_goes_to_its_servers_only(traced):
    """Each address of a connection is a server's; none waits for others to connect."""
    assert not re.search(r"^\d+\s+(listen|accept4)\(", traced.text, re.MULTILINE)
    families = set(re.findall(r"^\d+\s+socket\((\w+),", traced.text, re.MULTILINE))
    assert families <= {"AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK"}
    assert bool(families & {"AF_INET", "AF_INET6"}) == bool(traced.ports)
    went = set()
    for line in re.findall(r"^\d+\s+connect\(.*", traced.text, re.MULTILINE):
        if "AF_INET" in line:
            port, = re.findall(r"sin6?_port=htons\((\d+)\)", line)
            assert int(port) in traced.ports and "127.0.0.1" in line, line
            went.add(int(port))
        else:  # a name service's, of this machine
            assert re.search(r'sun_path="/(var/)?run/(nscd|systemd)/', line), line
    assert went == traced.ports


def test_does_nothing_to_the_machine(traced):
    """One program is executed: itself; it goes nowhere else, and loads nothing into the kernel."""
    _, made, _ = traced
    assert [call for call, _, _ in made if call.startswith("execve")] == ["execve", "execve"]
    assert not {call for call, _, _ in made} & {
        "chdir", "chroot", "mount", "ptrace", "init_module", "finit_module", "kexec_load",
        "kexec_file_load", "bpf"}
