"""Shared by all tests: property tests try the same examples every time, so that no clean clone fails by chance.

To search further: `pytest --hypothesis-profile=search`; `tox -e fuzz` runs tests/fuzz as long as the project promises,
`tox -e soak` tests/soak, too.
"""

from __future__ import annotations

import contextlib
import importlib
import signal
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

with contextlib.suppress(ModuleNotFoundError):
    # `pytest --ddperf-plot` in a clone loads this file too, where the packages of the tests need not be installed
    from hypothesis import settings

    settings.register_profile("search", deadline=None)
    settings.register_profile("fuzz", deadline=None, max_examples=100_000, database=None)
    settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
    settings.load_profile("repeatable")


# Tests interrupt processes that they start. In a shell's background job SIGINT is ignored, which these would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long tests/soak lasts; `tox -e soak` takes half an hour."""
    group = parser.getgroup("soak")
    group.addoption("--soak-s", type=float, default=8.0, help="seconds of tests/soak (default: %(default)s)")
    group.addoption("--soak-seed", type=int, default=3, help="what happens when (default: %(default)s)")


@pytest.fixture(scope="session", autouse=True)
def _matplotlib_is_loaded_whole() -> None:
    """A pytest run within this process forgets the modules it was the first to import, the classes in use remain.

    Of a library that was imported in part before, and the rest by such a run, there are two kinds of Rectangle then.
    """
    importlib.import_module("matplotlib.figure")


@pytest.fixture(scope="session", autouse=True)
def _own_temporary_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The locks of servers lie there: what else runs on this machine is no business of the tests."""
    folder = tmp_path_factory.getbasetemp() / "t"  # short: the paths of sockets lie below it
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setattr(tempfile, "tempdir", str(folder))
        if sys.dont_write_bytecode:  # processes that tests start spend most of their time on compiling otherwise
            patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
            patch.setenv("PYTHONPYCACHEPREFIX", str(folder / "compiled"))
        yield
