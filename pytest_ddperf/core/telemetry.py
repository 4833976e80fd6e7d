"""Sensor values of a board during the measurement of one cell."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Spread:
    """Values of one sensor during a cell: minimum, mean, maximum and count."""

    least: float
    mean: float
    most: float
    count: int

    def merged(self, other: Spread) -> Spread:
        """Combine the values of both."""
        count = self.count + other.count
        mean = (self.mean * self.count + other.mean * other.count) / count
        return Spread(min(self.least, other.least), mean, max(self.most, other.most), count)


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Sensor values of a board during the measurement of a cell; unavailable sensors are omitted.

    Args:
        source: where the sensors were read: `local`, or ssh and a host.
        temperature_c: by sensor, degrees Celsius.
        clock_mhz: by clock.
        power_w: by rail.
        load: one-minute load average of the board.
        throttled: descriptions of throttling; rounds measured while the board was throttled do not count.
        notes: limits set by the user, and what is unknown and why.
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

    def merged(self, later: Telemetry) -> Telemetry:
        """Combine this telemetry with that of a later round of the same cell."""
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
