"""Format records as lines for the terminal: plain ASCII, readable at 80 columns."""

from __future__ import annotations

import textwrap
from collections import Counter
from statistics import fmean, median
from typing import TYPE_CHECKING

from pytest_ddperf.core.budgets import describe_over, find_tightest
from pytest_ddperf.core.records import AGAINST, Clock, Outcome
from pytest_ddperf.core.results import by_cause, format_decided, shared_notes
from pytest_ddperf.core.scenarios import describe_scenario
from pytest_ddperf.report.budget_text import budget_lines, headroom_lines
from pytest_ddperf.report.load_text import load_lines
from pytest_ddperf.report.phrases import (
    STYLES,
    Line,
    Segment,
    count_cells,
    count_over_budget,
    describe_coarse,
    describe_comparison,
    describe_shifts,
    describe_unknown_noise,
    format_decision,
    format_not_measured,
    format_resolution,
    list_verdicts,
    style_of,
    wrap_text,
)
from pytest_ddperf.text import format_change, format_interval, format_ms, format_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_ddperf.core.network_cost import Cost
    from pytest_ddperf.core.networks import Network
    from pytest_ddperf.core.records import Baseline, CellKey, CellRecord
    from pytest_ddperf.core.results import Result, Results


MARKS = {Outcome.REGRESSED: "!", Outcome.OVER_BUDGET: "#", Outcome.IMPROVED: "*", Outcome.UNSTABLE: "~"}
LEAST_SHIFTED = 3
"""Cells that must be slower than the reference before this is called a difference of the servers as a whole."""

_PLAIN = frozenset({Outcome.OK, Outcome.REGRESSED, Outcome.IMPROVED, Outcome.REMEASURE})
"""Verdicts that the change and the word before it show."""

CLOCK_NAMES = {
    Clock.PREDICT: "server's predict time",
    Clock.HEAD: "head.time",
    Clock.CLIENT: "client's clock",
}


def format_verdict(record: CellRecord) -> str:
    """Format the text that follows PASSED or FAILED in verbose output: `88.7 ms/img -1.7 %`."""
    if record.now_ms is None:
        return str(record.outcome)
    if record.outcome is Outcome.OVER_BUDGET and (check := find_tightest(record.budgets)) is not None:
        return f"{check.figure} {check.unit} over_budget ({check.rule}, {check.distance})"
    value = f"{format_ms(record.now_ms)} ms/img"
    if record.change is None:
        return f"{value} {record.outcome}"
    parts, pairs = [value, format_decided(record)], record.pairs
    if pairs:
        parts += [*([] if record.interval is None else [format_interval(record.interval)]), f"{pairs} pairs"]
    if record.outcome not in _PLAIN:
        parts.append(str(record.outcome))
    if pairs:
        return " ".join(parts)
    beside = describe_comparison(record)
    if record.resolution is not None:
        beside.append(f"resolution {format_resolution(record.resolution)}")
    if beside:
        parts.append(f"({', '.join(beside)})")
    return " ".join(parts)


def _format_rounds(rounds_ms: Iterable[Sequence[float]]) -> str:
    """Format passes round by round: `64.9 65.1 64.8 | 65.0 ...`."""
    return " | ".join(" ".join(format_ms(ms) for ms in one) for one in rounds_ms)


