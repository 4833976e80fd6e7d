"""Frozen values passed between the packages: cells, passes, measurements, baselines and their records."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Protocol

from pytest_ddperf.core.budgets import BudgetCheck  # noqa: TC001 - msgspec reads the annotations
from pytest_ddperf.core.telemetry import Telemetry  # noqa: TC001 - the same
from pytest_ddperf.text import format_change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


COMMIT_DIGITS = 12
"""Digits shown of a commit id; they are enough to be unique."""


class Clock(StrEnum):
    """A clock of a pass: the server's cumulated predict time, `head.time`, or the client's own."""

    PREDICT = "predict"
    HEAD = "head"
    CLIENT = "client"


class Outcome(StrEnum):
    """The verdict on a cell; each cell has exactly one.

    `REMEASURE` is not final: the cell is measured again later in the run. It becomes `NOT_CONFIRMED` if the run, or its
    test, ends before that.
    """

    OK = "ok"
    IMPROVED = "improved"
    REGRESSED = "regressed"
    OVER_BUDGET = "over_budget"
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
    {
        Outcome.REGRESSED,
        Outcome.OVER_BUDGET,
        Outcome.OOM,
        Outcome.CRASHED,
        Outcome.ERROR,
        Outcome.INVALID,
        Outcome.NOT_CONFIRMED,
    }
)
"""The outcomes that fail their test."""


@dataclass(frozen=True, slots=True, order=True)
class CellKey:
    """Identity of a cell, to which its baseline belongs; not a pytest node id.

    Args:
        scenario: "" for plain latency, else the last part of the id (`c4`, `r20`).
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
    """One timed predict call, in milliseconds for the whole batch; None for times the server does not report.

    Under load a pass consists of several requests: `client_ms` is the value the gate uses (`load.gated_ms`), the
    server's times are means over the requests, and `head_ms` is None.

    Args:
        client_ms: the client's clock around the request, on a kept-alive connection.
        head_ms: `head.time` of the answer (whole milliseconds).
        predict_ms: increase of `total_predict_duration_ms` over the pass, transform included.
        transform_ms: increase of `total_transform_duration_ms` over the pass.
    """

    client_ms: float
    head_ms: float | None = None
    predict_ms: float | None = None
    transform_ms: float | None = None

    def ms(self, clock: Clock) -> float | None:
        """The time of this pass by `clock`, in milliseconds for the whole batch."""
        return _TIME_OF[clock](self)


_TIME_OF: dict[Clock, Callable[[Pass], float | None]] = {clock: attrgetter(f"{clock}_ms") for clock in Clock}


@dataclass(frozen=True, slots=True)
class Round:
    """One warm-up (discarded) and the timed passes after it.

    Args:
        started_s: start time, seconds since the epoch.
        passes: the timed passes in order of execution.
    """

    started_s: float
    passes: tuple[Pass, ...]


