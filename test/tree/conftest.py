# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tests of whole verbs share: a server for reports, and a tree with a pending one."""

import pathlib
import sys

import pytest

from tree import NAME, Tree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from receiver import Receiver  # noqa: E402


@pytest.fixture(scope="module")
def one_server(tmp_path_factory):
    with Receiver(tmp_path_factory.mktemp("receiver") / "store") as running:
        yield running


@pytest.fixture
def server(one_server):
    """Starting one takes longer than a test: it is shared, and told apart by what came before."""
    one_server.set_faults()
    log = len(one_server.requests())
    seen = {upload["gid"] for upload in one_server.uploads()}
    one_server.new = lambda step=None: [r for r in one_server.requests()[log:]
                                        if step in (None, r["step"])]
    one_server.steps = lambda: [r["step"] for r in one_server.new()]
    one_server.arrived = lambda: [u for u in one_server.finished() if u["gid"] not in seen]
    one_server.notes = lambda: [u["fields"]["note"] for u in one_server.arrived()]
    yield one_server
    one_server.set_faults()


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    """A tree with a pending report, to be copied."""
    tree = Tree(tmp_path_factory.mktemp("collected") / "tree")
    tree.panic()
    assert tree.collect() == [NAME]
    return tree
