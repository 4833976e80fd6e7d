"""Collect the results for figures and reports from the baselines, the history and the run that has just ended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from pytest_ddperf.baselines.store import BaselineStore
from pytest_ddperf.core.budgets import collect_limits
from pytest_ddperf.core.results import (
    NO_TIME,
    Results,
    RunFacts,
    Trend,
    TrendNight,
    join_cell,
    select_reddest,
    sort_cells,
)
from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.history.index import MOST_NIGHTS, HistoryIndex
from pytest_ddperf.history.index_lines import ACCEPTED
from pytest_ddperf.history.run_file import HistoryError, describe_broken_lines, list_runs, read_run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_ddperf.core.catalog import Catalog
    from pytest_ddperf.core.records import Baseline, CellKey, CellRecord, Unavailable
    from pytest_ddperf.core.results import Result
    from pytest_ddperf.history.run_file import Run, RunHeader

_INTERRUPTED = 2
"""pytest's exit status of an interrupted run."""


def join_records(
    catalog: Catalog,
    records: Iterable[CellRecord],
    facts: Mapping[str, RunFacts] | None = None,
    *,
    missing: Mapping[str, int] | None = None,
    warnings: Iterable[str] = (),
) -> Results:
    """Return the results of the measured records alone, each with the baseline of its verdict; see `gather_results`."""
    cells = [join_cell(key, None, record) for key, record in select_reddest(records).items()]
    return Results(catalog, sort_cells(cells, catalog), dict(facts or {}), dict(missing or {}), tuple(warnings))


def gather_results(
    catalog: Catalog,
    records: Iterable[CellRecord],
    facts: Mapping[str, RunFacts],
    *,
    project_dir: Path | None = None,
    platforms: Sequence[str] | None = None,
    earlier: Mapping[CellKey, RunFacts] | None = None,
    missing: Mapping[str, int] | None = None,
    warnings: Iterable[str] = (),
) -> Results:
    """Join the cells of the baselines with measured records.

    Args:
        catalog: networks and platforms.
        records: measured records of any platforms. If several tests measured a cell, the most severe verdict counts.
        facts: the run of the records, by platform.
        project_dir: the project, whose own baselines take precedence; None for none.
        platforms: ids of the platforms; None for all in the catalogue. With None, platforms whose baseline cannot be
            read are omitted with a warning.
        earlier: the run of a cell's record, by cell, if it is earlier than the run of its platform.
        missing: number of baseline cells that the run should have measured but did not, by platform.
        warnings: further warnings to include in the results.

    Raises:
        ConfigurationError: the baseline of one of `platforms` cannot be read.
    """
    store = BaselineStore(catalog, project_dir=project_dir)
    wanted = tuple(catalog.platforms) if platforms is None else tuple(platforms)
    said = list(warnings)
    measured = select_reddest(record for record in records if record.key.platform in wanted)
    held: dict[CellKey, Baseline | Unavailable | None] = dict.fromkeys(measured)
    for platform in wanted:
        try:
            entries = store.load(platform)
        except ConfigurationError as error:
            if platforms is not None:
                raise
            said.append(f"The baseline of {platform} is not shown: {error}")
            continue
        if (
            platforms is None
            and catalog.platform(platform).like is not None
            and not _has_own(platform, entries, measured)
        ):
            continue  # its baseline is the published table of another platform, which is shown with that platform
        held.update(entries)
    older = earlier or {}
    cells: list[Result] = [join_cell(key, entry, measured.get(key), older.get(key)) for key, entry in held.items()]
    return Results(catalog, sort_cells(cells, catalog), dict(facts), dict(missing or {}), tuple(said))


def _has_own(
    platform: str, entries: Mapping[CellKey, Baseline | Unavailable | None], measured: Iterable[CellKey]
) -> bool:
    """Whether a platform has measured or recorded cells of its own."""
    recorded = any(getattr(entry, "kind", "report") != "report" for entry in entries.values())
    return recorded or any(key.platform == platform for key in measured)


