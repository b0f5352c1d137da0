# SPDX-License-Identifier: LGPL-2.1-or-later
"""Scenarios: what happens to a machine, run once and looked at by many tests.

A scenario is a function that takes a Guest and gives an outcome. A test asks for it with
@uses(scenario), and gets the outcome as its argument of that name, once for each kernel. The scenarios of all tests that are to run start at once, two machines at a time.
"""

import collections
import concurrent.futures
import fcntl
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]

import guest as guests  # noqa: E402
import kernels  # noqa: E402
import qemu  # noqa: E402

EXPECTED = (guests.GuestError, kernels.KernelError, qemu.MachineError)
MACHINES = int(os.environ.get("MACHINES", "2"))  # at a time


def kernel_list():
    """The matrix; one that cannot be had fails each test instead of the collection."""
    try:
        return kernels.available()
    except kernels.KernelError as error:
        return [error]


def kernel_name(kernel):
    return kernel.series if isinstance(kernel, kernels.Kernel) else "no-kernel"


class Stage:
    """Runs scenarios, each once for each kernel."""

    def __init__(self):
        self.pool = concurrent.futures.ThreadPoolExecutor(MACHINES)
        self.guests = {}
        self.runs = {}
        self.told = set()
        self.lock = None

    def _guest(self, kernel):
        if kernel not in self.guests:
            self.guests[kernel] = self.pool.submit(guests.build, kernel)
        return self.guests[kernel]

    def start(self, scenario, kernel):
        """Queue it, unless it was."""
        if isinstance(kernel, Exception) or (scenario, kernel) in self.runs:
            return
        self._guest(kernel)  # queued before what waits for it: the pool cannot lock up
        self.runs[scenario, kernel] = self.pool.submit(
            lambda: scenario(self._guest(kernel).result()))

    def outcome(self, scenario, kernel):
        """What it came to; its exception if it failed."""
        if isinstance(kernel, Exception):
            raise kernel
        self.start(scenario, kernel)
        return self.runs[scenario, kernel].result()


STAGE = Stage()
KERNELS = None


def pytest_configure(config):
    config.addinivalue_line("markers", "uses(scenario, series=None): gives the outcome argument")


def pytest_generate_tests(metafunc):
    global KERNELS
    mark = metafunc.definition.get_closest_marker("uses")
    if mark:
        if KERNELS is None:
            KERNELS = kernel_list()
        series = mark.kwargs.get("series")
        chosen = [kernel for kernel in KERNELS
                  if isinstance(kernel, Exception) or series in (None, kernel.series)]
        metafunc.parametrize("kernel", chosen, ids=kernel_name, scope="session")


def pytest_collection_finish(session):
    items = [item for item in session.items if item.get_closest_marker("uses")]
    if session.config.option.collectonly or not items:
        return
    # The machines of two runs would have the same folders; the lock goes with this process.
    os.makedirs(guests.OUTPUT, exist_ok=True)
    STAGE.lock = open(os.path.join(guests.OUTPUT, ".lock"), "w", encoding="ascii")
    fcntl.flock(STAGE.lock, fcntl.LOCK_EX)
    # What most tests wait for takes longest: first, so that no machine runs alone at the end.
    wanted = collections.Counter((item.get_closest_marker("uses").args[0],
                                  item.callspec.params["kernel"]) for item in items)
    for (scenario, kernel), _ in wanted.most_common():
        STAGE.start(scenario, kernel)


@pytest.fixture
def outcome(request, kernel):
    """What the test's scenario came to with this kernel. If it failed, the first test that asks
    tells why, and the others only that it did."""
    scenario = request.node.get_closest_marker("uses").args[0]
    try:
        return STAGE.outcome(scenario, kernel)
    except Exception as error:  # pylint: disable=broad-except
        name = f"{scenario.__name__} with kernel {kernel_name(kernel)}"
        if (scenario, kernel) in STAGE.told:
            pytest.fail(f"{name} failed, as said above", pytrace=False)
        STAGE.told.add((scenario, kernel))
        if isinstance(error, EXPECTED):
            pytest.fail(f"{name}: {error}", pytrace=False)
        raise


def pytest_sessionfinish():
    STAGE.pool.shutdown(wait=True, cancel_futures=True)
