"""Rounds of pairs: two servers are asked in turn, in balanced random order, never at the same time. Pure."""

from __future__ import annotations

import contextlib
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from pytest_ddperf.core.records import Round
from pytest_ddperf.errors import DdperfError, InvalidRoundError
from pytest_ddperf.measure.clocks import choose_clock
from pytest_ddperf.measure.loop import REMEASURED_AT_MOST, MeasuredRound, Progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_ddperf.core.records import Measurement
    from pytest_ddperf.deepdetect.timed import Totals
    from pytest_ddperf.measure.loop import Endpoint, Observer, Plan

UNDER_TEST: Final = 0
"""Place of the server under test among the two sides."""

REFERENCE: Final = 1
"""Place of the reference among the two sides."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two servers."""

    endpoint: Endpoint
    observer: Observer


class SideFailedError(Exception):
    """One of the two servers failed. Always caught by the caller, which treats the error as that of its server.

    Args:
        side: `UNDER_TEST` or `REFERENCE`.
    """

    def __init__(self, side: int, error: DdperfError) -> None:
        super().__init__(str(error))
        self.side = side
        self.error = error


def draw_orders(pairs: int, seed: str) -> tuple[bool, ...]:
    """Draw the order of each pair: whether the reference is asked first.

    Every two pairs hold both orders, in random order: neither a drift of the host nor the place in a pair favours a
    server. The same seed draws the same orders.
    """
    chance = random.Random(seed)  # noqa: S311 - an order, not a secret
    orders: list[bool] = []
    while len(orders) < pairs:
        first = chance.random() < 0.5
        orders += first, not first
    return tuple(orders[:pairs])


@contextlib.contextmanager
def failures_of(side: int) -> Iterator[None]:
    """Raise errors as those of one of the two servers.

    Raises:
        SideFailedError: any error of this project.
    """
    try:
        yield
    except DdperfError as error:
        raise SideFailedError(side, error) from error


def measure_paired_cell(
    sides: tuple[Side, Side], plan: Plan, cell: Measurement, orders: Sequence[bool], *, one_server: bool
) -> Measurement:
    """Measure one more round of pairs of a cell.

    An invalid round is discarded and measured again, up to `REMEASURED_AT_MOST` times. The clock is the same on both
    sides, and in all rounds.

    Args:
        sides: the server under test and the reference.
        plan: the warm-up and the clock.
        cell: the cell as measured so far, with the reference in `against`.
        orders: for each pair, whether the reference is asked first.
        one_server: whether both sides are services of one server.

    Returns:
        The measurement with one more round on both sides; or without it, with the reason in `invalid`.

    Raises:
        SideFailedError: a prediction failed, or its answer is wrong.
        TimingError: no clock can be used on both sides.
    """
    against = cell.against
    assert against is not None  # noqa: S101 - the caller's part
    if cell.rounds:
        plan = replace(plan, timer=cell.conditions.clock)
    invalid, exclusive = "", None
    for attempt in range(1, 2 + REMEASURED_AT_MOST):
        try:
            measured = _measure_round(sides, plan, orders, attempt, one_server=one_server)
        except SideFailedError as failed:
            error = failed.error
            if not isinstance(error, InvalidRoundError):
                raise
            invalid = f"{'' if failed.side == UNDER_TEST else 'the reference server: '}{error.reason}"
            exclusive = error.exclusive
            if error.restarted:
                with failures_of(failed.side):
                    sides[failed.side].observer.handle_restart()
            continue
        done, theirs = (Round(one.started_s, tuple(one.passes)) for one in measured)
        exclusive = None if None in [one.exclusive for one in measured] else True
        if reason := sides[UNDER_TEST].observer.reject(done) or sides[REFERENCE].observer.reject(theirs):
            invalid = reason
            continue
        clock = choose_clock(plan.timer, [*done.passes, *theirs.passes])
        return replace(
            cell,
            conditions=replace(cell.conditions, clock=clock),
            rounds=(*cell.rounds, done),
            exclusive=exclusive if not cell.rounds or cell.exclusive else None,
            invalid="",
            against=replace(
                against,
                conditions=replace(against.conditions, clock=clock),
                rounds=(*against.rounds, theirs),
            ),
        )
    reason = f"{invalid} (measured again {REMEASURED_AT_MOST} times, each time invalid)"
    return replace(cell, exclusive=exclusive, invalid=reason)


def _measure_round(
    sides: tuple[Side, Side], plan: Plan, orders: Sequence[bool], attempt: int, *, one_server: bool
) -> tuple[MeasuredRound, MeasuredRound]:
    """Warm up both sides, then time the pairs.

    The totals of a server are read after each of its passes, and that reading is also the one before its next pass: it
    shows clients that use the server while the other one is measured. On one server the reading is repeated, because
    the other side's predictions are in it.

    Raises:
        SideFailedError: a round is invalid, a prediction failed, or its answer is wrong.
    """
    show_progress = sides[UNDER_TEST].observer.show_progress
    measured = MeasuredRound(sides[UNDER_TEST].observer.now()), MeasuredRound(sides[REFERENCE].observer.now())
    for number in range(1, plan.warmup + 1):
        if show_progress is not None:
            show_progress(Progress(True, number, plan.warmup, attempt))
        for place, side in enumerate(sides):
            with failures_of(place):
                side.observer.check(side.endpoint.predict().answer)
    latest: dict[int, Totals | None] = {}
    for done, reference_first in enumerate(orders):
        took_ms = sum(one.took_ms for one in measured)
        left_s = (len(orders) - done) * took_ms / done / 1000 if done else None
        if show_progress is not None:
            show_progress(Progress(False, done + 1, len(orders), attempt, left_s))
        for place in (REFERENCE, UNDER_TEST) if reference_first else (UNDER_TEST, REFERENCE):
            side = sides[place]
            with failures_of(place):
                before = side.endpoint.totals() if one_server or place not in latest else latest[place]
                timed = side.endpoint.predict()
                side.observer.check(timed.answer)
                latest[place] = side.endpoint.totals()
                measured[place].add(timed, before, latest[place])
    return measured