def describe_regression(record: CellRecord, baseline: Baseline, again: str) -> str:
    """Format the failure message of a regressed cell.

    Args:
        record: record of the cell.
        baseline: the baseline it was compared with.
        again: command that measures the cell again.
    """
    key = record.key
    now, tolerance = record.now_ms or 0.0, record.tolerance or 0.0
    baseline_ms = record.baseline_ms or baseline.value_ms
    compared, theirs, intended = "baseline", "", "If the change is intended: --ddperf-update-baselines=all."
    if record.measurement is not None and record.measurement.against is not None:
        compared, theirs, intended = (
            "reference",
            f"Passes of the reference: {_format_rounds(record.measurement.against_per_image_ms())}.\n",
            "",
        )
    figures = f"{format_ms(now)} ms per image now, {compared} {format_ms(baseline_ms)} ms per image"
    if record.creep is not None and record.change == record.creep.change:  # not a single night's figures
        figures = (
            f"{format_ms(now)} ms per image in the latest nights, {format_ms(baseline_ms)} ms per image before the rise"
        )
    beside = "".join(f", {text}" for text in describe_comparison(record))
    notes = "".join(f" Note: {note}." for note in record.notes)
    load = f", {describe_scenario(key.scenario)}," if key.scenario else ""
    return (
        f"{key.model}, batch size {key.batch_size}, on {key.platform}{load} regressed: {figures}, "
        f"{format_decided(record)} (tolerance {tolerance * 100:g} %{beside}).\n"
        f"{compared.capitalize()}: {baseline.source}.\n"
        f"{_passes_line(record)}\n"
        f"{theirs}"
        f"{record.reason[:1].upper()}{record.reason[1:]}.{notes}\n"
        f"To measure it again: {again}\n"
        f"{intended}"
    )


def describe_over_budget(record: CellRecord, again: str) -> str:
    """Format the failure message of a cell over its budget; `again` is the command that measures it again."""
    notes = "".join(f" Note: {note}." for note in record.notes)
    return f"{record.reason}{notes}\n{_passes_line(record)}\nTo measure it again: {again}"


def _passes_line(record: CellRecord) -> str:
    """Format the passes with their clock, mean and median."""
    if record.measurement is None:
        return "Passes: unknown."
    rounds_ms = record.measurement.per_image_ms()
    passes_ms = [ms for one in rounds_ms for ms in one]
    return (
        f"Passes, ms per image by the {CLOCK_NAMES[record.measurement.conditions.clock]}: {_format_rounds(rounds_ms)}. "
        f"Mean {format_ms(fmean(passes_ms))}, median {format_ms(median(passes_ms))}."
    )


def format_platform_table(title: str, cells: Sequence[Result], *, width: int) -> list[Line]:
    """Format the table of one platform in the report's layout, split into blocks that fit the width.

    There is one row per batch size and one column per model.

    Args:
        title: line above the table.
        cells: cells of the platform, in the order of the columns; those under load are ignored (see `load_lines`).
        width: columns of the terminal.
    """
    cells = [cell for cell in cells if not cell.key.scenario]
    if not cells:
        return []
    shown = {(cell.key.model, cell.key.batch_size): _cell(cell) for cell in cells}
    lines = wrap_text(title, width, "bold")
    for block in _blocks(shown, width):
        lines.append([("batch", "bold"), *((f"  {model:>{wide}}", "bold") for model, wide in block)])
        for batch_size in sorted({cell.key.batch_size for cell in cells}):
            row: Line = [(f"{batch_size:>5}", "")]
            for model, wide in block:
                text, style = shown.get((model, batch_size), ("-", ""))
                row.append((f"  {text:>{wide}}", style))
            lines.append(row)
    outcomes = {cell.outcome for cell in cells}
    legend = [f"{mark} {str(outcome).replace('_', ' ')}" for outcome, mark in MARKS.items() if outcome in outcomes]
    if legend:
        lines.append([("       " + ", ".join(legend), "")])
    return lines


def _blocks(shown: dict[tuple[str, int], Segment], width: int) -> list[list[tuple[str, int]]]:
    wide: dict[str, int] = {}
    for (model, _), (text, _) in shown.items():
        wide[model] = max(wide.get(model, len(model)), len(text))
    blocks: list[list[tuple[str, int]]] = [[]]
    used = 5
    for column in wide.items():
        if blocks[-1] and used + 2 + column[1] > width:
            blocks.append([])
            used = 5
        blocks[-1].append(column)
        used += 2 + column[1]
    return blocks


def _cell(cell: Result) -> Segment:
    if cell.outcome is Outcome.UNAVAILABLE:
        return "x", ""
    if cell.now_ms is None:
        return str(cell.outcome), style_of(cell)
    change = "" if cell.change is None else f" {format_decided(cell).replace(' ', '')}"
    outcome = cell.outcome
    mark = "" if outcome is None else MARKS.get(outcome, "" if outcome in STYLES else f" {outcome}")
    before = f"{format_ms(cell.baseline_ms)} -> " if cell.reference else ""
    return f"{before}{format_ms(cell.now_ms)}{change}{mark}", style_of(cell)


