"""`--platform` as an alias of `--ddperf-platform`, in a plugin of its own that can be blocked: `-p no:ddperf_platform`.

`--platform` is a common option in users' own conftests. The alias is registered after those have been read, and stands
back where one of them owns the name.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(parser: pytest.Parser) -> Generator[None, None, None]:
    """Register the alias behind the users' conftests."""
    yield
    try:
        parser.getgroup("ddperf").addoption(
            "--platform", dest="ddperf_platform", metavar="A[,B]", help="the same as --ddperf-platform"
        )
    except (ValueError, argparse.ArgumentError):  # the same group has it, or another one
        return  # a conftest of the user's has an option of this name, and keeps it
