"""Files of a history, one run per night."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pytest_ddperf.core.records import CellKey, CellRecord, Clock, Conditions, Measurement, Outcome, Pass, Round
from pytest_ddperf.history.run_file import RunHeader
from pytest_ddperf.history.writer import HistoryWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

FIRST_NIGHT = datetime(2026, 11, 1, 2, tzinfo=UTC)
CONDITIONS = Conditions(Clock.PREDICT, "caffe", gpu=True)


def moment(night: int) -> str:
    """Return when a night began, ISO 8601."""
    return (FIRST_NIGHT + timedelta(days=night)).isoformat(timespec="seconds")


def cell(
    key: CellKey,
    *rounds_ms: Sequence[float],
    outcome: Outcome = Outcome.OK,
    change: float | None = None,
    conditions: Conditions = CONDITIONS,
    invalid: str = "",
) -> CellRecord:
    """Return the record of a cell in one night, in milliseconds per image by the predict clock."""
    rounds = tuple(
        Round(0.0, tuple(Pass(client_ms=1e6, predict_ms=ms * key.batch_size) for ms in one)) for one in rounds_ms
    )
    measurement = Measurement(key, conditions, rounds, invalid=invalid)
    return CellRecord(key, f"test_predict[{key}]", outcome, change=change, tolerance=0.05, measurement=measurement)


def write_night(
    folder: Path,
    night: int,
    cells: Iterable[CellRecord],
    *,
    accepted: bool = True,
    whole: bool = True,
    ended: bool = True,
    platforms: tuple[str, ...] = ("tk1",),
    commit: str = "",
    dirty: bool = False,
) -> Path:
    """Write one run as a file of the history."""
    started = FIRST_NIGHT + timedelta(days=night)
    facts = {"commit": {"id": commit, "dirty": dirty}}
    header = RunHeader(f"{started:%Y%m%dT%H%M%S}.000Z-{night:08x}", moment(night), "0", platforms, accepted, facts)
    with HistoryWriter(folder, header) as writer:
        for one in cells:
            writer.append(one)
        if ended:
            writer.close(0, whole=whole)
    return writer.path


def without_measurement(key: CellKey, outcome: Outcome) -> CellRecord:
    """Return the record of a cell without a measurement."""
    return replace(cell(key, outcome=outcome), measurement=None)
