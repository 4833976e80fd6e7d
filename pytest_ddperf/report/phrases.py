"""Text shared by all reports: totals, verdicts in words, numbers formatted for readers. Pure."""

from __future__ import annotations

import textwrap
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

from pytest_ddperf.core.records import Outcome
from pytest_ddperf.core.results import SEVERITY, shared_notes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_ddperf.core.platform import Platform
    from pytest_ddperf.core.results import Result, Results

GREEN = (Outcome.OK, Outcome.IMPROVED)

Segment = tuple[str, str]
"""A piece of a line of the terminal and its style: "" or one of pytest's markup names (red, green, yellow, bold)."""

Line = list[Segment]

STYLES = {
    Outcome.OK: "",
    Outcome.IMPROVED: "green",
    Outcome.NEW: "yellow",
    Outcome.UNSTABLE: "yellow",
    Outcome.REMEASURE: "yellow",
}


def style_of(cell: Result) -> str:
    """Return the style of a cell in the terminal."""
    return "red" if cell.fails else STYLES.get(cell.outcome, "") if cell.outcome is not None else ""


def wrap_text(text: str, width: int, style: str = "") -> list[Line]:
    """Wrap a text to the width, with continuation lines indented; longer words, such as paths, are not split."""
    parts = textwrap.wrap(text, max(width, 20), subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return [[(part, style)] for part in parts]


def join_lines(text: str) -> str:
    """Put a text on one line: control and other invisible characters become spaces, and spaces are collapsed."""
    plain = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in text)
    return " ".join(plain.split())


def count_verdicts(results: Results) -> dict[Outcome, int]:
    """Count the cells with each verdict, most severe first."""
    counts = Counter(cell.outcome for cell in results.cells if cell.outcome is not None)
    return {outcome: counts[outcome] for outcome in SEVERITY if counts[outcome]}


def count_cells(count: int) -> str:
    """Format a number of cells: `1 cell`, `52 cells`."""
    return f"{count} cell{'' if count == 1 else 's'}"


def list_verdicts(cells: Iterable[Result]) -> str:
    """Format the number of cells with each verdict, greenest first: `50 ok, 2 regressed`."""
    counts = Counter(cell.outcome for cell in cells)
    return ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])


def format_totals(results: Results) -> str:
    """Format the totals: `52 cells: 2 regressed, 50 ok; 3 baseline cells not measured`."""
    counts = count_verdicts(results)
    count = sum(counts.values())
    parts = ", ".join(f"{number} {outcome}" for outcome, number in counts.items()) or "no verdicts"
    text = f"{count_cells(count)}: {parts}"
    return f"{text}; {format_not_measured(results.not_measured)}" if results.not_measured else text


def format_not_measured(count: int) -> str:
    """Format the number of baseline cells without a measurement: `3 baseline cells not measured`."""
    return f"{count} baseline cell{'' if count == 1 else 's'} not measured"


COMMIT_DIGITS = 12
"""Digits shown of a commit id; they are enough to be unique."""


def explain_verdict(cell: Result, length: int) -> str:
    """Explain a verdict on one line, with the notes on the comparison.

    Args:
        cell: a cell with a verdict.
        length: maximum length of the explanation, characters; notes are not truncated.
    """
    reason = join_lines(cell.reason)
    short = reason if len(reason) <= length else f"{reason[:length]} ..."
    said = f"{short}." if short and cell.notes and not short.endswith(".") else short
    return " ".join(part for part in (said, *(f"Note: {join_lines(note)}." for note in cell.notes)) if part)


def collect_notes(results: Results) -> list[str]:
    """Collect the notes on comparisons, each once with the cells it applies to.

    Notes that a cell comes from an earlier run are omitted; the warnings list these runs.
    """
    return shared_notes(
        (cell.key, map(join_lines, cell.notes if cell.earlier is None else cell.notes[:-1])) for cell in results.cells
    )


def format_published(ms: float, platform: Platform | None) -> str:
    """Format a published value as in its table; a value read from a picture has three significant digits.

    Args:
        ms: milliseconds per image.
        platform: the platform of the table; None if it is not in the catalogue.
    """
    whole = f"{ms:.15g}"
    if platform is None or not (platform.reading_error_percent or platform.reading_error_ms):
        return whole
    three = f"{ms:#.3g}".rstrip(".") if ms < 1000 else f"{ms:.0f}"
    return three if float(three) == ms else whole  # the project's own table may have more digits


def format_ratio(ratio: float | None) -> str:
    """Format a ratio as percent: `10 %`; "" for None."""
    return "" if ratio is None else f"{ratio * 100:.3g} %"


def describe_hardware(platform: Platform) -> list[str]:
    """List what the report states about a platform's hardware: `300 GFLOPS`, `192 cores` ..."""
    facts = (
        (platform.peak_gflops, "GFLOPS"),
        (platform.cores, "cores"),
        (platform.memory_gib, "GiB"),
        (platform.watts, "W under load"),
        (platform.price_usd, "USD"),
    )
    return [f"{value:g} {unit}" if unit != "GFLOPS" else f"{value:.0f} {unit}" for value, unit in facts if value]
