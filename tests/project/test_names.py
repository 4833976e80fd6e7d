"""Names say what a thing does, in plain words: those that did not once may not come back."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "pytest_ddperf"

BANNED = frozenset(
    [
        "abandoned",
        "anew",
        "condemned",
        "costed",
        "described",
        "drawn",
        "ended",
        "endings",
        "fitted",
        "gated",
        "gathered",
        "joined",
        "keeping",
        "ledger",
        "listed",
        "named",
        "parsed",
        "presented",
        "reckoned",
        "shown",
        "sized",
        "styled",
        "taken",
        "told",
        "wrapped",
        "written",
    ]
)
"""Participles and metaphors: `gather_results`, not `gathered`."""

DEFINITION = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def public_names() -> Iterator[str]:
    """Every module, and every public function and class, as `package/module.py: name`."""
    for path in sorted(PACKAGE.rglob("*.py")):
        where = path.relative_to(PACKAGE).as_posix()
        yield f"{where}: {path.stem}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, DEFINITION) and not node.name.startswith("_"):
                yield f"{where}: {node.name}"


def words(name: str) -> set[str]:
    """The words of a name: `CellFailed` and `cell_failed` have two."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def test_a_name_is_cut_into_its_words() -> None:
    assert words("gathered_results") == words("GatheredResults") == {"gathered", "results"}


def test_no_public_name_has_a_banned_word() -> None:
    assert [name for name in public_names() if words(name.partition(": ")[2]) & BANNED] == []
