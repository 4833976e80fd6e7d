"""Properties of a cell's testcase in JUnit XML. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.core.budgets import find_tightest
from pytest_ddperf.core.load_summary import compute_images_per_second, summarise_load
from pytest_ddperf.core.results import get_slower_since
from pytest_ddperf.text import digits_beside

if TYPE_CHECKING:
    from pytest_ddperf.core.records import CellRecord


def list_properties(record: CellRecord) -> list[tuple[str, str]]:
    """Return the names and values of the properties; properties without a value are omitted.

    Times are milliseconds per image, changes are percent (10 is 10 % slower), numbers have no unit.
    """
    measurement, baseline, server = record.measurement, record.baseline, record.server
    found: dict[str, str | None] = {
        "platform": record.key.platform,
        "model": record.key.model,
        "batch_size": str(record.key.batch_size),
        "scenario": record.key.scenario or None,
        "verdict": str(record.outcome),
        "ms_per_image": _number(record.now_ms),
        "baseline_ms_per_image": None if baseline is None else _number(record.baseline_ms or baseline.value_ms),
        "baseline": None if baseline is None else baseline.kind,
        "change_percent": _percent(record.change, record.tolerance, record.limit),
        "limit_percent": _percent(record.limit, record.change),
        "tolerance_percent": _percent(record.tolerance, record.change),
        "shift_removed_percent": _percent(record.shift_removed) if record.shift_removed else None,
        "platform_shifted": "true" if record.platform_shifted else None,
        "slower_since": get_slower_since(record),
        "resolution_percent": _percent(record.resolution),
        **_pairs(record),
        "clock": None if measurement is None else str(measurement.conditions.clock),
        "rounds": None if measurement is None else str(len(measurement.rounds)),
        "server_version": None if server is None else server.version,
        **_budgets(record),
        **_load(record),
    }
    return [(name, value) for name, value in found.items() if value is not None]


def _pairs(record: CellRecord) -> dict[str, str | None]:
    """Return the properties of a cell that was measured in pairs."""
    if record.measurement is None or record.measurement.against is None:
        return {}
    low, high = record.interval or (None, None)
    return {
        "interval_low_percent": _percent(low),
        "interval_high_percent": _percent(high),
        "pairs": str(record.pairs),
        "pair_seed": str(record.measurement.against.seed),
    }


def _budgets(record: CellRecord) -> dict[str, str | None]:
    """Return the properties of its budget: the limits, and the headroom of the one that needs a look first."""
    tightest = find_tightest(record.budgets)
    if tightest is None:
        return {}
    return {
        **{f"budget_{one.key}": f"{one.limit:g}" for one in record.budgets},
        "budget": str(tightest.standing),
        "headroom_percent": _percent(tightest.headroom),
    }


def _load(record: CellRecord) -> dict[str, str | None]:
    """Return the properties of a cell under load; latencies are milliseconds per request."""
    load = summarise_load(record.measurement)
    if load is None:
        return {}
    found = {f"p{one.percent}_ms": _number(one.value_ms) for one in load.percentiles}
    return {
        **found,
        "images_per_second": _number(compute_images_per_second(record.key, record.now_ms, load)),
        "requests_per_second": _number(load.requests_per_second),
        "kept_up": None if load.kept_up is None else str(load.kept_up).lower(),
    }


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.6g}"


def _percent(share: float | None, *others: float | None) -> str | None:
    """Format a ratio in percent, with as many decimals as tell it from others; None for None."""
    if share is None:
        return None
    digits = max(2, digits_beside(share * 100, *(other * 100 for other in others if other is not None)))
    return f"{round(share * 100, digits) + 0.0:.{digits}f}"  # -0.0 becomes 0.0
