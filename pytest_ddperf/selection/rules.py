"""Values of `ddperf select`: the requirements, the cells that meet them, and the rules that exclude the others."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import TYPE_CHECKING

from pytest_ddperf.core.budgets import NO_BUDGET, Budget

if TYPE_CHECKING:
    from pytest_ddperf.core.networks import Network
    from pytest_ddperf.core.platform import Platform
    from pytest_ddperf.core.records import CellKey


class Rule(StrEnum):
    """A reason for ruling a cell out.

    Cells are counted in this order: properties of the platform, then of the network, then a missing figure, then the
    figure itself.
    """

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
    BUDGET = "budget"


RULES = tuple(Rule)


class Ranking(StrEnum):
    """The figure that candidates are ranked by first; ties are ranked by the others, in this order."""

    ACCURACY = "accuracy"
    EFFICIENCY = "efficiency"
    SPEED = "speed"
    LATENCY = "latency"


@dataclass(frozen=True, slots=True)
class Requirements:
    """Requirements of an application; None means no requirement.

    Args:
        min_fps: minimum throughput, images per second.
        max_watts: maximum power of the platform under load, watts.
        min_accuracy_percent: minimum top-1 accuracy, percent.
        max_batch_size: maximum number of images per request.
        max_memory_gib: available memory, GiB; cells that certainly need more are ruled out (see
            `select.estimate_memory_gib`).
        max_price_usd: maximum price of the platform, US dollars.
        max_latency_ms: maximum time for the whole batch, milliseconds: until its first result is available.
        allow_unknown: accept a cell even if a figure that is required is unknown.
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
    """One requirement that a cell does not meet.

    Args:
        rule: the rule that excludes the cell.
        text: description with the figure and the limit.
        shortfall: by how much the limit is missed, relative (0.1 is ten per cent); None without a figure.
        unknown: whether the only reason is that the figure is unknown.
        budget: the limit of ddperf.toml that is not met, such as `min_fps 25 of tk1`; "" for all other rules.
    """

    rule: Rule
    text: str
    shortfall: float | None = None
    unknown: bool = False
    budget: str = ""


@dataclass(frozen=True, slots=True)
class Considered:
    """One cell with every figure that the selection uses.

    Args:
        key: the cell.
        network: its network.
        platform: its platform.
        value_ms: milliseconds per image; None without a usable figure.
        low_ms: lower bound of the time, from its reading error or the scatter of its passes.
        high_ms: upper bound of the time, likewise.
        memory_gib: least memory that the cell needs, GiB; None if the number of parameters is unknown.
        source: `measured`, `recorded`, `published` or `history`; "" without a figure.
        where: where the figure comes from, as shown to the user.
        notes: remarks on the figure for the user.
        misses: requirements that are not met, in the order of `Rule`; empty for a candidate.
        on_edge: limits between `low_ms` and `high_ms`, so that it is uncertain whether they are met.
        unknown: required figures that are unknown.
        budget: its limits in ddperf.toml, which are requirements too.
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
    budget: Budget = NO_BUDGET

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
        """Milliseconds for the whole batch, without the time that a live stream needs to collect the batch."""
        return None if self.value_ms is None else self.value_ms * self.key.batch_size

    @property
    def fps_per_watt(self) -> float | None:
        """Images per second per watt of the platform under load."""
        watts = self.platform.watts
        return None if self.fps is None or watts is None else self.fps / watts

    @property
    def shortfall(self) -> float:
        """Sum of the shortfalls of all missed limits, relative; infinite if a figure is missing."""
        return sum(inf if miss.shortfall is None else miss.shortfall for miss in self.misses)


@dataclass(frozen=True, slots=True)
class Group:
    """Cells that are first ruled out by the same rule.

    Args:
        rule: the rule.
        unknown: whether the only reason is that the figure is unknown.
        cells: the cells, in catalogue order.
    """

    rule: Rule
    unknown: bool
    cells: tuple[Considered, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """Result of a selection. Each cell is either a candidate or ruled out.

    Args:
        requirements: the requirements.
        candidates: every cell that meets them, best first.
        ruled_out: every other cell, in catalogue order.
        without_figures: platforms without any cell.
        warnings: remarks on the figures for the user.
    """

    requirements: Requirements
    candidates: tuple[Considered, ...]
    ruled_out: tuple[Considered, ...]
    without_figures: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def with_budget(self) -> tuple[Platform, ...]:
        """The platforms of which a cell has a budget, in catalogue order of the cells."""
        every = (*self.ruled_out, *self.candidates)
        return tuple(dict.fromkeys(one.platform for one in every if one.budget != NO_BUDGET))

    @property
    def best(self) -> tuple[Considered, ...]:
        """The candidate with the smallest batch for each platform and network, best first."""
        by_batch_size = sorted(self.candidates, key=lambda one: -one.key.batch_size)
        smallest = {one.pair: one for one in by_batch_size}
        return tuple(one for one in self.candidates if smallest[one.pair] is one)

    def groups(self) -> tuple[Group, ...]:
        """Group the cells that are ruled out, each under the first rule in the order of `Rule` that excludes it."""
        by_rule: dict[tuple[int, bool], list[Considered]] = {}
        for one in self.ruled_out:
            first = one.misses[0]
            by_rule.setdefault((RULES.index(first.rule), first.unknown), []).append(one)
        return tuple(Group(RULES[place], unknown, tuple(own)) for (place, unknown), own in sorted(by_rule.items()))

    def nearest_misses(self) -> tuple[Considered, ...]:
        """Return the cell with the least shortfall for each platform and network without a candidate, nearest first.

        Cells ruled out by an unknown or missing figure are not included, as their shortfall is unknown.
        """
        met = {one.pair for one in self.candidates}
        nearest: dict[tuple[str, str], Considered] = {}
        for one in sorted(self.ruled_out, key=lambda one: one.shortfall):
            if one.pair not in met and one.shortfall < inf:
                nearest.setdefault(one.pair, one)
        return tuple(nearest.values())
