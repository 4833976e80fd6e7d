"""Read the cells of a pytest-benchmark JSON file.

Such files are written by `--benchmark-json`, `--benchmark-save`, `ddperf report --json`, `--ddperf-report=pytest:FILE`
and `--ddperf-update-baselines`.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from pytest_ddperf.baselines.recordings import (
    BatchSize,
    Duration,
    decode_benchmark,
    is_cell,
    read_document,
    round_to_seven_digits,
    unavailable_cells,
)
from pytest_ddperf.core.budgets import BudgetCheck  # noqa: TC001 - read at run time, from the fields of _ExtraInfo
from pytest_ddperf.core.load_summary import LoadSummary  # noqa: TC001 - the same
from pytest_ddperf.core.records import AGAINST, CellKey, Conditions, Creep, Outcome, ServerFacts, Since
from pytest_ddperf.core.results import SEVERITY, Result, RunFacts
from pytest_ddperf.history.run_file import get_commit_id

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class _Pairs(msgspec.Struct):
    """A measurement in pairs."""

    pairs: int
    interval: tuple[float, float] | None = None
    seed: int | None = None


class _ExtraInfo(msgspec.Struct):
    """Fields of `extra_info` in all these files; each writer (such as `benchmark_json`) writes some of them."""

    platform: str
    model: str
    batch_size: BatchSize
    scenario: str = ""
    verdict: Outcome | None = None
    reason: str = ""
    ms_per_image: Annotated[float, msgspec.Meta(ge=0)] | None = None
    change: float | None = None
    limit: float | None = None
    tolerance: float | None = None
    shift_removed: float = 0.0
    platform_shifted: bool = False
    creep: Creep | None = None
    since: Since | None = None
    baseline_ms_per_image: float | None = None
    baseline_source: str | None = None
    conditions: Conditions | None = None
    clock: str = ""
    recorded: str = ""
    server: ServerFacts | None = None
    load: LoadSummary | None = None
    against: _Pairs | None = None
    budgets: tuple[BudgetCheck, ...] = ()


class _Stats(msgspec.Struct):
    data: list[Duration] = []  # `--benchmark-save` alone omits it


class _Benchmark(msgspec.Struct):
    extra_info: _ExtraInfo
    stats: _Stats
    fullname: str = ""


def read_cells(path: Path) -> list[tuple[Result, RunFacts]]:
    """Read the cells of a pytest-benchmark JSON file, each with the facts of its run.

    The run's name is that of the file without its suffix. The cells of a recorded baseline may come from several runs:
    each has the time when it was recorded, and the commit if it comes from the last of these runs. If several tests
    measured a cell, the most severe verdict counts. Cells marked `x` follow the measured ones.

    Raises:
        BaselineFileError: the file contains no such cells. The message contains the file, the line, what was found and
            what was expected.
    """
    text, document = read_document(path)
    marked = unavailable_cells(path, text, document)
    found: dict[CellKey, tuple[Result, RunFacts]] = {}
    for number, raw in enumerate(document["benchmarks"]):
        if not is_cell(raw):
            continue
        one = decode_benchmark(path, text, number, raw, _Benchmark)
        cell = _result(one)
        other = found.get(cell.key)
        if other is None or _rank(cell) <= _rank(other[0]):
            found[cell.key] = cell, _facts(path, document, one.extra_info)
    for key in marked:
        found.setdefault(key, (Result(key, unavailable=True), RunFacts(path.stem, "")))
    return list(found.values())


def _rank(cell: Result) -> int:
    return len(SEVERITY) if cell.outcome is None else SEVERITY.index(cell.outcome)


def _result(one: _Benchmark) -> Result:
    info = one.extra_info
    samples_ms = tuple(round_to_seven_digits(seconds * 1000) for seconds in one.stats.data)
    median_ms = statistics.median(samples_ms) if samples_ms else None
    return Result(
        CellKey(info.platform, info.model, info.batch_size, info.scenario),
        baseline_ms=info.baseline_ms_per_image,
        baseline_kind="" if info.against is None else AGAINST,
        baseline_source=info.baseline_source or "",
        now_ms=median_ms if info.verdict is None else info.ms_per_image or None,
        change=info.change,
        outcome=info.verdict,
        reason=info.reason,
        tolerance=info.tolerance,
        nodeid=one.fullname,
        samples_ms=samples_ms,
        clock=info.clock if info.conditions is None else str(info.conditions.clock),
        load=info.load,
        limit=info.limit,
        shift_removed=info.shift_removed,
        platform_shifted=info.platform_shifted,
        creep=info.creep,
        interval=None if info.against is None else info.against.interval,
        pairs=0 if info.against is None else info.against.pairs,
        seed=None if info.against is None else info.against.seed,
        since=info.since,
        budgets=info.budgets,
    )


def _facts(path: Path, document: Mapping[str, Any], info: _ExtraInfo) -> RunFacts:
    written = document.get("datetime")
    started = info.recorded or (written if isinstance(written, str) else "")
    commit = get_commit_id(document.get("commit_info")) if started == written else ""
    return RunFacts(path.stem, started, commit, servers={} if info.server is None else {info.platform: info.server})
