"""`--platform` as an alias of `--ddperf-platform`, in a separate plugin that `-p no:ddperf_platform` blocks.

`--platform` is a common option in users' own conftests. The alias is registered after those have been read, and only if
none of them defines an option of that name.
"""

from __future__ import annotations

import argparse
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from pytest_ddperf.config.options import OPTION_GROUPS, group_title

if TYPE_CHECKING:
    from collections.abc import Generator


ALIAS_KEY = pytest.StashKey[bool]()
"""On a config: whether `--platform` is our alias in this run and not an option of the project."""


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser) -> Generator[None, None, None]:
    """Register the alias after the users' conftests."""
    yield
    group = parser.getgroup(group_title(next(iter(OPTION_GROUPS))))
    try:
        group.addoption("--platform", dest="ddperf_platform", metavar="A[,B]", help="short form of --ddperf-platform")
    except (ValueError, argparse.ArgumentError):  # a conftest's own option takes precedence
        return
    early_config.stash[ALIAS_KEY] = True
    with suppress(AttributeError):  # pytest only appends options; move the alias to the second place
        shown = group._arggroup._group_actions  # noqa: SLF001
        shown.insert(1, shown.pop())
