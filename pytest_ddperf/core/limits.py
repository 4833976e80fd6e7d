"""Limits of waits and time limits, and the `{model}` placeholder in names of services and folders."""

from __future__ import annotations

from typing import Final

LOCK_WAIT_S = 1800.0
"""How long a run waits by default for another one that measures the same server: a whole night's run is shorter."""

MODEL: Final = "{model}"
"""Stands for a network's id."""

SERVICE_EXPECTED: Final = f"a name, such as bench_{MODEL}, that holds no braces but those of {MODEL}, the network's id"


def is_service_name(text: str) -> bool:
    """Whether it can be the name of a network's service: a brace elsewhere is a `{model}` with a slip in it."""
    return bool(text.strip()) and not set("{}") & set(text.replace(MODEL, ""))


def fill_template(template: str, model: str) -> str:
    """The name for one network.

    Args:
        template: may hold `{model}`, once or several times.
        model: the network's id.
    """
    return template.replace(MODEL, model)


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
