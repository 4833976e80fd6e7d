"""The predictions that a server was asked for, held against what it has counted: is it at work on one of ours? Pure."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from pytest_ddperf.errors import GatewayError, NoConnectionError, ServerError, ServerGoneError, ServerUnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_ddperf.deepdetect.protocol import Info

_GATEWAY_TIMEOUT: Final = 504


class RequestsInFlight:
    """The predictions of one server, for all clients that ask it, in any thread.

    A server counts a prediction when it ends (`predict_count`), and goes on with one that nobody waits for any more. So
    one that was given up has ended when the server has counted as many as it was asked for. What became of a request
    whose connection was cut nobody can know: it is not waited for.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, int | None] | None = None
        self._asked: Counter[str] = Counter()
        self._given_up: set[str] = set()
        self._doubtful = False
        self._running: dict[str, int] = {}

    @property
    def running(self) -> tuple[str, ...]:
        """The services that were at work on a prediction that was given up, when the server last told its counts."""
        return tuple(self._running)

    @property
    def is_open(self) -> bool:
        """Whether it has to be asked for its counts, before it is known to be at work on nothing of ours."""
        return bool(self._running or self._given_up or self._doubtful)

    def count_requests(self, service: str) -> int:
        """How many predictions a service was asked for since the server last told its counts."""
        return self._asked[service.lower()]

    @contextmanager
    def track_prediction(self, service: str) -> Iterator[None]:
        """Enter a prediction that is asked for within, and how that ended."""
        name = service.lower()  # as servers keep it
        with self._lock:
            self._asked[name] += 1
        try:
            yield
        except NoConnectionError:  # it was not sent
            self._take_back(name)
            raise
        except ServerError as error:
            if _was_given_up(error):
                with self._lock:
                    self._given_up.add(name)
            else:  # some failures are counted, and some are not: until the counts are told it is not waited for
                self._take_back(name)
                self._doubtful = True
            raise
        except BaseException:  # ended from outside, by a signal: the server goes on
            with self._lock:
                self._given_up.add(name)
            raise

    def _take_back(self, name: str) -> None:
        with self._lock:
            self._asked[name] -= 1

    def record_counts(self, info: Info) -> None:
        """Take note of a server's counts, told when none of our requests was under way."""
        counts = {one.name.lower(): one.stats.predict_count if one.stats else None for one in info.services}
        with self._lock:
            if self._counts is not None:
                before = self._counts
                for name in self._given_up:
                    if (was := before.get(name, 0)) is not None:
                        self._running[name] = self._running.get(name, was) + self._asked[name]
                self._running = {
                    name: end
                    for name, end in self._running.items()
                    if _is_short(before.get(name, 0), counts.get(name), end)
                }
            self._counts = counts
            self._forget_asked()

    def reset_service(self, service: str) -> None:
        """Take note of a service that was created: it has counted nothing yet."""
        name = service.lower()
        with self._lock:
            if self._counts is not None:
                self._counts[name] = 0
            self._asked.pop(name, None)
            self._given_up.discard(name)
            self._running.pop(name, None)

    def clear(self) -> None:
        """The server is gone, and with it whatever it was at work on."""
        with self._lock:
            self._counts = None
            self._running = {}
            self._forget_asked()

    def _forget_asked(self) -> None:
        self._asked.clear()
        self._given_up.clear()
        self._doubtful = False


def _was_given_up(error: ServerError) -> bool:
    """Whether we, or a proxy, lost patience with a server that may go on."""
    if isinstance(error, GatewayError):
        return error.http_status == _GATEWAY_TIMEOUT
    return isinstance(error, ServerUnreachableError) and not isinstance(error, ServerGoneError)


def _is_short(was: int | None, count: int | None, end: int) -> bool:
    """Whether a service has not counted up to `end` yet; one that is gone, or began anew, is at work on nothing."""
    return count is not None and (was or 0) <= count < end
