"""A network for tests that computes nothing and returns after a fixed time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pytest_ddperf.embedded.heads.heads import ClassHead, Head
from pytest_ddperf.embedded.networks.networks import CLASSES

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass
class DelayedEngine:
    """Sleeps instead of running a network, so that several such servers on one machine do not compete for cores.

    Args:
        seconds: time to sleep for a batch, whatever its size.
    """

    seconds: float
    classes: int = CLASSES
    parameters: int = 0
    head: Head = field(default_factory=ClassHead)
    input_size: tuple[int, int] | None = None
    fixed_batch: int = 0

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Sleep, then return equal probabilities for all classes, [N, classes]."""
        time.sleep(self.seconds)
        return np.full((len(batch), self.classes), 1 / self.classes, np.float32)

    def close(self) -> None:
        """Do nothing: no memory is held."""
