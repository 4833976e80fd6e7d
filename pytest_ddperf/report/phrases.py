"""What reports of every kind say alike: totals, the run in words, numbers as a person writes them. Pure."""

from __future__ import annotations

import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

from pytest_ddperf.core.records import Outcome
from pytest_ddperf.core.results import SEVERITY, shared_notes

if TYPE_CHECKING:
    from pytest_ddperf.core.platform import Platform
    from pytest_ddperf.core.results import Result, Results

GREEN = (Outcome.OK, Outcome.IMPROVED)


def join_lines(text: str) -> str:
    """The text on one line, without control and other invisible characters: they become spaces, and spaces one."""
    plain = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in text)
    return " ".join(plain.split())


def count_verdicts(results: Results) -> dict[Outcome, int]:
    """How many cells ended in each verdict, those that need a look first."""
    counts = Counter(cell.outcome for cell in results.cells if cell.outcome is not None)
    return {outcome: counts[outcome] for outcome in SEVERITY if counts[outcome]}


def format_totals(results: Results) -> str:
    """`52 cells: 2 regressed, 50 ok; 3 of the baseline not measured`."""
    counts = count_verdicts(results)
    count = sum(counts.values())
    parts = ", ".join(f"{number} {outcome}" for outcome, number in counts.items()) or "nothing was judged"
    text = f"{count} cell{'' if count == 1 else 's'}: {parts}"
    return f"{text}; {results.not_measured} of the baseline not measured" if results.not_measured else text


COMMIT_DIGITS = 12
"""Digits of a commit's id that are shown to a person: more tell it from no other one."""


def explain_verdict(cell: Result, length: int) -> str:
    """The verdict in words on one line, and what must be known of the comparison.

    Args:
        cell: with a verdict.
        length: characters of the verdict's words; notes are whole.
    """
    reason = join_lines(cell.reason)
    short = reason if len(reason) <= length else f"{reason[:length]} ..."
    said = f"{short}." if short and cell.notes and not short.endswith(".") else short
    return " ".join(part for part in (said, *(f"Note: {join_lines(note)}." for note in cell.notes)) if part)


def collect_notes(results: Results) -> list[str]:
    """What must be known of comparisons, each once, with the cells it is of.

    Which earlier run a cell is of stands in the warnings, for all of them.
    """
    return shared_notes(
        (cell.key, map(join_lines, cell.notes if cell.earlier is None else cell.notes[:-1])) for cell in results.cells
    )


def select_failing(results: Results) -> tuple[Result, ...]:
    """The cells that failed, the regressed ones first and the greatest change before others."""
    return tuple(cell for cell in results.judged if cell.fails)


def format_published(ms: float, platform: Platform | None) -> str:
    """A published value as its table prints it: what was read back from a picture has three significant digits.

    Args:
        ms: milliseconds per image.
        platform: whose table it is of; None for one that the catalogue does not know.
    """
    whole = f"{ms:.15g}"
    if platform is None or not (platform.reading_error_percent or platform.reading_error_ms):
        return whole
    three = f"{ms:#.3g}".rstrip(".") if ms < 1000 else f"{ms:.0f}"
    return three if float(three) == ms else whole  # a table of the project's own may have more


def format_ratio(ratio: float | None) -> str:
    """A share: `10 %`; "" for None."""
    return "" if ratio is None else f"{ratio * 100:.3g} %"


def describe_hardware(platform: Platform) -> list[str]:
    """What the report states of a platform's hardware: `300 GFLOPS`, `192 cores` ..."""
    facts = (
        (platform.peak_gflops, "GFLOPS"),
        (platform.cores, "cores"),
        (platform.memory_gib, "GiB"),
        (platform.watts, "W under load"),
        (platform.price_usd, "USD"),
    )
    return [f"{value:g} {unit}" if unit != "GFLOPS" else f"{value:.0f} {unit}" for value, unit in facts if value]
