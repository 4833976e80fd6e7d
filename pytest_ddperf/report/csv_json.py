"""Reports for other programs: CSV with one row per cell, and JSON with everything.

Numbers have full precision, times are milliseconds per image, ratios are relative (0.1 is 10 % slower). Missing values
are empty in the CSV and null in the JSON. `COLUMNS` documents the fields of a cell for the CSV, JSON and DataFrames.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import statistics
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_ddperf import __version__
from pytest_ddperf.core.budgets import find_tightest
from pytest_ddperf.core.results import get_slower_since
from pytest_ddperf.report import phrases

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_ddperf.core.budgets import BudgetCheck
    from pytest_ddperf.core.load_summary import LoadSummary
    from pytest_ddperf.core.networks import Network
    from pytest_ddperf.core.platform import Platform
    from pytest_ddperf.core.results import Result, Results, RunFacts, Trend

FORMAT = 1
"""Version of the JSON, increased when a field is removed or changes its meaning, but not when one is added."""


class Column(NamedTuple):
    """A column of the CSV and of the DataFrames, and a field of a cell in the JSON.

    Args:
        dtype: the pandas dtype, see https://pandas.pydata.org/docs/user_guide/basics.html#dtypes.
        unit: unit of the values; "" for none.
        meaning: description of the values.
    """

    dtype: str
    unit: str
    meaning: str


_MS, _RELATIVE = "ms per image", "relative"

COLUMNS: Mapping[str, Column] = {
    "platform": Column("category", "", "id of the platform"),
    "model": Column("category", "", "id of the network"),
    "batch_size": Column("int64", "images", "images per request"),
    "scenario": Column("string", "", "empty for plain latency, else the load: c4 (clients), r20 (requests per second)"),
    "outcome": Column("category", "", "the verdict; empty if no run has the cell"),
    "fails": Column("boolean", "", "whether the verdict fails the test; empty without a verdict"),
    "now_ms": Column(
        "float64",
        _MS,
        "the time that the gate estimated from the fastest passes of each round; empty if nothing was measured",
    ),
    "baseline_ms": Column(
        "float64",
        _MS,
        "the baseline as the gate compared it: a published value plus half a millisecond per request if `clock` is not "
        "head; empty without one",
    ),
    "change": Column(
        "float64",
        _RELATIVE,
        "`now_ms` / `baseline_ms` - 1: the figure that decided the verdict",
    ),
    "limit": Column("float64", _RELATIVE, "the change beyond which the cell is regressed"),
    "shift_removed": Column("float64", _RELATIVE, "common shift of the platform, removed from `change` and `now_ms`"),
    "platform_shifted": Column("boolean", "", "whether the cell is slower because the whole platform is"),
    "slower_since": Column("string", "", "the night since which a regressed cell is slower, ISO 8601"),
    "tolerance": Column("float64", _RELATIVE, "the largest change that passes"),
    "resolution": Column("float64", _RELATIVE, "the smallest change that the gate can see"),
    "interval_low": Column(
        "float64", _RELATIVE, "lower end of the confidence interval of `change`; empty if not measured in pairs"
    ),
    "interval_high": Column("float64", _RELATIVE, "upper end"),
    "pairs": Column("Int64", "", "pairs of passes of both servers; empty if not measured in pairs"),
    "pair_seed": Column("Int64", "", "seed of the order within the pairs"),
    "budget": Column(
        "string", "", "the limit of its budget that needs a look first, such as min_fps = 25; empty without one"
    ),
    "headroom": Column(
        "float64", _RELATIVE, "share of the time that this limit allows and is not used; negative beyond it"
    ),
    "budget_decided": Column("string", "", "within, over or undecided: what its confidence interval shows"),
    "images_per_second": Column("float64", "images per second", "of the measured time, else of the baseline"),
    "unavailable": Column("bool", "", "whether the baseline marks it x (not measurable there)"),
    "baseline_kind": Column("string", "", "report, recorded, history or against"),
    "baseline_source": Column("string", "", "file of the baseline, and the place in it"),
    "clock": Column("string", "", "the gated clock: predict, head or client"),
    "passes": Column("Int64", "", "timed passes, all rounds"),
    "mean_ms": Column("float64", _MS, "mean of these passes"),
    "median_ms": Column("float64", _MS, "their median"),
    "run": Column("string", "", "name of the run that measured it"),
    "started": Column("datetime64[us, UTC]", "UTC", "when the run began, ISO 8601 in the CSV and the JSON"),
    "commit": Column("string", "", "the commit that was tested"),
    "complete": Column("boolean", "", "whether the run was neither interrupted nor killed"),
    "server_url": Column("string", "", "the server, without credentials"),
    "server_version": Column("string", "", "as the server reports it"),
    "server_commit": Column("string", "", "as the server reports it"),
    "requests": Column(
        "Int64",
        "",
        "requests of all passes under load; for plain latency this and all columns up to `p99_high_ms` are empty",
    ),
    "requests_per_second": Column("float64", "requests per second", "answered requests, mean of all passes"),
    "asked_per_second": Column(
        "float64", "requests per second", "the requested rate; empty if clients wait for their answers"
    ),
    "kept_up": Column("boolean", "", "whether the server answered at the requested rate; empty if clients wait"),
    "outstanding": Column("Int64", "requests", "maximum number of requests that were due and not answered"),
    "p50_ms": Column(
        "float64", "ms per request", "median latency; empty, like all percentiles, if there are too few requests"
    ),
    "p50_low_ms": Column("float64", "ms per request", "lower end of its 95 % interval"),
    "p50_high_ms": Column("float64", "ms per request", "upper end of its 95 % interval"),
    "p90_ms": Column("float64", "ms per request", "90th percentile"),
    "p90_low_ms": Column("float64", "ms per request", "lower end"),
    "p90_high_ms": Column("float64", "ms per request", "upper end"),
    "p95_ms": Column("float64", "ms per request", "95th percentile"),
    "p95_low_ms": Column("float64", "ms per request", "lower end"),
    "p95_high_ms": Column("float64", "ms per request", "upper end"),
    "p99_ms": Column("float64", "ms per request", "99th percentile"),
    "p99_low_ms": Column("float64", "ms per request", "lower end"),
    "p99_high_ms": Column("float64", "ms per request", "upper end"),
    "nodeid": Column("string", "", "the test that measured it"),
    "reason": Column("string", "", "the verdict in words; in the CSV on one line"),
    "notes": Column(
        "string",
        "",
        "differences from the baseline, and the earlier run that the cell is from; separated by `; `",
    ),
}
"""The columns of the CSV and of the DataFrames, in order; the cells of the JSON have these fields and `samples_ms`."""

_PERCENTILES = tuple(name for name in COLUMNS if re.match(r"p\d\d_", name))

_RUNS_IN_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r")


def render_csv(results: Results) -> str:
    """Render all cells as CSV, one row each, with the header `COLUMNS`.

    Text that a spreadsheet would interpret as a formula (it begins with `=`, `+`, `-` or `@`) is prefixed with `'`.
    """
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for cell in results.cells:
        values = replace_non_finite(row(cell, results.run_of(cell)))
        writer.writerow([_csv_value(values[name]) for name in COLUMNS])
    return file.getvalue()


def render_json(results: Results, trends: Sequence[Trend]) -> str:
    """Render all results and trends as one JSON object.

    `format`: `FORMAT`; `generator`: the program that wrote it; `totals`: number of cells by verdict; `not_measured`:
    number of baseline cells that the run should have measured but did not; `warnings`: messages; `runs`, `platforms`,
    `networks`: facts, by id; `cells`: a list of objects with the fields `COLUMNS`, `budgets` (each limit with its
    figure, interval and `standing`) and `samples_ms` (every timed pass);
    `trends`: a list of objects with the four fields of a cell's key and `nights`, oldest first.
    """
    models = {cell.key.model for cell in results.cells}
    document = {
        "format": FORMAT,
        "generator": f"pytest-ddperf {__version__}",
        "totals": {str(outcome): count for outcome, count in phrases.count_verdicts(results).items()},
        "not_measured": results.not_measured,
        "warnings": list(results.warnings),
        "runs": {platform: _run(run, platform) for platform, run in results.runs.items()},
        "platforms": {
            name: _platform(results.catalog.platforms[name])
            for name in results.platforms
            if name in results.catalog.platforms
        },
        "networks": {name: _network(one) for name, one in results.catalog.networks.items() if name in models},
        "cells": [
            {
                **row(cell, results.run_of(cell)),
                "since": None if cell.since is None else asdict(cell.since),
                "budgets": [asdict(one) for one in cell.budgets],
                "samples_ms": list(cell.samples_ms),
            }
            for cell in results.cells
        ],
        "trends": [_trend(trend) for trend in trends],
    }
    return json.dumps(replace_non_finite(document), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def replace_non_finite(value: Any) -> Any:  # noqa: ANN401 - builtins of any shape
    """Replace NaN and infinite numbers, which JSON does not support, with None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: replace_non_finite(each) for name, each in value.items()}
    return [replace_non_finite(each) for each in value] if isinstance(value, list) else value


