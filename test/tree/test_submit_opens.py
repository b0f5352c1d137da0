# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the submitter touches of the machine: the kdump folder, its configuration, what a TLS client
and its libraries read, and nothing else."""

import pathlib
import re
import sys

import pytest

import tree as machine
from harness import missing
from tree import FOLDER, TOP, Tree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from receiver import Receiver  # noqa: E402

# The plain build: sanitizers read files of their own.
PLAIN = TOP / "build/main/src/kdump-steamos"

CALLS = ("open,openat,openat2,creat,mkdir,mkdirat,unlink,unlinkat,rename,renameat,renameat2,link,"
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
    rf"{FOLDER}(/|$)|etc/default(/kdump(\.d(/.*)?)?)?$|etc/os-release$|usr/lib/os-release$|"
    r"proc/self/mountinfo$")
MAY_WRITE_IN_TREE = re.compile(rf"{FOLDER}/")


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


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    """One run that sends a report by TLS, and one that is told to come back."""
    if not PLAIN.exists():
        missing("needs the plain build")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "program", lambda: str(PLAIN))
        return trace_two_runs(tmp_path_factory.mktemp("opens"))


def trace_two_runs(path):
    tree = Tree(path / "tree")
    tree.panic()
    assert len(tree.collect()) == 1
    traces = []
    with Receiver(path / "store", tls=True, faults=["finish:status:503:1"]) as server:
        tree.config(POST_URL=server.url)
        for number, status in enumerate((1, 0)):
            traces.append(path / f"trace{number}")
            done = tree.run("submit", "--now", f"--cacert={server.ca}",
                            wrapper=["strace", "-f", "-y", "-s", "4096", "-o", traces[-1], "-e",
                                     f"trace={CALLS}"])
            assert done.returncode == status, done.stderr
        ca = server.ca
    assert len(tree.zips("sent_logs")) == 1
    return tree, [call for trace in traces for call in calls(trace)], str(ca)


def in_tree(tree, path):
    """The path below the tree; None: it is the machine's."""
    top = str(tree.path)
    return None if not path.startswith(top) else path[len(top):].lstrip("/")


def test_reads_nothing_else(traced):
    tree, made, ca = traced
    opened = [(line, path) for call, line, path in made if call.startswith("open") and path]
    assert len(opened) > 20
    for line, path in opened:
        inside = in_tree(tree, path)
        if inside is None:
            assert MAY_READ.match(path) or path in (ca, "/"), line
        else:
            # The way down to a file is opened as a place, not to be read.
            assert inside == "" or MAY_READ_IN_TREE.match(inside) or "O_PATH" in line or \
                ("O_DIRECTORY" in line and FOLDER.startswith(inside)), line


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
    assert renames >= 2


def test_does_nothing_to_the_machine(traced):
    """One program is executed: itself; it goes nowhere else, and loads nothing into the kernel."""
    _, made, _ = traced
    assert [call for call, _, _ in made if call.startswith("execve")] == ["execve", "execve"]
    assert not {call for call, _, _ in made} & {
        "chdir", "chroot", "mount", "ptrace", "init_module", "finit_module", "kexec_load",
        "kexec_file_load", "bpf"}
