"""JSON that people review in a diff: one line per value, the same text for the same value. Pure.

`git diff` prints above each hunk the last line before it that begins with a letter. `HEADING` makes such a line, so
that a hunk names the benchmark that it is part of, however long that is.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Final

LINE_WIDTH = 110

HEADING: Final = object()
"""A value of a dict that is written as `null` at the beginning of a line, with the next entry on the same line."""


class Seconds(float):
    """Seconds that are written as thousandths, `53.7e-3`, so that a person reads milliseconds."""


def render_json(value: object, indent: int = 0) -> str:
    """JSON for review in a diff: keys in the order given, one line per value.

    Two exceptions: an entry `NAME_ms` is on the line of the entry `NAME` before it, and a short dict in a list is on
    one line.
    """
    if value is HEADING:
        return "\nnull"
    if isinstance(value, Seconds):
        return f"{Decimal(repr(sensible(value))).scaleb(3):f}e-3"
    if isinstance(value, float):
        return json.dumps(sensible(value), allow_nan=False)
    pad = "  " * (indent + 1)
    if isinstance(value, dict):
        text = _entries(value, indent + 1, f"\n{pad}")
        return f"{{\n{pad}{text}\n{'  ' * indent}}}" if value else "{}"
    if isinstance(value, (list, tuple)):
        text = f",\n{pad}".join(_on_one_line(one) or render_json(one, indent + 1) for one in value)
        return f"[\n{pad}{text}\n{'  ' * indent}]" if value else "[]"
    return json.dumps(value)


def _entries(values: dict[object, object], indent: int, line_break: str) -> str:
    parts: list[str] = []
    before: object = None
    for key, value in values.items():
        if before is not None:
            beside = key == f"{before}_ms" or values[before] is HEADING
            parts.append(", " if beside else f",{line_break}")
        text = render_json(value, indent)
        parts.append(f"{json.dumps(str(key))}:{'' if value is HEADING else ' '}{text}")
        before = key
    return "".join(parts)


def _on_one_line(value: object) -> str:
    """A dict of plain values; "" where it is something else, or too long."""
    if not isinstance(value, dict) or any(isinstance(one, (dict, list, tuple)) for one in value.values()):
        return ""
    text = f"{{{_entries(value, 0, ' ')}}}"
    return text if len(text) <= LINE_WIDTH else ""


def sensible(value: float) -> float:
    """Seven significant digits: more than a clock gives, and a diff without noise."""
    return float(f"{value:.7g}")
