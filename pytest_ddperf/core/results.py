"""Results as figures and reports show them: baselines and measurements, joined cell by cell. Pure values.

Units: milliseconds per image, unless a name says otherwise. Figures and reports take nothing else than these values, so
whatever draws or writes can be tried without a server, a file or a run.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

from pytest_ddperf.core.load_summary import compute_images_per_second, summarise_load
from pytest_ddperf.core.records import FAILING, Baseline, Outcome, Unavailable
from pytest_ddperf.core.scenarios import scenario_sort_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from pytest_ddperf.core.catalog import Catalog
    from pytest_ddperf.core.load_summary import LoadSummary
    from pytest_ddperf.core.records import CellKey, CellRecord, ServerFacts

SEVERITY = (
    Outcome.REGRESSED,
    Outcome.OOM,
    Outcome.CRASHED,
    Outcome.ERROR,
    Outcome.INVALID,
    Outcome.NOT_CONFIRMED,
    Outcome.UNSTABLE,
    Outcome.REMEASURE,
    Outcome.NEW,
    Outcome.IMPROVED,
    Outcome.OK,
    Outcome.UNAVAILABLE,
)
"""The verdicts, those that a person must look at first."""

NO_TIME = frozenset({Outcome.ERROR, Outcome.OOM, Outcome.CRASHED})
"""The verdicts of a cell whose time, if it has one, is none of a sound prediction."""


class _Judged(Protocol):
    """A cell with its verdict, whatever else is known of it."""

    @property
    def key(self) -> CellKey: ...

    @property
    def outcome(self) -> Outcome: ...


class _Failed(Protocol):
    """A cell that failed, with the words that it shares with others which failed for the same reason."""

    @property
    def key(self) -> CellKey: ...

    @property
    def outcome(self) -> Outcome | None: ...

    @property
    def cause(self) -> str: ...


Judged = TypeVar("Judged", bound=_Judged)
Failed = TypeVar("Failed", bound=_Failed)


@dataclass(frozen=True, slots=True)
class Result:
    """One cell: what it is held against, and what a run measured of it.

    Args:
        key: the cell.
        baseline_ms: milliseconds per image of the baseline; None without one.
        baseline_kind: `report`, `recorded` or `history`; "" without one.
        baseline_source: where the baseline stands, for a person.
        reading_error_ms: how far the baseline may be off, where it was read back from a picture.
        unavailable: whether the baseline marks the cell `x`: not measurable on that platform.
        now_ms: milliseconds per image as measured; None where the run measured nothing of it.
        change: `now_ms` against the baseline as the clock would show it, relative; None where one side is missing. The
            gate's own figure stands in the reason.
        outcome: the verdict; None where the run did not have the cell, or there is no run.
        reason: the verdict in words.
        tolerance: relative; None without a verdict against a baseline.
        resolution: the smallest relative change that the gate could tell from noise; None where unknown.
        nodeid: the test that measured it, "" where none did.
        samples_ms: every timed pass of the gated clock, all rounds.
        clock: the gated clock, "" where nothing was measured.
        notes: what a person must know of the comparison: how measurement and baseline are unlike.
        earlier: the run that measured it, where the newest one of its platform did not have it; else None.
        load: what its requests tell, where it was measured under load; else None.
        cause: that of its record; see `CellRecord`.
    """

    key: CellKey
    baseline_ms: float | None = None
    baseline_kind: str = ""
    baseline_source: str = ""
    reading_error_ms: float = 0.0
    unavailable: bool = False
    now_ms: float | None = None
    change: float | None = None
    outcome: Outcome | None = None
    reason: str = ""
    tolerance: float | None = None
    resolution: float | None = None
    nodeid: str = ""
    samples_ms: tuple[float, ...] = ()
    clock: str = ""
    notes: tuple[str, ...] = ()
    earlier: RunFacts | None = None
    load: LoadSummary | None = None
    cause: str = ""

    @property
    def images_per_second(self) -> float | None:
        """Of the measured time, else of the baseline; at a given rate what was answered; None where it is not known."""
        return compute_images_per_second(self.key, self.value_ms, self.load)

    @property
    def value_ms(self) -> float | None:
        """What was measured, else the baseline; None where there is neither."""
        return self.baseline_ms if self.now_ms is None else self.now_ms

    @property
    def side(self) -> str:
        """Where there is a value: `both`, `measured`, `baseline`; `x` where it cannot be measured, else `none`."""
        if self.now_ms is not None:
            return "measured" if self.baseline_ms is None else "both"
        if self.baseline_ms is not None:
            return "baseline"
        return "x" if self.unavailable else "none"

    @property
    def fails(self) -> bool:
        """Whether the verdict fails the test."""
        return self.outcome in FAILING


@dataclass(frozen=True, slots=True)
class RunFacts:
    """The run that was measured.

    Args:
        run: its name, and that of its file in the history.
        started: UTC time in ISO 8601.
        commit: id of the commit of the project that was tested, "" where unknown.
        complete: whether the run came to its own end.
        servers: by platform, what its server said of itself.
    """

    run: str
    started: str
    commit: str = ""
    complete: bool = True
    servers: Mapping[str, ServerFacts] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Results:
    """All cells of some platforms.

    Args:
        catalog: networks and platforms.
        cells: platform by platform in the catalogue's order, model by model, batch sizes ascending.
        runs: by platform, the newest run that measured it; a platform that was not measured is absent.
        missing: by platform, how many cells of its baseline should have been measured and were not.
        warnings: what a person must know of how these came about: files that were skipped, lines that were broken.
    """

    catalog: Catalog
    cells: tuple[Result, ...]
    runs: Mapping[str, RunFacts] = field(default_factory=dict)
    missing: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def not_measured(self) -> int:
        """How many cells of the baselines should have been measured and were not."""
        return sum(self.missing.values())

    def run_of(self, cell: Result) -> RunFacts | None:
        """The run that gave a cell its verdict; None for a cell without one."""
        if cell.outcome is None:
            return None
        return cell.earlier or self.runs.get(cell.key.platform)

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platforms that have a cell, in the catalogue's order."""
        return tuple(dict.fromkeys(cell.key.platform for cell in self.cells))

    def of(self, platform: str) -> tuple[Result, ...]:
        """The cells of one platform."""
        return tuple(cell for cell in self.cells if cell.key.platform == platform)

    def only(self, platforms: Iterable[str]) -> Results:
        """The same, of these platforms alone."""
        wanted = set(platforms)
        return replace(
            self,
            cells=tuple(cell for cell in self.cells if cell.key.platform in wanted),
            runs={platform: run for platform, run in self.runs.items() if platform in wanted},
            missing={platform: count for platform, count in self.missing.items() if platform in wanted},
        )

    @property
    def plain(self) -> Results:
        """The same without the cells under load: networks, platforms and batch sizes are compared without them."""
        return replace(self, cells=tuple(cell for cell in self.cells if not cell.key.scenario))

    @property
    def judged(self) -> tuple[Result, ...]:
        """The cells that a run gave a verdict, those that need a look first, and the greatest change before others."""

        def rank(cell: Result) -> tuple[int, float]:
            assert cell.outcome is not None  # noqa: S101 - filtered below
            return SEVERITY.index(cell.outcome), -(cell.change or 0.0)

        return tuple(sorted((cell for cell in self.cells if cell.outcome is not None), key=rank))


