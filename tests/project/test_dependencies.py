"""What pyproject.toml asks for: what the code imports and no more, in versions that are tried."""

from __future__ import annotations

import ast
import functools
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Mapping

REPO = Path(__file__).resolve().parents[2]
PACKAGE = REPO / "pytest_ddperf"
PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = {
    "embedded": "pytest_ddperf/embedded/",
    "completion": "pytest_ddperf/cli/completion.py",
}
"""Each extra, and the only part of the package that may need it."""

NOT_IMPORTED = {
    "httptools",  # uvicorn finds it by itself
}


def requirements(group: str | None) -> list[Requirement]:
    texts = PROJECT["dependencies"] if group is None else PROJECT["optional-dependencies"][group]
    return [Requirement(text) for text in texts]


def names(group: str | None) -> set[str]:
    return {canonicalize_name(one.name) for one in requirements(group)}


@functools.cache
def installed() -> Mapping[str, list[str]]:
    return packages_distributions()


def imported(path: Path) -> set[str]:
    """The distributions whose modules a file imports, wherever it does."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None and not node.level:
            modules.add(node.module.partition(".")[0])
    modules -= sys.stdlib_module_names | {"pytest_ddperf", "_pytest"}
    known = installed()
    assert modules <= known.keys(), f"{path}: {modules - known.keys()} is not installed"
    return {canonicalize_name(name) for module in modules for name in known[module]}


def needed(part: str | None) -> set[str]:
    """What a part of the package imports; None: all that belongs to no extra."""
    files = {path.relative_to(REPO).as_posix(): path for path in PACKAGE.rglob("*.py")}
    extra = tuple(EXTRAS.values())
    wanted = [path for name, path in files.items() if (name.startswith(part) if part else not name.startswith(extra))]
    assert wanted
    return {name for path in wanted for name in imported(path)}


def test_the_extras_are_these() -> None:
    assert PROJECT["optional-dependencies"].keys() == EXTRAS.keys()


def test_what_is_asked_for_is_what_is_imported() -> None:
    assert names(None) - NOT_IMPORTED == needed(None)


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_is_what_its_part_imports_beyond_the_rest(extra: str) -> None:
    assert names(extra) - NOT_IMPORTED == needed(EXTRAS[extra]) - names(None)


def test_the_lowest_versions_that_are_tried_are_those_that_are_asked_for() -> None:
    asked = [one for group in (None, *EXTRAS) for one in requirements(group)]
    assert all([each.operator for each in one.specifier] == [">="] for one in asked)
    lowest = sorted(f"{one.name}=={next(iter(one.specifier)).version}" for one in asked)
    lines = (REPO / "tests" / "constraints-lowest.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == lowest
