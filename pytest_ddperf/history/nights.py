"""The history of one platform as the gate uses it: accepted nights, nightly values, slow creep, steps.

A night is a run. It is accepted if it was made with --ddperf-accept, finished, and measured everything its options
asked for; a cell of it is accepted if its verdict was ok, improved or new. So a regressed cell never becomes a baseline
by being saved: it is compared with the nights before the regression, however long ago they were.
"""

from __future__ import annotations

import contextlib
import math
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from itertools import chain
from statistics import fmean, median
from typing import TYPE_CHECKING

import msgspec

from pytest_ddperf.core.records import Baseline, Creep, Night, Outcome, Since
from pytest_ddperf.deepdetect.protocol import BUILD_FACTS
from pytest_ddperf.gate.creep import REFERENCE_NIGHTS, is_step, judge_creep
from pytest_ddperf.gate.references import NIGHTS, SUITE_FROM
from pytest_ddperf.gate.statistics import MOST_LOG, find_bulk, midmean, round_statistic
from pytest_ddperf.gate.steps import find_step
from pytest_ddperf.history.index import HistoryIndex
from pytest_ddperf.history.run_file import HistoryError, describe_night, parse_moment, read_run
from pytest_ddperf.text import quote_server_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_ddperf.core.records import CellKey, Conditions, ServerFacts
    from pytest_ddperf.gate.creep import Creep as Judged
    from pytest_ddperf.gate.verdicts import Verdict
    from pytest_ddperf.history.index_lines import IndexedCell, IndexedRun

MOST = 400
"""Maximum number of accepted nights that are read: more than a year."""

_NEWEST = 30  # runs that are read even if no night was ever accepted
_LONGEST_FACT = 40


class NightCell(msgspec.Struct, frozen=True, gc=False):
    """One cell of one night, measured and judged.

    Args:
        night: position of the night in `Nights.started`.
        conditions: the conditions of the measurement; equal ones are the same object.
    """

    night: int
    conditions: Conditions
    cell: IndexedCell


@dataclass(frozen=True, slots=True)
class Tonight:
    """The cells of a platform that the current run has measured so far.

    Args:
        night: the run.
        cells: the conditions of each cell, and the statistic of its rounds, a logarithm.
        server: the measured server; None if unknown.
    """

    night: Night
    cells: Mapping[CellKey, tuple[Conditions, float]]
    server: ServerFacts | None = None


