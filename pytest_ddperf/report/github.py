"""Reports for GitHub Actions: the job summary, annotations and outputs of the step.

GitHub's rules (docs.github.com, "Workflow commands for GitHub Actions"): a step's summary larger than 1 MiB is dropped
entirely; at most 10 errors are shown per step; a command is a line `::error title=...::message`, percent-encoded; an
output is `name=value`, or `name<<delimiter`, the lines of the value, and the delimiter.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ddperf.core.records import Outcome
from pytest_ddperf.core.results import by_cause, format_decided
from pytest_ddperf.report import phrases
from pytest_ddperf.report.budget_text import format_budget
from pytest_ddperf.report.markdown_escape import clip, escape_inline, escape_list_item
from pytest_ddperf.report.terminal import cell_ids
from pytest_ddperf.text import format_ms, remove_control_characters

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_ddperf.core.results import Result, Results

SUMMARY_BYTES = (1 << 20) - (16 << 10)
"""Maximum size of a step's summary file, bytes: GitHub's 1 MiB, less 16 KiB that the same step may add later."""

ANNOTATIONS = 10
"""Maximum number of errors that GitHub shows per step."""

CELLS_LISTED = 1000
"""Maximum number of cells in the output `failing_cells`; the output `failing` is their total number."""

_TAIL_SHARE = 8  # servers and warnings take at most 1/8 of the room, so that the rest is available for cells
_REASON = 400  # maximum characters of a reason in the table
_MESSAGE = 2000  # maximum characters of an annotation's message
_TITLE = 200
_ABOVE = "see above"
_LIMIT = "a job summary is limited to 1 MiB"
_OK, _INTERRUPTED, _NO_TESTS = 0, 2, 5  # pytest's exit statuses

_COLUMNS = {
    "platform": "---",
    "model": "---",
    "batch": "--:",
    "ms per image": "--:",
    "baseline": "--:",
    "change": "--:",
    "resolution": "--:",
    "budget": "---",
    "verdict": "---",
    "reason": "---",
}
"""The columns of the table, with their alignment."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How the run ended.

    Args:
        exit_status: pytest's exit status.
        new_fails: whether a cell without a baseline fails (`--ddperf-require-baseline`).
        not_run: number of cells not measured because the run ended early, and number of all cells.
    """

    exit_status: int
    new_fails: bool = False
    not_run: tuple[int, int] = (0, 0)

    def fails(self, cell: Result) -> bool:
        """Whether a cell fails the run."""
        return cell.fails or cell.outcome is Outcome.REMEASURE or (self.new_fails and cell.outcome is Outcome.NEW)


def summarise_verdict(results: Results, ending: Ending) -> str:
    """Summarise the run in one word, the most severe that applies.

    Returns:
        `regressed`: a cell is slower. `over_budget`: a cell is beyond its budget. `failed`: a cell could not be
        measured, or pytest failed for another reason. `nothing`: nothing was measured. `unstable`: a cell is too noisy
        to judge. `new`: a cell has no baseline. `ok`: every measured cell is as fast as its baseline, or faster.
    """
    cells = results.judged
    outcomes = {cell.outcome for cell in cells}
    for word in (Outcome.REGRESSED, Outcome.OVER_BUDGET):
        if word in outcomes:
            return str(word)
    if any(map(ending.fails, cells)) or ending.exit_status not in {_OK, _NO_TESTS}:
        return "failed"
    if all(cell.now_ms is None for cell in cells) or ending.exit_status == _NO_TESTS:
        return "nothing"
    for word in (Outcome.UNSTABLE, Outcome.NEW):
        if word in outcomes:
            return str(word)
    return "ok"


# --- the job summary


def render_summary(results: Results, ending: Ending, room: int = SUMMARY_BYTES) -> str:
    """Render the job summary in GitHub's Markdown; "" if there is no room for it.

    Args:
        results: results of the run.
        ending: how the run ended.
        room: maximum size, UTF-8 bytes. Rows at the end that do not fit are omitted, and a line states their number.
    """
    # cells of a platform that shifted follow the other failures, because the summary begins with the shift
    cells = sorted(results.judged, key=lambda cell: (not ending.fails(cell), cell.platform_shifted))
    causes, explained = render_shared_causes(cells, ending, room // _TAIL_SHARE)
    with_budgets = any(cell.budgets for cell in cells)
    head = _head(results, ending) + causes + render_table_head(with_budgets=with_budgets)
    tail = render_tail(results, room // _TAIL_SHARE)
    left = room - _size(head) - _size(tail) - _size(render_omitted(cells, _LIMIT))
    if left < 0:
        return ""
    rows = select_fitting((render_row(cell, ending, explained, with_budgets=with_budgets) for cell in cells), left)
    return "".join([head, *rows, render_omitted(cells[len(rows) :], _LIMIT), tail])


def _head(results: Results, ending: Ending) -> str:
    cells = results.judged
    measured = sum(cell.now_ms is not None for cell in cells)
    lines = [f"### Inference speed: {summarise_verdict(results, ending)}", ""]
    for shift in phrases.describe_shifts(results):
        lines += [f"**{escape_inline(shift)}**", ""]
    for line in phrases.list_references(results):
        lines += [escape_inline(clip(line, _MESSAGE)), ""]
    lines += [f"**{phrases.count_cells(len(cells))}**, {measured} measured: {phrases.list_verdicts(cells)}."]
    if budgets := phrases.count_over_budget(cells):
        lines += [f"{budgets}."]
    if ending.not_run[0] and (ending.exit_status == _INTERRUPTED or not results.not_measured):
        lines += [f"{ending.not_run[0]} of {phrases.count_cells(ending.not_run[1])} not measured."]
    elif results.not_measured:
        lines += [f"{phrases.format_not_measured(results.not_measured)}."]
    if ending.exit_status == _INTERRUPTED:
        lines += ["The run was interrupted."]
    if ending.exit_status not in {_OK, _INTERRUPTED, _NO_TESTS} and not any(map(ending.fails, cells)):
        lines += ["No cell failed, but pytest did: see its output."]
    return "\n".join([*lines, *list_runs(results), "", ""])


def list_runs(results: Results) -> list[str]:
    """List the runs shown, one line each."""
    lines = []
    for run in dict.fromkeys((run.run, run.started, run.commit) for run in results.runs.values()):
        name, started, commit = map(escape_inline, run)
        lines.append(f"Run {name}, started {started}" + (f", commit {commit}." if commit else "."))
    return lines


def render_shared_causes(cells: Sequence[Result], ending: Ending, room: int) -> tuple[str, set[int]]:
    """Render a paragraph for each cause shared by several failed cells, with a list of these cells.

    Cells of a platform that shifted are not listed, because the summary begins with the shift.
    If a paragraph does not fit, its cells are not included in the returned set and keep their reasons in the table.

    Returns:
        The paragraphs, and the `id()` of each cell that they explain.
    """
    paragraphs: list[str] = []
    explained: set[int] = set()
    for group in by_cause(filter(ending.fails, cells)):
        if len(group) == 1:
            continue
        paragraph = _paragraph(group)
        room -= _size(paragraph)
        if room < 0:
            break
        paragraphs.append(paragraph)
        explained |= {id(cell) for cell in group}
    return "".join(paragraphs), explained


def _paragraph(group: Sequence[Result]) -> str:
    """Render the cause shared by some cells, and a list of these; "" for cells of a platform that shifted."""
    if group[0].platform_shifted:
        return ""
    head = f"**{group[0].outcome}** in {phrases.count_cells(len(group))}"
    shown, more = group[:CELLS_LISTED], len(group) - CELLS_LISTED
    if group[0].creep is not None:
        items = [f"- {escape_inline(f'{cell.key}: {cell.creep}')}\n" for cell in shown]
        return f"{head}, night by night:\n\n{''.join(items)}{f'- and {more} more' if more > 0 else ''}\n"
    cause = escape_inline(clip(group[0].cause, _MESSAGE))
    return f"{head}: {cause}\n\n{escape_inline(cell_ids(shown))}{f' and {more} more' if more > 0 else ''}\n\n"


def render_row(cell: Result, ending: Ending, explained: set[int] | None, *, with_budgets: bool = False) -> str:
    """Render a cell's row.

    Args:
        cell: a cell with a verdict.
        ending: how the run ended.
        explained: the `id()` of each cell whose reason precedes the table; None for a table without reasons.
        with_budgets: whether the table has a column of budgets.
    """
    said = str(cell.outcome)
    reasons = [] if explained is None else [_ABOVE if id(cell) in explained else cell.reason]
    columns = (
        escape_inline(cell.key.platform),
        escape_inline(f"{cell.key.model}{'-' if cell.key.scenario else ''}{cell.key.scenario}"),
        str(cell.key.batch_size),
        format_ms(cell.now_ms),
        format_ms(cell.baseline_ms),
        phrases.format_decision(cell),
        "" if cell.resolution is None else phrases.format_resolution(cell.resolution),
        *([format_budget(cell)] if with_budgets else []),
        f"**{said}**" if ending.fails(cell) else said,
        *(escape_inline(clip(reason, _REASON)) for reason in reasons),
    )
    return f"| {' | '.join(columns)} |\n"


def render_table_head(*, reasons: bool = True, with_budgets: bool = False) -> str:
    """Render the head of a table of cells; without `reasons` it lacks the last column."""
    columns = [(name, rule) for name, rule in _COLUMNS.items() if with_budgets or name != "budget"]
    names, rules = zip(*columns[: len(columns) - (not reasons)], strict=True)
    return f"| {' | '.join(names)} |\n|{'|'.join(rules)}|\n"


def render_omitted(cells: Sequence[Result], limit: str) -> str:
    """Render a line that counts the cells that do not fit, and states the limit; "" without cells."""
    if not cells:
        return ""
    rows = "row is" if len(cells) == 1 else "rows are"
    return f"\n**{len(cells)} {rows} omitted** ({phrases.list_verdicts(cells)}): {limit}.\n"


def render_tail(results: Results, room: int) -> str:
    """Render servers, notes and warnings, as far as they fit."""
    servers = [
        f"- {escape_inline(platform)}, {escape_inline(results.catalog.platform(platform).title)}: "
        f"{escape_inline(clip(facts.url, _TITLE))}, version {escape_inline(clip(facts.version, _TITLE))}, "
        f"commit {escape_inline(clip(facts.commit, _TITLE))}, {escape_inline(clip(facts.build_type, _TITLE))} build\n"
        for platform in dict.fromkeys(cell.key.platform for cell in results.judged)
        if (facts := results.server_of(platform)) is not None
    ]
    notes = [f"- {escape_list_item(clip(note, _MESSAGE))}\n" for note in phrases.collect_notes(results)]
    warnings = [f"- {escape_list_item(clip(warning, _MESSAGE))}\n" for warning in results.warnings]
    return "".join(
        _section(title, items, room // 3)
        for title, items in (("Servers", servers), ("Notes", notes), ("Warnings", warnings))
    )


def _section(title: str, items: Sequence[str], room: int) -> str:
    """Render a heading and its items; items at the end that do not fit are omitted and counted."""
    if not items:
        return ""
    heading, more = f"\n#### {title}\n\n", f"- and {len(items)} more\n"
    kept = select_fitting(items, room - _size(heading) - _size(more))
    if len(kept) < len(items):
        kept.append(f"- and {len(items) - len(kept)} more\n")
    return heading + "".join(kept)


def select_fitting(parts: Iterable[str], room: int) -> list[str]:
    """Return the parts before the first one that does not fit into the room, in UTF-8 bytes."""
    kept: list[str] = []
    for part in parts:
        room -= _size(part)
        if room < 0:
            break
        kept.append(part)
    return kept


def _size(text: str) -> int:
    return len(text.encode())


# --- annotations


def render_commands(results: Results, ending: Ending) -> list[str]:
    """Render one workflow command (an error) for each failed cell, worst first, up to the number that GitHub shows.

    The cells of a platform that shifted share one, which comes first.
    If the run passes nevertheless (its regressions were recorded as the new baseline), the commands are warnings.
    """
    red = [cell for cell in results.judged if ending.fails(cell)]
    level = "error" if ending.exit_status != _OK else "warning"
    every = [
        (f"{platform} shifted as a whole", shift)
        for platform in results.platforms
        if (shift := phrases.describe_shift(results, platform))
    ]
    every += [(_title(cell), _annotation(cell)) for cell in red if not cell.platform_shifted]
    shown, more = every[:ANNOTATIONS], len(every) - ANNOTATIONS
    if more > 0:
        title, text = shown[-1]
        shown[-1] = title, f"{text}\n{more} more failed; the job summary lists them."
    return [
        f"::{level} title={_property(clip(remove_control_characters(title), _TITLE))}"
        f"::{_data(remove_control_characters(text))}"
        for title, text in shown
    ]


def _title(cell: Result) -> str:
    decided = format_budget(cell) if cell.outcome is Outcome.OVER_BUDGET else format_decided(cell)
    return f"{cell.key} {cell.outcome} {decided}".rstrip()


def _annotation(cell: Result) -> str:
    otherwise = cell.outcome is Outcome.OVER_BUDGET
    if otherwise or cell.now_ms is None or cell.baseline_ms is None or cell.change is None:
        return clip(cell.reason or f"{cell.key} is {cell.outcome}; no reason was given.", _MESSAGE)
    compared = "reference" if cell.reference else "baseline"
    return clip(
        f"{format_ms(cell.now_ms)} ms per image now, {compared} {format_ms(cell.baseline_ms)} ms per image, "
        f"{phrases.format_decision(cell)}: {cell.reason}\n{compared.capitalize()}: {cell.baseline_source}",
        _MESSAGE,
    )


def _data(text: str) -> str:
    """Encode the message of a command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Encode a property of a command, including commas, which end a property, and colons, which end all properties."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")