def format_table_title(title: str, platform: str, cells: Sequence[Result]) -> str:
    """Format the line above a platform's table: the platform, the clock and the kinds of baselines."""
    cells = [cell for cell in cells if not cell.key.scenario]
    clocks = {cell.clock for cell in cells if cell.clock and cell.now_ms is not None}
    if not clocks:  # its cells have no baseline here, even if the platform has one
        return f"{platform}: {title}. ms per image (nothing measured)"
    clock = ", ".join(sorted(CLOCK_NAMES[Clock(one)] for one in clocks))
    kinds = Counter(cell.baseline_kind for cell in cells if cell.baseline_kind)
    against = ", ".join(f"{kind} baseline" for kind, _ in kinds.most_common() if kind != AGAINST)
    if AGAINST in kinds:
        sources = dict.fromkeys(cell.reference for cell in cells if cell.reference)
        against = f"{', '.join(sources)}, in pairs (reference -> now)"
    against = against or "no baseline"
    return f"{platform}: {title}. ms per image ({clock}), change against: {against}"


def format_new_cells(cells: Iterable[Result], *, recorded: bool, width: int = 80) -> list[Line]:
    """Explain how to record a baseline if cells have none."""
    count = sum(cell.outcome is Outcome.NEW for cell in cells)
    if not count or recorded:
        return []
    have = "1 cell has" if count == 1 else f"{count} cells have"
    text = f"{have} no baseline yet. To record one: add --ddperf-update-baselines"
    return wrap_text(text, width, "yellow")


def failure_text(cell: Result) -> str:
    """Describe a failed cell on one line without its id: its numbers, or the reason why there are none."""
    said = cell.detail or cell.reason.removeprefix(str(cell.key)).lstrip(": ")  # older runs lack the detail
    reason = said.splitlines()[0] if said else "no reason given"
    # the times measured before are not the reason for these failures
    otherwise = cell.outcome in {Outcome.CRASHED, Outcome.NOT_CONFIRMED, Outcome.OVER_BUDGET}
    if otherwise or cell.now_ms is None or cell.baseline_ms is None or cell.change is None:
        return reason
    compared = "reference" if cell.reference else "baseline"
    numbers = f"{format_ms(cell.now_ms)} ms/img, {compared} {format_ms(cell.baseline_ms)}, {format_decision(cell)}"
    if cell.creep is not None:
        numbers = f"{cell.creep}; {numbers}"
    elif cell.outcome is Outcome.REGRESSED:
        numbers = numbers if cell.since is None else f"{numbers}; {cell.since}"
    else:
        return f"{numbers}; {reason}"
    return "; ".join(filter(None, (numbers, describe_over(cell.budgets))))


def cell_ids(cells: Iterable[Result]) -> str:
    """List the ids of cells as in node ids: `tk1-vgg16-b1, tk1-vgg16-b2`."""
    return ", ".join(str(cell.key) for cell in cells)


def recorded_text(key: CellKey, before: Baseline | None, after: Baseline) -> str:
    """Describe the recording of a baseline: `tk1-resnet50-b8: 412 -> 398 ms/img, -3.4 %`.

    Args:
        key: the cell.
        before: its previous recorded baseline; None for a first recording.
        after: its new recorded baseline.
    """
    if before is None:
        return f"{key}: {format_ms(after.value_ms)} ms/img, first recording"
    alike = before.conditions in {None, after.conditions}
    change = format_change(after.value_ms / before.value_ms - 1) if alike else "under other conditions"
    return f"{key}: {format_ms(before.value_ms)} -> {format_ms(after.value_ms)} ms/img, {change}"


