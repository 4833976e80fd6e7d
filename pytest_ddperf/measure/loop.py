"""The measuring loop: a discarded warm-up, then passes until there are enough. Pure.

The server (an `Endpoint`) and everything around it (an `Observer`) are injected; nothing here does I/O or sleeps. All
times are milliseconds for the whole batch unless a name contains `per_image`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol

from pytest_ddperf.core.records import Pass, Round
from pytest_ddperf.errors import InvalidRoundError, TimingError
from pytest_ddperf.measure.clocks import AUTO, choose_clock, compute_standard_error

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_ddperf.core.records import LoadPass, Measurement
    from pytest_ddperf.deepdetect.protocol import Answer
    from pytest_ddperf.deepdetect.timed import Timed, Totals


REMEASURED_AT_MOST: Final = 3
"""How many times an invalid round is measured again before the cell counts as invalid."""

STANDARD_ERROR_BOUND: Final = 0.02
"""Passes are added while the standard error of the mean, by the clock used for the verdict, exceeds this share of it.

This is a fifth of the default tolerance (10 %): the mean is then known to about +-4 % (two standard errors).
"""


class Endpoint(Protocol):
    """The service and batch that are measured."""

    def predict(self) -> Timed:
        """Run one prediction of the batch, timed by the client; under load, all predictions of a pass.

        Raises:
            ServerError: the prediction failed.
        """

    def totals(self) -> Totals | None:
        """Return the server's running totals; None if the server (an older one) does not report them."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure.

    Args:
        warmup: discarded predictions before the passes (the network is resized in the first).
        npasses: minimum number of passes per round.
        max_passes: maximum number of passes per round; None for `npasses`, so that no passes are added.
        timer: the clock for the verdict, which also decides whether passes are added: `auto` or a clock.
    """

    warmup: int = 1
    npasses: int = 5
    max_passes: int | None = None
    timer: str = AUTO

    @property
    def most(self) -> int:
        """Maximum number of passes per round; never below `npasses`."""
        return max(self.npasses, self.max_passes or 0)


@dataclass(frozen=True, slots=True)
class Progress:
    """The prediction that is about to run; reported before every prediction.

    Args:
        warmup: whether it belongs to the warm-up.
        number: number of the prediction in its phase (warm-up or passes), from 1.
        of: number of predictions in the phase as currently planned; passes may be added.
        attempt: attempt at the round, from 1; later attempts follow invalid rounds.
        remaining_s: estimated seconds until the round ends, from the passes so far; None before the first.
    """

    warmup: bool
    number: int
    of: int
    attempt: int = 1
    remaining_s: float | None = None


class Observer(Protocol):
    """What the measuring loop calls while it measures a cell."""

    def now(self) -> float:
        """Return seconds since the epoch."""

    def check(self, answer: Answer) -> None:
        """Check an answer; called for every answer, including the warm-up's.

        Raises:
            AnswerError: the answer is wrong.
        """

    def reject(self, measured: Round) -> str:
        """Return why a complete round is invalid ("the board throttled"), "" if it is valid."""

    def handle_restart(self) -> None:
        """Called when the server was restarted during a round, before the next attempt.

        Raises:
            DdperfError: the server can no longer be trusted.
        """

    @property
    def show_progress(self) -> Callable[[Progress], None] | None:
        """Called before every prediction; None to show none."""


@dataclass(slots=True)
class MeasuredRound:
    """A round, complete or in progress.

    Args:
        started_s: start, seconds since the epoch.
        load: the requests of each pass under load; empty for plain latency.
        exclusive: True if the server's counts show that nobody else used it; None if it does not report them.
    """

    started_s: float
    passes: list[Pass] = field(default_factory=list)
    load: list[LoadPass] = field(default_factory=list)
    exclusive: bool | None = True
    took_ms: float = 0.0

    def add(self, timed: Timed, before: Totals | None, after: Totals | None) -> None:
        """Add a pass, given the server's totals before and after it.

        Raises:
            InvalidRoundError: the server was restarted, or somebody else used it.
        """
        self.took_ms += timed.took_ms
        head_ms = timed.answer.head_ms
        if timed.load is not None:
            self.load.append(timed.load)
            head_ms = None  # the time of one request does not represent all requests
        if before is None or after is None:
            self.exclusive = None
            self.passes.append(Pass(timed.client_ms, head_ms))
            return
        if _exclusive(before, after, timed.requests) is None:
            self.exclusive = None
        old, new, count = before.own, after.own, timed.requests
        predict_ms = _increase(old.total_predict_duration_ms, new.total_predict_duration_ms, "predict", count)
        transform_ms = _increase(old.total_transform_duration_ms, new.total_transform_duration_ms, "transform", count)
        self.passes.append(Pass(timed.client_ms, head_ms, predict_ms, transform_ms))


def measure_round(endpoint: Endpoint, plan: Plan, observer: Observer, attempt: int = 1) -> MeasuredRound:
    """Warm up, then time passes one after the other.

    The totals are read once between passes: the reading after one pass is also the reading before the next.

    Raises:
        InvalidRoundError: the server was restarted, or somebody else used it.
        ServerError: a prediction failed, or its answer is wrong.
    """
    measured, show_progress = MeasuredRound(observer.now()), observer.show_progress
    for number in range(1, plan.warmup + 1):
        if show_progress is not None:
            show_progress(Progress(True, number, plan.warmup, attempt))
        observer.check(endpoint.predict().answer)
    before = endpoint.totals()
    while not _enough(measured.passes, plan):
        if show_progress is not None:
            show_progress(_progress(measured, plan, attempt))
        timed = endpoint.predict()
        observer.check(timed.answer)
        after = endpoint.totals()
        measured.add(timed, before, after)
        before = after
    return measured


def measure_cell(endpoint: Endpoint, plan: Plan, cell: Measurement, observer: Observer) -> Measurement:
    """Measure one more round of a cell.

    An invalid round is discarded and measured again, up to `REMEASURED_AT_MOST` times. A cell with rounds is measured
    by the clock of its conditions; without rounds, that clock is replaced by the one used for the verdict.

    Returns:
        The measurement with one more round; or without it, with the reason in `invalid`.

    Raises:
        TimingError: the server does not report the requested clock, or no clock can be used for the verdict.
        ServerError: a prediction failed, or its answer is wrong.
    """
    if cell.rounds:
        plan = replace(plan, timer=cell.conditions.clock)
    invalid, exclusive = "", None
    for attempt in range(1, 2 + REMEASURED_AT_MOST):
        try:
            measured = measure_round(endpoint, plan, observer, attempt)
        except InvalidRoundError as error:
            invalid, exclusive = error.reason, error.exclusive
            if error.restarted:
                observer.handle_restart()
            continue
        done = Round(measured.started_s, tuple(measured.passes))
        if reason := observer.reject(done):
            invalid, exclusive = reason, measured.exclusive
            continue
        clock = choose_clock(plan.timer, done.passes)
        return replace(
            cell,
            conditions=cell.conditions if cell.conditions.clock is clock else replace(cell.conditions, clock=clock),
            rounds=(*cell.rounds, done),
            exclusive=measured.exclusive if not cell.rounds or cell.exclusive else None,
            invalid="",
            load=(*cell.load, *measured.load),
        )
    reason = f"{invalid} (measured again {REMEASURED_AT_MOST} times, each time invalid)"
    return replace(cell, exclusive=exclusive, invalid=reason)


def _enough(made: Sequence[Pass], plan: Plan) -> bool:
    """Whether a round has enough passes: the minimum, and then an accurate mean or the maximum."""
    if len(made) < plan.npasses:
        return False
    if len(made) >= plan.most:
        return True
    try:
        clock = choose_clock(plan.timer, made)
    except TimingError:
        return True  # more passes would not help
    return compute_standard_error([ms for one in made if (ms := one.ms(clock)) is not None]) <= STANDARD_ERROR_BOUND


def _progress(measured: MeasuredRound, plan: Plan, attempt: int) -> Progress:
    done = len(measured.passes)
    number = done + 1
    of = plan.npasses if number <= plan.npasses else plan.most
    left = (of - done) * measured.took_ms / done / 1000 if done else None
    return Progress(False, number, of, attempt, left)


def _increase(before: float | None, after: float | None, name: str, requests: int) -> float | None:
    """Return the increase of a total during a pass, in milliseconds per request; None if it is not reported.

    Raises:
        InvalidRoundError: the total fell.
    """
    if before is None or after is None:
        return None
    if after < before:
        raise InvalidRoundError(
            f"total_{name}_duration_ms fell from {before:g} to {after:g} ms during a pass: the server was restarted or "
            "the service recreated",
            restarted=True,
        )
    return (after - before) / requests


def _exclusive(before: Totals, after: Totals, ours: int) -> bool | None:
    """Check that nobody else used the server during a pass.

    Returns:
        True if the server counted exactly our predictions; None if it does not report the counts.

    Raises:
        InvalidRoundError: it counted more or fewer predictions, or other services were used.
    """
    if before.own.predict_count is None or after.own.predict_count is None:
        return None
    rise = after.own.predict_count - before.own.predict_count
    if rise > ours:
        raise InvalidRoundError(
            f"somebody else used the service during a pass: it counted {rise} predictions, {_count(ours)} of them ours",
            exclusive=False,
        )
    if rise < ours:
        raise InvalidRoundError(
            f"predict_count went from {before.own.predict_count} to {after.own.predict_count} during {_count(ours)} "
            f"prediction{'' if ours == 1 else 's'}: the server was restarted or the service recreated",
            restarted=True,
        )
    if before.others is None or after.others is None:
        return None
    if before.others != after.others and (
        busy := sorted(name for name, count in after.others.items() if count > before.others.get(name, 0))
    ):
        raise InvalidRoundError(
            f"somebody else used the server during a pass: predictions by {', '.join(busy)}", exclusive=False
        )
    return True


def _count(number: int) -> str:
    return "one" if number == 1 else str(number)
