"""Predictions that timed out and still occupy a server: nothing is measured until they have ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pytest_ddperf.deepdetect.backoff import back_off
from pytest_ddperf.deepdetect.client import PROBE_TIMEOUT_S
from pytest_ddperf.deepdetect.in_flight import RequestsInFlight
from pytest_ddperf.errors import ServerBusyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_ddperf.deepdetect.client import Client
    from pytest_ddperf.servers.target import Target


class UnfinishedRequests:
    """The timed-out predictions of one process, by server.

    Args:
        servers: server name by platform; platforms with the same server share its predictions.
        say: prints a line for the user.
        now: a monotonic clock, seconds.
        sleep: sleeps for a number of seconds.
    """

    def __init__(
        self,
        servers: Mapping[str, str],
        say: Callable[[str], None],
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._servers = servers
        self._say = say
        self._now = now
        self._sleep = sleep
        self._in_flight_by_server = {server: RequestsInFlight() for server in servers.values()}
        self._waited_for: set[str] = set()

    def in_flight(self, platform: str) -> RequestsInFlight:
        """Return the requests in flight on a platform's server."""
        return self._in_flight_by_server[self._servers[platform]]

    def forget(self, platform: str) -> None:
        """Forget the predictions of a vanished server: the restarted process does not continue them."""
        self.in_flight(platform).clear()
        self._waited_for.discard(self._servers[platform])

    def settle(self, platform: str, target: Target) -> None:
        """Ensure that an open server is not working on a timed-out prediction.

        The first call waits for as long as the options allow. Until the prediction has ended, later calls fail without
        waiting.

        Raises:
            ServerBusyError: the server is still working on one.
            ServerError: the server does not respond.
        """
        in_flight, server = self.in_flight(platform), self._servers[platform]
        if not in_flight.is_open:
            return
        client, wait_s = target.client, 0.0
        client.info(timeout_s=PROBE_TIMEOUT_S)
        if in_flight.running and server not in self._waited_for:
            wait_s = target.options.recovery_timeout_s
            self._wait(in_flight, client, wait_s)
        if not in_flight.running:
            self._waited_for.discard(server)
            return
        self._waited_for.add(server)
        waited = f" (waited {wait_s:g} s for its end, --ddperf-recovery-timeout)" if wait_s > 0 else ""
        busy = f"The server is still at work on a prediction of {' and of '.join(in_flight.running)} that was given up"
        remedy = (
            "and what is measured beside it would be wrong: restart the server, or give predictions that take so long "
            "a larger --ddperf-timeout"
        )
        raise ServerBusyError(f"{busy}{waited}, {remedy}", cause=f"{busy}, {remedy}", url=client.display_url)

    def _wait(self, in_flight: RequestsInFlight, client: Client, wait_s: float) -> None:
        if wait_s <= 0:
            return
        server, services = client.display_url, " and of ".join(in_flight.running)
        what = f"a prediction of {services} that was given up"
        self._say(f"ddperf: {server} is still at work on {what}; waiting up to {wait_s:g} s for it to end")
        began_s = self._now()
        for _ in back_off(began_s + wait_s, self._now, self._sleep):
            client.info(timeout_s=PROBE_TIMEOUT_S)
            if not in_flight.running:
                break
        if in_flight.running:
            self._say(f"ddperf: {server} did not end it within {wait_s:g} s")
        else:
            self._say(f"ddperf: {server} has ended {what}, after {self._now() - began_s:.0f} s")
