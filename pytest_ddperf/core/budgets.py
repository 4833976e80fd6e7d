"""Budgets: absolute limits of a cell's time, and what was decided about them. Pure values.

A budget needs no baseline: it states what an application requires, not what was measured before.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Final

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

    def __bool__(self) -> bool:
        """Whether there is any limit."""
        return any(True for _ in self.limits())

    def limits(self) -> Iterator[tuple[str, float]]:
        """Yield the key and value of each limit."""
        for one in fields(self):
            value = getattr(self, one.name)
            if value is not None:
                yield one.name, value

    def or_else(self, other: Budget) -> Budget:
        """Return a copy whose missing limits are those of another budget."""
        return Budget(**dict(other.limits()) | dict(self.limits()))

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
                limits.append(TimeLimit(f"budget {value:g} ms", value))
            elif name == "min_fps":
                limits.append(TimeLimit(f"budget {value:g} fps", 1000 / value))
            elif name == "max_latency_ms" and key.scenario[:1] != "c":
                limits.append(TimeLimit(f"budget {value:g} ms/request", value / key.batch_size))
        return min(limits, key=lambda limit: limit.ms, default=None)

    def find_percentile_limit(self, percent: int) -> TimeLimit | None:
        """Return the limit of a percentile of the latency, per request; None without one."""
        value = next((getattr(self, key) for key, one in PERCENTILE_KEYS.items() if one == percent), None)
        return None if value is None else TimeLimit(f"p{percent} budget {value:g} ms", value)


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """A limit as it is drawn on an axis of times.

    Args:
        label: the limit as the budget states it, such as `budget 25 fps`.
        ms: its position on the axis, milliseconds: per image, or per request for a percentile.
    """

    label: str
    ms: float


NO_BUDGET: Final = Budget()

BUDGET_KEYS: Final[tuple[str, ...]] = tuple(one.name for one in fields(Budget))
"""The keys of a budget, as in ddperf.toml and in the marker."""


class Standing(StrEnum):
    """What is known of a limit: whether its confidence interval is below it, beyond it, or contains it."""

    WITHIN = "within"
    OVER = "over"
    UNDECIDED = "undecided"


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
    """

    key: str
    limit: float
    value: float
    low: float | None
    high: float | None
    standing: Standing

    @property
    def headroom(self) -> float:
        """Share of the allowed time that is not used, 0.2 for 20 % below the budget; negative beyond it."""
        return 1 - (self.limit / self.value if self.key == "min_fps" else self.value / self.limit)


def find_tightest(checks: Iterable[BudgetCheck]) -> BudgetCheck | None:
    """Return the check that needs a look first: over before undecided before within, then the least headroom."""
    urgency = (Standing.OVER, Standing.UNDECIDED, Standing.WITHIN)
    return min(checks, key=lambda one: (urgency.index(one.standing), one.headroom), default=None)
