"""Results for figures and reports, gathered from the baselines, the history and a run that has just ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.baselines import BaselineStore
from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.history import HistoryError, read_header, read_run
from pytest_ddperf.history_index import HistoryIndex, commit_of
from pytest_ddperf.results import Results, RunFacts, in_order, joined

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from pytest_ddperf.catalog import Catalog
    from pytest_ddperf.history import RunHeader
    from pytest_ddperf.records import Baseline, CellKey, CellRecord, Unavailable
    from pytest_ddperf.results import Result, Trend

_INTERRUPTED = 2
"""pytest's exit status of a run that was stopped."""


def gathered(
    catalog: Catalog,
    records: Iterable[CellRecord],
    runs: Mapping[str, RunFacts],
    *,
    project_dir: Path | None = None,
    platforms: Sequence[str] | None = None,
    not_measured: int = 0,
    warnings: Iterable[str] = (),
) -> Results:
    """Every cell of the baselines and of some records, joined.

    Args:
        catalog: networks and platforms.
        records: what was measured, of any platforms; of a cell that several tests measured, the last one counts.
        runs: by platform, the run that the records are of.
        project_dir: the project, whose own baselines come first; None for none.
        platforms: which platforms; None for all of the catalogue.
        not_measured: cells of the baselines that the run should have measured and did not.
        warnings: what a person must know of it.

    Raises:
        ConfigurationError: a baseline cannot be read.
    """
    store = BaselineStore(catalog, project_dir=project_dir)
    wanted = tuple(catalog.platforms) if platforms is None else tuple(platforms)
    measured = {record.key: record for record in records if record.key.platform in wanted}
    held: dict[CellKey, Baseline | Unavailable | None] = dict.fromkeys(measured)
    for platform in wanted:
        baseline = store.load(platform)
        held.update((key, baseline.lookup(key)) for key in baseline.cells())
    cells: list[Result] = [joined(key, entry, measured.get(key)) for key, entry in held.items()]
    return Results(catalog, in_order(cells, catalog), dict(runs), not_measured, tuple(warnings))


def stored(
    catalog: Catalog,
    storage: Path,
    *,
    project_dir: Path | None = None,
    platforms: Sequence[str] | None = None,
    run: str | None = None,
) -> Results:
    """Every cell of the baselines, joined with what is stored: of each platform its newest run, or the run named.

    Files of the history that cannot be read are named in the warnings, and so is a history that is empty.

    Args:
        catalog: networks and platforms.
        storage: folder of the history; it need not exist.
        project_dir: the project, whose own baselines come first; None for none.
        platforms: which platforms; None for all of the catalogue.
        run: name of the only run to take.

    Raises:
        ConfigurationError: there is no run of that name, or a baseline cannot be read.
    """
    records: list[CellRecord] = []
    facts: dict[str, RunFacts] = {}
    with HistoryIndex(storage) as index:
        warnings = index.problems
        skipped, every = index.skipped
        paths = _paths(index, storage, run)
    if skipped:
        warnings.append(f"{skipped} of the {every} files in {storage} could not be read and were skipped.")
    for platform, path in paths.items():
        try:
            found = read_run(path)
        except HistoryError as error:  # gone since the index was made
            warnings.append(str(error))
            continue
        own = [record for record in found.records if record.key.platform == platform]
        records += own
        facts[platform] = facts_of(found.header, own, complete=found.exit_status not in {None, _INTERRUPTED})
    if not paths and not warnings:
        warnings.append(f"There is no run in {storage} yet: what is shown is the baselines alone.")
    return gathered(catalog, records, facts, project_dir=project_dir, platforms=platforms, warnings=warnings)


def trends(storage: Path, platforms: Iterable[str]) -> list[Trend]:
    """The history of every cell of some platforms that was measured on two nights or more.

    Args:
        storage: folder of the history; it need not exist.
        platforms: ids.
    """
    with HistoryIndex(storage) as index:
        every = [index.trend(key) for platform in platforms for key in index.cells(platform)]
    return [trend for trend in every if len(trend.nights) > 1]


def _paths(index: HistoryIndex, storage: Path, run: str | None) -> dict[str, Path]:
    """By platform, the file of the run to take."""
    if run is None:
        newest = {platform: index.newest(platform) for platform in index.platforms()}
        return {platform: found.path for platform, found in newest.items() if found is not None}
    every = {found.run: found.path for found in index.runs()}
    if run not in every:
        known = ", ".join(list(every)[-5:]) or "none"
        raise ConfigurationError(f"The run {run!r} is not in {storage}; the last ones there are {known}.")
    return dict.fromkeys(read_header(every[run]).platforms, every[run])


def facts_of(header: RunHeader, records: Iterable[CellRecord], *, complete: bool) -> RunFacts:
    """What a report says of a run, and of the servers that these records are of."""
    servers = {record.key.platform: record.server for record in records if record.server is not None}
    return RunFacts(header.run, header.started, commit_of(header), complete, servers)
