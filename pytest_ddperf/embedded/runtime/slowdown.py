"""Slow a network down by real work, to test the gate with a real regression."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class ExtraWork:
    """Runs small pieces of extra work after each run of the work, for a fixed share of its duration.

    The extra work consists of whole pieces, so a run may get slightly too much of it. The difference is carried over to
    the next run, so that the share is exact on average.

    Args:
        factor: factor on the duration; 1.1 makes work take 10 % longer.
        piece: a small piece of real work, much shorter than the work to slow down.
    """

    def __init__(
        self, factor: float, piece: Callable[[], object], clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._factor = factor
        self._piece = piece
        self._clock = clock
        self._owed_s = 0.0
        self._shortest_s = math.inf

    def run(self, work: Callable[[], None]) -> None:
        """Do the work, then extra work in proportion to its duration."""
        started_s = self._clock()
        work()
        before_s = self._clock()
        self._owed_s += (self._factor - 1) * (before_s - started_s)
        while self._owed_s > 0:
            self._piece()
            now_s = self._clock()
            self._owed_s -= now_s - before_s
            self._shortest_s = min(self._shortest_s, now_s - before_s)
            before_s = now_s
        # If another process delayed a piece, the next runs must still get their share of extra work.
        self._owed_s = max(self._owed_s, -self._shortest_s)