@dataclass(frozen=True, slots=True)
class Conditions:
    """Conditions of a measurement; only values measured under the same conditions are compared.

    Args:
        clock: the gated clock.
        backend: the service's mllib.
        datatype: fp32, fp16 ...
        width: input width in pixels.
        height: input height in pixels.
        gpu: whether the service ran on a GPU.
        image_route: `path` (the server reads the files) or `inline` (base64 in the request).
        preparation: non-default image preparation, in words; "" for the default.
        engine: the batch size the service was created for; None if one service is used for all batch sizes.
        requests: requests in a pass under load, per client or, at a given rate, in total; None for plain latency. More
            requests per client for the limit of a percentile do not count, because they change no figure of the gate.
        template: name of the Torch template that created the network; "" for a network from files.
        settings: non-default settings of the service that change its speed, in words; "" for the default.
        run_as: how the request says that its images run, such as `one batch of 8`; "" if it leaves that to the server,
            or contains one image.
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
    template: str = ""
    settings: str = ""
    run_as: str = ""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """The measured server as described by its `/info`; `url` never contains credentials."""

    url: str
    version: str = "unknown"
    commit: str = "unknown"
    branch: str = "unknown"
    build_type: str = "unknown"
    compile_flags: str = ""
    deps_version: str = ""


@dataclass(frozen=True, slots=True)
class ModelStats:
    """What a server reports about the network of a service; None for values it does not report.

    Args:
        gflops: giga floating-point operations per image.
    """

    params: int | None = None
    gflops: float | None = None


@dataclass(frozen=True, slots=True)
class ColdStart:
    """Milliseconds for creating the service and for its first prediction; None if not done."""

    create_ms: float | None = None
    first_predict_ms: float | None = None


@dataclass(frozen=True, slots=True)
class LoadPass:
    """The requests of one pass under load.

    Args:
        took_s: seconds from its start to the last answer.
        latencies_ms: latency of each request (whole batch), in the order the requests were due. It ends at the last
            byte of the answer and starts when the request is sent or, at a given rate, when the request was due.
        due_s: seconds from the first to the last scheduled start at a given rate; else None.
        answered_s: seconds from the first to the last answer.
        outstanding: maximum number of requests that were due and unanswered at the same time.
    """

    took_s: float
    latencies_ms: tuple[float, ...]
    due_s: float | None = None
    answered_s: float = 0.0
    outstanding: int = 0


@dataclass(frozen=True, slots=True)
class Against:
    """The reference server of a measurement in pairs.

    Args:
        rounds: its passes. The n-th pass of a round and the n-th one of the same round of the measured server are a
            pair.
        seed: the seed of the order within the pairs.
        notes: what limits the comparison.
    """

    server: ServerFacts
    service: str
    conditions: Conditions
    rounds: tuple[Round, ...] = ()
    seed: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Measurement:
    """The measurement of one cell, without a verdict.

    Args:
        rounds: all rounds of this session; the later ones are re-measurements.
        exclusive: whether no other client used the server during the measurement; None if the server does not report
            it.
        invalid: why the measurement is invalid; "" if it is valid.
        telemetry: sensor values of the board; None if they were not read.
        load: the requests of each pass under load, all rounds; empty for plain latency.
        network_files: digests of the files of a user's own network, by file name; empty if the files are not on this
            machine.
        model_stats: what the server reports about the network.
        against: the other server, if the cell was measured in pairs; else None.
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
    model_stats: ModelStats = ModelStats()
    against: Against | None = None

    def per_image_ms(self, clock: Clock | None = None) -> list[list[float]]:
        """Milliseconds per image of every pass, round by round, by `clock` (default: the gated one).

        Passes without a time by that clock are omitted.
        """
        return times_per_image(self.rounds, clock or self.conditions.clock, self.key.batch_size)

    def against_per_image_ms(self) -> list[list[float]]:
        """The same of the reference, by the gated clock; empty without one."""
        rounds = () if self.against is None else self.against.rounds
        return times_per_image(rounds, self.conditions.clock, self.key.batch_size)


class _HasPasses(Protocol):
    """A round: its passes have a time by each clock."""

    @property
    def passes(self) -> Sequence[Any]: ...


def times_per_image(rounds: Iterable[_HasPasses], clock: Clock, batch_size: int) -> list[list[float]]:
    """Milliseconds per image of every pass, round by round; passes without a time by `clock` are omitted."""
    time_of = _TIME_OF[clock]
    return [[ms / batch_size for ms in map(time_of, one.passes) if ms is not None] for one in rounds]


