"""Data embedded in the HTML page: the same cells as in the JSON report, in a compact form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_ddperf.core.results import SEVERITY
from pytest_ddperf.report import phrases
from pytest_ddperf.report.csv_json import replace_non_finite

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_ddperf.core.budgets import TimeLimit
    from pytest_ddperf.core.records import CellKey
    from pytest_ddperf.core.results import Result, Results, Trend, TrendNight

MOST_NIGHTS = 12_000
"""Maximum number of nights in a page, all cells together: about 500 kB. The latest nights of each cell are kept."""

FEWEST_NIGHTS = 10
"""Minimum number of nights kept for each cell, however many cells there are."""

FIELDS = (
    "platform", "model", "batch", "scenario", "baseline", "kind", "source", "x",
    "now", "change", "outcome", "tolerance", "limit", "removed", "sees", "passes", "clock", "why", "budget",
)  # fmt: skip
"""Fields of each entry of `cells`, in order.

Platforms, models, sources and budgets are indices into the lists of these.
"""


def build_page_data(results: Results, trends: Sequence[Trend]) -> dict[str, Any]:
    """Build all data of the page; builtins only."""
    named = sorted({cell.key.model for cell in results.cells}, key=results.catalog.model_order)
    platforms = {name: place for place, name in enumerate(results.platforms)}
    models = {name: place for place, name in enumerate(named)}
    sources: dict[str, int] = {}
    budgets: dict[TimeLimit, int] = {}
    cells = [
        _cell(cell, platforms, models, sources, _index(results.time_limit_of(cell), budgets)) for cell in results.cells
    ]
    shortened = _shorten(trends)
    runs: dict[tuple[str, str, str], int] = {}
    histories = [_trend(trend.key, trend.nights[-shortened:], runs, budgets) for trend in trends]  # all, if it is 0
    document = {
        "platforms": [_platform(results, name) for name in platforms],
        "models": [_model(results, name) for name in models],
        "sources": list(sources),
        "budgets": [[limit.label, _short(limit.ms)] for limit in budgets],
        "severity": [str(outcome) for outcome in SEVERITY],
        "colours": {str(outcome): phrases.css_class(outcome) for outcome in SEVERITY},
        "fields": list(FIELDS),
        "cells": cells,
        "runs": [list(run) for run in runs],
        "trends": histories,
        "shortened": shortened,
    }
    cleaned: dict[str, Any] = replace_non_finite(document)
    return cleaned


def _index(limit: TimeLimit | None, budgets: dict[TimeLimit, int]) -> int | None:
    """Return the index of a limit in the list of budgets, which is extended; None without a limit."""
    return None if limit is None else budgets.setdefault(limit, len(budgets))


def _cell(
    cell: Result, platforms: Mapping[str, int], models: Mapping[str, int], sources: dict[str, int], budget: int | None
) -> list[Any]:
    """Return the values of `FIELDS` for a cell, without empty values at the end."""
    key = cell.key
    source = phrases.join_lines(cell.baseline_source)
    row = [
        platforms[key.platform], models[key.model], key.batch_size, key.scenario,
        _short(cell.baseline_ms), cell.baseline_kind, sources.setdefault(source, len(sources)),
        int(cell.unavailable), _short(cell.now_ms), _short(cell.change),
        None if cell.outcome is None else SEVERITY.index(cell.outcome),
        cell.tolerance, _short(cell.limit), _short(cell.shift_removed) or None, _short(cell.resolution),
        len(cell.samples_ms), cell.clock,
        phrases.explain_verdict(cell), budget,
    ]  # fmt: skip
    while budget is None and row[-1] in (None, "", 0) and len(row) > FIELDS.index("now"):
        row.pop()
    return row


def _platform(results: Results, name: str) -> dict[str, Any]:
    platform = results.catalog.platforms.get(name)
    return {
        "id": name,
        "title": results.catalog.platform_title(name),
        "facts": [] if platform is None else [platform.backend, *phrases.describe_hardware(platform)],
        "measured": name in results.runs,
    }


def _model(results: Results, name: str) -> dict[str, Any]:
    network = results.catalog.find_network(name)
    return {
        "id": name,
        "title": network.title,
        "top1": network.top1_accuracy_percent,
        "top5": network.top5_accuracy_percent,
        "gflops": network.giga_flops,
    }


def _shorten(trends: Sequence[Trend]) -> int:
    """Return the maximum number of nights kept of a cell, so that all fit into the page; 0 if all nights fit."""
    if sum(len(trend.nights) for trend in trends) <= MOST_NIGHTS:
        return 0
    return max(FEWEST_NIGHTS, MOST_NIGHTS // len(trends))


def _trend(
    key: CellKey,
    nights: Iterable[TrendNight],
    runs: dict[tuple[str, str, str], int],
    budgets: dict[TimeLimit, int],
) -> list[Any]:
    """Return a cell's id and its nights: run, ms, verdict, accepted, baseline, tolerance and, if it has one, budget."""
    rows = []
    for night in nights:
        run = (night.started.isoformat(timespec="minutes"), night.run, night.commit)
        verdict, accepted = SEVERITY.index(night.outcome), int(night.accepted)
        held = _short(night.baseline_ms)
        row = [runs.setdefault(run, len(runs)), _short(night.now_ms), verdict, accepted, held, night.tolerance]
        rows.append(row if night.budget is None else [*row, _index(night.budget, budgets)])
    return [str(key), rows]


def _short(number: float | None) -> float | None:
    """Round a number to six significant digits, which is more than the page can show."""
    return None if number is None else float(f"{number:.6g}")
