"""The fields that the index reads from each line of a run's file, which is faster than decoding whole records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import msgspec

from pytest_ddperf.core.records import CellKey, Outcome
from pytest_ddperf.core.results import NO_TIME, select_reddest
from pytest_ddperf.history.run_file import MOST_IMAGES, HistoryError, format_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pytest_ddperf.history.run_file import RunHeader


class _Key(msgspec.Struct, frozen=True):
    platform: str
    model: str
    batch_size: Annotated[int, msgspec.Meta(ge=1, le=MOST_IMAGES)]
    scenario: str = ""


class _Baseline(msgspec.Struct):
    kind: str
    value_ms: float


class IndexLine(msgspec.Struct):
    """The fields of a history line that the index uses; the rest is not decoded."""

    type: str = ""
    key: _Key | None = None
    nodeid: str = ""
    outcome: Outcome | None = None
    now_ms: Annotated[float, msgspec.Meta(ge=0)] | None = None
    change: float | None = None
    tolerance: float | None = None
    baseline: _Baseline | None = None
    whole: bool = False


_DECODER = msgspec.json.Decoder(IndexLine)


@dataclass(frozen=True, slots=True)
class IndexCell:
    """A cell's line as columns of the index."""

    key: CellKey
    outcome: Outcome
    now_ms: float | None
    change: float | None
    tolerance: float | None
    baseline_ms: float | None
    baseline_kind: str


def index_cells(lines: Iterable[IndexLine]) -> list[IndexCell]:
    """Return each cell once: the last line of each test, as in `read_run`, and the reddest of several tests."""
    tests = {line.nodeid: cell for line in lines if (cell := _cell(line)) is not None}
    return list(select_reddest(tests.values()).values())


def _cell(line: IndexLine) -> IndexCell | None:
    if line.key is None or line.outcome is None:
        return None
    timed = bool(line.now_ms) and line.outcome not in NO_TIME
    key, baseline = line.key, line.baseline
    return IndexCell(
        CellKey(key.platform, key.model, key.batch_size, key.scenario),
        line.outcome,
        line.now_ms if timed else None,
        line.change,
        line.tolerance,
        None if baseline is None else baseline.value_ms,
        "" if baseline is None else baseline.kind,
    )


def read_lines(path: Path) -> tuple[Sequence[IndexLine], int]:
    """Return the lines of a run after the first one, and the number of unreadable lines."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise HistoryError(f"{format_path(path)}: cannot be read: {error.strerror or error}.") from error
    read: list[IndexLine] = []
    broken = 0
    for line in lines[1:]:
        if not line.strip():
            continue
        try:
            found = _DECODER.decode(line)
        except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
            broken += 1
            continue
        if found.type == "end" or (found.type == "cell" and found.key is not None and found.outcome is not None):
            read.append(found)
        else:
            broken += 1
    return read, broken


def commit_of(header: RunHeader) -> str:
    """Return the id of the commit that a run tested, "" if its header does not contain one."""
    return commit_id(header.facts.get("commit"))


def commit_id(facts: object) -> str:
    """Return the commit id from pytest-benchmark's commit facts, "" if they do not contain one."""
    found = facts.get("id") if isinstance(facts, dict) else None
    return found if isinstance(found, str) and found != "unknown" else ""
