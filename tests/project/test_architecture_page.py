"""docs/architecture.md shows the packages that exist, in the order in which they may import each other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "pytest_ddperf"


def shown_layers() -> list[set[str]]:
    """The tree of the page: a line that begins with `|` is beside the one above it."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    tree = re.search(r"```text\npytest_ddperf/\n(.*?)```", page, re.DOTALL)
    assert tree is not None
    layers: list[set[str]] = []
    for line in tree[1].splitlines():
        beside, name = re.match(r"(\||) +(\w+)(?:/|\.py) ", line).groups()  # type: ignore[union-attr]
        if beside:
            layers[-1].add(name)
        else:
            layers.append({name})
    return layers


def test_the_tree_shows_what_is_at_the_root_of_the_package() -> None:
    there = {path.stem for path in PACKAGE.iterdir() if path.name not in {"__init__.py", "py.typed", "__pycache__"}}
    assert set.union(*shown_layers()) == there


def test_the_tree_shows_the_direction_of_imports() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = project["tool"]["importlinter"]["contracts"][0]
    assert shown_layers() == [set(layer.split(" | ")) for layer in contract["layers"]]