def format_failures(cells: Iterable[Result], width: int = 80) -> list[Line]:
    """Format the failed cells: one paragraph for each cause, with a list of the cells that share it."""
    lines: list[Line] = []
    for group in by_cause(cell for cell in cells if cell.fails):
        outcome = str(group[0].outcome)
        listed: list[str] = []
        if len(group) == 1:
            text = f"{group[0].key}: {failure_text(group[0])}"
        elif group[0].creep is not None:
            text, listed = f"in {len(group)} cells, night by night:", [f"{one.key}: {one.creep}" for one in group]
        else:
            text = f"in {len(group)} cells: {group[0].cause.splitlines()[0]}"
            listed = [] if group[0].platform_shifted else [cell_ids(group)]  # the table shows that all are slower
        if len(group) > 1:
            listed += [f"{one.key} is {over}" for one in group if (over := describe_over(one.budgets))]
        first, *further = wrap_text(f"{outcome} {text}", width)
        lines += [[(f"{outcome} ", "red"), (first[0][0].partition(" ")[2], "")], *further]
        lines += [line for each in listed for line in wrap_text(f"  {each}", width)]
    return lines


def note_lines(cells: Iterable[Result], width: int = 80) -> list[Line]:
    """Format the notes on differences between measurements and baselines, each note once per platform."""
    noted = []
    for cell in cells:
        shown = "" if cell.load is None else cell.load.shortfall  # already shown with the figures of its load
        noted.append((cell.key, [note for note in cell.notes if note != shown]))
    return [line for note in shared_notes(noted) for line in wrap_text(f"note: {note}", width)]


def run_lines(
    results: Results, *, width: int, recorded: bool, not_run: tuple[int, int] = (0, 0), budgets: bool = False
) -> list[Line]:
    """Format a whole run: shifts of whole platforms, the tables, the gate's notes, the failures and the totals.

    Args:
        results: the cells of the run.
        width: columns of the terminal.
        recorded: whether a baseline was recorded; if not, the output explains how to record one.
        not_run: number of cells not measured because the run ended early, and number of all cells.
        budgets: whether each cell with a budget has a line with its headroom; otherwise only the least one is shown.
    """
    lines = [line for shift in describe_shifts(results) for line in (*wrap_text(shift, width, "red"), [("", "")])]
    for platform in results.platforms:
        own = results.of(platform)
        title = format_table_title(results.catalog.platform_title(platform), platform, own)
        for table in (
            format_platform_table(title, own, width=width),
            load_lines(own, width=width),
            budget_lines(own) if budgets else [],
        ):
            lines += [*table, [("", "")]] if table else []
    for platform in results.platforms:
        lines += format_gate_notes(results.of(platform), width)
        lines += [] if budgets else headroom_lines(results.of(platform), width)
    lines += note_lines(results.cells, width)
    lines += format_failures(results.cells, width)
    lines += format_new_cells(results.cells, recorded=recorded, width=width)
    for warning in results.warnings:
        lines += wrap_text(f"warning: {warning}", width, "yellow")
    lines.append(format_totals(results.cells, results.not_measured, not_run))
    return lines


def format_gate_notes(cells: Sequence[Result], width: int = 80) -> list[Line]:
    """Format the gate's notes on a platform: a shift of all its cells, a coarse resolution, and unstable cells.

    A shift that made cells regress is not among them, since `run_lines` states it first.
    """
    lines: list[Line] = []
    shifts = [
        (cell.suite_shift, cell.tolerance)
        for cell in cells
        if cell.change is not None and cell.tolerance and cell.suite_shift is not None
    ]
    shift, tolerance = shifts[-1] if shifts else (0.0, 0.0)
    if abs(shift) > tolerance and not any(cell.platform_shifted for cell in cells):
        direction = "slower" if shift > 0 else "faster"
        text = (
            f"{cells[0].key.platform} shifted as a whole: all cells are about {abs(shift) * 100:.0f} % {direction} "
            "than their baselines"
        )
        lines += wrap_text(text, width, "red" if shift > 0 else "yellow")
    lines += _shift_of_pairs(cells, width)
    if coarse := describe_coarse(cells):
        lines += wrap_text(f"warning: {coarse}", width, "yellow")
    if unknown := describe_unknown_noise(cells):
        lines += wrap_text(f"note: {unknown}", width)
    for cell in cells:
        if cell.outcome is Outcome.UNSTABLE:
            lines += wrap_text(f"unstable {cell.key}: {cell.reason}", width, "yellow")
    return lines


