# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the capture image for virtio and ext4 may cost, with the modules of real kernels. No machine is
started."""

import os

import pytest

import conftest
import real_image


@pytest.mark.parametrize("kernel", conftest.kernel_list(), ids=conftest.kernel_name)
def test_image_is_small_and_built_at_once(kernel, tmp_path):
    if isinstance(kernel, Exception):
        raise kernel
    machine, command = real_image.build(tmp_path, kernel)
    # The least of some: what else runs on the machine costs CPU time, too, by its caches.
    assert min(real_image.cpu(command) for _ in range(5)) <= real_image.MOST_SECONDS
    assert os.path.getsize(machine.image(kernel.version)) <= real_image.MOST_BYTES
