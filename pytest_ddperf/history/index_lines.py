"""What the index stores of a run's file. Only the fields it needs are decoded, which is faster than whole records."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Annotated

import msgspec

from pytest_ddperf.core.budgets import BUDGET_KEYS
from pytest_ddperf.core.records import AGAINST, CellKey, Conditions, Outcome, times_per_image
from pytest_ddperf.core.results import NO_TIME, select_reddest
from pytest_ddperf.history.run_file import MOST_IMAGES, HistoryError, decode_run, format_path, start_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set
    from pathlib import Path


ACCEPTED = frozenset({Outcome.OK, Outcome.IMPROVED, Outcome.NEW})
"""The verdicts with which a cell of an accepted night becomes part of the baseline."""

_JUDGED = ACCEPTED | {Outcome.REGRESSED, Outcome.UNSTABLE}


class _Key(msgspec.Struct, frozen=True, order=True, gc=False):
    """The fields of a `CellKey`, which is slower to compare."""

    platform: str
    model: str
    batch_size: Annotated[int, msgspec.Meta(ge=1, le=MOST_IMAGES)]
    scenario: str = ""


class _Baseline(msgspec.Struct, gc=False):
    kind: str
    value_ms: float


class _Pass(msgspec.Struct, gc=False):
    client_ms: float
    head_ms: float | None = None
    predict_ms: float | None = None


class _Round(msgspec.Struct, gc=False):
    passes: list[_Pass]


class _Measurement(msgspec.Struct, gc=False):
    key: _Key
    conditions: msgspec.Raw
    rounds: list[_Round]
    invalid: str = ""
    network_files: dict[str, str] = {}


class _Limit(msgspec.Struct, gc=False):
    key: str
    limit: Annotated[float, msgspec.Meta(gt=0)]


class _Line(msgspec.Struct, gc=False):
    key: _Key
    nodeid: str
    outcome: Outcome
    now_ms: Annotated[float, msgspec.Meta(ge=0)] | None = None
    change: float | None = None
    tolerance: float | None = None
    baseline: _Baseline | None = None
    measurement: _Measurement | None = None
    baseline_ms: float | None = None
    limit: float | None = None
    compared: Outcome | None = None
    budgets: list[_Limit] = []


class IndexedRun(msgspec.Struct, frozen=True, gc=False):
    """A file of the history with the keys of its cells. The fields from `problem` on are stored in this order.

    Args:
        judged: its cells, by platform, sorted; runs with the same cells usually share the lists.
        timed: its cells with a time, by platform; a platform without any is omitted.
        problem: why the file is not a valid run; "" for a valid one, the other fields are set only then.
        started: UTC time in ISO 8601.
        accepted: whether it was a complete, uninterrupted run with --ddperf-accept.
        commit: id of the tested commit, "" if unknown.
        platforms: the platforms that the run was started for.
        first_broken: line number, from 1, and error of the first broken line.
    """

    folder: Path
    name: str
    judged: Mapping[str, Sequence[CellKey]]
    timed: Mapping[str, Set[CellKey]]
    problem: str = ""
    run: str = ""
    started: str = ""
    accepted: bool = False
    complete: bool = False
    commit: str = ""
    platforms: Sequence[str] = ()
    broken: int = 0
    first_broken: tuple[int, str] = (0, "")

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / self.name


class IndexedCell(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One cell of a run, as the index stores it.

    Args:
        accepted: whether later nights may be compared with it.
        now_ms: milliseconds per image; None without the time of a valid prediction.
        change: relative change against the baseline of that night.
        baseline_ms: that baseline as the gate compared it; as it was stored, if an older version wrote the run.
        limit: the change beyond which the cell was regressed.
        conditions: position of its conditions in those of the night; None if the cell was not judged, or has no passes
            that can be compared.
        rounds_ms: milliseconds per image by the gated clock, of every round that has any.
        network_files: as `Measurement.network_files`.
        budget: the limits of its budget, by key.
    """

    outcome: Outcome
    accepted: bool
    now_ms: float | None
    change: float | None
    tolerance: float | None
    baseline_ms: float | None
    baseline_kind: str
    conditions: int | None = None
    rounds_ms: list[list[float]] = []
    network_files: dict[str, str] = {}
    limit: float | None = None
    budget: dict[str, float] = {}


_DECODER = msgspec.json.Decoder(_Line)
_CONDITIONS = msgspec.json.Decoder(Conditions)
_KEYS = msgspec.msgpack.Decoder(dict[str, list[tuple[str, int, str, bool]]])


