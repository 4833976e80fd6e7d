"""JSON that people review in a diff: the same value is the same text, a change is a short one. Pure."""

from __future__ import annotations

import json

LINE_WIDTH = 110


def render_json(value: object, indent: int = 0) -> str:
    """JSON for review in a diff: keys in the order given, a list of scalars on one line, a short object likewise."""
    if isinstance(value, float):
        return json.dumps(sensible(value), allow_nan=False)
    if not isinstance(value, (dict, list, tuple)):
        return json.dumps(value)
    inner = value.values() if isinstance(value, dict) else value
    pad = "  " * (indent + 1)
    if isinstance(value, dict):
        brackets = "{}"
        parts = [f"{json.dumps(str(key))}: {render_json(one, indent + 1)}" for key, one in value.items()]
    else:
        brackets = "[]"
        parts = [render_json(one, indent + 1) for one in value]
    flat = ", ".join(parts)
    scalars = not any(isinstance(one, (dict, list, tuple)) for one in inner)
    if scalars and (brackets == "[]" or len(flat) <= LINE_WIDTH):
        return f"{brackets[0]}{flat}{brackets[1]}"
    separator = f",\n{pad}"
    return f"{brackets[0]}\n{pad}{separator.join(parts)}\n{'  ' * indent}{brackets[1]}"


def sensible(value: float) -> float:
    """Seven significant digits: more than a clock gives, and a diff without noise."""
    return float(f"{value:.7g}")
