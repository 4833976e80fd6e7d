"""Frozen values that travel between the packages: cells, passes, measurements, baselines and their records."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from operator import attrgetter
from typing import TYPE_CHECKING, TypeVar

from pytest_ddperf.core.telemetry import Telemetry  # noqa: TC001 - msgspec reads the annotations

if TYPE_CHECKING:
    from collections.abc import Callable


T = TypeVar("T")


class Clock(StrEnum):
    """Which of a pass's clocks: the server's cumulated predict time, `head.time`, or the client's own."""

    PREDICT = "predict"
    HEAD = "head"
    CLIENT = "client"


class Outcome(StrEnum):
    """How a cell ended; exactly one each.

    `REMEASURE` is not final: the cell is measured again later in the run. `NOT_CONFIRMED` is what becomes of it where
    the run, or its test, ends before that.
    """

    OK = "ok"
    IMPROVED = "improved"
    REGRESSED = "regressed"
    NEW = "new"
    UNAVAILABLE = "unavailable"
    OOM = "oom"
    CRASHED = "crashed"
    ERROR = "error"
    INVALID = "invalid"
    NOT_CONFIRMED = "not_confirmed"
    UNSTABLE = "unstable"
    REMEASURE = "remeasure"


FAILING = frozenset(
    {Outcome.REGRESSED, Outcome.OOM, Outcome.CRASHED, Outcome.ERROR, Outcome.INVALID, Outcome.NOT_CONFIRMED}
)
"""The outcomes that fail their test."""


@dataclass(frozen=True, slots=True, order=True)
class CellKey:
    """What a baseline is a baseline of: never a node id.

    Args:
        scenario: "" for plain latency, else what stands at the end of the id (`c4`, `r20`).
    """

    platform: str
    model: str
    batch_size: int
    scenario: str = ""

    def __str__(self) -> str:
        """The id as in the node id: `tk1-squeezenet_v1.1-b8`."""
        tail = f"-{self.scenario}" if self.scenario else ""
        return f"{self.platform}-{self.model}-b{self.batch_size}{tail}"


@dataclass(frozen=True, slots=True)
class Pass:
    """One timed predict call, in milliseconds for the whole batch; None where the server does not tell.

    Under load it stands for several: `client_ms` is what the gate takes of them (`load.gated_ms`), the server's times
    are means over them, and `head_ms` is None.

    Args:
        client_ms: the client's clock around the request, on a kept-alive connection.
        head_ms: the answer's `head.time` (whole milliseconds).
        predict_ms: increase of `total_predict_duration_ms` over the pass, transform included.
        transform_ms: increase of `total_transform_duration_ms` over the pass.
    """

    client_ms: float
    head_ms: float | None = None
    predict_ms: float | None = None
    transform_ms: float | None = None

    def ms(self, clock: Clock) -> float | None:
        """The time of this pass by that clock, in milliseconds for the whole batch."""
        return _TIME_OF[clock](self)


_TIME_OF: dict[Clock, Callable[[Pass], float | None]] = {
    Clock.PREDICT: attrgetter("predict_ms"),
    Clock.HEAD: attrgetter("head_ms"),
    Clock.CLIENT: attrgetter("client_ms"),
}


@dataclass(frozen=True, slots=True)
class Round:
    """One warm-up (thrown away) and the timed passes after it.

    Args:
        started_s: when it began, seconds since the epoch.
        passes: in the order they were made.
    """

    started_s: float
    passes: tuple[Pass, ...]


@dataclass(frozen=True, slots=True)
class Conditions:
    """Under what a value was measured: only values under like conditions are compared.

    Args:
        clock: the gated clock.
        backend: the service's mllib.
        datatype: fp32, fp16 ...
        width: input width in pixels.
        height: input height in pixels.
        gpu: whether the service ran on a GPU.
        image_route: `path` (the server reads the files) or `inline` (base64 in the request).
        preparation: how images are prepared in another way than usual, in words; "" where they are not.
        engine: the batch size that the service was created for; None where one service is for all.
        requests: of a pass under load, of each client or of all at a rate; None for plain latency.
    """

    clock: Clock
    backend: str
    datatype: str = "fp32"
    width: int | None = 224
    height: int | None = 224
    gpu: bool = False
    image_route: str = "path"
    preparation: str = ""
    engine: int | None = None
    requests: int | None = None


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """The server that was measured, from its `/info`; `url` never holds credentials."""

    url: str
    version: str = "unknown"
    commit: str = "unknown"
    branch: str = "unknown"
    build_type: str = "unknown"
    compile_flags: str = ""
    deps_version: str = ""


@dataclass(frozen=True, slots=True)
class ColdStart:
    """What is timed apart: creating the service and its first prediction, milliseconds; None where not done."""

    create_ms: float | None = None
    first_predict_ms: float | None = None


