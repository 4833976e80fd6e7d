"""Load scenarios of a cell: several clients at once, or requests at a given rate. Pure.

With more than one client the latency includes queueing and is not a network's time per image. Such cells are therefore
measured only on request, carry the scenario in their id and are compared only with cells of the same scenario.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_ddperf.core.limits import LEAST_RATE, MOST_RATE

if TYPE_CHECKING:
    from collections.abc import Iterable

REQUESTS_A_CLIENT = 10
"""Default number of requests per client in a pass; five passes of two clients are enough for a p95."""

REQUESTS_AT_A_RATE = 40
"""Default number of requests in a pass at a given rate; five passes are enough for a p95."""

_ID = re.compile(r"c([1-9]\d*)|r(\d+(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class Scenario:
    """Load of a cell; exactly one of the two arguments is given.

    Args:
        clients: number of concurrent clients, each of which sends its next request on receiving an answer (closed
            loop).
        rate: requests per second, independent of the server's answers (open loop).
    """

    clients: int | None = None
    rate: float | None = None

    @classmethod
    def parse(cls, text: str) -> Scenario | None:
        """Parse the scenario of a cell's key, `c4` or `r20`; None for plain latency.

        Raises:
            ValueError: the text is not a scenario.
        """
        if not text:
            return None
        found = _ID.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is not a scenario; expected c4 (clients) or r20 (requests per second)")
        scenario = cls(clients=int(found[1])) if found[1] else cls(rate=float(found[2]))
        if scenario.rate is not None and not LEAST_RATE <= scenario.rate <= MOST_RATE:
            raise ValueError(
                f"{text!r} is not a valid rate; expected {LEAST_RATE:g} to {MOST_RATE:g} requests per second"
            )
        return scenario

    @property
    def id(self) -> str:
        """The last part of a cell's id: `c4`, `r20`, `r0.5`."""
        return f"c{self.clients}" if self.clients is not None else f"r{format_rate(self.rate or 0.0)}"

    @property
    def words(self) -> str:
        """Description for reports: `4 clients at once`, `20 requests per second`."""
        if self.clients is not None:
            return "1 client" if self.clients == 1 else f"{self.clients} clients at once"
        return f"{format_rate(self.rate or 0.0)} request{'' if self.rate == 1 else 's'} per second"

    def requests(self, asked: int | None, needed: int = 0, passes: int = 1) -> int:
        """Number of requests in a pass: per client, or in total at a given rate.

        Args:
            asked: the number set by the user; None for the default.
            needed: least number of requests of a round; it raises the default number per client. At a given rate it
                does not, because the schedule and the queue of a server that does not keep up depend on the number.
            passes: number of passes in a round.
        """
        if self.clients is None:
            return asked or REQUESTS_AT_A_RATE
        return asked or max(REQUESTS_A_CLIENT, -(-needed // (passes * self.clients)))


def format_rate(rate: float) -> str:
    """Format requests per second as in ids: `20`, `0.5`."""
    return f"{rate:.3f}".rstrip("0").rstrip(".")


def describe_scenario(scenario: str) -> str:
    """Describe a key's scenario in words; "" for plain latency, the text itself if it is not a known scenario."""
    try:
        found = Scenario.parse(scenario)
    except ValueError:
        return scenario
    return "" if found is None else found.words


def list_scenario_ids(clients: Iterable[int], rates: Iterable[float]) -> tuple[str, ...]:
    """The ids of these scenarios, without duplicates, clients before rates."""
    every = [*(Scenario(clients=one) for one in clients), *(Scenario(rate=one) for one in rates)]
    return tuple(dict.fromkeys(one.id for one in every))


def scenario_sort_key(scenario: str) -> tuple[str, float]:
    """Sort key: plain latency first, then clients, then rates, each ascending."""
    return scenario[:1], float(scenario[1:]) if _ID.fullmatch(scenario) else 0.0
