"""SIGTERM, which a service manager, `timeout` and a CI send, ends a run as Ctrl-C does: saved, and boards put back."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


def treat_as_interrupt() -> Callable[[], None]:
    """Make SIGTERM a KeyboardInterrupt, where nobody else has made anything of it and signals can be handled.

    Returns:
        What puts it back.
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
