"""Results as shown in figures and reports: baselines and measurements, joined cell by cell. Pure values.

Units: milliseconds per image, unless a name states another unit. Figures and reports use only these values, so they can
be tested without a server, a file or a run.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from statistics import median
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

from pytest_ddperf.core.budgets import collect_limits
from pytest_ddperf.core.load_summary import compute_images_per_second, summarise_load
from pytest_ddperf.core.records import AGAINST, FAILING, Baseline, Outcome, Unavailable
from pytest_ddperf.core.scenarios import scenario_sort_key
from pytest_ddperf.text import format_change

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from pytest_ddperf.core.budgets import Budget, BudgetCheck, TimeLimit
    from pytest_ddperf.core.catalog import Catalog
    from pytest_ddperf.core.load_summary import LoadSummary
    from pytest_ddperf.core.records import CellKey, CellRecord, Creep, ServerFacts, Since

SEVERITY = (
    Outcome.REGRESSED,
    Outcome.OVER_BUDGET,
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
"""The verdicts, most urgent first."""

NO_TIME = frozenset({Outcome.ERROR, Outcome.OOM, Outcome.CRASHED})
"""Verdicts of cells whose time, if there is one, is not that of a valid prediction."""


class _Judged(Protocol):
    """A cell with its verdict."""

    @property
    def key(self) -> CellKey: ...

    @property
    def outcome(self) -> Outcome: ...


Judged = TypeVar("Judged", bound=_Judged)


@dataclass(frozen=True, slots=True)
class Result:
    """One cell: its baseline and its measurement in a run.

    Args:
        key: the cell.
        baseline_ms: milliseconds per image of the baseline, as the gate compared it if the cell was judged; None
            without one.
        stored_ms: the same as published or recorded; None if that is equal.
        baseline_kind: `report`, `recorded`, `history` or `against`; "" without one.
        baseline_source: human-readable location of the baseline.
        reading_error_ms: maximum error of a baseline that was read from a chart.
        unavailable: whether the baseline marks the cell `x`: not measurable on that platform.
        now_ms: milliseconds per image as the gate estimated them; None if the run did not measure the cell.
        change: `now_ms` / `baseline_ms` - 1, the change that the gate compared with `limit`; None if either is missing.
        outcome: the verdict; None if the run did not contain the cell, or there is no run.
        reason: explanation of the verdict.
        tolerance: relative; None without a verdict against a baseline.
        resolution: the smallest relative change the gate could distinguish from noise; None if unknown.
        nodeid: the test that measured it; "" if there is none.
        samples_ms: every timed pass of the gated clock, all rounds.
        clock: the gated clock; "" if nothing was measured.
        notes: differences between measurement and baseline that matter for the comparison.
        earlier: the run that measured it, if the newest run of its platform does not contain it; else None.
        load: summary of its requests, if it was measured under load; else None.
        cause: `CellRecord.cause` of its record.
        detail: `CellRecord.detail` of its record.
        suite_shift: `CellRecord.suite_shift` of its record.
        limit: `CellRecord.limit` of its record.
        shift_removed: `CellRecord.shift_removed` of its record.
        platform_shifted: `CellRecord.platform_shifted` of its record.
        creep: `CellRecord.creep` of its record.
        interval: `CellRecord.interval` of its record.
        pairs: number of pairs measured; 0 for a cell that was not measured in pairs.
        seed: seed of the order within the pairs; None for a cell that was not measured in pairs.
        since: `CellRecord.since` of its record.
        budgets: `CellRecord.budgets` of its record.
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
    detail: str = ""
    suite_shift: float | None = None
    limit: float | None = None
    shift_removed: float = 0.0
    platform_shifted: bool = False
    creep: Creep | None = None
    since: Since | None = None
    stored_ms: float | None = None
    interval: tuple[float, float] | None = None
    pairs: int = 0
    seed: int | None = None
    budgets: tuple[BudgetCheck, ...] = ()

    @property
    def reference(self) -> str:
        """The reference server of a cell that was measured in pairs; "" for other cells."""
        return self.baseline_source.rpartition(" on ")[2] if self.baseline_kind == AGAINST else ""

    @property
    def images_per_second(self) -> float | None:
        """Throughput by the measured time, else the baseline; at a given rate the answered one; None if unknown."""
        return compute_images_per_second(self.key, self.value_ms, self.load)

    @property
    def measured_ms(self) -> float | None:
        """The time of this run, milliseconds per image; None if it did not measure the cell.

        It is `now_ms`, unless that excludes a common shift or belongs to several nights; then the median of the passes.
        """
        is_other = self.now_ms is not None and (self.shift_removed or self.creep is not None)
        return median(self.samples_ms) if is_other and self.samples_ms else self.now_ms

    @property
    def value_ms(self) -> float | None:
        """The measured value, else the baseline; None if there is neither."""
        return self.baseline_ms if self.now_ms is None else self.measured_ms

    @property
    def side(self) -> str:
        """Which values exist: `both`, `measured`, `baseline`; `x` if the cell cannot be measured, else `none`."""
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
    """Facts about a run.

    Args:
        run: its name, also that of its file in the history.
        started: UTC time in ISO 8601.
        commit: commit id of the tested project; "" if unknown.
        complete: whether the run finished normally.
        servers: facts reported by each platform's server, by platform.
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
        cells: by platform and model in the catalogue's order, batch sizes ascending.
        runs: the newest run of each platform, by platform; platforms that were not measured are absent.
        missing: number of baseline cells that should have been measured and were not, by platform.
        warnings: problems found while reading: skipped files, broken lines.
    """

    catalog: Catalog
    cells: tuple[Result, ...]
    runs: Mapping[str, RunFacts] = field(default_factory=dict)
    missing: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def not_measured(self) -> int:
        """Number of baseline cells that should have been measured and were not."""
        return sum(self.missing.values())

    def run_of(self, cell: Result) -> RunFacts | None:
        """The run that gave a cell its verdict; None for a cell without a verdict."""
        if cell.outcome is None:
            return None
        return cell.earlier or self.runs.get(cell.key.platform)

    def server_of(self, platform: str) -> ServerFacts | None:
        """The server that a platform's newest run measured; None if it is not known."""
        run = self.runs.get(platform)
        return None if run is None else run.servers.get(platform)

    def budget_of(self, cell: Result) -> Budget:
        """The budget that a run applied to a cell, else the one in ddperf.toml."""
        if cell.budgets:
            return collect_limits(cell.budgets)
        return self.catalog.find_platform(cell.key.platform).budget_of(cell.key.model).of_cell(cell.key)

    def time_limit_of(self, cell: Result) -> TimeLimit | None:
        """The strictest limit of a cell on an axis of the time per image; None without one."""
        return self.budget_of(cell).find_time_limit(cell.key)

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platforms with at least one cell, in the catalogue's order."""
        return tuple(dict.fromkeys(cell.key.platform for cell in self.cells))

    def of(self, platform: str) -> tuple[Result, ...]:
        """The cells of one platform."""
        return tuple(cell for cell in self.cells if cell.key.platform == platform)

    def only(self, platforms: Iterable[str]) -> Results:
        """A copy restricted to these platforms."""
        wanted = set(platforms)
        return replace(
            self,
            cells=tuple(cell for cell in self.cells if cell.key.platform in wanted),
            runs={platform: run for platform, run in self.runs.items() if platform in wanted},
            missing={platform: count for platform, count in self.missing.items() if platform in wanted},
        )

    @property
    def plain(self) -> Results:
        """A copy without the cells under load, for comparing networks, platforms and batch sizes."""
        return replace(self, cells=tuple(cell for cell in self.cells if not cell.key.scenario))

    @property
    def judged(self) -> tuple[Result, ...]:
        """The cells with a verdict, most urgent first, then by decreasing change."""

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
        accepted: whether later nights may be compared with it.
        change: relative change against the baseline of that night; None without one.
        tolerance: relative; None if unknown.
        baseline_ms: the baseline of that night, milliseconds per image; None without a baseline.
        baseline_kind: kind of that baseline; "" without one.
        commit: commit id of the tested project; "" if unknown.
        limit: the change beyond which the cell was regressed; None if unknown.
        budget: the strictest limit of its time per image; None without one.
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
    limit: float | None = None
    budget: TimeLimit | None = None


