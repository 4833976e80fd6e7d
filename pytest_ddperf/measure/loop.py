"""The measuring loop: a discarded warm-up, then passes until there are enough. Pure.

The server (an `Endpoint`), the clock and the check are injected; nothing here does I/O or sleeps. All times are
milliseconds for the whole batch unless a name contains `per_image`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol

from pytest_ddperf.core.records import ColdStart, Measurement, Pass, Round
from pytest_ddperf.errors import InvalidRoundError, TimingError
from pytest_ddperf.measure.clocks import AUTO, choose_clock, summarise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_ddperf.core.records import CellKey, Conditions, LoadPass
    from pytest_ddperf.deepdetect.protocol import Answer
    from pytest_ddperf.deepdetect.timed import Timed, Totals


_NOT_TIMED: Final = ColdStart()

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
        ...

    def totals(self) -> Totals | None:
        """Return the server's running totals; None if the server (an older one) does not report them."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure.

    Args:
        warmup: discarded predictions before the passes (the network is resized in the first).
        npasses: minimum number of passes per round.
        max_passes: maximum number of passes per round; None for `npasses`, so that no passes are added.
    """

    warmup: int = 1
    npasses: int = 5
    max_passes: int | None = None

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


@dataclass(frozen=True, slots=True)
class MeasuredRound:
    """A valid round.

    Args:
        round: the round.
        exclusive: True if the server's counts show that nobody else used it; None if it does not report them.
        load: the requests of each pass under load; empty for plain latency.
    """

    round: Round
    exclusive: bool | None
    load: tuple[LoadPass, ...] = ()


@dataclass(slots=True)
class _Passes:
    """The passes of a round so far, and whether the server was used exclusively."""

    made: list[Pass] = field(default_factory=list)
    load: list[LoadPass] = field(default_factory=list)
    exclusive: bool | None = True
    took_ms: float = 0.0

    def add(self, timed: Timed, before: Totals | None, after: Totals | None) -> None:
        self.took_ms += timed.took_ms
        head_ms = timed.answer.head_ms
        if timed.load is not None:
            self.load.append(timed.load)
            head_ms = None  # the time of one request does not represent all requests
        if before is None or after is None:
            self.exclusive = None
            self.made.append(Pass(timed.client_ms, head_ms))
            return
        if _exclusive(before, after, timed.requests) is None:
            self.exclusive = None
        old, new, count = before.own, after.own, timed.requests
        predict_ms = _increase(old.total_predict_duration_ms, new.total_predict_duration_ms, "predict", count)
        transform_ms = _increase(old.total_transform_duration_ms, new.total_transform_duration_ms, "transform", count)
        self.made.append(Pass(timed.client_ms, head_ms, predict_ms, transform_ms))


def measure_round(
    endpoint: Endpoint,
    plan: Plan,
    *,
    preferred: str = AUTO,
    check: Callable[[Answer], None],
    now: Callable[[], float],
    progress: Callable[[Progress], None] | None = None,
    attempt: int = 1,
) -> MeasuredRound:
    """Warm up, then time passes one after the other.

    The totals are read once between passes: the reading after one pass is also the reading before the next.

    Args:
        endpoint: the service and batch to measure.
        plan: how much to measure.
        preferred: the clock that decides whether passes are added, as in `choose_clock`.
        check: raises for a wrong answer; called for every answer, including the warm-up's.
        now: returns seconds since the epoch.
        progress: called before every prediction; None for no progress reports.
        attempt: number of the attempt, passed on to `progress`.

    Raises:
        InvalidRoundError: the server was restarted, or somebody else used it.
        ServerError: a prediction failed, or `check` rejected its answer.
    """
    started_s = now()
    for number in range(1, plan.warmup + 1):
        if progress is not None:
            progress(Progress(True, number, plan.warmup, attempt))
        check(endpoint.predict().answer)
    passes = _Passes()
    before = endpoint.totals()
    while not _enough(passes.made, plan, preferred):
        if progress is not None:
            progress(_progress(passes, plan, attempt))
        timed = endpoint.predict()
        check(timed.answer)
        after = endpoint.totals()
        passes.add(timed, before, after)
        before = after
    return MeasuredRound(Round(started_s, tuple(passes.made)), passes.exclusive, tuple(passes.load))


def measure_cell(
    endpoint: Endpoint,
    plan: Plan,
    *,
    key: CellKey,
    conditions: Conditions,
    preferred: str = AUTO,
    earlier: Measurement | None = None,
    cold_start: ColdStart | None = None,
    check: Callable[[Answer], None],
    condemn: Callable[[Round], str] = lambda _: "",
    restarted: Callable[[], None] = lambda: None,
    now: Callable[[], float],
    progress: Callable[[Progress], None] | None = None,
) -> Measurement:
    """Measure one more round of a cell.

    An invalid round is discarded and measured again, up to `REMEASURED_AT_MOST` times.

    Args:
        endpoint: the service and batch to measure.
        plan: how much to measure.
        key: the cell.
        conditions: the conditions of the measurement; their clock is replaced by the one used for the verdict.
        preferred: `auto` or a clock.
        earlier: the measurement so far: its rounds are kept, and its clock is used again.
        cold_start: cold start of the service if this session created it; by default that of `earlier`.
        check: raises for a wrong answer.
        condemn: returns why a round is invalid ("the host throttled"), "" if it is valid.
        restarted: called when the server was restarted during a round, before the next attempt; raises if the server
            can no longer be trusted.
        now: returns seconds since the epoch.
        progress: called before every prediction; None for no progress reports.

    Returns:
        The measurement with one more round; or without it, with the reason in `invalid`.

    Raises:
        TimingError: the server does not report the requested clock, or no clock can be used for the verdict.
        ServerError: a prediction failed, or `check` rejected its answer.
    """
    rounds = earlier.rounds if earlier else ()
    load = earlier.load if earlier else ()
    clock = earlier.conditions.clock if earlier and rounds else None
    cold = cold_start or (earlier.cold_start if earlier else _NOT_TIMED)
    invalid, exclusive = "", None
    for attempt in range(1, 2 + REMEASURED_AT_MOST):
        try:
            measured = measure_round(
                endpoint,
                plan,
                preferred=clock or preferred,
                check=check,
                now=now,
                progress=progress,
                attempt=attempt,
            )
        except InvalidRoundError as error:
            invalid, exclusive = error.reason, error.exclusive
            if error.restarted:
                restarted()
            continue
        if reason := condemn(measured.round):
            invalid, exclusive = reason, measured.exclusive
            continue
        chosen = choose_clock(clock or preferred, measured.round.passes)
        alone = measured.exclusive if not (earlier and rounds) or earlier.exclusive else None
        gated = conditions if conditions.clock is chosen else replace(conditions, clock=chosen)
        more = (*load, *measured.load)
        return Measurement(key, gated, (*rounds, measured.round), cold_start=cold, exclusive=alone, load=more)
    reason = f"{invalid} (measured again {REMEASURED_AT_MOST} times, each time invalid)"
    kept = replace(conditions, clock=clock) if clock else conditions
    return Measurement(key, kept, rounds, cold_start=cold, exclusive=exclusive, invalid=reason, load=load)


def _enough(made: Sequence[Pass], plan: Plan, preferred: str) -> bool:
    """Whether a round has enough passes: the minimum, and then an accurate mean or the maximum."""
    if len(made) < plan.npasses:
        return False
    if len(made) >= plan.most:
        return True
    try:
        clock = choose_clock(preferred, made)
    except TimingError:
        return True  # more passes would not help
    return summarise([ms for one in made if (ms := one.ms(clock)) is not None]).standard_error <= STANDARD_ERROR_BOUND


def _progress(passes: _Passes, plan: Plan, attempt: int) -> Progress:
    done = len(passes.made)
    number = done + 1
    of = plan.npasses if number <= plan.npasses else plan.most
    left = (of - done) * passes.took_ms / done / 1000 if done else None
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