@dataclass(frozen=True, slots=True)
class LoadPass:
    """The requests of one pass under load.

    Args:
        took_s: from its start to the last answer, seconds.
        latencies_ms: of each request for its whole batch, in the order in which they were due: to the last byte of the
            answer, from sending it where each client waits for its answer, from when it was due at a given rate.
        due_s: seconds from the first to the last intended start, at a given rate; else None.
        answered_s: seconds from the first to the last answer.
        outstanding: the most requests that were due and not answered at the same time.
    """

    took_s: float
    latencies_ms: tuple[float, ...]
    due_s: float | None = None
    answered_s: float = 0.0
    outstanding: int = 0


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured of one cell, before any judgement.

    Args:
        rounds: all rounds of this session; the later ones are re-measurements.
        exclusive: whether nobody else used the server meanwhile; None where the server does not tell.
        invalid: why the measurement counts for nothing, "" where it does count.
        telemetry: what the board's sensors said; None where nobody read them.
        load: the requests of each pass under load, all rounds; empty for plain latency.
        network_files: by name, digests of the files of a network of the user's own; empty where they are not here.
    """

    key: CellKey
    conditions: Conditions
    rounds: tuple[Round, ...]
    cold_start: ColdStart = ColdStart()
    exclusive: bool | None = None
    invalid: str = ""
    telemetry: Telemetry | None = field(default=None, hash=False)
    load: tuple[LoadPass, ...] = ()
    network_files: dict[str, str] = field(default_factory=dict, hash=False)

    def per_image_ms(self, clock: Clock | None = None) -> list[list[float]]:
        """Milliseconds per image of every pass, round by round, by `clock` (default: the gated one).

        Passes that lack that clock are left out.
        """
        time_of = _TIME_OF[clock or self.conditions.clock]
        batch_size = self.key.batch_size
        return [[ms / batch_size for ms in map(time_of, one.passes) if ms is not None] for one in self.rounds]


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a cell is held against.

    Args:
        kind: `report` (a published mean), `recorded` or `history`.
        value_ms: milliseconds per image as published or recorded (a mean for `report`, a median otherwise).
        source: where it stands, for a person: file and what the figure is.
        runs: raw milliseconds per image, one tuple a run, oldest first; empty for `report`.
        reading_error_ms: how far the figure may be off, where it was read back from a picture.
        conditions: under what it was recorded; None for `report`.
        network_files: as `Measurement.network_files`, when it was recorded; empty where that is not known.
    """

    kind: str
    value_ms: float
    source: str
    runs: tuple[tuple[float, ...], ...] = ()
    reading_error_ms: float = 0.0
    conditions: Conditions | None = None
    network_files: dict[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A cell that the baseline marks `x`: not measurable on that platform.

    Args:
        source: where the `x` stands, for a person.
    """

    source: str


@dataclass(frozen=True, slots=True)
class CellRecord:
    """One cell of one run: what the worker sends to the controller, and one line of the history.

    Args:
        nodeid: the test that measured it.
        outcome: the verdict.
        reason: the verdict in words; for failures the whole message.
        now_ms: milliseconds per image of this run, by the gated clock; None where nothing was measured.
        change: relative change against the baseline (0.1 = 10 % slower); None without one.
        measurement: None where nothing was measured.
        resolution: the smallest relative change that the gate can tell from noise here; None without a baseline.
        suite_shift: by how much the platform's other cells are slower than their baselines, relative; None: unknown.
        cause: why the cell failed, in words that all cells which failed for the same reason share; "" where the reason
            belongs to this cell alone, such as a regression.
        detail: the reason without the cell's id and its verdict, for places that show these beside it; "" where the
            reason has neither.
    """

    key: CellKey
    nodeid: str
    outcome: Outcome
    reason: str = ""
    now_ms: float | None = None
    change: float | None = None
    tolerance: float | None = None
    baseline: Baseline | None = None
    measurement: Measurement | None = None
    server: ServerFacts | None = None
    notes: tuple[str, ...] = field(default=())
    resolution: float | None = None
    suite_shift: float | None = None
    cause: str = ""
    detail: str = ""


def convert_published(clock: Clock, value_ms: float, batch_size: int) -> float:
    """A published value as it is to be compared with a measurement by `clock`.

    A published value is a mean of `head.time`, which is cut to whole milliseconds for the batch: half a millisecond is
    missing on average. So v + 0.5/b is what a clock with fractions would have shown.

    Args:
        clock: the gated clock of the measurement.
        value_ms: as published, milliseconds per image.
        batch_size: images per request.

    Returns:
        Milliseconds per image.
    """
    return value_ms if clock is Clock.HEAD else value_ms + 0.5 / batch_size
