"""Budgets: absolute limits of a cell's time, and what was decided about them. Pure values.

A budget needs no baseline: it states what an application requires, not what was measured before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from pytest_ddperf.core.percentiles import count_needed
from pytest_ddperf.text import digits_beside, format_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_ddperf.core.records import CellKey

EVERY_NETWORK: Final = "*"
"""Used instead of a network's id in [platforms.<id>.budgets]: the budget of all networks."""

PERCENTILE_KEYS: Final[Mapping[str, int]] = {"p95_ms": 95, "p99_ms": 99}
"""The keys that limit a percentile of the latency under load, with the percentile."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits of a cell; None for no limit.

    Args:
        max_ms: maximum of the mean time, milliseconds per image.
        min_fps: minimum of the throughput, images per second.
        max_latency_ms: maximum of the mean time of a whole request, milliseconds.
        p95_ms: maximum of the 95th percentile of the requests' latency under load, milliseconds.
        p99_ms: the same for the 99th percentile.
    """

    max_ms: float | None = None
    min_fps: float | None = None
    max_latency_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None

    def limits(self) -> Iterator[tuple[str, float]]:
        """Yield the key and value of each limit."""
        for name in BUDGET_KEYS:
            value = getattr(self, name)
            if value is not None:
                yield name, value

    def or_else(self, other: Budget) -> Budget:
        """Return a copy whose missing limits are those of another budget."""
        return Budget(**dict(other.limits()) | dict(self.limits()))

    def without(self, other: Budget) -> Budget:
        """Return a copy without the limits that another budget sets, too."""
        return Budget(**{name: value for name, value in self.limits() if getattr(other, name) is None})

    @property
    def requests_needed(self) -> int:
        """Least number of requests of a round that bound its percentiles; 0 without a limit of a percentile."""
        return max(
            (count_needed(PERCENTILE_KEYS[name]) for name, _ in self.limits() if name in PERCENTILE_KEYS), default=0
        )

    def count_figures(self, key: CellKey) -> int:
        """Return how many different figures of a cell are limited."""
        return len({find_figure(name, key) for name, _ in self.of_cell(key).limits()})

    def of_cell(self, key: CellKey) -> Budget:
        """Return the limits that apply to a cell.

        Percentiles need load. At a given rate the load decides the throughput, so `min_fps` does not apply.
        """
        return Budget(
            **{
                name: value
                for name, value in self.limits()
                if (key.scenario or name not in PERCENTILE_KEYS) and not (name == "min_fps" and key.scenario[:1] == "r")
            }
        )

    def find_time_limit(self, key: CellKey) -> TimeLimit | None:
        """Return the limit of a cell that is strictest on an axis of its time per image; None without one.

        The time of a cell with several clients is the inverse of its throughput, which no latency limits.
        """
        limits: list[TimeLimit] = []
        for name, value in self.of_cell(key).limits():
            if name == "max_ms":
                limits.append(TimeLimit(f"{value:g} ms", value))
            elif name == "min_fps":
                limits.append(TimeLimit(f"{value:g} fps", 1000 / value))
            elif name == "max_latency_ms" and key.scenario[:1] != "c":
                limits.append(TimeLimit(f"{value:g} ms/request", value / key.batch_size))
        return min(limits, key=lambda limit: limit.ms, default=None)

    def find_percentile_limit(self, name: str) -> TimeLimit | None:
        """Return the limit of one of `PERCENTILE_KEYS`, per request; None without one."""
        value = getattr(self, name)
        return None if value is None else TimeLimit(f"{value:g} ms", value)


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """A limit as it is drawn on an axis of times.

    Args:
        label: the limit as the budget states it, such as `25 fps`.
        ms: its position on the axis, milliseconds: per image, or per request for a percentile.
    """

    label: str
    ms: float


NO_BUDGET: Final = Budget()

BUDGET_KEYS: Final[tuple[str, ...]] = tuple(one.name for one in fields(Budget))
"""The keys of a budget, as in ddperf.toml and in the marker."""


class Figure(StrEnum):
    """The figure of a cell that a limit applies to."""

    TIME = "time"
    LATENCY = "latency"
    P95 = "p95"
    P99 = "p99"


def find_figure(name: str, key: CellKey) -> Figure:
    """Return the figure that a limit of a cell applies to.

    The time is that of the gate. Under load it is the inverse of the throughput, so a request's latency is a figure of
    its own; at a given rate it is the only one.
    """
    if name in PERCENTILE_KEYS:
        return Figure(name.removesuffix("_ms"))
    return Figure.LATENCY if key.scenario[:1] == "r" or (key.scenario and name == "max_latency_ms") else Figure.TIME