def load_stored(
    catalog: Catalog,
    storage: Path,
    *,
    project_dir: Path | None = None,
    platforms: Sequence[str] | None = None,
    run: str | None = None,
) -> Results:
    """Join the cells of the baselines with their newest verdicts in the history, or with those of one run.

    For each platform, runs that measured no time on it are ignored. Cells from an earlier run than the newest one of
    their platform are marked and counted in a warning. Warnings also name unreadable files of the history, broken
    lines, platforms that are not in the catalogue, and an empty history.

    Args:
        catalog: networks and platforms.
        storage: folder of the history; it need not exist.
        project_dir: the project, whose own baselines take precedence; None for none.
        platforms: ids of the platforms; None for all in the catalogue.
        run: name of the only run to load; None for the newest verdict of each cell.

    Raises:
        ConfigurationError: there is no run of that name, or the baseline of one of `platforms` cannot be read.
    """
    named = None if run is None else find_run(storage, run)
    with HistoryIndex(storage) as index:
        return load_indexed(catalog, index, project_dir=project_dir, platforms=platforms, named=named)


def load_indexed(
    catalog: Catalog,
    index: HistoryIndex,
    *,
    project_dir: Path | None = None,
    platforms: Sequence[str] | None = None,
    named: Path | None = None,
) -> Results:
    """Join the cells as `load_stored` does, from an index that is already open.

    Args:
        catalog: networks and platforms.
        index: the index of the history.
        project_dir: as for `load_stored`.
        platforms: as for `load_stored`.
        named: file of the only run to load; None for the newest verdict of each cell.

    Raises:
        ConfigurationError: the baseline of one of `platforms` cannot be read.
    """
    wanted = list(catalog.platforms if platforms is None else platforms)
    parts = _newest(index, wanted) if named is None else _named(named, wanted)
    faults, skipped = index.faults(), index.skipped
    warnings = index.trouble + ([] if platforms is not None else list_unknown_platforms(index, catalog))
    found = dict(read_each(sorted({path for part in parts for path in part.files}), faults))
    records: list[CellRecord] = []
    facts: dict[str, RunFacts] = {}
    earlier: dict[CellKey, RunFacts] = {}
    for part in parts:
        own = {path: part.of(path, found[path]) for path in part.files if path in found}
        records += [record for each in own.values() for record in each]
        about = {
            path: extract_run_facts(found[path].header, each, complete=came_to_its_end(found[path]))
            for path, each in own.items()
        }
        if part.newest in about:
            facts[part.platform] = about[part.newest]
        of_earlier = {record.key: about[path] for path in own if path != part.newest for record in own[path]}
        earlier |= of_earlier
        warnings += _said_of_earlier(part.platform, of_earlier, sum(map(len, own.values())))
    warnings += faults.values()
    if skipped[0]:
        warnings.append(f"{skipped[0]} of the {skipped[1]} files in {index.folder} could not be read.")
    if not parts and not warnings:
        of_them = "" if platforms is None else f" of {', '.join(platforms)}"
        warnings.append(f"There is no run{of_them} in {index.folder} yet; only the baselines are shown.")
    results = gather_results(
        catalog, records, facts, project_dir=project_dir, platforms=platforms, earlier=earlier, warnings=warnings
    )
    return replace(results, missing=_missing(results, parts, found))


def find_run(storage: Path, name: str) -> Path:
    """Find the file of a run by the name of the file or of the run, which differ if the file was renamed or copied.

    Args:
        storage: folder of the history; it need not exist.
        name: name without `.jsonl`.

    Raises:
        ConfigurationError: there is no such run.
    """
    files = {path.stem: path for path in list_runs(storage)}
    if name in files:
        return files[name]
    with HistoryIndex(storage) as index:
        renamed = {found.run: found.path for found in index.runs()}
    if name not in renamed:
        there = f"the newest runs there are {', '.join(list(files)[-5:])}" if files else "no run is stored there"
        raise ConfigurationError(f"The run {name!r} is not in {storage}; {there}.")
    return renamed[name]


