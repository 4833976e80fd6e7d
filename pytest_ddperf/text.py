"""Text from anywhere (a server, a command, a file) as a person may see it. A leaf; standard library only.

A control character can move the cursor, colour or erase what stands before it; a format character can turn the order
of the letters around. Neither is ever shown: not on a terminal, and not in a report.
"""

from __future__ import annotations

import re
import unicodedata


def format_ms(ms: float) -> str:
    """Milliseconds with three significant digits, as the report prints them, and never in powers of ten."""
    if ms >= 100:
        return f"{ms:.0f}"
    return f"{ms:.1f}" if ms >= 10 else f"{ms:.3g}"


def format_change(change: float) -> str:
    """A relative change with its sign: `-1.7 %`."""
    percent = round(change * 100, 1) + 0.0  # -0.0 becomes 0.0
    return f"{percent:+.0f} %" if abs(percent) >= 100 else f"{percent:+.1f} %"


REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
"""Stands for a character that is none to be seen: a control or format character, half of a surrogate pair."""

_HIDDEN = frozenset({"Cc", "Cf", "Cs"})


def remove_control_characters(text: str) -> str:
    """The same with its line ends (as LF) and without any other control character."""
    if text.isprintable():
        return text
    lines = re.split(r"\r\n|\r|\n", text)
    return "\n".join("".join(REPLACEMENT if _is_control(char) else char for char in line) for line in lines)


def quote_server_text(text: str, most: int) -> str:
    """What a server says of itself or of an error: on one line, `most` characters at the most."""
    plain = remove_control_characters(re.sub(r"\s", " ", text[: 4 * most]).strip())
    return plain if len(plain) <= most else f"{plain[: most - 3]}..."


def _is_control(char: str) -> bool:
    return unicodedata.category(char) in _HIDDEN