# --- outputs


def render_outputs(results: Results, ending: Ending) -> str:
    """Render the outputs of the step: `verdict`, the counts by verdict and in total, and one line per failed cell."""
    cells = results.judged
    counts = Counter(cell.outcome for cell in cells)
    red = [str(cell.key) for cell in cells if ending.fails(cell)]
    values = {
        "verdict": summarise_verdict(results, ending),
        "cells": str(len(cells)),
        "measured": str(sum(cell.now_ms is not None for cell in cells)),
        "failing": str(len(red)),
        **{str(outcome): str(counts[outcome]) for outcome in Outcome if outcome is not Outcome.REMEASURE},
        "not_measured": str(results.not_measured),
        "failing_cells": "\n".join(map(remove_control_characters, red[:CELLS_LISTED])),
    }
    return "".join(render_output(name, value) for name, value in values.items())


def render_output(name: str, value: str) -> str:
    """Render one output; a multi-line value is enclosed in delimiter lines that do not occur in it."""
    if not re.search(r"[\r\n]", value):
        return f"{name}={value}\n"
    word = "END"
    while word in value.splitlines():
        word += "_"
    return f"{name}<<{word}\n{value}\n{word}\n"


# --- the files


def publish(results: Results, ending: Ending, environ: Mapping[str, str]) -> list[str]:
    """Append the summary and the outputs to the files that GitHub specifies.

    Returns:
        Messages about errors, which do not fail the run.
    """
    problems: list[str] = []

    def write_summary(path: Path) -> None:
        there = path.stat().st_size if path.exists() else 0
        text = render_summary(results, ending, SUMMARY_BYTES - there - 1)
        if not text:
            problems.append(
                f"The job summary cannot be written: {path} already contains {there} bytes, and GitHub allows 1 MiB."
            )
            return
        _append(path, f"\n{text}" if there else text)

    def write_outputs(path: Path) -> None:
        _append(path, render_outputs(results, ending))

    for variable, what, write in (
        ("GITHUB_STEP_SUMMARY", "job summary", write_summary),
        ("GITHUB_OUTPUT", "step outputs", write_outputs),
    ):
        named = environ.get(variable)
        if not named:
            problems.append(f"The {what} cannot be written: the variable {variable} is not set.")
            continue
        try:
            write(Path(named))
        except OSError as error:
            problems.append(f"The {what} cannot be written to {named} ({variable}): {error.strerror or error}.")
    return problems


def _append(path: Path, text: str) -> None:
    with path.open("ab") as file:
        file.write(text.encode())
