"""Shutdown of the server's process, on a signal or when its parent ends, within two seconds whatever it is doing."""

from __future__ import annotations

import os
import select
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

GRACE_S = 1.5
"""Seconds that running requests get to finish before the process exits. A running inference cannot be interrupted."""


def end_soon(stop: Callable[[], None]) -> None:
    """Stop the server, and exit the process if it has not ended after `GRACE_S`."""
    timer = threading.Timer(GRACE_S, os._exit, args=(0,))
    timer.daemon = True
    timer.start()
    stop()


def watch_pipe(descriptor: int, gone: Callable[[], None]) -> None:
    """Call `gone` when the other end of a pipe is closed, which happens in any case when its process ends."""

    def watch() -> None:
        try:
            while os.read(descriptor, 4096):
                pass
        except OSError:
            pass
        gone()

    threading.Thread(target=watch, name="watch-pipe", daemon=True).start()


def watch_process(pid: int, gone: Callable[[], None]) -> None:
    """Call `gone` when a process has ended, even if its children inherited its end of the pipe."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        gone()
        return
    except (AttributeError, OSError):  # not Linux, or Linux before 5.3: only the pipe is watched
        return

    def watch() -> None:
        select.select([descriptor], [], [])
        gone()

    threading.Thread(target=watch, name="watch-parent", daemon=True).start()
