"""Passes under load, closed and open loop, and figures of their requests. Pure: threads and clock are injected.

A pass under load consists of several requests. It has one figure for the gate, in milliseconds for a batch by the
client's clock:

- closed loop: the pass's time divided by its requests, the inverse of the throughput;
- open loop: the median latency of its requests, from their intended starts.
"""

from __future__ import annotations

import itertools
import random
import statistics
import threading
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Protocol

from pytest_ddperf.core.records import LoadPass
from pytest_ddperf.errors import OverloadError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_ddperf.core.scenarios import Scenario


class ClientPool(Protocol):
    """Clients that send requests concurrently."""

    @property
    def failed(self) -> bool:
        """Whether a piece of work failed; no further work is then started."""

    def submit(self, work: Callable[[], object]) -> None:
        """Run a piece of work as soon as a client is free."""

    def finish(self) -> None:
        """Wait until all work is done.

        Raises:
            DdperfError: the first failure of a piece of work.
        """


@dataclass(frozen=True, slots=True)
class Sent:
    """One request.

    Args:
        due_s: when it was due, in seconds on the clock of the pass.
        ended_s: when the last byte of its answer arrived, in seconds on the same clock. It follows from the latency,
            which excludes the client's handling of the answer.
    """

    due_s: float
    ended_s: float


def draw_arrivals_s(rate: float, count: int, seed: int) -> tuple[float, ...]:
    """Draw the times at which the requests of an open loop are due.

    They are the arrivals of a Poisson process, given that `count` of them occur in `count / rate` seconds: as many
    independent uniform draws, sorted (Ross, Introduction to Probability Models, section 5.3). The gaps are therefore
    those of independent clients, and every pass has the requested rate, in requests per second. The same seed gives the
    same schedule on every machine.

    Returns:
        Seconds from the start of the pass, ascending.
    """
    draw = random.Random(seed).random  # noqa: S311 - no secret
    return tuple(sorted(draw() * count / rate for _ in range(count)))


def run_closed_pass(
    clients: int, requests: int, send: Callable[[], float], *, pool: ClientPool, now: Callable[[], float]
) -> LoadPass:
    """Run a closed-loop pass: each client sends its next request as soon as its previous one is answered.

    All clients share the requests, so that all of them stay busy until the last requests even if the server favours
    some clients.

    Args:
        clients: number of concurrent clients; the pool must have room for all of them.
        requests: number of requests of all clients together.
        send: sends one request and returns its latency in milliseconds; called concurrently.
        pool: the pool.
        now: a monotonic clock, in seconds.

    Raises:
        DdperfError: a request failed.
    """
    left, lock = itertools.count(), threading.Lock()
    sent: list[Sent] = []
    began_s = now()

    def client() -> None:
        while not pool.failed:
            with lock:
                if next(left) >= requests:
                    return
            sent_s = now()
            sent.append(Sent(sent_s, sent_s + send() / 1000))

    for _ in range(clients):
        pool.submit(client)
    pool.finish()
    return _pass(sent, began_s)


def run_open_pass(
    due_s: Sequence[float],
    send: Callable[[], float],
    *,
    pool: ClientPool,
    now: Callable[[], float],
    sleep: Callable[[float], None],
    patience_s: float,
) -> LoadPass:
    """Run an open-loop pass: requests are sent when they are due, whether or not earlier ones are answered.

    Latency counts from the moment at which a request was due, even if it could not be sent then. The figures therefore
    include delays caused by a slow server (omitting them is what Tene calls "coordinated omission").

    Args:
        due_s: when each request is due, in seconds from the start of the pass, ascending.
        send: sends one request and returns its latency in milliseconds; called concurrently.
        pool: the pool that sends the requests.
        now: a monotonic clock, in seconds.
        sleep: sleeps for a number of seconds.
        patience_s: how late a request may be sent, in seconds; a pass that is later stops.

    Raises:
        OverloadError: a request is more than `patience_s` late.
        DdperfError: a request failed.
    """
    sent: list[Sent] = []
    began_s = now()

    def request(at_s: float) -> None:
        sent_s = now()
        late_s = sent_s - at_s
        if late_s > patience_s:
            raise OverloadError(
                f"The server did not keep up: a request is {late_s:.0f} s late, more than --ddperf-timeout "
                f"({patience_s:g} s), and {len(sent)} of {len(due_s)} requests were answered; measure at a lower rate"
            )
        sent.append(Sent(at_s, sent_s + send() / 1000))

    for due in due_s:
        at_s = began_s + due
        if pool.failed:
            break
        if (early_s := at_s - now()) > 0:
            sleep(early_s)
        pool.submit(lambda at_s=at_s: request(at_s))  # type: ignore[misc] # bound now
    pool.finish()
    return _pass(sent, began_s, due_s)


def _pass(sent: Sequence[Sent], began_s: float, due_s: Sequence[float] = ()) -> LoadPass:
    ordered = sorted(sent, key=attrgetter("due_s"))
    ends = sorted(one.ended_s for one in ordered)
    return LoadPass(
        took_s=ends[-1] - began_s,
        latencies_ms=tuple(round((one.ended_s - one.due_s) * 1000, 3) for one in ordered),
        due_s=due_s[-1] - due_s[0] if due_s else None,
        answered_s=ends[-1] - ends[0],
        outstanding=count_most_outstanding(ordered),
    )


def count_most_outstanding(sent: Sequence[Sent]) -> int:
    """Return the maximum number of requests that were due and unanswered at the same time."""
    changes = sorted([(one.due_s, 1) for one in sent] + [(one.ended_s, -1) for one in sent])
    return max(itertools.accumulate(change for _, change in changes), default=0)


def compute_gate_ms(one: LoadPass, scenario: Scenario) -> float:
    """Return the figure of a pass that the gate judges, in milliseconds for a batch."""
    if scenario.clients is not None:
        return one.took_s * 1000 / len(one.latencies_ms)
    return statistics.median(one.latencies_ms)
