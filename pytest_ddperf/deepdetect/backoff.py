"""Increasing pauses between requests to a server that is not ready yet. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")

FIRST_S: Final = 0.1
LONGEST_S: Final = 2.0


def back_off(until_s: float, now: Callable[[], float]) -> Iterator[float]:
    """Yield the pauses before the retries of a request, in seconds, until the clock `now` shows `until_s`."""
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
    """Make a request until it succeeds, with a pause before each repetition; after the last pause, raise its error.

    It is repeated after `errors`; any other error is raised at once.
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
