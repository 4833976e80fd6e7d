"""How long anything may be waited for: options, ddperf.toml and `ddperf bench` hold their values against it. Pure."""

from __future__ import annotations

from typing import Final

LONGEST_S: Final = 1e6
"""Seconds that anything is waited for at the most: eleven days. The system's own calls end not far beyond."""

WAIT_EXPECTED: Final = f"seconds, from 0 to {LONGEST_S:.0f}"
TIME_LIMIT_EXPECTED: Final = f"seconds, above 0 and up to {LONGEST_S:.0f}"


def is_wait(seconds: float) -> bool:
    """Whether it is a time that one may wait for something: 0 is not at all."""
    return 0 <= seconds <= LONGEST_S


def is_time_limit(seconds: float) -> bool:
    """Whether it is a time that something may take: within 0 s nothing can."""
    return 0 < seconds <= LONGEST_S
