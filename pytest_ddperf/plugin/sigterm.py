"""Handling of SIGTERM like Ctrl-C: results are saved and boards restored.

Service managers, `timeout` and CI systems send it.
"""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


def treat_as_interrupt() -> Callable[[], None]:
    """Raise KeyboardInterrupt on SIGTERM.

    Does nothing if SIGTERM already has a handler, or outside of the main thread, where handlers cannot be set.

    Returns:
        A function that restores the default handler.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        return lambda: None

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - as Python calls it
        raise KeyboardInterrupt("SIGTERM")

    def as_usual() -> None:
        if signal.getsignal(signal.SIGTERM) is interrupt:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    signal.signal(signal.SIGTERM, interrupt)
    return as_usual
