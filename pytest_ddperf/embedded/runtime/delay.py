"""For tests: a network that computes nothing, and answers after a fixed time."""

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
    """Sleeps in place of the inference: several such servers on one machine do not take each other's cores.

    Args:
        seconds: for a batch of any size.
        sleep: takes seconds.
    """

    classes = CLASSES
    input_size: tuple[int, int] | None = None
    parameters = 0

    def __init__(self, seconds: float, sleep: Callable[[float], None] = time.sleep) -> None:
        self._seconds = seconds
        self._sleep = sleep
        self.head: Head = ClassHead()

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """The same probability for each class, [N, classes]."""
        self._sleep(self._seconds)
        return np.full((len(batch), self.classes), 1 / self.classes, np.float32)

    def close(self) -> None:
        """There is nothing to give back."""
