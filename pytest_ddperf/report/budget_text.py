"""Format budgets: lines for the terminal and columns for reports. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.core.budgets import Standing, find_tightest
from pytest_ddperf.report.phrases import wrap_text
from pytest_ddperf.text import format_change, format_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_ddperf.core.budgets import BudgetCheck
    from pytest_ddperf.core.results import Result
    from pytest_ddperf.report.phrases import Line

RULE = (
    "Headroom is the share of the allowed time that is not used. An interval beyond the limit is over budget, one that "
    "contains it is undecided."
)
COLUMNS = ("cell", "budget", "now", "interval", "headroom", "decided")
"""Headings of the table of budgets; figures have the unit of the limit."""


def format_budget(cell: Result) -> str:
    """Format the limit of a cell that needs a look first: `min_fps = 25: 17.2 % within`; "" without a budget."""
    check = find_tightest(cell.budgets)
    if check is None:
        return ""
    doubt = " (undecided)" if check.standing is Standing.UNDECIDED else ""
    return f"{check.rule}: {check.distance}{doubt}"


def list_checks(cells: Iterable[Result]) -> list[tuple[Result, BudgetCheck]]:
    """List each limit of the cells, the least headroom first."""
    return sorted(((cell, one) for cell in cells for one in cell.budgets), key=lambda each: each[1].headroom)


def budget_row(cell: Result, check: BudgetCheck) -> tuple[str, ...]:
    """Return the values of `COLUMNS` for a limit of a cell."""
    return (
        str(cell.key),
        check.rule,
        check.figure,
        "" if check.interval is None else " to ".join(check.interval),
        format_change(check.headroom, 0.0),
        str(check.standing),
    )


def budget_lines(cells: Sequence[Result]) -> list[Line]:
    """Format the budgets of one platform, one line for each limit of a cell."""
    checks = list_checks(cells)
    if not checks:
        return []
    head, *lines = format_table([COLUMNS, *(budget_row(*each) for each in checks)], right=(2, 4))
    styles = {Standing.OVER: "red", Standing.UNDECIDED: "yellow", Standing.WITHIN: ""}
    return [
        [(head, "bold")],
        *([(line, styles[check.standing])] for line, (_, check) in zip(lines, checks, strict=True)),
    ]


def headroom_lines(cells: Sequence[Result], width: int = 80) -> list[Line]:
    """Name the cell of a platform that is within all its limits with the least headroom."""
    tightest = [(cell, check) for cell in cells if (check := find_tightest(cell.budgets)) is not None]
    within = [(cell, check) for cell, check in tightest if check.standing is Standing.WITHIN]
    if not within:
        return []
    cell, _ = min(within, key=lambda each: each[1].headroom)
    return wrap_text(f"least headroom: {cell.key}, {format_budget(cell)}", width)
