"""The report's figures, drawn from data: the only package that loads matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_ddperf.results import Results, Trend


def draw(results: Results, trends: Sequence[Trend], folder: Path, platforms: Sequence[str]) -> list[Path]:
    """Draw every figure that there is data for, as PNG and SVG; the same input gives the same bytes.

    Args:
        results: all platforms, since some figures compare them.
        trends: histories of cells.
        folder: where the files go; made where it is not there.
        platforms: whose own figures are drawn.

    Returns:
        The files, in the order of the report.
    """
    raise NotImplementedError
