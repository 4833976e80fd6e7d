"""pandas DataFrames of the history, the baselines and one stored run, for notebooks.

Each has one row per cell and run, and the columns of the CSV report with the dtypes documented there
(`csv_json.COLUMNS`). Platforms and models are categories in the catalogue's order, verdicts in the order of severity.
"""

from __future__ import annotations

import contextlib
import warnings
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from pytest_ddperf.config.load_catalog import load_catalog
from pytest_ddperf.core.results import SEVERITY, join_cell, select_reddest
from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.history.index import HistoryIndex
from pytest_ddperf.history.run_file import describe_broken_lines, list_runs, parse_moment, read_run, start_time
from pytest_ddperf.report.benchmark_cells import read_cells
from pytest_ddperf.report.csv_json import COLUMNS, row
from pytest_ddperf.report.gather import came_to_its_end, extract_run_facts, gather_results, read_each

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from pytest_ddperf.core.catalog import Catalog
    from pytest_ddperf.history.run_file import Run


def load_history(
    folder: str | os.PathLike[str],
    platforms: str | Iterable[str] | None = None,
    since: str | datetime | None = None,
) -> pd.DataFrame:
    """Load the runs of a history: one row per cell and run, oldest run first.

    The columns, their units and their dtypes are listed in docs/files.md. Damaged files are ignored with a
    `UserWarning` that names them. The index that runs and `ddperf report` use is created in the folder.

    Args:
        folder: the history, `.ddperf` in the project unless `--ddperf-storage` names another.
        platforms: ids of the only platforms to load; None for all.
        since: load only runs that began at this time or later: a datetime with a UTC offset, or a string in ISO 8601.

    Raises:
        ConfigurationError: the folder contains no history, a platform is unknown, or `since` is not such a time.
    """
    storage = Path(folder)
    catalog = load_catalog(Path.cwd())
    begin = _moment(since)
    _check_history(storage)
    with HistoryIndex(storage) as index:
        wanted = None if platforms is None else _known(platforms, catalog, index.last())
        paths = [
            run.path
            for run in index.runs()
            if (wanted is None or not set(wanted).isdisjoint(run.platforms))
            and (begin is None or datetime.fromisoformat(run.started) >= begin)
        ]
        faults, trouble = index.faults(), index.trouble
    frame = _frame((each for _, run in read_each(paths, faults) for each in _rows(run, wanted)), catalog)
    _warn([*trouble, *faults.values()])
    return frame


def load_baselines(project: str | os.PathLike[str] | None = None) -> pd.DataFrame:
    """Load the baselines of all platforms, recorded or published: one row per cell, with the columns of `load_history`.

    The baseline of a cell is the recorded one, else the published one. A run may use its history as the baseline
    instead; `load_history` returns that baseline with the run.

    Args:
        project: folder of the project, whose `ddperf.toml` and `baselines/` take precedence over those of the package;
            None for the current folder.

    Raises:
        ConfigurationError: the project is not a folder, or one of these files is malformed; names the file.
    """
    folder = Path.cwd() if project is None else Path(project)
    if not folder.is_dir():
        raise ConfigurationError(f"The project {folder} is not a folder; name the one that contains ddperf.toml.")
    catalog = load_catalog(folder)
    results = gather_results(catalog, (), {}, project_dir=folder, platforms=tuple(catalog.platforms))
    return _frame((row(cell, None) for cell in results.cells), catalog)


def load_run(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Load one run from a file: one row per cell, with the columns of `load_history`.

    Args:
        path: pytest-benchmark JSON, such as the output of `--benchmark-json` or a recorded baseline; or a run of the
            history (`.jsonl`). JSON does not contain everything: resolution, notes and whether the run is complete are
            missing, and a recorded baseline contains even less. With JSON, `started` is when pytest-benchmark wrote the
            file or when the cell was recorded, and `run` is the name of the file.

    Raises:
        DdperfError: the file cannot be read or is neither of these. The message contains the file, the line if it is
            known, what was found and what was expected.
    """
    file = Path(path)
    catalog = load_catalog(Path.cwd())
    if file.suffix != ".jsonl":
        return _frame(({**row(cell, facts), "complete": None} for cell, facts in read_cells(file)), catalog)
    run = read_run(file)
    start_time(file, run.header)
    if run.broken:
        _warn([describe_broken_lines(file, len(run.broken), run.broken[0])])
    return _frame(_rows(run, None), catalog)


def _check_history(folder: Path) -> None:
    if list_runs(folder):
        return
    if folder.is_file():
        raise ConfigurationError(f"The history {folder} is a file; name its folder, or read one run with load_run().")
    inner = folder / ".ddperf"
    hint = f"did you mean {inner}?" if inner.is_dir() else "expected a folder with a file RUN.jsonl for each run."
    there = "contains no run" if folder.is_dir() else "does not exist"
    raise ConfigurationError(f"The history {folder} {there}; {hint}")


def _moment(since: object) -> datetime | None:
    """Parse `since`; refuse what is not a datetime with a UTC offset."""
    if since is None:
        return None
    found = since
    if isinstance(since, str):
        with contextlib.suppress(ValueError):
            found = datetime.fromisoformat(since)
    if isinstance(found, datetime) and found.tzinfo is not None:
        return found
    wrong = "has no UTC offset" if isinstance(found, datetime) else "is not a date and time"
    raise ConfigurationError(
        f"since={str(since)!r} {wrong}; expected a datetime with an offset, or its text in ISO 8601, such as "
        "2026-11-03T02:00:00+00:00."
    )


def _known(platforms: str | Iterable[str], catalog: Catalog, stored: Collection[str]) -> list[str]:
    """Return the ids of these platforms; refuse one that is neither in the history nor in the catalogue."""
    names = [platforms] if isinstance(platforms, str) else platforms
    return [name if name in stored else catalog.platform(name).id for name in names]


def _rows(run: Run, platforms: Collection[str] | None) -> Iterator[Mapping[str, Any]]:
    counting = select_reddest(one for one in run.records if platforms is None or one.key.platform in platforms)
    facts = extract_run_facts(run.header, counting.values(), complete=came_to_its_end(run))
    for key, record in counting.items():
        yield row(join_cell(key, None, record), facts)


def _frame(rows: Iterable[Mapping[str, Any]], catalog: Catalog) -> pd.DataFrame:
    """Build a DataFrame column by column, which takes less memory than a dict for each row."""
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for each in rows:
        for name, values in columns.items():
            values.append(each[name])
    columns["started"] = [parse_moment(text or "") for text in columns["started"]]
    known = {"platform": catalog.platforms, "model": catalog.networks, "outcome": map(str, SEVERITY)}
    return pd.DataFrame({name: _series(columns.pop(name), name, known.get(name, ())) for name in COLUMNS})


def _series(values: list[Any], name: str, known: Iterable[str]) -> pd.Series[Any]:
    dtype = COLUMNS[name].dtype
    if dtype != "category":
        return pd.Series(values, dtype=dtype)
    every = dict.fromkeys(known)
    every |= dict.fromkeys(sorted({value for value in values if value is not None} - every.keys()))
    return pd.Series(values, dtype=pd.CategoricalDtype(list(every)))


def _warn(texts: Iterable[str]) -> None:
    for text in texts:
        warnings.warn(text, stacklevel=3)  # attribute the warning to the caller of load_...