@dataclass(frozen=True)
class Nights:
    """The nights of one platform.

    Args:
        started: the start times of the nights, UTC, oldest first.
        cells: the nights of each cell, oldest first.
        commits: ids of the tested commits, "" for unknown; in the order of the nights.
        skipped: a text for each file that is not a valid run, and one for the index if it could not be used.
        paths: the files of the nights, in their order.
    """

    platform_id: str
    started: Sequence[datetime] = ()
    cells: Mapping[CellKey, Sequence[NightCell]] = field(default_factory=dict)
    skipped: Sequence[str] = ()
    commits: Sequence[str] = ()
    paths: Sequence[Path] = ()

    def after(self, since: Mapping[CellKey, str]) -> Nights:
        """Return the same nights, restricted for each cell to those that began after the cell was recorded.

        Args:
            since: when each cell was recorded, ISO 8601; an absent cell or an invalid date restricts nothing.
        """
        dates = {key: date for key, text in since.items() if (date := parse_moment(text)) is not None}
        later = {
            key: [one for one in self.cells[key] if self.started[one.night] > date]
            for key, date in dates.items()
            if key in self.cells
        }
        return replace(self, cells={**self.cells, **later})

    def baselines(self) -> dict[CellKey, Baseline]:
        """Return each cell's baseline: its newest 30 accepted nights under the conditions of the newest one.

        The runs of all cells are aligned by night, with `()` for a night without the cell. For a cell that is missing
        on some nights, older nights are used instead.
        """
        counting = {key: [one for one in self._comparable(key) if one.cell.accepted][-NIGHTS:] for key in self.cells}
        used = sorted({one.night for of_cell in counting.values() for one in of_cell})
        return {key: self._baseline(of_cell, used) for key, of_cell in sorted(counting.items()) if of_cell}

    def _baseline(self, nights: Sequence[NightCell], used: Sequence[int]) -> Baseline:
        passes_ms = {one.night: tuple(chain(*one.cell.rounds_ms)) for one in nights}
        sizes = {one.night: tuple(map(len, one.cell.rounds_ms)) for one in nights}
        oldest, newest = self.started[nights[0].night], nights[-1]
        return Baseline(
            kind="history",
            value_ms=median(median(passes) for passes in passes_ms.values()),
            source=f"history, {len(nights)} accepted night{'s' * (len(nights) > 1)} since {oldest:%Y-%m-%d}",
            runs=tuple(passes_ms.get(night, ()) for night in used),
            round_sizes=tuple(sizes.get(night, ()) for night in used),
            conditions=newest.conditions,
            network_files=dict(newest.cell.network_files),
        )

    def _comparable(self, key: CellKey) -> list[NightCell]:
        """Return a cell's nights under the conditions of its newest accepted night; empty without one."""
        nights = self.cells[key]
        conditions = next((one.conditions for one in reversed(nights) if one.cell.accepted), None)
        return [one for one in nights if one.conditions is conditions]

    def creep_values(self, key: CellKey) -> tuple[float, ...]:
        """Return a cell's nightly values, milliseconds, oldest first, without each night's common shift.

        The first 8 values are of accepted nights, with which `creep` compares the others. After them, every night
        counts on which the cell was measured and judged, whether accepted, complete or regressed. Empty for a cell
        without an accepted night.
        """
        return tuple(_ms(value - self._shifts[night]) for night, value in self._series.get(key, {}).items())

    def creep(self, key: CellKey, tolerance: float) -> tuple[Creep, Judged, Since] | None:
        """Judge whether a cell became slower night by night; None if it did not.

        A step that a single night's gate saw is not creep, although the nights after it are slower, too. The tolerance
        is relative.

        Returns:
            Since when, for the cell's record, the gate's figures, and the nights between which it began.
        """
        values = self.creep_values(key)
        judged = judge_creep(values, tolerance)
        if judged is None:
            return None
        nights = list(self._series[key])
        red = {one.night for one in self.cells[key] if one.cell.outcome is Outcome.REGRESSED}
        first = next((place for place in range(judged.since, judged.found + 1) if nights[place] in red), None)
        if first is not None and is_step(values, judged, first):
            return None
        before, began = nights[judged.since - 1 : judged.since + 1]  # the first nights are the reference
        since = self._describe_since(began, before)
        commits = ("" if since.good is None else since.good.commit), since.night.commit
        creep = Creep(since.night.started, len(values) - judged.since, judged.change, commits[1], commits[0])
        return creep, judged, since

    def slower_since(self, key: CellKey, tonight: Tonight, verdict: Verdict, tolerance: float) -> Since | None:
        """Find the two nights between which a cell that is regressed tonight became slower.

        All nights count on which it was measured under the conditions of tonight and judged, also regressed ones, each
        without the common shift of its night, unless the cell is regressed because the platform shifted, or the shift
        of tonight is unknown: there are few cells, or few that were measured before under the same conditions.

        Args:
            key: the cell.
            tonight: the current run.
            verdict: the verdict on the cell.
            tolerance: relative.

        Returns:
            The nights; None if the cell was never measured before under these conditions.
        """
        conditions, now = tonight.cells[key]
        nights = [*self._measured.get((key, conditions), {}).items()]
        if not nights or not verdict.change:
            return None
        values = [*(value for _, (value, _) in nights), now]
        if not verdict.platform_shifted and verdict.suite_shift is not None:
            kind = key.scenario[:1]
            own = {(each, under): value for each, (under, value) in tonight.cells.items() if each.scenario[:1] == kind}
            shift = self._suite_shift(own)
            if shift is not None:
                shifts = self._suite_shifts[kind]
                values = [value - (shifts[night] or 0.0) for night, (value, _) in nights] + [now - shift]
        change, resolution = math.log1p(verdict.change), math.log1p(verdict.resolution or verdict.change)
        red = [outcome is Outcome.REGRESSED for _, (_, outcome) in nights]
        first = find_step(values, change, resolution, math.log1p(tolerance), red)
        places = [night for night, _ in nights]
        good = places[first - 1] if first else None
        return self._describe_since(places[first] if first < len(places) else tonight, good)

    @cached_property
    def _measured(self) -> dict[tuple[CellKey, Conditions], dict[int, tuple[float, Outcome]]]:
        """Each cell's midmean of its rounds and verdict, by conditions and position of the night, oldest first."""
        measured: defaultdict[tuple[CellKey, Conditions], dict[int, tuple[float, Outcome]]] = defaultdict(dict)
        for key, nights in self.cells.items():
            for one in nights:
                value = midmean(map(round_statistic, one.cell.rounds_ms))
                measured[key, one.conditions][one.night] = value, one.cell.outcome
        return measured

    @cached_property
    def _levels(self) -> dict[tuple[CellKey, Conditions], float]:
        """The median of each cell's nights on which it was not regressed; of all its nights if it always was."""
        levels = {}
        for cell, nights in self._measured.items():
            good = [value for value, outcome in nights.values() if outcome is not Outcome.REGRESSED]
            levels[cell] = median(good or [value for value, _ in nights.values()])
        return levels

    @cached_property
    def _suite_shifts(self) -> dict[str, list[float | None]]:
        """The common shift of each night, by kind of load; cells of another kind are not compared, as in the gate."""
        by_kind: dict[str, list[dict[tuple[CellKey, Conditions], float]]] = {}
        for cell, nights in self._measured.items():
            by_night = by_kind.setdefault(cell[0].scenario[:1], [{} for _ in self.started])
            for night, (value, _) in nights.items():
                by_night[night][cell] = value
        return {kind: [self._suite_shift(values) for values in by_night] for kind, by_night in by_kind.items()}

    def _suite_shift(self, values: Mapping[tuple[CellKey, Conditions], float]) -> float | None:
        """Return the gate's centre of the cells that did not regress, from their levels; None for fewer than 8."""
        off = [value - self._levels[cell] for cell, value in values.items() if cell in self._levels]
        return find_bulk(off).centre if len(off) >= SUITE_FROM else None

    def _describe_since(self, slow: int | Tonight, good: int | None) -> Since:
        """Describe the first slow night and the last good one, and how the server changed between them."""
        night, server = (slow.night, slow.server) if isinstance(slow, Tonight) else self._describe_night(slow)
        if good is None:
            return Since(night)
        before, old_server = self._describe_night(good)
        return Since(night, before, describe_server_change(old_server, server))

    def _describe_night(self, night: int) -> tuple[Night, ServerFacts | None]:
        """Return a night and its server; only what the index has, if its file was deleted since."""
        if night not in self._described:
            started = self.started[night].isoformat(timespec="seconds")
            found: tuple[Night, ServerFacts | None] = Night(started, self.commits[night]), None
            with contextlib.suppress(HistoryError):
                run = read_run(self.paths[night])
                servers = [one.server for one in run.records if one.key.platform == self.platform_id and one.server]
                found = describe_night(started, run.header.facts.get("commit")), servers[-1] if servers else None
            self._described[night] = found
        return self._described[night]

    @cached_property
    def _described(self) -> dict[int, tuple[Night, ServerFacts | None]]:
        return {}

    def common_shift(self, statistics: Mapping[CellKey, float]) -> float:
        """Return by how much a night is slower than the cells' first nights, a logarithm.

        It is the median over the cells, and 0 for fewer than 8 cells, as in the gate.
        """
        off = [value - self._references[key] for key, value in statistics.items() if key in self._references]
        return median(off) if len(off) >= SUITE_FROM else 0.0

    @cached_property
    def _series(self) -> dict[CellKey, dict[int, float]]:
        """Each cell's statistics on the nights used to detect creep, by position of the night, oldest first.

        A statistic is that of the cell's first round, a logarithm.
        """
        series: dict[CellKey, dict[int, float]] = {}
        for key in self.cells:
            nights = self._comparable(key)
            accepted = [one for one in nights if one.cell.accepted]
            first = accepted[:REFERENCE_NIGHTS]
            used = [*first, *(one for one in nights if len(first) == REFERENCE_NIGHTS and one.night > first[-1].night)]
            if used:
                series[key] = {one.night: round_statistic(one.cell.rounds_ms[0]) for one in used}
        return series

    @cached_property
    def _references(self) -> dict[CellKey, float]:
        return {key: fmean(list(values.values())[:REFERENCE_NIGHTS]) for key, values in self._series.items()}

    @cached_property
    def _shifts(self) -> list[float]:
        by_night: list[dict[CellKey, float]] = [{} for _ in self.started]
        for key, values in self._series.items():
            for night, value in values.items():
                by_night[night][key] = value
        return [self.common_shift(statistics) for statistics in by_night]