@dataclass(frozen=True, slots=True)
class Trend:
    """The history of one cell, oldest night first."""

    key: CellKey
    nights: tuple[TrendNight, ...]


Decided: TypeAlias = "CellRecord | Result"
"""A cell with the figures that decided its verdict."""


def format_decided(cell: Decided) -> str:
    """Format the change that decided a cell's verdict, so that it never looks like its tolerance or limit; "" for none.

    Args:
        cell: a record or a result.
    """
    if cell.change is None:
        return ""
    faster = None if cell.tolerance is None else -cell.tolerance
    return format_change(cell.change, cell.tolerance, faster, cell.limit)


def get_slower_since(cell: Decided) -> str | None:
    """Return the start of the night since which a cell is slower, ISO 8601; None if unknown."""
    if cell.since is not None:
        return cell.since.night.started
    return None if cell.creep is None else cell.creep.since  # older runs


def select_reddest(records: Iterable[Judged]) -> dict[CellKey, Judged]:
    """Select one record per cell: the most severe if several tests measured it; the last of equally severe ones."""
    counting: dict[CellKey, Judged] = {}
    for record in records:
        other = counting.get(record.key)
        if other is None or SEVERITY.index(record.outcome) <= SEVERITY.index(other.outcome):
            counting[record.key] = record
    return counting