def _shift_of_pairs(cells: Sequence[Result], width: int) -> list[Line]:
    """Say if a server is slower or faster than its reference as a whole; nothing is subtracted from its cells."""
    paired = [cell for cell in cells if cell.baseline_kind == AGAINST and cell.change is not None and cell.tolerance]
    if len(paired) < LEAST_SHIFTED:
        return []
    changes = [cell.change or 0.0 for cell in paired]
    shift = median(changes)
    if abs(shift) <= (paired[0].tolerance or 0.0) or min(changes) < 0 < max(changes):
        return []
    text = (
        f"{paired[0].key.platform}: all {len(paired)} cells are {'slower' if shift > 0 else 'faster'} than the "
        f"reference, by {abs(shift) * 100:.0f} % (median): a difference of the servers as a whole"
    )
    return wrap_text(text, width, "red" if shift > 0 else "yellow")


def format_totals(cells: Sequence[Result], not_measured: int = 0, not_run: tuple[int, int] = (0, 0)) -> Line:
    """Format the number of cells with each verdict: `52 cells: 50 ok, 2 regressed`; arguments as in `run_lines`."""
    text = f"{count_cells(len(cells))}: {list_verdicts(cells)}"
    if budgets := count_over_budget(cells):
        text += f"; {budgets}"
    if not_measured:
        text += f", {format_not_measured(not_measured)}"
    elif not_run[0]:
        text += f", {not_run[0]} of {not_run[1]} cells not measured"
    style = "red" if not_run[0] or any(cell.fails for cell in cells) else "green"
    return [(text, style)]


def format_costs(networks: Mapping[str, Network], counted: Mapping[str, Cost], width: int = 80) -> list[str]:
    """Format the cost table: the report's figures next to those counted in the graphs that are run.

    Args:
        networks: networks by id.
        counted: counted costs by network id; empty if the graphs cannot be built on this machine.
        width: columns of the terminal; table columns that do not fit are continued in a second table below.
    """
    shown = [network for network in networks.values() if network.giga_flops_text]
    ours = [counted.get(network.id) for network in shown]
    names = ["model", *(network.id for network in shown)]
    groups = (
        (
            ["GFLOPs", *(network.giga_flops_text for network in shown)],
            ["counted", *(one.giga_flops_text if one else "-" for one in ours)],
        ),
        (
            ["M params", *(network.million_params_text for network in shown)],
            ["counted", *(one.million_params_text if one else "-" for one in ours)],
        ),
        (["true mult-adds", *(f"{one.true_multiply_adds:,}" if one else "-" for one in ours)],),
    )
    title = "Cost of one image at 224x224: the report's figures, and the same counted in the graphs that run; true "
    title += "multiply-adds include depthwise layers, which the report omits"
    tables: list[list[list[str]]] = []
    for group in groups:
        if not tables or len(_align([*tables[-1], *group])[0]) > width:
            tables.append([names])
        tables[-1] += group
    lines = textwrap.wrap(title, max(width, 20), subsequent_indent="  ")
    lines += [line for table in tables for line in _align(table)]
    top5 = [f"{one.id} {one.top5_accuracy_percent:g} %" for one in shown if one.top5_accuracy_percent is not None]
    if top5:
        lines += textwrap.wrap(f"Top-5 accuracy, by the report's text: {', '.join(top5)}", max(width, 20))
    return lines


def _align(columns: Sequence[Sequence[str]]) -> list[str]:
    return format_table(list(zip(*columns, strict=True)), right=range(1, len(columns)))


def format_progress(key: CellKey, done: int, total: int, left_s: float | None, width: int) -> str:
    """Format the live progress line: model, batch size, pass and time left, truncated to the width."""
    stage = "warming up" if done <= 0 else f"pass {min(done, total)}/{total}"
    left = "" if left_s is None else f", {left_s:.0f} s left" if left_s >= 1 else ", under 1 s left"
    load = f" {key.scenario}" if key.scenario else ""
    text = f"{key.model} b{key.batch_size}{load}: {stage}{left}"
    return text[: max(width, 0)]
