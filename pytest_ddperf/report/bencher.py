"""Reports for other tools: Bencher and github-action-benchmark.

Both track a value over time and detect changes themselves, so regressed cells are included: their values are valid.
Cells without a valid measurement (out of memory, crash, error, another client on the server) are omitted rather than
reported as zero.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_ddperf.core.records import FAILING, Outcome
from pytest_ddperf.report.benchmark_json import build_benchmark, build_document, build_judged_info

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_ddperf.core.results import Result, Results

_UNSOUND = (FAILING - {Outcome.REGRESSED, Outcome.OVER_BUDGET}) | {Outcome.REMEASURE, Outcome.UNAVAILABLE}
"""Verdicts without a valid value to track."""

_NS_PER_MS = 1e6


def render_bmf(results: Results) -> str:
    """Render the results in Bencher Metric Format: Bencher's own measures `latency` and `throughput` for each cell.

    The latency is in nanoseconds per image, the throughput in images per second. The lower and upper values are those
    of the fastest and the slowest pass.
    """
    return _json(
        {
            str(cell.key): {
                "latency": _metric(now_ms * _NS_PER_MS, [ms * _NS_PER_MS for ms in cell.samples_ms]),
                **_throughput(cell, now_ms),
            }
            for cell, now_ms in _sound(results)
        }
    )


def render_pytest(results: Results) -> str:
    """Render the results as pytest-benchmark JSON, which github-action-benchmark reads with `tool: pytest`.

    github-action-benchmark identifies a benchmark by `fullname` and tracks `stats.ops`: here images per second, where
    more is better.
    """
    benchmarks = [
        build_benchmark(
            cell.key, cell.nodeid or str(cell.key), [ms / 1000 for ms in cell.samples_ms], _info(cell, results)
        )
        for cell, _ in _sound(results)
        if cell.samples_ms
    ]
    platforms = {
        platform: (results.catalog.platform(platform).title, results.catalog.platform(platform).backend, facts)
        for platform in results.platforms
        if (facts := results.server_of(platform)) is not None
    }
    newest = max(results.runs.values(), key=lambda run: run.started, default=None)
    commit = {} if newest is None or not newest.commit else {"id": newest.commit}
    return _json(build_document(benchmarks, platforms, commit=commit, started="" if newest is None else newest.started))


def _sound(results: Results) -> Iterator[tuple[Result, float]]:
    """Yield the cells with a valid measurement, and their milliseconds per image."""
    for cell in results.cells:
        if cell.measured_ms is not None and cell.measured_ms > 0 and cell.outcome not in _UNSOUND:
            yield cell, cell.measured_ms


def _throughput(cell: Result, now_ms: float) -> dict[str, Any]:
    """Return the throughput, images per second; empty if it is unknown.

    At a given request rate it is not computed from the passes, as their values are latencies.
    """
    if not cell.key.scenario.startswith("r"):
        return {"throughput": _metric(1000 / now_ms, [1000 / ms for ms in cell.samples_ms if ms > 0])}
    return {} if cell.images_per_second is None else {"throughput": _metric(cell.images_per_second, [])}


def _metric(value: float, samples: list[float]) -> dict[str, float]:
    if not samples:
        return {"value": value}
    return {"value": value, "lower_value": min(value, *samples), "upper_value": max(value, *samples)}


def _info(cell: Result, results: Results) -> dict[str, Any]:
    run = results.run_of(cell)
    server = None if run is None else run.servers.get(cell.key.platform)
    return (
        build_judged_info(cell)
        | {"clock": cell.clock}
        | ({} if server is None else {"server": msgspec.to_builtins(server)})
    )


def _json(values: object) -> str:
    return json.dumps(values, indent=2, allow_nan=False) + "\n"
