"""How the server's process ends: on a signal, or with whoever started it; within two seconds, whatever it is doing."""

from __future__ import annotations

import os
import select
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

GRACE_S = 1.5
"""How long a running answer may take, in seconds, once the process was told to end; a network cannot be interrupted."""


def end_soon(stop: Callable[[], None]) -> None:
    """Tell the server to end, and see that it does.

    Args:
        stop: what tells it.
    """
    timer = threading.Timer(GRACE_S, os._exit, args=(0,))
    timer.daemon = True
    timer.start()
    stop()


def watch_pipe(descriptor: int, gone: Callable[[], None]) -> None:
    """Call `gone` when the other end of a pipe is closed, as it is when its process ends, however it ends."""

    def watch() -> None:
        try:
            while os.read(descriptor, 4096):
                pass
        except OSError:
            pass
        gone()

    threading.Thread(target=watch, name="watch-pipe", daemon=True).start()


def watch_process(pid: int, gone: Callable[[], None]) -> None:
    """Call `gone` when a process has ended: for those that hand the pipe's end on to their own children."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        gone()
        return
    except (AttributeError, OSError):  # no Linux, or one before 5.3: the pipe has to do
        return

    def watch() -> None:
        select.select([descriptor], [], [])
        gone()

    threading.Thread(target=watch, name="watch-parent", daemon=True).start()