def row(cell: Result, run: RunFacts | None) -> dict[str, Any]:
    """Return the values of `COLUMNS` for a cell and the run that judged it; None for an empty field."""
    server = None if run is None else run.servers.get(cell.key.platform)
    interval_low, interval_high = cell.interval or (None, None)
    return {
        "platform": cell.key.platform,
        "model": cell.key.model,
        "batch_size": cell.key.batch_size,
        "scenario": cell.key.scenario,
        "outcome": None if cell.outcome is None else str(cell.outcome),
        "fails": None if cell.outcome is None else cell.fails,
        "now_ms": cell.now_ms,
        "baseline_ms": cell.baseline_ms,
        "change": cell.change,
        "limit": cell.limit,
        "shift_removed": None if cell.change is None else cell.shift_removed,
        "platform_shifted": None if cell.change is None else cell.platform_shifted,
        "slower_since": get_slower_since(cell),
        "tolerance": cell.tolerance,
        "resolution": cell.resolution,
        "interval_low": interval_low,
        "interval_high": interval_high,
        "pairs": cell.pairs or None,
        "pair_seed": cell.seed,
        **_budget(find_tightest(cell.budgets)),
        "images_per_second": cell.images_per_second,
        "unavailable": cell.unavailable,
        "baseline_kind": cell.baseline_kind or None,
        "baseline_source": cell.baseline_source or None,
        "clock": cell.clock or None,
        "passes": len(cell.samples_ms) or None,
        "mean_ms": statistics.fmean(cell.samples_ms) if cell.samples_ms else None,
        "median_ms": statistics.median(cell.samples_ms) if cell.samples_ms else None,
        "run": None if run is None else run.run,
        "started": None if run is None else run.started,
        "commit": None if run is None else run.commit or None,
        "complete": None if run is None else run.complete,
        "server_url": None if server is None else server.url,
        "server_version": None if server is None else server.version,
        "server_commit": None if server is None else server.commit,
        **_load(cell.load),
        "nodeid": cell.nodeid or None,
        "reason": cell.reason or None,
        "notes": "; ".join(cell.notes) or None,
    }


