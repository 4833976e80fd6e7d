"""Passes under load, closed and open loop, and what their requests tell. Pure: threads and clock are injected.

A pass under load is some requests, and has one figure for the gate, milliseconds for a batch by the client's clock:

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
    """Those who send requests, side by side."""

    @property
    def failed(self) -> bool:
        """Whether one of them could not do its work: nothing further is begun."""
        ...

    def submit(self, work: Callable[[], object]) -> None:
        """Have it done as soon as somebody is free."""
        ...

    def finish(self) -> None:
        """Wait until everything is done.

        Raises:
            DdperfError: the first failure of a piece of work.
        """
        ...


@dataclass(frozen=True, slots=True)
class Sent:
    """One request.

    Args:
        due_s: when it was to be sent, on the clock of the pass.
        ended_s: when the last byte of its answer was there.
    """

    due_s: float
    ended_s: float


def draw_arrivals_s(rate: float, count: int, seed: int) -> tuple[float, ...]:
    """When the requests of an open loop are due, seconds from the start of the pass, ascending.

    A Poisson process of which it is known that `count` arrivals fall into `count / rate` seconds: they are then as many
    independent uniform draws, put into order (Ross, Introduction to Probability Models, section 5.3). So the gaps are
    those of clients that know nothing of each other, and every pass offers the rate that was asked for.

    Args:
        rate: requests per second.
        count: of requests.
        seed: the same one gives the same schedule, on every machine.
    """
    draw = random.Random(seed).random  # noqa: S311 - no secret
    return tuple(sorted(draw() * count / rate for _ in range(count)))


def run_closed_pass(
    clients: int, requests: int, send: Callable[[], float], *, crew: ClientPool, now: Callable[[], float]
) -> LoadPass:
    """A pass of so many clients at once: each sends its next request as soon as its last one is answered.

    The requests are common to all, so that the clients stay as many until the last ones, whomever a server favours.

    Args:
        clients: how many.
        requests: of all clients together.
        send: makes one request and returns its latency, milliseconds; called by several at once.
        crew: has a place for each client.
        now: a steady clock, seconds.

    Raises:
        DdperfError: a request failed.
    """
    left, lock = itertools.count(), threading.Lock()
    sent: list[Sent] = []
    began_s = now()

    def client() -> None:
        while not crew.failed:
            with lock:
                if next(left) >= requests:
                    return
            sent.append(_sent(send, now))

    for _ in range(clients):
        crew.submit(client)
    crew.finish()
    return _pass(sent, began_s)


def run_open_pass(
    due_s: Sequence[float],
    send: Callable[[], float],
    *,
    crew: ClientPool,
    now: Callable[[], float],
    sleep: Callable[[float], None],
    patience_s: float,
) -> LoadPass:
    """A pass at a given rate: requests are sent when they are due, whatever became of those before them.

    Latency counts from the moment when a request was due, also where it could not be sent then: what a slow server
    holds up is in the figures ("coordinated omission", as Tene calls it, is to leave it out).

    Args:
        due_s: of each request, seconds from the start of the pass, ascending.
        send: makes one request and returns its latency, milliseconds; called by several at once.
        crew: sends them.
        now: a steady clock, seconds.
        sleep: takes seconds.
        patience_s: how late a request may be sent; a pass that falls behind further is given up.

    Raises:
        OverloadError: the server is that far behind.
        DdperfError: a request failed.
    """
    sent: list[Sent] = []
    began_s = now()

    def request(at_s: float) -> None:
        late_s = now() - at_s
        if late_s > patience_s:
            raise OverloadError(
                f"The server did not keep up: a request was to be sent {late_s:.0f} s ago, longer than an answer may "
                f"take ({patience_s:g} s, --ddperf-timeout), and {len(sent)} of {len(due_s)} were answered; ask for a "
                "lower rate"
            )
        answered = _sent(send, now)
        sent.append(Sent(at_s, answered.ended_s))

    for due in due_s:
        at_s = began_s + due
        if crew.failed:
            break
        if (early_s := at_s - now()) > 0:
            sleep(early_s)
        crew.submit(lambda at_s=at_s: request(at_s))  # type: ignore[misc] # bound now
    crew.finish()
    return _pass(sent, began_s, due_s)


def _sent(send: Callable[[], float], now: Callable[[], float]) -> Sent:
    """One request that is sent now. Its end is told by its latency: what a client does with the answer is behind it."""
    sent_s = now()
    return Sent(sent_s, sent_s + send() / 1000)


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
    """How many requests were due and not answered at the same time, at the most."""
    changes = sorted([(one.due_s, 1) for one in sent] + [(one.ended_s, -1) for one in sent])
    return max(itertools.accumulate(change for _, change in changes), default=0)


def compute_gate_ms(one: LoadPass, scenario: Scenario) -> float:
    """The figure of a pass that the gate takes, milliseconds for a batch."""
    if scenario.clients is not None:
        return one.took_s * 1000 / len(one.latencies_ms)
    return statistics.median(one.latencies_ms)
