"""Time limit for a whole answer; a socket's own timeout is per read, so a byte now and then would keep it waiting."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from urllib3.connectionpool import HTTPConnectionPool


class Deadline:
    """Cuts the connections of a pool if an answer takes too long, from one thread that sleeps otherwise.

    Args:
        pool: the pool; only connections that it opens from now on are cut.

    Attributes:
        expired: whether the current request, or else the last one, was cut off.
        opened: number of connections opened so far.
    """

    def __init__(self, pool: HTTPConnectionPool) -> None:
        self.expired = False
        self.opened = 0
        self._until_s: float | None = None
        self._wakes_s: float | None = None
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        pool.ConnectionCls = _reporting(pool.ConnectionCls, self._connected)

    def begin(self, timeout_s: float) -> None:
        """Start the time limit of a request."""
        until_s = time.monotonic() + timeout_s
        with self._changed:
            self.expired = False
            self._until_s = until_s
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="ddperf-deadline", daemon=True)
                self._thread.start()
            elif self._wakes_s is None or until_s < self._wakes_s:
                self._changed.notify()

    def end(self) -> bool:
        """End the time limit of the request and return whether the request was cut off."""
        with self._changed:
            self._until_s = None
            return self.expired

    def close(self) -> None:
        """End the thread; a further `begin` starts a new one."""
        with self._changed:
            thread, self._thread = self._thread, None
            self._closed = True
            self._changed.notify()
        if thread is not None:
            thread.join()
        self._closed = False

    def _connected(self, opened: socket.socket) -> None:
        with self._changed:  # the watching thread may be reading them
            self.opened += 1
            self._sockets.add(opened)

    def _watch(self) -> None:
        with self._changed:
            while not self._closed:
                left_s = None if self._until_s is None else self._until_s - time.monotonic()
                if left_s is not None and left_s <= 0:
                    self._cut()
                    continue
                # a later limit is read when this wait ends, so most requests need not wake the thread
                self._wakes_s = self._until_s
                self._changed.wait(left_s)

    def _cut(self) -> None:
        self.expired, self._until_s = True, None
        for one in list(self._sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def _reporting(kind: Any, connected: Callable[[socket.socket], None]) -> Any:  # noqa: ANN401 - urllib3 names no base class
    """Create a subclass of a connection class that passes each opened socket to `connected`."""

    def connect(self: Any) -> None:  # noqa: ANN401 - of that class
        kind.connect(self)
        connected(self.sock)

    return type(kind.__name__, (kind,), {"connect": connect})
