"""The history of one platform as the gate uses it: accepted nights, nightly values, streaks of instability.

A night is a run. It is accepted if it was made with --ddperf-accept, finished, and measured everything its options
asked for; a cell of it is accepted if its verdict was ok, improved or new. So a regressed cell never becomes a baseline
by being saved: it is compared with the nights before the regression, however long ago they were.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import fmean, median
from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_ddperf.core.records import Baseline, Outcome
from pytest_ddperf.core.results import select_reddest
from pytest_ddperf.gate.creep import REFERENCE_NIGHTS
from pytest_ddperf.gate.references import NIGHTS, SUITE_FROM
from pytest_ddperf.gate.statistics import round_statistic
from pytest_ddperf.history.run_file import HistoryError, list_runs, parse_moment, read_header, read_run, start_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from pytest_ddperf.core.records import CellKey, CellRecord, Conditions
    from pytest_ddperf.history.run_file import Run

MOST = 400
"""Maximum number of accepted nights that are read: more than a year."""

_NEWEST = 30  # runs that are read even if no night was ever accepted
_ACCEPTED = frozenset({Outcome.OK, Outcome.IMPROVED, Outcome.NEW})
_JUDGED = _ACCEPTED | {Outcome.REGRESSED, Outcome.UNSTABLE}
_MOST_LOG = 700.0  # exp() of larger values overflows a float
_NEVER: Mapping[CellKey, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class NightCell:
    """One cell of one night.

    Args:
        conditions: the conditions of the measurement.
        accepted: whether later nights may be compared with it.
        passes_ms: milliseconds per image by the gated clock, of all rounds.
        statistic: the statistic of its first round, a logarithm.
        network_files: as `Measurement.network_files`.
    """

    conditions: Conditions
    accepted: bool
    passes_ms: tuple[float, ...]
    statistic: float
    network_files: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Night:
    """One run of the platform.

    Args:
        run: its name.
        started: its start time, UTC.
        cells: the cells that were measured and judged.
    """

    run: str
    started: datetime
    cells: Mapping[CellKey, NightCell]


@dataclass(frozen=True)
class Nights:
    """The nights of one platform.

    Args:
        platform_id: the platform.
        nights: oldest first.
        skipped: a sentence for each file that is not a valid run; it names the file.
    """

    platform_id: str
    nights: tuple[Night, ...] = ()
    skipped: tuple[str, ...] = ()

    def after(self, since: Mapping[CellKey, str]) -> Nights:
        """Return the same nights, restricted for each cell to those that began after the cell was recorded.

        Args:
            since: when each cell was recorded, ISO 8601; an absent cell or an invalid date restricts nothing.
        """
        dates = {key: date for key, text in since.items() if (date := parse_moment(text)) is not None}
        if not dates:
            return self
        return replace(
            self,
            nights=tuple(
                replace(
                    night,
                    cells={
                        key: cell for key, cell in night.cells.items() if key not in dates or night.started > dates[key]
                    },
                )
                for night in self.nights
            ),
        )

    def baselines(self, since: Mapping[CellKey, str] = _NEVER) -> dict[CellKey, Baseline]:
        """Return each cell's baseline: its newest 30 accepted nights under the conditions of the newest one.

        The runs of all cells are aligned by night, with `()` for a night without the cell. For a cell that is missing
        on some nights, older nights are used instead.

        Args:
            since: when each cell was recorded, ISO 8601; only later nights count.
        """
        return self.after(since)._baselines()  # noqa: SLF001 - same class

    def _baselines(self) -> dict[CellKey, Baseline]:
        taken: dict[CellKey, dict[int, tuple[float, ...]]] = {}
        files: dict[CellKey, Mapping[str, str]] = {}
        for age, night in self._newest_first():
            for key, cell in night.cells.items():
                if cell.accepted and cell.conditions == self._conditions[key]:
                    of_cell = taken.setdefault(key, {})
                    files.setdefault(key, cell.network_files)
                    if len(of_cell) < NIGHTS:
                        of_cell[age] = cell.passes_ms
        used = sorted({age for of_cell in taken.values() for age in of_cell}, reverse=True)
        return {
            key: Baseline(
                kind="history",
                value_ms=median(median(passes) for passes in of_cell.values()),
                source=self._source(of_cell),
                runs=tuple(of_cell.get(age, ()) for age in used),
                conditions=self._conditions[key],
                network_files=dict(files[key]),
            )
            for key, of_cell in sorted(taken.items())
        }

    def _source(self, ages: Mapping[int, object]) -> str:
        oldest = self.nights[len(self.nights) - 1 - max(ages)].started
        return f"history, {len(ages)} accepted night{'s' * (len(ages) > 1)} since {oldest:%Y-%m-%d}"

    def creep_values(self, key: CellKey) -> tuple[float, ...]:
        """Return a cell's nightly values, milliseconds, oldest first, without each night's common shift.

        The first 8 values are of accepted nights, with which `creep` compares the others. After them, every night
        counts on which the cell was measured and judged, whether accepted, complete or regressed. Empty for a cell
        without an accepted night.
        """
        return tuple(_ms(value - self._shifts[age]) for age, value in self._series.get(key, {}).items())

    def common_shift(self, statistics: Mapping[CellKey, float]) -> float:
        """Return by how much a night is slower than the cells' first nights, a logarithm.

        It is the median over the cells, and 0 for fewer than 8 cells, as in the gate.

        Args:
            statistics: the statistic of the first round of each cell of the night, a logarithm.
        """
        off = [value - self._references[key] for key, value in statistics.items() if key in self._references]
        return median(off) if len(off) >= SUITE_FROM else 0.0

    def _newest_first(self) -> Iterator[tuple[int, Night]]:
        return enumerate(reversed(self.nights))

    @cached_property
    def _conditions(self) -> dict[CellKey, Conditions]:
        """The conditions of each cell's newest accepted night."""
        found: dict[CellKey, Conditions] = {}
        for _, night in self._newest_first():
            for key, cell in night.cells.items():
                if cell.accepted:
                    found.setdefault(key, cell.conditions)
        return found

    @cached_property
    def _series(self) -> dict[CellKey, dict[int, float]]:
        """Each cell's statistics on the nights used to detect creep, by index of the night, oldest first."""
        series: dict[CellKey, dict[int, float]] = {key: {} for key in self._conditions}
        accepted: Counter[CellKey] = Counter()
        for place, night in enumerate(self.nights):
            for key, cell in night.cells.items():
                if cell.conditions != self._conditions.get(key):
                    continue
                if cell.accepted or accepted[key] >= REFERENCE_NIGHTS:
                    series[key][place] = cell.statistic
                accepted[key] += cell.accepted
        return series

    @cached_property
    def _references(self) -> dict[CellKey, float]:
        return {key: fmean(list(values.values())[:REFERENCE_NIGHTS]) for key, values in self._series.items()}

    @cached_property
    def _shifts(self) -> list[float]:
        by_night: list[dict[CellKey, float]] = [{} for _ in self.nights]
        for key, values in self._series.items():
            for place, value in values.items():
                by_night[place][key] = value
        return [self.common_shift(statistics) for statistics in by_night]