def load_last_runs(storage: Path, platforms: Sequence[str] | None = None) -> tuple[list[Run], list[str]]:
    """Load the newest run of each platform, whatever its verdicts; each run once, oldest first.

    Args:
        storage: folder of the history; it need not exist.
        platforms: ids of the platforms; None for all in the history.

    Returns:
        The runs, each with only the cells of the platforms whose newest run it is, and a warning for each other file
        that is damaged or cannot be read.
    """
    with HistoryIndex(storage) as index:
        last = {platform: run for platform, run in index.last().items() if platforms is None or platform in platforms}
        faults, warnings = index.faults(), index.trouble
    found = dict(read_each(sorted({run.path for run in last.values()}), faults))
    shown = []
    for path in sorted(found, key=lambda path: (found[path].header.started, found[path].header.run)):
        run = found[path]
        own = {platform for platform, newest in last.items() if newest.path == path}
        shown.append(replace(run, records=tuple(record for record in run.records if record.key.platform in own)))
    said = [text for path, text in faults.items() if path not in found]  # the runs shown report their own broken lines
    return shown, warnings + said


def load_trends(storage: Path, platforms: Iterable[str], least: int = 2) -> tuple[list[Trend], list[str]]:
    """Load the history of every cell of some platforms that was measured on several nights.

    Args:
        storage: folder of the history; it need not exist.
        platforms: ids of the platforms.
        least: minimum number of nights.

    Returns:
        The histories, and a warning for each file that is damaged or could not be used.
    """
    with HistoryIndex(storage) as index:
        every = [trend for platform in platforms for trend in index.trends(platform).values()]
        return [trend for trend in every if len(trend.nights) >= least], index.problems


def add_run(trends: Iterable[Trend], run: RunFacts, records: Iterable[CellRecord], *, accepted: bool) -> list[Trend]:
    """Add the run that has just ended to the histories before it, which may have a single night.

    Args:
        trends: the histories.
        run: the run.
        records: its records.
        accepted: whether later nights may be compared with it.

    Returns:
        The histories of at least two nights.
    """
    nights = {trend.key: trend.nights for trend in trends}
    for key, record in select_reddest(records).items():
        if record.now_ms and record.outcome not in NO_TIME:
            baseline = record.baseline
            night = TrendNight(
                run.run,
                datetime.fromisoformat(run.started),
                record.now_ms,
                record.outcome,
                accepted and record.comparison in ACCEPTED,
                record.change,
                record.tolerance,
                record.baseline_ms if baseline is None or record.baseline_ms is not None else baseline.value_ms,
                "" if baseline is None else baseline.kind,
                run.commit,
                record.limit,
                collect_limits(record.budgets).find_time_limit(key),
            )
            nights[key] = (*nights.get(key, ()), night)[-MOST_NIGHTS:]
    return [Trend(key, nights[key]) for key in sorted(nights) if len(nights[key]) > 1]


@dataclass(frozen=True, slots=True)
class _Part:
    """The files that contain the records of one platform.

    Args:
        platform: id of the platform.
        newest: file of the run that provides the platform's facts.
        cells: file of the record that counts, by cell; None for all records of the newest run.
    """

    platform: str
    newest: Path
    cells: Mapping[CellKey, Path] | None = None

    @property
    def files(self) -> list[Path]:
        """The files: that of the newest run first, the others by name."""
        others = set() if self.cells is None else set(self.cells.values())
        return [self.newest, *sorted(others - {self.newest})]

    def of(self, path: Path, run: Run) -> list[CellRecord]:
        """Select the records of one of the files that count."""
        counting = select_reddest(record for record in run.records if record.key.platform == self.platform)
        if self.cells is None:
            return list(counting.values())
        return [record for key, record in counting.items() if self.cells.get(key) == path]


