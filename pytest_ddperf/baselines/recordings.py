"""Recorded baselines: pytest-benchmark JSON, one line per value, so that changes are easy to review in a diff.

Above each hunk, `git diff` prints the last line before it that begins with a letter. `HEADING` creates such a line, so
that every hunk names the benchmark it belongs to, however long the benchmark is.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import statistics
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import filelock
import msgspec
import platformdirs
import pytest_benchmark
from pytest_benchmark.stats import Stats

from pytest_ddperf.config.published_tables import format_path
from pytest_ddperf.config.text_files import read_text, replace_file
from pytest_ddperf.core.catalog import build_bare_catalog
from pytest_ddperf.core.records import Baseline, CellKey, CellRecord, Conditions, Outcome, Unavailable
from pytest_ddperf.core.results import SEVERITY, select_reddest
from pytest_ddperf.errors import BaselineFileError, ConfigurationError
from pytest_ddperf.gate.statistics import round_statistic, rounds_scatter
from pytest_ddperf.history.index_lines import ACCEPTED
from pytest_ddperf.history.run_file import MOST_IMAGES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_ddperf.core.records import Measurement


T = TypeVar("T")

LINE_WIDTH = 110

HEADING: Final = object()
"""A dict value that is written as `null` at the beginning of a line, followed by the next entry on the same line."""


class Seconds(float):
    """Seconds written as thousandths, `53.7e-3`, so that they read as milliseconds."""


def render_json(value: object, indent: int = 0) -> str:
    """Render JSON for review in a diff: keys in the given order, one line per value.

    There are two exceptions: an entry `NAME_ms` is on the line of the preceding entry `NAME`, and a short dict in a
    list is on one line.
    """
    if value is HEADING:
        return "\nnull"
    if isinstance(value, Seconds):
        return f"{Decimal(repr(round_to_seven_digits(value))).scaleb(3):f}e-3"
    if isinstance(value, float):
        return json.dumps(round_to_seven_digits(value), allow_nan=False)
    pad = "  " * (indent + 1)
    if isinstance(value, dict):
        text = _entries(value, indent + 1, f"\n{pad}")
        return f"{{\n{pad}{text}\n{'  ' * indent}}}" if value else "{}"
    if isinstance(value, (list, tuple)):
        text = f",\n{pad}".join(_on_one_line(one) or render_json(one, indent + 1) for one in value)
        return f"[\n{pad}{text}\n{'  ' * indent}]" if value else "[]"
    return json.dumps(value)


def _entries(values: dict[object, object], indent: int, line_break: str) -> str:
    parts: list[str] = []
    before: object = None
    for key, value in values.items():
        if before is not None:
            beside = key == f"{before}_ms" or values[before] is HEADING
            parts.append(", " if beside else f",{line_break}")
        text = render_json(value, indent)
        parts.append(f"{json.dumps(str(key))}:{'' if value is HEADING else ' '}{text}")
        before = key
    return "".join(parts)


def _on_one_line(value: object) -> str:
    """Render a dict of plain values on one line; "" for any other value, or if the line is too long."""
    if not isinstance(value, dict) or any(isinstance(one, (dict, list, tuple)) for one in value.values()):
        return ""
    text = f"{{{_entries(value, 0, ' ')}}}"
    return text if len(text) <= LINE_WIDTH else ""


def round_to_seven_digits(value: float) -> float:
    """Round to seven significant digits: more than a clock provides, and no rounding noise in a diff."""
    return float(f"{value:.7g}")


FORMAT = 1
_LOCK_TIMEOUT_S = 60.0
EXPECTED = "pytest-benchmark JSON, as written by --ddperf-update-baselines or --benchmark-json"
_CELL_KEYS = frozenset({"platform", "model", "batch_size"})
TAKEN = {"accepted": ACCEPTED, "all": ACCEPTED | {Outcome.REGRESSED, Outcome.UNSTABLE}}
"""By mode, the verdicts of the cells that are recorded."""

_SECONDS = ("min", "max", "mean", "stddev", "median", "iqr", "q1", "q3", "ld15iqr", "hd15iqr", "total")
"""The statistics of pytest-benchmark that are in seconds; the file also contains each in milliseconds, beside it."""


BatchSize = Annotated[int, msgspec.Meta(ge=1, le=MOST_IMAGES)]

Duration = Annotated[float, msgspec.Meta(gt=0, lt=1e9)]
"""Seconds; below this bound it remains finite in milliseconds."""


class _Round(msgspec.Struct):
    passes: Annotated[int, msgspec.Meta(ge=1)]


class _ExtraInfo(msgspec.Struct):
    platform: str
    model: str
    batch_size: BatchSize
    scenario: str = ""
    conditions: Conditions | None = None
    network_files: dict[str, str] = msgspec.field(default_factory=dict)
    recorded: str = ""
    verdict: str = ""
    rounds: list[_Round] = []


class _StatsData(msgspec.Struct):
    data: Annotated[list[Duration], msgspec.Meta(min_length=1)]


class _Benchmark(msgspec.Struct):
    extra_info: _ExtraInfo
    stats: _StatsData


class _Ours(msgspec.Struct):
    format: int
    unavailable: list[CellKey] = msgspec.field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Recorded:
    """The contents of a recorded run.

    Args:
        cells: every cell, those marked `x` as `Unavailable`.
        recorded_at: when each measured cell was recorded, ISO 8601 in UTC; "" if the file does not contain the time.
        benchmarks: the benchmarks of the file, unchanged, by cell.
        others: the benchmarks of the file that are not cells of this project, unchanged.
    """

    cells: Mapping[CellKey, Baseline | Unavailable]
    recorded_at: Mapping[CellKey, str]
    benchmarks: Mapping[CellKey, dict[str, Any]]
    others: Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Update:
    """The result of updating a baseline file.

    Args:
        written: the cells that were recorded, in the file's order.
        left_out: the cells that were measured and not recorded.
        before: the previous baseline of each recorded cell that had one.
        after: the new baseline of each recorded cell.
    """

    path: Path
    written: tuple[CellKey, ...]
    left_out: frozenset[CellKey]
    before: Mapping[CellKey, Baseline]
    after: Mapping[CellKey, Baseline]


def read_recorded(path: Path) -> Recorded:
    """Read a recorded run, or any JSON of a run of this project that contains the raw durations.

    In a run's JSON several tests may have measured the same cell: the worst verdict counts, and the last one among
    equals. A recorded baseline contains each cell once.

    Raises:
        BaselineFileError: the file is neither; the error names the line, what was found and what was expected.
    """
    text, document = read_document(path)
    ours = _ours(path, text, document)
    shown = format_path(path)
    cells: dict[CellKey, Baseline | Unavailable] = {}
    severities: dict[CellKey, int] = {}
    recorded_at: dict[CellKey, str] = {}
    benchmarks: dict[CellKey, dict[str, Any]] = {}
    others: list[dict[str, Any]] = []
    for number, raw in enumerate(document["benchmarks"]):
        if not is_cell(raw):
            others.append(raw)
            continue
        benchmark = decode_benchmark(path, text, number, raw, _Benchmark)
        info, data = benchmark.extra_info, benchmark.stats.data
        if info.rounds and sum(one.passes for one in info.rounds) != len(data):
            found = f"{sum(one.passes for one in info.rounds)} passes in extra_info.rounds, {len(data)} in stats.data"
            raise BaselineFileError(path, line_of(text, raw), found, "the same number in both")
        key = CellKey(info.platform, info.model, info.batch_size, info.scenario)
        if key in cells and ours is not None:
            raise BaselineFileError(path, line_of(text, raw), f"the cell {key} is listed twice", "each cell once")
        if key in cells and _severity(info.verdict) > severities[key]:
            continue
        cells[key] = _baseline(shown, info, data)
        severities[key] = _severity(info.verdict)
        recorded_at[key] = info.recorded
        benchmarks[key] = raw
    if ours is None and not cells:
        raise _no_cell(path)
    for key in ours.unavailable if ours else ():
        cells.setdefault(key, Unavailable(f"{shown}, ddperf.unavailable"))
    return Recorded(cells, recorded_at, benchmarks, others)


def read_document(path: Path) -> tuple[str, dict[str, Any]]:
    """Read a pytest-benchmark JSON file.

    Returns:
        The text of the file, and its object, whose `benchmarks` is a list of objects.

    Raises:
        BaselineFileError: the file cannot be read or contains something else; the error names the line if known.
    """
    text = read_text(path, EXPECTED)
    document = _decode(path, text)
    listed = document.get("benchmarks") if isinstance(document, dict) else None
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise BaselineFileError(path, None, "no list `benchmarks` of objects at the top level", EXPECTED)
    return text, document


def unavailable_cells(path: Path, text: str, document: Mapping[str, Any]) -> list[CellKey]:
    """Return the cells that a pytest-benchmark JSON file marks `x`.

    Raises:
        BaselineFileError: the key `ddperf` is malformed, or the file has neither that key nor a benchmark that is a
            cell.
    """
    ours = _ours(path, text, document)
    if ours is None and not any(map(is_cell, document["benchmarks"])):
        raise _no_cell(path)
    return [] if ours is None else ours.unavailable


def is_cell(raw: Mapping[str, Any]) -> bool:
    """Whether a benchmark of a pytest-benchmark JSON file is a cell of this project."""
    extra_info = raw.get("extra_info")
    return isinstance(extra_info, dict) and extra_info.keys() >= _CELL_KEYS


def _no_cell(path: Path) -> BaselineFileError:
    return BaselineFileError(path, None, "no benchmark with platform, model and batch_size in extra_info", EXPECTED)


def write_recorded(
    path: Path,
    records: Sequence[CellRecord],
    *,
    machine_info: Mapping[str, object],
    commit_info: Mapping[str, object] | None = None,
    mode: str = "accepted",
    now: datetime | None = None,
) -> Update:
    """Merge the cells of a run into a recorded baseline; other cells and benchmarks of the file are kept.

    Cells with the verdict ok, improved or new are recorded; the mode `all` also records regressed and unstable ones. An
    unavailable cell is marked `x` if the file has no figures of it, and the mark is removed once the cell is recorded.
    Of two records of one cell the worst counts, and the last one among equals. The file is replaced atomically, and
    concurrent runs do not lose each other's cells. A run that changes no cell leaves the file unchanged. The file and
    its folder need not exist.

    The facts about the server (`machine_info`) and the project's commit replace the file's. `now` is in UTC.

    Raises:
        BaselineFileError: the file exists and is not a recorded run; it is left unchanged.
        ConfigurationError: the file cannot be written.
    """
    path = path.resolve()
    moment = (now or datetime.now(UTC)).isoformat(timespec="seconds")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _lock(path):
            held = read_recorded(path) if path.is_file() else Recorded({}, {}, {}, ())
            benchmarks = dict(held.benchmarks)
            unavailable = {key for key, entry in held.cells.items() if isinstance(entry, Unavailable)}
            marked = frozenset(unavailable)
            written, left_out = _merge(records, benchmarks, unavailable, mode=mode, moment=moment)
            keys = tuple(sorted(written, key=cell_sort_key))
            document = {
                "version": pytest_benchmark.__version__,
                "commit_info": dict(commit_info or {}),
                "datetime": moment,
                "ddperf": {
                    "last": _last(keys),
                    "format": FORMAT,
                    "unavailable": [msgspec.to_builtins(key) for key in sorted(unavailable, key=cell_sort_key)],
                },
                "machine_info": dict(machine_info),
                "benchmarks": [
                    *(_for_review(key, benchmarks[key]) for key in sorted(benchmarks, key=cell_sort_key)),
                    *held.others,
                ],
            }
            if written or unavailable != marked:
                replace_file(path, f"{render_json(document)}\n".encode(), sync=True)
    except filelock.Timeout as error:
        raise ConfigurationError(
            f"The baseline {path} was not written: another run has held its lock {error.lock_file} for "
            f"{_LOCK_TIMEOUT_S:.0f} s. Try again when that run has ended."
        ) from error
    except OSError as error:
        raise ConfigurationError(f"The baseline {path} cannot be written: {error}.") from error
    before = {key: entry for key in keys if isinstance(entry := held.cells.get(key), Baseline)}
    return Update(path, keys, left_out, before, {key: _baseline_of(benchmarks[key]) for key in keys})


def check_recordable(path: Path) -> None:
    """Check before the first measurement that a run can be recorded in a file, whose folder need not exist.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    path = path.resolve()
    try:
        _lock(path)
        # try to write: for root, permission checks succeed even on a file system that cannot be written
        tempfile.TemporaryFile(dir=next(each for each in path.parents if each.exists())).close()
    except OSError as error:
        raise ConfigurationError(
            f"The baseline {path} cannot be written: {error}. Make its folder writable, or omit "
            "--ddperf-update-baselines."
        ) from error


