"""A network for tests that computes nothing and returns after a fixed time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from pytest_ddperf.embedded.heads.heads import ClassHead
from pytest_ddperf.embedded.networks.networks import CLASSES

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from pytest_ddperf.embedded.heads.heads import Head


class DelayedEngine:
    """Sleeps instead of running a network, so that several such servers on one machine do not compete for cores.

    Args:
        seconds: time to sleep for a batch, whatever its size.
        sleep: function that sleeps for a number of seconds.
        classes: number of classes.
        parameters: number of weights to report.
    """

    input_size: tuple[int, int] | None = None
    fixed_batch = 0

    def __init__(
        self,
        seconds: float,
        sleep: Callable[[float], None] = time.sleep,
        *,
        classes: int = CLASSES,
        parameters: int = 0,
    ) -> None:
        self.classes = classes
        self.parameters = parameters
        self._seconds = seconds
        self._sleep = sleep
        self.head: Head = ClassHead()

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Sleep, then return equal probabilities for all classes, [N, classes]."""
        self._sleep(self._seconds)
        return np.full((len(batch), self.classes), 1 / self.classes, np.float32)

    def close(self) -> None:
        """Do nothing: no memory is held."""