@dataclass(frozen=True, slots=True)
class TrendNight:
    """One cell on one night.

    Args:
        run: the run's name.
        started: when the run began, UTC.
        now_ms: milliseconds per image.
        outcome: the verdict.
        accepted: whether later nights may be held against it.
        change: against the baseline of that night; None without one.
        tolerance: relative; None where unknown.
        baseline_ms: what the night was held against, milliseconds per image; None without a baseline.
        baseline_kind: of that baseline, "" without one.
        commit: id of the commit that was tested, "" where unknown.
    """

    run: str
    started: datetime
    now_ms: float
    outcome: Outcome
    accepted: bool = False
    change: float | None = None
    tolerance: float | None = None
    baseline_ms: float | None = None
    baseline_kind: str = ""
    commit: str = ""


@dataclass(frozen=True, slots=True)
class Trend:
    """The history of one cell, oldest night first."""

    key: CellKey
    nights: tuple[TrendNight, ...]


def select_reddest(records: Iterable[Judged]) -> dict[CellKey, Judged]:
    """Of each cell the record that counts: of several tests that measured it the reddest one, of equals the last."""
    counting: dict[CellKey, Judged] = {}
    for record in records:
        other = counting.get(record.key)
        if other is None or SEVERITY.index(record.outcome) <= SEVERITY.index(other.outcome):
            counting[record.key] = record
    return counting


