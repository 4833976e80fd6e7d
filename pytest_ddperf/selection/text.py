"""Output of `ddperf select`: text (readable at 80 columns), CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pytest_ddperf.selection.rules import Rule
from pytest_ddperf.text import format_ms, format_table, wrap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_ddperf.selection.rules import Considered, Group, Requirements, Selection

NEAREST = 5
"""Number of nearest misses that are shown without `--all`."""

_UNKNOWN = {
    Rule.WATTS: "watts unknown (neither the report nor ddperf.toml states them)",
    Rule.PRICE: "price unknown (neither the report nor ddperf.toml states it)",
    Rule.ACCURACY: "accuracy unknown (the report does not give it)",
    Rule.MEMORY: "memory unknown (the report does not give the parameters)",
}
_REASONS = {
    Rule.WATTS: "over {0.max_watts:g} W",
    Rule.PRICE: "over {0.max_price_usd:g} USD",
    Rule.ACCURACY: "top-1 accuracy below {0.min_accuracy_percent:g} %",
    Rule.MEMORY: "weights and input alone over {0.max_memory_gib:g} GiB",
    Rule.UNAVAILABLE: "marked x: not measurable there",
    Rule.FAILED: "measurement failed",
    Rule.NOT_MEASURED: "not measured, and nothing published",
    Rule.SCENARIO: "measured under another scenario than plain latency",
    Rule.BATCH_SIZE: "batch over {0.max_batch_size}",
    Rule.LATENCY: "batch takes over {0.max_latency_ms:g} ms",
    Rule.SPEED: "below {0.min_fps:g} images/s",
    Rule.BUDGET: "over a budget of ddperf.toml",
}
"""Why cells are ruled out; `{0}` are the requirements."""


@dataclass(frozen=True, slots=True)
class _Column:
    """One column of the table.

    Args:
        title: heading of the column.
        text: returns the text of a row.
        left: whether the column is aligned to the left.
        drop: columns with the greatest value are dropped first if the table is too wide; 0 for never.
    """

    title: str
    text: Callable[[Considered], str]
    left: bool = False
    drop: int = 0


_COLUMNS = (
    _Column("platform", lambda one: one.key.platform, left=True),
    _Column("network", lambda one: one.key.model, left=True),
    _Column("b", lambda one: str(one.key.batch_size)),
    _Column("ms/img", lambda one: "-" if one.value_ms is None else format_ms(one.value_ms), drop=6),
    _Column("img/s", lambda one: ("-" if one.fps is None else f"{one.fps:.1f}") + ("~" if one.on_edge else " ")),
    _Column("W", lambda one: _stated(one.platform.watts), drop=7),
    _Column("per W", lambda one: "?" if one.fps_per_watt is None else format_ms(one.fps_per_watt), drop=4),
    _Column("top-1", lambda one: _stated(one.network.top1_accuracy_percent), drop=1),
    _Column("1st ms", lambda one: "-" if one.latency_ms is None else format_ms(one.latency_ms), drop=5),
    _Column("GiB>=", lambda one: "?" if one.memory_gib is None else f"{one.memory_gib:.3f}", drop=3),
    _Column("source", lambda one: one.source, left=True, drop=2),
)
_LEGEND = {
    "b": "b: batch size",
    "img/s": "img/s: images per second",
    "per W": "per W: images per second per watt",
    "top-1": "top-1: accuracy, percent",
    "1st ms": "1st ms: until the batch's first result",
    "GiB>=": "GiB>=: minimum memory, weights plus one batch of input",
}


def format_selection(chosen: Selection, width: int, *, whole: bool) -> Iterator[str]:
    """Format a selection as text for the terminal.

    Args:
        chosen: the selection.
        width: columns of the terminal.
        whole: whether to show every batch size that meets the requirements, and every cell that is ruled out.
    """
    for warning in chosen.warnings:
        yield from wrap(f"note: {warning}", width)
    shown = chosen.candidates if whole else chosen.best
    asked = describe_requirements(chosen)
    total = len(chosen.candidates) + len(chosen.ruled_out)
    if not chosen.candidates:
        what = f"meets the requirements: {asked}" if asked else "has a figure"
        yield from wrap(f"None of {total} cells {what}.", width)
    else:
        pairs = len(chosen.best)
        which = "every batch size" if whole else "the smallest batch size of each pair; --all shows the others"
        meets = "meet the requirements" if asked else "have a figure"
        counted = f"{len(chosen.candidates)} of {total} cells {meets}, in {pairs} pairs of platform and network"
        yield from wrap(f"{asked[:1].upper()}{asked[1:] or 'No requirements'}: {counted} ({which}).", width)
        yield ""
        yield from _table(shown, width, memory=chosen.requirements.max_memory_gib is not None)
        yield from _sources(shown, width)
    yield from _ruled_out(chosen, width, whole=whole)


def describe_requirements(chosen: Selection) -> str:
    """Describe the requirements in words, those of ddperf.toml too; "" without any."""
    asked = chosen.requirements
    parts = [
        text.format(bound)
        for bound, text in (
            (asked.min_fps, "at least {:g} images/s"),
            (asked.max_watts, "at most {:g} W"),
            (asked.min_accuracy_percent, "top-1 accuracy of at least {:g} %"),
            (asked.max_batch_size, "batches of at most {:g}"),
            (asked.max_latency_ms, "a batch in at most {:g} ms"),
            (asked.max_memory_gib, "a minimum memory of at most {:g} GiB"),
            (asked.max_price_usd, "at most {:g} USD"),
        )
        if bound is not None
    ]
    if parts and asked.allow_unknown:
        parts[-1] += " (unknown figures allowed)"
    if chosen.with_budget:
        parts.append(f"the budgets of {', '.join(one.id for one in chosen.with_budget)}")
    return ", ".join(parts)


def _table(rows: Sequence[Considered], width: int, *, memory: bool) -> Iterator[str]:
    columns = [column for column in _COLUMNS if memory or column.title != "GiB>="]
    left_out: list[str] = []
    while max(map(len, lines := _lines(columns, rows))) > width:
        dropped = max(columns, key=lambda column: column.drop)
        if not dropped.drop:
            break
        columns.remove(dropped)
        left_out.append(dropped.title)
    yield from lines
    legend = [_LEGEND[column.title] for column in columns if column.title in _LEGEND]
    if any(one.unknown for one in rows):
        legend.append("?: unknown, and accepted")
    if any(one.on_edge for one in rows):
        legend.append("~: a limit is within its error")
    if left_out:
        legend.append(f"left out at {width} columns: {', '.join(left_out)}")
    yield ""
    yield from wrap("; ".join(legend), width)


def _lines(columns: Sequence[_Column], rows: Sequence[Considered]) -> list[str]:
    cells = [[column.title for column in columns], *([column.text(one) for column in columns] for one in rows)]
    right = [place for place, column in enumerate(columns) if not column.left]
    return format_table(cells, right=right, gap=1)


def _sources(rows: Sequence[Considered], width: int) -> Iterator[str]:
    """Format the sources of the figures, one entry per file with all its lines, then the notes on single cells."""
    places: dict[tuple[str, str, str], list[str]] = {}
    platforms = {one.key.platform: one.platform for one in rows}
    for one in rows:
        file, _, line = one.where.rpartition(", line ")
        found = places.setdefault((one.key.platform, one.source, file or line), [])
        if file and line not in found:
            found.append(line)
    for (name, source, where), found in places.items():
        found.sort(key=lambda text: (len(text), text))
        at = f", line{'s' * (len(found) > 1)} {', '.join(found)}" if found else ""
        watts = platforms[name].watts
        power = "watts unknown" if watts is None else f"{watts:g} W"
        yield from wrap(f"{name} ({power}), {source}: {where}{at}", width)
    for platform in platforms.values():
        if platform.note:
            yield from wrap(f"{platform.id}: {platform.note}", width)
    for one in rows:
        for note in one.notes:
            yield from wrap(f"{one.key}: {note}", width)


def _ruled_out(chosen: Selection, width: int, *, whole: bool) -> Iterator[str]:
    yield ""
    cells = len(chosen.ruled_out)
    if cells:
        yield from wrap(f"Ruled out: {cells} cells, each counted once, under the first reason that applies:", width)
    for group in chosen.groups():
        yield from wrap(f"{len(group.cells):>5}  {describe_group(group, chosen.requirements)}", width, indent=7)
    if chosen.without_figures:
        names = ", ".join(chosen.without_figures)
        yield from wrap(f"No figures: {names}; measure with pytest benchmarks --platform=NAME.", width)
    nearest = chosen.nearest_misses()
    if nearest:
        yield ""
        most = len(nearest) if whole else NEAREST
        rest = f"; {len(nearest) - most} more with --all" if len(nearest) > most else ""
        yield from wrap(f"Nearest misses, one for each platform and network{rest}:", width)
        for one in nearest[:most]:
            yield from wrap(f"  {_missed(one)}", width, indent=4)
    if whole and cells:
        yield ""
        yield "All cells that are ruled out:"
        for one in chosen.ruled_out:
            yield from wrap(f"  {_missed(one)}", width, indent=4)


def describe_group(group: Group, asked: Requirements) -> str:
    """Describe why the cells of a group are ruled out, and list their platforms or networks."""
    platforms = ", ".join(
        f"{platform.id} ({platform.watts:g} W)" if group.rule is Rule.WATTS and platform.watts else platform.id
        for platform in dict.fromkeys(one.platform for one in group.cells)
    )
    if group.unknown:
        otherwise = sum(1 for one in group.cells if all(miss.unknown for miss in one.misses))
        rest = f"; {otherwise} would meet all other requirements (--allow-unknown)" if otherwise else ""
        return f"{_UNKNOWN[group.rule]}: {_of(group, platforms)}{rest}"
    return f"{_REASONS[group.rule].format(asked)}: {_of(group, platforms)}"


def _of(group: Group, platforms: str) -> str:
    """Return the networks if a property of the network rules the cells out, the budgets, or else the platforms."""
    if group.rule is Rule.BUDGET:
        counts = Counter(one.misses[0].budget for one in group.cells)
        return ", ".join(f"{budget} ({count})" for budget, count in counts.items())
    if group.rule in {Rule.ACCURACY, Rule.MEMORY}:
        return ", ".join(dict.fromkeys(one.key.model for one in group.cells))
    return platforms


def _missed(one: Considered) -> str:
    return f"{one.key}: {'; '.join(miss.text for miss in one.misses)}"


def _stated(figure: float | None) -> str:
    return "?" if figure is None else f"{figure:g}"


_DATA: tuple[tuple[str, Callable[[Considered], Any]], ...] = (
    ("platform", lambda one: one.key.platform),
    ("network", lambda one: one.key.model),
    ("batch_size", lambda one: one.key.batch_size),
    ("scenario", lambda one: one.key.scenario),
    ("task", lambda one: one.network.task),
    ("ms_per_image", lambda one: one.value_ms),
    ("ms_per_image_low", lambda one: None if one.value_ms is None else one.low_ms),
    ("ms_per_image_high", lambda one: None if one.value_ms is None else one.high_ms),
    ("images_per_second", lambda one: one.fps),
    ("watts", lambda one: one.platform.watts),
    ("images_per_second_per_watt", lambda one: one.fps_per_watt),
    ("top1_accuracy_percent", lambda one: one.network.top1_accuracy_percent),
    ("batch_ms", lambda one: one.latency_ms),
    ("memory_at_least_gib", lambda one: one.memory_gib),
    ("price_usd", lambda one: one.platform.price_usd),
    ("source", lambda one: one.source),
    ("where", lambda one: one.where),
    ("ruled_out_by", lambda one: [miss.text for miss in one.misses]),
    ("on_edge", lambda one: [str(rule) for rule in one.on_edge]),
    ("unknown_allowed", lambda one: [] if one.misses else [str(rule) for rule in one.unknown]),
    ("notes", lambda one: list(one.notes)),
)
"""The figures of a cell; names contain the unit, and unknown values are None."""


def _row(one: Considered, rank: int | None) -> dict[str, Any]:
    return {"rank": rank, **{name: value(one) for name, value in _DATA}}


def _ranked_rows(chosen: Selection, *, whole: bool) -> list[dict[str, Any]]:
    return [_row(one, rank) for rank, one in enumerate(chosen.candidates if whole else chosen.best, start=1)]


def render_csv(chosen: Selection, *, whole: bool) -> str:
    """Render a selection as CSV, one row per cell.

    Args:
        chosen: the selection.
        whole: include every batch size, and the cells that are ruled out, which have no rank.
    """
    text = io.StringIO()
    columns = ["rank", *(name for name, _ in _DATA)]
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    ruled_out = [_row(one, None) for one in chosen.ruled_out] if whole else []
    for values in _ranked_rows(chosen, whole=whole) + ruled_out:
        writer.writerow({name: "; ".join(v) if isinstance(v, list) else v for name, v in values.items()})
    return text.getvalue()


def render_json(chosen: Selection, *, whole: bool) -> str:
    """Render the requirements, the candidates, the cells ruled out and the nearest misses as JSON."""
    document = {
        "requirements": asdict(chosen.requirements),
        "budgets": {
            platform.id: {network: dict(budget.limits()) for network, budget in platform.budgets.items()}
            for platform in chosen.with_budget
        },
        "candidates": _ranked_rows(chosen, whole=whole),
        "ruled_out_by": [
            {"rule": str(group.rule), "unknown": group.unknown, "cells": len(group.cells)} for group in chosen.groups()
        ],
        "ruled_out": [_row(one, None) for one in chosen.ruled_out] if whole else None,
        "nearest_misses": [_row(one, None) for one in chosen.nearest_misses()],
        "without_figures": list(chosen.without_figures),
        "warnings": list(chosen.warnings),
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"