def _budget(check: BudgetCheck | None) -> dict[str, Any]:
    """Return the fields of the limit that needs a look first."""
    return {
        "budget": None if check is None else check.rule,
        "headroom": None if check is None else check.headroom,
        "budget_decided": None if check is None else str(check.standing),
    }


def _load(load: LoadSummary | None) -> dict[str, Any]:
    """Return the fields of a cell under load."""
    found: dict[str, Any] = dict.fromkeys(_PERCENTILES)
    for one in () if load is None else load.percentiles:
        name = f"p{one.percent}"
        found |= {f"{name}_ms": one.value_ms, f"{name}_low_ms": one.low_ms, f"{name}_high_ms": one.high_ms}
    names = ("requests", "requests_per_second", "asked_per_second", "kept_up", "outstanding")
    return {name: None if load is None else getattr(load, name) for name in names} | found


def _csv_value(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return value  # the module writes None as an empty field, and every digit of a number
    text = phrases.join_lines(value)
    return f"'{text}" if text.startswith(_RUNS_IN_SPREADSHEETS) else text


def _run(run: RunFacts, platform: str) -> dict[str, Any]:
    server = run.servers.get(platform)
    return {
        "run": run.run,
        "started": run.started,
        "commit": run.commit or None,
        "complete": run.complete,
        "server": None if server is None else asdict(server),
    }


def _platform(platform: Platform) -> dict[str, Any]:
    names = ("title", "backend", "tolerance", "peak_gflops", "cores", "watts", "price_usd", "memory_gib", "source")
    return {name: getattr(platform, name) for name in names}


def _network(network: Network) -> dict[str, Any]:
    names = ("title", "top1_accuracy_percent", "top5_accuracy_percent", "giga_flops", "million_params")
    return {name: getattr(network, name) for name in names}


def _trend(trend: Trend) -> dict[str, Any]:
    nights = [{**asdict(night), "started": night.started.isoformat()} for night in trend.nights]
    return {**asdict(trend.key), "nights": nights}