AGAINST = "against"
"""Kind of a baseline that is the reference server of a measurement in pairs."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """The value a cell is compared with.

    Args:
        kind: `report` (a published mean), `recorded`, `history`, or `against` (the reference server of pairs).
        value_ms: milliseconds per image as published or recorded (a mean for `report`, a median otherwise).
        source: human-readable location of the baseline: file and description of the figure.
        runs: raw milliseconds per image, one tuple per run, oldest first; empty for `report`.
        round_sizes: for each of the runs, the number of passes of each of its rounds; empty if the rounds are unknown.
        reading_error_ms: maximum error of a figure that was read from a chart.
        conditions: conditions under which it was recorded; None for `report`.
        network_files: `Measurement.network_files` at the time of recording; empty if not known.
    """

    kind: str
    value_ms: float
    source: str
    runs: tuple[tuple[float, ...], ...] = ()
    reading_error_ms: float = 0.0
    conditions: Conditions | None = None
    network_files: dict[str, str] = field(default_factory=dict, hash=False)
    round_sizes: tuple[tuple[int, ...], ...] = ()

    @property
    def rounds(self) -> list[tuple[float, ...] | tuple[tuple[float, ...], ...]]:
        """The runs, each as its rounds, or as its passes if its rounds are unknown."""
        sizes = self.round_sizes or ((),) * len(self.runs)
        return [_split(run, of_run) if of_run else run for run, of_run in zip(self.runs, sizes, strict=True)]


def _split(passes: Sequence[float], sizes: Sequence[int]) -> tuple[tuple[float, ...], ...]:
    """Split the passes of a run into rounds of these sizes."""
    ends = itertools.accumulate(sizes)
    return tuple(tuple(passes[end - size : end]) for size, end in zip(sizes, ends, strict=True))


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A cell that the baseline marks `x`: not measurable on that platform.

    Args:
        source: human-readable location of the `x`.
    """

    source: str


@dataclass(frozen=True, slots=True)
class Creep:
    """A slow rise of a cell's nightly times, in steps that are each too small for the gate of a single night.

    Args:
        since: start of the night on which it began, UTC in ISO 8601.
        nights: number of nights since then, that night included.
        change: relative change of the latest nights from the nights before the rise.
        commit: id of the commit that was tested on the night on which it began; "" if unknown.
        before: the same of the night before; "" if unknown.
    """

    since: str
    nights: int
    change: float
    commit: str = ""
    before: str = ""

    def __str__(self) -> str:
        """Say since when: `slower since the night of 2026-11-03 (1a2b3c..4d5e6f), +8.6 % over 14 nights`."""
        after, before = self.commit[:COMMIT_DIGITS], self.before[:COMMIT_DIGITS]
        commits = f"{before}..{after}" if before and before != after else f"commit {after}"
        nights = f"{self.nights} night{'s' * (self.nights > 1)}"
        return (
            f"slower since the night of {self.since[:10]}{f' ({commits})' if after else ''}, "
            f"{format_change(self.change)} over {nights}"
        )


@dataclass(frozen=True, slots=True)
class Night:
    """A run, as a night of the history.

    Args:
        started: UTC in ISO 8601.
        commit: id of the tested commit; "" if unknown.
        is_dirty: whether the project had uncommitted changes.

    Raises:
        ValueError: `started` does not begin with a date.
    """

    started: str
    commit: str = ""
    is_dirty: bool = False

    def __post_init__(self) -> None:
        """Check the date here, so that a line of the history with another one is a broken line."""
        date.fromisoformat(self.started[:10])


_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Since:
    """The two nights between which a red cell became slower.

    Args:
        night: the first slow night.
        good: the night before it on which the cell was measured; None if no night of the history was good.
        server: how the server changed between the two, such as `version v0.19.0 to v0.20.0`; "" if it did not.
    """

    night: Night
    good: Night | None = None
    server: str = ""

    def __str__(self) -> str:
        """Say since when: `slower since the night of Tuesday 2026-11-03, 1a2b3c..4d5e6f (last good night: ...)`."""
        if self.good is None:
            return f"slower since the night of {_format_day(self.night)} or before: no night of the history is good"
        is_same_day = self.night.started[:10] == self.good.started[:10]
        slow, good = (_format_day(night, time=is_same_day) for night in (self.night, self.good))
        server = f"; server {self.server}" if self.server else ""
        return f"slower since the night of {slow}{self._commits(self.good)} (last good night: {good}{server})"

    def _commits(self, good: Night) -> str:
        """Format the two commits, with the comma before them; "" if both are unknown."""
        before, after = (night.commit[:COMMIT_DIGITS] for night in (good, self.night))
        dirty = " with uncommitted changes" if good.is_dirty or self.night.is_dirty else ""
        if before and after and good.commit != self.night.commit:
            return f", {before}..{after}{dirty}"
        if before and after:
            suspect = "the server did" if self.server else "so check the host and the server"
            return f", commit {after} on both nights{dirty or f': the commit did not change, {suspect}'}"
        if after:
            return f", commit {after}{dirty}"
        return f", after commit {before}{dirty}" if before else ""