def shared_notes(noted: Iterable[tuple[CellKey, Iterable[str]]]) -> list[str]:
    """List each note once, with the cells it applies to: `tk1-vgg16-b1: ...`, `tk1, 9 cells: ...`.

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


def by_cause(cells: Iterable[Result]) -> list[list[Result]]:
    """Group failed cells by platform and cause, in the order of the groups' first cells.

    Cells that became slower night by night form a group, whenever each of them began. A cell without a shared cause
    forms a group of its own.
    """
    groups: dict[object, list[Result]] = {}
    for cell in cells:
        crept = cell.creep is not None
        same = (cell.key.platform, cell.outcome, cell.cause, crept) if cell.cause or crept else object()
        groups.setdefault(same, []).append(cell)
    return list(groups.values())


def join_cell(
    key: CellKey,
    held: Baseline | Unavailable | None,
    record: CellRecord | None = None,
    earlier: RunFacts | None = None,
) -> Result:
    """Create the result of one cell from its baseline and its record in a run.

    The baseline used by the run takes precedence over the current one.

    Args:
        key: the cell.
        held: its current baseline.
        record: its record in a run.
        earlier: that run, if it is not the newest run of the platform.
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
    if record.baseline_ms is not None:
        common |= {"baseline_ms": record.baseline_ms, "stored_ms": common["baseline_ms"]}
    measurement = record.measurement
    samples = () if measurement is None else tuple(ms for one in measurement.per_image_ms() for ms in one)
    older = () if earlier is None else (f"measured by an earlier run, {earlier.run} of {earlier.started}",)
    return Result(
        key,
        **common,  # type: ignore[arg-type] # values of several fields
        unavailable=unavailable or (record.outcome is Outcome.UNAVAILABLE and record.now_ms is None),
        now_ms=record.now_ms or None,  # 0 from a clock too coarse for the cell is not a time
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
        detail=record.detail,
        suite_shift=record.suite_shift,
        limit=record.limit,
        shift_removed=record.shift_removed,
        platform_shifted=record.platform_shifted,
        creep=record.creep,
        interval=record.interval,
        pairs=record.pairs,
        seed=None if measurement is None or measurement.against is None else measurement.against.seed,
        since=record.since,
        budgets=record.budgets,
    )


def sort_cells(cells: Iterable[Result], catalog: Catalog) -> tuple[Result, ...]:
    """Sort cells by platform and model in the catalogue's order, batch sizes ascending."""
    platforms = {name: place for place, name in enumerate(catalog.platforms)}

    def rank(cell: Result) -> tuple[int, tuple[int, str], int, tuple[str, float]]:
        key = cell.key
        place = platforms.get(key.platform, len(platforms))
        return place, catalog.model_order(key.model), key.batch_size, scenario_sort_key(key.scenario)

    return tuple(sorted(cells, key=rank))
