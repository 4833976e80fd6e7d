"""An observer of the measuring loop that notes what it is called with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_ddperf.core.records import Round
    from pytest_ddperf.deepdetect.protocol import Answer
    from pytest_ddperf.measure.loop import Progress


@dataclass
class FakeObserver:
    """Notes progress, complete rounds and restarts.

    Args:
        check: raises for a wrong answer.
        reasons: why the rounds are invalid, one after the other; later ones are valid.
    """

    check: Callable[[Answer], None] = lambda _: None
    reasons: list[str] = field(default_factory=list)
    shown: list[Progress] = field(default_factory=list)
    judged: list[Round] = field(default_factory=list)
    restarts: int = 0

    def now(self) -> float:
        return 5.0

    def reject(self, measured: Round) -> str:
        self.judged.append(measured)
        return self.reasons.pop(0) if self.reasons else ""

    def handle_restart(self) -> None:
        self.restarts += 1

    def show_progress(self, progress: Progress) -> None:
        self.shown.append(progress)
