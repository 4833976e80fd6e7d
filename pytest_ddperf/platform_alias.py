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


ALIAS_KEY = pytest.StashKey[bool]()
"""On a config: whether `--platform` is our alias in this run, and no option of the project's."""


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser) -> Generator[None, None, None]:
    """Register the alias behind the users' conftests."""
    yield
    try:
        parser.getgroup("ddperf").addoption(
            "--platform", dest="ddperf_platform", metavar="A[,B]", help="the same as --ddperf-platform"
        )
    except (ValueError, argparse.ArgumentError):  # the same group has it, or another one
        return  # a conftest of the user's has an option of this name, and keeps it
    early_config.stash[ALIAS_KEY] = True
