"""Limits of waits and time limits, and the `{model}` placeholder in names of services and folders."""

from __future__ import annotations

from typing import Final

LOCK_WAIT_S = 1800.0
"""Default wait for another run that measures the same server; a nightly run is shorter."""

MODEL: Final = "{model}"
"""Placeholder for a network's id."""

SERVICE_EXPECTED: Final = f"a name such as bench_{MODEL}, with no braces except in {MODEL}, the network's id"


def is_service_name(text: str) -> bool:
    """Whether `text` is a valid service name; a brace outside `{model}` is treated as a misspelled placeholder."""
    return bool(text.strip()) and not set("{}") & set(text.replace(MODEL, ""))


def fill_template(template: str, model: str) -> str:
    """Replace `{model}` in a template by the id of one network.

    Args:
        template: may contain `{model}`, once or several times.
        model: the network's id.
    """
    return template.replace(MODEL, model)


LONGEST_S: Final = 1e6
"""Maximum of any wait or time limit in seconds: eleven days. System calls do not accept much longer times."""

WAIT_EXPECTED: Final = f"seconds, from 0 to {LONGEST_S:.0f}"
TIME_LIMIT_EXPECTED: Final = f"seconds, above 0 and up to {LONGEST_S:.0f}"


def is_wait(seconds: float) -> bool:
    """Whether `seconds` is a valid wait; 0 means no wait."""
    return 0 <= seconds <= LONGEST_S


def is_time_limit(seconds: float) -> bool:
    """Whether `seconds` is a valid time limit; 0 is not."""
    return 0 < seconds <= LONGEST_S