class Standing(StrEnum):
    """What is known of a limit: whether its confidence interval is below it, beyond it, or contains it."""

    WITHIN = "within"
    OVER = "over"
    UNDECIDED = "undecided"


_MOST_DECIMALS = 12


@dataclass(frozen=True, slots=True)
class BudgetCheck:
    """One limit of a cell and what was decided about it. All figures have the unit of the key.

    Args:
        key: one of `BUDGET_KEYS`.
        limit: the limit.
        value: the mean of all passes, or the percentile of all requests.
        low: lower end of its confidence interval; None if it is not known.
        high: upper end of its confidence interval; None if it is not known.
        standing: what was decided.

    Raises:
        ValueError: the key is unknown, or a figure is not finite and positive.
    """

    key: str
    limit: float
    value: float
    low: float | None
    high: float | None
    standing: Standing

    def __post_init__(self) -> None:
        """Check key and figures here, so that a stored record with others is a broken one."""
        if self.key not in BUDGET_KEYS:
            raise ValueError(f"{self.key!r} is not a limit; expected {', '.join(BUDGET_KEYS)}")
        for name in ("limit", "value", "low", "high"):
            figure = getattr(self, name)
            if figure is not None and not 0 < figure < math.inf:
                raise ValueError(f"{name} of {self.key} is {figure:g}; expected a number above 0")

    @property
    def rule(self) -> str:
        """The limit as in ddperf.toml: `min_fps = 25`."""
        return f"{self.key} = {self.limit:g}"

    @property
    def headroom(self) -> float:
        """Share of the allowed time that is not used, 0.2 for 20 % below the budget; negative beyond it."""
        return 1 - (self.limit / self.value if self.key == "min_fps" else self.value / self.limit)

    @property
    def figure(self) -> str:
        """The figure as text, with as many decimals as tell it from the limit."""
        return self._format(self.value)

    @property
    def unit(self) -> str:
        """The unit of the figure and the limit."""
        return "images/s" if self.key == "min_fps" else f"ms/{'img' if self.key == 'max_ms' else 'request'}"

    @property
    def interval(self) -> tuple[str, str] | None:
        """The ends of the interval as text, likewise; None if it is not known."""
        return None if self.low is None or self.high is None else (self._format(self.low), self._format(self.high))

    @property
    def distance(self) -> str:
        """How far the figure is from the limit, as a share of the allowed time: `8.2 % beyond`, `9.7 % within`."""
        percent = -self.headroom * 100
        return f"{abs(percent):.{digits_beside(percent, 0.0)}f} % {'beyond' if percent > 0 else 'within'}"

    def _format(self, value: float) -> str:
        text = format_ms(value)
        decimals = len(text.partition(".")[2])
        while value != self.limit and float(text) in {self.limit, 0.0} and decimals < _MOST_DECIMALS:
            decimals += 1
            text = f"{value:.{decimals}f}"
        return text

    def __str__(self) -> str:
        """State limit, figure and interval: `min_fps = 25: 23.1 images/s [22.6, 23.7], 8.2 % beyond`."""
        shown = f"{self.rule}: {self.figure} {self.unit}"
        if self.low is None or self.high is None or self.interval is None:
            return f"{shown}, {self.distance}, with too few passes or requests for an interval"
        shown = f"{shown} [{', '.join(self.interval)}], {self.distance}"
        if self.standing is not Standing.UNDECIDED:
            return shown
        best, worst = (self.high, self.low) if self.key == "min_fps" else (self.low, self.high)
        return f"{shown}, undecided: certain from {self._share(best)} % beyond or {self._share(worst)} % within"

    def _share(self, end: float) -> str:
        """Format the distance at which the limit would be an end of the interval, as percent of the allowed time."""
        ratio = end / self.value if self.key == "min_fps" else self.value / end
        return f"{abs(ratio - 1) * 100:.1f}"


def collect_limits(checks: Iterable[BudgetCheck]) -> Budget:
    """Return the limits that were checked."""
    return Budget(**{one.key: one.limit for one in checks})


def describe_over(checks: Iterable[BudgetCheck]) -> str:
    """State which limits a cell is over: `over its budget: min_fps = 25: ...`; "" if it is over none."""
    over = "; ".join(str(one) for one in checks if one.standing is Standing.OVER)
    return over and f"over its budget: {over}"


def find_tightest(checks: Iterable[BudgetCheck]) -> BudgetCheck | None:
    """Return the check that needs a look first: over before undecided before within, then the least headroom."""
    urgency = (Standing.OVER, Standing.UNDECIDED, Standing.WITHIN)
    return min(checks, key=lambda one: (urgency.index(one.standing), one.headroom), default=None)
