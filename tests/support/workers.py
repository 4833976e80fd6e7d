"""Variants of a test: its run as one process, and with a worker of pytest-xdist."""

from __future__ import annotations

import pytest

plain_and_xdist = pytest.mark.parametrize(
    "how", [pytest.param((), id="plain"), pytest.param(("-n1",), id="xdist", marks=pytest.mark.slow)]
)
"""Fill the argument `how` with further options of pytest. The run with a worker is a slow test."""
