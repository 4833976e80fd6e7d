"""Argcomplete completers for names of platforms and networks. Imported only when a shell requests completions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from pytest_ddperf.config.load_catalog import load_catalog
from pytest_ddperf.core.limits import split_names
from pytest_ddperf.errors import DdperfError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_ddperf.core.catalog import Catalog


Completer: TypeAlias = "Callable[..., list[str]]"


def complete_names(source: Callable[[], Iterable[str]]) -> Completer:
    """Create a completer for one name, or several separated by commas, of those that `source` returns."""

    def complete(prefix: str, **_asked: Any) -> list[str]:  # noqa: ANN401 - argcomplete's parser and action
        done, comma, _begun = prefix.rpartition(",")
        taken = split_names(done)
        return [f"{done}{comma}{name}" for name in source() if name not in taken]

    return complete


def platform_names(project_dir: Path | None = None) -> Completer:
    """Create a completer for the platforms of the package and of ddperf.toml in a folder (default: the current one)."""
    return complete_names(lambda: _catalog(project_dir).platforms)


def model_names(project_dir: Path | None = None) -> Completer:
    """Create a completer for the networks of the package and of ddperf.toml in a folder (default: the current one)."""
    return complete_names(lambda: _catalog(project_dir).networks)


def _catalog(project_dir: Path | None) -> Catalog:
    try:
        return load_catalog(project_dir or Path.cwd())
    except DdperfError:  # a shell cannot show what is wrong with ddperf.toml
        return load_catalog()
