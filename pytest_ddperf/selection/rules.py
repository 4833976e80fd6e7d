"""A choice of platform and network, as values: what was asked, what meets it, what rules the others out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_ddperf.core.networks import Network
    from pytest_ddperf.core.platform import Platform
    from pytest_ddperf.core.records import CellKey


class Rule(StrEnum):
    """What can rule a cell out, in the order of counting: the platform, the network, whether there is a figure, it."""

    WATTS = "watts"
    PRICE = "price"
    ACCURACY = "accuracy"
    MEMORY = "memory"
    UNAVAILABLE = "x"
    FAILED = "failed"
    NOT_MEASURED = "not measured"
    SCENARIO = "scenario"
    BATCH_SIZE = "batch size"
    LATENCY = "latency"
    SPEED = "speed"


RULES = tuple(Rule)


class Ranking(StrEnum):
    """The figure that ranks first; the others follow in this order."""

    ACCURACY = "accuracy"
    EFFICIENCY = "efficiency"
    SPEED = "speed"
    LATENCY = "latency"


@dataclass(frozen=True, slots=True)
class Requirements:
    """What an application asks for; None asks for nothing.

    Args:
        min_fps: images per second at least.
        max_watts: of the platform under load, at most.
        min_accuracy_percent: top-1 accuracy at least, percent.
        max_batch_size: images per request at most.
        max_memory_gib: GiB; what certainly needs more is ruled out (see `least_memory_gib`).
        max_price_usd: of the platform, US dollars at most.
        max_latency_ms: milliseconds for the whole batch at most: until the first of its results is there.
        allow_unknown: take a cell of which a figure that is asked for is not known.
    """

    min_fps: float | None = None
    max_watts: float | None = None
    min_accuracy_percent: float | None = None
    max_batch_size: int | None = None
    max_memory_gib: float | None = None
    max_price_usd: float | None = None
    max_latency_ms: float | None = None
    allow_unknown: bool = False


@dataclass(frozen=True, slots=True)
class Miss:
    """One thing that rules a cell out.

    Args:
        rule: which.
        text: in words, with the figure and the limit.
        shortfall: by how much the limit is missed, relative (0.1: ten per cent); None where no figure tells.
        unknown: whether it is only that the figure is not known.
    """

    rule: Rule
    text: str
    shortfall: float | None = None
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class Considered:
    """One cell with every figure that a choice rests on.

    Args:
        key: the cell.
        network: its network.
        platform: its platform.
        value_ms: milliseconds per image; None where there is no figure that counts.
        low_ms: what the time may be at the least, given how it was read or how its passes scatter.
        high_ms: the same at the most.
        memory_gib: what it needs at the least; None where the parameters are not known.
        source: `measured`, `recorded`, `published` or `history`; "" without a figure.
        where: where the figure stands, for a person.
        notes: what a person must know of the figure.
        misses: what rules it out, in the order of `Rule`; empty for a candidate.
        on_edge: limits that fall between `low_ms` and `high_ms`: the figure cannot tell whether they are met.
        unknown: figures that were asked for, are not known, and were allowed to be.
    """

    key: CellKey
    network: Network
    platform: Platform
    value_ms: float | None
    low_ms: float
    high_ms: float
    memory_gib: float | None
    source: str
    where: str
    notes: tuple[str, ...] = ()
    misses: tuple[Miss, ...] = ()
    on_edge: tuple[Rule, ...] = ()
    unknown: tuple[Rule, ...] = ()

    @property
    def pair(self) -> tuple[str, str]:
        """Platform and network."""
        return self.key.platform, self.key.model

    @property
    def fps(self) -> float | None:
        """Images per second."""
        return None if self.value_ms is None else 1000 / self.value_ms

    @property
    def latency_ms(self) -> float | None:
        """Milliseconds for the whole batch; on a live stream the time to collect the batch comes on top."""
        return None if self.value_ms is None else self.value_ms * self.key.batch_size

    @property
    def fps_per_watt(self) -> float | None:
        """Images per second per watt of the platform under load."""
        watts = self.platform.watts
        return None if self.fps is None or watts is None else self.fps / watts

    @property
    def shortfall(self) -> float:
        """By how much it misses, all limits together; infinite where a figure is missing."""
        return sum(inf if miss.shortfall is None else miss.shortfall for miss in self.misses)


@dataclass(frozen=True, slots=True)
class Group:
    """Cells that the same thing rules out first.

    Args:
        rule: which.
        unknown: whether it is only that the figure is not known.
        cells: in catalogue order.
    """

    rule: Rule
    unknown: bool
    cells: tuple[Considered, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """The answer. Candidates and what is ruled out are all cells, each once.

    Args:
        requirements: what was asked for.
        candidates: every cell that meets it, the best first.
        ruled_out: every other, in catalogue order.
        without_figures: platforms of which there is no cell at all.
        warnings: what a person must know of the figures.
    """

    requirements: Requirements
    candidates: tuple[Considered, ...]
    ruled_out: tuple[Considered, ...]
    without_figures: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def best(self) -> tuple[Considered, ...]:
        """Of each platform and network the candidate with the smallest batch, the best first."""
        by_batch_size = sorted(self.candidates, key=lambda one: -one.key.batch_size)
        smallest = {one.pair: one for one in by_batch_size}
        return tuple(one for one in self.candidates if smallest[one.pair] is one)

    def groups(self) -> tuple[Group, ...]:
        """What is ruled out, each cell once, under the first thing that does so in the order of `Rule`."""
        by_rule: dict[tuple[int, bool], list[Considered]] = {}
        for one in self.ruled_out:
            first = one.misses[0]
            by_rule.setdefault((RULES.index(first.rule), first.unknown), []).append(one)
        return tuple(Group(RULES[place], unknown, tuple(own)) for (place, unknown), own in sorted(by_rule.items()))

    def nearest_misses(self) -> tuple[Considered, ...]:
        """Of each platform and network that has no candidate, the cell that misses by the least, nearest first.

        Cells that an unknown or missing figure rules out are none of them: how near they are cannot be told.
        """
        met = {one.pair for one in self.candidates}
        nearest: dict[tuple[str, str], Considered] = {}
        for one in self.ruled_out:
            if one.pair not in met and one.shortfall < min(inf, _shortfall(nearest.get(one.pair))):
                nearest[one.pair] = one
        return tuple(sorted(nearest.values(), key=lambda one: one.shortfall))


def _shortfall(one: Considered | None) -> float:
    return inf if one is None else one.shortfall
