"""Comparison of requested predictions with the server's counts, to detect whether one is still running. Pure."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from pytest_ddperf.errors import (
    AnswerError,
    GatewayError,
    NoConnectionError,
    ServerBusyError,
    ServerError,
    ServerGoneError,
    ServerUnreachableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_ddperf.deepdetect.protocol import Info

_GATEWAY_TIMEOUT: Final = 504

_UNANSWERED: Final = (ServerUnreachableError, GatewayError, AnswerError)
"""Errors of a request, if it was sent, that the server may have carried out nevertheless."""


class RequestsInFlight:
    """The predictions requested from one server by all clients, in any thread.

    Creations of services are tracked, too: two of one name at the same time break each other.

    A server counts a prediction when it ends (`predict_count`), and continues with a prediction whose request timed
    out. So a prediction that timed out has ended when the server has counted as many predictions as were requested. The
    fate of a request whose connection was cut is unknown; it is not waited for.

    Attributes:
        created: services, in lower case, whose requested creation is not known to have failed. A service that is
            deleted, or that its creator takes over, is removed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, int | None] | None = None
        self._asked: Counter[str] = Counter()
        self._timed_out: set[str] = set()
        self._doubtful = False
        self._running: dict[str, int] = {}
        self._creating: set[str] = set()
        self.created: set[str] = set()

    @property
    def running(self) -> tuple[str, ...]:
        """Services with a timed-out prediction that was still running when the server last reported its counts."""
        return tuple(self._running)

    @property
    def is_open(self) -> bool:
        """Whether the server's counts must be read before it is known that none of our predictions is running."""
        return bool(self._running or self._timed_out or self._doubtful)

    def is_creating(self, service: str) -> bool:
        """Whether the creation of a service timed out and may still be running."""
        return service.lower() in self._creating

    @contextmanager
    def track_prediction(self, service: str) -> Iterator[None]:
        """Track the prediction requested in the `with` block and how the request ended."""
        name = service.lower()  # as stored by servers
        with self._lock:
            self._asked[name] += 1
        try:
            yield
        except ServerError as error:
            with self._lock:
                if _is_timeout(error):
                    self._timed_out.add(name)
                else:  # only some failures are counted: it is not waited for until the counts are read
                    self._asked[name] -= 1
                    self._doubtful |= not isinstance(error, NoConnectionError)  # which was not sent
            raise
        except BaseException:  # interrupted, e.g. by a signal: the server continues
            with self._lock:
                self._timed_out.add(name)
            raise

    @contextmanager
    def track_creation(self, service: str) -> Iterator[None]:
        """Track the creation of a service, requested in the `with` block; then reset its counts.

        Raises:
            ServerBusyError: an earlier creation of that name timed out, and may still be running.
        """
        name = service.lower()
        with self._lock:
            if self.is_creating(name):
                raise ServerBusyError(
                    "The server may still be creating the service, because the request timed out; it is not requested "
                    "a second time meanwhile. Raise --ddperf-cold-start-timeout",
                    service=service,
                )
            self._creating.add(name)
            self.created.add(name)
        try:
            yield
        except ServerError as error:
            if not _is_timeout(error):
                self._creating.discard(name)
            if isinstance(error, NoConnectionError) or not isinstance(error, _UNANSWERED):
                self.created.discard(name)
            raise
        self._creating.discard(name)
        self.reset_service(name)

    def record_counts(self, info: Info) -> None:
        """Record a server's counts, read while none of our requests was in flight."""
        counts = {one.name.lower(): one.stats.predict_count if one.stats else None for one in info.services}
        with self._lock:
            if self._counts is not None:
                before = self._counts
                for name in self._timed_out:
                    if (was := before.get(name, 0)) is not None:
                        self._running[name] = self._running.get(name, was) + self._asked[name]
                self._running = {
                    name: end
                    for name, end in self._running.items()
                    if _is_short(before.get(name, 0), counts.get(name), end)
                }
            self._counts = counts
            self._creating -= counts.keys()
            self._forget_asked()

    def reset_service(self, service: str) -> None:
        """Reset the counts of a service that was just created."""
        name = service.lower()
        with self._lock:
            if self._counts is not None:
                self._counts[name] = 0
            self._asked.pop(name, None)
            self._timed_out.discard(name)
            self._running.pop(name, None)

    def clear(self) -> None:
        """Forget all predictions, because the server is gone."""
        with self._lock:
            self._counts = None
            self._running = {}
            self._creating.clear()
            self._forget_asked()

    def _forget_asked(self) -> None:
        self._asked.clear()
        self._timed_out.clear()
        self._doubtful = False


def _is_timeout(error: ServerError) -> bool:
    """Whether the request was sent and timed out, here or at a proxy, so that the server may continue with it."""
    if isinstance(error, GatewayError):
        return error.http_status == _GATEWAY_TIMEOUT
    return isinstance(error, ServerUnreachableError) and not isinstance(error, ServerGoneError | NoConnectionError)


def _is_short(was: int | None, count: int | None, end: int) -> bool:
    """Whether a service has not counted up to `end` yet; False if it is gone or was recreated."""
    return count is not None and (was or 0) <= count < end