def _newest(index: HistoryIndex, wanted: Sequence[str]) -> list[_Part]:
    """Find the newest run of each measured platform, and the newest run that contains each of its cells."""
    return [
        _Part(platform, newest.path, index.latest(platform))
        for platform in wanted
        if (newest := index.newest(platform)) is not None
    ]


def _named(path: Path, wanted: Sequence[str]) -> list[_Part]:
    """Return one part for each platform of a single run."""
    return [_Part(platform, path) for platform in read_run(path).header.platforms if platform in wanted]


def list_unknown_platforms(index: HistoryIndex, catalog: Catalog) -> list[str]:
    """Return a warning for each measured platform of the history that is not in the catalogue."""
    return [
        f"{index.folder} contains measurements of {platform!r}, which is not a known platform; they are not shown. "
        "Define it in ddperf.toml to see them."
        for platform in index.platforms()
        if platform not in catalog.platforms
    ]


def read_each(paths: Iterable[Path], faults: dict[Path, str]) -> Iterator[tuple[Path, Run]]:
    """Read runs one by one, so that only one of them is in memory.

    Args:
        paths: files of the runs.
        faults: extended with a message by file, which names the file and states what is wrong with it.
    """
    for path in paths:
        try:
            run = read_run(path)
        except HistoryError as error:  # deleted since the index was built
            faults[path] = str(error)
            continue
        if run.broken:  # the index decodes less of a line, so it may have found fewer
            faults[path] = describe_broken_lines(path, len(run.broken), run.broken[0])
        yield path, run


def came_to_its_end(run: Run) -> bool:
    """Whether the run was complete: it was neither killed nor stopped with Ctrl-C."""
    return run.exit_status not in {None, _INTERRUPTED}


def _said_of_earlier(platform: str, cells: Mapping[CellKey, RunFacts], count: int) -> list[str]:
    """Return a warning if some cells of a platform come from a run before its newest one."""
    if not cells:
        return []
    runs = {run.run: run.started for run in cells.values()}
    oldest = min(runs.values())
    which = f"an earlier run, {next(iter(runs))}" if len(runs) == 1 else f"{len(runs)} earlier runs, the oldest"
    come, them = ("comes", "it") if len(cells) == 1 else ("come", "them")
    text = f"{len(cells)} of the {count} cells shown {come} from {which} of {oldest}: the newest run lacks {them}."
    return [f"{platform}: {text}"]


def _missing(results: Results, parts: Iterable[_Part], found: Mapping[Path, Run]) -> dict[str, int]:
    """Count the baseline cells of each platform that no run measured although a run covered its whole matrix."""
    counts: dict[str, int] = {}
    for part in parts:
        asked = [_asked(found[path].header, part.platform) for path in part.files if path in found]
        counts[part.platform] = sum(
            cell.side == "baseline" and any(matrix is not None and matrix.contains(cell.key) for matrix in asked)
            for cell in results.of(part.platform)
        )
    return {platform: count for platform, count in counts.items() if count}


class _Matrix(msgspec.Struct):
    """The matrix of a platform; without scenarios it dates from before there were others than plain latency."""

    models: list[str]
    batch_sizes: list[int]
    scenarios: list[str] = msgspec.field(default_factory=lambda: [""])

    def contains(self, key: CellKey) -> bool:
        return key.model in self.models and key.batch_size in self.batch_sizes and key.scenario in self.scenarios


def _asked(header: RunHeader, platform: str) -> _Matrix | None:
    """Return the matrix of a platform that a run was asked to measure as a whole; None if it measured a selection."""
    try:
        return msgspec.convert(header.facts.get("matrix"), dict[str, _Matrix]).get(platform)
    except msgspec.ValidationError:
        return None


def extract_run_facts(header: RunHeader, records: Iterable[CellRecord], *, complete: bool) -> RunFacts:
    """Extract what reports show about a run and about the servers of these records."""
    servers = {record.key.platform: record.server for record in records if record.server is not None}
    return RunFacts(header.run, header.started, header.commit, complete, servers)