def read_nights(folder: Path, platform_id: str, *, most: int = MOST) -> Nights:
    """Read the history of one platform.

    Only runs that can matter are used: the newest `most` accepted runs, up to `most` other runs since the oldest of
    these, and always the newest 30 runs.
    """
    started: list[datetime] = []
    commits: list[str] = []
    paths: list[Path] = []
    cells: defaultdict[CellKey, list[NightCell]] = defaultdict(list)
    with HistoryIndex(folder) as index:
        runs = [run for run in index.runs(platform_id) if platform_id in run.judged]
        for number, night in enumerate(index.nights(platform_id, _select_runs(runs, most))):
            started.append(datetime.fromisoformat(night.run.started))
            commits.append(night.run.commit)
            paths.append(night.run.path)
            conditions = night.conditions()
            for key, cell in zip(night.keys, night.cells(), strict=True):
                if cell.conditions is not None:
                    cells[key].append(NightCell(number, conditions[cell.conditions], cell))
        skipped = [*index.trouble, *index.invalid().values()]
    return Nights(platform_id, started, cells, skipped, commits, paths)


def describe_server_change(before: ServerFacts | None, after: ServerFacts | None) -> str:
    """Describe how a server changed: `version v0.19.0 to v0.20.0, build type Debug to Release`; "" if it did not.

    Facts that one of both does not report are not compared.
    """
    if before is None or after is None:
        return ""
    changes = []
    for name in BUILD_FACTS:
        old, new = getattr(before, name), getattr(after, name)
        if old != new and not {old, new} & {"", "unknown"}:
            shown = " to ".join(quote_server_text(text, _LONGEST_FACT) for text in (old, new))
            changes.append(f"{name.replace('_', ' ')} {shown}")
    return ", ".join(changes)


def _select_runs(runs: Sequence[IndexedRun], most: int) -> list[IndexedRun]:
    """Return the runs to use, oldest first, as the given ones."""
    accepted = [place for place, run in enumerate(runs) if run.accepted][-most:]
    oldest = min([len(runs) - _NEWEST, *accepted[:1]])
    others = [place for place, run in enumerate(runs) if place >= oldest and not run.accepted][-max(most, _NEWEST) :]
    return [runs[place] for place in sorted([*accepted, *others])]


def _ms(logarithm: float) -> float:
    return math.exp(max(-MOST_LOG, min(logarithm, MOST_LOG)))
