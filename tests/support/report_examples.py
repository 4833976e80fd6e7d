"""Results for tests of reports: the published tables, a run with every kind of verdict, and a history."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

from pytest_ddperf.config.load_catalog import load_catalog
from pytest_ddperf.core.records import CellKey, Outcome, ServerFacts
from pytest_ddperf.core.results import Result, Results, RunFacts, Trend, TrendNight, sort_cells
from pytest_ddperf.report.gather import gather_results

RUN = RunFacts(
    "20261103T020000.000Z-00000002",
    "2026-11-03T02:00:00+00:00",
    "4f3a1c9d2b7e",
    servers={"tk1": ServerFacts("http://tk1.lan:8080", "v0.28.0", "9f1c2ab", "master", "Release")},
)
B8 = CellKey("tk1", "squeezenet_v1.1", 8)
VERDICTS: tuple[tuple[CellKey, Outcome, float | None, float | None], ...] = (
    (B8, Outcome.REGRESSED, 69.8, 0.291),
    (CellKey("tk1", "squeezenet_v1.1", 1), Outcome.OK, 90.9, 0.002),
    (CellKey("tk1", "squeezenet_v1.1", 2), Outcome.UNSTABLE, 78.0, 0.087),
    (CellKey("tk1", "shufflenet", 1), Outcome.IMPROVED, 66.1, -0.206),
    (CellKey("tk1", "shufflenet", 2), Outcome.OK, 63.9, -0.002),
    (CellKey("tk1", "googlenet", 4), Outcome.ERROR, None, None),
    (CellKey("tk1", "resnet50", 3), Outcome.NEW, 216.4, None),
)


@cache
def published() -> Results:
    """Return the published tables of every platform, without a run."""
    return gather_results(load_catalog(), (), {})


@cache
def measured() -> Results:
    """Return TK1 with a run of seven cells, one for each kind of verdict, and the other cells of its table."""
    results = published().only(["tk1"])
    cells = {cell.key: cell for cell in results.cells}
    for key, outcome, now_ms, change in VERDICTS:
        samples = () if now_ms is None else tuple(now_ms * share for share in (0.99, 1.0, 1.0, 1.01, 1.02))
        cells[key] = replace(
            cells.get(key, Result(key)),
            now_ms=now_ms,
            change=change,
            outcome=outcome,
            reason=f"{key} is {outcome}, for a reason",
            tolerance=None if change is None else 0.1,
            resolution=None if change is None else 0.068 if key == B8 else 0.05,
            nodeid=f"benchmarks/test_predict.py::test_predict[{key}]",
            samples_ms=samples,
            clock="" if now_ms is None else "predict",
        )
    return replace(
        results,
        cells=sort_cells(cells.values(), results.catalog),
        runs={"tk1": RUN},
        missing={"tk1": 3},
        warnings=(".ddperf/broken.jsonl: 1 line could not be read and was skipped; the rest of the run counts.",),
    )


def trend(key: CellKey = B8, nights: int = 12) -> Trend:
    """Return the trend of a cell: steady, and slower on the last night."""
    first = datetime(2026, 10, 23, 2, tzinfo=UTC)
    shown = [
        TrendNight(
            run=f"night-{number}",
            started=first + timedelta(days=number),
            now_ms=69.8 if number == nights - 1 else 54.0 + 0.3 * (number % 4),
            outcome=Outcome.REGRESSED if number == nights - 1 else Outcome.OK,
            accepted=number < nights - 1,
            change=0.29 if number == nights - 1 else 0.005,
            tolerance=0.1,
            baseline_ms=54.1,
            baseline_kind="history" if number > 7 else "report",
            commit=f"{number:07x}",
        )
        for number in range(nights)
    ]
    return Trend(key, tuple(shown))
