"""The figures of the Markdown report: which there are, and the Markdown that shows them."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

from pytest_ddperf.report import figures_dir
from pytest_ddperf.report.plain import inline

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_WIDTH = 450
"""Pixels of a figure that stands beside another one, as in the report."""


class Figures:
    """The figures of a report, as Markdown that shows them.

    Args:
        charts: the names of the figures, without ending; of each one the PNG is shown.
        path: of the report, which the links are relative to.
    """

    def __init__(self, charts: Iterable[str], path: Path) -> None:
        folder = figures_dir(path).name
        self._links = {name: quote(f"{folder}/{name}.png") for name in charts}
        self.shown: set[str] = set()
        """The names of the figures that the report shows so far."""

    def names(self, folder: str) -> list[str]:
        """The names of the figures in a folder, in the order of the report."""
        return [name for name in self._links if name.startswith(f"{folder}/")]

    def others(self) -> list[str]:
        """The names of the figures that were not shown yet."""
        return [name for name in self._links if name not in self.shown]

    def of_platform(self, platform: str) -> list[str]:
        """The names of one platform's figures of the time per image, the logarithmic one first."""
        own = rf"latency/{re.escape(platform)}(_log|_linear|_bars)?"
        return sorted((name for name in self.names("latency") if re.fullmatch(own, name)), key=_linear_last)

    def image(self, name: str, indent: str = "") -> str:
        """One figure."""
        self.shown.add(name)
        return f"{indent}![{inline(_words(name))}]({self._links[name]})"

    def side_by_side(self, names: Sequence[str]) -> list[str]:
        """Figures in rows of two."""
        lines: list[str] = []
        self.shown.update(names)
        for first in range(0, len(names), 2):
            lines += ["<table>", "  <tr>"]
            for name in names[first : first + 2]:
                lines.append(
                    f'     <th><img src="{self._links[name]}" width="{_WIDTH}" alt="{escape(_words(name))}"></th>'
                )
            lines += ["  </tr>", "</table>"]
        return [*lines, ""] if lines else []

    def folded(self, names: Sequence[str], summary: str) -> list[str]:
        """Figures that open on a click."""
        if not names:
            return []
        shown = [line for name in names for line in (self.image(name, "  "), "")]
        return ["<details>", f"  <summary>{summary}</summary>", "", *shown, "</details>", ""]


def _words(name: str) -> str:
    """What a figure shows, for those who do not see it: `latency, tk1 log`."""
    return name.replace("/", ", ").replace("_", " ")


def _linear_last(name: str) -> bool:
    return name.endswith("_linear")
