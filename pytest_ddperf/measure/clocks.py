"""From passes to figures: which clock to go by, and the statistics of its times. Pure, standard library only."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
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
"""The clock that is asked for by default: predict, else head, never the client's."""


ROUNDING_MS: Final = 1.0
"""How far `head.time`, in whole milliseconds, may lie beyond the client's clock, which encloses it."""

DRIFT: Final = 0.01
"""And by what share on top: two hosts' clocks do not run at the same speed."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The statistics of passes, in milliseconds per image.

    Args:
        stddev_ms: of the sample (n - 1); 0 for one pass.
        standard_error: of the mean, relative to it; 0 for one pass.
    """

    passes: int
    mean_ms: float
    median_ms: float
    min_ms: float
    max_ms: float
    stddev_ms: float
    standard_error: float
    images_per_second: float


def choose_clock(preferred: str, passes: Sequence[Pass]) -> Clock:
    """The clock to gate by: it must have timed every pass, above 0 ms; `head.time` not longer than the client waited.

    Args:
        preferred: a clock, or `auto`: predict, else head, never the client's.
        passes: of one round or more.

    Raises:
        TimingError: there is none.
    """
    wanted = [Clock.PREDICT, Clock.HEAD] if preferred == AUTO else [Clock(preferred)]
    flaws: list[str] = []
    for clock in wanted:
        flaw = _flaw(clock, passes)
        if not flaw:
            return clock
        flaws.append(flaw)
    remedy = "take another clock with --ddperf-timer, or a larger batch size"
    raise TimingError(f"There is no time to judge by: {'; '.join(flaws)}; {remedy}.")


def summarise(per_image_ms: Sequence[float]) -> Summary:
    """The statistics of a list of times.

    Args:
        per_image_ms: milliseconds per image, one a pass.

    Raises:
        TimingError: there is none, or one of them is not finite and above 0.
    """
    if not per_image_ms:
        raise TimingError("There is no pass to summarise.")
    for ms in per_image_ms:
        if not (math.isfinite(ms) and ms > 0):
            raise TimingError(f"A pass of {ms!r} ms per image is no time to reckon with: it must be finite, above 0.")
    mean = statistics.fmean(per_image_ms)
    count = len(per_image_ms)
    stddev = statistics.stdev(per_image_ms) if count > 1 else 0.0
    return Summary(
        passes=count,
        mean_ms=mean,
        median_ms=statistics.median(per_image_ms),
        min_ms=min(per_image_ms),
        max_ms=max(per_image_ms),
        stddev_ms=stddev,
        standard_error=stddev / math.sqrt(count) / mean,
        images_per_second=1000 / mean,
    )


def _flaw(clock: Clock, passes: Sequence[Pass]) -> str:
    """Why the clock cannot be gated by, "" where it can."""
    times = [timed.ms(clock) for timed in passes]
    name = _NAMES[clock]
    if not times:
        return "there is no pass"
    if lacking := times.count(None):
        return f"the server did not tell {name} in {lacking} of {len(times)} passes"
    if zero := sum(not ms > 0 for ms in times if ms is not None):
        return f"{name} is 0 ms in {zero} of {len(times)} passes, too fast for that clock"
    if clock is Clock.HEAD and (longer := [one for one in passes if _cannot_be(one)]):
        return (
            f"{name} cannot be: it is longer than the client waited for the answer in {len(longer)} of {len(times)} "
            f"passes ({longer[0].head_ms:g} ms of {longer[0].client_ms:.1f} ms)"
        )
    return ""


def _cannot_be(one: Pass) -> bool:
    """Whether a server says that it worked for longer than its client waited for it."""
    return one.head_ms is not None and one.head_ms > one.client_ms * (1 + DRIFT) + ROUNDING_MS
