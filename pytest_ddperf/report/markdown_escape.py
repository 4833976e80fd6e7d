"""Escape text from any source (a server, a file) for Markdown, so that it contains no markup or control characters."""

from __future__ import annotations

import re

from pytest_ddperf.text import remove_control_characters

_MARKUP = re.compile(r"([\\`*_\[\]#!|~^@]|:(?=//|[A-Za-z0-9_+-]+:))")  # colons: of URLs and emoji codes
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "$": "&#36;"}
_ADDRESS = re.compile(r"\b(www)\.", re.IGNORECASE)
_LIST_MARK = re.compile(r"^([-+=]|\d+(?=[.)]))")


def clip(text: str, length: int) -> str:
    """Truncate a text to `length` characters, including the `...` at the end."""
    return text if len(text) <= length else f"{text[: length - 3]}..."


def escape_inline(text: str) -> str:
    """Escape a text for one line of GitHub's Markdown, also in a table, so that every character is shown literally.

    White space is collapsed to single spaces.
    """
    plain = remove_control_characters(" ".join(text.split()))
    escaped = _ADDRESS.sub(r"\1\\.", _MARKUP.sub(r"\\\1", plain))
    return "".join(_ENTITIES.get(char, char) for char in escaped)


def escape_list_item(text: str) -> str:
    """Escape a text at the start of a list item or paragraph, where a dash or a number would start a list."""
    return _LIST_MARK.sub(_unmarked, escape_inline(text))


def _unmarked(found: re.Match[str]) -> str:
    mark = found[1]
    return f"\\{mark}" if not mark.isdigit() else f"&#{ord(mark[0])};{mark[1:]}"