@cache  # a history has few different conditions
def parse_conditions(text: bytes) -> Conditions:
    """Decode conditions from JSON; equal ones are the same object.

    Raises:
        msgspec.MsgspecError: the text does not describe conditions.
    """
    return _shared(_CONDITIONS.decode(text))


@cache
def _shared(conditions: Conditions) -> Conditions:
    return conditions


@cache  # most runs of a history have the same cells
def parse_keys(encoded: bytes) -> tuple[dict[str, list[CellKey]], dict[str, set[CellKey]]]:
    """Decode the `judged` and `timed` of an `IndexedRun`; equal texts return the same objects."""
    judged: dict[str, list[CellKey]] = {}
    timed: dict[str, set[CellKey]] = {}
    for platform, cells in _KEYS.decode(encoded).items():
        for model, batch_size, scenario, is_timed in cells:
            key = CellKey(platform, model, batch_size, scenario)
            judged.setdefault(platform, []).append(key)
            if is_timed:
                timed.setdefault(platform, set()).add(key)
    return judged, timed


def summarize_file(path: Path) -> tuple[object, object, object]:
    """Read a file of the history and return what the index stores of it.

    Returns:
        The fields of its `IndexedRun` from `problem` on; for each platform the keys of its cells, sorted, and whether
        each has a time; and for each platform the conditions that occur, and the cells in the order of the keys.
    """
    try:
        run = decode_run(path, _DECODER.decode)
        started = start_time(path, run.header)
    except HistoryError as error:
        return (str(error).removeprefix(format_path(path)),), {}, {}  # the folder may be moved
    accepted = run.header.accepted and run.complete and run.whole
    keys: dict[str, list[tuple[str, int, str, bool]]] = {}
    nights: dict[str, tuple[dict[bytes, int], list[IndexedCell]]] = {}
    counting = select_reddest(run.records)  # type: ignore[type-var] # its keys have the fields of a CellKey
    for key, line in sorted(counting.items()):  # so that runs with the same cells have the same keys
        conditions, cells = nights.setdefault(key.platform, ({}, []))
        cell = _summarize_cell(line, conditions, accepted=accepted)
        cells.append(cell)
        is_timed = cell.now_ms is not None
        keys.setdefault(key.platform, []).append((key.model, key.batch_size, key.scenario, is_timed))
    summary = IndexedRun(
        path.parent,
        path.name,
        {},
        {},
        run=run.header.run,
        started=started.isoformat(timespec="seconds"),
        accepted=accepted,
        complete=run.complete,
        commit=run.header.commit,
        platforms=run.header.platforms,
        broken=len(run.broken),
        first_broken=run.broken[0] if run.broken else (0, ""),
    )
    packed = {platform: ([*conditions], cells) for platform, (conditions, cells) in nights.items()}
    return msgspec.structs.astuple(summary)[4:], keys, packed


def _summarize_cell(line: _Line, conditions: dict[bytes, int], *, accepted: bool) -> IndexedCell:
    """Return what the index stores of a cell. `conditions` has the position of each of the night's, and is extended."""
    measurement, baseline, comparison = line.measurement, line.baseline, line.compared or line.outcome
    cell = IndexedCell(
        line.outcome,
        accepted and comparison in ACCEPTED,
        line.now_ms if line.now_ms and line.outcome not in NO_TIME else None,
        line.change,
        line.tolerance,
        line.baseline_ms if baseline is None or line.baseline_ms is not None else baseline.value_ms,
        "" if baseline is None else baseline.kind,
        limit=line.limit,
        budget={one.key: one.limit for one in line.budgets if one.key in BUDGET_KEYS},
    )
    if measurement is None or comparison not in _JUDGED or measurement.invalid or measurement.key != line.key:
        return cell
    if cell.baseline_kind == AGAINST:  # measured in pairs, never a night
        return cell
    text = bytes(measurement.conditions)
    try:
        clock = parse_conditions(text).clock
    except msgspec.MsgspecError:
        return cell
    rounds_ms = times_per_image(measurement.rounds, clock, line.key.batch_size)
    if [] in rounds_ms:
        rounds_ms = [one for one in rounds_ms if one]
    every_ms = rounds_ms[0] if len(rounds_ms) == 1 else [ms for one in rounds_ms for ms in one]
    if not every_ms or min(every_ms) <= 0 or max(every_ms) == math.inf:
        return cell
    place = conditions.setdefault(text, len(conditions))
    files = measurement.network_files
    return msgspec.structs.replace(cell, conditions=place, rounds_ms=rounds_ms, network_files=files)
