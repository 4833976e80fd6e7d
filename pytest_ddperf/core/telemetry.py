"""Sensor values of a board while one cell was measured."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Spread:
    """Values of one sensor over a cell: the least, their mean, the most, and how many there were."""

    least: float
    mean: float
    most: float
    count: int

    def merged(self, other: Spread) -> Spread:
        """The spread of both."""
        count = self.count + other.count
        mean = (self.mean * self.count + other.mean * other.count) / count
        return Spread(min(self.least, other.least), mean, max(self.most, other.most), count)


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What the board's sensors said while a cell was measured; what they do not tell is left out.

    Args:
        source: where they were read: `local`, or ssh and a host.
        samples: how many readings there were.
        temperature_c: by sensor, degrees Celsius.
        clock_mhz: by clock.
        power_w: by rail.
        load: the board's load average of one minute.
        governors: of its CPU clocks.
        throttled: how it protected itself, in words; rounds measured meanwhile do not count.
        notes: limits that somebody chose, and what is unknown and why.
    """

    source: str
    samples: int = 0
    temperature_c: dict[str, Spread] = field(default_factory=dict)
    clock_mhz: dict[str, Spread] = field(default_factory=dict)
    power_w: dict[str, Spread] = field(default_factory=dict)
    load: Spread | None = None
    governors: tuple[str, ...] = ()
    throttled: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def merged(self, later: Telemetry | None) -> Telemetry:
        """That of all rounds of a cell, of this one and of a later one."""
        if later is None:
            return self
        loads = [load for load in (self.load, later.load) if load is not None]
        return Telemetry(
            later.source,
            self.samples + later.samples,
            _merged(self.temperature_c, later.temperature_c),
            _merged(self.clock_mhz, later.clock_mhz),
            _merged(self.power_w, later.power_w),
            loads[0].merged(loads[1]) if len(loads) > 1 else next(iter(loads), None),
            tuple(sorted({*self.governors, *later.governors})),
            tuple(sorted({*self.throttled, *later.throttled})),
            tuple(dict.fromkeys((*self.notes, *later.notes))),
        )


def _merged(one: dict[str, Spread], other: dict[str, Spread]) -> dict[str, Spread]:
    merged = one | other
    return merged | {name: one[name].merged(other[name]) for name in one.keys() & other.keys()}
