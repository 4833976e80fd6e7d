"""Increasing pauses between requests to a server that is not ready yet. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")

FIRST_S: Final = 0.1
LONGEST_S: Final = 2.0


def back_off(until_s: float, now: Callable[[], float]) -> Iterator[float]:
    """List the pauses before the retries of a request, until the time is up.

    Args:
        until_s: end of the retries, on the clock `now`.
        now: a monotonic clock, seconds.

    Yields:
        Duration of each pause, seconds.
    """
    pause_s = FIRST_S
    while (left_s := until_s - now()) > 0:
        yield min(pause_s, left_s)
        pause_s = min(2 * pause_s, LONGEST_S)


def retry(
    request: Callable[[], T],
    errors: type[Exception] | tuple[type[Exception], ...],
    pauses_s: Iterable[float],
    sleep: Callable[[float], None],
) -> T:
    """Make a request until it succeeds; after the last pause, raise its error.

    Args:
        request: makes the request.
        errors: the errors after which it is repeated.
        pauses_s: duration of the pause before each repetition, seconds.
        sleep: sleeps for a number of seconds.
    """
    left = iter(pauses_s)
    while True:
        try:
            return request()
        except errors:
            pause_s = next(left, None)
            if pause_s is None:
                raise
        sleep(pause_s)
