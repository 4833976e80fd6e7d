"""Formatting of numbers, and cleaning of text from servers, commands and files for display. Standard library only.

Control characters can move the cursor, or colour or erase the text before them; format characters can reverse the order
of letters. Neither is ever shown on a terminal or in a report.
"""

from __future__ import annotations

import re
import unicodedata


def format_ms(ms: float) -> str:
    """Format milliseconds with three significant digits, as in the report, without an exponent."""
    if ms >= 100:
        return f"{ms:.0f}"
    return f"{ms:.1f}" if ms >= 10 else f"{ms:.3g}"


def format_change(change: float) -> str:
    """Format a relative change with its sign: `-1.7 %`."""
    percent = round(change * 100, 1) + 0.0  # -0.0 becomes 0.0
    return f"{percent:+.0f} %" if abs(percent) >= 100 else f"{percent:+.1f} %"


REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
"""Replaces characters that must not be shown: control and format characters, and lone surrogates."""

_HIDDEN = frozenset({"Cc", "Cf", "Cs"})


def remove_control_characters(text: str) -> str:
    """Replace control characters in a text; line ends are kept, as LF."""
    if text.isprintable():
        return text
    lines = re.split(r"\r\n|\r|\n", text)
    return "\n".join("".join(REPLACEMENT if _is_control(char) else char for char in line) for line in lines)


def quote_server_text(text: str, most: int) -> str:
    """Format server-supplied text on one line, truncated to `most` characters."""
    plain = remove_control_characters(re.sub(r"\s", " ", text[: 4 * most]).strip())
    return plain if len(plain) <= most else f"{plain[: most - 3]}..."


def _is_control(char: str) -> bool:
    return unicodedata.category(char) in _HIDDEN
