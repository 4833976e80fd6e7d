"""Increasing pauses between requests to a server that is not ready yet. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIRST_S: Final = 0.1
LONGEST_S: Final = 2.0


def back_off(until_s: float, now: Callable[[], float], sleep: Callable[[float], None]) -> Iterator[float]:
    """Pause before each retry until `until_s`, on the clock `now`, and yield the duration of each pause, in seconds."""
    pause_s = FIRST_S
    while (left_s := until_s - now()) > 0:
        slept_s = min(pause_s, left_s)
        sleep(slept_s)
        yield slept_s
        pause_s = min(2 * pause_s, LONGEST_S)
