# SPDX-License-Identifier: LGPL-2.1-or-later
"""How a test names the scenario that it looks at; conftest.py runs them."""

import pytest


def uses(scenario, series=None):
    """The test looks at what scenario(guest) came to, with every kernel or those of a series. Has
    its `outcome` argument."""
    return pytest.mark.uses.with_args(scenario, series=series)
