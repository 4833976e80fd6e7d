"""Numbers and tables as text, and cleaning of text from servers, commands and files. Standard library only.

Control characters can move the cursor, or colour or erase the text before them; format characters can reverse the order
of letters. Neither is ever shown on a terminal or in a report.
"""

from __future__ import annotations

import itertools
import re
import textwrap
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Sequence


LONGEST_SHOWN = 1000
"""Maximum number of characters of server-supplied text in a message."""

_MOST_DIGITS = 8
"""Digits of a percentage at which two values that still look alike differ by no more than rounding errors."""


def format_ms(ms: float | None) -> str:
    """Format milliseconds with three significant digits, as in the report, without an exponent; "" for None."""
    if ms is None:
        return ""
    if ms >= 100:
        return f"{ms:.0f}"
    return f"{ms:.1f}" if ms >= 10 else f"{ms:.3g}"


def format_interval(interval: tuple[float, float]) -> str:
    """Format the interval of a relative change in percent: `[-0.9, +2.4]`."""
    return f"[{interval[0] * 100:+.1f}, {interval[1] * 100:+.1f}]"


def format_change(change: float | None, *limits: float | None) -> str:
    """Format a relative change with its sign: `-1.7 %`; "" for None.

    Args:
        change: the change.
        limits: values that are shown beside it or known to the reader. The change gets as many digits as it takes to
            tell it from each of them: `+10.02 %` beside a limit of 10 %.
    """
    if change is None:
        return ""
    digits = digits_beside(change * 100, *[limit * 100 for limit in limits if limit is not None])
    return f"{change * 100:+z.{digits}f} %"  # z: -0.0 becomes 0.0


def digits_beside(percent: float, *others: float) -> int:
    """Return how many decimals to show of a percentage, so that it does not look like another one that differs."""
    least = 0 if abs(round(percent, 1)) >= 100 else 1
    differ = [other for other in others if 0 < abs(other - percent) <= 1]  # others never look alike
    for digits in range(least, _MOST_DIGITS):
        if round(percent, digits) not in [round(other, digits) for other in differ]:
            return digits
    return least


def format_table(
    rows: Sequence[Sequence[str]], width: int | None = None, *, right: Container[int] = (), gap: int = 2
) -> list[str]:
    """Format rows as aligned columns; if they are too wide, wrap the text of the widest columns.

    Words without blanks, such as URLs, are not broken if the other columns leave enough room.

    Args:
        rows: the cells, as many in each row.
        width: maximum length of a line; None for any.
        right: indices of the columns that are aligned on the right.
        gap: spaces between two columns.
    """
    columns = list(zip(*rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    for least in (
        [max(len(word) for cell in column for word in cell.split(" ")) for column in columns],
        [1] * len(columns),
    ):
        while width is not None and sum(widths) + gap * (len(widths) - 1) > width:
            room = [have if have > need else 0 for have, need in zip(widths, least, strict=True)]
            if not any(room):
                break
            widths[room.index(max(room))] -= 1
    lines = []
    for row in rows:
        wrapped = [
            [cell] if len(cell) <= room else textwrap.wrap(cell, room) for cell, room in zip(row, widths, strict=True)
        ]
        for parts in itertools.zip_longest(*wrapped, fillvalue=""):
            cells = zip(parts, widths, strict=True)
            padded = (
                part.rjust(room) if place in right else part.ljust(room) for place, (part, room) in enumerate(cells)
            )
            lines.append((" " * gap).join(padded).rstrip())
    return lines


def wrap(text: str, width: int, indent: int = 2) -> list[str]:
    """Wrap a text to the width, with continuation lines indented; longer words, such as paths, are not split."""
    return textwrap.wrap(
        text, max(width, 20), subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )


REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
"""Replaces characters that must not be shown: control and format characters, and lone surrogates."""

_HIDDEN = frozenset({"Cc", "Cf", "Cs"})


def remove_control_characters(text: str) -> str:
    """Replace control characters in a text; line ends are kept, as LF."""
    if text.isprintable():
        return text
    lines = re.split(r"\r\n|\r|\n", text)
    return "\n".join("".join(REPLACEMENT if _is_control(char) else char for char in line) for line in lines)


def quote_server_text(text: str, most: int = LONGEST_SHOWN) -> str:
    """Format server-supplied text on one line, truncated to `most` characters."""
    plain = remove_control_characters(re.sub(r"\s", " ", text[: 4 * most]).strip())
    return plain if len(plain) <= most else f"{plain[: most - 3]}..."


def _is_control(char: str) -> bool:
    return unicodedata.category(char) in _HIDDEN