def read_nights(folder: Path, platform_id: str, *, most: int = MOST) -> Nights:
    """Read the history of one platform.

    The first line of each file is read. Cells are read only from runs that can matter: the newest `most` accepted runs,
    up to `most` other runs since the oldest of these, and always the newest 30 runs.

    Args:
        folder: the history folder; it need not exist.
        platform_id: only runs whose header names this platform count.
        most: maximum number of accepted runs, and of other runs.
    """
    skipped: list[str] = []
    nights: list[Night] = []
    for path, started in _needed(folder, platform_id, most, skipped):
        try:
            nights.append(_night(read_run(path), started, platform_id))
        except HistoryError as error:  # deleted since its first line was read
            skipped.append(str(error))
    return Nights(platform_id, tuple(sorted(nights, key=lambda night: (night.started, night.run))), tuple(skipped))


def _needed(folder: Path, platform_id: str, most: int, skipped: list[str]) -> list[tuple[Path, datetime]]:
    """Return the files to read and the start times of their runs."""
    accepted: list[tuple[Path, datetime]] = []
    others: list[tuple[Path, datetime]] = []
    waiting: list[tuple[Path, datetime]] = []
    for path in reversed(list(list_runs(folder))):
        if len(accepted) >= most:
            break
        try:
            header = read_header(path)
            started = start_time(path, header)
        except HistoryError as error:
            skipped.append(str(error))
            continue
        if platform_id not in header.platforms:
            continue
        if header.accepted:
            accepted.append((path, started))
            others += waiting  # they are newer than an accepted run
            waiting = []
        else:
            (others if len(accepted) + len(others) < _NEWEST else waiting).append((path, started))
    return [*accepted, *others[: max(most, _NEWEST)]]


def _night(run: Run, started: datetime, platform_id: str) -> Night:
    accepted = run.header.accepted and run.complete and run.whole
    cells: dict[CellKey, NightCell] = {}
    own = (record for record in run.records if record.key.platform == platform_id)
    for key, record in select_reddest(own).items():
        cell = _cell(record, accepted=accepted) if record.outcome in _JUDGED else None
        if cell is not None:
            cells[key] = cell
    return Night(run.header.run, started, cells)


def _cell(record: CellRecord, *, accepted: bool) -> NightCell | None:
    """Convert a record to a cell of a night; None if it has no comparable times."""
    measurement = record.measurement
    if measurement is None or measurement.invalid or measurement.key != record.key or record.key.batch_size < 1:
        return None
    rounds = [one for one in measurement.per_image_ms() if one]
    if not rounds or not all(0 < ms < math.inf for one in rounds for ms in one):
        return None
    return NightCell(
        conditions=measurement.conditions,
        accepted=accepted and record.outcome in _ACCEPTED,
        passes_ms=_flat(rounds),
        statistic=round_statistic(rounds[0]),
        network_files=measurement.network_files,
    )


def _flat(rounds: Sequence[Sequence[float]]) -> tuple[float, ...]:
    return tuple(ms for one in rounds for ms in one)


def _ms(logarithm: float) -> float:
    return math.exp(max(-_MOST_LOG, min(logarithm, _MOST_LOG)))