def _format_day(night: Night, *, time: bool = False) -> str:
    """Format when a night began: `Tuesday 2026-11-03`, with `time` also `02:15`."""
    day, clock = night.started[:10], night.started[11:16]
    return f"{_WEEKDAYS[date.fromisoformat(day).weekday()]} {day}{f' {clock}' if time else ''}"


@dataclass(frozen=True, slots=True)
class CellRecord:
    """One cell of one run: sent by the worker to the controller and stored as one line of the history.

    Args:
        nodeid: the test that measured it.
        reason: explanation of the verdict; for failures the whole message.
        now_ms: milliseconds per image as the gate estimated them: `baseline_ms` times 1 + `change`; None if nothing was
            measured. Mean, median and passes are in the measurement.
        change: the change that the gate compared with the limit (0.1 = 10 % slower), without the common shift; None
            without a baseline.
        measurement: None if nothing was measured.
        resolution: the smallest relative change the gate can distinguish from noise; None without a baseline.
        suite_shift: relative slowdown of the platform's other cells against their baselines; None if unknown.
        cause: why the cell failed, in the same words for all cells that failed for the same reason; "" if the reason
            applies to this cell only, such as a regression.
        interval: confidence interval of the change; None for a cell that was not measured in pairs, or is undecided.
        detail: the reason without the cell's id and verdict, for reports that show these separately; "" if the reason
            contains neither.
        baseline_ms: the baseline as the gate compared it, milliseconds per image: converted to the gated clock, and the
            fastest passes of each run; None without a baseline, and in records of older versions.
        limit: the relative change beyond which the cell is regressed; None without a baseline.
        shift_removed: the platform's common shift that was removed from `change`, relative; 0 if none was.
        platform_shifted: whether the cell is slower because the whole platform is.
        creep: since when the cell has become slower night by night, if it is red for that; else None.
        since: between which nights a regressed cell became slower; None without a history.
        budgets: each limit of its budget, with what was decided; empty without a budget, or if nothing was measured.
        compared: the verdict of the comparison with the baseline, if the cell is `over_budget`; else None.
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
    baseline_ms: float | None = None
    limit: float | None = None
    shift_removed: float = 0.0
    platform_shifted: bool = False
    creep: Creep | None = None
    since: Since | None = None
    interval: tuple[float, float] | None = None
    budgets: tuple[BudgetCheck, ...] = ()
    compared: Outcome | None = None

    @property
    def comparison(self) -> Outcome:
        """The verdict of the comparison with the baseline, whatever the budget decided."""
        return self.compared or self.outcome

    @property
    def pairs(self) -> int:
        """Number of pairs measured; 0 for a cell that was not measured in pairs."""
        if self.measurement is None or self.measurement.against is None:
            return 0
        return sum(len(one.passes) for one in self.measurement.rounds)


def convert_published(clock: Clock, value_ms: float, batch_size: int) -> float:
    """Convert a published value for comparison with a measurement by `clock`.

    A published value is a mean of `head.time`, which is truncated to whole milliseconds per batch, so half a
    millisecond is missing on average. A clock with fractions would have shown v + 0.5/b.

    Args:
        clock: the gated clock of the measurement.
        value_ms: published value, milliseconds per image.
        batch_size: images per request.

    Returns:
        Milliseconds per image.
    """
    return value_ms if clock is Clock.HEAD else value_ms + 0.5 / batch_size
