"""Text from anywhere (a server, a command, a file) as a person may see it. A leaf; standard library only.

A control character can move the cursor, colour or erase what stands before it; a format character can turn the order
of the letters around. Neither is ever shown: not on a terminal, and not in a report.
"""

from __future__ import annotations

import re
import unicodedata

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
"""Stands for a character that is none to be seen: a control or format character, half of a surrogate pair."""

_HIDDEN = frozenset({"Cc", "Cf", "Cs"})


def printable(text: str) -> str:
    """The same with its line ends (as LF) and without any other control character."""
    if text.isprintable():
        return text
    lines = re.split(r"\r\n|\r|\n", text)
    return "\n".join("".join(REPLACEMENT if _is_control(char) else char for char in line) for line in lines)


def told(text: str, most: int) -> str:
    """What a server says of itself or of an error: on one line, `most` characters at the most."""
    plain = printable(re.sub(r"\s", " ", text[: 4 * most]).strip())
    return plain if len(plain) <= most else f"{plain[: most - 3]}..."


def _is_control(char: str) -> bool:
    return unicodedata.category(char) in _HIDDEN
