"""Making a network slower by real work, so that a gate can be shown a regression that is one."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Slowdown(Protocol):
    """Runs a piece of work so that it takes longer than it would."""

    def run(self, work: Callable[[], None]) -> None:
        """Do the work, and whatever else."""
        ...


class NoSlowdown:
    """No slowdown."""

    def run(self, work: Callable[[], None]) -> None:
        """Do the work and nothing else."""
        work()


class ExtraWork:
    """Follows each piece of work with a share of its time in small pieces of other work.

    The pieces have a size, so a pass gets a little too much or too little; what is over is owed to, or by, the next
    pass, so that the share is exact on average.

    Args:
        factor: 1.1 makes work take 10 % longer.
        piece: a small piece of real work, short against the work to be slowed.
        clock: seconds.
    """

    def __init__(
        self, factor: float, piece: Callable[[], None], clock: Callable[[], float] = time.perf_counter
    ) -> None:
        if factor < 1:
            raise ValueError(f"a network can only be made slower: a factor of 1 or more, not {factor}")
        self._factor = factor
        self._piece = piece
        self._clock = clock
        self._owed_s = 0.0
        self._shortest_s = math.inf

    def run(self, work: Callable[[], None]) -> None:
        """Do the work, then the ballast that its time asks for."""
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
        # A piece that was held up by another process must not free the next passes of their share.
        self._owed_s = max(self._owed_s, -self._shortest_s)
