"""Concurrent clients: a pool of threads with a connection each, and the endpoint that measures a service under load."""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_ddperf.deepdetect.timed import Timed
from pytest_ddperf.measure.load_passes import compute_gate_ms, draw_arrivals_s, run_closed_pass, run_open_pass

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_ddperf.core.scenarios import Scenario
    from pytest_ddperf.deepdetect.client import Client
    from pytest_ddperf.deepdetect.protocol import Answer
    from pytest_ddperf.deepdetect.timed import Totals
    from pytest_ddperf.servers.batches import Batch

MOST_CONNECTIONS: Final = 64
"""Maximum number of concurrent requests at a fixed rate. Requests that are due beyond it wait in the client, and the
wait counts as latency."""


class ThreadClientPool:
    """A `measure.load_passes.ClientPool` of threads, started when they are needed.

    The threads do not outlive the process: an interrupted run does not wait for responses.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._work: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._pending = 0
        self._changed = threading.Condition()
        self._error: BaseException | None = None
        self._closed = False

    @property
    def failed(self) -> bool:
        """Whether a task failed, or the pool was closed."""
        return self._error is not None or self._closed

    def submit(self, work: Callable[[], object]) -> None:
        """Run the task as soon as a thread is free."""
        with self._changed:
            self._pending += 1
            if self._pending > len(self._threads) and len(self._threads) < self._most:
                thread = threading.Thread(target=self._run, name="ddperf-client", daemon=True)
                self._threads.append(thread)
                thread.start()
        self._work.put(work)

    def finish(self) -> None:
        """Wait until all tasks are done; after a failure, tasks that have not started are dropped.

        Raises:
            BaseException: the first exception raised by a task.
        """
        with self._changed:
            while self._pending:
                self._changed.wait()
        error, self._error = self._error, None
        if error is not None:
            raise error

    def close(self) -> None:
        """Tell the threads to exit after their current task, without waiting for them."""
        self._closed = True
        for _ in self._threads:
            self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                if not self.failed:
                    work()
            except BaseException as error:  # noqa: BLE001 - raised again by `finish`, in the thread that waits
                if self._error is None:
                    self._error = error
            finally:
                with self._changed:
                    self._pending -= 1
                    self._changed.notify_all()


class LoadEndpoint:
    """A batch of a service, measured by several clients: each `predict` is a whole pass.

    Args:
        batch: its request is sent, and every response must pass its check.
        requests: requests per pass: of each client, or in total at a fixed rate.
        patience_s: at a fixed rate, how many seconds after its due time a request may be sent.
        now: a monotonic clock, seconds.
    """

    def __init__(
        self,
        batch: Batch,
        scenario: Scenario,
        requests: int,
        connect: Callable[[], Client],
        *,
        patience_s: float,
        now: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._batch = batch
        self._scenario = scenario
        self._requests = requests
        self._connect = connect
        self._patience_s = patience_s
        self._now = now
        self._sleep = sleep
        self._pool = ThreadClientPool(scenario.clients or MOST_CONNECTIONS)
        self._idle: list[Client] = []
        self._clients: list[Client] = []
        self._first: list[Answer] = []
        self._seeds = itertools.count()

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()
        for client in self._clients:
            client.close()

    def totals(self) -> Totals | None:
        """The server's running totals."""
        return self._batch.totals()

    def predict(self) -> Timed:
        """Run one pass.

        The n-th pass has the same schedule in every round and every run.

        Raises:
            ServerError: a request failed, or a response is not the expected one.
            OverloadError: the server did not keep up with the rate.
        """
        self._first.clear()
        clients = self._scenario.clients
        if clients is not None:
            self._idle += [self._connected() for _ in range(clients - len(self._clients))]
            made = run_closed_pass(clients, clients * self._requests, self._send, pool=self._pool, now=self._now)
        else:
            due_s = draw_arrivals_s(self._scenario.rate or 0.0, self._requests, next(self._seeds))
            made = run_open_pass(
                due_s,
                self._send,
                pool=self._pool,
                now=self._now,
                sleep=self._sleep,
                patience_s=self._patience_s,
            )
        return Timed(self._first[0], compute_gate_ms(made, self._scenario), made)

    def _send(self) -> float:
        """Send one request over a free connection, preferring the one used last.

        The response is checked and dropped: the masks of a thousand responses would fill the memory.

        Returns:
            The latency, milliseconds. It includes the time to create a client, because at a fixed rate the request is
                already due.
        """
        began_s = self._now()
        client = self._free()
        waited_ms = (self._now() - began_s) * 1000
        timed = replace(self._batch, client=client).predict()
        self._idle.append(client)
        if not self._first:
            self._first.append(timed.answer)
        return waited_ms + timed.client_ms

    def _free(self) -> Client:
        with contextlib.suppress(IndexError):
            return self._idle.pop()
        return self._connected()

    def _connected(self) -> Client:
        client = self._connect()
        self._clients.append(client)
        return client
