"""The history of one platform as the gate is asked with it: accepted nights, nightly values, runs of instability.

A night is a run. It is accepted where it was made with --ddperf-accept, came to its end and measured all that its
options asked for; a cell of it is, where its verdict was ok, improved or new. So a regressed cell never becomes a
baseline by being saved: it is held against the nights before it regressed, however long ago they were.
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
"""Accepted nights that are read at the most: more than a year of them."""

_NEWEST = 30  # runs that are read whether or not a night was ever accepted
_ACCEPTED = frozenset({Outcome.OK, Outcome.IMPROVED, Outcome.NEW})
_RED_OR_UNSTABLE = frozenset({Outcome.REGRESSED, Outcome.UNSTABLE})
_JUDGED = _ACCEPTED | _RED_OR_UNSTABLE
_MOST_LOG = 700.0  # logarithms beyond it are no floats any more
_NEVER: Mapping[CellKey, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class NightCell:
    """One cell of one night.

    Args:
        conditions: under which it was measured.
        accepted: whether later nights may be held against it.
        beyond: whether it was beyond the tolerance, be it red or too noisy to tell from chance.
        passes_ms: milliseconds per image by the gated clock, of all rounds.
        statistic: what its first round is worth, a logarithm.
        network_files: as `Measurement.network_files`.
    """

    conditions: Conditions
    accepted: bool
    beyond: bool
    passes_ms: tuple[float, ...]
    statistic: float
    network_files: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Night:
    """One run of the platform.

    Args:
        run: its name.
        started: in UTC.
        cells: those that were measured and judged.
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
        skipped: a sentence for each file that is no history; it names the file.
    """

    platform_id: str
    nights: tuple[Night, ...] = ()
    skipped: tuple[str, ...] = ()

    def after(self, since: Mapping[CellKey, str]) -> Nights:
        """The same nights, of each cell only those that began after it was recorded.

        Args:
            since: when each cell was recorded, ISO 8601; a cell that is absent, and what is no date, restricts nothing.
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
        """What each cell is held against: its newest 30 accepted nights under the conditions of the newest of them.

        The runs of all cells are aligned by night: `()` where a night lacks the cell. A cell that was left out of some
        nights reaches further back.

        Args:
            since: when each cell was recorded, ISO 8601; only nights after it count.
        """
        return self.after(since)._baselines()  # noqa: SLF001 - of its own class

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
        """A cell's nightly values, milliseconds, oldest first, each night's common shift taken out.

        They begin with its first 8 accepted nights, to which `creep` holds the others; from then on every night counts
        in which it was measured and judged, whether accepted, complete or regressed. Empty for a cell without an
        accepted night.
        """
        return tuple(_ms(value - self._shifts[age]) for age, value in self._series.get(key, {}).items())

    def common_shift(self, statistics: Mapping[CellKey, float]) -> float:
        """By how much a night is slower than the cells' first nights, a logarithm.

        It is the median over the cells, and taken as 0 below 8 of them, as in the gate.

        Args:
            statistics: of each cell of the night what its first round is worth, a logarithm.
        """
        off = [value - self._references[key] for key, value in statistics.items() if key in self._references]
        return median(off) if len(off) >= SUITE_FROM else 0.0

    def unstable_streak(self, key: CellKey) -> int:
        """In how many of its newest nights, without a gap, a cell was unstable and beyond its tolerance.

        A night on which it was red beyond the tolerance counts, too: else the first red night would end the count that
        made it red. Nights that did not measure and judge the cell say nothing of it and are passed over.
        """
        streak = 0
        for _, night in self._newest_first():
            cell = night.cells.get(key)
            if cell is not None and not cell.beyond:
                break
            streak += cell is not None
        return streak

    def _newest_first(self) -> Iterator[tuple[int, Night]]:
        return enumerate(reversed(self.nights))

    @cached_property
    def _conditions(self) -> dict[CellKey, Conditions]:
        """Of each cell those of its newest accepted night."""
        found: dict[CellKey, Conditions] = {}
        for _, night in self._newest_first():
            for key, cell in night.cells.items():
                if cell.accepted:
                    found.setdefault(key, cell.conditions)
        return found

    @cached_property
    def _series(self) -> dict[CellKey, dict[int, float]]:
        """Of each cell the statistics of the nights that creep looks at, by the night's place, oldest first."""
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

    Of each file the first line is read, the cells only where they can matter: of the newest `most` accepted runs, of as
    many others since the oldest of these, and of the newest 30 in any case.

    Args:
        folder: the history's; it need not exist.
        platform_id: a run counts where its header names it.
        most: accepted runs, and other runs, at the most.
    """
    skipped: list[str] = []
    nights: list[Night] = []
    for path, started in _needed(folder, platform_id, most, skipped):
        try:
            nights.append(_night(read_run(path), started, platform_id))
        except HistoryError as error:  # gone since its first line was read
            skipped.append(str(error))
    return Nights(platform_id, tuple(sorted(nights, key=lambda night: (night.started, night.run))), tuple(skipped))


def _needed(folder: Path, platform_id: str, most: int, skipped: list[str]) -> list[tuple[Path, datetime]]:
    """The files to read, and when their runs began."""
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
            others += waiting  # newer than an accepted one
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
    """A record as a cell of a night; None where it holds no times that can be compared."""
    measurement = record.measurement
    if measurement is None or measurement.invalid or measurement.key != record.key or record.key.batch_size < 1:
        return None
    rounds = [one for one in measurement.per_image_ms() if one]
    if not rounds or not all(0 < ms < math.inf for one in rounds for ms in one):
        return None
    beyond = record.change is not None and record.tolerance is not None and record.change > record.tolerance
    return NightCell(
        conditions=measurement.conditions,
        accepted=accepted and record.outcome in _ACCEPTED,
        beyond=record.outcome in _RED_OR_UNSTABLE and beyond,
        passes_ms=_flat(rounds),
        statistic=round_statistic(rounds[0]),
        network_files=measurement.network_files,
    )


def _flat(rounds: Sequence[Sequence[float]]) -> tuple[float, ...]:
    return tuple(ms for one in rounds for ms in one)


def _ms(logarithm: float) -> float:
    return math.exp(max(-_MOST_LOG, min(logarithm, _MOST_LOG)))