def shared_notes(noted: Iterable[tuple[CellKey, Iterable[str]]]) -> list[str]:
    """What must be known of comparisons, each once, with the cells it is of: `tk1-vgg16-b1: ...`, `tk1, 9 cells: ...`.

    Args:
        noted: cells, each with its notes.
    """
    cells: dict[tuple[str, str], list[CellKey]] = {}
    for key, notes in noted:
        for note in notes:
            cells.setdefault((key.platform, note), []).append(key)
    return [
        f"{of[0] if len(of) == 1 else f'{platform}, {len(of)} cells'}: {note}."
        for (platform, note), of in cells.items()
    ]


def by_cause(cells: Iterable[Failed]) -> list[list[Failed]]:
    """Cells that failed, in groups of one platform that failed for the same reason, in the order of their first cells.

    A cell whose reason belongs to it alone is a group of one.
    """
    groups: dict[object, list[Failed]] = {}
    for cell in cells:
        same = (cell.key.platform, cell.outcome, cell.cause) if cell.cause else object()
        groups.setdefault(same, []).append(cell)
    return list(groups.values())


def join_cell(
    key: CellKey,
    held: Baseline | Unavailable | None,
    record: CellRecord | None = None,
    earlier: RunFacts | None = None,
) -> Result:
    """One cell, from what it is held against and what a run recorded of it.

    The baseline that the run itself was judged by goes before the one that holds now.

    Args:
        key: the cell.
        held: what it is held against now.
        record: of a run.
        earlier: that run, where it is not the newest one of the platform.
    """
    judged_by = record.baseline if record is not None and record.baseline is not None else held
    baseline = judged_by if isinstance(judged_by, Baseline) else None
    common = {
        "baseline_ms": None if baseline is None else baseline.value_ms,
        "baseline_kind": "" if baseline is None else baseline.kind,
        "baseline_source": "" if baseline is None else baseline.source,
        "reading_error_ms": 0.0 if baseline is None else baseline.reading_error_ms,
    }
    unavailable = isinstance(held, Unavailable)
    if record is None:
        return Result(key, **common, unavailable=unavailable)  # type: ignore[arg-type] # values of several fields
    measurement = record.measurement
    samples = () if measurement is None else tuple(ms for one in measurement.per_image_ms() for ms in one)
    older = () if earlier is None else (f"measured by an earlier run, {earlier.run} of {earlier.started}",)
    return Result(
        key,
        **common,  # type: ignore[arg-type] # values of several fields
        unavailable=unavailable or (record.outcome is Outcome.UNAVAILABLE and record.now_ms is None),
        now_ms=record.now_ms or None,  # a clock too coarse for the cell shows 0: that is no time
        change=record.change,
        outcome=record.outcome,
        reason=record.reason,
        tolerance=record.tolerance,
        resolution=record.resolution,
        nodeid=record.nodeid,
        samples_ms=samples,
        clock="" if measurement is None else str(measurement.conditions.clock),
        notes=(*record.notes, *older),
        earlier=earlier,
        load=summarise_load(measurement),
        cause=record.cause,
    )


def sort_cells(cells: Iterable[Result], catalog: Catalog) -> tuple[Result, ...]:
    """Platform by platform and model by model in the catalogue's order, batch sizes ascending."""
    platforms = {name: place for place, name in enumerate(catalog.platforms)}

    def rank(cell: Result) -> tuple[int, tuple[int, str], int, tuple[str, float]]:
        key = cell.key
        place = platforms.get(key.platform, len(platforms))
        return place, catalog.model_order(key.model), key.batch_size, scenario_sort_key(key.scenario)

    return tuple(sorted(cells, key=rank))
