"""A clock that the test controls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class TurnedClock:
    """A clock that advances only on `sleep`, which may trigger events."""

    s: float = 0.0
    slept: list[float] = field(default_factory=list)
    then: Callable[[float], None] = lambda _: None

    def now(self) -> float:
        return self.s

    def sleep(self, seconds: float) -> None:
        self.s += seconds
        self.slept.append(seconds)
        self.then(self.s)
