"""The comment on a pull request, in GitHub's Markdown: the verdict in one sentence, then the cells that need attention.

The other cells, servers, notes and warnings are in a section that opens on a click. The first line is a hidden marker
by which the workflow that posts the comment finds its earlier one, to edit it. Nothing is posted here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_ddperf.core.records import Outcome
from pytest_ddperf.report import github, phrases
from pytest_ddperf.report.markdown_escape import clip, escape_inline
from pytest_ddperf.text import format_change

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_ddperf.core.results import Result, Results

LIMIT = 60_000
"""Maximum size of a comment, UTF-8 bytes, so at most as many characters; GitHub allows 65,536 characters."""

_OMITTED = f"a comment is limited to {LIMIT:,} characters"
_ROOM_FOR_RUNS, _ROOM_FOR_SHIFTS, _ROOM_FOR_CAUSES, _ROOM_FOR_TAIL = 2_000, LIMIT // 4, LIMIT // 4, LIMIT // 8
_LONGEST_NAME = 200
_ENDING = github.Ending(0)


def render_comment(results: Results) -> str:
    """Render the comment on the cells with a verdict; cells that do not fit are counted."""
    cells = results.judged
    look = list(filter(_needs_attention, cells))
    rest = [cell for cell in cells if not _needs_attention(cell)]
    runs = github.select_fitting((f"{line}\n" for line in github.list_runs(results)), _ROOM_FOR_RUNS)
    paragraphs = (f"**{escape_inline(shift)}**\n\n" for shift in phrases.describe_shifts(results))
    shifts = github.select_fitting(paragraphs, _ROOM_FOR_SHIFTS)
    causes, explained = github.render_shared_causes(look, _ENDING, _ROOM_FOR_CAUSES)
    head = f"{_marker(results)}\n### Inference speed\n\n{summarise(results)}\n\n{''.join(shifts)}{causes}"
    section = f"\n<details>\n<summary>{_summary(rest, also=bool(look))}</summary>\n\n"
    tail = f"\n{''.join(runs)}{github.render_tail(results, _ROOM_FOR_TAIL)}\n</details>\n"
    with_budgets = any(cell.budgets for cell in cells)
    first = github.render_table_head(with_budgets=with_budgets)
    second = github.render_table_head(reasons=False, with_budgets=with_budgets)
    frame = [head, first, github.render_omitted(cells, _OMITTED), section, second, tail]
    rows = [github.render_row(cell, _ENDING, explained, with_budgets=with_budgets) for cell in look]
    rows += [github.render_row(cell, _ENDING, None, with_budgets=with_budgets) for cell in rest]
    count = len(github.select_fitting(rows, LIMIT - len("".join(frame).encode())))
    shown, others = rows[: len(look)][:count], rows[len(look) : count]
    return "".join(
        [
            head,
            *([first, *shown] if shown else []),
            github.render_omitted([*look, *rest][count:], _OMITTED),
            section,
            *([second, *others] if others else []),
            tail,
        ]
    )


def _needs_attention(cell: Result) -> bool:
    return _ENDING.fails(cell) or cell.outcome is Outcome.UNSTABLE


def summarise(results: Results) -> str:
    """Summarise the results in one sentence of Markdown, the most severe finding first."""
    cells = results.judged
    missing = f"; {phrases.format_not_measured(results.not_measured)}" if results.not_measured else ""
    stopped = "; the run was interrupted" if any(not run.complete for run in results.runs.values()) else ""
    budgets = phrases.count_over_budget(cells)
    return f"{_finding(cells)}{f'; {budgets}' if budgets else ''}{missing}{stopped}."


def _finding(cells: Sequence[Result]) -> str:
    count, verdicts = phrases.count_cells(len(cells)), phrases.list_verdicts(cells)
    outcomes = {cell.outcome for cell in cells}
    red = list(filter(_ENDING.fails, cells))
    noisy = sum(cell.outcome is Outcome.UNSTABLE for cell in cells)
    if red:
        worst = cells[0]
        largest = ""
        if worst.outcome is Outcome.REGRESSED and worst.change is not None:
            name = escape_inline(clip(str(worst.key), _LONGEST_NAME))
            largest = f"; the largest change is {format_change(worst.change)} ({name})"
        return f"**{len(red)} of {count} failed**: {phrases.list_verdicts(red)}{largest}"
    if all(cell.now_ms is None for cell in cells):
        return "**Nothing was measured**" + (f": {verdicts}" if cells else "")
    if outcomes <= {Outcome.NEW, Outcome.UNAVAILABLE} and not any(cell.budgets for cell in cells):
        return f"**Nothing to compare with**: {verdicts}"
    if noisy:
        return f"**{noisy} of {count} {'is' if noisy == 1 else 'are'} too noisy to judge**, none failed: {verdicts}"
    return f"**No regression in {count}**: {verdicts}"


def _summary(cells: Sequence[Result], *, also: bool) -> str:
    """Summarise what is collapsed; `also` if other cells are shown before it."""
    if not cells:
        return "Run and server"
    return f"{phrases.count_cells(len(cells))}{' more' if also else ''}: {phrases.list_verdicts(cells)}"


def _marker(results: Results) -> str:
    """Render the hidden line that identifies the comment: one comment for each selection of platforms."""
    platforms = ",".join(results.runs or results.platforms)
    return f"<!-- pytest-ddperf: {clip(re.sub(r'[^a-z0-9._,-]', '_', platforms), _LONGEST_NAME)} -->"