def _last(keys: Sequence[CellKey]) -> str:
    """Describe the cells that the last run recorded, so that the hunk with the facts of that run names them."""
    if len(keys) < 2:
        return f"1 cell: {keys[0]}" if keys else "no cell"
    return f"{len(keys)} cells: {keys[0]} to {keys[-1]}"


def _for_review(key: CellKey, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return a benchmark with its entries ordered for review in a diff: what never changes first, the times last."""
    info, stats = dict(raw["extra_info"]), raw["stats"]
    when = {"recorded": info.pop("recorded")} if "recorded" in info else {}
    info.pop("cell", None)
    times: dict[str, Any] = {}
    for name, value in stats.items():
        if name in _SECONDS and isinstance(value, (int, float)):
            times |= {name: value, f"{name}_ms": value * 1000}
        elif name.removesuffix("_ms") not in _SECONDS:
            times[name] = value
    return {
        "group": HEADING,
        "param": str(key),
        **{name: value for name, value in raw.items() if name not in {"group", "param", "extra_info", "stats"}},
        "extra_info": {**info, **when, "cell": str(key)},
        "stats": {**times, "data": [Seconds(one) for one in stats["data"]]},
    }


def compute_stats(seconds: Sequence[float]) -> dict[str, Any]:
    """Compute pytest-benchmark's statistics of durations in seconds, including `data` and `iterations`."""
    stats = Stats()
    for one in seconds:
        stats.update(one)
    return {**stats.as_dict(), "data": list(seconds), "iterations": 1}


def _build_entry(record: CellRecord, recorded: str) -> dict[str, Any] | None:
    """Build the benchmark of a cell for the file; None if a time is 0, or no pass was timed by the gated clock.

    `recorded` is in ISO 8601.
    """
    measurement = record.measurement
    times_ms = [ms for one in measurement.per_image_ms() for ms in one] if measurement else []
    if measurement is None or not times_ms or not all(math.isfinite(ms) and ms > 0 for ms in times_ms):
        return None
    key = record.key
    fullname = record.nodeid or f"test_predict[{key}]"
    return {
        "group": None,
        "name": fullname.rpartition("::")[2],
        "fullname": fullname,
        "params": {"platform": key.platform, "model": key.model, "batch_size": key.batch_size},
        "param": str(key),
        "extra_info": {
            **msgspec.to_builtins(key),
            "conditions": msgspec.to_builtins(measurement.conditions),
            **({"network_files": measurement.network_files} if measurement.network_files else {}),
            "rounds": list_rounds(measurement),
            **_scatter(measurement),
            "recorded": recorded,
        },
        "options": {},
        "stats": compute_stats([round_to_seven_digits(ms / 1000) for ms in times_ms]),
    }


def list_rounds(measurement: Measurement) -> list[dict[str, Any]]:
    """List the rounds of a measurement: when each began, ISO 8601, and how many passes the gated clock timed in it."""
    timed = zip(measurement.rounds, measurement.per_image_ms(), strict=True)
    return [
        {"started": datetime.fromtimestamp(one.started_s, UTC).isoformat(timespec="seconds"), "passes": len(ms)}
        for one, ms in timed
        if ms
    ]


def _scatter(measurement: Measurement) -> dict[str, float]:
    """Return the standard deviation between the rounds, relative, by its name in the file; empty for a single round."""
    rounds = [round_statistic(ms) for ms in measurement.per_image_ms() if ms]
    variance, degrees = rounds_scatter(rounds, without_slowest=False)
    return {"scatter_between_rounds": round_to_seven_digits(math.sqrt(variance))} if degrees else {}


def cell_sort_key(key: CellKey) -> tuple[str, tuple[int, str], int, str]:
    """Return the sort key of a cell in a file: platform, network in the catalogue's order, batch size, scenario."""
    return (key.platform, build_bare_catalog().model_order(key.model), key.batch_size, key.scenario)


def _merge(
    records: Sequence[CellRecord],
    benchmarks: dict[CellKey, dict[str, Any]],
    unavailable: set[CellKey],
    *,
    mode: str,
    moment: str,
) -> tuple[set[CellKey], frozenset[CellKey]]:
    written: set[CellKey] = set()
    left_out: set[CellKey] = set()
    for key, record in select_reddest(records).items():
        if record.outcome is Outcome.UNAVAILABLE:
            if key not in benchmarks:
                unavailable.add(key)
            continue
        entry = _build_entry(record, moment) if record.comparison in TAKEN[mode] else None
        if entry is None:
            left_out.add(key)
            continue
        benchmarks[key] = entry
        unavailable.discard(key)
        written.add(key)
    return written, frozenset(left_out)


def _baseline_of(raw: Mapping[str, Any]) -> Baseline:
    benchmark = msgspec.convert(raw, _Benchmark)
    return _baseline("", benchmark.extra_info, benchmark.stats.data)


def _decode(path: Path, text: str) -> Any:  # noqa: ANN401 - JSON of any shape
    try:
        document = json.loads(text, parse_constant=_no_number)
        if r"\ud" in text.lower():  # half of a surrogate pair can be read but not written
            json.dumps(document, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise BaselineFileError(path, error.lineno, f"invalid JSON ({error.msg})", EXPECTED) from error
    except UnicodeEncodeError as error:
        raise BaselineFileError(path, None, "a string with half of a surrogate pair", EXPECTED) from error
    except (ValueError, RecursionError) as error:
        raise BaselineFileError(path, None, f"invalid JSON ({error})", EXPECTED) from error
    return document


def _no_number(name: str) -> object:
    raise ValueError(f"{name} is not allowed")


def _ours(path: Path, text: str, document: Mapping[str, Any]) -> _Ours | None:
    if "ddperf" not in document:
        return None
    line = _line_with(text, '"ddperf"')
    try:
        ours = msgspec.convert(document["ddperf"], _Ours)
    except (msgspec.ValidationError, OverflowError) as error:
        raise BaselineFileError(path, line, f"an invalid `ddperf` ({error})", EXPECTED) from error
    if not all(0 < key.batch_size <= MOST_IMAGES for key in ours.unavailable):
        raise BaselineFileError(path, line, "an invalid batch_size in ddperf.unavailable", "1 or more, in 64 bits")
    if ours.format != FORMAT:
        expected = f"{FORMAT}, the only format that this version reads"
        raise BaselineFileError(path, line, f"ddperf.format {ours.format}", expected)
    return ours


def decode_benchmark(path: Path, text: str, number: int, raw: dict[str, Any], kind: type[T]) -> T:
    """Convert a benchmark of a pytest-benchmark JSON file, with this index, to a msgspec Struct.

    Raises:
        BaselineFileError: the benchmark does not have that type; the message names the line and the place.
    """
    try:
        return msgspec.convert(raw, kind)
    except (msgspec.ValidationError, OverflowError) as error:
        expected = EXPECTED
        if isinstance(raw.get("stats"), dict) and "data" not in raw["stats"]:
            expected = "the raw durations `stats.data`, which --benchmark-json or --benchmark-save-data writes"
        wrong = f"an invalid benchmark (benchmarks[{number}]: {error})"
        raise BaselineFileError(path, line_of(text, raw), wrong, expected) from error


def _severity(verdict: str) -> int:
    """Return the rank of a verdict, 0 for the worst; an unknown or missing verdict ranks after all others."""
    return SEVERITY.index(Outcome(verdict)) if verdict in tuple(Outcome) else len(SEVERITY)


def _baseline(shown: str, info: _ExtraInfo, data: Sequence[float]) -> Baseline:
    passes_ms = tuple(round_to_seven_digits(one * 1000) for one in data)
    when = f", recorded {info.recorded[:10]}" if info.recorded else ""
    return Baseline(
        "recorded",
        statistics.median(passes_ms),
        f"{shown}{when} (median of {len(passes_ms)} passes)",
        runs=(passes_ms,),
        conditions=info.conditions,
        network_files=info.network_files,
        round_sizes=(tuple(one.passes for one in info.rounds),) if info.rounds else (),
    )


def line_of(text: str, raw: Mapping[str, object]) -> int | None:
    """Return the number of the line that contains a benchmark's name; None if it has no name."""
    name = raw.get("fullname", raw.get("name"))
    return _line_with(text, json.dumps(name)) if isinstance(name, str) else None


def _line_with(text: str, part: str) -> int | None:
    at = text.find(part)
    return None if at < 0 else text.count("\n", 0, at) + 1


def _lock(path: Path) -> filelock.BaseFileLock:
    """Return the lock of a file; it is in the user's cache folder, so that `baselines/` contains only data."""
    lock_dir = platformdirs.user_cache_path("pytest-ddperf") / "locks"
    lock_dir.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:24]
    return filelock.FileLock(lock_dir / f"{name}.lock", timeout=_LOCK_TIMEOUT_S)
