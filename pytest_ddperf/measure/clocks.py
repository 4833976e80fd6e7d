"""Choice of the clock to judge by, and the standard error of its times. Pure, standard library only."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, Final

from pytest_ddperf.core.records import Clock
from pytest_ddperf.errors import TimingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_ddperf.core.records import Pass

_NAMES: Final = {
    Clock.PREDICT: "total_predict_duration_ms",
    Clock.HEAD: "head.time",
    Clock.CLIENT: "the client's clock",
}

AUTO: Final = "auto"
"""The default choice: predict, else head, never the client's clock."""


ROUNDING_MS: Final = 1.0
"""How far `head.time`, in whole milliseconds, may exceed the client's time, which includes it."""

DRIFT: Final = 0.01
"""Share of the client's time by which `head.time` may exceed it in addition: clocks of two hosts differ in speed."""


def choose_clock(preferred: str, passes: Sequence[Pass]) -> Clock:
    """Choose the clock to judge by.

    It must have timed every pass with more than 0 ms, and `head.time` must not be longer than the client waited.

    Raises:
        TimingError: no clock meets these conditions.
    """
    wanted = [Clock.PREDICT, Clock.HEAD] if preferred == AUTO else [Clock(preferred)]
    flaws: list[str] = []
    for clock in wanted:
        flaw = _flaw(clock, passes)
        if not flaw:
            return clock
        flaws.append(flaw)
    remedy = "choose another clock with --ddperf-timer, or measure a larger batch size"
    raise TimingError(f"No clock can be used: {'; '.join(flaws)}; {remedy}.")


def compute_standard_error(times_ms: Sequence[float]) -> float:
    """Compute the standard error of the mean, relative to the mean; 0 for one value."""
    if len(times_ms) == 1:
        return 0.0
    return statistics.stdev(times_ms) / math.sqrt(len(times_ms)) / statistics.fmean(times_ms)


def _flaw(clock: Clock, passes: Sequence[Pass]) -> str:
    """Return why the clock cannot be used for the verdict, "" if it can."""
    times = [timed.ms(clock) for timed in passes]
    name = _NAMES[clock]
    if lacking := times.count(None):
        return f"the server did not report {name} in {lacking} of {len(times)} passes"
    if zero := sum(not ms > 0 for ms in times if ms is not None):
        return f"{name} is 0 ms in {zero} of {len(times)} passes: that clock is too coarse"
    if clock is Clock.HEAD and (longer := [one for one in passes if _cannot_be(one)]):
        return (
            f"{name} is longer than the client waited for the answer in {len(longer)} of {len(times)} passes "
            f"({longer[0].head_ms:g} ms; the client waited {longer[0].client_ms:.1f} ms)"
        )
    return ""


def _cannot_be(one: Pass) -> bool:
    """Whether the server reports a longer time than the client waited for the answer."""
    return one.head_ms is not None and one.head_ms > one.client_ms * (1 + DRIFT) + ROUNDING_MS
