"""What a cell measures besides plain latency: several clients at once, or requests at a given rate. Pure.

More than one client measures queueing, and not a network's time per image: such a cell is measured only where it is
asked for, its id says so, and it is held against cells of the same scenario alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_CLIENTS = 256
LEAST_RATE, MOST_RATE = 0.001, 100_000.0
"""Requests per second; three decimals are kept."""

REQUESTS_A_CLIENT = 10
"""Requests of each client in a pass, where nobody says: five passes of two clients give a p95."""

REQUESTS_AT_A_RATE = 40
"""Requests of a pass at a given rate, where nobody says: five passes give a p95."""

CLIENTS_EXPECTED = f"numbers of clients from 1 to {MOST_CLIENTS}"
RATES_EXPECTED = f"requests per second from {LEAST_RATE:g} to {MOST_RATE:g}"
"""What is said where a number is none of these."""

_ID = re.compile(r"c([1-9]\d*)|r(\d+(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class Scenario:
    """How the requests of a cell follow each other; one of both is given.

    Args:
        clients: so many at once, each asks again as soon as it is answered (a closed loop).
        rate: requests per second, whatever the server makes of them (an open loop).
    """

    clients: int | None = None
    rate: float | None = None

    @classmethod
    def parse(cls, text: str) -> Scenario | None:
        """The scenario of a cell's key, `c4` or `r20`; None for plain latency.

        Raises:
            ValueError: it is none.
        """
        if not text:
            return None
        found = _ID.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is no scenario; expected c4 (clients) or r20 (requests per second)")
        scenario = cls(clients=int(found[1])) if found[1] else cls(rate=float(found[2]))
        if scenario.rate is not None and not LEAST_RATE <= scenario.rate <= MOST_RATE:
            raise ValueError(f"{text!r} is no rate; expected {LEAST_RATE:g} to {MOST_RATE:g} requests per second")
        return scenario

    @property
    def id(self) -> str:
        """What stands at the end of a cell's id: `c4`, `r20`, `r0.5`."""
        return f"c{self.clients}" if self.clients is not None else f"r{format_rate(self.rate or 0.0)}"

    @property
    def words(self) -> str:
        """What a person reads: `4 clients at once`, `20 requests per second`."""
        if self.clients is not None:
            return "1 client" if self.clients == 1 else f"{self.clients} clients at once"
        return f"{format_rate(self.rate or 0.0)} request{'' if self.rate == 1 else 's'} per second"

    def requests(self, asked: int | None) -> int:
        """Requests of a pass: of each client, or of all at a rate.

        Args:
            asked: by the user; None for the default.
        """
        return asked or (REQUESTS_AT_A_RATE if self.clients is None else REQUESTS_A_CLIENT)


def format_rate(rate: float) -> str:
    """Requests per second as ids have it: `20`, `0.5`."""
    return f"{rate:.3f}".rstrip("0").rstrip(".")


def describe_scenario(scenario: str) -> str:
    """A key's scenario as a person reads it; "" for plain latency, the text itself where it is none that is known."""
    try:
        found = Scenario.parse(scenario)
    except ValueError:
        return scenario
    return "" if found is None else found.words


def normalise_clients(counts: Iterable[int]) -> tuple[int, ...]:
    """Numbers of clients, ascending, each once.

    Raises:
        ValueError: there can be no so many.
    """
    found = tuple(sorted(set(counts)))
    if not all(1 <= count <= MOST_CLIENTS for count in found):
        raise ValueError(CLIENTS_EXPECTED)
    return found


def normalise_rates(rates: Iterable[float]) -> tuple[float, ...]:
    """Requests per second as ids have them, ascending, each once.

    Raises:
        ValueError: that is no rate.
    """
    found = tuple(sorted({round(rate, 3) for rate in rates}))
    if not all(LEAST_RATE <= rate <= MOST_RATE for rate in found):
        raise ValueError(RATES_EXPECTED)
    return found


def list_scenario_ids(clients: Iterable[int], rates: Iterable[float]) -> tuple[str, ...]:
    """The ids of these scenarios, each once, clients before rates."""
    every = [*(Scenario(clients=one) for one in clients), *(Scenario(rate=one) for one in rates)]
    return tuple(dict.fromkeys(one.id for one in every))


def scenario_sort_key(scenario: str) -> tuple[str, float]:
    """A sort key: plain latency first, then clients and rates, each ascending."""
    return scenario[:1], float(scenario[1:]) if _ID.fullmatch(scenario) else 0.0
